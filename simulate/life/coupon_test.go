package life_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"endcap/simulate/life"
	"endcap/simulate/scenario"
)

// year is what somebody lives with coupons, or without.
type year struct {
	receipts map[int64]life.Receipt
	lines    map[int64][]life.Line
	moved    map[int64][]life.Moved
	spent    map[int32]int64 // by shopper, cents
}

func lived(t *testing.T, reach float64) (*life.World, year) {
	t.Helper()
	w := world(t, 3_000, 16, func(s *scenario.Scenario) { s.Returns, s.CouponReach = 0.1, reach })
	y := year{make(map[int64]life.Receipt), make(map[int64][]life.Line), make(map[int64][]life.Moved), make(map[int32]int64)}
	var b life.Batch
	for week := range w.Scenario.Weeks {
		p := w.Plan(week)
		w.Fill(p, 0, len(p.Visits), &b)
		for _, r := range b.Receipts {
			y.lines[r.ID] = slices.Clone(b.Lines[r.From:r.To])
			for _, l := range b.Lines[r.From:r.To] {
				y.spent[r.Shopper] += int64(l.Sales)
			}
			r.From, r.To = 0, 0
			y.receipts[r.ID] = r
		}
		for _, m := range b.Moved {
			y.moved[m.Receipt] = append(y.moved[m.Receipt], m)
		}
	}
	return w, y
}

// undone is a basket as its truth says that it would have been without coupons:
// products and amounts, in the order of products.
func undone(t *testing.T, lines []life.Line, moved []life.Moved) (out []life.Line) {
	t.Helper()
	out = slices.Clone(lines)
	for _, m := range moved {
		if m.Product >= 0 {
			i := slices.IndexFunc(out, func(l life.Line) bool { return l.Product == m.Product })
			if i < 0 || out[i].Coupon == 0 || out[i].Sales != m.With {
				t.Fatalf("%+v is not on its receipt", m)
			}
			out = slices.Delete(out, i, i+1)
		}
		if m.Instead >= 0 {
			out = append(out, life.Line{Product: m.Instead, Sales: m.Without})
		}
	}
	return bare(out)
}

func bare(lines []life.Line) (out []life.Line) {
	for _, l := range lines {
		out = append(out, life.Line{Product: l.Product, Sales: l.Sales, Coupon: l.Coupon})
	}
	slices.SortFunc(out, func(a, b life.Line) int { return cmp.Compare(a.Product, b.Product) })
	return out
}

// Every receipt with coupons is the one without, but for what the truth says.
func TestCouponsChangeNothingButWhatTheirTruthSays(t *testing.T) {
	t.Parallel()
	_, on := lived(t, 2)
	_, off := lived(t, 0)
	kinds := make(map[life.How]int)
	extra := make(map[int32]int64)
	for id, moved := range on.moved {
		for _, m := range moved {
			kinds[m.How]++
			extra[m.Shopper] += int64(m.With - m.Without)
			if m.How == life.Kept {
				if back, there := off.receipts[id]; !there || !back.Return || len(on.lines[id]) > 0 {
					t.Errorf("receipt %d, of which the truth says that nothing came back", id)
				}
				delete(off.receipts, id)
			}
		}
	}
	if len(off.moved) > 0 || len(on.receipts) != len(off.receipts) {
		t.Fatalf("%d receipts with coupons, %d without, of which %d are moved", len(on.receipts), len(off.receipts), len(off.moved))
	}
	changed := 0
	for id, r := range on.receipts {
		if r != off.receipts[id] {
			t.Errorf("receipt %+v with coupons, %+v without", r, off.receipts[id])
		}
		if moved := on.moved[id]; len(moved) > 0 {
			changed++
		}
		if got, want := undone(t, on.lines[id], on.moved[id]), bare(off.lines[id]); !slices.Equal(got, want) {
			t.Fatalf("receipt %d without its coupons:\n%v, want\n%v\n%+v", id, got, want, on.moved[id])
		}
	}
	for who, with := range on.spent {
		if with-extra[who] != off.spent[who] {
			t.Errorf("shopper %d spends %d cents with coupons and %d without; the truth says %d more", who, with, off.spent[who], extra[who])
		}
	}
	for _, how := range []life.How{life.How(life.Fresh), life.How(life.Switched), life.How(life.Own), life.How(life.Ahead), life.Missing} {
		if kinds[how] == 0 {
			t.Errorf("of %d receipts that coupons changed, none is %s", changed, how)
		}
	}
	t.Logf("%d receipts changed: %v", changed, kinds)
}

// Who is drawn to a brand takes its coupons, and who is keen takes more of them.
func TestCouponsMoveSomeMoreThanOthers(t *testing.T) {
	t.Parallel()
	w, on := lived(t, 2)
	var uses, prone, keen float64
	per := make(map[int32]float64)
	for _, moved := range on.moved {
		for _, m := range moved {
			if m.How == life.Missing || m.How == life.Kept {
				continue
			}
			c := &w.Campaigns()[m.Campaign].Coupons[m.Coupon]
			uses++
			prone += w.Prone(int(m.Shopper), life.About{Category: c.Category, Brand: c.Brand})
			keen += w.Keen(int(m.Shopper))
			per[m.Shopper]++
		}
	}
	if uses < 300 || prone/uses < 1.4 || keen/uses < 1.1 {
		t.Errorf("of %.0f coupons used the mean draw is %.2f and the mean keenness %.2f, 1 over all shoppers", uses, prone/uses, keen/uses)
	}
	var all, logs float64
	const n = 20_000
	for i := range n {
		x := w.Prone(i%3_000, life.About{Category: i / 3_000, Brand: 3})
		all += x / n
		logs += math.Log(x) * math.Log(x) / n
	}
	s := life.Planted().Prone
	if want := s*s + s*s*s*s/4; math.Abs(all-1) > 0.04 || math.Abs(logs-want) > 0.05 {
		t.Errorf("shoppers are drawn by %.3f on average, want 1; mean square of the logarithm %.3f, want %.3f", all, logs, want)
	}
}
