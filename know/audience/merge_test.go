package audience_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"endcap/know/audience"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// TestAMergedPersonIsAsIfSheHadAlwaysBeenOne folds random receipts, some of them
// corrected and given to another shopper, once as up to three shoppers whose
// sections are merged and once as one.
func TestAMergedPersonIsAsIfSheHadAlwaysBeenOne(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 5))
		apart, one := make([][]byte, 3), []byte(nil)
		for _, f := range lives(rng, 3, rng.IntN(40)) {
			if rng.IntN(4) == 0 { // long ago, so that some of it is too old
				f.Day -= retail.Day(rng.IntN(2_000))
			}
			who := f.Shopper.Reveal() - 1
			if f.Version > 0 && rng.IntN(2) == 0 { // the correction names another of them
				moved := event.Fact{ID: f.ID, Version: f.Version, At: f.At, Day: f.Day, Shopper: f.Shopper, Body: event.Moved{}}
				apart[who] = fold(t, apart[who], moved)
				who = (who + 1) % 3
				f.Shopper = shopper.FromUint64(who + 1)
			}
			apart[who] = fold(t, apart[who], f)
			one = fold(t, one, f)
		}
		got, err := audience.Merge(apart)
		if err != nil || !bytes.Equal(got, one) {
			t.Fatalf("seed %d: %d bytes, want %d, %v", seed, len(got), len(one), err)
		}
	}
	if _, err := audience.Merge([][]byte{nil, []byte("damaged")}); err == nil {
		t.Error("a damaged section was merged")
	}
}

// A card that a shop lends its customers has more lines than are kept, and so
// have two of them.
func TestAMergedPersonKeepsTheNewestLines(t *testing.T) {
	t.Parallel()
	var lines []any
	for i := range 400 {
		lines = append(lines, fmt.Sprint("p", i), 1, 100)
	}
	apart, one := make([][]byte, 2), []byte(nil)
	for i := range 100 {
		f := bought(uint64(1+i%2), fmt.Sprint("r", i), retail.Day(i), catalog.InStore, lines...)
		apart[i%2] = fold(t, apart[i%2], f)
		one = fold(t, one, f)
	}
	got, err := audience.Merge(apart)
	if err != nil || !bytes.Equal(got, one) {
		t.Fatalf("%d bytes, want %d, %v", len(got), len(one), err)
	}
}
