// Package backuptest is what every target of backups must pass: objects are
// stored whole, replaced, listed and removed; one writer has the target at a
// time; no name leads out of it; and what Put has answered outlives a power cut.
//
// An adapter's test calls Run with how to open it; nothing is skipped.
//
// It stands beside the road of a receipt and checks where its copies lie.
package backuptest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"endcap/keep/backup"
)

// Setup is how the suite gets at the target under test.
type Setup struct {
	// Open opens the target that lies in dir. It is called again on the same dir.
	Open func(t *testing.T, dir string) backup.Target
	// Crashing opens a new target on a disk that forgets what was not synced. Each
	// call of crash gives the target as it would be had the power failed at this
	// moment; lose is the share of unsynced pieces, in percent, that is lost.
	Crashing func(t *testing.T) (target backup.Target, crash func(t *testing.T, seed uint64, lose int) backup.Target)
}

// Run is the suite.
func Run(t *testing.T, setup Setup) {
	t.Helper()
	for name, part := range map[string]func(*testing.T, Setup){
		"an object is what was put last":   testObjects,
		"racing puts leave one of them":    testRace,
		"one writer at a time":             testLock,
		"no name leads out of the target":  testNames,
		"power fails and objects are kept": testCrash,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, setup)
		})
	}
}

func mustPut(t testing.TB, target backup.Target, name, text string) {
	t.Helper()
	if err := target.Put(t.Context(), name, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func mustHold(t testing.TB, target backup.Target, name, want string) {
	t.Helper()
	if got, err := target.Get(t.Context(), name, 1<<20); err != nil || string(got) != want {
		t.Errorf("%s holds %.40q, %v; want %.40q", name, got, err, want)
	}
}

func testObjects(t *testing.T, setup Setup) {
	dir := t.TempDir()
	target := setup.Open(t, dir)
	if _, err := target.Get(t.Context(), "keys", 10); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("an object that nobody put: %v", err)
	}
	if got, err := target.List(t.Context(), "chunks"); err != nil || len(got) != 0 {
		t.Errorf("a folder that nobody made: %v, %v", got, err)
	}
	mustPut(t, target, "keys", "one")
	mustPut(t, target, "chunks/ab/b", "bb")
	mustPut(t, target, "chunks/ab/a", "a")
	mustPut(t, target, "chunks/cd/c", "")
	mustPut(t, target, "keys", "another")
	target = setup.Open(t, dir)
	mustHold(t, target, "keys", "another")
	mustHold(t, target, "chunks/cd/c", "")
	if _, err := target.Get(t.Context(), "keys", 6); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("an object longer than it may be: %v", err)
	}
	want := []backup.Object{{Name: "chunks/ab/a", Size: 1}, {Name: "chunks/ab/b", Size: 2}, {Name: "chunks/cd/c"}}
	if got, err := target.List(t.Context(), "chunks"); err != nil || !cmp.Equal(got, want) {
		t.Errorf("the folder holds %v, %v; want %v", got, err, want)
	}
	for range 2 {
		if err := target.Remove(t.Context(), "chunks/ab/a"); err != nil {
			t.Error(err)
		}
	}
	if _, err := target.Get(t.Context(), "chunks/ab/a", 10); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("an object that was removed: %v", err)
	}
}

func testRace(t *testing.T, setup Setup) {
	target := setup.Open(t, t.TempDir())
	var wait sync.WaitGroup
	for n := range 8 {
		wait.Go(func() {
			if err := target.Put(t.Context(), "chunks/ab/same", bytes.Repeat([]byte{byte('a' + n)}, 1_000)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	got, err := target.Get(t.Context(), "chunks/ab/same", 1_000)
	if err != nil || len(got) != 1_000 || !bytes.Equal(got, bytes.Repeat(got[:1], 1_000)) {
		t.Errorf("%d bytes of several writers, %v", len(got), err)
	}
	if all, err := target.List(t.Context(), "chunks"); err != nil || len(all) != 1 {
		t.Errorf("racing puts left %v, %v", all, err)
	}
}

func testLock(t *testing.T, setup Setup) {
	dir := t.TempDir()
	one, other := setup.Open(t, dir), setup.Open(t, dir)
	release, err := one.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []backup.Target{one, other} {
		if _, err := target.Lock(t.Context()); !errors.Is(err, backup.ErrBusy) {
			t.Errorf("a second writer: %v", err)
		}
	}
	if err := errors.Join(release(), release()); err != nil {
		t.Error(err)
	}
	if release, err = other.Lock(t.Context()); err != nil {
		t.Fatalf("after the first writer has gone: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

func testNames(t *testing.T, setup Setup) {
	target := setup.Open(t, t.TempDir())
	for _, name := range []string{"", "/", "..", "../x", "a/../x", "/etc/passwd", "a//b", "a/b/c/d", ".lock", "a/.part", "a\x00b", `a\b`} {
		if err := target.Put(t.Context(), name, nil); !errors.Is(err, backup.ErrName) {
			t.Errorf("put %q: %v", name, err)
		}
		if _, err := target.Get(t.Context(), name, 10); !errors.Is(err, backup.ErrName) {
			t.Errorf("get %q: %v", name, err)
		}
		if err := target.Remove(t.Context(), name); !errors.Is(err, backup.ErrName) {
			t.Errorf("remove %q: %v", name, err)
		}
	}
}

func testCrash(t *testing.T, setup Setup) {
	target, crash := setup.Crashing(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	want := make(map[string]string)
	for n := range 40 {
		name := fmt.Sprintf("chunks/%02x/%d", n%7, n%13)
		text := fmt.Sprint("content ", n)
		mustPut(t, target, name, text)
		want[name] = text
		left := crash(t, seed+uint64(n), n*5%101)
		for name, text := range want {
			mustHold(t, left, name, text)
		}
	}
}
