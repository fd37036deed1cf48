package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestADemoWhoseClockWasHalfWrittenOpensAndRebuilds(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "house")
	must(t, "init", "--dir", dir, "--demo", "--seed", "x", "--clock-start", "2017-12-04T00:00:00Z")
	must(t, "query", "--dir", dir, "select count(*) from receipts")
	clock := filepath.Join(dir, "clock")
	if text, err := os.ReadFile(clock); err != nil || !strings.HasPrefix(string(text), "2017-12-04") {
		t.Fatalf("the clock says %q (%v)", text, err)
	}
	if err := os.WriteFile(clock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if text := must(t, "rebuild", "--dir", dir); !strings.Contains(text, "the same bytes and the same rows") {
		t.Errorf("rebuild says %s", text)
	}
}
