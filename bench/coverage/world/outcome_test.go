package world

import (
	"encoding/json"
	"testing"

	"endcap/simulate/play"
	"endcap/simulate/scenario"
)

// What is kept of a campaign is everything that it can be judged by, to the cent.
func TestAnOutcomeKeepsWhatAReportSaysAndTheSumsThatAreTrue(t *testing.T) {
	t.Parallel()
	const text = `{"report":{"edition":"2025-02-01"},"figures":[
		{"id":"spend","value":{"amount":"12.34"}},
		{"id":"attributed_sales","value":{"reason":"k"}},
		{"id":"incremental_sales","value":{"amount":"1.50","low":"-2.25","high":"5.25"}}]}`
	var r report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	moved := play.Side{Shoppers: 2, Store: 1, Online: 2}
	found := play.Found{Through: 20_000, Treated: moved, SeenTreated: moved, Exposed: []play.Exposed{
		{Measured: true, Before: 3, WithStore: 5, WithOnline: 2, WithoutStore: 4},
		{Measured: true, Before: 1, WithStore: 1, WithoutStore: 1},
		{Measured: true, Held: true, Before: 2, WithStore: 10, WithoutOnline: 6},
		{Before: 1_000, WithStore: 1_000}, // does not allow measurement: no part of the experiment
	}}
	got, err := outcome(&r, &found, &scenario.Campaign{Name: "a", Where: scenario.Both, Effect: scenario.Small, Heterogeneous: true})
	want := Outcome{
		Campaign: "a", Where: "both", Effect: "small", Through: 20_000,
		Treated: Arm{Shoppers: 2, Before: 4, With: 8, Without: 5, BeforeSquared: 10, WithSquared: 50, WithoutSquared: 17, BeforeWith: 22, BeforeWithout: 13, Between: 29},
		Held:    Arm{Shoppers: 1, Before: 2, With: 10, Without: 6, BeforeSquared: 4, WithSquared: 100, WithoutSquared: 36, BeforeWith: 20, BeforeWithout: 12, Between: 60},
		Spend:   1_234, Untold: "k", Estimate: 150, Low: -225, High: 525,
	}
	if err != nil || got != want {
		t.Errorf("got  %+v\nwant %+v: %v", got, want, err)
	}
	found.SeenTreated.Store--
	if _, err := outcome(&r, &found, &scenario.Campaign{}); err == nil {
		t.Error("a world whose tills see less than happened is judged")
	}
	found.SeenTreated.Store++
	r.Figures[0].Value.Amount = "much"
	if _, err := outcome(&r, &found, &scenario.Campaign{}); err == nil {
		t.Error("a report whose amounts are none is taken")
	}
}
