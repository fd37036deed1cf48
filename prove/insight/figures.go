package insight

import (
	"fmt"

	"endcap/prove/cleanroom"
	"endcap/prove/measure"
	"endcap/retail"
)

// figures lists the headline figures, each with how it was made.
func (b *builder) figures(effect *measure.Effect) []Figure {
	delivered := b.delivered(b.q.Ask.LastDelivered())
	spendThen := b.licence.Money(b.usd(b.delivered(b.edition).Spend))
	total := b.series.Total()
	out := []Figure{
		{ID: "spend", Name: "Spend", Value: b.licence.Money(b.usd(delivered.Spend)), How: b.howDelivery("charged clicks, by flight day")},
		{ID: "impressions", Name: "Impressions", Value: b.licence.Count(delivered.Impressions), How: b.howDelivery("sponsored products seen, once per token")},
		{ID: "clicks", Name: "Clicks", Value: b.licence.Count(delivered.Clicks), How: b.howDelivery("clicks that billing accepted, charged or free for want of budget")},
		{ID: "clicks_filtered", Name: "Clicks not counted", Value: b.licence.Count(delivered.Filtered), How: b.howDelivery("clicks that billing refused: repeats, robots, too late, over the hourly limit")},
		b.basketFigure(),
		{ID: "attributed_sales", Name: "Attributed sales", Value: total.Sales, How: b.how()},
		{ID: "purchases", Name: "Purchases", Value: total.Receipts, How: b.how()},
		{ID: "buyers", Name: "Buyers", Value: total.Buyers, How: b.how()},
		{ID: "roas", Name: "Return on ad spend", Value: total.Sales.Per(spendThen), How: b.howRatio("attributed sales divided by spend, both up to the same day; it says what followed a click, not what the advert caused")},
	}
	return append(out, b.effectFigures(effect, spendThen)...)
}

// basketFigure counts put-into-baskets; it has editions of its own.
func (b *builder) basketFigure() Figure {
	people := make(map[uint64]uint32)
	var cells []cleanroom.Cell
	for _, x := range b.e.Baskets {
		n, ok := people[x.Shopper.Reveal()]
		if !ok {
			n = uint32(len(people))
			people[x.Shopper.Reveal()] = n
		}
		cells = append(cells, cleanroom.Cell{Day: x.Day, Receipts: 1, People: []uint32{n}})
	}
	s := b.q.Policy.Editions(cells, b.c.Flight.From, b.q.Ask.Currency)
	how := b.how()
	how.Model = "sponsored products put into the basket, once per token"
	how.Window = "flight days " + days(b.c.Flight.From, b.c.Flight.To-1)
	how.Withheld = b.tail(s.Edition())
	return Figure{ID: "baskets", Name: "Put into basket", Value: s.Total().Receipts, How: how}
}

// behind is how many shoppers stand behind one side of an estimate: those who
// bought, or those whose earlier purchases adjust it, where these are fewer.
func behind(s *measure.Side) int {
	if s.Earlier == 0 {
		return s.Buyers
	}
	return min(s.Buyers, s.Earlier)
}

// effectFigures tells what the campaign caused.
func (b *builder) effectFigures(e *measure.Effect, spend cleanroom.Delivery) []Figure {
	value := cleanroom.Withhold(cleanroom.Reason(e.Absent))
	switch {
	case !b.told:
		value = cleanroom.Withhold(cleanroom.Few)
	case e.Known():
		value = b.q.Policy.Estimate(cleanroom.Estimate{Amount: e.Total, Low: e.Low, High: e.High, Currency: b.q.Ask.Currency}, behind(&e.Treated), behind(&e.Control))
	}
	how := b.how()
	how.Model = fmt.Sprintf("experiment: %s of shoppers held out by a hash of the campaign; shoppers who won the advert compared with shoppers who would have (ghost wins), difference of means times the treated, adjusted for what each spent on the range in the %d days before (CUPED), the groups' sizes told to the nearest ten",
		percent(b.c.ControlPPM), b.q.Ask.PreDays)
	until := "a day that is not told yet"
	if b.told {
		until = measure.LastDay(&b.c, b.edition).String()
	}
	how.Window = fmt.Sprintf("from each shopper's first (ghost) win to %s, at most %d days after the flight", until, b.c.WindowDays)
	how.Interval = "95 %, Student's t with Welch's degrees of freedom"
	if !e.Known() {
		how.Interval = "none: " + explain(cleanroom.Reason(e.Absent), b.q.Policy.ShoppersMin)
	}
	ratio := how
	ratio.Interval = "95 %, that of the incremental sales divided by the spend"
	if !e.Known() {
		ratio.Interval = how.Interval
	}
	low, high := value.PerInterval(spend)
	r := Figure{ID: "iroas", Name: "Incremental return on ad spend", Value: value.Per(spend), How: ratio}
	if _, known := value.Per(spend).Thousandths(); known {
		r.Low, r.High = low, high
	}
	return []Figure{{ID: "incremental_sales", Name: "Incremental sales", Value: value, How: how}, r}
}

// how is the making of an attributed figure.
func (b *builder) how() How {
	h := How{
		Window: fmt.Sprintf("touches in the flight %s; a sale counts from its touch to the end of the %s business day after it",
			days(b.c.Flight.From, b.c.Flight.To-1), ordinal(b.c.WindowDays)),
		Model:    string(b.q.Ask.Model) + ": " + modelText(b.q.Ask.Model),
		Scope:    fmt.Sprintf("shoppers who allow measurement; in store and online; the advertised products and the campaign's halo; returns within the window subtract; %s", b.q.Ask.Currency),
		Interval: "none: a sum, not an estimate",
		Withheld: b.tail(b.edition, b.told),
	}
	return h
}

// tail says which days at the end are not told.
func (b *builder) tail(edition retail.Day, told bool) string {
	k := b.q.Policy.ShoppersMin
	switch {
	case !told:
		return fmt.Sprintf("all: fewer than %d shoppers so far", k)
	case edition < b.q.Ask.Through:
		return fmt.Sprintf("what happened after %v: fewer than %d shoppers so far", edition, k)
	case b.q.Ask.Through < b.q.Ask.LastDelivered():
		return fmt.Sprintf("what happened after %v: that day is not over", edition)
	default:
		return "nothing"
	}
}

func (b *builder) howRatio(model string) How {
	h := b.how()
	h.Model += "; " + model
	return h
}

func (b *builder) howDelivery(what string) How {
	return How{
		Window: fmt.Sprintf("flight days %s, through %v", days(b.c.Flight.From, b.c.Flight.To-1), b.q.Ask.LastDelivered()),
		Model:  what, Scope: "all visits, whoever made them; " + string(b.q.Ask.Currency), Interval: "none: counted exactly", Withheld: "nothing",
	}
}

func modelText(m measure.Model) string {
	what := "click"
	if m == measure.LastImpression {
		what = "impression"
	}
	return "each receipt line goes to the last " + what + " before it among all campaigns of all advertisers that may claim its product, so no sale is counted twice"
}

// explain says a reason for withholding in words.
func explain(r cleanroom.Reason, k int) string {
	switch r {
	case cleanroom.Few:
		return fmt.Sprintf("fewer than %d shoppers", k)
	case cleanroom.Nothing:
		return "there is no such figure"
	case cleanroom.Reason(measure.FewShoppers):
		return fmt.Sprintf("fewer than %d shoppers in one of the groups", measure.ShoppersMin)
	case cleanroom.Reason(measure.FewBuyers):
		return fmt.Sprintf("fewer than %d buyers in one of the groups", measure.BuyersMin)
	case cleanroom.Reason(measure.NoControl):
		return "the campaign holds nobody out"
	case cleanroom.Reason(measure.NoEstimate):
		return "none of the campaigns has an estimate"
	case cleanroom.Reason(measure.RatioMismatch):
		return "the groups' sizes contradict the plan, so they cannot be compared"
	case cleanroom.Reason(measure.ControlChanged):
		return "the share held out was changed while the campaign ran"
	default:
		return string(r)
	}
}

func days(from, to retail.Day) string { return from.String() + " to " + to.String() }

// percent writes parts per million as a percentage: 100000 as "10 %".
func percent(ppm int) string {
	whole, rest := ppm/10_000, ppm%10_000
	if rest == 0 {
		return fmt.Sprintf("%d %%", whole)
	}
	return fmt.Sprintf("%d.%04d %%", whole, rest)
}

// ordinal writes 1 as "1st".
func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}
