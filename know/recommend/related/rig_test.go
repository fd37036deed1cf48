package related_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/files/dirfiles"
	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/keep/warehouse/subset"
	"endcap/know/history"
	"endcap/know/recommend/related"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

var today = retail.Date(2017, time.December, 4)

// grocer is a small grocer whose shoppers do as they were told.
type grocer struct {
	rng   *rand.Rand
	facts []event.Fact
	trips int
}

func (g *grocer) lists(rows ...catalog.Product) {
	for _, p := range rows {
		g.facts = append(g.facts, event.Fact{ID: "p" + string(p.ID), At: (today - 400).UTC(), Source: "test", Body: event.Product{Product: p}})
	}
}

// allows has a shopper allow everything but some purposes.
func (g *grocer) allows(who uint64, but ...consent.Purpose) {
	set := consent.All
	for _, p := range but {
		set = set.Without(p)
	}
	at := (today - 400).UTC()
	g.facts = append(g.facts, event.Fact{ID: fmt.Sprint("c", who), At: at, Arrived: at, Day: today - 400, Shopper: shopper.FromUint64(who), Source: "test", Body: event.Consent{Allowed: set}})
}

// buys is a receipt; who is 0 for nobody known.
func (g *grocer) buys(who uint64, ago retail.Day, store catalog.StoreID, products ...catalog.ProductID) {
	g.trips++
	day := today - ago
	r := basket.Receipt{ID: basket.ReceiptID(fmt.Sprint("r", g.trips)), Store: store, Channel: catalog.InStore, At: day.UTC().Add(12 * time.Hour), Currency: "EUR"}
	for _, p := range products {
		r.Lines = append(r.Lines, basket.Line{Product: p, Quantity: basket.Piece, Sales: 2 * retail.Unit})
	}
	f := event.Fact{ID: string(r.ID), At: r.At, Arrived: r.At, Day: day, Source: "test", Body: event.Receipt{Receipt: r}}
	if who != 0 {
		f.Shopper = shopper.FromUint64(who)
	}
	g.facts = append(g.facts, f)
}

func product(id, name, brand, kind, size string) catalog.Product {
	return catalog.Product{ID: catalog.ProductID(id), Name: name, Brand: catalog.Brand(brand), Department: "GROCERY", Category: catalog.Category(kind), Type: catalog.Type(kind + " ALL"), Size: size}
}

// village is a year of forty shoppers: most trips have milk, some bread; pasta and
// its sauce go together. Everybody changes between the strawberry yogurts of two
// brands, and has a plain one beside them. Detergent is bought every 28 days by half of
// the shoppers, and once by the others. Ice cream rises in the last week at s1.
func village() *grocer {
	g := &grocer{rng: rand.New(rand.NewPCG(7, 7))}
	g.lists(
		product("milk", "Whole milk", "MUH", "MILK", "1 l"), product("oat", "Oat drink", "OATS", "MILK", "1 l"), product("oat2", "Oat drink barista", "OATS", "MILK", "1 l"),
		product("soy", "Soy cream", "SOYA", "MILK", "20 cl"), product("bread", "Rye bread", "BAKER", "BREAD", "500 g"), product("pasta", "Penne", "ITALY", "PASTA", "500 g"),
		product("sauce", "Tomato sauce basil", "ITALY", "SAUCE", "350 g"), product("yog1", "Strawberry yogurt", "MUH", "YOGURT", "150 g"),
		product("yog2", "Strawberry yogurt", "ALP", "YOGURT", "150 g"), product("yog3", "Strawberry yogurt", "HILL", "YOGURT", "150 g"),
		product("plain", "Plain yogurt", "MUH", "YOGURT", "150 g"), product("wash", "Detergent", "CLEAN", "WASHING", "2 kg"), product("ice", "Ice cream", "COLD", "ICE", "1 l"),
		product("gas", "Fuel", "", "FUEL", ""),
	)
	for who := range uint64(40) {
		id := (who + 1) * 0x9e3779b97f4a7c15 // spread over the whole range, as ids are
		if who != 39 {
			g.allows(id)
		} else {
			g.allows(id, consent.PersonalOffers)
		}
		for week := range 50 {
			ago := retail.Day(7*week + 1)
			var buys []catalog.ProductID
			take := func(chance float64, products ...catalog.ProductID) {
				if g.rng.Float64() < chance {
					buys = append(buys, products...)
				}
			}
			take(0.8, "milk")
			take(0.5, "bread")
			take(0.25, "pasta", "sauce")
			take(0.2, "gas")
			take(1, []catalog.ProductID{"yog1", "yog2"}[(uint64(week)+who)%2])
			take(0.3, "plain")
			if who%4 == 0 {
				take(0.3, "yog3")
			}
			if (uint64(week)+who/2)%4 == 0 && who%2 == 0 || who%2 == 1 && week == 40 {
				take(1, "wash")
			}
			if week == 0 && who < 12 || who == 0 {
				take(1, "ice")
			}
			g.buys(id, ago, "s1", buys...)
		}
	}
	return g
}

// history is a warehouse with the grocer's facts.
func (g *grocer) history(tb testing.TB) *duck.Warehouse {
	tb.Helper()
	o := duck.Defaults()
	o.Check = subset.Check
	w, err := duck.Open(tb.Context(), tb.TempDir(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := w.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := w.Append(tb.Context(), []warehouse.Fold{{Next: "1", Through: today.UTC(), Rows: history.Rows(g.facts)}}); err != nil {
		tb.Fatal(err)
	}
	return w
}

func training() related.Training {
	return related.Training{Through: today, Never: catalog.Set{Categories: []catalog.Category{"FUEL"}}}
}

func counted(tb testing.TB, g *grocer, t related.Training) *related.Model {
	tb.Helper()
	m, err := related.Count(tb.Context(), g.history(tb), t)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// number is a product's number.
func number(tb testing.TB, m *related.Model, id catalog.ProductID) int32 {
	tb.Helper()
	no, ok := m.Number(id.Hash())
	if !ok {
		tb.Fatalf("the model does not know %s", id)
	}
	return no
}

func names(m *related.Model, list []related.Neighbour) string {
	out := ""
	for _, n := range list {
		out += string(m.ID(n.No)) + " "
	}
	return out
}

func artefacts(tb testing.TB) (*dirfiles.Dir, string) {
	tb.Helper()
	dir := tb.TempDir()
	d, err := dirfiles.Open(dir, vfs.Default)
	if err != nil {
		tb.Fatal(err)
	}
	return d, dir
}
