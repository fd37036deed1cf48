package main

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"endcap/keep/files/dirfiles"
	"endcap/keep/profile"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/sql/sqlite"
	"endcap/keep/stream"
	"endcap/keep/stream/pebblelog"
	"endcap/keep/warehouse/duck"
	"endcap/know/assortment"
	"endcap/know/audience"
	"endcap/know/history"
	"endcap/know/identity"
	"endcap/know/recommend"
	"endcap/retail/catalog"
	"endcap/retail/media"
	"endcap/sell/campaign"
	"endcap/sell/decide"
)

// house is a data directory opened in this process, as far as decisions need it.
type house struct {
	grocer     *grocer
	zone       *time.Location
	book       *sqlite.Book
	people     *identity.Identity
	shelf      *pebbleshelf.Store
	assortment *assortment.Shelf
	audiences  *audience.Book
	recommend  *recommend.Recommender
	campaigns  *campaign.Book
	closings   []func() error
}

func (h *house) close() error {
	var errs []error
	for _, shut := range slices.Backward(h.closings) {
		errs = append(errs, shut())
	}
	return errors.Join(errs...)
}

func openHouse(ctx context.Context, o *options) (_ *house, err error) {
	h, dir := &house{grocer: o.grocer, assortment: assortment.New()}, o.dir
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.zone, err = time.LoadLocation(o.grocer.zone); err != nil {
		return nil, err
	}
	if h.book, err = sqlite.OpenBook(ctx, sqlite.Options{Path: filepath.Join(dir, "book.db"), Zone: h.zone}); err != nil {
		return nil, err
	}
	h.closings = append(h.closings, h.book.Close)
	vault, err := sqlite.OpenVault(ctx, sqlite.Options{Path: filepath.Join(dir, "vault.db")})
	if err != nil {
		return nil, err
	}
	h.closings = append(h.closings, vault.Close)
	if h.people, err = identity.New(vault, identity.Random(rand.Reader), identity.Defaults(time.Now)); err != nil {
		return nil, err
	}
	if err := h.people.Load(ctx); err != nil {
		return nil, err
	}
	if h.shelf, err = pebbleshelf.Open(ctx, filepath.Join(dir, "profiles"), pebbleshelf.Options{}); err != nil {
		return nil, err
	}
	h.closings = append(h.closings, h.shelf.Close)
	if err := h.readRange(ctx, dir); err != nil {
		return nil, err
	}
	return h, h.openWings(ctx, dir)
}

// readRange folds the assortment.
func (h *house) readRange(ctx context.Context, dir string) error {
	log, err := pebblelog.Open(filepath.Join(dir, "stream"), pebblelog.Options{Now: h.grocer.now})
	if err != nil {
		return err
	}
	h.closings = append(h.closings, log.Close)
	past, err := duck.Open(ctx, filepath.Join(dir, "history"), duck.Defaults())
	if err != nil {
		return err
	}
	h.closings = append(h.closings, past.Close)
	return stream.CatchUp(ctx, history.NewWhole(log, past), h.assortment.Follower())
}

func (h *house) openWings(ctx context.Context, dir string) error {
	files, err := dirfiles.Open(filepath.Join(dir, "files"), nil)
	if err != nil {
		return err
	}
	h.recommend = recommend.New(h.assortment, files, recommend.Options{})
	h.audiences = audience.NewBook(h.book, h.assortment, nil)
	if err := errors.Join(h.recommend.Refresh(ctx), h.audiences.Refresh(ctx)); err != nil {
		return err
	}
	h.campaigns, err = campaign.Open(ctx, campaign.Config{
		Registry: h.book, Ledger: h.book, Now: h.grocer.now, Zone: h.zone, Known: h.assortment.Known,
		Billed: func(context.Context) (time.Time, error) { return h.grocer.noon, nil }, // nobody clicks
	})
	return err
}

// decider answers in this process; its records go to r.
func (h *house) decider(r decide.Recorder) (*decide.Decider, error) {
	profiles := identity.NewProfiles(h.shelf, h.people, map[profile.Section]identity.Merge{
		identity.Section: identity.MergeConsents, audience.Section: audience.Merge, recommend.Section: recommend.Merge,
	})
	ring := media.NewKeyring(media.Key{Number: 1})
	return decide.New(decide.Config{
		Book: h.campaigns, Profiles: profiles, Recommender: h.recommend, Assortment: h.assortment, Recorder: r,
		Sections: decide.Sections{Consent: identity.Section, Audiences: audience.Section, Habits: recommend.Section},
		Allowed:  h.people.Holds, Canonical: h.people.Canonical, Audiences: h.audiences, Keys: func() media.Keyring { return ring },
		Now: h.grocer.now, Zone: h.zone, Rand: rand.Reader,
	})
}

// product is a product's row, or none.
func (h *house) product(id catalog.ProductID) *catalog.Product {
	p, ok := h.assortment.Product(id)
	if !ok {
		return nil
	}
	return p
}
