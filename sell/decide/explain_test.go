package decide_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/trial"
	"endcap/retail/visit"
	"endcap/sell/decide"
)

// rewrite is for the version of records that is written now.
var rewrite = flag.Bool("rewrite", false, "write goldens anew")

// full is a rig with much to decide: races, ghosts, caps, duplicates, stock.
func full(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.audience("lovers")
	r.placement("search", 4, 10*retail.Cent)
	r.placement("home", 4, 20*retail.Cent)
	for i, a := range []string{"oats", "milk", "rye", "nuts"} {
		r.advertiser(a, 250_000, 1_000*retail.Unit)
		for j := range 4 {
			r.line(fmt.Sprintf("%s-%d", a, j), a, retail.Micros(15+7*i+11*j)*retail.Cent, func(l *media.LineItem) {
				l.Products = []catalog.ProductID{catalog.ProductID(fmt.Sprintf("p%d", (i+j)%6))}
				if j == 1 {
					l.Audience, l.CapPerDay = "lovers", 3
				}
			})
		}
	}
	r.gone.Store(catalog.ProductID("p3"), true)
	r.poor.Store(catalog.ProductID("p4"), int32(333_333))
	r.tick()
	return r
}

// Every recorded decision, explained, gives the very wins of its fact.
func TestExplainRunsTheSameAuction(t *testing.T) {
	t.Parallel()
	r := full(t)
	r.effects = []visit.Effect{{Rule: "summer", Did: "pinned", Product: "bread", From: 4, To: 0}, {Rule: "lent", Did: "excluded", Product: "wine", From: 1, To: -1}}
	for n := range uint64(60) {
		req := r.ask(r.shopper(n%10+1, consent.All, "lovers"), 4)
		req.Placements = append(req.Placements, decide.Ask{ID: "home", Slots: 3})
		req.Visit.Query, req.Visit.List, req.Proposals = "porridge", visit.ForYou, 2
		r.decide(req)
	}
	ghosts, refusals := 0, map[event.Refusal]bool{}
	for _, d := range r.records.decided() {
		if len(d.Record) > event.RecordMax {
			t.Errorf("a record of %d bytes", len(d.Record))
		}
		e, err := decide.Explain(d.Record)
		must(t, err)
		if diff := cmp.Diff(d.Wins, e.Wins()); diff != "" {
			t.Fatalf("explained otherwise:\n%s", diff)
		}
		if diff := cmp.Diff(d.Refusals, e.Refusals); diff != "" {
			t.Fatal(diff)
		}
		for _, p := range e.Places {
			for _, f := range p.Finalists {
				refusals[f.Refusal] = true
				if f.Refusal == "" && f.Arm == trial.Control {
					ghosts++
				}
			}
		}
		if diff := cmp.Diff(r.effects, e.Effects); diff != "" || e.List != visit.ForYou {
			t.Fatalf("the rules of list %q: %s", e.List, diff)
		}
		if e.Query != "porridge" || !e.Known || e.Consent != consent.All || len(e.Proposals) != 2 || e.Terms == 0 || e.Shortened {
			t.Fatalf("%+v", e)
		}
	}
	for _, want := range []event.Refusal{event.OutOfStock, event.FrequencyCap, event.DuplicateProduct, event.Outbid, ""} {
		if !refusals[want] {
			t.Errorf("no finalist was refused for %q", want)
		}
	}
	if ghosts == 0 {
		t.Error("no ghosts")
	}
}

func TestALongRecordIsShortenedAndStillExplains(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	long := strings.Repeat("x", 60)
	r.advertiser(long, 0, 100_000*retail.Unit)
	for i := range 45 {
		r.line(fmt.Sprintf("%s%02d", long, i), long, retail.Micros(20+i)*retail.Cent, nil)
	}
	req := r.ask(shopper.ID{}, 1)
	req.Placements = nil
	for i := range 2 {
		id := fmt.Sprintf("%s%d", long, i)
		r.placement(id, 20, 10*retail.Cent)
		req.Placements = append(req.Placements, decide.Ask{ID: media.PlacementID(id), Slots: 20})
	}
	r.tick()
	if got := len(products(r.decide(req))); got != 40 {
		t.Fatalf("%d of 40 slots filled", got)
	}
	d := r.last()
	e, err := decide.Explain(d.Record)
	must(t, err)
	if !e.Shortened || len(d.Record) > event.RecordMax {
		t.Errorf("%d bytes, shortened %v", len(d.Record), e.Shortened)
	}
	got := e.Wins()
	for i := range d.Wins {
		if got[i].Slot != d.Wins[i].Slot || got[i].Price != d.Wins[i].Price {
			t.Fatalf("win %d: %+v, want %+v", i, got[i], d.Wins[i])
		}
	}
}

// A record of each version that was ever written explains what it explained. Only
// the version that is written now may be written anew; a program that writes another
// adds a file.
func TestARecordOfEachVersionReadsForEver(t *testing.T) {
	t.Parallel()
	r := full(t)
	r.effects = []visit.Effect{{Rule: "summer", Did: "pinned", Product: "bread", From: 4, To: 0}, {Rule: "lent", Did: "excluded", Product: "wine", From: 1, To: -1}}
	q := r.ask(r.shopper(5, consent.All, "lovers"), 4)
	q.Visit.List, q.Proposals = visit.NextBasket, 2
	r.model.Store(81_234)
	r.poor.Store(catalog.ProductID("p0@search"), int32(31_000))
	r.decide(q)
	now := r.last().Record
	newest := fmt.Sprintf("testdata/record.v%d", now[0])
	if *rewrite {
		must(t, os.WriteFile(newest+".golden", now, 0o600))
	}
	for version := byte(1); version <= now[0]; version++ {
		file := fmt.Sprintf("testdata/record.v%d", version)
		record, err := os.ReadFile(file + ".golden")
		must(t, err)
		if len(record) == 0 || record[0] != version {
			t.Fatalf("%s is of another version", file)
		}
		e, err := decide.Explain(record)
		must(t, err)
		got := explained(&e)
		if *rewrite && file == newest {
			must(t, os.WriteFile(file+".txt", []byte(got), 0o600))
		}
		want, err := os.ReadFile(file + ".txt")
		must(t, err)
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

// explained writes what a record says of its lists and auctions.
func explained(e *decide.Explanation) string {
	var out strings.Builder
	for _, f := range e.Places[0].Finalists {
		fmt.Fprintf(&out, "%s %s bid %s x %d, %s slot %d pays %s %s\n", f.LineItem, f.Product, f.Bid, f.Quality, f.Arm, f.Slot, f.Price, f.Refusal)
	}
	if e.Chances > 0 {
		fmt.Fprintf(&out, "chances of %d\n", e.Chances)
	}
	if e.List != "" || len(e.Proposals) > 0 {
		fmt.Fprintf(&out, "list %s\n", e.List)
	}
	for _, p := range e.Proposals {
		fmt.Fprintf(&out, "%s %s %d\n", p.Product, p.Reason, p.Count)
	}
	for _, f := range e.Effects {
		fmt.Fprintf(&out, "%s %s %s %d to %d\n", f.Rule, f.Did, f.Product, f.From, f.To)
	}
	return out.String()
}

func FuzzExplain(f *testing.F) {
	all, err := filepath.Glob("testdata/record.v*.golden")
	if err != nil || len(all) == 0 {
		f.Fatal("no records", err)
	}
	for _, file := range all {
		golden, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(golden)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decide.Explain(b)
		if err != nil {
			if !errors.Is(err, decide.ErrRecord) {
				t.Error(err)
			}
			return
		}
		for _, w := range e.Wins() {
			if w.Price < 0 {
				t.Errorf("%+v", w)
			}
		}
	})
}
