package ingest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"endcap/keep/vault"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
	"endcap/retail/consent/tcf"
	"endcap/retail/consent/tcf/tcftest"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// banner is a consent string by which everything was agreed that a string can
// say, but for the purposes that are left out.
func banner(day time.Time, without ...int) string {
	all := tcf.NumbersOf(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) &^ tcf.NumbersOf(without...)
	disclosed := tcf.VendorsOf(tcf.Range{First: 1, Last: 900})
	day = day.Truncate(24 * time.Hour)
	return tcftest.Encode(&tcf.Consent{
		Created: day, LastUpdated: day, CMP: 7, CMPVersion: 2, Screen: 1, Language: "FR", VendorListVersion: 150, PolicyVersion: 5,
		ServiceSpecific: true, Purposes: all, Country: "FR", VendorConsents: disclosed,
		Disclosed: &disclosed, Publisher: &tcf.Publisher{Purposes: all},
	}, tcftest.Shorter)
}

// undisclosed is that string without its list of disclosed vendors.
func undisclosed(day time.Time) string {
	parts := strings.Split(banner(day), ".")
	return parts[0] + "." + parts[2]
}

func (h *house) allows(t *testing.T, keys ...shopper.Key) consent.Set {
	t.Helper()
	sets, err := h.people.Allowed(t.Context(), []shopper.ID{h.who(t, keys...)})
	if err != nil {
		t.Fatal(err)
	}
	return sets[0]
}

func (h *house) standing(t *testing.T, p consent.Purpose, keys ...shopper.Key) ingest.Standing {
	t.Helper()
	all, err := h.Standing(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	return all[p]
}

func TestWhatDoesABannersStringAllow(t *testing.T) {
	t.Parallel()
	three := consent.Of(consent.PersonalOffers, consent.PersonalAds, consent.Measurement)
	for name, tt := range map[string]struct {
		text    func(now time.Time) string
		want    string
		allowed consent.Set
		note    string // in the vault
	}{
		"everything":             {func(now time.Time) string { return banner(now) }, "new", three, "offsite_matching=not_asked,pooling=not_asked"},
		"no advertising profile": {func(now time.Time) string { return banner(now, 3) }, "new", three.Without(consent.PersonalAds), "personal_ads=purpose,offsite_matching=not_asked,pooling=not_asked"},
		"nobody disclosed":       {undisclosed, "new", consent.None, ""},
		"asked two years ago":    {func(now time.Time) string { return banner(now.AddDate(-2, 0, 0)) }, "new", consent.None, ""},
		"garbage behind a dot":   {func(now time.Time) string { return banner(now) + ".gAAA" }, "bad_consent_string:tcf", consent.None, ""},
		"cut in the middle":      {func(now time.Time) string { return banner(now)[:30] }, "bad_consent_string:tcf", consent.None, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			h.micros.Store(time.Date(2026, time.May, 4, 9, 0, 0, 0, time.UTC).UnixMicro())
			keys := []shopper.Key{card(t, "ana")}
			row := ingest.Consent{ID: "c1", Keys: keys, TCF: tt.text(h.clock()), Wording: "banner", At: h.clock()}
			if got := h.consents(t, row); got != tt.want {
				t.Fatalf("got %s, want %s", got, tt.want)
			}
			if tt.want != "new" {
				return
			}
			if got := h.allows(t, keys...); got != tt.allowed {
				t.Errorf("allows %v, want %v", got, tt.allowed)
			}
			said, err := h.people.Said(t.Context(), h.who(t, keys...))
			if err != nil || len(said) != 1 {
				t.Fatalf("%d sayings, %v", len(said), err)
			}
			s := said[0]
			if s.Evidence != row.TCF || s.Means != ingest.MeansString || s.Country != "FR" || s.Language != "fr" || tt.note != "" && s.Note != tt.note {
				t.Errorf("kept as %q %q %q, %s", s.Means, s.Country, s.Language, s.Note)
			}
			if got := h.consents(t, row); got != "repeat" {
				t.Errorf("sent again: %s", got)
			}
		})
	}
}

// A banner does not ask for pooling; what she said of it on paper stands, and no
// longer than it stood.
func TestAStringLeavesAloneWhatItDoesNotAsk(t *testing.T) {
	t.Parallel()
	h := open(t)
	keys := []shopper.Key{card(t, "ana")}
	signed := h.clock().AddDate(0, -20, 0)
	h.consents(t, ingest.Consent{ID: "paper", Keys: keys, Allowed: consent.Of(consent.Pooling, consent.PersonalAds), At: signed})
	h.consents(t, ingest.Consent{ID: "web", Keys: keys, TCF: banner(h.clock(), 4), At: h.clock()})
	if got, want := h.allows(t, keys...), consent.Of(consent.Pooling, consent.PersonalOffers, consent.Measurement); got != want {
		t.Errorf("she allows %v, want %v", got, want)
	}
	if got, want := h.standing(t, consent.Pooling, keys...).Until, policy.After(signed, 24); !got.Equal(want) {
		t.Errorf("until %v, want %v", got, want)
	}
}

func TestAYesLapses(t *testing.T) {
	t.Parallel()
	h := open(t)
	ana, ben := []shopper.Key{card(t, "ana")}, []shopper.Key{card(t, "ben")}
	at := h.clock()
	h.consents(t, ingest.Consent{ID: "a", Keys: ana, Allowed: consent.All, At: at.AddDate(0, -23, 0)}, ingest.Consent{ID: "b", Keys: ben, Allowed: consent.All, At: at})
	if got := h.consents(t, ingest.Consent{ID: "old", Keys: []shopper.Key{card(t, "old")}, Allowed: consent.All, At: at.AddDate(-3, 0, 0)}); got != "new" {
		t.Errorf("one of three years ago: %s", got)
	}
	if got := h.allows(t, card(t, "old")); got != consent.None {
		t.Errorf("one of three years ago allows %v", got)
	}
	if n, err := h.Lapse(t.Context()); err != nil || n != 1 { // the old one again, which changes nothing
		t.Errorf("%d lapse now, %v", n, err)
	}
	h.pass(32 * 24 * time.Hour)
	if n, err := h.Lapse(t.Context()); err != nil || n != 1 {
		t.Errorf("%d lapse after a month, %v; want hers alone", n, err)
	}
	if n, err := h.Lapse(t.Context()); err != nil || n != 0 {
		t.Errorf("%d lapse again, %v", n, err)
	}
	if a, b := h.allows(t, ana...), h.allows(t, ben...); a != consent.None || b != consent.All {
		t.Errorf("they allow %v and %v, want nothing and everything", a, b)
	}
	if got := h.standing(t, consent.PersonalAds, ana...); got.State != ingest.Lapsed || got.AskAfter.After(h.clock()) {
		t.Errorf("she stands as %+v", got)
	}
	if n := len(h.facts(t, event.KindConsent)); n != 5 {
		t.Errorf("%d facts, want three of what was said and two of what lapsed", n)
	}
	h.consents(t, ingest.Consent{ID: "a2", Keys: ana, Allowed: consent.Of(consent.Measurement), At: h.clock()})
	if got := h.allows(t, ana...); got != consent.Of(consent.Measurement) {
		t.Errorf("asked again she allows %v", got)
	}
}

// A no is remembered, and what she said before it changes nothing when it comes
// after it.
func TestANoIsRememberedAndOutlivesOldYeses(t *testing.T) {
	t.Parallel()
	h := open(t)
	keys := []shopper.Key{card(t, "ana")}
	if got := h.standing(t, consent.PersonalAds, keys...); got != (ingest.Standing{Purpose: consent.PersonalAds, State: ingest.Unasked}) {
		t.Errorf("of nobody: %+v", got)
	}
	no := h.clock()
	h.consents(t, ingest.Consent{ID: "no", Keys: keys, Allowed: consent.Of(consent.PersonalOffers), Refused: consent.Of(consent.PersonalAds), At: no})
	if got := h.consents(t, ingest.Consent{ID: "import", Keys: keys, Allowed: consent.All, At: no.AddDate(0, -1, 0)}); got != "new(older)" {
		t.Errorf("an old yes is %s", got)
	}
	h.pass(time.Hour)
	h.consents(t, ingest.Consent{ID: "form", Keys: keys, Allowed: consent.Of(consent.PersonalOffers), At: h.clock()}) // says nothing of adverts
	if got := h.allows(t, keys...); got != consent.Of(consent.PersonalOffers) {
		t.Errorf("she allows %v", got)
	}
	want := ingest.Standing{Purpose: consent.PersonalAds, State: ingest.Refuses, Since: no, AskAfter: policy.After(no, 6)}
	if got := h.standing(t, consent.PersonalAds, keys...); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := h.standing(t, consent.Pooling, keys...).State; got != ingest.Unasked {
		t.Errorf("pooling is %s, and nobody asked her", got)
	}
	h.consents(t, ingest.Consent{ID: "nothing", Keys: keys, At: h.clock()})
	if got := h.standing(t, consent.Pooling, keys...).State; got != ingest.Refuses {
		t.Errorf("who allows nothing refuses everything, and pooling is %s", got)
	}
}

func TestAYesNamesTheTextSheWasShown(t *testing.T) {
	t.Parallel()
	h := open(t)
	keys := []shopper.Key{card(t, "ana")}
	row := ingest.Consent{ID: "c", Keys: keys, Allowed: consent.All, Wording: "card", Version: 2, Language: "fr", At: h.clock()}
	if got := h.consents(t, row); got != "wording_unregistered:version" {
		t.Errorf("an unregistered text: %s", got)
	}
	text := vault.Wording{Name: "card", Version: 2, Language: "fr", Text: "Oui ?", By: "ana"}
	if added, err := h.PutWording(t.Context(), text); err != nil || !added {
		t.Fatal(added, err)
	}
	if added, err := h.PutWording(t.Context(), text); err != nil || added {
		t.Errorf("again: %v, %v", added, err)
	}
	text.Text = "Non ?"
	if _, err := h.PutWording(t.Context(), text); !conflicts(err) {
		t.Errorf("another text: %v", err)
	}
	if got := h.consents(t, row); got != "new" {
		t.Errorf("registered: %s", got)
	}
	said, err := h.people.Said(t.Context(), h.who(t, keys...))
	text.Text = "Oui ?"
	if err != nil || len(said) != 1 || said[0].Text != text.Sum() {
		t.Errorf("the consent does not name the text: %v", err)
	}
}

func conflicts(err error) bool {
	e, ok := errors.AsType[*retail.Error](err)
	return ok && e.Kind == retail.Conflict
}

func TestWordsThatContradictEachOther(t *testing.T) {
	t.Parallel()
	h := open(t)
	ads := consent.Of(consent.PersonalAds)
	for want, row := range map[string]ingest.Consent{
		"bad_value:refused":  {Allowed: ads, Refused: ads},
		"bad_value:tcf":      {Allowed: ads, TCF: "C"},
		"bad_value:country":  {Allowed: ads, Country: "fr"},
		"bad_value:version":  {Allowed: ads, Wording: "card", Version: 2},
		"bad_value:language": {Allowed: ads, Language: "fr_FR"},
		"bad_value:age":      {Allowed: ads, Age: policy.Age{Known: true, Years: -1}},
	} {
		row.ID, row.Keys, row.At = "x", []shopper.Key{card(t, "ana")}, h.clock()
		if got := h.consents(t, row); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
