package ingest_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/sql/sqlite"
	"endcap/keep/stream"
	"endcap/keep/stream/pebblelog"
	"endcap/keep/vault"
	"endcap/keep/warehouse/duck"
	"endcap/know/assortment"
	"endcap/know/history"
	"endcap/know/identity"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// house is a desk over embedded stores of its own, with a hand-turned clock.
type house struct {
	*ingest.Desk
	log    *pebblelog.Log
	vault  *sqlite.Vault
	people *identity.Identity
	shelf  *assortment.Shelf
	past   func() *duck.Warehouse // opened when first asked for
	micros atomic.Int64
}

// Holders asks the house's history.
func (h *house) Holders(ctx context.Context, receipts []basket.ReceiptID) ([]event.Fact, error) {
	return history.NewPast(h.past()).Holders(ctx, receipts)
}

const noon = "2017-12-04T12:00:00Z"

func at(tb testing.TB, text string) time.Time {
	tb.Helper()
	got, err := time.Parse(time.RFC3339, text)
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

func (h *house) clock() time.Time { return time.UnixMicro(h.micros.Load()).UTC() }

func (h *house) pass(d time.Duration) { h.micros.Add(d.Microseconds()) }

func open(tb testing.TB) *house {
	tb.Helper()
	dir := tb.TempDir()
	h := &house{shelf: assortment.New()}
	h.micros.Store(at(tb, noon).UnixMicro())
	var err error
	if h.vault, err = sqlite.OpenVault(tb.Context(), sqlite.Options{Path: filepath.Join(dir, "vault.db")}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closed(tb, h.vault.Close) })
	if h.log, err = pebblelog.Open("stream", pebblelog.Options{Now: h.clock, FS: vfs.NewMem()}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closed(tb, h.log.Close) })
	if h.people, err = identity.New(h.vault, identity.Seeded([32]byte{7}), identity.Defaults(time.Now)); err != nil {
		tb.Fatal(err)
	}
	h.past = sync.OnceValue(func() *duck.Warehouse {
		w, err := duck.Open(tb.Context(), filepath.Join(dir, "history"), duck.Options{MemoryMB: 128, Threads: 1})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { closed(tb, w.Close) })
		return w
	})
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		tb.Fatal(err)
	}
	h.Desk, err = ingest.NewDesk(ingest.Ports{
		Log: h.log, People: h.people, Quarantine: h.vault, Assortment: h.shelf, Past: h, Clock: h.clock,
	}, ingest.Defaults(zone, "EUR"))
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func closed(tb testing.TB, f func() error) {
	tb.Helper()
	if err := f(); err != nil {
		tb.Error(err)
	}
}

// facts reads the whole stream, of some kinds if any are named.
func (h *house) facts(tb testing.TB, kinds ...event.Kind) []event.Fact {
	tb.Helper()
	var out []event.Fact
	for p := range h.log.Partitions() {
		var after event.Cursor
		for {
			entries, err := h.log.Read(tb.Context(), p, after, stream.ReadMax)
			if err != nil {
				tb.Fatal(err)
			}
			if len(entries) == 0 {
				break
			}
			for _, e := range entries {
				f, err := event.Unpack(e.Bytes)
				if err != nil {
					tb.Fatal(err)
				}
				after = e.At
				for _, k := range kinds {
					if f.Kind() == k {
						out = append(out, f)
					}
				}
				if len(kinds) == 0 {
					out = append(out, f)
				}
			}
		}
	}
	return out
}

// follow brings the shelf up to the stream.
func (h *house) follow(tb testing.TB) {
	tb.Helper()
	if err := stream.CatchUp(tb.Context(), h.log, h.shelf.Follower()); err != nil {
		tb.Fatal(err)
	}
}

// restarted gives the desk an assortment that has to be folded again, and who
// folds it.
func (h *house) restarted(tb testing.TB) stream.Follower {
	tb.Helper()
	h.shelf = assortment.New()
	ports := h.Ports
	ports.Assortment = h.shelf
	var err error
	if h.Desk, err = ingest.NewDesk(ports, ingest.Defaults(time.UTC, "EUR")); err != nil {
		tb.Fatal(err)
	}
	return h.shelf.Follower()
}

func (h *house) refused(tb testing.TB) []vault.Refused {
	tb.Helper()
	rows, err := h.Refused(tb.Context(), 0, ingest.QuarantineMax)
	if err != nil {
		tb.Fatal(err)
	}
	return rows
}

var file = ingest.From{Door: "file", Name: "week 49.csv"}

// said lists what became of each item, a fault by its reason and field.
func said(r ingest.Result) string {
	var words []string
	for _, a := range r.Answers {
		word := string(a.Outcome)
		if a.Fault != nil {
			word = string(a.Fault.Reason)
			if a.Fault.Field != "" {
				word += ":" + a.Fault.Field
			}
		}
		if a.Older {
			word += "(older)"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func (h *house) receipts(tb testing.TB, rs ...ingest.Receipt) ingest.Result {
	tb.Helper()
	for i := range rs {
		rs[i].Lines = append([]basket.Line(nil), rs[i].Lines...) // the desk owns them
	}
	res, err := h.Receipts(tb.Context(), rs, file)
	if err != nil {
		tb.Fatal(err)
	}
	return res
}

func rows[T any](of ...T) []ingest.Row[T] {
	out := make([]ingest.Row[T], len(of))
	for i := range of {
		out[i] = ingest.Row[T]{Of: of[i], Line: int64(i + 1), Raw: fmt.Appendf(nil, "%+v", of[i])}
	}
	return out
}

func card(tb testing.TB, value string) shopper.Key {
	tb.Helper()
	k, err := shopper.ParseKey(shopper.Card, value)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// cents is a line of one piece.
func line(product string, sales int) basket.Line {
	return basket.Line{Product: catalog.ProductID(product), Quantity: basket.Piece, Sales: retail.Micros(sales) * retail.Cent}
}

func receipt(tb testing.TB, id string, lines ...basket.Line) ingest.Receipt {
	tb.Helper()
	return ingest.Receipt{
		Receipt: basket.Receipt{
			ID: basket.ReceiptID(id), Store: "367", Channel: catalog.InStore, At: at(tb, "2017-12-04T09:30:00Z"), Currency: "EUR", Lines: lines,
		},
		Line: 2, Raw: []byte("raw " + id),
	}
}

func token(who shopper.ID, issued time.Time) media.Token {
	return media.Token{
		Decision: media.DecisionID{1, 2, 3}, Slot: 1, Advertiser: "oatly", Campaign: "oats", LineItem: "oats-1", Placement: "search",
		Product: "oats", Charge: media.PerClick, Price: 20 * retail.Cent, Currency: "EUR", Day: retail.Date(2017, 12, 4), Issued: issued, Shopper: who,
	}
}

// timed adds up the time spent in Append.
type timed struct {
	*house
	spent *time.Duration
}

func (l timed) Append(ctx context.Context, facts []event.Packed) ([]stream.Appended, error) {
	began := time.Now()
	defer func() { *l.spent += time.Since(began) }()
	return l.log.Append(ctx, facts)
}

func (l timed) Newest(ctx context.Context, keys [][16]byte) ([]stream.Appended, error) {
	return l.log.Newest(ctx, keys)
}

func (l timed) Fetch(ctx context.Context, partition int, at event.Cursor) (stream.Entry, error) {
	return l.log.Fetch(ctx, partition, at)
}
