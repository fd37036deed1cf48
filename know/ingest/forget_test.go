package ingest_test

import (
	"bytes"
	"testing"
	"time"

	"endcap/know/ingest"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// forgot is a house in which ana came with a card and bought oats, and was
// forgotten.
func forgot(t *testing.T) (*house, ingest.Receipt) {
	t.Helper()
	h := open(t)
	r := receipt(t, "one", line("oats", 250))
	r.Keys, r.Raw = []shopper.Key{card(t, "ana-4711")}, []byte("one,ana-4711,oats,250")
	h.receipts(t, r)
	who := h.who(t, r.Keys[0])
	if err := h.Forget(t.Context(), who, file); err != nil {
		t.Fatal(err)
	}
	return h, r
}

func again(r ingest.Receipt, id string) ingest.Receipt {
	r.Lines = append(r.Lines[:0:0], r.Lines...)
	if id != "" {
		r.ID = "two"
	}
	return r
}

func TestWhatBecomesOfRowsThatNameAForgottenShopper(t *testing.T) {
	t.Parallel()
	h, r := forgot(t)
	wrong, other := again(r, ""), again(r, "two")
	wrong.Lines[0].Sales *= 2
	absurd := again(r, "two")
	absurd.ID, absurd.Currency = "three", "XXX"
	for _, tt := range []struct {
		name string
		send ingest.Receipt
		want string
	}{
		{"a new receipt with her card is nobody's", other, "new"},
		{"her receipt again, as in a file that is loaded twice, is known", again(r, ""), "repeat"},
		{"another sale under its id is a conflict still", wrong, "conflict:id"},
		{"one that cannot be lies in quarantine", absurd, "bad_value:currency"},
	} {
		res, err := h.Receipts(t.Context(), []ingest.Receipt{tt.send}, file)
		if err != nil || said(res) != tt.want {
			t.Errorf("%s: %s, %v", tt.name, said(res), err)
		}
	}
	keys := []shopper.Key{r.Keys[0], card(t, "another of hers")}
	res, err := h.Shoppers(t.Context(), []ingest.Shopper{{Keys: keys, Raw: []byte("ana-4711")}, {Keys: keys[1:]}}, file)
	if err != nil || said(res) != "forgotten:keys new" {
		t.Errorf("a list of shoppers: %s, %v", said(res), err)
	}
	res, err = h.Consents(t.Context(), []ingest.Consent{{Keys: keys[:1], Allowed: consent.All, Raw: []byte("ana-4711")}}, file)
	if err != nil || said(res) != "forgotten:keys" || res.Answers[0].Fault.Reason != ingest.WasForgot {
		t.Errorf("a consent: %s, %v", said(res), err)
	}
	if got := h.refused(t); len(got) != 2 {
		t.Errorf("%d rows in quarantine, want the two receipts", len(got))
	}
	for _, row := range h.refused(t) {
		if bytes.Contains(row.Raw, []byte("4711")) || bytes.Contains([]byte(row.Say), []byte("4711")) || bytes.Contains(row.Stored, []byte("4711")) {
			t.Errorf("quarantine names her: %s", row.Say)
		}
	}
	for _, f := range h.facts(t, event.KindReceipt) {
		if f.ID != "one" && f.Shopper.Known() {
			t.Errorf("receipt %s has a shopper", f.ID)
		}
	}
}

func TestWhoRegistersAnewIsSomebodyElse(t *testing.T) {
	t.Parallel()
	h, r := forgot(t)
	anew := ingest.Consent{ID: "1", Keys: r.Keys, Allowed: consent.All, Wording: "terms-7", At: h.clock()}
	silent, timeless := anew, anew
	silent.Wording, timeless.At = "", time.Time{}
	res, err := h.Registrations(t.Context(), []ingest.Consent{silent, timeless}, file)
	if err != nil || said(res) != "bad_value:wording bad_value:at" {
		t.Fatalf("a registration that does not say how or when: %s, %v", said(res), err)
	}
	if res, err = h.Registrations(t.Context(), []ingest.Consent{anew}, file); err != nil || said(res) != "new" {
		t.Fatalf("a registration: %s, %v", said(res), err)
	}
	who := h.who(t, r.Keys[0])
	for _, f := range h.facts(t, event.KindReceipt) {
		if f.Shopper == who {
			t.Error("she has the receipts of her who was forgotten")
		}
	}
	two := again(r, "two")
	if res, err = h.Receipts(t.Context(), []ingest.Receipt{two}, file); err != nil || said(res) != "new" || res.Summary.Anonymous != 0 {
		t.Errorf("her receipt since: %s, %v", said(res), err)
	}
}
