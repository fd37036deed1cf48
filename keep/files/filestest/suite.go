// Package filestest is what every store of artefacts must pass: versions rise
// and never change, a failed Put leaves nothing, a crash leaves all or nothing,
// racing writers get numbers of their own, and no name leads out of the store.
//
// An adapter's test calls Run with how to open it; nothing is skipped.
//
// It stands beside the road of a receipt and checks where its models lie.
package filestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"endcap/keep/files"
)

// Setup is how the suite gets at the store under test.
type Setup struct {
	// Open opens the store in dir. It is called again on the same dir.
	Open func(t *testing.T, dir string) files.Files
	// Crashing opens a new store on a disk that forgets what was not synced, and
	// how to read a path of it. Each call of crash gives what that disk would
	// hold had the power failed at this moment; lose is the share of unsynced
	// pieces, in percent, that it loses, and seed draws them.
	Crashing func(t *testing.T) (f files.Files, crash func(t *testing.T, seed uint64, lose int) (files.Files, func(path string) ([]byte, error)))
}

// Run is the suite.
func Run(t *testing.T, setup Setup) {
	t.Helper()
	parts := map[string]func(*testing.T, Setup){
		"versions rise and stay what they were":  testVersions,
		"a put that fails leaves nothing":        testFailed,
		"racing writers get their own numbers":   testRace,
		"dropped versions are gone for good":     testDrop,
		"no name leads out of the store":         testNames,
		"power fails and versions stay complete": testCrash,
	}
	for name, part := range parts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, setup)
		})
	}
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func mustPut(t testing.TB, f files.Files, name, content string) uint64 {
	t.Helper()
	v, err := f.Put(t.Context(), name, text(content))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustHold(t testing.TB, f files.Files, name string, version uint64, want string) {
	t.Helper()
	path, err := f.Path(t.Context(), name, version)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("version %d of %s is %.40q, want %.40q: %v", version, name, got, want, err)
	}
}

func mustBeNewest(t testing.TB, f files.Files, name string, want uint64) {
	t.Helper()
	got, err := f.Newest(t.Context(), name)
	if want == 0 {
		if !errors.Is(err, files.ErrNotFound) {
			t.Errorf("newest of %s: %d, %v, want ErrNotFound", name, got, err)
		}
		return
	}
	if err != nil || got != want {
		t.Errorf("newest of %s is %d, want %d: %v", name, got, want, err)
	}
}

func testVersions(t *testing.T, setup Setup) {
	dir := t.TempDir()
	f := setup.Open(t, dir)
	mustBeNewest(t, f, "model", 0)
	large := strings.Repeat("large ", 100_000)
	contents := []string{"one", "", large, "one"}
	for i, content := range contents {
		if v := mustPut(t, f, "model", content); v != uint64(i+1) {
			t.Fatalf("version %d, want %d", v, i+1)
		}
		mustBeNewest(t, f, "model", uint64(i+1))
	}
	if v := mustPut(t, f, "model/of.it", "other"); v != 1 {
		t.Errorf("another artefact begins at %d", v)
	}
	for range 2 {
		for i, content := range contents {
			mustHold(t, f, "model", uint64(i+1), content)
		}
		mustHold(t, f, "model/of.it", 1, "other")
		mustBeNewest(t, f, "model", 4)
		for _, version := range []uint64{0, 5} {
			if _, err := f.Path(t.Context(), "model", version); !errors.Is(err, files.ErrNotFound) {
				t.Errorf("path of version %d: %v", version, err)
			}
		}
		f = setup.Open(t, dir)
	}
	if v := mustPut(t, f, "model", "five"); v != 5 {
		t.Errorf("version %d after opening again, want 5", v)
	}
}

func testFailed(t *testing.T, setup Setup) {
	dir := t.TempDir()
	f := setup.Open(t, dir)
	broken := errors.New("broken")
	fail := func(w io.Writer) error { return errors.Join(text("half")(w), broken) }
	if _, err := f.Put(t.Context(), "model", fail); !errors.Is(err, broken) {
		t.Errorf("put of what fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := func(w io.Writer) error {
		cancel()
		return text(strings.Repeat("x", 1<<20))(w)
	}
	if _, err := f.Put(ctx, "model", gone); !errors.Is(err, context.Canceled) {
		t.Errorf("put for a caller that has gone: %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic of the writer was swallowed")
			}
		}()
		_, err := f.Put(t.Context(), "model", func(io.Writer) error { panic("writer") })
		t.Error("put returned", err)
	}()
	mustBeNewest(t, f, "model", 0)
	if v := mustPut(t, f, "model", "whole"); v != 1 {
		t.Errorf("the first version that did not fail is number %d", v)
	}
	mustHold(t, f, "model", 1, "whole")
	err := os.CopyFS(t.TempDir(), os.DirFS(dir)) // nothing unreadable lies around
	if err != nil {
		t.Error(err)
	}
	if n := countFiles(t, dir); n != 1 {
		t.Errorf("%d files lie in the store, want 1", n)
	}
}

func countFiles(t *testing.T, dir string) (n int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			n += countFiles(t, dir+string(os.PathSeparator)+e.Name())
		} else {
			n++
		}
	}
	return n
}

func testRace(t *testing.T, setup Setup) {
	const writers, each = 8, 6
	f := setup.Open(t, t.TempDir())
	var mu sync.Mutex
	var got []uint64
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				content := fmt.Sprint(w, "/", i)
				v, err := f.Put(t.Context(), "model", text(content))
				if err != nil {
					t.Error(err)
					return
				}
				if path, err := f.Path(t.Context(), "model", v); err != nil {
					t.Error(err)
				} else if b, err := os.ReadFile(path); err != nil || string(b) != content {
					t.Errorf("version %d is %q, want %q: %v", v, b, content, err)
				}
				mu.Lock()
				got = append(got, v)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(got)
	for i, v := range got {
		if v != uint64(i+1) {
			t.Fatalf("the versions are %v", got)
		}
	}
}

func testDrop(t *testing.T, setup Setup) {
	dir := t.TempDir()
	f := setup.Open(t, dir)
	for i := range 5 {
		mustPut(t, f, "model", fmt.Sprint(i+1))
	}
	mustPut(t, f, "other", "stays")
	drop := func(keep uint64) {
		t.Helper()
		if err := f.Drop(t.Context(), "model", keep); err != nil {
			t.Fatal(err)
		}
	}
	drop(0)
	drop(4)
	drop(4)
	for v := range uint64(6) {
		_, err := f.Path(t.Context(), "model", v)
		if gone := v < 4; gone != errors.Is(err, files.ErrNotFound) {
			t.Errorf("version %d after dropping those below 4: %v", v, err)
		}
	}
	drop(100)
	mustBeNewest(t, f, "model", 0)
	f = setup.Open(t, dir)
	if v := mustPut(t, f, "model", "six"); v != 6 {
		t.Errorf("version %d after all were dropped, want 6", v)
	}
	drop(7)
	if v := mustPut(t, f, "model", "seven"); v != 7 {
		t.Errorf("version %d after all were dropped again, want 7", v)
	}
	mustHold(t, f, "other", 1, "stays")
	if err := f.Drop(t.Context(), "never", 9); err != nil {
		t.Errorf("drop of what never was: %v", err)
	}
}

func testNames(t *testing.T, setup Setup) {
	f := setup.Open(t, t.TempDir())
	names := []string{
		"", ".", "..", "/", "a/", "/a", "a//b", "../a", "a/../b", "a/..", ".a", "-a", "1", "A", "a b", "a\x00", "a\\b", "ä",
		"a/b/c/d/e", strings.Repeat("a", files.PartMax+1),
	}
	for _, name := range names {
		_, putErr := f.Put(t.Context(), name, text("x"))
		_, newestErr := f.Newest(t.Context(), name)
		_, pathErr := f.Path(t.Context(), name, 1)
		for call, err := range map[string]error{"put": putErr, "newest": newestErr, "path": pathErr, "drop": f.Drop(t.Context(), name, 1)} {
			if !errors.Is(err, files.ErrName) {
				t.Errorf("%s of %q: %v, want ErrName", call, name, err)
			}
		}
	}
	for _, name := range []string{"a", "a/b/c/d", "a.b-c_9", strings.Repeat("a", files.PartMax)} {
		mustPut(t, f, name, "x")
	}
}

func testCrash(t *testing.T, setup Setup) {
	f, crash := setup.Crashing(t)
	content := func(v uint64) string { return strings.Repeat(fmt.Sprint("version ", v, "\n"), 5_000) }
	newest := uint64(0)
	for seed := range uint64(12) {
		if seed == 6 {
			if err := f.Drop(t.Context(), "a/model", newest+1); err != nil {
				t.Fatal(err)
			}
		} else {
			newest = mustPut(t, f, "a/model", content(newest+1))
		}
		// a crash in the middle of the next put
		lose := []int{100, 50, 0}[seed%3]
		next := func(w io.Writer) error {
			if err := text(content(newest + 1))(w); err != nil {
				return err
			}
			after, read := crash(t, seed, lose)
			if seed == 6 {
				mustBeNewest(t, after, "a/model", 0)
			} else {
				mustRead(t, after, read, newest, content(newest))
			}
			if v := mustPut(t, after, "a/model", content(newest+1)); v != newest+1 {
				t.Errorf("after crash %d the next version is %d, want %d", seed, v, newest+1)
			}
			return nil
		}
		if _, err := f.Put(t.Context(), "a/model", next); err != nil {
			t.Fatal(err)
		}
		newest++
	}
}

// mustRead reads the newest version of a/model as it is on disk after a crash.
func mustRead(t *testing.T, f files.Files, read func(string) ([]byte, error), newest uint64, want string) {
	t.Helper()
	mustBeNewest(t, f, "a/model", newest)
	path, err := f.Path(t.Context(), "a/model", newest)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(path); err != nil || string(got) != want {
		t.Errorf("version %d after a crash has %d bytes, want %d: %v", newest, len(got), len(want), err)
	}
}
