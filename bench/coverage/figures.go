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

// What is asked of all campaigns beside the bounds.
const (
	toldLeast = 0.95 // of them have an interval
	widthMost = 1.2  // is the mean width beside an oracle's
)

// cellMin is from how many intervals on a cell is judged: the bound of 30 is 20, that
// of 6 is 1. What has fewer is told, and judged as part of what it is pooled in.
const cellMin = 30

// counted is how many intervals hold the truth, of how many that there are, and
// how wide they are together, and an oracle's.
type counted struct {
	inside, told  int
	width, oracle float64
}

func count(all []judged) (c counted) {
	for i := range all {
		j := &all[i]
		if j.Absent != "" {
			continue
		}
		c.told++
		if j.inside() {
			c.inside++
		}
		c.width += float64(j.High - j.Low)
		c.oracle += j.oracle
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
func kinds(j *judged) []string {
	return []string{strings.Join([]string{j.Where, j.Effect, j.shoppers()}, "."), j.Where, j.Effect, j.shoppers()}
}

func (j *judged) shoppers() string {
	if j.Alike {
		return "homogeneous"
	}
	return "heterogeneous"
}

// tell prints the coverage of every cell and of all, and what attribution says
// beside the experiment and the truth. It fails where a cell, or all, is outside
// its bounds, too few campaigns have an interval, or intervals are wider than
// widthMost.
func tell(w io.Writer, given []world.Outcome) error {
	all := judge(given)
	cells := make(map[string][]judged)
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
		if say := tellCell(w, cell, cells[cell]); say != "" {
			wrong = append(wrong, say)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(untold)) {
		_, _ = fmt.Fprintf(w, "%d campaigns have no interval: %s\n", untold[why], why)
	}
	attribution(w, all)
	wrong = append(wrong, whole(w, all, cells["homogeneous"])...)
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", errCoverage, strings.Join(wrong, "; "))
}

// tellCell prints the coverage of a cell, with its bound where it is judged, and
// says what is wrong with it, or nothing.
func tellCell(w io.Writer, cell string, all []judged) string {
	name, c := "coverage."+cell, count(all)
	of := fmt.Sprintf("%% of %d", c.told)
	switch {
	case c.told == 0:
		_, _ = fmt.Fprintf(w, "%s: none of %d campaigns has an interval\n", cell, len(all))
		return ""
	case c.told < cellMin:
		figure.Print(w, name, c.share(), of)
		return ""
	}
	least, _ := bounds(c.told)
	figure.Goal(w, name, c.share(), of, fmt.Sprintf(">=%.1f", 100*float64(least)/float64(c.told)))
	return c.breach(cell)
}

// whole prints the figures of all campaigns, and says what is wrong with them. Where
// an advert works, what the treated spend varies more than it would have without:
// the product sees them with adverts alone, so its intervals are wider than an
// oracle's and hold the truth more often than they say, most where shoppers differ
// in what moves them. So the upper end of the figure is for those who are alike.
func whole(w io.Writer, all, alike []judged) (wrong []string) {
	c := count(all)
	if !figure.Goal(w, "coverage.intervals", c.told, fmt.Sprintf("of %d", len(all)), fmt.Sprintf(">=%d", int(math.Ceil(toldLeast*float64(len(all)))))) {
		wrong = append(wrong, fmt.Sprintf("%d of %d campaigns have one, too few", c.told, len(all)))
	}
	if c.told == 0 {
		return append(wrong, "there is none")
	}
	figure.Goal(w, "coverage.least", c.share(), "%", ">=93")
	if h := count(alike); h.told > 0 {
		figure.Goal(w, "coverage.homogeneous_most", h.share(), "%", "<=97")
	}
	if say := c.breach("all"); say != "" {
		wrong = append(wrong, say)
	}
	if !figure.Goal(w, "coverage.width_to_oracle", c.width/c.oracle, "ratio", fmt.Sprintf("<=%v", widthMost)) {
		wrong = append(wrong, "they are too wide")
	}
	for _, kind := range []func(*judged) string{func(j *judged) string { return j.Effect }, (*judged).shoppers} {
		by := make(map[string][]judged)
		for i := range all {
			by[kind(&all[i])] = append(by[kind(&all[i])], all[i])
		}
		for _, name := range slices.Sorted(maps.Keys(by)) {
			if c := count(by[name]); c.told > 0 {
				figure.Print(w, "coverage.width_to_oracle."+name, c.width/c.oracle, "ratio")
			}
		}
	}
	return wrong
}

// attribution prints, by effect, what a euro of spend is worth: by the sales that
// followed an advert, by the experiment, and in truth. Of an advert without any
// effect the first is far from nothing, and the others are about nothing.
func attribution(w io.Writer, all []judged) {
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
		s.variance, s.truth = s.variance+half*half, s.truth+float64(j.truth)
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
