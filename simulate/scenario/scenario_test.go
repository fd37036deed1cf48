package scenario_test

import (
	"strings"
	"testing"

	"endcap/simulate/scenario"
)

func TestAScenarioFileGoesOverTheDefaults(t *testing.T) {
	t.Parallel()
	s := scenario.Defaults()
	if err := scenario.Read(strings.NewReader(`{"shoppers": 10, "weeks": 2, "seed": 18446744073709551615, "card": 0.5}`), &s); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	if s.Shoppers != 10 || s.Seed != 1<<64-1 || s.Card != 0.5 || s.Account != scenario.Defaults().Account || s.StoreCount() != 3 {
		t.Errorf("read %+v", s)
	}
}

func TestWhatIsNoScenarioIsRefusedByName(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"an unknown knob":       {`{"shopers": 10}`, `"shopers"`},
		"another type":          {`{"shoppers": "many"}`, "shoppers"},
		"not JSON":              {`shoppers: 10`, "not understood"},
		"nothing":               {``, "not understood"},
		"two":                   {`{} {}`, "goes on"},
		"too much":              {`{"zone": "` + strings.Repeat("x", 70_000) + `"}`, "more than"},
		"nobody":                {`{"shoppers": 0, "weeks": 1}`, "shoppers is 0"},
		"more than there are":   {`{"shoppers": 100000001, "weeks": 1}`, "shoppers is 100000001"},
		"for ever":              {`{"shoppers": 1, "weeks": 521}`, "weeks is 521"},
		"few products":          {`{"shoppers": 1, "weeks": 1, "products": 10}`, "products is 10"},
		"no share":              {`{"shoppers": 1, "weeks": 1, "consent": 1.1}`, "consent is 1.1"},
		"no day":                {`{"shoppers": 1, "weeks": 1, "start": "soon"}`, "start is"},
		"no zone":               {`{"shoppers": 1, "weeks": 1, "zone": "Paris"}`, "no zone"},
		"no knob of a play":     {`{"shoppers": 1, "weeks": 1, "play": {"loud": 1}}`, `"loud"`},
		"no knob of a campaign": {`{"shoppers": 1, "weeks": 1, "play": {"campaigns": [{"name": "a", "budget": 1}]}}`, `"budget"`},
		"no name":               {`{"shoppers": 1, "weeks": 1, "play": {"campaigns": [{"weeks": 1}]}}`, "play.campaigns[0]"},
		"a name twice":          {`{"shoppers": 1, "weeks": 1, "play": {"campaigns": [{"name": "a", "weeks": 1}, {"name": "a", "weeks": 1}]}}`, "play.campaigns[1]"},
		"no effect":             {`{"shoppers": 1, "weeks": 1, "play": {"campaigns": [{"name": "a", "weeks": 1, "effect": "huge"}]}}`, "effect is"},
		"nowhere":               {`{"shoppers": 1, "weeks": 1, "play": {"campaigns": [{"name": "a", "weeks": 1, "where": "here"}]}}`, "where is"},
		"a flight too long":     {`{"shoppers": 1, "weeks": 2, "play": {"campaigns": [{"name": "a", "from": 1, "weeks": 2}]}}`, "weeks is 2"},
		"a flight too soon":     {`{"shoppers": 1, "weeks": 2, "play": {"quiet": 1, "campaigns": [{"name": "a", "weeks": 1}]}}`, "from is 0"},
		"always quiet":          {`{"shoppers": 1, "weeks": 2, "play": {"quiet": 2}}`, "quiet is 2"},
		"too many held out":     {`{"shoppers": 1, "weeks": 2, "play": {"campaigns": [{"name": "a", "weeks": 1, "control": 0.6}]}}`, "control is 0.6"},
		"no currency":           {`{"shoppers": 1, "weeks": 1, "currency": "euros"}`, "currency is"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scenario.Defaults()
			err := scenario.Read(strings.NewReader(tt.text), &s)
			if err == nil {
				err = s.Check()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
