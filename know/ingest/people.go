package ingest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"endcap/know/identity"
	"endcap/know/identity/graph"
	"endcap/retail/shopper"
)

// Shopper is one row of a list of shoppers: the keys of one of them.
type Shopper struct {
	Keys []shopper.Key
	// Basis is on what it rests that the keys are hers, declared where it is
	// empty. What was only observed together is named, and merges nobody.
	Basis graph.Basis
	Line  int64
	Raw   []byte
	Fault *Fault
}

// Shoppers brings the keys of shoppers into the vault, and nowhere else: there
// is no fact of it, since facts name nobody. A row whose keys belong to one
// person already is a Repeat; one whose keys belong to several shoppers is
// evidence that they are one person, unless Answer.Apart says why not.
func (d *Desk) Shoppers(ctx context.Context, rows []Shopper, from From) (Result, error) {
	if err := checkBatch(len(rows)); err != nil {
		return Result{}, err
	}
	d.forgetting.RLock()
	defer d.forgetting.RUnlock()
	now := micro(d.Clock())
	answers, err := d.suppress(ctx, len(rows), func(i int) []shopper.Key { return rows[i].Keys })
	if err != nil {
		return Result{}, err
	}
	by := make(map[graph.Basis][]int) // places in rows
	for i := range rows {
		f := rows[i].Fault
		if f == nil {
			f = checkShopper(&rows[i])
		}
		if answers[i].Outcome == "" && f != nil {
			answers[i] = Answer{Outcome: Quarantined, Fault: f}
		}
		if answers[i].Outcome != "" {
			continue
		}
		basis := cmp.Or(rows[i].Basis, graph.Declared)
		by[basis] = append(by[basis], i)
	}
	for _, basis := range slices.Sorted(maps.Keys(by)) {
		if err := d.declare(ctx, rows, by[basis], answers, identity.Vouched{Basis: basis, Source: from.Name, By: from.Name, At: now}); err != nil {
			return Result{}, err
		}
	}
	if err := d.Tell(ctx); err != nil {
		return Result{}, err
	}
	refused := newRefusals(0, from, now)
	for i := range answers {
		if answers[i].Outcome == Quarantined {
			refused.add(rows[i].Line, answers[i].Fault, rows[i].Raw, nil)
		}
	}
	res := Result{Answers: answers}
	res.Summary.count(answers)
	return res, d.refuse(ctx, refused)
}

// declare takes in the rows at some places, all on one basis.
func (d *Desk) declare(ctx context.Context, rows []Shopper, places []int, answers []Answer, v identity.Vouched) error {
	sets := make([][]shopper.Key, len(places))
	for n, i := range places {
		sets[n] = rows[i].Keys
	}
	if v.Basis == graph.Observed {
		return d.observe(ctx, sets, places, answers)
	}
	verdicts, err := d.People.Declare(ctx, sets, v)
	if err != nil {
		return err
	}
	for n, i := range places {
		answers[i] = Answer{Outcome: Repeat, Apart: verdicts[n].Refusal}
		if verdicts[n].New {
			answers[i].Outcome = New
		}
	}
	return nil
}

// observe takes in sets of keys that were seen together, without proof.
func (d *Desk) observe(ctx context.Context, sets [][]shopper.Key, places []int, answers []Answer) error {
	known, err := d.People.Known(ctx, sets)
	if err != nil {
		return err
	}
	who, err := d.People.Name(ctx, sets)
	if err != nil {
		return err
	}
	for n, i := range places {
		switch {
		case !who[n].Known():
			answers[i] = Answer{Outcome: Quarantined, Fault: twoShoppers()}
		case known[n]:
			answers[i] = Answer{Outcome: Repeat}
		default:
			answers[i] = Answer{Outcome: New}
		}
	}
	return nil
}

// checkShopper refuses a row that names nobody, or rests on nothing we know.
func checkShopper(r *Shopper) *Fault {
	if r.Basis != "" && r.Basis != graph.Observed && !r.Basis.Authenticated() {
		return fault(BadValue, "basis", "an unknown basis", "say declared, login, confirmed or observed")
	}
	return checkSet(r.Keys)
}

// checkSet refuses keys that cannot name a shopper. Unlike on a receipt, two
// cards or two addresses of one shopper are nothing odd.
func checkSet(keys []shopper.Key) *Fault {
	switch {
	case len(keys) == 0:
		return fault(NoShopper, "keys", "no key", "name the shopper by a card, an account, a hashed e-mail or phone, or a device")
	case len(keys) > identity.SetMax:
		return fault(TooManyRows, "keys", fmt.Sprintf("%d keys", len(keys)), fmt.Sprintf("name a shopper by at most %d", identity.SetMax))
	}
	return nil
}
