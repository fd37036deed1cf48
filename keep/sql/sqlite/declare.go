package sqlite

import (
	"context"
	"fmt"
	"slices"

	"endcap/keep/vault"
	"endcap/retail/shopper"
)

// The statements of declarations.
const (
	sqlHolding = `select shopper, basis = '' from identifier where kind = ? and value = ?`
	sqlHoldsOf = `select count(*) from identifier where shopper = ? and kind = ?`
	sqlHold    = `insert into identifier (kind, value, shopper, basis, at) values (?, ?, ?, ?, ?)`
	sqlTied    = `select 1 where exists (select 1 from edge where a = ?) or exists (select 1 from edge where b = ?)
		or exists (select 1 from identifier i join edge e on e.kind = i.kind and e.value = i.value where i.shopper = ?)`
	sqlVouchFor = `update identifier set basis = ?, at = ? where kind = ? and value = ? and shopper = ? and basis = ''`
)

// strength is the order in which keys say who somebody is.
var strength = []shopper.KeyKind{shopper.Account, shopper.Card, shopper.EmailHash, shopper.PhoneHash, shopper.Device}

// Declare implements vault.Merges. Sets that say nothing new are answered by a
// reader; only the others wait for the writer.
func (v *Vault) Declare(ctx context.Context, sets [][]shopper.Key, d vault.Declaration) ([]vault.Placed, error) {
	if err := checkSets(sets); err != nil {
		return nil, err
	}
	if d.Basis == "" {
		return nil, fmt.Errorf("%w: a declaration says on what it rests", vault.ErrLimit)
	}
	out := make([]vault.Placed, len(sets))
	var open []int
	err := v.file.read(ctx, func(c *conn) error {
		for i, set := range sets {
			s, err := v.standing(c, set)
			if err != nil {
				return err
			}
			if out[i].Who = s.who; s.open {
				open = append(open, i)
			}
		}
		return nil
	})
	if err == nil && len(open) > 0 {
		// Drawn here, not by the writer, so that mint may itself ask the vault.
		drawn := make(map[shopper.Key]shopper.ID)
		for _, i := range open {
			for n, key := range sets[i] {
				if !out[i].Who[n].Known() {
					drawn[key] = d.Mint(key)
				}
			}
		}
		err = v.do(ctx, func(c *conn) (err error) {
			for _, i := range open {
				if out[i], err = v.declare(c, sets[i], &d, drawn); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("declare %d sets of keys: %w", len(sets), err)
	}
	return out, nil
}

// standing is what the vault knows of a set of keys.
type standing struct {
	who  []shopper.ID // whose each is
	mine shopper.ID   // whose the strongest known one is
	open bool         // something is to be written
}

func (v *Vault) standing(c *conn, set []shopper.Key) (standing, error) {
	s := standing{who: make([]shopper.ID, len(set))}
	seen := make([]bool, len(set)) // only seen beside others
	for i, key := range set {
		q := c.query(sqlHolding).text(string(key.Kind())).text(key.Reveal())
		if q.next() {
			s.who[i], seen[i] = known(q.stmt.ColumnInt64(0)), q.stmt.ColumnBool(1)
		}
		if err := q.done(); err != nil {
			return s, err
		}
		s.open = s.open || !s.who[i].Known()
	}
	for _, i := range byStrength(set) {
		if s.who[i].Known() {
			s.mine = s.who[i]
			break
		}
	}
	for i := range set {
		s.open = s.open || seen[i] && s.who[i] == s.mine
	}
	return s, nil
}

// byStrength gives the places of a set, those of the strongest keys first.
func byStrength(set []shopper.Key) []int {
	out := make([]int, len(set))
	for i := range out {
		out[i] = i
	}
	slices.SortStableFunc(out, func(a, b int) int {
		return slices.Index(strength, set[a].Kind()) - slices.Index(strength, set[b].Kind())
	})
	return out
}

// declare answers one set inside the writer.
func (v *Vault) declare(c *conn, set []shopper.Key, d *vault.Declaration, drawn map[shopper.Key]shopper.ID) (vault.Placed, error) {
	s, err := v.standing(c, set)
	if err != nil {
		return vault.Placed{}, err
	}
	for _, i := range byStrength(set) {
		kind, value := string(set[i].Kind()), set[i].Reveal()
		if s.who[i].Known() {
			if s.who[i] == s.mine {
				err = c.query(sqlVouchFor).text(d.Basis).int(micros(d.At)).text(kind).text(value).int(stored(s.mine)).exec()
			}
		} else if before := slices.Index(set[:i], set[i]); before >= 0 {
			s.who[i] = s.who[before]
		} else {
			s.who[i], err = v.hold(c, set[i], s.mine, d, drawn[set[i]])
		}
		if err != nil {
			return vault.Placed{}, err
		}
		if !s.mine.Known() {
			s.mine = s.who[i]
		}
	}
	_, tied, err := c.query(sqlTied).int(stored(s.mine)).int(stored(s.mine)).int(stored(s.mine)).one()
	return vault.Placed{Who: s.who, Tied: tied}, err
}

// hold gives a key that is nobody's to who, or to a shopper of its own, or to
// nobody where she has enough of its kind or it is suppressed.
func (v *Vault) hold(c *conn, key shopper.Key, who shopper.ID, d *vault.Declaration, drawn shopper.ID) (shopper.ID, error) {
	if marked, err := v.suppressed(c, key); err != nil || marked {
		return shopper.ID{}, err
	}
	basis := d.Basis
	if who.Known() {
		has, _, err := c.query(sqlHoldsOf).int(stored(who)).text(string(key.Kind())).one()
		if err != nil {
			return shopper.ID{}, err
		}
		if has >= int64(vault.KindMax(key.Kind())) {
			if !vault.Anchor(key.Kind()) {
				return shopper.ID{}, nil
			}
			who = shopper.ID{}
		}
	}
	if !who.Known() {
		var err error
		if who, err = v.mint(c, drawn); err != nil {
			return shopper.ID{}, err
		}
		basis = vault.OwnKey
	}
	return who, c.query(sqlHold).text(string(key.Kind())).text(key.Reveal()).int(stored(who)).text(basis).int(micros(d.At)).exec()
}
