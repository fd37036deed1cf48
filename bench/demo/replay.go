package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// The pace of the replay. A visit comes leadTime before its receipt; visits
// whose times lie within the same drift may be under way together, and none
// crosses midnight of the shop's zone. The server's clock is moved to a visit's
// time as it starts.
const (
	leadTime = 15 * time.Minute
	drift    = 20 * time.Minute
)

// tally is what the replay did, by consent group.
type tally struct {
	mu                                              sync.Mutex
	visits, lines, personal, shown, clicked, buyers map[string]int64
	took                                            time.Duration
}

func newTally() *tally {
	m := func() map[string]int64 { return make(map[string]int64) }
	return &tally{visits: m(), lines: m(), personal: m(), shown: m(), clicked: m(), buyers: m()}
}

// visitAnswer is what the replay reads of a decision.
type visitAnswer struct {
	Decision  string `json:"decision"`
	Proposals []struct {
		Product, Reason string
	} `json:"proposals"`
	Sponsored []struct {
		Placement string
		Items     []struct {
			Product, Token string
			Advertiser     struct{ ID string }
		}
	} `json:"sponsored"`
}

// replay plays all baskets in time order, several at once.
func replay(ctx context.Context, c *client, o *options, baskets []basket) (*tally, error) {
	if o.record != "" {
		f, err := os.Create(o.record)
		if err != nil {
			return nil, fmt.Errorf("record: %w", err)
		}
		defer func() { _ = f.Close() }()
		c.record = f
	}
	t, start := newTally(), time.Now()
	p := newPace(o.flying)
	known := make(map[string]bool)
	for i := range baskets {
		b := &baskets[i]
		at := b.at.Add(-leadTime)
		if at.Before(replayFrom) {
			at = replayFrom
		}
		if err := p.enter(b.card, at); err != nil {
			return nil, err
		}
		if err := c.advance(ctx, p.clock(at)); err != nil {
			return nil, err
		}
		first := !known[b.card]
		known[b.card] = true
		go func() { p.leave(b.card, at, playVisit(ctx, c, b, first, t)) }()
		if i%500 == 0 && terminal() {
			fmt.Fprintf(os.Stderr, "\rreplay: %s  %d of %d receipts", at.Format(time.DateOnly), i, len(baskets))
		}
	}
	err := p.wait()
	t.took = time.Since(start)
	if terminal() {
		fmt.Fprint(os.Stderr, "\r")
	}
	fmt.Fprintf(os.Stderr, "replay: %d receipts in %.1f s%20s\n", len(baskets), t.took.Seconds(), "")
	if err != nil {
		return nil, err
	}
	return t, c.advance(ctx, replayTo.Add(time.Hour))
}

// terminal says whether somebody watches, to whom a line may be drawn anew.
func terminal() bool {
	about, err := os.Stderr.Stat()
	return err == nil && about.Mode()&os.ModeCharDevice != 0
}

// playVisit is one visit: a decision, what was seen and clicked, then the receipt.
func playVisit(ctx context.Context, c *client, b *basket, first bool, t *tally) error {
	g := group(c.seed, b.card)
	if first {
		if err := sendConsents(ctx, c, c.seed, []string{b.card}, replayFrom); err != nil {
			return err
		}
	}
	page := pages[int(draw(c.seed, "page", b.id)*float64(len(pages)))]
	ask := map[string]any{
		"shopper": map[string]string{"card": b.card}, "channel": "online", "store": b.store, "proposals": 8,
		"page": map[string]string{"category": page, "query": searches[page]}, "placements": placementsOf(page),
	}
	if err := c.keep(ask); err != nil {
		return err
	}
	var answer visitAnswer
	if err := c.Send(ctx, "POST /v1/decisions", ask, &answer); err != nil {
		return err
	}
	shown, clicked, err := react(ctx, c, b, &answer)
	if err != nil {
		return err
	}
	// Prefer: wait holds the answer until her profile has the receipt, so that
	// her next visit sees it.
	var taken struct {
		Results []struct{ Outcome, Say string }
		Profile string
	}
	if err := c.Send(ctx, "POST /v1/receipts", map[string]any{"receipts": []any{b.receipt()}}, &taken, "Prefer", "wait=10"); err != nil {
		return err
	}
	if o := taken.Results[0].Outcome; o != "new" && o != "repeat" {
		return fmt.Errorf("receipt %s was %s: %s", b.id, o, taken.Results[0].Say)
	}
	if taken.Profile != "seen" {
		return fmt.Errorf("receipt %s did not reach the profile in time", b.id)
	}
	t.count(g, b, &answer, shown, clicked)
	return nil
}

func placementsOf(page string) []map[string]any {
	all := []map[string]any{{"placement": "home", "slots": 4}}
	if page != "" {
		all = append(all, map[string]any{"placement": "category", "slots": 4})
	}
	if searches[page] != "" {
		all = append(all, map[string]any{"placement": "search", "slots": 4})
	}
	return all
}

// react sends what the drawn shopper did with the sponsored products.
func react(ctx context.Context, c *client, b *basket, a *visitAnswer) (shown, clicked int64, err error) {
	bought := make(map[string]bool, len(b.lines))
	for _, l := range b.lines {
		bought[text(l.Product)] = true
	}
	var events []map[string]string
	add := func(kind, token string, n int, more ...string) {
		e := map[string]string{"id": fmt.Sprintf("%s-%d-%s", b.id, n, kind), "type": kind, "token": token}
		if len(more) > 0 {
			e["receipt"] = more[0]
		}
		events = append(events, e)
	}
	n := 0
	for _, p := range a.Sponsored {
		for slot, item := range p.Items {
			n++
			shown++
			add("impression", item.Token, n)
			if !clicks(c.seed, b.id+p.Placement, item.Advertiser.ID+item.Product, slot) {
				continue
			}
			clicked++
			add("click", item.Token, n)
			if draw(c.seed, "basket", b.id, text(int64(n))) < 1.0/3 {
				add("basket", item.Token, n)
			}
			if bought[item.Product] {
				add("purchase", item.Token, n, b.id)
			}
		}
	}
	if len(events) == 0 {
		return 0, 0, nil
	}
	return shown, clicked, c.Send(ctx, "POST /v1/events", map[string]any{"events": events}, nil)
}

// keep writes one decision request to the recording, if there is one.
func (c *client) keep(ask any) error {
	if c.record == nil {
		return nil
	}
	body, err := json.Marshal(map[string]any{"method": "POST", "path": "/v1/decisions", "body": ask})
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err = c.record.Write(append(body, '\n'))
	return err
}

func (t *tally) count(g string, b *basket, a *visitAnswer, shown, clicked int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.visits[g]++
	t.lines[g] += int64(len(b.lines))
	t.shown[g] += shown
	t.clicked[g] += clicked
	for _, p := range a.Proposals {
		if p.Reason == "bought_often" {
			t.personal[g]++
		}
	}
}

// print shows how the three consent groups were treated.
func (t *tally) print(w io.Writer) {
	fmt.Fprintf(w, "\nDeclared: %s.\nDeclared: %s.\n\n", consentRule, clickRule)
	fmt.Fprintf(w, "%-18s %8s %10s %20s %10s %8s\n", "consent drawn", "visits", "lines", "personal proposals", "sponsored", "clicks")
	for _, g := range []string{"all purposes", "no personal_ads", "none"} {
		fmt.Fprintf(w, "%-18s %8d %10d %20d %10d %8d\n", g, t.visits[g], t.lines[g], t.personal[g], t.shown[g], t.clicked[g])
	}
	fmt.Fprintln(w)
}
