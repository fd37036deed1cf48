package trade

import (
	"context"
	"net/http"

	"endcap/gate/api"
	"endcap/know/recommend/merchandising"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/visit"
)

// Rules keeps what the retailer says about lists; know/recommend/merchandising's
// Terms fits it.
type Rules interface {
	Get(ctx context.Context, id merchandising.ID) (merchandising.Held, error)
	List(ctx context.Context, after string, limit int) ([]merchandising.Held, error)
	Versions(ctx context.Context, id merchandising.ID) ([]merchandising.Version, error)
	Put(ctx context.Context, id merchandising.ID, r merchandising.Rule, e merchandising.Edit) (uint64, []string, error)
	Remove(ctx context.Context, id merchandising.ID, e merchandising.Edit) (uint64, error)
}

// Rule is one merchandising rule, on the wire. It does one thing.
type Rule struct {
	ID       string                 `json:"id,omitempty" readOnly:"true"`
	Name     string                 `json:"name" maxLength:"200"`
	Lists    []string               `json:"lists,omitempty" doc:"in which it counts: for_you, next_basket, buy_again, complements, substitutes, discovery, search, category, trending; absent for all"`
	Stores   []string               `json:"stores,omitempty" doc:"where it counts; absent for all"`
	From     string                 `json:"from,omitempty" format:"date" doc:"the first day; absent for at once"`
	To       string                 `json:"to,omitempty" format:"date" doc:"the day after the last; absent for no end"`
	Pin      *merchandising.Pin     `json:"pin,omitempty" doc:"puts a product at a slot, unless it is out of stock or excluded"`
	Boost    *merchandising.Boost   `json:"boost,omitempty" doc:"multiplies scores, to lift products or to bury them"`
	Exclude  *merchandising.Exclude `json:"exclude,omitempty" doc:"takes products out of lists"`
	Spread   *merchandising.Spread  `json:"spread,omitempty" doc:"bounds how many products of a brand and of a category a list holds"`
	Weigh    *merchandising.Weigh   `json:"weigh,omitempty" doc:"lets margin and availability count; docs/recommend.md has the formula"`
	Warnings []string               `json:"warnings,omitempty" readOnly:"true" doc:"what it may not be meant to do, as it looked when it was put"`
}

func mountRules(s *api.Server, h *handler) {
	register(s, operation("list-rules", http.MethodGet, "/v1/rules", "List merchandising rules."), h.listRules)
	register(s, operation("get-rule", http.MethodGet, "/v1/rules/{id}", "Read a merchandising rule."), h.getRule)
	put := operation("put-rule", http.MethodPut, "/v1/rules/{id}", "Make or change a merchandising rule.")
	put.Description = "If-None-Match: * makes it new (201); If-Match with its ETag changes that version; with neither it is made where its id is free. For the retailer's keys. It counts within ten seconds."
	register(s, put, h.putRule)
	register(s, operation("remove-rule", http.MethodDelete, "/v1/rules/{id}", "Remove a merchandising rule."), h.removeRule)
	register(s, operation("list-rule-versions", http.MethodGet, "/v1/rules/{id}/versions", "Read every version of a merchandising rule, oldest first."), h.ruleVersions)
}

func writeRule(r merchandising.Held) Rule {
	return Rule{
		ID: string(r.ID), Name: r.Name, Lists: texts(r.Lists), Stores: texts(r.Stores), From: dateOf(r.From), To: dateOf(r.To),
		Pin: r.Pin, Boost: r.Boost, Exclude: r.Exclude, Spread: r.Spread, Weigh: r.Weigh,
	}
}

func dateOf(d *retail.Day) string {
	if d == nil {
		return ""
	}
	return d.String()
}

func (r *Rule) read() (merchandising.Rule, error) {
	out := merchandising.Rule{Name: r.Name, Pin: r.Pin, Boost: r.Boost, Exclude: r.Exclude, Spread: r.Spread, Weigh: r.Weigh}
	for _, l := range r.Lists {
		out.Lists = append(out.Lists, visit.ListName(l))
	}
	for _, s := range r.Stores {
		out.Stores = append(out.Stores, catalog.StoreID(s))
	}
	for _, bound := range []struct {
		field, text string
		to          **retail.Day
	}{{"from", r.From, &out.From}, {"to", r.To, &out.To}} {
		if bound.text == "" {
			continue
		}
		day, err := retail.ParseDay(bound.text)
		if err != nil {
			return out, &retail.Error{Kind: retail.Invalid, Field: bound.field, Say: err.Error()}
		}
		*bound.to = &day
	}
	return out, nil
}

func (h *handler) listRules(ctx context.Context, in *Page) (*many[Rule], error) {
	if err := retailerOnly(ctx); err != nil {
		return nil, err
	}
	size := in.size(h.pageMax)
	held, err := h.Rules.List(ctx, in.After, size+1)
	if err != nil {
		return nil, err
	}
	return manyOf(held, size, writeRule, func(r merchandising.Held) string { return string(r.ID) }), nil
}

func (h *handler) getRule(ctx context.Context, in *Read) (*one[Rule], error) {
	if err := retailerOnly(ctx); err != nil {
		return nil, err
	}
	held, err := h.Rules.Get(ctx, merchandising.ID(in.ID))
	if err != nil {
		return nil, err
	}
	if err := in.unless(held.Version); err != nil {
		return nil, err
	}
	return &one[Rule]{etag(held.Version), writeRule(held)}, nil
}

type putRule struct {
	Edit
	Body Rule
}

func (h *handler) putRule(ctx context.Context, in *putRule) (*stored[Rule], error) {
	if err := retailerOnly(ctx); err != nil {
		return nil, err
	}
	e, err := in.make(ctx)
	if err != nil {
		return nil, err
	}
	r, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	version, warnings, err := h.Rules.Put(ctx, merchandising.ID(in.ID), r, merchandising.Edit(e))
	if err != nil {
		return nil, err
	}
	out := writeRule(merchandising.Held{Named: merchandising.Named{ID: merchandising.ID(in.ID), Rule: r}})
	out.Warnings = warnings
	return storedAs(version, out), nil
}

func (h *handler) removeRule(ctx context.Context, in *Edit) (*struct{}, error) {
	if err := retailerOnly(ctx); err != nil {
		return nil, err
	}
	e, err := in.remove(ctx)
	if err != nil {
		return nil, err
	}
	_, err = h.Rules.Remove(ctx, merchandising.ID(in.ID), merchandising.Edit(e))
	return nil, err
}

func (h *handler) ruleVersions(ctx context.Context, in *VersionPage) (*many[Version[Rule]], error) {
	if err := retailerOnly(ctx); err != nil {
		return nil, err
	}
	all, err := h.Rules.Versions(ctx, merchandising.ID(in.ID))
	if err != nil {
		return nil, err
	}
	return historyOf(ctx, in, all, func(v merchandising.Version) Version[Rule] {
		return Version[Rule]{Version: v.Version, At: v.At, By: v.By, Removed: v.Removed, Terms: writeRule(v.Held)}
	}), nil
}
