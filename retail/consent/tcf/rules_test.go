package tcf_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"endcap/retail/consent"
	"endcap/retail/consent/tcf"
	"endcap/retail/consent/tcf/tcftest"
)

const vendor = 42

func may(t time.Time) time.Time { return t.AddDate(0, 1, 0) }

func TestWhatAStringAllows(t *testing.T) {
	t.Parallel()
	const (
		offers = consent.PersonalOffers
		ads    = consent.PersonalAds
		effect = consent.Measurement
	)
	all := consent.Of(offers, ads, effect)
	one := tcf.VendorsOf(tcf.Range{First: vendor, Last: vendor})
	forbid := func(kind tcf.RestrictionKind, purpose int) func(*tcf.Consent) {
		return func(c *tcf.Consent) {
			c.Restrictions = []tcf.Restriction{{Purpose: purpose, Kind: kind, Vendors: one}}
		}
	}
	tests := map[string]struct {
		spoil func(*tcf.Consent)
		want  consent.Set
		why   map[consent.Purpose]tcf.Refusal // of the three that a string can allow
	}{
		"she agreed to everything": {func(*tcf.Consent) {}, all, nil},
		"she agreed to nothing": {
			func(c *tcf.Consent) { c.Purposes, c.Interests, c.VendorConsents = 0, 0, tcf.Vendors{} },
			consent.None,
			map[consent.Purpose]tcf.Refusal{offers: tcf.RefusedPurpose, ads: tcf.RefusedPurpose, effect: tcf.RefusedPurpose},
		},
		"she did not agree to storing on her device": {
			func(c *tcf.Consent) { c.Purposes &^= tcf.NumbersOf(1) },
			consent.None,
			map[consent.Purpose]tcf.Refusal{offers: tcf.RefusedPurpose, ads: tcf.RefusedPurpose, effect: tcf.RefusedPurpose},
		},
		"she may be profiled for adverts, but the profile not used": {
			func(c *tcf.Consent) { c.Purposes &^= tcf.NumbersOf(4) },
			all.Without(ads),
			map[consent.Purpose]tcf.Refusal{ads: tcf.RefusedPurpose},
		},
		"she did not agree to us": {
			func(c *tcf.Consent) { c.VendorConsents = tcf.VendorsOf(tcf.Range{First: 1, Last: 41}) },
			consent.None,
			map[consent.Purpose]tcf.Refusal{offers: tcf.RefusedVendor, ads: tcf.RefusedVendor, effect: tcf.RefusedVendor},
		},
		"legitimate interest alone is not consent": {
			func(c *tcf.Consent) { c.Purposes &^= tcf.NumbersOf(7) },
			all.Without(effect),
			map[consent.Purpose]tcf.Refusal{effect: tcf.RefusedPurpose},
		},
		"legitimate interest in a profile never counts": {
			func(c *tcf.Consent) { c.Purposes &^= tcf.NumbersOf(3); c.Interests |= tcf.NumbersOf(3) },
			all.Without(ads),
			map[consent.Purpose]tcf.Refusal{ads: tcf.RefusedPurpose},
		},
		"the publisher forbids us profiles for adverts": {
			forbid(tcf.NotAllowed, 3), all.Without(ads), map[consent.Purpose]tcf.Refusal{ads: tcf.RefusedRestriction},
		},
		"the publisher wants legitimate interest where we have consent": {
			forbid(tcf.RequireInterest, 7), all.Without(effect), map[consent.Purpose]tcf.Refusal{effect: tcf.RefusedRestriction},
		},
		"the publisher wants the consent that we have": {forbid(tcf.RequireConsent, 7), all, nil},
		"we were not shown to her": {
			func(c *tcf.Consent) { v := tcf.VendorsOf(tcf.Range{First: 43, Last: 90}); c.Disclosed = &v },
			consent.None,
			map[consent.Purpose]tcf.Refusal{offers: tcf.RefusedDisclosure, ads: tcf.RefusedDisclosure, effect: tcf.RefusedDisclosure},
		},
		"nobody was shown to her, after February 2026": {
			func(c *tcf.Consent) { c.Disclosed = nil },
			consent.None,
			map[consent.Purpose]tcf.Refusal{offers: tcf.RefusedDisclosure, ads: tcf.RefusedDisclosure, effect: tcf.RefusedDisclosure},
		},
		"nobody was shown to her, on the last day that this was right": {
			func(c *tcf.Consent) {
				c.Disclosed, c.LastUpdated = nil, time.Date(2026, time.February, 27, 23, 59, 59, 0, time.UTC)
			}, all, nil,
		},
		"nobody was shown to her, on the first day that this was wrong": {
			func(c *tcf.Consent) {
				c.Disclosed, c.LastUpdated = nil, time.Date(2026, time.February, 28, 0, 0, 0, 0, time.UTC)
			},
			consent.None,
			map[consent.Purpose]tcf.Refusal{offers: tcf.RefusedDisclosure, ads: tcf.RefusedDisclosure, effect: tcf.RefusedDisclosure},
		},
		"it was asked for all sites at once": {
			func(c *tcf.Consent) { c.ServiceSpecific = false },
			consent.None,
			map[consent.Purpose]tcf.Refusal{offers: tcf.RefusedScope, ads: tcf.RefusedScope, effect: tcf.RefusedScope},
		},
		"it was asked under the rules before 2.2": {
			func(c *tcf.Consent) { c.PolicyVersion = 3 },
			consent.None,
			map[consent.Purpose]tcf.Refusal{offers: tcf.RefusedPolicy, ads: tcf.RefusedPolicy, effect: tcf.RefusedPolicy},
		},
		"she was asked 13 months ago": {
			func(c *tcf.Consent) { c.LastUpdated = may(whole().LastUpdated).AddDate(0, -13, 0) },
			consent.None,
			map[consent.Purpose]tcf.Refusal{offers: tcf.RefusedStale, ads: tcf.RefusedStale, effect: tcf.RefusedStale},
		},
		"she was asked a second less ago": {
			func(c *tcf.Consent) { c.LastUpdated = may(whole().LastUpdated).AddDate(0, -13, 0).Add(time.Second) }, all, nil,
		},
		"she will be asked the day after tomorrow": {
			func(c *tcf.Consent) { c.LastUpdated = may(whole().LastUpdated).AddDate(0, 0, 2) },
			consent.None,
			map[consent.Purpose]tcf.Refusal{offers: tcf.RefusedFuture, ads: tcf.RefusedFuture, effect: tcf.RefusedFuture},
		},
		"storing was not asked about, and the law wants it": {
			func(c *tcf.Consent) { c.Purposes &^= tcf.NumbersOf(1); c.PurposeOneUntold = true },
			consent.None,
			map[consent.Purpose]tcf.Refusal{offers: tcf.RefusedPurpose, ads: tcf.RefusedPurpose, effect: tcf.RefusedPurpose},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := whole()
			tt.spoil(c)
			read, err := tcf.Parse(tcftest.Encode(c, tcftest.Shorter))
			if err != nil {
				t.Fatal(err)
			}
			got := tcf.Defaults(vendor).Read(read, "FR", may(whole().LastUpdated))
			if got.Allowed != tt.want {
				t.Errorf("allowed %v, want %v", got.Allowed, tt.want)
			}
			delete(got.Refused, consent.OffsiteMatching)
			delete(got.Refused, consent.Pooling)
			if tt.why == nil {
				tt.why = map[consent.Purpose]tcf.Refusal{}
			}
			if diff := cmp.Diff(tt.why, got.Refused); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A string that says yes to all still hands nobody's identifiers to a partner.
func TestNoBannerOfTheFrameworkAllowsMatchingOrPooling(t *testing.T) {
	t.Parallel()
	for _, us := range []uint16{0, vendor} {
		got := tcf.Defaults(us).Read(whole(), "FR", may(whole().LastUpdated))
		for _, p := range []consent.Purpose{consent.OffsiteMatching, consent.Pooling} {
			if got.Allowed.Allows(p) || got.Refused[p] != tcf.RefusedUnasked {
				t.Errorf("vendor %d, %v: %q", us, p, got.Refused[p])
			}
		}
	}
}

func TestARetailerAsksForPoolingByPurposesOfItsOwn(t *testing.T) {
	t.Parallel()
	rules := tcf.Defaults(0)
	rules.Default.Needs[consent.Pooling] = tcf.Need{Purposes: tcf.NumbersOf(1), Custom: tcf.NumbersOf(2)}
	if err := rules.Check(); err != nil {
		t.Fatal(err)
	}
	c := whole()
	if got := rules.Read(c, "FR", may(c.LastUpdated)); !got.Allowed.Allows(consent.Pooling) {
		t.Errorf("agreed to: %v", got)
	}
	c.Publisher.Custom = tcf.NumbersOf(1)
	if got := rules.Read(c, "FR", may(c.LastUpdated)); got.Refused[consent.Pooling] != tcf.RefusedPurpose {
		t.Errorf("not agreed to: %v", got)
	}
	c.Publisher = nil
	if got := rules.Read(c, "FR", may(c.LastUpdated)); got.Allowed != consent.None || got.Refused[consent.PersonalAds] != tcf.RefusedPublisher {
		t.Errorf("without a part about the publisher: %v", got)
	}
}

func TestEachCountryReadsByItsOwnLaw(t *testing.T) {
	t.Parallel()
	rules := tcf.Defaults(vendor)
	lenient := tcf.Defaults(vendor).Default
	lenient.Interest, lenient.PurposeOneFree = tcf.NumbersOf(7, 9), true
	strict := tcf.Defaults(vendor).Default
	strict.MonthsMax = 1
	delete(strict.Needs, consent.PersonalAds)
	rules.Countries = map[string]tcf.Country{"DE": lenient, "IT": strict}
	if err := rules.Check(); err != nil {
		t.Fatal(err)
	}
	ask := func(country, written string, change func(*tcf.Consent)) tcf.Verdict {
		c := whole()
		c.Country = written
		change(c)
		return rules.Read(c, country, c.LastUpdated.AddDate(0, 0, 20))
	}
	byInterest := func(c *tcf.Consent) { c.Purposes &^= tcf.NumbersOf(1, 7, 9); c.PurposeOneUntold = true }
	if got := ask("DE", "DE", byInterest); got.Allowed != consent.Of(consent.PersonalOffers, consent.PersonalAds, consent.Measurement) {
		t.Errorf("in Germany: %v", got)
	}
	for _, place := range [][2]string{{"FR", "DE"}, {"DE", "FR"}, {"FR", "FR"}, {"", "FR"}} {
		if got := ask(place[0], place[1], byInterest); got.Allowed != consent.None {
			t.Errorf("shop in %q, string of %q: %v, want the stricter of both", place[0], place[1], got.Allowed)
		}
	}
	if got := ask("IT", "IT", func(*tcf.Consent) {}); got.Refused[consent.PersonalAds] != tcf.RefusedUnasked || !got.Allowed.Allows(consent.PersonalOffers) {
		t.Errorf("in Italy: %v", got)
	}
	old := whole()
	if got := rules.Read(old, "IT", may(old.LastUpdated)); got.Refused[consent.PersonalOffers] != tcf.RefusedStale {
		t.Errorf("in Italy a month later: %v", got)
	}
}

func TestRulesThatTheFrameworkForbids(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*tcf.Rules){
		"legitimate interest for profiles":  func(r *tcf.Rules) { r.Default.Interest = tcf.NumbersOf(3) },
		"legitimate interest for storing":   func(r *tcf.Rules) { r.Countries = map[string]tcf.Country{"DE": {Interest: 1, MonthsMax: 3}} },
		"never asked again":                 func(r *tcf.Rules) { r.Default.MonthsMax = 0 },
		"asked again after 14 months":       func(r *tcf.Rules) { r.Default.MonthsMax = 14 },
		"a country by its name":             func(r *tcf.Rules) { r.Countries = map[string]tcf.Country{"France": r.Default} },
		"a purpose that no string has":      func(r *tcf.Rules) { r.Default.Needs[consent.Pooling] = tcf.Need{Purposes: tcf.NumbersOf(25)} },
		"a purpose that is none of ours":    func(r *tcf.Rules) { r.Default.Needs[consent.Purpose(9)] = tcf.Need{Purposes: tcf.NumbersOf(1)} },
		"custom purposes, read as a vendor": func(r *tcf.Rules) { r.Default.Needs[consent.Pooling] = tcf.Need{Custom: tcf.NumbersOf(1)} },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := tcf.Defaults(vendor)
			if err := r.Check(); err != nil {
				t.Fatal(err)
			}
			spoil(&r)
			if err := r.Check(); !errors.Is(err, tcf.ErrRules) {
				t.Errorf("got %v, want ErrRules", err)
			}
		})
	}
}

// Taking a yes away never allows more.
func TestANoNeverAllowsMore(t *testing.T) {
	t.Parallel()
	rules := tcf.Defaults(vendor)
	rules.Default.Interest = tcf.NumbersOf(2, 7, 9)
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOfN(rapid.IntRange(1, 11), 0, 11)
		c := whole()
		c.Purposes, c.Interests = tcf.NumbersOf(some.Draw(t, "purposes")...), tcf.NumbersOf(some.Draw(t, "interests")...)
		before := rules.Read(c, "FR", may(c.LastUpdated)).Allowed
		gone := tcf.NumbersOf(rapid.IntRange(1, 11).Draw(t, "gone"))
		if rapid.Bool().Draw(t, "interest") {
			c.Interests &^= gone
		} else {
			c.Purposes &^= gone
		}
		if rapid.Bool().Draw(t, "forbid") {
			c.Restrictions = []tcf.Restriction{{
				Purpose: rapid.IntRange(1, 11).Draw(t, "purpose"), Kind: tcf.RestrictionKind(rapid.IntRange(0, 2).Draw(t, "kind")),
				Vendors: tcf.VendorsOf(tcf.Range{First: vendor, Last: vendor}),
			}}
		}
		if after := rules.Read(c, "FR", may(c.LastUpdated)).Allowed; after&^before != 0 {
			t.Fatalf("%v before, %v after", before, after)
		}
	})
}
