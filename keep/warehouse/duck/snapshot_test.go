package duck_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/know/history"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// What is sealed can be taken elsewhere, and stays what it was there when rows
// are sealed and shoppers forgotten here.
func TestASnapshotOfHistoryIsAHistory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, filepath.Join(dir, "history"))
	empty := filepath.Join(dir, "empty")
	if err := w.Snapshot(t.Context(), empty); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		next := event.Cursor(fmt.Sprint(n + 1))
		if err := w.Append(t.Context(), []warehouse.Fold{{Next: next, Through: time.Unix(1, 0), Rows: history.Rows([]event.Fact{receipt(fmt.Sprint("r", n), day)})}}); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			if _, err := w.Seal(t.Context(), day+1); err != nil {
				t.Fatal(err)
			}
		}
	}
	taken := filepath.Join(dir, "taken")
	if err := w.Snapshot(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Seal(t.Context(), day+1); err != nil {
		t.Fatal(err)
	}
	if err := w.Forget(t.Context(), []shopper.ID{shopper.FromUint64(7)}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{empty: "0 0", taken: "2 2"} {
		elsewhere := open(t, name)
		if err := elsewhere.Check(t.Context()); err != nil {
			t.Error(err)
		}
		got, err := elsewhere.Query(t.Context(), warehouse.Query{Name: "test", Purpose: warehouse.Accounting, SQL: "select count(*) as n, count(shopper) as known from receipts"})
		if err != nil {
			t.Fatal(err)
		}
		if has := fmt.Sprint(got.Columns[0].Ints[0], " ", got.Columns[1].Ints[0]); has != want {
			t.Errorf("%s has %s receipts and shoppers, want %s", filepath.Base(name), has, want)
		}
	}
}

func TestHistoryOfANewerProgramIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := duck.Open(t.Context(), dir, options())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Seal(t.Context(), day); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sealed", "manifest.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), `"layout"`)
	_, rest, _ = strings.Cut(rest, ",")
	if err := os.WriteFile(path, []byte(`{"layout": 1000,`+rest), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := duck.Open(t.Context(), dir, options()); err == nil || !strings.Contains(err.Error(), "newer version of the program") {
		t.Errorf("history that a newer program sealed: %v", err)
	}
}
