package recommend

import (
	"math"
	"slices"

	"endcap/know/recommend/response"
	"endcap/retail"
	"endcap/retail/catalog"
)

// measures is what the response model asks of each product, by rank.
type measures struct {
	kinds      []kind
	categories int
	brands     int
	popularity []float64 // its share of the receipts of its category
	price      []float64 // over the median of its category; nil or 0 where it is not known
}

// kind is what a visitor's habit asks of a product. It fits what a slot of a table
// has room for, because it is asked of each of her habits while she waits.
type kind struct{ category, brand uint16 } // their numbers from 1, 0 without one

// shy says that the product is sensitive: nobody's habits of it count.
func (k kind) shy() bool { return k.category == shyNo }

// kindsMax is how many categories, and brands, are told apart; shyNo stands for the
// category of what is sensitive.
const (
	kindsMax = math.MaxUint16 - 1
	shyNo    = math.MaxUint16
)

// measure numbers categories and brands, and shares out receipts.
func measure(products []*catalog.Product, shy []bool, receipts map[catalog.ProductID]int64) measures {
	m := measures{kinds: make([]kind, len(products)), popularity: make([]float64, len(products))}
	categories, brands := make(map[catalog.Category]uint16), make(map[catalog.Brand]uint16)
	sums := make(map[catalog.Category]float64)
	for i, p := range products {
		m.kinds[i] = kind{numberOf(categories, p.Category), numberOf(brands, p.Brand)}
		sums[p.Category] += float64(receipts[p.ID])
		if shy[i] {
			m.kinds[i] = kind{category: shyNo}
		}
	}
	m.categories, m.brands = len(categories)+1, len(brands)+1
	for i, p := range products {
		if sum := sums[p.Category]; sum > 0 && p.Category != "" {
			m.popularity[i] = response.Exact(float64(receipts[p.ID]) / sum)
		}
	}
	return m
}

// numberOf gives names numbers from 1 in the order in which they are met; no name has
// 0, nor those that are too many.
func numberOf[K ~string](of map[K]uint16, name K) uint16 {
	no, ok := of[name]
	if !ok && name != "" && len(of) < kindsMax {
		no = uint16(len(of) + 1)
		of[name] = no
	}
	return no
}

// prices works out how dear each product is beside the median of its category, of
// those that are priced in the same currency.
func (m *measures) prices(products []*catalog.Product, price func(catalog.ProductID) (retail.Money, bool)) {
	if price == nil {
		return
	}
	type class struct {
		category catalog.Category
		currency retail.Currency
	}
	m.price = make([]float64, len(products))
	found := make(map[class][]int32) // ranks
	amounts := make([]retail.Micros, len(products))
	for i, p := range products {
		if at, ok := price(p.ID); ok && at.Amount > 0 && p.Category != "" {
			amounts[i] = at.Amount
			c := class{p.Category, at.Currency}
			found[c] = append(found[c], int32(i))
		}
	}
	for _, ranks := range found {
		slices.SortFunc(ranks, func(a, b int32) int { return int(amounts[a]/retail.Cent - amounts[b]/retail.Cent) })
		median := float64(amounts[ranks[len(ranks)/2]])
		for _, no := range ranks {
			m.price[no] = response.Exact(float64(amounts[no]) / median)
		}
	}
}
