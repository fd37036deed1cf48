package identity_test

import (
	"testing"
	"time"

	"endcap/keep/vault"
	"endcap/know/identity"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// A profile may be behind what she said; what she withdrew counts all the same,
// at once and for all the shoppers she is.
func TestAWithdrawalCountsBeforeTheProfileKnows(t *testing.T) {
	t.Parallel()
	h := open(t, identity.Seeded([32]byte{1}))
	who, at := shopper.FromUint64(1), time.Date(2026, time.May, 4, 9, 0, 0, 0, time.UTC)
	section := foldAll(t, []event.Fact{said(1, 5, consent.All)}, 1)[0]
	say := func(id string, allowed consent.Set, at time.Time) {
		t.Helper()
		if err := h.Say(t.Context(), []vault.Said{{Shopper: who, EventID: id, Allowed: allowed, At: at}}); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(want consent.Set) {
		t.Helper()
		if got := h.Holds(who, section, at); got != want {
			t.Errorf("holds %v, want %v", got, want)
		}
	}
	holds(consent.All)
	say("a", consent.All, at)
	holds(consent.All)
	say("b", consent.Of(consent.Measurement), at.Add(time.Minute))
	holds(consent.Of(consent.Measurement))
	say("c", consent.All, at.Add(-time.Hour)) // an old yes that comes late
	holds(consent.Of(consent.Measurement))
	say("d", consent.All, at.Add(time.Hour))
	holds(consent.All)
	say("e", consent.None, at.Add(2*time.Hour))
	holds(consent.None)
	if got := h.Holds(shopper.FromUint64(2), section, at); got != consent.All {
		t.Errorf("somebody else's holds %v", got)
	}
	if err := h.Forget(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	holds(consent.None)
}

func TestNoYesHoldsLongerThanAnyMay(t *testing.T) {
	t.Parallel()
	h := open(t, identity.Seeded([32]byte{1}), func(c *identity.Config) { c.MonthsMax = 6 })
	f := said(1, 5, consent.All)
	section := foldAll(t, []event.Fact{f}, 1)[0]
	for now, want := range map[time.Time]consent.Set{
		f.At.AddDate(0, 6, 0).Add(-time.Second): consent.All,
		f.At.AddDate(0, 6, 0):                   consent.None,
	} {
		if got := h.Holds(shopper.FromUint64(1), section, now); got != want {
			t.Errorf("at %v it holds %v, want %v", now, got, want)
		}
	}
}
