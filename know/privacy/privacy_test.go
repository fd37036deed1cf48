package privacy_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"endcap/keep/files/dirfiles"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/sql/sqlite"
	"endcap/keep/vault"
	"endcap/keep/warehouse/duck"
	"endcap/keep/warehouse/subset"
	"endcap/know/identity"
	"endcap/know/privacy"
	"endcap/know/recommend/training"
	"endcap/retail"
	"endcap/retail/shopper"
)

// house is an office over stores of its own, with a hand-turned clock.
type house struct {
	*privacy.Office
	vault    *sqlite.Vault
	people   *identity.Identity
	history  *duck.Warehouse
	facts    int // brought into history
	now      atomic.Int64
	objected atomic.Int64
}

func (h *house) clock() time.Time { return time.UnixMicro(h.now.Load()).UTC() }

func (h *house) set(text string) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	h.now.Store(at.UnixMicro())
}

func open(t *testing.T) *house {
	t.Helper()
	h := new(house)
	h.set("2026-01-31T12:00:00Z")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	shut := func(f func() error) {
		t.Cleanup(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	dir := t.TempDir()
	var err error
	h.vault, err = sqlite.OpenVault(t.Context(), sqlite.Options{Path: filepath.Join(dir, "vault.db")})
	must(err)
	shut(h.vault.Close)
	o := duck.Defaults()
	o.Check = subset.Check
	history, err := duck.Open(t.Context(), filepath.Join(dir, "history"), o)
	must(err)
	shut(history.Close)
	h.history = history
	shelf, err := pebbleshelf.Open(t.Context(), filepath.Join(dir, "profiles"), pebbleshelf.Options{})
	must(err)
	shut(shelf.Close)
	artefacts, err := dirfiles.Open(filepath.Join(dir, "files"), nil)
	must(err)
	h.people, err = identity.New(h.vault, identity.Random(rand.Reader), identity.Defaults(h.clock))
	must(err)
	h.Office, err = privacy.New(t.Context(), privacy.Ports{
		Vault: h.vault, People: h.people, History: history, Profiles: shelf, Models: training.NewKeeper(artefacts, nil), Clock: h.clock, Chance: rand.Reader,
		Acts: privacy.Acts{Forget: func(ctx context.Context, who ...shopper.ID) error { return h.people.Forget(ctx, who...) }, Object: func(context.Context, shopper.ID, time.Time) error {
			h.objected.Add(1)
			return nil
		}},
	}, privacy.Config{
		Retailer: "test", StreamDays: 7, BackupDays: 30, Rules: privacy.RetentionDefaults(), Zone: time.UTC,
		Derived: func(context.Context, shopper.ID) (privacy.Derived, error) { return privacy.Derived{}, nil },
	})
	must(err)
	return h
}

func key(t *testing.T, kind shopper.KeyKind, value string) shopper.Key {
	t.Helper()
	k, err := shopper.ParseKey(kind, value)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func hers(t *testing.T, n int) []shopper.Key {
	t.Helper()
	return []shopper.Key{key(t, shopper.Card, fmt.Sprint("card-", n)), key(t, shopper.Account, fmt.Sprint("account-", n))}
}

func (h *house) know(t *testing.T, n int) shopper.ID {
	t.Helper()
	who, err := h.people.Name(t.Context(), [][]shopper.Key{hers(t, n)})
	if err != nil {
		t.Fatal(err)
	}
	return who[0]
}

func (h *house) ask(t *testing.T, a privacy.Ask) privacy.Request {
	t.Helper()
	r, err := h.Ask(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhenMustARequestBeAnswered(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.know(t, 1)
	r := h.ask(t, privacy.Ask{Kind: privacy.Access, Means: privacy.TwoKeys, Keys: hers(t, 1)})
	if got := r.Due.Format(time.DateOnly); got != "2026-02-28" {
		t.Errorf("asked on 31 January it is due on %s, want the last of February", got)
	}
	for _, tt := range [][2]string{{"2026-02-20T11:59:00Z", ""}, {"2026-02-20T12:00:00Z", "day_20"}, {"2026-02-28T12:00:00Z", "overdue"}} {
		at, want := tt[0], privacy.Alarm(tt[1])
		h.set(at)
		if got, err := h.Get(t.Context(), r.ID); err != nil || got.Alarm != want {
			t.Errorf("at %s the alarm is %q, want %q (%v)", at, got.Alarm, want, err)
		}
		counts, err := h.Waiting(t.Context())
		if err != nil || counts[want] != 1 {
			t.Errorf("at %s the counts are %v, %v", at, counts, err)
		}
	}
	if _, err := h.Extend(t.Context(), r.ID, "too many"); retail.KindOf(err) != retail.Conflict {
		t.Errorf("put off after the first month: %v", err)
	}
	h.set("2026-02-27T12:00:00Z")
	r, err := h.Extend(t.Context(), r.ID, "too many")
	if err != nil || r.Due.Format(time.DateOnly) != "2026-04-30" || r.Alarm != privacy.Calm {
		t.Errorf("put off it is due on %s with alarm %q, %v", r.Due, r.Alarm, err)
	}
	if _, err := h.Extend(t.Context(), r.ID, "again"); retail.KindOf(err) != retail.Conflict {
		t.Errorf("put off twice: %v", err)
	}
	if _, err := h.FileOf(t.Context(), r.ID); err != nil {
		t.Fatal(err)
	}
	if r, err = h.Get(t.Context(), r.ID); err != nil || r.State != privacy.Done || r.Alarm != privacy.Calm {
		t.Errorf("a fetched file leaves the request %s, %v", r.State, err)
	}
	h.set("2026-06-01T12:00:00Z")
	if _, err := h.FileOf(t.Context(), r.ID); retail.KindOf(err) != retail.NotFound {
		t.Errorf("a file fetched long ago is given again: %v", err)
	}
}

func TestWhoseRequestIsIt(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.know(t, 1)
	h.know(t, 2)
	one, two := hers(t, 1), hers(t, 2)
	for name, tt := range map[string]struct {
		means privacy.Means
		keys  []shopper.Key
		found bool
	}{
		"two keys of hers":                    {privacy.TwoKeys, one, true},
		"a login":                             {privacy.Login, one[1:], true},
		"another's card with her own account": {privacy.TwoKeys, []shopper.Key{one[0], two[1]}, false},
		"a card and an account of nobody":     {privacy.TwoKeys, []shopper.Key{one[0], key(t, shopper.Account, "x")}, false},
		"an account of nobody":                {privacy.Login, []shopper.Key{key(t, shopper.Account, "x")}, false},
	} {
		for _, kind := range []privacy.Kind{privacy.Access, privacy.Portability} {
			r := h.ask(t, privacy.Ask{Kind: kind, Means: tt.means, Keys: tt.keys})
			_, err := h.FileOf(t.Context(), r.ID)
			if r.Found != tt.found || (err == nil) != tt.found {
				t.Errorf("%s: found %t, file %v", name, r.Found, err)
			}
		}
	}
	stranger := h.ask(t, privacy.Ask{Kind: privacy.Erasure, Means: privacy.TwoKeys, Keys: []shopper.Key{one[0], two[1]}})
	if known, err := h.people.Known(t.Context(), [][]shopper.Key{one, two}); err != nil || !known[0] || !known[1] || stranger.Found {
		t.Errorf("somebody was erased on another's word: %v, %v", known, err)
	}
	if h.ask(t, privacy.Ask{Kind: privacy.Objection, Means: privacy.Login, Keys: one[1:]}); h.objected.Load() != 1 {
		t.Error("an objection did nothing")
	}
}

func TestRequestsThatCannotBe(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.know(t, 1)
	one := hers(t, 1)
	for name, a := range map[string]privacy.Ask{
		"an unknown kind":                    {Kind: "revenge", Means: privacy.TwoKeys, Keys: one},
		"an identity document":               {Kind: privacy.Access, Means: "passport", Keys: one},
		"one key alone":                      {Kind: privacy.Access, Means: privacy.TwoKeys, Keys: one[:1]},
		"two cards":                          {Kind: privacy.Access, Means: privacy.TwoKeys, Keys: []shopper.Key{one[0], one[0]}},
		"a login without an account":         {Kind: privacy.Access, Means: privacy.Login, Keys: one[:1]},
		"nobody":                             {Kind: privacy.Access, Means: privacy.Operator},
		"a rectification that says nothing":  {Kind: privacy.Rectification, Means: privacy.TwoKeys, Keys: one},
		"a rectification that says too much": {Kind: privacy.Rectification, Means: privacy.TwoKeys, Keys: one, Note: strings.Repeat("x", privacy.NoteMax+1)},
	} {
		if _, err := h.Ask(t.Context(), a); retail.KindOf(err) != retail.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := h.ask(t, privacy.Ask{Kind: privacy.Rectification, Means: privacy.TwoKeys, Keys: one, Note: "my card ends with 7"})
	if _, err := h.Close(t.Context(), r.ID, privacy.Refused, ""); retail.KindOf(err) != retail.Invalid {
		t.Errorf("refused without a reason: %v", err)
	}
	if r, err := h.Close(t.Context(), r.ID, privacy.Done, ""); err != nil || r.State != privacy.Done {
		t.Errorf("closed: %+v, %v", r, err)
	}
	if _, err := h.Get(t.Context(), "none"); retail.KindOf(err) != retail.NotFound {
		t.Errorf("a request that is none: %v", err)
	}
}

func TestTheNightFindsHerInQuarantineAndClosesTheErasure(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.know(t, 1)
	mail := strings.Repeat("ab", 32)
	if _, err := h.people.Name(t.Context(), [][]shopper.Key{{hers(t, 1)[0], key(t, shopper.EmailHash, mail)}}); err != nil {
		t.Fatal(err)
	}
	refuse := func(rows ...string) {
		for i, raw := range rows {
			if err := h.vault.Refuse(t.Context(), []vault.Refused{{Source: "f", Line: int64(i), Reason: "r", Raw: []byte(raw), At: h.clock()}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	refuse("b1;card-1;2.50", `{"shopper":{"card": "card-1"}}`, "x,"+strings.ToUpper(mail), "b1;card-12;2.50", `{"shopper":{"card":"card-2"}}`)
	early := h.ask(t, privacy.Ask{Kind: privacy.Access, Means: privacy.TwoKeys, Keys: hers(t, 1)})
	r := h.ask(t, privacy.Ask{Kind: privacy.Erasure, Means: privacy.Login, Keys: hers(t, 1)[1:]})
	if _, err := h.CertificateOf(t.Context(), r.ID); retail.KindOf(err) != retail.NotFound {
		t.Errorf("a certificate before the night: %v", err)
	}
	if _, err := h.FileOf(t.Context(), early.ID); retail.KindOf(err) != retail.NotFound {
		t.Errorf("a file of somebody forgotten: %v", err)
	}
	// A sweep of the very instant of the erasure may have begun before it.
	for n, want := range []struct{ rows, certified int }{{3, 0}, {0, 1}, {0, 0}} {
		done, err := h.Sweep(t.Context())
		if err != nil || done.Quarantine != want.rows || done.Certified != want.certified {
			t.Errorf("sweep %d: %+v, %v", n, done, err)
		}
		h.now.Add(time.Hour.Microseconds())
	}
	if rows, err := h.vault.Refusals(t.Context(), 0, 10); err != nil || len(rows) != 2 {
		t.Errorf("%d rows are left, %v; want the two of others", len(rows), err)
	}
	text, err := h.CertificateOf(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := privacy.Verify(text, public(t, h)); err != nil {
		t.Error(err)
	}
	other := open(t)
	if _, err := privacy.Verify(text, public(t, other)); !errors.Is(err, privacy.ErrSignature) {
		t.Errorf("another house's key: %v", err)
	}
}

// public is the newest key by which a house's certificates are checked.
func public(t *testing.T, h *house) ed25519.PublicKey {
	t.Helper()
	keys, err := h.PublicKeys(t.Context())
	if err != nil || len(keys) == 0 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	return keys[0].Key
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"document":{"a":1},"key":"AA==","signature":"AA=="}`))
	f.Add([]byte("{"))
	public := make([]byte, 32)
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, err := privacy.Verify(file, public); err == nil {
			t.Error("something nobody signed is right")
		}
	})
}

// Certificates of before a rotation stay provable, and whoever trusts the first
// key can follow to the newest.
func TestACertificateOutlivesItsKey(t *testing.T) {
	t.Parallel()
	h := open(t)
	sign := func() []byte {
		s, err := privacy.OpenSigner(t.Context(), h.vault, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		text, err := s.Sign(map[string]string{"is": "a document"})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	signed := [][]byte{sign()}
	for n := 2; n <= 4; n++ {
		if _, err := h.vault.Turn(t.Context(), "certificates", vault.Generation{Number: n, Value: []byte(rand.Text() + "123456")}); err != nil {
			t.Fatal(err)
		}
		for range 2 { // again, after it was killed
			if err := h.Publish(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := h.vault.Retire(t.Context(), "certificates", n); err != nil {
			t.Fatal(err)
		}
		signed = append(signed, sign())
	}
	keys, err := h.PublicKeys(t.Context())
	if err != nil || len(keys) != len(signed) {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	var all []ed25519.PublicKey
	for i, k := range keys {
		all = append(all, k.Key)
		if i+1 == len(keys) {
			break
		}
		said := append(binary.BigEndian.AppendUint64([]byte("endcap signing key"), uint64(k.Number)), k.Key...)
		if !ed25519.Verify(keys[i+1].Key, said, k.By) {
			t.Errorf("key %d is not signed by the one before", k.Number)
		}
	}
	for n, text := range signed {
		if _, err := privacy.Verify(text, all...); err != nil {
			t.Errorf("certificate %d: %v", n, err)
		}
		if _, err := privacy.Verify(text, keys[len(keys)-1].Key); (err == nil) != (n == 0) {
			t.Errorf("certificate %d by the first key: %v", n, err)
		}
	}
}
