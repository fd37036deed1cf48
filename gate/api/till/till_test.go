package till_test

import (
	"testing"

	"endcap/gate/api/till"
	"endcap/retail/basket"
)

func TestHowManyPiecesALineIs(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]basket.Quantity{
		``: basket.Piece, `"quantity":null,`: basket.Piece, `"quantity":0,`: 0, `"quantity":-2,`: -2 * basket.Piece, `"quantity":0.125,`: basket.Piece / 8,
	} {
		r := till.Read([]byte(`{"id":"1","store":"1","at":"2026-03-02T09:00:00Z","lines":[{"product":"oats",` + fields + `"sales":"2.50"}]}`))
		if r.Fault != nil || r.Lines[0].Quantity != want {
			t.Errorf("%s: %+v, %v; want %v", fields, r.Lines, r.Fault, want)
		}
	}
}
