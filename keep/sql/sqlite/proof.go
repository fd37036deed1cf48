package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"endcap/keep/vault"
	"endcap/retail/shopper"
)

// The statements of wordings and proofs.
const (
	wordingColumns = `name, version, language, body, who, at`

	sqlAddWording = `insert into wording (` + wordingColumns + `, text_sum) values (?, ?, ?, ?, ?, ?, ?) on conflict (name, version, language) do nothing`
	sqlWording    = `select ` + wordingColumns + ` from wording where name = ? and version = ? and language = ?`
	sqlWordings   = `select ` + wordingColumns + ` from wording where (name, version, language) > (?, ?, ?) order by name, version, language limit ?`
	sqlWordSums   = `select body, text_sum, name, version, language from wording order by name, version, language`
	sqlProofs     = `select ` + sayingColumns + `, said.seq, salt, l.digest, l.chain, (select p.chain from link p where p.seq < said.seq order by p.seq desc limit 1)
		from saying said join link l on l.seq = said.seq where shopper = ? order by said.seq`
	sqlLinks     = `select count(*), coalesce(sum(gone), 0), coalesce(max(seq), 0) from link`
	sqlAllLinks  = `select seq, digest, chain, gone from link order by seq`
	sqlAllSaid   = `select ` + sayingColumns + `, seq, salt from saying order by seq`
	sqlGoneLinks = `update link set gone = 1 where seq in (select seq from saying where shopper = ?)`
)

// PutWording implements vault.Wordings.
func (v *Vault) PutWording(ctx context.Context, w vault.Wording) (added bool, err error) {
	if err := w.Check(); err != nil {
		return false, err
	}
	sum := w.Sum()
	err = v.do(ctx, func(c *conn) error {
		err := c.query(sqlAddWording).text(w.Name).int(w.Version).text(w.Language).text(w.Text).text(w.By).int(micros(w.At)).blob(sum[:]).exec()
		if added = c.db.Changes() > 0; err != nil || added {
			return err
		}
		stands, err := c.query(sqlWording).text(w.Name).int(w.Version).text(w.Language).wordings()
		if err == nil && (len(stands) != 1 || stands[0].Text != w.Text) {
			err = vault.ErrOtherText
		}
		return err
	})
	return added, named("register a wording", err)
}

// Wording implements vault.Wordings.
func (v *Vault) Wording(ctx context.Context, name string, version int64, language string) (vault.Wording, error) {
	var found []vault.Wording
	err := v.file.read(ctx, func(c *conn) (err error) {
		found, err = c.query(sqlWording).text(name).int(version).text(language).wordings()
		return err
	})
	if err == nil && len(found) == 0 {
		err = vault.ErrNotFound
	}
	if err != nil {
		return vault.Wording{}, fmt.Errorf("read a wording: %w", err)
	}
	return found[0], nil
}

// Wordings implements vault.Wordings.
func (v *Vault) Wordings(ctx context.Context, after vault.Wording, limit int) (out []vault.Wording, err error) {
	err = v.file.read(ctx, func(c *conn) (err error) {
		out, err = c.query(sqlWordings).text(after.Name).int(after.Version).text(after.Language).int(page(limit, vault.PageMax)).wordings()
		return err
	})
	return out, named("list wordings", err)
}

func (q *query) wordings() (out []vault.Wording, err error) {
	for q.next() {
		s := q.stmt
		out = append(out, vault.Wording{
			Name: s.ColumnText(0), Version: s.ColumnInt64(1), Language: s.ColumnText(2), Text: s.ColumnText(3), By: s.ColumnText(4), At: instant(s.ColumnInt64(5)),
		})
	}
	return out, q.done()
}

// Proofs implements vault.Proofs.
func (v *Vault) Proofs(ctx context.Context, who shopper.ID) (out []vault.Proof, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		q := c.query(sqlProofs).int(stored(who))
		for q.next() {
			p := vault.Proof{Said: q.saying(), Salt: q.bytes(18)}
			p.Record = p.Said.Record(p.Salt)
			copy(p.Digest[:], q.bytes(19))
			copy(p.Chain[:], q.bytes(20))
			copy(p.Before[:], q.bytes(21))
			out = append(out, p)
		}
		return q.done()
	})
	return out, named("prove what a shopper said", err)
}

// Links implements vault.Proofs.
func (v *Vault) Links(ctx context.Context) (l vault.Links, err error) {
	err = v.file.read(ctx, func(c *conn) (err error) {
		l, err = links(c)
		return err
	})
	if err != nil {
		return l, fmt.Errorf("read the chain of consents: %w", err)
	}
	return l, nil
}

func links(c *conn) (l vault.Links, err error) {
	q := c.query(sqlLinks)
	if q.next() {
		l.Count, l.Forgotten, l.Seq = q.stmt.ColumnInt64(0), q.stmt.ColumnInt64(1), q.stmt.ColumnInt64(2)
	}
	if err = q.done(); err == nil {
		l.Head, err = lastChain(c)
	}
	return l, err
}

// CheckConsents implements vault.Proofs. It reads links and sayings side by side,
// in one state.
func (v *Vault) CheckConsents(ctx context.Context) (l vault.Links, err error) {
	var a proofAudit
	err = v.file.read(ctx, func(c *conn) error {
		var err error
		if l, err = links(c); err != nil {
			return err
		}
		if a.texts, err = a.wordings(c); err != nil {
			return err
		}
		return a.chain(c)
	})
	if err != nil {
		return l, fmt.Errorf("check consents: %w", err)
	}
	return l, errors.Join(a.faults...)
}

// proofAudit looks for consents and wordings that are not as they were recorded.
type proofAudit struct {
	texts  map[textName][32]byte // of every wording, its hash
	faults []error
}

type textName struct {
	name     string
	version  int64
	language string
}

func (a *proofAudit) fault(format string, args ...any) {
	if len(a.faults) < faultsMax {
		a.faults = append(a.faults, fmt.Errorf(format, args...))
	}
}

func (a *proofAudit) wordings(c *conn) (map[textName][32]byte, error) {
	out := make(map[textName][32]byte)
	q := c.query(sqlWordSums)
	for q.next() {
		s := q.stmt
		sum := sha256.Sum256([]byte(s.ColumnText(0)))
		name := textName{s.ColumnText(2), s.ColumnInt64(3), s.ColumnText(4)}
		if out[name] = sum; !bytes.Equal(sum[:], q.bytes(1)) {
			a.fault("the text of wording %s, version %d, %s, is not the one that was registered", name.name, name.version, name.language)
		}
	}
	return out, q.done()
}

// chain reads every link, and beside it the saying that it is of.
func (a *proofAudit) chain(c *conn) error {
	all, said := c.query(sqlAllLinks), c.query(sqlAllSaid)
	var chain [32]byte
	more := said.next()
	for all.next() {
		s := all.stmt
		seq, gone, there := s.ColumnInt64(0), s.ColumnInt64(3) != 0, false
		for more && said.stmt.ColumnInt64(17) <= seq {
			one, salt := said.saying(), said.bytes(18)
			if there = one.Seq == seq; there {
				a.saying(&one, salt, all.bytes(1))
			} else {
				a.fault("consent %d was added beside the chain", one.Seq)
			}
			more = said.next()
		}
		switch {
		case there && gone:
			a.fault("consent %d is said to be forgotten, and is there", seq)
		case !there && !gone:
			a.fault("consent %d was removed, and nobody was forgotten for it", seq)
		}
		var digest [32]byte
		copy(digest[:], all.bytes(1))
		if chain = vault.Chain(chain, seq, digest); !bytes.Equal(chain[:], all.bytes(2)) {
			a.fault("the chain of consents breaks at %d", seq)
			copy(chain[:], all.bytes(2))
		}
	}
	for ; more; more = said.next() {
		a.fault("consent %d was added beside the chain", said.stmt.ColumnInt64(17))
	}
	return errors.Join(all.done(), said.done())
}

// saying compares one with its digest, and with the text that it names.
func (a *proofAudit) saying(s *vault.Said, salt, digest []byte) {
	if sum := vault.Digest(salt, s.Record(salt)); !bytes.Equal(sum[:], digest) {
		a.fault("consent %d is not as it was recorded", s.Seq)
	}
	if s.Text == [32]byte{} {
		return
	}
	if a.texts[textName{s.Wording, s.Version, s.Language}] != s.Text {
		a.fault("consent %d names a text that is no longer what she was shown", s.Seq)
	}
}
