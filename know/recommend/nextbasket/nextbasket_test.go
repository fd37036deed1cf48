package nextbasket_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"endcap/know/recommend/judge"
	"endcap/know/recommend/learn"
	"endcap/know/recommend/nextbasket"
)

const seed = 6

// Shoppers of a small town: each has a few staples that she buys again after a
// number of days of her own, and sometimes a product that everybody buys in that
// season. Nothing but days and her own habits says what is due.
const (
	townProducts = 300
	townDays     = 120
)

func town(shoppers int, seed uint64) (*nextbasket.Range, []nextbasket.Shopper) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	out := make([]nextbasket.Shopper, shoppers)
	for i := range out {
		type staple struct {
			product nextbasket.Product
			every   int
			due     int
		}
		staples := make([]staple, 4+rnd.IntN(5))
		for k := range staples {
			every := 4 + rnd.IntN(25)
			staples[k] = staple{nextbasket.Product(rnd.IntN(200)), every, rnd.IntN(every)}
		}
		var h nextbasket.History
		for day := 1 + rnd.IntN(4); day < townDays; day += 2 + rnd.IntN(5) {
			var b []nextbasket.Product
			for k := range staples {
				if s := &staples[k]; day >= s.due {
					b = append(b, s.product)
					s.due = day + s.every - 1 + rnd.IntN(3)
				}
			}
			if rnd.IntN(3) == 0 {
				b = append(b, nextbasket.Product(200+day/30*10+rnd.IntN(10)))
			}
			if rnd.IntN(4) == 0 {
				b = append(b, nextbasket.Product(rnd.IntN(townProducts)))
			}
			slices.Sort(b)
			if b = slices.Compact(b); len(b) > 0 {
				off := make([]uint8, len(b))
				for k, p := range b {
					off[k] = uint8((int(p) + day/7) % 4 * 10) // an offer lasts a week
				}
				h = append(h, nextbasket.Basket{Day: int32(day), Products: b, Off: off})
			}
		}
		out[i] = nextbasket.Shopper{Key: uint64(i + 1), History: h}
	}
	hashes, groups := make([]uint64, townProducts), make([]int32, townProducts)
	for p := range hashes {
		hashes[p], groups[p] = uint64(p)*7919+1, int32(p/10)
	}
	groups[5] = -1
	return &nextbasket.Range{Products: townProducts, Groups: [][]int32{groups}, Hashes: hashes}, out
}

func settings() nextbasket.Settings {
	s := nextbasket.Defaults()
	s.Trees.Bags, s.Trees.Trees, s.Neighbours = 2, 20, 50
	return s
}

func train(tb testing.TB, r *nextbasket.Range, cuts []nextbasket.Cut, shoppers []nextbasket.Shopper, s nextbasket.Settings) *nextbasket.Model {
	tb.Helper()
	m, _, err := nextbasket.Train(r, cuts, shoppers, &s)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// townModel is trained on what was bought before the day that test asks about.
func townModel(tb testing.TB, shoppers int) (m *nextbasket.Model, test nextbasket.Cut) {
	tb.Helper()
	r, all := town(shoppers, seed)
	test = nextbasket.ByDay(all, 105, townDays)
	cuts := []nextbasket.Cut{nextbasket.ByDay(all, 90, 105), nextbasket.ByDay(all, 75, 90)}
	return train(tb, r, cuts, test.Shoppers, settings()), test
}

func recall(answers []judge.Answer) float64 {
	f := judge.At(10, answers)
	return f.Recall
}

// What is due is told by days, and counting alone cannot know it.
func TestIsWhatIsDueProposedFirst(t *testing.T) {
	t.Parallel()
	m, test := townModel(t, 400)
	personal := &nextbasket.Personal{Popular: nextbasket.NewPopular(townProducts, test.Shoppers), Ties: nextbasket.MorePopular, Fill: true}
	ours, theirs := recall(nextbasket.Answers(test.Cases, m, 10)), recall(nextbasket.Answers(test.Cases, personal, 10))
	if ours < 1.05*theirs || ours < 0.7 {
		t.Errorf("recall of ten %.3f, counting her baskets %.3f (seed %d)", ours, theirs, seed)
	}
	predicted, observed := m.Calibrated(test.Cases)
	if math.Abs(predicted/observed-1) > 0.15 {
		t.Errorf("%.0f purchases expected of %.0f (seed %d)", predicted, observed, seed)
	}
}

func TestProposalsTellWhatSheDid(t *testing.T) {
	t.Parallel()
	m, test := townModel(t, 120)
	for i := range test.Cases[:50] {
		q := &test.Cases[i].Query
		count, last := map[nextbasket.Product]int32{}, map[nextbasket.Product]int32{}
		for _, b := range q.History {
			for _, p := range b.Products {
				count[p]++
				last[p] = b.Day
			}
		}
		seen := map[nextbasket.Product]bool{}
		all := m.Next(q, nil)
		for k, p := range all {
			if p.Baskets != count[p.Product] || p.Last != last[p.Product] || seen[p.Product] || (p.Between > 0) != (p.Baskets > 1) {
				t.Fatalf("proposal %+v, bought in %d baskets, last on %d", p, count[p.Product], last[p.Product])
			}
			if k > 0 && (p.Score > all[k-1].Score || p.Chance > all[k-1].Chance) || !(p.Chance >= 0 && p.Chance <= 1) {
				t.Fatalf("proposal %+v after %+v", p, all[k-1])
			}
			seen[p.Product] = true
		}
		if !slices.ContainsFunc(all, func(p nextbasket.Proposal) bool { return p.Baskets == 0 }) {
			t.Error("nothing new to her is in question")
		}
	}
}

// Everything from the cut on is dealt out anew among shoppers: the settings found
// and every list stay the same. What was before the cut does matter.
func TestShufflingTheFutureChangesNoList(t *testing.T) {
	t.Parallel()
	const day = 105
	lists := func(all []nextbasket.Shopper, r *nextbasket.Range) ([][]nextbasket.Product, nextbasket.Settings) {
		judged := []nextbasket.Cut{nextbasket.ByDay(all, 90, day)}
		cuts := []nextbasket.Cut{nextbasket.ByDay(all, 75, 90)}
		s, _, err := nextbasket.Search(r, cuts, judged, nextbasket.Plays{Trials: 2, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		test := nextbasket.ByDay(all, day, townDays)
		m := train(t, r, append(judged, cuts...), test.Shoppers, s)
		var out [][]nextbasket.Product
		for i := range test.Shoppers {
			out = append(out, m.List(&nextbasket.Query{Key: test.Shoppers[i].Key, History: test.Shoppers[i].History, Day: day}, 20))
		}
		return out, s
	}
	r, all := town(60, seed)
	want, settings := lists(all, r)
	after, future := shuffled(all, day, townDays)
	if len(future) < 100 {
		t.Fatalf("only %d products lie in the future", len(future))
	}
	got, again := lists(after, r)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lists after the future was shuffled (−before +after):\n%s", diff)
	}
	if diff := cmp.Diff(settings, again); diff != "" {
		t.Errorf("settings after the future was shuffled:\n%s", diff)
	}
	before, _ := shuffled(all, 80, day)
	if got, _ := lists(before, r); cmp.Equal(want, got) {
		t.Error("shuffling the past changes nothing either")
	}
}

// shuffled deals the products bought from one day on and before another out anew.
func shuffled(all []nextbasket.Shopper, from, until int32) (out []nextbasket.Shopper, dealt []nextbasket.Product) {
	for i := range all {
		var h nextbasket.History
		for _, b := range all[i].History {
			if b.Day >= from && b.Day < until {
				dealt = append(dealt, b.Products...)
				b.Products, b.Off = slices.Clone(b.Products), nil
			}
			h = append(h, b)
		}
		out = append(out, nextbasket.Shopper{Key: all[i].Key, History: h})
	}
	rnd := rand.New(rand.NewPCG(seed, 8))
	rnd.Shuffle(len(dealt), func(i, j int) { dealt[i], dealt[j] = dealt[j], dealt[i] })
	at := 0
	for i := range out {
		for k := range out[i].History {
			b := &out[i].History[k]
			if b.Day < from || b.Day >= until {
				continue
			}
			n := at + len(b.Products)
			b.Products = b.Products[:0]
			for ; at < n; at++ {
				if !slices.Contains(b.Products, dealt[at]) {
					b.Products = append(b.Products, dealt[at])
				}
			}
		}
	}
	return out, dealt
}

// No question of a cut by order is asked of a crowd that knows its answer.
func TestQuestionsByOrderAreAskedOfOthers(t *testing.T) {
	t.Parallel()
	_, all := town(100, seed)
	for back := range 3 {
		asked := map[uint64]int{}
		for _, cut := range nextbasket.ByOrder(all, back) {
			inside := map[uint64]bool{}
			for i := range cut.Shoppers {
				inside[cut.Shoppers[i].Key] = true
			}
			for _, c := range cut.Cases {
				asked[c.Key]++
				whole := all[c.Key-1].History
				n := len(whole) - 1 - back
				if inside[c.Key] || len(c.History) != n || !slices.Equal(c.Truth, whole[n].Products) || c.Day != whole[n].Day {
					t.Fatalf("back %d: shopper %d with %d of %d baskets, in the crowd %v", back, c.Key, len(c.History), len(whole), inside[c.Key])
				}
			}
		}
		if len(asked) != len(all) {
			t.Errorf("back %d: %d of %d shoppers are asked about", back, len(asked), len(all))
		}
	}
}

func TestCutsByDayKnowNothingLater(t *testing.T) {
	t.Parallel()
	shoppers := []nextbasket.Shopper{
		{Key: 1, History: nextbasket.History{{Day: 1, Products: []int32{1}}, {Day: 5, Products: []int32{2}}, {Day: 7, Products: []int32{3}}}},
		{Key: 2, History: nextbasket.History{{Day: 5, Products: []int32{1}}}},
		{Key: 3, History: nextbasket.History{{Day: 2, Products: []int32{4}}, {Day: 9, Products: []int32{4}}}},
		{Key: 4, History: nil},
	}
	got := nextbasket.ByDay(shoppers, 5, 9)
	want := nextbasket.Cut{
		Shoppers: []nextbasket.Shopper{{Key: 1, History: shoppers[0].History[:1]}, {Key: 3, History: shoppers[2].History[:1]}},
		Cases:    []nextbasket.Case{{Query: nextbasket.Query{Key: 1, History: shoppers[0].History[:1], Day: 5}, Truth: []int32{2}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("cut (−want +got):\n%s", diff)
	}
}

func TestStrangeShoppersGetLists(t *testing.T) {
	t.Parallel()
	m, test := townModel(t, 100)
	known := test.Shoppers[0]
	long := make(nextbasket.History, 3000)
	for i := range long {
		long[i] = nextbasket.Basket{Day: int32(i / 20), Products: []nextbasket.Product{int32(i % townProducts), int32((i*7 + 1) % townProducts)}}
	}
	shares := make([]float32, townProducts)
	shares[3] = float32(math.NaN())
	tests := map[string]nextbasket.Query{
		"nobody knows her":                 {},
		"one product once":                 {History: nextbasket.History{{Day: 100, Products: []int32{7}}}, Day: 105},
		"only baskets of unknown products": {History: nextbasket.History{{Day: 100}, {Day: 101}}, Day: 105},
		"everything, every day":            {History: long, Day: 200},
		"asked before she bought":          {History: nextbasket.History{{Day: 100, Products: []int32{7}}}, Day: -2_000_000_000},
		"bought at the end of days":        {History: nextbasket.History{{Day: math.MinInt32, Products: []int32{7}}, {Day: math.MaxInt32, Products: []int32{7}}}, Day: 3},
		"days out of order":                {History: nextbasket.History{{Day: 100, Products: []int32{7}}, {Day: 10, Products: []int32{7, 8}}}, Day: 105},
		"a member whose past was lost":     {Key: known.Key, Day: 105},
		"a plan that is no number":         {History: known.History, Day: 105, Plan: &nextbasket.Plan{DisplayShare: shares, MailerShare: shares, DisplayBefore: shares, MailerBefore: shares, DisplayUsual: shares, MailerUsual: shares}},
	}
	for name, q := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := m.Next(&q, nil)
			if len(all) < 20 {
				t.Errorf("%d products in question", len(all))
			}
			for _, p := range all {
				if math.IsNaN(float64(p.Score)) || math.IsInf(float64(p.Score), 0) || !(p.Chance >= 0 && p.Chance <= 1) {
					t.Errorf("proposal %+v", p)
				}
			}
			if again := m.Next(&q, nil); !slices.Equal(all, again) {
				t.Error("asked again, the list is another")
			}
		})
	}
}

// What stands in the crowd about herself is not told to her: without her in it, she
// gets nearly the same list.
func TestNobodyIsHerOwnNeighbour(t *testing.T) {
	t.Parallel()
	m, test := townModel(t, 200)
	same := 0
	for i := range 40 {
		q := test.Cases[i].Query
		with := m.List(&q, 5)
		without := m.Without(func(key uint64) bool { return key == q.Key }).List(&q, 5)
		for _, p := range with {
			if slices.Contains(without, p) {
				same++
			}
		}
	}
	if same < 180 {
		t.Errorf("%d of 200 proposals are the same without her in the crowd (seed %d)", same, seed)
	}
}

func TestWhoIsForgottenLeavesTheModel(t *testing.T) {
	t.Parallel()
	r, all := town(100, seed)
	for i := range all {
		all[i].Key = 0xA1B2C3D4E5F60000 + uint64(i) // found by its bytes
	}
	m := train(t, r, nextbasket.ByOrder(all, 0), all, settings())
	gone := all[17].Key
	mark := []byte{byte(gone), byte(gone >> 8), 0xF6, 0xE5, 0xD4, 0xC3, 0xB2, 0xA1}
	left := m.Without(func(key uint64) bool { return key == gone })
	if m.Members() != 100 || left.Members() != 99 {
		t.Errorf("members %d, without one %d", m.Members(), left.Members())
	}
	if !bytes.Contains(saved(t, m), mark) {
		t.Fatal("her key is not in the model she belongs to: the test looks for the wrong bytes")
	}
	if bytes.Contains(saved(t, left), mark) {
		t.Error("her key is in the model that she was taken out of")
	}
	if got := left.List(&nextbasket.Query{Key: all[3].Key, History: all[3].History, Day: 130}, 10); len(got) != 10 {
		t.Errorf("others get %d proposals", len(got))
	}
}

func TestNothingToLearnFrom(t *testing.T) {
	t.Parallel()
	s := settings()
	r := &nextbasket.Range{Products: 3}
	if _, _, err := nextbasket.Train(r, nil, nil, &s); err == nil {
		t.Error("a model of nobody")
	}
	one := []nextbasket.Shopper{{Key: 1, History: nextbasket.History{{Day: 1, Products: []int32{0}}}}}
	if _, _, err := nextbasket.Train(r, nextbasket.ByOrder(one, 0), one, &s); err == nil {
		t.Error("a model of one basket")
	}
}

func TestSettingsThatMakeNoModel(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*nextbasket.Settings){
		"no decay":           func(s *nextbasket.Settings) { s.Decay.Basket = 0 },
		"a decay that grows": func(s *nextbasket.Settings) { s.Decay.Group = 1.1 },
		"no groups":          func(s *nextbasket.Settings) { s.Decay.Groups = 0 },
		"blocks of the past": func(s *nextbasket.Settings) { s.Decay.BlockDays = -1 },
		"no neighbours":      func(s *nextbasket.Settings) { s.Neighbours = 0 },
		"her part is NaN":    func(s *nextbasket.Settings) { s.Own = math.NaN() },
		"no negatives":       func(s *nextbasket.Settings) { s.Negatives = 0 },
		"trees of one leaf":  func(s *nextbasket.Settings) { s.Trees.Leaves = 1 },
	}
	r, all := town(10, seed)
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := settings()
			spoil(&s)
			if _, _, err := nextbasket.Train(r, nextbasket.ByOrder(all, 0), all, &s); !errors.Is(err, nextbasket.ErrSettings) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSignalsHaveNames(t *testing.T) {
	t.Parallel()
	r, all := town(60, seed)
	s := settings()
	cut := nextbasket.ByDay(all, 90, 105)
	names := nextbasket.Columns(len(r.Groups))
	rows := 0
	nextbasket.Lists(r, &cut, &s, seed, func(_ *nextbasket.Case, products []nextbasket.Product, l *learn.List) {
		rows += len(products)
		if len(l.Signals) != len(products)*len(names) || len(l.Bought) != len(products) {
			t.Fatalf("%d signals of %d products, %d names", len(l.Signals), len(products), len(names))
		}
	})
	if rows == 0 {
		t.Error("no product is in question")
	}
	slices.Sort(names)
	if n := len(names); len(slices.Compact(names)) != n {
		t.Error("two signals have one name")
	}
}

// signalsOf are those of each product in question for a cut's only case.
func signalsOf(t *testing.T, r *nextbasket.Range, cut *nextbasket.Cut) func(p nextbasket.Product, name string) float32 {
	t.Helper()
	s := settings()
	names := nextbasket.Columns(len(r.Groups))
	rows := map[nextbasket.Product][]float32{}
	nextbasket.Lists(r, cut, &s, seed, func(_ *nextbasket.Case, products []nextbasket.Product, l *learn.List) {
		for i, p := range products {
			rows[p] = slices.Clone(l.Signals[i*len(names) : (i+1)*len(names)])
		}
	})
	return func(p nextbasket.Product, name string) float32 {
		at := slices.Index(names, name)
		if rows[p] == nil || at < 0 {
			t.Fatalf("no signal %q of product %d", name, p)
		}
		return rows[p][at]
	}
}

func near(got, want float32) bool {
	return got == want || got != got && want != want || math.Abs(float64(got-want)) < 1e-4
}

// Was it cheap when she bought it, is it cheap now?
func TestDiscountsAreSignals(t *testing.T) {
	t.Parallel()
	others := nextbasket.History{ // the last basket is the newest that the crowd knows
		{Day: 1, Products: []int32{0, 1}, Off: []uint8{10, 0}},
		{Day: 2, Products: []int32{0, 1}, Off: []uint8{20, 0}},
		{Day: 3, Products: []int32{0, 1}, Off: []uint8{0, 50}},
	}
	hers := nextbasket.History{
		{Day: 1, Products: []int32{0}, Off: []uint8{30}},
		{Day: 2, Products: []int32{0, 2}, Off: []uint8{40, 0}},
		{Day: 3, Products: []int32{3}}, // whoever sent it knew no prices
	}
	cut := &nextbasket.Cut{
		Shoppers: []nextbasket.Shopper{{Key: 1, History: others}},
		Cases:    []nextbasket.Case{{Query: nextbasket.Query{History: hers, Day: 4}, Truth: []int32{0}}},
	}
	signal := signalsOf(t, &nextbasket.Range{Products: 4}, cut)
	none := float32(math.NaN())
	const usual = 30.0 / 4 // of all products in the others' past
	mean0, mean1 := float32((10+20+3*usual)/5), float32(3*usual/5)
	tests := map[string]struct {
		product nextbasket.Product
		want    float32
	}{
		"discount of hers":            {0, 35},
		"last discount of hers":       {0, 40},
		"usual discount":              {0, mean0},
		"discount of hers less usual": {0, 35 - mean0},
		"discount lately":             {1, (50 + 3*mean1) / 4},
		"discount lately less usual":  {1, (50+3*mean1)/4 - mean1},
		"her discount":                {2, 70.0 / 3},
	}
	for name, test := range tests {
		if got := signal(test.product, name); !near(got, test.want) {
			t.Errorf("%s of product %d is %v, want %v", name, test.product, got, test.want)
		}
	}
	if got := signal(3, "discount of hers"); !near(got, none) {
		t.Errorf("a discount that nobody knows is %v", got)
	}
}

// Is it in the mailer this week and was not before, is something else of its kind?
func TestPromotionsAreSignals(t *testing.T) {
	t.Parallel()
	hers := nextbasket.History{{Day: 1, Products: []int32{0, 1}}, {Day: 2, Products: []int32{0, 2}}, {Day: 3, Products: []int32{0, 3}}}
	plan := &nextbasket.Plan{
		Display: []uint8{0, 3, 0, 0}, Mailer: []uint8{0, 0, 0, 7},
		DisplayShare: []float32{0, 0.5, 0, 0}, MailerShare: []float32{0, 0, 0, 0.9},
		DisplayBefore: []float32{0, 0.1, 0, 0}, MailerBefore: []float32{0, 0, 0, 1},
		DisplayUsual: []float32{0, 0.2, 0, 0}, MailerUsual: []float32{0, 0, 0, 0.3},
	}
	chain := *plan
	chain.Display, chain.Mailer = nil, nil
	r := &nextbasket.Range{Products: 4, Groups: [][]int32{{0, 0, 0, -1}}}
	none := float32(math.NaN())
	type want struct {
		product nextbasket.Product
		want    float32
	}
	tests := map[string]struct {
		plan *nextbasket.Plan
		want map[string]want
	}{
		"in her store": {plan, map[string]want{
			"display": {1, 3}, "mailer": {3, 7}, "share of stores with display": {1, 0.5}, "more display than usual": {1, 0.3},
			"more display than before": {1, 0.4}, "more mailer than usual": {3, 0.6}, "more mailer than before": {3, -0.1},
			"group 1: others of hers promoted": {0, 0.5}, // one purchase of two
		}},
		"in a store nobody knows": {&chain, map[string]want{
			"display": {1, none}, "mailer": {3, none}, "share of stores with mailer": {3, 0.9}, "group 1: others of hers promoted": {2, 0.125},
		}},
		"in a week without a plan": {nil, map[string]want{
			"display": {1, none}, "more mailer than before": {3, none}, "group 1: others of hers promoted": {0, none},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signal := signalsOf(t, r, &nextbasket.Cut{
				Shoppers: []nextbasket.Shopper{{Key: 1, History: hers}},
				Cases:    []nextbasket.Case{{Query: nextbasket.Query{History: hers, Day: 4, Plan: test.plan}, Truth: []int32{0}}},
			})
			for name, w := range test.want {
				if got := signal(w.product, name); !near(got, w.want) {
					t.Errorf("%s of product %d is %v, want %v", name, w.product, got, w.want)
				}
			}
		})
	}
}

// A decision cannot wait for the garbage collector.
func TestAskingAllocatesNextToNothing(t *testing.T) { //nolint:paralleltest // counts allocations
	m, test := townModel(t, 60)
	var room []nextbasket.Proposal
	i := 0
	got := testing.AllocsPerRun(100, func() {
		room = m.Next(&test.Cases[i%len(test.Cases)].Query, room[:0])
		i++
	})
	most := 8.0
	if raced {
		most = 200 // the race detector has a pool forget what it holds
	}
	if got > most {
		t.Errorf("%v allocations, at most %v", got, most)
	}
}
