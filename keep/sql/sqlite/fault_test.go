package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"

	"endcap/keep/ledger"
	"endcap/keep/sql/schema"
	"endcap/keep/sql/sqlite"
	"endcap/keep/sql/sqlite/disk"
	"endcap/retail"
	"endcap/retail/shopper"
)

// faults is a disk that refuses, once fail is set, from the nth operation on.
type faults struct {
	fail atomic.Pointer[sqlite3.ErrorCode]
	op   disk.Op
	skip atomic.Int64
}

func (f *faults) before(op disk.Op, _ int64) error {
	code := f.fail.Load()
	if code == nil || op != f.op || f.skip.Add(-1) >= 0 {
		return nil
	}
	return *code
}

func pay(key string, amount retail.Micros) ledger.Deed {
	return ledger.Deed{Key: key, Answer: []byte(key), Entries: []ledger.Entry{
		{Account: ledger.Outside, Amount: -amount, Currency: "EUR"},
		{Account: ledger.Wallet("acme"), Amount: amount, Currency: "EUR"},
	}}
}

func wallet(t *testing.T, b *sqlite.Book) retail.Micros {
	t.Helper()
	got, err := b.Balances(t.Context(), "wallet/")
	if err != nil || len(got) != 1 {
		t.Fatalf("balances %v, %v", got, err)
	}
	return got[0].Amount
}

func TestADiskThatRefusesLeavesNothingHalfDone(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*faults{"full": {op: disk.Write}, "cannot sync": {op: disk.Sync}} {
		code := map[string]sqlite3.ErrorCode{"full": sqlite3.FULL, "cannot sync": sqlite3.IOERR}[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := "faults " + name
			if err := disk.Watch(fs, f.before); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { disk.Unwatch(fs) })
			path := filepath.Join(t.TempDir(), "book.db")
			b, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: path, VFS: fs})
			if err != nil {
				t.Fatal(err)
			}
			want := retail.Micros(0)
			for n := range 12 {
				f.skip.Store(int64(n % 6))
				f.fail.Store(&code)
				_, failed := b.Commit(t.Context(), pay(fmt.Sprint("a", n), 5), pay(fmt.Sprint("b", n), 6))
				f.fail.Store(nil)
				answers, err := b.Commit(t.Context(), pay(fmt.Sprint("a", n), 5), pay(fmt.Sprint("b", n), 6))
				if err != nil {
					t.Fatalf("round %d: with the disk well again: %v", n, err)
				}
				want += 11
				if answers[0].Done != answers[1].Done || answers[0].Done != (failed != nil) {
					t.Errorf("round %d: first %v, then %+v", n, failed, answers)
				}
				if n%6 == 0 && failed == nil {
					t.Errorf("round %d: the disk refused and the commit did not fail", n)
				}
				if got := wallet(t, b); got != want {
					t.Fatalf("round %d: the wallet holds %d, want %d", n, int64(got), int64(want))
				}
			}
			if err := errors.Join(b.Check(t.Context()), b.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// raw runs SQL on a book's file behind its back.
func raw(t *testing.T, path, sql string) {
	t.Helper()
	db, err := driver.Open(sqlite.DSN(path, "", sqlite.Settings()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFindsWhatWasTamperedWith(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, say string }{
		"a balance":        {`update balance set amount = amount + 1 where account = 'wallet/acme'`, "the balance of wallet/acme"},
		"a posting":        {`update posting set amount = amount + 1 where seq = 1`, "deed 1 is out by"},
		"a posting gone":   {`delete from posting where seq = 2`, "postings 2 to 2 are missing"},
		"a deed gone":      {`delete from deed where seq = 1`, "posting 1 belongs to no deed"},
		"a balance gone":   {`delete from balance where account = 'wallet/acme'`, "has postings and no balance"},
		"an invented sum":  {`insert into balance values ('wallet/x', 'EUR', 1)`, "the balance of wallet/x"},
		"an older version": {`insert into terms values (1, 'campaign', 'x', 2, x'', 0, '', 0)`, "campaign x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := openBook(t, dir)
			if _, err := b.Commit(t.Context(), pay("1", 5), pay("2", 6)); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(b.Check(t.Context()), b.Close()); err != nil {
				t.Fatal(err)
			}
			raw(t, filepath.Join(dir, "book.db"), c.sql)
			b = openBook(t, dir)
			if err := b.Check(t.Context()); err == nil || !strings.Contains(err.Error(), c.say) {
				t.Errorf("check says %v, want %q", err, c.say)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestANewerBookIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "book.db")
	if err := openBook(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, `insert into goose_db_version (version_id, is_applied) values (1000, 1)`)
	if _, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: path}); !errors.Is(err, schema.ErrNewer) {
		t.Errorf("a newer book: %v", err)
	}
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("receipt "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: garbage}); err == nil {
		t.Error("a file that is no book was opened")
	}
}

func TestForgettingLeavesNoByteBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	v := openVault(t, dir)
	const name = "ana.forgettable.account"
	key, err := shopper.ParseKey(shopper.Account, name)
	if err != nil {
		t.Fatal(err)
	}
	who, err := v.Resolve(t.Context(), [][]shopper.Key{{key}}, func(shopper.Key) shopper.ID { return shopper.FromUint64(0x1122334455667788) })
	if err != nil {
		t.Fatal(err)
	}
	if !found(t, dir, name) {
		t.Fatal("the test looks in the wrong place: her key is stored nowhere")
	}
	if err := v.Forget(t.Context(), who[0]); err != nil {
		t.Fatal(err)
	}
	if found(t, dir, name) {
		t.Error("her key is still in a file while the vault is open")
	}
	if found(t, dir, "\x11\x22\x33\x44\x55\x66\x77\x88") {
		t.Error("her id is still in a file")
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

// found looks for text in every file of dir.
func found(t *testing.T, dir, text string) bool {
	t.Helper()
	hit := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		hit = hit || bytes.Contains(b, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hit
}

func TestOnlyTheOwnerMayReadTheFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a dir+with 100% #odd? name")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	v := openVault(t, dir)
	defer func() { _ = v.Close() }()
	if _, err := v.Secret(t.Context(), "s", func() ([]byte, error) { return []byte("x"), nil }); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vault.db", "vault.db-wal"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %v", name, mode)
		}
	}
}

func TestErrorsNameNoKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	v := openVault(t, dir)
	defer func() { _ = v.Close() }()
	raw(t, filepath.Join(dir, "vault.db"), `drop table identifier`)
	key, err := shopper.ParseKey(shopper.Card, "4711-secret-card")
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.Resolve(t.Context(), [][]shopper.Key{{key}}, func(shopper.Key) shopper.ID { return shopper.FromUint64(77) })
	if err == nil || strings.Contains(err.Error(), "4711") {
		t.Errorf("resolve without a table: %v", err)
	}
}

func TestAReaderGivesUpWithItsCaller(t *testing.T) {
	t.Parallel()
	b := openBook(t, t.TempDir())
	defer func() { _ = b.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Balances(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if _, err := b.Commit(ctx, pay("x", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	if answers, err := b.Commit(t.Context(), pay("x", 1)); err != nil || !answers[0].Done {
		t.Errorf("the next caller: %+v, %v", answers, err)
	}
}

func TestAFaultInTheMiddleUndoesTheBeginning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, v := openBook(t, dir), openVault(t, dir)
	raw(t, filepath.Join(dir, "book.db"), `create trigger no before insert on balance when new.account = 'wallet/acme'
		begin select raise(fail, 'no'); end`)
	raw(t, filepath.Join(dir, "vault.db"), `create trigger no before insert on identifier when new.value = 'bad'
		begin select raise(fail, 'no'); end`)
	if _, err := b.Commit(t.Context(), pay("x", 1)); err == nil {
		t.Error("a commit that failed half way was answered")
	}
	var keys []shopper.Key
	for _, value := range []string{"good", "bad"} {
		key, err := shopper.ParseKey(shopper.Card, value)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	mint := func(shopper.Key) shopper.ID { return shopper.FromUint64(5) }
	if _, err := v.Resolve(t.Context(), [][]shopper.Key{keys[:1], keys[1:]}, mint); err == nil {
		t.Error("a resolve that failed half way was answered")
	}
	seen, err := v.Lookup(t.Context(), keys)
	if err != nil || seen[0].Known() || seen[1].Known() {
		t.Errorf("the first set of a call that failed was kept: %v", err)
	}
	raw(t, filepath.Join(dir, "book.db"), `drop trigger no`)
	if answers, err := b.Commit(t.Context(), pay("x", 1)); err != nil || !answers[0].Done {
		t.Errorf("asked again: %+v, %v", answers, err)
	}
	if err := errors.Join(b.Check(t.Context()), b.Close(), v.Close()); err != nil {
		t.Error(err)
	}
}
