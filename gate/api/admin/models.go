package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/recommend"
	"endcap/know/recommend/training"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/shopper"
	"endcap/retail/visit"
)

// Models is what the door speaks to about the model of what is bought next.
type Models struct {
	Keeper  *training.Keeper
	Trainer *training.Trainer
	Lists   *recommend.Recommender
	People  Finder
	Range   Range
	// Habits is what decisions know of what a shopper bought, and whether she allows it.
	Habits func(ctx context.Context, who shopper.ID) (section []byte, allowed bool, err error)
	// Note keeps who had which version serve.
	Note func(ctx context.Context, by string, serving uint64) error
	Now  retail.Clock
	Zone *time.Location
}

// Finder finds shoppers; know/identity fits it.
type Finder interface {
	Find(ctx context.Context, keys []shopper.Key) (shopper.ID, error)
	Canonical(who shopper.ID) shopper.ID
}

// order is to read through yesterday.
func (m *Models) order(tell func(step string)) training.Order {
	now := m.Now()
	return training.Order{Through: retail.DayOf(now, m.Zone) - 1, At: now, Tell: tell}
}

// Learning is one line of the answer while a model is trained or judged; the last is
// Finished and holds what came of it, or the problem.
type Learning struct {
	Step     string          `json:"step,omitempty" enum:"reading,searching,training,judging"`
	Outcome  json.RawMessage `json:"outcome,omitempty" doc:"of a training: the version published, or why none was, and figures"`
	Versions json.RawMessage `json:"evaluation,omitempty" doc:"figures of plain frequencies and of every version that is kept, on the newest week"`
	Problem  string          `json:"problem,omitempty"`
	Finished bool            `json:"finished,omitempty"`
}

// Explain asks why products stand on a shopper's list.
type Explain struct {
	Shopper *api.Shopper `json:"shopper"`
	List    string       `json:"list" enum:"for_you,next_basket,buy_again,complements,substitutes,discovery,search,category,trending" default:"next_basket"`
	Store   string       `json:"store,omitempty" maxLength:"100"`
	Count   int          `json:"count,omitempty" minimum:"1" maximum:"50" default:"10"`
}

// ExplainedList is a list with what stands behind each product.
type ExplainedList struct {
	Allowed    bool               `json:"allowed" doc:"she allows offers from what she bought; else nothing she bought counts"`
	Model      uint64             `json:"model_version,omitempty" doc:"that was asked what she buys next; absent where none was"`
	Popularity uint64             `json:"popularity_version,omitempty"`
	Related    string             `json:"related_through,omitempty" format:"date"`
	Products   []ExplainedProduct `json:"products"`
	Rules      []ExplainedRule    `json:"rules,omitempty" doc:"what merchandising rules did"`
	Empty      string             `json:"empty,omitempty"`
}

// ExplainedProduct is one product of the list.
type ExplainedProduct struct {
	Product string             `json:"product"`
	Name    string             `json:"name,omitempty"`
	Reason  string             `json:"reason"`
	Because string             `json:"because"`
	Chance  float64            `json:"chance,omitempty" doc:"that it is in her next basket, by the model"`
	Signals []recommend.Signal `json:"signals,omitempty" doc:"what the model weighs"`
}

// ExplainedRule is one thing that a rule did; -1 is no place.
type ExplainedRule struct {
	Rule    string `json:"rule"`
	Did     string `json:"did"`
	Product string `json:"product"`
	From    int    `json:"from"`
	To      int    `json:"to"`
}

// Range is what must be known of products to tell of them.
type Range interface {
	Product(id catalog.ProductID) (*catalog.Product, bool)
}

// fill writes an explanation as it crosses the wire.
func (l *ExplainedList) fill(e *recommend.Explanation, day retail.Day, in Range) {
	name := func(id catalog.ProductID) string {
		if p, ok := in.Product(id); ok {
			return p.Name
		}
		return ""
	}
	l.Model, l.Popularity, l.Empty, l.Products = e.Model, e.Popularity, e.Empty, []ExplainedProduct{}
	if e.Related > 0 {
		l.Related = e.Related.String()
	}
	for i := range e.Proposals {
		p := &e.Proposals[i]
		l.Products = append(l.Products, ExplainedProduct{
			Product: string(p.Product), Name: name(p.Product), Reason: string(p.Reason), Because: p.Say(day, name), Chance: e.Products[i].Chance, Signals: e.Products[i].Signals,
		})
	}
	for _, f := range e.Effects {
		l.Rules = append(l.Rules, ExplainedRule{f.Rule, f.Did, string(f.Product), f.From, f.To})
	}
}

// Serving asks for a version to serve.
type Serving struct {
	Version uint64 `json:"version" doc:"one that is kept; 0 has the newest serve again"`
}

type servingIn struct{ Body Serving }

type servingOut struct {
	Body struct {
		Version uint64 `json:"version" doc:"that serves, here within ten seconds"`
		Held    bool   `json:"held" doc:"it serves until a better one is trained, or until it is lifted"`
	}
}

type explainIn struct{ Body Explain }

type explainOut struct{ Body ExplainedList }

func mountModels(s *api.Server, h *handler) {
	if h.Models.Keeper != nil {
		mountModelGauges(s, h.Models.Keeper)
	}
	tags, needs := []string{"recommend"}, api.Needs(access.Admin)
	mountLines(s, huma.Operation{
		OperationID: "train-model", Method: http.MethodPost, Path: "/v1/recommend/trainings", Tags: tags, Security: needs,
		Summary:     "Train the model of what is bought next, now.",
		Description: "Answers a line of JSON per step, and at last what came of it. A version that answers the newest week worse than what serves is not published. Only over the socket of the data directory.",
	}, func(ctx context.Context, _ *struct{}, tell func(Learning)) error {
		return learning(ctx, "endcap recommend train", tell, func(step func(string)) (l Learning, err error) {
			out, err := h.Models.Trainer.Train(ctx, h.Models.order(step))
			if err == nil {
				l.Outcome, err = json.Marshal(out)
			}
			return l, err
		})
	})
	mountLines(s, huma.Operation{
		OperationID: "evaluate-models", Method: http.MethodPost, Path: "/v1/recommend/evaluations", Tags: tags, Security: needs,
		Summary:     "Judge every kept version by the newest week.",
		Description: "Answers a line of JSON per step, and at last the figures, beside those of plain frequencies. Only over the socket of the data directory.",
	}, func(ctx context.Context, _ *struct{}, tell func(Learning)) error {
		return learning(ctx, "endcap recommend evaluate", tell, func(step func(string)) (l Learning, err error) {
			out, err := h.Models.Trainer.Evaluate(ctx, h.Models.order(step))
			if err == nil {
				l.Versions, err = json.Marshal(out)
			}
			return l, err
		})
	})
	api.Register(s, huma.Operation{
		OperationID: "serve-model", Method: http.MethodPut, Path: "/v1/recommend/serving", Tags: tags, Security: needs,
		Summary: "Go back to a version of the model.", Description: "It serves until a training makes a better one, or until the newest is asked for by 0. Only over the socket of the data directory.",
	}, h.serveModel)
	api.Register(s, huma.Operation{
		OperationID: "explain-list", Method: http.MethodPost, Path: "/v1/recommend/explanations", Tags: tags, Security: needs,
		Summary: "See why each product stands on a shopper's list.", Description: "As a visit that begins now would see it: signals, reasons, rules, and the versions that were asked. Only over the socket of the data directory.",
	}, h.explainList)
}

// learning tells how a training or an evaluation goes.
func learning(ctx context.Context, command string, tell func(Learning), do func(step func(string)) (Learning, error)) error {
	if err := operatorOnly(ctx, "models are trained and judged", command); err != nil {
		return err
	}
	told := false
	last, err := do(func(step string) {
		told = true
		tell(Learning{Step: step})
	})
	if err != nil && !told {
		return err
	}
	if err != nil {
		last.Problem = err.Error() // the caller runs the machine
	}
	last.Finished = true
	tell(last)
	return nil
}

func (h *handler) serveModel(ctx context.Context, in *servingIn) (*servingOut, error) {
	if err := operatorOnly(ctx, "versions are chosen", "endcap recommend rollback"); err != nil {
		return nil, err
	}
	if err := h.Models.Keeper.Rollback(ctx, in.Body.Version); err != nil {
		return nil, err
	}
	r, out := h.Models.Keeper.Register(), new(servingOut)
	out.Body.Version, out.Body.Held = r.Serving, r.Held
	return out, h.Models.Note(ctx, api.Caller(ctx).Name, r.Serving)
}

func (h *handler) explainList(ctx context.Context, in *explainIn) (*explainOut, error) {
	if err := operatorOnly(ctx, "lists are explained", "endcap recommend explain"); err != nil {
		return nil, err
	}
	m := &h.Models
	keys, err := in.Body.Shopper.Keys("shopper")
	if err != nil {
		return nil, err
	}
	who, err := m.People.Find(ctx, keys)
	if err != nil {
		return nil, err
	}
	if !who.Known() {
		return nil, &retail.Error{Kind: retail.NotFound, Field: "shopper", Say: "nobody is known by these keys together", Cure: "name her by keys that she gave"}
	}
	if err := m.Lists.Refresh(ctx); err != nil && !errors.Is(err, training.ErrModel) { // a house that is open for one command has read nothing
		return nil, err
	}
	habits, allowed, err := m.Habits(ctx, who)
	if err != nil {
		return nil, err
	}
	now := m.Now()
	v := visit.Visit{At: now, Day: retail.DayOf(now, m.Zone), List: visit.ListName(in.Body.List), Store: catalog.StoreID(in.Body.Store)}
	e := m.Lists.Explain(m.People.Canonical(who), habits, &v, in.Body.Count)
	out := &explainOut{ExplainedList{Allowed: allowed}}
	out.Body.fill(&e, v.Day, m.Range)
	return out, nil
}
