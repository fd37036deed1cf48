package graph

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"endcap/retail/shopper"
)

// Cluster is shoppers who are one person, and the keys that are hers.
type Cluster struct {
	// Canonical is as whom she is known: of her shoppers the one with the
	// earliest edge that counts, and of equals the one with the lower number.
	Canonical shopper.ID
	Shoppers  []shopper.ID  // in order of their numbers, Canonical among them
	Keys      []shopper.Key // in order of kind and value
}

// Outcome is what evidence comes to. Treat it as read-only.
type Outcome struct {
	Clusters []Cluster // every shopper of the evidence in one of them; in order of Canonical
	Refused  map[string]Refusal
	edges    []*Edge // that count, strongest first
	place    map[shopper.ID]int
}

// Resolve works out who is who. It returns ErrRules for rules that cannot hold,
// and ErrEvidence for an edge that Check refuses, for two that share an id and
// differ, and for a shopper apart from herself or from nobody. Time is
// O(n log n) in the number of edges.
func Resolve(e Evidence, rules Rules) (*Outcome, error) {
	if err := rules.Check(); err != nil {
		return nil, err
	}
	edges, err := distinct(e)
	if err != nil {
		return nil, err
	}
	out := &Outcome{Refused: make(map[string]Refusal), place: make(map[shopper.ID]int)}
	s := newSets(rules)
	for _, edge := range edges {
		s.add(edge.A)
		s.add(edge.B)
	}
	for _, p := range e.Apart {
		if !p.A.Known() || !p.B.Known() || p.A == p.B {
			return nil, fmt.Errorf("%w: two shoppers apart who are not two", ErrEvidence)
		}
		s.apart(p)
	}
	var left []*Edge
	withdrawn := make(map[string]bool, len(e.Withdrawn))
	for _, id := range e.Withdrawn {
		withdrawn[id] = true
	}
	for _, edge := range edges {
		switch {
		case withdrawn[edge.ID]:
			out.Refused[edge.ID] = RefusedWithdrawn
		case edge.Basis == Observed:
			out.Refused[edge.ID] = RefusedProof
		case edge.Basis == Linked && edge.Probability < rules.ProbabilityMin:
			out.Refused[edge.ID] = RefusedImprobable
		default:
			left = append(left, edge)
		}
	}
	cut := sharedKeys(left, rules)
	for _, edge := range left {
		key := edge.keyNode()
		why := cut[key]
		if why == "" {
			why = s.union(edge.A, edge.B)
		}
		if why != "" {
			out.Refused[edge.ID] = why
			continue
		}
		out.edges = append(out.edges, edge)
	}
	out.Clusters = s.clusters(out.edges)
	for i, c := range out.Clusters {
		for _, who := range c.Shoppers {
			out.place[who] = i
		}
	}
	return out, nil
}

// distinct gives each edge once, strongest first.
func distinct(e Evidence) ([]*Edge, error) {
	seen := make(map[string]*Edge, len(e.Edges))
	for i := range e.Edges {
		edge := &e.Edges[i]
		if err := edge.Check(); err != nil {
			return nil, err
		}
		if before, ok := seen[edge.ID]; ok && !before.same(edge) {
			return nil, fmt.Errorf("%w: edge %.40q says two different things", ErrEvidence, edge.ID)
		}
		seen[edge.ID] = edge
	}
	return slices.SortedFunc(maps.Values(seen), byStrength), nil
}

// keyNode is the end of the edge that is a key, or no node.
func (e *Edge) keyNode() Node {
	for _, n := range []Node{e.A, e.B} {
		if _, ok := n.Key(); ok {
			return n
		}
	}
	return Node{}
}

// sharedKeys gives the keys that link nobody. Only edges that count by
// themselves are asked, so that nobody can part others by typing their address.
func sharedKeys(edges []*Edge, rules Rules) map[Node]Refusal {
	holders := make(map[Node]map[shopper.ID]bool)
	known := make(map[shopper.ID]bool) // has a personal key
	for _, e := range edges {
		n := e.keyNode()
		key, ok := n.Key()
		if !ok {
			continue
		}
		who := e.A.who
		if !who.Known() {
			who = e.B.who
		}
		if holders[n] == nil {
			holders[n] = make(map[shopper.ID]bool)
		}
		holders[n][who] = true
		if personal(key.Kind()) {
			known[who] = true
		}
	}
	cut := make(map[Node]Refusal)
	for n, all := range holders {
		limit := rules.Keys[n.key.Kind()]
		if len(all) > limit.Shoppers {
			cut[n] = RefusedShared
			continue
		}
		people := 0
		for who := range all {
			if known[who] {
				people++
			}
		}
		if people > limit.Known {
			cut[n] = RefusedDevice
		}
	}
	return cut
}

// sets is a union-find over nodes that knows each set's size and enemies.
type sets struct {
	rules  Rules
	parent map[Node]Node
	of     map[Node]*set // by root
}

type set struct {
	shoppers, nodes int
	keys            map[shopper.KeyKind]int
	apart           map[shopper.ID]bool // who may not come in
	members         []shopper.ID
}

func newSets(rules Rules) *sets {
	return &sets{rules: rules, parent: make(map[Node]Node), of: make(map[Node]*set)}
}

func (s *sets) add(n Node) {
	if _, ok := s.parent[n]; ok {
		return
	}
	s.parent[n] = n
	one := &set{nodes: 1, keys: make(map[shopper.KeyKind]int), apart: make(map[shopper.ID]bool)}
	if key, ok := n.Key(); ok {
		one.keys[key.Kind()] = 1
	} else {
		one.shoppers, one.members = 1, []shopper.ID{n.who}
	}
	s.of[n] = one
}

// apart must be called before any union.
func (s *sets) apart(p Pair) {
	for _, two := range [][2]shopper.ID{{p.A, p.B}, {p.B, p.A}} {
		if one := s.of[OfShopper(two[0])]; one != nil {
			one.apart[two[1]] = true
		}
	}
}

func (s *sets) root(n Node) Node {
	for s.parent[n] != n {
		s.parent[n] = s.parent[s.parent[n]]
		n = s.parent[n]
	}
	return n
}

// union joins two sets, unless a rule forbids it.
func (s *sets) union(a, b Node) Refusal {
	a, b = s.root(a), s.root(b)
	if a == b {
		return ""
	}
	if s.of[a].nodes < s.of[b].nodes {
		a, b = b, a
	}
	big, small := s.of[a], s.of[b]
	if big.shoppers+small.shoppers > s.rules.ShoppersMax {
		return RefusedShoppers
	}
	for kind, n := range small.keys {
		if big.keys[kind]+n > s.rules.Keys[kind].Keys {
			return RefusedKeys
		}
	}
	for _, who := range small.members {
		if big.apart[who] {
			return RefusedApart
		}
	}
	for kind, n := range small.keys {
		big.keys[kind] += n
	}
	maps.Copy(big.apart, small.apart)
	big.shoppers += small.shoppers
	big.nodes += small.nodes
	big.members = append(big.members, small.members...)
	s.parent[b] = a
	delete(s.of, b)
	return ""
}

// clusters reads the sets off. edges are those that count.
func (s *sets) clusters(edges []*Edge) []Cluster {
	first := make(map[shopper.ID]time.Time)
	for _, e := range edges {
		for _, n := range []Node{e.A, e.B} {
			if at, ok := first[n.who]; n.who.Known() && (!ok || e.At.Before(at)) {
				first[n.who] = e.At
			}
		}
	}
	older := func(a, b shopper.ID) int {
		fa, oka := first[a]
		fb, okb := first[b]
		switch c := fa.Compare(fb); {
		case oka && okb && c != 0:
			return c
		case oka != okb && oka:
			return -1
		case oka != okb:
			return 1
		}
		return compareIDs(a, b)
	}
	keys := make(map[Node][]shopper.Key)
	for n := range s.parent {
		if key, ok := n.Key(); ok {
			keys[s.root(n)] = append(keys[s.root(n)], key)
		}
	}
	var out []Cluster
	for root, one := range s.of {
		if one.shoppers == 0 {
			continue // a key that links nobody
		}
		c := Cluster{Canonical: slices.MinFunc(one.members, older), Shoppers: one.members, Keys: keys[root]}
		slices.SortFunc(c.Shoppers, compareIDs)
		slices.SortFunc(c.Keys, compareKeys)
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Cluster) int { return compareIDs(a.Canonical, b.Canonical) })
	return out
}
