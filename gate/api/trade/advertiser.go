package trade

import (
	"context"
	"net/http"

	"endcap/gate/api"
	"endcap/retail"
	"endcap/retail/media"
	"endcap/sell/campaign"
)

// Advertiser is who pays, on the wire.
type Advertiser struct {
	ID       string          `json:"id,omitempty" readOnly:"true"`
	Name     string          `json:"name" maxLength:"200"`
	Currency retail.Currency `json:"currency" doc:"of its wallet and bids; never changes"`
}

// Wallet is an advertiser's prepaid money.
type Wallet struct {
	Balance api.Money `json:"balance" doc:"without what is set aside for flights that are open"`
}

// Placement is a named place with slots, on the wire.
type Placement struct {
	ID       string    `json:"id,omitempty" readOnly:"true"`
	Name     string    `json:"name" maxLength:"200"`
	SlotsMax int       `json:"slots_max" minimum:"1" maximum:"20"`
	Floor    api.Money `json:"floor" doc:"the least a click costs here"`
}

func writeAdvertiser(h campaign.Held[media.Advertiser]) Advertiser {
	return Advertiser{string(h.Terms.ID), h.Terms.Name, h.Terms.Currency}
}

func writePlacement(h campaign.Held[media.Placement]) Placement {
	return Placement{string(h.Terms.ID), h.Terms.Name, h.Terms.SlotsMax, api.MoneyOf(h.Terms.Floor, h.Terms.Currency)}
}

func mountAdvertisers(s *api.Server, h *handler) {
	register(s, operation("list-advertisers", http.MethodGet, "/v1/advertisers", "List advertisers."), h.listAdvertisers)
	register(s, operation("get-advertiser", http.MethodGet, "/v1/advertisers/{id}", "Read an advertiser."), h.getAdvertiser)
	register(s, operation("put-advertiser", http.MethodPut, "/v1/advertisers/{id}", "Make or change an advertiser."), h.putAdvertiser)
	register(s, operation("remove-advertiser", http.MethodDelete, "/v1/advertisers/{id}", "Remove an advertiser."), h.removeAdvertiser)
	register(s, operation("get-wallet", http.MethodGet, "/v1/advertisers/{id}/wallet", "Read a wallet."), h.wallet)
	pay := operation("pay", http.MethodPost, "/v1/advertisers/{id}/payments", "Pay money into a wallet.")
	pay.Description = "Booked once for each Idempotency-Key, which is required."
	register(s, pay, h.pay)
}

func (h *handler) listAdvertisers(ctx context.Context, in *Page) (*many[Advertiser], error) {
	who := api.Caller(ctx)
	held, err := h.Book.Advertisers(ctx, campaign.Page{After: in.After, Limit: in.size(h.pageMax) + 1, Advertiser: who.Advertiser})
	if err != nil {
		return nil, err
	}
	return manyOf(held, in.size(h.pageMax), writeAdvertiser, func(a campaign.Held[media.Advertiser]) string { return string(a.Terms.ID) }), nil
}

// seen refuses an advertiser's id that the caller may not know of.
func seen(ctx context.Context, id string) error {
	if who := api.Caller(ctx); !who.Sees(media.AdvertiserID(id)) {
		return missing("advertiser")
	}
	return nil
}

func (h *handler) getAdvertiser(ctx context.Context, in *Read) (*one[Advertiser], error) {
	if err := seen(ctx, in.ID); err != nil {
		return nil, err
	}
	held, err := h.Book.Advertiser(ctx, media.AdvertiserID(in.ID))
	if err != nil {
		return nil, err
	}
	if err := in.unless(held.Version); err != nil {
		return nil, err
	}
	return &one[Advertiser]{etag(held.Version), writeAdvertiser(held)}, nil
}

type putAdvertiser struct {
	Edit
	Body Advertiser
}

func (h *handler) putAdvertiser(ctx context.Context, in *putAdvertiser) (*stored[Advertiser], error) {
	if err := retailerOnly(ctx); err != nil {
		return nil, err
	}
	e, err := in.of(ctx)
	if err != nil {
		return nil, err
	}
	a := media.Advertiser{ID: media.AdvertiserID(in.ID), Name: in.Body.Name, Currency: in.Body.Currency}
	version, err := h.Book.PutAdvertiser(ctx, a, e)
	if err != nil {
		return nil, err
	}
	return storedAs(version, writeAdvertiser(campaign.Held[media.Advertiser]{Terms: a})), nil
}

func (h *handler) removeAdvertiser(ctx context.Context, in *Edit) (*struct{}, error) {
	if err := retailerOnly(ctx); err != nil {
		return nil, err
	}
	e, err := in.remove(ctx)
	if err == nil {
		_, err = h.Book.RemoveAdvertiser(ctx, media.AdvertiserID(in.ID), e)
	}
	return nil, err
}

func (h *handler) wallet(ctx context.Context, in *Which) (*one[Wallet], error) {
	if err := seen(ctx, in.ID); err != nil {
		return nil, err
	}
	m, err := h.Book.Wallet(ctx, media.AdvertiserID(in.ID))
	if err != nil {
		return nil, err
	}
	return &one[Wallet]{Body: Wallet{api.MoneyOf(m.Amount, m.Currency)}}, nil
}

type payment struct {
	Which
	Once string `header:"Idempotency-Key" required:"true" maxLength:"100"`
	Body struct {
		Amount api.Money `json:"amount"`
	}
}

func (h *handler) pay(ctx context.Context, in *payment) (*one[Wallet], error) {
	if err := retailerOnly(ctx); err != nil {
		return nil, err
	}
	held, err := h.Book.Advertiser(ctx, media.AdvertiserID(in.ID))
	if err != nil {
		return nil, err
	}
	amount, err := in.Body.Amount.In("amount", held.Terms.Currency)
	if err != nil {
		return nil, err
	}
	e := campaign.Edit{By: api.Caller(ctx).Name, Once: in.Once}
	m, err := h.Book.TopUp(ctx, held.Terms.ID, retail.Money{Amount: amount, Currency: held.Terms.Currency}, e)
	if err != nil {
		return nil, err
	}
	return &one[Wallet]{Body: Wallet{api.MoneyOf(m.Amount, m.Currency)}}, nil
}

func mountPlacements(s *api.Server, h *handler) {
	register(s, operation("list-placements", http.MethodGet, "/v1/placements", "List placements."), h.listPlacements)
	register(s, operation("get-placement", http.MethodGet, "/v1/placements/{id}", "Read a placement."), h.getPlacement)
	register(s, operation("put-placement", http.MethodPut, "/v1/placements/{id}", "Make or change a placement."), h.putPlacement)
	register(s, operation("remove-placement", http.MethodDelete, "/v1/placements/{id}", "Remove a placement."), h.removePlacement)
}

func (h *handler) listPlacements(ctx context.Context, in *Page) (*many[Placement], error) {
	held, err := h.Book.Placements(ctx, campaign.Page{After: in.After, Limit: in.size(h.pageMax) + 1})
	if err != nil {
		return nil, err
	}
	return manyOf(held, in.size(h.pageMax), writePlacement, func(p campaign.Held[media.Placement]) string { return string(p.Terms.ID) }), nil
}

func (h *handler) getPlacement(ctx context.Context, in *Read) (*one[Placement], error) {
	held, err := h.Book.Placement(ctx, media.PlacementID(in.ID))
	if err != nil {
		return nil, err
	}
	if err := in.unless(held.Version); err != nil {
		return nil, err
	}
	return &one[Placement]{etag(held.Version), writePlacement(held)}, nil
}

type putPlacement struct {
	Edit
	Body Placement
}

func (h *handler) putPlacement(ctx context.Context, in *putPlacement) (*stored[Placement], error) {
	if err := retailerOnly(ctx); err != nil {
		return nil, err
	}
	e, err := in.of(ctx)
	if err != nil {
		return nil, err
	}
	floor, err := in.Body.Floor.In("floor", h.Currency)
	if err != nil {
		return nil, err
	}
	p := media.Placement{ID: media.PlacementID(in.ID), Name: in.Body.Name, SlotsMax: in.Body.SlotsMax, Floor: floor, Currency: h.Currency}
	version, err := h.Book.PutPlacement(ctx, p, e)
	if err != nil {
		return nil, err
	}
	return storedAs(version, writePlacement(campaign.Held[media.Placement]{Terms: p})), nil
}

func (h *handler) removePlacement(ctx context.Context, in *Edit) (*struct{}, error) {
	if err := retailerOnly(ctx); err != nil {
		return nil, err
	}
	e, err := in.remove(ctx)
	if err == nil {
		_, err = h.Book.RemovePlacement(ctx, media.PlacementID(in.ID), e)
	}
	return nil, err
}
