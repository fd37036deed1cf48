package scenario_test

import (
	"bytes"
	"encoding/json"
	"reflect"
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

// What a folder says of itself holds more than the scenario, in names of its own.
func TestAFoldersOwnFileIsAScenario(t *testing.T) {
	t.Parallel()
	const text = `{"declared": "declared-synthetic", "weeks": [{"week": 1, "bytes": {"README.txt": 5, "a-B.parquet": 6}}, {"week": 2}],
		"scenario": {"shoppers": 10, "weeks": 2, "play": {"campaigns": [{"name": "a", "weeks": 1}, {"name": "b", "weeks": 1}]}}}`
	s := scenario.Defaults()
	if err := scenario.Read(strings.NewReader(text), &s); err != nil || s.Shoppers != 10 || len(s.Play.Campaigns) != 2 {
		t.Errorf("read %+v: %v", s, err)
	}
}

// Whatever is read as a scenario can be written, and is then read as the same.
func FuzzRead(f *testing.F) {
	f.Add(`{"shoppers": 10, "weeks": 2}`)
	f.Add(`{"shoppers": 3, "shoppers": 4, "Weeks": 2}`)
	f.Add(`{"declared": "declared-synthetic", "scenario": {"shoppers": 1, "weeks": 1, "play": {"quiet": 0, "campaigns": [{"name": "a"}]}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s := scenario.Defaults()
		if scenario.Read(strings.NewReader(text), &s) != nil || s.Check() != nil {
			return
		}
		again, err := json.Marshal(&s)
		if err != nil {
			t.Fatal(err)
		}
		got := scenario.Defaults()
		if err := scenario.Read(bytes.NewReader(again), &got); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("%s is read as %+v, want %+v: %v", again, got, s, err)
		}
	})
}

func TestWhatIsNoScenarioIsRefusedByName(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"an unknown knob":       {`{"shopers": 10}`, `"shopers"`},
		"a knob twice":          {`{"shoppers": 3, "shoppers": 4, "weeks": 2}`, `"shoppers" twice`},
		"a capital":             {`{"shoppers": 3, "Weeks": 2}`, `unknown field "Weeks"`},
		"a letter like an s":    {`{"ſhoppers": 3, "weeks": 2}`, `unknown field "ſhoppers"`},
		"twice, once escaped":   {`{"shoppers": 3, "sh\u006fppers": 4, "weeks": 2}`, `"shoppers" twice`},
		"twice in a campaign":   {`{"shoppers": 1, "weeks": 1, "play": {"campaigns": [{"name": "a", "weeks": 1}, {"name": "b", "weeks": 1, "name": "c"}]}}`, `"name" twice`},
		"a campaign's capital":  {`{"shoppers": 1, "weeks": 1, "play": {"campaigns": [{"name": "a", "weeks": 1, "Bid": 2}]}}`, `unknown field "Bid"`},
		"two in a folder's":     {`{"declared": "declared-synthetic", "scenario": {"shoppers": 1, "weeks": 1}, "scenario": {"shoppers": 2, "weeks": 1}}`, `"scenario" twice`},
		"a folder's, twice":     {`{"declared": "declared-synthetic", "scenario": {"shoppers": 1, "weeks": 1, "weeks": 2}}`, `"weeks" twice`},
		"a folder's, capital":   {`{"declared": "declared-synthetic", "Scenario": {"shoppers": 1, "weeks": 1}}`, `"Scenario"`},
		"deep":                  {strings.Repeat(`{"play":`, 40), "nested deeper"},
		"another type":          {`{"shoppers": "many"}`, "shoppers"},
		"not JSON":              {`shoppers: 10`, "not understood"},
		"nothing":               {``, "not understood"},
		"two":                   {`{} {}`, "goes on"},
		"too much":              {`{"zone": "` + strings.Repeat("x", 1<<20) + `"}`, "more than"},
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
