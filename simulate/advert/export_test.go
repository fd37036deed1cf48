package advert

import "endcap/simulate/life"

// Chance is how likely a shopper's ad-stock makes a purchase on a trip on a day.
func (b *Book) Chance(shopper, day int, a life.About) float64 {
	for _, s := range b.stocks[shopper] {
		if s.about == a {
			b.fade(&s, day)
			return b.chance(shopper, &s)
		}
	}
	return 0
}
