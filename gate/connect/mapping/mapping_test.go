package mapping_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"endcap/gate/connect/mapping"
	"endcap/retail"
)

const good = `{"name":"shop","zone":"Europe/Paris","currency":"EUR","feeds":{"receipts":{"columns":{"receipt":"id","time":"at","product":"sku","sales":"total"}}}}`

// promo is a mapping of promotions with a week, and more.
func promo(week, more string) string {
	return `{"name":"shop","zone":"UTC","currency":"EUR","feeds":{"promotions":{"columns":{"store":"s","product":"p","week":` + week + more + `}}}}`
}

// consents is a mapping of consents with more columns.
func consents(more string) string {
	return `{"name":"shop","zone":"UTC","currency":"EUR","feeds":{"consents":{"columns":{"card":"card","time":"at",` + more + `}}}}`
}

func TestWhatIsWrongWithAMapping(t *testing.T) {
	t.Parallel()
	edit := func(old, text string) string { return strings.Replace(good, old, text, 1) }
	tests := map[string]struct{ text, field, say string }{
		"not JSON":                {"name: shop", "", "not JSON"},
		"an unknown field":        {edit(`"zone"`, `"colour":"red","zone"`), "", `unknown field "colour"`},
		"a field twice":           {edit(`"zone"`, `"name":"x","zone"`), "name", "twice"},
		"a column twice":          {edit(`"time":"at"`, `"time":"at","time":"b"`), "time", "twice"},
		"something behind":        {good + "{}", "", "follows"},
		"a name with spaces":      {edit(`"shop"`, `"my shop"`), "name", "not a name"},
		"no zone":                 {edit(`"Europe/Paris"`, `""`), "zone", "missing"},
		"a zone nobody knows":     {edit(`"Europe/Paris"`, `"Europe/Pari"`), "zone", "unknown zone"},
		"a currency nobody knows": {edit(`"EUR"`, `"EURO"`), "currency", "unknown currency"},
		"no feeds":                {`{"name":"shop","zone":"UTC","currency":"EUR","feeds":{}}`, "feeds", "none"},
		"a feed nobody knows":     {edit(`"receipts"`, `"tickets"`), "feeds.tickets", "no such kind"},
		"a field nobody knows":    {edit(`"sales"`, `"turnover"`), "feeds.receipts.columns.turnover", "no such field"},
		"no receipt id":           {edit(`"receipt":"id",`, ``), "feeds.receipts.columns", `"receipt" is missing`},
		"no amount":               {edit(`,"sales":"total"`, ``), "feeds.receipts.columns", "both missing"},
		"a constant amount":       {edit(`"total"`, `{"constant":"1"}`), "feeds.receipts.columns.sales.constant", "only texts"},
		"a sign for a text":       {edit(`"sku"`, `{"column":"sku","sign":"negative"}`), "feeds.receipts.columns.product.sign", "not possible"},
		"a format with a typo":    {edit(`"at"`, `{"column":"at","format":"%d/%q"}`), "feeds.receipts.columns.time.format", "unknown letter"},
		"a format in Go's words":  {edit(`"at"`, `{"column":"at","format":"02/01/2006"}`), "feeds.receipts.columns.time.format", "by itself"},
		"an option nobody knows":  {edit(`"sku"`, `{"colum":"sku"}`), "", `unknown field "colum"`},
		"a long delimiter":        {edit(`{"columns"`, `{"delimiter":"||","columns"`), "feeds.receipts.delimiter", "cannot separate"},
		"neither nor":             {edit(`"sku"`, `{"prefix":"x"}`), "feeds.receipts.columns.product", "either a column or a constant"},
		"days from nowhere":       {edit(`"at"`, `{"column":"at","format":"day_number"}`), "feeds.receipts.columns.time.first", "first goes with"},
		"first of no days":        {edit(`"at"`, `{"column":"at","first":"2017-01-02"}`), "feeds.receipts.columns.time.first", "first goes with"},
		"first on no day":         {edit(`"at"`, `{"column":"at","format":"day_number","first":"2017-02-30"}`), "feeds.receipts.columns.time.first", "not a date"},
		"first for a text":        {edit(`"sku"`, `{"column":"sku","first":"2017-01-02"}`), "feeds.receipts.columns.product", "are for times"},
		"a zone for a clock":      {edit(`"at"`, `"at","time_of_day":{"column":"t","zone":"UTC"}`), "feeds.receipts.columns.time_of_day", "are for times"},
		"a week in a zone":        {promo(`{"column":"w","zone":"UTC"}`, ``), "feeds.promotions.columns.week", "are for times"},
		"a week in seconds":       {promo(`{"column":"w","format":"unix_seconds"}`, ``), "feeds.promotions.columns.week.format", "no count of seconds"},
		"promotions of no week":   {promo(`"w"`, `,"week":null`), "week", "twice"},
		"nothing she said":        {consents(`"wording":"text"`), "feeds.consents.columns", "both missing"},
		"all say the same":        {consents(`"allowed":{"constant":"pooling"}`), "feeds.consents.columns.allowed.constant", "nobody says the same"},
		"all refuse the same":     {consents(`"allowed":"yes","refused":{"constant":"pooling"}`), "feeds.consents.columns.refused.constant", "nobody says the same"},
		"consents of nobody":      {strings.Replace(consents(`"tcf":"s"`), `"card":"card",`, "", 1), "feeds.consents.columns", "no column names the shopper"},
		"an age with a prefix":    {consents(`"tcf":"s","age":{"column":"a","prefix":"1"}`), "feeds.consents.columns.age", "are for texts"},
		"sorted promotions":       {strings.Replace(promo(`"w"`, ``), `"columns"`, `"sorted":true,"columns"`, 1), "feeds.promotions.sorted", "always put together"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := mapping.Parse([]byte(tt.text))
			e, ok := errors.AsType[*retail.Error](err)
			if !ok {
				t.Fatalf("got %v, want an error for the operator", err)
			}
			if e.Field != tt.field || !strings.Contains(e.Say, tt.say) {
				t.Errorf("got %q: %q, want %q: … %q …", e.Field, e.Say, tt.field, tt.say)
			}
		})
	}
}

func TestEveryShippedMappingIsGood(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "mappings", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no mappings are shipped: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mapping.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		if m.Name+".json" != filepath.Base(file) {
			t.Errorf("%s names itself %s", filepath.Base(file), m.Name)
		}
		for _, k := range m.Feeds() {
			if f, err := m.Feed(k); err != nil || len(f.Fields()) == 0 {
				t.Errorf("%s: feed %s: %v", m.Name, k, err)
			}
		}
	}
}

func FuzzMappings(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(promo(`{"column":"w","format":"week_number","first":"2017-01-02"}`, `,"display":"d"`)))
	f.Add([]byte(consents(`"tcf":"s","allowed":{"column":"a","optional":true},"guardian":{"column":"g","words":{"y":"true"}}`)))
	f.Add([]byte(`{"name":"a","zone":"UTC","currency":"EUR","feeds":{"stock":{"header":["a"],"columns":{"product":{"column":"a","words":{"x":"y"}},"count":"b","time":{"column":"c","format":"%d.%m.%y %H:%M","zone":"UTC"}}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := mapping.Parse(b)
		if err != nil {
			if _, ok := errors.AsType[*retail.Error](err); !ok {
				t.Fatalf("%v is no error for the operator", err)
			}
			return
		}
		for _, k := range m.Feeds() {
			if _, err := m.Feed(k); err != nil {
				t.Fatal(err)
			}
		}
	})
}
