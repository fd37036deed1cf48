package privacy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"endcap/keep/vault"
	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/shopper"
)

// controlSQL is what an erasure must not change.
const controlSQL = `select count(*) as lines, coalesce(sum(sales), 0) as sales, coalesce(sum(coupon_discount), 0) as coupons from lines`

// Controls are totals over everything that was ever sold.
type Controls struct {
	Lines   int64         `json:"lines"`
	Sales   retail.Micros `json:"sales_micros"`
	Coupons retail.Micros `json:"coupons_micros"`
}

// Swept is the record of one sweep.
type Swept struct {
	Began       time.Time `json:"began"`
	Ended       time.Time `json:"ended"`
	History     int       `json:"history_shoppers"` // forgotten shoppers whom rows of history still named
	SealedFiles int       `json:"sealed_files"`     // written anew without them
	Profiles    int       `json:"profiles"`         // removed
	Models      int       `json:"models"`           // versions written anew without them
	Quarantine  int       `json:"quarantine_rows"`  // removed
	Batches     int       `json:"batch_rows"`       // removed from files of proposals
	Certified   int       `json:"certified"`        // erasures closed by it
	Controls    Controls  `json:"controls"`         // the same before and after
}

// ErrControls is returned by a sweep after which totals are not what they were.
var ErrControls = errors.New("an erasure changed the totals of history")

// Sweep takes out of files what forgotten shoppers left: it looks who of all that
// history and profiles name is under a tombstone, so that it needs no list, finds
// whoever came late or with a restored backup, and can be broken off and called
// again. Then it closes the erasures that were waiting, each with its signed
// certificate, and keeps a record of itself. It may take minutes.
func (o *Office) Sweep(ctx context.Context) (Swept, error) {
	s := Swept{Began: o.Clock().UTC()}
	before, err := o.controls(ctx)
	if err != nil {
		return s, err
	}
	if o.cfg.Alone != nil {
		o.cfg.Alone.Lock()
		defer o.cfg.Alone.Unlock()
	}
	buried, err := Bury(ctx, o.Vault, o.History, o.Profiles, o.Models)
	if err != nil {
		return s, err
	}
	s.History, s.SealedFiles, s.Profiles, s.Models = buried.History, buried.SealedFiles, buried.Profiles, buried.Models
	if err := o.sweepQuarantine(ctx, &s); err != nil {
		return s, err
	}
	if s.Batches, err = o.sweepBatches(ctx); err != nil {
		return s, err
	}
	if s.Controls, err = o.controls(ctx); err != nil {
		return s, err
	}
	if lost := s.Controls.Lines < before.Lines; lost || s.Controls.Lines == before.Lines && s.Controls != before { // more came in meanwhile
		return s, fmt.Errorf("%w: %+v before, %+v after", ErrControls, before, s.Controls)
	}
	s.Ended = o.Clock().UTC()
	if err := o.certify(ctx, &s); err != nil {
		return s, err
	}
	doc, err := json.Marshal(s)
	if err != nil {
		return s, fmt.Errorf("write the record of a sweep: %w", err)
	}
	return s, o.Vault.PutSweep(ctx, vault.Sweep{At: s.Ended, Doc: doc})
}

func (o *Office) controls(ctx context.Context) (Controls, error) {
	got, err := o.ask(ctx, "controls", controlSQL)
	if err != nil {
		return Controls{}, err
	}
	return Controls{got.Columns[0].Ints[0], retail.Micros(got.Columns[1].Ints[0]), retail.Micros(got.Columns[2].Ints[0])}, nil
}

// Buried is what Bury took away.
type Buried struct {
	History     int // forgotten shoppers whom rows of history still named
	SealedFiles int // written anew without them
	Profiles    int // removed
	Models      int // versions written anew without them
}

// Bury takes everybody under a tombstone out of history, sealed files too, out of
// profiles and of models. A sweep does it, and so do a rebuild and whoever restores a
// backup, before anything is asked of the stores.
func Bury(ctx context.Context, v vault.Forgetting, history warehouse.Erasing, profiles Profiles, models Models) (b Buried, err error) {
	gone, err := goneIn(ctx, v, history.Shoppers)
	if err != nil {
		return b, fmt.Errorf("look for the forgotten in history: %w", err)
	}
	b.History = len(gone)
	if b.SealedFiles, err = history.Erase(ctx, gone); err != nil {
		return b, err
	}
	if gone, err = goneOf(ctx, v, profiles); err != nil {
		return b, err
	}
	b.Profiles = len(gone)
	for _, id := range gone {
		if err := profiles.Forget(ctx, id); err != nil {
			return b, err
		}
	}
	if err := profiles.Compact(ctx); err != nil { // also what was forgotten since the last time
		return b, err
	}
	b.Models, err = buryModels(ctx, v, models)
	return b, err
}

// buryModels takes the forgotten out of models. What of them cannot be read is let go
// first: nobody can say whom it names.
func buryModels(ctx context.Context, v vault.Forgetting, models Models) (int, error) {
	if _, err := models.Erase(ctx, nil); err != nil {
		return 0, err
	}
	gone, err := goneIn(ctx, v, models.Shoppers)
	if err != nil {
		return 0, fmt.Errorf("look for the forgotten in models: %w", err)
	}
	if len(gone) == 0 {
		return 0, nil
	}
	return models.Erase(ctx, gone)
}

// goneIn lists, each once, the forgotten whom a store names.
func goneIn(ctx context.Context, v vault.Forgetting, shoppers func(context.Context, func(string, []shopper.ID) error) error) (gone []shopper.ID, err error) {
	seen := map[shopper.ID]bool{}
	err = shoppers(ctx, func(_ string, who []shopper.ID) error {
		for some := range slices.Chunk(who, vault.BatchMax) {
			hers, err := v.Gone(ctx, some)
			if err != nil {
				return err
			}
			for _, id := range hers {
				if !seen[id] {
					seen[id] = true
					gone = append(gone, id)
				}
			}
		}
		return nil
	})
	return gone, err
}

// goneOf lists the forgotten of whom profiles keep anything.
func goneOf(ctx context.Context, v vault.Forgetting, p Profiles) (gone []shopper.ID, err error) {
	batch := make([]shopper.ID, 0, vault.BatchMax)
	flush := func() error {
		hers, err := v.Gone(ctx, batch)
		gone, batch = append(gone, hers...), batch[:0]
		return err
	}
	err = p.Shoppers(ctx, func(who shopper.ID) error {
		if batch = append(batch, who); len(batch) < cap(batch) {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return nil, fmt.Errorf("look for the forgotten in profiles: %w", err)
	}
	return gone, nil
}

// quarantinePage is how many refused rows are looked at together.
const quarantinePage = 256

// sweepQuarantine removes refused rows that hold a suppressed key as a word of
// their own. A short number that is a forgotten card's may also be an amount of
// somebody else's row; such a row goes too.
func (o *Office) sweepQuarantine(ctx context.Context, s *Swept) error {
	for after := uint64(0); ; {
		rows, err := o.Vault.Refusals(ctx, after, quarantinePage)
		if err != nil || len(rows) == 0 {
			return err
		}
		var hers []uint64
		for i := range rows {
			after = rows[i].ID
			found, err := names(ctx, o.Vault, rows[i].Raw, rows[i].Stored, []byte(rows[i].Say))
			if err != nil {
				return err
			}
			if found {
				hers = append(hers, rows[i].ID)
			}
		}
		if err := o.Vault.Release(ctx, hers); err != nil {
			return err
		}
		s.Quarantine += len(hers)
	}
}

// names reports whether some word of texts is a suppressed key of any kind.
func names(ctx context.Context, v vault.Forgetting, texts ...[]byte) (bool, error) {
	var keys []shopper.Key
	for _, text := range texts {
		for _, word := range words(text) {
			keys = append(keys, keysOf(word)...)
		}
	}
	for some := range slices.Chunk(keys, vault.BatchMax) {
		marked, err := v.Suppressed(ctx, some)
		if err != nil || slices.Contains(marked, true) {
			return err == nil, err
		}
	}
	return false, nil
}

// words are what lies between the separators of CSV, JSON and prose, each once.
func words(text []byte) []string {
	var out []string
	seen := map[string]bool{}
	for _, word := range bytes.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",;|\t\n\r\"'{}[]()<>=", r) }) {
		w := strings.TrimSpace(string(word))
		for _, s := range []string{w, strings.TrimSpace(strings.TrimSuffix(w, ":"))} {
			if s != "" && len(s) <= shopper.KeyMax && !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
		for part := range strings.FieldsSeq(w) {
			if !seen[part] && len(part) <= shopper.KeyMax {
				seen[part] = true
				out = append(out, part)
			}
		}
	}
	return out
}

// keysOf are the keys that a word could be.
func keysOf(word string) (out []shopper.Key) {
	for _, kind := range []shopper.KeyKind{shopper.Card, shopper.Account, shopper.Device, shopper.EmailHash, shopper.PhoneHash} {
		if key, err := shopper.ParseKey(kind, word); err == nil {
			out = append(out, key)
		}
	}
	return out
}

// certify closes the erasures whose files are clean now.
func (o *Office) certify(ctx context.Context, s *Swept) error {
	for after := ""; ; {
		rows, err := o.Vault.Requests(ctx, true, after, vault.PageMax)
		if err != nil {
			return err
		}
		for i := range rows {
			after = rows[i].ID
			d := docOf(rows[i])
			if moot(rows[i]) {
				if err := o.closeMoot(ctx, rows[i]); err != nil {
					return err
				}
				continue
			}
			if State(rows[i].State) != Erasing || !d.Erased.Before(s.Began) {
				continue // it came while files were swept, and waits for the next sweep
			}
			if err := o.certifyOne(ctx, rows[i], d, s); err != nil {
				return err
			}
			s.Certified++
		}
		if len(rows) < vault.PageMax {
			return nil
		}
	}
}

// closeMoot ends a request whose shopper was forgotten before it was answered.
func (o *Office) closeMoot(ctx context.Context, r vault.Request) error {
	r.State, r.Closed = string(Moot), o.Clock().UTC().Truncate(time.Microsecond)
	_, err := o.put(ctx, r, docOf(r))
	return err
}

func (o *Office) certifyOne(ctx context.Context, r vault.Request, d doc, s *Swept) (err error) {
	// A fact of her last moment is sealed on the day after, and the stream lets it
	// go StreamDays later, at that day's turn.
	stream := retail.DayOf(d.Erased, time.UTC) + retail.Day(o.cfg.StreamDays) + 2
	signer, err := OpenSigner(ctx, o.Vault, o.Chance)
	if err != nil {
		return err
	}
	d.Certificate, err = signer.Sign(Certificate{
		Is: CertificateIs, Retailer: o.cfg.Retailer, Request: r.ID, Received: r.Received, Forgotten: d.Erased, Clean: s.Ended,
		Erased: []Erased{
			{"vault", "identifiers, consents, links between them, requests: deleted and overwritten; keyed hashes stay, which stop their return"},
			{"profiles", "every section and counter: deleted, and the files written anew"},
			{"history", "receipts, touches, wins and decisions no longer say whose they are; totals are unchanged"},
			{"quarantine", "rows that hold one of the identifiers: deleted"},
			{"batches", "rows of the files of proposals that the house keeps: deleted; what was carried to a till or a mail system before holds until its valid_until"},
			{"recipients", "those named below know her by an id of their own and are to be told; the notices say whether they were"},
			{"models", "every version that is kept: written anew without her; the next training sees nobody in these receipts"},
		},
		StreamBy: stream, BackupsBy: retail.DayOf(s.Ended, time.UTC) + retail.Day(o.cfg.BackupDays) + 1, Told: slices.Concat([]string{}, d.Partners, d.Told),
	})
	if err != nil {
		return err
	}
	r.State, r.Closed = string(Done), s.Ended.Truncate(time.Microsecond)
	_, err = o.put(ctx, r, d)
	return err
}

// Sweeps returns the records of the newest sweeps.
func (o *Office) Sweeps(ctx context.Context, limit int) ([]Swept, error) {
	rows, err := o.Vault.Sweeps(ctx, limit)
	if err != nil {
		return nil, err
	}
	out := make([]Swept, len(rows))
	for i := range rows {
		if err := json.Unmarshal(rows[i].Doc, &out[i]); err != nil {
			return nil, fmt.Errorf("read the record of a sweep: %w", err)
		}
	}
	return out, nil
}

func wordsOf(s consent.Set) []string {
	out := []string{}
	for _, p := range consent.Purposes() {
		if s.Allows(p) {
			out = append(out, p.String())
		}
	}
	return out
}
