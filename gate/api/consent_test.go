package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"endcap/gate/api"
	"endcap/gate/api/apitest"
	"endcap/know/privacy"
)

// someString is the framework's own example of a string of TCF 2.3.
const someString = "CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAYgACPAAAAA.IDKQA4AAgAKAGQAygAAA.YAAAAAAAAAAA"

func TestAConsentStringThatIsGarbageHasAClearAnswer(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	core, _, _ := strings.Cut(someString, ".")
	for name, tt := range map[string]struct{ text, say string }{
		"a word":              {"consent", "ersion"},
		"an unknown segment":  {core + ".gAAA", "SegmentType of the segment is 4"},
		"a segment cut short": {core + ".IDK", "DisclosedVendors"},
		"disclosed twice":     {someString + ".IDKQA4AAgAKAGQAygAAA", "a second time"},
		"not base64":          {core + ".IDK+A4AAgAKAGQAygAAA", "base64url"},
		"bits behind the end": {core + "BBBBBBBB", "followed by"},
		"an empty segment":    {someString + ".", "cut short"},
	} {
		a := h.Call(t, key, "POST /v1/consents/readings", map[string]any{"tcf": tt.text})
		var p api.Problem
		a.Read(t, &p)
		if a.Status != http.StatusUnprocessableEntity || p.Field != "tcf" || !strings.Contains(p.Detail, tt.say) || p.Cure == "" || strings.Contains(p.Detail, tt.text) {
			t.Errorf("%s: %d %+v, want 422 with %q", name, a.Status, p, tt.say)
		}
		var put struct {
			Results []struct{ Outcome, Reason, Field, Say string }
		}
		row := map[string]any{"id": "s-" + name, "shopper": anasCard, "tcf": tt.text, "at": "2026-03-01T09:00:00Z"}
		h.Call(t, key, "PUT /v1/consents", map[string]any{"consents": []any{row}}).Read(t, &put)
		if r := put.Results[0]; r.Outcome != "quarantined" || r.Reason != "bad_consent_string" || r.Field != "tcf" || !strings.Contains(r.Say, tt.say) {
			t.Errorf("%s as a row: %+v", name, r)
		}
	}
	var read struct {
		Allowed   []string
		Refused   map[string]string
		Disclosed bool `json:"disclosed_vendors"`
	}
	h.Call(t, key, "POST /v1/consents/readings", map[string]any{"tcf": someString}).Read(t, &read)
	if len(read.Allowed) != 0 || len(read.Refused) != 5 || !read.Disclosed {
		t.Errorf("the example reads as %+v", read)
	}
}

// A shop registers what it asks, keeps what she answers, is told whom to leave in
// peace, and can prove it all; what is proved is checked here by hand.
func TestAConsentIsKeptToldAndProved(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	text := map[string]any{"wording": "card", "version": 2, "language": "fr", "text": "Oui, je veux bien."}
	for _, want := range []int{http.StatusCreated, http.StatusOK} {
		if a := h.Call(t, key, "PUT /v1/wordings", text); a.Status != want {
			t.Fatalf("register: %d %s, want %d", a.Status, a.Body, want)
		}
	}
	text["text"] = "Non."
	if a := h.Call(t, key, "PUT /v1/wordings", text); a.Status != http.StatusConflict {
		t.Errorf("another text: %d %s", a.Status, a.Body)
	}
	row := map[string]any{
		"id": "c1", "shopper": anasCard, "allowed": []string{"personal_offers"}, "refused": []string{"personal_ads"}, "at": "2026-03-01T09:00:00Z",
		"wording": "card", "version": 2, "language": "fr", "country": "FR", "channel": "store 1", "age": 40,
	}
	young := map[string]any{"id": "c2", "shopper": map[string]any{"card": "young"}, "allowed": []string{"measurement"}, "at": "2026-03-01T09:00:00Z", "age": 15}
	var put struct {
		Results []struct {
			Outcome  string
			Withheld map[string]string
		}
	}
	h.Call(t, key, "PUT /v1/consents", map[string]any{"consents": []any{row, young}}).Read(t, &put)
	if r := put.Results; r[0].Outcome != "new" || len(r[0].Withheld) != 0 || r[1].Outcome != "new" || r[1].Withheld["measurement"] != "under_age" {
		t.Errorf("got %+v", r)
	}
	var standing struct {
		Purposes []struct {
			Purpose, State, Until string
			AskAfter              string `json:"ask_again_after"`
		}
	}
	h.Call(t, key, "POST /v1/consents/standings", map[string]any{"shopper": anasCard}).Read(t, &standing)
	want := map[string][3]string{
		"personal_offers": {"allowed", "2028-03-01T09:00:00Z", "2028-03-01T09:00:00Z"}, "personal_ads": {"refused", "", "2026-09-01T09:00:00Z"},
		"measurement": {"not_asked"}, "offsite_matching": {"not_asked"}, "pooling": {"not_asked"},
	}
	for _, p := range standing.Purposes {
		if got := [3]string{p.State, p.Until, p.AskAfter}; got != want[p.Purpose] {
			t.Errorf("%s stands as %v, want %v", p.Purpose, got, want[p.Purpose])
		}
	}
	proveByHand(t, h, h.Call(t, key, "POST /v1/privacy/proofs", map[string]any{"shopper": anasCard}).Body)
}

// proveByHand checks a proof with nothing of ours but the signature.
func proveByHand(t *testing.T, h *apitest.House, file []byte) {
	t.Helper()
	var signed privacy.Signed
	if err := json.Unmarshal(file, &signed); err != nil {
		t.Fatalf("%v: %.300s", err, file)
	}
	document, err := privacy.Verify(file, signed.Key)
	if err != nil {
		t.Fatal(err)
	}
	var proof privacy.Proof
	if err := json.Unmarshal(document, &proof); err != nil || len(proof.Consents) != 1 {
		t.Fatalf("%d consents, %v", len(proof.Consents), err)
	}
	one := proof.Consents[0]
	salt, _ := hex.DecodeString(one.Salt)
	mac := hmac.New(sha256.New, salt)
	mac.Write(one.Record)
	if digest := hex.EncodeToString(mac.Sum(nil)); digest != one.Digest {
		t.Errorf("the digest of the record is %s, not %s", digest, one.Digest)
	}
	var record struct {
		Allowed, Refused, Country, Channel string
		Text                               string `json:"text_sha256"`
	}
	if err := json.Unmarshal(one.Record, &record); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(one.Text))
	if record.Allowed != "personal_offers" || record.Refused != "personal_ads" || record.Country != "FR" || record.Channel != "store 1" || record.Text != hex.EncodeToString(sum[:]) {
		t.Errorf("the record says %+v of %q", record, one.Text)
	}
	if strings.Contains(string(file), anasCard["card"].(string)) || strings.Contains(h.Logged.String(), anasCard["card"].(string)) {
		t.Error("a proof or a log names her")
	}
}
