package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"endcap/keep/vault"
	"endcap/know/identity/graph"
	"endcap/retail"
	"endcap/retail/shopper"
)

// Claim says that the keys of A and those of B are one person's, or two people's.
type Claim struct {
	A, B []shopper.Key
	Vouched
}

// Merge adds evidence that somebody vouches for by hand. Both sides must be
// known; a *retail.Error says which is not, or that one was forgotten.
func (i *Identity) Merge(ctx context.Context, c Claim) (Verdict, error) {
	if !c.Basis.Authenticated() {
		return Verdict{}, invalid("basis", "a merge rests on declared, login or confirmed evidence", "nothing that was only seen merges anybody")
	}
	return i.claim(ctx, c, string(c.Basis))
}

// Part says that two shoppers are two people, whatever else is known. Withdraw
// ends that too.
func (i *Identity) Part(ctx context.Context, c Claim) (Verdict, error) {
	return i.claim(ctx, c, vault.Apart)
}

func (i *Identity) claim(ctx context.Context, c Claim, basis string) (Verdict, error) {
	i.merging.Lock()
	defer i.merging.Unlock()
	a, err := i.base(ctx, "a", c.A)
	if err != nil {
		return Verdict{}, err
	}
	b, err := i.base(ctx, "b", c.B)
	if err != nil {
		return Verdict{}, err
	}
	if a == b {
		return Verdict{}, &retail.Error{Kind: retail.Conflict, Say: "both sides have keys of the same shopper", Cure: "name two that are known apart; keys that came together belong together"}
	}
	return i.add(ctx, vault.Edge{A: a, B: b, Basis: basis, Source: c.Source, By: c.By, Say: c.Say, At: c.At})
}

func invalid(field, say, cure string) error {
	return &retail.Error{Kind: retail.Invalid, Field: field, Say: say, Cure: cure}
}

// base is the shopper whom a set of keys names, by the strongest that is known.
func (i *Identity) base(ctx context.Context, field string, keys []shopper.Key) (shopper.ID, error) {
	if len(keys) == 0 || len(keys) > SetMax {
		return shopper.ID{}, invalid(field, fmt.Sprintf("a shopper is named by 1 to %d keys", SetMax), "name her by a key that is known")
	}
	held, err := i.vault.Lookup(ctx, keys)
	if err != nil {
		return shopper.ID{}, fmt.Errorf("look up %d keys: %w", len(keys), err)
	}
	best := strongest(keys, held)
	if best < 0 {
		return shopper.ID{}, &retail.Error{Kind: retail.NotFound, Field: field, Say: "no such shopper: she was never known, or was forgotten", Cure: "name her by a key that is known"}
	}
	return held[best], nil
}

// instantsMax is how often the same can be said of two shoppers at one instant.
const instantsMax = 1_000

// add adds one edge between two shoppers and says what it came to. What is said
// again is evidence of its own, which stands though the former was withdrawn.
func (i *Identity) add(ctx context.Context, e vault.Edge, settled ...uint64) (Verdict, error) {
	for range instantsMax {
		e.ID = nameOf(graph.Basis(e.Basis), e.A, e.B, e.Key, e.At)
		if _, err := i.vault.Edge(ctx, e.ID); errors.Is(err, vault.ErrNotFound) {
			break
		} else if err != nil {
			return Verdict{}, err
		}
		e.At = e.At.Add(time.Microsecond)
	}
	done, err := i.change(ctx, []shopper.ID{e.A, e.B}, func(*vault.Evidence) (vault.Merger, error) {
		return vault.Merger{Edges: []vault.Edge{e}, Settled: settled, At: e.At}, nil
	})
	if err != nil {
		return Verdict{}, tangled(err)
	}
	return Verdict{Who: i.Canonical(e.A), Edge: e.ID, New: done.fresh[e.ID], Refusal: done.outcome.Refused[e.ID]}, nil
}

// tangled tells a caller what ErrLimit means to her.
func tangled(err error) error {
	if errors.Is(err, vault.ErrLimit) {
		return &retail.Error{Kind: retail.Conflict, Say: "too much evidence hangs together around these shoppers", Cure: "withdraw some of it first", Err: err}
	}
	return err
}

// Withdraw takes one piece of evidence back: it is as if it had never come.
func (i *Identity) Withdraw(ctx context.Context, edge string, v Vouched) error {
	i.merging.Lock()
	defer i.merging.Unlock()
	e, err := i.vault.Edge(ctx, edge)
	if errors.Is(err, vault.ErrNotFound) {
		return &retail.Error{Kind: retail.NotFound, Say: "no such evidence", Cure: "look the shopper up to see hers"}
	}
	if err != nil {
		return err
	}
	_, err = i.change(ctx, []shopper.ID{e.A, e.B}, func(*vault.Evidence) (vault.Merger, error) {
		return vault.Merger{Withdraw: []vault.Withdrawal{{Edge: edge, By: v.By, Say: v.Say, At: v.At}}, At: v.At}, nil
	})
	return tangled(err)
}

// Suspected is two shoppers, each named by keys of hers, whom linkage found
// alike.
type Suspected struct {
	A, B        []shopper.Key
	Probability float64
	Say         string // the evidence by field, in words that name nobody
}

// Propose keeps pairs for somebody to approve, and says of each whether it waits
// now: not one with an unknown shopper, nor one of two who are one already or
// are known to be two, nor one below the probability that merges ask for.
func (i *Identity) Propose(ctx context.Context, all []Suspected, source string, at time.Time) ([]bool, error) {
	kept := make([]bool, len(all))
	var proposals []vault.Proposal
	for n := range all {
		a, errA := i.base(ctx, "a", all[n].A)
		b, errB := i.base(ctx, "b", all[n].B)
		if err := errors.Join(errA, errB); err != nil {
			if _, known := errors.AsType[*retail.Error](err); known {
				continue
			}
			return nil, err
		}
		if _, one := i.same(a, b); one || !(all[n].Probability >= i.cfg.Rules.ProbabilityMin && all[n].Probability <= 1) {
			continue
		}
		apart, err := i.apart(ctx, a, b)
		if err != nil {
			return nil, err
		}
		if kept[n] = !apart; kept[n] {
			proposals = append(proposals, vault.Proposal{A: a, B: b, PPM: int64(all[n].Probability * 1e6), Source: source, Say: all[n].Say, At: at})
		}
	}
	return kept, i.vault.Propose(ctx, proposals)
}

// apart reports whether two shoppers, or whoever else they are, are known to be
// two people.
func (i *Identity) apart(ctx context.Context, a, b shopper.ID) (bool, error) {
	e, err := i.vault.Evidence(ctx, []shopper.ID{a}, followedMax)
	if err != nil {
		return false, tangled(err)
	}
	with := evidenceOf(&e).Apart
	return slices.ContainsFunc(with, func(p graph.Pair) bool {
		left, right := i.Canonical(p.A), i.Canonical(p.B)
		return left == i.Canonical(a) && right == i.Canonical(b) || left == i.Canonical(b) && right == i.Canonical(a)
	}), nil
}

// Waiting is a proposal as the retailer's staff see it.
type Waiting struct {
	ID          uint64
	Probability float64
	Source, Say string
	At          time.Time
	A, B        Side
}

// Side is a shopper without her keys: how many she has of each kind.
type Side map[shopper.KeyKind]int

// Waiting returns up to limit proposals with ids above after, in order.
func (i *Identity) Waiting(ctx context.Context, after uint64, limit int) ([]Waiting, error) {
	all, err := i.vault.Proposals(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	out := make([]Waiting, len(all))
	for n, p := range all {
		out[n] = Waiting{ID: p.ID, Probability: float64(p.PPM) / 1e6, Source: p.Source, Say: p.Say, At: p.At}
		if out[n].A, err = i.side(ctx, p.A); err == nil {
			out[n].B, err = i.side(ctx, p.B)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (i *Identity) side(ctx context.Context, who shopper.ID) (Side, error) {
	keys, err := i.vault.Keys(ctx, who)
	out := make(Side)
	for _, key := range keys {
		out[key.Kind()]++
	}
	return out, err
}

// Approve makes the edge of a proposal; Reject marks its two as two people.
func (i *Identity) Approve(ctx context.Context, proposal uint64, v Vouched) (Verdict, error) {
	return i.answer(ctx, proposal, string(graph.Linked), v)
}

// Reject answers a proposal with no, for good.
func (i *Identity) Reject(ctx context.Context, proposal uint64, v Vouched) (Verdict, error) {
	return i.answer(ctx, proposal, vault.Apart, v)
}

func (i *Identity) answer(ctx context.Context, id uint64, basis string, v Vouched) (Verdict, error) {
	i.merging.Lock()
	defer i.merging.Unlock()
	var found []vault.Proposal
	if id > 0 {
		var err error
		if found, err = i.vault.Proposals(ctx, id-1, 1); err != nil {
			return Verdict{}, err
		}
	}
	if len(found) == 0 || found[0].ID != id {
		return Verdict{}, &retail.Error{Kind: retail.NotFound, Say: "no such proposal: it was answered, or one of its shoppers was forgotten"}
	}
	p := found[0]
	e := vault.Edge{A: p.A, B: p.B, Basis: basis, Source: p.Source, By: v.By, Say: p.Say, At: v.At}
	if basis == string(graph.Linked) {
		e.PPM = p.PPM
	}
	return i.add(ctx, e, id)
}

// Explained is why several shoppers are one person, or are not, without a key or
// an id of theirs.
type Explained struct {
	Members   []Side // the one as whom she is known first
	Edges     []Reason
	Household []Mate // who shares a household with her; of others than Members
}

// Reason is one piece of evidence. From and To number Members from 1; To is 0
// where it is about a key that reaches nobody else, or somebody who is no member.
type Reason struct {
	ID          string
	From, To    int
	Kind        shopper.KeyKind // of the key, where it is about one
	Basis       string
	Probability float64
	Source, By  string
	Say         string
	At          time.Time
	Refused     graph.Refusal // why it merges nobody; empty where it does
}

// Explain tells of the person whom keys name.
func (i *Identity) Explain(ctx context.Context, keys []shopper.Key) (*Explained, error) {
	who, err := i.base(ctx, "shopper", keys)
	if err != nil {
		return nil, err
	}
	e, err := i.vault.Evidence(ctx, i.members(who), followedMax)
	if err != nil {
		return nil, tangled(err)
	}
	outcome, err := graph.Resolve(evidenceOf(&e), i.cfg.Rules)
	if err != nil {
		return nil, fmt.Errorf("work out who is who: %w", err)
	}
	one := outcome.Cluster(who)
	number := map[shopper.ID]int{one.Canonical: 1}
	out := &Explained{Members: make([]Side, 1, len(one.Shoppers))}
	if out.Household, err = i.mates(ctx, &e, outcome, one.Canonical); err != nil {
		return nil, err
	}
	for _, member := range one.Shoppers {
		if member != one.Canonical {
			number[member] = len(number) + 1
			out.Members = append(out.Members, nil)
		}
	}
	holder := make(map[shopper.Key]shopper.ID, len(e.Held))
	for _, h := range e.Held {
		holder[h.Key] = h.Shopper
	}
	for member, n := range number {
		if out.Members[n-1], err = i.side(ctx, member); err != nil {
			return nil, err
		}
	}
	for n := range e.Edges {
		edge := &e.Edges[n]
		to := edge.B
		if !to.Known() {
			to = holder[edge.Key]
		}
		if number[edge.A] == 0 && number[to] == 0 {
			continue
		}
		out.Edges = append(out.Edges, Reason{
			ID: edge.ID, From: number[edge.A], To: number[to], Kind: edge.Key.Kind(), Basis: edge.Basis, Probability: float64(edge.PPM) / 1e6,
			Source: edge.Source, By: edge.By, Say: edge.Say, At: edge.At, Refused: refusalOf(outcome, &e, edge),
		})
	}
	slices.SortFunc(out.Edges, func(a, b Reason) int { return a.At.Compare(b.At) })
	return out, nil
}

func refusalOf(o *graph.Outcome, e *vault.Evidence, edge *vault.Edge) graph.Refusal {
	withdrawn := slices.ContainsFunc(e.Withdrawn, func(w vault.Withdrawal) bool { return w.Edge == edge.ID })
	switch {
	case withdrawn:
		return graph.RefusedWithdrawn
	case edge.Basis == vault.Apart:
		return graph.RefusedApart
	}
	return o.Refused[edge.ID]
}

// Moves returns up to limit changes of who is known as whom that no fact tells
// of yet; Told says that facts tell of those up to a number.
func (i *Identity) Moves(ctx context.Context, limit int) ([]vault.Move, error) {
	return i.vault.Moves(ctx, limit)
}

// Told drops the moves up to a number.
func (i *Identity) Told(ctx context.Context, upto uint64) error { return i.vault.Told(ctx, upto) }
