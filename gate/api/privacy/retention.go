package privacy

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/privacy"
	"endcap/retail"
)

type (
	rulesOut struct {
		Body struct {
			Terms     privacy.Retention     `json:"terms" doc:"as endcap.json sets them"`
			Members   int                   `json:"members_months" doc:"the shortest of the retailer's own and its countries'"`
			Countries []privacy.CountryTerm `json:"countries" doc:"the countries that say something"`
			Kept      []privacy.Kept        `json:"kept" doc:"by kind of data"`
		}
	}
	runIn struct {
		Body struct {
			Dry       bool `json:"dry,omitempty" doc:"look only"`
			Confirmed bool `json:"confirmed,omitempty" doc:"do it though it would be held"`
		}
	}
	runOut  struct{ Body privacy.Run }
	runsOut struct {
		Body struct {
			Runs []privacy.Signed `json:"runs"`
		}
	}
	// Lapsing is somebody who will be forgotten unless she comes back.
	Lapsing struct {
		Keys   []Key      `json:"keys"`
		Active retail.Day `json:"active" doc:"when she last bought or spoke"`
		On     retail.Day `json:"on" doc:"when she is forgotten"`
	}
	// Key is one identifier.
	Key struct {
		Kind  string `json:"kind"`
		Value string `json:"value"`
	}
	lapsingIn struct {
		Days  int    `query:"days" minimum:"0" maximum:"365" default:"30" doc:"how far ahead, at most notice_days"`
		After string `query:"after" maxLength:"64"`
		Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	}
	lapsingOut struct {
		Body struct {
			Shoppers []Lapsing `json:"shoppers"`
			Next     string    `json:"next,omitempty" doc:"send it as after for the next page"`
		}
	}
)

func mountRetention(s *api.Server, h *handler) {
	op := func(id, method, path, summary, description string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/v1/privacy/retention" + path, Tags: []string{"privacy"}, Security: api.Needs(access.Privacy), Summary: summary, Description: description}
	}
	api.Register(s, op("read-retention", http.MethodGet, "", "Read how long each kind of data is kept.", ""), h.rules)
	api.Register(s, op("retain", http.MethodPost, "/runs", "Let go now what is too old, instead of tonight.",
		"Of use it is out by its age alone. A run in which suspiciously many shoppers are inactive, or whose newest receipt is old, forgets nobody unless it is confirmed."), h.retain)
	api.Register(s, op("list-retention-runs", http.MethodGet, "/runs", "Read what the runs of retention did.", "The newest first, each signed with the key of certificates. They name nobody."), h.runs)
	api.Register(s, op("list-lapsing", http.MethodGet, "/lapsing", "List who will be forgotten for inactivity.", "For the retailer to write to her, as the last run found it."), h.lapsing)
}

func (h *handler) rules(context.Context, *struct{}) (*rulesOut, error) {
	out := new(rulesOut)
	out.Body.Terms, out.Body.Kept = h.office.Rules()
	out.Body.Members, _ = out.Body.Terms.Members()
	out.Body.Countries = privacy.CountryTerms()
	return out, nil
}

func (h *handler) retain(ctx context.Context, in *runIn) (*runOut, error) {
	run, err := h.office.Retain(ctx, privacy.Manner{Dry: in.Body.Dry, Confirmed: in.Body.Confirmed})
	if err != nil {
		return nil, err
	}
	return &runOut{run}, nil
}

func (h *handler) runs(ctx context.Context, _ *struct{}) (*runsOut, error) {
	all, err := h.office.Runs(ctx, sweepsShown)
	if err != nil {
		return nil, err
	}
	out := new(runsOut)
	out.Body.Runs = all
	return out, nil
}

func (h *handler) lapsing(ctx context.Context, in *lapsingIn) (*lapsingOut, error) {
	from, err := placeOf(in.After)
	if err != nil {
		return nil, err
	}
	limit := min(in.Limit, h.pageMax)
	found, next, err := h.office.LapsingWithin(ctx, in.Days, from, limit)
	if err != nil {
		return nil, err
	}
	out := new(lapsingOut)
	out.Body.Shoppers = make([]Lapsing, len(found))
	for i, l := range found {
		out.Body.Shoppers[i] = Lapsing{Keys: make([]Key, len(l.Keys)), Active: l.Active, On: l.On}
		for n, k := range l.Keys {
			out.Body.Shoppers[i].Keys[n] = Key{string(k.Kind()), k.Reveal()}
		}
	}
	if len(found) == limit {
		out.Body.Next = fmt.Sprintf("%v.%d", next.Active, next.Skipped)
	}
	return out, nil
}

// placeOf reads a page's cursor.
func placeOf(after string) (p privacy.Behind, err error) {
	if after == "" {
		return p, nil
	}
	day, skipped, _ := strings.Cut(after, ".")
	if p.Skipped, err = strconv.Atoi(skipped); err == nil {
		p.Active, err = retail.ParseDay(day)
	}
	if err != nil || p.Skipped < 0 {
		return p, &retail.Error{Kind: retail.Invalid, Field: "after", Say: "it is no page's next", Cure: "send next as the page before gave it"}
	}
	return p, nil
}
