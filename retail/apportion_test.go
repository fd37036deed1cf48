package retail_test

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"endcap/retail"
)

func TestWhoGetsTheOddCents(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		total         int64
		weights, want []int64
	}{
		"nothing over nothing":     {0, nil, []int64{}},
		"nothing over goods":       {0, []int64{5, 0}, []int64{0, 0}},
		"all of it":                {7, []int64{5, 2}, []int64{5, 2}},
		"a cent over equal lines":  {1, []int64{100, 100, 100}, []int64{1, 0, 0}},
		"ten over three":           {10, []int64{1, 1, 1}, []int64{4, 3, 3}},
		"the largest remainder":    {10, []int64{199, 99, 301}, []int64{3, 2, 5}},
		"ties to the earlier":      {3, []int64{10, 20, 10, 20}, []int64{1, 1, 0, 1}},
		"a line for nothing":       {5, []int64{0, 3}, []int64{0, 5}},
		"the largest there can be": {math.MaxInt64 - 1, []int64{math.MaxInt64}, []int64{math.MaxInt64 - 1}},
		"two that large":           {math.MaxInt64 - 2, []int64{math.MaxInt64 / 2, math.MaxInt64 / 2}, []int64{math.MaxInt64 / 2, math.MaxInt64/2 - 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := retail.Apportion(nil, tt.total, tt.weights); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// Shares are whole, sum to the total, and lie within one of their quota.
func TestSharesSumAndAreFair(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Int64Range(0, 1<<40), 1, 12).Draw(t, "weights")
		sum := int64(0)
		for _, w := range weights {
			sum += w
		}
		if sum == 0 {
			return
		}
		total := rapid.Int64Range(0, sum).Draw(t, "total")
		left := total
		for i, s := range retail.Apportion(nil, total, weights) {
			left -= s
			quota := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(total), big.NewInt(weights[i])), big.NewInt(sum))
			if d := new(big.Rat).Sub(quota, new(big.Rat).SetInt64(s)); d.Abs(d).Cmp(big.NewRat(1, 1)) >= 0 || s > weights[i] {
				t.Fatalf("share %d of %v is far from %v", s, weights, quota)
			}
		}
		if left != 0 {
			t.Fatalf("%d of %d is lost", left, total)
		}
	})
}

func TestSharesKeepWithinTheirRooms(t *testing.T) {
	t.Parallel()
	if got := retail.ApportionWithin(nil, 9, []int64{10, 10, 10}, []int64{1, 4, 20}); !slices.Equal(got, []int64{1, 4, 4}) {
		t.Errorf("got %v", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "n")
		weights := rapid.SliceOfN(rapid.Int64Range(0, 50), n, n).Draw(t, "weights")
		rooms := rapid.SliceOfN(rapid.Int64Range(0, 50), n, n).Draw(t, "rooms")
		most := int64(0)
		for _, r := range rooms {
			most += r
		}
		left := rapid.Int64Range(0, most).Draw(t, "total")
		for i, s := range retail.ApportionWithin(nil, left, weights, rooms) {
			if left -= s; s < 0 || s > rooms[i] {
				t.Fatalf("share %d is %d, of room %d", i, s, rooms[i])
			}
		}
		if left != 0 {
			t.Fatalf("%d is left", left)
		}
	})
}
