package nextbasket_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"endcap/know/recommend/nextbasket"
)

func TestPersonalFrequenciesBreakTies(t *testing.T) {
	t.Parallel()
	const oats, milk, figs, tea, soap = 0, 1, 2, 3, 4
	others := []nextbasket.Shopper{
		{Key: 1, History: nextbasket.History{{Products: []int32{tea, milk, soap}}, {Products: []int32{tea, soap}}}},
		{Key: 2, History: nextbasket.History{{Products: []int32{tea, soap, milk}}, {Products: []int32{soap}}}},
	}
	popular := nextbasket.NewPopular(5, others) // soap 4, tea 3, milk 2
	hers := nextbasket.Query{History: nextbasket.History{{Products: []int32{figs, milk}}, {Products: []int32{oats}}, {Products: []int32{oats, tea}}}}
	tests := map[string]struct {
		by   nextbasket.Lister
		k    int
		want []nextbasket.Product
	}{
		"popular":                     {popular, 3, []int32{soap, tea, milk}},
		"popular, more than there is": {popular, 9, []int32{soap, tea, milk, oats, figs}},
		"first seen":                  {&nextbasket.Personal{}, 10, []int32{oats, figs, milk, tea}},
		"first seen, filled":          {&nextbasket.Personal{Popular: popular, Fill: true}, 10, []int32{oats, figs, milk, tea, soap}},
		"more popular":                {&nextbasket.Personal{Popular: popular, Ties: nextbasket.MorePopular}, 10, []int32{oats, tea, milk, figs}},
		"more recent":                 {&nextbasket.Personal{Popular: popular, Ties: nextbasket.MoreRecent}, 10, []int32{oats, tea, milk, figs}},
		"only the first":              {&nextbasket.Personal{Popular: popular, Ties: nextbasket.MorePopular, Fill: true}, 2, []int32{oats, tea}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, tt.by.List(&hers, tt.k)); diff != "" {
				t.Errorf("list (−want +got):\n%s", diff)
			}
		})
	}
}

// plainTIFUKNN is the method as its paper tells it, over whole vectors, for data in
// order.
func plainTIFUKNN(products int, shoppers []nextbasket.Shopper, s *nextbasket.Settings, q *nextbasket.Query) []float64 {
	vector := func(h nextbasket.History) []float64 {
		u := make([]float64, products)
		n, d := len(h), s.Decay
		var groups [][]int
		for g := 0; g < min(d.Groups, n); g++ {
			groups = append(groups, nil)
		}
		at := 0
		for g := range groups {
			size := n / len(groups)
			if g >= len(groups)-n%len(groups) {
				size++
			}
			for range size {
				groups[g] = append(groups[g], at)
				at++
			}
		}
		for g, baskets := range groups {
			for _, j := range baskets {
				for _, p := range h[j].Products {
					u[p] += math.Pow(d.Group, float64(d.Groups-1-g)) * math.Pow(d.Basket, float64(n-1-j)) / float64(len(baskets)*len(groups))
				}
			}
		}
		return u
	}
	type one struct {
		u   []float64
		far float64
		who int
	}
	u := vector(q.History)
	var all []one
	for i := range shoppers {
		v := vector(shoppers[i].History)
		far := 0.0
		for p := range u {
			far += (u[p] - v[p]) * (u[p] - v[p])
		}
		if len(shoppers[i].History) > 0 {
			all = append(all, one{v, far, i})
		}
	}
	slices.SortFunc(all, func(a, b one) int {
		if a.far != b.far {
			if a.far < b.far {
				return -1
			}
			return 1
		}
		return a.who - b.who
	})
	score := make([]float64, products)
	for p := range score {
		score[p] = s.Own * u[p]
		for _, n := range all[:min(s.Neighbours, len(all))] {
			score[p] += (1 - s.Own) * n.u[p] / float64(min(s.Neighbours, len(all)))
		}
	}
	return score
}

func TestTIFUKNNIsTheOneOfThePaper(t *testing.T) {
	t.Parallel()
	r, all := town(120, seed)
	s := nextbasket.Defaults()
	s.Neighbours = 17
	by := nextbasket.NewTIFUKNN(r.Products, all[20:], &s)
	for i := range 20 {
		q := &nextbasket.Query{History: all[i].History}
		score := plainTIFUKNN(r.Products, all[20:], &s, q)
		last := math.Inf(1)
		for _, p := range by.List(q, 10) {
			if score[p] > last+1e-6 {
				t.Fatalf("shopper %d: product %d with %v after %v", i, p, score[p], last)
			}
			last = score[p]
		}
		better := 0
		for p := range score {
			if score[p] > last+1e-6 {
				better++
			}
		}
		if better > 9 {
			t.Errorf("shopper %d: %d products are better than the last of ten", i, better)
		}
	}
}

func TestTIFUKNNByDays(t *testing.T) {
	t.Parallel()
	s := nextbasket.Settings{Decay: nextbasket.Decay{Basket: 0.5, Group: 0.5, BlockDays: 30}, Own: 1}
	by := nextbasket.NewTIFUKNN(4, nil, &s)
	// Blocks: days 95 to 100 and day 60. Weights: product 1 ½·0.5^ln 1 /2 … product 0
	// twice in the old block counts less than product 2 once, five days before the last.
	q := nextbasket.Query{History: nextbasket.History{{Day: 60, Products: []int32{0, 3}}, {Day: 62, Products: []int32{0}}, {Day: 95, Products: []int32{2}}, {Day: 100, Products: []int32{1}}}}
	if diff := cmp.Diff([]nextbasket.Product{1, 2, 0, 3}, by.List(&q, 4)); diff != "" {
		t.Errorf("list (−want +got):\n%s", diff)
	}
}

func TestItemItemFindsWhatGoesTogether(t *testing.T) {
	t.Parallel()
	shoppers := []nextbasket.Shopper{
		{Key: 1, History: nextbasket.History{{Products: []int32{0, 1}}, {Products: []int32{2}}}},
		{Key: 2, History: nextbasket.History{{Products: []int32{0, 1}}, {Products: []int32{2, 3}}}},
		{Key: 3, History: nextbasket.History{{Products: []int32{0, 1}}}},
	}
	q := &nextbasket.Query{History: nextbasket.History{{Products: []int32{0}}}}
	tests := map[string]struct {
		o    nextbasket.ItemItemOptions
		want []nextbasket.Product
	}{
		"in a basket":              {nextbasket.ItemItemOptions{Baskets: true}, []int32{1}},
		"in a basket, with itself": {nextbasket.ItemItemOptions{Baskets: true, Self: true}, []int32{1, 0}},
		"in a shopper":             {nextbasket.ItemItemOptions{}, []int32{1, 2, 3}},
		"shrunk and recent":        {nextbasket.ItemItemOptions{Shrink: 10, Recent: 3}, []int32{1, 2, 3}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, nextbasket.NewItemItem(4, shoppers, tt.o).List(q, 10)); diff != "" {
				t.Errorf("list (−want +got):\n%s", diff)
			}
		})
	}
}

// A trial that repeats the best so far teaches nothing and costs as much as any.
func TestTrialsThatMendTheBestDiffer(t *testing.T) {
	t.Parallel()
	r, all := town(30, seed)
	judged := []nextbasket.Cut{nextbasket.ByDay(all, 90, 105)}
	for seed := range uint64(5) {
		trials, err := nextbasket.SearchNeighbours(r, judged, nextbasket.Defaults(), nextbasket.Plays{Trials: 12, Seed: seed})
		if err != nil || len(trials) != 12 {
			t.Fatalf("%d trials, %v", len(trials), err)
		}
		for k := 1; k < len(trials); k++ {
			if trials[k].Settings == nextbasket.Best(trials[:k]).Settings {
				t.Errorf("seed %d: trial %d is the best of those before it again", seed, k)
			}
		}
	}
}
