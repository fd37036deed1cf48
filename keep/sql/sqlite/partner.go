package sqlite

import (
	"context"
	"fmt"
	"strings"
	"time"

	"endcap/keep/vault"
	"endcap/retail/shopper"
)

// The statements of partners.
const (
	sqlToldColumns = `select id, partner, shopper, names, first, last from told`
	sqlToldOf      = sqlToldColumns + ` where shopper = ? order by partner`
	sqlToldTo      = sqlToldColumns + ` where partner = ? and id > ? order by id limit ?`
	sqlTellAgain   = `update told set last = ? where shopper = ? and partner = ?`
	sqlTell        = `insert into told (id, partner, shopper, names, first, last)
		values ((select coalesce(max(id), 0) + 1 from told), ?, ?, '', ?, ?)`
	sqlUntell = `update told set shopper = 0, names = ? where id = ?`
)

// Tell implements vault.Partners.
func (v *Vault) Tell(ctx context.Context, partner string, who []shopper.ID, at time.Time) error {
	if len(who) > vault.BatchMax || partner == "" || len(partner) > vault.NameMax {
		return fmt.Errorf("%w: a partner is told of %d shoppers, at most %d", vault.ErrLimit, len(who), vault.BatchMax)
	}
	err := v.do(ctx, func(c *conn) error {
		for _, id := range who {
			gone, err := v.forgotten(c, id)
			if err != nil {
				return err
			}
			if gone || !id.Known() {
				continue
			}
			if err := c.query(sqlTellAgain).int(micros(at)).int(stored(id)).text(partner).exec(); err != nil {
				return err
			}
			if c.db.Changes() > 0 {
				continue
			}
			if err := c.query(sqlTell).text(partner).int(stored(id)).int(micros(at)).int(micros(at)).exec(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note what partner %s is told: %w", partner, err)
	}
	return nil
}

// ToldOf implements vault.Partners.
func (v *Vault) ToldOf(ctx context.Context, who shopper.ID) (told []vault.Told, err error) {
	if !who.Known() {
		return nil, nil
	}
	err = v.file.read(ctx, func(c *conn) (err error) {
		told, err = toldIn(c.query(sqlToldOf).int(stored(who)))
		return err
	})
	return told, named("read which partners were told", err)
}

// ToldTo implements vault.Partners.
func (v *Vault) ToldTo(ctx context.Context, partner string, after uint64, limit int) (told []vault.Told, err error) {
	err = v.file.read(ctx, func(c *conn) (err error) {
		told, err = toldIn(c.query(sqlToldTo).text(partner).int(position(after)).int(page(limit, vault.PageMax)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what partner %s was told: %w", partner, err)
	}
	return told, nil
}

func toldIn(q *query) (told []vault.Told, err error) {
	for q.next() {
		s := q.stmt
		told = append(told, vault.Told{
			ID: number(s.ColumnInt64(0)), Partner: s.ColumnText(1), Shopper: known(s.ColumnInt64(2)), Names: strings.Fields(s.ColumnText(3)),
			First: instant(s.ColumnInt64(4)), Last: instant(s.ColumnInt64(5)),
		})
	}
	return told, q.done()
}

// dropPseudonyms leaves, of what partners were told of a shopper, the pseudonyms
// that they are to delete.
func dropPseudonyms(c *conn, who shopper.ID) error {
	told, err := toldIn(c.query(sqlToldOf).int(stored(who)))
	if err != nil {
		return err
	}
	for _, t := range told {
		ring, err := ringOf(c, vault.PartnerRing(t.Partner))
		if err != nil {
			return err
		}
		names := make([]string, len(ring))
		for i, g := range ring {
			names[i] = vault.Pseudonym(g, who)
		}
		if err := c.query(sqlUntell).text(strings.Join(names, " ")).int(int64(t.ID)).exec(); err != nil {
			return err
		}
	}
	return nil
}
