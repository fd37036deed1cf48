package trade

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"endcap/gate/api"
	"endcap/know/audience"
	ground "endcap/retail/audience"
	"endcap/retail/media"
	"endcap/sell/campaign"
)

// Version is one version of terms, for the audit.
type Version[T any] struct {
	Version uint64    `json:"version"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty" doc:"the name of the API key that made it; for the retailer's roles"`
	Removed bool      `json:"removed,omitempty" doc:"the thing is gone since this version"`
	Terms   T         `json:"terms"`
}

// VersionPage asks for part of the versions of one thing.
type VersionPage struct {
	Which
	After uint64 `query:"after" doc:"the last version of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

func mountVersions(s *api.Server, h *handler) {
	register(s, operation("list-advertiser-versions", http.MethodGet, "/v1/advertisers/{id}/versions", "Read every version of an advertiser, oldest first."), h.advertiserVersions)
	register(s, operation("list-placement-versions", http.MethodGet, "/v1/placements/{id}/versions", "Read every version of a placement, oldest first."), h.placementVersions)
	register(s, operation("list-campaign-versions", http.MethodGet, "/v1/campaigns/{id}/versions", "Read every version of a campaign, oldest first."), h.campaignVersions)
	register(s, operation("list-line-item-versions", http.MethodGet, "/v1/line-items/{id}/versions", "Read every version of a line item, oldest first."), h.lineItemVersions)
	register(s, operation("list-audience-versions", http.MethodGet, "/v1/audiences/{id}/versions", "Read every version of an audience, oldest first."), h.audienceVersions)
}

// historyOf writes a page of versions, of which there is one at least. Versions
// outlive what they are of: the audit also tells of what was removed.
func historyOf[T, V any](ctx context.Context, in *VersionPage, all []V, write func(V) Version[T]) *many[Version[T]] {
	who := api.Caller(ctx)
	out := new(many[Version[T]])
	out.Body.Items = []Version[T]{}
	for i := range all {
		v := write(all[i])
		if v.Version <= in.After {
			continue
		}
		if len(out.Body.Items) == in.Limit {
			out.Body.Next = strconv.FormatUint(out.Body.Items[in.Limit-1].Version, 10)
			break
		}
		if !who.Retailer() {
			v.By = ""
		}
		out.Body.Items = append(out.Body.Items, v)
	}
	return out
}

// versionOf writes one version of the book's terms.
func versionOf[T, M any](v campaign.Version[M], write func(campaign.Held[M]) T) Version[T] {
	return Version[T]{Version: v.Version, At: v.At, By: v.By, Removed: v.Removed, Terms: write(v.Held)}
}

func (h *handler) advertiserVersions(ctx context.Context, in *VersionPage) (*many[Version[Advertiser]], error) {
	if err := seen(ctx, in.ID); err != nil {
		return nil, err
	}
	all, err := h.Book.AdvertiserVersions(ctx, media.AdvertiserID(in.ID))
	if err != nil {
		return nil, err
	}
	return historyOf(ctx, in, all, func(v campaign.Version[media.Advertiser]) Version[Advertiser] {
		return versionOf(v, writeAdvertiser)
	}), nil
}

func (h *handler) placementVersions(ctx context.Context, in *VersionPage) (*many[Version[Placement]], error) {
	all, err := h.Book.PlacementVersions(ctx, media.PlacementID(in.ID))
	if err != nil {
		return nil, err
	}
	return historyOf(ctx, in, all, func(v campaign.Version[media.Placement]) Version[Placement] {
		return versionOf(v, writePlacement)
	}), nil
}

func (h *handler) campaignVersions(ctx context.Context, in *VersionPage) (*many[Version[Campaign]], error) {
	who := api.Caller(ctx)
	all, err := h.Book.CampaignVersions(ctx, media.CampaignID(in.ID))
	if err != nil {
		return nil, err
	}
	if !who.Sees(all[0].Terms.Advertiser) {
		return nil, missing("campaign")
	}
	return historyOf(ctx, in, all, func(v campaign.Version[media.Campaign]) Version[Campaign] {
		return versionOf(v, writeCampaign)
	}), nil
}

func (h *handler) lineItemVersions(ctx context.Context, in *VersionPage) (*many[Version[LineItem]], error) {
	who := api.Caller(ctx)
	all, err := h.Book.LineItemVersions(ctx, media.LineItemID(in.ID))
	if err != nil {
		return nil, err
	}
	if !who.Sees(all[0].Terms.Advertiser) {
		return nil, missing("line item")
	}
	payers, err := h.Book.AdvertiserVersions(ctx, all[0].Terms.Advertiser) // also of one that was removed
	if err != nil {
		return nil, err
	}
	currency := payers[0].Terms.Currency // it never changes
	return historyOf(ctx, in, all, func(v campaign.Version[media.LineItem]) Version[LineItem] {
		return versionOf(v, func(held campaign.Held[media.LineItem]) LineItem { return writeTerms(&held.Terms, currency) })
	}), nil
}

func (h *handler) audienceVersions(ctx context.Context, in *VersionPage) (*many[Version[Audience]], error) {
	who := api.Caller(ctx)
	all, err := h.Audiences.Terms.Versions(ctx, ground.ID(in.ID))
	if err != nil {
		return nil, err
	}
	if owner := all[0].Owner; owner != "" && !who.Sees(owner) {
		return nil, missing("audience")
	}
	return historyOf(ctx, in, all, func(v audience.Version) Version[Audience] {
		return Version[Audience]{Version: v.Version, At: v.At, By: v.By, Removed: v.Removed, Terms: writeAudience(v.Held)}
	}), nil
}
