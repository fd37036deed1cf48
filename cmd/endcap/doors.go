package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/gate/api/admin"
	"endcap/gate/api/feed"
	"endcap/gate/api/merge"
	partnerdoor "endcap/gate/api/partner"
	"endcap/gate/api/privacy"
	"endcap/gate/api/report"
	"endcap/gate/api/shop"
	"endcap/gate/api/till"
	"endcap/gate/api/trade"
	"endcap/know/audience"
	"endcap/know/partner"
	"endcap/know/recommend/merchandising"
	"endcap/know/secret"
	"endcap/prove/cleanroom"
	"endcap/prove/insight"
	"endcap/prove/measure"
	"endcap/simulate/play"
)

// newServer mounts every door.
func newServer(h *owner) *api.Server {
	keys := access.New(h.book, h.book, wall)
	frame := frameOf(h)
	s := api.New(api.Options{
		Keys: keys, Now: h.now, Wall: wall, Log: h.log, Metrics: h.metrics, Version: version, Limits: api.Limits{}.Defaults(),
		Notice: noticeOf(frame), Ready: readiness(h),
	})
	audit := cleanroom.NewJournal(h.book)
	reader := measure.NewReader(h.history)
	shop.Mount(s, shop.Ports{Desk: h.desk, People: h.people, Decider: h.decider, Booked: h.campaigns, Tokens: h.secrets.Tokens, Names: h.assortment, Zone: h.zone})
	till.Mount(s, till.Ports{
		Desk: h.desk, Came: func() { now := wall(); h.tills.Store(&now) },
		Seen: func(ctx context.Context) error { return h.progress.CaughtUp(ctx, h.whole, profileFollowers...) },
	})
	feed.Mount(s, h.desk, h.desk)
	merge.Mount(s, h.desk, h.people)
	rules := merchandising.NewTerms(merchandising.Config{Store: h.book, Range: h.assortment, Shield: h.consents.Shield(), Now: h.now, Zone: h.zone})
	trade.Mount(s, trade.Ports{Book: h.campaigns, Currency: h.set.Currency, Rules: rules, Audiences: trade.Audiences{
		Terms: audience.NewTerms(h.book, h.now, h.consents.Shield()), Sizer: audience.NewSizer(h.history, h.consents.Shield()), Audit: audit, Policy: h.policy, Now: h.now, Zone: h.zone,
	}})
	report.Mount(s, report.Ports{
		Reader: reader, Reporter: insight.NewReporter(reader, audit), Book: h.campaigns, History: h.history,
		Policy: h.policy, Frame: frame, Lookback: h.set.NewToBrand, Zone: h.zone, Currency: h.set.Currency,
	})
	privacy.Mount(s, h.office)
	partnerdoor.Mount(s, partner.New(partner.Ports{Book: h.book, Vault: h.vault, People: h.people, Ring: h.secrets.Partner, Now: h.now}))
	admin.Mount(s, adminPorts(h, keys))
	return s
}

// readyTime is how long a readiness check waits for the followers.
const readyTime = time.Second

// readiness says whether profiles are as new as the stream.
func readiness(h *owner) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, readyTime)
		defer cancel()
		if err := h.progress.CaughtUp(ctx, h.whole, profileFollowers...); err != nil {
			return errors.New("profiles are catching up with the stream")
		}
		return nil
	}
}

// frameOf is what every report says of this house.
func frameOf(h *owner) insight.Frame {
	f := insight.Frame{Dataset: h.set.Dataset, Clock: "wall"}
	if h.replay != nil {
		f.Clock = "replay"
	}
	switch {
	case h.set.Demo && strings.HasPrefix(h.set.Dataset, play.Declared):
		f.Notices = []string{"This is a demonstration: shoppers are simulated, and adverts change what they buy by an effect that is planted."}
	case h.set.Demo:
		f.Notices = []string{
			"This is a demonstration: it runs on a replay of past weeks.",
			"Consents and clicks were drawn by a stated rule. No click changed what anybody bought, so the true incremental sales are 0.",
		}
	}
	return f
}

func noticeOf(f insight.Frame) string {
	said := slices.Clone(f.Notices)
	if f.Dataset != "" {
		said = slices.Insert(said, 0, strings.TrimSuffix(f.Dataset, ".")+".")
	}
	return strings.Join(said, " ")
}

func adminPorts(h *owner, keys *access.Keeper) admin.Ports {
	p := admin.Ports{
		Keys: keys, Desk: h.desk, Settler: h.desk, Decode: decoder(h), Mend: func(_ context.Context, text json.RawMessage) error { return mend(h.dir, text) },
		Status: func(ctx context.Context) (admin.Status, error) { return statusOf(ctx, h) },
		Import: func(ctx context.Context, in *admin.Import, tell func(admin.Imported)) error {
			return importFile(ctx, h, in, tell)
		},
		BackUp: func(ctx context.Context, in *admin.BackUp, tell func(admin.BackedUp)) error {
			return backUp(ctx, h, in, tell)
		},
		Batches: h.batches, Fresh: func(ctx context.Context) error { return fresh(ctx, h) },
		Secrets: admin.Secrets{List: h.secrets.List, Rotate: func(ctx context.Context, t secret.Turn) (secret.Known, error) {
			return rotateSecret(ctx, h, t)
		}},
		Models:   modelPorts(h),
		Recovery: func(_ context.Context, in *admin.RecoveryKey) (string, error) { return setRecovery(h, in) },
	}
	if h.chances != nil {
		p.Chances = h.chances.Status
	}
	if h.replay != nil {
		p.Clock, p.Moved = h.replay, func(ctx context.Context) error { return morning(ctx, h) }
	}
	return p
}

// outboxShown is how many waiting facts a status counts.
const outboxShown = 1_000

// statusOf says how far the house has come.
func statusOf(ctx context.Context, h *owner) (admin.Status, error) {
	lags, err := h.progress.Lags(ctx, h.whole)
	if err != nil {
		return admin.Status{}, err
	}
	waiting, err := h.book.Outbox(ctx, outboxShown)
	if err != nil {
		return admin.Status{}, fmt.Errorf("read outbox: %w", err)
	}
	last, err := lastBackup(h.dir)
	if err != nil {
		return admin.Status{}, err
	}
	f := frameOf(h)
	out := admin.Status{Backup: last, Retailer: h.set.Name, Dataset: h.set.Dataset, Clock: f.Clock, Now: h.now(), Outbox: len(waiting), CaughtUp: len(waiting) == 0}
	for _, l := range lags {
		out.Followers = append(out.Followers, admin.FollowerLag{Name: l.Name, CaughtUp: l.CaughtUp, Failing: l.Failing})
		out.CaughtUp = out.CaughtUp && l.CaughtUp
	}
	return out, nil
}
