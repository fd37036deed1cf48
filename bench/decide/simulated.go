package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"endcap/retail/catalog"
	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
	"endcap/simulate/wire"
)

// The simulated house: as many weeks as give each house about as many receipts as
// a week of a million shoppers, and no more stores than do for decisions.
const (
	shopperWeeks = 1_000_000
	weeksMost    = 26
	storesMost   = 60
)

func scenarioOf(shoppers int) scenario.Scenario {
	s := scenario.Defaults()
	s.Seed, s.Shoppers, s.Weeks = 1, shoppers, min(max(shopperWeeks/shoppers, 1), weeksMost)
	s.Stores = min(s.StoreCount(), storesMost)
	return s
}

// loadSimulated writes the scenario's folder beside the house, loads it as anybody
// would, and removes it. Prices, stock and promotions stay out: no decision of
// the benchmark needs them.
func (g *grocer) loadSimulated(ctx context.Context, o *options) error {
	folder := o.dir + ".simulated"
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	text, err := json.Marshal(g.world)
	if err != nil {
		return err
	}
	file := folder + ".json"
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	if err := program(ctx, o, "simulate", "--scenario", file, "--communes", "none", "--out", folder); err != nil {
		return err
	}
	for _, kind := range []string{"stores", "products", "shoppers", "consents", "receipts"} {
		files, err := filepath.Glob(filepath.Join(folder, kind, "*.parquet"))
		if err != nil {
			return err
		}
		if len(files) == 0 {
			files = []string{filepath.Join(folder, kind+".parquet")}
		}
		for _, file := range files {
			if err := command(ctx, o, "ingest", "--kind", kind, "--mapping", filepath.Join(folder, "mapping.json"), file); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(file); err != nil {
		return err
	}
	return os.RemoveAll(folder)
}

// simulatedSales lives the weeks once more, and one more, for who comes in it.
func (g *grocer) simulatedSales(ctx context.Context) (*sales, error) {
	s := *g.world
	s.Weeks++
	w, err := life.Open(ctx, &s, model.Fitted(), nil)
	if err != nil {
		return nil, fmt.Errorf("open world: %w", err)
	}
	out := &sales{lines: make(map[catalog.ProductID]int)}
	sold := make([]int, len(w.Grocer.Products))
	for week := range s.Weeks {
		plan := w.Plan(week)
		if week == g.world.Weeks {
			out.calls = callsOf(w, plan)
			break
		}
		var b life.Batch
		for from := 0; from < len(plan.Visits); from += 4_096 {
			w.Fill(plan, from, min(from+4_096, len(plan.Visits)), &b)
			for i := range b.Lines {
				sold[b.Lines[i].Product]++
			}
		}
	}
	for i, n := range sold {
		if n > 0 {
			out.lines[catalog.ProductID(wire.GTIN(w, int32(i)))] = n
		}
	}
	return out, nil
}

// callsOf spreads the calls over a week's visits with a card.
func callsOf(w *life.World, plan *life.Plan) (calls []call) {
	step := max(len(plan.Visits)/(2*bodiesCount), 1)
	var b life.Batch
	for from := 0; from < len(plan.Visits); from += step {
		w.Fill(plan, from, from+1, &b)
		if len(b.Receipts) == 0 || b.Receipts[0].Card == 0 || b.Receipts[0].Return {
			continue
		}
		r := &b.Receipts[0]
		calls = append(calls, call{
			basket: r.ID, card: strconv.FormatInt(r.Card, 10), store: w.Grocer.Stores[r.Store].ID,
			product: catalog.ProductID(wire.GTIN(w, b.Lines[r.To-1].Product)),
		})
	}
	return calls
}
