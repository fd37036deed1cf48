package basket_test

import (
	"math/bits"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"endcap/retail"
	"endcap/retail/basket"
)

func TestWhatIsOddAboutALine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		line basket.Line
		want []string
	}{
		"an ordinary line":            {basket.Line{Quantity: basket.Piece, Sales: retail.Unit, RetailDiscount: 1, CouponDiscount: 1}, nil},
		"given away with a coupon":    {basket.Line{Quantity: basket.Piece, Sales: retail.Unit, CouponDiscount: retail.Unit}, nil},
		"a coupon above the price":    {basket.Line{Quantity: basket.Piece, Sales: retail.Unit, CouponDiscount: retail.Unit + 1}, []string{"discount_over_sales"}},
		"a coupon row of its own":     {basket.Line{CouponDiscount: retail.Unit}, []string{"discount_over_sales", "quantity_zero"}},
		"nothing sold":                {basket.Line{Sales: retail.Unit}, []string{"quantity_zero"}},
		"a return":                    {basket.Line{Quantity: -basket.Piece, Sales: -retail.Unit}, []string{"negative_quantity", "negative_amount"}},
		"a return that gives no cash": {basket.Line{Quantity: -1}, []string{"negative_quantity"}},
		"a negative discount":         {basket.Line{Quantity: 1, RetailDiscount: -1}, []string{"negative_amount"}},
		"a negative match":            {basket.Line{Quantity: 1, CouponMatch: -1}, []string{"negative_amount"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, basket.LineMarks(&tt.line).Names()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestEveryMarkHasOneBitAndOneName(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	var all basket.Mark
	for _, m := range basket.Marks() {
		if bits.OnesCount16(uint16(m)) != 1 || all&m != 0 {
			t.Errorf("mark %b shares bits", m)
		}
		all |= m
		got := m.Names()
		if len(got) != 1 || names[got[0]] {
			t.Errorf("mark %b is named %v", m, got)
		}
		names[got[0]] = true
	}
	if len(all.Names()) != len(names) || !all.Has(basket.SalesRounded|basket.ProductUnknown) || basket.ProductUnknown.Has(basket.StoreUnknown) {
		t.Errorf("all marks are named %v", all.Names())
	}
}

func TestAReceiptsTotalIsTheSumOfItsLines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var r basket.Receipt
		var want int64
		for _, cents := range rapid.SliceOfN(rapid.Int64Range(-100_000, 100_000), 0, 50).Draw(t, "cents") {
			want += cents
			r.Lines = append(r.Lines, basket.Line{Sales: retail.Micros(cents) * retail.Cent})
		}
		if got := r.Total(); got != retail.Micros(want)*retail.Cent {
			t.Fatalf("got %v, want %d cents", got, want)
		}
	})
}
