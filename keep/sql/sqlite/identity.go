package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/shopper"
)

// The statements of identities.
const (
	sqlShopper    = `select shopper from identifier where kind = ? and value = ?`
	sqlAddKey     = `insert into identifier (kind, value, shopper, basis) values (?, ?, ?, ?)`
	sqlKeys       = `select kind, value from identifier where shopper = ? order by kind, value`
	sqlPerson     = `select 1 from person where shopper = ?`
	sqlAddPerson  = `insert into person (shopper) values (?)`
	sqlOrdinal    = `select number from ordinal where shopper = ?`
	sqlAddOrdinal = `insert into ordinal (shopper, number) values (?, ?)`

	sqlMark    = `select value from mark where name = ?`
	sqlSetMark = `insert into mark (name, value) values (?, ?) on conflict (name) do update set value = excluded.value`
)

// mintTries bounds how often a minted id that is taken is drawn again; with
// 64-bit ids even the second try is news.
const mintTries = 64

// Resolve implements vault.Identities. Sets whose keys are all known are
// answered by a reader; only the others wait for the writer.
func (v *Vault) Resolve(ctx context.Context, sets [][]shopper.Key, mint vault.Mint) ([]shopper.ID, error) {
	if err := checkSets(sets); err != nil {
		return nil, err
	}
	out := make([]shopper.ID, len(sets))
	var open []int
	err := v.file.read(ctx, func(c *conn) error {
		for i, set := range sets {
			f, err := v.find(c, set)
			if err != nil {
				return err
			}
			if len(f.unknown) > 0 {
				open = append(open, i)
			} else {
				out[i] = f.who
			}
		}
		return nil
	})
	if err == nil && len(open) > 0 {
		// Drawn here, not by the writer, so that mint may itself ask the vault.
		drawn := make([]shopper.ID, len(open))
		for n, i := range open {
			drawn[n] = mint(sets[i][0])
		}
		err = v.do(ctx, func(c *conn) (err error) {
			for n, i := range open {
				if out[i], err = v.resolve(c, sets[i], drawn[n]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("resolve %d sets of keys: %w", len(sets), err)
	}
	return out, nil
}

func checkSets(sets [][]shopper.Key) error {
	if len(sets) > vault.BatchMax {
		return fmt.Errorf("%w: %d sets of keys in one call, at most %d", vault.ErrLimit, len(sets), vault.BatchMax)
	}
	for i, set := range sets {
		if len(set) > vault.KeysMax {
			return fmt.Errorf("%w: set %d has %d keys, at most %d", vault.ErrLimit, i, len(set), vault.KeysMax)
		}
	}
	return nil
}

// finding is what the vault knows of a set of keys.
type finding struct {
	who     shopper.ID    // whose they are; zero for nobody's, and where they join
	unknown []shopper.Key // the keys that are nobody's yet and are to be added
}

// find looks a set up. A suppressed key is never added, and beside no known one
// it makes the whole set nobody's: what comes with it is hers who was forgotten.
func (v *Vault) find(c *conn, set []shopper.Key) (f finding, err error) {
	joins, suppressed := false, false
	for _, key := range set {
		bits, found, err := c.query(sqlShopper).text(string(key.Kind())).text(key.Reveal()).one()
		switch {
		case err != nil:
			return f, err
		case !found:
			marked, err := v.suppressed(c, key)
			if err != nil {
				return f, err
			}
			if marked {
				suppressed = true
			} else {
				f.unknown = append(f.unknown, key)
			}
		case f.who.Known() && f.who != known(bits):
			joins = true
		default:
			f.who = known(bits)
		}
	}
	if joins || suppressed && !f.who.Known() {
		return finding{}, nil
	}
	return f, nil
}

// resolve answers one set, adding keys as needed, and drawn where nobody has one.
func (v *Vault) resolve(c *conn, set []shopper.Key, drawn shopper.ID) (shopper.ID, error) {
	f, err := v.find(c, set)
	if err != nil || len(f.unknown) == 0 {
		return f.who, err
	}
	who, own := f.who, -1
	if !who.Known() {
		if who, err = v.mint(c, drawn); err != nil {
			return shopper.ID{}, err
		}
		own = byStrength(f.unknown)[0]
	}
	for i, key := range f.unknown {
		if slices.Contains(f.unknown[:i], key) {
			continue
		}
		basis := ""
		if own >= 0 && key == f.unknown[own] {
			basis = vault.OwnKey
		}
		if err := c.query(sqlAddKey).text(string(key.Kind())).text(key.Reveal()).int(stored(who)).text(basis).exec(); err != nil {
			return shopper.ID{}, err
		}
	}
	return who, nil
}

// mint gives out first, or, where that is nobody, taken or forgotten, the first
// free id of the chain that starts there: the same first gives the same id in
// the same vault.
func (v *Vault) mint(c *conn, first shopper.ID) (shopper.ID, error) {
	who := first
	for range mintTries {
		if who.Known() {
			gone, err := v.forgotten(c, who)
			if err != nil {
				return shopper.ID{}, err
			}
			_, taken, err := c.query(sqlPerson).int(stored(who)).one()
			if err != nil {
				return shopper.ID{}, err
			}
			if !gone && !taken {
				return who, c.query(sqlAddPerson).int(stored(who)).exec()
			}
		}
		who = shopper.FromUint64(scramble(who.Reveal()))
	}
	return shopper.ID{}, errors.New("no free id was minted")
}

// scramble is the step of SplitMix64, a permutation of 64-bit numbers without
// short cycles.
func scramble(x uint64) uint64 { return retail.Mix(x + retail.GoldenGamma) }

// Lookup implements vault.Identities.
func (v *Vault) Lookup(ctx context.Context, keys []shopper.Key) ([]shopper.ID, error) {
	out := make([]shopper.ID, len(keys))
	err := v.file.read(ctx, func(c *conn) error {
		for i, key := range keys {
			bits, _, err := c.query(sqlShopper).text(string(key.Kind())).text(key.Reveal()).one()
			if err != nil {
				return err
			}
			out[i] = known(bits)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look %d keys up: %w", len(keys), err)
	}
	return out, nil
}

// Keys implements vault.Identities.
func (v *Vault) Keys(ctx context.Context, who shopper.ID) (out []shopper.Key, err error) {
	err = v.file.read(ctx, func(c *conn) (err error) {
		out, err = keysOf(c, who)
		return err
	})
	return out, named("keys of a shopper", err)
}

func keysOf(c *conn, who shopper.ID) (out []shopper.Key, err error) {
	q := c.query(sqlKeys).int(stored(who))
	for q.next() {
		key, err := shopper.ParseKey(shopper.KeyKind(q.stmt.ColumnText(0)), q.stmt.ColumnText(1))
		if err != nil {
			return nil, errors.Join(err, q.done())
		}
		out = append(out, key)
	}
	return out, q.done()
}

// Ordinals implements vault.Identities.
func (v *Vault) Ordinals(ctx context.Context, who []shopper.ID) ([]uint32, error) {
	if len(who) > vault.BatchMax {
		return nil, fmt.Errorf("%w: ordinals of %d shoppers in one call, at most %d", vault.ErrLimit, len(who), vault.BatchMax)
	}
	out := make([]uint32, len(who))
	var open []int
	err := v.file.read(ctx, func(c *conn) error {
		for i, id := range who {
			number, found, err := c.query(sqlOrdinal).int(stored(id)).one()
			if err != nil {
				return err
			}
			if !found {
				open = append(open, i)
			}
			out[i] = uint32(number)
		}
		return nil
	})
	if err == nil && len(open) > 0 {
		err = v.do(ctx, func(c *conn) error { return v.addOrdinals(c, who, open, out) })
	}
	if err != nil {
		return nil, fmt.Errorf("ordinals of %d shoppers: %w", len(who), err)
	}
	return out, nil
}

// addOrdinals mints the numbers of who[i] for each i of open into out. The next
// number is kept apart from the rows, so that a forgotten shopper's is never
// given to somebody else.
func (v *Vault) addOrdinals(c *conn, who []shopper.ID, open []int, out []uint32) error {
	next, _, err := c.query(sqlMark).text("ordinals").one()
	if err != nil {
		return err
	}
	for _, i := range open {
		number, found, err := c.query(sqlOrdinal).int(stored(who[i])).one()
		if err != nil {
			return err
		}
		gone, err := v.forgotten(c, who[i])
		switch {
		case err != nil:
			return err
		case found:
			out[i] = uint32(number)
			continue
		case gone || !who[i].Known():
			out[i] = vault.NoOrdinal
			continue
		case next >= int64(vault.NoOrdinal):
			return fmt.Errorf("%w: all %d ordinals are given out", vault.ErrLimit, vault.NoOrdinal)
		}
		if err := c.query(sqlAddOrdinal).int(stored(who[i])).int(next).exec(); err != nil {
			return err
		}
		out[i] = uint32(next)
		next++
	}
	return c.query(sqlSetMark).text("ordinals").int(next).exec()
}
