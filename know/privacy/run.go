package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"endcap/keep/vault"
	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/shopper"
)

// How much one run of retention does at once.
const (
	LapsesMax  = 10_000 // shoppers forgotten in one run; the others go in the next
	lapseBatch = 64     // of them, in one step
	reviewPage = 4_096  // shoppers looked up together
	filesMax   = 512    // sealed files stripped in one run
	papersPage = 1_000  // requests removed in one step
)

// Run is the record of one run of retention. It names nobody.
type Run struct {
	Is       string     `json:"is"` // RunIs
	Retailer string     `json:"retailer"`
	Began    time.Time  `json:"began"`
	Ended    time.Time  `json:"ended"`
	Inactive retail.Day `json:"inactive_before"` // who neither bought nor spoke since is forgotten
	Adverts  retail.Day `json:"adverts_before"`  // what was shown before is nobody's
	People   int        `json:"shoppers"`        // whom the house knew
	Reviewed int        `json:"reviewed"`        // who were silent, or nearly, for that long
	Found    int        `json:"inactive"`        // who were inactive
	Lapsed   int        `json:"forgotten"`       // of them, in this run
	Files    int        `json:"advert_files"`    // sealed files written anew without shoppers
	Left     int        `json:"advert_files_left"`
	Requests int        `json:"requests"` // old ones, removed
	Held     string     `json:"held,omitempty"`
	Dry      bool       `json:"dry,omitempty"` // nothing was done
}

// RunIs is what the record of a run calls itself.
const RunIs = "endcap record of retention, 1"

// Manner says how a run is to be.
type Manner struct {
	Dry       bool // look only
	Confirmed bool // somebody looked, and wants it done though it would be held
}

// Retain lets go what is too old: shoppers who were inactive too long are
// forgotten as if they had asked for it, rows about adverts lose their shoppers,
// answered requests are removed. It works in bounded pieces, keeps its place in
// the vault, and can be broken off anywhere and called again. Where the receipts
// are older than StillDays, or more are inactive than SharePPM allows, what
// cannot be undone waits for somebody to confirm it: of use they are out in any
// case, by their age alone. Every run that is not dry leaves a signed record.
func (o *Office) Retain(ctx context.Context, as Manner) (Run, error) {
	now := o.Clock().UTC()
	rules := o.cfg.Rules
	limits := rules.Limits(now, o.cfg.Zone)
	run := Run{Is: RunIs, Retailer: o.cfg.Retailer, Began: now, Inactive: limits.Inactive, Adverts: limits.Adverts, Dry: as.Dry}
	var err error
	if run.People, err = o.Vault.People(ctx); err != nil {
		return run, err
	}
	quiet, err := o.review(ctx, limits.Inactive, &run)
	if err != nil {
		return run, err
	}
	still, err := o.still(ctx, now)
	if err != nil {
		return run, err
	}
	run.Held = still
	if most := rules.shareMax(run.People); run.Held == "" && run.Found > most {
		run.Held = fmt.Sprintf("%d of %d shoppers are inactive, more than the %d that go unasked", run.Found, run.People, most)
	}
	if as.Dry {
		return run, nil
	}
	if run.Held == "" || as.Confirmed {
		if err := o.lapse(ctx, quiet, &run); err != nil {
			return run, err
		}
	}
	if still == "" || as.Confirmed {
		if err := o.letGo(ctx, limits, &run); err != nil {
			return run, err
		}
	}
	run.Ended = o.Clock().UTC()
	signer, err := OpenSigner(ctx, o.Vault, o.Chance)
	if err != nil {
		return run, err
	}
	signed, err := signer.Sign(run)
	if err != nil {
		return run, err
	}
	at := run.Ended
	last, err := o.Vault.Runs(ctx, 1)
	if err == nil && len(last) > 0 && !last[0].At.Before(at) { // of one instant, or on a clock that was put back
		at = last[0].At.Add(time.Microsecond)
	}
	if err != nil {
		return run, err
	}
	return run, o.Vault.PutRun(ctx, vault.Sweep{At: at, Doc: signed})
}

// still says why nothing may go that cannot come back: a house that takes no
// receipts in would find everybody inactive, and so would a clock that is ahead.
func (o *Office) still(ctx context.Context, now time.Time) (string, error) {
	got, err := o.ask(ctx, "newest_receipt", newestSQL)
	if err != nil {
		return "", err
	}
	newest := &got.Columns[0]
	if newest.Nulls != nil && newest.Nulls[0] {
		return "", nil // nothing was ever sold
	}
	today, last := retail.DayOf(now, o.cfg.Zone), retail.Day(newest.Ints[0])
	if int(today-last) <= o.cfg.Rules.StillDays {
		return "", nil
	}
	return fmt.Sprintf("the newest receipt is of %v and the clock says %v: is the clock right, and do the tills send?", last, today), nil
}

// review looks up when those were last active of whom that is not known to be
// lately, notes it, and returns the inactive, at most LapsesMax.
func (o *Office) review(ctx context.Context, before retail.Day, run *Run) (quiet []vault.Activity, err error) {
	noted := retail.Days{From: -retail.Day(1 << 30), To: before + retail.Day(o.cfg.Rules.NoticeDays) + 1}
	today := retail.DayOf(run.Began, o.cfg.Zone)
	for after := (vault.Activity{}); ; {
		page, err := o.Vault.Inactive(ctx, noted, after, reviewPage)
		if err != nil || len(page) == 0 {
			slices.SortStableFunc(quiet, byDay)
			return quiet, err
		}
		after = page[len(page)-1]
		last, err := o.lastActs(ctx, page)
		if err != nil {
			return nil, err
		}
		var notes []vault.Activity
		for i, a := range page {
			day := last[i]
			if day == 0 { // she left nothing but keys: her time runs since she was met
				day = a.Day
			}
			if day == 0 {
				day = today
			}
			if day != a.Day { // she comes again in her new place, if that is no later
				notes = append(notes, vault.Activity{Shopper: a.Shopper, Day: day})
				continue
			}
			if run.Reviewed++; day < before {
				if run.Found++; len(quiet) < LapsesMax {
					quiet = append(quiet, vault.Activity{Shopper: a.Shopper, Day: day})
				}
			}
		}
		if err := o.Vault.NoteActivity(ctx, notes); err != nil {
			return nil, err
		}
	}
}

// newestSQL gives the day of the newest receipt.
const newestSQL = `select max(day) as newest from receipts`

// actsSQL asks for the last purchases of some shoppers.
const actsSQL = `select came_as, max(day) as last from receipts where came_as in $who group by came_as`

// lastActs gives the day on which each, as the person she is, last bought or
// spoke; 0 for never.
func (o *Office) lastActs(ctx context.Context, of []vault.Activity) ([]retail.Day, error) {
	out := make([]retail.Day, len(of))
	place := make(map[shopper.ID][]int, len(of)) // of each id of theirs, in of
	var who []shopper.ID
	for i := range of {
		members, err := o.People.Members(ctx, of[i].Shopper)
		if err != nil {
			return nil, err
		}
		for _, id := range members {
			if place[id] == nil {
				who = append(who, id)
			}
			place[id] = append(place[id], i)
		}
	}
	err := o.askAbout(ctx, "last_purchases", actsSQL, who, func(c []warehouse.Column, row int) {
		day := retail.Day(c[1].Ints[row])
		for _, i := range place[shopper.FromUint64(uint64(c[0].Ints[row]))] {
			out[i] = max(out[i], day)
		}
	})
	if err != nil {
		return nil, err
	}
	spoke, err := o.People.Newest(ctx, who)
	if err != nil {
		return nil, err
	}
	for id, said := range spoke {
		for _, i := range place[id] {
			out[i] = max(out[i], retail.DayOf(said.At, time.UTC))
		}
	}
	return out, nil
}

// lapse forgets the inactive, the longest silent first.
func (o *Office) lapse(ctx context.Context, quiet []vault.Activity, run *Run) error {
	for some := range slices.Chunk(quiet, lapseBatch) {
		who := make([]shopper.ID, len(some))
		for i := range some {
			who[i] = some[i].Shopper
		}
		if _, err := o.forget(ctx, CauseRetention, who...); err != nil {
			return err
		}
		run.Lapsed += len(some)
	}
	return nil
}

// letGo removes the names and papers that are too old.
func (o *Office) letGo(ctx context.Context, limits warehouse.Limits, run *Run) (err error) {
	if o.cfg.Alone != nil {
		o.cfg.Alone.Lock()
		defer o.cfg.Alone.Unlock()
	}
	if run.Files, run.Left, err = o.History.Strip(ctx, limits.Adverts, filesMax); err != nil {
		return err
	}
	for {
		n, err := o.Vault.ExpireRequests(ctx, o.cfg.Rules.requestsBefore(run.Began), papersPage)
		if run.Requests += n; err != nil || n == 0 {
			return err
		}
	}
}

// Runs returns the signed records of the newest runs.
func (o *Office) Runs(ctx context.Context, limit int) ([]Signed, error) {
	rows, err := o.Vault.Runs(ctx, limit)
	if err != nil {
		return nil, err
	}
	out := make([]Signed, len(rows))
	for i := range rows {
		if err := json.Unmarshal(rows[i].Doc, &out[i]); err != nil {
			return nil, fmt.Errorf("read the record of a run: %w", err)
		}
	}
	return out, nil
}

// Rules are the terms by which the house keeps what is about shoppers.
func (o *Office) Rules() (Retention, []Kept) { return o.cfg.Rules, o.cfg.Retention }

// Lapsing is somebody who will be forgotten unless she comes back.
type Lapsing struct {
	Keys   []shopper.Key
	Active retail.Day // when she last bought or spoke
	On     retail.Day // when she is forgotten
}

// Behind is where a page of LapsingWithin begins: behind so many of those who were
// active last on a day. It names nobody; the zero Behind is the beginning.
type Behind struct {
	Active  retail.Day
	Skipped int
}

// LapsingWithin returns up to limit shoppers from a place on who will be forgotten
// within some days, at most NoticeDays, as the last run noted it, and the place
// behind them.
func (o *Office) LapsingWithin(ctx context.Context, days int, from Behind, limit int) ([]Lapsing, Behind, error) {
	if most := o.cfg.Rules.NoticeDays; days < 0 || days > most {
		return nil, from, &retail.Error{Kind: retail.Invalid, Field: "days", Say: fmt.Sprintf("%d days ahead", days), Cure: fmt.Sprintf("look at most %d days ahead (retention.notice_days)", most)}
	}
	before := o.cfg.Rules.InactiveBefore(o.Clock(), o.cfg.Zone)
	span := retail.Days{From: max(before, from.Active), To: before + retail.Day(days) + 1}
	var out []Lapsing
	skip := 0
	if span.From == from.Active {
		skip = from.Skipped
	}
	for after := (vault.Activity{}); len(out) < limit; {
		page, err := o.Vault.Inactive(ctx, span, after, min(vault.PageMax, skip+limit-len(out)))
		if err != nil || len(page) == 0 {
			return out, from, err
		}
		for _, a := range page {
			after = a
			if skip > 0 {
				skip--
				continue
			}
			keys, err := o.Vault.Keys(ctx, a.Shopper)
			if err != nil {
				return nil, from, err
			}
			out = append(out, Lapsing{Keys: keys, Active: a.Day, On: o.cfg.Rules.lapsesOn(a.Day)})
			if a.Day != from.Active {
				from = Behind{Active: a.Day}
			}
			from.Skipped++
		}
	}
	return out, from, nil
}
