package insight_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"endcap/prove/cleanroom"
	"endcap/prove/insight"
	"endcap/prove/measure"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/trial"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

var flight = retail.Days{From: retail.Date(2017, time.December, 4), To: retail.Date(2018, time.January, 1)}

// yogurt is a plausible campaign of four weeks, the same at every call.
func yogurt() (*insight.Question, *measure.Evidence) {
	rng := rand.New(rand.NewPCG(2017, 12))
	terms := measure.Terms{
		Campaigns: map[media.CampaignID]media.Campaign{"yogurt-winter": {
			ID: "yogurt-winter", Advertiser: "maker-759", Name: "Winter breakfast: yogurt", Flight: flight,
			Halo: catalog.Set{Brands: []catalog.Brand{"759"}}, ControlPPM: 200_000, WindowDays: 14,
		}},
		LineItems: map[media.LineItemID]media.LineItem{
			"yw-search": {ID: "yw-search", Campaign: "yogurt-winter", Name: "Search: yogurt", Products: []catalog.ProductID{"y1", "y2"}},
			"yw-home":   {ID: "yw-home", Campaign: "yogurt-winter", Name: "Home page", Products: []catalog.ProductID{"y1"}},
		},
	}
	q := &insight.Question{
		Ask:        measure.Ask{Campaign: "yogurt-winter", Through: flight.To - 1, Model: measure.LastClick, Lookback: 182, PreDays: 182, Currency: "USD"},
		Terms:      terms,
		Advertiser: media.Advertiser{ID: "maker-759", Name: "Maker 759", Currency: "USD"},
		Policy:     cleanroom.Policy{ShoppersMin: 10},
		Bookings:   []cleanroom.Booking{{LineItem: "yw-search"}, {LineItem: "yw-home", Audience: "yogurt-lovers", Shoppers: 811}},
		By:         "demo",
		Frame: insight.Frame{
			Dataset: "The Complete Journey 2.0, published by 84.51°: US households", Clock: "replay", At: time.Date(2018, 1, 1, 5, 0, 0, 0, time.UTC),
			Notices: []string{
				"Clicks are drawn by a stated seeded rule and cause nothing: the true incremental sales are 0.",
				"Consents are drawn by a stated hash: 90 % allow all purposes, 5 % no personal adverts, 5 % none.",
			},
		},
	}
	e := &measure.Evidence{Ask: q.Ask, Terms: terms, FirstDay: flight.From - 337, Receipts: true}
	items := []media.LineItemID{"yw-search", "yw-home"}
	seed := trial.SeedOf("yogurt-winter")
	for n := range uint64(900) {
		who := shopper.FromUint64(n + 1)
		first := flight.From + retail.Day(rng.IntN(20))
		x := measure.Exposed{Shopper: who, First: first, Recorded: trial.Assign(seed, n+1, 200_000)}
		if rng.Float64() < .55 {
			x.Before = retail.Micros(rng.IntN(6000)) * retail.Cent
		}
		buys := 0
		if rng.Float64() < .35 {
			buys = 1 + rng.IntN(4)
		}
		clicked := x.Recorded == trial.Treated && rng.Float64() < .33
		if clicked {
			when := first.UTC().Add(time.Duration(9+rng.IntN(10)) * time.Hour)
			e.Touches = append(e.Touches, measure.Touch{Shopper: who, At: when, Day: first, Campaign: "yogurt-winter", LineItem: items[rng.IntN(2)], Token: fmt.Sprint(n, "/0")})
			if rng.Float64() < .4 {
				e.Baskets = append(e.Baskets, measure.Basket{Shopper: who, Day: first})
			}
		}
		for i := range buys {
			day := first + retail.Day(rng.IntN(int(flight.To-first)))
			cents := retail.Micros(80+rng.IntN(900)) * retail.Cent
			x.Since += cents
			channel := catalog.InStore
			if rng.Float64() < .12 {
				channel = catalog.Online
			}
			e.Lines = append(e.Lines, measure.Line{
				Shopper: who, Receipt: fmt.Sprint("r", n, ".", i), At: day.UTC().Add(20 * time.Hour), Day: day, Channel: channel,
				Product: catalog.Product{ID: catalog.ProductID(fmt.Sprint("y", 1+rng.IntN(4))), Brand: "759"}, Quantity: 1000, Sales: cents,
			})
		}
		if rng.Float64() < .5 {
			day := flight.From - 1 - retail.Day(rng.IntN(150))
			e.Lines = append(e.Lines, measure.Line{Shopper: who, Receipt: fmt.Sprint("p", n), At: day.UTC(), Day: day, Product: catalog.Product{ID: "y3", Brand: "759"}, Quantity: 1000, Sales: retail.Unit})
		}
		e.Exposed = append(e.Exposed, x)
	}
	for d := flight.From; d < flight.To; d++ {
		for _, item := range items {
			clicks := int64(2 + rng.IntN(9))
			e.Delivered = append(e.Delivered, measure.Delivered{LineItem: item, Day: d, Impressions: int64(80 + rng.IntN(120)), Clicks: clicks, Filtered: int64(rng.IntN(2)), Spend: retail.Micros(clicks*int64(35+rng.IntN(20))) * retail.Cent})
			for i, reason := range []string{"outbid", "no_consent", "frequency_cap", "not_in_audience", "below_floor", "budget_spent", "out_of_stock"} {
				if n := rng.IntN(400 >> (i + rng.IntN(2))); n > i*2 {
					e.Refused = append(e.Refused, measure.Refused{LineItem: item, Day: d, Reason: reason, Count: int64(n)})
				}
			}
		}
	}
	return q, e
}

func report() *insight.Report {
	q, e := yogurt()
	return insight.Build(q, e, measure.Attribute(e))
}

func TestTheReportReadsAsItAlwaysDid(t *testing.T) {
	t.Parallel()
	r := report()
	page := insight.NewPage()
	for name, write := range map[string]func(*bytes.Buffer) error{
		"report.txt":  func(b *bytes.Buffer) error { return r.WriteText(b) },
		"report.csv":  func(b *bytes.Buffer) error { return r.WriteCSV(b) },
		"report.json": func(b *bytes.Buffer) error { return r.WriteJSON(b) },
		"report.html": func(b *bytes.Buffer) error { return page.Write(b, r) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name)
			if *rewrite {
				if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s differs from its golden file; look at it and run go test ./prove/insight -rewrite\n%s", name, firstDifference(got.String(), string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// TestThePageAsksNobodyForAnything looks for whatever would make a browser
// fetch, and reads the page's structure.
func TestThePageAsksNobodyForAnything(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	r := report()
	r.Head.Name = `<script>alert(1)</script> & "oats"`
	r.Frame.Notices = append(r.Frame.Notices, `<img src=x onerror=alert(1)>`)
	if err := insight.NewPage().Write(&b, r); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, bad := range []string{"http:", "https:", "<script", "<link", "<img", "<iframe", "url(", "@import", "src=", "ZgotmplZ"} {
		if bad == "src=" {
			page = strings.ReplaceAll(page, "&lt;img src=x", "")
		}
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	titles, charts := strings.Count(page, "<title "), strings.Count(page, "<svg ")
	if charts != 4 || titles < charts || strings.Count(page, "<desc ") != charts {
		t.Errorf("%d charts, %d titles, %d descriptions; want 4 each", charts, titles, strings.Count(page, "<desc "))
	}
	if err := balanced(page); err != nil {
		t.Error(err)
	}
	for _, want := range append(r.Frame.Notices[:2], "The Complete Journey 2.0, published by 84.51°", "Clock: replay", "prefers-color-scheme", "@media print") {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(m[1], "#") {
			t.Errorf("a link leaves the page: %s", m[1])
		}
	}
}

// balanced checks that every element is closed, in order.
func balanced(page string) error {
	void := map[string]bool{"meta": true, "!doctype": true}
	var open []string
	page = regexp.MustCompile(`(?s)<style>.*?</style>`).ReplaceAllString(page, "")
	for _, m := range regexp.MustCompile(`<(/?)([!a-zA-Z][a-zA-Z0-9]*)([^>]*)>`).FindAllStringSubmatch(page, -1) {
		name := strings.ToLower(m[2])
		switch {
		case void[name] || strings.HasSuffix(m[3], "/"):
		case m[1] == "":
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			return fmt.Errorf("</%s> closes %v", name, open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("never closed: %v", open)
	}
	return nil
}

// TestEveryFigureSaysHowItWasMade checks the JSON, where a machine looks.
func TestEveryFigureSaysHowItWasMade(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := report().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Figures []struct {
			ID    string
			Value map[string]any
			How   map[string]string
		}
		Splits []struct{ How map[string]string }
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Figures) < 11 || len(doc.Splits) != 4 {
		t.Fatalf("%d figures and %d splits", len(doc.Figures), len(doc.Splits))
	}
	check := func(name string, how map[string]string) {
		for _, part := range []string{"window", "model", "scope", "interval", "withheld"} {
			if how[part] == "" {
				t.Errorf("%s does not say its %s", name, part)
			}
		}
	}
	for _, f := range doc.Figures {
		check(f.ID, f.How)
		if len(f.Value) == 0 {
			t.Errorf("%s has no value", f.ID)
		}
	}
	for _, s := range doc.Splits {
		check("a split", s.How)
	}
}

// TestTheTextSaysHowEachFigureWasMadeToo looks into the notes where figures that
// were made alike stand together.
func TestTheTextSaysHowEachFigureWasMadeToo(t *testing.T) {
	t.Parallel()
	r := report()
	var text, page bytes.Buffer
	if err := errors.Join(r.WriteText(&text), insight.NewPage().Write(&page, r)); err != nil {
		t.Fatal(err)
	}
	for form, written := range map[string]string{"text": text.String(), "page": html.UnescapeString(page.String())} {
		_, notes, _ := strings.Cut(written, "How each figure was made")
		for _, f := range r.Figures {
			for _, part := range append([]string{f.Name, f.How.Window, f.How.Scope, f.How.Interval, f.How.Withheld}, strings.Split(f.How.Model, "; ")...) {
				if !strings.Contains(notes, part) {
					t.Errorf("the %s's notes on %s lack %q", form, f.ID, part)
				}
			}
		}
	}
}

// TestWhatIsToldAddsUp compares the report with the sales it was made of.
func TestWhatIsToldAddsUp(t *testing.T) {
	t.Parallel()
	q, e := yogurt()
	sales := measure.Attribute(e)
	r := insight.Build(q, e, sales)
	var want retail.Micros
	for _, s := range sales {
		if s.Day <= *r.Head.Edition {
			want += s.Sales
		}
	}
	money := func(v insight.Value) retail.Micros {
		m, _ := v.(cleanroom.Cleared).Money()
		return m.Amount
	}
	if got := money(r.Figure("attributed_sales").Value); got != want || got == 0 {
		t.Errorf("attributed sales are told as %v, they are %v", got, want)
	}
	var spans retail.Micros
	for _, s := range r.Spans {
		spans += money(s.Sales)
	}
	if spans != want {
		t.Errorf("the days add up to %v, want %v", spans, want)
	}
	for _, s := range r.Splits {
		var sum retail.Micros
		for _, p := range s.Parts {
			sum += money(p.Sales)
		}
		if sum != want {
			t.Errorf("%s adds up to %v, want %v", s.ID, sum, want)
		}
	}
}

// TestWhatDidTheOneBuyerOfAGroupSpend asks what few buyers among many shoppers
// spent: by their group's average, and by the estimate that compares it.
func TestWhatDidTheOneBuyerOfAGroupSpend(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		buyers, earlier int // of the control group; -1 leaves what they did
		perHead, effect bool
	}{
		"one buyer":                           {1, -1, false, false},
		"nine buyers":                         {9, -1, false, false},
		"ten buyers":                          {10, -1, true, true},
		"many now, one who had bought before": {-1, 1, true, false},
		"many now, none before":               {-1, 0, true, true},
		"many now and before":                 {-1, -1, true, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, e := yogurt()
			keep := func(amount *retail.Micros, left *int) {
				switch {
				case *left > 0 && *amount > 0:
					*left--
				case *left >= 0:
					*amount = 0
				}
			}
			for i := range e.Exposed {
				if x := &e.Exposed[i]; x.Recorded == trial.Control {
					keep(&x.Since, &tc.buyers)
					keep(&x.Before, &tc.earlier)
				}
			}
			r := insight.Build(q, e, measure.Attribute(e))
			if _, told := r.Arms[1].PerHead.Money(); told != tc.perHead {
				t.Errorf("spend of the control group is told: %v", r.Arms[1].PerHead)
			}
			for _, id := range []string{"incremental_sales", "iroas"} {
				if _, withheld := r.Figure(id).Value.(cleanroom.Cleared).Withheld(); withheld == tc.effect {
					t.Errorf("%s is told as %v", id, r.Figure(id).Value)
				}
			}
			for _, a := range r.Arms {
				if n, _ := a.Shoppers.Count(); n%10 != 0 {
					t.Errorf("%d shoppers of the %s group: one who goes is seen to go", n, a.Name)
				}
			}
		})
	}
}

// TestDoesAFreeSampleMakeACrowd has many touched shoppers take the product for
// nothing, and one pay for it.
func TestDoesAFreeSampleMakeACrowd(t *testing.T) {
	t.Parallel()
	q, e := yogurt()
	for i := range e.Lines {
		e.Lines[i].Sales = 0
	}
	e.Lines[0].Sales, e.Lines[0].Shopper = 42*retail.Unit, e.Touches[0].Shopper
	e.Lines[0].At, e.Lines[0].Day = e.Touches[0].At, e.Touches[0].Day
	sales := measure.Attribute(e)
	if len(sales) < 50 || measure.Total(sales) != 42*retail.Unit {
		t.Fatalf("%d lines of %v are attributed", len(sales), measure.Total(sales))
	}
	if told := insight.Build(q, e, sales).Figure("attributed_sales").Value.String(); told != "withheld" {
		t.Errorf("one buyer's %s is told", told)
	}
}

// TestTheVerdictClaimsNoMoreThanItsInterval reads the sentence that a hurried
// reader will quote.
func TestTheVerdictClaimsNoMoreThanItsInterval(t *testing.T) {
	t.Parallel()
	k := cleanroom.Policy{ShoppersMin: 10}
	tests := map[string]struct {
		value cleanroom.Cleared
		want  string
	}{
		"proved":   {k.Estimate(cleanroom.Estimate{Amount: 5e6, Low: 1e6, High: 9e6, Currency: "USD"}, 90, 30), "the campaign caused between 1.00 USD and 9.00 USD of extra sales"},
		"open":     {k.Estimate(cleanroom.Estimate{Amount: 5e6, Low: -1e6, High: 11e6, Currency: "USD"}, 90, 30), "includes zero, so an effect is not proved"},
		"harmful":  {k.Estimate(cleanroom.Estimate{Amount: -5e6, Low: -9e6, High: -1e6, Currency: "USD"}, 90, 30), "sales were lower by 1.00 USD to 9.00 USD"},
		"too few":  {k.Estimate(cleanroom.Estimate{}, 90, 9), "cannot be said: fewer than 10 shoppers"},
		"no split": {cleanroom.Withhold("no_control"), "cannot be said: the campaign holds nobody out"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := report()
			for i := range r.Figures {
				if r.Figures[i].ID == "incremental_sales" {
					r.Figures[i].Value = tc.value
				}
			}
			if got := r.Verdict(); !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want it to say %q", got, tc.want)
			}
		})
	}
}

// TestATinyCampaignTellsNothingAndStillReads makes every form of an empty report.
func TestATinyCampaignTellsNothingAndStillReads(t *testing.T) {
	t.Parallel()
	q, e := yogurt()
	e.Touches, e.Lines, e.Exposed, e.Baskets, e.Delivered, e.Refused = nil, nil, nil, nil, nil, nil
	q.Bookings = []cleanroom.Booking{{LineItem: "yw-home", Audience: "tiny", Shoppers: 3}}
	r := insight.Build(q, e, nil)
	if r.Head.Edition != nil {
		t.Error("there is an edition of nothing")
	}
	var b bytes.Buffer
	for _, write := range []func() error{
		func() error { return r.WriteText(&b) }, func() error { return r.WriteCSV(&b) }, func() error { return r.WriteJSON(&b) }, func() error { return insight.NewPage().Write(&b, r) },
	} {
		if err := write(); err != nil {
			t.Error(err)
		}
	}
	if s := b.String(); strings.Contains(s, "NaN") || strings.Contains(s, "Inf") || strings.Contains(s, "%!") || strings.Contains(s, "1970") {
		t.Errorf("a number went wrong: %s", s)
	}
	for _, f := range r.Figures {
		switch v := f.Value.(type) {
		case cleanroom.Cleared:
			if _, withheld := v.Withheld(); !withheld {
				t.Errorf("%s tells %v", f.ID, v)
			}
		case cleanroom.Delivery:
			if v.Told() {
				t.Errorf("%s tells the delivery of an audience of 3", f.ID)
			}
		}
	}
}

// TestAWordOfAnAdvertiserIsNoFormula keeps spreadsheets from running names.
func TestAWordOfAnAdvertiserIsNoFormula(t *testing.T) {
	t.Parallel()
	r := report()
	r.Head.Name = "=HYPERLINK(1)"
	var b bytes.Buffer
	if err := r.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), ",'=HYPERLINK(1),") {
		t.Error("the name is written as a formula")
	}
}
