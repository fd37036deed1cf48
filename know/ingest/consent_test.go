package ingest_test

import (
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
