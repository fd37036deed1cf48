package main_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	program "endcap/cmd/endcap"
	"endcap/keep/sql/sqlite"
	"endcap/retail/shopper"
)

// TestNothingOutsideTheVaultSaysWhoSheIs walks the road with cards, accounts,
// devices and hashed addresses that can be recognised, well and badly, logs
// everything, and then looks for them, and for the ids by which facts know these
// shoppers, in every log, metric, answer and message. Two answers may hold them,
// and are left out: the quarantine's raw rows, and the shopper column of history.
func TestNothingOutsideTheVaultSaysWhoSheIs(t *testing.T) {
	t.Parallel()
	w := &witness{session: newSession(t), said: make(map[string]string)}
	dir := filepath.Join(w.names["DIR"], "house")
	w.do("init", "--dir", dir, "--currency", "EUR")
	w.start("endcap serve --dir " + dir + " --listen $LISTEN --log-level debug")
	defer w.stop()
	w.s = &server{dir: dir, url: "http://" + w.names["LISTEN"], public: http.DefaultClient}
	w.s.key = strings.TrimSpace(w.do("key", "create", "all", "--dir", dir, "--scopes", everyScope))

	for n := range 30 {
		w.shop(n)
	}
	w.err(t)
	w.people()
	w.commands(dir)
	w.clear(dir)
	w.keep(dir)
	w.stop()
	w.holds(dir)
	w.do("verify", "--dir", dir)
	w.do("rebuild", "--dir", dir)
	w.said["the log"] = w.log.String()

	needles := w.needles(t, dir)
	for place, text := range w.said {
		for what, needle := range needles {
			if at := strings.Index(text, needle); at >= 0 {
				t.Errorf("%s holds %s: …%s…", place, what, text[max(0, at-120):min(len(text), at+len(needle)+60)])
			}
		}
	}
	if !strings.Contains(w.said["the log"], `"level":"`) || !strings.Contains(w.said["GET /metrics"], "endcap_") || len(w.said) < 70 || w.clicks < 10 {
		t.Errorf("%d places were looked at after %d clicks, or the log or the metrics are empty: nothing was proved", len(w.said), w.clicks)
	}
	t.Logf("looked for %d identifiers and ids in %d places", len(needles), len(w.said))
}

// witness remembers everything that was said, by where.
type witness struct {
	*session
	s    *server
	said map[string]string
	keys []shopper.Key

	clicks int
}

// person is the nth shopper's keys on the wire.
func person(n int) map[string]string {
	sum := sha256.Sum256(fmt.Appendf(nil, "zz-%d@example.com", n))
	return map[string]string{
		"card": fmt.Sprintf("ZZCARD-%04d", n), "account": fmt.Sprintf("ZZACCOUNT-%04d", n), "device": fmt.Sprintf("ZZDEVICE-%04d", n),
		"email_sha256": hex.EncodeToString(sum[:]),
	}
}

// do runs a command in this process and remembers what it wrote.
func (w *witness) do(args ...string) string {
	var out, said bytes.Buffer
	m := program.Main{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &said}
	status := m.Run(w.t.Context(), args)
	place := "endcap " + strings.Join(args, " ")
	w.said[place+": errors"] = said.String()
	if args[0] != "quarantine" || args[1] != "list" {
		w.said[place] = out.String()
	}
	if status == 0 && said.Len() > 0 && args[0] != "ingest" {
		w.t.Logf("%s said: %s", place, said.String())
	}
	return out.String()
}

// call asks the API and remembers the answer.
func (w *witness) call(method, path string, in any, headers ...string) (int, string) {
	status, text, err := w.s.call(w.t.Context(), method, path, in, headers...)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	place := method + " " + path
	w.said[place] += string(text) + "\n"
	return status, string(text)
}

func (w *witness) good(status int, text string) {
	w.t.Helper()
	if status < 200 || status > 204 {
		w.t.Errorf("status %d: %s", status, text)
	}
}

// shop is one shopper's road: her keys, consent, a visit, a click, receipts.
func (w *witness) shop(n int) {
	p := person(n)
	for kind, value := range p {
		key, err := shopper.ParseKey(shopper.KeyKind(kind), value)
		if err != nil {
			w.t.Fatal(err)
		}
		w.keys = append(w.keys, key)
	}
	if n == 0 {
		w.terms()
	}
	status, text := w.call(http.MethodPut, "/v1/shoppers", map[string]any{"shoppers": []any{map[string]any{"keys": p}}})
	w.good(status, text)
	status, text = w.call(http.MethodPut, "/v1/consents", map[string]any{"consents": []any{map[string]any{
		"id": fmt.Sprintf("c%d", n), "shopper": p, "allowed": []string{"personal_offers", "personal_ads", "measurement"}, "at": "2026-01-01T00:00:00Z",
	}}})
	w.good(status, text)
	status, text = w.call(http.MethodPost, "/v1/receipts", map[string]any{"receipts": []any{map[string]any{
		"id": fmt.Sprintf("r%d", n), "store": "s1", "at": "2026-03-01T10:00:00Z", "shopper": map[string]string{"card": p["card"]},
		"lines": []any{map[string]any{"product": "oats", "quantity": 1, "sales": "2.50"}},
	}}}, "Prefer", "wait=10")
	w.good(status, text)
	status, text = w.call(http.MethodPost, "/v1/decisions", map[string]any{
		"shopper": p, "proposals": 3, "placements": []any{map[string]any{"placement": "home", "slots": 2}},
	})
	w.good(status, text)
	_, after, _ := strings.Cut(text, `"token":"`)
	token, _, _ := strings.Cut(after, `"`)
	if token == "" {
		return // the line item was booked a moment ago
	}
	w.clicks++
	status, text = w.call(http.MethodPost, "/v1/events", map[string]any{"events": []any{
		map[string]string{"id": fmt.Sprintf("i%d", n), "type": "impression", "token": token}, map[string]string{"id": fmt.Sprintf("k%d", n), "type": "click", "token": token},
	}})
	w.good(status, text)
}

// terms sets up one line item, so that there is something to click.
func (w *witness) terms() {
	for _, step := range []struct {
		path string
		doc  any
	}{
		{"/v1/products", map[string]any{"products": []any{map[string]any{"id": "oats", "name": "Oats", "brand": "oatly", "category": "BREAKFAST"}}}},
		{"/v1/placements/home", map[string]any{"name": "Home", "slots_max": 4, "floor": eur(5)}},
		{"/v1/advertisers/oatly", map[string]any{"name": "Oatly", "currency": "EUR"}},
		{"/v1/campaigns/oats", map[string]any{"advertiser": "oatly", "name": "Oats", "control_ppm": 0, "flight": flight(now())}},
	} {
		status, text := w.call(http.MethodPut, step.path, step.doc)
		w.good(status, text)
	}
	status, text := w.call(http.MethodPost, "/v1/advertisers/oatly/payments", map[string]any{"amount": eur(100_000)}, "Idempotency-Key", "p")
	w.good(status, text)
	item := lineItem("oats", 10_000)
	item["products"] = []string{"oats"}
	until(w.t, time.Minute, "the product in the range", func() bool { // it may be booked a moment after it was sent
		status, _ := w.call(http.MethodPut, "/v1/line-items/oats", item)
		return status < 300
	})
	until(w.t, time.Minute, "a sponsored product", func() bool { // terms count a moment after they are booked
		_, text, err := w.s.call(w.t.Context(), http.MethodPost, "/v1/decisions", map[string]any{"placements": []any{map[string]any{"placement": "home", "slots": 2}}})
		return err == nil && strings.Contains(string(text), `"token":"`)
	})
}

// err sends much that can be wrong, with identifiers where they belong and where
// a caller mixes them up. What a caller writes for the name of a field, a time or
// in SQL comes back to the same caller, so that it can be found and put right.
func (w *witness) err(t *testing.T) {
	t.Helper()
	p, q := person(1), person(2)
	for _, bad := range []struct {
		method, path string
		body         any
	}{
		{http.MethodPost, "/v1/receipts", map[string]any{"receipts": []any{map[string]any{"id": "bad", "shopper": p, "lines": []any{}}}}},
		{http.MethodPost, "/v1/receipts", map[string]any{"receipts": []any{map[string]any{"id": "bad2", "shopper": p, "till": 1}}}},
		{http.MethodPost, "/v1/receipts", map[string]any{"receipts": p["card"]}},
		{http.MethodPost, "/v1/receipts", map[string]any{"receipts": []any{map[string]any{
			"id": "both", "store": "s1", "at": "2026-03-01T10:00:00Z", "shopper": map[string]string{"card": p["card"], "account": q["account"]},
			"lines": []any{map[string]any{"product": "oats", "quantity": 1, "sales": "2.50"}},
		}}}},
		{http.MethodPost, "/v1/receipts", map[string]any{"receipts": []any{map[string]any{
			"id": "r1", "store": "s1", "at": "2026-03-01T10:00:00Z", "shopper": map[string]string{"card": p["card"]},
			"lines": []any{map[string]any{"product": "oats", "quantity": 9, "sales": "22.50"}},
		}}}},
		{http.MethodPut, "/v1/shoppers", map[string]any{"shoppers": []any{map[string]any{"keys": map[string]string{"card": p["card"], "device": q["device"]}}}}},
		{http.MethodPut, "/v1/shoppers", map[string]any{"shoppers": []any{map[string]any{"keys": map[string]string{"email_sha256": p["card"]}}}}},
		{http.MethodPut, "/v1/consents", map[string]any{"consents": []any{map[string]any{"id": "x", "shopper": p, "allowed": []string{"all"}, "at": "yesterday"}}}},
		{http.MethodPost, "/v1/decisions", map[string]any{"shopper": map[string]string{"card": p["card"] + "\x01"}}},
		{http.MethodPost, "/v1/decisions", map[string]any{"shopper": p["card"]}},
		{http.MethodPost, "/v1/decisions", map[string]any{"shopper": p, "mood": 1}},
		{http.MethodGet, "/v1/shoppers/card=" + p["card"] + "/proposals?list=buy_again", nil},
		{http.MethodGet, "/v1/shoppers/email_sha256=" + p["card"] + "/proposals", nil},
		{http.MethodGet, "/v1/shoppers/" + p["card"] + "/proposals", nil},
		{http.MethodGet, "/v1/shoppers/card=" + p["card"] + "/proposals?n=" + p["device"], nil},
		{http.MethodPost, "/v1/batches", map[string]any{"list": "for_you", "channel": "till", "n": 3}},
		{http.MethodPost, "/v1/events", map[string]any{"events": []any{map[string]string{"id": "f", "type": "click", "token": p["card"]}}}},
		{http.MethodPost, "/v1/events", map[string]any{"events": []any{map[string]string{"id": "f", "type": "look", "token": p["account"]}}}},
		{http.MethodPut, "/v1/products", map[string]any{"products": []any{map[string]any{"id": p["card"] + strings.Repeat("x", 99)}}}},
	} {
		if status, text := w.call(bad.method, bad.path, bad.body); status >= 500 {
			t.Errorf("%s %s %v: status %d: %s", bad.method, bad.path, bad.body, status, text)
		}
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/openapi.json", "/v1/status", "/v1/controls", "/v1/reports/campaigns/oats", "/v1/reports/campaigns/" + p["card"], "/v1/audiences", "/v1/line-items"} {
		w.call(http.MethodGet, path, nil)
	}
}

// people walks the doors at which shoppers are spoken of: merges, partners,
// promotions, what is asked by right of the law. Files of access requests hold
// what is hers, and are not looked at.
func (w *witness) people() {
	two := func(n int) map[string]string {
		p := person(n)
		return map[string]string{"card": p["card"], "account": p["account"]}
	}
	for _, ask := range []struct {
		method, path string
		body         any
	}{
		{http.MethodPost, "/v1/identity/merges", map[string]any{"a": two(6), "b": two(7), "why": "asked at the desk"}},
		{http.MethodPost, "/v1/identity/lookups", map[string]any{"shopper": two(6)}},
		{http.MethodPost, "/v1/identity/separations", map[string]any{"a": two(8), "b": two(9), "why": "two sisters"}},
		{http.MethodPost, "/v1/identity/proposals", map[string]any{"source": "link", "pairs": []any{map[string]any{"a": two(10), "b": two(11), "probability": 0.995}}}},
		{http.MethodGet, "/v1/identity/proposals", nil},
		{http.MethodPut, "/v1/promotions", map[string]any{"promotions": []any{map[string]any{"store": "s1", "week": "2026-03-02", "products": []any{map[string]any{"product": "oats", "mailer": "front"}}}}}},
		{http.MethodPut, "/v1/promotions", map[string]any{"promotions": []any{map[string]any{"store": person(3)["card"], "week": "never"}}}},
		{http.MethodPut, "/v1/partners/paper", map[string]any{"name": "Paper", "purpose": "pooling"}},
		{http.MethodPost, "/v1/partners/paper/pseudonyms", map[string]any{"shoppers": []any{two(6), person(12), person(13)}}},
		{http.MethodPost, "/v1/partners/paper/pseudonyms", map[string]any{"shoppers": []any{map[string]string{"email_sha256": person(3)["card"]}}}},
		{http.MethodGet, "/v1/partners/paper/pseudonyms/ended", nil},
		{http.MethodPost, "/v1/privacy/requests", map[string]any{"kind": "access", "means": "two_keys", "shopper": two(14)}},
		{http.MethodPost, "/v1/privacy/requests", map[string]any{"kind": "access", "means": "two_keys", "shopper": map[string]string{"card": person(15)["card"], "account": person(16)["account"]}}},
		{http.MethodPost, "/v1/privacy/requests", map[string]any{"kind": "objection", "means": "login", "shopper": two(17)}},
		{http.MethodPost, "/v1/privacy/requests", map[string]any{"kind": "rectification", "means": "login", "shopper": two(18), "note": "her card is " + person(18)["card"]}},
		{http.MethodPost, "/v1/privacy/requests", map[string]any{"kind": "erasure", "means": person(19)["card"], "shopper": two(19)}},
		{http.MethodGet, "/v1/privacy/requests?open=false", nil},
		{http.MethodGet, "/v1/privacy/requests/" + person(20)["card"], nil},
		{http.MethodPost, "/v1/privacy/sweeps", nil},
		{http.MethodGet, "/v1/privacy/sweeps", nil},
		{http.MethodGet, "/v1/privacy/key", nil},
		{http.MethodGet, "/v1/secrets", nil},
		{http.MethodGet, "/v1/keys", nil},
		{http.MethodPost, "/v1/query", map[string]any{"sql": "select receipt, store from receipts", "purpose": "measurement"}},
		{http.MethodPost, "/v1/query", map[string]any{"sql": "select cast('x' as int)", "purpose": "measurement"}},
		{http.MethodGet, "/v1/decisions/" + person(21)["device"] + "/explain", nil},
		{http.MethodGet, "/debug/pprof/goroutine?debug=2", nil},
		{http.MethodGet, "/debug/vars", nil},
		{http.MethodGet, "/metrics", nil},
	} {
		if status, text := w.call(ask.method, ask.path, ask.body); status >= 500 {
			w.t.Errorf("%s %s: status %d: %s", ask.method, ask.path, status, text)
		} else if strings.HasPrefix(ask.path, "/debug") && status != http.StatusNotFound {
			w.t.Errorf("%s is served: status %d", ask.path, status)
		}
	}
}

// keep backs the house up and rotates its secrets. What lies in the backup is
// sealed: whole identifiers are looked for in its bytes too.
func (w *witness) keep(dir string) {
	target := filepath.Join(w.names["DIR"], "backups")
	w.do("key", "recovery", "--dir", dir, "--out", filepath.Join(w.names["DIR"], "recovery"))
	w.do("backup", "--dir", dir, "--to", target)
	w.do("backup", "--dir", dir, "--to", dir)
	w.do("secret", "rotate", "tokens", "--dir", dir)
	w.do("secret", "list", "--dir", dir)
	w.do("privacy", "list", "--all", "--dir", dir)
	for _, channel := range []string{"till", "email", "app", "pigeon"} {
		w.do("recommend", "batch", "--list", "for_you", "--channel", channel, "--dir", dir, "--json")
		w.do("recommend", "batch", "--list", "for_you", "--channel", channel, "--dir", dir, "--out", filepath.Join(w.names["DIR"], "out"))
	}
	w.do("restore", "--from", target, "--recovery-key", filepath.Join(w.names["DIR"], "recovery"), "--dir", filepath.Join(w.names["DIR"], "again"))
	var all strings.Builder
	err := filepath.WalkDir(target, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all.Write(b)
		return err
	})
	if err != nil || all.Len() < 1_000 {
		w.t.Errorf("the backup holds %d bytes, %v", all.Len(), err)
	}
	w.said["the backup"] = all.String()
	for name, mode := range map[string]os.FileMode{".": 0o700, "vault.db": 0o600, "vault.db-wal": 0o600, "book.db": 0o600, "book.db-wal": 0o600, "endcap.sock": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			w.t.Errorf("%s: %v, want it %v: %v", name, info.Mode().Perm(), mode, err)
		}
	}
}

// commands runs what an operator runs.
func (w *witness) commands(dir string) {
	mapping, file := filepath.Join(w.names["DIR"], "mapping.json"), filepath.Join(w.names["DIR"], "tills.csv")
	rows := "bon,heure,magasin,carte,article,montant\n"
	for n := range 20 {
		rows += fmt.Sprintf("f%d,2026-03-02 10:00:00,s1,%s,oats,%s\n", n, person(n)["card"], []string{"2.50", "much"}[n%2])
	}
	rows += "f40,2026-03-02 10:00:00,s1," + person(3)["card"] + ",oats,1.00\nf40,2026-03-02 10:00:00,s1," + person(4)["card"] + ",oats,1.00\n" + person(5)["card"] + "\n"
	for name, text := range map[string]string{file: rows, mapping: `{"name": "tills", "zone": "UTC", "currency": "EUR", "feeds": {"receipts": {"columns": {
		"receipt": "bon", "time": {"column": "heure"}, "store": "magasin", "card": "carte", "product": "article", "sales": "montant"}}}}`} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	w.do("ingest", "--dir", dir, "--kind", "receipts", "--mapping", mapping, file)
	w.do("quarantine", "list", "--dir", dir)
	w.do("quarantine", "replay", "--dir", dir)
	w.do("query", "--dir", dir, "select count(*) as n, count(distinct shopper) as shoppers from receipts")
	w.do("report", "oats", "--dir", dir)
	w.do("report", "oats", "--dir", dir, "--format", "html")
	w.do("key", "list", "--dir", dir)
}

// clear loads a list of members with addresses in clear, some of which cannot be
// read, and asks for two by them.
func (w *witness) clear(dir string) {
	mapping, file := filepath.Join(w.names["DIR"], "club.json"), filepath.Join(w.names["DIR"], "club.csv")
	rows := "card,mail,tel\n"
	for n := range 20 {
		address := fmt.Sprintf("ZZ-%d@example.com", n)
		switch n % 4 {
		case 1:
			address = fmt.Sprintf("zz %s, at home", address)
		case 2:
			address = `"` + address + `"x`
		}
		rows += fmt.Sprintf("%s,%s,06 12 34 56 %02d\n", person(n)["card"], address, n)
	}
	for name, text := range map[string]string{file: rows, mapping: `{"name": "club", "zone": "UTC", "currency": "EUR", "feeds": {"shoppers": {"columns": {
		"card": "card", "email_sha256": {"column": "mail", "as": "clear"}, "phone_sha256": {"column": "tel", "as": "clear", "country": "FR"}}}}}`} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	if said := w.do("ingest", "--dir", dir, "--kind", "shoppers", "--mapping", mapping, file); !strings.Contains(said, "10 in quarantine") {
		w.t.Errorf("the list of members: %s", said)
	}
	w.do("quarantine", "replay", "--dir", dir)
	if said := w.do("identity", "look", "--dir", dir, "--email", "Zz-4@Example.com", "--phone", "+33612345604"); !strings.Contains(said, "shopper 1") {
		w.t.Errorf("nobody is found by her address in clear: %s", said)
	}
	w.do("identity", "look", "--dir", dir, "--email", "zz-4@example.com or so")
	w.do("privacy", "request", "access", "--dir", dir, "--email", "zz-8@example.com")
}

// holds looks through all that the house holds for an address or a number in clear.
func (w *witness) holds(dir string) {
	pieces := 0
	everyPiece(w.t, dir, func(place string, b []byte) {
		pieces++
		b = bytes.ToLower(b)
		for _, hers := range []string{"@example.com", "06 12 34 56", "+336123456"} {
			if at := bytes.Index(b, []byte(hers)); at >= 0 {
				w.t.Errorf("%s holds an address in clear: …%q…", place, b[max(0, at-40):min(len(b), at+20)])
			}
		}
	})
	if pieces < 1_000 {
		w.t.Errorf("%d pieces were looked through", pieces)
	}
}

// needles are all keys that were used and, from the vault, the ids of their
// shoppers in the ways in which a number may be written.
func (w *witness) needles(t *testing.T, dir string) map[string]string {
	t.Helper()
	vault, err := sqlite.OpenVault(t.Context(), sqlite.Options{Path: filepath.Join(dir, "vault.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = vault.Close() }()
	ids, err := vault.Lookup(t.Context(), w.keys)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for n := range 30 { // some came in clear, and none is kept so
		out[fmt.Sprintf("address %d", n)] = fmt.Sprintf("zz-%d@example.com", n)
		out[fmt.Sprintf("address %d as typed", n)] = fmt.Sprintf("ZZ-%d@example.com", n)
		out[fmt.Sprintf("number %d", n)] = fmt.Sprintf("06 12 34 56 %02d", n)
	}
	for i, id := range ids {
		if !id.Known() {
			t.Fatalf("key %d has no shopper", i)
		}
		v := id.Reveal()
		out[fmt.Sprintf("key %d", i)] = w.keys[i].Reveal()
		out[fmt.Sprintf("the id of key %d", i)] = fmt.Sprint(v)
		out[fmt.Sprintf("the signed id of key %d", i)] = fmt.Sprint(int64(v))
		out[fmt.Sprintf("the id of key %d in hex", i)] = fmt.Sprintf("%x", v)
		out[fmt.Sprintf("the id of key %d in capital hex", i)] = fmt.Sprintf("%X", v)
		out[fmt.Sprintf("the id of key %d in base64", i)] = strings.TrimRight(base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, v)), "=")
		if key := w.keys[i]; key.Kind() != shopper.EmailHash {
			sum := sha256.Sum256([]byte(key.Reveal()))
			out[fmt.Sprintf("the hash of key %d", i)] = hex.EncodeToString(sum[:])
			out[fmt.Sprintf("key %d in lower case", i)] = strings.ToLower(key.Reveal())
		} else {
			raw, err := hex.DecodeString(key.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			out[fmt.Sprintf("key %d in base64", i)] = base64.StdEncoding.EncodeToString(raw)
		}
	}
	return out
}
