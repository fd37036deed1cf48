package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"endcap/retail/shopper"
)

// ErrStale is returned by Merge when the evidence has changed since it was read.
var ErrStale = errors.New("the evidence has changed meanwhile")

// ErrForgotten is returned for evidence about a shopper who was forgotten, or
// whom the vault never named.
var ErrForgotten = errors.New("no such shopper: she was forgotten, or never known")

// Apart is the basis of an Edge that says that two shoppers are two people. The
// other bases are words of know/identity/graph.
const Apart = "apart"

// OwnKey is the basis of a Holding whose key is the one by which its shopper was
// first known; an empty basis says that the key was only seen beside another of
// hers.
const OwnKey = "own"

// Edge is one piece of evidence about who is one person. Its other end is a
// shopper, B, or, where B is nobody, Key.
type Edge struct {
	ID     string // of the evidence, 1 to NameMax bytes; the same ID again changes nothing
	A, B   shopper.ID
	Key    shopper.Key
	Basis  string
	PPM    int64  // how probable it is, in parts per million, where it was found and not said
	Source string // file, caller or job
	By     string // the name of who said or approved it
	Say    string // what it rests on, in words that name nobody
	At     time.Time
}

// Withdrawal says that an edge counts no longer.
type Withdrawal struct {
	Edge string
	By   string
	Say  string // why
	At   time.Time
}

// Holding is whose a key is, by Resolve and Declare, and on what that rests.
type Holding struct {
	Shopper shopper.ID
	Key     shopper.Key
	Basis   string
	At      time.Time // zero where it was not noted
}

// Member says as whom a shopper is known: Canonical, which may be herself.
type Member struct{ Shopper, Canonical shopper.ID }

// Evidence is what is known around some shoppers. Lists are in no order.
type Evidence struct {
	Revision  int64        // changes whenever anything about merges does
	Shoppers  []shopper.ID // of whom everything is here; of others only what shows a shared key
	Edges     []Edge
	Withdrawn []Withdrawal
	Held      []Holding
	Members   []Member // of the shoppers around them, those known with others
}

// Merger is a change of who is one person, worked out from an Evidence.
type Merger struct {
	Revision int64 // of that Evidence
	Edges    []Edge
	Withdraw []Withdrawal
	// Members is how the shoppers are known from now on whose cluster changes.
	// One who is known as nobody is alone.
	Members []Member
	// Settled are proposals that are answered by it.
	Settled []uint64
	At      time.Time
}

// Move is a shopper who is known as somebody else than before, or, where
// Canonical is she, as herself again.
type Move struct {
	Seq                uint64 // grows with every move
	Shopper, Canonical shopper.ID
	At                 time.Time
}

// Proposal is two shoppers who may be one person.
type Proposal struct {
	ID     uint64 // set by the store
	A, B   shopper.ID
	PPM    int64 // how probable it is, in parts per million
	Source string
	Say    string // the evidence by field, in words that name nobody
	At     time.Time
}

// Declaration says on what it rests that the keys of a set are one person's.
type Declaration struct {
	Basis string // not empty
	At    time.Time
	Mint  Mint
}

// Placed is what Declare made of a set of keys.
type Placed struct {
	Who []shopper.ID // whose each key is; nobody where it was left out
	// Tied is set where something was written about a shopper about whom there
	// is evidence: what that comes to is to be worked out again.
	Tied bool
}

// EvidenceMax is the most edges and holdings that one Evidence holds. What is
// more tangled can only be taken apart, key by key.
const EvidenceMax = 20_000

// Merges keeps the evidence of who is one person, and what it comes to.
type Merges interface {
	// Declare is Resolve for sets of keys that somebody vouches for: it gives
	// the shopper of each key of each set. Unknown keys are added to the shopper
	// of the set's strongest known key; where she has a key of that kind and it
	// is an Anchor, it becomes a shopper of its own; where she has KindMax of
	// them, it is left out and its place is nobody's. Keys of several shoppers
	// stay theirs: what that says is for Merge.
	Declare(ctx context.Context, sets [][]shopper.Key, d Declaration) ([]Placed, error)
	// Evidence gives all that is connected with some shoppers. It does not go on
	// through a key that more than sharedMax shoppers share, but holds enough of
	// its edges to show it; ErrLimit where there is more than EvidenceMax.
	Evidence(ctx context.Context, around []shopper.ID, sharedMax int) (Evidence, error)
	// Merge adds evidence and saves what all of it comes to, in one step with
	// the moves. It returns ErrStale, and changes nothing, when m.Revision is
	// not the newest; ErrForgotten for an edge about a forgotten shopper.
	Merge(ctx context.Context, m Merger) error
	// Edge gives one edge, or ErrNotFound.
	Edge(ctx context.Context, id string) (Edge, error)
	// Members calls each with everybody who is known with others, in no order,
	// until it returns an error.
	Members(ctx context.Context, each func(Member) error) error
	// Concerned returns up to limit shoppers after one, in an order of the
	// store's own: whoever is merged, and of every piece of evidence one whom it
	// is about.
	Concerned(ctx context.Context, after shopper.ID, limit int) ([]shopper.ID, error)
	// Moves returns up to limit moves that are not told yet, oldest first.
	Moves(ctx context.Context, limit int) ([]Move, error)
	// Told drops the moves up to a Seq.
	Told(ctx context.Context, upto uint64) error
}

// Proposals keeps pairs that wait for an answer.
type Proposals interface {
	// Propose adds proposals. A pair that waits already stays as it is; one with
	// a forgotten shopper is dropped.
	Propose(ctx context.Context, all []Proposal) error
	// Proposals returns up to limit proposals with ids above after, in order.
	Proposals(ctx context.Context, after uint64, limit int) ([]Proposal, error)
}

// Anchor reports whether a key of a kind stands for one customer relation, so
// that two of one kind are two shoppers until evidence says otherwise.
func Anchor(kind shopper.KeyKind) bool { return kind == shopper.Account || kind == shopper.Card }

// KindMax is how many keys of a kind one shopper holds through Declare.
func KindMax(kind shopper.KeyKind) int {
	switch {
	case Anchor(kind):
		return 1
	case kind == shopper.Device:
		return 20
	default:
		return 5
	}
}

// Check returns ErrLimit, with the field, unless every store can take e.
func (e *Edge) Check() error {
	key := e.Key != shopper.Key{}
	switch {
	case e.ID == "" || len(e.ID) > NameMax:
		return fmt.Errorf("%w: evidence has an id of 1 to %d bytes, this %d", ErrLimit, NameMax, len(e.ID))
	case e.Basis == "" || len(e.Basis) > NameMax || len(e.Source) > NameMax || len(e.By) > NameMax:
		return fmt.Errorf("%w: basis, source and by have at most %d bytes, and there is a basis", ErrLimit, NameMax)
	case len(e.Say) > TextMax:
		return fmt.Errorf("%w: evidence is told in at most %d bytes, this %d", ErrLimit, TextMax, len(e.Say))
	case !e.A.Known() || e.A == e.B || e.B.Known() == key:
		return fmt.Errorf("%w: evidence has two ends, a shopper and another or a key", ErrLimit)
	case e.At.IsZero():
		return fmt.Errorf("%w: evidence has a time", ErrLimit)
	}
	return nil
}

// Check returns ErrLimit, with the field, unless every store can take m.
func (m *Merger) Check() error {
	for i := range m.Edges {
		if err := m.Edges[i].Check(); err != nil {
			return fmt.Errorf("edge %d: %w", i, err)
		}
	}
	for i := range m.Withdraw {
		w := &m.Withdraw[i]
		if w.Edge == "" || len(w.Edge) > NameMax || len(w.By) > NameMax || len(w.Say) > TextMax || w.At.IsZero() {
			return fmt.Errorf("%w: withdrawal %d names an edge and a time, and says why in at most %d bytes", ErrLimit, i, TextMax)
		}
	}
	if n := len(m.Edges) + len(m.Withdraw) + len(m.Members) + len(m.Settled); n > BatchMax || m.At.IsZero() {
		return fmt.Errorf("%w: a merge has a time and at most %d rows, this %d", ErrLimit, BatchMax, n)
	}
	return nil
}
