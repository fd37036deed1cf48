package ledger

import (
	"errors"
	"fmt"
	"math"
	"time"

	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/event"
)

// More limits of one deed. PageMax is the longest page of Postings or Outbox; a
// longer one is cut to it.
const (
	AccountMax = 200
	NameMax    = 64
	EntriesMax = 1_000
	LimitsMax  = 1_000
	RowsMax    = 100
	FactsMax   = 1_000
	PackedMax  = 16 << 20 // bytes of all facts of a deed, those of its rows too
	AnswerMax  = 64 << 10
	PageMax    = 10_000
)

// ErrDeed is the Answer.Err of a deed that breaks a limit of this package or
// would take a balance out of the range of Micros. Nothing was done, and asking
// again will not help.
var ErrDeed = errors.New("not a deed the book can take")

// Check returns ErrDeed or ErrUnbalanced, with the field, for a deed that no
// book can carry out, whatever its balances are. Every store asks it first.
func (d *Deed) Check() error {
	switch {
	case d.Key == "" || len(d.Key) > KeyMax:
		return fmt.Errorf("%w: a key has 1 to %d bytes, this %d", ErrDeed, KeyMax, len(d.Key))
	case len(d.Answer) > AnswerMax:
		return fmt.Errorf("%w: an answer has at most %d bytes, this %d", ErrDeed, AnswerMax, len(d.Answer))
	case len(d.Rows) > RowsMax, len(d.Entries) > EntriesMax, len(d.Limits) > LimitsMax, len(d.Facts) > FactsMax:
		return fmt.Errorf("%w: at most %d rows, %d entries, %d limits and %d facts", ErrDeed, RowsMax, EntriesMax, LimitsMax, FactsMax)
	}
	for i := range d.Rows {
		if err := d.Rows[i].Check(); err != nil {
			return fmt.Errorf("%w: row %d: %w", ErrDeed, i, err)
		}
	}
	for i := range d.Limits {
		l := &d.Limits[i]
		if l.Name == "" || len(l.Name) > NameMax {
			return fmt.Errorf("%w: limit %d: a name has 1 to %d bytes, this %d", ErrDeed, i, NameMax, len(l.Name))
		}
		if err := checkPot(l.Account, l.Currency); err != nil {
			return fmt.Errorf("limit %d: %w", i, err)
		}
	}
	return checkEntries(d.Entries)
}

func checkEntries(entries []Entry) error {
	var sums [4]struct {
		currency retail.Currency
		sum      retail.Micros
	}
	used := 0
	for i := range entries {
		e := &entries[i]
		if err := checkPot(e.Account, e.Currency); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		at := 0
		for at < used && sums[at].currency != e.Currency {
			at++
		}
		if at == len(sums) {
			return fmt.Errorf("%w: at most %d currencies", ErrDeed, len(sums))
		}
		used = max(used, at+1)
		sum, ok := Sum(sums[at].sum, e.Amount)
		if !ok {
			return fmt.Errorf("%w: entry %d: the amounts are too large to add", ErrDeed, i)
		}
		sums[at].currency, sums[at].sum = e.Currency, sum
	}
	for _, s := range sums[:used] {
		if s.sum != 0 {
			return fmt.Errorf("%w: %s is out by %s", ErrUnbalanced, s.currency, s.sum.Format(s.currency))
		}
	}
	return nil
}

func checkPot(a Account, c retail.Currency) error {
	if a == "" || len(a) > AccountMax {
		return fmt.Errorf("%w: an account's name has 1 to %d bytes, this %d", ErrDeed, AccountMax, len(a))
	}
	if c == "" || len(c) > 8 {
		return fmt.Errorf("%w: a currency has 1 to 8 bytes, this %d", ErrDeed, len(c))
	}
	return nil
}

// Sum adds two amounts; ok is false where the result does not fit.
func Sum(a, b retail.Micros) (sum retail.Micros, ok bool) {
	if b > 0 && a > math.MaxInt64-b || b < 0 && a < math.MinInt64-b {
		return 0, false
	}
	return a + b, true
}

// Pack encodes what d sends to the stream: a TermsChanged fact for each of its
// rows, filed under the day in zone, then its own facts. API keys stay at home.
// A fact that cannot be encoded gives ErrDeed.
func (d *Deed) Pack(zone *time.Location) ([][]byte, error) {
	if len(d.Rows)+len(d.Facts) == 0 {
		return nil, nil
	}
	out := make([][]byte, 0, len(d.Rows)+len(d.Facts))
	size := 0
	pack := func(f *event.Fact) error {
		if f.Body == nil {
			return fmt.Errorf("%w: a fact without a body", ErrDeed)
		}
		p, err := event.Pack(nil, f)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDeed, err)
		}
		if size += len(p.Bytes); size > PackedMax {
			return fmt.Errorf("%w: its facts take more than %d bytes", ErrDeed, PackedMax)
		}
		out = append(out, p.Bytes)
		return nil
	}
	for i := range d.Rows {
		r := &d.Rows[i]
		if r.Kind == registry.Key {
			continue
		}
		f := event.Fact{
			ID: fmt.Sprintf("%s/%s/%d", r.Kind, r.ID, r.Version), At: r.At, Arrived: d.At,
			Day: retail.DayOf(r.At, zone), Source: "registry",
			Body: event.TermsChanged{Of: string(r.Kind), ID: r.ID, Version: r.Version, Doc: r.Doc, Removed: r.Removed, By: r.By},
		}
		if err := pack(&f); err != nil {
			return nil, err
		}
	}
	for i := range d.Facts {
		if err := pack(&d.Facts[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
