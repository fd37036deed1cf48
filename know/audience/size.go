package audience

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
)

// Asker is what a Sizer must know of the warehouse.
type Asker interface {
	Query(ctx context.Context, q warehouse.Query) (*warehouse.Result, error)
}

// Sizer counts audiences in the warehouse, among the shoppers who allow
// personal adverts now. Its numbers are exact: they are for the retailer's own
// roles and must be cleared before anybody else sees them.
type Sizer struct {
	from   Asker
	shield *policy.Shield
}

// NewSizer counts in a warehouse, and counts no purchase of a product that shield
// hides; nil hides none.
func NewSizer(from Asker, shield *policy.Shield) *Sizer { return &Sizer{from, shield} }

// Step is one part of a sentence that joins its parts with and.
type Step struct {
	Part    string // as a sentence of its own
	Alone   int    // shoppers for whom this part holds
	Left    int    // shoppers for whom this and all parts before it hold
	Removed int    // shoppers whom this part took away from those left before it
}

// Explanation says how a sentence arrives at its size.
type Explanation struct {
	Shoppers int // who could belong: a receipt up to today, and personal adverts allowed
	Steps    []Step
	Size     int
}

// Size counts who belongs to a sentence on a business day.
func (s *Sizer) Size(ctx context.Context, n audience.Node, today retail.Day) (int, error) {
	e, err := s.count(ctx, "audience.size", n, today)
	return e.Size, err
}

// Explain counts what each part of a sentence does.
func (s *Sizer) Explain(ctx context.Context, n audience.Node, today retail.Day) (Explanation, error) {
	return s.count(ctx, "audience.explain", n, today)
}

// count asks one question: all shoppers, then for each part of n how many it
// holds for alone, and how many it leaves.
func (s *Sizer) count(ctx context.Context, name string, n audience.Node, today retail.Day) (Explanation, error) {
	if err := n.Check(); err != nil {
		return Explanation{}, fmt.Errorf("size an audience: %w", err)
	}
	parts := []audience.Node{n}
	if n.Op == audience.And {
		parts = n.Of
	}
	sql, args := s.question(n.Rules(), parts, today)
	res, err := s.from.Query(ctx, warehouse.Query{
		Name: name, Purpose: warehouse.Purpose(consent.PersonalAds.String()), SQL: sql, Args: args,
	})
	if err != nil {
		return Explanation{}, fmt.Errorf("size an audience: %w", err)
	}
	at := func(i int) int { return int(res.Columns[i].Ints[0]) }
	e := Explanation{Shoppers: at(0), Size: at(0)}
	for i := range parts {
		step := Step{Part: parts[i].String(), Alone: at(1 + 2*i), Left: at(2 + 2*i)}
		step.Removed = e.Size - step.Left
		e.Size = step.Left
		e.Steps = append(e.Steps, step)
	}
	return e, nil
}

// question writes the SQL. Each receipt gives a rule at most one time; the spend
// of a rule is what its lines add up to.
func (s *Sizer) question(rules []audience.Rule, parts []audience.Node, today retail.Day) (sql string, args []any) {
	args = []any{today}
	var perReceipt, perShopper, holds []string
	for i := range rules {
		var cond string
		cond, args = s.condition(&rules[i], today, args)
		no := strconv.Itoa(i)
		perReceipt = append(perReceipt,
			"max(case when "+cond+" and l.quantity >= 0 then 1 else 0 end) as t"+no,
			"sum(case when "+cond+" then case when l.quantity < 0 and l.sales > 0 then -l.sales else l.sales end else cast(0 as decimal(18,6)) end) as s"+no)
		perShopper = append(perShopper, "sum(t"+no+") as t"+no, "sum(s"+no+") as s"+no)
		args = append(args, int64(rules[i].Times))
		hold := "coalesce(b.t" + no + ", 0) >= $" + strconv.Itoa(len(args))
		if rules[i].Spend > 0 {
			args = append(args, rules[i].Spend)
			hold += " and coalesce(b.s" + no + ", 0) >= $" + strconv.Itoa(len(args))
		}
		holds = append(holds, "("+hold+")")
	}
	var counts strings.Builder
	counts.WriteString("count(*)")
	var so []string
	first := 0
	for i := range parts {
		text := truth(&parts[i], holds[first:])
		first += len(parts[i].Rules())
		so = append(so, text)
		fmt.Fprintf(&counts, ", count(*) filter (where %s), count(*) filter (where %s)", text, strings.Join(so, " and "))
	}
	return `
with known as (
  select shopper from receipts where shopper is not null and day <= $1 group by shopper
), per_receipt as (
  select l.shopper, l.receipt, ` + strings.Join(perReceipt, ", ") + `
  from lines l left join products p on p.product = l.product
  where l.shopper is not null and l.day <= $1
  group by l.shopper, l.receipt
), bought as (
  select shopper, ` + strings.Join(perShopper, ", ") + `
  from per_receipt group by shopper
)
select ` + counts.String() + `
from known k left join bought b on b.shopper = k.shopper`, args
}

// condition says which lines a rule is about.
func (s *Sizer) condition(r *audience.Rule, today retail.Day, args []any) (string, []any) {
	within, args := warehouse.Within(r.Set, "l", "p", args)
	days := r.Days
	if days == 0 {
		days = audience.DaysMax
	}
	args = append(args, today-retail.Day(days))
	cond := within + " and l.day > $" + strconv.Itoa(len(args))
	if r.Channel != catalog.AnyChannel {
		args = append(args, r.Channel.String())
		cond += " and l.channel = $" + strconv.Itoa(len(args))
	}
	conds := []string{cond}
	for _, set := range s.shield.Sets() {
		var sensitive string
		sensitive, args = warehouse.Within(set, "l", "p", args)
		conds = append(conds, "not coalesce("+sensitive+", 1 = 0)")
	}
	return strings.Join(conds, " and "), args
}

// truth writes a sentence over the conditions of its rules, in their order.
func truth(n *audience.Node, holds []string) string {
	switch n.Op {
	case audience.Bought:
		return holds[0]
	case audience.Not:
		return "(not " + truth(&n.Of[0], holds) + ")"
	case audience.And, audience.Or:
	}
	var parts []string
	first := 0
	for i := range n.Of {
		parts = append(parts, truth(&n.Of[i], holds[first:]))
		first += len(n.Of[i].Rules())
	}
	return "(" + strings.Join(parts, " "+n.Op.String()+" ") + ")"
}
