// Package admin is the door for those who run the house: API keys, quarantine,
// questions to history, imports of files, the replay clock, and how far every
// follower has come.
//
// It stands beside the road of a receipt and watches it.
package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/ingest"
	"endcap/know/recommend/response"
	"endcap/retail"
)

// Ports are what the door speaks to.
type Ports struct {
	Keys   *access.Keeper
	Desk   Quarantine
	Decode ingest.Decoder // reads refused rows again
	// Mend notes a mended mapping, by which Decode reads the rows of files that
	// were loaded by the one of its name.
	Mend  func(ctx context.Context, mapping json.RawMessage) error
	Clock ReplayClock // nil where time is the wall's
	// Moved is called after the clock has moved; when it returns, everything
	// that a new business day brings has been done.
	Moved  func(ctx context.Context) error
	Status func(ctx context.Context) (Status, error)
	// Import loads a file and tells how it goes; the last line is Finished.
	Import func(ctx context.Context, in *Import, tell func(Imported)) error
	// BackUp makes a backup and tells how it goes; the last line is Finished.
	BackUp  func(ctx context.Context, in *BackUp, tell func(BackedUp)) error
	Batches Batches
	// Fresh returns when profiles and models hold what has come, for a batch.
	Fresh   func(ctx context.Context) error
	Secrets Secrets
	Settler Settler
	// Chances tells of the model of clicks.
	Chances func() response.Status
	Models  Models
	// Recovery sets the public half of the recovery key and gives its name.
	Recovery func(ctx context.Context, in *RecoveryKey) (string, error)
}

// Quarantine is what could not be taken in; know/ingest fits it.
type Quarantine interface {
	Refused(ctx context.Context, after uint64, limit int) ([]ingest.Refused, error)
	Replay(ctx context.Context, decode ingest.Decoder) (ingest.Replayed, error)
}

// ReplayClock is a clock that can be moved; retail.ReplayClock fits it.
type ReplayClock interface {
	Now() time.Time
	Advance(t time.Time) error
}

// Status is how far the house has come.
type Status struct {
	Retailer  string        `json:"retailer"`
	Dataset   string        `json:"dataset,omitempty" doc:"what the data is, where it is not the retailer's own"`
	Clock     string        `json:"clock" enum:"wall,replay"`
	Now       time.Time     `json:"now"`
	Followers []FollowerLag `json:"followers"`
	Backup    *LastBackup   `json:"last_backup,omitempty"`
	Outbox    int           `json:"outbox" doc:"booked facts not yet in the stream, at most 1000 counted"`
	CaughtUp  bool          `json:"caught_up" doc:"every follower has read the whole stream, and the outbox is empty"`
}

// FollowerLag says whether one follower has read everything.
type FollowerLag struct {
	Name     string `json:"name"`
	CaughtUp bool   `json:"caught_up"`
	Failing  string `json:"failing,omitempty" doc:"its last error, where the last fold failed"`
}

// Mount adds the door to a server.
func Mount(s *api.Server, p Ports) {
	h := &handler{p, s.Limits.PageMax}
	mountGauges(s, p.Status)
	mountChances(s, p.Chances)
	needs := api.Needs(access.Admin)
	tags := []string{"admin"}
	api.Register(s, huma.Operation{
		OperationID: "create-key", Method: http.MethodPost, Path: "/v1/keys", Tags: tags, Security: needs, DefaultStatus: http.StatusCreated,
		Summary: "Make an API key.", Description: "The secret is in this answer and nowhere else.",
	}, h.createKey)
	api.Register(s, huma.Operation{OperationID: "list-keys", Method: http.MethodGet, Path: "/v1/keys", Tags: tags, Security: needs, Summary: "List API keys."}, h.listKeys)
	api.Register(s, huma.Operation{
		OperationID: "revoke-key", Method: http.MethodDelete, Path: "/v1/keys/{id}", Tags: tags, Security: needs, DefaultStatus: http.StatusNoContent,
		Summary: "Revoke an API key.", Description: "It opens nothing more within ten seconds.",
	}, h.revokeKey)
	mountSecrets(s, h)
	api.Register(s, huma.Operation{
		OperationID: "list-quarantine", Method: http.MethodGet, Path: "/v1/quarantine", Tags: tags, Security: needs,
		Summary: "See what could not be taken in.", Description: "Rows may name shoppers: they are kept 30 days, in the vault.",
	}, h.listQuarantine)
	api.Register(s, huma.Operation{
		OperationID: "replay-quarantine", Method: http.MethodPost, Path: "/v1/quarantine/replay", Tags: tags, Security: needs,
		Summary: "Submit every row in quarantine again.", Description: "Rows that are taken in now leave the quarantine. Those of files are read by the mapping as a load or a replay last named it.",
	}, h.replay)
	api.Register(s, huma.Operation{OperationID: "status", Method: http.MethodGet, Path: "/v1/status", Tags: tags, Security: needs, Summary: "See how far every follower has come."}, h.status)
	mountImports(s, h)
	mountBackups(s, h)
	mountBatches(s, h)
	mountSettle(s, h)
	mountModels(s, h)
	if p.Clock != nil {
		api.Register(s, huma.Operation{
			OperationID: "move-clock", Method: http.MethodPut, Path: "/v1/clock", Tags: tags, Security: needs,
			Summary: "Move the replay clock forward.", Description: "Only on a demo that was started with a replay clock. Business days that begin by it have begun when the answer comes.",
		}, h.moveClock)
	}
}

type handler struct {
	Ports
	pageMax int
}

type createKeyIn struct{ Body access.Spec }

type createKeyOut struct {
	Body struct {
		Key    access.Known `json:"key"`
		Secret string       `json:"secret" doc:"send it as Authorization: Bearer SECRET"`
	}
}

func (h *handler) createKey(ctx context.Context, in *createKeyIn) (*createKeyOut, error) {
	known, secret, err := h.Keys.Create(ctx, api.Caller(ctx).Name, in.Body)
	if err != nil {
		return nil, err
	}
	out := new(createKeyOut)
	out.Body.Key, out.Body.Secret = known, secret
	return out, nil
}

type pageIn struct {
	After string `query:"after" maxLength:"64" doc:"the last id of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type keysOut struct {
	Body struct {
		Keys []access.Known `json:"keys"`
		Next string         `json:"next,omitempty" doc:"send it as after for the next page"`
	}
}

func (h *handler) listKeys(ctx context.Context, in *pageIn) (*keysOut, error) {
	keys, err := h.Keys.List(ctx, in.After, min(in.Limit, h.pageMax))
	if err != nil {
		return nil, err
	}
	out := new(keysOut)
	if out.Body.Keys = keys; len(keys) == in.Limit {
		out.Body.Next = keys[len(keys)-1].ID
	}
	return out, nil
}

type revokeKeyIn struct {
	ID string `path:"id" maxLength:"64"`
}

func (h *handler) revokeKey(ctx context.Context, in *revokeKeyIn) (*struct{}, error) {
	return nil, h.Keys.Revoke(ctx, api.Caller(ctx).Name, in.ID)
}

// RefusedRow is one row in quarantine on the wire.
type RefusedRow struct {
	ID     uint64    `json:"id"`
	Kind   string    `json:"kind"`
	Source string    `json:"source" doc:"file or caller"`
	Line   int64     `json:"line,omitempty"`
	Reason string    `json:"reason"`
	Say    string    `json:"say" doc:"field, what is wrong, how to put it right"`
	Raw    string    `json:"raw" doc:"the row as it came"`
	Stored string    `json:"stored,omitempty" doc:"for a conflict: what is stored under the id"`
	At     time.Time `json:"at"`
}

type quarantineIn struct {
	After uint64 `query:"after" doc:"the last id of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type quarantineOut struct {
	Body struct {
		Rows []RefusedRow `json:"rows"`
		Next uint64       `json:"next,omitempty"`
	}
}

func (h *handler) listQuarantine(ctx context.Context, in *quarantineIn) (*quarantineOut, error) {
	rows, err := h.Desk.Refused(ctx, in.After, min(in.Limit, h.pageMax))
	if err != nil {
		return nil, err
	}
	out := new(quarantineOut)
	out.Body.Rows = make([]RefusedRow, len(rows))
	for i := range rows {
		r := &rows[i]
		kind := r.Kind.String()
		if r.Kind == 0 {
			kind = "shopper" // of whom there is no fact
		}
		out.Body.Rows[i] = RefusedRow{r.ID, kind, r.Source, r.Line, r.Reason, r.Say, string(r.Raw), string(r.Stored), r.At}
	}
	if len(rows) == in.Limit {
		out.Body.Next = rows[len(rows)-1].ID
	}
	return out, nil
}

type replayOut struct {
	Body struct {
		Taken int64 `json:"taken"`
		Kept  int64 `json:"kept" doc:"still refused"`
	}
}

// Replay is the body of POST /v1/quarantine/replay, which may be left out.
type Replay struct {
	Mapping json.RawMessage `json:"mapping,omitempty" doc:"the mended mapping of files that were loaded, noted under its name before their rows are read again"`
}

type replayIn struct {
	Body *Replay `required:"false"`
}

func (h *handler) replay(ctx context.Context, in *replayIn) (*replayOut, error) {
	if in.Body != nil && len(in.Body.Mapping) > 0 {
		if err := h.Mend(ctx, in.Body.Mapping); err != nil {
			return nil, err
		}
	}
	done, err := h.Desk.Replay(ctx, h.Decode)
	if err != nil {
		return nil, err
	}
	out := new(replayOut)
	out.Body.Taken, out.Body.Kept = done.Taken, done.Kept
	return out, nil
}

type statusOut struct{ Body Status }

func (h *handler) status(ctx context.Context, _ *struct{}) (*statusOut, error) {
	s, err := h.Status(ctx)
	if err != nil {
		return nil, err
	}
	return &statusOut{s}, nil
}

type clockIn struct {
	Body struct {
		Now string `json:"now" format:"date-time"`
	}
}

type clockOut struct {
	Body struct {
		Now time.Time `json:"now"`
	}
}

func (h *handler) moveClock(ctx context.Context, in *clockIn) (*clockOut, error) {
	to, err := api.Instant("now", in.Body.Now)
	if err != nil {
		return nil, err
	}
	if err := h.Clock.Advance(to); err != nil {
		return nil, &retail.Error{Kind: retail.Conflict, Field: "now", Say: err.Error(), Cure: "send a later time", Err: err}
	}
	if err := h.Moved(ctx); err != nil {
		return nil, err
	}
	out := new(clockOut)
	out.Body.Now = h.Clock.Now()
	return out, nil
}
