package calibrate

import (
	"cmp"
	"math"
	"slices"

	"endcap/simulate/model"
)

// Measures is what a log is compared by.
type Measures struct {
	Households int
	Baskets    int
	Spend      []float64                  // of a household, sorted; so are the next four
	Trips      []float64                  // of a household
	Size       []float64                  // lines of a basket
	Value      []float64                  // of a basket
	Gaps       []float64                  // days between two trips of a household
	Department [model.Departments]float64 // share of sales
	Repeat     float64                    // share of a basket's products that the household bought before, mean over baskets
	Hours      [7 * 24]float64            // share of trips by weekday from Monday, and hour
	Weeks      []float64                  // share of trips
	Slope      float64                    // double jeopardy: by how much frequency rises with penetration, both as logarithms, within categories
	Loyalty    float64                    // share of a household's purchases in a category that go to the product it buys most
	Deals      float64                    // share of lines below the shelf price
	Depth      float64                    // the discount's part of their price
	Uplift     float64                    // lines of a product in weeks in which it is mostly promoted ÷ in others, median
	Redeem     map[string]float64         // share of targeted households that redeem, by type of campaign
	WorthSD    float64                    // spread of the logarithm of households' value of a line
	LineValue  [model.Departments]float64 // mean sales of a line
}

// Measure measures a log.
func Measure(l *Log) *Measures {
	m := &Measures{Baskets: len(l.Baskets), Redeem: make(map[string]float64)}
	m.trips(l)
	m.lines(l)
	m.repeats(l)
	m.Slope = slope(l)
	m.Loyalty = loyalty(l)
	m.Uplift = uplift(l)
	sent := make(map[string]float64)
	for _, t := range l.Targets {
		sent[t.Type]++
		if t.Redemptions > 0 {
			m.Redeem[t.Type]++
		}
	}
	for t, n := range sent {
		m.Redeem[t] /= n
	}
	return m
}

// trips measures what is known of each trip and household.
func (m *Measures) trips(l *Log) {
	spend, trips := make([]float64, l.Houses), make([]float64, l.Houses)
	value, lines := make([]float64, l.Houses), make([]float64, l.Houses)
	m.Weeks = make([]float64, (l.Days+6)/7)
	for i := range l.Baskets {
		b := &l.Baskets[i]
		v := float64(l.Value(b)) / 100
		spend[b.House] += v
		trips[b.House]++
		m.Size = append(m.Size, float64(b.To-b.From))
		m.Value = append(m.Value, v)
		if !l.Fuel(b) {
			value[b.House] += v
			lines[b.House] += float64(b.To - b.From)
		}
		if i > 0 && l.Baskets[i-1].House == b.House {
			m.Gaps = append(m.Gaps, float64(b.Day-l.Baskets[i-1].Day))
		}
		m.Hours[(int(b.Day)+l.FirstDay)%7*24+int(b.Minute)/60] += 1 / float64(len(l.Baskets))
		m.Weeks[min(int(b.Day)/7, len(m.Weeks)-1)] += 1 / float64(len(l.Baskets))
	}
	var logs []float64
	for h := range spend {
		if trips[h] == 0 {
			continue
		}
		m.Households++
		m.Spend, m.Trips = append(m.Spend, spend[h]), append(m.Trips, trips[h])
		if lines[h] >= linesEnough && value[h] > 0 {
			logs = append(logs, math.Log(value[h]/lines[h]))
		}
	}
	_, m.WorthSD = moments(logs)
	for _, sorted := range [][]float64{m.Spend, m.Trips, m.Size, m.Value, m.Gaps} {
		slices.Sort(sorted)
	}
}

// linesEnough is from how many lines on a household's value of a line says something.
const linesEnough = 30

// lines measures what is known of each line.
func (m *Measures) lines(l *Log) {
	var total, deals, cut, full float64
	var sales, count [model.Departments]float64
	for i := range l.Lines {
		n := &l.Lines[i]
		sales[n.Department] += float64(n.Sales) / 100
		count[n.Department]++
		total += float64(n.Sales) / 100
		if n.Department == model.Fuel || n.Discount <= 0 {
			continue
		}
		deals++
		cut += float64(n.Discount)
		full += float64(n.Discount) + float64(n.Sales)
	}
	for d := range sales {
		m.Department[d] = sales[d] / total
		m.LineValue[d] = sales[d] / max(count[d], 1)
	}
	m.Deals, m.Depth = deals/max(float64(len(l.Lines))-count[model.Fuel], 1), cut/max(full, 1)
}

// repeats measures how much of a basket the household had bought before.
func (m *Measures) repeats(l *Log) {
	sum := 0.0
	var had map[int32]bool
	for i := range l.Baskets {
		b := &l.Baskets[i]
		if i == 0 || l.Baskets[i-1].House != b.House {
			had = make(map[int32]bool)
		}
		again := 0
		for j := b.From; j < b.To; j++ {
			if had[l.Lines[j].Product] {
				again++
			}
		}
		for j := b.From; j < b.To; j++ {
			had[l.Lines[j].Product] = true
		}
		sum += float64(again) / float64(b.To-b.From)
	}
	m.Repeat = sum / max(float64(len(l.Baskets)), 1)
}

// Brand is one brand of a category, for double jeopardy.
type Brand struct {
	Category    int32
	Penetration float64 // of the households that buy the category
	Frequency   float64 // lines of a household that buys it
}

// brandBuyers is from how many buyers on a brand counts.
const brandBuyers = 20

// Brands lists brands that enough households buy. Own labels and fuel count too.
func Brands(l *Log) []Brand {
	type key struct{ category, brand int32 }
	type sum struct{ buyers, lines, last int32 }
	brands, categories := make(map[key]*sum), make(map[int32]*sum)
	for i := range l.Baskets {
		b := &l.Baskets[i]
		for j := b.From; j < b.To; j++ {
			n := &l.Lines[j]
			k := key{n.Category, n.Brand}
			if brands[k] == nil {
				brands[k] = &sum{last: -1}
			}
			if categories[n.Category] == nil {
				categories[n.Category] = &sum{last: -1}
			}
			for _, s := range []*sum{brands[k], categories[n.Category]} {
				if s.last != b.House {
					s.last = b.House
					s.buyers++
				}
				s.lines++
			}
		}
	}
	var out []Brand
	for k, s := range brands {
		if all := categories[k.category]; s.buyers >= brandBuyers && all.buyers >= 5*brandBuyers {
			out = append(out, Brand{k.category, float64(s.buyers) / float64(all.buyers), float64(s.lines) / float64(s.buyers)})
		}
	}
	slices.SortFunc(out, func(a, b Brand) int {
		return cmp.Or(cmp.Compare(a.Category, b.Category), cmp.Compare(a.Penetration, b.Penetration), cmp.Compare(a.Frequency, b.Frequency))
	})
	return out
}

// slope is the slope of log frequency on log penetration within categories.
func slope(l *Log) float64 {
	var xx, xy float64
	brands := Brands(l)
	for from := 0; from < len(brands); {
		to := from
		var x, y float64
		for ; to < len(brands) && brands[to].Category == brands[from].Category; to++ {
			x += math.Log(brands[to].Penetration)
			y += math.Log(brands[to].Frequency)
		}
		n := float64(to - from)
		for _, b := range brands[from:to] {
			dx := math.Log(b.Penetration) - x/n
			xx += dx * dx
			xy += dx * (math.Log(b.Frequency) - y/n)
		}
		from = to
	}
	return xy / max(xx, 1e-9)
}

// purchasesEnough is from how many purchases in a category on a household's
// favourite there says something.
const purchasesEnough = 10

// loyalty is the mean share of the favourite.
func loyalty(l *Log) float64 {
	type tally struct {
		all  int
		most int
		by   map[int32]int
	}
	var sum, n float64
	by := make(map[int32]*tally)
	flush := func() {
		for _, t := range by {
			if t.all >= purchasesEnough {
				n++
				sum += math.Round(1e6 * float64(t.most) / float64(t.all)) // whole numbers add up the same in any order
			}
		}
		clear(by)
	}
	for i := range l.Baskets {
		b := &l.Baskets[i]
		if i > 0 && l.Baskets[i-1].House != b.House {
			flush()
		}
		for j := b.From; j < b.To; j++ {
			line := &l.Lines[j]
			if line.Department == model.Fuel {
				continue
			}
			t := by[line.Category]
			if t == nil {
				t = &tally{by: make(map[int32]int)}
				by[line.Category] = t
			}
			t.all++
			t.by[line.Product]++
			t.most = max(t.most, t.by[line.Product])
		}
	}
	flush()
	return sum / 1e6 / max(n, 1)
}

// Limits of what counts for the uplift.
const (
	upliftLines = 60
	upliftWeeks = 4
)

// uplift is the median over products that sell often of how much more they sell
// in weeks in which most of their lines are promoted.
func uplift(l *Log) float64 {
	type cell struct{ lines, deals float64 }
	weeks := make(map[int32]map[int32]*cell)
	total := make(map[int32]int)
	for i := range l.Baskets {
		b := &l.Baskets[i]
		for j := b.From; j < b.To; j++ {
			line := &l.Lines[j]
			if line.Department == model.Fuel {
				continue
			}
			if weeks[line.Product] == nil {
				weeks[line.Product] = make(map[int32]*cell)
			}
			c := weeks[line.Product][b.Day/7]
			if c == nil {
				c = &cell{}
				weeks[line.Product][b.Day/7] = c
			}
			c.lines++
			if line.Discount > 0 {
				c.deals++
			}
			total[line.Product]++
		}
	}
	var ratios []float64
	for product, n := range total {
		if n < upliftLines {
			continue
		}
		var on, off, ons, offs float64
		for _, c := range weeks[product] {
			if c.deals >= c.lines/2 {
				on, ons = on+c.lines, ons+1
			} else {
				off, offs = off+c.lines, offs+1
			}
		}
		if ons >= upliftWeeks && offs >= upliftWeeks {
			ratios = append(ratios, on/ons/(off/offs))
		}
	}
	slices.Sort(ratios)
	if len(ratios) == 0 {
		return 1
	}
	return ratios[len(ratios)/2]
}

// moments are mean and standard deviation.
func moments(values []float64) (mean, sd float64) {
	n := max(float64(len(values)), 1)
	for _, v := range values {
		mean += v / n
	}
	for _, v := range values {
		sd += (v - mean) * (v - mean) / n
	}
	return mean, math.Sqrt(sd)
}

// KS is the Kolmogorov-Smirnov distance of two sorted samples: how far their
// distribution functions are apart at most.
func KS(a, b []float64) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 1
	}
	most := 0.0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		x := math.Min(a[i], b[j])
		for i < len(a) && a[i] == x {
			i++
		}
		for j < len(b) && b[j] == x {
			j++
		}
		most = math.Max(most, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	return most
}

// variation is the total variation distance of two profiles of shares.
func variation(a, b []float64) float64 {
	sum := 0.0
	for i := range max(len(a), len(b)) {
		var x, y float64
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		sum += math.Abs(x - y)
	}
	return sum / 2
}
