package learn_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"endcap/know/recommend/learn"
)

const seed = 20

// planted is lists of twenty products with four signals each. A product is bought
// the likelier, the higher the first signal, and, where the second is above a half,
// the lower the third; the fourth says nothing, and sometimes is no number.
type planted struct {
	rows   [][]float32
	chance [][]float64
	bought [][]bool
}

const planColumns = 4

func plant(lists int, seed uint64) *planted {
	rnd := rand.New(rand.NewPCG(seed, 0))
	p := &planted{}
	for range lists {
		var rows []float32
		var chances []float64
		var bought []bool
		for range 20 {
			x := [planColumns]float32{rnd.Float32(), rnd.Float32(), rnd.Float32(), rnd.Float32()}
			if x[3] < 0.2 {
				x[3] = float32(math.NaN())
			}
			logit := -3.5 + 3*float64(x[0])
			if x[1] > 0.5 {
				logit += 2 - 4*float64(x[2])
			}
			c := 1 / (1 + math.Exp(-logit))
			rows, chances, bought = append(rows, x[:]...), append(chances, c), append(bought, rnd.Float64() < c)
		}
		p.rows, p.chance, p.bought = append(p.rows, rows), append(p.chance, chances), append(p.bought, bought)
	}
	return p
}

// table draws a share of what was not bought, as training does.
func (p *planted) table(share float32, held int) *learn.Table {
	rnd := rand.New(rand.NewPCG(seed, 1))
	t := learn.NewTable(planColumns)
	for i := range p.rows {
		l := learn.List{Share: share, Held: i < held}
		if l.Held {
			l.Share = 1
		}
		for r, bought := range p.bought[i] {
			if bought {
				l.Truth++
			} else if rnd.Float32() >= l.Share {
				continue
			}
			l.Bought = append(l.Bought, bought)
			l.Signals = append(l.Signals, p.rows[i][r*planColumns:(r+1)*planColumns]...)
		}
		t.Add(&l)
	}
	return t
}

func settings(rank bool) *learn.Settings {
	s := learn.Defaults()
	s.Bags, s.Trees, s.Leaves, s.Rank, s.Columns, s.LeafMin = 1, 120, 8, rank, 1, 0.5
	return &s
}

func grow(tb testing.TB, t *learn.Table, s *learn.Settings) (*learn.Trees, *learn.Held) {
	tb.Helper()
	trees, held, err := learn.Grow(t, s)
	if err != nil {
		tb.Fatal(err)
	}
	return trees, held
}

// Both ways of learning order new lists nearly as well as the truth does, and their
// probabilities are those of the truth, decile by decile.
func TestTreesFindWhatWasPlanted(t *testing.T) {
	t.Parallel()
	known, fresh := plant(3000, seed), plant(2000, seed+1)
	for name, rank := range map[string]bool{"log loss": false, "LambdaRank": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trees, held := grow(t, known.table(0.5, 600), settings(rank))
			var ours, truth, chance float64
			type row struct{ said, was float64 }
			var all []row
			for i := range fresh.rows {
				scores := make([]float32, len(fresh.bought[i]))
				trees.Score(fresh.rows[i], scores)
				ours += precision(scores, fresh.bought[i])
				truth += precision(fresh.chance[i], fresh.bought[i])
				chance += precision(make([]float64, len(scores)), fresh.bought[i])
				for r, s := range scores {
					was := 0.0
					if fresh.bought[i][r] {
						was = 1
					}
					all = append(all, row{float64(held.Calibration.Of(s)), was})
				}
			}
			if got := (ours - chance) / (truth - chance); got < 0.93 {
				t.Errorf("the order closes %.3f of the gap between chance and truth (seed %d)", got, seed)
			}
			slices.SortFunc(all, func(a, b row) int {
				if a.said < b.said {
					return -1
				}
				return 1
			})
			for d := range 10 {
				var said, was float64
				for _, r := range all[d*len(all)/10 : (d+1)*len(all)/10] {
					said, was = said+r.said, was+r.was
				}
				if math.Abs(was-said) > 5*math.Sqrt(was)+0.12*was {
					t.Errorf("decile %d: %.0f bought, %.1f expected", d, was, said)
				}
			}
			if held.Trees != trees.Len() || held.NDCG <= 0 || held.Recall <= 0 {
				t.Errorf("held lists: %d trees of %d, NDCG %v, recall %v", held.Trees, trees.Len(), held.NDCG, held.Recall)
			}
			if uses := trees.Uses(); uses[0] < uses[3] || uses[1] == 0 || uses[2] < uses[3] {
				t.Errorf("questions by column %v: noise is asked about more than what matters", uses)
			}
		})
	}
}

// precision is how many of the first three were bought.
func precision[T float32 | float64](scores []T, bought []bool) (hits float64) {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return 0
	})
	for _, i := range order[:3] {
		if bought[i] {
			hits++
		}
	}
	return hits
}

// The mean of several sums of trees orders new lists better than one of them does.
func TestBagsAreBetterThanOne(t *testing.T) {
	t.Parallel()
	known, fresh := plant(600, seed), plant(2000, seed+1)
	ordered := func(bags int, seed uint64) (right float64) {
		s := settings(true)
		s.Bags, s.Seed = bags, seed
		trees, held := grow(t, known.table(0.5, 100), s)
		if held.Trees != trees.Len() {
			t.Errorf("%d trees of %d bags are said to be %d", trees.Len(), bags, held.Trees)
		}
		for i := range fresh.rows {
			scores := make([]float32, len(fresh.bought[i]))
			trees.Score(fresh.rows[i], scores)
			right += precision(scores, fresh.bought[i])
		}
		return right
	}
	var alone float64
	for k := range 4 {
		alone += ordered(1, uint64(k)+1) / 4
	}
	if together := ordered(4, 1); together < 1.005*alone {
		t.Errorf("%.0f purchases among the first three by four bags, %.0f by one (seed %d)", together, alone, seed)
	}
}

// It changes how many processors there are, so nothing runs beside it.
func TestTreesAreTheSameOnAnyNumberOfProcessors(t *testing.T) { //nolint:paralleltest // see above
	p := plant(1500, seed)
	for _, rank := range []bool{false, true} {
		var want []byte
		for _, n := range []int{1, 2, 5} {
			before := runtime.GOMAXPROCS(n)
			s := settings(rank)
			s.Bags, s.Trees = 2, 60
			trees, held := grow(t, p.table(0.5, 300), s)
			runtime.GOMAXPROCS(before)
			got := held.Calibration.Append(trees.Append(nil))
			if want == nil {
				want = got
			} else if !slices.Equal(got, want) {
				t.Errorf("rank %v: other trees on %d processors", rank, n)
			}
		}
	}
}

func TestWhatIsNoNumberStandsBelowAllNumbers(t *testing.T) {
	t.Parallel()
	table := learn.NewTable(1)
	rnd := rand.New(rand.NewPCG(seed, 2))
	none := float32(math.NaN())
	for range 400 {
		l := learn.List{Share: 1}
		for range 10 {
			x := rnd.Float32()
			bought := x < 0.3 // unknown for these
			if bought {
				x = none
				l.Truth++
			}
			l.Signals, l.Bought = append(l.Signals, x), append(l.Bought, bought)
		}
		table.Add(&l)
	}
	trees, _ := grow(t, table, settings(false))
	scores := make([]float32, 3)
	trees.Score([]float32{none, float32(math.Inf(-1)), 0.9}, scores)
	if scores[0] <= scores[2] || scores[0] != scores[1] {
		t.Errorf("scores of no number, of minus infinity and of 0.9: %v", scores)
	}
}

func TestTablesThatTeachNothing(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*learn.Table){
		"no list":       func(*learn.Table) {},
		"an empty list": func(t *learn.Table) { t.Add(&learn.List{Share: 1, Truth: 3}) },
		"nothing was bought": func(t *learn.Table) {
			t.Add(&learn.List{Signals: []float32{1, 2}, Bought: []bool{false, false}, Share: 1, Truth: 1})
		},
		"all was bought": func(t *learn.Table) {
			t.Add(&learn.List{Signals: []float32{1, 2}, Bought: []bool{true, true}, Share: 1, Truth: 2})
		},
		"only held lists": func(t *learn.Table) {
			t.Add(&learn.List{Signals: []float32{1, 2}, Bought: []bool{true, false}, Share: 1, Truth: 1, Held: true})
		},
		"no numbers at all": func(t *learn.Table) {
			nan := float32(math.NaN())
			t.Add(&learn.List{Signals: []float32{nan, nan}, Bought: []bool{true, false}, Share: 1, Truth: 1})
		},
	}
	for name, fill := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, rank := range []bool{false, true} {
				table := learn.NewTable(1)
				fill(table)
				trees, held := grow(t, table, settings(rank))
				scores := make([]float32, 2)
				trees.Score([]float32{1, 2}, scores)
				for _, s := range scores {
					if c := held.Calibration.Of(s); math.IsNaN(float64(s)) || !(c >= 0 && c <= 1) {
						t.Errorf("score %v, probability %v", s, c)
					}
				}
			}
		})
	}
}

func TestSettingsThatGrowNothing(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*learn.Settings){
		"no bags":          func(s *learn.Settings) { s.Bags = 0 },
		"no trees":         func(s *learn.Settings) { s.Trees = 0 },
		"one leaf":         func(s *learn.Settings) { s.Leaves = 1 },
		"no step":          func(s *learn.Settings) { s.Rate = 0 },
		"a step NaN wide":  func(s *learn.Settings) { s.Rate = math.NaN() },
		"no evidence":      func(s *learn.Settings) { s.LeafMin = 0 },
		"no lists":         func(s *learn.Settings) { s.Lists = 0 },
		"too many columns": func(s *learn.Settings) { s.Columns = 2 },
		"no patience":      func(s *learn.Settings) { s.Patience = 0 },
		"negative balance": func(s *learn.Settings) { s.Balance = -1 },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := learn.Defaults()
			spoil(&s)
			if _, _, err := learn.Grow(learn.NewTable(1), &s); !errors.Is(err, learn.ErrSettings) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTreesComeBackFromBytes(t *testing.T) {
	t.Parallel()
	p := plant(500, seed)
	trees, held := grow(t, p.table(1, 100), settings(false))
	b := trees.Append(nil)
	back, err := learn.DecodeTrees(b)
	if err != nil {
		t.Fatal(err)
	}
	want, got := make([]float32, 20), make([]float32, 20)
	trees.Score(p.rows[0], want)
	back.Score(p.rows[0], got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scores (−before +after):\n%s", diff)
	}
	c, err := learn.DecodeCalibration(held.Calibration.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&held.Calibration, c); diff != "" {
		t.Errorf("calibration (−before +after):\n%s", diff)
	}
	for cut := range len(b) {
		if _, err := learn.DecodeTrees(b[:cut]); !errors.Is(err, learn.ErrTrees) {
			t.Fatalf("trees from the first %d of %d bytes: %v", cut, len(b), err)
		}
	}
}

// Whatever the bytes, they are refused, or the trees can be asked and write the same
// bytes again.
func FuzzDecodeTrees(f *testing.F) {
	s := settings(false)
	s.Trees = 3
	trees, _ := grow(f, plant(50, seed).table(1, 10), s)
	f.Add(trees.Append(nil), float32(0.5))
	f.Add((&learn.Trees{Columns: 1}).Append(nil), float32(math.NaN()))
	f.Fuzz(func(t *testing.T, b []byte, x float32) {
		trees, err := learn.DecodeTrees(b)
		if err != nil {
			return
		}
		row, score := make([]float32, trees.Columns), make([]float32, 1)
		for i := range row {
			row[i] = x * float32(i)
		}
		trees.Score(row, score)
		back, err := learn.DecodeTrees(trees.Append(nil))
		if err != nil || !slices.Equal(back.Append(nil), trees.Append(nil)) {
			t.Errorf("written and read again: %v", err)
		}
	})
}

func FuzzDecodeCalibration(f *testing.F) {
	f.Add((&learn.Calibration{Scores: []float32{-1, 2}, Chances: []float32{0.1, 0.4}}).Append(nil), float32(0))
	f.Fuzz(func(t *testing.T, b []byte, x float32) {
		c, err := learn.DecodeCalibration(b)
		if err != nil {
			return
		}
		if p := c.Of(x); x == x && !(p >= 0 && p <= 1) {
			t.Errorf("probability %v of %v", p, x)
		}
	})
}
