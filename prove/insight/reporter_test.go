package insight_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"endcap/keep/registry"
	"endcap/keep/sql/sqlite"
	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/keep/warehouse/subset"
	"endcap/know/history"
	"endcap/prove/cleanroom"
	"endcap/prove/insight"
	"endcap/prove/measure"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/trial"
)

// lived are the facts of 400 shoppers who all win the campaign's slot on its
// first day; every fourth treated one clicks, and all buy some days later.
func lived() []event.Fact {
	var out []event.Fact
	add := func(person uint64, when time.Time, body event.Body) {
		out = append(out, event.Fact{ID: fmt.Sprint("f", len(out)), At: when, Arrived: when, Day: retail.DayOf(when, time.UTC), Shopper: shopper.FromUint64(person), Consent: consent.All, Source: "test", Body: body})
	}
	add(0, (flight.From - 300).UTC(), event.Receipt{Receipt: basket.Receipt{ID: "first", At: (flight.From - 300).UTC(), Currency: "USD", Channel: catalog.InStore}})
	for person := uint64(1); person <= 400; person++ {
		add(person, (flight.From - 1).UTC(), event.Consent{Allowed: consent.All})
		at := flight.From.UTC().Add(time.Duration(person) * time.Minute)
		arm := trial.Assign(trial.SeedOf("yogurt-winter"), person, 200_000)
		touch := event.Touch{Decision: media.DecisionID{byte(person >> 8), byte(person)}, Advertiser: "maker-759", Campaign: "yogurt-winter", LineItem: "yw-search", Placement: "home", Product: "y1", Charge: media.PerClick, Price: 40 * retail.Cent, Currency: "USD", Arm: arm, Day: flight.From, Issued: at}
		add(person, at, event.Decided{Decision: touch.Decision, Channel: catalog.Online, Wins: []event.Win{{Placement: "home", Advertiser: "maker-759", Campaign: "yogurt-winter", LineItem: "yw-search", Product: "y1", Price: touch.Price, Currency: "USD", Arm: arm}}})
		if arm == trial.Treated {
			add(person, at.Add(time.Second), event.Shown{Touch: touch})
			if person%4 == 0 {
				add(person, at.Add(2*time.Second), event.Clicked{Touch: touch})
				add(0, at.Add(time.Hour), event.Billed{Decision: touch.Decision, Advertiser: "maker-759", Campaign: "yogurt-winter", LineItem: "yw-search", Charge: media.PerClick, Amount: touch.Price, Currency: "USD", Day: touch.Day})
			}
		}
		bought := at.AddDate(0, 0, int(person%9))
		id := fmt.Sprint("f", len(out))
		add(person, bought, event.Receipt{Receipt: basket.Receipt{ID: basket.ReceiptID(id), At: bought, Currency: "USD", Channel: catalog.InStore, Lines: []basket.Line{{Product: "y1", Quantity: basket.Piece, Sales: retail.Micros(100+person%50) * retail.Cent}}}})
	}
	return out
}

// TestAReportIsGivenOnlyOnceItIsAudited asks for a campaign's report day by day,
// of a real warehouse, and finds each answer in a real ledger.
func TestAReportIsGivenOnlyOnceItIsAudited(t *testing.T) {
	t.Parallel()
	o := duck.Defaults()
	o.Check = subset.Check
	w, err := duck.Open(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: flight.To.UTC(), Rows: history.Rows(lived())}}); err != nil {
		t.Fatal(err)
	}
	book, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "book")})
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	reporter := insight.NewReporter(measure.NewReader(w), cleanroom.NewJournal(book))
	q, _ := yogurt()
	seen := make(map[string]int)
	for day := flight.From; day < flight.From+12; day++ {
		q.Ask.Through = day
		r, err := reporter.Campaign(t.Context(), *q)
		if err != nil {
			t.Fatal(err)
		}
		sales := r.Figure("attributed_sales").Value.String()
		seen[sales]++
		if r.Head.Edition == nil {
			if sales != "withheld" {
				t.Errorf("%v: sales of %s without an edition", day, sales)
			}
			continue
		}
		if edition := *r.Head.Edition; edition > day {
			t.Errorf("%v: the edition is of %v", day, edition)
		}
		if c, ok := r.Figure("incremental_sales").Value.(cleanroom.Cleared); ok {
			if _, _, known := c.Interval(); !known {
				t.Errorf("%v: no interval: %v", day, r.Verdict())
			}
		}
		if spend := r.Figure("spend").Value.String(); !strings.HasSuffix(spend, ".00") && !strings.HasSuffix(spend, "0") {
			t.Errorf("spend of %s", spend)
		}
	}
	if len(seen) < 3 || len(seen) > 9 {
		t.Errorf("twelve days show %d different amounts: %v", len(seen), seen)
	}
	rows, err := book.List(t.Context(), cleanroom.EntryKind, "", registry.PageMax)
	if err != nil || len(rows) != 12 {
		t.Errorf("%d audit entries (%v), want 12", len(rows), err)
	}
	for _, row := range rows {
		if row.By != "demo" || !strings.Contains(string(row.Doc), `"subject":"yogurt-winter"`) {
			t.Errorf("an entry by %q says %s", row.By, row.Doc)
		}
	}
	refused := insight.NewReporter(measure.NewReader(w), deaf{})
	if r, err := refused.Campaign(t.Context(), *q); err == nil || r != nil {
		t.Error("a report was given whose audit entry was lost")
	}
	q.Policy.ShoppersMin = 1
	if _, err := reporter.Campaign(t.Context(), *q); !errors.Is(err, cleanroom.ErrPolicy) {
		t.Errorf("k of 1 gives %v", err)
	}
}

// TestWhatDoesAReportAtNoonTellOfToday asks for a report at noon and in the
// evening of one day: what was delivered moves on, what shoppers did waits for
// the end of the day.
func TestWhatDoesAReportAtNoonTellOfToday(t *testing.T) {
	t.Parallel()
	day := flight.From + 6
	facts := lived()
	for i := range uint64(40) { // the advert is seen and clicked today too
		for _, f := range facts {
			if f.Shopper == shopper.FromUint64(i+1) && f.Kind() != event.KindConsent && f.Kind() != event.KindReceipt {
				f.ID, f.At, f.Day = f.ID+"again", day.UTC().Add(time.Duration(i)*30*time.Minute), day
				switch body := f.Body.(type) {
				case event.Decided:
					body.Decision[2] = 1
					f.Body = body
				case event.Shown:
					body.Decision[2] = 1
					f.Body = body
				case event.Clicked:
					body.Decision[2] = 1
					f.Body = body
				}
				facts = append(facts, f)
			}
		}
	}
	ask := func(until time.Time) (about, delivered string) {
		w, err := duck.Open(t.Context(), t.TempDir(), duck.Defaults())
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		known := slices.DeleteFunc(slices.Clone(facts), func(f event.Fact) bool { return f.At.After(until) })
		if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: until, Rows: history.Rows(known)}}); err != nil {
			t.Fatal(err)
		}
		q, _ := yogurt()
		q.Ask = q.Ask.Days(day)
		r, err := insight.NewReporter(measure.NewReader(w), quiet{}).Campaign(t.Context(), *q)
		if err != nil {
			t.Fatal(err)
		}
		if r.Head.Through != day || *r.Head.Edition >= day {
			t.Errorf("delivery through %v, shoppers through %v; today is %v", r.Head.Through, *r.Head.Edition, day)
		}
		var figures []insight.Figure
		for _, f := range r.Figures {
			if _, of := f.Value.(cleanroom.Cleared); of {
				figures = append(figures, f)
			}
		}
		b, err := json.Marshal([]any{figures, r.Spans, r.Splits, r.Arms})
		if err != nil {
			t.Fatal(err)
		}
		return string(b), r.Figure("impressions").Value.String()
	}
	noon, seenByNoon := ask(day.UTC().Add(12 * time.Hour))
	evening, seenByEvening := ask(day.UTC().Add(23 * time.Hour))
	if noon != evening {
		t.Errorf("the purchases of one afternoon show:\n%s\n%s", noon, evening)
	}
	if seenByNoon == seenByEvening {
		t.Errorf("%s impressions at noon and in the evening", seenByNoon)
	}
}

// quiet keeps no entries.
type quiet struct{}

func (quiet) Audit(context.Context, cleanroom.Entry) error { return nil }

// deaf loses every entry.
type deaf struct{}

func (deaf) Audit(context.Context, cleanroom.Entry) error { return errors.New("disk full") }
