package grocer

import "math"

// Week is what is promoted in one week, in all stores alike.
type Week struct {
	Number int
	cut    []uint8   // by product: the discount in 200ths of the price; 0 where it has none
	list   [][]int32 // by category: what is promoted
	g      *Grocer
}

// cutStep is the finest discount, as a part of the price.
const cutStep = 1.0 / 200

// Week is the promotions of week n, from 0. A promotion lasts one or two weeks.
func (g *Grocer) Week(n int) *Week {
	w := &Week{Number: n, cut: make([]uint8, len(g.Products)), list: make([][]int32, len(g.Categories)), g: g}
	for c, span := range g.Spans {
		d := g.DepartmentOf[c]
		for i := span.From; i < span.To; i++ {
			term := n/2 + 1<<20
			if i%2 == 1 { // every other product changes weekly
				term = n
			}
			s := g.key.For(forPromotion).For(uint64(i)).For(uint64(term)).Stream()
			if s.Unit() >= g.promoted[d] {
				continue
			}
			cut := math.Round(g.depth[d].At(s.Unit()) / cutStep)
			w.cut[i] = uint8(math.Min(math.Max(cut, 2), 180))
			w.list[c] = append(w.list[c], i)
		}
	}
	return w
}

// Cut is the discount on a piece of product i in cents, 0 where it has none.
func (w *Week) Cut(i int32) int32 {
	if w.cut[i] == 0 {
		return 0
	}
	return max(int32(math.Round(float64(w.g.Products[i].Price)*float64(w.cut[i])*cutStep)), 1)
}

// Promoted lists what is promoted of a category.
func (w *Week) Promoted(category int) []int32 { return w.list[category] }

// displays and mailers are where a promoted product stands, and where it is in
// the leaflet; the empty word is nowhere.
var (
	displays = [...]string{"", "", "", "tête de gondole", "allée centrale", "entrée"}
	mailers  = [...]string{"", "", "page intérieure", "page intérieure", "une", "dernière page"}
)

// Place is where promoted product i stands in a store, and in the leaflet, which
// is everywhere the same. Both are empty for most.
func (w *Week) Place(store int, i int32) (display, mailer string) {
	at := w.g.key.For(forDisplay).For(uint64(w.Number)<<32 | uint64(i))
	if at.Unit() < 0.85 {
		return "", ""
	}
	mailer = mailers[at.For(1).Uint64()%uint64(len(mailers))]
	if w.g.Stores[store].Online {
		return "", mailer
	}
	display = displays[at.For(uint64(store)+2).Uint64()%uint64(len(displays))]
	return display, mailer
}
