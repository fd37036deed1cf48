package offer

import (
	"cmp"
	"slices"

	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/media"
	terms "endcap/retail/offer"
)

// Discount is what one offer takes off one line, or credits for it, with who pays:
// Brand and Retailer sum to Amount. It is what the ledger posts, one entry each.
type Discount struct {
	Offer      terms.ID
	Version    uint64
	Coupon     string // the code that let it apply, if any
	Line       LineID
	Credit     bool // to her card; the line costs what it did
	Amount     retail.Micros
	Advertiser media.AdvertiserID // pays Brand; empty where the retailer pays all
	Brand      retail.Micros
	Retailer   retail.Micros
	VATPPM     int
	VAT        retail.Micros // by how much the line's VAT falls; 0 of a credit
}

// Bill is what one line costs after all discounts.
type Bill struct {
	Line   LineID
	Gross  retail.Micros // before any
	Paid   retail.Micros
	VATPPM int
	VAT    retail.Micros // held in Paid
}

// Use is one offer that applies, and so uses one of each of its limits.
type Use struct {
	Offer   terms.ID
	Version uint64
	Coupon  string
	Clipped bool
	Credit  bool
	Amount  retail.Micros // 0 of a coupon that is used up whatever it gives
}

// Refusal says why an offer that reduces something in the basket, or whose coupon
// was presented, does not apply.
type Refusal struct {
	Offer  terms.ID
	Coupon string
	terms.Verdict
}

// Answer is what a basket gets. Lists are in order: offers as they apply, lines by
// id, refusals by offer and code.
type Answer struct {
	Currency  retail.Currency
	Discounts []Discount // credits too
	Lines     []Bill
	Used      []Use
	Refused   []Refusal
	Gross     retail.Micros
	Off       retail.Micros // discounts without credits
	Credited  retail.Micros
	Paid      retail.Micros // Gross less Off
	Exact     bool          // no other set of the offers is worth more; else the best that was found
}

// Evaluate works out what a basket gets. It changes nothing and uses nothing up:
// the same arguments give the same answer, whatever the order of the lines. It
// returns a *retail.Error where basket or context are not within the limits.
func (b *Book) Evaluate(k *Basket, c *Context) (Answer, error) {
	g, err := b.unpack(k)
	if err != nil {
		return Answer{}, err
	}
	if err := c.check(); err != nil {
		return Answer{}, err
	}
	t := &table{b: b, g: g, c: c, k: k}
	t.seat()
	t.choose()
	return t.answer(), nil
}

// Worth is what the offers with these ids take off and credit together, in order,
// leaving out those that may not stand beside one before them or that take nothing
// off: what any choice of offers is worth.
func (b *Book) Worth(k *Basket, c *Context, ids []terms.ID) (retail.Micros, error) {
	g, err := b.unpack(k)
	if err != nil {
		return 0, err
	}
	if err := c.check(); err != nil {
		return 0, err
	}
	t := &table{b: b, g: g, c: c, k: k}
	t.seat()
	of, list := newSet(len(t.live)), make([]int, len(t.live))
	for i := range t.live {
		list[i] = i
		if slices.Contains(ids, t.live[i].ID) {
			of.add(i)
		}
	}
	total, _ := newSearch(t.f, t.live).worth(of, list)
	return retail.Micros(total * g.coin), nil
}

// table is one evaluation under way.
type table struct {
	b       *Book
	g       *goods
	c       *Context
	k       *Basket
	f       *fold
	fresh   *fold // at shelf prices, with nothing applied; made when it is asked
	live    []live
	pools   int // groups of those
	refused []Refusal
	chosen  set
	exact   bool

	// most, where it is not nil, has only the offers that it names take part, each
	// for so many coins at most: those of a purchase that is partly reversed.
	most map[terms.ID]int64
}

// choose picks the offers that apply.
func (t *table) choose() {
	if t.b.rules.Choice == Ordered {
		t.chosen, t.exact = ordered(t.f, t.live), true
		return
	}
	effort := t.b.rules.Effort
	if effort == 0 {
		effort = EffortDefault
	}
	t.chosen, t.exact = choose(t.f, t.live, effort)
}

// seat finds the offers that could apply and refuses those that cannot.
func (t *table) seat() {
	t.f = newFold(t.g, 1)
	pools := map[int32]int32{}
	all := t.b.reach(t.g)
	coupons := t.coupons()
	for at := range coupons {
		if !slices.ContainsFunc(all, func(r reached) bool { return r.at == at }) {
			all = append(all, reached{at: at})
		}
	}
	slices.SortFunc(all, func(x, y reached) int { return cmp.Compare(x.at, y.at) })
	for _, r := range all {
		e, coupon := &t.b.entries[r.at], coupons[r.at]
		if e.Coupon.Required && coupon == nil {
			continue // nobody asked for it
		}
		if _, ok := t.most[e.ID]; t.most != nil && !ok {
			continue
		}
		if v := t.admits(e); v != (terms.Verdict{}) {
			t.refuse(e, coupon, v)
			continue
		}
		t.sit(live{entry: e, coupon: coupon, reduced: r.articles, budget: none, trim: e.Limits.Trim})
	}
	for i := range t.live {
		o := &t.live[i]
		n, ok := pools[o.group]
		if !ok {
			n = int32(len(pools))
			pools[o.group] = n
		}
		o.pool = n
	}
	t.pools = len(pools)
	t.f = newFold(t.g, t.pools)
}

// coupons finds the coupon by which each offer applies: the first by its code.
// Others of the offer, and those of no offer, are refused.
func (t *table) coupons() map[int32]*Coupon {
	found := map[int32]*Coupon{}
	all := t.c.presented()
	for i := range all {
		c := &all[i]
		at, ok := t.b.byID[c.Offer]
		switch {
		case !ok || !t.b.entries[at].Coupon.Required:
			t.refused = append(t.refused, Refusal{c.Offer, c.Code, terms.Verdict{Reason: terms.Unknown}})
		case found[at] != nil:
			t.refused = append(t.refused, Refusal{c.Offer, c.Code, terms.Verdict{Reason: terms.ExcludedBy, By: c.Offer}})
		default:
			found[at] = c
		}
	}
	return found
}

func (t *table) refuse(e *entry, coupon *Coupon, v terms.Verdict) {
	r := Refusal{Offer: e.ID, Verdict: v}
	if coupon != nil {
		r.Coupon = coupon.Code
	}
	t.refused = append(t.refused, r)
}

// admits says whether an offer holds here, now and for her, with a use left.
func (t *table) admits(e *entry) terms.Verdict {
	c, el := t.c, &e.Eligible
	no := func(r terms.Reason) terms.Verdict { return terms.Verdict{Reason: r} }
	switch {
	case e.Disabled:
		return no(terms.Disabled)
	case e.Currency != t.k.Currency:
		return no(terms.WrongCurrency)
	}
	if v := e.When(c.At, c.Zone); v != (terms.Verdict{}) {
		return v
	}
	switch {
	case e.channel != 0 && e.channel != c.Channel:
		return no(terms.WrongChannel)
	case e.stores != nil && !e.stores[c.Store]:
		return no(terms.WrongStore)
	case el.FirstPurchase && (!c.Shopper || !c.FirstPurchase),
		len(el.Audience) > 0 && !slices.ContainsFunc(el.Audience, func(id audience.ID) bool { return slices.Contains(c.Audiences, id) }),
		!c.Shopper && (e.Limits.Shopper > 0 || e.Credit),
		!c.Household && e.Limits.Household > 0:
		return no(terms.WrongShopper)
	}
	left, ok := c.Left[e.ID]
	l := &e.Limits
	switch {
	case !ok:
	case l.Shopper > 0 && left.Shopper <= 0:
		return no(terms.LimitShopper)
	case l.Household > 0 && left.Household <= 0:
		return no(terms.LimitHousehold)
	case l.Day > 0 && left.Day <= 0:
		return no(terms.LimitDay)
	case l.Total > 0 && left.Total <= 0:
		return no(terms.LimitCampaign)
	case l.Budget > 0 && left.Budget < e.Currency.Minor():
		return no(terms.BudgetExhausted)
	}
	return terms.Verdict{}
}

// sit adds an offer to those that could apply, unless its products, pieces or
// amount are not in the basket.
func (t *table) sit(o live) {
	g := t.g
	if l := &o.Limits; l.Budget > 0 {
		o.budget = int64(l.Budget) / g.coin
		if left, ok := t.c.Left[o.ID]; ok {
			o.budget = min(o.budget, int64(left.Budget)/g.coin)
		}
	}
	if most, ok := t.most[o.ID]; ok {
		o.budget, o.trim = most, true
	}
	for a := range g.articles {
		if o.Mechanic.Bought.Empty() && o.Spend.Amount == 0 && o.Spend.Pieces == 0 {
			break
		}
		p := g.articles[a].product
		if o.buying.Has(p) && !o.except.Has(p) {
			o.bought = append(o.bought, int32(a))
		}
		if (o.Spend.Amount > 0 || o.Spend.Pieces > 0) && (o.Spend.Products.Empty() || o.counting.Has(p)) {
			o.counts = append(o.counts, int32(a))
			for i := g.articles[a].from; i < g.articles[a].to; i++ {
				o.initial += g.price[i]
			}
		}
	}
	if o.most = t.alone(&o); o.most == 0 {
		v := terms.Verdict{Reason: terms.BasketNotMet}
		if !o.Coupon.Always || o.coupon == nil || len(o.reduced) == 0 || !t.f.reached(&o) {
			t.refuse(o.entry, o.coupon, v)
			return
		}
	}
	t.live = append(t.live, o)
}

// alone is what an offer takes off alone, at shelf prices and with the best pick,
// within its limits: it never takes off more.
func (t *table) alone(o *live) int64 {
	alone := *o
	if o.Mechanic.Pick == terms.Cheapest {
		e, of := *o.entry, *o.Offer
		of.Mechanic.Pick = terms.Dearest
		e.Offer, alone.entry = &of, &e
	}
	total, _ := t.f.work(&alone)
	if most := int64(o.Limits.Discount) / t.g.coin; most > 0 {
		total = min(total, most)
	}
	if o.budget != none {
		total = min(total, o.budget)
	}
	for _, a := range o.reduced {
		o.caps = append(o.caps, min(total, t.cap(o, &t.g.articles[a])))
	}
	return total
}

// cap is more than an offer can take off one article.
func (t *table) cap(o *live, a *article) int64 {
	n := int64(a.to - a.from)
	price, amount := t.g.price[a.from], int64(o.Mechanic.Amount)/t.g.coin
	switch {
	case o.Mechanic.Kind == terms.PercentOff && o.Mechanic.Base != terms.Initial:
		return percent(n*price, o.Mechanic.OffPPM) + 2 // coins that rounding may bring
	case o.Mechanic.Kind == terms.FixedPrice:
		return n * max(0, price-amount)
	case o.Mechanic.Each:
		return n * min(price, amount)
	}
	return n * price
}

// answer applies what was chosen and says all about it.
func (t *table) answer() Answer {
	a := Answer{Currency: t.k.Currency, Exact: t.exact}
	s := newSettler(t.g)
	for i := range t.live {
		if !t.chosen.has(i) {
			continue
		}
		o := &t.live[i]
		total := t.f.apply(o)
		amounts := make(map[int32]int64, len(t.f.parts))
		for _, p := range t.f.parts {
			amounts[t.g.line[p.piece]] += p.amount
		}
		s.add(&a, o.Offer, o.code(), amounts)
		a.Used = append(a.Used, o.use(total*t.g.coin))
	}
	for i := range t.live {
		if o := &t.live[i]; !t.chosen.has(i) {
			v, idle := t.why(i)
			if o.Coupon.Always && idle {
				a.Used = append(a.Used, o.use(0))
				continue
			}
			t.refuse(o.entry, o.coupon, v)
		}
	}
	s.close(&a)
	a.Refused = t.refused
	slices.SortFunc(a.Refused, func(x, y Refusal) int {
		return cmp.Or(cmp.Compare(x.Offer, y.Offer), cmp.Compare(x.Coupon, y.Coupon), cmp.Compare(x.Reason, y.Reason))
	})
	return a
}

func (o *live) code() string {
	if o.coupon == nil {
		return ""
	}
	return o.coupon.Code
}

func (o *live) use(amount int64) Use {
	u := Use{Offer: o.ID, Version: o.Version, Credit: o.Credit, Amount: retail.Micros(amount), Coupon: o.code()}
	if o.coupon != nil {
		u.Clipped = o.coupon.Clipped
	}
	return u
}

// why says why live offer i was not chosen; t's fold stands after all that were.
// idle says that it may stand beside those, and takes nothing off.
func (t *table) why(i int) (v terms.Verdict, idle bool) {
	o := &t.live[i]
	rival := terms.ID("")
	for j := range t.live {
		c := &t.live[j]
		if !t.chosen.has(j) {
			continue
		}
		before := t.b.rules.Choice == Ordered || c.shuts(o.entry)
		switch {
		case o.conflict(c.entry) && before, c.group == o.group && j < i && overlap(o.reduced, c.reduced):
			return terms.Verdict{Reason: terms.ExcludedBy, By: c.ID}, false
		case o.conflict(c.entry), c.group == o.group && overlap(o.reduced, c.reduced):
			return terms.Verdict{Reason: terms.LowerValueThan, By: c.ID}, false
		case rival == "" && overlap(o.reduced, c.reduced):
			rival = c.ID
		}
	}
	if t.fresh == nil {
		t.fresh = newFold(t.g, t.pools)
	}
	if alone, _ := t.fresh.gives(o); alone == 0 {
		if t.fresh.broke {
			return terms.Verdict{Reason: terms.BudgetExhausted}, false
		}
		return terms.Verdict{Reason: terms.BasketNotMet}, t.fresh.reached(o)
	}
	gives, _ := t.f.gives(o)
	switch {
	case gives == 0 && t.f.broke:
		return terms.Verdict{Reason: terms.BudgetExhausted}, false
	case gives == 0 && !t.f.reached(o):
		return terms.Verdict{Reason: terms.BasketNotMet}, false
	case gives == 0 && rival != "":
		return terms.Verdict{Reason: terms.ExcludedBy, By: rival}, true
	}
	for j := range t.live { // with it the others would give less: a threshold would be missed
		if t.chosen.has(j) && rival == "" {
			rival = t.live[j].ID
		}
	}
	return terms.Verdict{Reason: terms.LowerValueThan, By: rival}, false
}
