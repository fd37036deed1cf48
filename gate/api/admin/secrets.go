package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/secret"
)

// Secrets are the house's own.
type Secrets struct {
	List func(ctx context.Context) ([]secret.Known, error)
	// Rotate is secret.Keeper's, with what belongs to each secret done after.
	Rotate func(ctx context.Context, t secret.Turn) (secret.Known, error)
}

func mountSecrets(s *api.Server, h *handler) {
	op := func(id, method, path, summary, description string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{"admin"}, Security: api.Needs(access.Admin), Summary: summary, Description: description}
	}
	rotate := op("rotate-key", http.MethodPost, "/v1/keys/{id}/rotations", "Give an API key a new secret.",
		"The secret is in this answer and nowhere else. The one before stays valid for the overlap, so that its holder can change over.")
	rotate.DefaultStatus = http.StatusCreated
	api.Register(s, rotate, h.rotateKey)
	api.Register(s, op("list-secrets", http.MethodGet, "/v1/secrets", "See the house's own secrets and their ages.", "No secret itself is told."), h.listSecrets)
	turn := op("rotate-secret", http.MethodPost, "/v1/secrets/rotations", "Rotate one of the house's own secrets.",
		"For the machine's operator alone. What was made under the generation before is understood until its time is over, unless it is destroyed at once.")
	turn.DefaultStatus = http.StatusCreated
	api.Register(s, turn, h.rotateSecret)
}

// overlapDefault is for how long a replaced secret stays valid where nobody says.
const overlapDefault = 24 * time.Hour

type rotateKeyIn struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		OverlapHours *int `json:"overlap_hours,omitempty" minimum:"0" maximum:"720" doc:"for how long the secret before stays valid, 24 if it is not said; 0 ends it at once"`
	}
}

func (h *handler) rotateKey(ctx context.Context, in *rotateKeyIn) (*createKeyOut, error) {
	overlap := overlapDefault
	if in.Body.OverlapHours != nil {
		overlap = time.Duration(*in.Body.OverlapHours) * time.Hour
	}
	known, text, err := h.Keys.Rotate(ctx, api.Caller(ctx).Name, in.ID, overlap)
	if err != nil {
		return nil, err
	}
	out := new(createKeyOut)
	out.Body.Key, out.Body.Secret = known, text
	return out, nil
}

// Secret is one of the house's own, without itself.
type Secret struct {
	Name        string       `json:"name"`
	About       string       `json:"about" doc:"what it is for"`
	Generations []Generation `json:"generations" doc:"the newest first, which is used; older ones are understood"`
}

// Generation is one generation of a secret.
type Generation struct {
	Number  int        `json:"number"`
	Made    *time.Time `json:"made,omitempty"`
	Retired *time.Time `json:"retired,omitempty" doc:"when it is destroyed; missing for the newest and for one that is kept for good"`
}

func secretOf(k *secret.Known) Secret {
	out := Secret{k.Name, k.About, make([]Generation, len(k.Generations))}
	for i := range k.Generations {
		g := &k.Generations[i]
		out.Generations[i] = Generation{g.Number, instantOf(g.Made), instantOf(g.Retired)}
	}
	return out
}

func instantOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

type secretsOut struct {
	Body struct {
		Secrets []Secret `json:"secrets"`
	}
}

func (h *handler) listSecrets(ctx context.Context, _ *struct{}) (*secretsOut, error) {
	all, err := h.Secrets.List(ctx)
	if err != nil {
		return nil, err
	}
	out := new(secretsOut)
	out.Body.Secrets = make([]Secret, len(all))
	for i := range all {
		out.Body.Secrets[i] = secretOf(&all[i])
	}
	return out, nil
}

type rotateSecretIn struct {
	Body struct {
		Secret string `json:"secret" minLength:"1" maxLength:"128"`
		AtOnce bool   `json:"at_once,omitempty" doc:"destroy the older ones now, because they leaked: what was made under them counts no more"`
	}
}

type secretOut struct{ Body Secret }

func (h *handler) rotateSecret(ctx context.Context, in *rotateSecretIn) (*secretOut, error) {
	if err := operatorOnly(ctx, "the house's secrets are rotated", "endcap secret rotate"); err != nil {
		return nil, err
	}
	known, err := h.Secrets.Rotate(ctx, secret.Turn{By: api.Caller(ctx).Name, Ring: in.Body.Secret, AtOnce: in.Body.AtOnce})
	if err != nil {
		return nil, err
	}
	return &secretOut{secretOf(&known)}, nil
}
