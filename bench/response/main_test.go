package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"endcap/know/recommend/offpolicy"
)

// openBandit is where the data is, or a reason to skip.
func openBandit(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data", "open-bandit")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the Open Bandit Dataset is not beside the repository, in ../shared/data/open-bandit")
	}
	return dir
}

// What would a page bring that shows every product alike? The log of another policy
// is asked, and says that it cannot tell.
func TestTheUniformPolicyIsJudgedByTheLogOfAnother(t *testing.T) {
	t.Parallel()
	dir := openBandit(t)
	log, err := readLog(filepath.Join(dir, "bts_women.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := judged(log)
	if err != nil {
		t.Fatal(err)
	}
	if r.Events != 10_000 {
		t.Errorf("%d events", r.Events)
	}
	for name, pair := range map[string][2]string{
		"IPS":              {fmt.Sprintf("%.7f", r.IPS.Value), "0.0074376"},
		"its error":        {fmt.Sprintf("%.7f", r.IPS.SE), "0.0041184"},
		"SNIPS":            {fmt.Sprintf("%.7f", r.SNIPS.Value), "0.0023730"},
		"mean weight":      {fmt.Sprintf("%.3f", r.Weights.Mean), "3.134"},
		"largest weight":   {fmt.Sprintf("%.0f", r.Weights.Largest), "21739"},
		"effective events": {fmt.Sprintf("%.2f", r.Weights.Effective), "2.08"},
		"its own clicks":   {fmt.Sprintf("%.4f", r.Logged.Value), "0.0046"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %s, want %s", name, pair[0], pair[1])
		}
	}
	const truth = 0.0046 // what the policy brought where it ran itself
	if !r.DR.Holds(truth) || r.DR.Value == r.IPS.Value {
		t.Errorf("doubly robust %+v does not hold %v", r.DR, truth)
	}
	if want := []offpolicy.Reason{offpolicy.MeanWeight, offpolicy.OneDominates, offpolicy.FewEffective}; !slices.Equal(r.Unfit, want) {
		t.Errorf("unfit for %v, want %v", r.Unfit, want)
	}
	var out bytes.Buffer
	if err := bandit(&out, dir); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "short") {
		t.Errorf("a figure is short:\n%s", out.String())
	}
}

// A small grocer: chances agree with what happens, the model knows a good part of
// what can be known and not more.
func TestChancesAgreeWithWhatHappens(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), &out, &options{shoppers: 600, quiet: 12, learn: 14, judge: 6, every: 8, seed: 2}); err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
	is := func(name string) (v float64) {
		_, text, ok := strings.Cut(out.String(), "figure "+name+" ")
		if _, err := fmt.Sscan(text, &v); !ok || err != nil {
			t.Fatalf("no figure %s: %v", name, err)
		}
		return v
	}
	for _, tt := range []struct {
		name     string
		from, to float64
	}{
		{"response.clicks.deciles_least", 0.85, 1.15},
		{"response.clicks.deciles_most", 0.85, 1.15},
		{"response.reachable.deciles_least", 0.9, 1.1},
		{"response.reachable.deciles_most", 0.9, 1.1},
		{"response.clicks.gap_closed", 0.15, 0.6},
		{"response.clicks.gap_reachable", 0.2, 0.6},
		{"response.clicks.gap_closed_of_reachable", 0.5, 1},
		{"response.clicks.gap_closed.known", 0.2, 0.7},
		{"response.clicks.gap_closed.stranger", 0, 0.3},
	} {
		if v := is(tt.name); v < tt.from || v > tt.to {
			t.Errorf("%s is %v, want %v to %v", tt.name, v, tt.from, tt.to)
		}
	}
}
