package main_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/colblk"
	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/sql/sqlite"
	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/know/recommend/outreach"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// leaver is a house in which somebody leaves; its days pass on a replayed clock.
type leaver struct {
	*witness
	dir string
	day int
}

func openLeaver(t *testing.T) *leaver {
	t.Helper()
	w := &witness{session: newSession(t), said: make(map[string]string)}
	h := &leaver{w, filepath.Join(w.names["DIR"], "house"), 1}
	w.do("init", "--dir", h.dir, "--currency", "EUR", "--demo", "--clock-start", "2026-03-01T08:00:00Z", "--shoppers-min", "2")
	nightly(t, h.dir)
	w.start("endcap serve --dir " + h.dir + " --listen $LISTEN --clock replay --log-level warn")
	w.s = &server{dir: h.dir, url: "http://" + w.names["LISTEN"], public: http.DefaultClient}
	w.s.key = strings.TrimSpace(w.do("key", "create", "all", "--dir", h.dir, "--scopes", everyScope))
	return h
}

// nightly has a house make a batch every night.
func nightly(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "endcap.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	more := `{"batches":[{"list":"for_you","channel":"email","n":3,"valid_hours":168}],`
	if err := os.WriteFile(path, bytes.Replace(text, []byte("{"), []byte(more), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serve starts the house again.
func (h *leaver) serve() {
	h.log.text.Reset()
	h.start("endcap serve --dir " + h.dir + " --listen $LISTEN --clock replay --log-level warn")
}

// ask calls a route that must succeed and reads the answer.
func (h *leaver) ask(method, path string, in, out any) string {
	h.t.Helper()
	status, text := h.call(method, path, in)
	h.good(status, text)
	if out != nil {
		if err := json.Unmarshal([]byte(text), out); err != nil {
			h.t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return text
}

// pass lets days go by, and waits until the night's work of the last is done.
func (h *leaver) pass(days int) {
	h.t.Helper()
	for range days {
		h.day++
		now := time.Date(2026, 3, h.day, 8, 0, 0, 0, time.UTC)
		h.ask(http.MethodPut, "/v1/clock", map[string]string{"now": now.Format(time.RFC3339)}, nil)
		until(h.t, 2*time.Minute, "the night's sweep", func() bool { return h.swept(now) })
	}
}

// swept reports whether a sweep ended that began at an instant.
func (h *leaver) swept(at time.Time) bool {
	h.t.Helper()
	var out struct{ Sweeps []struct{ Began time.Time } }
	h.ask(http.MethodGet, "/v1/privacy/sweeps", nil, &out)
	return len(out.Sweeps) > 0 && out.Sweeps[0].Began.Equal(at)
}

// buy sends a receipt of the day with the shopper's card.
func (h *leaver) buy(id string, n int) string {
	h.t.Helper()
	return h.ask(http.MethodPost, "/v1/receipts", map[string]any{"receipts": []any{map[string]any{
		"id": id, "store": "s1", "at": time.Date(2026, 3, h.day, 7, 0, 0, 0, time.UTC).Format(time.RFC3339), "shopper": map[string]string{"card": person(n)["card"]},
		"lines": []any{map[string]any{"product": "oats", "quantity": 1, "sales": "2.50", "coupon_discount": "0.50"}},
	}}}, nil)
}

// asked is what the privacy door answers.
type asked struct {
	ID, Kind, State, Alarm string
	Found                  bool
}

func (h *leaver) request(kind, means string, keys map[string]string) (r asked) {
	h.t.Helper()
	h.ask(http.MethodPost, "/v1/privacy/requests", map[string]any{"kind": kind, "means": means, "shopper": keys}, &r)
	return r
}

func two(n int) map[string]string {
	p := person(n)
	return map[string]string{"card": p["card"], "email_sha256": p["email_sha256"]}
}

// TestWhoIsForgottenIsInNoFile walks a shopper through the house and out of it,
// and then looks for her in the raw and the decompressed bytes of every file.
func TestWhoIsForgottenIsInNoFile(t *testing.T) {
	t.Parallel()
	h := openLeaver(t)
	defer h.stop()
	h.ask(http.MethodPut, "/v1/products", map[string]any{"products": []any{map[string]any{"id": "oats", "gtin": "4006381333931", "name": "Oats", "brand": "oatly"}}}, nil)
	for n := range 3 {
		h.ask(http.MethodPut, "/v1/consents", map[string]any{"consents": []any{map[string]any{
			"id": fmt.Sprint("c", n), "shopper": person(n), "allowed": []string{"personal_offers", "personal_ads", "measurement"}, "wording": "w1", "at": "2026-03-01T06:00:00Z",
		}}}, nil)
	}
	for day := range 3 {
		for n := range 3 {
			h.buy(fmt.Sprintf("r%d-%d", day, n), n)
		}
		h.pass(1)
	}
	h.call(http.MethodPost, "/v1/receipts", map[string]any{"receipts": []any{map[string]any{"id": "bad", "shopper": person(0), "lines": []any{}}}})
	h.call(http.MethodPost, "/v1/receipts", map[string]any{"receipts": []any{map[string]any{"id": "worse", "shopper": person(0), "till": 7}}})
	before := h.do("query", "--dir", h.dir, "--format", "csv", "select count(*) as n, sum(sales) as s, sum(coupon_discount) as c from lines")
	id := h.idOf(0)

	h.access()
	h.batches(0, 1, 2)
	h.stop()
	found := h.search(id)
	for place, what := range map[string]string{"vault.db": "an identifier", "batches/": "an identifier", "history.receipts": "the id", "profiles/": "the id", "stream/": "the id"} {
		hit := false
		for at := range found {
			hit = hit || strings.HasPrefix(at, place) && found[at] == what
		}
		if !hit {
			t.Errorf("the search misses %s in %s before she leaves: %v", what, place, found)
		}
	}
	h.serve()
	erasure := h.erase()
	h.stop()
	h.do("verify", "--dir", h.dir)
	if out := h.do("rebuild", "--dir", h.dir); !strings.Contains(out, "the same bytes and the same rows") {
		t.Errorf("after an erasure a rebuild differs: %s", h.said["endcap rebuild --dir "+h.dir+": errors"])
	}
	if after := h.do("query", "--dir", h.dir, "--format", "csv", "select count(*) as n, sum(sales) as s, sum(coupon_discount) as c from lines where receipt <> 'later'"); after != before {
		t.Errorf("totals were %s and are %s", before, after)
	}
	h.look("stream")
	h.clean(id, "stream")
	h.serve()
	h.pass(9) // the stream's turn
	h.certificate(erasure)
	h.stop()
	h.look("")
	h.clean(id, "")
}

// batches wants just these shoppers in every file of proposals that the house keeps:
// one of the night, and two that are made now or were before.
func (h *leaver) batches(want ...int) {
	h.t.Helper()
	dir := filepath.Join(h.dir, "batches")
	for name, more := range map[string][]string{"2026-03-04-for_you-till": nil, "2026-03-04-for_you-till-s1": {"--store", "s1", "--format", "parquet"}} {
		until(h.t, time.Minute, "a batch", func() bool { // the night's may be under way
			if _, err := os.Stat(filepath.Join(dir, name+".json")); err == nil {
				return true
			}
			h.do(append([]string{"recommend", "batch", "--list", "for_you", "--channel", "till", "--valid-hours", "168", "--dir", h.dir}, more...)...)
			return false
		})
	}
	until(h.t, time.Minute, "the night's batch", func() bool {
		_, err := os.Stat(filepath.Join(dir, "2026-03-04-for_you-email.json"))
		return err == nil
	})
	named := make(map[string][]string)
	err := outreach.NewFolder(dir, outreach.Ports{}).Keys(h.t.Context(), func(keys []shopper.Key) error {
		for _, key := range keys {
			named[string(key.Kind())] = append(named[string(key.Kind())], key.Reveal())
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, kind := range []string{"card", "email_sha256"} {
		got := slices.Compact(slices.Sorted(slices.Values(named[kind])))
		var all []string
		for _, n := range want {
			all = append(all, person(n)[kind])
		}
		if slices.Sort(all); !slices.Equal(got, all) {
			h.t.Errorf("batches name by %s %v, want %v", kind, got, all)
		}
	}
}

// clean fails for every place that still holds her.
func (h *leaver) clean(id shopper.ID, but string) {
	h.t.Helper()
	for place, what := range h.search(id) {
		if what == "an identifier" || but == "" || !strings.HasPrefix(place, but) {
			h.t.Errorf("%s holds %s of hers", place, what)
		}
	}
}

// access asks for her file, and for another's.
func (h *leaver) access() {
	h.t.Helper()
	mixed := map[string]string{"card": person(0)["card"], "account": person(1)["account"]}
	for name, keys := range map[string]map[string]string{
		"with the card of another": mixed,
		"with an unknown address":  {"card": person(0)["card"], "email_sha256": person(77)["email_sha256"]},
	} {
		r := h.request("access", "two_keys", keys)
		if status, text := h.call(http.MethodGet, "/v1/privacy/requests/"+r.ID+"/file", nil); r.Found || status != http.StatusNotFound || strings.Contains(text, "oats") {
			h.t.Errorf("%s: found %t, file %d %s", name, r.Found, status, text)
		}
	}
	if status, _ := h.call(http.MethodPost, "/v1/privacy/requests", map[string]any{"kind": "access", "means": "operator", "shopper": two(0)}); status != http.StatusForbidden {
		h.t.Errorf("a key that says it is the operator is answered %d", status)
	}
	r := h.request("access", "two_keys", two(0))
	delete(h.said, "GET /v1/privacy/requests/"+r.ID+"/file")
	text := h.ask(http.MethodGet, "/v1/privacy/requests/"+r.ID+"/file", nil, nil)
	for _, want := range []string{person(0)["card"], person(0)["email_sha256"], "4006381333931", `"coupon_discount":"0.50"`, `"allowed":["personal_offers"`, `"habits":[{"product":"oats","receipts":3`, `"retention":[`, `"recipients":["nobody`, `"other_recipients":[]`} {
		if !strings.Contains(text, want) {
			h.t.Errorf("the file lacks %s: %s", want, text)
		}
	}
	if strings.Contains(text, person(1)["card"]) || strings.Count(text, `"receipt":"r`) != 3 {
		h.t.Errorf("the file is not hers alone: %s", text)
	}
	if csv := h.ask(http.MethodGet, "/v1/privacy/requests/"+r.ID+"/file?format=csv", nil, nil); strings.Count(csv, "4006381333931") != 3 {
		h.t.Errorf("the lines: %s", csv)
	}
	portable := h.request("portability", "login", map[string]string{"account": person(0)["account"]})
	if text := h.ask(http.MethodGet, "/v1/privacy/requests/"+portable.ID+"/file", nil, nil); strings.Contains(text, "habits") || strings.Count(text, `"receipt":"r`) != 3 {
		h.t.Errorf("what she takes along: %s", text)
	}
	h.forgetAnswers()
}

// forgetAnswers drops the files, which may name her, from what is searched.
func (h *leaver) forgetAnswers() {
	for place := range h.said {
		if strings.HasSuffix(place, "/file") || strings.Contains(place, "/file?") {
			delete(h.said, place)
		}
	}
}

// erase forgets her and tries to bring her back.
func (h *leaver) erase() string {
	h.t.Helper()
	r := h.request("erasure", "login", map[string]string{"account": person(0)["account"]})
	if r.State != "erasing" || !r.Found {
		h.t.Fatalf("the erasure is %+v", r)
	}
	h.batches(1, 2) // at once, and whichever of them were made
	if again := h.request("erasure", "login", map[string]string{"account": person(0)["account"]}); again.Found {
		h.t.Error("her keys still belong to somebody")
	}
	if text := h.buy("later", 0); !strings.Contains(text, `"outcome":"new"`) {
		h.t.Errorf("a receipt with her card: %s", text)
	}
	if text := h.ask(http.MethodPut, "/v1/shoppers", map[string]any{"shoppers": []any{map[string]any{"keys": person(0)}}}, nil); !strings.Contains(text, `"outcome":"suppressed"`) {
		h.t.Errorf("a list that holds her: %s", text)
	}
	h.call(http.MethodPost, "/v1/receipts", map[string]any{"receipts": []any{map[string]any{"id": "worse still", "shopper": person(0), "till": 7}}})
	h.pass(1)
	var now asked
	if h.ask(http.MethodGet, "/v1/privacy/requests/"+r.ID, nil, &now); now.State != "done" {
		h.t.Errorf("after the night the erasure is %+v", now)
	}
	h.certificate(r.ID)
	return r.ID
}

// certificate fetches the certificate and checks it, changed and unchanged.
func (h *leaver) certificate(id string) {
	h.t.Helper()
	text := h.ask(http.MethodGet, "/v1/privacy/requests/"+id+"/certificate", nil, nil)
	for _, want := range []string{`"request":"` + id, `"stream_clean_by":"2026-03-13"`, `"backups_unreadable_by":"2026-04-05"`} {
		if !strings.Contains(text, want) {
			h.t.Errorf("the certificate lacks %s: %s", want, text)
		}
	}
	file := filepath.Join(h.names["DIR"], "certificate.json")
	for _, tt := range []struct{ text, want string }{
		{text, "the signature is right"}, {strings.Replace(text, "2026-03-13", "2026-03-03", 1), ""}, {"{}", ""}, {"garbage", ""},
	} {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			h.t.Fatal(err)
		}
		if out := h.do("privacy", "verify", "--dir", h.dir, file); !strings.HasPrefix(out, tt.want) || tt.want == "" && out != "" {
			h.t.Errorf("checking %.60s: %s", tt.text, out)
		}
	}
}

// look has the program search for the forgotten.
func (h *leaver) look(byAge string) {
	h.t.Helper()
	out := h.do("verify", "--forgotten", "--dir", h.dir)
	if said := h.said["endcap verify --forgotten --dir "+h.dir+": errors"]; said != "" || strings.Count(out, " 0 found") < 8 || strings.Contains(out, "leave by age") != (byAge != "") {
		h.t.Errorf("verify --forgotten: %s%s", out, said)
	}
}

// idOf is how facts know the nth shopper, by the vault of the running house.
func (h *leaver) idOf(n int) shopper.ID {
	h.t.Helper()
	v, err := sqlite.OpenVault(h.t.Context(), sqlite.Options{Path: filepath.Join(h.dir, "vault.db")})
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	key, err := shopper.ParseKey(shopper.Card, person(n)["card"])
	if err != nil {
		h.t.Fatal(err)
	}
	ids, err := v.Lookup(h.t.Context(), []shopper.Key{key})
	if err != nil || !ids[0].Known() {
		h.t.Fatal("she is not known", err)
	}
	return ids[0]
}

// search greps every file of the house, raw and unpacked, for her identifiers
// and her id, and gives what it found by place.
func (h *leaver) search(id shopper.ID) map[string]string {
	h.t.Helper()
	found := make(map[string]string)
	var clear, ids [][]byte
	for _, value := range person(0) {
		clear = append(clear, []byte(value))
	}
	ids = append(ids, binary.BigEndian.AppendUint64(nil, id.Reveal()), binary.LittleEndian.AppendUint64(nil, id.Reveal()),
		fmt.Append(nil, id.Reveal()), fmt.Append(nil, int64(id.Reveal())), fmt.Appendf(nil, "%x", id.Reveal()))
	looked := 0
	check := func(place string, b []byte) {
		looked++
		for _, needle := range clear {
			if bytes.Contains(b, needle) {
				found[place] = "an identifier"
			}
		}
		for _, needle := range ids {
			if bytes.Contains(b, needle) && found[place] == "" {
				found[place] = "the id"
			}
		}
	}
	everyPiece(h.t, h.dir, check)
	if looked < 50 {
		h.t.Errorf("only %d pieces were looked at", looked)
	}
	return found
}

// everyPiece gives all that a house that is shut holds, by place: the bytes of
// every file, every row of Pebble's tables, and every cell of history.
func everyPiece(t *testing.T, dir string, each func(place string, b []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		place, _ := filepath.Rel(dir, path)
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		each(place, b)
		if filepath.Ext(path) == ".sst" {
			return unpackTable(t, path, func(b []byte) { each(place+" unpacked", b) })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	unpackHistory(t, dir, each)
}

// unpackTable gives every key and value of one of Pebble's tables, those that
// are deleted too.
func unpackTable(t *testing.T, path string, each func([]byte)) error {
	t.Helper()
	file, err := vfs.Default.Open(path)
	if err != nil {
		return err
	}
	readable, err := sstable.NewSimpleReadable(file)
	if err != nil {
		return err
	}
	shelf := *pebble.DefaultComparer
	shelf.Name, shelf.Split = "endcap.pebbleshelf.1", func(key []byte) int { return min(len(key), 9) }
	plain := colblk.DefaultKeySchema(pebble.DefaultComparer, 16)
	split := colblk.DefaultKeySchema(&shelf, 16)
	r, err := sstable.NewReader(t.Context(), readable, sstable.ReaderOptions{
		Comparers:  sstable.Comparers{pebble.DefaultComparer.Name: pebble.DefaultComparer, shelf.Name: &shelf},
		Mergers:    sstable.Mergers{pebble.DefaultMerger.Name: pebble.DefaultMerger},
		KeySchemas: sstable.MakeKeySchemas(&plain, &split),
	})
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	rows, err := r.NewIter(sstable.NoTransforms, nil, nil, sstable.AssertNoBlobHandles)
	if err != nil {
		return err
	}
	for kv := rows.First(); kv != nil; kv = rows.Next() {
		value, _, err := kv.Value(nil)
		if err != nil {
			return err
		}
		each(append(bytes.Clone(kv.K.UserKey), value...))
	}
	return rows.Close()
}

// unpackHistory gives every text of every table as questions see it, and so all
// that the working copy and, after a rebuild, the sealed files hold.
func unpackHistory(t *testing.T, dir string, each func(string, []byte)) {
	t.Helper()
	w, err := duck.Open(t.Context(), filepath.Join(dir, "history"), duck.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	for _, table := range event.Tables() {
		if table.Inner { // questions do not see it; endcap verify --forgotten does
			continue
		}
		got, err := w.Query(t.Context(), warehouse.Query{Name: "everything", Purpose: warehouse.Accounting, SQL: "select * from " + table.Name})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range got.Columns {
			for i := range c.Texts {
				each("history."+table.Name, []byte(c.Texts[i]))
			}
			for i := range c.Ints {
				each("history."+table.Name, binary.BigEndian.AppendUint64(nil, uint64(c.Ints[i])))
			}
			for i := range c.Blobs {
				each("history."+table.Name, c.Blobs[i])
			}
		}
	}
}
