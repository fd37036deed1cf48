package offer

import (
	"slices"

	"endcap/retail"
	terms "endcap/retail/offer"
)

// settler turns amounts by line into discounts with funding and VAT, offer by offer
// in order.
type settler struct {
	g    *goods
	paid []int64 // by line
}

func newSettler(g *goods) *settler { return &settler{g: g, paid: slices.Clone(g.gross)} }

// vat is the part of a price that is VAT, half a coin rounded up.
func vat(paid int64, ppm int) int64 {
	whole := int64(terms.PPMAll + ppm)
	return (2*paid*int64(ppm) + whole) / (2 * whole)
}

// add writes what an offer takes off lines, given in coins by line. The brand pays
// its share of the whole, rounded down, so that the odd coin is the retailer's; it is
// split over the lines by largest remainder. The VAT of a discount is by how much
// the VAT of what is paid for the line falls, so that a line's VATs sum.
func (s *settler) add(a *Answer, o *terms.Offer, code string, amounts map[int32]int64) {
	lines := make([]int32, 0, len(amounts))
	for line, amount := range amounts {
		if amount > 0 {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	weights, total := make([]int64, len(lines)), int64(0)
	for i, line := range lines {
		weights[i] = amounts[line]
		total += weights[i]
	}
	brand := retail.Apportion(nil, total*int64(o.Funding.BrandPPM)/terms.PPMAll, weights)
	for i, line := range lines {
		l := s.g.lines[line]
		d := Discount{
			Offer: o.ID, Version: o.Version, Coupon: code, Line: l.ID, Credit: o.Credit, Amount: s.money(weights[i]),
			Advertiser: o.Funding.Advertiser, Brand: s.money(brand[i]), Retailer: s.money(weights[i] - brand[i]), VATPPM: l.VATPPM,
		}
		if o.Credit {
			a.Credited += d.Amount
		} else {
			before := vat(s.paid[line], l.VATPPM)
			s.paid[line] -= weights[i]
			d.VAT = s.money(before - vat(s.paid[line], l.VATPPM))
			a.Off += d.Amount
		}
		a.Discounts = append(a.Discounts, d)
	}
}

func (s *settler) money(coins int64) retail.Micros { return retail.Micros(coins * s.g.coin) }

// close writes the lines and the sums.
func (s *settler) close(a *Answer) {
	for i, l := range s.g.lines {
		a.Lines = append(a.Lines, Bill{
			Line: l.ID, Gross: s.money(s.g.gross[i]), Paid: s.money(s.paid[i]), VATPPM: l.VATPPM, VAT: s.money(vat(s.paid[i], l.VATPPM)),
		})
		a.Gross += s.money(s.g.gross[i])
	}
	a.Paid = a.Gross - a.Off
}
