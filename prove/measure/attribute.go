package measure

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// claims is what the touches of one campaign may claim between two changes of
// its terms: the products its line items advertise then, and its halo.
type claims struct {
	from       time.Time
	items      map[media.LineItemID]map[catalog.ProductID]bool
	advertised map[catalog.ProductID]bool // by any line item of the campaign
	halo       *catalog.Matcher
	window     retail.Day
}

// book holds the claims of every campaign, oldest first.
type book map[media.CampaignID][]*claims

func claimsOf(terms *Terms) book {
	all := make(book, len(terms.Campaigns))
	for id := range terms.Campaigns {
		all[id] = []*claims{terms.claimsAt(id, time.Time{})}
		for _, at := range terms.changes(id) {
			all[id] = append(all[id], terms.claimsAt(id, at))
		}
	}
	return all
}

// claimsAt compiles the terms of a campaign as they stood at an instant.
func (t *Terms) claimsAt(id media.CampaignID, at time.Time) *claims {
	c := t.campaignAt(id, at)
	out := &claims{
		from: at, items: make(map[media.LineItemID]map[catalog.ProductID]bool), advertised: make(map[catalog.ProductID]bool),
		halo: c.Halo.Matcher(), window: retail.Day(c.WindowDays),
	}
	for _, name := range sortedItems(t, id) {
		item, begun := validAt(t.LineItemsPast[name], t.LineItems[name], at)
		own := make(map[catalog.ProductID]bool, len(item.Products))
		for _, p := range item.Products {
			own[p] = true
			if begun {
				out.advertised[p] = true
			}
		}
		out.items[name] = own
	}
	return out
}

// of is what a touch may claim, nil for a campaign that nobody booked.
func (b book) of(t *Touch) *claims {
	versions := b[t.Campaign]
	for i, v := range slices.Backward(versions) {
		if i == 0 || !v.from.After(t.At) {
			return v
		}
	}
	return nil
}

// has reports whether the campaign may claim a product.
func (c *claims) has(p *catalog.Product) bool { return c.advertised[p.ID] || c.halo.Has(p) }

// Attribute gives each line of the evidence to at most one touch, under the
// evidence's model, and returns those that fell to the campaign asked about, by
// shopper, time and line.
//
// A window is counted in business days: a touch on the 3rd with a window of 14
// days claims sales from its own instant to the end of the 17th. A return
// (negative sales) inside the window subtracts where it falls; one after the
// window changes nothing. What a touch may claim, and for how long, is what the
// terms said at its instant.
func Attribute(e *Evidence) []Sale {
	all := claimsOf(&e.Terms)
	if all[e.Ask.Campaign] == nil {
		return nil
	}
	touches, lines := slices.Clone(e.Touches), slices.Clone(e.Lines)
	slices.SortFunc(touches, compareTouches)
	slices.SortFunc(lines, compareLines)
	var out []Sale
	person := uint32(0)
	for len(lines) > 0 {
		who := lines[0].Shopper
		n := sort.Search(len(lines), func(i int) bool { return lines[i].Shopper.Reveal() > who.Reveal() })
		hers := touchesOf(touches, who)
		before := len(out)
		for i := range lines[:n] {
			l := &lines[i]
			t := lastTouch(hers, l, all)
			if t == nil || t.Campaign != e.Ask.Campaign || l.Day > e.Ask.Through {
				continue
			}
			own := all.of(t)
			out = append(out, Sale{
				Person: person, Receipt: l.Receipt, Number: l.Number, Day: l.Day, Channel: l.Channel, LineItem: t.LineItem,
				Token: t.Token, SameSKU: own.items[t.LineItem][l.Product.ID], Sales: l.Sales, Newness: newness(e, t, lines[:n], own),
			})
		}
		if len(out) > before {
			person++
		}
		lines = lines[n:]
	}
	return out
}

func compareTouches(a, b Touch) int {
	return cmp.Or(cmp.Compare(a.Shopper.Reveal(), b.Shopper.Reveal()), a.At.Compare(b.At),
		cmp.Compare(a.Campaign, b.Campaign), cmp.Compare(a.LineItem, b.LineItem), cmp.Compare(a.Token, b.Token))
}

func compareLines(a, b Line) int {
	return cmp.Or(cmp.Compare(a.Shopper.Reveal(), b.Shopper.Reveal()), a.At.Compare(b.At),
		cmp.Compare(a.Receipt, b.Receipt), cmp.Compare(a.Number, b.Number))
}

// touchesOf is the run of one shopper's touches among all, oldest first.
func touchesOf(touches []Touch, who shopper.ID) []Touch {
	from := sort.Search(len(touches), func(i int) bool { return touches[i].Shopper.Reveal() >= who.Reveal() })
	to := sort.Search(len(touches), func(i int) bool { return touches[i].Shopper.Reveal() > who.Reveal() })
	return touches[from:to]
}

// lastTouch is the last of her touches that may claim l, nil if none may.
func lastTouch(hers []Touch, l *Line, all book) *Touch {
	for i := len(hers) - 1; i >= 0; i-- {
		t := &hers[i]
		c := all.of(t)
		if c == nil || t.At.After(l.At) || l.Day > t.Day+c.window {
			continue
		}
		if c.has(&l.Product) || c.items[t.LineItem][l.Product.ID] {
			return t
		}
	}
	return nil
}

// newness says whether she was new to the range at a touch. Where history does
// not reach back the whole look-back, nobody is called new or not.
func newness(e *Evidence, t *Touch, hers []Line, own *claims) Newness {
	from := t.Day - retail.Day(e.Ask.Lookback)
	if !e.Receipts || e.FirstDay > from {
		return Unknown
	}
	for i := range hers {
		l := &hers[i]
		if l.At.Before(t.At) && l.Day >= from && l.Quantity >= 0 && l.Sales > 0 && own.has(&l.Product) {
			return NotNew
		}
	}
	return New
}

// Total sums sales.
func Total(sales []Sale) retail.Micros {
	var sum retail.Micros
	for i := range sales {
		sum += sales[i].Sales
	}
	return sum
}
