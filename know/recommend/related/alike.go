package related

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"endcap/know/recommend/internal/words"
	"endcap/retail"
	"endcap/retail/catalog"
)

// The parts of how alike two products of one need are; a part that is not known
// of both is left out.
const (
	weightName  = 4
	weightSize  = 2
	weightPrice = 2
	weightTier  = 1 // both own label, or neither
	weightBrand = 1
	alikeMin    = 0.3 // what is less alike serves another need
)

// item is a product as substitutes compare it.
type item struct {
	row    *catalog.Product
	price  retail.Micros // paid for a piece on average; 0 where nobody bought it
	words  []int32       // of its name, by number
	amount float64       // its size in grams, millilitres or pieces
	unit   byte          // 'g', 'm', 'p', or 0 where the size says nothing
}

// needOf names the need a product serves: its category path as far as it is
// known; nothing where there is no category.
func needOf(p *catalog.Product) string {
	if p.Category == "" {
		return ""
	}
	return string(p.Department) + "\x00" + string(p.Category) + "\x00" + string(p.Type)
}

// vocabulary numbers the words of names and says how much each tells.
type vocabulary struct {
	numbers map[string]int32
	in      []float64 // products with the word; after settle, how much it tells
	names   int
}

func (v *vocabulary) item(p *catalog.Product, price retail.Micros) item {
	it := item{row: p, price: price}
	it.amount, it.unit = sizeOf(p.Size)
	if it.unit == 0 {
		it.amount, it.unit = sizeOf(p.Name)
	}
	if p.Name == "" {
		return it
	}
	v.names++
	for _, w := range words.Of(nil, p.Name) {
		no, ok := v.numbers[w]
		if !ok {
			no = int32(len(v.in))
			v.numbers[w], v.in = no, append(v.in, 0)
		}
		v.in[no]++
		it.words = append(it.words, no)
	}
	slices.Sort(it.words)
	return it
}

// settle turns counts into what a word tells: its inverse document frequency.
func (v *vocabulary) settle() {
	for i, n := range v.in {
		v.in[i] = math.Log(1 + float64(v.names)/n)
	}
}

// alike is how alike two products are, from 0 to 1; 0 where both have names that
// share no word.
func (v *vocabulary) alike(a, b *item) float64 {
	sum, of := 0.0, 0.0
	part := func(weight, share float64) {
		sum += weight * share
		of += weight
	}
	if len(a.words) > 0 && len(b.words) > 0 {
		named := v.named(a.words, b.words)
		if named == 0 {
			return 0
		}
		part(weightName, named)
	}
	if a.unit != 0 && a.unit == b.unit {
		part(weightSize, nearness(a.amount, b.amount))
	}
	if a.price > 0 && b.price > 0 {
		part(weightPrice, nearness(float64(a.price), float64(b.price)))
	}
	part(weightTier, share(a.row.OwnLabel == b.row.OwnLabel))
	if a.row.Brand != "" && b.row.Brand != "" {
		part(weightBrand, share(a.row.Brand == b.row.Brand))
	}
	return sum / of
}

func share(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// named is Dice's coefficient of two names, each word weighed by what it tells.
func (v *vocabulary) named(a, b []int32) float64 {
	common, all := 0.0, 0.0
	for _, w := range a {
		all += v.in[w]
		if _, both := slices.BinarySearch(b, w); both {
			common += v.in[w]
		}
	}
	for _, w := range b {
		all += v.in[w]
	}
	return 2 * common / all
}

func nearness(a, b float64) float64 { return min(a, b) / max(a, b) }

// unit is one unit of a size: what it measures, and how many grams, millilitres
// or pieces it is.
type unit struct {
	kind byte
	per  float64
}

// unitOf reads the units that packs carry in Europe and America.
func unitOf(word string) (unit, bool) {
	switch word {
	case "g", "gr", "gram", "gramm", "grammes":
		return unit{'g', 1}, true
	case "kg", "kilo":
		return unit{'g', 1_000}, true
	case "oz", "oz.", "ounce":
		return unit{'g', 28.3495}, true // also of fluids: packs of one kind say it alike
	case "lb", "lbs", "pound":
		return unit{'g', 453.592}, true
	case "ml":
		return unit{'m', 1}, true
	case "cl":
		return unit{'m', 10}, true
	case "dl":
		return unit{'m', 100}, true
	case "l", "lt", "ltr", "litre", "liter":
		return unit{'m', 1_000}, true
	case "pt", "pint":
		return unit{'m', 473.176}, true
	case "qt", "quart":
		return unit{'m', 946.353}, true
	case "gal", "gallon":
		return unit{'m', 3_785.41}, true
	case "ct", "pk", "pc", "pcs", "st", "stk", "u", "pack", "count":
		return unit{'p', 1}, true
	}
	return unit{}, false
}

// sizeOf reads an amount such as "500 g", "6 x 33 cl" or "1.5 LB", the first in a
// text; no unit where there is none.
func sizeOf(text string) (amount float64, kind byte) {
	fields := sizeFields(text)
	times := 1.0
	for i := 0; i < len(fields); i++ {
		n, err := strconv.ParseFloat(strings.ReplaceAll(fields[i], ",", "."), 64)
		if err != nil || !(n > 0 && n <= 1e6) || i+1 == len(fields) {
			times = 1
			continue
		}
		next := fields[i+1]
		if next == "x" || next == "×" || next == "*" {
			times *= n
			i++
			continue
		}
		if u, ok := unitOf(next); ok {
			return times * n * u.per, u.kind
		}
		times = 1
	}
	return 0, 0
}

// sizeFields parts numbers from the letters that follow them.
func sizeFields(text string) []string {
	if len(text) > catalog.TextMax {
		text = text[:catalog.TextMax]
	}
	var out []string
	from, number := 0, false
	cut := func(to int) {
		if word := strings.TrimSpace(text[from:to]); word != "" {
			out = append(out, strings.ToLower(word))
		}
		from = to
	}
	for i, r := range text {
		digit := unicode.IsDigit(r) || number && (r == '.' || r == ',')
		if digit != number || unicode.IsSpace(r) {
			cut(i)
		}
		number = digit
	}
	cut(len(text))
	return out
}

// How many products one is compared with at most, and how many substitutes and
// complements are kept of it.
const (
	compareMax = 400
	keptMax    = 20
)

// rivals picks the products of one need that one of them is compared with: first
// those that share its rarest words, then those sold most. need lists the products
// by how much they are sold; byWord those with a word.
func (v *vocabulary) rivals(it *item, need []int32, byWord map[int32][]int32, out []int32) []int32 {
	if len(need) <= compareMax {
		return append(out, need...)
	}
	rare := slices.Clone(it.words)
	slices.SortFunc(rare, func(a, b int32) int { return cmp.Or(cmp.Compare(v.in[b], v.in[a]), cmp.Compare(a, b)) })
	for _, w := range rare {
		for _, no := range byWord[w] {
			if len(out) == compareMax/2 {
				break
			}
			if !slices.Contains(out, no) {
				out = append(out, no)
			}
		}
	}
	for _, no := range need {
		if len(out) == compareMax {
			break
		}
		if !slices.Contains(out, no) {
			out = append(out, no)
		}
	}
	return out
}
