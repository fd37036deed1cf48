package insight

import (
	_ "embed" // page.html is part of the program
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"endcap/prove/cleanroom"
	"endcap/retail"
)

//go:embed page.html
var pageText string

// Page writes reports as HTML. Make one with NewPage; it is safe to share.
type Page struct{ template *template.Template }

// card is one of the headline figures.
type card struct {
	Name, Number, Unit, Under string
	None                      bool
}

// tableCell is one value of a table.
type tableCell struct {
	Text string
	None bool
}

// pageData is what page.html is filled with.
type pageData struct {
	R          *Report
	Cards      []card
	EffectLead string
	Through    string
	Daily      dailyChart
	Funnel     funnelChart
	Effect     effectChart
	Refused    refusalChart
	Methods    []method
}

// NewPage compiles the page. Its text is part of the program, so it cannot fail
// at run time for another reason than a bug.
func NewPage() *Page {
	funcs := template.FuncMap{
		"n":     func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) },
		"add":   func(a, b any) float64 { return number(a) + number(b) },
		"neg":   func(v float64) float64 { return -v },
		"date":  func(d retail.Day) string { return d.UTC().Format("2 January 2006") },
		"stamp": func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") },
		"short": func(d retail.Day) string { return d.UTC().Format("2 Jan") },
		"told":  shown,
		"words": func(s string) string { return strings.ReplaceAll(s, "_", " ") },
		"cond": func(is bool, a, b int) int {
			if is {
				return a
			}
			return b
		},
		"cell": func(v Value) tableCell {
			s := brief(v, 0)
			return tableCell{s, s == "withheld"}
		},
	}
	return &Page{template.Must(template.New("page").Funcs(funcs).Parse(pageText))}
}

// number reads a template's number, whole or not.
func number(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int:
		return float64(v)
	default:
		panic(fmt.Sprintf("insight: bug: page.html adds a %T", v))
	}
}

// Write writes the report as one self-contained HTML page.
func (p *Page) Write(w io.Writer, r *Report) error {
	d := pageData{R: r, Cards: r.cards(), EffectLead: r.effectLead(), Through: r.throughText(), Daily: r.daily(), Funnel: r.funnel(), Effect: r.effect(), Refused: r.refused(), Methods: r.methods()}
	if err := p.template.Execute(w, d); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// throughText says up to which days the report tells.
func (r *Report) throughText() string {
	day := func(d retail.Day) string { return d.UTC().Format("2 January 2006") }
	switch e := r.Head.Edition; {
	case e == nil:
		return "delivery through " + day(r.Head.Through) + ", no sales told yet"
	case *e == r.Head.Through:
		return "told through " + day(*e)
	default:
		return "delivery through " + day(r.Head.Through) + ", sales through " + day(*e)
	}
}

// cards are the six headline figures.
func (r *Report) cards() []card {
	k := r.Head.ShoppersMin
	out := make([]card, 0, 6)
	for _, id := range []string{"spend", "attributed_sales", "incremental_sales", "clicks", "roas", "iroas"} {
		f := r.Figure(id)
		c := card{Name: f.Name}
		text := shown(f.Value, k)
		if why, none := strings.CutPrefix(text, "withheld "); none {
			c.Number, c.None, c.Under = "withheld", true, strings.Trim(why, "()")
			out = append(out, c)
			continue
		}
		c.Number, c.Unit, _ = strings.Cut(text, " ")
		c.Under = r.under(id, &f)
		out = append(out, c)
	}
	return out
}

// under is the small line beneath a headline figure.
func (r *Report) under(id string, f *Figure) string {
	k := r.Head.ShoppersMin
	if s := r.intervalText(f); s != "" {
		return s
	}
	switch id {
	case "spend":
		return "charged clicks, exact"
	case "attributed_sales":
		return brief(r.Figure("buyers").Value, k) + " buyers, " + brief(r.Figure("purchases").Value, k) + " purchases"
	case "clicks":
		return "of " + brief(r.Figure("impressions").Value, k) + " impressions"
	case "roas":
		return "attributed sales ÷ spend"
	default:
		return ""
	}
}

// effectLead explains the experiment beside its chart.
func (r *Report) effectLead() string {
	c, _ := r.Figure("incremental_sales").Value.(cleanroom.Cleared)
	if why, withheld := c.Withheld(); withheld {
		return "There is no estimate: " + explain(why, r.Head.ShoppersMin) + "."
	}
	return percent(r.Head.ControlPPM) + " of shoppers were held out at random and never saw this campaign. Incremental sales are what those who could see it bought more of the range, online and in the store; the bar is the 95 % interval. Attributed sales only followed a touch: many would have happened anyway."
}
