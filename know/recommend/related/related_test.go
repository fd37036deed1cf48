package related_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"endcap/keep/warehouse"
	"endcap/know/recommend/related"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
)

func TestAVillage(t *testing.T) {
	t.Parallel()
	m := counted(t, village(), training())
	for name, ask := range map[string]func(*testing.T, *related.Model){
		"what goes with what": whatGoesWithWhat, "what is instead of what": whatIsInsteadOfWhat,
		"what is trending": whatIsTrending, "when she needs it again": whenSheNeedsItAgain,
	} {
		t.Run(name, func(t *testing.T) { ask(t, m) })
	}
}

func whatGoesWithWhat(t *testing.T, m *related.Model) {
	t.Helper()
	t.Parallel()
	for id, want := range map[catalog.ProductID]string{
		"pasta": "sauce ", // and not milk, though most receipts with pasta have milk
		"sauce": "pasta ",
		"oat2":  "", // nobody bought it yet
	} {
		if got := names(m, m.Complements(number(t, m, id))); got != want {
			t.Errorf("with %s go %q, want %q", id, got, want)
		}
	}
	if got := names(m, m.Complements(number(t, m, "yog1"))); strings.Contains(got, "yog") {
		t.Errorf("with one yogurt go %q, of which some are instead of it", got)
	}
	if lift := m.Complements(number(t, m, "pasta"))[0].Lift; lift < 1.5 || lift > 4 {
		t.Errorf("pasta and sauce are together %v times as often as by chance", lift)
	}
	if _, ok := m.Number(catalog.ProductID("gas").Hash()); ok {
		t.Error("fuel was counted")
	}
	if m.Receipts != 2_000 || m.Lost != [2]uint32{} {
		t.Errorf("%d receipts, lost %v", m.Receipts, m.Lost)
	}
}

func whatIsInsteadOfWhat(t *testing.T, m *related.Model) {
	t.Helper()
	t.Parallel()
	for id, want := range map[catalog.ProductID]string{
		"yog1":  "yog2 ", // she changes between the two
		"milk":  "",      // nothing is like it
		"oat":   "oat2 ", // neither was ever sold
		"oat2":  "oat ",
		"pasta": "",
	} {
		got := names(m, m.Substitutes(number(t, m, id)))
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("instead of %s are %q, want %q first", id, got, want)
		}
	}
}

func whatIsTrending(t *testing.T, m *related.Model) {
	t.Helper()
	t.Parallel()
	for _, at := range []catalog.StoreID{"s1", "", "a store that is new"} {
		rises := m.Trending(at)
		if len(rises) != 1 || m.ID(rises[0].No) != "ice" || rises[0].Receipts != 12 || math.Abs(float64(rises[0].Expected)-1) > 0.1 {
			t.Errorf("at %q: %+v", at, rises)
		}
	}
}

func whenSheNeedsItAgain(t *testing.T, m *related.Model) {
	t.Helper()
	t.Parallel()
	days := func(ago ...retail.Day) (out []retail.Day) {
		for _, a := range ago {
			out = append(out, today-a)
		}
		return out
	}
	tests := map[string]struct {
		product  string
		days     []retail.Day
		from, to retail.Day // when it is due, days after today
	}{
		"once: as others do":         {"wash", days(10), 16, 20},
		"her own habit, long":        {"wash", days(70, 56, 42, 28, 14, 1), 12, 17},
		"overdue":                    {"wash", days(58), -32, -28},
		"a product nobody bought":    {"oat2", days(1), 5, 27},
		"a product that is unknown":  {"new", days(1), 5, 27},
		"an early and a normal time": {"wash", days(29, 28, 1), 5, 27},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			due, ok := m.Due(&catalog.Product{ID: catalog.ProductID(tt.product), Category: "WASHING"}, tt.days, today)
			if on := due.On - today; !ok || on < tt.from || on > tt.to {
				t.Errorf("due in %d days, every %.1f; want %d to %d", on, due.Every, tt.from, tt.to)
			}
			before := 0.0
			for n := range 400 {
				p := due.Within(n)
				if math.IsNaN(p) || p < before || p > 1 || n == 0 && p != 0 {
					t.Fatalf("within %d days %v, within one less %v", n, p, before)
				}
				before = p
			}
		})
	}
	if _, ok := m.Due(&catalog.Product{ID: "wash"}, nil, today); ok {
		t.Error("what she never bought is due")
	}
	often, _ := m.Due(&catalog.Product{ID: "wash"}, days(113, 85, 57, 29), today)
	once, _ := m.Due(&catalog.Product{ID: "wash"}, days(29), today)
	if often.Within(7) <= once.Within(7) || often.Within(7) < 0.4 {
		t.Errorf("who bought it every four weeks: %v; who did once: %v", often.Within(7), once.Within(7))
	}
}

// Who does not allow offers from what she bought is followed by nobody; what is
// sensitive is followed of nobody.
func TestOfWhomNothingIsLearnt(t *testing.T) {
	t.Parallel()
	g := &grocer{rng: rand.New(rand.NewPCG(1, 1))}
	g.lists(product("pill", "Pill", "", "HEALTH", ""), product("tea", "Tea", "", "TEA", ""))
	for who := range uint64(60) {
		if who < 30 {
			g.allows(who + 1)
		}
		for n := range 10 {
			every := retail.Day(3) // those who allow nothing come ten times as often
			if who < 30 {
				every = 30
			}
			g.buys(who+1, retail.Day(n)*every+1, "s1", "pill", "tea")
		}
	}
	train := training()
	train.Sensitive = (&policy.Policy{Sensitive: []policy.Group{{Name: "health", Set: catalog.Set{Categories: []catalog.Category{"HEALTH"}}}}}).Shield()
	m := counted(t, g, train)
	tea, _ := m.Due(&catalog.Product{ID: "tea"}, []retail.Day{today}, today)
	if math.Abs(tea.Every-30) > 3 {
		t.Errorf("tea is bought every %.1f days", tea.Every)
	}
	plain := counted(t, g, training())
	pill, _ := m.Due(&catalog.Product{ID: "pill"}, []retail.Day{today}, today)
	followed, _ := plain.Due(&catalog.Product{ID: "pill"}, []retail.Day{today}, today)
	if own, all := m.Days, plain.Days; own != all {
		t.Fatal(own, all)
	}
	if pill.Within(40) == followed.Within(40) {
		t.Error("pills are followed though they are sensitive")
	}
}

// However it is read, the same history gives the same bytes; and where memory is
// short, what is common is still found.
func TestAnyPartsGiveEqualBytes(t *testing.T) {
	t.Parallel()
	w := village().history(t)
	save := func(change func(*related.Training)) []byte {
		train := training()
		change(&train)
		m, err := related.Count(t.Context(), w, train)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := m.Save(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	want := save(func(*related.Training) {})
	if got := save(func(tr *related.Training) { tr.Lines = 500 }); !bytes.Equal(got, want) {
		t.Error("read in parts, it is another model")
	}
	again, err := related.Load(bytes.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := again.Save(&b); err != nil || !bytes.Equal(b.Bytes(), want) {
		t.Errorf("a model that was read is written otherwise: %v", err)
	}
}

func TestAHouseWithoutHistory(t *testing.T) {
	t.Parallel()
	m := counted(t, &grocer{}, training())
	if m.Products() != 0 || len(m.Trending("s1")) != 0 || len(m.Complements(0)) != 0 || len(m.Substitutes(-1)) != 0 {
		t.Error("it knows of something")
	}
	due, ok := new(related.Model).Due(&catalog.Product{ID: "x"}, []retail.Day{today}, today)
	if !ok || due.On <= today || due.Within(7) <= 0 {
		t.Errorf("a product bought today is due %v", due)
	}
	for _, days := range []int{1, related.DaysMax + 1} {
		if _, err := related.Count(t.Context(), nil, related.Training{Through: today, Days: days}); err == nil {
			t.Errorf("%d days are counted", days)
		}
	}
}

// A pair is never counted too often, and too rarely by no more than the counter
// says.
func TestPairsAreCountedInBoundedMemory(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 3))
	c, truth := related.NewPairs(1_024), make(map[[2]int32]uint32)
	for range 200_000 {
		a, b := int32(rng.ExpFloat64()*20), int32(rng.ExpFloat64()*20)
		if a = min(a, related.CountedMax-1); a != b {
			c.Add(a, b)
			truth[[2]int32{min(a, b), max(a, b)}]++
		}
	}
	seen := 0
	c.Each(func(a, b int32, count uint32) {
		seen++
		if want := truth[[2]int32{a, b}]; count > want || count+c.Lost() < want || c.Of(b, a) != count {
			t.Fatalf("%d and %d: counted %d of %d, lost at most %d", a, b, count, want, c.Lost())
		}
	})
	if seen > 1_024 || c.Lost() == 0 || c.Lost() > 1_000 {
		t.Errorf("%d pairs in room for 1,024, lost at most %d of 200,000", seen, c.Lost())
	}
	for pair, n := range truth {
		if n > c.Lost() && c.Of(pair[0], pair[1]) == 0 {
			t.Fatalf("%v was counted %d times and is gone", pair, n)
		}
	}
	edge := related.NewPairs(10)
	edge.Add(related.CountedMax-1, related.CountedMax-2)
	edge.Add(0, 1)
	edge.Each(func(a, b int32, _ uint32) {
		if [2]int32{a, b} != [2]int32{0, 1} && [2]int32{a, b} != [2]int32{related.CountedMax - 2, related.CountedMax - 1} {
			t.Errorf("a pair became %d and %d", a, b)
		}
	})
}

func TestSizesOfPacks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		amount float64
		unit   byte
	}{
		"500 g": {500, 'g'}, "0,5kg": {500, 'g'}, "6 x 33 cl": {1_980, 'm'}, "6x33cl": {1_980, 'm'}, "1 LT": {1_000, 'm'}, "40 LB": {18_143.68, 'g'}, "12 CT": {12, 'p'},
		"Oat drink 1 l": {1_000, 'm'}, "": {}, "large": {}, "3": {}, "x": {}, "0 g": {}, "9999999 g": {}, "NaN g": {}, "Inf g": {}, "½ l": {},
	} {
		if amount, unit := related.SizeOf(text); math.Abs(amount-want.amount) > 1e-6 || unit != want.unit {
			t.Errorf("%q is %v %c", text, amount, unit)
		}
	}
}

// damaged spoils the newest version of the artefact.
func damaged(t *testing.T, dir string, version string, how func([]byte) []byte) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, related.Artefact, "*"+version))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	b, err := os.ReadFile(all[0])
	if err == nil {
		err = os.WriteFile(all[0], how(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestADamagedModelLetsTheFormerServeOn(t *testing.T) {
	t.Parallel()
	w, train := village().history(t), training()
	train.Days = 28
	d, dir := artefacts(t)
	k := related.NewKeeper(d)
	if err := k.Refresh(t.Context()); err != nil {
		t.Fatalf("before the first model: %v", err)
	}
	for want := range uint64(5) {
		if v, err := related.Train(t.Context(), w, d, train); err != nil || v != want+1 {
			t.Fatal(v, err)
		}
	}
	damaged(t, dir, "5", func(b []byte) []byte { return b[:len(b)/2] })
	damaged(t, dir, "4", func(b []byte) []byte { b[len(b)/3] ^= 4; return b })
	for range 2 { // the alarm goes on
		if err := k.Refresh(t.Context()); !errors.Is(err, related.ErrModel) {
			t.Fatalf("a cut model: %v", err)
		}
		if m, v := k.Now(); v != 3 || len(m.Complements(number(t, m, "pasta"))) != 1 {
			t.Errorf("version %d serves", v)
		}
	}
	if _, err := related.Train(t.Context(), w, d, train); err != nil {
		t.Fatal(err)
	}
	if err := k.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, v := k.Now(); v != 6 {
		t.Errorf("version %d serves after a whole one came", v)
	}
	damaged(t, dir, "6", func([]byte) []byte { return nil })
	if err := related.NewKeeper(d).Refresh(t.Context()); !errors.Is(err, related.ErrModel) {
		t.Errorf("an empty file: %v", err)
	}
}

// failing is a warehouse that breaks off.
type failing struct {
	*failingAfter
}

type failingAfter struct {
	related.Asker
	left int
}

var errBroken = errors.New("the disk is gone")

func (f failing) Query(ctx context.Context, q warehouse.Query) (*warehouse.Result, error) {
	if f.left--; f.left < 0 {
		return nil, errBroken
	}
	return f.Asker.Query(ctx, q)
}

func TestAWarehouseThatFailsLeavesTheOldModel(t *testing.T) {
	t.Parallel()
	w, train := village().history(t), training()
	train.Days = 28
	d, _ := artefacts(t)
	for _, left := range []int{0, 1, 2, 15, 29, 30, 31, 32, 33, 34} {
		if _, err := related.Train(t.Context(), failing{&failingAfter{w, left}}, d, train); err != nil && !errors.Is(err, errBroken) {
			t.Fatal(err)
		} else if v, none := d.Newest(t.Context(), related.Artefact); err != nil && none == nil {
			t.Fatalf("after %d questions version %d was left", left, v)
		} else if err == nil && left != 34 {
			t.Fatalf("it asked only %d questions", left)
		}
	}
}

// FuzzLoad holds the decoder to anybody's bytes: what it takes can be asked and
// written again as it was.
func FuzzLoad(f *testing.F) {
	m := counted(f, village(), training())
	var b bytes.Buffer
	if err := m.Save(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	for _, cut := range []int{0, 1, 20, 60, b.Len() - 33, b.Len() - 1} {
		f.Add(b.Bytes()[:cut])
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, text := range [][]byte{file, related.Sealed(file)} {
			m, err := related.Load(bytes.NewReader(text))
			if err != nil {
				if !errors.Is(err, related.ErrModel) {
					t.Fatal(err)
				}
				continue
			}
			for no := range int32(m.Products()) {
				for _, n := range slices.Concat(m.Complements(no), m.Substitutes(no)) {
					m.ID(n.No)
				}
				due, _ := m.Due(&catalog.Product{ID: m.ID(no)}, []retail.Day{today - 9, today}, today)
				if p := due.Within(7); math.IsNaN(p) || p < 0 || p > 1 {
					t.Fatalf("within seven days: %v", p)
				}
			}
			var again bytes.Buffer
			if err := m.Save(&again); err != nil {
				t.Fatal(err)
			}
			if _, err := related.Load(&again); err != nil {
				t.Fatalf("what was read cannot be read again: %v", err)
			}
		}
	})
}
