package graph_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"endcap/know/identity/graph"
	"endcap/retail/shopper"
)

// tight are rules that small evidence runs into.
func tight() graph.Rules {
	r := graph.Defaults()
	r.ShoppersMax = 4
	for kind, l := range r.Keys {
		l.Shoppers, l.Keys = 3, 2
		l.Known = min(l.Known, 3)
		r.Keys[kind] = l
	}
	return r
}

// drawEvidence draws a few shoppers and keys with many edges between them, so
// that every rule is met.
func drawEvidence(t *rapid.T) graph.Evidence {
	kinds := []shopper.KeyKind{shopper.Card, shopper.Account, shopper.EmailHash, shopper.PhoneHash, shopper.Device}
	bases := []graph.Basis{graph.Declared, graph.Login, graph.Confirmed, graph.Linked, graph.Observed}
	who := rapid.IntRange(1, 10)
	var e graph.Evidence
	for n := range rapid.IntRange(0, 25).Draw(t, "edges") {
		edge := graph.Edge{
			ID: fmt.Sprintf("e%d", n), A: graph.OfShopper(id(who.Draw(t, "who"))), Basis: rapid.SampledFrom(bases).Draw(t, "basis"),
			At: day.AddDate(0, 0, rapid.IntRange(0, 4).Draw(t, "day")),
		}
		if edge.Basis == graph.Linked {
			edge.Probability = rapid.SampledFrom([]float64{0.6, 0.99, 0.999}).Draw(t, "p")
		}
		edge.B = graph.OfShopper(id(who.Draw(t, "other")))
		if rapid.IntRange(0, 3).Draw(t, "key") > 0 || edge.B == edge.A {
			kind := rapid.SampledFrom(kinds).Draw(t, "kind")
			value := fmt.Sprintf("%064x", rapid.IntRange(1, 4).Draw(t, "value"))
			k, err := shopper.ParseKey(kind, value)
			if err != nil {
				t.Fatal(err)
			}
			edge.B = graph.OfKey(k)
			edge.Held = rapid.IntRange(0, 3).Draw(t, "held") == 0
		}
		e.Edges = append(e.Edges, edge)
		if rapid.IntRange(0, 9).Draw(t, "withdraw") == 0 {
			e.Withdrawn = append(e.Withdrawn, edge.ID)
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "apart") {
		if a, b := who.Draw(t, "a"), who.Draw(t, "b"); a != b {
			e.Apart = append(e.Apart, graph.Pair{A: id(a), B: id(b)})
		}
	}
	return e
}

// told is an outcome in plain numbers, for comparison.
type told struct {
	Clusters []string
	Refused  map[string]graph.Refusal
}

func tell(t *rapid.T, e graph.Evidence) told {
	o, err := graph.Resolve(e, tight())
	if err != nil {
		t.Fatal(err)
	}
	return tellOutcome(o)
}

func tellOutcome(o *graph.Outcome) told {
	var out told
	for _, c := range o.Clusters {
		line := fmt.Sprint(c.Canonical.Reveal(), ":")
		for _, who := range c.Shoppers {
			line += fmt.Sprint(" ", who.Reveal())
		}
		for _, k := range c.Keys {
			line += fmt.Sprint(" ", k.Kind(), k.Reveal())
		}
		out.Clusters = append(out.Clusters, line)
	}
	out.Refused = o.Refused
	return out
}

func TestTheOrderOfHistoryChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvidence(t)
		want := tell(t, e)
		mixed := graph.Evidence{
			Edges:     rapid.Permutation(append(slices.Clone(e.Edges), e.Edges[:len(e.Edges)/2]...)).Draw(t, "edges' order"),
			Withdrawn: rapid.Permutation(append(slices.Clone(e.Withdrawn), e.Withdrawn...)).Draw(t, "withdrawals' order"),
			Apart:     rapid.Permutation(slices.Clone(e.Apart)).Draw(t, "pairs' order"),
		}
		for i := range mixed.Edges {
			if rapid.Bool().Draw(t, "turn") {
				mixed.Edges[i].A, mixed.Edges[i].B = mixed.Edges[i].B, mixed.Edges[i].A
			}
		}
		for i, p := range mixed.Apart {
			mixed.Apart[i] = graph.Pair{A: p.B, B: p.A}
		}
		if diff := cmp.Diff(want, tell(t, mixed)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAMergeUndoneIsAMergeThatNeverWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvidence(t)
		if len(e.Edges) == 0 {
			return
		}
		// Every shopper stays in the evidence, so that both sides list her.
		for n := 1; n <= 10; n++ {
			k, err := shopper.ParseKey(shopper.Device, fmt.Sprint("own ", n))
			if err != nil {
				t.Fatal(err)
			}
			e.Edges = append(e.Edges, graph.Edge{ID: fmt.Sprint("own", n), A: graph.OfShopper(id(n)), B: graph.OfKey(k), Basis: graph.Observed, At: day})
		}
		gone := e.Edges[rapid.IntRange(0, len(e.Edges)-11).Draw(t, "merge")]
		never := e
		never.Edges = slices.DeleteFunc(slices.Clone(e.Edges), func(o graph.Edge) bool { return o.ID == gone.ID })
		undone := e
		undone.Withdrawn = append(slices.Clone(e.Withdrawn), gone.ID)
		want, got := tell(t, never), tell(t, undone)
		if got.Refused[gone.ID] != graph.RefusedWithdrawn {
			t.Fatalf("the merge taken back is %q", got.Refused[gone.ID])
		}
		delete(got.Refused, gone.ID)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Whoever loads one connected part of the evidence gets the same answer as
// whoever loads all.
func TestAPartDependsOnItselfAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvidence(t)
		part := map[graph.Node]int{}
		var find func(n graph.Node) int
		parent := []int{}
		root := func(i int) int {
			for parent[i] != i {
				i = parent[i]
			}
			return i
		}
		find = func(n graph.Node) int {
			if _, ok := part[n]; !ok {
				part[n] = len(parent)
				parent = append(parent, len(parent))
			}
			return root(part[n])
		}
		for _, edge := range e.Edges {
			a, b := find(edge.A), find(edge.B)
			parent[a] = b
		}
		all := tell(t, e)
		parts := map[int]*graph.Evidence{}
		for _, edge := range e.Edges {
			r := find(edge.A)
			if parts[r] == nil {
				parts[r] = &graph.Evidence{Withdrawn: e.Withdrawn, Apart: e.Apart}
			}
			parts[r].Edges = append(parts[r].Edges, edge)
		}
		sum := told{Refused: map[string]graph.Refusal{}}
		for _, one := range parts {
			got := tell(t, *one)
			sum.Clusters = append(sum.Clusters, got.Clusters...)
			maps.Copy(sum.Refused, got.Refused)
		}
		slices.Sort(sum.Clusters)
		slices.Sort(all.Clusters)
		if diff := cmp.Diff(all, sum); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestNoRuleIsEverBroken(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvidence(t)
		rules := tight()
		o, err := graph.Resolve(e, rules)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range o.Clusters {
			kinds := map[shopper.KeyKind]int{}
			for _, k := range c.Keys {
				kinds[k.Kind()]++
			}
			for kind, n := range kinds {
				if n > rules.Keys[kind].Keys {
					t.Fatalf("%d keys of kind %s in one person", n, kind)
				}
			}
			if len(c.Shoppers) > rules.ShoppersMax {
				t.Fatalf("%d shoppers in one person", len(c.Shoppers))
			}
			for _, b := range c.Shoppers {
				// Every merge is explained, by edges that count and were proved.
				why := o.Why(c.Canonical, b)
				if b != c.Canonical && len(why) == 0 {
					t.Fatal("a merge without a reason")
				}
				for _, edge := range why {
					if !edge.Basis.Authenticated() && (edge.Basis != graph.Linked || edge.Probability < rules.ProbabilityMin) || slices.Contains(e.Withdrawn, edge.ID) || o.Refused[edge.ID] != "" {
						t.Fatalf("merged by %s, which does not count", edge.ID)
					}
				}
			}
		}
		for _, p := range e.Apart {
			if o.Canonical(p.A) == o.Canonical(p.B) {
				t.Fatal("two who are known to be two are one")
			}
		}
		for _, m := range graph.Moves(o, o) {
			t.Fatalf("a move from an outcome to itself: %v", m)
		}
	})
}
