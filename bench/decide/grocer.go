package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"endcap/retail"
	"endcap/simulate/scenario"
)

// grocer is whose data the benchmark runs on: the households of The Complete
// Journey, or simulated shoppers.
type grocer struct {
	zone     string
	currency retail.Currency
	day      retail.Day         // that is measured, the first after what is loaded
	noon     time.Time          // of that day; every clock of the house stands there
	world    *scenario.Scenario // nil for The Complete Journey
	dataset  string             // as the house says it
}

func (g *grocer) now() time.Time { return g.noon }

// flight is that of every line item.
func (g *grocer) flight() retail.Days { return retail.Days{From: g.day, To: g.day + 28} }

// grocerOf is the grocer with so many shoppers; 0 is the real one.
func grocerOf(shoppers int) (*grocer, error) {
	g := &grocer{zone: "America/New_York", currency: "USD", dataset: "The Complete Journey 2.0, published by 84.51°: shopping of US households, 2017"}
	day, err := retail.ParseDay(loadedUntil)
	if err != nil {
		return nil, err
	}
	if g.day = day; shoppers > 0 {
		s := scenarioOf(shoppers)
		if err := s.Check(); err != nil {
			return nil, err
		}
		g.world, g.zone, g.currency, g.dataset = &s, s.Zone, retail.Currency(s.Currency), "declared-synthetic"
		g.day = s.First() + retail.Day(7*s.Weeks)
	}
	zone, err := time.LoadLocation(g.zone)
	if err != nil {
		return nil, err
	}
	g.noon = g.day.Start(zone).Add(12 * time.Hour)
	return g, nil
}

// load makes the house with what is known of the grocer until the measured day.
func (g *grocer) load(ctx context.Context, o *options) error {
	err := command(
		ctx, o, "init", "--name", "Bench grocer", "--zone", g.zone, "--currency", string(g.currency), "--demo", "--seed", "bench-decide",
		"--clock-start", g.noon.UTC().Format(time.RFC3339), "--dataset", g.dataset)
	if err != nil {
		return err
	}
	if g.world != nil {
		return g.loadSimulated(ctx, o)
	}
	for _, args := range [][]string{
		{"ingest", "--kind", "products", "--mapping", "mappings/complete-journey.json", filepath.Join(o.data, "products.parquet")},
		{"ingest", "--kind", "receipts", "--mapping", "mappings/complete-journey.json", "--until", loadedUntil, filepath.Join(o.data, "transactions.parquet")},
	} {
		if err := command(ctx, o, args...); err != nil {
			return err
		}
	}
	return nil
}

// sales reads what was sold, and who came afterwards.
func (g *grocer) sales(ctx context.Context, o *options) (*sales, error) {
	if g.world != nil {
		return g.simulatedSales(ctx)
	}
	sold, err := readSales(o.data)
	if err != nil {
		return nil, fmt.Errorf("read sales: %w", err)
	}
	return sold, nil
}
