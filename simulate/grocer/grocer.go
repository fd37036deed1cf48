package grocer

import (
	"fmt"
	"math"
	"strings"

	"endcap/simulate/draw"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
)

// What keys of chance are for. Their numbers are part of what a seed means.
const (
	forProduct = iota + 1
	forBrand
	forStore
	forCarry
	forShelf
	forPromotion
	forDisplay
)

// OwnBrand is the grocer's own label, and Banner its name.
const (
	OwnBrand = "Verneige"
	Banner   = "Halles de Verneige"
)

// Product is one product, packed: texts are put together when they are asked for.
type Product struct {
	GTIN     int64
	Price    int32 // of a piece on the shelf, cents
	Cost     int32 // of a piece without tax, cents
	Category uint16
	Brand    uint16 // index of Brands; 0 is the own label
	Head     uint8
	Variant  uint8
	Size     uint8
	Grade    uint8 // 1 to 5 for A to E, 0 for none
}

// Span is a run of products.
type Span struct{ From, To int32 }

// Len is how many products there are.
func (s Span) Len() int { return int(s.To - s.From) }

// Grocer is the whole of it. It does not change and may be read by many.
type Grocer struct {
	Categories   []Category
	Products     []Product // by category
	Spans        []Span    // by category
	Popular      []draw.Alias
	Brands       []string
	DepartmentOf []uint8 // by category, in the model's order
	Stores       []Store
	promoted     []float64 // by department: the share of products that are promoted in a week
	depth        []draw.Quantiles
	outOfStock   float64
	key          draw.Key
}

// Open makes the grocer of a scenario, under the model's prices.
func Open(s *scenario.Scenario, p *model.Parameters, communes []Commune) (*Grocer, error) {
	g := &Grocer{Categories: Categories(), key: draw.Seed(s.Seed), outOfStock: s.OutOfStock}
	departments := make(map[string]uint8)
	for i := range p.Range {
		departments[p.Range[i].Name] = uint8(i)
	}
	for i := range g.Categories {
		d, ok := departments[g.Categories[i].Department]
		if !ok {
			return nil, fmt.Errorf("the model has no department %q", g.Categories[i].Department)
		}
		g.DepartmentOf = append(g.DepartmentOf, d)
	}
	g.fill(s.Products)
	g.price(p)
	for i := range p.Range {
		d := &p.Range[i]
		share := d.Promoted * s.Promotions
		g.promoted = append(g.promoted, share/(share+p.Uplift*(1-share)))
		g.depth = append(g.depth, d.Depth)
	}
	g.Stores = g.found(s.StoreCount(), communes)
	return g, nil
}

// fill deals n products out to categories and their brands.
func (g *Grocer) fill(n int) {
	total := 0.0
	for i := range g.Categories {
		total += g.Categories[i].Weight
	}
	g.Brands = []string{OwnBrand}
	var pool Span // the brands of the department under way
	for c := range g.Categories {
		cat := &g.Categories[c]
		if c == 0 || cat.Department != g.Categories[c-1].Department {
			pool = g.brands(c, n)
		}
		count := max(int(math.Round(cat.Weight/total*float64(n))), 4)
		if g.DepartmentOf[c] == model.Fuel {
			count = 3
		}
		span := Span{int32(len(g.Products)), int32(len(g.Products) + count)}
		g.Spans = append(g.Spans, span)
		g.stock(c, span, pool)
	}
}

// brands names the brands that make what a department sells.
func (g *Grocer) brands(category, products int) Span {
	stream := g.key.For(forBrand).For(uint64(category)).Stream()
	from := int32(len(g.Brands))
	count := min(max(products/250, 16), 400)
	for range count {
		g.Brands = append(g.Brands, brandName(&stream))
	}
	return Span{from, from + int32(count)}
}

// brandExponent is how fast brands of a category fall off: the second sells
// 2^-0.9 of what the first does.
const brandExponent = 0.9

// ownShare is the own label's part of a category's sales.
const ownShare = 0.22

// stock makes the products of one category: some brands out of the department's
// pool, each with products that fall off in turn.
func (g *Grocer) stock(c int, span Span, pool Span) {
	cat := &g.Categories[c]
	n := span.Len()
	makers := min(max(n/9, 2), 40)
	chosen := make([]uint16, makers) // 0, the first, is the own label
	pick := g.key.For(forBrand).For(uint64(c) + 1<<20).Stream()
	for i := 1; i < makers; i++ {
		chosen[i] = uint16(pool.From) + uint16(pick.Int(pool.Len()))
	}
	grades := draw.NewAlias([]float64{1})
	if cat.Graded() {
		grades = draw.NewAlias(cat.Grades[:])
	}
	weights := make([]float64, n)
	lines := make([]int, makers)
	for i := range n {
		s := g.key.For(forProduct).For(uint64(c)<<32 | uint64(i)).Stream()
		maker := i % makers
		if i >= makers { // beyond one each, large brands have more
			maker = int(math.Pow(s.Unit(), 1.5) * float64(makers))
		}
		lines[maker]++
		share := ownShare
		if maker > 0 {
			share = (1 - ownShare) * math.Pow(float64(maker), -brandExponent)
		}
		weights[i] = share * math.Pow(float64(lines[maker]), -0.8)
		p := Product{
			GTIN: gtin(int64(span.From) + int64(i)), Category: uint16(c), Brand: chosen[maker],
			Head: uint8(s.Int(len(cat.Heads))), Variant: uint8(s.Int(len(cat.Variants))), Size: uint8(s.Int(len(cat.Sizes))),
		}
		if g.DepartmentOf[c] == model.Fuel {
			p.Head, p.Variant, p.Brand = uint8(i), uint8(i), 0
		}
		if cat.Graded() {
			p.Grade = uint8(grades.Of(s.Uint64())) + 1
		}
		g.Products = append(g.Products, p)
	}
	g.Popular = append(g.Popular, draw.NewAlias(weights))
}

// gtin is the n-th of the grocer's own GTIN-13: prefix 200 to 299, nine digits
// and a check digit (GS1 General Specifications, section 7.9).
func gtin(n int64) int64 {
	body := 200_000_000_000 + n*9_973%100_000_000_000 // a prime that does not divide the range: no number comes twice
	sum, rest := int64(0), body
	for weight := int64(3); rest > 0; rest, weight = rest/10, 4-weight {
		sum += rest % 10 * weight
	}
	return body*10 + (10-sum%10)%10
}

// price gives every product a shelf price out of its department's quantiles. A
// category lies somewhere among them; the mean that is paid, by what sells, is
// the model's. Costs leave a margin of 15 to 40 % of the price without tax.
func (g *Grocer) price(p *model.Parameters) {
	raw := make([]float64, len(g.Products))
	paid, weight := make([]float64, model.Departments), make([]float64, model.Departments)
	for c, span := range g.Spans {
		place := g.key.For(forProduct).For(uint64(c)<<32 | 1<<31).Unit()
		table := p.Range[g.DepartmentOf[c]].Price
		for i := span.From; i < span.To; i++ {
			u := g.key.For(forProduct).For(uint64(c)<<32 | 1<<30 | uint64(i)).Unit()
			if g.Products[i].Brand == 0 {
				u *= 0.7 // the own label is cheaper
			}
			raw[i] = table.At(0.75*u + 0.25*place)
		}
		s := g.key.For(forProduct).For(uint64(c)<<32 | 3<<30).Stream()
		const draws = 4_000
		for range draws {
			paid[g.DepartmentOf[c]] += raw[int(span.From)+g.Popular[c].Of(s.Uint64())] * g.Categories[c].Weight / draws
		}
		weight[g.DepartmentOf[c]] += g.Categories[c].Weight
	}
	for i := range g.Products {
		pr := &g.Products[i]
		d := g.DepartmentOf[pr.Category]
		scale := p.Tuning.Price * p.Range[d].Price.Mean() * weight[d] / paid[d]
		if d == model.Fuel {
			scale = 1
		}
		pr.Price = max(int32(math.Round(100*raw[i]*scale)), 5)
		margin := 0.15 + 0.25*g.key.For(forProduct).For(uint64(i)|1<<63).Unit()
		pr.Cost = max(int32(float64(pr.Price)/(1+float64(g.Categories[pr.Category].VAT)/1_000)*(1-margin)), 1)
	}
}

// Name is what stands on product i's shelf label.
func (g *Grocer) Name(i int32) string {
	p := &g.Products[i]
	c := &g.Categories[p.Category]
	words := []string{c.Heads[p.Head], c.Variants[p.Variant], g.Brands[p.Brand], c.Sizes[p.Size]}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// Query is what somebody types who looks for product i.
func (g *Grocer) Query(i int32, x uint64) string {
	p := &g.Products[i]
	c := &g.Categories[p.Category]
	switch x % 4 {
	case 0:
		return strings.ToLower(c.Name)
	case 1:
		return strings.TrimSpace(strings.ToLower(c.Heads[p.Head] + " " + c.Variants[p.Variant]))
	case 2:
		return strings.ToLower(c.Heads[p.Head] + " " + g.Brands[p.Brand])
	default:
		return strings.ToLower(c.Heads[p.Head])
	}
}

// Size is the pack's size.
func (g *Grocer) Size(i int32) string {
	p := &g.Products[i]
	return g.Categories[p.Category].Sizes[p.Size]
}

// brandName puts a name together; real ones are not looked up, and two brands
// may by chance share one.
func brandName(s *draw.Stream) string {
	first := []string{"Aubr", "Belv", "Carm", "Dorl", "Estr", "Fauv", "Gral", "Hauss", "Ivel", "Jonc", "Kerl", "Lamb", "Morv", "Nivr", "Orgu", "Pradel", "Quinz", "Roch", "Sauv", "Tourn", "Urb", "Vign", "Yvr", "Zél"}
	middle := []string{"a", "e", "i", "o", "ou", "ai", "ette", "and", "ign", "el"}
	last := []string{"line", "mont", "nac", "ral", "rive", "sel", "tine", "val", "vert", "zan", "doux", "bel", "lys", "rin"}
	return first[s.Int(len(first))] + middle[s.Int(len(middle))] + last[s.Int(len(last))]
}
