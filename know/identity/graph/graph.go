// Package graph says which shoppers are one person. Its input is evidence:
// edges between shoppers and keys, each with where it came from, when, and on
// what it rests, withdrawals of edges, and pairs known to be two people. Its
// output, the clusters, is a pure function of that evidence as a set: order and
// repetition change nothing, so a merge is undone by withdrawing its edge, and
// it is then as if it had never been. What happens in one connected part of the
// evidence depends on that part alone, so a caller need load no more than it.
// A key that too many shoppers share links none of them, and nothing that was
// seen without proof of who acted ever merges anybody.
//
// On the road of a receipt, know/ingest names a shopper by her keys, and this
// package says as whom she is known after merges.
package graph

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"endcap/retail/shopper"
)

// Node is a shopper or a key. It does not print.
type Node struct {
	who shopper.ID
	key shopper.Key
}

// OfShopper is the node of a shopper.
func OfShopper(id shopper.ID) Node { return Node{who: id} }

// OfKey is the node of a key.
func OfKey(key shopper.Key) Node { return Node{key: key} }

// Shopper is the shopper that n is, or nobody where it is a key.
func (n Node) Shopper() shopper.ID { return n.who }

// Key is the key that n is; false where it is a shopper.
func (n Node) Key() (shopper.Key, bool) { return n.key, n.key != shopper.Key{} }

// Format implements fmt.Formatter for every verb.
func (n Node) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("node(hidden)")) }

// LogValue implements slog.LogValuer.
func (n Node) LogValue() slog.Value { return slog.StringValue("node(hidden)") }

// MarshalJSON refuses to leak the node into a document by accident.
func (n Node) MarshalJSON() ([]byte, error) { return []byte(`"node(hidden)"`), nil }

// Basis says on what an edge rests.
type Basis string

// The bases, strongest first. Their names are stored and cross the wire.
const (
	Declared  Basis = "declared"  // the retailer's own records hold both, or its staff checked it
	Login     Basis = "login"     // she was logged in with the one when the other was seen
	Confirmed Basis = "confirmed" // she answered at the address: a link, a code
	Linked    Basis = "linked"    // know/identity/linkage found them alike
	Observed  Basis = "observed"  // seen together without proof: typed, or on one device
)

// strength orders bases; lower is stronger, and -1 is no basis.
func (b Basis) strength() int {
	return slices.Index([]Basis{Declared, Login, Confirmed, Linked, Observed}, b)
}

// Authenticated reports whether the basis proves who acted.
func (b Basis) Authenticated() bool { return b == Declared || b == Login || b == Confirmed }

// Edge is one piece of evidence that two nodes belong to one person. At least
// one of them is a shopper.
type Edge struct {
	ID          string // of the evidence, 1 to TextMax bytes: the same one twice is one
	A, B        Node
	Basis       Basis
	Probability float64   // of being right, 0 to 1; for Linked alone
	Source      string    // file, caller or job, up to TextMax bytes
	At          time.Time // when it was seen
	// Held says that a shopper and a key belong together by themselves. Such
	// edges are used first, so that whoever is merged with her is merged with
	// all keys of hers, and limits count them.
	Held bool
}

// Pair is two shoppers.
type Pair struct{ A, B shopper.ID }

// Evidence is all that is known about who is who. The lists are sets.
type Evidence struct {
	Edges     []Edge
	Withdrawn []string // ids of edges that count no longer, or never shall
	Apart     []Pair   // known to be two people, whatever else is seen
}

// TextMax is the longest id or source, in bytes.
const TextMax = 1_024

// ErrEvidence is returned for evidence that contradicts itself or says nothing.
var ErrEvidence = errors.New("not evidence of who is who")

// Check returns ErrEvidence, with the field, unless the edge can be used.
func (e *Edge) Check() error {
	switch {
	case e.ID == "" || len(e.ID) > TextMax:
		return fmt.Errorf("%w: an edge's id has 1 to %d bytes, this %d", ErrEvidence, TextMax, len(e.ID))
	case len(e.Source) > TextMax:
		return fmt.Errorf("%w: an edge's source has at most %d bytes, this %d", ErrEvidence, TextMax, len(e.Source))
	case !e.A.who.Known() && !e.B.who.Known():
		return fmt.Errorf("%w: edge %.40q names no shopper", ErrEvidence, e.ID)
	case e.A == Node{} || e.B == Node{}:
		return fmt.Errorf("%w: edge %.40q has one end", ErrEvidence, e.ID)
	case e.A == e.B:
		return fmt.Errorf("%w: edge %.40q has the same node at both ends", ErrEvidence, e.ID)
	case e.Basis.strength() < 0:
		return fmt.Errorf("%w: edge %.40q has the basis %.20q (declared, login, confirmed, linked, observed)", ErrEvidence, e.ID, string(e.Basis))
	case e.Basis != Linked && e.Probability != 0, math.IsNaN(e.Probability), e.Probability < 0, e.Probability > 1:
		return fmt.Errorf("%w: edge %.40q has the probability %v: 0 to 1, and only where linked", ErrEvidence, e.ID, e.Probability)
	case e.At.IsZero():
		return fmt.Errorf("%w: edge %.40q has no time", ErrEvidence, e.ID)
	}
	return nil
}

// same reports whether two edges of one id say the same; their ends have no
// direction.
func (e *Edge) same(o *Edge) bool {
	ends := e.A == o.A && e.B == o.B || e.A == o.B && e.B == o.A
	return ends && e.Basis == o.Basis && e.Probability == o.Probability && e.Source == o.Source && e.At.Equal(o.At) && e.Held == o.Held
}

// byStrength is the order in which edges are used: it is total, and says
// nothing of the order in which they came.
func byStrength(a, b *Edge) int {
	switch {
	case a.Held && !b.Held:
		return -1
	case b.Held && !a.Held:
		return 1
	}
	return cmp.Or(
		cmp.Compare(a.Basis.strength(), b.Basis.strength()),
		cmp.Compare(b.Probability, a.Probability),
		a.At.Compare(b.At),
		strings.Compare(a.ID, b.ID),
	)
}

func compareIDs(a, b shopper.ID) int { return cmp.Compare(a.Reveal(), b.Reveal()) }

func compareKeys(a, b shopper.Key) int {
	return cmp.Or(strings.Compare(string(a.Kind()), string(b.Kind())), bytes.Compare([]byte(a.Reveal()), []byte(b.Reveal())))
}
