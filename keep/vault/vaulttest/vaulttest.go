// Package vaulttest is the suite that every vault passes: naming and merging
// shoppers, consents, quarantine, secrets, forgetting, races, and a random history
// beside a plain model.
//
// It is beside the road of a receipt: it says what identity may rely on.
package vaulttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"endcap/keep/vault"
	"endcap/retail/shopper"
)

// Store is what the suite opens.
type Store interface {
	vault.Vault
	Close() error
}

// Open opens the vault that lies in dir, making it the first time. The suite
// closes it, and may open it again.
type Open func(t *testing.T, dir string) Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Open){
		"a card is one shopper for ever":              testCards,
		"keys given together belong together":         testTogether,
		"keys of two shoppers are never merged":       testJoins,
		"an id that is taken is not given again":      testTaken,
		"many tills that see a new card agree on her": testCrowd,
		"thousands of receipts are one call":          testBatch,
		"bitmaps get dense numbers":                   testOrdinals,
		"the newest word on consent counts":           testConsents,
		"a consent keeps all that proves it":          testSayings,
		"consents lapse once":                         testLapses,
		"texts are registered for ever":               testWordings,
		"consents stand in one chain":                 testChain,
		"a refused row is kept once until released":   testQuarantine,
		"a secret is made once":                       testSecrets,
		"a secret can be destroyed":                   testDestroys,
		"a ring is turned once":                       testTurns,
		"a partner is told, and told to delete":       testTells,
		"a ring's older generations are retired":      testRetires,
		"the forgotten stay so when their key turns":  testTombstonesTurn,
		"a forgotten shopper is gone":                 testForgets,
		"an older vault learns who was forgotten":     testBuries,
		"keys that somebody vouches for":              testDeclares,
		"evidence merges, and withdrawn it is gone":   testMerges,
		"evidence about the forgotten is gone":        testForgottenMerges,
		"of merges from one reading one is made":      testMergeRace,
		"a crowded key leads nowhere":                 testCrowdedKey,
		"a forgotten shopper's keys are suppressed":   testSuppresses,
		"requests and sweeps are kept":                testRequests,
		"marks of one size have changed":              testMarkChanges,
		"who has been quiet for long":                 testInactive,
		"old papers go":                               testExpireRequests,
		"recipients are told":                         testRecipients,
		"limits are refused by name":                  testLimits,
		"any history is the model's history":          testHistories,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

var noon = time.Date(2017, 12, 4, 12, 0, 0, 0, time.UTC)

func fresh(t *testing.T, open Open) Store {
	t.Helper()
	s := open(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func again(t *testing.T, open Open, s Store, dir string) Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, dir)
}

func card(n int) shopper.Key { return key(shopper.Card, fmt.Sprintf("card-%06d", n)) }

func key(kind shopper.KeyKind, value string) shopper.Key {
	k, err := shopper.ParseKey(kind, value)
	if err != nil {
		panic(fmt.Sprintf("vaulttest: bug: %v", err))
	}
	return k
}

func id(n uint64) shopper.ID { return shopper.FromUint64(n) }

// counter mints 1, 2, 3, … and may be shared by goroutines.
func counter() vault.Mint {
	var mu sync.Mutex
	var n uint64
	return func(shopper.Key) shopper.ID {
		mu.Lock()
		defer mu.Unlock()
		n++
		return id(n)
	}
}

func resolve(t *testing.T, s Store, mint vault.Mint, sets ...[]shopper.Key) []shopper.ID {
	t.Helper()
	got, err := s.Resolve(t.Context(), sets, mint)
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	return got
}

func set(keys ...shopper.Key) []shopper.Key { return keys }

// same compares, ids by their numbers: these are made up and name nobody.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(shopper.ID{}, shopper.Key{})); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", what, diff)
	}
}

func testCards(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	mint := counter()
	first := resolve(t, s, mint, set(card(1)), set(card(2)), set(card(1)), nil)
	if first[0] != first[2] || first[0] == first[1] || !first[0].Known() || !first[1].Known() || first[3].Known() {
		t.Errorf("two cards, one of them twice, and nobody: %v distinct", len(first))
	}
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	same(t, "after a restart", resolve(t, s, mint, set(card(2)), set(card(1))), []shopper.ID{first[1], first[0]})
	seen, err := s.Lookup(t.Context(), set(card(1), card(3)))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a lookup mints nobody", seen, []shopper.ID{first[0], {}})
	other := key(shopper.Account, "card-000001")
	if got := resolve(t, s, mint, set(other))[0]; got == first[0] {
		t.Error("an account of the same number is the card's shopper")
	}
}

func testTogether(t *testing.T, open Open) {
	s := fresh(t, open)
	account, device := key(shopper.Account, "ana"), key(shopper.Device, "d1")
	mint := counter()
	got := resolve(t, s, mint, set(card(1), account), set(account, device, device), set(device), set(card(1)))
	for i, who := range got {
		if who != got[0] || !who.Known() {
			t.Errorf("set %d is another shopper", i)
		}
	}
	keys, err := s.Keys(t.Context(), got[0])
	if err != nil {
		t.Fatal(err)
	}
	same(t, "her keys", keys, set(account, card(1), device))
}

func testJoins(t *testing.T, open Open) {
	s := fresh(t, open)
	mint := counter()
	two := resolve(t, s, mint, set(card(1)), set(card(2)))
	got := resolve(t, s, mint, set(card(1), card(3), card(2)), set(card(2), card(4)))
	same(t, "joining gives nobody, its neighbour is served", got, []shopper.ID{{}, two[1]})
	seen, err := s.Lookup(t.Context(), set(card(1), card(2), card(3)))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "nothing was added", seen, []shopper.ID{two[0], two[1], {}})
}

func testTaken(t *testing.T, open Open) {
	s := fresh(t, open)
	always := func(shopper.Key) shopper.ID { return id(7) }
	zero := func(shopper.Key) shopper.ID { return shopper.ID{} }
	got := append(resolve(t, s, always, set(card(1)), set(card(2)), set(card(3))), resolve(t, s, zero, set(card(4)), set(card(5)))...)
	seen := map[shopper.ID]bool{}
	for i, who := range got {
		if seen[who] || !who.Known() {
			t.Errorf("card %d has no id of its own", i+1)
		}
		seen[who] = true
	}
	same(t, "the first has what was minted", got[0], id(7))
}

func testCrowd(t *testing.T, open Open) {
	s := fresh(t, open)
	mint := counter()
	const tills, shoppers = 16, 10
	got := make([][]shopper.ID, tills)
	var all sync.WaitGroup
	for till := range tills {
		all.Go(func() {
			var sets [][]shopper.Key
			for n := range shoppers {
				sets = append(sets, set(card((n+till)%shoppers)))
			}
			out, err := s.Resolve(t.Context(), sets, mint)
			if err != nil {
				t.Error(err)
				return
			}
			got[till] = make([]shopper.ID, shoppers)
			for n := range shoppers {
				got[till][(n+till)%shoppers] = out[n]
			}
		})
	}
	all.Wait()
	for till := range tills {
		same(t, "what each till was told", got[till], got[0])
	}
}

func testBatch(t *testing.T, open Open) {
	s := fresh(t, open)
	sets := make([][]shopper.Key, 3_000)
	for i := range sets {
		sets[i] = set(card(i % 2_000))
	}
	got := resolve(t, s, counter(), sets...)
	distinct := map[shopper.ID]bool{}
	for i, who := range got {
		distinct[who] = true
		if who != got[i%2_000] {
			t.Fatalf("set %d is not the shopper of its card", i)
		}
	}
	same(t, "shoppers", len(distinct), 2_000)
}

func testOrdinals(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	ask := func(who ...shopper.ID) []uint32 {
		t.Helper()
		got, err := s.Ordinals(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	same(t, "minted from 0", ask(id(30), id(10), id(30), id(20)), []uint32{0, 1, 0, 2})
	if err := s.Forget(t.Context(), id(20)); err != nil {
		t.Fatal(err)
	}
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	same(t, "a forgotten shopper's is nobody's", ask(id(10), id(40), id(20), id(0)), []uint32{1, 3, vault.NoOrdinal, vault.NoOrdinal})
}

func testSecrets(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	got := make([]string, 8)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() {
			secret, err := s.Secret(t.Context(), "tokens", func() ([]byte, error) { return fmt.Append(nil, "drawn by ", i), nil })
			if err != nil {
				t.Error(err)
			}
			got[i] = string(secret)
		})
	}
	all.Wait()
	for _, g := range got {
		same(t, "all hold one secret", g, got[0])
	}
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	kept, err := s.Secret(t.Context(), "tokens", nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "after a restart", string(kept), got[0])
	failed := errors.New("no randomness")
	if _, err := s.Secret(t.Context(), "other", func() ([]byte, error) { return nil, failed }); err == nil {
		t.Error("a secret was made of nothing")
	}
	if _, err := s.Secret(context.WithoutCancel(t.Context()), "other", func() ([]byte, error) { return []byte("x"), nil }); err != nil {
		t.Errorf("after a failure the next may make it: %v", err)
	}
}

func testDestroys(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, name := range []string{"week/1", "week/2", "week/3", "tokens"} {
		if _, err := s.Secret(t.Context(), name, func() ([]byte, error) { return []byte("old " + name), nil }); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{2, 0} {
		if n, err := s.Destroy(t.Context(), "week/", "week/3"); err != nil || n != want {
			t.Errorf("destroyed %d secrets, %v; want %d", n, err, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer func() { _ = s.Close() }()
	for name, want := range map[string]string{"week/1": "new", "week/2": "new", "week/3": "old week/3", "tokens": "old tokens"} {
		if got, err := s.Secret(t.Context(), name, func() ([]byte, error) { return []byte("new"), nil }); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
}

func testBuries(t *testing.T, open Open) {
	s := fresh(t, open)
	gone, stays := resolve(t, s, counter(), set(card(1)))[0], resolve(t, s, counter(), set(card(2)))[0]
	if err := s.Forget(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	marks, err := s.Marks(t.Context())
	changes, countErr := s.MarkChanges(t.Context())
	if err != nil || countErr != nil || changes < 1 || len(marks) != 2 {
		t.Fatalf("%d changes counted, %d marks read, %v, %v; want hers and her card's", changes, len(marks), err, countErr)
	}
	if risen, err := s.Bury(t.Context(), marks); err != nil || len(risen) != 0 {
		t.Errorf("%d forgotten shoppers are known, %v; want none", len(risen), err)
	}
	// Another shopper's tombstone comes from a list that was kept apart.
	other := fresh(t, open)
	if risen, err := other.Bury(t.Context(), marks); err != nil || len(risen) != 0 {
		t.Errorf("a vault with a key of its own takes %d shoppers for forgotten, %v", len(risen), err)
	}
	if err := s.Forget(t.Context(), stays); err != nil {
		t.Fatal(err)
	}
	all, err := s.Marks(t.Context())
	if err != nil || len(all) != 4 {
		t.Fatalf("%d marks, %v; want 4", len(all), err)
	}
}
