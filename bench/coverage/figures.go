package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"endcap/bench/figure"
)

// count is how many intervals hold the truth, of how many that there are.
func count(all []judged) (inside, told int) {
	for i := range all {
		if all[i].told {
			told++
			if all[i].inside {
				inside++
			}
		}
	}
	return inside, told
}

// tell prints the figures of all and of each cell, and fails where the coverage
// of all is out of bounds.
func tell(w io.Writer, all []judged, o *options) error {
	cells := make(map[string][]judged)
	untold := make(map[string]int)
	var width, oracle float64
	for i := range all {
		j := &all[i]
		cells[j.cell] = append(cells[j.cell], *j)
		if !j.told {
			untold[j.why]++
			continue
		}
		width, oracle = width+j.width, oracle+j.oracle
	}
	for _, cell := range slices.Sorted(maps.Keys(cells)) {
		if inside, told := count(cells[cell]); told > 0 {
			figure.Print(w, "coverage."+cell, 100*float64(inside)/float64(told), fmt.Sprintf("%% of %d", told))
		}
	}
	for _, why := range slices.Sorted(maps.Keys(untold)) {
		fmt.Fprintf(w, "%d campaigns have no interval: %s\n", untold[why], why)
	}
	inside, told := count(all)
	if told == 0 {
		return fmt.Errorf("%w: there is none", errCoverage)
	}
	share := float64(inside) / float64(told)
	figure.Print(w, "coverage.intervals", told, "of "+strconv.Itoa(len(all)))
	figure.Goal(w, "coverage.least", 100*share, "%", ">=93")
	figure.Goal(w, "coverage.most", 100*share, "%", "<=97")
	figure.Goal(w, "coverage.width_to_oracle", width/oracle, "ratio", "<=1.2")
	if share < o.least || share > o.most {
		return fmt.Errorf("%w: %d of %d hold the truth", errCoverage, inside, told)
	}
	return nil
}
