package trade

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/audience"
	"endcap/prove/cleanroom"
	"endcap/retail"
	ground "endcap/retail/audience"
	"endcap/retail/media"
	"endcap/sell/campaign"
)

// Audiences keeps definitions and counts them.
type Audiences struct {
	Terms  *audience.Terms
	Sizer  *audience.Sizer
	Audit  cleanroom.Auditor
	Policy cleanroom.Policy
	Now    retail.Clock
	Zone   *time.Location
}

// roundTo is the step to which an advertiser's sizes are rounded, so that two
// nearly equal sentences do not tell who lies between them.
const roundTo = 50

// Audience is who may be reached, on the wire.
type Audience struct {
	ID       string `json:"id,omitempty" readOnly:"true"`
	Name     string `json:"name" maxLength:"200"`
	Sentence string `json:"sentence" maxLength:"8192" example:"bought category \"YOGURT\" at least 2 times within 90 days and not bought brand \"759\" within 26 weeks" doc:"who belongs; see docs/audiences.md"`
	Owner    string `json:"owner,omitempty" readOnly:"true" doc:"the advertiser who alone may use it; absent for the retailer's own, which all may use"`
}

// Size is how many shoppers a sentence reaches, as an advertiser may know it.
type Size struct {
	Size cleanroom.Cleared `json:"size" doc:"rounded to 50, or why it is not told"`
	Day  string            `json:"day" format:"date"`
}

// Explained is how a sentence arrives at its size, for the retailer's roles.
type Explained struct {
	Size     int    `json:"size"`
	Shoppers int    `json:"shoppers" doc:"who could belong: a receipt so far, and personal adverts allowed"`
	Steps    []Step `json:"steps" doc:"what each part of the sentence does"`
	Day      string `json:"day" format:"date"`
}

// Step is what one part of a sentence does.
type Step struct {
	Part    string `json:"part"`
	Alone   int    `json:"alone" doc:"shoppers for whom it holds"`
	Left    int    `json:"left" doc:"shoppers left after it and all before it"`
	Removed int    `json:"removed" doc:"shoppers it took away"`
}

func mountAudiences(s *api.Server, h *handler) {
	register(s, operation("list-audiences", http.MethodGet, "/v1/audiences", "List audiences."), h.listAudiences)
	register(s, operation("get-audience", http.MethodGet, "/v1/audiences/{id}", "Read an audience."), h.getAudience)
	register(s, operation("put-audience", http.MethodPut, "/v1/audiences/{id}", "Make or change an audience."), h.putAudience)
	register(s, operation("remove-audience", http.MethodDelete, "/v1/audiences/{id}", "Remove an audience."), h.removeAudience)
	size := operation("size-audience", http.MethodPost, "/v1/audiences/size", "Count a sentence before it is booked.")
	size.Description = "One cleared size; each answer leaves an audit entry."
	register(s, size, h.size)
	register(s, huma.Operation{
		OperationID: "explain-audience", Method: http.MethodPost, Path: "/v1/audiences/explain", Tags: []string{"history"}, Security: api.Needs(access.Analyse),
		Summary: "Count a sentence exactly and see what each part of it does.", Description: "For the retailer's roles.",
	}, h.explain)
}

// listAudiences leaves out what the caller may not know of, and reads on until
// the page is full.
func (h *handler) listAudiences(ctx context.Context, in *Page) (*many[Audience], error) {
	who, size, after := api.Caller(ctx), in.size(h.pageMax), in.After
	var seen []audience.Held
	for len(seen) <= size {
		held, err := h.Audiences.Terms.List(ctx, after, h.pageMax)
		if err != nil {
			return nil, err
		}
		for i := range held {
			if held[i].Owner == "" || who.Sees(held[i].Owner) {
				seen = append(seen, held[i])
			}
		}
		if len(held) < h.pageMax {
			break
		}
		after = string(held[len(held)-1].ID)
	}
	seen = seen[:min(len(seen), size+1)]
	return manyOf(seen, size, writeAudience, func(a audience.Held) string { return string(a.ID) }), nil
}

func writeAudience(a audience.Held) Audience {
	return Audience{string(a.ID), a.Name, a.Sentence.String(), string(a.Owner)}
}

// audienceOf finds an audience that the caller may use.
func (h *handler) audienceOf(ctx context.Context, id ground.ID) (audience.Held, error) {
	held, err := h.Audiences.Terms.Get(ctx, id)
	if err != nil {
		return held, err
	}
	if who := api.Caller(ctx); held.Owner != "" && !who.Sees(held.Owner) {
		return audience.Held{}, missing("audience")
	}
	return held, nil
}

func (h *handler) getAudience(ctx context.Context, in *Read) (*one[Audience], error) {
	held, err := h.audienceOf(ctx, ground.ID(in.ID))
	if err != nil {
		return nil, err
	}
	if err := in.unless(held.Version); err != nil {
		return nil, err
	}
	return &one[Audience]{etag(held.Version), writeAudience(held)}, nil
}

type putAudience struct {
	Edit
	Body Audience
}

func (h *handler) putAudience(ctx context.Context, in *putAudience) (*stored[Audience], error) {
	e, err := in.make(ctx)
	if err != nil {
		return nil, err
	}
	who := api.Caller(ctx)
	d := audience.Definition{Name: in.Body.Name, Owner: who.Advertiser}
	if e.Version > 0 {
		if d.Owner, err = h.ownerOf(ctx, in.ID); err != nil {
			return nil, err
		}
	}
	if d.Sentence, err = sentence(in.Body.Sentence); err != nil {
		return nil, err
	}
	if err := h.stillWide(ctx, ground.ID(in.ID), d.Sentence); err != nil {
		return nil, err
	}
	version, err := h.Audiences.Terms.Put(ctx, ground.ID(in.ID), d, audience.Edit(e))
	if err != nil {
		return nil, err
	}
	return storedAs(version, writeAudience(audience.Held{ID: ground.ID(in.ID), Definition: d})), nil
}

func (h *handler) removeAudience(ctx context.Context, in *Edit) (*struct{}, error) {
	e, err := in.remove(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := h.ownerOf(ctx, in.ID); err != nil {
		return nil, err
	}
	_, err = h.Audiences.Terms.Remove(ctx, ground.ID(in.ID), audience.Edit(e))
	return nil, err
}

// ownerOf is who owns an audience that the caller may change: an advertiser
// changes only its own.
func (h *handler) ownerOf(ctx context.Context, id string) (media.AdvertiserID, error) {
	held, err := h.audienceOf(ctx, ground.ID(id))
	if err != nil {
		return "", err
	}
	if who := api.Caller(ctx); !who.Retailer() && held.Owner == "" {
		return "", &retail.Error{Kind: retail.Denied, Say: "this audience is the retailer's", Cure: "make one of your own"}
	}
	return held.Owner, nil
}

func sentence(text string) (ground.Node, error) {
	node, err := ground.Parse(text)
	if err != nil {
		return node, &retail.Error{Kind: retail.Invalid, Field: "sentence", Say: err.Error(), Cure: "docs/audiences.md shows the language", Err: err}
	}
	return node, nil
}

type sizeIn struct {
	Body struct {
		Sentence string `json:"sentence" maxLength:"8192"`
	}
}

func (h *handler) size(ctx context.Context, in *sizeIn) (*one[Size], error) {
	node, err := sentence(in.Body.Sentence)
	if err != nil {
		return nil, err
	}
	a, who := &h.Audiences, api.Caller(ctx)
	now := a.Now()
	today := retail.DayOf(now, a.Zone)
	n, err := a.Sizer.Size(ctx, node, today)
	if err != nil {
		return nil, err
	}
	policy := a.Policy
	policy.RoundCount = roundTo
	cleared := policy.Shoppers(n)
	entry := cleanroom.Entry{
		At: now, By: who.Name, Party: who.Advertiser, Question: "audience_size", Subject: node.String(), Edition: today, K: policy.ShoppersMin, Told: 1,
	}
	if why, withheld := cleared.Withheld(); withheld {
		entry.Told, entry.Withheld, entry.Reasons = 0, 1, map[cleanroom.Reason]int{why: 1}
	}
	if err := a.Audit.Audit(ctx, entry); err != nil {
		return nil, err
	}
	return &one[Size]{Body: Size{cleared, today.String()}}, nil
}

func (h *handler) explain(ctx context.Context, in *sizeIn) (*one[Explained], error) {
	node, err := sentence(in.Body.Sentence)
	if err != nil {
		return nil, err
	}
	today := retail.DayOf(h.Audiences.Now(), h.Audiences.Zone)
	e, err := h.Audiences.Sizer.Explain(ctx, node, today)
	if err != nil {
		return nil, err
	}
	out := &one[Explained]{Body: Explained{Size: e.Size, Shoppers: e.Shoppers, Day: today.String(), Steps: []Step{}}}
	for _, s := range e.Steps {
		out.Body.Steps = append(out.Body.Steps, Step{s.Part, s.Alone, s.Left, s.Removed})
	}
	return out, nil
}

// stillWide refuses a sentence that leaves too few shoppers to an audience that
// a line item is booked for: exact delivery was licensed by its size, and must
// not be narrowed to a few afterwards.
func (h *handler) stillWide(ctx context.Context, id ground.ID, sentence ground.Node) error {
	for after := ""; ; {
		items, err := h.Book.LineItems(ctx, campaign.Page{After: after, Limit: h.pageMax})
		if err != nil || len(items) == 0 {
			return err
		}
		for _, l := range items {
			if l.Terms.Audience == id {
				_, err := h.wideEnough(ctx, id, sentence)
				return err
			}
			after = string(l.Terms.ID)
		}
	}
}

// booked is how many shoppers an audience has as a line item is booked for it;
// one too small for exact delivery figures is refused.
func (h *handler) booked(ctx context.Context, id ground.ID) (int, error) {
	held, err := h.audienceOf(ctx, id)
	if retail.KindOf(err) == retail.NotFound {
		return 0, &retail.Error{Kind: retail.Invalid, Field: "audience", Say: "no such audience", Cure: "make it with PUT /v1/audiences/{id} first", Err: err}
	} else if err != nil {
		return 0, err
	}
	return h.wideEnough(ctx, id, held.Sentence)
}

// wideEnough counts a sentence and refuses one of too few shoppers.
func (h *handler) wideEnough(ctx context.Context, id ground.ID, sentence ground.Node) (int, error) {
	a := &h.Audiences
	n, err := a.Sizer.Size(ctx, sentence, retail.DayOf(a.Now(), a.Zone))
	if err != nil {
		return 0, err
	}
	if _, err := a.Policy.Licence(cleanroom.Booking{LineItem: media.LineItemID("new"), Audience: id, Shoppers: n}); err != nil {
		return 0, &retail.Error{Kind: retail.Invalid, Field: "audience", Say: "the audience has too few shoppers to be advertised to", Cure: "widen its sentence", Err: err}
	}
	return n, nil
}
