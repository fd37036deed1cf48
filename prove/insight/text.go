package insight

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"endcap/prove/cleanroom"
	"endcap/retail"
)

// shown writes a value for people: with thousands set apart, a currency, and in
// words where it is withheld.
func shown(v Value, k int) string {
	switch v := v.(type) {
	case cleanroom.Cleared:
		if why, withheld := v.Withheld(); withheld {
			return "withheld (" + explain(why, k) + ")"
		}
		if m, ok := v.Money(); ok {
			return money(m)
		}
		if n, ok := v.Count(); ok {
			return counted(n)
		}
		return grouped(v.String())
	case cleanroom.Delivery:
		if m, ok := v.Money(); ok {
			return money(m)
		}
		if n, ok := v.Count(); ok {
			return counted(n)
		}
		return "withheld (the audience was too small when booked)"
	default:
		return "withheld"
	}
}

// brief is shown with only "withheld" where it is.
func brief(v Value, k int) string {
	s := shown(v, k)
	if strings.HasPrefix(s, "withheld") {
		return "withheld"
	}
	return s
}

func money(m retail.Money) string {
	return grouped(m.Amount.Format(m.Currency)) + " " + string(m.Currency)
}

// counted writes a number with its thousands apart.
func counted(n int64) string { return grouped(strconv.FormatInt(n, 10)) }

// grouped sets thousands apart: "-1234567.89" becomes "-1,234,567.89".
func grouped(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "−", s[1:]
	}
	whole, frac, point := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if point {
		whole += "." + frac
	}
	return sign + whole
}

// WriteText writes the report for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	t := new(bytes.Buffer)
	h, k := &r.Head, r.Head.ShoppersMin
	fmt.Fprintf(t, "%s, %s\n", h.Name, h.AdvertiserName)
	fmt.Fprintf(t, "Flight %s, delivery through %v; %s\n", days(h.FlightFrom, h.FlightLast), h.Through, r.editionText())
	fmt.Fprintf(t, "Data: %s; clock: %s; made %s\n", r.Frame.Dataset, r.Frame.Clock, r.Frame.At.UTC().Format("2006-01-02 15:04 UTC"))
	for _, n := range r.Frame.Notices {
		fmt.Fprintf(t, "Note: %s\n", n)
	}
	fmt.Fprintf(t, "\n%s\n\n", r.Verdict())
	for _, f := range r.Figures {
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Name, shown(f.Value, k), r.intervalText(&f))
	}
	for _, s := range r.Splits {
		fmt.Fprintf(t, "\n%s\tsales\tbuyers\tthrough\n", s.Name)
		for _, p := range s.Parts {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", p.Label, brief(p.Sales, k), brief(p.Buyers, k), p.throughText())
		}
	}
	fmt.Fprintf(t, "\nExperiment\tshoppers\tbuyers\tspend per shopper\n")
	for _, a := range r.Arms {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", a.Name, brief(a.Shoppers, k), brief(a.Buyers, k), brief(a.PerHead, k))
	}
	if len(r.Refusals) > 0 {
		fmt.Fprintf(t, "\nWhy it did not win\ttimes\n")
		for _, total := range r.refusalTotals() {
			fmt.Fprintf(t, "  %s\t%s\n", total.reason, counted(total.count))
		}
	}
	r.writeMethods(t)
	columns := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	if _, err := columns.Write(t.Bytes()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := columns.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// writeMethods says how the figures were made, those made alike together.
func (r *Report) writeMethods(t *bytes.Buffer) {
	fmt.Fprintf(t, "\nHow each figure was made\n")
	for _, m := range r.methods() {
		fmt.Fprintf(t, "%s\n  window: %s\n  scope: %s\n", m.Names(), m.How.Window, m.How.Scope)
		if m.How.Model != "" {
			fmt.Fprintf(t, "  model: %s\n", m.How.Model)
		}
		if m.How.Interval != "" {
			fmt.Fprintf(t, "  interval: %s\n", m.How.Interval)
		}
		for _, l := range m.Lines {
			fmt.Fprintf(t, "  %s of %s: %s\n", l.What, strings.ToLower(l.Name), l.Text)
		}
		fmt.Fprintf(t, "  withheld: %s\n", m.How.Withheld)
	}
}

func (r *Report) editionText() string {
	if r.Head.Edition == nil {
		return fmt.Sprintf("no sales told yet (fewer than %d buyers)", r.Head.ShoppersMin)
	}
	return fmt.Sprintf("sales through %v", *r.Head.Edition)
}

func (p *Part) throughText() string {
	if p.Through == nil {
		return "–"
	}
	return p.Through.String()
}

// intervalText is the interval of an estimate or a ratio, else empty.
func (r *Report) intervalText(f *Figure) string {
	if c, ok := f.Value.(cleanroom.Cleared); ok {
		if low, high, ok := c.Interval(); ok {
			return fmt.Sprintf("95 %%: %s to %s", money(low), money(high))
		}
	}
	if f.Low != nil && f.High != nil {
		return fmt.Sprintf("95 %%: %s to %s", shown(f.Low, r.Head.ShoppersMin), shown(f.High, r.Head.ShoppersMin))
	}
	return ""
}

// Verdict says in one or two sentences what the report shows, and claims no
// more than its interval allows.
func (r *Report) Verdict() string {
	k := r.Head.ShoppersMin
	sales, spend := r.Figure("attributed_sales").Value, r.Figure("spend").Value
	first := shown(spend, k) + " was spent. "
	if c, ok := sales.(cleanroom.Cleared); ok {
		if m, told := c.Money(); told {
			first += fmt.Sprintf("Sales of %s followed a touch. ", money(m))
		}
	}
	c, _ := r.Figure("incremental_sales").Value.(cleanroom.Cleared)
	low, high, ok := c.Interval()
	switch {
	case !ok:
		why, _ := c.Withheld()
		return first + "What the campaign caused cannot be said: " + explain(why, k) + "."
	case low.Amount > 0:
		return first + fmt.Sprintf("Against the control group, the campaign caused between %s and %s of extra sales.", money(low), money(high))
	case high.Amount < 0:
		return first + fmt.Sprintf("Against the control group, sales were lower by %s to %s.",
			money(retail.Money{Amount: -high.Amount, Currency: high.Currency}), money(retail.Money{Amount: -low.Amount, Currency: low.Currency}))
	default:
		return first + fmt.Sprintf("Against the control group, the effect lies between %s and %s. That includes zero, so an effect is not proved.", money(low), money(high))
	}
}

// WriteJSON writes the report as one JSON document.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// WriteCSV writes the report in one long table: section, name, day or part,
// value, low, high, unit, why it is withheld, and how it was made.
func (r *Report) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	rows := [][]string{{"section", "figure", "key", "value", "low", "high", "unit", "withheld", "window", "model", "scope", "interval", "not_told"}}
	h := &r.Head
	about := func(key, value string) {
		rows = append(rows, []string{"about", "", key, safeCell(value), "", "", "", "", "", "", "", "", ""})
	}
	about("campaign", string(h.Campaign))
	about("name", h.Name)
	about("advertiser", string(h.Advertiser))
	about("flight", days(h.FlightFrom, h.FlightLast))
	about("through", h.Through.String())
	about("sales", r.editionText())
	about("dataset", r.Frame.Dataset)
	about("clock", r.Frame.Clock)
	for _, n := range r.Frame.Notices {
		about("notice", n)
	}
	for _, f := range r.Figures {
		rows = append(rows, row("figure", f.ID, "", f.Value, f.How))
		if f.Low != nil && f.High != nil {
			rows[len(rows)-1][4], rows[len(rows)-1][5] = f.Low.String(), f.High.String()
		}
	}
	for _, d := range r.Days {
		day := d.Day.String()
		rows = append(rows, row("delivery", "impressions", day, d.Impressions, How{}), row("delivery", "clicks", day, d.Clicks, How{}), row("delivery", "spend", day, d.Spend, How{}))
	}
	for _, s := range r.Spans {
		key := days(s.From, s.To)
		rows = append(rows, row("attributed", "sales", key, s.Sales, How{}), row("attributed", "buyers", key, s.Buyers, How{}))
	}
	for _, s := range r.Splits {
		for _, p := range s.Parts {
			rows = append(rows, row(s.ID, "sales", p.Name, p.Sales, s.How), row(s.ID, "buyers", p.Name, p.Buyers, s.How), row(s.ID, "receipts", p.Name, p.Receipts, s.How))
		}
	}
	for _, a := range r.Arms {
		rows = append(rows, row("experiment", "shoppers", a.Name, a.Shoppers, How{}), row("experiment", "buyers", a.Name, a.Buyers, How{}), row("experiment", "spend_per_shopper", a.Name, a.PerHead, How{}))
	}
	for _, x := range r.Refusals {
		rows = append(rows, row("refusals", safeCell(x.Reason), x.Day.String(), x.Count, How{}))
	}
	if err := c.WriteAll(rows); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// row is one line of the CSV; a withheld value is empty.
func row(section, figure, key string, v Value, how How) []string {
	out := []string{section, figure, safeCell(key), v.String(), "", "", "", "", how.Window, how.Model, how.Scope, how.Interval, how.Withheld}
	switch v := v.(type) {
	case cleanroom.Cleared:
		if why, withheld := v.Withheld(); withheld {
			out[3], out[7] = "", string(why)
		}
		if low, high, ok := v.Interval(); ok {
			out[4], out[5] = low.Amount.Format(low.Currency), high.Amount.Format(high.Currency)
		}
		if m, ok := v.Money(); ok {
			out[6] = string(m.Currency)
		}
	case cleanroom.Delivery:
		if !v.Told() {
			out[3], out[7] = "", "audience_too_small"
		}
		if m, ok := v.Money(); ok {
			out[6] = string(m.Currency)
		}
	}
	return out
}

// safeCell keeps text that people set up from being run as a formula by a
// spreadsheet.
func safeCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

type refusalTotal struct {
	reason string
	count  int64
}

// refusalTotals sums refusals by reason, the most frequent first.
func (r *Report) refusalTotals() []refusalTotal {
	var out []refusalTotal
	at := make(map[string]int)
	for _, x := range r.Refusals {
		n, _ := x.Count.Count()
		i, ok := at[x.Reason]
		if !ok {
			i = len(out)
			at[x.Reason] = i
			out = append(out, refusalTotal{reason: x.Reason})
		}
		out[i].count += n
	}
	sortTotals(out)
	return out
}
