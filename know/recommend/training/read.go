package training

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"endcap/keep/warehouse"
	"endcap/know/recommend/nextbasket"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
)

// The questions of a training. Those that follow shoppers see only those who allow
// offers from what they bought; the shopper of a row is the person whom she is known
// as. Shoppers are drawn by their ids, which are random numbers: by the remainder of a
// division by a prime, the same every night.
const (
	askRange  = `select product, brand, department, category, type from products order by product`
	askBuyers = `
select count(*) as shoppers, coalesce(sum(n), 0) as lines from (
  select shopper, count(*) as n from lines
  where day > $1 and day <= $2 and quantity > 0 and shopper is not null
  group by shopper
) bought`
	askBaskets = `
select shopper, day, receipt, product from lines
where day > $1 and day <= $2 and quantity > 0 and shopper >= $3 and shopper <= $4 and abs(shopper % 1048573) < $5
group by shopper, day, receipt, product
order by shopper, day, receipt, product`
	buckets = 1_048_573
)

// data is a window of history as models learn from it.
type data struct {
	from, through retail.Day
	rng           nextbasket.Range
	shoppers      []nextbasket.Shopper
	cuts          []nextbasket.Cut // the newest first
	holdout       nextbasket.Cut   // after all of them
}

// small says that there is too little to learn from, or to judge by.
func (d *data) small() bool {
	n := 0
	for i := range d.cuts {
		n += len(d.cuts[i].Cases)
	}
	return n < casesMin || len(d.holdout.Cases) < holdoutMin
}

// reading is a read under way.
type reading struct {
	t        *Trainer
	after    retail.Day
	through  retail.Day
	number   map[catalog.ProductID]int32 // of the range; −1 for what is learnt of nobody
	products []catalog.Product           // by that number
	keys     []uint64
	baskets  [][]nextbasket.Basket // of each key, with numbers of the range
}

func (t *Trainer) ask(ctx context.Context, name, sql string, purpose warehouse.Purpose, args ...any) (*warehouse.Result, error) {
	r, err := t.cfg.From.Query(ctx, warehouse.Query{Name: "recommend.training_" + name, Purpose: purpose, SQL: sql, Args: args})
	if err != nil {
		return nil, fmt.Errorf("read what the model learns from: %w", err)
	}
	return r, nil
}

// read reads the window that ends with a day. Its memory depends on the range and on
// the settings' shoppers and days.
func (t *Trainer) read(ctx context.Context, through retail.Day) (*data, error) {
	r := &reading{t: t, after: through - retail.Day(t.cfg.Settings.Days), through: through}
	if err := r.readRange(ctx); err != nil {
		return nil, err
	}
	if err := r.readShoppers(ctx); err != nil {
		return nil, err
	}
	d := r.data()
	d.rng.Rest = func() error { return t.rest(ctx) }
	return d, nil
}

func (r *reading) readRange(ctx context.Context) error {
	rows, err := r.t.ask(ctx, "range", askRange, warehouse.Accounting)
	if err != nil {
		return err
	}
	never, col := r.t.cfg.Never.Matcher(), rows.Columns
	r.number = make(map[catalog.ProductID]int32, rows.Len)
	for i := range rows.Len {
		p := catalog.Product{
			ID: catalog.ProductID(col[0].Texts[i]), Brand: catalog.Brand(col[1].Texts[i]), Department: catalog.Department(col[2].Texts[i]),
			Category: catalog.Category(col[3].Texts[i]), Type: catalog.Type(col[4].Texts[i]),
		}
		if never.Has(&p) || r.t.cfg.Sensitive.Hides(&p) {
			r.number[p.ID] = -1
			continue
		}
		r.number[p.ID] = int32(len(r.products))
		r.products = append(r.products, p)
	}
	return nil
}

// readShoppers draws shoppers and reads what they bought, some at a time: a part of
// the range of their ids.
func (r *reading) readShoppers(ctx context.Context) error {
	purpose := warehouse.Purpose(consent.PersonalOffers.String())
	n, err := r.t.ask(ctx, "buyers", askBuyers, purpose, r.after, r.through)
	if err != nil {
		return err
	}
	all, lines, most := n.Columns[0].Ints[0], n.Columns[1].Ints[0], int64(r.t.cfg.Settings.Shoppers)
	drawn := int64(buckets)
	if all > most {
		drawn = max(buckets*most/all, 1)
		lines = lines * most / all
	}
	parts := uint64(lines/linesChunk) + 1
	step := math.MaxUint64/parts + 1 // 0, for all of it, where there is one part
	for part := range parts {
		if err := r.t.rest(ctx); err != nil {
			return err
		}
		from, to := int64(part*step+1<<63), int64((part+1)*step-1+1<<63)
		if part == parts-1 {
			to = math.MaxInt64
		}
		rows, err := r.t.ask(ctx, "baskets", askBaskets, purpose, r.after, r.through, from, to, drawn)
		if err != nil {
			return err
		}
		r.take(rows)
	}
	r.cut(int(most))
	return nil
}

// take takes in rows, which come by shopper, day and receipt.
func (r *reading) take(rows *warehouse.Result) {
	who, days, receipts, products := rows.Columns[0].Ints, rows.Columns[1].Ints, rows.Columns[2].Texts, rows.Columns[3].Texts
	for i := range rows.Len {
		fresh := i == 0 || who[i] != who[i-1]
		if fresh {
			r.keys, r.baskets = append(r.keys, uint64(who[i])), append(r.baskets, nil)
		}
		hers := &r.baskets[len(r.baskets)-1]
		if fresh || days[i] != days[i-1] || receipts[i] != receipts[i-1] {
			*hers = append(*hers, nextbasket.Basket{Day: int32(days[i])})
		}
		no, listed := r.number[catalog.ProductID(products[i])]
		if !listed { // sold and in no catalogue
			no = int32(len(r.products))
			p := catalog.Product{ID: catalog.ProductID(products[i])}
			r.number[p.ID] = no
			if r.products = append(r.products, p); r.t.cfg.Never.Matcher().Has(&p) || r.t.cfg.Sensitive.Hides(&p) {
				no, r.number[p.ID] = -1, -1
			}
		}
		if no >= 0 {
			b := &(*hers)[len(*hers)-1]
			b.Products = append(b.Products, no)
		}
	}
}

// cut keeps at most so many shoppers, by the hash of their keys, in the order of keys.
func (r *reading) cut(most int) {
	order := make([]int, len(r.keys))
	for i := range order {
		order[i] = i
	}
	if len(order) > most {
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(retail.Mix(r.keys[a]), retail.Mix(r.keys[b])) })
		order = order[:most]
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(r.keys[a], r.keys[b]) })
	keys, baskets := make([]uint64, len(order)), make([][]nextbasket.Basket, len(order))
	for at, i := range order {
		keys[at], baskets[at] = r.keys[i], r.baskets[i]
	}
	r.keys, r.baskets = keys, baskets
}

// data numbers the products that enough shoppers bought, and cuts the window in time.
func (r *reading) data() *data {
	numbers := r.popular()
	d := &data{from: r.after + 1, through: r.through}
	for i, key := range r.keys {
		for b := range r.baskets[i] {
			bought := &r.baskets[i][b]
			kept := bought.Products[:0]
			for _, no := range bought.Products {
				if n := numbers[no]; n >= 0 {
					kept = append(kept, n)
				}
			}
			slices.Sort(kept)
			bought.Products = kept
		}
		d.shoppers = append(d.shoppers, nextbasket.Shopper{Key: key, History: r.baskets[i]})
	}
	d.rng = r.groups(numbers)
	end := int32(r.through) + 1
	d.holdout = nextbasket.ByDay(d.shoppers, end-holdoutDays, end)
	d.holdout.Cases = evenly(d.holdout.Cases, judgedMost)
	for n := int32(1); n <= cutsMost && end-(n+1)*holdoutDays >= int32(r.after)+warmDays; n++ {
		cut := nextbasket.ByDay(d.shoppers, end-(n+1)*holdoutDays, end-n*holdoutDays)
		if len(cut.Cases) > 0 {
			d.cuts = append(d.cuts, cut)
		}
	}
	return d
}

// evenly keeps at most so many cases, evenly over all.
func evenly(cases []nextbasket.Case, most int) []nextbasket.Case {
	n := len(cases)
	if n <= most {
		return cases
	}
	out := make([]nextbasket.Case, most)
	for i := range out {
		out[i] = cases[i*n/most]
	}
	return out
}

// popular numbers products by how many of the shoppers bought them, those with most
// first; −1 has no number.
func (r *reading) popular() []nextbasket.Product {
	buyers, last := make([]int32, len(r.products)), make([]int32, len(r.products))
	for i := range r.baskets {
		for _, b := range r.baskets[i] {
			for _, no := range b.Products {
				if last[no] != int32(i+1) {
					last[no] = int32(i + 1)
					buyers[no]++
				}
			}
		}
	}
	var order []int32
	for no, n := range buyers {
		if n >= buyersMin {
			order = append(order, int32(no))
		}
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(buyers[b], buyers[a]), cmp.Compare(r.products[a].ID, r.products[b].ID))
	})
	out := make([]nextbasket.Product, len(r.products))
	for i := range out {
		out[i] = -1
	}
	for n, no := range order[:min(len(order), numbersMost)] {
		out[no] = nextbasket.Product(n)
	}
	return out
}

// groups is what is known of the numbered products: category, type and brand within
// the type are their kinds of groups.
func (r *reading) groups(numbers []nextbasket.Product) nextbasket.Range {
	of := make([]*catalog.Product, len(numbers))
	n := 0
	for no, at := range numbers {
		if at >= 0 {
			of[at], n = &r.products[no], n+1
		}
	}
	const kinds = 3
	out := nextbasket.Range{Products: n, Groups: make([][]int32, kinds), Hashes: make([]uint64, n)}
	var known [kinds]map[string]int32
	for g := range known {
		known[g], out.Groups[g] = make(map[string]int32), make([]int32, n)
	}
	for at, p := range of[:n] {
		out.Hashes[at] = p.ID.Hash()
		kind := string(p.Department) + "/" + string(p.Category) + "/" + string(p.Type)
		names := [kinds]string{string(p.Department) + "/" + string(p.Category), kind, string(p.Brand) + "/" + kind}
		if p.Category == "" {
			names[0] = ""
		}
		if p.Type == "" {
			names[1] = ""
		}
		if p.Brand == "" || p.Type == "" {
			names[2] = ""
		}
		for g, name := range names {
			out.Groups[g][at] = -1
			if name == "" {
				continue
			}
			no, ok := known[g][name]
			if !ok {
				no = int32(len(known[g]))
				known[g][name] = no
			}
			out.Groups[g][at] = no
		}
	}
	return out
}
