package nextbasket

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"endcap/know/recommend/internal/work"
	"endcap/know/recommend/judge"
	"endcap/know/recommend/learn"
)

// Trial is settings and how well they answered the questions of a search: the first
// ten products against all that was bought.
type Trial struct {
	Settings     Settings
	NDCG, Recall float64
}

func (t *Trial) better(than *Trial) bool { return t.NDCG+t.Recall > than.NDCG+than.Recall }

// Plays says how long to search.
type Plays struct {
	Trials int // of neighbours, and as many again of trees
	Trees  int // of one trial, at most; 0 is as many as by default
	Seed   uint64

	// Known are trials that were made before a search like this one was broken off, in
	// their order. They are not made again, and what is found is the same.
	Known []Trial
	// Made is told of each trial that was made, with its number from 0; nil tells
	// nobody. Its error ends the search.
	Made func(n int, t *Trial) error
}

// known is the trial that was made before as number n of all, if it was of these
// settings.
func (p *Plays) known(n int, s *Settings) (Trial, bool) {
	if n < len(p.Known) && p.Known[n].Settings == *s {
		return p.Known[n], true
	}
	return Trial{}, false
}

func (p *Plays) made(n int, t *Trial) error {
	if p.Made == nil {
		return nil
	}
	return p.Made(n, t)
}

// Search looks for settings with which what is learnt from cuts answers the cases
// of others: first for neighbours, by what TIFUKNN alone makes of them, then for
// trees. It returns the best and every trial. The ranges are the same whatever the
// retailer.
func Search(r *Range, cuts, judged []Cut, p Plays) (Settings, []Trial, error) {
	p.Trials = max(p.Trials, 1)
	base := Defaults()
	base.Trees.Trees = cmp.Or(p.Trees, base.Trees.Trees)
	trials, err := SearchNeighbours(r, judged, base, p)
	if err != nil {
		return base, nil, err
	}
	s := Best(trials).Settings
	t, err := searched(r, cuts, judged, &s, p.Seed)
	if err != nil {
		return s, nil, err
	}
	d, first := newDrawer(p, 5), len(trials)
	for k := range p.Trials {
		if d.turn(k, p) {
			s = Best(trials[first:]).Settings
		}
		if k > 0 {
			d.another(&s, func(s *Settings) { d.trees(&s.Trees) })
		}
		trial, known := p.known(len(trials), &s)
		if !known {
			one := s.Trees
			one.Bags = 1 // which of two settings is the better shows without
			_, held, err := learn.Grow(t, &one)
			if err != nil {
				return s, nil, fmt.Errorf("grow trees: %w", err)
			}
			trial = Trial{s, held.NDCG, held.Recall}
			if err := p.made(len(trials), &trial); err != nil {
				return s, nil, err
			}
		}
		trials = append(trials, trial)
	}
	return Best(trials[first:]).Settings, trials, nil
}

// searched is the table of a search for trees: learnt from cuts, judged by others.
func searched(r *Range, cuts, judged []Cut, s *Settings, seed uint64) (*learn.Table, error) {
	t := learn.NewTable(len(Columns(len(r.Groups))))
	t.Rest = r.Rest
	for i := range cuts {
		if err := addCases(t, newCrowd(r, cuts[i].Shoppers, s), cuts[i].Cases, s, draw{most: casesMost / len(cuts), seed: seed + uint64(i), rest: r.rest}); err != nil {
			return nil, err
		}
	}
	for i := range judged {
		if err := addCases(t, newCrowd(r, judged[i].Shoppers, s), judged[i].Cases, s, draw{most: judgedMost / len(judged), seed: seed, held: true, rest: r.rest}); err != nil {
			return nil, err
		}
	}
	if t.Rows() == 0 {
		return nil, ErrNothing
	}
	return t, nil
}

// judgedMost is how many questions settings are judged by.
const judgedMost = 5_000

// Best is the best trial, the first of equals; there must be one.
func Best(trials []Trial) *Trial {
	best := &trials[0]
	for i := range trials {
		if trials[i].better(best) {
			best = &trials[i]
		}
	}
	return best
}

// drawer draws settings: in the first half of a search all anew, in the second some
// of the best so far.
type drawer struct {
	rnd   *rand.Rand
	share float64 // of settings that are drawn anew
}

func newDrawer(p Plays, stream uint64) *drawer {
	return &drawer{rnd: rand.New(rand.NewPCG(p.Seed, stream)), share: 1} //nolint:gosec // a draw that can be repeated
}

// redrawn is the share of settings that are drawn anew where the best are mended.
const redrawn = 0.35

// turn begins trial k of a search.
func (d *drawer) turn(k int, p Plays) (mend bool) {
	mend = k > 0 && k >= (p.Trials+1)/2
	if mend {
		d.share = redrawn
	}
	return mend
}

// drawsMost is how often settings are drawn until they are others.
const drawsMost = 20

// another draws settings that are not those given, because no trial is worth making
// twice.
func (d *drawer) another(s *Settings, draw func(*Settings)) {
	for was, n := *s, 0; *s == was && n < drawsMost; n++ {
		draw(s)
	}
}

// redraw gives a setting one of its values.
func redraw[T any](d *drawer, to *T, values ...T) {
	at, anew := d.rnd.IntN(len(values)), d.rnd.Float64() < d.share
	if anew {
		*to = values[at]
	}
}

func (d *drawer) trees(s *learn.Settings) {
	redraw(d, &s.Leaves, 15, 23, 31, 47)
	redraw(d, &s.Rate, 0.05, 0.08, 0.12)
	redraw(d, &s.L2, 1, 5, 20)
	redraw(d, &s.LeafMin, 1, 3, 10)
	redraw(d, &s.Columns, 0.3, 0.5, 0.8)
	redraw(d, &s.Lists, 0.5, 0.7)
	redraw(d, &s.Balance, 0, 0.5, 0.8)
	redraw(d, &s.Rank, false, true)
}

func (d *drawer) neighbours(s *Settings) {
	redraw(d, &s.Decay.Basket, 0.8, 0.9, 0.95, 0.98, 1)
	redraw(d, &s.Decay.Group, 0.7, 0.8, 0.9, 0.95, 1)
	redraw(d, &s.Decay.Groups, 3, 7, 12, 20)
	redraw(d, &s.Decay.BlockDays, 0, 0, 30, 90)
	redraw(d, &s.Neighbours, 50, 100, 300, 900)
	redraw(d, &s.Own, 0.05, 0.1, 0.3, 0.6, 0.9)
}

// SearchNeighbours looks for a decay, a number of neighbours and a weight of her own
// vector with which TIFUKNN answers cases best. The first trial is base.
func SearchNeighbours(r *Range, judged []Cut, base Settings, p Plays) ([]Trial, error) {
	d := newDrawer(p, 4)
	var out []Trial
	for k := range p.Trials {
		s := base
		if d.turn(k, p) {
			s = Best(out).Settings
		}
		if k > 0 {
			d.another(&s, d.neighbours)
		}
		trial, known := p.known(len(out), &s)
		if !known {
			f, err := judgeNeighbours(r, judged, &s)
			if err != nil {
				return nil, err
			}
			trial = Trial{s, f.NDCG, f.Recall}
			if err := p.made(len(out), &trial); err != nil {
				return nil, err
			}
		}
		out = append(out, trial)
	}
	return out, nil
}

// judgeNeighbours is how well TIFUKNN answers cases.
func judgeNeighbours(r *Range, judged []Cut, s *Settings) (judge.Figures, error) {
	var answers []judge.Answer
	for i := range judged {
		by := NewTIFUKNN(r.Products, judged[i].Shoppers, s)
		cases := judged[i].Cases[:min(len(judged[i].Cases), judgedMost/len(judged))]
		for some := range slices.Chunk(cases, answersAtOnce) {
			if err := r.rest(); err != nil {
				return judge.Figures{}, err
			}
			answers = append(answers, Answers(some, by, judgedPlaces)...)
		}
	}
	return judge.At(judgedPlaces, answers), nil
}

// answersAtOnce is how many questions are answered between two rests.
const answersAtOnce = 256

// judgedPlaces are the first of a list, which settings are judged by.
const judgedPlaces = 10

// Answers asks a method about cases.
func Answers(cases []Case, by Lister, k int) []judge.Answer {
	out := make([]judge.Answer, len(cases))
	work.Each(len(cases), func(i int) {
		q := &cases[i]
		out[i] = judge.Answer{List: by.List(&q.Query, k), Truth: q.Truth, Bought: q.History.Products()}
	})
	return out
}

// Products are those of all baskets, ascending.
func (h History) Products() []Product {
	var all []Product
	for _, b := range h {
		all = append(all, b.Products...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
