package wire_test

import (
	"strconv"
	"testing"

	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
	"endcap/simulate/wire"
)

func world(t *testing.T) *life.World {
	t.Helper()
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed, s.Products = 2_000, 1, 5, 1_000
	w, err := life.Open(t.Context(), &s, model.Fitted(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Adverts are looked at as the position model says, whatever is clicked.
func TestLooksFallWithTheSlot(t *testing.T) {
	t.Parallel()
	w := world(t)
	const n = 20_000
	var looked [4]float64
	for i := range n {
		v := &wire.Visit{ID: "v" + string(rune('a'+i%26)) + strconv.Itoa(i), Shopper: i % 2_000, Online: true}
		for slot := range looked {
			if looks, _ := wire.Glance(w, v, wire.Search, slot, 1); looks {
				looked[slot] += 1.0 / n
			}
		}
	}
	for slot, got := range looked {
		if want := life.Examine(slot + 1); got < want-0.02 || got > want+0.02 {
			t.Errorf("slot %d is looked at by %.3f, want %.3f", slot, got, want)
		}
	}
}

func TestAmountsAreWrittenExactly(t *testing.T) {
	t.Parallel()
	for cents, want := range map[int64]string{0: "0.00", 5: "0.05", -5: "-0.05", 123_456: "1234.56", -100: "-1.00"} {
		if got := wire.Decimal(cents); got != want {
			t.Errorf("%d cents are %s, want %s", cents, got, want)
		}
	}
	for n, want := range map[int32]string{1_000: "1.000", -1_000: "-1.000", 31_234: "31.234", -5: "-0.005"} {
		if got := string(wire.Thousandths(n)); got != want {
			t.Errorf("%d thousandths are %s, want %s", n, got, want)
		}
	}
}
