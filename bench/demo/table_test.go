package main

import (
	"strings"
	"testing"

	"endcap/simulate/play"
)

// An interval is held against what was bought under the keys that saw the campaign;
// what no report can know stands beside it, and reasons are explained.
func TestIntervalsAreHeldAgainstWhatTillsSaw(t *testing.T) {
	t.Parallel()
	told := held{
		Found:       play.Found{Name: "a", Effect: "medium", Treated: play.Side{Shoppers: 9, Store: 9_000}, SeenTreated: play.Side{Shoppers: 9, Store: 5_000}},
		spend:       value{Amount: "10.00"},
		attributed:  value{Amount: "80.00"},
		incremental: value{Amount: "48.00", Low: "40.00", High: "60.00"},
	}
	few := told
	few.incremental = value{Suppressed: true, Reason: "k"}
	for name, tt := range map[string]struct {
		all      []held
		is, isnt []string
	}{
		"an interval": {[]held{told}, []string{"50.00", "90.00", "yes", "figure demo.simulated_held 1 of 1 intervals", "figure demo.simulated_true_iroas 5 ratio"}, []string{"(k)", "SHOPPERS="}},
		"too few":     {[]held{few}, []string{"50.00", "90.00", "(k): fewer shoppers", "play with more, as SHOPPERS="}, []string{"yes"}},
	} {
		var out strings.Builder
		if err := printTruth(&out, tt.all); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.is {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: there is no %q in\n%s", name, want, out.String())
			}
		}
		for _, no := range tt.isnt {
			if strings.Contains(out.String(), no) {
				t.Errorf("%s: there is %q in\n%s", name, no, out.String())
			}
		}
	}
}
