package outreach_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/files/dirfiles"
	"endcap/keep/profile"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/sql/sqlite"
	"endcap/keep/stream"
	"endcap/keep/vault"
	"endcap/know/identity"
	"endcap/know/recommend"
	"endcap/know/recommend/outreach"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

var noon = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

// shop is a range: what is in stock is all but what is gone.
type shop struct {
	rows []*catalog.Product
	gone map[catalog.ProductID]bool
}

func (s *shop) Version() uint64 { return uint64(len(s.rows)) }

func (s *shop) Products() []*catalog.Product                                { return slices.Clone(s.rows) }
func (s *shop) InStock(id catalog.ProductID, _ catalog.StoreID) bool        { return !s.gone[id] }
func (s *shop) Count(catalog.ProductID, catalog.StoreID) (n int64, ok bool) { return 0, false }

func (s *shop) Product(id catalog.ProductID) (*catalog.Product, bool) {
	for _, p := range s.rows {
		if p.ID == id {
			return p, true
		}
	}
	return nil, false
}

// house is what batches are made of, over embedded stores.
type house struct {
	t      testing.TB
	vault  *sqlite.Vault
	shelf  *pebbleshelf.Store
	people *identity.Identity
	stock  *shop
	ports  outreach.Ports
	dir    string
	clock  time.Time
	next   int
}

func open(t testing.TB, products ...*catalog.Product) *house {
	t.Helper()
	h := &house{t: t, dir: filepath.Join(t.TempDir(), "batches"), stock: &shop{rows: products, gone: map[catalog.ProductID]bool{}}, clock: noon}
	var err error
	h.vault, err = sqlite.OpenVault(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "vault.db")})
	must(t, err)
	t.Cleanup(func() { must(t, h.vault.Close()) })
	h.shelf, err = pebbleshelf.Open(t.Context(), "profiles", pebbleshelf.Options{FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { must(t, h.shelf.Close()) })
	h.people, err = identity.New(h.vault, identity.Random(rand.Reader), identity.Defaults(time.Now))
	must(t, err)
	artefacts, err := dirfiles.Open(t.TempDir(), nil)
	must(t, err)
	r := recommend.New(h.stock, artefacts, recommend.Options{})
	must(t, r.Refresh(t.Context()))
	shelf := pebbleshelf.Passing{Store: h.shelf}
	h.ports = outreach.Ports{
		Shoppers: shelf, People: h.people, Keys: h.vault, Still: r.Still, Product: h.stock.Product,
		Profiles: identity.NewProfiles(shelf, h.people, map[profile.Section]identity.Merge{identity.Section: identity.MergeConsents, recommend.Section: recommend.Merge}),
		Consents: identity.Section, Habits: recommend.Section, Now: func() time.Time { return h.clock }, Wall: time.Now, Zone: time.UTC,
	}
	return h
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) folder() *outreach.Folder { return outreach.NewFolder(h.dir, h.ports) }

func keyOf(t testing.TB, kind shopper.KeyKind, value string) shopper.Key {
	t.Helper()
	key, err := shopper.ParseKey(kind, value)
	must(t, err)
	return key
}

// meet makes somebody known by keys, and has her buy each product on receipts of her
// own, three days apart, the last yesterday.
func (h *house) meet(allowed consent.Set, keys []shopper.Key, bought ...catalog.ProductID) shopper.ID {
	h.t.Helper()
	ids, err := h.people.Name(h.t.Context(), [][]shopper.Key{keys})
	must(h.t, err)
	var facts []event.Fact
	for i, p := range bought {
		day := retail.DayOf(noon, time.UTC) - 1 - 3*retail.Day(len(bought)-1-i)
		h.next++
		id := fmt.Sprint("r", h.next)
		facts = append(facts, event.Fact{ID: id, At: day.UTC(), Arrived: day.UTC(), Day: day, Shopper: ids[0], Source: "test", Body: event.Receipt{Receipt: basket.Receipt{
			ID: basket.ReceiptID(id), Store: "1", At: day.UTC(), Currency: "EUR", Lines: []basket.Line{{Product: p, Quantity: basket.Piece, Sales: retail.Unit}},
		}}})
	}
	h.fold(recommend.Follower(h.shelf), facts...)
	h.say(ids[0], allowed)
	return ids[0]
}

// say records what she allows from now on, in the vault and in her profile.
func (h *house) say(who shopper.ID, allowed consent.Set) event.Fact {
	h.t.Helper()
	h.next++
	at := noon.Add(time.Duration(h.next) * time.Second)
	must(h.t, h.people.Say(h.t.Context(), []vault.Said{{Shopper: who, Allowed: allowed, At: at, Received: at, EventID: fmt.Sprint("c", h.next)}}))
	f := event.Fact{ID: fmt.Sprint("c", h.next), At: at, Arrived: at, Day: retail.DayOf(at, time.UTC), Shopper: who, Source: "test", Body: event.Consent{Allowed: allowed}}
	h.fold(identity.Follower(h.shelf), f)
	return f
}

func (h *house) fold(f stream.Follower, facts ...event.Fact) {
	h.t.Helper()
	h.next++
	must(h.t, f.Fold(h.t.Context(), stream.Batch{Facts: facts, Next: event.Cursor(fmt.Sprintf("%08d", h.next))}))
}

// forget takes her out as the house does: her keys first noted, then struck.
func (h *house) forget(f *outreach.Folder, who shopper.ID) {
	h.t.Helper()
	keys, err := h.vault.Keys(h.t.Context(), who)
	must(h.t, err)
	must(h.t, h.people.Forget(h.t.Context(), who))
	must(h.t, h.shelf.Forget(h.t.Context(), who))
	_, err = f.Strike(h.t.Context(), keys)
	must(h.t, err)
}

func made(t testing.TB, f *outreach.Folder, terms outreach.Terms) *outreach.Manifest {
	t.Helper()
	m, err := f.Make(t.Context(), outreach.Job{Terms: terms})
	must(t, err)
	return m
}

// rows reads a file of either format.
func rows(t testing.TB, path string, format outreach.Format) (out []outreach.Row) {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	defer func() { must(t, file.Close()) }()
	r, err := outreach.NewReader(file, format)
	must(t, err)
	for {
		var row outreach.Row
		err := r.Read(&row)
		if errors.Is(err, io.EOF) {
			must(t, r.Close())
			return out
		}
		must(t, err)
		out = append(out, row)
	}
}

// named lists the keys of rows, each once, in order.
func named(all []outreach.Row) (out []string) {
	for i := range all {
		if len(out) == 0 || out[len(out)-1] != all[i].Key {
			out = append(out, all[i].Key)
		}
	}
	slices.Sort(out)
	return out
}

func grocer() []*catalog.Product {
	return []*catalog.Product{
		{ID: "oat", Name: "Oat drink, 1 l", Brand: "OATLY", Category: "DRINKS"},
		{ID: "rye", Name: `Rye "dark"`, Category: "BREAD"},
		{ID: "cow", Type: "YOGURT", Size: "500 g", Category: "DAIRY"},
		{ID: "tea", Name: "Tea", Category: "DRINKS"},
	}
}

func many(h *house, n int) (out []shopper.ID) {
	for i := range n {
		out = append(out, h.meet(consent.All, []shopper.Key{keyOf(h.t, shopper.Card, fmt.Sprintf("card-%05d", i))}, "oat", "rye", "oat"))
	}
	return out
}

func batchOf(facts ...event.Fact) stream.Batch { return stream.Batch{Facts: facts, Next: "1"} }

// wide is a range of n products in 50 categories.
func wide(n int) (out []*catalog.Product) {
	for i := range n {
		out = append(out, &catalog.Product{ID: productOf(i), Name: fmt.Sprint("Product ", i), Category: catalog.Category(fmt.Sprint("C", i%50))})
	}
	return out
}

func productOf(n int) catalog.ProductID { return catalog.ProductID(fmt.Sprint("p", n)) }

// basketOf is what the nth shopper bought: 40 products, some of them again.
func basketOf(n int) (out []catalog.ProductID) {
	for i := range 60 {
		out = append(out, productOf((n*7+i%40*i)%2_000))
	}
	return out
}

// processor is how much time of processors this process has taken.
func processor() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
