package sqlite

import (
	"context"
	"fmt"
	"math"

	"endcap/keep/vault"
	"endcap/retail/shopper"
)

// The statements of merges.
const (
	edgeColumns = `select id, a, b, kind, value, basis, ppm, source, who, say, at from edge `

	sqlEdge       = edgeColumns + `where id = ?`
	sqlEdgesFrom  = edgeColumns + `where a = ?`
	sqlEdgesTo    = edgeColumns + `where b = ? and b <> 0`
	sqlEdgesOfKey = edgeColumns + `where kind = ? and value = ? and not exists
		(select 1 from withdrawal where withdrawal.edge = edge.id) limit ?`
	sqlSharers = `select count(distinct a) from edge where kind = ? and value = ? and not exists
		(select 1 from withdrawal where withdrawal.edge = edge.id)`
	sqlAddEdge = `insert into edge (id, a, b, kind, value, basis, ppm, source, who, say, at)
		values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do nothing`
	sqlWithdrawal = `select edge, who, say, at from withdrawal where edge = ?`
	sqlWithdraw   = `insert into withdrawal (edge, who, say, at) values (?, ?, ?, ?) on conflict (edge) do nothing`

	sqlHoldings = `select kind, value, shopper, basis, at from identifier where shopper = ?`
	sqlHolder   = `select kind, value, shopper, basis, at from identifier where kind = ? and value = ?`

	sqlMember     = `select canonical from member where shopper = ?`
	sqlMembers    = `select shopper, canonical from member`
	sqlSetMember  = `insert into member (shopper, canonical) values (?, ?) on conflict (shopper) do update set canonical = excluded.canonical`
	sqlDropMember = `delete from member where shopper = ?`

	sqlConcerned = `select a as who from edge where a > ? union select shopper from member where shopper > ? order by who limit ?`

	sqlAddMove = `insert into move (seq, shopper, canonical, at) values (?, ?, ?, ?)`
	sqlMoves   = `select seq, shopper, canonical, at from move order by seq limit ?`
	sqlTold    = `delete from move where seq <= ?`

	sqlAddProposal = `insert into proposal (id, a, b, ppm, source, say, at) values (?, ?, ?, ?, ?, ?, ?) on conflict (a, b) do nothing`
	sqlProposals   = `select id, a, b, ppm, source, say, at from proposal where id > ? order by id limit ?`
	sqlSettle      = `delete from proposal where id = ?`
)

// The marks of merges: how often anything about them changed, and the last move.
const (
	markMerges    = "merges"
	markMoves     = "moves"
	markProposals = "proposals"
)

// forgetMerges deletes all evidence about a shopper and about her keys, with its
// withdrawals. It is called while she still holds them.
func forgetMerges(c *conn, who shopper.ID) error {
	for _, sql := range []string{
		`delete from withdrawal where edge in (select e.id from identifier i join edge e on e.kind = i.kind and e.value = i.value where i.shopper = ?)`,
		`delete from edge where id in (select e.id from identifier i join edge e on e.kind = i.kind and e.value = i.value where i.shopper = ?)`,
		`delete from withdrawal where edge in (select id from edge where a = ?)`,
		`delete from withdrawal where edge in (select id from edge where b = ?)`,
		`delete from edge where a = ?`,
		`delete from edge where b = ?`,
		`delete from member where shopper = ?`,
		`delete from member where canonical = ?`,
		`delete from move where shopper = ?`,
		`delete from move where canonical = ?`,
		`delete from proposal where a = ?`,
		`delete from proposal where b = ?`,
	} {
		if err := c.query(sql).int(stored(who)).exec(); err != nil {
			return err
		}
	}
	_, err := step(c, markMerges)
	return err
}

// step moves a mark on by one and gives where it stood before.
func step(c *conn, name string) (int64, error) {
	at, _, err := c.query(sqlMark).text(name).one()
	if err != nil {
		return 0, err
	}
	return at, c.query(sqlSetMark).text(name).int(at + 1).exec()
}

// edge reads the row that q stands on.
func (q *query) edge() vault.Edge {
	s := q.stmt
	e := vault.Edge{
		ID: s.ColumnText(0), A: known(s.ColumnInt64(1)), B: known(s.ColumnInt64(2)), Basis: s.ColumnText(5), PPM: s.ColumnInt64(6),
		Source: s.ColumnText(7), By: s.ColumnText(8), Say: s.ColumnText(9), At: instant(s.ColumnInt64(10)),
	}
	if kind := s.ColumnText(3); kind != "" {
		key, err := shopper.ParseKey(shopper.KeyKind(kind), s.ColumnText(4))
		if err != nil && q.err == nil {
			q.err = err
		}
		e.Key = key
	}
	return e
}

// edges reads all rows of a query.
func (q *query) edges() (out []vault.Edge, err error) {
	for q.next() {
		out = append(out, q.edge())
	}
	return out, q.done()
}

// holdings reads all rows of a query.
func (q *query) holdings() (out []vault.Holding, err error) {
	for q.next() {
		s := q.stmt
		key, err := shopper.ParseKey(shopper.KeyKind(s.ColumnText(0)), s.ColumnText(1))
		if err != nil && q.err == nil {
			q.err = err
		}
		out = append(out, vault.Holding{Shopper: known(s.ColumnInt64(2)), Key: key, Basis: s.ColumnText(3), At: instant(s.ColumnInt64(4))})
	}
	return out, q.done()
}

// Edge implements vault.Merges.
func (v *Vault) Edge(ctx context.Context, id string) (e vault.Edge, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		found, err := c.query(sqlEdge).text(id).edges()
		if err == nil && len(found) == 0 {
			err = vault.ErrNotFound
		}
		if err == nil {
			e = found[0]
		}
		return err
	})
	if err != nil {
		return e, fmt.Errorf("read evidence: %w", err)
	}
	return e, nil
}

// Merge implements vault.Merges.
func (v *Vault) Merge(ctx context.Context, m vault.Merger) error {
	err := m.Check()
	if err == nil {
		err = v.do(ctx, func(c *conn) error { return v.merge(c, &m) })
	}
	return named("merge", err)
}

func (v *Vault) merge(c *conn, m *vault.Merger) error {
	at, err := step(c, markMerges)
	if err != nil {
		return err
	}
	if at != m.Revision {
		return vault.ErrStale
	}
	for i := range m.Edges {
		if err := v.addEdge(c, &m.Edges[i]); err != nil {
			return err
		}
	}
	for i := range m.Withdraw {
		w := &m.Withdraw[i]
		if err := c.query(sqlWithdraw).text(w.Edge).text(w.By).text(w.Say).int(micros(w.At)).exec(); err != nil {
			return err
		}
	}
	for _, id := range m.Settled {
		if err := c.query(sqlSettle).int(position(id)).exec(); err != nil {
			return err
		}
	}
	for _, to := range m.Members {
		if err := v.moveMember(c, to, micros(m.At)); err != nil {
			return err
		}
	}
	return nil
}

func (v *Vault) addEdge(c *conn, e *vault.Edge) error {
	for _, who := range []shopper.ID{e.A, e.B} {
		if err := v.living(c, who); err != nil {
			return err
		}
	}
	return c.query(sqlAddEdge).text(e.ID).int(stored(e.A)).int(stored(e.B)).text(string(e.Key.Kind())).text(e.Key.Reveal()).
		text(e.Basis).int(e.PPM).text(e.Source).text(e.By).text(e.Say).int(micros(e.At)).exec()
}

// living returns ErrForgotten for somebody whom the vault does not know.
func (v *Vault) living(c *conn, who shopper.ID) error {
	if !who.Known() {
		return nil
	}
	_, found, err := c.query(sqlPerson).int(stored(who)).one()
	if err == nil && !found {
		err = vault.ErrForgotten
	}
	return err
}

// moveMember saves as whom a shopper is known, with the move where that changes.
func (v *Vault) moveMember(c *conn, to vault.Member, at int64) error {
	if err := v.living(c, to.Shopper); err != nil {
		return err
	}
	before, found, err := c.query(sqlMember).int(stored(to.Shopper)).one()
	if err != nil {
		return err
	}
	if !found {
		before = stored(to.Shopper)
	}
	after := stored(to.Canonical)
	if to.Canonical.Known() {
		err = c.query(sqlSetMember).int(stored(to.Shopper)).int(after).exec()
	} else {
		after, err = stored(to.Shopper), c.query(sqlDropMember).int(stored(to.Shopper)).exec()
	}
	if err != nil || before == after {
		return err
	}
	seq, err := step(c, markMoves)
	if err != nil {
		return err
	}
	return c.query(sqlAddMove).int(seq + 1).int(stored(to.Shopper)).int(after).int(at).exec()
}

// Members implements vault.Merges.
func (v *Vault) Members(ctx context.Context, each func(vault.Member) error) error {
	err := v.file.read(ctx, func(c *conn) error {
		q := c.query(sqlMembers)
		for q.next() {
			if q.err = each(vault.Member{Shopper: known(q.stmt.ColumnInt64(0)), Canonical: known(q.stmt.ColumnInt64(1))}); q.err != nil {
				break
			}
		}
		return q.done()
	})
	return named("read merged shoppers", err)
}

// Concerned implements vault.Merges.
func (v *Vault) Concerned(ctx context.Context, after shopper.ID, limit int) (out []shopper.ID, err error) {
	from := stored(after)
	if !after.Known() { // the numbers of some are below 0 here
		from = math.MinInt64
	}
	err = v.file.read(ctx, func(c *conn) error {
		q := c.query(sqlConcerned).int(from).int(from).int(int64(limit))
		for q.next() {
			out = append(out, known(q.stmt.ColumnInt64(0)))
		}
		return q.done()
	})
	return out, named("read whom evidence is about", err)
}

// Moves implements vault.Merges.
func (v *Vault) Moves(ctx context.Context, limit int) (out []vault.Move, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		q := c.query(sqlMoves).int(page(limit, vault.PageMax))
		for q.next() {
			s := q.stmt
			out = append(out, vault.Move{
				Seq: number(s.ColumnInt64(0)), Shopper: known(s.ColumnInt64(1)), Canonical: known(s.ColumnInt64(2)), At: instant(s.ColumnInt64(3)),
			})
		}
		return q.done()
	})
	return out, named("read moves", err)
}

// Told implements vault.Merges.
func (v *Vault) Told(ctx context.Context, upto uint64) error {
	return named("drop told moves", v.do(ctx, func(c *conn) error { return c.query(sqlTold).int(position(upto)).exec() }))
}

// Propose implements vault.Proposals. A pair is kept with the lower number first.
func (v *Vault) Propose(ctx context.Context, all []vault.Proposal) error {
	err := v.do(ctx, func(c *conn) error {
		for i := range all {
			if err := v.propose(c, &all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("propose %d merges: %w", len(all), err)
	}
	return nil
}

func (v *Vault) propose(c *conn, p *vault.Proposal) error {
	if len(p.Source) > vault.NameMax || len(p.Say) > vault.TextMax || !p.A.Known() || !p.B.Known() || p.A == p.B {
		return fmt.Errorf("%w: a proposal names two shoppers, its source in %d bytes and its evidence in %d", vault.ErrLimit, vault.NameMax, vault.TextMax)
	}
	a, b := p.A, p.B
	if b.Reveal() < a.Reveal() {
		a, b = b, a
	}
	for _, who := range []shopper.ID{a, b} {
		if _, found, err := c.query(sqlPerson).int(stored(who)).one(); err != nil || !found {
			return err
		}
	}
	id, err := step(c, markProposals)
	if err != nil {
		return err
	}
	return c.query(sqlAddProposal).int(id + 1).int(stored(a)).int(stored(b)).int(p.PPM).text(p.Source).text(p.Say).int(micros(p.At)).exec()
}

// Proposals implements vault.Proposals.
func (v *Vault) Proposals(ctx context.Context, after uint64, limit int) (out []vault.Proposal, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		q := c.query(sqlProposals).int(position(after)).int(page(limit, vault.PageMax))
		for q.next() {
			s := q.stmt
			out = append(out, vault.Proposal{
				ID: number(s.ColumnInt64(0)), A: known(s.ColumnInt64(1)), B: known(s.ColumnInt64(2)), PPM: s.ColumnInt64(3),
				Source: s.ColumnText(4), Say: s.ColumnText(5), At: instant(s.ColumnInt64(6)),
			})
		}
		return q.done()
	})
	return out, named("read proposals", err)
}
