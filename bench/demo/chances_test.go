package main

import (
	"strings"
	"testing"
)

// What a server says of its model stands beside the truth, placement by placement.
func TestWhatWasLearnedOfClicksStandsBesideTheTruth(t *testing.T) {
	t.Parallel()
	text := `# HELP endcap_response_ready 1 where
endcap_response_ready 1
endcap_response_learned{of="clicks"} 1234
endcap_response_learned{of="showings"} 20000
endcap_response_showings{placement="search"} 18000
endcap_response_calibration{placement="search"} 1.03
endcap_response_log_loss{of="constant",placement="search"} 0.31
endcap_response_log_loss{of="model",placement="search"} 0.29
endcap_response_examined{placement="search",position="1"} 1
endcap_response_examined{placement="search",position="2"} 0.81
endcap_slots_asked_total 7
`
	var out strings.Builder
	if err := printChances(&out, readSamples([]byte(text)), &clicksTruth{Looks: map[string][]float64{"search": {0.8, 0.6, 0.4}}, Known: 0.55, Unknown: 0.12}); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"search 18000 1.03 0.2900 0.3100 1.00 (1.00) 0.81 (0.75)",
		"She clicks 0.55 of what she looks at and knows, 0.12 of the rest.",
		"figure demo.simulated_learned_clicks 1234 learned from", "figure demo.simulated_chances_rank 1 ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
}
