// Package merge is the door for those who keep the retailer's customer records:
// they see why several shoppers are one person, say that two are or are not,
// answer what linkage proposes, and take any of it back. Nobody is shown a key
// or an id here: shoppers are named by keys in the request's body, which is not
// logged, and answered by number.
//
// On the road of a receipt it stands beside know/ingest: whose card it was is
// one thing, as whom she is known another.
package merge

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/identity"
	"endcap/know/identity/graph"
	"endcap/retail/shopper"
)

// Desk is what changes who is one person; know/ingest fits it.
type Desk interface {
	Merge(ctx context.Context, c identity.Claim) (identity.Verdict, error)
	Part(ctx context.Context, c identity.Claim) (identity.Verdict, error)
	Withdraw(ctx context.Context, edge string, v identity.Vouched) error
	Propose(ctx context.Context, all []identity.Suspected, source string) ([]bool, error)
	Answer(ctx context.Context, proposal uint64, yes bool, v identity.Vouched) (identity.Verdict, error)
}

// People tells of it; know/identity fits it.
type People interface {
	Explain(ctx context.Context, keys []shopper.Key) (*identity.Explained, error)
	Waiting(ctx context.Context, after uint64, limit int) ([]identity.Waiting, error)
}

type handler struct {
	desk   Desk
	people People
}

// Mount adds the door to a server.
func Mount(s *api.Server, desk Desk, people People) {
	h := &handler{desk, people}
	needs, tags := api.Needs(access.Identity), []string{"identity"}
	api.Register(s, huma.Operation{
		OperationID: "look-shopper-up", Method: http.MethodPost, Path: "/v1/identity/lookups", Tags: tags, Security: needs,
		Summary: "See why shoppers are one person.", Description: "The answer numbers the shoppers she is and lists the evidence, without a key or an id. Nothing is changed.",
	}, h.look)
	api.Register(s, huma.Operation{
		OperationID: "merge-shoppers", Method: http.MethodPost, Path: "/v1/identity/merges", Tags: tags, Security: needs, DefaultStatus: http.StatusCreated,
		Summary: "Say that two shoppers are one person.", Description: "Profiles, caps, audiences and figures follow. It is evidence beside the other evidence: where that speaks against it, merged is false and refused says why.",
	}, h.merge)
	api.Register(s, huma.Operation{
		OperationID: "withdraw-evidence", Method: http.MethodDelete, Path: "/v1/identity/merges/{id}", Tags: tags, Security: needs, DefaultStatus: http.StatusNoContent,
		Summary: "Take evidence back.", Description: "Afterwards it is as if it had never come, and it does not come again by the same rows of a feed.",
	}, h.withdraw)
	api.Register(s, huma.Operation{
		OperationID: "part-shoppers", Method: http.MethodPost, Path: "/v1/identity/separations", Tags: tags, Security: needs, DefaultStatus: http.StatusCreated,
		Summary: "Say that two shoppers are two people.", Description: "They are never merged, whatever else is seen, until this is taken back like other evidence.",
	}, h.part)
	api.Register(s, huma.Operation{
		OperationID: "propose-merges", Method: http.MethodPost, Path: "/v1/identity/proposals", Tags: tags, Security: needs,
		Summary: "Propose merges.", Description: "For linkage: pairs wait for an answer and merge nobody. A pair that is one, is known to be two, is too improbable or has an unknown shopper is left out.",
	}, h.propose)
	api.Register(s, huma.Operation{
		OperationID: "list-proposals", Method: http.MethodGet, Path: "/v1/identity/proposals", Tags: tags, Security: needs, Summary: "See which merges wait for an answer.",
	}, h.waiting)
	api.Register(s, huma.Operation{
		OperationID: "answer-proposal", Method: http.MethodPut, Path: "/v1/identity/proposals/{id}", Tags: tags, Security: needs,
		Summary: "Approve or reject a proposal.", Description: "Approving adds its evidence as linked; rejecting says that the two are two people.",
	}, h.answer)
}

// Claim is the body of a merge or a separation.
type Claim struct {
	A     api.Shopper `json:"a" doc:"keys of the one"`
	B     api.Shopper `json:"b" doc:"keys of the other"`
	Basis string      `json:"basis,omitempty" enum:"declared,login,confirmed" default:"declared" doc:"on what a merge rests: the retailer's records, a login, an answer at the address"`
	Why   string      `json:"why" minLength:"1" maxLength:"1000" doc:"what it rests on, in words that name nobody; kept with your name"`
}

// Merged is what evidence came to.
type Merged struct {
	ID      string `json:"id" doc:"of the evidence; delete it to take it back"`
	Merged  bool   `json:"merged" doc:"the two are one person now"`
	Refused string `json:"refused,omitempty" doc:"why they are not: apart, too_many_shoppers, too_many_keys, improbable"`
}

type claimIn struct{ Body Claim }

type mergedOut struct{ Body Merged }

func (h *handler) merge(ctx context.Context, in *claimIn) (*mergedOut, error) {
	return claim(ctx, &in.Body, h.desk.Merge)
}

func (h *handler) part(ctx context.Context, in *claimIn) (*mergedOut, error) {
	out, err := claim(ctx, &in.Body, h.desk.Part)
	if err == nil {
		out.Body.Merged = false
	}
	return out, err
}

func claim(ctx context.Context, c *Claim, do func(context.Context, identity.Claim) (identity.Verdict, error)) (*mergedOut, error) {
	a, err := c.A.Keys("a")
	if err != nil {
		return nil, err
	}
	b, err := c.B.Keys("b")
	if err != nil {
		return nil, err
	}
	v := vouched(ctx, c.Why)
	v.Basis = graph.Basis(c.Basis)
	verdict, err := do(ctx, identity.Claim{A: a, B: b, Vouched: v})
	if err != nil {
		return nil, err
	}
	return mergedOf(verdict), nil
}

func vouched(ctx context.Context, why string) identity.Vouched {
	return identity.Vouched{Source: "api", By: api.Caller(ctx).Name, Say: why}
}

func mergedOf(v identity.Verdict) *mergedOut {
	return &mergedOut{Merged{ID: v.Edge, Merged: v.Refusal == "", Refused: string(v.Refusal)}}
}

type withdrawIn struct {
	ID  string `path:"id" maxLength:"128"`
	Why string `query:"why" maxLength:"1000" required:"true" doc:"kept with your name"`
}

func (h *handler) withdraw(ctx context.Context, in *withdrawIn) (*struct{}, error) {
	return nil, h.desk.Withdraw(ctx, in.ID, vouched(ctx, in.Why))
}

type lookIn struct {
	Body struct {
		Shopper api.Shopper `json:"shopper"`
	}
}

// Person is who several shoppers are.
type Person struct {
	Shoppers  []Keys     `json:"shoppers" doc:"the shoppers she is, the one as whom she is known first: how many keys of each kind"`
	Evidence  []Evidence `json:"evidence" doc:"oldest first"`
	Household []Mate     `json:"household" doc:"the other people of her household: those with whom she shares a key that merges nobody"`
}

// Mate is another person of the household.
type Mate struct {
	Keys   Keys     `json:"keys" doc:"how many keys of each kind"`
	Shares []string `json:"shares" doc:"the kinds of key that the two share; empty where somebody else stands between them"`
}

// Keys counts a shopper's keys by kind.
type Keys map[string]int

// Evidence is one piece of it. From and To number the shoppers from 1; 0 is
// somebody else.
type Evidence struct {
	ID          string    `json:"id"`
	From        int       `json:"from" doc:"number of a shopper, 0 for somebody else"`
	To          int       `json:"to"`
	Key         string    `json:"key,omitempty" doc:"the kind of key they share; absent where it is about two shoppers"`
	Basis       string    `json:"basis" doc:"declared, login, confirmed, linked, or apart"`
	Probability float64   `json:"probability,omitempty"`
	Source      string    `json:"source"`
	By          string    `json:"by"`
	Why         string    `json:"why,omitempty"`
	At          time.Time `json:"at"`
	Refused     string    `json:"refused,omitempty" doc:"why it merges nobody: withdrawn, shared_key, shared_device, apart, too_many_shoppers, too_many_keys, improbable"`
}

type personOut struct{ Body Person }

func (h *handler) look(ctx context.Context, in *lookIn) (*personOut, error) {
	keys, err := in.Body.Shopper.Keys("shopper")
	if err != nil {
		return nil, err
	}
	e, err := h.people.Explain(ctx, keys)
	if err != nil {
		return nil, err
	}
	out := &personOut{Person{Shoppers: make([]Keys, len(e.Members)), Evidence: make([]Evidence, len(e.Edges)), Household: make([]Mate, len(e.Household))}}
	for n, side := range e.Members {
		out.Body.Shoppers[n] = keysOf(side)
	}
	for n, mate := range e.Household {
		out.Body.Household[n] = Mate{keysOf(mate.Keys), []string{}}
		for _, kind := range mate.Shares {
			out.Body.Household[n].Shares = append(out.Body.Household[n].Shares, string(kind))
		}
	}
	for n, r := range e.Edges {
		out.Body.Evidence[n] = Evidence{
			ID: r.ID, From: r.From, To: r.To, Key: string(r.Kind), Basis: r.Basis, Probability: r.Probability,
			Source: r.Source, By: r.By, Why: r.Say, At: r.At, Refused: string(r.Refused),
		}
	}
	return out, nil
}

func keysOf(side identity.Side) Keys {
	out := make(Keys, len(side))
	for kind, n := range side {
		out[string(kind)] = n
	}
	return out
}

// Proposed is one pair to be proposed.
type Proposed struct {
	A           api.Shopper `json:"a"`
	B           api.Shopper `json:"b"`
	Probability float64     `json:"probability" minimum:"0.5" maximum:"1"`
	Evidence    string      `json:"evidence" maxLength:"4000" doc:"how the fields compare, without their values"`
}

type proposeIn struct {
	Body struct {
		Source    string     `json:"source" minLength:"1" maxLength:"200" doc:"the job and its version"`
		Proposals []Proposed `json:"proposals" minItems:"1" maxItems:"1000"`
	}
}

type proposeOut struct {
	Body struct {
		Waiting []bool `json:"waiting" doc:"for each pair, whether it waits for an answer now"`
	}
}

func (h *handler) propose(ctx context.Context, in *proposeIn) (*proposeOut, error) {
	all := make([]identity.Suspected, len(in.Body.Proposals))
	for n, p := range in.Body.Proposals {
		a, err := p.A.Keys(fmt.Sprintf("proposals[%d].a", n))
		if err != nil {
			return nil, err
		}
		b, err := p.B.Keys(fmt.Sprintf("proposals[%d].b", n))
		if err != nil {
			return nil, err
		}
		all[n] = identity.Suspected{A: a, B: b, Probability: p.Probability, Say: p.Evidence}
	}
	kept, err := h.desk.Propose(ctx, all, in.Body.Source)
	if err != nil {
		return nil, err
	}
	out := new(proposeOut)
	out.Body.Waiting = kept
	return out, nil
}

// Waiting is a proposal without an answer.
type Waiting struct {
	ID          uint64    `json:"id"`
	Probability float64   `json:"probability"`
	Source      string    `json:"source"`
	Evidence    string    `json:"evidence"`
	At          time.Time `json:"at"`
	A           Keys      `json:"a" doc:"how many keys of each kind"`
	B           Keys      `json:"b"`
}

type waitingIn struct {
	After uint64 `query:"after" doc:"the last id of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type waitingOut struct {
	Body struct {
		Proposals []Waiting `json:"proposals"`
		Next      uint64    `json:"next,omitempty" doc:"send it as after for the next page"`
	}
}

func (h *handler) waiting(ctx context.Context, in *waitingIn) (*waitingOut, error) {
	all, err := h.people.Waiting(ctx, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	out := new(waitingOut)
	out.Body.Proposals = make([]Waiting, len(all))
	for n, w := range all {
		out.Body.Proposals[n] = Waiting{w.ID, w.Probability, w.Source, w.Say, w.At, keysOf(w.A), keysOf(w.B)}
	}
	if len(all) == in.Limit {
		out.Body.Next = all[len(all)-1].ID
	}
	return out, nil
}

type answerIn struct {
	ID   uint64 `path:"id"`
	Body struct {
		Answer string `json:"answer" enum:"approve,reject"`
	}
}

func (h *handler) answer(ctx context.Context, in *answerIn) (*mergedOut, error) {
	yes := in.Body.Answer == "approve"
	v, err := h.desk.Answer(ctx, in.ID, yes, vouched(ctx, ""))
	if err != nil {
		return nil, err
	}
	out := mergedOf(v)
	out.Body.Merged = out.Body.Merged && yes
	return out, nil
}
