package merchandising_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/keep/sql/sqlite"
	"endcap/know/recommend/merchandising"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/visit"
)

// catalogue is a range of rows.
type catalogue []*catalog.Product

func (c catalogue) Products() []*catalog.Product { return c }

func now() time.Time { return today.UTC().Add(9 * time.Hour) }

func keeper(t *testing.T, rows catalogue) (*merchandising.Terms, *sqlite.Book) {
	t.Helper()
	book, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "book.db"), Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := book.Close(); err != nil {
			t.Error(err)
		}
	})
	return merchandising.NewTerms(merchandising.Config{Store: book, Range: rows, Shield: shield(), Now: now, Zone: time.UTC}), book
}

func TestRulesThatCannotBe(t *testing.T) {
	t.Parallel()
	terms, _ := keeper(t, products())
	everything := merchandising.Selection{Set: catalog.Set{Everything: true}}
	nan := func() float64 { var zero float64; return zero / zero }()
	pin := &merchandising.Pin{Product: "oat"}
	for field, r := range map[string]merchandising.Rule{
		"":                       {},
		"lists[0]":               {Lists: []visit.ListName{"shelf"}, Pin: pin},
		"lists[1]":               {Lists: []visit.ListName{visit.Search, visit.Search}, Pin: pin},
		"stores[0]":              {Stores: []catalog.StoreID{""}, Pin: pin},
		"to":                     {From: day(0), To: day(0), Pin: pin},
		"pin.product":            {Pin: &merchandising.Pin{}},
		"pin.slot":               {Pin: &merchandising.Pin{Product: "oat", Slot: 50}},
		"boost.products":         {Boost: &merchandising.Boost{Factor: 2}},
		"boost.factor":           {Boost: &merchandising.Boost{Products: everything, Factor: nan}},
		"exclude.products":       {Exclude: &merchandising.Exclude{Purpose: "personal_offers"}},
		"exclude.sensitive[0]":   {Exclude: &merchandising.Exclude{Sensitive: []string{"tobacco"}}},
		"exclude.countries[0]":   {Exclude: &merchandising.Exclude{Products: everything, Countries: []string{"France"}}},
		"exclude.purpose":        {Exclude: &merchandising.Exclude{Products: everything, Purpose: "measurement"}},
		"spread":                 {Spread: &merchandising.Spread{}},
		"weigh":                  {Weigh: &merchandising.Weigh{}},
		"weigh.margin":           {Weigh: &merchandising.Weigh{Margin: nan}},
		"weigh.margins":          {Weigh: &merchandising.Weigh{Margin: 1}},
		"weigh.margins[0].share": {Weigh: &merchandising.Weigh{Margin: 1, Margins: []merchandising.Margin{{Products: everything, Share: nan}}}},
		"weigh.full_stock":       {Weigh: &merchandising.Weigh{Availability: 1}},
		"weigh.availability":     {Weigh: &merchandising.Weigh{Availability: 2}},
	} {
		r.Name = "a rule"
		_, _, err := terms.Put(t.Context(), "r", r, merchandising.Edit{})
		if e, ok := errors.AsType[*retail.Error](err); !ok || e.Kind != retail.Invalid || e.Field != field || e.Say == "" {
			t.Errorf("%q: got %v", field, err)
		}
	}
	_, _, err := terms.Put(t.Context(), "r", merchandising.Rule{Name: "two", Pin: pin, Spread: &merchandising.Spread{PerBrand: 1}}, merchandising.Edit{})
	if e, ok := errors.AsType[*retail.Error](err); !ok || !strings.Contains(e.Say, "this does 2") {
		t.Errorf("a rule that does two things: %v", err)
	}
	for name, id := range map[string]merchandising.ID{"no id": "", "an id with a slash": "a/b"} {
		if _, _, err := terms.Put(t.Context(), id, merchandising.Rule{Name: "x", Pin: pin}, merchandising.Edit{}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestWhatAMerchandiserIsWarnedOf(t *testing.T) {
	t.Parallel()
	everything := merchandising.Selection{Set: catalog.Set{Everything: true}}
	tests := map[string]struct {
		before, rule merchandising.Rule
		want         string
	}{
		"nothing":                   {rule: merchandising.Rule{Exclude: &merchandising.Exclude{Products: kinds("MILK")}}},
		"an empty list":             {rule: merchandising.Rule{Lists: []visit.ListName{visit.Search}, From: day(-3), Exclude: &merchandising.Exclude{Products: everything}}, want: "the list search is empty from 2017-12-07"},
		"the rest of a list":        {before: merchandising.Rule{Exclude: &merchandising.Exclude{Products: kinds("BREAD", "WINE", "BEER")}}, rule: merchandising.Rule{Stores: []catalog.StoreID{"s1"}, Exclude: &merchandising.Exclude{Products: merchandising.Selection{Set: catalog.Set{Products: []catalog.ProductID{"oat", "cow", "own", "loose"}}}}}, want: `every product is excluded: the list for_you at store "s1" is empty from 2017-12-04 on`},
		"an end in the past":        {rule: merchandising.Rule{To: day(2), Exclude: &merchandising.Exclude{Products: kinds("MILK")}}, want: "it ended before 2017-12-02"},
		"a word nobody uses":        {rule: merchandising.Rule{Exclude: &merchandising.Exclude{Products: kinds("MLIK")}}, want: "no product of the catalogue is meant"},
		"an unknown product":        {rule: merchandising.Rule{Pin: &merchandising.Pin{Product: "caviar"}}, want: `product "caviar" is not in the catalogue`},
		"a pin that is excluded":    {before: merchandising.Rule{Exclude: &merchandising.Exclude{Sensitive: []string{"alcohol"}}}, rule: merchandising.Rule{Pin: &merchandising.Pin{Product: "wine"}}, want: "another rule excludes the product"},
		"a boost that means no one": {rule: merchandising.Rule{Boost: &merchandising.Boost{Products: kinds("TEA"), Factor: 2}}, want: "no product of the catalogue is meant"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			terms, _ := keeper(t, products())
			if tt.before.Exclude != nil {
				tt.before.Name = "before"
				if _, _, err := terms.Put(t.Context(), "before", tt.before, merchandising.Edit{}); err != nil {
					t.Fatal(err)
				}
			}
			tt.rule.Name = "rule"
			version, warnings, err := terms.Put(t.Context(), "rule", tt.rule, merchandising.Edit{})
			if got := strings.Join(warnings, "; "); err != nil || version != 1 || !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("version %d, warned %q, %v; want %q", version, got, err, tt.want)
			}
		})
	}
	terms, _ := keeper(t, nil)
	if _, warnings, err := terms.Put(t.Context(), "r", merchandising.Rule{Name: "r", Spread: &merchandising.Spread{PerBrand: 1}}, merchandising.Edit{}); err != nil || len(warnings) != 1 {
		t.Errorf("over an empty catalogue: %v, %v", warnings, err)
	}
}

func TestARuleFromItsFirstVersionToItsEnd(t *testing.T) {
	t.Parallel()
	terms, store := keeper(t, products())
	follow := merchandising.NewBook(store, shield())
	stands := func(want string) {
		t.Helper()
		if err := follow.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		rules, _ := follow.Rules()
		got := ""
		for _, r := range rules {
			got += string(r.ID) + "=" + r.Name + " "
		}
		if got != want {
			t.Errorf("there stand %q, want %q", got, want)
		}
	}
	r := merchandising.Rule{Name: "top", Pin: &merchandising.Pin{Product: "wine", Slot: 1}, From: day(0), To: day(-7), Lists: []visit.ListName{visit.ForYou}}
	if v, _, err := terms.Put(t.Context(), "b", r, merchandising.Edit{By: "ana"}); err != nil || v != 1 {
		t.Fatal(v, err)
	}
	stands("b=top ")
	r.Name = "top 2"
	if v, _, err := terms.Put(t.Context(), "b", r, merchandising.Edit{By: "ana", Version: 1}); err != nil || v != 2 {
		t.Fatal(v, err)
	}
	r.Name = "top 3"
	if _, _, err := terms.Put(t.Context(), "b", r, merchandising.Edit{By: "bea", Version: 1}); !errors.Is(err, ledger.ErrStale) {
		t.Errorf("an old version is changed: %v", err)
	}
	r.Name = "spread"
	r.Pin, r.Spread = nil, &merchandising.Spread{PerBrand: 2}
	if _, _, err := terms.Put(t.Context(), "a", r, merchandising.Edit{}); err != nil {
		t.Fatal(err)
	}
	stands("a=spread b=top 2 ")
	held, err := terms.Get(t.Context(), "b")
	if err != nil || held.Version != 2 || held.Pin == nil || held.Pin.Slot != 1 || *held.To != today+7 {
		t.Errorf("read %+v, %v", held, err)
	}
	if _, err := terms.Remove(t.Context(), "b", merchandising.Edit{Version: 2}); err != nil {
		t.Fatal(err)
	}
	stands("a=spread ")
	all, err := terms.Versions(t.Context(), "b")
	if err != nil || len(all) != 3 || !all[2].Removed || all[0].By != "ana" {
		t.Errorf("versions %+v, %v", all, err)
	}
	if _, err := terms.Get(t.Context(), "b"); !isMissing(err) {
		t.Errorf("a removed rule: %v", err)
	}
	if _, err := terms.Versions(t.Context(), "never"); !isMissing(err) {
		t.Errorf("what never was: %v", err)
	}
}

func isMissing(err error) bool {
	e, ok := errors.AsType[*retail.Error](err)
	return ok && e.Kind == retail.NotFound
}

// What cannot be a rule is reported and left out; the others count.
func TestADamagedRuleIsLeftOut(t *testing.T) {
	t.Parallel()
	_, store := keeper(t, products())
	for id, doc := range map[string]string{
		"good": `{"name":"good","pin":{"product":"oat","slot":0}}`, "cut": `{"name":"cut","pi`, "strange": `{"name":"strange","pin":{"product":"oat","slot":0},"colour":"red"}`,
		"gone": `{"name":"gone","exclude":{"sensitive":["tobacco"]}}`, "two": `{"name":"two","pin":{"product":"oat","slot":0}} {}`,
	} {
		if _, err := ledger.Revise(t.Context(), store, ledger.Revision{Kind: registry.Rule, ID: id, Doc: []byte(doc), At: now()}); err != nil {
			t.Fatal(err)
		}
	}
	b := merchandising.NewBook(store, shield())
	err := b.Refresh(t.Context())
	for _, id := range []string{"cut", "strange", "gone", "two"} {
		if err == nil || !strings.Contains(err.Error(), "rule "+id+", version 1") {
			t.Errorf("%s is not reported: %v", id, err)
		}
	}
	if rules, version := b.Rules(); len(rules) != 1 || rules[0].ID != "good" || version != 1 {
		t.Errorf("version %d: %+v", version, rules)
	}
	if err := b.Refresh(t.Context()); err != nil {
		t.Errorf("reported again: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"name":"a","boost":{"products":{"brands":["x"],"own_label":true},"factor":2}}`))
	f.Add([]byte(`{"name":"a","from":"2017-12-04","exclude":{"sensitive":["alcohol"],"countries":["FR"]}}`))
	f.Add([]byte(`{"weigh":{"margin":1e999}}`))
	rows := products()
	f.Fuzz(func(t *testing.T, doc []byte) {
		r, err := merchandising.Parse(doc)
		if err != nil {
			if !errors.Is(err, merchandising.ErrRule) {
				t.Fatal(err)
			}
			return
		}
		if r.Check(shield()) != nil {
			return
		}
		var d merchandising.Desk
		merchandising.Compile([]merchandising.Named{{ID: "r", Rule: r}}, rows, shield()).Arrange(&merchandising.Scene{List: visit.ForYou, Day: today, Length: 5, Stock: shelves{}}, candidates(rows), &d)
		if len(d.List) > 5 || len(d.List) == 0 && d.Empty == "" {
			t.Fatalf("%d products, said %q", len(d.List), d.Empty)
		}
	})
}
