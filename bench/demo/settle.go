package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"endcap/bench/figure"
	"endcap/retail"
)

// settleMax is how long billing and history may need to catch up.
const settleMax = time.Minute

// settle waits until every follower has read the whole stream and the outbox is
// empty.
func settle(ctx context.Context, c *client) error {
	ctx, cancel := context.WithTimeout(ctx, settleMax)
	defer cancel()
	err := c.Settle(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("the followers did not catch up in a minute")
	}
	return err
}

// control is a sum that history must give.
type control struct {
	name, unit string
	want       string
}

// journeyControls are the sums that the whole of The Complete Journey must give.
var journeyControls = []control{
	{"lines", "lines", "1469307"},
	{"baskets", "baskets", "155848"},
	{"households", "households", "2469"},
	{"products", "products", "68509"},
	{"stores", "stores", "457"},
	{"sales", "USD", "4596039.58"},
	{"retail_discount", "USD", "791650.64"},
	{"coupon_discount", "USD", "26359.90"},
	{"coupon_match", "USD", "4542.65"},
}

// printControls prints the control sums of a dataset beside what they must be.
func printControls(ctx context.Context, c *client, dataset string, controls []control, w io.Writer) error {
	got := make(map[string]json.RawMessage)
	if err := c.Send(ctx, "GET /v1/controls", nil, &got); err != nil {
		return err
	}
	wrong := 0
	for _, s := range controls {
		name, goal := "control."+dataset+"."+s.name, "="+s.want
		var ok bool
		var count int64
		var amount string
		if json.Unmarshal(got[s.name], &count) == nil {
			ok = figure.Goal(w, name, count, s.unit, goal)
		} else if err := json.Unmarshal(got[s.name], &amount); err == nil {
			sum, err := retail.ParseMicros(amount)
			ok = figure.Goal(w, name, sum, s.unit, goal) && err == nil
		}
		if !ok {
			wrong++
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d control sums are wrong", wrong)
	}
	return nil
}

// printEffect prints the incremental sales of all campaigns together. Clicks
// cause nothing here, so the true effect is 0 and its interval must hold it.
func printEffect(ctx context.Context, c *client, w io.Writer) error {
	var e struct {
		Pooled struct {
			Estimate, Low, High string
			Treated             int `json:"treated_shoppers"`
			Control             int `json:"control_shoppers"`
		}
	}
	if err := c.Send(ctx, "GET /v1/reports/effect", nil, &e); err != nil {
		return err
	}
	low, err := retail.ParseMicros(e.Pooled.Low)
	if err != nil {
		return fmt.Errorf("the pooled effect has no interval: %w", err)
	}
	high, err := retail.ParseMicros(e.Pooled.High)
	if err != nil {
		return fmt.Errorf("the pooled effect has no interval: %w", err)
	}
	fmt.Fprintf(w, "Incremental sales of all campaigns together: %s USD, 95 %% interval below (%d treated, %d held out; the truth is 0).\n",
		e.Pooled.Estimate, e.Pooled.Treated, e.Pooled.Control)
	if !figure.Goal(w, "demo.pooled_effect_low", low, "USD", "<=0") || !figure.Goal(w, "demo.pooled_effect_high", high, "USD", ">=0") {
		return errors.New("the pooled interval does not contain the true effect, 0")
	}
	return nil
}
