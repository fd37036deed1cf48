package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"endcap/bench/figure"
	"endcap/know/recommend/response"
	"endcap/simulate/life"
)

// kind is what is predicted.
type kind int

const (
	click kind = iota
	purchase
	kinds
)

func (k kind) String() string { return [...]string{"clicks", "purchases"}[k] }

// tally is how often something was predicted to come, and came.
type tally struct{ shown, predicted, came float64 }

func (t *tally) add(p float64, came bool) {
	t.shown++
	t.predicted += p
	if came {
		t.came++
	}
}

// ratio is what came over what was predicted.
func (t *tally) ratio() float64 { return t.came / t.predicted }

// losses are log losses, each the expected one under the true chance, which spares
// the noise of what happened to happen.
type losses struct{ constant, ours, best, truth float64 }

func (l *losses) add(o losses) {
	l.constant += o.constant
	l.ours += o.ours
	l.best += o.best
	l.truth += o.truth
}

// heard is one predicted chance with what came.
type heard struct {
	p    float32
	came bool
}

// court holds predictions against what came, and against the truth.
type court struct {
	from, every int // the first week that is judged; one search of so many is asked what could be known
	reach       *reach
	searches    int
	rates       map[spot]*[kinds]tally // over the weeks of learning: the constant rivals
	places      map[spot]*[kinds]tally
	all         [kinds][]heard
	whole       map[string]*[kinds]losses   // of all that is judged; best is not known
	asked       map[string]*[kinds][]losses // by search, where it was asked what could be known
	bound       [][2]float64                // there: the chance of a click as it could be known, and the true one
}

func newCourt(o *options, r *reach) *court {
	return &court{
		from: o.quiet + o.learn, every: o.every, reach: r, rates: make(map[spot]*[kinds]tally), places: make(map[spot]*[kinds]tally),
		whole: make(map[string]*[kinds]losses), asked: make(map[string]*[kinds][]losses),
	}
}

// of is a map's value, made where there is none.
func of[K comparable, V any](m map[K]*V, k K) *V {
	if m[k] == nil {
		m[k] = new(V)
	}
	return m[k]
}

// cross is the expected log loss of saying q of what comes with chance p.
func cross(p, q float64) float64 { return -p*math.Log(q) - (1-p)*math.Log(1-q) }

// hear judges one search, or counts it for the constant rivals before the first week
// that is judged.
func (c *court) hear(v *search, s *response.Scorer) error {
	if v.week < c.from {
		for i := range v.shown {
			x := &v.shown[i]
			r := of(c.rates, spot{x.Placement, x.Position})
			r[click].add(0, x.Clicked)
			r[purchase].add(0, x.Bought)
		}
		return nil
	}
	c.searches++
	var best []float64
	if c.searches%c.every == 0 {
		best = c.reach.clicks(v)
	}
	sums := make(map[string]*[kinds]losses)
	for i := range v.shown {
		x := &v.shown[i]
		a, err := s.Answer(&x.Showing)
		if err != nil {
			return err
		}
		at := spot{x.Placement, x.Position}
		for k, said := range [kinds]float64{a.Click(), a.Purchase()} {
			came, truth := x.Clicked, x.click
			if kind(k) == purchase {
				came, truth = x.Bought, x.purchase
			}
			of(c.places, at)[k].add(said, came)
			c.all[k] = append(c.all[k], heard{float32(said), came})
			rate := &c.rates[at][k]
			l := losses{constant: cross(truth, rate.came/rate.shown), ours: cross(truth, said), truth: cross(truth, truth)}
			if best != nil {
				l.best = cross(truth, best[i]*truth/x.click)
				if kind(k) == click {
					c.bound = append(c.bound, [2]float64{best[i], truth})
				}
			}
			for _, who := range [...]string{"", known(x)} {
				of(c.whole, who)[k].add(l)
				of(sums, who)[k].add(l)
			}
		}
	}
	if best == nil {
		return nil
	}
	for who, sum := range sums {
		for k := range sum {
			by := of(c.asked, who)
			by[k] = append(by[k], sum[k])
		}
	}
	return nil
}

// known says whether a showing was of somebody who is known and allows it.
func known(x *shown) string {
	if x.Relation == nil {
		return ".stranger"
	}
	return ".known"
}

// enough is how many events make an observed chance.
const enough = 500

// tell prints tables and figures.
func (c *court) tell(w io.Writer, s *response.Scorer) {
	figure.Print(w, "response.showings", len(c.all[click]), "judged")
	for k := range kinds {
		figure.Print(w, "response."+k.String(), c.count(k), "judged")
	}
	c.tellPlaces(w, s)
	for k := range kinds {
		c.tellTenths(w, k)
	}
	c.tellBound(w)
	for k := range kinds {
		c.tellGap(w, k)
	}
}

func (c *court) count(k kind) (n int) {
	for _, h := range c.all[k] {
		if h.came {
			n++
		}
	}
	return n
}

// ends prints the ends of observed over predicted of those tallies that have
// enough, and how many have not.
func ends(w io.Writer, name string, all []*tally) {
	lo, hi, few := math.Inf(1), math.Inf(-1), 0
	for _, t := range all {
		if t.came < enough {
			few++
			continue
		}
		lo, hi = min(lo, t.ratio()), max(hi, t.ratio())
	}
	if few < len(all) {
		judged := fmt.Sprintf("observed ÷ predicted, of %d", len(all)-few)
		figure.Goal(w, name+"_least", lo, judged, ">=0.9")
		figure.Goal(w, name+"_most", hi, judged, "<=1.1")
	}
	if few > 0 {
		figure.Print(w, name+"_rare", few, fmt.Sprintf("with fewer than %d", enough))
	}
}

func (c *court) tellPlaces(w io.Writer, s *response.Scorer) {
	_, _ = fmt.Fprintf(w, "%-12s %8s %8s %8s %6s %9s %6s %9s %6s\n", "place", "shown", "clicks", "said", "ratio", "purchases", "ratio", "examined", "truth")
	spots := slices.SortedFunc(maps.Keys(c.places), func(a, b spot) int {
		return cmp.Or(cmp.Compare(a.placement, b.placement), cmp.Compare(a.position, b.position))
	})
	var of [kinds][]*tally
	for _, at := range spots {
		t := c.places[at]
		_, _ = fmt.Fprintf(w, "%-12s %8.0f %8.0f %8.0f %6.3f %9.0f %6.3f %9.3f %6.3f\n", fmt.Sprintf("%s/%d", at.placement, at.position),
			t[click].shown, t[click].came, t[click].predicted, t[click].ratio(), t[purchase].came, t[purchase].ratio(),
			s.Examined(at.placement, at.position), life.Examine(at.position))
		for k := range kinds {
			of[k] = append(of[k], &t[k])
		}
	}
	for k := range kinds {
		ends(w, fmt.Sprintf("response.%v.places", k), of[k])
	}
}

// tellTenths holds predictions against what came, from the least to the most likely.
func (c *court) tellTenths(w io.Writer, k kind) {
	all := c.all[k]
	slices.SortFunc(all, func(a, b heard) int { return cmp.Compare(a.p, b.p) })
	tenths := make([]*tally, 10)
	_, _ = fmt.Fprintf(w, "%-12s %8s %8s %8s %6s\n", k.String()+", tenth", "shown", "came", "said", "ratio")
	for i := range tenths {
		t := new(tally)
		for _, h := range all[len(all)*i/10 : len(all)*(i+1)/10] {
			t.add(float64(h.p), h.came)
		}
		tenths[i] = t
		_, _ = fmt.Fprintf(w, "%-12d %8.0f %8.0f %8.0f %6.3f\n", i+1, t.shown, t.came, t.predicted, t.ratio())
	}
	ends(w, fmt.Sprintf("response.%v.deciles", k), tenths)
}

// tellBound holds what could be known against the truth: were the sampler wrong about
// the simulator's law, it would be off, and no bound.
func (c *court) tellBound(w io.Writer) {
	all := c.bound
	if len(all) < 10 {
		return
	}
	slices.SortFunc(all, func(a, b [2]float64) int { return cmp.Compare(a[0], b[0]) })
	lo, hi := math.Inf(1), math.Inf(-1)
	for i := range 10 {
		said, truth := 0.0, 0.0
		for _, x := range all[len(all)*i/10 : len(all)*(i+1)/10] {
			said, truth = said+x[0], truth+x[1]
		}
		lo, hi = min(lo, truth/said), max(hi, truth/said)
	}
	figure.Goal(w, "response.reachable.deciles_least", lo, "true ÷ as could be known, of 10", ">=0.95")
	figure.Goal(w, "response.reachable.deciles_most", hi, "true ÷ as could be known, of 10", "<=1.05")
}

// tellGap says how much of the way from the constant rival to the truth the model
// goes, how much can be gone at all, and the one over the other. The second and the
// third are of the searches that were asked about, alike for all three.
func (c *court) tellGap(w io.Writer, k kind) {
	for _, who := range []string{"", ".known", ".stranger"} {
		l := &of(c.whole, who)[k]
		name := fmt.Sprintf("response.%v.gap", k)
		closed := (l.constant - l.ours) / (l.constant - l.truth)
		all := c.asked[who]
		if who == "" {
			figure.Goal(w, name+"_closed", closed, "ratio", ">=0.8")
		} else {
			figure.Print(w, name+"_closed"+who, closed, "ratio")
		}
		if all == nil {
			continue
		}
		reachable, _ := ratio(all[k], func(l *losses) (a, b float64) { return l.constant - l.best, l.constant - l.truth })
		of, se := ratio(all[k], func(l *losses) (a, b float64) { return l.constant - l.ours, l.constant - l.best })
		figure.Print(w, name+"_reachable"+who, reachable, fmt.Sprintf("ratio, of %d searches", len(all[k])))
		unit := fmt.Sprintf("ratio, ± %.3f", 2*se)
		if who == "" {
			figure.Goal(w, name+"_closed_of_reachable", of, unit, ">=0.8")
		} else {
			figure.Print(w, name+"_closed_of_reachable"+who, of, unit)
		}
	}
}

// ratio is a ratio of sums over searches with its standard error.
func ratio(all []losses, sides func(*losses) (a, b float64)) (r, se float64) {
	var sumA, sumB, squares float64
	for i := range all {
		a, b := sides(&all[i])
		sumA, sumB = sumA+a, sumB+b
	}
	r = sumA / sumB
	for i := range all {
		a, b := sides(&all[i])
		squares += (a - r*b) * (a - r*b)
	}
	return r, math.Sqrt(squares) / sumB
}
