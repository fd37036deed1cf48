package identity

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"endcap/keep/vault"
	"endcap/know/identity/graph"
	"endcap/retail"
	"endcap/retail/shopper"
)

// Limits of merging: how many rows of a list are worked out at once, how often a
// change that another one overtook is worked out again, and through a key of how
// many shoppers the evidence is followed. That is more than Config.Rules lets
// share a key, so that what is not followed links nobody, neither before a
// change nor after it.
const (
	mergeChunk  = 256
	staleMax    = 8
	followedMax = 8
)

// Vouched is who vouches for evidence, and how.
type Vouched struct {
	Basis  graph.Basis
	Source string // file, caller or job
	By     string // whose name stands for it
	Say    string // what it rests on, in words that name nobody
	At     time.Time
}

// Verdict is what evidence came to.
type Verdict struct {
	Who     shopper.ID    // whom the keys name
	Edge    string        // the id of the evidence, where there was any
	New     bool          // the vault did not know all of it
	Refusal graph.Refusal // why several shoppers are not one; empty where they are
}

// Declare brings rows of keys in, each row the keys of one person. Unknown keys
// are added (vault.Declare says to whom); a row whose keys belong to several
// shoppers is evidence that they are one. Saying a row again changes nothing,
// and evidence that was withdrawn stays so.
func (i *Identity) Declare(ctx context.Context, rows [][]shopper.Key, v Vouched) ([]Verdict, error) {
	if !v.Basis.Authenticated() {
		return nil, fmt.Errorf("%w: rows that vouch for nobody are for Name", graph.ErrEvidence)
	}
	i.merging.Lock()
	defer i.merging.Unlock()
	known, err := i.Known(ctx, rows)
	if err != nil {
		return nil, err
	}
	out := make([]Verdict, len(rows))
	place := 0
	for some := range slices.Chunk(rows, mergeChunk) {
		if err := i.declare(ctx, some, v, out[place:]); err != nil {
			return nil, err
		}
		for n := range some {
			out[place+n].New = out[place+n].New || !known[place+n] && out[place+n].Edge == ""
		}
		place += len(some)
	}
	return out, nil
}

func (i *Identity) declare(ctx context.Context, rows [][]shopper.Key, v Vouched, out []Verdict) error {
	placed, err := i.vault.Declare(ctx, rows, vault.Declaration{Basis: string(v.Basis), At: v.At, Mint: i.mint})
	if err != nil {
		return fmt.Errorf("declare %d shoppers: %w", len(rows), err)
	}
	var edges []vault.Edge
	var around []shopper.ID
	of := make([][]string, len(rows)) // the evidence of each row
	for n, row := range rows {
		for _, key := range row {
			i.ids.drop(key)
		}
		held := placed[n].Who
		found := tie(row, held, v)
		for _, e := range found {
			of[n] = append(of[n], e.ID)
		}
		edges = append(edges, found...)
		if best := strongest(row, held); best >= 0 {
			out[n].Who = held[best]
		}
		if placed[n].Tied || len(found) > 0 {
			around = append(around, held...)
		}
	}
	if len(around) == 0 {
		return nil
	}
	done, err := i.change(ctx, around, func(*vault.Evidence) (vault.Merger, error) { return vault.Merger{Edges: edges, At: v.At}, nil })
	if errors.Is(err, vault.ErrLimit) && len(rows) > 1 { // too much hangs together: one by one
		for n := range rows {
			if err := i.declare(ctx, rows[n:n+1], v, out[n:n+1]); err != nil {
				return err
			}
		}
		return nil
	}
	if errors.Is(err, vault.ErrLimit) {
		out[0].Refusal = graph.RefusedShoppers
		return nil
	}
	if err != nil {
		return err
	}
	for n := range rows {
		for _, id := range of[n] {
			out[n].Edge, out[n].New = id, out[n].New || done.fresh[id]
			if why := done.outcome.Refused[id]; why != "" {
				out[n].Refusal = why
			}
		}
		out[n].Who = i.Canonical(out[n].Who)
	}
	return nil
}

// tie gives the evidence of one row: the shopper of its strongest key has the
// others' keys too.
func tie(row []shopper.Key, held []shopper.ID, v Vouched) []vault.Edge {
	best := strongest(row, held)
	var out []vault.Edge
	for n, key := range row {
		if best < 0 || !held[n].Known() || held[n] == held[best] {
			continue
		}
		out = append(out, vault.Edge{
			ID: nameOf(v.Basis, held[best], shopper.ID{}, key, time.Time{}), A: held[best], Key: key,
			Basis: string(v.Basis), Source: v.Source, By: v.By, Say: v.Say, At: v.At,
		})
	}
	return out
}

// strongest is the place of the key that says most about who somebody is.
func strongest(row []shopper.Key, held []shopper.ID) int {
	order := []shopper.KeyKind{shopper.Account, shopper.Card, shopper.EmailHash, shopper.PhoneHash, shopper.Device}
	best := -1
	for n := range row {
		if held[n].Known() && (best < 0 || slices.Index(order, row[n].Kind()) < slices.Index(order, row[best].Kind())) {
			best = n
		}
	}
	return best
}

// nameOf is the id of a piece of evidence: a hash over its ends, whose random
// numbers nobody outside the vault can guess.
func nameOf(basis graph.Basis, a, b shopper.ID, key shopper.Key, at time.Time) string {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, a.Reveal()), b.Reveal()))
	for _, part := range []string{string(basis), string(key.Kind()), key.Reveal()} {
		h.Write(append([]byte(part), 0))
	}
	if !at.IsZero() {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro())))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// changed is what a change came to.
type changed struct {
	outcome *graph.Outcome
	fresh   map[string]bool // edges that the vault did not have
	moved   int             // shoppers who are known as somebody else than before
}

// change works out who is who around some shoppers after a change and saves it.
// The caller holds i.merging; another process may come between, and then it is
// worked out again.
func (i *Identity) change(ctx context.Context, around []shopper.ID, edit func(*vault.Evidence) (vault.Merger, error)) (changed, error) {
	for try := 0; ; try++ {
		e, err := i.vault.Evidence(ctx, around, followedMax)
		if err != nil {
			return changed{}, fmt.Errorf("merge: %w", err)
		}
		m, err := edit(&e)
		if err != nil {
			return changed{}, err
		}
		done, next, err := i.settle(&e, &m)
		if err != nil {
			return changed{}, err
		}
		if len(m.Members)+len(m.Edges)+len(m.Withdraw)+len(m.Settled) == 0 && i.shown(e.Shoppers, next) {
			return done, nil
		}
		if err := i.clusters.room(len(m.Members)); err != nil {
			return changed{}, err
		}
		switch err := i.vault.Merge(ctx, m); {
		case errors.Is(err, vault.ErrStale) && try < staleMax:
			continue
		case errors.Is(err, vault.ErrForgotten):
			return changed{}, &retail.Error{Kind: retail.NotFound, Say: "one of the shoppers was forgotten, and cannot be merged", Err: err}
		case err != nil:
			return changed{}, fmt.Errorf("merge: %w", err)
		}
		i.show(&e, next)
		return done, nil
	}
}

// settle works out what all evidence comes to, and completes m by how shoppers
// are known from now on.
func (i *Identity) settle(e *vault.Evidence, m *vault.Merger) (changed, []*cluster, error) {
	done := changed{fresh: make(map[string]bool)}
	have := make(map[string]bool, len(e.Edges))
	for n := range e.Edges {
		have[e.Edges[n].ID] = true
	}
	all := *e
	all.Edges, all.Withdrawn = slices.Clone(e.Edges), append(slices.Clone(e.Withdrawn), m.Withdraw...)
	for n := range m.Edges {
		if id := m.Edges[n].ID; !have[id] {
			have[id], done.fresh[id] = true, true
			all.Edges = append(all.Edges, m.Edges[n])
		}
	}
	var err error
	if done.outcome, err = graph.Resolve(evidenceOf(&all), i.cfg.Rules); err != nil {
		return done, nil, fmt.Errorf("work out who is who: %w", err)
	}
	before := make(map[shopper.ID]shopper.ID, len(e.Members))
	for _, member := range e.Members {
		before[member.Shopper] = member.Canonical
	}
	var next []*cluster
	seen := make(map[shopper.ID]bool)
	for _, who := range e.Shoppers {
		c := done.outcome.Cluster(who)
		now := shopper.ID{}
		if len(c.Shoppers) > 1 {
			if now = c.Canonical; !seen[now] {
				seen[now] = true
				next = append(next, &cluster{now, c.Shoppers})
			}
		}
		if before[who] != now {
			m.Members = append(m.Members, vault.Member{Shopper: who, Canonical: now})
			if cmp.Or(before[who], who) != cmp.Or(now, who) {
				done.moved++
			}
		}
	}
	m.Revision = e.Revision
	return done, next, nil
}

// neighbours are the shoppers whose clusters may be others when there is no more
// evidence about who. Where too much hangs together to be looked at, that is
// those of her own cluster.
func (i *Identity) neighbours(ctx context.Context, who shopper.ID) ([]shopper.ID, error) {
	e, err := i.vault.Evidence(ctx, []shopper.ID{who}, followedMax)
	switch {
	case errors.Is(err, vault.ErrLimit):
		e.Shoppers = slices.Clone(i.members(who))
	case err != nil:
		return nil, fmt.Errorf("look for evidence about a shopper: %w", err)
	}
	return slices.DeleteFunc(e.Shoppers, func(id shopper.ID) bool { return id == who }), nil
}

// resettle works out anew who is who around some shoppers. The caller holds i.merging.
func (i *Identity) resettle(ctx context.Context, around []shopper.ID) error {
	if len(around) == 0 {
		return nil
	}
	now := i.cfg.Clock()
	_, err := i.change(ctx, around, func(*vault.Evidence) (vault.Merger, error) { return vault.Merger{At: now}, nil })
	return err
}

// evidenceOf is the vault's evidence in the words of graph.
func evidenceOf(e *vault.Evidence) graph.Evidence {
	var out graph.Evidence
	gone := make(map[string]bool, len(e.Withdrawn))
	for _, w := range e.Withdrawn {
		gone[w.Edge] = true
		out.Withdrawn = append(out.Withdrawn, w.Edge)
	}
	for n := range e.Edges {
		from := &e.Edges[n]
		if from.Basis == vault.Apart {
			if !gone[from.ID] {
				out.Apart = append(out.Apart, graph.Pair{A: from.A, B: from.B})
			}
			continue
		}
		to := graph.Edge{ID: from.ID, A: graph.OfShopper(from.A), B: graph.OfShopper(from.B), Basis: graph.Basis(from.Basis), Source: from.Source, At: from.At}
		if !from.B.Known() {
			to.B = graph.OfKey(from.Key)
		}
		if to.Basis == graph.Linked {
			to.Probability = float64(from.PPM) / 1e6
		}
		out.Edges = append(out.Edges, to)
	}
	for _, h := range e.Held {
		basis := graph.Basis(h.Basis)
		switch h.Basis {
		case "":
			basis = graph.Observed
		case vault.OwnKey:
			basis = graph.Declared
		}
		at := h.At
		if at.IsZero() {
			at = time.Unix(0, 0)
		}
		out.Edges = append(out.Edges, graph.Edge{
			ID: "holds/" + nameOf(basis, h.Shopper, shopper.ID{}, h.Key, time.Time{}), A: graph.OfShopper(h.Shopper), B: graph.OfKey(h.Key), Basis: basis, At: at, Held: true,
		})
	}
	return out
}

// shown reports whether some shoppers are known here as next has it.
func (i *Identity) shown(who []shopper.ID, next []*cluster) bool {
	as := make(map[shopper.ID]*cluster)
	for _, one := range next {
		for _, member := range one.members {
			as[member] = one
		}
	}
	for _, id := range who {
		here, want := i.clusters.get(id), as[id]
		if (here == nil) != (want == nil) || here != nil && (here.canonical != want.canonical || !slices.Equal(here.members, want.members)) {
			return false
		}
	}
	return true
}

// show lets everybody here see a change: the clusters, and no copy of what a
// shopper allowed before.
func (i *Identity) show(e *vault.Evidence, next []*cluster) {
	touched := slices.Clone(e.Shoppers)
	for _, who := range e.Shoppers {
		touched = append(touched, i.members(who)...)
	}
	i.clusters.set(touched, next)
	i.recent.drop(touched)
	for _, who := range touched {
		i.says.drop(who)
	}
	i.release(touched)
}
