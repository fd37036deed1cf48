package sqlite

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"endcap/keep/vault"
	"endcap/retail/consent"
	"endcap/retail/shopper"
)

// The statements of consents.
const (
	sayingColumns = `shopper, event, allowed, refused, wording, version, language, text_sum, means, channel, country, evidence, note, source, at, until, received`

	sqlAddSaying = `insert into saying (seq, salt, ` + sayingColumns + `)
		values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (event) do nothing`
	sqlAllowed   = `select allowed from saying where shopper = ? order by at desc, seq desc limit 1`
	sqlSayings   = `select ` + sayingColumns + `, seq, salt from saying where shopper = ? order by at, seq`
	sqlLastEver  = `select max(coalesce((select max(seq) from saying), 0), coalesce((select max(seq) from link), 0))`
	sqlLastChain = `select chain from link order by seq desc limit 1`
	sqlAddLink   = `insert into link (seq, digest, chain) values (?, ?, ?)`
	sqlLapsing   = `select ` + sayingColumns + `, seq, salt from saying where until > 0 and allowed > 0 and until > ? and until <= ? and seq > ? order by seq limit ?`
	sqlUnsalted  = `select ` + sayingColumns + `, seq, salt from saying where length(salt) = 0 order by seq limit ?`
	sqlSalt      = `update saying set salt = ? where seq = ?`
)

// lapsedMark names the mark up to which lapsed consents are recorded.
const lapsedMark = "lapsed"

// Say implements vault.Consents. What is said for a forgotten shopper, or for
// nobody, is not kept.
func (v *Vault) Say(ctx context.Context, said []vault.Said) error {
	for i := range said {
		if err := said[i].Check(); err != nil {
			return fmt.Errorf("consent %d: %w", i, err)
		}
	}
	err := v.do(ctx, func(c *conn) error {
		seq, _, err := c.query(sqlLastEver).one()
		if err != nil {
			return err
		}
		chain, err := lastChain(c)
		if err != nil {
			return err
		}
		for i := range said {
			gone, err := v.forgotten(c, said[i].Shopper)
			if err != nil {
				return err
			}
			if gone || !said[i].Shopper.Known() {
				continue
			}
			kept, err := keep(c, said[i], seq+1, &chain)
			if err != nil {
				return err
			}
			if kept {
				seq++
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("say %d consents: %w", len(said), err)
	}
	return nil
}

// keep records a saying under a number and adds it to the chain, unless its
// event is recorded already.
func keep(c *conn, s vault.Said, seq int64, chain *[32]byte) (bool, error) {
	salt, err := newSalt()
	if err != nil {
		return false, err
	}
	s.At, s.Until, s.Received = instant(micros(s.At)), instant(micros(s.Until)), instant(micros(s.Received)) // as it will be read
	err = c.query(sqlAddSaying).int(seq).blob(salt).int(stored(s.Shopper)).text(s.EventID).int(int64(s.Allowed)).int(int64(s.Refused)).
		text(s.Wording).int(s.Version).text(s.Language).blob(sumOf(s.Text)).text(s.Means).text(s.Channel).text(s.Country).
		text(s.Evidence).text(s.Note).text(s.Source).int(micros(s.At)).int(micros(s.Until)).int(micros(s.Received)).exec()
	if err != nil || c.db.Changes() == 0 {
		return false, err
	}
	return true, link(c, &s, seq, salt, chain)
}

// link adds a recorded saying to the chain.
func link(c *conn, s *vault.Said, seq int64, salt []byte, chain *[32]byte) error {
	digest := vault.Digest(salt, s.Record(salt))
	*chain = vault.Chain(*chain, seq, digest)
	return c.query(sqlAddLink).int(seq).blob(digest[:]).blob(chain[:]).exec()
}

func newSalt() ([]byte, error) {
	salt := make([]byte, vault.SaltSize)
	_, err := rand.Read(salt)
	return salt, err
}

func sumOf(text [32]byte) []byte {
	if text == [32]byte{} {
		return []byte{}
	}
	return text[:]
}

func lastChain(c *conn) (chain [32]byte, err error) {
	q := c.query(sqlLastChain)
	if q.next() {
		copy(chain[:], q.bytes(0))
	}
	return chain, q.done()
}

// adoptMax is how many sayings of an older program are given their place in the
// chain at once.
const adoptMax = 5_000

// adoptedMark names the mark that is set once the sayings of an older program
// stand in the chain. From then on one without a salt was added beside it.
const adoptedMark = "adopted"

// adopt gives sayings that an older program recorded their place in the chain,
// in their order. It resumes where it was broken off.
func (v *Vault) adopt(ctx context.Context) error {
	done := false
	for !done {
		err := v.do(ctx, func(c *conn) error {
			mark, _, err := c.query(sqlMark).text(adoptedMark).one()
			if done = mark != 0; err != nil || done {
				return err
			}
			all, err := c.query(sqlUnsalted).int(adoptMax).sayings()
			if err == nil && len(all) == 0 {
				err = c.query(sqlSetMark).text(adoptedMark).int(1).exec()
			}
			if err != nil {
				return err
			}
			chain, err := lastChain(c)
			if err != nil {
				return err
			}
			for i := range all {
				salt, err := newSalt()
				if err != nil {
					return err
				}
				if err := c.query(sqlSalt).blob(salt).int(all[i].Seq).exec(); err != nil {
					return err
				}
				if err := link(c, &all[i], all[i].Seq, salt, &chain); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("give consents their place in the chain: %w", err)
		}
	}
	return nil
}

// Allowed implements vault.Consents.
func (v *Vault) Allowed(ctx context.Context, who []shopper.ID) ([]consent.Set, error) {
	out := make([]consent.Set, len(who))
	err := v.file.read(ctx, func(c *conn) error {
		for i, id := range who {
			bits, _, err := c.query(sqlAllowed).int(stored(id)).one()
			if err != nil {
				return err
			}
			out[i] = consent.Set(bits) & consent.All
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("what %d shoppers allow: %w", len(who), err)
	}
	return out, nil
}

// Sayings implements vault.Consents.
func (v *Vault) Sayings(ctx context.Context, who shopper.ID) (out []vault.Said, err error) {
	err = v.file.read(ctx, func(c *conn) (err error) {
		out, err = c.query(sqlSayings).int(stored(who)).sayings()
		return err
	})
	return out, named("what a shopper said", err)
}

// Lapsing implements vault.Consents.
func (v *Vault) Lapsing(ctx context.Context, now time.Time, after int64, limit int) (out []vault.Said, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		from, _, err := c.query(sqlMark).text(lapsedMark).one()
		if err == nil {
			out, err = c.query(sqlLapsing).int(from).int(micros(now)).int(after).int(page(limit, vault.PageMax)).sayings()
		}
		return err
	})
	return out, named("which consents lapse", err)
}

// Lapsed implements vault.Consents. The mark never goes back.
func (v *Vault) Lapsed(ctx context.Context, until time.Time) error {
	err := v.do(ctx, func(c *conn) error {
		from, _, err := c.query(sqlMark).text(lapsedMark).one()
		if err != nil || micros(until) <= from {
			return err
		}
		return c.query(sqlSetMark).text(lapsedMark).int(micros(until)).exec()
	})
	return named("mark lapsed consents", err)
}

// sayings reads rows of sayingColumns and seq.
func (q *query) sayings() (out []vault.Said, err error) {
	for q.next() {
		out = append(out, q.saying())
	}
	return out, q.done()
}

func (q *query) saying() vault.Said {
	s := q.stmt
	said := vault.Said{
		Shopper: known(s.ColumnInt64(0)), EventID: s.ColumnText(1), Allowed: consent.Set(s.ColumnInt64(2)), Refused: consent.Set(s.ColumnInt64(3)),
		Wording: s.ColumnText(4), Version: s.ColumnInt64(5), Language: s.ColumnText(6), Means: s.ColumnText(8), Channel: s.ColumnText(9),
		Country: s.ColumnText(10), Evidence: s.ColumnText(11), Note: s.ColumnText(12), Source: s.ColumnText(13),
		At: instant(s.ColumnInt64(14)), Until: instant(s.ColumnInt64(15)), Received: instant(s.ColumnInt64(16)), Seq: s.ColumnInt64(17),
	}
	copy(said.Text[:], q.bytes(7))
	return said
}
