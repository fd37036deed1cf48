package ingest_test

import (
	"strings"
	"testing"
	"time"

	"endcap/know/ingest"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

func TestAWithdrawalOutlivesAFastClock(t *testing.T) {
	t.Parallel()
	h := open(t)
	keys := []shopper.Key{card(t, "ana")}
	ahead := ingest.Consent{ID: "c1", Keys: keys, Allowed: consent.All, At: h.clock().Add(20 * time.Minute)}
	unnamed := ingest.Consent{Keys: keys, Allowed: consent.All, Wording: "2017", At: h.clock().Add(20 * time.Minute)}
	if got := h.consents(t, ahead, unnamed); got != "new new" {
		t.Errorf("got %s", got)
	}
	h.pass(5 * time.Minute)
	if got := h.consents(t, ahead, unnamed); got != "repeat repeat" {
		t.Errorf("sent again five minutes later: %s", got)
	}
	withdrawn := ingest.Consent{ID: "c2", Keys: keys}
	if got := h.consents(t, withdrawn); got != "new" {
		t.Errorf("withdrawing: %s", got)
	}
	h.pass(time.Minute)
	late := ingest.Consent{Keys: keys, Allowed: consent.All, At: h.clock().Add(-time.Hour)}
	if got := h.consents(t, withdrawn, late, late); got != "repeat new(older) repeat" {
		t.Errorf("a retry and what she said before: %s", got)
	}
	sets, err := h.people.Allowed(t.Context(), []shopper.ID{h.who(t, keys...)})
	if err != nil || sets[0] != consent.None {
		t.Errorf("after a withdrawal she allows %v (%v)", sets, err)
	}
	for _, f := range h.facts(t, event.KindConsent) {
		if f.At.After(f.Arrived) {
			t.Errorf("a consent of %v is dated %v", f.Arrived, f.At)
		}
	}
}

func TestDoesAWithdrawalCountThatReusesTheIDOfAGrant(t *testing.T) {
	t.Parallel()
	at := func(h *house, ago time.Duration) time.Time { return h.clock().Add(-ago) }
	tests := map[string]struct {
		second     func(h *house, grant ingest.Consent) ingest.Consent
		want, cure string
		allowed    consent.Set
	}{
		"nothing any more, at another time": {func(h *house, g ingest.Consent) ingest.Consent {
			g.Allowed, g.At = consent.None, at(h, time.Minute)
			return g
		}, "new", "", consent.None},
		"nothing any more, at the same time": {func(_ *house, g ingest.Consent) ingest.Consent {
			g.Allowed = consent.None
			return g
		}, "new", "", consent.None},
		"nothing any more, without a time": {func(_ *house, g ingest.Consent) ingest.Consent {
			g.Allowed, g.At = consent.None, time.Time{}
			return g
		}, "new", "", consent.None},
		"one purpose for another": {func(h *house, g ingest.Consent) ingest.Consent {
			g.Allowed, g.At = consent.Of(consent.Measurement), at(h, time.Minute)
			return g
		}, "conflict:id", "give each saying an id of its own, or none", consent.None},
		"more": {func(h *house, g ingest.Consent) ingest.Consent {
			g.Allowed, g.At = consent.All, at(h, time.Minute)
			return g
		}, "conflict:id", "give each saying an id of its own, or none", consent.Of(consent.PersonalAds, consent.PersonalOffers)},
	}
	for name, tt := range tests {
		for _, together := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := open(t)
				grant := ingest.Consent{ID: "c1", Keys: []shopper.Key{card(t, "ana")}, Allowed: consent.Of(consent.PersonalAds, consent.PersonalOffers), At: at(h, time.Hour)}
				second := tt.second(h, grant)
				if together {
					if got := h.consents(t, grant, second); got != "new "+tt.want {
						t.Errorf("in one batch: %s", got)
					}
				} else if got := h.consents(t, grant) + " " + h.consents(t, second); got != "new "+tt.want {
					t.Errorf("one after the other: %s", got)
				}
				sets, err := h.people.Allowed(t.Context(), []shopper.ID{h.who(t, grant.Keys...)})
				if err != nil || sets[0] != tt.allowed {
					t.Errorf("she allows %v (%v), want %v", sets, err, tt.allowed)
				}
				if rows := h.refused(t); tt.cure != "" && (len(rows) != 1 || !strings.Contains(rows[0].Say, tt.cure)) {
					t.Errorf("in quarantine: %+v", rows)
				}
				again := "repeat"
				if tt.cure != "" {
					again = tt.want
				}
				if got := h.consents(t, grant, second); got != "repeat "+again {
					t.Errorf("sent again: %s", got)
				}
			})
		}
	}
}
