package identity_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"endcap/keep/sql/sqlite"
	"endcap/keep/vault"
	"endcap/know/identity"
	"endcap/retail/consent"
	"endcap/retail/shopper"
)

// house is a vault of its own with a hand-turned clock.
type house struct {
	*identity.Identity
	vault *sqlite.Vault
	now   atomic.Int64
}

func open(tb testing.TB, mint vault.Mint, change ...func(*identity.Config)) *house {
	tb.Helper()
	v, err := sqlite.OpenVault(tb.Context(), sqlite.Options{Path: filepath.Join(tb.TempDir(), "vault.db")})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := v.Close(); err != nil {
			tb.Error(err)
		}
	})
	h := &house{vault: v}
	cfg := identity.Defaults(func() time.Time { return time.Unix(h.now.Load(), 0) })
	for _, f := range change {
		f(&cfg)
	}
	if h.Identity, err = identity.New(v, mint, cfg); err != nil {
		tb.Fatal(err)
	}
	return h
}

func key(tb testing.TB, kind shopper.KeyKind, value string) shopper.Key {
	tb.Helper()
	k, err := shopper.ParseKey(kind, value)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func (h *house) name(tb testing.TB, keys ...shopper.Key) shopper.ID {
	tb.Helper()
	who, err := h.Name(tb.Context(), [][]shopper.Key{keys})
	if err != nil {
		tb.Fatal(err)
	}
	return who[0]
}

func (h *house) find(tb testing.TB, keys ...shopper.Key) shopper.ID {
	tb.Helper()
	who, err := h.Find(tb.Context(), keys)
	if err != nil {
		tb.Fatal(err)
	}
	return who
}

func (h *house) allowed(tb testing.TB, who shopper.ID) consent.Set {
	tb.Helper()
	sets, err := h.Allowed(tb.Context(), []shopper.ID{who})
	if err != nil {
		tb.Fatal(err)
	}
	return sets[0]
}

func TestWhoseCardWasIt(t *testing.T) {
	t.Parallel()
	h := open(t, identity.Random(rand.Reader))
	card, mail, other := key(t, shopper.Card, "4711"), key(t, shopper.EmailHash, strings.Repeat("ab", 32)), key(t, shopper.Card, "4712")
	ana := h.name(t, card)
	if !ana.Known() || h.name(t, card) != ana {
		t.Fatal("one card, two shoppers")
	}
	if h.name(t) != (shopper.ID{}) {
		t.Error("a receipt without keys has a shopper")
	}
	if h.name(t, card, mail) != ana || h.name(t, mail) != ana {
		t.Error("an e-mail beside a known card is not hers")
	}
	ben := h.name(t, other)
	if ben == ana {
		t.Fatal("two cards, one shopper")
	}
	if got := h.name(t, card, other); got.Known() {
		t.Error("a set that joins two shoppers names one")
	}
	if h.name(t, card) != ana || h.name(t, other) != ben {
		t.Error("a contradiction changed who is who")
	}
	if got := h.find(t, mail, other); got.Known() {
		t.Error("a visit with the keys of two shoppers has one")
	}
	if got := h.find(t, mail, key(t, shopper.Device, "phone")); got != ana {
		t.Error("an unknown device beside a known e-mail hides her")
	}
	if got := h.find(t, key(t, shopper.Device, "phone")); got.Known() {
		t.Error("finding a shopper minted one")
	}
}

func TestOneBatchNamesRepeatedCardsOnce(t *testing.T) {
	t.Parallel()
	h := open(t, identity.Random(rand.Reader))
	sets := make([][]shopper.Key, 5_000)
	for i := range sets {
		sets[i] = []shopper.Key{key(t, shopper.Card, fmt.Sprint("card ", i%1_300))}
	}
	var all sync.WaitGroup
	results := make([][]shopper.ID, 3)
	for n := range results {
		all.Go(func() {
			who, err := h.Name(t.Context(), sets)
			if err != nil {
				t.Error(err)
			}
			results[n] = who
		})
	}
	all.Wait()
	different := make(map[shopper.ID]bool)
	for i, id := range results[0] {
		different[id] = true
		if !id.Known() || id != results[0][i%1_300] || id != results[1][i] || id != results[2][i] {
			t.Fatalf("set %d is not the same shopper everywhere", i)
		}
	}
	if len(different) != 1_300 {
		t.Errorf("%d shoppers, want 1300", len(different))
	}
}

func TestHowSoonDoesTheVaultShow(t *testing.T) {
	t.Parallel()
	h := open(t, identity.Random(rand.Reader))
	card := key(t, shopper.Card, "new")
	if h.find(t, card).Known() {
		t.Fatal("an unknown card has a shopper")
	}
	// Another node names her and writes what she allows.
	who, err := h.vault.Resolve(t.Context(), [][]shopper.Key{{card}}, identity.Random(rand.Reader))
	if err != nil {
		t.Fatal(err)
	}
	if h.allowed(t, who[0]) != consent.None {
		t.Fatal("who said nothing allows something")
	}
	if err := h.vault.Say(t.Context(), []vault.Said{{Shopper: who[0], Allowed: consent.All, At: time.Unix(1, 0), EventID: "1"}}); err != nil {
		t.Fatal(err)
	}
	h.now.Add(int64(identity.LifeMax/time.Second) + 1)
	if h.find(t, card) != who[0] {
		t.Error("a card named elsewhere is still unknown")
	}
	if h.allowed(t, who[0]) != consent.All {
		t.Error("a consent given elsewhere does not show")
	}
}

func TestWithdrawalCountsAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t, identity.Random(rand.Reader))
	who := h.name(t, key(t, shopper.Card, "1"))
	for n, want := range []consent.Set{consent.All, consent.Of(consent.Measurement), consent.None} {
		said := vault.Said{Shopper: who, Allowed: want, At: time.Unix(int64(n), 0), EventID: fmt.Sprint(n)}
		if err := h.Say(t.Context(), []vault.Said{said}); err != nil {
			t.Fatal(err)
		}
		if got := h.allowed(t, who); got != want {
			t.Errorf("after saying %v she allows %v", want, got)
		}
	}
}

func TestForgettingDropsEveryCopy(t *testing.T) {
	t.Parallel()
	h := open(t, identity.Seeded([32]byte{1}))
	card, mail := key(t, shopper.Card, "1"), key(t, shopper.PhoneHash, strings.Repeat("0f", 32))
	who := h.name(t, card, mail)
	other := h.name(t, key(t, shopper.Card, "2"))
	if err := h.Say(t.Context(), []vault.Said{{Shopper: who, Allowed: consent.All, At: time.Unix(1, 0), EventID: "1"}}); err != nil {
		t.Fatal(err)
	}
	if h.find(t, card) != who || h.allowed(t, who) != consent.All {
		t.Fatal("she is not known before")
	}
	if err := h.Forget(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	gone, err := h.Gone(t.Context(), []shopper.ID{who, other, {}})
	if err != nil {
		t.Fatal(err)
	}
	if !gone[0] || gone[1] || gone[2] {
		t.Errorf("gone: %v, want only the first", gone)
	}
	if h.allowed(t, who) != consent.None || h.find(t, mail).Known() {
		t.Error("a copy outlived the forgetting")
	}
	if h.name(t, card).Known() {
		t.Error("a forgotten shopper came back by her card")
	}
	if err := h.Lift(t.Context(), []shopper.Key{card}); err != nil {
		t.Fatal(err)
	}
	if again := h.name(t, card); again == who || !again.Known() {
		t.Error("who registered anew is not a new shopper")
	}
	if h.find(t, key(t, shopper.Card, "2")) != other {
		t.Error("another shopper was forgotten too")
	}
}

func TestSmallCopiesStillAnswerRight(t *testing.T) {
	t.Parallel()
	h := open(t, identity.Seeded([32]byte{2}), func(c *identity.Config) { c.KeysMax, c.ShoppersMax = 64, 64 })
	var first []shopper.ID
	for range 3 {
		for i := range 400 {
			id := h.name(t, key(t, shopper.Card, fmt.Sprint(i)))
			if len(first) < 400 {
				first = append(first, id)
			} else if first[i] != id {
				t.Fatalf("card %d changed its shopper", i)
			}
		}
	}
}

func TestSeededIDsRepeatAndDiffer(t *testing.T) {
	t.Parallel()
	a, b := identity.Seeded([32]byte{1}), identity.Seeded([32]byte{2})
	seen := make(map[shopper.ID]bool)
	for i := range 1_000 {
		k := key(t, shopper.Card, fmt.Sprint(i))
		if first := a(k); first != a(k) || first == b(k) || !first.Known() || seen[first] {
			t.Fatalf("card %d has a bad id", i)
		}
		seen[a(k)] = true
	}
	if a(key(t, shopper.Card, "x")) == a(key(t, shopper.Account, "x")) {
		t.Error("a card and an account of the same value are one shopper")
	}
	if got := identity.Random(bytes.NewReader(append(make([]byte, 8), 0, 0, 0, 0, 0, 0, 0, 5)))(shopper.Key{}); got.Reveal() != 5 {
		t.Error("a draw of zero was given out")
	}
}

func TestBoundsThatCannotHold(t *testing.T) {
	t.Parallel()
	good := identity.Defaults(time.Now)
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*identity.Config){
		"no clock": func(c *identity.Config) { c.Clock = nil },
		"no room":  func(c *identity.Config) { c.KeysMax = 0 },
		"too long": func(c *identity.Config) { c.Life = time.Minute },
	} {
		cfg := good
		change(&cfg)
		if cfg.Check() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func BenchmarkNameKnownCards(b *testing.B) {
	h := open(b, identity.Seeded([32]byte{1}))
	sets := make([][]shopper.Key, 4_096)
	for i := range sets {
		sets[i] = []shopper.Key{key(b, shopper.Card, fmt.Sprint(i%2_469))}
	}
	for b.Loop() {
		if _, err := h.Name(b.Context(), sets); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(sets)), "ns/set")
}
