package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"endcap/keep/stream"
	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
	"endcap/retail/consent/tcf"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// Consent is what one shopper agreed to. It replaces all she said before At. An
// At ahead of the clock counts as now: a shop whose clock runs ahead must not
// outlive a withdrawal that comes after.
type Consent struct {
	ID      string // the source's id of this saying; may be empty
	Keys    []shopper.Key
	Allowed consent.Set
	// Refused is what she was asked and said no to, so that she is not asked again
	// soon. Who allows nothing and names nothing refuses everything.
	Refused consent.Set
	TCF     string // a consent string instead of Allowed and Refused
	Wording string // which text she was shown
	// Version and Language say which of the registered texts of that name; 0 and
	// "" leave it at the name.
	Version  int64
	Language string
	Channel  string // where she said it; may be empty
	Country  string // where she lives, two capital letters; the policy's where it is empty
	Age      policy.Age
	At       time.Time // zero means now
	Line     int64
	Raw      []byte
	Fault    *Fault

	told *tcf.Consent // what TCF says
}

// Means by which somebody says what she allows. Words are stored and never
// change.
const (
	MeansForm   = "form"
	MeansString = "tcf"
	MeansLapse  = "lapse" // nobody said anything: a yes became too old
)

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
	var all []saying
	for n, i := range places {
		if !who[n].Known() {
			answers[i] = Answer{Outcome: Quarantined, Fault: twoShoppers()}
			continue
		}
		s, f, err := d.sayingOf(ctx, &rows[i], who[n], said{from.Name, now})
		if err != nil {
			return Result{}, err
		}
		if f != nil {
			answers[i] = Answer{Outcome: Quarantined, Fault: f}
			continue
		}
		s.place = i
		all = append(all, s)
	}
	if err := d.sayAll(ctx, all, answers, stamp{from.Door, now}); err != nil {
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
	if f := c.checkWords(r); f != nil {
		return f
	}
	if r.At.IsZero() {
		return nil
	}
	return c.checkTime("at", r.At, now)
}

// saying is a consent on its way to the vault and the stream.
type saying struct {
	vault.Said
	place   int       // of its row in the batch, -1 where it has none
	told    time.Time // the time the source gave, ahead of the clock or zero as it may be
	more    bool      // it reuses an id and allows something that the other does not
	unasked consent.Set
	why     map[consent.Purpose]string // of what does not count
}

// said is who brought sayings, and when.
type said struct {
	source string
	now    time.Time
}

// sayingOf is r as the vault keeps it. Its EventID is a hash that also covers
// the shopper's random id: the source's own id might name her, and facts, which
// carry the hash, must not.
func (d *Desk) sayingOf(ctx context.Context, r *Consent, who shopper.ID, by said) (saying, *Fault, error) {
	at, told := by.now, time.Unix(0, 0)
	if !r.At.IsZero() {
		told = micro(r.At)
		if told.Before(by.now) {
			at = told
		}
	}
	id := r.ID
	switch {
	case id != "":
	case r.At.IsZero():
		id = fmt.Sprintf("%d %d %s", by.now.UnixMicro(), r.Allowed, r.Wording) + extra(r)
	default:
		id = fmt.Sprintf("%d %d %s", told.UnixMicro(), r.Allowed, r.Wording) + extra(r)
	}
	s := saying{
		Said: vault.Said{
			Shopper: who, Wording: r.Wording, Version: r.Version, Language: r.Language, Means: MeansForm, Channel: r.Channel, Country: r.Country,
			Evidence: r.TCF, Source: by.source, At: at, Received: by.now, EventID: veiled(who, id),
		},
		told: told,
	}
	d.cfg.judge(r, &s)
	f, err := d.text(ctx, r, &s)
	return s, f, err
}

// extra is what tells two sayings apart beside time, purposes and wording; of
// those without any of it nothing, as their ids were made before.
func extra(r *Consent) string {
	if r.Refused == consent.None && r.TCF == "" {
		return ""
	}
	return fmt.Sprintf(" %d %s", r.Refused, r.TCF)
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
	count := len(said)
	for n := range count {
		if said[n].lapsed(stamp.now) {
			said = append(said, lapseOf(&said[n].Said, stamp.now))
		}
	}
	done, err := d.keepSayings(ctx, said, stamp)
	if err != nil {
		return err
	}
	for n := range count {
		a := &answers[said[n].place]
		*a = judge(done[n].Outcome, 0, "")
		a.Withheld = said[n].why
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

// keepSayings writes sayings into the vault, all or none, and appends their
// facts.
func (d *Desk) keepSayings(ctx context.Context, said []saying, stamp stamp) ([]stream.Appended, error) {
	words := make([]vault.Said, len(said))
	for n := range said {
		words[n] = said[n].Said
	}
	if err := d.People.Say(ctx, words); err != nil {
		return nil, err
	}
	facts, err := d.packSayings(said, stamp)
	if err != nil {
		return nil, err
	}
	return d.appendAll(ctx, facts)
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
		if known { // what its string did not ask stays as it was when it first came
			s.Allowed = s.Allowed&^s.unasked | allowed&s.unasked
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
// time before it. One that was asked for some purposes alone keeps what its
// shopper allowed of the others, no longer than she allowed it.
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
		last := newest[s.Shopper]
		if out[n] = last.At.After(s.At); out[n] {
			continue
		}
		carried := last.Allowed & s.unasked
		if !last.Until.IsZero() && !last.Until.After(s.At) {
			carried = consent.None
		}
		for _, p := range carried.Purposes() {
			delete(s.why, p)
		}
		if s.Allowed |= carried; carried != consent.None && !last.Until.IsZero() && (s.Until.IsZero() || last.Until.Before(s.Until)) {
			s.Until = last.Until
		}
		newest[s.Shopper] = s.Said
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
