package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"endcap/keep/profile/pebbleshelf"
	"endcap/know/identity"
	"endcap/know/recommend"
	"endcap/know/recommend/outreach"
)

// expireEvery is how soon a batch that is no longer valid is gone.
const expireEvery = 10 * time.Second

// batchesIn looks at the batches of a house that is closed.
func batchesIn(dir string) *outreach.Folder {
	return outreach.NewFolder(filepath.Join(dir, batchDir), outreach.Ports{})
}

func newBatches(s *stores, w *wings) *outreach.Folder {
	shelf := pebbleshelf.Passing{Store: s.shelf}
	return outreach.NewFolder(filepath.Join(s.dir, batchDir), outreach.Ports{
		Shoppers: shelf, Profiles: identity.NewCurrent(identity.NewProfiles(shelf, w.people, merges()), lapsed(s)),
		People: w.people, Keys: s.vault, Still: w.recommend.Still, Product: w.assortment.Product,
		Consents: identity.Section, Habits: recommend.Section, Now: s.now, Zone: s.zone, Wall: wall, Visits: func() bool { return s.shop }, Book: s.book,
	})
}

// nightlyBatches makes the batches of the settings.
func nightlyBatches(ctx context.Context, h *owner) {
	h.batches.Nightly(ctx, h.set.Batches, func(m *outreach.Manifest, err error) {
		if err != nil {
			failed(h.log, "batches")(err)
			return
		}
		h.log.Info("made a batch", slog.String("file", m.File), slog.Int("shoppers", m.Shoppers), slog.Int("rows", m.Rows))
	})
}

// fresh has profiles and the recommender hold what has come; a house that is open for
// one command has no index of its own.
func fresh(ctx context.Context, h *owner) error {
	if err := h.progress.CaughtUp(ctx, h.whole, profileFollowers...); err != nil {
		return err
	}
	if err := h.recommend.Refresh(ctx); err != nil {
		failed(h.log, "recommend")(err) // what can be read serves
	}
	return nil
}
