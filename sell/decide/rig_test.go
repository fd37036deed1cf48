package decide_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/sql/sqlite"
	"endcap/keep/stream"
	"endcap/keep/stream/pebblelog"
	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/visit"
	"endcap/sell/billing"
	"endcap/sell/campaign"
	"endcap/sell/decide"
)

// rig is the sell wing on embedded stores, with a clock that stands still.
type rig struct {
	effects []visit.Effect // of merchandising rules
	t       testing.TB
	clock   *retail.ReplayClock
	book    *sqlite.Book
	shelf   *pebbleshelf.Store
	log     *pebblelog.Log
	terms   *campaign.Book
	biller  *billing.Biller
	decider *decide.Decider
	gone    sync.Map // products out of stock
	poor    sync.Map // product → quality
	records recorder
	events  atomic.Int64

	sentences, revision, model atomic.Uint64 // versions of audiences, of the recommender and of the model of clicks
}

// recorder keeps the facts of decisions.
type recorder struct {
	mu    sync.Mutex
	facts []event.Fact
}

func (r *recorder) Record(f event.Fact) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.facts = append(r.facts, f)
}

// decided gives the Decided facts recorded so far.
func (r *recorder) decided() (out []event.Decided) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.facts {
		if d, ok := r.facts[i].Body.(event.Decided); ok {
			out = append(out, d)
		}
	}
	return out
}

// Propose, Weigher and InStock make the rig a small shop of its own.
func (r *rig) Propose(_ shopper.ID, section []byte, _ *visit.Visit, n int) visit.Proposed {
	all := []visit.Proposal{{Product: "bread", Reason: visit.Popular}, {Product: "milk", Reason: visit.Popular}}
	if section != nil {
		all[0] = visit.Proposal{Product: "oats", Reason: visit.BoughtOften, Count: 7}
	}
	return visit.Proposed{Proposals: all[:min(n, len(all))], Effects: r.effects}
}

func (r *rig) Revision() uint64 { return r.revision.Load() }

func (r *rig) Weigher(_ *visit.Visit, candidates []visit.Candidate) visit.Weigher {
	return &scales{r, r.revision.Load(), candidates}
}

// scales weigh every product as it is poor, in a placement that has an opinion of its
// own as it is poor there.
type scales struct {
	*rig
	made       uint64
	candidates []visit.Candidate
}

func (s *scales) Model() uint64 { return s.model.Load() }

func (s *scales) Weigh(w *visit.Weighing) {
	if now := s.revision.Load(); now != s.made {
		s.t.Errorf("weighed as of revision %d at %d", s.made, now)
	}
	w.Alike = s.Model() == 0
	places := w.Placements
	if w.Alike {
		places = places[:1]
	}
	q := w.Room(len(places) * len(s.candidates))
	for n, place := range places {
		for i, c := range s.candidates {
			ppm := int32(1_000_000)
			for _, of := range []string{string(c.Product), string(c.Product) + "@" + string(place)} {
				if v, ok := s.poor.Load(catalog.ProductID(of)); ok {
					ppm = v.(int32)
				}
			}
			q[n*len(s.candidates)+i] = ppm
		}
	}
}

func (s *scales) Basis(b []byte, _ *visit.Weighing, chosen []int32) []byte {
	for _, c := range chosen {
		b = append(append(b, s.candidates[c].Product...), ' ')
	}
	return b
}

func (r *rig) InStock(id catalog.ProductID, _ catalog.StoreID) bool {
	_, gone := r.gone.Load(id)
	return !gone
}

var (
	start = time.Date(2017, 12, 4, 9, 0, 0, 0, time.UTC)
	today = retail.Date(2017, 12, 4)
	ever  = retail.Days{From: today - 30, To: today + 60}
)

// allowedIn and membersIn read the rig's plain sections.
func allowedIn(_ shopper.ID, b []byte, _ time.Time) consent.Set {
	if len(b) == 1 {
		return consent.Set(b[0])
	}
	return consent.None
}

// Who is in no audience any more when its version is odd.
type membersIn struct{ version *atomic.Uint64 }

func (m membersIn) Version() uint64 { return m.version.Load() }

func (m membersIn) Members(b []byte, _ retail.Day) (out []audience.ID) {
	if len(b) > 0 && m.version.Load()%2 == 0 {
		out = append(out, audience.ID(b))
	}
	return out
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigFor(t)
}

func newRigFor(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, clock: retail.NewReplayClock(start)}
	dir := t.TempDir()
	var err error
	r.book, err = sqlite.OpenBook(t.Context(), sqlite.Options{Path: dir + "/book.db"})
	must(t, err)
	t.Cleanup(func() { must(t, r.book.Close()) })
	r.shelf, err = pebbleshelf.Open(t.Context(), dir+"/shelf", pebbleshelf.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, r.shelf.Close()) })
	r.log, err = pebblelog.Open(dir+"/log", pebblelog.Options{Now: r.clock.Now})
	must(t, err)
	t.Cleanup(func() { must(t, r.log.Close()) })
	r.biller, err = billing.New(billing.Config{Ledger: r.book, Profiles: r.shelf, Stream: r.log, Now: r.clock.Now, ClicksPerHour: 1 << 30})
	must(t, err)
	r.reopen()
	return r
}

// reopen makes book and decider anew, as after a restart.
func (r *rig) reopen() {
	r.t.Helper()
	var err error
	r.terms, err = campaign.Open(r.t.Context(), campaign.Config{
		Registry: r.book, Ledger: r.book, Now: r.clock.Now, Zone: time.UTC,
		Known:  func(p catalog.ProductID) bool { return p != "unknown" },
		Billed: r.biller.Through,
	})
	must(r.t, err)
	ring := media.NewKeyring(media.Key{Number: 1})
	r.decider, err = decide.New(decide.Config{
		Book: r.terms, Profiles: r.shelf, Recommender: r, Assortment: r, Recorder: &r.records,
		Sections: decide.Sections{Consent: "consent", Audiences: "audiences", Habits: "habits"},
		Allowed:  allowedIn, Canonical: alone, Audiences: membersIn{&r.sentences},
		Keys: func() media.Keyring { return ring }, Now: r.clock.Now, Zone: time.UTC, Rand: rand.Reader,
	})
	must(r.t, err)
}

// alone is a house in which nobody was merged.
func alone(who shopper.ID) shopper.ID { return who }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var by = campaign.Edit{By: "merchandiser"}

// advertiser sets up an advertiser with a campaign of the same name and money.
func (r *rig) advertiser(id string, controlPPM int, paid retail.Micros) {
	r.t.Helper()
	_, err := r.terms.PutAdvertiser(r.t.Context(), media.Advertiser{ID: media.AdvertiserID(id), Name: "The " + id + " company", Currency: "EUR"}, by)
	must(r.t, err)
	_, err = r.terms.PutCampaign(r.t.Context(), media.Campaign{
		ID: media.CampaignID(id), Advertiser: media.AdvertiserID(id), Name: id, Flight: ever, ControlPPM: controlPPM, WindowDays: 14,
	}, by)
	must(r.t, err)
	_, err = r.terms.TopUp(r.t.Context(), media.AdvertiserID(id), retail.Money{Amount: paid, Currency: "EUR"}, campaign.Edit{By: "bank", Once: "first"})
	must(r.t, err)
}

// line sets up a line item that runs everywhere for a product of the same name,
// changed by edit.
func (r *rig) line(id, payer string, bid retail.Micros, edit func(*media.LineItem)) {
	r.t.Helper()
	l := media.LineItem{
		ID: media.LineItemID(id), Campaign: media.CampaignID(payer), Advertiser: media.AdvertiserID(payer), Name: id,
		Products: []catalog.ProductID{catalog.ProductID(id)}, Bid: bid, BudgetDaily: 20 * retail.Unit, BudgetTotal: 100 * retail.Unit, Flight: ever,
	}
	if edit != nil {
		edit(&l)
	}
	_, err := r.terms.PutLineItem(r.t.Context(), l, by)
	must(r.t, err)
}

func (r *rig) placement(id string, slots int, floor retail.Micros) {
	r.t.Helper()
	_, err := r.terms.PutPlacement(r.t.Context(), media.Placement{ID: media.PlacementID(id), Name: id, SlotsMax: slots, Floor: floor, Currency: "EUR"}, by)
	must(r.t, err)
}

func (r *rig) tick() {
	r.t.Helper()
	must(r.t, r.terms.Tick(r.t.Context()))
}

// shopper writes a profile as the other wings would.
func (r *rig) shopper(n uint64, allowed consent.Set, in string) shopper.ID {
	r.t.Helper()
	id := shopper.FromUint64(n << 32)
	section := func(s string, v []byte) {
		f := fmt.Sprintf("test_%s_%d", s, n)
		must(r.t, r.shelf.Apply(r.t.Context(), f, 0, "1", []profileChange{{Shopper: id, Section: profileSection(s), Value: v}}))
	}
	section("consent", []byte{byte(allowed)})
	section("habits", []byte("habits"))
	if in != "" {
		section("audiences", []byte(in))
	}
	return id
}

func (r *rig) ask(who shopper.ID, slots int) decide.Request {
	now := r.clock.Now()
	return decide.Request{
		Shopper: who, Visit: visit.Visit{At: now, Day: retail.DayOf(now, time.UTC), Channel: catalog.Online},
		Placements: []decide.Ask{{ID: "search", Slots: slots}},
	}
}

func (r *rig) decide(req decide.Request) *decide.Answer {
	r.t.Helper()
	a, err := r.decider.Decide(r.t.Context(), &req)
	must(r.t, err)
	return a
}

// touch appends what a shopper did with a token, as the gate would.
func (r *rig) touch(ctx context.Context, token string, click bool) error {
	t, err := media.NewKeyring(media.Key{Number: 1}).Open(token)
	if err != nil {
		return err
	}
	now := r.clock.Now()
	f := event.Fact{
		ID: fmt.Sprintf("event-%d", r.events.Add(1)), At: now, Arrived: now, Day: retail.DayOf(now, time.UTC),
		Shopper: t.Shopper, Source: "api", Body: event.Shown{Touch: event.TouchOf(&t)},
	}
	facts := make([]event.Packed, 1, 2)
	if facts[0], err = event.Pack(nil, &f); err != nil {
		return err
	}
	if click {
		f.ID += "-click"
		f.Body = event.Clicked{Touch: event.TouchOf(&t)}
		p, err := event.Pack(nil, &f)
		if err != nil {
			return err
		}
		facts = append(facts, p)
	}
	_, err = r.log.Append(ctx, facts)
	return err
}

// relay brings the outbox to the stream, as know/ingest does.
func (r *rig) relay(ctx context.Context) error {
	for {
		out, err := r.book.Outbox(ctx, 1_000)
		if err != nil || len(out) == 0 {
			return err
		}
		facts := make([]event.Packed, len(out))
		for i := range out {
			if facts[i], err = event.Pack(nil, &out[i].Fact); err != nil {
				return err
			}
		}
		if _, err := r.log.Append(ctx, facts); err != nil {
			return err
		}
		if err := r.book.Sent(ctx, out[len(out)-1].Seq); err != nil {
			return err
		}
	}
}

// settle bills every click and lets the book hear of it.
func (r *rig) settle() {
	r.t.Helper()
	must(r.t, stream.CatchUp(r.t.Context(), r.log, r.biller.Follower()))
	must(r.t, r.relay(r.t.Context()))
	must(r.t, stream.CatchUp(r.t.Context(), r.log, r.terms.Follower(r.log.End)))
	r.tick()
}

// balances gives the ledger's balances with a prefix.
func (r *rig) balances(prefix string) map[string]retail.Micros {
	r.t.Helper()
	all, err := r.book.Balances(r.t.Context(), prefix)
	must(r.t, err)
	out := map[string]retail.Micros{}
	for _, b := range all {
		out[string(b.Account)] = b.Amount
	}
	return out
}
