package life

import (
	"math"

	"endcap/retail"
	"endcap/simulate/draw"
	"endcap/simulate/grocer"
	"endcap/simulate/model"
	"endcap/simulate/people"
)

// taste is how shoppers choose what lies in a basket, worked out once.
//
// A shopper has a repertoire: of categories, and within each category of
// products. The k-th entry is drawn from what sells, once and for all (it is a
// function of seed, shopper and k), and how often she comes back to it falls with
// its rank as k^-s. So her shares are a random discrete distribution around the
// market's, small brands have fewer buyers who buy a little less often, and
// nothing needs to be stored. It is a Pitman-Yor process cut at its mean weights.
type taste struct {
	category draw.Alias // what sells, by category
	accept   [model.SizeSteps][model.Departments]float64
	rank     draw.Alias // of products in a repertoire
	want     draw.Alias // of categories in a repertoire
	pieces   [model.Departments]draw.Alias
	sizes    []draw.Quantiles
	switches [model.Departments]float64 // chance that somebody takes what is promoted instead
	novelty  float64
	own      float64
}

// Lengths of repertoires.
const (
	ranks = 256
	wants = 96
)

func newTaste(p *model.Parameters, g *grocer.Grocer) taste {
	t := taste{sizes: p.Sizes, novelty: p.Repertoire.Novelty, own: p.Repertoire.Own}
	t.rank = falling(ranks, p.Repertoire.Exponent)
	t.want = falling(wants, 0.7)
	base := t.shares(p)
	within := make([]float64, model.Departments)
	for c := range g.Categories {
		within[g.DepartmentOf[c]] += categoryWeight(g, c)
	}
	weights := make([]float64, len(g.Categories))
	for c := range weights {
		if d := g.DepartmentOf[c]; d != model.Fuel {
			weights[c] = base[d] * categoryWeight(g, c) / within[d]
		}
	}
	t.category = draw.NewAlias(weights)
	for i := range p.Range {
		d := &p.Range[i]
		t.pieces[i] = draw.NewAlias(d.Pieces)
		share := d.Promoted
		on := share / (share + p.Uplift*(1-share))
		t.switches[i] = (share - on) / (1 - on)
	}
	return t
}

// shares is the mean over classes of basket size of what is bought, by
// department, and fills accept so that each class gets its own.
func (t *taste) shares(p *model.Parameters) [model.Departments]float64 {
	var base [model.Departments]float64
	for d := range base {
		for step := range model.SizeSteps {
			base[d] += p.Range[d].Share[step] / model.SizeSteps
		}
	}
	for step := range model.SizeSteps {
		most := 0.0
		for d := range base {
			if base[d] > 0 && d != model.Fuel {
				t.accept[step][d] = p.Range[d].Share[step] / base[d]
				most = math.Max(most, t.accept[step][d])
			}
		}
		for d := range base {
			t.accept[step][d] /= most
		}
	}
	return base
}

// categoryWeight is how much of its department a category sells: as the root of
// its products, because wide categories are wide and not as much larger.
func categoryWeight(g *grocer.Grocer, c int) float64 { return math.Sqrt(g.Categories[c].Weight) }

// falling is a table of n ranks whose weights fall as rank^-exponent.
func falling(n int, exponent float64) draw.Alias {
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -exponent)
	}
	return draw.NewAlias(weights)
}

// wish chooses a category for a basket of a class of size.
func (w *World) wish(s *draw.Stream, who draw.Key, step int) int {
	t := &w.taste
	c := 0
	for range 12 {
		x := s.Uint64()
		if s.Unit() < t.own {
			x = who.For(uint64(t.want.Of(x))).Uint64()
		}
		c = t.category.Of(x)
		if s.Unit() < t.accept[step][w.Grocer.DepartmentOf[c]] {
			break
		}
	}
	return c
}

// entry is the product at a rank of a shopper's repertoire in a category. Who
// likes it dear, or cheap, takes the dearest or cheapest of several.
func (w *World) entry(who draw.Key, worth float32, c, rank int) int32 {
	k := who.For(uint64(c+1)<<16 | uint64(rank))
	x := retail.Mix(uint64(k))
	span, popular := w.Grocer.Spans[c], &w.Grocer.Popular[c]
	best := span.From + int32(popular.Of(x))
	for lean := math.Abs(float64(worth)); lean > 0; lean-- {
		x = retail.Mix(x + 1)
		if float64(x>>40)*0x1p-24 >= lean {
			break
		}
		x = retail.Mix(x + 2)
		other := span.From + int32(popular.Of(x))
		if (w.Grocer.Products[other].Price > w.Grocer.Products[best].Price) == (worth > 0) {
			best = other
		}
	}
	return best
}

// known is how many ranks of her repertoire a shopper looks through for one that
// is promoted.
const known = 6

// choose takes a product of a category that the store has; none where she goes
// without.
func (w *World) choose(s *draw.Stream, who draw.Key, sh *people.Shopper, c int, at place) (int32, bool) {
	t := &w.taste
	span := w.Grocer.Spans[c]
	for try := range 6 {
		var i int32
		if s.Unit() < t.novelty {
			i = span.From + int32(w.Grocer.Popular[c].Of(s.Uint64()))
		} else {
			i = w.entry(who, sh.Worth, c, t.rank.Of(s.Uint64()))
		}
		if try == 0 && at.week.Cut(i) == 0 && s.Unit() < t.switches[w.Grocer.DepartmentOf[c]]*2*float64(sh.Deals)/255 {
			if j := w.deal(s, who, sh, c, at.week); j >= 0 {
				i = j
			}
		}
		if w.has(at.store, i, at.day) {
			return i, true
		}
	}
	return 0, false
}

// deal is a promoted product of a category: one that she knows, else any; -1
// where nothing is promoted.
func (w *World) deal(s *draw.Stream, who draw.Key, sh *people.Shopper, c int, week *grocer.Week) int32 {
	for range known {
		if j := w.entry(who, sh.Worth, c, w.taste.rank.Of(s.Uint64())); week.Cut(j) > 0 {
			return j
		}
	}
	list := week.Promoted(c)
	if len(list) == 0 {
		return -1
	}
	return list[s.Int(len(list))]
}
