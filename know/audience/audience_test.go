package audience_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/registry"
	"endcap/keep/stream"
	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/keep/warehouse/subset"
	"endcap/know/audience"
	"endcap/know/history"
	"endcap/retail"
	sentence "endcap/retail/audience"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

var today = retail.Date(2017, time.December, 4)

// rows is a registry in memory and a range: only what a Book asks of them.
type rows struct {
	changes  []registry.Row
	products []*catalog.Product
	version  uint64
}

func (r *rows) Changes(_ context.Context, since uint64, limit int) ([]registry.Row, error) {
	var out []registry.Row
	for _, c := range r.changes {
		if c.Seq > since && len(out) < limit {
			out = append(out, c)
		}
	}
	return out, nil
}

func (r *rows) Version() uint64              { return r.version }
func (r *rows) Products() []*catalog.Product { return slices.Clone(r.products) }

func (r *rows) set(id string, text string) {
	doc, err := json.Marshal(map[string]string{"name": id, "sentence": text})
	if err != nil {
		panic(err)
	}
	r.changes = append(r.changes, registry.Row{Kind: registry.Audience, ID: id, Version: 1, Doc: doc, Removed: text == "", Seq: uint64(len(r.changes) + 1)})
}

func (r *rows) sell(p catalog.Product) {
	r.version++
	for i := range r.products {
		if r.products[i].ID == p.ID {
			r.products[i] = &p
			return
		}
	}
	r.products = append(r.products, &p)
}

func shop() *rows {
	r := &rows{}
	r.sell(catalog.Product{ID: "o1", Brand: "OATLY", Department: "GROCERY", Category: "DRINKS", Type: "OAT"})
	r.sell(catalog.Product{ID: "o2", Brand: "OATLY", Department: "GROCERY", Category: "YOGURT", Type: "OAT"})
	r.sell(catalog.Product{ID: "m1", Brand: "MUH", Department: "DAIRY", Category: "YOGURT", Type: "COW"})
	r.sell(catalog.Product{ID: "b1", Brand: "BAKER", Department: "BAKERY", Category: "BREAD", Type: "RYE"})
	return r
}

// bought is a receipt of one shopper; the lines are product, pieces, cents.
func bought(who uint64, id string, ago retail.Day, channel catalog.Channel, lines ...any) event.Fact {
	day := today - ago
	r := basket.Receipt{ID: basket.ReceiptID(id), Store: "s1", Channel: channel, At: day.UTC().Add(12 * time.Hour), Currency: "USD"}
	for i := 0; i < len(lines); i += 3 {
		r.Lines = append(r.Lines, basket.Line{
			Product: catalog.ProductID(lines[i].(string)), Quantity: basket.Quantity(lines[i+1].(int)) * basket.Piece, Sales: retail.Micros(lines[i+2].(int)) * retail.Cent,
		})
	}
	return event.Fact{ID: id, At: r.At, Arrived: r.At, Day: day, Shopper: shopper.FromUint64(who), Consent: consent.All, Source: "test", Body: event.Receipt{Receipt: r}}
}

func fold(t testing.TB, section []byte, facts ...event.Fact) []byte {
	t.Helper()
	all := make([]*event.Fact, len(facts))
	for i := range facts {
		all[i] = &facts[i]
	}
	out, err := audience.Fold(section, all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func member(t *testing.T, r *rows, section []byte, day retail.Day) []sentence.ID {
	t.Helper()
	b := audience.NewBook(r, r, nil)
	if err := b.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b.Members(section, day)
}

func TestWhoBelongsToAnAudience(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	tests := map[string]struct {
		text  string
		facts []event.Fact
		want  bool
	}{
		"bought the brand":                           {`bought brand "OATLY"`, []event.Fact{bought(1, "a", 5, catalog.InStore, "o1", 1, 200)}, yes},
		"bought another brand":                       {`bought brand "OATLY"`, []event.Fact{bought(1, "a", 5, catalog.InStore, "m1", 1, 200)}, no},
		"on the first of 30 days":                    {`bought brand "OATLY" within 30 days`, []event.Fact{bought(1, "a", 29, catalog.InStore, "o1", 1, 200)}, yes},
		"one day too long ago":                       {`bought brand "OATLY" within 30 days`, []event.Fact{bought(1, "a", 30, catalog.InStore, "o1", 1, 200)}, no},
		"two lines are one time":                     {`bought brand "OATLY" at least 2 times`, []event.Fact{bought(1, "a", 3, catalog.InStore, "o1", 1, 200, "o2", 1, 100)}, no},
		"two receipts are two times":                 {`bought brand "OATLY" at least 2 times`, []event.Fact{bought(1, "a", 3, catalog.InStore, "o1", 1, 200), bought(1, "b", 3, catalog.InStore, "o1", 1, 200)}, yes},
		"a return makes no time":                     {`bought brand "OATLY" at least 2 times`, []event.Fact{bought(1, "a", 3, catalog.InStore, "o1", 1, 200), bought(1, "b", 2, catalog.InStore, "o1", -1, -200)}, no},
		"a return takes its amount away":             {`bought brand "OATLY" for at least 3`, []event.Fact{bought(1, "a", 3, catalog.InStore, "o1", 1, 400), bought(1, "b", 2, catalog.InStore, "o1", -1, -200)}, no},
		"a return without a sign too":                {`bought brand "OATLY" for at least 3`, []event.Fact{bought(1, "a", 3, catalog.InStore, "o1", 1, 400), bought(1, "b", 2, catalog.InStore, "o1", -1, 200)}, no},
		"online is not in store":                     {`bought brand "OATLY" online`, []event.Fact{bought(1, "a", 3, catalog.InStore, "o1", 1, 400)}, no},
		"an unlisted product is still anything":      {`bought anything`, []event.Fact{bought(1, "a", 3, catalog.InStore, "zz", 1, 400)}, yes},
		"a product only the sentence knows":          {`bought product "zz"`, []event.Fact{bought(1, "a", 3, catalog.InStore, "zz", 1, 400)}, yes},
		"did not buy bread":                          {`not bought category "BREAD"`, []event.Fact{bought(1, "a", 3, catalog.InStore, "o1", 1, 400)}, yes},
		"did buy bread":                              {`not bought category "BREAD"`, []event.Fact{bought(1, "a", 3, catalog.InStore, "b1", 1, 400)}, no},
		"who bought nothing at all is nobody":        {`not bought category "BREAD"`, nil, no},
		"bought only after that day":                 {`not bought category "BREAD"`, []event.Fact{bought(1, "a", -3, catalog.InStore, "o1", 1, 400)}, no},
		"a correction takes the place":               {`bought brand "OATLY"`, []event.Fact{bought(1, "a", 5, catalog.InStore, "o1", 1, 200), corrected(bought(1, "a", 5, catalog.InStore, "b1", 1, 200), 1)}, no},
		"the old version comes late":                 {`bought brand "OATLY"`, []event.Fact{corrected(bought(1, "a", 5, catalog.InStore, "b1", 1, 200), 2), bought(1, "a", 5, catalog.InStore, "o1", 1, 200)}, no},
		"forgotten":                                  {`bought brand "OATLY"`, []event.Fact{bought(1, "a", 5, catalog.InStore, "o1", 1, 200), {Shopper: shopper.FromUint64(1), Body: event.Forgotten{}}}, no},
		"this and not that":                          {`bought brand "OATLY" and not bought brand "MUH"`, []event.Fact{bought(1, "a", 5, catalog.InStore, "o1", 1, 200)}, yes},
		"this but also that":                         {`bought brand "OATLY" and not bought brand "MUH"`, []event.Fact{bought(1, "a", 5, catalog.InStore, "o1", 1, 200, "m1", 1, 5)}, no},
		"more than three years before the last":      {`bought brand "OATLY"`, []event.Fact{bought(1, "a", 1200, catalog.InStore, "o1", 1, 200), bought(1, "b", 5, catalog.InStore, "b1", 1, 200)}, no},
		"a brand within a category":                  {`bought brand "OATLY" in category "YOGURT"`, []event.Fact{bought(1, "a", 5, catalog.InStore, "o2", 1, 200)}, yes},
		"the brand in another category":              {`bought brand "OATLY" in category "YOGURT"`, []event.Fact{bought(1, "a", 5, catalog.InStore, "o1", 1, 200, "m1", 1, 1)}, no},
		"no spend is asked, all was brought back":    {`bought brand "OATLY"`, []event.Fact{bought(1, "a", 5, catalog.InStore, "o1", 1, 200, "o1", -2, -400)}, yes},
		"a receipt of nothing still makes a shopper": {`not bought brand "OATLY"`, []event.Fact{bought(1, "a", 5, catalog.InStore)}, yes},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := sentence.Parse(tc.text); err != nil {
				t.Fatal(err)
			}
			r := shop()
			r.set("them", tc.text)
			if got := member(t, r, fold(t, nil, tc.facts...), today); (len(got) == 1) != tc.want {
				t.Errorf("%s: member of %v, want %v", tc.text, got, tc.want)
			}
		})
	}
}

func corrected(f event.Fact, version uint32) event.Fact {
	r := f.Body.(event.Receipt)
	r.Version = version
	f.Version, f.Body = version, r
	return f
}

// TestMembershipFollowsWhatPeopleChange changes sentence, catalogue and day, and
// asks again without folding anything.
func TestMembershipFollowsWhatPeopleChange(t *testing.T) {
	t.Parallel()
	r := shop()
	b := audience.NewBook(r, r, nil)
	section := fold(t, nil, bought(1, "a", 5, catalog.InStore, "o1", 1, 200))
	ask := func(step string, day retail.Day, want ...sentence.ID) {
		t.Helper()
		if err := b.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.Members(section, day); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", step, got, want)
		}
	}
	ask("no audiences", today)
	r.set("oats", `bought brand "OATLY" within 7 days`)
	r.set("cow", `bought brand "MUH"`)
	ask("set up", today, "oats")
	ask("a week later", today+2)
	r.set("oats", `bought brand "OATLY" within 10 days`)
	ask("a longer look-back", today+2, "oats")
	r.sell(catalog.Product{ID: "o1", Brand: "MUH"})
	ask("the product changed hands", today, "cow")
	r.set("cow", "")
	ask("removed", today)
	r.set("bad", "bought and or")
	if err := b.Refresh(t.Context()); err == nil {
		t.Error("a sentence that is none went unnoticed")
	}
	r.set("all", "bought anything")
	ask("the others still change", today, "all")
}

// draw makes a random sentence over the shop's words.
func draw(rng *rand.Rand, depth int) sentence.Node {
	if depth == 0 || rng.IntN(3) == 0 {
		rule := sentence.Rule{Times: 1 + rng.IntN(3), Channel: catalog.Channel(rng.IntN(3))}
		if rng.IntN(2) == 0 {
			rule.Days = 1 + rng.IntN(60)
		}
		if rng.IntN(3) == 0 {
			rule.Spend = retail.Micros(1+rng.IntN(900)) * retail.Cent
		}
		switch rng.IntN(7) {
		case 0:
			rule.Set.Everything = true
		case 1:
			rule.Set.Products = []catalog.ProductID{"o1", "zz"}
		case 2:
			rule.Set.Brands = []catalog.Brand{"OATLY"}
			rule.Set.Categories = []catalog.Category{"YOGURT", "BREAD"}
		case 3:
			rule.Set.Types = []catalog.Type{"COW", "RYE"}
		case 4:
			rule.Set.Departments = []catalog.Department{"GROCERY"}
			rule.Set.Products = []catalog.ProductID{"o2", "zz", "m1"}
		default:
			rule.Set.Brands = []catalog.Brand{catalog.Brand([]string{"OATLY", "MUH", "BAKER", "NONE"}[rng.IntN(4)])}
		}
		return sentence.Node{Rule: rule}
	}
	switch rng.IntN(3) {
	case 0:
		return sentence.Node{Op: sentence.Not, Of: []sentence.Node{draw(rng, depth-1)}}
	case 1:
		return sentence.Node{Op: sentence.And, Of: []sentence.Node{draw(rng, depth-1), draw(rng, depth-1)}}
	default:
		return sentence.Node{Op: sentence.Or, Of: []sentence.Node{draw(rng, depth-1), draw(rng, depth-1), draw(rng, depth-1)}}
	}
}

// lives makes random receipts of some shoppers, with corrections.
func lives(rng *rand.Rand, shoppers, receipts int) []event.Fact {
	products := []string{"o1", "o2", "m1", "b1", "zz"}
	var out []event.Fact
	for i := range receipts {
		var lines []any
		for range rng.IntN(5) {
			pieces := []int{1, 2, 0, -1}[rng.IntN(4)]
			cents := rng.IntN(600)
			if pieces < 0 && rng.IntN(2) == 0 {
				cents = -cents
			}
			lines = append(lines, products[rng.IntN(len(products))], pieces, cents)
		}
		f := bought(uint64(1+rng.IntN(shoppers)), fmt.Sprint("r", i), retail.Day(rng.IntN(80)-4), catalog.Channel(1+rng.IntN(2)), lines...)
		out = append(out, f)
		if rng.IntN(6) == 0 {
			again := bought(f.Shopper.Reveal(), f.ID, retail.Day(rng.IntN(80)), catalog.Online, products[rng.IntN(len(products))], 1, rng.IntN(500))
			out = append(out, corrected(again, 1))
		}
	}
	return out
}

// TestTheWarehouseAndTheProfileAgree counts random sentences over random
// histories both ways.
func TestTheWarehouseAndTheProfileAgree(t *testing.T) {
	t.Parallel()
	for name, shield := range map[string]*policy.Shield{"nothing hidden": nil, "yogurt and a product hidden": shielded()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agree(t, shield)
		})
	}
}

func agree(t *testing.T, shield *policy.Shield) {
	t.Helper()
	const seed = 20171204
	rng := rand.New(rand.NewPCG(seed, 1))
	o := duck.Defaults()
	o.Check = subset.Check
	w, err := duck.Open(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r := shop()
	facts := lives(rng, 40, 400)
	for i := range 40 {
		allowed := consent.All
		if i%8 == 7 {
			allowed = consent.All.Without(consent.PersonalAds)
		}
		facts = append(facts, event.Fact{ID: fmt.Sprint("c", i), At: today.UTC(), Arrived: today.UTC(), Day: today, Shopper: shopper.FromUint64(uint64(i + 1)), Body: event.Consent{Allowed: allowed}})
	}
	for i, p := range r.products {
		facts = append(facts, event.Fact{ID: fmt.Sprint("p", i), At: today.UTC(), Arrived: today.UTC(), Day: today, Body: event.Product{Product: *p}})
	}
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: today.UTC(), Rows: history.Rows(facts)}}); err != nil {
		t.Fatal(err)
	}
	sections := make(map[uint64][]byte)
	for i := range facts {
		if facts[i].Shopper.Known() {
			n := facts[i].Shopper.Reveal()
			sections[n] = fold(t, sections[n], facts[i])
		}
	}
	sizer := audience.NewSizer(w, shield)
	b := audience.NewBook(r, r, shield)
	sizes := map[int]int{}
	for round := range 120 {
		n := draw(rng, 3)
		if n.Check() != nil {
			continue
		}
		r.set("them", n.String())
		if err := b.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		day := today - retail.Day(rng.IntN(10))
		want := 0
		for who, section := range sections {
			if who%8 != 0 && len(b.Members(section, day)) == 1 {
				want++
			}
		}
		got, err := sizer.Size(t.Context(), n, day)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("seed %d round %d on %v: the warehouse counts %d, the profiles %d: %v", seed, round, day, got, want, n)
		}
		e, err := sizer.Explain(t.Context(), n, day)
		if err != nil {
			t.Fatal(err)
		}
		left := e.Shoppers
		for _, s := range e.Steps {
			if left -= s.Removed; left != s.Left || s.Left > s.Alone {
				t.Fatalf("round %d: the steps do not add up: %+v", round, e)
			}
		}
		if left != got || e.Size != got {
			t.Fatalf("round %d: explained as %d, counted %d", round, left, got)
		}
		sizes[got]++
	}
	if len(sizes) < 8 {
		t.Errorf("the sentences were too alike: sizes %v", sizes)
	}
}

// TestWhoSpentMoreThanALineCanHold sums lines that each fit into a column and
// together do not.
func TestWhoSpentMoreThanALineCanHold(t *testing.T) {
	t.Parallel()
	w, err := duck.Open(t.Context(), t.TempDir(), duck.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r := bought(1, "r", 2, catalog.InStore)
	line := basket.Line{Product: "oats", Quantity: basket.Piece, Sales: 900 * retail.MicrosMax}
	r.Body = event.Receipt{Receipt: basket.Receipt{ID: "r", Store: "s1", Channel: catalog.InStore, At: r.At, Currency: "USD", Lines: []basket.Line{line, line, line, line}}}
	allowed := event.Fact{ID: "c", At: r.At, Arrived: r.At, Day: r.Day, Shopper: r.Shopper, Body: event.Consent{Allowed: consent.All}}
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: today.UTC(), Rows: history.Rows([]event.Fact{allowed, r})}}); err != nil {
		t.Fatal(err)
	}
	n := sentence.Node{Rule: sentence.Rule{Set: catalog.Set{Products: []catalog.ProductID{"oats"}}, Times: 1, Spend: retail.MicrosMax, Days: 30}}
	if got, err := audience.NewSizer(w, nil).Size(t.Context(), n, today); err != nil || got != 1 {
		t.Errorf("%d shoppers (%v), want 1", got, err)
	}
}

// TestAnyBatchesGiveEqualBytes folds the same facts in batches of different
// sizes through a real store, and in one go.
func TestAnyBatchesGiveEqualBytes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 9))
	facts := lives(rng, 12, 300)
	facts = append(facts[:200], append([]event.Fact{{ID: "gone", Shopper: shopper.FromUint64(3), Body: event.Forgotten{}}}, facts[200:]...)...)
	folded := func(size int) [][]byte {
		s, err := pebbleshelf.Open(t.Context(), t.TempDir(), pebbleshelf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f := audience.Follower(s)
		for from := 0; from < len(facts); from += size {
			to := min(from+size, len(facts))
			b := stream.Batch{Facts: facts[from:to], Next: event.Cursor(fmt.Sprintf("%06d", to))}
			for range 2 { // the second is a repeat and changes nothing
				if err := f.Fold(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
		}
		who := make([]shopper.ID, 12)
		for i := range who {
			who[i] = shopper.FromUint64(uint64(i + 1))
		}
		out, err := s.Sections(t.Context(), audience.Section, who)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := folded(len(facts))
	for _, size := range []int{1, 7, 64} {
		if got := folded(size); !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("batches of %d give other bytes", size)
		}
	}
}

// FuzzMembers holds the decoder to bytes from a damaged store: it may answer
// nothing, it may not fall over, and what Fold takes it gives back.
func FuzzMembers(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	r := shop()
	for i := range 30 {
		r.set(fmt.Sprint("a", i), draw(rng, 3).String())
	}
	b := audience.NewBook(r, r, nil)
	if err := b.Refresh(f.Context()); err != nil {
		f.Fatal(err)
	}
	for range 5 {
		f.Add(fold(f, nil, lives(rng, 1, 20)...), int32(today))
	}
	f.Add([]byte{1, 0, 0}, int32(today))
	f.Fuzz(func(t *testing.T, section []byte, day int32) {
		b.Members(section, retail.Day(day))
		if again, err := audience.Fold(section, nil); err == nil {
			if twice, err := audience.Fold(again, nil); err != nil || !bytes.Equal(again, twice) {
				t.Errorf("a section that was read is written otherwise: %v", err)
			}
		}
	})
}

// BenchmarkMembers is 600 lines of 250 products on 60 receipts against 500
// audiences over a catalogue of 92,000 products.
func BenchmarkMembers(b *testing.B) {
	rng := rand.New(rand.NewPCG(8, 8))
	r := &rows{version: 1}
	for i := range 92_000 {
		r.products = append(r.products, &catalog.Product{
			ID: catalog.ProductID(fmt.Sprint(1_000_000 + i)), Brand: catalog.Brand(fmt.Sprint("b", i%3000)), Category: catalog.Category(fmt.Sprint("c", i%300)),
			Department: catalog.Department(fmt.Sprint("d", i%30)), Type: catalog.Type(fmt.Sprint("t", i%2000)),
		})
	}
	for i := range 500 {
		r.set(fmt.Sprintf("a%03d", i), fmt.Sprintf(`bought category "c%d" within %d days and not bought brand "b%d" at least 2 times`, rng.IntN(300), 30*(1+rng.IntN(4)), rng.IntN(3000)))
	}
	book := audience.NewBook(r, r, nil)
	if err := book.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	var facts []event.Fact
	for i := range 60 {
		var lines []any
		for range 10 {
			lines = append(lines, fmt.Sprint(1_000_000+rng.IntN(250)*367), 1, 100+rng.IntN(900))
		}
		facts = append(facts, bought(1, fmt.Sprint("r", i), retail.Day(i*3), catalog.InStore, lines...))
	}
	section := fold(b, nil, facts...)
	b.ReportMetric(float64(len(section)), "bytes")
	b.Run("members", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if len(book.Members(section, today)) == 0 {
				b.Fatal("nobody")
			}
		}
	})
	b.Run("fold", func(b *testing.B) {
		one := bought(1, "new", 0, catalog.Online, "1000367", 1, 250)
		b.ReportAllocs()
		for b.Loop() {
			fold(b, section, one)
		}
	})
	b.Run("refresh", func(b *testing.B) {
		for b.Loop() {
			r.sell(*r.products[5])
			if err := book.Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
