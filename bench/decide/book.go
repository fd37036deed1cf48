package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/sync/errgroup"

	"endcap/keep/profile"
	"endcap/know/audience"
	"endcap/know/identity"
	"endcap/retail"
	sentence "endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/sell/campaign"
	"endcap/simulate/wire"
)

// The book that is set up.
const (
	advertisersCount = 240
	lineItemsCount   = 10_000
	categoriesCount  = 80    // the largest; three audiences each
	targetedShare    = 0.75  // line items for an audience
	everywhereShare  = 0.012 // line items for every page
	productsMost     = 5
	by               = "bench"
)

// corner is one manufacturer within one category: what a line item advertises.
type corner struct {
	brand    catalog.Brand
	category catalog.Category
	products []catalog.ProductID // best sellers first
	lines    int
}

// setUp books placements, advertisers with money, a campaign each, audiences
// and line items: more of them where more is sold.
func setUp(ctx context.Context, h *house, sold *sales) error {
	for _, at := range placements(h.grocer) {
		if _, err := h.campaigns.PutPlacement(ctx, at, campaign.Edit{By: by}); err != nil {
			return err
		}
	}
	corners, brands, categories := cornersOf(h, sold)
	for _, b := range brands {
		if err := setUpAdvertiser(ctx, h, b); err != nil {
			return err
		}
	}
	sizes, err := setUpAudiences(ctx, h, categories)
	if err != nil {
		return err
	}
	if err := setUpLines(ctx, h, corners, sizes); err != nil {
		return err
	}
	return h.campaigns.Tick(ctx)
}

// placements are those of the recorded visits, and of the simulator's.
func placements(g *grocer) []media.Placement {
	all := []media.Placement{{ID: "top", Floor: 8 * retail.Cent, SlotsMax: slots}, {ID: "side", Floor: 5 * retail.Cent, SlotsMax: slots}}
	if g.world != nil {
		for _, at := range wire.Placements {
			all = append(all, media.Placement{ID: media.PlacementID(at.ID), Floor: 5 * retail.Cent, SlotsMax: at.Slots})
		}
	}
	for i := range all {
		all[i].Name, all[i].Currency = string(all[i].ID), g.currency
	}
	return all
}

// cornersOf lists the corners of the largest manufacturers, those manufacturers,
// and the largest categories.
func cornersOf(h *house, sold *sales) (corners []*corner, brands []catalog.Brand, categories []catalog.Category) {
	type place struct {
		brand    catalog.Brand
		category catalog.Category
	}
	byPlace := make(map[place]*corner)
	ofBrand, ofCategory := make(map[catalog.Brand]int), make(map[catalog.Category]int)
	for id, n := range sold.lines {
		p := h.product(id)
		if p == nil || p.Brand == "" || p.Category == "" {
			continue
		}
		at := place{p.Brand, p.Category}
		if byPlace[at] == nil {
			byPlace[at] = &corner{brand: p.Brand, category: p.Category}
		}
		c := byPlace[at]
		c.products, c.lines = append(c.products, id), c.lines+n
		ofBrand[p.Brand] += n
		ofCategory[p.Category] += n
	}
	brands, categories = largest(ofBrand, advertisersCount), largest(ofCategory, categoriesCount)
	for _, c := range byPlace {
		if !slices.Contains(brands, c.brand) || !slices.Contains(categories, c.category) {
			continue
		}
		slices.SortFunc(c.products, func(a, b catalog.ProductID) int {
			return cmp.Or(cmp.Compare(sold.lines[b], sold.lines[a]), cmp.Compare(a, b))
		})
		corners = append(corners, c)
	}
	slices.SortFunc(corners, func(a, b *corner) int {
		return cmp.Or(cmp.Compare(a.category, b.category), cmp.Compare(a.brand, b.brand))
	})
	return corners, brands, categories
}

func largest[K cmp.Ordered](counts map[K]int, n int) []K {
	all := make([]K, 0, len(counts))
	for k := range counts {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b K) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	return all[:min(n, len(all))]
}

// idOf is the id of a brand's advertiser and of its campaign; what an id may not
// hold is written as its number.
func idOf(b catalog.Brand) string {
	var id strings.Builder
	id.WriteString("brand-")
	for _, r := range string(b) {
		if r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			id.WriteRune(r)
		} else {
			fmt.Fprintf(&id, "_%x", r)
		}
	}
	return id.String()
}

func setUpAdvertiser(ctx context.Context, h *house, b catalog.Brand) error {
	id := idOf(b)
	_, err := h.campaigns.PutAdvertiser(ctx, media.Advertiser{ID: media.AdvertiserID(id), Name: "Brand " + string(b), Currency: h.grocer.currency}, campaign.Edit{By: by})
	if err != nil {
		return err
	}
	_, err = h.campaigns.PutCampaign(ctx, media.Campaign{
		ID: media.CampaignID(id), Advertiser: media.AdvertiserID(id), Name: "Always on", Flight: h.grocer.flight(), Halo: catalog.Set{Brands: []catalog.Brand{b}},
		ControlPPM: 100_000, WindowDays: 14,
	}, campaign.Edit{By: by})
	if err != nil {
		return err
	}
	_, err = h.campaigns.TopUp(ctx, media.AdvertiserID(id), retail.Money{Amount: 100_000_000 * retail.Unit, Currency: h.grocer.currency}, campaign.Edit{By: by, Once: "bench"})
	return err
}

// sentences are the audiences of one category.
var sentences = []string{
	`bought category %q within 26 weeks`,
	`bought category %q at least 3 times within 26 weeks and not bought category %[1]q within 1 weeks`,
	`bought category %q within 52 weeks and not bought category %[1]q for at least 40.00 within 13 weeks`,
}

func audienceID(category, kind int) sentence.ID {
	return sentence.ID(fmt.Sprintf("audience-%03d-%d", category, kind))
}

// setUpAudiences makes them and returns, by category, those with enough
// shoppers, with how many that is.
func setUpAudiences(ctx context.Context, h *house, categories []catalog.Category) (map[catalog.Category]map[sentence.ID]int, error) {
	terms := audience.NewTerms(h.book, h.grocer.now, nil)
	for i, c := range categories {
		for kind, text := range sentences {
			node, err := sentence.Parse(fmt.Sprintf(text, string(c)))
			if err != nil {
				return nil, err
			}
			d := audience.Definition{Name: fmt.Sprintf("%s %d", c, kind), Sentence: node}
			if _, err := terms.Put(ctx, audienceID(i, kind), d, audience.Edit{By: by}); err != nil {
				return nil, err
			}
		}
	}
	if err := h.audiences.Refresh(ctx); err != nil {
		return nil, err
	}
	counts, err := count(ctx, h)
	sizes := make(map[catalog.Category]map[sentence.ID]int)
	for i, c := range categories {
		sizes[c] = make(map[sentence.ID]int)
		for kind := range sentences {
			if id := audienceID(i, kind); counts[id] >= 50 {
				sizes[c][id] = counts[id]
			}
		}
	}
	return sizes, err
}

// count counts the members of each audience among those who allow personal adverts.
func count(ctx context.Context, h *house) (map[sentence.ID]int, error) {
	counts, willing := make(map[sentence.ID]int), make(map[shopper.ID]bool)
	each := func(do func(shopper.ID, profile.Section, []byte)) error {
		return h.shelf.Dump(ctx, func(who shopper.ID, s profile.Section, value []byte) error {
			do(who, s, value)
			return nil
		})
	}
	err := each(func(who shopper.ID, s profile.Section, value []byte) {
		if s == identity.Section && identity.AllowedIn(value).Allows(consent.PersonalAds) {
			willing[who] = true
		}
	})
	return counts, errors.Join(err, each(func(who shopper.ID, s profile.Section, value []byte) {
		if s == audience.Section && willing[who] {
			for _, id := range h.audiences.Members(value, h.grocer.day) {
				counts[id]++
			}
		}
	}))
}

func setUpLines(ctx context.Context, h *house, corners []*corner, sizes map[catalog.Category]map[sentence.ID]int) error {
	rng := rand.New(rand.NewPCG(10_000, 240))
	upTo := make([]float64, len(corners)) // running sum of weights
	sum := 0.0
	for i, c := range corners {
		sum += math.Pow(float64(c.lines), 0.7)
		upTo[i] = sum
	}
	var all errgroup.Group
	all.SetLimit(64)
	for i := range lineItemsCount {
		at, _ := slices.BinarySearch(upTo, rng.Float64()*sum)
		l := lineOf(rng, i, corners[at], sizes[corners[at].category])
		l.Flight = h.grocer.flight()
		if at, _ := slices.BinarySearch(upTo, rng.Float64()*sum); len(l.Categories) > 0 && corners[at].category != l.Categories[0] {
			l.Categories = append(l.Categories, corners[at].category) // it advertises beside what goes with it, too
			l.Keywords = append(l.Keywords, strings.ToLower(string(corners[at].category)))
		}
		all.Go(func() error { _, err := h.campaigns.PutLineItem(ctx, l, campaign.Edit{By: by}); return err })
	}
	return all.Wait()
}

// lineOf is one line item: some best sellers of a corner on the pages and
// searches of its category, most of them for one of the category's audiences.
func lineOf(rng *rand.Rand, i int, c *corner, audiences map[sentence.ID]int) media.LineItem {
	l := media.LineItem{
		ID: media.LineItemID(fmt.Sprintf("line-%05d", i)), Name: fmt.Sprintf("Line item %d", i),
		Campaign: media.CampaignID(idOf(c.brand)), Advertiser: media.AdvertiserID(idOf(c.brand)),
		Categories: []catalog.Category{c.category}, Keywords: []string{strings.ToLower(string(c.category))},
		Bid: retail.Micros(20+rng.IntN(180)) * retail.Cent, BudgetDaily: 20_000 * retail.Unit, BudgetTotal: 200_000 * retail.Unit,
		CapPerDay: media.CapMax,
	}
	for _, n := range rng.Perm(min(len(c.products), 4*productsMost))[:min(len(c.products), 1+rng.IntN(productsMost))] {
		l.Products = append(l.Products, c.products[n])
	}
	ids := make([]sentence.ID, 0, len(audiences))
	for id := range audiences {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if rng.Float64() < everywhereShare {
		l.Categories, l.Keywords = nil, nil
	}
	if rng.Float64() < targetedShare && len(ids) > 0 {
		l.Audience = ids[rng.IntN(len(ids))]
		l.AudienceSize = audiences[l.Audience]
	}
	return l
}
