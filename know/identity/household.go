package identity

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"endcap/keep/vault"
	"endcap/know/identity/graph"
	"endcap/retail/shopper"
)

// Mate is somebody else of a person's household, without a key or an id.
type Mate struct {
	Keys   Side              // of all shoppers who she is
	Shares []shopper.KeyKind // what the two share themselves; empty where others stand between them
}

// Household tells of those with whom a person shares a card, an account, an
// address, a telephone or a device that makes none of them one person: a tablet
// on which two log in, the number of a couple who are known to be two. Of each it
// gives the kinds of key that the two share, none where others stand between them.
// It is worked out of the evidence at each call and kept nowhere, so it follows
// merges, their end and forgetting. What more share than may share a card,
// whatever kind of key it is, says nothing, and neither does what was only seen without proof.
func (i *Identity) Household(ctx context.Context, who shopper.ID) ([][]shopper.KeyKind, error) {
	e, err := i.vault.Evidence(ctx, i.members(who), followedMax)
	if err != nil {
		return nil, tangled(err)
	}
	outcome, err := graph.Resolve(evidenceOf(&e), i.cfg.Rules)
	if err != nil {
		return nil, fmt.Errorf("work out who is who: %w", err)
	}
	mates, err := i.mates(ctx, &e, outcome, outcome.Canonical(who))
	out := make([][]shopper.KeyKind, len(mates))
	for n := range mates {
		out[n] = mates[n].Shares
	}
	return out, err
}

// mates are who lives with the canonical shopper one, in order of their numbers.
func (i *Identity) mates(ctx context.Context, e *vault.Evidence, outcome *graph.Outcome, one shopper.ID) ([]Mate, error) {
	ties, kinds := tiesOf(e)
	homes, err := graph.Households(outcome, ties, i.cfg.Rules.Keys[shopper.Card].Shoppers)
	if err != nil {
		return nil, fmt.Errorf("work out households: %w", err)
	}
	at := slices.IndexFunc(homes, func(h graph.Household) bool { return slices.Contains(h, one) })
	if at < 0 {
		return nil, nil
	}
	places := make(map[shopper.ID]map[graph.Place]bool) // of people
	for _, tie := range ties {
		who := outcome.Canonical(tie.Shopper)
		if places[who] == nil {
			places[who] = make(map[graph.Place]bool)
		}
		places[who][tie.Place] = true
	}
	var out []Mate
	for _, other := range homes[at] {
		if other == one {
			continue
		}
		mate := Mate{Keys: make(Side)}
		for place := range places[other] {
			if kind := kinds[place]; places[one][place] && !slices.Contains(mate.Shares, kind) {
				mate.Shares = append(mate.Shares, kind)
			}
		}
		slices.Sort(mate.Shares)
		for _, member := range outcome.Cluster(other).Shoppers {
			side, err := i.side(ctx, member)
			if err != nil {
				return nil, err
			}
			for kind, n := range side {
				mate.Keys[kind] += n
			}
		}
		out = append(out, mate)
	}
	return out, nil
}

// tiesOf are the keys of evidence that proves who acted, as places where shoppers
// were, and the kind of each.
func tiesOf(e *vault.Evidence) ([]graph.Tie, map[graph.Place]shopper.KeyKind) {
	all := evidenceOf(e)
	var out []graph.Tie
	kinds := make(map[graph.Place]shopper.KeyKind)
	for n := range all.Edges {
		edge := &all.Edges[n]
		key, ok := edge.B.Key()
		if !ok || !edge.Basis.Authenticated() || slices.Contains(all.Withdrawn, edge.ID) {
			continue
		}
		place := graph.Place(sha256.Sum256([]byte(string(key.Kind()) + " " + key.Reveal())))
		kinds[place] = key.Kind()
		out = append(out, graph.Tie{ID: edge.ID, Shopper: edge.A.Shopper(), Place: place, At: edge.At})
	}
	return out, kinds
}
