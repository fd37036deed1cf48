package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
	"endcap/retail/consent/tcf"
	"endcap/retail/shopper"
)

// checkWords refuses a saying whose words contradict each other or cannot be
// read.
func (c *Config) checkWords(r *Consent) *Fault {
	switch {
	case (r.Allowed|r.Refused)&^consent.All != 0:
		return fault(BadValue, "allowed", "an unknown purpose", "name the purposes by their words")
	case r.Allowed&r.Refused != 0:
		return fault(BadValue, "refused", "she allows and refuses "+(r.Allowed&r.Refused).String(), "name each purpose once")
	case r.Country != "" && !policy.IsCountry(r.Country):
		return fault(BadValue, "country", "not a country", "name it by two capital letters, as FR")
	case r.Version < 0 || r.Version > 0 && (r.Wording == "" || r.Language == ""):
		return fault(BadValue, "version", "a version of no text", "send wording, version from 1 and language together")
	case len(r.Language) > vault.LanguageMax || strings.Trim(strings.ToLower(r.Language), "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		return fault(BadValue, "language", "not a language", "name it by its tag, as fr or fr-CA")
	case r.Age.Known && (r.Age.Years < 0 || r.Age.Years > 150):
		return fault(BadValue, "age", "nobody is so old", "send whole years, or nothing")
	}
	if say := textFault(r.Wording); say != "" {
		return fault(BadValue, "wording", say, "name the text by a short word")
	}
	if say := textFault(r.Channel); say != "" {
		return fault(BadValue, "channel", say, "name the site, the store or the form by a short word")
	}
	if r.TCF == "" {
		return nil
	}
	if r.Allowed|r.Refused != consent.None {
		return fault(BadValue, "tcf", "purposes beside a consent string", "send the string alone, or the purposes")
	}
	var err error
	if r.told, err = tcf.Parse(r.TCF); err != nil {
		return stringFault(err)
	}
	return nil
}

// stringFault tells what is wrong with a consent string: which field of which
// segment, never what stands there.
func stringFault(err error) *Fault {
	return fault(BadString, "tcf", err.Error(), "send the string whole, as the consent platform gives it for this site: the core, then DisclosedVendors and PublisherTC, joined by dots")
}

// judge fills in what of a saying counts, for how long, and why the rest does
// not.
func (c *Config) judge(r *Consent, s *saying) {
	allowed, longest := r.Allowed, time.Time{}
	s.Refused = r.Refused
	switch {
	case r.told != nil:
		s.Country, s.Language, s.Means = cmp.Or(r.Country, r.told.Country), cmp.Or(s.Language, strings.ToLower(r.told.Language)), MeansString
		v := c.Policy.Strings.Read(r.told, s.Country, s.At)
		allowed, longest = v.Allowed, c.Policy.Strings.Lapses(r.told, s.Country)
		for p, why := range v.Refused {
			if why == tcf.RefusedUnasked {
				s.unasked = s.unasked.With(p)
			}
			if why == tcf.RefusedPurpose || why == tcf.RefusedVendor { // she said no, and not the string's form
				s.Refused = s.Refused.With(p)
			}
			s.withhold(p, string(why))
		}
	case r.Allowed == consent.None && r.Refused == consent.None:
		s.Refused = consent.All
	}
	counts, why := c.Policy.Judge(allowed, s.Country, r.Age)
	for p, word := range why {
		s.withhold(p, word)
	}
	s.unasked &^= c.Policy.Law(s.Country).Barred
	if s.Allowed = counts; counts|s.unasked != consent.None {
		s.Until = policy.After(s.At, c.Policy.Law(s.Country).Months)
		if !longest.IsZero() && longest.Before(s.Until) {
			s.Until = longest
		}
	}
	words := make([]string, 0, len(s.why))
	for _, p := range slices.Sorted(maps.Keys(s.why)) {
		words = append(words, p.String()+"="+s.why[p])
	}
	s.Note = strings.Join(words, ",")
}

func (s *saying) withhold(p consent.Purpose, why string) {
	if s.why == nil {
		s.why = make(map[consent.Purpose]string)
	}
	s.why[p] = why
}

// text finds the registered text that a saying names, and puts its hash beside
// it. A no needs no text.
func (d *Desk) text(ctx context.Context, r *Consent, s *saying) (*Fault, error) {
	if r.Version == 0 {
		if d.cfg.Policy.Registered && s.Allowed != consent.None && r.told == nil {
			return fault(Unregistered, "version", "a yes to a text that is not registered", "register it with PUT /v1/wordings, and send its wording, version and language"), nil
		}
		return nil, nil
	}
	w, err := d.People.Wording(ctx, r.Wording, r.Version, r.Language)
	switch {
	case errors.Is(err, vault.ErrNotFound):
		return fault(Unregistered, "version", "no text is registered under this wording, version and language", "register it with PUT /v1/wordings, then send the row again"), nil
	case err != nil:
		return nil, err
	}
	s.Text = w.Sum()
	return nil, nil
}

// lapsed reports whether what is allowed is too old already.
func (s *saying) lapsed(now time.Time) bool {
	return s.Allowed != consent.None && !s.Until.IsZero() && !s.Until.After(now)
}

// lapseOf is the saying by which another no longer counts. It stands right
// behind it in time, and not at the day on which it lapses, so that whatever she
// said since, under whichever of her ids, counts as before.
func lapseOf(s *vault.Said, now time.Time) saying {
	at := s.At.Add(time.Microsecond)
	return saying{
		Said: vault.Said{
			Shopper: s.Shopper, Wording: s.Wording, Version: s.Version, Language: s.Language, Text: s.Text, Means: MeansLapse, Channel: s.Channel, Country: s.Country,
			Note: s.Allowed.String(), Source: "policy", At: at, Received: now, EventID: veiled(s.Shopper, "lapse "+s.EventID),
		},
		place: -1, told: at,
	}
}

// lapsePage is how many consents lapse in one step.
const lapsePage = 1_000

// Lapse records of every consent that became too old that it allows nothing any
// more, and says of how many. It is called before the first visit of a day, and
// may be broken off and called again.
func (d *Desk) Lapse(ctx context.Context) (count int, err error) {
	now := micro(d.Clock())
	for after := int64(0); ; {
		d.forgetting.RLock()
		some, err := d.People.Lapsing(ctx, now, after, lapsePage)
		said := make([]saying, len(some))
		for n := range some {
			said[n], after = lapseOf(&some[n], now), some[n].Seq
		}
		if err == nil && len(said) > 0 {
			_, err = d.keepSayings(ctx, said, stamp{"policy", now})
		}
		d.forgetting.RUnlock()
		if err != nil {
			return count, fmt.Errorf("let consents lapse: %w", err)
		}
		if count += len(said); len(some) < lapsePage {
			return count, d.People.Lapsed(ctx, now)
		}
	}
}

// State says how a purpose stands with a shopper. Words cross the wire.
type State string

// The states.
const (
	Unasked State = "not_asked"
	Allows  State = "allowed"
	Refuses State = "refused"
	Lapsed  State = "lapsed"
)

// Standing is how one purpose stands: since and until when, and the instant
// before which she is not to be asked again; zero where she may be.
type Standing struct {
	Purpose  consent.Purpose
	State    State
	Since    time.Time
	Until    time.Time
	AskAfter time.Time
}

// Standing tells how each purpose stands with the shopper whom keys name. Of
// nobody, and of keys that name two people, nothing was asked.
func (d *Desk) Standing(ctx context.Context, keys []shopper.Key) ([]Standing, error) {
	if f := checkSet(keys); f != nil {
		return nil, &retail.Error{Kind: retail.Invalid, Field: "shopper", Say: f.Say, Cure: f.Cure}
	}
	who, err := d.People.Find(ctx, keys)
	if err != nil {
		return nil, err
	}
	var said []vault.Said
	if who.Known() {
		if said, err = d.People.Said(ctx, who); err != nil {
			return nil, err
		}
	}
	out := make([]Standing, 0, len(consent.Purposes()))
	for _, p := range consent.Purposes() {
		out = append(out, d.cfg.standing(p, said, d.Clock()))
	}
	return out, nil
}

// standing goes through all that was said, oldest first. A no is remembered
// until she is asked again, also where something that says nothing of the
// purpose came after it.
func (c *Config) standing(p consent.Purpose, said []vault.Said, now time.Time) Standing {
	out := Standing{Purpose: p, State: Unasked}
	for i := range said {
		s := &said[i]
		refused := s.Refused
		if s.Allowed == consent.None && refused == consent.None && s.Note == "" {
			refused = consent.All // recorded before a no had a field of its own; a yes that does not count is noted, and no no
		}
		switch {
		case s.Means == MeansLapse:
		case s.Allowed.Allows(p):
			out.State, out.Since, out.Until, out.AskAfter = Allows, s.At, s.Until, s.Until
		case refused.Allows(p):
			out.State, out.Since, out.Until = Refuses, s.At, time.Time{}
			out.AskAfter = policy.After(s.At, c.Policy.Law(s.Country).RefusalMonths)
		case out.State == Allows:
			out = Standing{Purpose: p, State: Unasked}
		}
	}
	if out.State == Allows && !out.Until.IsZero() && !out.Until.After(now) {
		out.State = Lapsed
	}
	return out
}

// ReadString says what a consent string would allow in a country now, without
// keeping anything.
func (d *Desk) ReadString(text, country string) (*tcf.Consent, tcf.Verdict, error) {
	c, err := tcf.Parse(text)
	if err != nil {
		f := stringFault(err)
		return nil, tcf.Verdict{}, &retail.Error{Kind: retail.Invalid, Field: f.Field, Say: f.Say, Cure: f.Cure}
	}
	if country != "" && !policy.IsCountry(country) {
		return nil, tcf.Verdict{}, &retail.Error{Kind: retail.Invalid, Field: "country", Say: "not a country", Cure: "name it by two capital letters, as FR"}
	}
	return c, d.cfg.Policy.Strings.Read(c, cmp.Or(country, c.Country), d.Clock()), nil
}

// Wording is a text that shoppers are shown, in one language and version.
type Wording = vault.Wording

// PutWording registers a text that shoppers are shown, and says whether it is
// new. A text that is registered is never changed: another is another version.
func (d *Desk) PutWording(ctx context.Context, w Wording) (bool, error) {
	w.At = micro(d.Clock())
	if err := w.Check(); err != nil {
		return false, &retail.Error{Kind: retail.Invalid, Field: "text", Say: err.Error(), Cure: "send wording, version from 1, language and text"}
	}
	added, err := d.People.PutWording(ctx, w)
	if errors.Is(err, vault.ErrOtherText) {
		err = &retail.Error{Kind: retail.Conflict, Field: "text", Say: "this version is registered with another text, which people were shown", Cure: "register it under the next version", Err: err}
	}
	return added, err
}

// Wordings lists registered texts after one, by wording, version and language.
func (d *Desk) Wordings(ctx context.Context, after Wording, limit int) ([]Wording, error) {
	return d.People.Wordings(ctx, after, limit)
}
