package graph

import (
	"slices"

	"endcap/retail/shopper"
)

// Cluster gives the cluster of a shopper. One of whom there is no evidence is
// alone.
func (o *Outcome) Cluster(who shopper.ID) Cluster {
	if i, ok := o.place[who]; ok {
		return o.Clusters[i]
	}
	return Cluster{Canonical: who, Shoppers: []shopper.ID{who}}
}

// Canonical is as whom a shopper is known.
func (o *Outcome) Canonical(who shopper.ID) shopper.ID { return o.Cluster(who).Canonical }

// Why gives edges that join two shoppers, one after the other from a to b, as
// few as there are; nil where they are two people or the same shopper. Of
// several ways it takes one through the strongest edges first.
func (o *Outcome) Why(a, b shopper.ID) []Edge {
	if a == b || o.Canonical(a) != o.Canonical(b) {
		return nil
	}
	near := make(map[Node][]*Edge)
	for _, e := range o.edges {
		near[e.A] = append(near[e.A], e)
		near[e.B] = append(near[e.B], e)
	}
	from, to := OfShopper(a), OfShopper(b)
	came := map[Node]*Edge{from: nil}
	for queue := []Node{from}; len(queue) > 0; queue = queue[1:] {
		for _, e := range near[queue[0]] {
			next := e.other(queue[0])
			if _, seen := came[next]; !seen {
				came[next] = e
				queue = append(queue, next)
			}
		}
	}
	var path []Edge
	for at := to; came[at] != nil; at = came[at].other(at) {
		path = append(path, *came[at])
	}
	slices.Reverse(path)
	return path
}

func (e *Edge) other(n Node) Node {
	if e.A == n {
		return e.B
	}
	return e.A
}

// Move says that a shopper is known as somebody else than before.
type Move struct{ Shopper, From, To shopper.ID }

// Moves gives the shoppers whose canonical shopper differs between two
// outcomes, in order of their numbers: what stores must follow after evidence
// has come or gone.
func Moves(before, after *Outcome) []Move {
	var out []Move
	seen := make(map[shopper.ID]bool)
	for _, o := range []*Outcome{before, after} {
		for who := range o.place {
			if seen[who] {
				continue
			}
			seen[who] = true
			if from, to := before.Canonical(who), after.Canonical(who); from != to {
				out = append(out, Move{who, from, to})
			}
		}
	}
	slices.SortFunc(out, func(a, b Move) int { return compareIDs(a.Shopper, b.Shopper) })
	return out
}
