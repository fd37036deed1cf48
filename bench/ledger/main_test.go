package main

import (
	"strings"
	"testing"
	"time"
)

func TestTheBenchPrintsItsFigures(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(&out, t.TempDir(), 20*time.Millisecond, 1); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"charges", "bare_inserts", "ratio_vs_bare", "fsyncs_per_charge"} {
		for _, suffix := range []string{"", "_batched"} {
			if !strings.Contains(out.String(), "figure ledger."+name+suffix+" ") {
				t.Errorf("no figure ledger.%s%s in\n%s", name, suffix, out.String())
			}
		}
	}
}
