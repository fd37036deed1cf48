package scenario_test

import (
	"testing"

	"endcap/simulate/scenario"
)

func TestAFolderSaysWithWhatItWasMade(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"declared": "declared-synthetic", "scenario": {"weeks": 1}, "model": "a", "communes": "b"}`: "b",
		`{"shoppers": 10, "weeks": 1}`:       "",
		`{"declared": "declared-synthetic"}`: "",
		`not JSON`:                           "",
	} {
		if made, told := scenario.MadeWith([]byte(text)); told != (want != "") || told && made.Communes != want {
			t.Errorf("%s: %+v, %v", text, made, told)
		}
	}
	if scenario.Sum([]int{1}) == scenario.Sum([]int{2}) || scenario.Sum([]int(nil)) != scenario.Sum([]string(nil)) {
		t.Error("two lists are told apart by something else than their JSON")
	}
}
