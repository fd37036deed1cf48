package recommend_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"endcap/know/recommend"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

// TestAMergedPersonIsAsIfSheHadAlwaysBeenOne folds random receipts, some of them
// corrected and given to another shopper, once as up to three shoppers whose
// sections are merged and once as one.
func TestAMergedPersonIsAsIfSheHadAlwaysBeenOne(t *testing.T) {
	t.Parallel()
	ids := []catalog.ProductID{"oat", "cola", "yog", "cow", "rye", "zz"}
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 6))
		apart, one := make([][]byte, 3), []byte(nil)
		for i := range rng.IntN(40) {
			products := []catalog.ProductID{ids[rng.IntN(len(ids))]}
			for range rng.IntN(5) {
				products = append(products, ids[rng.IntN(len(ids))])
			}
			who := rng.IntN(3)
			f := bought(uint64(1+who), fmt.Sprint("r", i), retail.Day(rng.IntN(1_500)), "s1", products...)
			apart[who], one = fold(t, apart[who], f), fold(t, one, f)
			if rng.IntN(4) > 0 {
				continue
			}
			to := rng.IntN(3)
			c := corrected(bought(uint64(1+to), f.ID, today-f.Day, "s1", products[:1]...))
			if to != who {
				apart[who] = fold(t, apart[who], event.Fact{ID: c.ID, Version: c.Version, At: f.At, Day: f.Day, Shopper: f.Shopper, Body: event.Moved{}})
			}
			apart[to], one = fold(t, apart[to], c), fold(t, one, c)
		}
		got, err := recommend.Merge(apart)
		if err != nil || !bytes.Equal(got, one) {
			t.Fatalf("seed %d: %d bytes, want %d, %v", seed, len(got), len(one), err)
		}
	}
	if _, err := recommend.Merge([][]byte{nil, []byte("damaged")}); err == nil {
		t.Error("a damaged section was merged")
	}
}
