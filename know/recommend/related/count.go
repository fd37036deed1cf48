package related

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
)

// Asker is what Count must know of the warehouse.
type Asker interface {
	Query(ctx context.Context, q warehouse.Query) (*warehouse.Result, error)
}

// Training says what is counted.
type Training struct {
	Through retail.Day // the last business day
	Days    int        // 0 for DaysDefault
	// Never is proposed to nobody and counted for nothing.
	Never catalog.Set
	// Sensitive products are counted on receipts, and of no shopper; nil has none.
	Sensitive *policy.Shield
	// Room is for how many pairs there is memory, at eight bytes each, twice; 0 for
	// the default. Lines is how many lines are read at once, about; 0 likewise.
	Room, Lines int
}

// Check returns an error for a window that cannot be counted.
func (t *Training) Check() error {
	if t.Days < 2*weekDays || t.Days > DaysMax || t.Room < 0 || t.Lines < 0 {
		return fmt.Errorf("count %d days in room for %d pairs: days are %d to %d", t.Days, t.Room, 2*weekDays, DaysMax)
	}
	return nil
}

// The questions of Count. Those about receipts count nobody's in particular and are
// asked as totals of the business; the one that follows shoppers sees only those
// who allow offers from what they bought.
const (
	askProducts = `select product, name, brand, department, category, type, size, own_label from products order by product`
	askSold     = `
select product, count(*) as n, sum(quantity) as pieces, sum(sales) as sales from lines
where day > $1 and day <= $2 and quantity > 0
group by product order by n desc, product`
	askDay = `
select receipt, product from lines
where day = $1 and quantity > 0
group by receipt, product order by receipt, product`
	askShoppers = `
select shopper, product, day from lines
where day > $1 and day <= $2 and quantity > 0 and shopper >= $3 and shopper <= $4
group by shopper, product, day order by shopper, product, day`
	askRises = `
select product, count(*) filter (where day > $2) as now, count(*) filter (where day <= $2) as before from (
  select product, receipt, day from lines
  where day > $1 and day <= $3 and quantity > 0
  group by product, receipt, day
) bought
group by product
having count(*) filter (where day > $2) >= $4
order by product`
	askStoreRises = `
select store, product, now, before from (
  select store, product, now, before, row_number() over (partition by store order by now desc, product) as place from (
    select store, product, count(*) filter (where day > $2) as now, count(*) filter (where day <= $2) as before from (
      select store, product, receipt, day from lines
      where day > $1 and day <= $3 and quantity > 0
      group by store, product, receipt, day
    ) bought
    group by store, product
  ) counted
  where now >= $4
) placed
where place <= $5
order by store, now desc, product`
	askTrips = `
select store, count(*) filter (where day > $2) as now, count(*) filter (where day <= $2) as before
from receipts where day > $1 and day <= $3 and line_count > 0
group by store order by store`
)

// counting is a Count under way.
type counting struct {
	Training
	from Asker
	m    *Model

	rows     []*catalog.Product // by number; never nil
	prices   []retail.Micros    // by number
	number   map[catalog.ProductID]int32
	needs    []int32 // by number; -1 for none
	needed   int     // how many needs there are
	hidden   []bool  // by number: sensitive
	lines    int64   // in the window
	receipts []int64 // by number, of those below countedMax
	degree   []int64 // by number: other products on the same receipts
	degrees  int64
	together *counter
	rhythms  []rhythm // by number
	switched *counter
	switches []int64 // as degree, of shoppers within a need
	inNeed   []int64 // by need, the sum of switches
}

// Count counts a window of history. Its memory does not depend on how many lines,
// receipts or shoppers there are, but on the products, on Training's bounds and on
// the lines of the largest day; its time is linear in the lines.
func Count(ctx context.Context, from Asker, t Training) (*Model, error) {
	t.Days, t.Room, t.Lines = cmp.Or(t.Days, DaysDefault), cmp.Or(t.Room, pairsDefault), cmp.Or(t.Lines, linesChunk)
	if err := t.Check(); err != nil {
		return nil, err
	}
	c := &counting{Training: t, from: from, m: &Model{Through: t.Through, Days: t.Days}}
	for _, step := range []func(context.Context) error{c.products, c.onReceipts, c.byShoppers, c.trends} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("count related products: %w", err)
		}
	}
	c.complements()
	c.substitutes()
	c.dues()
	if err := c.tune(ctx); err != nil {
		return nil, fmt.Errorf("tune related products: %w", err)
	}
	c.m.index()
	return c.m, nil
}

func (c *counting) after() retail.Day { return c.Through - retail.Day(c.Days) }

func (c *counting) ask(ctx context.Context, name, sql string, purpose warehouse.Purpose, args ...any) (*warehouse.Result, error) {
	return c.from.Query(ctx, warehouse.Query{Name: "recommend.related_" + name, Purpose: purpose, SQL: sql, Args: args})
}

// products numbers what is sold or listed, what is sold most first.
func (c *counting) products(ctx context.Context) error {
	listed, err := c.ask(ctx, "products", askProducts, warehouse.Accounting)
	if err != nil {
		return err
	}
	sold, err := c.ask(ctx, "sold", askSold, warehouse.Accounting, c.after(), c.Through)
	if err != nil {
		return err
	}
	catalogue := make(map[catalog.ProductID]*catalog.Product, listed.Len)
	col := listed.Columns
	for i := range listed.Len {
		p := &catalog.Product{
			ID: catalog.ProductID(col[0].Texts[i]), Name: col[1].Texts[i], Brand: catalog.Brand(col[2].Texts[i]), Department: catalog.Department(col[3].Texts[i]),
			Category: catalog.Category(col[4].Texts[i]), Type: catalog.Type(col[5].Texts[i]), Size: col[6].Texts[i], OwnLabel: col[7].Bools[i],
		}
		catalogue[p.ID] = p
	}
	never := c.Never.Matcher()
	c.number = make(map[catalog.ProductID]int32, len(catalogue))
	take := func(p *catalog.Product, price retail.Micros) {
		if _, there := c.number[p.ID]; there || never.Has(p) {
			return
		}
		c.number[p.ID] = int32(len(c.rows))
		c.rows, c.prices, c.m.ids = append(c.rows, p), append(c.prices, price), append(c.m.ids, p.ID)
		c.hidden = append(c.hidden, c.Sensitive.Hides(p))
	}
	for i := range sold.Len {
		id := catalog.ProductID(sold.Columns[0].Texts[i])
		c.lines += sold.Columns[1].Ints[i]
		p := catalogue[id]
		if p == nil {
			p = &catalog.Product{ID: id}
		}
		take(p, retail.Micros(float64(sold.Columns[3].Ints[i])/float64(sold.Columns[2].Ints[i])*1_000)) // quantities are thousandths
	}
	for i := range listed.Len {
		take(catalogue[catalog.ProductID(col[0].Texts[i])], 0)
	}
	c.numberNeeds()
	return nil
}

func (c *counting) numberNeeds() {
	needs := make(map[string]int32)
	c.needs = make([]int32, len(c.rows))
	for no, p := range c.rows {
		c.needs[no] = -1
		if name := needOf(p); name != "" {
			at, ok := needs[name]
			if !ok {
				at = int32(len(needs))
				needs[name] = at
			}
			c.needs[no] = at
		}
	}
	c.needed = len(needs)
}

// onReceipts counts what is bought together, a day at a time.
func (c *counting) onReceipts(ctx context.Context) error {
	c.together = newCounter(c.Room)
	n := min(len(c.rows), countedMax)
	c.receipts, c.degree = make([]int64, n), make([]int64, n)
	var basket []int32
	for day := c.after() + 1; day <= c.Through; day++ {
		r, err := c.ask(ctx, "day", askDay, warehouse.Accounting, day)
		if err != nil {
			return err
		}
		receipts, products := r.Columns[0].Texts, r.Columns[1].Texts
		for i := 0; i < r.Len; {
			basket = basket[:0]
			from := i
			for ; i < r.Len && receipts[i] == receipts[from]; i++ {
				if no, ok := c.number[catalog.ProductID(products[i])]; ok && int(no) < n {
					basket = append(basket, no)
				}
			}
			c.receipt(basket)
		}
	}
	c.m.Lost[0] = c.together.lost
	return nil
}

// receipt counts one receipt's products. Of a longer one, as many as are counted
// are taken evenly from those sold most to those sold least.
func (c *counting) receipt(basket []int32) {
	if len(basket) == 0 {
		return
	}
	c.m.Receipts++
	slices.Sort(basket)
	if long := len(basket); long > receiptMax {
		for i := range receiptMax {
			basket[i] = basket[i*long/receiptMax]
		}
		basket = basket[:receiptMax]
	}
	for i, a := range basket {
		c.receipts[a]++
		c.degree[a] += int64(len(basket) - 1)
		for _, b := range basket[:i] {
			c.together.add(a, b)
		}
	}
	c.degrees += int64(len(basket)) * int64(len(basket)-1)
}

// byShoppers follows shoppers: when they buy again, and between what they change.
func (c *counting) byShoppers(ctx context.Context) error {
	c.switched = newCounter(c.Room)
	c.rhythms = make([]rhythm, len(c.rows))
	c.switches, c.inNeed = make([]int64, len(c.rows)), make([]int64, c.needed)
	err := c.each(ctx, c.follow)
	c.m.Lost[1] = c.switched.lost
	return err
}

// each calls f with what every shopper bought. Some are read at a time: a part of
// the range of their ids.
func (c *counting) each(ctx context.Context, f func(*life)) error {
	parts := uint64(c.lines/int64(c.Lines)) + 1
	step := math.MaxUint64/parts + 1 // 0, for all of it, where there is one part
	var life life
	for part := range parts {
		from, to := int64(part*step+1<<63), int64((part+1)*step-1+1<<63)
		if part == parts-1 {
			to = math.MaxInt64
		}
		r, err := c.ask(ctx, "shoppers", askShoppers, warehouse.Purpose(consent.PersonalOffers.String()), c.after(), c.Through, from, to)
		if err != nil {
			return err
		}
		who, products, days := r.Columns[0].Ints, r.Columns[1].Texts, r.Columns[2].Ints
		for i := 0; i < r.Len; {
			life.reset()
			from := i
			for ; i < r.Len && who[i] == who[from]; i++ {
				if no, ok := c.number[catalog.ProductID(products[i])]; ok && !c.hidden[no] {
					life.add(no, retail.Day(days[i]))
				}
			}
			f(&life)
		}
	}
	return nil
}

// life is what one shopper bought, and on which days.
type life struct {
	days   []retail.Day
	bought []bought
}

// bought is one product of hers: its days are from to to among the life's.
type bought struct {
	no, need int32
	from, to int
}

func (l *life) reset() { l.days, l.bought = l.days[:0], l.bought[:0] }

// add takes in a purchase; those of a product come one after the other, by day.
func (l *life) add(no int32, day retail.Day) {
	if n := len(l.bought); n == 0 || l.bought[n-1].no != no {
		l.bought = append(l.bought, bought{no: no, from: len(l.days)})
	}
	l.days = append(l.days, day)
	l.bought[len(l.bought)-1].to = len(l.days)
}

// follow counts one shopper.
func (c *counting) follow(l *life) {
	watched := c.Through - retail.Day(c.Days/2)
	for i := range l.bought {
		b := &l.bought[i]
		b.need = c.needs[b.no]
		r, days := &c.rhythms[b.no], l.days[b.from:b.to]
		for j, day := range days {
			if j < 2 && day <= watched {
				r.returns.watched[j]++
				if j+1 < len(days) {
					r.returns.back[j]++
				}
			}
			if j > 0 {
				r.gaps[binOf(int(day-days[j-1]))]++
			}
			if j > 1 {
				r.differ.add(int(day-days[j-1]), int(days[j-1]-days[j-2]))
			}
		}
	}
	slices.SortFunc(l.bought, func(a, b bought) int { return cmp.Or(cmp.Compare(a.need, b.need), cmp.Compare(a.no, b.no)) })
	for i := 0; i < len(l.bought); {
		from := i
		for ; i < len(l.bought) && l.bought[i].need == l.bought[from].need; i++ {
		}
		if l.bought[from].need >= 0 {
			c.switching(l, l.bought[from:min(i, from+needMax)])
		}
	}
}

// switching counts which products of one need she changes between: both were hers,
// and seldom on one day.
func (c *counting) switching(l *life, need []bought) {
	for i := range need {
		a := &need[i]
		if int(a.no) >= countedMax {
			continue
		}
		c.switches[a.no] += int64(len(need) - 1)
		c.inNeed[a.need] += int64(len(need) - 1)
		for j := range need[:i] {
			b := &need[j]
			if both := common(l.days[a.from:a.to], l.days[b.from:b.to]); 2*both < min(a.to-a.from, b.to-b.from) {
				c.switched.add(a.no, b.no)
			}
		}
	}
}

// common counts days that two rising lists have in common.
func common(a, b []retail.Day) (n int) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch cmp.Compare(a[i], b[j]) {
		case -1:
			i++
		case 1:
			j++
		default:
			n, i, j = n+1, i+1, j+1
		}
	}
	return n
}
