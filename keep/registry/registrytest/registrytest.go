// Package registrytest is the suite that every registry passes: versions,
// pages, changes in order, removal, leases and reopening. A registry is written
// through its ledger, so the suite opens both.
//
// It is beside the road of a receipt: it says what campaign and audience may
// rely on.
package registrytest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/keep/ledger"
	"endcap/keep/registry"
)

// Store is what the suite opens.
type Store interface {
	registry.Registry
	ledger.Ledger
	Close() error
}

// Open opens the registry that lies in dir, making it the first time. The suite
// closes it, and may open it again.
type Open func(t *testing.T, dir string) Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Open){
		"every version is kept with who made it":      testVersions,
		"a list shows the newest that is not removed": testLists,
		"a follower misses no change":                 testChanges,
		"one holder at a time has the job":            testLeases,
		"of many who want the job one gets it":        testCrowd,
		"what is not there says so":                   testAbsent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

var noon = time.Date(2017, 12, 4, 12, 0, 0, 123_000, time.UTC)

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

func put(t *testing.T, s Store, rows ...registry.Row) {
	t.Helper()
	for _, r := range rows {
		key := fmt.Sprintf("put/%s/%s/%d", r.Kind, r.ID, r.Version)
		answers, err := s.Commit(t.Context(), ledger.Deed{Key: key, Rows: []registry.Row{r}, At: r.At})
		if err != nil || !answers[0].Done {
			t.Fatalf("%s: %+v, %v", key, answers, err)
		}
	}
}

func row(kind registry.Kind, id string, version uint64) registry.Row {
	return registry.Row{
		Kind: kind, ID: id, Version: version, Doc: fmt.Appendf(nil, `{"v":%d}`, version),
		By: "ana", At: noon.Add(time.Duration(version) * time.Hour),
	}
}

func removed(r registry.Row) registry.Row {
	r.Removed = true
	return r
}

// bare is rows without the numbers the store gave them.
func bare(rows []registry.Row) []registry.Row {
	var out []registry.Row
	for _, r := range rows {
		r.Seq = 0
		out = append(out, r)
	}
	return out
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", what, diff)
	}
}

func testVersions(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	want := []registry.Row{row("campaign", "oats", 1), row("campaign", "oats", 2), removed(row("campaign", "oats", 3)), row("campaign", "oats", 4)}
	put(t, s, want[:3]...)
	if _, err := s.Get(t.Context(), "campaign", "oats"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a removed campaign: %v", err)
	}
	put(t, s, want[3])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer func() { _ = s.Close() }()
	all, err := s.Versions(t.Context(), "campaign", "oats")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "versions", bare(all), want)
	got, err := s.Get(t.Context(), "campaign", "oats")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the newest", bare([]registry.Row{got}), want[3:])
}

func testLists(t *testing.T, open Open) {
	s := fresh(t, open)
	for _, id := range []string{"d", "b", "a", "c", "e"} {
		put(t, s, row("campaign", id, 1))
	}
	put(t, s, row("audience", "bb", 1), row("campaign", "b", 2), removed(row("campaign", "c", 2)))
	var got []registry.Row
	for after := ""; ; {
		page, err := s.List(t.Context(), "campaign", after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		after = page[len(page)-1].ID
	}
	same(t, "list", bare(got), []registry.Row{row("campaign", "a", 1), row("campaign", "b", 2), row("campaign", "d", 1), row("campaign", "e", 1)})
	none, err := s.List(t.Context(), "campaign", "", 0)
	if err != nil || len(none) != 0 {
		t.Errorf("a page of none: %v, %v", none, err)
	}
}

func testChanges(t *testing.T, open Open) {
	s := fresh(t, open)
	var want []registry.Row
	for v := range uint64(6) {
		for _, kind := range []registry.Kind{"campaign", "key"} {
			want = append(want, row(kind, "x", v+1))
		}
	}
	put(t, s, want...)
	var got []registry.Row
	for since := uint64(0); ; {
		page, err := s.Changes(t.Context(), since, 5)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			if r.Seq <= since {
				t.Errorf("change %d after %d", r.Seq, since)
			}
			since = r.Seq
		}
		got = append(got, page...)
	}
	same(t, "changes", bare(got), want)
}

func testLeases(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	ask := func(holder string, at, ttl time.Duration) string {
		t.Helper()
		fence, ok, err := s.Lease(t.Context(), registry.Lease{Name: "turn", Holder: holder, Now: noon.Add(at), TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(fence, ok)
	}
	for _, step := range []struct {
		holder  string
		at, ttl time.Duration
		want    string
	}{
		{"a", 0, time.Minute, "1 true"},
		{"b", 59 * time.Second, time.Minute, "0 false"},
		{"a", 30 * time.Second, time.Minute, "1 true"}, // renewed
		{"b", 61 * time.Second, time.Minute, "0 false"},
		{"b", 90 * time.Second, time.Minute, "2 true"},
		{"a", 91 * time.Second, time.Minute, "0 false"},
		{"b", 3 * time.Minute, time.Minute, "3 true"}, // it had ended in between
		{"b", 181 * time.Second, 0, "3 true"},         // given back
		{"a", 182 * time.Second, time.Minute, "4 true"},
	} {
		if got := ask(step.holder, step.at, step.ttl); got != step.want {
			t.Errorf("%s at %v for %v: got %s, want %s", step.holder, step.at, step.ttl, got, step.want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer func() { _ = s.Close() }()
	if got := ask("b", 200*time.Second, time.Minute); got != "0 false" {
		t.Errorf("after a restart a's lease still lives, got %s", got)
	}
	for _, bad := range []registry.Lease{{Holder: "a", Now: noon, TTL: 1}, {Name: "x", Now: noon, TTL: 1}, {Name: "x", Holder: "a", TTL: -1}} {
		if _, _, err := s.Lease(t.Context(), bad); !errors.Is(err, registry.ErrRow) {
			t.Errorf("lease %+v: %v", bad, err)
		}
	}
}

func testCrowd(t *testing.T, open Open) {
	s := fresh(t, open)
	var got atomic.Int64
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			_, ok, err := s.Lease(t.Context(), registry.Lease{Name: "turn", Holder: strconv.Itoa(i), Now: noon, TTL: time.Minute})
			if err != nil {
				t.Error(err)
			}
			if ok {
				got.Add(1)
			}
		})
	}
	all.Wait()
	same(t, "holders", got.Load(), int64(1))
}

func testAbsent(t *testing.T, open Open) {
	s := fresh(t, open)
	put(t, s, row("campaign", "oats", 1))
	for _, ask := range [][2]string{{"campaign", "milk"}, {"audience", "oats"}, {"", ""}} {
		if _, err := s.Get(t.Context(), registry.Kind(ask[0]), ask[1]); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("get %v: %v", ask, err)
		}
		rows, err := s.Versions(t.Context(), registry.Kind(ask[0]), ask[1])
		if err != nil || len(rows) != 0 {
			t.Errorf("versions of %v: %v, %v", ask, rows, err)
		}
	}
}
