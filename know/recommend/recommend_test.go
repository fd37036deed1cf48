package recommend_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/files"
	"endcap/keep/files/dirfiles"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/stream"
	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/keep/warehouse/subset"
	"endcap/know/history"
	"endcap/know/recommend"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/visit"
)

var today = retail.Date(2017, time.December, 4)

// shelf is a small range.
type shelf struct {
	rows    []*catalog.Product
	version uint64
	gone    map[string]bool // product, or product@store
	counts  map[string]int64
}

func (s *shelf) Version() uint64              { return s.version }
func (s *shelf) Products() []*catalog.Product { return slices.Clone(s.rows) }
func (s *shelf) InStock(id catalog.ProductID, at catalog.StoreID) bool {
	return !s.gone[string(id)] && !s.gone[string(id)+"@"+string(at)]
}

func (s *shelf) Count(id catalog.ProductID, at catalog.StoreID) (int64, bool) {
	n, ok := s.counts[string(id)]
	return n, ok
}

func shop() *shelf {
	return &shelf{version: 1, gone: map[string]bool{}, rows: []*catalog.Product{
		{ID: "oat", Name: "Oat drink", Brand: "OATLY", Category: "DRINKS"},
		{ID: "cola", Name: "Cola", Brand: "FIZZ", Category: "DRINKS"},
		{ID: "yog", Name: "Oat yogurts", Brand: "OATLY", Category: "YOGURT"},
		{ID: "cow", Name: "Yogurt", Brand: "MUH", Category: "YOGURT"},
		{ID: "rye", Name: "Rye bread", Brand: "BAKER", Category: "BREAD"},
		{ID: "gas", Name: "Fuel", Category: "FUEL"},
	}}
}

// bought is a receipt of one shopper, a piece of each product.
func bought(who uint64, id string, ago retail.Day, store catalog.StoreID, products ...catalog.ProductID) event.Fact {
	day := today - ago
	r := basket.Receipt{ID: basket.ReceiptID(id), Store: store, Channel: catalog.InStore, At: day.UTC().Add(12 * time.Hour), Currency: "USD"}
	for _, p := range products {
		r.Lines = append(r.Lines, basket.Line{Product: p, Quantity: basket.Piece, Sales: 2 * retail.Unit})
	}
	return event.Fact{ID: id, At: r.At, Arrived: r.At, Day: day, Shopper: shopper.FromUint64(who), Source: "test", Body: event.Receipt{Receipt: r}}
}

func fold(t testing.TB, section []byte, facts ...event.Fact) []byte {
	t.Helper()
	all := make([]*event.Fact, len(facts))
	for i := range facts {
		all[i] = &facts[i]
	}
	out, err := recommend.Fold(section, all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// weigher weighs products of line items of their own, named after them, in one
// placement.
func weigher(r *recommend.Recommender, v *visit.Visit, products ...catalog.ProductID) func(section []byte, ppm []int32) {
	all := make([]visit.Candidate, len(products))
	for i, p := range products {
		all[i] = visit.Candidate{Product: p, Advertiser: "brand", LineItem: media.LineItemID(p)}
	}
	w := r.Weigher(v, all)
	var ask visit.Weighing
	return func(section []byte, ppm []int32) {
		ask.Visit, ask.Section, ask.Placements = v, section, []media.PlacementID{"top"}
		w.Weigh(&ask)
		copy(ppm, ask.Quality)
	}
}

// others is what everybody bought: in all gas, then rye, cow, yog, cola, oat;
// in store s2 oat alone.
func others() []event.Fact {
	var out []event.Fact
	for i := range 12 {
		products := []catalog.ProductID{"gas"}
		for p, n := range map[catalog.ProductID]int{"rye": 10, "cow": 8, "yog": 6, "cola": 4} {
			if i < n {
				products = append(products, p)
			}
		}
		out = append(out, bought(uint64(100+i), fmt.Sprint("o", i), retail.Day(i), "s1", products...))
	}
	return append(out, bought(90, "x1", 1, "s2", "oat"), bought(91, "x2", 200, "s2", "oat", "oat"), bought(92, "x3", 300, "s3", "oat"))
}

// trained is a Recommender over a real warehouse and a real directory.
func trained(t *testing.T, s *shelf) *recommend.Recommender {
	t.Helper()
	o := duck.Defaults()
	o.Check = subset.Check
	w, err := duck.Open(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: today.UTC(), Rows: history.Rows(others())}}); err != nil {
		t.Fatal(err)
	}
	dir := artefacts(t)
	for want := range uint64(3) {
		version, err := recommend.Train(t.Context(), w, dir, recommend.Training{Through: today, Days: recommend.DaysDefault})
		if err != nil || version != want+1 {
			t.Fatalf("version %d, %v; want %d", version, err, want+1)
		}
	}
	r := recommend.New(s, dir, recommend.Options{Never: catalog.Set{Categories: []catalog.Category{"FUEL"}}})
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func artefacts(t testing.TB) files.Files {
	t.Helper()
	d, err := dirfiles.Open(t.TempDir(), vfs.Default)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWhatIsProposed(t *testing.T) {
	t.Parallel()
	s := shop()
	s.gone["cow"], s.gone["cola@s9"] = true, true
	r := trained(t, s)
	hers := []event.Fact{
		bought(1, "a", 30, "s1", "oat", "rye", "gas"), bought(1, "b", 20, "s1", "oat", "yog"), bought(1, "c", 10, "s1", "cola"),
	}
	tests := map[string]struct {
		facts []event.Fact
		v     visit.Visit
		n     int
		want  string
	}{
		"what she buys most, then latest":             {hers, visit.Visit{}, 4, "oat bought_often 2; cola bought_often 1; yog bought_often 1; rye bought_often 1; "},
		"equally often and late: the more popular":    {[]event.Fact{bought(1, "a", 9, "s1", "oat", "rye", "cola")}, visit.Visit{}, 3, "rye bought_often 1; cola bought_often 1; oat bought_often 1; "},
		"more is asked than she buys":                 {hers[2:], visit.Visit{}, 3, "cola bought_often 1; rye popular 0; yog popular 0; "},
		"nobody known":                                {nil, visit.Visit{}, 3, "rye popular 0; yog popular 0; cola popular 0; "},
		"nobody known, at a store":                    {nil, visit.Visit{Store: "s2"}, 2, "oat popular_store 0; rye popular 0; "},
		"nobody known, on a category page":            {nil, visit.Visit{Category: "DRINKS"}, 3, "cola popular_category 0; oat popular_category 0; rye popular 0; "},
		"nobody known, searching":                     {nil, visit.Visit{Query: "OAT"}, 2, "yog matches_search 0; oat matches_search 0; "},
		"searching two words":                         {nil, visit.Visit{Query: "oat yogurt"}, 1, "yog matches_search 0; "},
		"searching what nobody sells":                 {nil, visit.Visit{Query: "caviar"}, 1, "rye popular 0; "},
		"she searches: her own first":                 {hers, visit.Visit{Query: "oat"}, 2, "oat bought_often 2; yog bought_often 1; "},
		"she searches what nobody sells: no habit":    {hers, visit.Visit{Query: "caviar"}, 1, "rye popular 0; "},
		"she is on a category page":                   {hers, visit.Visit{Category: "DRINKS"}, 3, "oat bought_often 2; cola bought_often 1; rye popular 0; "},
		"it lies in her basket":                       {hers, visit.Visit{Basket: []catalog.ProductID{"oat", "cola"}}, 1, "yog bought_often 1; "},
		"she is looking at it":                        {hers, visit.Visit{Product: "oat"}, 1, "cola bought_often 1; "},
		"out of stock at this store":                  {hers, visit.Visit{Store: "s9"}, 2, "oat bought_often 2; yog bought_often 1; "},
		"brought back only":                           {[]event.Fact{returned(bought(1, "a", 9, "s1", "oat"))}, visit.Visit{}, 1, "rye popular 0; "},
		"a correction takes the place of the receipt": {append(slices.Clone(hers), corrected(bought(1, "b", 20, "s1", "rye"))), visit.Visit{}, 2, "rye bought_often 2; cola bought_often 1; "},
		"none are asked":                              {hers, visit.Visit{}, 0, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			for _, p := range r.Propose(shopper.ID{}, fold(t, nil, tc.facts...), &tc.v, tc.n).Proposals {
				got += fmt.Sprintf("%s %s %d; ", p.Product, p.Reason, p.Count)
			}
			if got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func returned(f event.Fact) event.Fact {
	r := f.Body.(event.Receipt)
	r.Lines[0].Quantity, r.Lines[0].Sales = -basket.Piece, -2*retail.Unit
	return f
}

func corrected(f event.Fact) event.Fact {
	r := f.Body.(event.Receipt)
	r.Version = 1
	f.Version, f.Body = 1, r
	return f
}

func TestHowWellAProductFits(t *testing.T) {
	t.Parallel()
	r := trained(t, shop())
	var facts []event.Fact
	for i := range 7 {
		facts = append(facts, bought(1, fmt.Sprint("r", i), retail.Day(i), "s1", []catalog.ProductID{"oat"}...))
	}
	facts = append(facts, bought(1, "y", 2, "s1", "yog"))
	hers := fold(t, nil, facts...)
	tests := map[string]struct {
		section []byte
		v       visit.Visit
		want    []int32 // of oat, yog, rye, an unknown product, and oat again
	}{
		"nobody, nowhere in particular": {nil, visit.Visit{}, []int32{700_000, 700_000, 700_000, 700_000, 700_000}},
		"she, nowhere in particular":    {hers, visit.Visit{}, []int32{1_000_000, 760_000, 700_000, 700_000, 1_000_000}},
		"a search of two words":         {nil, visit.Visit{Query: "oat yogurt"}, []int32{400_000, 700_000, 100_000, 100_000, 400_000}},
		"a category page":               {nil, visit.Visit{Category: "YOGURT"}, []int32{100_000, 700_000, 100_000, 100_000, 100_000}},
		"a search within a category":    {nil, visit.Visit{Query: "oat", Category: "YOGURT"}, []int32{400_000, 700_000, 100_000, 100_000, 400_000}},
		"a search for what nobody has":  {hers, visit.Visit{Query: "caviar"}, []int32{400_000, 160_000, 100_000, 100_000, 400_000}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make([]int32, 5)
			weigher(r, &tc.v, "oat", "yog", "rye", "nope", "oat")(tc.section, got)
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// TestAnAssortmentWithoutAModelStillServes is the first minute of a new house.
func TestAnAssortmentWithoutAModelStillServes(t *testing.T) {
	t.Parallel()
	s := shop()
	r := recommend.New(s, artefacts(t), recommend.Options{})
	if got := r.Propose(shopper.ID{}, nil, &visit.Visit{}, 3).Proposals; len(got) != 0 {
		t.Errorf("an empty house proposes %v", got)
	}
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.Propose(shopper.ID{}, nil, &visit.Visit{Query: "bread"}, 3).Proposals; len(got) != 1 || got[0].Product != "rye" {
		t.Errorf("searching bread gives %v", got)
	}
	s.rows = append(s.rows, &catalog.Product{ID: "bun", Name: "Bread bun"})
	s.version++
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.Propose(shopper.ID{}, nil, &visit.Visit{Query: "bread"}, 3).Proposals; len(got) != 2 {
		t.Errorf("a new product is not found: %v", got)
	}
}

// TestAnyBatchesGiveEqualBytes folds the same facts in batches of different
// sizes through a real store.
func TestAnyBatchesGiveEqualBytes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 4))
	ids := []catalog.ProductID{"oat", "cola", "yog", "cow", "rye", "zz"}
	var facts []event.Fact
	for i := range 300 {
		var products []catalog.ProductID
		for range rng.IntN(6) {
			products = append(products, ids[rng.IntN(len(ids))])
		}
		f := bought(uint64(1+rng.IntN(9)), fmt.Sprint("r", i), retail.Day(rng.IntN(1500)), "s1", products...)
		facts = append(facts, f)
		if i%7 == 0 {
			facts = append(facts, corrected(bought(f.Shopper.Reveal(), f.ID, retail.Day(rng.IntN(300)), "s1", ids[rng.IntN(len(ids))])))
		}
		if i == 200 {
			facts = append(facts, event.Fact{ID: "gone", Shopper: shopper.FromUint64(4), Body: event.Forgotten{}})
		}
	}
	folded := func(size int) [][]byte {
		s, err := pebbleshelf.Open(t.Context(), t.TempDir(), pebbleshelf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f := recommend.Follower(s)
		for from := 0; from < len(facts); from += size {
			to := min(from+size, len(facts))
			if err := f.Fold(t.Context(), stream.Batch{Facts: facts[from:to], Next: event.Cursor(fmt.Sprintf("%06d", to))}); err != nil {
				t.Fatal(err)
			}
		}
		who := make([]shopper.ID, 9)
		for i := range who {
			who[i] = shopper.FromUint64(uint64(i + 1))
		}
		out, err := s.Sections(t.Context(), recommend.Section, who)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := folded(len(facts))
	for _, size := range []int{1, 13} {
		if got := folded(size); !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("batches of %d give other bytes", size)
		}
	}
}

// A card of the desk that takes goods back has receipts without end, and no habit.
func TestReceiptsWithoutAPurchaseDoNotPileUp(t *testing.T) {
	t.Parallel()
	var facts []event.Fact
	for i := range recommend.LinesMax + 300 {
		f := bought(1, fmt.Sprint("r", i), retail.Day(i/20), "s1", "oat")
		f.Body.(event.Receipt).Lines[0].Quantity = -basket.Piece
		facts = append(facts, f)
	}
	got, want := fold(t, nil, facts...), fold(t, nil, facts[:recommend.LinesMax]...)
	if !bytes.Equal(got, want) {
		t.Errorf("%d returns take %d bytes, the newest %d of them %d", len(facts), len(got), recommend.LinesMax, len(want))
	}
}

// FuzzHabits holds the decoder to bytes from a damaged store.
func FuzzHabits(f *testing.F) {
	s := shop()
	r := recommend.New(s, artefacts(f), recommend.Options{})
	if err := r.Refresh(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.Add(fold(f, nil, others()[:3]...))
	weigh := weigher(r, &visit.Visit{}, "oat")
	f.Add([]byte{2, 0, 0, 0, 0, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, section []byte) {
		for _, list := range visit.ListNames() {
			r.Propose(shopper.ID{}, section, &visit.Visit{List: list, Day: today, Product: "oat"}, 10)
		}
		weigh(section, make([]int32, 1))
		if again, err := recommend.Fold(section, nil); err == nil {
			if twice, err := recommend.Fold(again, nil); err != nil || !bytes.Equal(again, twice) {
				t.Errorf("a section that was read is written otherwise: %v", err)
			}
		}
	})
}

// BenchmarkRecommend is 300 habits over a range of 92,000 products.
func BenchmarkRecommend(b *testing.B) {
	rng := rand.New(rand.NewPCG(8, 8))
	s := &shelf{version: 1}
	for i := range 92_000 {
		s.rows = append(s.rows, &catalog.Product{
			ID: catalog.ProductID(fmt.Sprint(1_000_000 + i)), Name: fmt.Sprintf("word%d thing%d", i%5000, i%700), Brand: catalog.Brand(fmt.Sprint("b", i%3000)), Category: catalog.Category(fmt.Sprint("c", i%300)),
		})
	}
	r := recommend.New(s, artefacts(b), recommend.Options{})
	if err := r.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	var facts []event.Fact
	for i := range 60 {
		var products []catalog.ProductID
		for range 10 {
			products = append(products, catalog.ProductID(fmt.Sprint(1_000_000+rng.IntN(300)*300)))
		}
		facts = append(facts, bought(1, fmt.Sprint("r", i), retail.Day(i*3), "s1", products...))
	}
	section := fold(b, nil, facts...)
	candidates := make([]catalog.ProductID, 400)
	for i := range candidates {
		candidates[i] = catalog.ProductID(fmt.Sprint(1_000_000 + rng.IntN(92_000)))
	}
	ppm := make([]int32, len(candidates))
	for name, v := range map[string]*visit.Visit{"home": {}, "search": {Query: "word40 thing40"}, "category": {Category: "c7"}} {
		b.Run("propose_"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Propose(shopper.ID{}, section, v, 10)
			}
		})
		b.Run("weigh_"+name, func(b *testing.B) {
			b.ReportAllocs()
			weigh := weigher(r, v, candidates...)
			for b.Loop() {
				weigh(section, ppm)
			}
		})
		b.Run("page_"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				weigher(r, v, candidates...)
			}
		})
	}
}
