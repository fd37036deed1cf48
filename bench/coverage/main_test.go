package main

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// intervals are n campaigns of a kind of which so many hold the truth. An oracle's
// interval is 100 wide: of 32 shoppers in each arm, whose deviation is 3.2.
func intervals(n, inside int, width int64) (all []world.Outcome) {
	for i := range n {
		arm := world.Arm{Shoppers: 32, With: 144, Without: 144, WithoutSquared: 968}
		o := world.Outcome{Where: "online", Effect: "none", Alike: true, Low: -width / 2, High: width / 2, Treated: arm, Held: arm, Spend: 100, Attributed: 2_000}
		if i >= inside {
			o.Treated.With += width
		}
		all = append(all, o)
	}
	return all
}

// untold are n campaigns without an interval.
func untold(n int) (all []world.Outcome) {
	for range n {
		all = append(all, world.Outcome{Absent: "few_shoppers"})
	}
	return all
}

// other are campaigns of another kind.
func other(all []world.Outcome, where string, alike bool) []world.Outcome {
	for i := range all {
		all[i].Where, all[i].Alike = where, alike
	}
	return all
}

func TestIntervalsThatBreakTheirPromiseAreFound(t *testing.T) {
	t.Parallel()
	both := func(n, inside int) []world.Outcome { return other(intervals(n, inside, 100), "both", true) }
	for name, tt := range map[string]struct {
		all  []world.Outcome
		want string
	}{
		"as promised":            {intervals(1_000, 950, 100), ""},
		"too seldom":             {intervals(1_000, 912, 100), "912 of 1000 hold the truth, fewer than 913"},
		"too often":              {intervals(1_000, 981, 100), "more than 980"},
		"a cell of many":         {append(intervals(960, 940, 100), both(40, 28)...), "both: 28 of 40 hold the truth, fewer than 29"},
		"a cell that may do so":  {append(intervals(960, 920, 100), both(40, 29)...), ""},
		"a cell of few":          {append(intervals(970, 940, 100), both(29, 10)...), ""},
		"too wide":               {intervals(1_000, 950, 130), "too wide"},
		"hardly any told":        {append(intervals(300, 285, 100), untold(700)...), "300 of 1000 campaigns have one, too few"},
		"as many told as asked":  {append(intervals(950, 902, 100), untold(50)...), ""},
		"one fewer":              {append(intervals(949, 902, 100), untold(51)...), "949 of 1000 campaigns have one, too few"},
		"none":                   {untold(1), "there is none"},
		"nothing was played yet": {nil, "there is none"},
	} {
		var out bytes.Buffer
		err := tell(&out, tt.all)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q\n%s", name, err, tt.want, out.String())
		}
	}
	var out bytes.Buffer
	_ = tell(&out, append(intervals(10, 10, 100), other(intervals(30, 29, 100), "both", false)...))
	for _, want := range []string{
		"coverage.online.none.homogeneous 100 % of 10\n", "coverage.both 96.67 % of 30 goal >=66.7 ok", "coverage.intervals 40 of 40 goal >=38 ok",
		"coverage.roas.none.attributed 20 ratio", "coverage.width_to_oracle.none ", "coverage.width_to_oracle.heterogeneous ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in\n%s", want, out.String())
		}
	}
}

// What is pooled in the share that every test run plays is large enough to fail.
func TestNoCellOfTheShareIsTooSmallToFail(t *testing.T) {
	t.Parallel()
	cells, played := make(map[string]int), shareWorlds*world.Share.Campaigns
	for index := range shareWorlds {
		s, err := world.Of(t.Context(), shareName, index, world.Share)
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.Play.Campaigns {
			c := &s.Play.Campaigns[i]
			for _, kind := range kinds(&judged{Outcome: world.Outcome{Where: string(c.Where), Effect: string(c.Effect), Alike: !c.Heterogeneous}})[1:] {
				cells[kind]++
			}
		}
	}
	missing := played - int(math.Ceil(toldLeast*float64(played)))
	if len(cells) != 8 || played-missing < 100 {
		t.Errorf("%d campaigns in %d cells", played, len(cells))
	}
	for cell, n := range cells {
		if least, _ := bounds(n - missing); n-missing < cellMin || 2*least < n {
			t.Errorf("%s has %d campaigns, of which %d may have no interval: %d of them may hold the truth", cell, n, missing, least)
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
	if got, err := kept.load(3); err != nil || !slices.Equal(got, want) {
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

// The share of the proof that every test run plays.
const (
	shareName   = "test"
	shareWorlds = 2
)

// TestIntervalsHoldThePlantedTruth plays some hundred campaigns against the program,
// which it builds without the race detector, as it is served. How many must have an
// interval, and how many of those hold the truth, tell says.
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
	err := run(t.Context(), &out, &options{bin: bin, dir: t.TempDir(), name: shareName, of: shareWorlds, more: shareWorlds, size: world.Share})
	t.Log(out.String())
	if err != nil {
		t.Error(err)
	}
}
