package recommend_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"endcap/know/recommend"
	"endcap/know/recommend/response"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/visit"
)

// chances is a response model as a house serves it.
type chances struct{ now *response.Served }

func (c *chances) Served() *response.Served { return c.now }

// learned has a model learn that oats are clicked, in the words of the recommender's
// own bases.
func learned(t testing.TB, r *recommend.Recommender, c *chances, pages []visit.Visit, sections [][]byte) *response.Learner {
	t.Helper()
	cfg := response.Defaults()
	cfg.Bits = 14
	l, err := response.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 5))
	for range 400 {
		q := asking{r: r, visit: pages[rng.IntN(len(pages))], section: sections[rng.IntN(len(sections))], hour: rng.IntN(24)}
		shown, _ := q.answer(t)
		for i := range shown {
			o := response.Outcome{Showing: shown[i]}
			p := 0.05
			if o.Product == "oat" {
				p = 0.4
			}
			if o.Relation != nil && o.Relation.Receipts > 0 {
				p = 0.6
			}
			o.Clicked = rng.Float64() < p
			if err := l.Learn([]response.Outcome{o}); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.now = &response.Served{Scorer: l.Publish(), Ready: true, Version: 400, Serial: 1}
	return l
}

var adPlaces = []media.PlacementID{"top", "side"}

// asking is one visit that is shown every candidate in both placements.
type asking struct {
	r       *recommend.Recommender
	visit   visit.Visit
	section []byte
	hour    int
}

var adsOf = []visit.Candidate{
	{Product: "oat", Advertiser: "a1", LineItem: "l1", Booked: true},
	{Product: "oat", Advertiser: "a2", LineItem: "l2", Booked: true},
	{Product: "yog", Advertiser: "a1", LineItem: "l1", Booked: true},
	{Product: "rye", Advertiser: "a2", LineItem: "l3", Booked: true},
	{Product: "cola", Advertiser: "a2", LineItem: "l3", Booked: true},
	{Product: "nope", Advertiser: "a3", LineItem: "l4", Booked: true},
}

// answer gives what is learned from the fact of the decision, and the qualities that
// were bid with, alike in order.
func (q *asking) answer(t testing.TB) (shown []response.Showing, quality []int32) {
	t.Helper()
	w := q.r.Weigher(&q.visit, adsOf)
	q.visit.Day, q.visit.Channel = today, catalog.Online
	ask := visit.Weighing{Visit: &q.visit, Section: q.section, Hour: q.hour, Placements: adPlaces}
	w.Weigh(&ask)
	d := event.Decided{Channel: q.visit.Channel}
	var chosen []int32
	for p, place := range adPlaces {
		for i, c := range adsOf {
			at := i
			if !ask.Alike {
				at += p * len(adsOf)
			}
			quality, chosen = append(quality, ask.Quality[at]), append(chosen, int32(i))
			d.Wins = append(d.Wins, event.Win{Placement: place, Slot: uint8(i), Product: c.Product, Advertiser: c.Advertiser, LineItem: c.LineItem})
		}
	}
	d.Basis = w.Basis(nil, &ask, chosen)
	packed, err := event.Pack(nil, &event.Fact{ID: "d", Body: d}) // through the stream, as the follower reads it
	if err != nil {
		t.Fatal(err)
	}
	f, err := event.Unpack(packed.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	told, _ := f.Body.(event.Decided)
	if shown, err = response.Showings(&told); err != nil {
		t.Fatal(err)
	}
	return shown, quality
}

// prices are those of the test's shop.
func prices(id catalog.ProductID) (retail.Money, bool) {
	cents := map[catalog.ProductID]int{"oat": 199, "cola": 99, "yog": 349, "cow": 120}[id]
	return retail.Money{Amount: retail.Micros(cents) * retail.Cent, Currency: "EUR"}, cents > 0
}

// people are those who buy there, the first of them unknown, and the pages they visit.
func people(t *testing.T) (sections [][]byte, pages []visit.Visit) {
	t.Helper()
	sections = [][]byte{
		nil,
		fold(t, nil, bought(1, "a", 3, "s1", "oat", "cola"), bought(1, "b", 40, "s1", "oat", "yog")),
		fold(t, nil, bought(2, "c", 1, "s1", "cow", "cow", "rye")),
		fold(t, nil, bought(3, "d", 900, "s1", "gas")),
	}
	return sections, []visit.Visit{{}, {Query: "oat yogurt"}, {Category: "YOGURT"}, {Query: "oat", Category: "DRINKS"}, {Query: "caviar"}}
}

// What a bid was multiplied by is what the model says of the very showing that it
// learns from later, for whoever visits whichever page: no feature is made twice.
func TestWhatIsLearnedIsWhatWasDecided(t *testing.T) {
	t.Parallel()
	s := shop()
	sections, pages := people(t)
	c := &chances{&response.Served{}}
	r := recommend.New(s, artefacts(t), recommend.Options{Price: prices, Chances: c})
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	learned(t, r, c, pages, sections)
	levels, relations := make(map[int32]bool), 0
	for _, page := range pages {
		for who, section := range sections {
			q := asking{r: r, visit: page, section: section, hour: 3 * who}
			shown, quality := q.answer(t)
			if len(shown) != len(quality) {
				t.Fatalf("%d showings of %d", len(shown), len(quality))
			}
			for i := range shown {
				a, err := c.now.Answer(&shown[i])
				if err != nil {
					t.Fatal(err)
				}
				if d := a.Quality() - quality[i]; d < -1 || d > 1 { // sums in another order
					t.Errorf("%+v, shopper %d, %s in %s: bid with %d, learned from %d", page, who, shown[i].Product, shown[i].Placement, quality[i], a.Quality())
				}
				if (shown[i].Relation != nil) != (section != nil) {
					t.Errorf("shopper %d: relation %+v", who, shown[i].Relation)
				}
				if shown[i].Relation != nil && *shown[i].Relation != (response.Relation{}) {
					relations++
				}
				levels[quality[i]] = true
			}
		}
	}
	if len(levels) < 40 || relations < 20 {
		t.Errorf("%d different qualities and %d relations: nothing was tested", len(levels), relations)
	}
}

// Before the model is ready, an auction ranks by fit, in every placement alike.
func TestAnAuctionRanksByFitUntilTheModelIsReady(t *testing.T) {
	t.Parallel()
	s := shop()
	sections, pages := people(t)
	c := &chances{&response.Served{Serial: 1}}
	r := recommend.New(s, artefacts(t), recommend.Options{Price: prices, Chances: c})
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	young := r.Weigher(&pages[1], adsOf)
	before := r.Revision()
	learned(t, r, c, pages, sections)
	c.now.Serial = 2
	if r.Revision() == before {
		t.Error("a page that was prepared for the former model stands on")
	}
	ready := r.Weigher(&pages[1], adsOf)
	ask := visit.Weighing{Visit: &pages[1], Placements: adPlaces}
	young.Weigh(&ask)
	if want := []int32{400_000, 400_000, 700_000, 100_000, 100_000, 100_000}; !ask.Alike || !slices.Equal(ask.Quality, want) || young.Model() != 0 {
		t.Errorf("fit %v of model %d, want %v", ask.Quality, young.Model(), want)
	}
	ready.Weigh(&ask)
	if ask.Alike || len(ask.Quality) != 12 || ready.Model() != 400 || ask.Quality[0] <= 2*ask.Quality[3] {
		t.Errorf("chances %v of model %d", ask.Quality, ready.Model())
	}
}

// Chances rank only what fits: on a page that asks for something, what has nothing
// of it and is booked for the whole placement is no candidate.
func TestWhatDoesNotFitThePageIsNoCandidate(t *testing.T) {
	t.Parallel()
	s := shop()
	sections, pages := people(t)
	c := &chances{&response.Served{}}
	r := recommend.New(s, artefacts(t), recommend.Options{Price: prices, Chances: c})
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	learned(t, r, c, pages, sections)
	ads := []visit.Candidate{{Product: "oat"}, {Product: "rye"}, {Product: "rye", Booked: true}, {Product: "nope"}}
	for name, tc := range map[string]struct {
		v    visit.Visit
		want []bool
	}{
		"a search":                     {visit.Visit{Query: "oat drink"}, []bool{true, false, true, false}},
		"a category":                   {visit.Visit{Category: "DRINKS"}, []bool{true, false, true, false}},
		"a search for what nobody has": {visit.Visit{Query: "caviar"}, []bool{true, true, true, true}},
		"the home page":                {visit.Visit{}, []bool{true, true, true, true}},
	} {
		ask := visit.Weighing{Visit: &tc.v, Placements: adPlaces}
		r.Weigher(&tc.v, ads).Weigh(&ask)
		for i, q := range ask.Quality {
			if (q > 0) != tc.want[i%4] {
				t.Errorf("%s: %v", name, ask.Quality)
				break
			}
		}
	}
}

// Of what is sensitive nothing of hers makes a chance, not even her other yogurts.
func TestSensitivePurchasesMakeNoChance(t *testing.T) {
	t.Parallel()
	s := shop()
	sections, pages := people(t)
	rules := policy.Policy{Sensitive: []policy.Group{{Name: "health", Set: catalog.Set{Categories: []catalog.Category{"YOGURT"}}}}}
	c := &chances{&response.Served{}}
	r := recommend.New(s, artefacts(t), recommend.Options{Price: prices, Chances: c, Sensitive: rules.Shield()})
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	learned(t, r, c, pages, sections)
	hers := fold(t, nil, bought(1, "a", 3, "s1", "yog", "yog", "cola"), bought(1, "b", 2, "s1", "yog", "cow"))
	others := fold(t, nil, bought(1, "a", 3, "s1", "cola"))
	with, without := asking{r: r, section: hers}, asking{r: r, section: others}
	shown, got := with.answer(t)
	_, want := without.answer(t)
	if !slices.Equal(got, want) {
		t.Errorf("with yogurts %v, without %v", got, want)
	}
	for i := range shown {
		if shown[i].Product == "yog" && *shown[i].Relation != (response.Relation{}) {
			t.Errorf("it would learn of her yogurts: %+v", *shown[i].Relation)
		}
	}
}

// A page with chances costs a visitor no memory. AllocsPerRun counts the whole
// process's, so nothing runs beside it.
func TestChancesAllocateNothing(t *testing.T) {
	s := shop()
	sections, pages := people(t)
	c := &chances{&response.Served{}}
	r := recommend.New(s, artefacts(t), recommend.Options{Price: prices, Chances: c})
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	learned(t, r, c, pages, sections)
	w := r.Weigher(&pages[1], adsOf)
	ask := visit.Weighing{Visit: &pages[1], Section: sections[1], Placements: adPlaces}
	basis, chosen := make([]byte, 0, 1_000), []int32{0, 3}
	if n := testing.AllocsPerRun(100, func() {
		w.Weigh(&ask)
		basis = w.Basis(basis[:0], &ask, chosen)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
