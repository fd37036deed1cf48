package world

import (
	"fmt"

	"endcap/retail"
	"endcap/simulate/play"
	"endcap/simulate/scenario"
)

// Outcome is what one campaign gave: what is true of it, as sums, and what its
// report says. It judges nothing, so that what is asked of a world may change
// without playing it again. Amounts are cents.
type Outcome struct {
	Campaign, Where, Effect string
	Alike                   bool       // every shopper is as susceptible as any other
	Through                 retail.Day // the last day that counts

	Treated, Held Arm // of those who allow measurement

	Absent              string `json:",omitempty"` // why the report gives no interval; empty where it does
	Estimate, Low, High int64

	Spend, Attributed int64  // through the same day
	Untold            string `json:",omitempty"` // why the report gives no attributed sales
}

// Arm holds the sums over the shoppers of one arm who won an advert, or would have:
// of what each spent on the range before her first win, and since, with adverts and
// without any, whatever her arm; of their squares; and of their products.
type Arm struct {
	Shoppers                           int64
	Before, With, Without              int64
	BeforeSquared                      int64
	WithSquared, WithoutSquared        int64
	BeforeWith, BeforeWithout, Between int64 // Between: with times without
}

func (a *Arm) add(x *play.Exposed) {
	before, with, without := x.Before, x.With(), x.Without()
	a.Shoppers++
	a.Before, a.With, a.Without = a.Before+before, a.With+with, a.Without+without
	a.BeforeSquared += before * before
	a.WithSquared, a.WithoutSquared = a.WithSquared+with*with, a.WithoutSquared+without*without
	a.BeforeWith, a.BeforeWithout, a.Between = a.BeforeWith+before*with, a.BeforeWithout+before*without, a.Between+with*without
}

// outcome puts what a report says beside what the play found.
func outcome(r *report, f *play.Found, c *scenario.Campaign) (Outcome, error) {
	if f.SeenTreated.Extra() != f.Treated.Extra() || f.SeenTreated.Shoppers != f.Treated.Shoppers {
		return Outcome{}, fmt.Errorf("bug: tills and site saw %+v of what the treated bought, %+v: keys of these worlds are right and complete", f.SeenTreated, f.Treated)
	}
	o := Outcome{Campaign: c.Name, Where: string(c.Where), Effect: string(c.Effect), Alike: !c.Heterogeneous, Through: f.Through}
	for i := range f.Exposed {
		switch x := &f.Exposed[i]; {
		case !x.Measured:
		case x.Held:
			o.Held.add(x)
		default:
			o.Treated.add(x)
		}
	}
	for i := range r.Figures {
		v := &r.Figures[i].Value
		var err error
		switch r.Figures[i].ID {
		case "spend":
			err = cents(v.Amount, &o.Spend)
		case "attributed_sales":
			if o.Untold = v.Reason; o.Untold == "" {
				err = cents(v.Amount, &o.Attributed)
			}
		case "incremental_sales":
			if o.Absent = v.Reason; o.Absent == "" {
				for text, to := range map[string]*int64{v.Amount: &o.Estimate, v.Low: &o.Low, v.High: &o.High} {
					if err == nil {
						err = cents(text, to)
					}
				}
			}
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

// cents reads an amount of a report.
func cents(text string, to *int64) error {
	amount, err := retail.ParseMicros(text)
	*to = int64(amount / retail.Cent)
	return err
}
