package identity_test

import (
	"fmt"
	"testing"

	"endcap/know/identity"
	"endcap/know/identity/graph"
	"endcap/retail/shopper"
)

// Who lives with whom, by a tablet on which both log in, through a merge, its
// end, and the leaving of one.
func TestWhoSharesAHousehold(t *testing.T) {
	t.Parallel()
	h := open(t, counted())
	ana, app, bea, cat := key(t, shopper.Card, "ana"), key(t, shopper.Account, "ana@shop"), key(t, shopper.Card, "bea"), key(t, shopper.Card, "cat")
	tablet, phone := key(t, shopper.Device, "tablet"), mail(t, 7)
	want := func(when string, of shopper.Key, homes string) {
		t.Helper()
		shares, err := h.Household(t.Context(), h.find(t, of))
		if err != nil || fmt.Sprint(shares) != homes {
			t.Errorf("%s: %v (%v), want %s", when, shares, err, homes)
		}
		told, err := h.Explain(t.Context(), []shopper.Key{of})
		if err != nil || len(told.Household) != len(shares) {
			t.Errorf("%s: staff are told of %d others, her file of %d (%v)", when, len(told.Household), len(shares), err)
		}
	}
	h.name(t, app)
	h.declare(t, []shopper.Key{ana})
	want("nobody beside her", ana, "[]")
	h.declare(t, []shopper.Key{ana, tablet}, []shopper.Key{bea, tablet})
	if h.Canonical(h.find(t, ana)) == h.Canonical(h.find(t, bea)) {
		t.Fatal("a tablet made two people one")
	}
	want("one tablet", ana, "[[device]]")
	want("one tablet, seen from the other side", bea, "[[device]]")

	h.declare(t, []shopper.Key{cat, phone})
	if _, err := h.Part(t.Context(), identity.Claim{A: []shopper.Key{cat}, B: []shopper.Key{app}, Vouched: vouch(graph.Declared, monday)}); err != nil {
		t.Fatal(err)
	}
	h.declare(t, []shopper.Key{app, phone})
	want("one address, and known to be two", app, "[[email_sha256]]")
	want("before the merge", ana, "[[device]]")
	edge := h.declare(t, []shopper.Key{ana, app})[0].Edge
	want("after the merge", ana, "[[device] [email_sha256]]")
	want("of him who stands apart", bea, "[[device] []]")
	if err := h.Withdraw(t.Context(), edge, vouch("", monday)); err != nil {
		t.Fatal(err)
	}
	want("after its end", ana, "[[device]]")
	if err := h.Forget(t.Context(), h.find(t, bea)); err != nil {
		t.Fatal(err)
	}
	want("once the other is forgotten", ana, "[]")
}

func TestAKioskIsNobodysHousehold(t *testing.T) {
	t.Parallel()
	h := open(t, counted())
	kiosk := key(t, shopper.Device, "kiosk")
	for n := range 7 {
		h.declare(t, []shopper.Key{key(t, shopper.Account, fmt.Sprint("account-", n)), kiosk})
	}
	if shares, err := h.Household(t.Context(), h.find(t, key(t, shopper.Account, "account-3"))); err != nil || len(shares) > 0 {
		t.Errorf("seven people at one kiosk live together: %v, %v", shares, err)
	}
}
