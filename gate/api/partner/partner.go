// Package partner is the door for those at the retailer's who match shoppers with
// a partner: they send the identifiers that the partner knows, and get the names
// that it may use for them. No partner has a key of its own here.
//
// It stands beside the road of a receipt: no purchase goes through it.
package partner

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/partner"
	"endcap/retail/shopper"
)

// Mount adds the door to a server.
func Mount(s *api.Server, desk *partner.Desk) {
	h := &handler{desk, s.Limits.PageMax}
	op := func(id, method, path, summary, description string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/v1/partners" + path, Tags: []string{"partners"}, Security: api.Needs(access.Partners), Summary: summary, Description: description}
	}
	api.Register(s, op("put-partner", http.MethodPut, "/{id}", "Make a partner, or give it another name.",
		"It has a secret of its own from then on, which `endcap secret rotate partner/ID` rotates."), h.put)
	api.Register(s, op("list-partners", http.MethodGet, "", "List partners.", ""), h.list)
	api.Register(s, op("name-shoppers", http.MethodPost, "/{id}/pseudonyms", "Get a partner's names for shoppers.",
		"Whoever allows the partner's purpose now has one; everybody else has none, and why is not told. The same shopper has the same name until the secret is rotated, and another at every partner. Each question is kept in the audit."), h.names)
	api.Register(s, op("list-ended-pseudonyms", http.MethodGet, "/{id}/pseudonyms/ended", "List the names that a partner is to delete.",
		"Consent was withdrawn, or the shopper is forgotten. Read all pages, and give the partner the whole list."), h.ended)
}

type handler struct {
	desk    *partner.Desk
	pageMax int
}

// Partner is a partner on the wire.
type Partner struct {
	ID      string `json:"id"`
	Version uint64 `json:"version"`
	Name    string `json:"name"`
	Purpose string `json:"purpose"`
}

func wireOf(h *partner.Held) Partner { return Partner{h.ID, h.Version, h.Name, h.Purpose} }

type putPartnerIn struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Name    string `json:"name" minLength:"1"`
		Purpose string `json:"purpose" enum:"offsite_matching,pooling" doc:"what a shopper must allow to be named; never changes"`
	}
}

type partnerOut struct{ Body Partner }

func (h *handler) put(ctx context.Context, in *putPartnerIn) (*partnerOut, error) {
	held, err := h.desk.Put(ctx, api.Caller(ctx).Name, in.ID, partner.Terms{Name: in.Body.Name, Purpose: in.Body.Purpose})
	if err != nil {
		return nil, err
	}
	return &partnerOut{wireOf(&held)}, nil
}

type partnersIn struct {
	After string `query:"after" maxLength:"64" doc:"the last id of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type partnersOut struct {
	Body struct {
		Partners []Partner `json:"partners"`
		Next     string    `json:"next,omitempty" doc:"send it as after for the next page"`
	}
}

func (h *handler) list(ctx context.Context, in *partnersIn) (*partnersOut, error) {
	limit := min(in.Limit, h.pageMax)
	all, err := h.desk.List(ctx, in.After, limit)
	if err != nil {
		return nil, err
	}
	out := new(partnersOut)
	out.Body.Partners = make([]Partner, len(all))
	for i := range all {
		out.Body.Partners[i] = wireOf(&all[i])
	}
	if len(all) == limit {
		out.Body.Next = all[len(all)-1].ID
	}
	return out, nil
}

// Named is how a partner knows one shopper.
type Named struct {
	Pseudonym string `json:"pseudonym,omitempty" doc:"missing for whoever does not allow it, is forgotten or unknown"`
	Previous  string `json:"previous,omitempty" doc:"her name before the secret was rotated, for 90 days"`
}

type namesIn struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Shoppers []api.Shopper `json:"shoppers" minItems:"1" maxItems:"5000"`
	}
}

type partnerNamesOut struct {
	Body struct {
		Names []Named `json:"names" doc:"in the order of the shoppers"`
	}
}

func (h *handler) names(ctx context.Context, in *namesIn) (*partnerNamesOut, error) {
	sets := make([][]shopper.Key, len(in.Body.Shoppers))
	for i := range in.Body.Shoppers {
		var err error
		if sets[i], err = in.Body.Shoppers[i].Keys(fmt.Sprintf("shoppers[%d]", i)); err != nil {
			return nil, err
		}
	}
	names, err := h.desk.Names(ctx, api.Caller(ctx).Name, in.ID, sets)
	if err != nil {
		return nil, err
	}
	out := new(partnerNamesOut)
	out.Body.Names = make([]Named, len(names))
	for i, n := range names {
		out.Body.Names[i] = Named(n)
	}
	return out, nil
}

type endedIn struct {
	ID    string `path:"id" maxLength:"64"`
	After uint64 `query:"after"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"500" doc:"how many of those it was told are looked at; a page may hold fewer names, or none"`
}

type endedNamesOut struct {
	Body struct {
		Pseudonyms []string `json:"pseudonyms"`
		Next       uint64   `json:"next,omitempty" doc:"send it as after for the next page"`
	}
}

func (h *handler) ended(ctx context.Context, in *endedIn) (*endedNamesOut, error) {
	names, next, err := h.desk.Ended(ctx, in.ID, in.After, min(in.Limit, h.pageMax))
	if err != nil {
		return nil, err
	}
	out := new(endedNamesOut)
	if out.Body.Pseudonyms, out.Body.Next = names, next; names == nil {
		out.Body.Pseudonyms = []string{}
	}
	return out, nil
}
