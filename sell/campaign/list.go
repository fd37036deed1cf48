package campaign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/media"
)

// Held is terms with their version, for an ETag.
type Held[T any] struct {
	Terms   T
	Version uint64
}

func get[T any](ctx context.Context, b *Book, kind registry.Kind, id string) (Held[T], error) {
	row, err := b.cfg.Registry.Get(ctx, kind, id)
	if errors.Is(err, registry.ErrNotFound) {
		return Held[T]{}, &retail.Error{Kind: retail.NotFound, Say: "no such " + wordOf(kind)}
	}
	if err != nil {
		return Held[T]{}, fmt.Errorf("look up %s %s: %w", kind, id, err)
	}
	h := Held[T]{Version: row.Version}
	if err := json.Unmarshal(row.Doc, &h.Terms); err != nil {
		return Held[T]{}, fmt.Errorf("read %s %s: %w", kind, id, err)
	}
	return h, nil
}

// Advertiser returns an advertiser; a retail.Error of kind NotFound where absent.
func (b *Book) Advertiser(ctx context.Context, id media.AdvertiserID) (Held[media.Advertiser], error) {
	return get[media.Advertiser](ctx, b, registry.Advertiser, string(id))
}

// Campaign returns a campaign; a retail.Error of kind NotFound where absent.
func (b *Book) Campaign(ctx context.Context, id media.CampaignID) (Held[media.Campaign], error) {
	return get[media.Campaign](ctx, b, registry.Campaign, string(id))
}

// LineItem returns a line item; a retail.Error of kind NotFound where absent.
func (b *Book) LineItem(ctx context.Context, id media.LineItemID) (Held[media.LineItem], error) {
	return get[media.LineItem](ctx, b, registry.LineItem, string(id))
}

// Placement returns a placement; a retail.Error of kind NotFound where absent.
func (b *Book) Placement(ctx context.Context, id media.PlacementID) (Held[media.Placement], error) {
	return get[media.Placement](ctx, b, registry.Placement, string(id))
}

// Versions returns every version of one thing, oldest first, for the audit.
func (b *Book) Versions(ctx context.Context, kind registry.Kind, id string) ([]registry.Row, error) {
	return b.cfg.Registry.Versions(ctx, kind, id)
}

// wordOf is what people call a kind of terms.
func wordOf(kind registry.Kind) string { return strings.ReplaceAll(string(kind), "_", " ") }

// Version is one version of terms, for the audit.
type Version[T any] struct {
	Held[T]
	Removed bool // the thing is gone since this version
	By      string
	At      time.Time
}

func versionsOf[T any](ctx context.Context, b *Book, kind registry.Kind, id string) ([]Version[T], error) {
	rows, err := b.Versions(ctx, kind, id)
	if err != nil {
		return nil, fmt.Errorf("look up versions of %s %s: %w", kind, id, err)
	}
	if len(rows) == 0 {
		return nil, &retail.Error{Kind: retail.NotFound, Say: "no such " + wordOf(kind)}
	}
	out := make([]Version[T], len(rows))
	for i := range rows {
		r := &rows[i]
		out[i] = Version[T]{Held: Held[T]{Version: r.Version}, Removed: r.Removed, By: r.By, At: r.At}
		if err := json.Unmarshal(r.Doc, &out[i].Terms); err != nil {
			return nil, fmt.Errorf("read %s %s version %d: %w", kind, id, r.Version, err)
		}
	}
	return out, nil
}

// AdvertiserVersions returns every version of an advertiser, also of a removed
// one, oldest first; a retail.Error of kind NotFound where there never was one.
func (b *Book) AdvertiserVersions(ctx context.Context, id media.AdvertiserID) ([]Version[media.Advertiser], error) {
	return versionsOf[media.Advertiser](ctx, b, registry.Advertiser, string(id))
}

// CampaignVersions is AdvertiserVersions of a campaign.
func (b *Book) CampaignVersions(ctx context.Context, id media.CampaignID) ([]Version[media.Campaign], error) {
	return versionsOf[media.Campaign](ctx, b, registry.Campaign, string(id))
}

// LineItemVersions is AdvertiserVersions of a line item.
func (b *Book) LineItemVersions(ctx context.Context, id media.LineItemID) ([]Version[media.LineItem], error) {
	return versionsOf[media.LineItem](ctx, b, registry.LineItem, string(id))
}

// PlacementVersions is AdvertiserVersions of a placement.
func (b *Book) PlacementVersions(ctx context.Context, id media.PlacementID) ([]Version[media.Placement], error) {
	return versionsOf[media.Placement](ctx, b, registry.Placement, string(id))
}

// Page asks for up to Limit (1 to registry.PageMax) things after an id, of one
// advertiser and one campaign where these are given.
type Page struct {
	After      string
	Limit      int
	Advertiser media.AdvertiserID
	Campaign   media.CampaignID
}

func list[K ~string, T any](b *Book, kind registry.Kind, in map[K]T, p Page, keep func(*T) bool) []Held[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []K
	for id, t := range in {
		if string(id) > p.After && keep(&t) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	out := make([]Held[T], 0, min(len(ids), max(p.Limit, 1), registry.PageMax))
	for _, id := range ids[:cap(out)] {
		out = append(out, Held[T]{in[id], b.versions[rowKey{kind, string(id)}]})
	}
	return out
}

// Advertisers lists advertisers by id.
func (b *Book) Advertisers(ctx context.Context, p Page) ([]Held[media.Advertiser], error) {
	if err := b.current(ctx); err != nil {
		return nil, err
	}
	return list(b, registry.Advertiser, b.docs.advertisers, p, func(a *media.Advertiser) bool {
		return p.Advertiser == "" || a.ID == p.Advertiser
	}), nil
}

// Campaigns lists campaigns by id.
func (b *Book) Campaigns(ctx context.Context, p Page) ([]Held[media.Campaign], error) {
	if err := b.current(ctx); err != nil {
		return nil, err
	}
	return list(b, registry.Campaign, b.docs.campaigns, p, func(c *media.Campaign) bool {
		return p.Advertiser == "" || c.Advertiser == p.Advertiser
	}), nil
}

// LineItems lists line items by id.
func (b *Book) LineItems(ctx context.Context, p Page) ([]Held[media.LineItem], error) {
	if err := b.current(ctx); err != nil {
		return nil, err
	}
	return list(b, registry.LineItem, b.docs.lines, p, func(l *media.LineItem) bool {
		return (p.Advertiser == "" || l.Advertiser == p.Advertiser) && (p.Campaign == "" || l.Campaign == p.Campaign)
	}), nil
}

// Placements lists placements by id.
func (b *Book) Placements(ctx context.Context, p Page) ([]Held[media.Placement], error) {
	if err := b.current(ctx); err != nil {
		return nil, err
	}
	return list(b, registry.Placement, b.docs.placements, p, func(*media.Placement) bool { return true }), nil
}
