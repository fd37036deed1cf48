package recommend

import (
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

// kind is what a visitor's habit asks of a product, side by side because it is asked
// of each of her habits while she waits.
type kind struct {
	category, brand int32 // their numbers, -1 without one
	shy             bool
}

// measure numbers categories and brands, and shares out receipts.
func measure(products []*catalog.Product, shy []bool, receipts map[catalog.ProductID]int64) measures {
	m := measures{kinds: make([]kind, len(products)), popularity: make([]float64, len(products))}
	categories, brands := make(map[catalog.Category]int32), make(map[catalog.Brand]int32)
	var sums []float64
	for i, p := range products {
		m.kinds[i] = kind{numberOf(categories, p.Category), numberOf(brands, p.Brand), shy[i]}
		if c := m.kinds[i].category; c >= 0 {
			if int(c) == len(sums) {
				sums = append(sums, 0)
			}
			sums[c] += float64(receipts[p.ID])
		}
	}
	m.categories, m.brands = len(categories), len(brands)
	for i, p := range products {
		if c := m.kinds[i].category; c >= 0 && sums[c] > 0 {
			m.popularity[i] = response.Exact(float64(receipts[p.ID]) / sums[c])
		}
	}
	return m
}

// numberOf gives names numbers in the order in which they are met; no name has none.
func numberOf[K ~string](of map[K]int32, name K) int32 {
	if name == "" {
		return -1
	}
	no, ok := of[name]
	if !ok {
		no = int32(len(of))
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
		category int32
		currency retail.Currency
	}
	m.price = make([]float64, len(products))
	found := make(map[class][]int32) // ranks
	amounts := make([]retail.Micros, len(products))
	for i, p := range products {
		if at, ok := price(p.ID); ok && at.Amount > 0 && m.kinds[i].category >= 0 {
			amounts[i] = at.Amount
			c := class{m.kinds[i].category, at.Currency}
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
