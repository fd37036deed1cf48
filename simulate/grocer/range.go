// Package grocer is the simulated grocer: its range with names, brands, GTINs,
// prices, costs and taxes, its stores with what they carry and what is missing
// from the shelf, and its weeks of promotions. Everything follows from the seed.
// Names come from a grammar of our own and GTINs lie in the prefixes 200 to 299,
// which GS1 leaves to retailers, so that none is a real product's.
//
// It is before the road of a receipt: simulated lines name its products.
package grocer

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed range.txt
var rangeText string

// Category is one category of the range: how its products are called, and how
// many there are beside those of others.
type Category struct {
	Department string
	Name       string
	VAT        int      // in tenths of a percent
	Words      []string // by which a product of Open Food Facts is known to belong here
	Heads      []string
	Variants   []string // the empty one among them is none
	Sizes      []string
	Weight     float64    // products, beside those of other categories
	Grades     [5]float64 // products by Nutri-Score, A to E; all 0 where they have none
}

// Graded reports whether products of the category carry a Nutri-Score.
func (c *Category) Graded() bool { return c.Grades != [5]float64{} }

// Categories reads the range. A department's categories are neighbours.
func Categories() []Category {
	var out []Category
	for line := range strings.Lines(rangeText) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		c, err := parseCategory(line)
		if err != nil {
			panic("grocer: bug: " + err.Error() + ": " + line)
		}
		out = append(out, c)
	}
	return out
}

func parseCategory(line string) (Category, error) {
	parts := strings.Split(line, "|")
	if len(parts) != 9 {
		return Category{}, fmt.Errorf("%d columns, want 9", len(parts))
	}
	vat, err := strconv.ParseFloat(parts[2], 64)
	if err != nil {
		return Category{}, err
	}
	weight, err := strconv.ParseFloat(parts[7], 64)
	if err != nil {
		return Category{}, err
	}
	c := Category{
		Department: parts[0], Name: parts[1], VAT: int(vat * 10), Weight: weight,
		Heads: strings.Split(parts[4], ","), Variants: strings.Split(parts[5], ","), Sizes: strings.Split(parts[6], ","),
	}
	if parts[3] != "" {
		c.Words = strings.Split(parts[3], ",")
	}
	for i, text := range strings.Fields(parts[8]) {
		if c.Grades[i], err = strconv.ParseFloat(text, 64); err != nil {
			return Category{}, err
		}
	}
	return c, nil
}
