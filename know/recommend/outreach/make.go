package outreach

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"endcap/know/recommend"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/shopper"
	"endcap/retail/visit"
)

// Shoppers are gone through by ascending id, in parts of equal width. A run that
// broke off goes on at the beginning of a part, which names nobody.
const (
	Parts     = 4_096
	pageSize  = 256
	workPiece = 10 * time.Millisecond // of work between two rests
)

// maker makes the rows of one batch.
type maker struct {
	Ports
	terms     Terms
	still     *recommend.Still
	visit     visit.Visit
	made, end time.Time

	worked time.Time // when it rested last
	row    Row
}

// newMaker makes a maker of a batch that was begun at an instant.
func newMaker(p Ports, t Terms, made time.Time, still *recommend.Still) *maker {
	m := &maker{Ports: p, terms: t, still: still, made: made, end: made.Add(time.Duration(t.Hours) * time.Hour), worked: p.Wall()}
	m.visit = visit.Visit{At: made, Day: retail.DayOf(made, p.Zone), Channel: catalog.Online, Store: t.Store, List: t.List}
	if t.Outlet == Till {
		m.visit.Channel = catalog.InStore
	}
	m.row = Row{
		KeyKind: string(t.Outlet.Key()), List: string(t.List), Model: still.Model, Related: still.Related, Next: still.Next, Rules: still.Rules,
		MadeAt: m.made, ValidUntil: m.end,
	}
	return m
}

// Counts are how many of whom a batch holds.
type Counts struct {
	Seen     int `json:"shoppers_seen"` // of whom something is known
	Shoppers int `json:"shoppers"`      // named in it
	Rows     int `json:"rows"`
}

// part writes the rows of the shoppers of one part.
func (m *maker) part(ctx context.Context, part int, to Writer, n *Counts) error {
	shift := uint(64 - bits.Len(uint(Parts-1)))
	from, last := shopper.FromUint64(uint64(part)<<shift), uint64(part)<<shift|(1<<shift-1)
	for {
		page, err := m.Shoppers.Page(ctx, from, pageSize)
		if err != nil {
			return err
		}
		for _, who := range page {
			if who.Reveal() > last {
				return nil
			}
			n.Seen++
			if err := m.one(ctx, who, to, n); err != nil {
				return err
			}
			if err := m.rest(ctx); err != nil {
				return err
			}
		}
		if len(page) < pageSize || page[len(page)-1].Reveal() >= last {
			return nil
		}
		from = shopper.FromUint64(page[len(page)-1].Reveal() + 1)
	}
}

// rest lets visits come first, and ends where ctx does.
func (m *maker) rest(ctx context.Context) error {
	if now := m.Wall(); now.Sub(m.worked) >= workPiece {
		if m.Visits != nil && m.Visits() {
			wait := time.NewTimer(now.Sub(m.worked))
			defer wait.Stop()
			select {
			case <-wait.C:
			case <-ctx.Done():
			}
		}
		m.worked = m.Wall()
	}
	return ctx.Err()
}

// one writes the rows of one person, at the least of her ids of which anything is
// known.
func (m *maker) one(ctx context.Context, who shopper.ID, to Writer, n *Counts) error {
	members, err := m.People.Members(ctx, who)
	if err != nil {
		return err
	}
	if first, err := m.first(ctx, who, members); err != nil || !first {
		return err
	}
	p, err := m.Profiles.Get(ctx, who)
	if err != nil {
		return fmt.Errorf("read a profile: %w", err)
	}
	if len(p) == 0 || !m.People.Holds(who, p[m.Consents], m.Now()).Allows(consent.PersonalOffers) {
		return nil
	}
	keys, err := m.keys(ctx, members)
	if err != nil || len(keys) == 0 {
		return err
	}
	var as shopper.ID
	if p[m.Habits] != nil {
		as = m.People.Canonical(who)
	}
	list := m.still.Propose(as, p[m.Habits], &m.visit, m.terms.N).Proposals
	if len(list) == 0 {
		return nil
	}
	n.Shoppers++
	for _, key := range keys {
		m.row.Key = key
		for i := range list {
			m.tell(int32(i+1), &list[i])
			if err := to.Write(&m.row); err != nil {
				return err
			}
			n.Rows++
		}
	}
	return nil
}

// first reports whether who is the least of some ids of one person of which
// anything is known.
func (m *maker) first(ctx context.Context, who shopper.ID, members []shopper.ID) (bool, error) {
	if len(members) < 2 {
		return true, nil
	}
	for _, id := range members {
		if id.Reveal() > who.Reveal() {
			continue
		}
		p, err := m.Shoppers.Get(ctx, id)
		if err != nil {
			return false, fmt.Errorf("read a profile: %w", err)
		}
		if (len(p) > 0) != (id == who) {
			return false, nil
		}
	}
	return true, nil
}

// keys are all keys of one person by which the outlet may know her, in order.
func (m *maker) keys(ctx context.Context, members []shopper.ID) (out []string, err error) {
	kind := m.terms.Outlet.Key()
	for _, id := range members {
		all, err := m.Keys.Keys(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		for _, key := range all {
			if key.Kind() == kind {
				out = append(out, key.Reveal())
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// tell writes one proposal into the row.
func (m *maker) tell(place int32, p *visit.Proposal) {
	r := &m.row
	r.Place, r.Product, r.Name, r.Reason = place, string(p.Product), m.name(p.Product), string(p.Reason)
	r.Because, r.Count, r.Every, r.Due, r.Other = p.Say(m.visit.Day, m.name), int32(p.Count), int32(p.Every), "", string(p.Other)
	if p.Reason == visit.DueAgain {
		r.Due = p.Due.String()
	}
}

// name is what a product is called, empty where it is unknown.
func (m *maker) name(id catalog.ProductID) string {
	p, ok := m.Product(id)
	if !ok {
		return ""
	}
	return p.Called()
}
