package main

import (
	"context"
	"log/slog"

	"endcap/gate/api/admin"
	"endcap/keep/ledger"
	"endcap/know/identity"
	"endcap/know/recommend"
	"endcap/know/recommend/training"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/shopper"
)

// openTrainer wires the next-basket model: who may stand in it, and what it is made
// from.
func openTrainer(s *stores, w *wings) (err error) {
	w.next = training.NewKeeper(s.files, func(ctx context.Context, who shopper.ID) (bool, error) {
		_, allowed, err := habitsOf(ctx, s, w, who)
		return allowed, err
	})
	set := training.Defaults().Within(machineMemory() << 20)
	if s.replay != nil { // its days pass in seconds
		set = set.Hasty()
	}
	w.trainer, err = training.New(training.Config{
		From: s.history, Keeper: w.next, Settings: set, Never: s.set.NeverOffer, Sensitive: s.consents.Shield(),
		Rest: training.Beside(wall, func() uint64 { return w.recommend.Asked() }),
	})
	return err
}

// habitsOf is what a decision knows of what a shopper bought, and whether she allows
// offers from it; nothing where she does not.
func habitsOf(ctx context.Context, s *stores, w *wings, who shopper.ID) ([]byte, bool, error) {
	p, err := identity.NewCurrent(w.profiles, lapsed(s)).Get(ctx, who)
	if err != nil || !w.people.Holds(who, p[identity.Section], s.now()).Allows(consent.PersonalOffers) {
		return nil, false, err
	}
	return p[recommend.Section], true, nil
}

// trainings trains each night; on a replay as seldom as related products are counted,
// and not on the day at which it is started, on which it stands until it is moved.
func trainings(ctx context.Context, h *owner) {
	n := training.Nights{Every: morningEvery, Apart: 1, Now: h.now, Failed: failed(h.log, "training"), Kept: func() retail.Day { return retail.Day(h.kept.Load()) }}
	if h.replay != nil {
		n.Apart, n.Idle = relatedReplayed, true
	}
	n.Done = func(o training.Outcome) {
		h.log.Info("trained what is bought next", slog.Uint64("version", o.Published), slog.String("not_published", o.Why), slog.Bool("searched", o.Searched),
			slog.Float64("recall", o.Model.Recall), slog.Float64("recall_of_frequencies", o.Usual.Recall))
	}
	h.trainer.Run(ctx, n)
}

// modelPorts are what the door of models speaks to.
func modelPorts(h *owner) admin.Models {
	return admin.Models{
		Keeper: h.next, Trainer: h.trainer, Lists: h.recommend, People: h.people, Range: h.assortment, Now: h.now, Zone: h.zone,
		Habits: func(ctx context.Context, who shopper.ID) ([]byte, bool, error) {
			return habitsOf(ctx, h.stores, h.wings, who)
		},
		Note: func(ctx context.Context, by string, serving uint64) error {
			return ledger.Note(ctx, h.book, ledger.Noted{Kind: training.RollbackKind, By: by, At: h.now(), Entry: map[string]any{"at": h.now(), "by": by, "serving": serving}})
		},
	}
}
