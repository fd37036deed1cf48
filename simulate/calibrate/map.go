package calibrate

import (
	"fmt"
	"math"
)

// chart is a spread as page.html draws it.
type chart struct {
	*Spread
	Areas  []area
	Legend []shade
	Rows   []Place // those where most is spent
	Rest   int     // places that the rows leave out
	Beyond []Place // that are on no outline, overseas
	Widest float64 // share of the first row
}

// area is one département with its shade; Stores is 0 where it has none.
type area struct {
	Outline
	Class  int
	Stores int
	Inset  bool // too small for a number but in the inset
	Hint   string
}

// shade is one class of the legend.
type shade struct {
	Class    int
	From, To float64 // shares
}

// rowsMax is how many places are told beside the map.
const rowsMax = 12

// The inset shows Paris and its neighbours five times as large.
var inset = map[string]bool{"75": true, "92": true, "93": true, "94": true}

// chart lays the spread out.
func (s *Spread) chart() *chart {
	c := &chart{Spread: s, Rows: s.Places[:min(rowsMax, len(s.Places))]}
	c.Rest = len(s.Places) - len(c.Rows)
	at := make(map[string]*Place)
	for i := range s.Places {
		p := &s.Places[i]
		at[p.Code] = p
		c.Widest = math.Max(c.Widest, p.Share)
		if p.Name == "" {
			c.Beyond = append(c.Beyond, *p)
		}
		if n := len(c.Legend); n > 0 && c.Legend[n-1].Class == p.Class {
			c.Legend[n-1].From = p.Share
		} else {
			c.Legend = append(c.Legend, shade{p.Class, p.Share, p.Share})
		}
	}
	for _, o := range s.Outlines {
		a := area{Outline: o, Inset: inset[o.Code], Hint: o.Name + " (" + o.Code + "): no store"}
		if p := at[o.Code]; p != nil {
			a.Class, a.Stores = p.Class, p.Stores
			a.Hint = fmt.Sprintf("%s (%s): %s, %.1f %% of what is spent", o.Name, o.Code, stores(p.Stores), 100*p.Share)
		}
		c.Areas = append(c.Areas, a)
	}
	return c
}

func stores(n int) string {
	if n == 1 {
		return "1 store"
	}
	return fmt.Sprintf("%d stores", n)
}
