package cleanroom_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"endcap/prove/cleanroom"
	"endcap/retail"
)

// cell is a sale of 1.00 by each of n people from first on.
func cell(part string, day retail.Day, first uint32, n int) cleanroom.Cell {
	c := cleanroom.Cell{Part: part, Day: day, Sales: retail.Micros(n) * retail.Unit, Receipts: int64(n)}
	for i := range n {
		c.People = append(c.People, first+uint32(i))
	}
	return c
}

func TestAReportChangesOnlyByEnoughShoppers(t *testing.T) {
	t.Parallel()
	days := []cleanroom.Cell{
		cell("", 1, 0, 6), cell("", 2, 4, 6), cell("", 3, 0, 1), cell("", 5, 20, 12), cell("", 6, 40, 9),
	}
	s := policy(10).Editions(days, 1, "USD")
	got := ""
	for _, span := range s.Spans() {
		got += fmt.Sprintf("%d-%d %v of %v; ", span.Days.From, span.Days.To-1, span.Sales, span.Buyers)
	}
	if want := "1-2 12.00 of 10; 3-5 13.00 of 13; "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if total := s.Total(); total.Sales.String() != "25.00" || total.Through != 5 || total.Buyers.String() != "22" {
		t.Errorf("total %v through %d of %v", total.Sales, total.Through, total.Buyers)
	}
}

func TestASmallPartHidesBehindTheRest(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		parts []cleanroom.Cell
		want  string
	}{
		"both large":                     {[]cleanroom.Cell{cell("online", 1, 0, 10), cell("store", 1, 10, 30)}, "online 10.00; store 30.00; "},
		"one small: its neighbour hides": {[]cleanroom.Cell{cell("online", 1, 0, 3), cell("store", 1, 10, 30)}, "online withheld; store withheld; not_told_apart 33.00; "},
		"two small ones hide each other": {[]cleanroom.Cell{cell("a", 1, 0, 6), cell("b", 1, 6, 7), cell("c", 1, 20, 30)}, "a withheld; b withheld; c 30.00; not_told_apart 13.00; "},
		"the same few in both small":     {[]cleanroom.Cell{cell("a", 1, 0, 6), cell("b", 1, 0, 6), cell("c", 1, 20, 30)}, "a withheld; b withheld; c withheld; not_told_apart 42.00; "},
		"the smallest neighbour goes":    {[]cleanroom.Cell{cell("a", 1, 0, 3), cell("b", 1, 10, 12), cell("c", 1, 30, 30)}, "a withheld; b withheld; c 30.00; not_told_apart 15.00; "},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			for _, p := range policy(10).Editions(totals(tc.parts), 1, "USD").Split(tc.parts) {
				got += fmt.Sprintf("%s %v; ", p.Name, p.Sales)
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// totals adds parts up by day.
func totals(parts []cleanroom.Cell) []cleanroom.Cell {
	byDay := map[retail.Day]*cleanroom.Cell{}
	var days []retail.Day
	for _, p := range parts {
		c := byDay[p.Day]
		if c == nil {
			c = &cleanroom.Cell{Day: p.Day}
			byDay[p.Day] = c
			days = append(days, p.Day)
		}
		c.Sales += p.Sales
		c.Receipts += p.Receipts
		c.People = append(c.People, p.People...)
	}
	slices.Sort(days)
	var out []cleanroom.Cell
	for _, d := range days {
		out = append(out, *byDay[d])
	}
	return out
}

// TestNoDifferenceOfReportsTellsOfFew plays the patient attacker: it asks for
// the report of every day of random campaigns and subtracts every told figure of
// one day from the same figure of every other day, the rest included. Whatever
// differs must come from k shoppers or more.
func TestNoDifferenceOfReportsTellsOfFew(t *testing.T) {
	t.Parallel()
	const k, length = 5, 24
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var cells []cleanroom.Cell
		parts := 2 + rng.IntN(3)
		for day := range retail.Day(length) {
			for part := range parts {
				if n := rng.IntN(1 + 8>>part); n > 0 {
					cells = append(cells, cell(fmt.Sprint("p", part), day, uint32(rng.IntN(60)), n))
				}
			}
		}
		answers := make([]map[string]map[int]bool, 0, length) // day → figure → the cells it sums
		for day := range retail.Day(length) {
			answers = append(answers, figures(t, cells, day, k))
		}
		for i, now := range answers {
			for _, before := range append([]map[string]map[int]bool{{}}, answers[:i]...) {
				for name, set := range now {
					if people, n := differ(cells, set, before[name]); n > 0 && people < k {
						t.Fatalf("seed %d day %d: %s differs by %d cells of %d shoppers", seed, i, name, n, people)
					}
				}
			}
		}
	}
}

// figures asks for the report of one day and says which cells each told figure
// sums; it checks that the sums are right and that the parts add up.
func figures(t *testing.T, all []cleanroom.Cell, day retail.Day, k int) map[string]map[int]bool {
	t.Helper()
	var known []cleanroom.Cell
	for _, c := range all {
		if c.Day <= day {
			known = append(known, c)
		}
	}
	s := policy(k).Editions(totals(known), 0, "USD")
	edition, ok := s.Edition()
	if !ok {
		return nil
	}
	out := map[string]map[int]bool{"total": {}, cleanroom.RestName: {}}
	for i, c := range known {
		if c.Day <= edition {
			out["total"][i], out[cleanroom.RestName][i] = true, true
		}
	}
	var sum retail.Micros
	for _, p := range s.Split(known) {
		m, told := p.Sales.Money()
		sum += m.Amount
		if !told || p.Name == cleanroom.RestName {
			continue
		}
		out[p.Name] = map[int]bool{}
		var want retail.Micros
		for i, c := range known {
			if c.Part == p.Name && c.Day <= p.Through {
				out[p.Name][i] = true
				delete(out[cleanroom.RestName], i)
				want += c.Sales
			}
		}
		if want != m.Amount {
			t.Fatalf("%s is told as %v, it is %v", p.Name, m, want)
		}
	}
	if total, _ := s.Total().Sales.Money(); total.Amount != sum {
		t.Fatalf("the parts add up to %v, the total is %v", sum, total)
	}
	return out
}

// differ counts the cells that only one of two figures sums, and their people.
func differ(cells []cleanroom.Cell, a, b map[int]bool) (people, n int) {
	who := map[uint32]bool{}
	for i, c := range cells {
		if a[i] != b[i] {
			n++
			for _, p := range c.People {
				who[p] = true
			}
		}
	}
	return len(who), n
}
