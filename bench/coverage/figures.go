package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"endcap/bench/coverage/world"
	"endcap/bench/figure"
)

// errCoverage says that intervals hold the truth too seldom, or too often.
var errCoverage = errors.New("the intervals do not keep their promise")

// counted is how many intervals hold the truth, of how many that there are, and
// how wide they are together, and an oracle's.
type counted struct {
	inside, told  int
	width, oracle float64
}

func count(all []world.Judged) (c counted) {
	for i := range all {
		j := &all[i]
		if j.Absent != "" {
			continue
		}
		c.told++
		if j.Inside() {
			c.inside++
		}
		c.width += float64(j.High - j.Low)
		c.oracle += j.Oracle
	}
	return c
}

// share is in per cent.
func (c *counted) share() float64 { return 100 * float64(c.inside) / float64(c.told) }

// breach says what is wrong with a cell, or nothing.
func (c *counted) breach(cell string) string {
	switch least, most := bounds(c.told); {
	case c.inside < least:
		return fmt.Sprintf("%s: %d of %d hold the truth, fewer than %d", cell, c.inside, c.told, least)
	case c.inside > most:
		return fmt.Sprintf("%s: %d of %d hold the truth, more than %d", cell, c.inside, c.told, most)
	default:
		return ""
	}
}

// kinds are how campaigns are told apart: by all three at once, and by each.
func kinds(j *world.Judged) []string {
	shoppers := "heterogeneous"
	if j.Alike {
		shoppers = "homogeneous"
	}
	return []string{strings.Join([]string{j.Where, j.Effect, shoppers}, "."), j.Where, j.Effect, shoppers}
}

// tell prints the coverage of every cell and of all, and what attribution says
// beside the experiment and the truth. It fails where a cell, or all, is outside
// its bounds, or intervals are wider than widthMost.
func tell(w io.Writer, all []world.Judged) error {
	cells := make(map[string][]world.Judged)
	untold := make(map[string]int)
	for i := range all {
		for _, kind := range kinds(&all[i]) {
			cells[kind] = append(cells[kind], all[i])
		}
		if why := all[i].Absent; why != "" {
			untold[why]++
		}
	}
	var wrong []string
	for _, cell := range slices.Sorted(maps.Keys(cells)) {
		c := count(cells[cell])
		if c.told == 0 {
			_, _ = fmt.Fprintf(w, "%s: none of %d campaigns has an interval\n", cell, len(cells[cell]))
			continue
		}
		least, _ := bounds(c.told)
		figure.Goal(w, "coverage."+cell, c.share(), fmt.Sprintf("%% of %d", c.told), fmt.Sprintf(">=%.1f", 100*float64(least)/float64(c.told)))
		if say := c.breach(cell); say != "" {
			wrong = append(wrong, say)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(untold)) {
		_, _ = fmt.Fprintf(w, "%d campaigns have no interval: %s\n", untold[why], why)
	}
	attribution(w, all)
	return errors.Join(whole(w, all, cells["homogeneous"]), breaches(wrong))
}

func breaches(wrong []string) error {
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", errCoverage, strings.Join(wrong, "; "))
}

// widthMost is how wide intervals may be on average, beside an oracle's.
const widthMost = 1.2

// whole prints the figures of all campaigns. Where shoppers differ in what moves
// them, an interval holds the truth more often than it says, because no experiment
// sees how much a shopper's two ends go together: the upper end is for those whose
// shoppers are alike.
func whole(w io.Writer, all, alike []world.Judged) error {
	c := count(all)
	figure.Print(w, "coverage.intervals", c.told, fmt.Sprintf("of %d", len(all)))
	if c.told == 0 {
		return fmt.Errorf("%w: there is none", errCoverage)
	}
	figure.Goal(w, "coverage.least", c.share(), "%", ">=93")
	if h := count(alike); h.told > 0 {
		figure.Goal(w, "coverage.homogeneous_most", h.share(), "%", "<=97")
	}
	var wrong []string
	if say := c.breach("all"); say != "" {
		wrong = append(wrong, say)
	}
	if !figure.Goal(w, "coverage.width_to_oracle", c.width/c.oracle, "ratio", fmt.Sprintf("<=%v", widthMost)) {
		wrong = append(wrong, "they are too wide")
	}
	return breaches(wrong)
}

// attribution prints, by effect, what a euro of spend is worth: by the sales that
// followed an advert, by the experiment, and in truth. Of an advert without any
// effect the first is as high as of the others.
func attribution(w io.Writer, all []world.Judged) {
	type sums struct{ spend, attributed, estimate, variance, truth float64 }
	by := make(map[string]*sums)
	for i := range all {
		j := &all[i]
		if j.Absent != "" || j.Untold != "" || j.Spend <= 0 {
			continue
		}
		s := by[j.Effect]
		if s == nil {
			s = new(sums)
			by[j.Effect] = s
		}
		half := float64(j.High-j.Low) / 2
		s.spend, s.attributed, s.estimate = s.spend+float64(j.Spend), s.attributed+float64(j.Attributed), s.estimate+float64(j.Estimate)
		s.variance, s.truth = s.variance+half*half, s.truth+float64(j.Truth)
	}
	for _, effect := range slices.Sorted(maps.Keys(by)) {
		s := by[effect]
		half := math.Sqrt(s.variance)
		name := "coverage.roas." + effect
		figure.Print(w, name+".attributed", s.attributed/s.spend, "ratio")
		figure.Print(w, name+".incremental", s.estimate/s.spend, fmt.Sprintf("ratio, %.1f to %.1f", (s.estimate-half)/s.spend, (s.estimate+half)/s.spend))
		figure.Print(w, name+".truth", s.truth/s.spend, "ratio")
	}
}
