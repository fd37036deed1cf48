package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"endcap/keep/vault"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

func (h *house) who(tb testing.TB, keys ...shopper.Key) shopper.ID {
	tb.Helper()
	id, err := h.people.Find(tb.Context(), keys)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

func (h *house) consents(tb testing.TB, rows ...ingest.Consent) string {
	tb.Helper()
	res, err := h.Consents(tb.Context(), rows, file)
	if err != nil {
		tb.Fatal(err)
	}
	return said(res)
}

func TestShoppersGoToTheVaultAlone(t *testing.T) {
	t.Parallel()
	h := open(t)
	mail, err := shopper.ParseKey(shopper.EmailHash, strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	load := func() string {
		t.Helper()
		res, err := h.Shoppers(t.Context(), []ingest.Shopper{
			{Keys: []shopper.Key{card(t, "ana"), card(t, "ana's second card")}},
			{Keys: []shopper.Key{mail}},
			{Keys: nil, Raw: []byte("an empty row")},
			{Keys: []shopper.Key{card(t, "ana"), mail}, Raw: []byte("one person")},
		}, file)
		if err != nil {
			t.Fatal(err)
		}
		return said(res)
	}
	if got := load(); got != "new new no_shopper:keys new" {
		t.Errorf("got %s", got)
	}
	if got := load(); got != "repeat repeat no_shopper:keys repeat" {
		t.Errorf("again: %s", got)
	}
	for _, f := range h.facts(t) {
		if f.Kind() != event.KindClustered {
			t.Errorf("a list of shoppers made a %v", f.Kind())
		}
	}
	if n := len(h.facts(t)); n != 2 {
		t.Errorf("%d shoppers are told to be another, want her second card's and her address's", n)
	}
	if len(h.refused(t)) != 1 {
		t.Errorf("%d rows in quarantine, want 1", len(h.refused(t)))
	}
}

func TestWhatDidSheAgreeTo(t *testing.T) {
	t.Parallel()
	h := open(t)
	keys := []shopper.Key{card(t, "ana")}
	yes := ingest.Consent{ID: "c1", Keys: keys, Allowed: consent.All, Wording: "2017", At: at(t, "2017-12-01T10:00:00Z")}
	no := ingest.Consent{Keys: keys, At: at(t, "2017-12-03T10:00:00Z")}
	changed := yes
	changed.Allowed = consent.None
	tomorrow := ingest.Consent{Keys: keys, At: at(t, "2017-12-09T10:00:00Z")}
	if got := h.consents(t, yes, yes, no, no, changed, tomorrow, ingest.Consent{Keys: keys, Allowed: 0xff}); got != "new repeat new repeat new(older) in_future:at bad_value:allowed" {
		t.Errorf("got %s", got)
	}
	sets, err := h.people.Allowed(t.Context(), []shopper.ID{h.who(t, keys...)})
	if err != nil || sets[0] != consent.None {
		t.Errorf("after a withdrawal she allows %v (%v)", sets, err)
	}
	facts := h.facts(t, event.KindConsent)
	if len(facts) != 3 || facts[0].Shopper != h.who(t, keys...) || facts[0].Body.(event.Consent).Allowed != consent.All {
		t.Errorf("%d consent facts", len(facts))
	}
	for _, f := range facts {
		if strings.Contains(f.ID, "c1") {
			t.Error("the source's id of a saying, which may name her, is in a fact")
		}
	}
}

func TestAFactIsStampedWithWhatSheAllowed(t *testing.T) {
	t.Parallel()
	h := open(t)
	allowed := consent.Of(consent.Measurement, consent.PersonalOffers)
	h.consents(t, ingest.Consent{Keys: []shopper.Key{card(t, "ana")}, Allowed: allowed})
	hers, nobodys := receipt(t, "1", line("oats", 1)), receipt(t, "2", line("oats", 1))
	hers.Keys = []shopper.Key{card(t, "ana")}
	h.receipts(t, hers, nobodys)
	for _, f := range h.facts(t, event.KindReceipt) {
		want := map[string]consent.Set{"1": allowed, "2": consent.None}[f.ID]
		if f.Consent != want || f.Shopper.Known() != (f.ID == "1") {
			t.Errorf("receipt %s is stamped %v of %v", f.ID, f.Consent, f.Shopper)
		}
	}
}

func TestTouches(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.receipts(t, ingest.Receipt{Receipt: receipt(t, "1", line("oats", 1)).Receipt, Keys: []shopper.Key{card(t, "ana")}})
	tok := token(h.who(t, card(t, "ana")), h.clock())
	other := tok
	other.Slot = 2
	send := func(ts ...ingest.Touch) string {
		t.Helper()
		res, err := h.Touches(t.Context(), ts, ingest.From{Door: "api", Name: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		return said(res)
	}
	shown := ingest.Touch{ID: "e1", Kind: event.KindShown, Token: tok}
	click := ingest.Touch{ID: "e1", Kind: event.KindClicked, Token: tok, At: h.clock().Add(-time.Hour)}
	bought := ingest.Touch{ID: "e3", Kind: event.KindPurchased, Token: tok, Receipt: "order-9"}
	if got := send(shown, click, ingest.Touch{ID: "e2", Kind: event.KindBasketed, Token: tok}, bought); got != "new new new new" {
		t.Fatal(got)
	}
	h.pass(time.Minute)
	click.At = time.Time{}
	if got := send(shown, click, bought); got != "repeat repeat repeat" {
		t.Errorf("sent again, stamped anew: %s", got)
	}
	bad := map[string]ingest.Touch{
		"conflict:id":       {ID: "e1", Kind: event.KindClicked, Token: other},
		"no_id:id":          {Kind: event.KindShown, Token: tok},
		"bad_value:type":    {ID: "x", Kind: event.KindReceipt, Token: tok},
		"bad_value:receipt": {ID: "x", Kind: event.KindPurchased, Token: tok},
		"in_future:at":      {ID: "x", Kind: event.KindShown, Token: tok, At: h.clock().Add(3 * time.Minute)},
		"too_old:at":        {ID: "x", Kind: event.KindShown, Token: tok, At: h.clock().Add(-25 * time.Hour)},
	}
	for want, touch := range bad {
		if got := send(touch); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if len(h.refused(t)) != len(bad) {
		t.Errorf("%d rows in quarantine, want %d", len(h.refused(t)), len(bad))
	}
	for _, f := range h.facts(t, event.KindPurchased) {
		body := f.Body.(event.Purchased)
		if body.Receipt != "order-9" || body.Price != tok.Price || body.Decision != (media.DecisionID{1, 2, 3}) {
			t.Errorf("purchase says %+v", body)
		}
	}
}

// A click claims what she bought after it, so it must not say that it happened
// before its advert was answered.
func TestAClickThatSaysItCameBeforeItsAdvertCountsFromTheAdvert(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.receipts(t, ingest.Receipt{Receipt: receipt(t, "1", line("oats", 1)).Receipt, Keys: []shopper.Key{card(t, "ana")}})
	tok := token(h.who(t, card(t, "ana")), h.clock().Add(-time.Hour))
	said := map[string]time.Time{"before": tok.Issued.Add(-22 * time.Hour), "with it": tok.Issued, "after": tok.Issued.Add(time.Minute)}
	for id, at := range said {
		touch := ingest.Touch{ID: id, Kind: event.KindClicked, Token: tok, At: at}
		res, err := h.Touches(t.Context(), []ingest.Touch{touch}, file)
		if err != nil || res.Answers[0].Outcome != ingest.New {
			t.Fatalf("%s: %v %v", id, res.Answers, err)
		}
	}
	for _, f := range h.facts(t, event.KindClicked) {
		want := said[f.ID]
		if want.Before(tok.Issued) {
			want = tok.Issued
		}
		if !f.At.Equal(want) || f.Day != retail.DayOf(want, time.UTC) {
			t.Errorf("%s happened at %s on %s, want %s", f.ID, f.At, f.Day, want)
		}
	}
}

func TestATouchOfAForgottenShopperIsNobodys(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.consents(t, ingest.Consent{Keys: []shopper.Key{card(t, "ana")}, Allowed: consent.All})
	ana := h.who(t, card(t, "ana"))
	tok := token(ana, h.clock())
	click := ingest.Touch{ID: "before", Kind: event.KindClicked, Token: tok}
	if _, err := h.Touches(t.Context(), []ingest.Touch{click}, file); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.Forget(t.Context(), ana, file); err != nil {
			t.Fatal(err)
		}
	}
	later := ingest.Touch{ID: "after", Kind: event.KindClicked, Token: tok}
	res, err := h.Touches(t.Context(), []ingest.Touch{click, later}, file)
	if err != nil || said(res) != "repeat new" {
		t.Fatal(said(res), err)
	}
	for _, f := range h.facts(t, event.KindClicked) {
		if f.ID == "after" && (f.Shopper.Known() || f.Consent != consent.None) {
			t.Error("a forgotten shopper's id came back in a fact")
		}
	}
	if got := h.facts(t, event.KindForgotten); len(got) != 1 || got[0].Shopper != ana {
		t.Errorf("%d Forgotten facts, want one", len(got))
	}
}

func TestQuarantineReplay(t *testing.T) {
	t.Parallel()
	h := open(t)
	var bad []ingest.Receipt
	for i := range 250 {
		r := receipt(t, fmt.Sprint(i), line("oats", 1))
		r.Currency, r.Raw = "XXX", []byte(fmt.Sprint(i))
		bad = append(bad, r)
	}
	h.receipts(t, bad...)
	if err := h.Refuse(t.Context(), []ingest.Bad{{Kind: event.KindReceipt, Line: 9, Raw: []byte("{"), Fault: &ingest.Fault{Reason: ingest.Unparsed, Say: "not JSON"}}}, file); err != nil {
		t.Fatal(err)
	}
	if got := len(h.refused(t)); got != 251 {
		t.Fatalf("%d rows, want 251", got)
	}
	fixed := func(ctx context.Context, row vault.Refused) error {
		if row.Reason == string(ingest.Unparsed) {
			return errors.New("still not JSON")
		}
		r := receipt(t, string(row.Raw), line("oats", 1))
		if len(row.Raw)%2 == 0 { // still wrong, in another way
			r.ID, r.Raw = "", row.Raw
		}
		res, err := h.Receipts(ctx, []ingest.Receipt{r}, file)
		if err != nil {
			return err
		}
		return res.Taken()
	}
	done, err := h.Replay(t.Context(), fixed)
	if err != nil || done.Taken != 160 || done.Kept != 91 {
		t.Errorf("replayed %+v (%v), want 160 taken, 91 kept", done, err)
	}
	for _, row := range h.refused(t) {
		if len(row.Raw)%2 == 1 && row.Raw[0] != '{' {
			t.Errorf("row %d is still there", row.ID)
		}
	}
	if got := len(h.facts(t, event.KindReceipt)); got != 160 {
		t.Errorf("%d receipts, want 160", got)
	}
}

// What a desk says about a shopper, in any answer, error or quarantine story,
// never holds her keys or her id.
func TestNothingSaidNamesAShopper(t *testing.T) {
	t.Parallel()
	h := open(t)
	const secret = "9182736455"
	keys := []shopper.Key{card(t, secret)}
	good := receipt(t, "1", line("oats", 1))
	good.Keys = keys
	h.receipts(t, good)
	id := fmt.Sprint(h.who(t, keys...).Reveal())
	twice := good
	twice.Lines = []basket.Line{line("oats", 2)}
	twins := receipt(t, "2", line("oats", 1))
	twins.Keys = []shopper.Key{keys[0], card(t, secret+"0")}
	lone := []shopper.Key{card(t, secret+"1")}
	h.receipts(t, receipt(t, "3", line("oats", 1)), twice, twins)
	h.consents(t, ingest.Consent{ID: secret, Keys: append(keys, lone...)}, ingest.Consent{ID: "c", Keys: keys}, ingest.Consent{ID: "c", Keys: keys, Allowed: consent.All})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Receipts(ctx, []ingest.Receipt{{Receipt: good.Receipt, Keys: []shopper.Key{card(t, secret+"7")}}}, file)
	if err == nil {
		t.Error("a call that was broken off succeeds")
	}
	text := fmt.Sprintf("%v %+v %#v", err, twins.Keys, h.who(t, keys...))
	for _, row := range h.refused(t) {
		text += row.Say + row.Reason + string(row.Stored)
	}
	if strings.Contains(text, secret) || strings.Contains(text, id) {
		t.Errorf("a shopper shows in %s", text)
	}
}
