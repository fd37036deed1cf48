package advert_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"endcap/simulate/advert"
	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
)

// about is a brand that sells: the first of the largest category.
func about(w *life.World) life.About {
	best := 0
	for c, span := range w.Grocer.Spans {
		if span.Len() > w.Grocer.Spans[best].Len() {
			best = c
		}
	}
	return life.About{Category: best, Brand: w.Grocer.Products[w.Grocer.Spans[best].From+1].Brand}
}

// open begins a book with one effect.
func open(t *testing.T, w *life.World, a life.About, terms advert.Terms) *advert.Book {
	t.Helper()
	book := advert.Open(w)
	if err := book.Plant(a, terms); err != nil {
		t.Fatal(err)
	}
	return book
}

// year is what a year under adverts gave: everybody sees one every third day.
type year struct {
	with, without   int64 // of the brand, in cents
	gained, swapped int   // receipts with more lines than without; with as many but others
	lost            int   // receipts with fewer
}

func live(t *testing.T, turn func(*advert.Terms)) year {
	t.Helper()
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed, s.Products, s.Account = 400, 10, 21, 1_000, 0
	w, err := life.Open(t.Context(), &s, model.Fitted(), nil)
	if err != nil {
		t.Fatal(err)
	}
	terms := advert.Defaults(0.3)
	if turn != nil {
		turn(&terms)
	}
	a := about(w)
	book := open(t, w, a, terms)
	var out year
	var b life.Batch
	for week := range s.Weeks {
		for i := range s.Shoppers {
			book.Shown(i, 7*week, a, 0, 1)
			book.Shown(i, 7*week, a, 1, 4)
		}
		p := w.Plan(week)
		w.Fill(p, 0, len(p.Visits), &b)
		for i := range b.Receipts {
			r := &b.Receipts[i]
			before := b.Lines[r.From:r.To]
			kept := slices.Clone(before)
			after := book.Sway(r, before, 7*week)
			if !slices.Equal(kept, before) {
				t.Fatal("the basket without adverts was changed")
			}
			out.with += total(w, after, a)
			out.without += total(w, before, a)
			switch {
			case len(after) > len(before):
				out.gained++
			case len(after) < len(before):
				out.lost++
			case !slices.Equal(after, before):
				out.swapped++
			}
		}
	}
	return out
}

func total(w *life.World, lines []life.Line, a life.About) int64 {
	var sum int64
	for _, l := range lines {
		if p := w.Grocer.Products[l.Product]; !w.IsFuel(l.Product) && int(p.Category) == a.Category && p.Brand == a.Brand && l.Quantity > 0 {
			sum += int64(l.Sales)
		}
	}
	return sum
}

func TestAdvertsSellWhatTheirTermsSay(t *testing.T) {
	t.Parallel()
	nothing := live(t, func(a *advert.Terms) { a.Effect = 0 })
	if nothing.with != nothing.without || nothing.gained+nothing.swapped+nothing.lost > 0 || nothing.without == 0 {
		t.Errorf("without effect: %+v", nothing)
	}
	plain := live(t, func(a *advert.Terms) { a.Switch, a.Cannibal, a.Stockpile = 0, 0, 0 })
	if plain.with <= plain.without || plain.gained == 0 || plain.swapped+plain.lost > 0 {
		t.Errorf("new sales alone: %+v", plain)
	}
	small := live(t, func(a *advert.Terms) { a.Effect, a.Switch, a.Cannibal, a.Stockpile = 0.03, 0, 0, 0 })
	if got := float64(small.with-small.without) / float64(plain.with-plain.without); got < 0.05 || got > 0.25 {
		t.Errorf("a tenth of the effect gives %.3f of the sales", got)
	}
	switched := live(t, func(a *advert.Terms) { a.Switch, a.Cannibal, a.Stockpile = 1, 0, 0 })
	if switched.swapped == 0 || switched.with <= switched.without || switched.without != plain.without {
		t.Errorf("taken from other brands: %+v", switched)
	}
	eaten := live(t, func(a *advert.Terms) { a.Switch, a.Cannibal, a.Stockpile = 0, 1, 0 })
	if eaten.swapped == 0 || eaten.with-eaten.without >= plain.with-plain.without {
		t.Errorf("taken from itself: %+v beside %+v", eaten, plain)
	}
	hoarded := live(t, func(a *advert.Terms) { a.Switch, a.Cannibal, a.Stockpile = 0, 0, 1 })
	if hoarded.lost == 0 || hoarded.with-hoarded.without >= plain.with-plain.without {
		t.Errorf("taken from later: %+v beside %+v", hoarded, plain)
	}
	if again := live(t, nil); again != live(t, nil) {
		t.Error("the same book gave two results")
	}
}

func TestAdStockFadesAndSaturatesByPlacementAndPosition(t *testing.T) {
	t.Parallel()
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed, s.Products = 10, 1, 2, 1_000
	w, err := life.Open(t.Context(), &s, model.Fitted(), nil)
	if err != nil {
		t.Fatal(err)
	}
	terms := advert.Terms{Effect: 0.001, HalfLife: 7, Saturation: 1_000, Placements: []float64{1, 0.5}, Position: 1}
	chance := func(terms advert.Terms, day int, shows ...[2]int) float64 {
		book := open(t, w, life.About{Brand: 1}, terms)
		for _, at := range shows {
			book.Shown(3, 0, life.About{Brand: 1}, at[0], at[1])
		}
		if other := book.Chance(3, day, life.About{Brand: 2}) + book.Chance(4, day, life.About{Brand: 1}); other != 0 {
			t.Errorf("who saw nothing is moved by %v", other)
		}
		return book.Chance(3, day, life.About{Brand: 1})
	}
	one := chance(terms, 0, [2]int{0, 1})
	saturated := terms
	saturated.Saturation = 1
	for name, tt := range map[string]struct{ got, want float64 }{
		"at once":              {one, 0.001},
		"after a half-life":    {chance(terms, 7, [2]int{0, 1}), one / 2},
		"after three":          {chance(terms, 21, [2]int{0, 1}), one / 8},
		"at position 4":        {chance(terms, 0, [2]int{0, 4}), one / 4},
		"a lesser placement":   {chance(terms, 0, [2]int{1, 1}), one / 2},
		"seen twice":           {chance(terms, 0, [2]int{0, 1}, [2]int{0, 1}), 2 * one},
		"saturated, seen once": {chance(saturated, 0, [2]int{0, 1}), one / 2},
		"never":                {chance(terms, 0), 0},
	} {
		if math.Abs(tt.got-tt.want) > 0.01*one {
			t.Errorf("%s: %.6f, want %.6f", name, tt.got, tt.want)
		}
	}
}

func TestSusceptibilityIsOneOnAverageAndDiffers(t *testing.T) {
	t.Parallel()
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed, s.Products = 10, 1, 2, 1_000
	w, err := life.Open(t.Context(), &s, model.Fitted(), nil)
	if err != nil {
		t.Fatal(err)
	}
	a := life.About{Category: 2, Brand: 7}
	book := open(t, w, a, advert.Defaults(0.15))
	if other := book.Susceptibility(1, life.About{Category: 2, Brand: 8}); other != 0 {
		t.Errorf("a brand without an effect moves by %v", other)
	}
	const n = 100_000
	var sum, square float64
	for i := range n {
		x := math.Log(book.Susceptibility(i, a))
		sum += math.Exp(x) / n
		square += x * x / n
	}
	spread := advert.Defaults(0.15).Spread
	if want := spread*spread + spread*spread*spread*spread/4; math.Abs(sum-1) > 0.02 || math.Abs(square-want) > 0.03 {
		t.Errorf("mean %.3f, want 1; mean square of the logarithm %.3f, want %.3f", sum, square, want)
	}
}

func TestTermsThatCannotBePlantedAreRefused(t *testing.T) {
	t.Parallel()
	for name, turn := range map[string]func(*advert.Terms){
		"effect":              func(a *advert.Terms) { a.Effect = 2 },
		"half_life":           func(a *advert.Terms) { a.HalfLife = 0 },
		"spread":              func(a *advert.Terms) { a.Spread = math.NaN() },
		"switch and cannibal": func(a *advert.Terms) { a.Switch, a.Cannibal = 0.8, 0.8 },
		"placements":          func(a *advert.Terms) { a.Placements = nil },
		"placements, least":   func(a *advert.Terms) { a.Placements = []float64{1, -1} },
	} {
		terms := advert.Defaults(0.15)
		turn(&terms)
		if err := new(advert.Book).Plant(life.About{}, terms); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
