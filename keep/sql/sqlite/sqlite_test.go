package sqlite_test

import (
	"errors"
	"path/filepath"
	"testing"

	"endcap/keep/ledger"
	"endcap/keep/ledger/ledgertest"
	"endcap/keep/registry/registrytest"
	"endcap/keep/sql/sqlite"
	"endcap/keep/vault/vaulttest"
	"endcap/retail/shopper"
)

func openBook(t *testing.T, dir string) *sqlite.Book {
	t.Helper()
	b, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: filepath.Join(dir, "book.db"), Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func openLedger(t *testing.T, dir string) ledgertest.Store {
	t.Helper()
	return openBook(t, dir)
}

func openVault(t *testing.T, dir string) *sqlite.Vault {
	t.Helper()
	v, err := sqlite.OpenVault(t.Context(), sqlite.Options{Path: filepath.Join(dir, "vault.db"), Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestLedger(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, openLedger)
}

func TestLedgerSurvivesKills(t *testing.T) {
	t.Parallel()
	ledgertest.Crash(t, openLedger, 7, 2)
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, func(t *testing.T, dir string) registrytest.Store {
		t.Helper()
		return openBook(t, dir)
	})
}

func TestVault(t *testing.T) {
	t.Parallel()
	vaulttest.Run(t, func(t *testing.T, dir string) vaulttest.Store {
		t.Helper()
		return openVault(t, dir)
	})
}

func TestAClosedStoreSaysSo(t *testing.T) {
	t.Parallel()
	b, v := openBook(t, t.TempDir()), openVault(t, t.TempDir())
	for range 2 { // closing twice is fine
		if err := errors.Join(b.Close(), v.Close()); err != nil {
			t.Fatal(err)
		}
	}
	_, commit := b.Commit(t.Context(), ledger.Deed{Key: "x"})
	_, read := b.Balances(t.Context(), "")
	_, secret := v.Secret(t.Context(), "x", nil)
	for name, err := range map[string]error{
		"commit": commit, "read": read, "check": b.Check(t.Context()), "secret": secret,
		"forget": v.Forget(t.Context(), shopper.FromUint64(1)),
	} {
		if !errors.Is(err, sqlite.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]sqlite.Options{
		"no path":          {},
		"too many readers": {Path: "x", Readers: 1000},
		"a huge group":     {Path: "x", GroupMax: 1 << 20},
		"no directory":     {Path: filepath.Join(t.TempDir(), "absent", "book.db")},
	} {
		if b, err := sqlite.OpenBook(t.Context(), o); err == nil {
			t.Errorf("%s: opened", name)
			_ = b.Close()
		}
		if v, err := sqlite.OpenVault(t.Context(), o); err == nil {
			t.Errorf("%s: opened a vault", name)
			_ = v.Close()
		}
	}
}

// The ids that stand in for one that is taken are part of what a vault means.
func TestAShopperWhoseIDIsTakenGetsTheSameOneAsEver(t *testing.T) {
	t.Parallel()
	v := openVault(t, t.TempDir())
	defer func() { _ = v.Close() }()
	var sets [][]shopper.Key
	for _, value := range []string{"a", "b", "c"} {
		key, err := shopper.ParseKey(shopper.Card, value)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, []shopper.Key{key})
	}
	who, err := v.Resolve(t.Context(), sets, func(shopper.Key) shopper.ID { return shopper.FromUint64(42) })
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []uint64{42, 13679457532755275413, 6332618229526065668} {
		if got := who[i].Reveal(); got != want {
			t.Errorf("the %d. gets %d, want %d", i+1, got, want)
		}
	}
}
