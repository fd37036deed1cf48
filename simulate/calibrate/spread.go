package calibrate

import (
	"cmp"
	"context"
	"slices"

	"endcap/simulate/grocer"
	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
)

// SpreadShoppers is how many shoppers the grocer has whose spread is shown: 100
// stores, where the 4,000 shoppers of a check would have three.
const SpreadShoppers = 250_000

// Place is what a simulated grocer's shoppers spend in a week, by where they
// mostly shop.
type Place struct {
	Code   string // of the département
	Name   string // empty where no outline tells it
	Stores int
	Cents  int64
	Share  float64 // of all that is spent
	Class  int     // 1 to 5, a fifth of the places each by what is spent
}

// Spread is where the shoppers of a grocer spend, over a map.
type Spread struct {
	Shoppers int
	Stores   int
	Cents    int64
	Places   []Place // with stores, those first where most is spent
	Outlines []Outline
}

// classesMax is how many shades the map has.
const classesMax = 5

// Spreads lives one week of a grocer whose stores lie in communes.
func Spreads(ctx context.Context, s scenario.Scenario, p *model.Parameters, communes []grocer.Commune, outlines []Outline) (*Spread, error) {
	s.Weeks = 1
	w, err := life.Open(ctx, &s, p, communes)
	if err != nil {
		return nil, err
	}
	out := &Spread{Shoppers: s.Shoppers, Stores: s.StoreCount(), Outlines: outlines}
	byStore := make([]int64, len(w.Grocer.Stores))
	plan := w.Plan(0)
	var b life.Batch
	const step = 8_192
	for from := 0; from < len(plan.Visits); from += step {
		w.Fill(plan, from, min(from+step, len(plan.Visits)), &b)
		for i := range b.Receipts {
			r := &b.Receipts[i]
			home := w.Crowd.Shoppers[r.Shopper].Store
			for _, l := range b.Lines[r.From:r.To] {
				byStore[home] += int64(l.Sales)
				out.Cents += int64(l.Sales)
			}
		}
	}
	places := make(map[string]*Place)
	for i := range w.Grocer.OnlineShop() {
		code := w.Grocer.Stores[i].Commune.Department
		if places[code] == nil {
			places[code] = &Place{Code: code}
		}
		places[code].Stores++
		places[code].Cents += byStore[i]
	}
	for _, p := range places {
		for i := range outlines {
			if outlines[i].Code == p.Code {
				p.Name = outlines[i].Name
			}
		}
		p.Share = float64(p.Cents) / float64(max(out.Cents, 1))
		out.Places = append(out.Places, *p)
	}
	slices.SortFunc(out.Places, func(a, b Place) int {
		return cmp.Or(cmp.Compare(b.Cents, a.Cents), cmp.Compare(a.Code, b.Code))
	})
	for i := range out.Places {
		out.Places[i].Class = classesMax - i*classesMax/len(out.Places)
	}
	return out, nil
}
