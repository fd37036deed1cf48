package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"endcap/keep/profile"
	"endcap/keep/stream"
	"endcap/know/assortment"
	"endcap/know/audience"
	"endcap/know/history"
	"endcap/know/identity"
	"endcap/know/ingest"
	"endcap/know/privacy"
	"endcap/know/recommend"
	"endcap/know/recommend/merchandising"
	"endcap/know/recommend/outreach"
	"endcap/know/recommend/related"
	"endcap/know/recommend/response"
	"endcap/know/recommend/training"
	"endcap/prove/cleanroom"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/sell/billing"
	"endcap/sell/campaign"
	"endcap/sell/decide"
)

// wings are the packages that work on the stores, wired to each other.
type wings struct {
	people     *identity.Identity
	profiles   *identity.Profiles // of people, who may be several shoppers
	assortment *assortment.Shelf
	desk       *ingest.Desk
	recorder   *ingest.Recorder
	relay      *ingest.Relay
	turner     *ingest.Turner
	audiences  *audience.Book
	recommend  *recommend.Recommender
	chances    *response.Life   // nil where no visitors are served
	next       *training.Keeper // versions of the next-basket model
	trainer    *training.Trainer
	batches    *outreach.Folder
	campaigns  *campaign.Book
	biller     *billing.Biller
	decider    *decide.Decider
	progress   *stream.Progress
	office     *privacy.Office
	policy     cleanroom.Policy
	followers  []stream.Follower
	tills      atomic.Pointer[time.Time] // when receipts last came by the API, by the wall's clock; nil for never
}

// wall is the machine's own clock, for what must age while a replay stands still.
func wall() time.Time { return time.Now().UTC() }

// failed logs what went wrong in a job that will try again.
func failed(log *slog.Logger, job string) func(error) {
	return func(err error) { log.Error("job failed", slog.String("job", job), slog.String("error", err.Error())) }
}

// openWings wires everything above the stores. The assortment is folded before
// it returns, because the desk and the auctions ask it.
func openWings(ctx context.Context, s *stores) (*wings, error) {
	w := &wings{assortment: assortment.New(), progress: stream.NewProgress(), policy: cleanroom.Policy{ShoppersMin: s.set.ShoppersMin}}
	if err := stream.CatchUp(ctx, s.whole, w.assortment.Follower()); err != nil {
		return nil, fmt.Errorf("read the assortment: %w", err)
	}
	if err := openKnow(ctx, s, w); err != nil {
		return nil, err
	}
	if err := openSell(ctx, s, w); err != nil {
		return nil, err
	}
	if err := openOffice(ctx, s, w); err != nil {
		return nil, err
	}
	if err := settleConsents(ctx, s, w); err != nil {
		return nil, err
	}
	followers := []stream.Follower{
		w.assortment.Follower(), history.Follower(s.history, historyPause), identity.Follower(s.shelf), identity.Forgetting(s.shelf), audience.Follower(s.shelf),
		recommend.Follower(s.shelf), w.biller.Follower(), w.campaigns.Follower(s.stream.End),
		w.next.Follower(s.stream.End, w.people.Canonical), outreach.Follower(w.batches, s.stream.End),
	}
	if w.chances != nil {
		followers = append(followers, w.chances.Follower())
	}
	for _, f := range followers {
		if slices.Contains(profileFollowers, f.Name) {
			f.Rest = func(ctx context.Context) { giveWay(ctx, s, w) }
		}
		w.followers = append(w.followers, w.progress.Track(s.whole, f))
		for p := range s.stream.Partitions() { // a follower kept in memory begins here, before any door opens
			if _, err := f.Cursor(ctx, p); err != nil {
				return nil, fmt.Errorf("cursor of %s: %w", f.Name, err)
			}
		}
	}
	return w, nil
}

// historyPause is how long history lets facts gather; it stays below the second
// within which history is to be current.
const historyPause = 250 * time.Millisecond

// How long profiles give way to a bulk load, and how often they look.
const (
	giveWayMax  = 5 * time.Second
	giveWayLook = 50 * time.Millisecond
)

// giveWay waits while history is behind, at most giveWayMax. Profiles are folded
// best when a load is over: every batch writes whole sections, and whoever loads
// a file waits for history. Where tills send receipts, which must be in profiles
// within a second, it does not wait.
func giveWay(ctx context.Context, s *stores, w *wings) {
	for range giveWayMax / giveWayLook {
		if tillsLive(w) {
			return
		}
		lags, err := w.progress.Lags(ctx, s.whole)
		if err != nil || slices.ContainsFunc(lags, func(l stream.Lag) bool { return l.Name == history.FollowerName && l.CaughtUp }) {
			return
		}
		select {
		case <-time.After(giveWayLook):
		case <-ctx.Done():
			return
		}
	}
}

// tillsLive says whether receipts came by the API of late.
func tillsLive(w *wings) bool {
	last := w.tills.Load()
	return last != nil && wall().Sub(*last) < giveWayMax // the difference is the monotonic clock's
}

// profileFollowers are those whose work a visitor sees in her profile.
var profileFollowers = []string{identity.FollowerName, audience.FollowerName, recommend.FollowerName}

// openPeople reads who is merged with whom, and reads profiles accordingly.
func openPeople(ctx context.Context, s *stores, w *wings) (err error) {
	cfg := identity.Defaults(wall)
	cfg.MonthsMax = s.consents.MonthsMost()
	cfg.Rules = rules(s.set.Merging)
	if w.people, err = identity.New(s.vault, s.newID, cfg); err != nil {
		return fmt.Errorf("open identity: %w", err)
	}
	if err := w.people.Load(ctx); err != nil {
		return fmt.Errorf("open identity: %w", err)
	}
	w.profiles = identity.NewProfiles(s.shelf, w.people, merges())
	return nil
}

// merges are how sections of people who are several shoppers are put together.
func merges() map[profile.Section]identity.Merge {
	return map[profile.Section]identity.Merge{identity.Section: identity.MergeConsents, audience.Section: audience.Merge, recommend.Section: recommend.Merge}
}

func openKnow(ctx context.Context, s *stores, w *wings) (err error) {
	if err := openPeople(ctx, s, w); err != nil {
		return err
	}
	ports := ingest.Ports{Log: s.stream, People: w.people, Quarantine: s.vault, Assortment: w.assortment, Past: history.NewPast(s.history), Clock: s.now}
	cfg := ingest.Defaults(s.zone, s.set.Currency)
	cfg.Policy = s.consents
	if w.desk, err = ingest.NewDesk(ports, cfg); err != nil {
		return fmt.Errorf("open desk: %w", err)
	}
	if err := w.desk.Tell(ctx); err != nil { // merges that a crash kept from being told
		return fmt.Errorf("tell of merges: %w", err)
	}
	w.recorder = ingest.NewRecorder(s.stream, recorderConfig(s))
	w.relay = ingest.NewRelay(ingest.RelayPorts{Outbox: s.book, Log: s.stream, Quarantine: s.vault, Clock: s.now, Failed: failed(s.log, "relay")})
	w.turner = ingest.NewTurner(ingest.TurnerPorts{
		Leases: s.book, Log: s.stream, Clock: s.now, Zone: s.zone, Holder: "house",
	})
	w.audiences = audience.NewBook(s.book, w.assortment, s.consents.Shield())
	if err := w.audiences.Refresh(ctx); err != nil {
		failed(s.log, "audiences")(err) // one that cannot be read reaches nobody; the others stand
	}
	if err := openTrainer(s, w); err != nil {
		return err
	}
	o := recommend.Options{
		Never: s.set.NeverOffer, Sensitive: s.consents.Shield(), Rules: merchandising.NewBook(s.book, s.consents.Shield()), Country: s.consents.Country,
		Price: w.assortment.Price, Next: w.next,
	}
	if s.shop {
		if err := openChances(ctx, s, w); err != nil {
			return err
		}
		o.Chances = w.chances
	}
	w.recommend = recommend.New(w.assortment, s.files, o)
	w.batches = newBatches(s, w)
	return nil
}

// openChances reads the model of clicks. What is damaged is reported, and the former
// version goes on.
func openChances(ctx context.Context, s *stores, w *wings) (err error) {
	cfg := response.LifeConfig{Model: response.Defaults(), Files: s.files, Partitions: s.stream.Partitions(), First: s.stream.First}
	if w.chances, err = response.Open(ctx, cfg); err != nil {
		return fmt.Errorf("open the model of clicks: %w", err)
	}
	if wrong := w.chances.Wrong(); wrong != nil {
		failed(s.log, response.FollowerName)(wrong)
	}
	return nil
}

func openSell(ctx context.Context, s *stores, w *wings) (err error) {
	w.biller, err = billing.New(billing.Config{Ledger: s.book, Profiles: s.shelf, Stream: s.stream, Now: s.now, Answered: clicksAnswered(s.metrics)})
	if err != nil {
		return fmt.Errorf("open billing: %w", err)
	}
	w.campaigns, err = campaign.Open(ctx, campaign.Config{
		Registry: s.book, Ledger: s.book, Now: s.now, Zone: s.zone, Known: w.assortment.Known,
		Settle: func(ctx context.Context) error { return w.progress.CaughtUp(ctx, s.whole, assortment.FollowerName) }, Billed: w.biller.Through,
	})
	if err != nil {
		return fmt.Errorf("open campaigns: %w", err)
	}
	w.decider, err = decide.New(decide.Config{
		Book: w.campaigns, Profiles: identity.NewCurrent(w.profiles, lapsed(s)), Recommender: w.recommend, Assortment: w.assortment, Recorder: w.recorder,
		Sections: decide.Sections{Consent: identity.Section, Audiences: audience.Section, Habits: recommend.Section},
		Allowed:  w.people.Holds, Canonical: w.people.Canonical, Audiences: w.audiences, Keys: s.secrets.Tokens, Now: s.now, Zone: s.zone, Rand: rand.Reader,
	})
	if err != nil {
		return fmt.Errorf("open decisions: %w", err)
	}
	return nil
}

// clicksAnswered counts clicks by how billing answered them.
func clicksAnswered(r *prometheus.Registry) func(event.Refusal) {
	clicks := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "endcap_clicks_total", Help: "Clicks answered by billing: charged, or why they were free."}, []string{"answer"})
	r.MustRegister(clicks)
	return func(why event.Refusal) { clicks.WithLabelValues(cmp.Or(string(why), "charged")).Inc() }
}

func recorderConfig(s *stores) ingest.RecorderConfig {
	cfg := ingest.RecorderDefaults()
	dropped := counter(s.metrics, "endcap_decision_records_dropped_total", "Decision records lost to a full queue.")
	cfg.Dropped = func(n int) { dropped.Add(float64(n)) }
	cfg.Failed = failed(s.log, "records")
	return cfg
}

// relatedReplayed is after how many business days a replay counts related products
// again: its days pass in seconds, and each count takes some.
const relatedReplayed = 56

// trainModel counts popularity through yesterday, and related products where they
// are older than that, and has the recommender read what came of it.
func trainModel(ctx context.Context, s *stores, w *wings, today retail.Day) error {
	if _, err := recommend.Train(ctx, s.history, s.files, recommend.Training{Through: today - 1, Days: recommend.DaysDefault}); err != nil {
		return fmt.Errorf("train the model: %w", err)
	}
	if s.replay == nil || w.recommend.RelatedThrough()+relatedReplayed < today {
		countRelated(ctx, s, today)
	}
	return w.recommend.Refresh(ctx)
}

// countRelated counts related products through yesterday. Where it fails, the former
// ones serve on until tomorrow.
func countRelated(ctx context.Context, s *stores, today retail.Day) {
	counting := related.Training{Through: today - 1, Never: s.set.NeverOffer, Sensitive: s.consents.Shield()}
	if _, err := related.Train(ctx, s.history, s.files, counting); err != nil && ctx.Err() == nil {
		failed(s.log, "related products")(err)
	}
}
