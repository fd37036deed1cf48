package shop

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/retail"
	"endcap/retail/shopper"
)

// proposalsIn asks for one list for one shopper.
type proposalsIn struct {
	Key      string `path:"key" doc:"one key of hers, as kind=value with the kinds of POST /v1/decisions, such as card=9001; the value percent-encoded"`
	List     string `query:"list" doc:"which list, by the names of POST /v1/decisions; for_you where absent"`
	N        int    `query:"n" minimum:"1" maximum:"50" default:"10" doc:"how many are wanted"`
	Store    string `query:"store" doc:"the store she shops at or orders from: its stock counts"`
	Channel  string `query:"channel" doc:"online or in_store; online where absent"`
	Category string `query:"category" doc:"for category: whose page it is"`
	Query    string `query:"query" doc:"for search: what is searched"`
	Product  string `query:"product" doc:"for complements and substitutes: of which product"`
}

// proposalsOut is one list, which nobody on the way may keep.
type proposalsOut struct {
	CacheControl string `header:"Cache-Control" doc:"no-store: it is about one person, and made from what is so now"`
	Body         Proposals
}

// Proposals is the answer of GET /v1/shoppers/{key}/proposals.
type Proposals struct {
	Decision  string     `json:"decision" doc:"names this answer; GET /v1/decisions/{id}/explain tells why"`
	Proposals []Proposal `json:"proposals"`
	Empty     string     `json:"empty,omitempty" doc:"why there is no proposal: no_candidates, all_excluded_by_rules"`
}

func proposalsOperation() huma.Operation {
	return huma.Operation{
		OperationID: "propose", Method: http.MethodGet, Path: "/v1/shoppers/{key}/proposals", Tags: []string{"shop"}, Security: api.Needs(access.Decide),
		Summary: "Ask for one list of proposals for one shopper.",
		Description: "The list that POST /v1/decisions gives, for desks, apps and mail systems that ask for one shopper at a time. Without personal_offers, and for a key that nobody knows, " +
			"it is what the page suggests, never an error. It is a decision without placements: it is recorded and explained as one, nothing is auctioned, and no frequency is counted.",
	}
}

// proposals is a decision without placements: its record says, as any other's, what
// was proposed and why, and what she bought since can be held against it.
func (h *handler) proposals(ctx context.Context, in *proposalsIn) (*proposalsOut, error) {
	who, err := readKey(in.Key)
	if err != nil {
		return nil, err
	}
	req, err := h.request(ctx, &Visit{
		Channel: in.Channel, Store: in.Store, List: in.List, Proposals: in.N,
		Page: Page{Query: in.Query, Category: in.Category, Product: in.Product},
	})
	if err != nil {
		return nil, asQueried(err)
	}
	if req.Shopper, err = h.People.Find(ctx, []shopper.Key{who}); err != nil {
		return nil, err
	}
	answer, err := h.Decider.Decide(ctx, req)
	if err != nil {
		return nil, err
	}
	d := h.write(answer, req.Visit.Day)
	return &proposalsOut{CacheControl: "no-store", Body: Proposals{Decision: d.Decision, Proposals: d.Proposals, Empty: d.Empty}}, nil
}

// asQueried names the field of a refusal as the query does.
func asQueried(err error) error {
	e, ok := errors.AsType[*retail.Error](err)
	if !ok || e.Field == "" {
		return err
	}
	out := *e
	out.Field = "query." + strings.TrimPrefix(e.Field, "page.")
	return &out
}

// readKey reads a key of a path, such as card=9001. What is wrong with it is told
// without repeating it.
func readKey(text string) (shopper.Key, error) {
	kind, value, found := strings.Cut(text, "=")
	key, err := shopper.ParseKey(shopper.KeyKind(kind), value)
	if !found || err != nil {
		return shopper.Key{}, &retail.Error{
			Kind: retail.Invalid, Field: "path.key", Say: "it is no key of a shopper",
			Cure: "send kind=value, such as card=9001; the kinds are card, account, email_sha256, phone_sha256 and device, and a hash is SHA-256 in hex",
		}
	}
	return key, nil
}
