package nextbasket

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"endcap/know/recommend/internal/work"
	"endcap/know/recommend/learn"
)

// ErrNothing is returned where no basket followed another.
var ErrNothing = errors.New("nothing to learn from")

// Limits and shares of learning.
const (
	casesMost = 40_000 // questions that are learnt from, over all cuts
	heldShare = 0.1    // of them are held back
	atOnce    = 32     // questions that one worker answers between two appends
)

// Train makes a model that serves with the crowd of shoppers, and whose trees learn
// from cuts. What it returns beside says how well the questions held back were
// answered. Equal arguments give equal models.
func Train(r *Range, cuts []Cut, shoppers []Shopper, s *Settings) (*Model, *learn.Held, error) {
	if err := s.Check(); err != nil {
		return nil, nil, err
	}
	crowd := newCrowd(r, shoppers, s)
	t := learn.NewTable(len(Columns(len(r.Groups))))
	for i := range cuts {
		c := crowd
		if !same(cuts[i].Shoppers, shoppers) {
			c = newCrowd(r, cuts[i].Shoppers, s)
		}
		if err := addCases(t, c, cuts[i].Cases, s, draw{most: casesMost / len(cuts), seed: s.Trees.Seed + uint64(i), rest: r.rest}); err != nil {
			return nil, nil, err
		}
	}
	t.Rest = r.Rest
	t.Hold(heldShare, s.Trees.Seed)
	if t.Rows() == 0 {
		return nil, nil, ErrNothing
	}
	trees, held, err := learn.Grow(t, &s.Trees)
	if err != nil {
		return nil, nil, fmt.Errorf("grow trees: %w", err)
	}
	return newModel(s, r.Hashes, crowd, trees, held.Calibration), held, nil
}

// same reports whether two cuts are of the very same shoppers.
func same(a, b []Shopper) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// draw says which cases are taken and what becomes of them.
type draw struct {
	most int
	seed uint64
	held bool
	rest func() error
}

// Lists asks a crowd of the cut's shoppers about the cut's cases, in an order that
// the seed shuffles, and gives each with its list of products in question and their
// signals; what it gives holds until it returns.
func Lists(r *Range, cut *Cut, s *Settings, seed uint64, each func(c *Case, products []Product, l *learn.List)) {
	never := func() error { return nil } // so that there is no error
	_ = listsOf(newCrowd(r, cut.Shoppers, s), cut.Cases, s, draw{most: len(cut.Cases), seed: seed, held: true, rest: never}, each)
}

// addCases adds a list of each case to the table.
func addCases(t *learn.Table, c *Crowd, cases []Case, s *Settings, d draw) error {
	return listsOf(c, cases, s, d, func(_ *Case, _ []Product, l *learn.List) { t.Add(l) })
}

// answer is a list with the products of its rows.
type answer struct {
	products []Product
	list     learn.List
}

func listsOf(c *Crowd, cases []Case, s *Settings, d draw, each func(c *Case, products []Product, l *learn.List)) error {
	order := rand.New(rand.NewPCG(d.seed, 3)).Perm(len(cases)) //nolint:gosec // a draw that can be repeated
	order = order[:min(len(order), d.most)]
	const chunks = 8 // that are answered before their lists are given
	askers := make(chan *asker, chunks)
	answers := make([][]answer, chunks)
	for len(order) > 0 {
		if err := d.rest(); err != nil {
			return err
		}
		now := order[:min(len(order), chunks*atOnce)]
		order = order[len(now):]
		part := func(k int) []int { return now[min(k*atOnce, len(now)):min((k+1)*atOnce, len(now))] }
		work.Each(chunks, func(k int) {
			var a *asker
			select {
			case a = <-askers:
			default:
				a = newAsker(c)
			}
			answers[k] = answers[k][:0]
			for _, i := range part(k) {
				answers[k] = append(answers[k], a.answer(&cases[i], s, &d, uint64(i)))
			}
			askers <- a
		})
		for k := range answers {
			for n, i := range part(k) {
				each(&cases[i], answers[k][n].products, &answers[k][n].list)
			}
		}
	}
	return nil
}

// answer asks about a case. Of what was not bought a share is drawn, unless the
// list is held.
func (a *asker) answer(q *Case, s *Settings, d *draw, no uint64) answer {
	rnd := rand.New(rand.NewPCG(d.seed, no)) //nolint:gosec // a draw that can be repeated
	list, rows := a.ask(&q.Query)
	out := answer{list: learn.List{Share: float32(s.Negatives), Truth: len(q.Truth), Held: d.held}}
	if d.held {
		out.list.Share = 1
	}
	columns := len(rows) / max(len(list), 1)
	for i, p := range list {
		bought := slices.Contains(q.Truth, p)
		if !bought && rnd.Float32() >= out.list.Share {
			continue
		}
		out.products = append(out.products, p)
		out.list.Bought = append(out.list.Bought, bought)
		out.list.Signals = append(out.list.Signals, rows[i*columns:(i+1)*columns]...)
	}
	return out
}
