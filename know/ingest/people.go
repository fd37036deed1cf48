package ingest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"endcap/keep/stream"
	"endcap/keep/vault"
	"endcap/know/identity"
	"endcap/know/identity/graph"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// Shopper is one row of a list of shoppers: the keys of one of them.
type Shopper struct {
	Keys []shopper.Key
	// Basis is on what it rests that the keys are hers, declared where it is
	// empty. What was only observed together is named, and merges nobody.
	Basis graph.Basis
	Line  int64
	Raw   []byte
	Fault *Fault
}

// Shoppers brings the keys of shoppers into the vault, and nowhere else: there
// is no fact of it, since facts name nobody. A row whose keys belong to one
// person already is a Repeat; one whose keys belong to several shoppers is
// evidence that they are one person, unless Answer.Apart says why not.
func (d *Desk) Shoppers(ctx context.Context, rows []Shopper, from From) (Result, error) {
	if err := checkBatch(len(rows)); err != nil {
		return Result{}, err
	}
	d.forgetting.RLock()
	defer d.forgetting.RUnlock()
	now := micro(d.Clock())
	answers, err := d.suppress(ctx, len(rows), func(i int) []shopper.Key { return rows[i].Keys })
	if err != nil {
		return Result{}, err
	}
	by := make(map[graph.Basis][]int) // places in rows
	for i := range rows {
		f := rows[i].Fault
		if f == nil {
			f = checkShopper(&rows[i])
		}
		if answers[i].Outcome == "" && f != nil {
			answers[i] = Answer{Outcome: Quarantined, Fault: f}
		}
		if answers[i].Outcome != "" {
			continue
		}
		basis := cmp.Or(rows[i].Basis, graph.Declared)
		by[basis] = append(by[basis], i)
	}
	for _, basis := range slices.Sorted(maps.Keys(by)) {
		if err := d.declare(ctx, rows, by[basis], answers, identity.Vouched{Basis: basis, Source: from.Name, By: from.Name, At: now}); err != nil {
			return Result{}, err
		}
	}
	if err := d.Tell(ctx); err != nil {
		return Result{}, err
	}
	refused := newRefusals(0, from, now)
	for i := range answers {
		if answers[i].Outcome == Quarantined {
			refused.add(rows[i].Line, answers[i].Fault, rows[i].Raw, nil)
		}
	}
	res := Result{Answers: answers}
	res.Summary.count(answers)
	return res, d.refuse(ctx, refused)
}

// declare takes in the rows at some places, all on one basis.
func (d *Desk) declare(ctx context.Context, rows []Shopper, places []int, answers []Answer, v identity.Vouched) error {
	sets := make([][]shopper.Key, len(places))
	for n, i := range places {
		sets[n] = rows[i].Keys
	}
	if v.Basis == graph.Observed {
		return d.observe(ctx, sets, places, answers)
	}
	verdicts, err := d.People.Declare(ctx, sets, v)
	if err != nil {
		return err
	}
	for n, i := range places {
		answers[i] = Answer{Outcome: Repeat, Apart: verdicts[n].Refusal}
		if verdicts[n].New {
			answers[i].Outcome = New
		}
	}
	return nil
}

// observe takes in sets of keys that were seen together, without proof.
func (d *Desk) observe(ctx context.Context, sets [][]shopper.Key, places []int, answers []Answer) error {
	known, err := d.People.Known(ctx, sets)
	if err != nil {
		return err
	}
	who, err := d.People.Name(ctx, sets)
	if err != nil {
		return err
	}
	for n, i := range places {
		switch {
		case !who[n].Known():
			answers[i] = Answer{Outcome: Quarantined, Fault: twoShoppers()}
		case known[n]:
			answers[i] = Answer{Outcome: Repeat}
		default:
			answers[i] = Answer{Outcome: New}
		}
	}
	return nil
}

// checkShopper refuses a row that names nobody, or rests on nothing we know.
func checkShopper(r *Shopper) *Fault {
	if r.Basis != "" && r.Basis != graph.Observed && !r.Basis.Authenticated() {
		return fault(BadValue, "basis", "an unknown basis", "say declared, login, confirmed or observed")
	}
	return checkSet(r.Keys)
}

// checkSet refuses keys that cannot name a shopper. Unlike on a receipt, two
// cards or two addresses of one shopper are nothing odd.
func checkSet(keys []shopper.Key) *Fault {
	switch {
	case len(keys) == 0:
		return fault(NoShopper, "keys", "no key", "name the shopper by a card, an account, a hashed e-mail or phone, or a device")
	case len(keys) > identity.SetMax:
		return fault(TooManyRows, "keys", fmt.Sprintf("%d keys", len(keys)), fmt.Sprintf("name a shopper by at most %d", identity.SetMax))
	}
	return nil
}

// Consent is what one shopper agreed to. It replaces all she said before At. An
// At ahead of the clock counts as now: a shop whose clock runs ahead must not
// outlive a withdrawal that comes after.
type Consent struct {
	ID      string // the source's id of this saying; may be empty
	Keys    []shopper.Key
	Allowed consent.Set
	Wording string    // which text she was shown
	At      time.Time // zero means now
	Line    int64
	Raw     []byte
	Fault   *Fault
}

// Consents takes consents in: first into the vault, the truth, from where a
// withdrawal counts at once, then as facts. A shopper never seen before is
// named by it. A saying without an id is known again by its shopper, time,
// purposes and wording. One that is kept but does not count, because she said
// something with a later time before, is answered Older. One that reuses the id
// of another is refused, unless it allows less: that counts at once.
func (d *Desk) Consents(ctx context.Context, rows []Consent, from From) (Result, error) {
	if err := checkBatch(len(rows)); err != nil {
		return Result{}, err
	}
	d.forgetting.RLock()
	defer d.forgetting.RUnlock()
	now := micro(d.Clock())
	answers, err := d.suppress(ctx, len(rows), func(i int) []shopper.Key { return rows[i].Keys })
	if err != nil {
		return Result{}, err
	}
	var sets [][]shopper.Key
	var places []int
	for i := range rows {
		switch f := d.cfg.checkConsent(&rows[i], now); {
		case f != nil && answers[i].Outcome == Suppressed:
			answers[i].Fault = f // it might be put right, though nothing is kept
		case f != nil:
			answers[i] = Answer{Outcome: Quarantined, Fault: f}
		}
		if answers[i].Outcome != "" {
			continue
		}
		sets, places = append(sets, rows[i].Keys), append(places, i)
	}
	who, err := d.People.Name(ctx, sets)
	if err != nil {
		return Result{}, err
	}
	var said []saying
	for n, i := range places {
		if !who[n].Known() {
			answers[i] = Answer{Outcome: Quarantined, Fault: twoShoppers()}
			continue
		}
		said = append(said, sayingOf(&rows[i], who[n], from, now))
		said[len(said)-1].place = i
	}
	if err := d.sayAll(ctx, said, answers, stamp{from.Door, now}); err != nil {
		return Result{}, err
	}
	refused := newRefusals(event.KindConsent, from, now)
	for i := range answers {
		if answers[i].Outcome == Quarantined {
			refused.add(rows[i].Line, answers[i].Fault, rows[i].Raw, answers[i].stored)
		}
	}
	res := Result{Answers: answers}
	res.Summary.count(answers)
	return res, d.refuse(ctx, refused)
}

func (c *Config) checkConsent(r *Consent, now time.Time) *Fault {
	if r.Fault != nil {
		return r.Fault
	}
	if f := checkSet(r.Keys); f != nil {
		return f
	}
	if r.ID != "" {
		if say := wordFault(r.ID, event.SourceIDMax); say != "" {
			return fault(NoID, "id", say, "give each saying an id of its own, or none")
		}
	}
	if r.Allowed&^consent.All != 0 {
		return fault(BadValue, "allowed", "an unknown purpose", "name the purposes by their words")
	}
	if say := textFault(r.Wording); say != "" {
		return fault(BadValue, "wording", say, "name the text by a short word")
	}
	if r.At.IsZero() {
		return nil
	}
	return c.checkTime("at", r.At, now)
}

// saying is a consent on its way to the vault and the stream.
type saying struct {
	vault.Said
	place int       // of its row in the batch
	told  time.Time // the time the source gave, ahead of the clock or zero as it may be
	more  bool      // it reuses an id and allows something that the other does not
}

// sayingOf is r as the vault keeps it. Its EventID is a hash that also covers
// the shopper's random id: the source's own id might name her, and facts, which
// carry the hash, must not.
func sayingOf(r *Consent, who shopper.ID, from From, now time.Time) saying {
	at, told := now, time.Unix(0, 0)
	if !r.At.IsZero() {
		told = micro(r.At)
		if told.Before(now) {
			at = told
		}
	}
	id := r.ID
	switch {
	case id != "":
	case r.At.IsZero():
		id = fmt.Sprintf("%d %d %s", now.UnixMicro(), r.Allowed, r.Wording)
	default:
		id = fmt.Sprintf("%d %d %s", told.UnixMicro(), r.Allowed, r.Wording)
	}
	return saying{
		Said: vault.Said{Shopper: who, Allowed: r.Allowed, Wording: r.Wording, Source: from.Name, At: at, EventID: veiled(who, id)},
		told: told,
	}
}

// veiled hashes text together with a shopper's id.
func veiled(who shopper.ID, text string) string {
	b := binary.BigEndian.AppendUint64(nil, who.Reveal())
	sum := sha256.Sum256(append(b, text...))
	return hex.EncodeToString(sum[:16])
}

// sayAll writes sayings into the vault and appends their facts. Where an id is
// known with other content that withdraws nothing both keep the first: the vault
// changes nothing, the stream answers Conflict.
func (d *Desk) sayAll(ctx context.Context, said []saying, answers []Answer, stamp stamp) error {
	if len(said) == 0 {
		return nil
	}
	older, err := d.older(ctx, said)
	if err != nil {
		return err
	}
	if err := d.withdrawals(ctx, said); err != nil {
		return err
	}
	words := make([]vault.Said, len(said))
	for n := range said {
		words[n] = said[n].Said
	}
	if err := d.People.Say(ctx, words); err != nil {
		return err
	}
	facts, err := d.packSayings(said, stamp)
	if err != nil {
		return err
	}
	done, err := d.appendAll(ctx, facts)
	if err != nil {
		return err
	}
	for n := range said {
		a := &answers[said[n].place]
		*a = judge(done[n].Outcome, 0, "")
		a.Older = older[n] && done[n].Outcome == stream.New
		if done[n].Outcome == stream.Conflict || said[n].more {
			*a = Answer{Outcome: Quarantined, Fault: reused(said[n].more)}
		}
		if done[n].Outcome == stream.Conflict {
			if a.stored, err = d.stored(ctx, done[n]); err != nil {
				return err
			}
		}
	}
	return nil
}

// withdrawals makes sayings of their own of those that reuse the id of another
// and allow less than it: a no counts at once, whatever it is called. What they
// allow beyond the other is left out.
func (d *Desk) withdrawals(ctx context.Context, said []saying) error {
	words := make([]vault.Said, len(said))
	for n := range said {
		words[n] = said[n].Said
	}
	heard, err := d.People.Heard(ctx, words)
	if err != nil {
		return err
	}
	first := make(map[string]consent.Set, len(said))
	for n := range said {
		s := &said[n]
		allowed, known := heard[s.EventID]
		if !known {
			if allowed, known = first[s.EventID]; !known {
				first[s.EventID] = s.Allowed
			}
		}
		if !known || allowed&^s.Allowed == 0 {
			continue
		}
		s.more = s.Allowed&^allowed != 0
		s.EventID = veiled(s.Shopper, fmt.Sprintf("%s %d %d %s", s.EventID, s.told.UnixMicro(), s.Allowed, s.Wording))
		s.Allowed &= allowed
	}
	return nil
}

// reused is the fault of a saying under the id of another; more says that what
// it withdraws was heard, and what it allows beyond the other was not.
func reused(more bool) *Fault {
	say := "another saying of this shopper has this id"
	if more {
		say += "; what this one withdraws counts, what it allows beyond the other does not"
	}
	return fault(Conflict, "id", say, "give each saying an id of its own, or none")
}

// older says of each saying whether its shopper said something with a later
// time before it.
func (d *Desk) older(ctx context.Context, said []saying) ([]bool, error) {
	who := make([]shopper.ID, len(said))
	for n := range said {
		who[n] = said[n].Shopper
	}
	newest, err := d.People.Newest(ctx, who)
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(said))
	for n := range said {
		s := &said[n]
		out[n] = newest[s.Shopper].After(s.At)
		if !out[n] {
			newest[s.Shopper] = s.At
		}
	}
	return out, nil
}

// packSayings gives the facts of sayings. What makes a saying a repeat is the
// time its source gave, not the clock's that may stand in for it.
func (d *Desk) packSayings(said []saying, stamp stamp) ([]event.Packed, error) {
	var a arena
	facts := make([]event.Packed, len(said))
	for n := range said {
		s := &said[n]
		f := event.Fact{
			ID: s.EventID, At: s.At, Arrived: stamp.now, Day: retail.DayOf(s.At, d.cfg.Zone), Shopper: s.Shopper, Consent: s.Allowed,
			Source: stamp.door, Body: event.Consent{Allowed: s.Allowed, Wording: s.Wording},
		}
		p, err := a.pack(&f, 512+len(s.Wording))
		if err != nil {
			return nil, fmt.Errorf("pack a consent: %w", err)
		}
		if !s.told.Equal(s.At) {
			f.At, f.Day = s.told, retail.DayOf(s.told, d.cfg.Zone)
			plain, err := a.pack(&f, 512+len(s.Wording))
			if err != nil {
				return nil, fmt.Errorf("sum a consent: %w", err)
			}
			p.Sum = plain.Sum
		}
		facts[n] = p
	}
	return facts, nil
}
