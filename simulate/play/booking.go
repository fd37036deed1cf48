package play

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"endcap/retail"
	"endcap/simulate/advert"
	"endcap/simulate/draw"
	"endcap/simulate/grocer"
	"endcap/simulate/life"
	"endcap/simulate/scenario"
	"endcap/simulate/wire"
)

// floorCents is what a click on any placement costs at least.
const floorCents = 25

// forBooking is what the choice of brands is drawn for; it differs from the
// numbers of the simulator's other rooms.
const forBooking = 401

// campaign is one campaign of the scenario with what it is for.
type campaign struct {
	scenario.Campaign
	about    life.About
	products []int32 // the brand's in the category
	terms    advert.Terms
}

// productsMax is how many products a line item may have.
const productsMax = 500

// Effects of one advert that was looked at in the first place: purchases it makes
// on the next trip.
const (
	effectSmall  = 0.05
	effectMedium = 0.15
)

func termsOf(c *scenario.Campaign) advert.Terms {
	t := advert.Defaults(map[scenario.Effect]float64{scenario.None: 0, scenario.Small: effectSmall, scenario.Medium: effectMedium}[c.Effect])
	if !c.Heterogeneous {
		t.Spread = 0
	}
	return t
}

// campaigns finds out what each campaign of the scenario is for. A category that
// is not named is the next one that no campaign has, from the widest on; a brand
// that is not named is one of the three with most products there.
func campaigns(w *life.World) ([]campaign, error) {
	play := w.Scenario.Play
	if play == nil {
		return nil, nil
	}
	g := w.Grocer
	free := make([]int, 0, len(g.Categories))
	for c := range g.Categories {
		named := slices.ContainsFunc(play.Campaigns, func(k scenario.Campaign) bool { return k.Category == g.Categories[c].Name })
		if !named && !w.IsFuel(g.Spans[c].From) {
			free = append(free, c)
		}
	}
	slices.SortStableFunc(free, func(a, b int) int { return cmp.Compare(g.Spans[b].Len(), g.Spans[a].Len()) })
	key := w.Crowd.Key().For(forBooking)
	taken := make(map[named]bool)
	out := make([]campaign, len(play.Campaigns))
	for n := range play.Campaigns {
		c := campaign{Campaign: play.Campaigns[n], terms: termsOf(&play.Campaigns[n])}
		at := fmt.Sprintf("play.campaigns[%d].", n)
		switch {
		case c.Category != "":
			c.about.Category = slices.IndexFunc(g.Categories, func(k grocer.Category) bool { return k.Name == c.Category })
			if c.about.Category < 0 || w.IsFuel(g.Spans[c.about.Category].From) {
				return nil, refuse(at+"category", fmt.Sprintf("no category %.60q can be advertised", c.Category), "name one of products.parquet, or none")
			}
		case len(free) == 0:
			return nil, refuse(at+"category", "every category has a campaign", "name the category: campaigns may share one")
		default:
			c.about.Category, free = free[0], free[1:]
			c.Category = g.Categories[c.about.Category].Name
		}
		if err := c.choose(w, key.For(uint64(n)), taken); err != nil {
			return nil, refuse(at+"brand", err.Error(), "name another, or none")
		}
		out[n] = c
	}
	return out, nil
}

// named is a brand's name in a category: of two brands that share one, only one
// can be advertised there.
type named struct {
	category int
	brand    string
}

// choose finds the campaign's brand: the one it names, or one of those with most
// products in its category that no campaign has.
func (c *campaign) choose(w *life.World, key draw.Key, taken map[named]bool) error {
	g := w.Grocer
	span := g.Spans[c.about.Category]
	count := make(map[uint16]int)
	for i := span.From; i < span.To; i++ {
		if b := g.Products[i].Brand; (c.Brand == "" && b != 0 || c.Brand == g.Brands[b]) && !taken[named{c.about.Category, g.Brands[b]}] {
			count[b]++
		}
	}
	if len(count) == 0 {
		return fmt.Errorf("no brand %.60q in category %q is free", c.Brand, c.Category)
	}
	brands := make([]uint16, 0, len(count))
	for b := range count {
		brands = append(brands, b)
	}
	slices.SortFunc(brands, func(a, b uint16) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	s := key.Stream()
	c.about.Brand = brands[s.Int(min(len(brands), brandsBest))]
	c.Brand = g.Brands[c.about.Brand]
	taken[named{c.about.Category, c.Brand}] = true
	for i := span.From; i < span.To && len(c.products) < productsMax; i++ {
		if g.Brands[g.Products[i].Brand] == c.Brand { // two brands may share a name
			c.products = append(c.products, i)
		}
	}
	return nil
}

// brandsBest is among how many a brand is drawn.
const brandsBest = 3

func refuse(field, say, cure string) error {
	return &retail.Error{Kind: retail.Invalid, Field: field, Say: say, Cure: cure}
}

// shows are the placements on which the campaign stands.
func (c *campaign) shows() []string {
	switch c.Where {
	case scenario.Online:
		return []string{wire.Placements[wire.Search].ID, wire.Placements[wire.Banner].ID}
	case scenario.InStore:
		return []string{wire.Placements[wire.Screen].ID}
	default:
		return []string{wire.Placements[wire.Search].ID, wire.Placements[wire.Banner].ID, wire.Placements[wire.Screen].ID}
	}
}

// ids of what is booked.
func (c *campaign) advertiser() string { return "of-" + c.Name }

// flight is the campaign's first day and the one after its last.
func (c *campaign) flight(first retail.Day) (from, to retail.Day) {
	return first + retail.Day(7*c.From), first + retail.Day(7*(c.From+c.Weeks))
}

// lastDay is the last day whose sales count.
func (c *campaign) lastDay(first retail.Day) retail.Day {
	_, to := c.flight(first)
	return to - 1 + retail.Day(c.WindowDays)
}

// bookAll sets up placements and, for each campaign, an advertiser with money, the
// campaign and its line item. What stands already stays.
func (p *player) bookAll(ctx context.Context) error {
	money := func(cents int64) map[string]string {
		return map[string]string{"amount": wire.Decimal(cents), "currency": p.world.Scenario.Currency}
	}
	for _, at := range wire.Placements {
		doc := map[string]any{"name": at.Name, "slots_max": at.Slots, "floor": money(floorCents)}
		if err := p.client.Set(ctx, "/v1/placements/"+at.ID, doc); err != nil {
			return err
		}
	}
	for i := range p.campaigns {
		c := &p.campaigns[i]
		from, to := c.flight(p.world.Scenario.First())
		flight := map[string]string{"from": from.String(), "to": to.String()}
		products := make([]string, len(c.products))
		for j, n := range c.products {
			products[j] = wire.GTIN(p.world, n)
		}
		for _, step := range []struct {
			path string
			doc  any
		}{
			{"/v1/advertisers/" + c.advertiser(), map[string]any{"name": c.Brand, "currency": p.world.Scenario.Currency}},
			{"/v1/campaigns/" + c.Name, map[string]any{
				"advertiser": c.advertiser(), "name": c.Brand + ", " + c.Category, "flight": flight, "window_days": c.WindowDays,
				"halo":        map[string]any{"brands": []string{c.Brand}, "categories": []string{c.Category}},
				"control_ppm": int(c.Control*1_000_000 + 0.5),
			}},
			{"/v1/line-items/" + c.Name, map[string]any{
				"campaign": c.Name, "name": c.Brand, "products": products, "placements": c.shows(), "categories": []string{c.Category},
				"bid": money(c.Bid), "budget_daily": money(c.BudgetDaily), "budget_total": money(c.BudgetTotal), "cap_per_day": c.CapPerDay, "flight": flight,
			}},
		} {
			if err := p.client.Set(ctx, step.path, step.doc); err != nil {
				return err
			}
		}
		paid := map[string]any{"amount": money(c.Wallet)}
		if err := p.client.Send(ctx, "POST /v1/advertisers/"+c.advertiser()+"/payments", paid, nil, "Idempotency-Key", "play-"+c.Name); err != nil {
			return err
		}
	}
	return nil
}
