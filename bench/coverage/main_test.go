package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"endcap/bench/coverage/world"
)

func TestBoundsAreThoseThatAreAsked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ n, least, most int }{{1_000, 913, 980}, {100, 82, 100}, {333, 294, 332}, {1, 0, 1}, {0, 0, 0}} {
		if least, most := bounds(tt.n); least != tt.least || most != tt.most {
			t.Errorf("of %d intervals %d to %d hold the truth, want %d to %d", tt.n, least, most, tt.least, tt.most)
		}
	}
}

// intervals are n campaigns of a kind of which so many hold the truth.
func intervals(n, inside int, width int64) (all []world.Judged) {
	for i := range n {
		j := world.Judged{Where: "online", Effect: "none", Alike: true, Low: -width / 2, High: width / 2, Oracle: 100, Spend: 100, Attributed: 2_000}
		if i >= inside {
			j.Truth = width
		}
		all = append(all, j)
	}
	return all
}

func TestIntervalsThatBreakTheirPromiseAreFound(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		all  []world.Judged
		want string
	}{
		"as promised":      {intervals(1_000, 950, 100), ""},
		"too seldom":       {intervals(1_000, 912, 100), "912 of 1000 hold the truth, fewer than 913"},
		"too often":        {intervals(1_000, 981, 100), "more than 980"},
		"one cell of many": {append(intervals(900, 870, 100), world.Judged{Where: "both", Low: 1, High: 2, Truth: 1, Oracle: 1}), ""},
		"too wide":         {intervals(1_000, 950, 130), "too wide"},
		"none":             {[]world.Judged{{Absent: "few_shoppers"}}, "there is none"},
	} {
		var out bytes.Buffer
		err := tell(&out, tt.all)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q\n%s", name, err, tt.want, out.String())
		}
	}
	var out bytes.Buffer
	_ = tell(&out, intervals(10, 10, 100))
	for _, want := range []string{"coverage.online.none.homogeneous 100 % of 10", "coverage.roas.none.attributed 20 ratio", "coverage.roas.none.truth 0 ratio"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in\n%s", want, out.String())
		}
	}
}

func TestAWorldThatWasPlayedIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kept := tally{dir, "abc", "coverage", 100}
	if got, err := kept.load(3); got != nil || err != nil {
		t.Errorf("of a world that was not played: %v, %v", got, err)
	}
	want := intervals(2, 1, 100)
	if err := kept.save(3, want); err != nil {
		t.Fatal(err)
	}
	if got, err := kept.load(3); err != nil || len(got) != 2 || got[1] != want[1] {
		t.Errorf("of a world that was played: %v, %v", got, err)
	}
	for _, other := range []tally{{dir, "abd", "coverage", 100}, {dir, "abc", "other", 100}, {dir, "abc", "coverage", 200}} {
		if got, err := other.load(3); got != nil || err != nil {
			t.Errorf("on other code, or in another world: %v, %v", got, err)
		}
	}
	if err := os.WriteFile(kept.path(4), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.load(4); err == nil {
		t.Error("a file that is cut off is read")
	}
}

// TestIntervalsHoldThePlantedTruth plays a hundred campaigns against the program,
// which it builds without the race detector, as it is served.
func TestIntervalsHoldThePlantedTruth(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("two worlds are not for -short")
	}
	bin := filepath.Join(t.TempDir(), "endcap")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "endcap/cmd/endcap").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var out bytes.Buffer
	err := run(t.Context(), &out, &options{bin: bin, dir: t.TempDir(), name: "test", of: 2, more: 2, size: world.Share})
	t.Log(out.String())
	if err != nil {
		t.Error(err)
	}
	told := -1
	if _, text, ok := strings.Cut(out.String(), "figure coverage.intervals "); ok {
		_, _ = fmt.Sscan(text, &told)
	}
	if told < 60 {
		t.Errorf("%d of 100 campaigns have an interval", told)
	}
}
