package history_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"endcap/retail/basket"
	"endcap/retail/consent"
	"endcap/retail/event"
)

var rewrite = flag.Bool("rewrite", false, "write docs/data.md anew")

var typeNames = map[event.ColumnType]string{
	event.Text: "text", event.Int: "bigint", event.Amount: "decimal(18,6)", event.Timestamp: "timestamp (UTC)",
	event.Date: "date", event.Bool: "boolean", event.Blob: "blob", event.Float: "double",
}

// meanings stand in where a table does not say what a column means.
var meanings = map[string]string{
	"store": "the retailer's store id", "channel": "in_store, online or any (not known)", "currency": "ISO 4217 code", "receipt": "the retailer's receipt id",
	"version": "0 or 1 for the first, higher for what replaced it", "product": "the retailer's product id", "sales": "amount the retailer receives",
	"line_count": "lines on the receipt", "marks": "bits of what was odd, below", "unit_price": "as printed, 0 where the source gives none",
	"retail_discount": "the retailer's own discount, positive", "coupon_discount": "paid by a manufacturer's coupon", "coupon_match": "added by the retailer to a coupon",
	"day": "business day", "at": "when it happened, UTC", "gtin": "14 digits, empty where there is none", "name": "as set up", "brand": "what stands on the pack",
	"department": "widest level of the range", "category": "middle level of the range", "type": "narrowest level of the range", "size": "as the retailer writes it",
	"own_label": "the retailer's own brand", "zone": "IANA zone, empty for the retailer's", "price": "amount", "count": "how many", "wording": "name of the text she was shown",
	"decision": "id of the answer, 32 hex digits", "record": "what explain runs again", "placement": "where", "slot": "which of its slots, from 0", "advertiser": "who pays",
	"campaign": "of which campaign", "line_item": "of which line item", "arm": "treated or control", "click": "the click's event id", "amount": "what was charged",
	"reason": "the stable word of the refusal", "audience": "who may see it, empty for everybody", "bid": "the most it pays for a click", "budget_daily": "most a day",
	"budget_total": "most in all", "cap_per_day": "most impressions per shopper and day, 0 for no cap", "sentence": "who belongs, as written", "slots_max": "slots it has",
	"floor": "the least a click costs here", "flight_from": "first day", "window_days": "days after a touch in which a sale may be attributed", "removed": "taken away by this version",
}

// Does docs/data.md say what the views really hold?
func TestDataDocumentIsWhatTablesSay(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`# The views of history

Written by ` + "`go test ./know/history -run DataDocument -rewrite`" + ` from retail/event.Tables(); do not edit.

Every question names a purpose and sees that purpose's views: ` + "`accounting`" + ` shows all rows, with no word of
whose they are (` + "`shopper`" + ` is NULL), and is for totals;
`)
	var names []string
	for _, p := range consent.Purposes() {
		names = append(names, "`"+p.String()+"`")
	}
	b.WriteString(strings.Join(names, ", ") + ` show, in
tables that know shoppers, only rows of shoppers who allow that purpose now. Rows without a known shopper
are seen under accounting alone. Amounts are exact decimals; quantities are thousandths of a piece. The columns
` + "`at` and `by` are words of SQL's grammar: write `\"at\"` and `\"by\"`" + `.

`)
	for _, table := range event.Views() {
		fmt.Fprintf(&b, "## %s\n\n%s.", table.Name, upper(table.Say))
		if len(table.Latest) > 0 {
			fmt.Fprintf(&b, " Only the newest stands, by %s.", strings.Join(table.Latest, " and "))
		}
		b.WriteString("\n\n| column | type | meaning |\n| --- | --- | --- |\n")
		for _, c := range table.Columns {
			say := c.Say
			if say == "" {
				say = meanings[c.Name]
			}
			if say == "" && c.Name+"s" == table.Name {
				say = "its id"
			}
			if say == "" {
				t.Errorf("nobody says what %s.%s means", table.Name, c.Name)
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", c.Name, typeNames[c.Type], say)
		}
		b.WriteString("\n")
	}
	b.WriteString("## Marks\n\n| bit | word |\n| --- | --- |\n")
	for _, m := range basket.Marks() {
		fmt.Fprintf(&b, "| %d | %s |\n", m, strings.Join(m.Names(), ""))
	}
	name := filepath.Join("..", "..", "docs", "data.md")
	if *rewrite {
		if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Error("docs/data.md is stale; run go test ./know/history -run DataDocument -rewrite")
	}
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
