package traffic

import (
	"context"
	"errors"
	"time"

	"endcap/retail"
	"endcap/simulate/wire"
)

// Ask makes one request, such as "GET /v1/status", and reads its answer's JSON. A
// refusal is a *retail.Error of the kind that the server named.
type Ask func(ctx context.Context, route string, in, out any) error

// Fit finds out whether the crowd can visit a server, what its clock says, and on
// which placements adverts stand; it gives those that are not booked. The house
// must hold the scenario's products, and say that its data are not the
// retailer's own: simulated receipts are for keeps.
func (t *Traffic) Fit(ctx context.Context, ask Ask) (missing []string, err error) {
	var s struct {
		Dataset string    `json:"dataset"`
		Clock   string    `json:"clock"`
		Now     time.Time `json:"now"`
	}
	if err := ask(ctx, "GET /v1/status", nil, &s); err != nil {
		return nil, err
	}
	if s.Dataset == "" {
		return nil, &retail.Error{
			Kind: retail.Invalid, Field: "server", Say: "the house says of no dataset that its data are: simulated receipts would stand among a retailer's own for ever",
			Cure: "load a house that was made with endcap init --dataset",
		}
	}
	if t.clock = func() time.Time { return s.Now }; s.Clock != "replay" {
		ahead := s.Now.Sub(t.Now())
		t.clock = func() time.Time { return t.Now().Add(ahead) }
	}
	if err := t.stocked(ctx, ask); err != nil {
		return nil, err
	}
	for i, at := range wire.Placements {
		question := map[string]any{"placements": []map[string]any{{"placement": at.ID, "slots": at.Slots}}}
		err := ask(ctx, "POST /v1/decisions", question, nil)
		if e, refused := errors.AsType[*retail.Error](err); refused && e.Kind == retail.Invalid {
			t.shows[i], missing = false, append(missing, at.ID)
		} else if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// sample is how many categories are searched for the scenario's products.
const sample = 16

// stocked finds one product of the scenario in the house.
func (t *Traffic) stocked(ctx context.Context, ask Ask) error {
	categories := t.world.Grocer.Categories
	for i := 0; i < len(categories); i += max(len(categories)/sample, 1) {
		var a struct {
			Proposals []struct {
				Product string `json:"product"`
				Name    string `json:"name"`
			} `json:"proposals"`
		}
		question := map[string]any{"proposals": proposals, "page": map[string]string{"query": categories[i].Name, "category": categories[i].Name}}
		if err := ask(ctx, "POST /v1/decisions", question, &a); err != nil {
			return err
		}
		for _, p := range a.Proposals {
			if i, ours := t.numbers[p.Product]; ours && t.world.Grocer.Name(i) == p.Name { // every scenario has the same GTINs
				return nil
			}
		}
	}
	return &retail.Error{
		Kind: retail.Invalid, Field: "server", Say: "the house has no product of this scenario, or none that could be proposed",
		Cure: "name the scenario that the house was filled from with --scenario, or load its folder first: docs/simulator.md tells how",
	}
}
