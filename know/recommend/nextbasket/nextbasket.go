// Package nextbasket says what a shopper will buy next: from what she bought
// before, when and how regularly; from what shoppers like her bought next; and
// from what the week's promotions put in front of her. Boosted trees weigh these
// signals; they are learnt from shoppers whose next basket is known.
//
// Everything is arithmetic on numbered products: no clock, no I/O, no chance but
// by a seed. The same code and the same search of settings serve every retailer
// (docs/decisions/nextbasket.md).
//
// On the road of a receipt, it has become part of a history here, and what comes
// out is proposed to her on her next visit.
package nextbasket

import "endcap/retail"

// Product is a product's number in a model, from 0.
type Product = int32

// Basket is what was bought at once: different products.
type Basket struct {
	Day      int32
	Products []Product
	Off      []uint8 // of each product, the discount in hundredths of its full price; nil where it is not known
}

// off is the discount of the k-th product, and whether it is known.
func (b *Basket) off(k int) (float32, bool) {
	if k < len(b.Off) {
		return float32(b.Off[k]), true
	}
	return 0, false
}

// History is one shopper's baskets, the oldest first. A basket may be empty where
// none of its products has a number.
type History []Basket

// Shopper is one shopper as models learn of her. Key is the caller's own for her,
// and not 0.
type Shopper struct {
	Key     uint64
	History History
}

// Range is what is known of the products themselves.
type Range struct {
	Products int
	Groups   [][]int32 // of each kind of group (category, type, …) the group of each product, −1 for none, below Products
	Hashes   []uint64  // of the products, by which a model is asked; nil where it is asked by numbers alone

	// Rest is called between the parts of long work, from one goroutine at a time. It
	// may wait, so that the work gives way, and its error ends the work; nil never does.
	Rest func() error
}

// rest calls Rest, where there is one.
func (r *Range) rest() error {
	if r.Rest == nil {
		return nil
	}
	return r.Rest()
}

// Query asks what a shopper will buy next.
type Query struct {
	Key     uint64 // 0 where she is nobody known
	History History
	Day     int32 // on which it is asked
	Plan    *Plan // nil where no promotions are known
}

// Plan is the promotions of a week as one shopper meets them. Slices are by
// product.
type Plan struct {
	Display, Mailer             []uint8   // how prominent in her store, 0 for not at all; nil where that store is not known
	DisplayShare, MailerShare   []float32 // in which share of the stores
	DisplayBefore, MailerBefore []float32 // in which share of the stores the week before
	DisplayUsual, MailerUsual   []float32 // in which share of the stores on average before
}

// Case is a query with its answer.
type Case struct {
	Query
	Truth []Product
}

// Cut is shoppers, and questions about them whose answers are known.
type Cut struct {
	Shoppers []Shopper
	Cases    []Case
}

// orderFolds is into how many parts ByOrder divides shoppers.
const orderFolds = 6

// ByOrder asks about each shopper's last basket what it holds, on the day of that
// basket, as if the back newest ones did not exist; for data that know the order of
// baskets and not their days, or are too short to be cut in time. Shoppers are
// divided into cuts: each asks about some and has all the others, so that nothing
// in a cut was worked out from its truth.
func ByOrder(shoppers []Shopper, back int) []Cut {
	cuts := make([]Cut, orderFolds)
	for i := range shoppers {
		s := shoppers[i]
		s.History = s.History[:max(len(s.History)-back, 0)]
		if len(s.History) == 0 {
			continue
		}
		fold := int(retail.Mix(s.Key) % orderFolds)
		for f := range cuts {
			if f != fold {
				cuts[f].Shoppers = append(cuts[f].Shoppers, s)
			}
		}
		if n := len(s.History) - 1; n > 0 && len(s.History[n].Products) > 0 {
			cuts[fold].Cases = append(cuts[fold].Cases, Case{Query{Key: s.Key, History: s.History[:n], Day: s.History[n].Day}, s.History[n].Products})
		}
	}
	return cuts
}

// ByDay asks on a day what each shopper who had bought before will buy in her
// first basket from that day on and before the day until. Nothing of that day or
// later is in the cut but the truth.
func ByDay(shoppers []Shopper, day, until int32) Cut {
	var c Cut
	for i := range shoppers {
		h := shoppers[i].History
		n := 0
		for n < len(h) && h[n].Day < day {
			n++
		}
		if n == 0 {
			continue
		}
		c.Shoppers = append(c.Shoppers, Shopper{shoppers[i].Key, h[:n]})
		if n < len(h) && h[n].Day < until && len(h[n].Products) > 0 {
			c.Cases = append(c.Cases, Case{Query{Key: shoppers[i].Key, History: h[:n], Day: day}, h[n].Products})
		}
	}
	return c
}
