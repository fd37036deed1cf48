package decide_test

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/visit"
	"endcap/sell/campaign"
	"endcap/sell/decide"
)

// market is a big book of line items: 10,000 of them, each with an audience, a
// cap and a budget, over 92,000 products, 200 searches, 100 categories and 100
// audiences.
type market struct {
	*rig
	requests []decide.Request
}

type counter struct{ n int }

func (c *counter) Record(event.Fact) { c.n++ }

const (
	marketLines     = 10_000
	marketProducts  = 92_000
	marketSearches  = 200
	marketSections  = 100
	marketAudiences = 100
)

func newMarket(b testing.TB) *market {
	b.Helper()
	m := &market{rig: newRigFor(b)}
	rng := mrand.New(mrand.NewPCG(7, 7))
	m.placement("search_top", 4, 10*retail.Cent)
	m.placement("search_side", 4, 5*retail.Cent)
	for i := range 14 {
		m.advertiser(fmt.Sprintf("a%02d", i), 100_000, 100_000_000*retail.Unit)
	}
	for i := range marketAudiences {
		_, err := m.book.Commit(b.Context(), ledger.Deed{
			Key: fmt.Sprintf("audience%d", i), At: start,
			Rows: []registry.Row{{Kind: registry.Audience, ID: fmt.Sprintf("aud%d", i), Version: 1, Doc: []byte("{}"), At: start}},
		})
		must(b, err)
	}
	var all errgroup.Group
	all.SetLimit(64)
	for i := range marketLines {
		a := fmt.Sprintf("a%02d", i%14)
		l := media.LineItem{
			ID: media.LineItemID(fmt.Sprintf("line-%05d", i)), Campaign: media.CampaignID(a), Advertiser: media.AdvertiserID(a), Name: "n",
			Audience: audience.ID(fmt.Sprintf("aud%d", rng.IntN(marketAudiences))), CapPerDay: 900, Flight: ever,
			Bid: retail.Micros(10+rng.IntN(190)) * retail.Cent, BudgetDaily: 5_000 * retail.Unit, BudgetTotal: 50_000 * retail.Unit,
		}
		if i%10 < 3 {
			l.Audience = "" // what anonymous visitors may see
		}
		for range 1 + rng.IntN(3) {
			p := catalog.ProductID(fmt.Sprintf("product-%06d", rng.IntN(marketProducts)))
			if !slices.Contains(l.Products, p) {
				l.Products = append(l.Products, p)
			}
		}
		for _, n := range rng.Perm(marketSearches)[:4] {
			l.Keywords = append(l.Keywords, fmt.Sprintf("word%d", n))
		}
		for _, n := range rng.Perm(marketSections)[:2] {
			l.Categories = append(l.Categories, catalog.Category(fmt.Sprintf("category%d", n)))
		}
		all.Go(func() error { _, err := m.terms.PutLineItem(b.Context(), l, by); return err })
	}
	must(b, all.Wait())
	must(b, m.terms.Tick(b.Context()))
	for i := range 512 {
		m.requests = append(m.requests, m.visitOf(rng, i))
	}
	return m
}

// visitOf is one recorded visit: a search or a category page, 30 % of visitors
// unknown, each shopper in 40 of the audiences.
func (m *market) visitOf(rng *mrand.Rand, i int) decide.Request {
	r := decide.Request{
		Visit:      visit.Visit{At: start, Day: today, Channel: catalog.Online, Store: "online"},
		Placements: []decide.Ask{{ID: "search_top", Slots: 4}, {ID: "search_side", Slots: 4}},
	}
	if i%3 == 0 {
		r.Visit.Category = catalog.Category(fmt.Sprintf("category%d", rng.IntN(marketSections)))
	} else {
		r.Visit.Query = fmt.Sprintf("Word%d", rng.IntN(marketSearches))
	}
	if rng.IntN(10) < 3 {
		return r
	}
	r.Shopper = shopper.FromUint64(uint64(i+1) << 32)
	var member []byte
	for _, n := range rng.Perm(marketAudiences)[:40] {
		member = binary.BigEndian.AppendUint16(member, uint16(n))
	}
	f := fmt.Sprintf("market%d", i)
	for s, v := range map[profileSection][]byte{"consent": {byte(consent.All)}, "audiences": member, "habits": make([]byte, 300)} {
		must(m.t, m.shelf.Apply(m.t.Context(), f+string(s), 0, "1", []profileChange{{Shopper: r.Shopper, Section: s, Value: v}}))
	}
	return r
}

var audienceNames = func() (out []audience.ID) {
	for i := range marketAudiences {
		out = append(out, audience.ID(fmt.Sprintf("aud%d", i)))
	}
	return out
}()

type marketMembers struct{}

func (marketMembers) Version() uint64 { return 1 }

func (marketMembers) Members(section []byte, _ retail.Day) []audience.ID {
	out := make([]audience.ID, 0, len(section)/2)
	for ; len(section) >= 2; section = section[2:] {
		out = append(out, audienceNames[binary.BigEndian.Uint16(section)])
	}
	return out
}

// hashed is a recommender as cheap as one can be.
type hashed struct{}

func (hashed) Propose(shopper.ID, []byte, *visit.Visit, int) (none visit.Proposed) { return none }

func (hashed) Revision() uint64 { return 1 }

func (hashed) Weigher(_ *visit.Visit, candidates []visit.Candidate) visit.Weigher {
	return digits(candidates)
}

type digits []visit.Candidate

func (digits) Model() uint64 { return 0 }

func (d digits) Weigh(w *visit.Weighing) {
	w.Alike = true
	q := w.Room(len(d))
	for i := range d {
		p := d[i].Product
		q[i] = 100_000 + int32(p[len(p)-1])*5_000 + int32(p[len(p)-2])*500
	}
}

func (digits) Basis(b []byte, _ *visit.Weighing, _ []int32) []byte { return b }

func (m *market) decider(b testing.TB, rec decide.Recorder) *decide.Decider {
	b.Helper()
	return m.deciderWith(b, rec, hashed{})
}

func (m *market) deciderWith(b testing.TB, rec decide.Recorder, by decide.Recommender) *decide.Decider {
	b.Helper()
	ring := media.NewKeyring(media.Key{Number: 1})
	d, err := decide.New(decide.Config{
		Book: m.terms, Profiles: m.shelf, Recommender: by, Assortment: m, Recorder: rec,
		Sections: decide.Sections{Consent: "consent", Audiences: "audiences", Habits: "habits"},
		Allowed:  allowedIn, Canonical: alone, Audiences: marketMembers{},
		Keys: func() media.Keyring { return ring }, Now: m.clock.Now, Zone: time.UTC, Rand: rand.Reader,
	})
	must(b, err)
	return d
}

// usage is the processor time this process has used; on a shared machine it says
// more than the clock.
func usage(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkDecide(b *testing.B) {
	m := newMarket(b)
	sink := &counter{}
	d := m.decider(b, sink)
	shown, eligible := 0, []int{}
	cpu := usage(b)
	var took []time.Duration
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		began := time.Now()
		a, err := d.Decide(b.Context(), &m.requests[i%len(m.requests)])
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		for _, p := range a.Placed {
			shown += len(p.Sponsored)
		}
		i++
	}
	b.StopTimer()
	b.ReportMetric(float64((usage(b)-cpu).Nanoseconds())/float64(i), "cpu-ns/op")
	rec := &recorder{}
	check := m.decider(b, rec)
	for j := range m.requests {
		if _, err := check.Decide(b.Context(), &m.requests[j]); err != nil {
			b.Fatal(err)
		}
	}
	record := 0
	for _, f := range rec.decided() {
		n := marketLines
		for _, c := range f.Refusals {
			if c.Reason == event.NoMatch || c.Reason == event.NotInAudience || c.Reason == event.NoConsent {
				n -= int(c.Count)
			}
		}
		eligible = append(eligible, n)
		record += len(f.Record)
	}
	slices.Sort(eligible)
	slices.Sort(took)
	n := len(eligible)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(shown)/float64(8*i)*100, "%fill")
	b.ReportMetric(float64(eligible[n/10]), "eligible-p10")
	b.ReportMetric(float64(eligible[n/2]), "eligible-p50")
	b.ReportMetric(float64(eligible[n*9/10]), "eligible-p90")
	b.ReportMetric(float64(record)/float64(n), "record-bytes")
}

var _ decide.Book = (*campaign.Book)(nil)
