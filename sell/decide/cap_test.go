package decide_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"endcap/keep/profile"
	"endcap/keep/profile/pebbleshelf"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/sell/campaign"
	"endcap/sell/decide"
)

// rival is a racing visit that is first once, between the reading of counters and
// their counting.
type rival struct {
	*pebbleshelf.Store
	first func()
}

func (r *rival) Bump(ctx context.Context, who shopper.ID, now time.Time, counters []profile.Counter) ([]bool, error) {
	first := r.first
	r.first = nil
	if first != nil {
		first()
	}
	return r.Store.Bump(ctx, who, now, counters)
}

// Another visit takes the last of the dear line item's cap; the slot goes to one
// with the same product as the capped line item below, which then is not shown:
// its cap is not spent.
func TestALostRaceSpendsNoCap(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.placement("search", 1, 10*retail.Cent)
	r.placement("below", 1, 10*retail.Cent)
	r.advertiser("oats", 0, 1_000*retail.Unit)
	r.line("dear", "oats", 60*retail.Cent, func(l *media.LineItem) { l.CapPerDay, l.Placements = 1, []media.PlacementID{"search"} })
	r.line("next", "oats", 55*retail.Cent, func(l *media.LineItem) {
		l.Products, l.Placements = []catalog.ProductID{"rye"}, []media.PlacementID{"search"}
	})
	r.line("rye", "oats", 50*retail.Cent, func(l *media.LineItem) { l.CapPerDay, l.Placements = 1, []media.PlacementID{"below"} })
	r.tick()
	who := r.shopper(1, consent.All, "")
	snap := r.terms.Snapshot()
	until := (snap.Day + 1).Start(time.UTC)
	store := &rival{Store: r.shelf, first: func() {
		_, err := r.shelf.Bump(t.Context(), who, start, []profile.Counter{{Key: campaign.CapKey("dear", snap.Day), Max: 1, Until: until}})
		must(t, err)
	}}
	ring := media.NewKeyring(media.Key{Number: 1})
	decider, err := decide.New(decide.Config{
		Book: r.terms, Profiles: store, Recommender: r, Assortment: r, Recorder: &r.records,
		Sections: decide.Sections{Consent: "consent", Audiences: "audiences", Habits: "habits"},
		Allowed:  allowedIn, Canonical: alone, Audiences: membersIn{&r.sentences},
		Keys: func() media.Keyring { return ring }, Now: r.clock.Now, Zone: time.UTC, Rand: rand.Reader,
	})
	must(t, err)
	req := r.ask(who, 1)
	req.Placements = append(req.Placements, decide.Ask{ID: "below", Slots: 1})
	a, err := decider.Decide(t.Context(), &req)
	must(t, err)
	counts, err := r.shelf.Counts(t.Context(), who, start)
	must(t, err)
	if len(a.Placed[0].Sponsored) != 1 || len(a.Placed[1].Sponsored) != 0 || counts[campaign.CapKey("rye", snap.Day)] != 0 || counts[campaign.CapKey("dear", snap.Day)] != 1 {
		t.Errorf("shown %+v, counted %v", a.Placed, counts)
	}
}
