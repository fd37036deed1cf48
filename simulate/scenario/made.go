package scenario

import (
	"encoding/json"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Sum tells two values apart by their JSON: of the model, or of the list of communes,
// on which a simulation depends beside its scenario.
func Sum(v any) string {
	h := xxhash.New()
	if err := json.NewEncoder(h).Encode(v); err != nil {
		panic("scenario: bug: " + err.Error())
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// Made is with which model and which communes a folder was made, by their sums.
type Made struct {
	Model    string `json:"model"`
	Communes string `json:"communes"`
}

// MadeWith is what a folder's simulation.json says; false for a scenario file, which
// says nothing of them.
func MadeWith(text []byte) (m Made, told bool) {
	var all struct {
		Declared string `json:"declared"`
		Made
	}
	if json.Unmarshal(text, &all) != nil || all.Declared == "" {
		return m, false
	}
	return all.Made, all.Model != "" && all.Communes != ""
}
