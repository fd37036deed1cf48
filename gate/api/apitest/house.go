// Package apitest opens a whole house behind the API's doors, over embedded
// stores in a test's own folder, with a clock that is moved by hand and
// followers that run when they are asked to. Tests of the doors speak HTTP to
// it and read what comes back.
//
// It walks the whole road of a receipt in one process.
package apitest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/gate/api/admin"
	"endcap/gate/api/feed"
	"endcap/gate/api/merge"
	partnerdoor "endcap/gate/api/partner"
	privacydoor "endcap/gate/api/privacy"
	"endcap/gate/api/report"
	"endcap/gate/api/shop"
	"endcap/gate/api/till"
	"endcap/gate/api/trade"
	"endcap/keep/files/dirfiles"
	"endcap/keep/ledger"
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
	"endcap/know/ingest"
	"endcap/know/partner"
	"endcap/know/privacy"
	"endcap/know/recommend"
	"endcap/know/recommend/merchandising"
	"endcap/know/recommend/training"
	"endcap/know/secret"
	"endcap/prove/cleanroom"
	"endcap/prove/insight"
	"endcap/prove/measure"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/sell/billing"
	"endcap/sell/campaign"
	"endcap/sell/decide"
)

// Noon is when a house's clock begins.
const Noon = "2026-03-02T12:00:00Z"

// ShoppersMin is the house's k.
const ShoppersMin = 3

// House is an open house. Its fields may be used directly where HTTP does not
// reach.
type House struct {
	Server    *api.Server
	Keys      *access.Keeper
	Desk      *ingest.Desk
	Campaigns *campaign.Book
	Book      *sqlite.Book
	Tokens    media.Keyring
	Secrets   *secret.Keeper
	Logged    *Logged

	vault     *sqlite.Vault
	stream    *pebblelog.Log
	shelf     *pebbleshelf.Store
	history   *duck.Warehouse
	whole     *history.Whole
	shop      *assortment.Shelf
	people    *identity.Identity
	profiles  *identity.Profiles
	audiences *audience.Book
	recommend *recommend.Recommender
	next      *training.Keeper
	biller    *billing.Biller
	decider   *decide.Decider
	office    *privacy.Office

	records   *records
	relay     *ingest.Relay
	followers []stream.Follower
	clock     *retail.ReplayClock
}

// Open opens a house and closes it when the test ends.
func Open(tb testing.TB) *House {
	tb.Helper()
	noon, err := time.Parse(time.RFC3339, Noon)
	must(tb, err)
	h := &House{clock: retail.NewReplayClock(noon), Logged: new(Logged), shop: assortment.New()}
	h.openStores(tb)
	h.openWings(tb)
	h.Server = h.newServer()
	return h
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func (h *House) openStores(tb testing.TB) {
	tb.Helper()
	ctx, dir := tb.Context(), tb.TempDir()
	shut := func(what func() error) {
		tb.Cleanup(func() {
			if err := what(); err != nil {
				tb.Error(err)
			}
		})
	}
	var err error
	h.Book, err = sqlite.OpenBook(ctx, sqlite.Options{Path: filepath.Join(dir, "book.db"), Zone: time.UTC})
	must(tb, err)
	shut(h.Book.Close)
	h.vault, err = sqlite.OpenVault(ctx, sqlite.Options{Path: filepath.Join(dir, "vault.db")})
	must(tb, err)
	shut(h.vault.Close)
	h.stream, err = pebblelog.Open("stream", pebblelog.Options{Now: h.Now, FS: vfs.NewMem()})
	must(tb, err)
	shut(h.stream.Close)
	h.shelf, err = pebbleshelf.Open(ctx, filepath.Join(dir, "profiles"), pebbleshelf.Options{Log: slog.New(slog.DiscardHandler)})
	must(tb, err)
	shut(h.shelf.Close)
	h.history, err = duck.Open(ctx, filepath.Join(dir, "history"), duck.Defaults())
	must(tb, err)
	shut(h.history.Close)
	h.whole = history.NewWhole(h.stream, h.history)
	files, err := dirfiles.Open(filepath.Join(dir, "files"), nil)
	must(tb, err)
	h.next = training.NewKeeper(files, nil)
	h.recommend = recommend.New(h.shop, files, recommend.Options{Next: h.next, Rules: merchandising.NewBook(h.Book, nil)})
	must(tb, h.recommend.Refresh(ctx))
}

func (h *House) openWings(tb testing.TB) {
	tb.Helper()
	ctx := tb.Context()
	var err error
	h.Tokens = media.NewKeyring(media.Key{Number: 1, Sign: [media.KeySize]byte{1}, Mask: [media.KeySize]byte{2}})
	h.Secrets, err = secret.Open(ctx, secret.Config{Rings: h.vault, Now: h.Now, Wall: h.Now, Chance: rand.Reader, Audit: func(ctx context.Context, e secret.Entry) error {
		return ledger.Note(ctx, h.Book, ledger.Noted{Kind: secret.EntryKind, By: e.By, At: e.At, Entry: e})
	}})
	must(tb, err)
	h.people, err = identity.New(h.vault, identity.Seeded(seed()), identity.Defaults(h.Now))
	must(tb, err)
	must(tb, h.people.Load(ctx))
	h.profiles = identity.NewProfiles(h.shelf, h.people, map[profile.Section]identity.Merge{
		identity.Section: identity.MergeConsents, audience.Section: audience.Merge, recommend.Section: recommend.Merge,
	})
	h.Desk, err = ingest.NewDesk(ingest.Ports{Log: h.stream, People: h.people, Quarantine: h.vault, Assortment: h.shop, Past: history.NewPast(h.history), Clock: h.Now}, ingest.Defaults(time.UTC, "EUR"))
	must(tb, err)
	h.office, err = privacy.New(ctx, privacy.Ports{
		Vault: h.vault, People: h.people, History: h.history, Profiles: h.shelf, Models: h.next, Clock: h.Now, Chance: rand.Reader,
		Acts: privacy.Acts{
			Forget: func(ctx context.Context, who ...shopper.ID) error {
				return h.Desk.ForgetAll(ctx, who, ingest.From{Door: "privacy"})
			},
			Object: func(context.Context, shopper.ID, time.Time) error { return nil },
		},
	}, privacy.Config{
		Retailer: "test", StreamDays: 7, BackupDays: 30, Rules: privacy.RetentionDefaults(), Zone: time.UTC,
		Derived: func(context.Context, shopper.ID) (privacy.Derived, error) { return privacy.Derived{}, nil },
	})
	must(tb, err)
	h.records = newRecords(h.stream)
	h.records.Start(context.WithoutCancel(ctx))
	tb.Cleanup(h.records.Stop)
	h.relay = ingest.NewRelay(ingest.RelayPorts{Outbox: h.Book, Log: h.stream, Quarantine: h.vault, Clock: h.Now})
	h.audiences = audience.NewBook(h.Book, h.shop, nil)
	h.biller, err = billing.New(billing.Config{Ledger: h.Book, Profiles: h.shelf, Stream: h.stream, Now: h.Now})
	must(tb, err)
	h.Campaigns, err = campaign.Open(ctx, campaign.Config{Registry: h.Book, Ledger: h.Book, Now: h.Now, Zone: time.UTC, Known: h.shop.Known, Billed: h.biller.Through})
	must(tb, err)
	h.decider, err = decide.New(decide.Config{
		Book: h.Campaigns, Profiles: h.profiles, Recommender: h.recommend, Assortment: h.shop, Recorder: h.records,
		Sections: decide.Sections{Consent: identity.Section, Audiences: audience.Section, Habits: recommend.Section},
		Allowed:  h.people.Holds, Canonical: h.people.Canonical, Audiences: h.audiences, Keys: func() media.Keyring { return h.Tokens }, Now: h.Now, Zone: time.UTC, Rand: rand.Reader,
	})
	must(tb, err)
	h.followers = []stream.Follower{
		h.shop.Follower(), history.Follower(h.history, 0), identity.Follower(h.shelf), audience.Follower(h.shelf),
		recommend.Follower(h.shelf), h.biller.Follower(), h.Campaigns.Follower(h.stream.End),
	}
	for _, f := range h.followers {
		for p := range h.stream.Partitions() { // a follower kept in memory begins here
			_, err := f.Cursor(ctx, p)
			must(tb, err)
		}
	}
}

func (h *House) newServer() *api.Server {
	h.Keys = access.New(h.Book, h.Book, h.Now)
	s := api.New(api.Options{
		Keys: h.Keys, Now: h.Now, Wall: h.Now, Log: slog.New(slog.NewJSONHandler(h.Logged, nil)), Metrics: prometheus.NewRegistry(),
		Version: "test", Limits: api.Limits{}.Defaults(),
	})
	policy := cleanroom.Policy{ShoppersMin: ShoppersMin}
	audit, reader := cleanroom.NewJournal(h.Book), measure.NewReader(h.history)
	shop.Mount(s, shop.Ports{Desk: h.Desk, People: h.people, Decider: h.decider, Booked: h.Campaigns, Tokens: func() media.Keyring { return h.Tokens }, Names: h.shop, Zone: time.UTC})
	till.Mount(s, till.Ports{Desk: h.Desk, Came: func() {}, Seen: func(context.Context) error { return nil }})
	feed.Mount(s, h.Desk, h.Desk)
	merge.Mount(s, h.Desk, h.people)
	rules := merchandising.NewTerms(merchandising.Config{Store: h.Book, Range: h.shop, Now: h.Now, Zone: time.UTC})
	trade.Mount(s, trade.Ports{Book: h.Campaigns, Currency: "EUR", Rules: rules, Audiences: trade.Audiences{
		Terms: audience.NewTerms(h.Book, h.Now, nil), Sizer: audience.NewSizer(h.history, nil), Audit: audit, Policy: policy, Now: h.Now, Zone: time.UTC,
	}})
	report.Mount(s, report.Ports{
		Reader: reader, Reporter: insight.NewReporter(reader, audit), Book: h.Campaigns, History: h.history,
		Policy: policy, Frame: insight.Frame{Clock: "replay"}, Lookback: 365, Zone: time.UTC, Currency: "EUR",
	})
	privacydoor.Mount(s, h.office)
	partnerdoor.Mount(s, partner.New(partner.Ports{Book: h.Book, Vault: h.vault, People: h.people, Ring: h.Secrets.Partner, Now: h.Now}))
	admin.Mount(s, admin.Ports{Keys: h.Keys, Desk: h.Desk, Decode: h.again, Secrets: admin.Secrets{List: h.Secrets.List, Rotate: h.Secrets.Rotate}, Mend: noMapping, Clock: h.clock, Moved: h.Campaigns.Tick, Status: h.status, Import: noImport, Settler: h.Desk})
	return s
}

// again reads a refused row of a door again.
func (h *House) again(ctx context.Context, row ingest.Refused) error {
	from := ingest.From{Door: "api", Name: row.Source}
	if row.Kind == event.KindReceipt {
		return till.Replay(ctx, h.Desk, row.Raw, from)
	}
	return feed.Replay(ctx, h.Desk, row.Kind, row.Raw, from)
}

func (h *House) status(context.Context) (admin.Status, error) {
	return admin.Status{
		Retailer: "test", Clock: "replay", Now: h.Now(), CaughtUp: false, Outbox: 2,
		Followers: []admin.FollowerLag{{Name: "billing", CaughtUp: true}, {Name: "history", Failing: "the disk is full"}},
	}, nil
}

func noImport(_ context.Context, in *admin.Import, tell func(admin.Imported)) error {
	tell(admin.Imported{Step: "loading", Rows: 1})
	if in.File == "" {
		return &retail.Error{Kind: retail.Invalid, Field: "file", Say: "no file"}
	}
	tell(admin.Imported{Summary: &admin.Summary{Rows: 1}, Finished: true})
	return nil
}

// Now is what the house's clock says.
func (h *House) Now() time.Time { return h.clock.Now() }

// Pass moves the clock on.
func (h *House) Pass(tb testing.TB, d time.Duration) {
	tb.Helper()
	must(tb, h.clock.Advance(h.Now().Add(d)))
}

// Known is as whom the person of a key is known, zero for nobody, and her
// profile as a decision reads it for that key.
func (h *House) Known(tb testing.TB, kind shopper.KeyKind, value string) (shopper.ID, profile.Profile) {
	tb.Helper()
	key, err := shopper.ParseKey(kind, value)
	must(tb, err)
	who, err := h.people.Find(tb.Context(), []shopper.Key{key})
	must(tb, err)
	if !who.Known() {
		return who, nil
	}
	p, err := h.profiles.Get(tb.Context(), who)
	must(tb, err)
	return h.people.Canonical(who), p
}

// Minted is the id that the house draws for somebody first known by a key.
func (h *House) Minted(tb testing.TB, kind shopper.KeyKind, value string) shopper.ID {
	tb.Helper()
	key, err := shopper.ParseKey(kind, value)
	must(tb, err)
	return identity.Seeded(seed())(key)
}

func seed() [32]byte { return [32]byte{1} }

// Follow does what a running house does by itself within a second: it relays
// records, the outbox, runs every follower to the end and reads terms anew.
func (h *House) Follow(tb testing.TB) {
	tb.Helper()
	ctx := tb.Context()
	h.records.wait()
	for range 2 { // what billing books is for the others to read
		for {
			n, err := h.relay.Pass(ctx)
			must(tb, err)
			if n == 0 {
				break
			}
		}
		for _, f := range h.followers {
			must(tb, stream.CatchUp(ctx, h.whole, f))
		}
		must(tb, h.Campaigns.Tick(ctx))
		must(tb, h.audiences.Refresh(ctx))
		must(tb, h.recommend.Refresh(ctx))
	}
}

// records is a recorder whose records can be waited for.
type records struct {
	*ingest.Recorder
	waiting sync.WaitGroup
}

func newRecords(log ingest.Appender) *records {
	r := new(records)
	cfg := ingest.RecorderDefaults()
	cfg.Dropped, cfg.Saved = r.done, r.done
	r.Recorder = ingest.NewRecorder(log, cfg)
	return r
}

// Record is the recorder's, counted.
func (r *records) Record(f event.Fact) {
	r.waiting.Add(1)
	r.Recorder.Record(f)
}

func (r *records) done(n int) { r.waiting.Add(-n) }

func (r *records) wait() { r.waiting.Wait() }

// Logged is what the house wrote into its log.
type Logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds a line.
func (l *Logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is the whole log.
func (l *Logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func noMapping(context.Context, json.RawMessage) error {
	return &retail.Error{Kind: retail.Invalid, Field: "mapping.name", Say: "no file was loaded", Cure: "load one"}
}
