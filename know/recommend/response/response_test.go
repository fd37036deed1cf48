package response_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"endcap/know/recommend/response"
)

// Of a hundred showings that are said to be clicked with 7 %, seven are.
func TestWhatIsSaidToBeClickedIs(t *testing.T) {
	t.Parallel()
	s := newSite(3)
	l := learner(t, small(), s.live(300_000))
	type sum struct{ said, came, n float64 }
	clicks, buys := make([]sum, 10), make([]sum, 3)
	for _, o := range s.live(100_000) {
		a := answer(t, l, o.Showing)
		c := &clicks[min(int(a.Click()*20), 9)]
		c.said, c.n = c.said+a.Click(), c.n+1
		b := &buys[min(int(a.Bought*4), 2)]
		if o.Clicked {
			c.came++
			b.said, b.n = b.said+a.Bought, b.n+1
		}
		if o.Bought {
			b.came++
		}
	}
	checked := 0
	for name, all := range map[string][]sum{"clicks": clicks, "purchases": buys} {
		for i, x := range all {
			if x.came < 500 {
				continue
			}
			checked++
			if ratio := x.came / x.said; ratio < 0.9 || ratio > 1.1 {
				t.Errorf("%s, class %d: %.0f said, %.0f came", name, i, x.said, x.came)
			}
		}
	}
	if checked < 6 {
		t.Errorf("only %d classes have 500 events", checked)
	}
}

// A product that is clicked little because it stands low is not taken for a bad one.
func TestALowPlaceIsNotTakenForABadProduct(t *testing.T) {
	t.Parallel()
	s := newSite(4)
	l := learner(t, small(), s.live(250_000))
	for i, want := range s.looked {
		if got := l.Scorer().Examined("search", i+1); math.Abs(got/want-1) > 0.1 {
			t.Errorf("position %d is looked at with %.3f, in truth %.3f", i+1, got, want)
		}
	}
	for range 50 {
		sh := s.show()
		_, want, _ := s.chances(&sh)
		low := sh
		low.Position = len(s.looked)
		a, b := answer(t, l, sh), answer(t, l, low)
		if a.Clicked != b.Clicked || a.Quality() != b.Quality() {
			t.Fatalf("product %s appeals with %v at position %d and %v at the last", sh.Product, a.Clicked, sh.Position, b.Clicked)
		}
		if math.Abs(a.Clicked/want-1) > 0.25 {
			t.Errorf("product %s appeals with %.3f, in truth %.3f", sh.Product, a.Clicked, want)
		}
	}
}

// Where each product has a place of its own nobody can tell place from product;
// chances of clicks are right all the same.
func TestProductsThatNeverMoveAreStillRightWhereTheyStand(t *testing.T) {
	t.Parallel()
	s := newSite(5)
	s.fixed = true
	l := learner(t, small(), s.live(150_000))
	said, truth := 0.0, 0.0
	for range 2_000 {
		sh := s.show()
		looked, clicked, _ := s.chances(&sh)
		truth += looked * clicked
		said += answer(t, l, sh).Click()
	}
	if math.Abs(said/truth-1) > 0.05 {
		t.Errorf("%.1f clicks are said, %.1f true", said, truth)
	}
}

func TestWhatSheBuysAppealsToHer(t *testing.T) {
	t.Parallel()
	s := newSite(6)
	l := learner(t, small(), s.live(60_000))
	sh := s.show()
	sh.Relation = &response.Relation{CategoryReceipts: 4, Receipts: 3, Days: 9}
	hers := answer(t, l, sh)
	sh.Relation = &response.Relation{CategoryReceipts: 4}
	other := answer(t, l, sh)
	sh.Relation = nil
	nobody := answer(t, l, sh)
	if hers.Clicked < 1.5*other.Clicked || hers.Clicked < 1.2*nobody.Clicked || hers.Bought < 1.5*other.Bought {
		t.Errorf("hers %+v, another's %+v, nobody's %+v", hers, other, nobody)
	}
	sh.Relation = &response.Relation{CategoryReceipts: 4, Receipts: 3, Days: 9}
	parts, err := l.Scorer().Explain(&sh)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(parts, func(p response.Part) bool { return strings.HasPrefix(p.Feature, "receipts") && p.Adds > 0 }); i < 0 || i > 5 {
		t.Errorf("her habit is not among what makes it: %+v", parts)
	}
}

// When shoppers click half as often as they did, the calibration follows before the
// weights have.
func TestCalibrationFollowsTheSeason(t *testing.T) {
	t.Parallel()
	s := newSite(7)
	c := small()
	c.RecentShowings = 20_000
	l := learner(t, c, s.live(120_000))
	before := answer(t, l, s.live(1)[0].Showing)
	for i := range s.appeal {
		s.appeal[i] /= 3
	}
	for range 10 {
		if err := l.Learn(s.live(8_000)); err != nil {
			t.Fatal(err)
		}
	}
	l.Publish()
	said, came := 0.0, 0.0
	for _, o := range s.live(60_000) {
		said += answer(t, l, o.Showing).Click()
		if o.Clicked {
			came++
		}
	}
	if ratio := came / said; ratio < 0.93 || ratio > 1.07 {
		t.Errorf("%.0f said, %.0f came (before: %+v)", said, came, before)
	}
	for _, w := range l.Scorer().Places() {
		if w.Shown < 1_000 || w.Predicted <= 0 || w.Observed <= 0 || math.Abs(w.Observed/w.Predicted-1) > 0.35 {
			t.Errorf("watched %+v", w)
		}
	}
}

func TestTheSameOrderGivesTheSameModelHoweverParcelled(t *testing.T) {
	t.Parallel()
	all := newSite(8).live(40_000)
	whole := kept(t, learner(t, small(), all))
	parcels, err := response.New(small())
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 9))
	for rest := all; len(rest) > 0; {
		n := min(1+r.IntN(3_000), len(rest))
		if err := parcels.Learn(rest[:n]); err != nil {
			t.Fatal(err)
		}
		if rest = rest[n:]; r.IntN(4) == 0 {
			parcels.Publish()
		}
	}
	if !bytes.Equal(whole, kept(t, parcels)) {
		t.Error("the same outcomes in other parcels give another model")
	}
	slices.Reverse(all)
	if bytes.Equal(whole, kept(t, learner(t, small(), all))) {
		t.Error("the order has no influence: nothing is learned online")
	}
}

func TestWhatIsNoShowingIsRefusedByItsField(t *testing.T) {
	t.Parallel()
	good := newSite(9).live(1)[0]
	good.Relation = &response.Relation{}
	nan := math.NaN()
	tests := map[string]struct {
		spoil func(*response.Outcome)
		want  string
	}{
		"a popularity that is no number": {func(o *response.Outcome) { o.Popularity = nan }, "popularity"},
		"a score that is no number":      {func(o *response.Outcome) { o.Score = nan }, "score"},
		"a score without end":            {func(o *response.Outcome) { o.Score = math.Inf(1) }, "score"},
		"a price that is no number":      {func(o *response.Outcome) { o.Price = nan }, "price"},
		"a price below zero":             {func(o *response.Outcome) { o.Price = -1 }, "price"},
		"a cut that is no number":        {func(o *response.Outcome) { o.Cut = nan }, "cut"},
		"more words than were searched":  {func(o *response.Outcome) { o.Words = 1.5 }, "words"},
		"words that are no number":       {func(o *response.Outcome) { o.Words = nan }, "words"},
		"half in the category":           {func(o *response.Outcome) { o.Within = 0.5 }, "within"},
		"the place before the first":     {func(o *response.Outcome) { o.Position = 0 }, "position"},
		"the 25th hour":                  {func(o *response.Outcome) { o.Hour = 24 }, "hour"},
		"fewer receipts than none":       {func(o *response.Outcome) { o.Relation = &response.Relation{Receipts: -1} }, "count"},
		"a name without end":             {func(o *response.Outcome) { o.Brand = "B"; o.Placement = "p"; o.Product = longID() }, "name"},
		"bought without a click":         {func(o *response.Outcome) { o.Clicked, o.Bought = false, true }, "bought"},
	}
	l, err := response.New(small())
	if err != nil {
		t.Fatal(err)
	}
	before := kept(t, l)
	for name, tt := range tests {
		bad := good
		tt.spoil(&bad)
		if err := l.Learn([]response.Outcome{good, bad}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: learned with %v", name, err)
		}
		if _, err := l.Scorer().Answer(&bad.Showing); (err == nil) != (name == "bought without a click") {
			t.Errorf("%s: answered with %v", name, err)
		}
		if _, err := l.Scorer().Explain(&bad.Showing); (err == nil) != (name == "bought without a click") {
			t.Errorf("%s: explained with %v", name, err)
		}
	}
	if !bytes.Equal(before, kept(t, l)) {
		t.Error("something was learned of a parcel with an outcome that is none")
	}
	if err := l.Learn([]response.Outcome{good}); err != nil {
		t.Error(err)
	}
}

// Whatever is shown, chances are chances, a click is no likelier than a look, and the
// place changes nothing but the look.
func TestChancesAreChances(t *testing.T) {
	t.Parallel()
	l := learner(t, small(), newSite(10).live(20_000))
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(0, 1<<30)
		sh := response.Showing{
			Placement: "any", Position: rapid.IntRange(1, 1<<30).Draw(t, "position"), Hour: rapid.IntRange(0, 23).Draw(t, "hour"),
			Product: "p", Words: rapid.SampledFrom([]float64{response.NotAsked, 0, 0.3, 1}).Draw(t, "words"), Within: rapid.SampledFrom([]float64{response.NotAsked, 0, 1}).Draw(t, "within"),
			Price: rapid.Float64Range(0, math.MaxFloat64).Draw(t, "price"), Cut: rapid.Float64Range(0, 1).Draw(t, "cut"),
			Popularity: rapid.Float64Range(0, 1).Draw(t, "popularity"), Score: rapid.Float64Range(0, math.MaxFloat64).Draw(t, "score"),
			Relation: &response.Relation{
				Receipts: count.Draw(t, "receipts"), Days: count.Draw(t, "days"), BrandReceipts: count.Draw(t, "brand"), CategoryReceipts: count.Draw(t, "category"),
				CategoryProducts: count.Draw(t, "products"), CategoryRegulars: count.Draw(t, "regulars"), Shown: count.Draw(t, "shown"), Clicked: count.Draw(t, "clicked"),
			},
		}
		a, err := l.Scorer().Answer(&sh)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []float64{a.Examined, a.Clicked, a.Bought} {
			if !(p > 0 && p <= 1) {
				t.Fatalf("%+v", a)
			}
		}
		if a.Purchase() > a.Click() || a.Click() > a.Examined || a.Quality() < 1 || a.Quality() > 1_000_000 {
			t.Fatalf("%+v", a)
		}
	})
}

// Who reads has one model from beginning to end, whatever is learned meanwhile.
func TestAnswersStandStillWhileTheModelLearns(t *testing.T) {
	t.Parallel()
	s := newSite(11)
	l := learner(t, small(), s.live(5_000))
	more := s.live(20_000)
	shown := s.live(50)
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			for range 20 {
				now := l.Scorer()
				for i := range shown {
					a, errA := now.Answer(&shown[i].Showing)
					b, errB := now.Answer(&shown[i].Showing)
					if a != b || errA != nil || errB != nil {
						t.Errorf("one model gives %+v and %+v, %v, %v", a, b, errA, errB)
					}
				}
				_ = now.Places()
			}
		})
	}
	wait.Go(func() {
		for from := 0; from < len(more); from += 2_000 {
			if err := l.Learn(more[from : from+2_000]); err != nil {
				t.Error(err)
			}
			l.Publish()
		}
	})
	wait.Go(func() {
		for range 5 {
			if _, err := response.Load(bytes.NewReader(kept(t, l))); err != nil {
				t.Errorf("a model kept while it learned: %v", err)
			}
		}
	})
	wait.Wait()
}

// What a page prepares for everybody gives each visitor what she would have got.
func TestAPreparedPageAnswersAsAFreshOne(t *testing.T) {
	t.Parallel()
	s := newSite(22)
	l := learner(t, small(), s.live(20_000))
	for range 500 {
		sh := s.show()
		p, err := l.Scorer().Prepare(&sh)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []*response.Relation{nil, {}, {Receipts: 3, CategoryReceipts: 5}} {
			sh.Relation = r
			got, err := p.Answer(r)
			if want := answer(t, l, sh); err != nil || got != want {
				t.Fatalf("prepared %+v, fresh %+v, %v", got, want, err)
			}
		}
		if _, err := p.Answer(&response.Relation{Days: -1}); err == nil {
			t.Fatal("a relation that is none is answered")
		}
	}
}

func TestAnAnswerAllocatesNothing(t *testing.T) { // not parallel: allocations of others would count
	l := learner(t, small(), newSite(12).live(5_000))
	sh := newSite(13).show()
	sh.Relation = &response.Relation{Receipts: 3}
	now := l.Scorer()
	if n := testing.AllocsPerRun(100, func() { _, _ = now.Answer(&sh) }); n != 0 {
		t.Errorf("an answer allocates %v times", n)
	}
}
