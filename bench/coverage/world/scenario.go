package world

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
)

// What campaigns are told apart by, beside whether shoppers are alike. A trip comes
// by one shelf and a visit to the site makes several searches, so adverts in the
// aisle get the categories that most trips come by, and those of the site alone the
// last: else few would see the former.
var (
	wheres  = []scenario.Where{scenario.InStore, scenario.Both, scenario.Online}
	effects = []scenario.Effect{scenario.None, scenario.Small, scenario.Medium}
)

// Size is how large a world is. Its flights take three weeks.
type Size struct {
	Shoppers, Products int
	Campaigns          int     // that run at once, each in a category of its own
	Quiet              int     // weeks before campaigns are booked
	Browse             float64 // visits to the site a week, beside orders
}

// Sizes: of the whole proof, and of the share that every test run plays. In both,
// all but a few campaigns reach enough shoppers for an interval.
var (
	Whole = Size{Shoppers: 20_000, Products: 4_000, Campaigns: 50, Quiet: 3, Browse: 2}
	Share = Size{Shoppers: 3_000, Products: 1_500, Campaigns: 54, Quiet: 1, Browse: 1}
)

// flight is how many weeks campaigns run; their sales count for one more.
const flight = 3

// Of is the scenario of one world. Its seed is the first eight bytes of SHA-256
// over the test's name and the world's index; no other is tried. Its keys are right
// and complete, so that who is measured is who was shown: how well identities are
// found is measured elsewhere (make eval). Effects, and whether shoppers are alike,
// take turns over campaigns and worlds.
func Of(ctx context.Context, test string, index int, size Size) (scenario.Scenario, error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", test, index))
	s := scenario.Defaults()
	s.Shoppers, s.Products, s.Weeks, s.Seed = size.Shoppers, size.Products, size.Quiet+flight+1, binary.BigEndian.Uint64(sum[:8])
	s.Card, s.Account, s.Browse = 1, 0.8, size.Browse
	s.CardShown, s.CardShared, s.CardWrong, s.EmailWrong, s.NoAddress, s.TwoDevices, s.Consent, s.Withdraw = 1, 0, 0, 0, 0, 0, 1, 0
	categories, err := busiest(ctx, &s, size.Campaigns)
	if err != nil {
		return s, err
	}
	s.Play = &scenario.Play{Quiet: size.Quiet}
	for n, category := range categories {
		cell := index*size.Campaigns + n
		c := scenario.CampaignDefaults()
		c.Name, c.Category = fmt.Sprintf("w%d-c%d", index, n), category
		c.Where, c.Effect, c.Heterogeneous = wheres[n*len(wheres)/size.Campaigns], effects[cell%3], cell/3%2 == 0
		c.From, c.Weeks, c.WindowDays, c.Control = size.Quiet, flight, 7, 0.5
		s.Play.Campaigns = append(s.Play.Campaigns, c)
	}
	return s, s.Check()
}

// tripsCounted is over how many trips busiest counts.
const tripsCounted = 100_000

// busiest names the n categories by whose shelves most trips come, most first.
func busiest(ctx context.Context, s *scenario.Scenario, n int) ([]string, error) {
	w, err := life.Open(ctx, s, model.Fitted(), nil)
	if err != nil {
		return nil, err
	}
	count := make([]int, len(w.Grocer.Categories))
	for trip := range tripsCounted {
		count[w.Aisle(&life.Receipt{ID: int64(trip), Shopper: int32(trip % s.Shoppers)})]++
	}
	order := make([]int, len(count))
	for c := range order {
		order[c] = c
	}
	slices.SortStableFunc(order, func(a, b int) int { return count[b] - count[a] })
	if n > len(order) || n > 0 && count[order[n-1]] == 0 {
		return nil, fmt.Errorf("trips come by fewer than %d categories", n)
	}
	names := make([]string, n)
	for i := range names {
		names[i] = w.Grocer.Categories[order[i]].Name
	}
	return names, nil
}
