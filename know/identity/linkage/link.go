package linkage

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
)

// Evidence is what one field says about a pair.
type Evidence struct {
	Field string
	Level string  // "missing", or one of the kind's words
	Bits  float64 // for (above 0) or against one person, the value's rarity included
}

// Proposal is two records that speak of one person, if the model is right.
type Proposal struct {
	A, B        int // numbers of records, A below B
	Probability float64
	Bits        float64    // all evidence, the shares and the chance of a household included
	Evidence    []Evidence // a row per field, in the table's order
}

// Level is what a level of a field has been found to say.
type Level struct {
	Field, Level string
	M, H, U      float64 // how often among pairs of one person, of one household, of strangers
}

// Result is what a batch proposes, and how it came to it.
type Result struct {
	Proposals []Proposal // most probable first; of equals, lower numbers first
	// Precision is the mean probability of the proposals: how many of them the
	// model believes to be right.
	Precision  float64
	Prior      float64    // share of pairs of one person among all pairs
	Household  float64    // share of pairs of one household
	Candidates int        // pairs that were compared
	Dropped    int        // proposals beyond ProposalsMax
	Rules      [][]string // the blocks, each by what its records have in common
	Levels     []Level
	Rounds     int // of expectation maximisation
}

// Link compares the table's candidates and proposes those that reach
// cfg.ProbabilityMin. It does not change the table.
func Link(t *Table, cfg Config) (*Result, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if t.records < 2 {
		return nil, fmt.Errorf("%w: %d records", ErrTable, t.records)
	}
	learn, blocks := chooseBlocks(t, cfg)
	md := newModel(t, cfg)
	md.train(t, learn.sample(t, cfg))
	res := &Result{Prior: md.prior, Household: md.household, Rounds: md.rounds}
	var kept []scored
	for _, some := range inParallel(blocks.tasks(1), cfg.Workers, func(s *scratch, k task) found {
		var mine found
		blocks.eachPair(k.rule, k.first, k.last, func(a, b uint32) {
			mine.candidates++
			if one := md.score(t, a, b, t.compare(s, a, b)); one.probability >= cfg.ProbabilityMin {
				mine.kept = append(mine.kept, one)
			}
		})
		return mine
	}) {
		res.Candidates += some.candidates
		kept = append(kept, some.kept...)
	}
	res.fill(t, md, kept, cfg.ProposalsMax)
	res.describe(t, md, blocks.rules)
	return res, nil
}

// found is what one task finds.
type found struct {
	candidates int
	kept       []scored
}

// trainMax is about how many candidates the model is trained on.
const trainMax = 1_000_000

// sample counts the patterns of the candidates, of a regular part of them where
// there are more than trainMax, and scales them up.
func (b *blocking) sample(t *Table, cfg Config) map[pattern]float64 {
	pairs := 0
	for n := range b.rules {
		pairs += b.rules[n].pairs
	}
	every := 1 + pairs/trainMax
	patterns := make(map[pattern]float64)
	for _, some := range inParallel(b.tasks(every), cfg.Workers, func(s *scratch, k task) map[pattern]int {
		mine := make(map[pattern]int)
		b.eachPair(k.rule, k.first, k.last, func(x, y uint32) { mine[t.compare(s, x, y)]++ })
		return mine
	}) {
		for p, n := range some {
			patterns[p] += float64(n * every)
		}
	}
	return patterns
}

// scored is a proposal before its evidence is written out.
type scored struct {
	a, b              uint32
	probability, bits float64
}

// score weighs a pair, with the rarity of what is equal. Rarity speaks for one
// household as for one person in what households share, and for neither
// against the other.
func (md *model) score(t *Table, a, b uint32, p pattern) scored {
	person, home := md.weights.of(p)
	if person < -60 {
		return scored{}
	}
	for f := range t.columns {
		rare := md.frequency(t, f, a, p)
		person += rare
		if md.shared[f] {
			home += rare
		}
	}
	one, _ := shares(person, home)
	return scored{min(a, b), max(a, b), one, person - math.Log2(1+math.Exp2(min(home, 500)))}
}

// task is some blocks of one rule.
type task struct{ rule, first, last int }

// tasks cuts the blocks of all rules into tasks and gives every n-th.
func (b *blocking) tasks(every int) []task {
	var all []task
	const step = 256
	n := 0
	for i := range b.rules {
		for first := 0; first < len(b.rules[i].ends); first += step {
			if n%every == 0 {
				all = append(all, task{i, first, min(first+step, len(b.rules[i].ends))})
			}
			n++
		}
	}
	return all
}

// inParallel calls work for each task, workers at once, and gives the answers in
// the tasks' order.
func inParallel[K, T any](tasks []K, workers int, work func(*scratch, K) T) []T {
	out := make([]T, len(tasks))
	next := make(chan int, len(tasks))
	for i := range tasks {
		next <- i
	}
	close(next)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			s := new(scratch)
			for i := range next {
				out[i] = work(s, tasks[i])
			}
		})
	}
	all.Wait()
	return out
}

func (res *Result) fill(t *Table, md *model, kept []scored, most int) {
	slices.SortFunc(kept, func(x, y scored) int {
		return cmp.Or(cmp.Compare(y.bits, x.bits), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
	})
	res.Dropped = max(0, len(kept)-most)
	kept = kept[:min(most, len(kept))]
	res.Proposals = make([]Proposal, len(kept))
	s := new(scratch)
	for i, k := range kept {
		p := t.compare(s, k.a, k.b)
		one := Proposal{A: int(k.a), B: int(k.b), Bits: k.bits, Probability: k.probability, Evidence: make([]Evidence, len(t.fields))}
		for f, field := range t.fields {
			e := &one.Evidence[f]
			e.Field, e.Level = field.Name, "missing"
			l := p.level(f)
			if l == 0 {
				continue
			}
			e.Level = levelsOf(field.Kind)[l-1]
			e.Bits = math.Log2(md.m[f][l]/md.among(f, p)) + md.frequency(t, f, k.a, p)
		}
		res.Proposals[i] = one
		res.Precision += one.Probability
	}
	if len(kept) > 0 {
		res.Precision /= float64(len(kept))
	}
}

func (res *Result) describe(t *Table, md *model, rules []rule) {
	for f, field := range t.fields {
		for l, name := range levelsOf(field.Kind) {
			res.Levels = append(res.Levels, Level{field.Name, name, md.m[f][l+1], md.h[f][l+1], md.u[f][l+1]})
		}
	}
	for _, r := range rules {
		var words []string
		for _, p := range r.parts {
			word := t.fields[p.field].Name
			if p.form == start {
				word += " begins"
			}
			words = append(words, word)
		}
		if r.parts == nil {
			words = []string{"every pair"}
		}
		res.Rules = append(res.Rules, words)
	}
}
