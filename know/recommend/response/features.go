package response

import (
	"math"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"endcap/retail"
)

// feature is one group of coordinates: each of its values has one.
type feature uint8

// The features. Their numbers are part of what a kept model means: new ones go to
// the end, and none is given another meaning.
const (
	always feature = iota
	ofPlacement
	ofProduct
	ofBrand
	ofCategory
	ofAdvertiser
	ofLineItem
	ofTime
	ofMatch
	ofPrice
	ofPromotion
	ofPopularity
	ofScore
	popularInCategory
	placementCategory
	popularityValue
	scoreValue
	nobodyKnown
	nobodyPopular
	ofReceipts
	receiptsDays
	receiptsCategory
	receiptsShare
	receiptsPopular
	categoryPopular
	receiptsCategoryPopular
	receiptsBrand
	receiptsRegulars
	receiptsVariety
	receiptsProduct
	ofShown
	shownReceipts
	receiptsValue
	shareValue
	features
)

// names are what people read of features.
var names = [features]string{
	"always", "placement", "product", "brand", "category", "advertiser", "line_item", "time", "match", "price", "promotion",
	"popularity", "score", "popularity×category", "placement×category", "popularity_value", "score_value", "nobody_known", "nobody_known×popularity",
	"receipts", "receipts×days", "receipts×category_receipts", "receipts×share", "receipts×popularity", "category_receipts×popularity",
	"receipts×category_receipts×popularity", "receipts×brand_receipts", "receipts×category_regulars", "receipts×category_products", "receipts×product",
	"shown", "shown×receipts", "receipts_value", "share_value",
}

// example is a showing as coordinates of a model: at most one of each feature.
type example struct {
	n     int
	at    [features]uint32
	value [features]float64
	what  [features]feature
	shift uint8 // 64 less the bits of a coordinate
}

// put adds the coordinate of a feature's value: a number for each side of a cross.
func (e *example) put(f feature, value float64, sides ...uint64) {
	h := retail.Mix(uint64(f+1) * retail.GoldenGamma) // or features would meet where one's side is another's number
	for _, side := range sides {
		h = retail.Mix(h ^ side*retail.GoldenGamma)
	}
	e.at[e.n], e.value[e.n], e.what[e.n] = uint32(retail.Mix(h)>>e.shift), value, f
	e.n++
}

// id adds a feature that is a name, where there is one.
func (e *example) id(f feature, name string) uint64 {
	if name == "" {
		return 0
	}
	h := nameHash(name)
	e.put(f, 1, h)
	return h
}

// nameHash is a name as a side of a cross; no name is 0.
func nameHash(name string) uint64 {
	if name == "" {
		return 0
	}
	return xxhash.Sum64String(name)
}

// level is the bucket of a count: 0 to 4 each their own, then two for each doubling
// up to most.
func level(n, most int) uint64 {
	n = min(n, most)
	if n < 5 {
		return uint64(n)
	}
	high := bits.Len(uint(n)) - 1
	return uint64(2*high + n>>(high-1)&1 + 1)
}

// octave is the bucket of a positive number, half a doubling wide, within most
// doublings of one; 0 is none.
func octave(x, most float64) uint64 {
	if x <= 0 {
		return 0
	}
	return uint64(math.Round(2*min(max(math.Log2(x), -most), most)) + 2*most + 1)
}

// tenth is the bucket of a share; one that is not asked has its own.
func tenth(x float64) uint64 { return uint64(math.Round(10*x) + 10) }

// sides are what of a showing is crossed with how she stands to it.
type sides struct{ placement, product, popular uint64 }

// read lays a showing out. Its position is no feature: see the package doc.
func (e *example) read(sh *Showing, dimBits int) {
	s := e.common(sh, dimBits)
	e.relate(sh.Relation, s)
}

// common begins with what is the same for every shopper.
func (e *example) common(sh *Showing, dimBits int) sides {
	e.n, e.shift = 0, uint8(64-dimBits)
	e.put(always, 1)
	placement := e.id(ofPlacement, string(sh.Placement))
	product := e.id(ofProduct, string(sh.Product))
	e.id(ofBrand, string(sh.Brand))
	category := e.id(ofCategory, string(sh.Category))
	e.id(ofAdvertiser, string(sh.Advertiser))
	e.id(ofLineItem, string(sh.LineItem))
	popular := octave(sh.Popularity, 16)
	e.put(ofTime, 1, uint64(sh.Channel), uint64(sh.Hour/3))
	e.put(ofMatch, 1, placement, tenth(sh.Words), tenth(sh.Within))
	e.put(ofPrice, 1, octave(sh.Price, 4))
	e.put(ofPromotion, 1, tenth(sh.Cut), flags(sh.Display, sh.Mailer))
	e.put(ofPopularity, 1, popular)
	e.put(ofScore, 1, octave(sh.Score, 16))
	e.put(popularInCategory, 1, popular, category)
	e.put(placementCategory, 1, placement, category)
	if sh.Popularity > 0 {
		e.put(popularityValue, max(math.Log(sh.Popularity)/8, -2))
	}
	if sh.Score > 0 {
		e.put(scoreValue, min(max(math.Log(sh.Score)/8, -2), 2))
	}
	return sides{placement, product, popular}
}

// Counts beyond these are told apart no more.
const (
	receiptsMost = 64
	categoryMost = 512
	shownMost    = 32
	daysMost     = 512
)

// relate adds how she stands to the product; r is nil where that is not known.
func (e *example) relate(r *Relation, s sides) {
	if r == nil {
		e.put(nobodyKnown, 1, s.placement)
		e.put(nobodyPopular, 1, s.popular)
		return
	}
	n, c := level(r.Receipts, receiptsMost), level(r.CategoryReceipts, categoryMost)
	days := uint64(0)
	if r.Receipts > 0 {
		days = 1 + level(r.Days/7, daysMost/7)
	}
	part := float64(r.Receipts) / float64(max(r.Receipts, r.CategoryReceipts, 1))
	seen := level(r.Shown, shownMost)<<8 | level(r.Clicked, shownMost)
	e.put(ofReceipts, 1, n)
	e.put(receiptsDays, 1, n, days)
	e.put(receiptsCategory, 1, n, c)
	e.put(receiptsShare, 1, n, tenth(part))
	e.put(receiptsPopular, 1, n, s.popular)
	e.put(categoryPopular, 1, c, s.popular)
	e.put(receiptsCategoryPopular, 1, n, c, s.popular/2)
	e.put(receiptsBrand, 1, n, level(max(r.BrandReceipts-r.Receipts, 0), receiptsMost))
	e.put(receiptsRegulars, 1, n, level(r.CategoryRegulars, receiptsMost))
	e.put(receiptsVariety, 1, n, c, level(r.CategoryProducts, receiptsMost))
	e.put(receiptsProduct, 1, min(n, 3), s.product)
	e.put(ofShown, 1, seen)
	e.put(shownReceipts, 1, seen, n)
	e.put(receiptsValue, math.Log1p(float64(r.Receipts))/2)
	e.put(shareValue, part)
}

func flags(a, b bool) (out uint64) {
	if a {
		out = 1
	}
	if b {
		out |= 2
	}
	return out
}
