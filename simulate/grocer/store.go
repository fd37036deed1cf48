package grocer

import (
	"encoding/json"
	"fmt"
	"io"
	"math"

	"endcap/retail"
	"endcap/simulate/draw"
)

// Commune is one commune of France, from the list of Etalab.
type Commune struct {
	Code       string `json:"code"` // of INSEE
	Name       string `json:"nom"`
	Department string `json:"departement"`
	Region     string `json:"region"`
	Kind       string `json:"type"`
	Population int    `json:"population"`
}

// communesMax bounds the list.
const communesMax = 64 << 20

// ReadCommunes reads data/communes.json of @etalab/decoupage-administratif: the
// communes of today that have inhabitants.
func ReadCommunes(r io.Reader) ([]Commune, error) {
	var all, out []Commune
	if err := json.NewDecoder(io.LimitReader(r, communesMax)).Decode(&all); err != nil {
		return nil, &retail.Error{Kind: retail.Invalid, Field: "communes", Say: "it is not the list of communes", Err: err, Cure: "make data fetches it"}
	}
	for _, c := range all {
		if c.Kind == "commune-actuelle" && c.Population > 0 {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, &retail.Error{Kind: retail.Invalid, Field: "communes", Say: "it names no commune with inhabitants", Cure: "make data fetches the list"}
	}
	return out, nil
}

// Store is one store. The last of a grocer is the online shop.
type Store struct {
	ID      string
	Name    string
	Online  bool
	Commune Commune // none where the simulation has no list of communes
	Size    float64 // how much of the range it carries, beyond what sells best
	Weight  float64 // shoppers that it draws
}

// found opens stores in communes, more likely in large ones and each in one of
// its own while there are enough; without communes stores have numbers alone.
func (g *Grocer) found(n int, communes []Commune) []Store {
	s := g.key.For(forStore).Stream()
	taken := make(map[int]bool)
	var places draw.Alias
	if len(communes) > 0 {
		weights := make([]float64, len(communes))
		for i := range communes {
			weights[i] = float64(communes[i].Population)
		}
		places = draw.NewAlias(weights)
	}
	out := make([]Store, 0, n+1)
	for i := range n {
		st := Store{ID: fmt.Sprintf("S%04d", i+1), Name: fmt.Sprintf("%s %d", Banner, i+1), Size: 0.55 + 0.4*s.Unit()}
		st.Weight = st.Size * st.Size
		if len(communes) > 0 {
			at := places.Of(s.Uint64())
			for range 200 {
				if !taken[at] {
					break
				}
				at = places.Of(s.Uint64())
			}
			taken[at] = true
			st.Commune = communes[at]
			st.Name = Banner + " " + st.Commune.Name
			st.Weight *= math.Sqrt(float64(st.Commune.Population) + 1_000)
		}
		out = append(out, st)
	}
	return append(out, Store{ID: "WEB", Name: Banner + " en ligne", Online: true, Size: 1})
}

// OnlineShop is the index of the online shop.
func (g *Grocer) OnlineShop() int { return len(g.Stores) - 1 }

// Carries reports whether a store has product i in its range. The products that
// come first in a category are everywhere.
func (g *Grocer) Carries(store int, i int32) bool {
	p := &g.Products[i]
	if span := g.Spans[p.Category]; int(i-span.From) < 8 {
		return true
	}
	return g.key.For(forCarry).For(uint64(store)<<32|uint64(i)).Unit() < g.Stores[store].Size
}

// shelfDays is for how many days a product stays missing.
const shelfDays = 3

// Missing reports whether product i, which the store carries, is out of stock
// there on a day of the simulation.
func (g *Grocer) Missing(store int, i int32, day int) bool {
	return g.key.For(forShelf).For(uint64(store)<<32|uint64(i)).For(uint64(day/shelfDays)).Unit() < g.outOfStock
}

// Count is how many pieces a store has of a product that it carries, 0 where it
// is missing.
func (g *Grocer) Count(store int, i int32, day int) int {
	if g.Missing(store, i, day) {
		return 0
	}
	return 4 + int(g.key.For(forShelf).For(uint64(store)<<32|uint64(i)).For(uint64(day)|1<<40).Uint64()%60)
}
