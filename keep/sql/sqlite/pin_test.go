package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"endcap/keep/sql/sqlite"
	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/shopper"
)

// Somebody pays, and then notes it in the vault, again and again. A pin of both
// may show a payment that is not noted yet, never a note without its payment.
func TestStoresPinnedInsideOneAnotherShowOneInstant(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, v := openBook(t, dir), openVault(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	began := make(chan struct{})
	wait.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			_, err := b.Commit(t.Context(), pay(fmt.Sprint("pay ", n), 1))
			if err == nil {
				_, err = v.Secret(t.Context(), fmt.Sprintf("note %06d", n), func() ([]byte, error) { return []byte("x"), nil })
			}
			if err != nil {
				t.Error(err)
			}
			if n == 0 {
				close(began)
			}
		}
	})
	<-began
	for round := range 8 {
		before := wallet(t, b)
		notes := pinBoth(t, b, v, filepath.Join(dir, fmt.Sprint("copy ", round)))
		copied := openBook(t, filepath.Join(dir, fmt.Sprint("copy ", round)))
		paid := wallet(t, copied)
		if paid < before || paid != notes && paid != notes+1 {
			t.Errorf("round %d: %d paid, %d noted, and %d were answered before", round, int64(paid), int64(notes), int64(before))
		}
		if err := errors.Join(copied.Check(t.Context()), copied.Close()); err != nil {
			t.Error(err)
		}
	}
	stop()
	wait.Wait()
	if err := errors.Join(b.Close(), v.Close()); err != nil {
		t.Error(err)
	}
}

// pinBoth copies both stores of one instant to a folder, and counts the notes in
// the vault's copy.
func pinBoth(t *testing.T, b *sqlite.Book, v *sqlite.Vault, to string) (notes retail.Micros) {
	t.Helper()
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	var people *sqlite.Pinned
	money, err := b.Pin(t.Context(), func() (err error) {
		people, err = v.Pin(t.Context(), func() error { return nil })
		return err
	})
	if err == nil {
		err = errors.Join(money.Copy(t.Context(), filepath.Join(to, "book.db"), ""), people.Copy(t.Context(), filepath.Join(to, "vault.db"), ""))
	}
	if err := errors.Join(err, money.Release(), people.Release(), people.Release()); err != nil {
		t.Fatal(err)
	}
	copied := openVault(t, to)
	n, err := copied.Destroy(t.Context(), "note ", "note ~")
	if err := errors.Join(err, copied.Close()); err != nil {
		t.Fatal(err)
	}
	return retail.Micros(n)
}

func TestAPinThatFailsHoldsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, v := openBook(t, dir), openVault(t, dir)
	full := errors.New("full")
	for range 5 { // more often than there are readers
		if _, err := b.Pin(t.Context(), func() error { return full }); !errors.Is(err, full) {
			t.Errorf("the book: %v", err)
		}
		if _, err := v.Pin(t.Context(), func() error { return full }); !errors.Is(err, full) {
			t.Errorf("the vault: %v", err)
		}
	}
	if _, err := b.Commit(t.Context(), pay("x", 1)); err != nil {
		t.Error(err)
	}
	if err := errors.Join(b.Close(), v.Close()); err != nil {
		t.Error(err)
	}
}

func TestACopyOfTheVaultLeavesOutWhatItIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	v := openVault(t, dir)
	for _, name := range []string{"week/1", "week/2", "tokens"} {
		if _, err := v.Secret(t.Context(), name, func() ([]byte, error) { return []byte("the secret of " + name), nil }); err != nil {
			t.Fatal(err)
		}
	}
	p, err := v.Pin(t.Context(), func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "copy.db")
	if err := errors.Join(p.Copy(t.Context(), path, "week/"), p.Release()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("the secret of week")) || !bytes.Contains(text, []byte("the secret of tokens")) {
		t.Error("the copy holds what it should not, or not what it should")
	}
	if left, err := filepath.Glob(path + "-*"); err != nil || len(left) != 0 {
		t.Errorf("beside the copy lie %v, %v", left, err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnOlderVaultLearnsWhoWasForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	v := openVault(t, dir)
	var sets [][]shopper.Key
	for _, name := range []string{"ana", "bea", "cleo"} {
		key, err := shopper.ParseKey(shopper.Card, name)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, []shopper.Key{key})
	}
	next := uint64(0)
	mint := func(shopper.Key) shopper.ID { next++; return shopper.FromUint64(next << 40) }
	who, err := v.Resolve(t.Context(), sets, mint)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Forget(t.Context(), who[0]); err != nil { // before the copy
		t.Fatal(err)
	}
	p, err := v.Pin(t.Context(), func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	older := t.TempDir()
	if err := errors.Join(p.Copy(t.Context(), filepath.Join(older, "vault.db"), ""), p.Release(), v.Forget(t.Context(), who[1])); err != nil {
		t.Fatal(err)
	}
	marks, err := v.Marks(t.Context())
	if err != nil || len(marks) != 4 { // theirs and their keys'
		t.Fatalf("%d marks, %v", len(marks), err)
	}
	restored := openVault(t, older)
	risen, err := restored.Bury(t.Context(), append(marks, vault.Mark{1}))
	if err != nil || len(risen) != 1 || risen[0] != who[1] {
		t.Errorf("%d shoppers rise from the older vault, %v; want the one forgotten since", len(risen), err)
	}
	for i, want := range []bool{true, true, false} {
		if gone, err := restored.Forgotten(t.Context(), who[i]); err != nil || gone != want {
			t.Errorf("shopper %d: a tombstone stands: %t, %v", i, gone, err)
		}
	}
	if err := errors.Join(v.Close(), restored.Close()); err != nil {
		t.Error(err)
	}
}
