package sqlite

import (
	"context"
	"fmt"

	"endcap/keep/vault"
	"endcap/retail/shopper"
)

// Evidence implements vault.Merges. All of it is read as of one instant.
func (v *Vault) Evidence(ctx context.Context, around []shopper.ID, sharedMax int) (vault.Evidence, error) {
	w := walk{
		sharedMax: sharedMax, shoppers: make(map[shopper.ID]bool), keys: make(map[shopper.Key]bool),
		edges: make(map[string]bool), held: make(map[shopper.Key]bool),
	}
	err := v.file.read(ctx, func(c *conn) error { return w.gather(c, around) })
	if err != nil {
		return vault.Evidence{}, fmt.Errorf("read evidence: %w", err)
	}
	return w.out, nil
}

// walk gathers evidence from shopper to shopper.
type walk struct {
	sharedMax int
	out       vault.Evidence
	shoppers  map[shopper.ID]bool // met
	keys      map[shopper.Key]bool
	edges     map[string]bool      // gathered
	held      map[shopper.Key]bool // gathered
	open      []shopper.ID         // met, to be visited
}

func (w *walk) gather(c *conn, around []shopper.ID) (err error) {
	if w.out.Revision, _, err = c.query(sqlMark).text(markMerges).one(); err != nil {
		return err
	}
	for _, who := range around {
		w.meet(who)
	}
	for len(w.open) > 0 {
		who := w.open[len(w.open)-1]
		w.open = w.open[:len(w.open)-1]
		if err := w.visit(c, who); err != nil {
			return err
		}
		if n := len(w.out.Edges) + len(w.out.Held); n > vault.EvidenceMax {
			return fmt.Errorf("%w: more than %d pieces of evidence hang together", vault.ErrLimit, vault.EvidenceMax)
		}
	}
	return nil
}

func (w *walk) meet(who shopper.ID) {
	if who.Known() && !w.shoppers[who] {
		w.shoppers[who] = true
		w.out.Shoppers = append(w.out.Shoppers, who)
		w.open = append(w.open, who)
	}
}

// visit gathers what a shopper holds, her evidence, and goes on from there.
func (w *walk) visit(c *conn, who shopper.ID) error {
	canonical, found, err := c.query(sqlMember).int(stored(who)).one()
	if err != nil {
		return err
	}
	if found {
		w.out.Members = append(w.out.Members, vault.Member{Shopper: who, Canonical: known(canonical)})
	}
	held, err := c.query(sqlHoldings).int(stored(who)).holdings()
	if err != nil {
		return err
	}
	for _, h := range held {
		w.hold(h)
		if err := w.key(c, h.Key); err != nil {
			return err
		}
	}
	for _, sql := range []string{sqlEdgesFrom, sqlEdgesTo} {
		edges, err := c.query(sql).int(stored(who)).edges()
		if err != nil {
			return err
		}
		for _, e := range edges {
			if err := w.edge(c, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walk) hold(h vault.Holding) {
	if !w.held[h.Key] {
		w.held[h.Key] = true
		w.out.Held = append(w.out.Held, h)
	}
}

// edge gathers one edge and goes on to its other end, unless it was withdrawn.
func (w *walk) edge(c *conn, e vault.Edge) error {
	if w.edges[e.ID] {
		return nil
	}
	w.edges[e.ID] = true
	w.out.Edges = append(w.out.Edges, e)
	q := c.query(sqlWithdrawal).text(e.ID)
	withdrawn := q.next()
	if withdrawn {
		w.out.Withdrawn = append(w.out.Withdrawn, vault.Withdrawal{
			Edge: e.ID, By: q.stmt.ColumnText(1), Say: q.stmt.ColumnText(2), At: instant(q.stmt.ColumnInt64(3)),
		})
	}
	if err := q.done(); err != nil || withdrawn {
		return err
	}
	if e.B.Known() {
		w.meet(e.A)
		w.meet(e.B)
		return nil
	}
	return w.key(c, e.Key)
}

// key goes on to everybody who shares a key, unless they are too many: then
// some of its edges are gathered, as many as show it.
func (w *walk) key(c *conn, key shopper.Key) error {
	if w.keys[key] {
		return nil
	}
	w.keys[key] = true
	kind, value := string(key.Kind()), key.Reveal()
	holder, err := c.query(sqlHolder).text(kind).text(value).holdings()
	if err != nil {
		return err
	}
	sharers, _, err := c.query(sqlSharers).text(kind).text(value).one()
	if err != nil {
		return err
	}
	few := int(sharers)+len(holder) <= w.sharedMax
	edges, err := c.query(sqlEdgesOfKey).text(kind).text(value).int(int64(w.sharedMax+1) * 4).edges()
	if err != nil {
		return err
	}
	for _, h := range holder {
		if w.hold(h); few {
			w.meet(h.Shopper)
		}
	}
	for _, e := range edges {
		if !w.edges[e.ID] {
			w.edges[e.ID] = true
			w.out.Edges = append(w.out.Edges, e)
		}
		if few {
			w.meet(e.A)
		}
	}
	return nil
}
