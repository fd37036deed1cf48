package calibrate

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"endcap/simulate/draw"
	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
)

// HalfSeed deals the households of The Complete Journey into the half on which
// the model is fitted, side 0, and the half on which it is checked.
const HalfSeed = 2017

// house is what the fit knows of one household.
type house struct {
	trips, fuel  float64
	lines, value float64 // of trips that are not for fuel
}

// Fit works the model out from a log: what a statistic gives by itself. Tune
// then finds the rest.
func Fit(l *Log) *model.Parameters {
	p := &model.Parameters{
		About:      "Fitted on one random half of the households of The Complete Journey 2.0 (84.51°) by endcap simulate fit; numbers, no data.",
		Households: l.Houses, Days: l.Days,
		Repertoire: model.Repertoire{Novelty: 0.3, Exponent: 1, Own: 0.6},
		Tuning:     model.Tuning{Worth: 1, Price: 1, Trips: 1},
	}
	houses := households(l)
	fitHouseholds(p, houses)
	fitGaps(p, l, houses)
	fitSizes(p, l, houses)
	fitDepartments(p, l)
	m := Measure(l)
	p.Uplift = math.Max(m.Uplift, 1.05)
	for i, share := range m.Hours {
		p.Hours[i/24][i%24] = share
	}
	p.Season = make([]float64, l.Days/7)
	for i := range p.Season {
		p.Season[i] = m.Weeks[i] * float64(len(p.Season))
	}
	fitCoupons(p, l)
	round(p)
	return p
}

func households(l *Log) []house {
	out := make([]house, l.Houses)
	for i := range l.Baskets {
		b := &l.Baskets[i]
		h := &out[b.House]
		h.trips++
		if l.Fuel(b) {
			h.fuel++
			continue
		}
		h.lines += float64(b.To - b.From)
		h.value += float64(l.Value(b)) / 100
	}
	return out
}

// Steps of quantiles.
const (
	houseSteps = 128
	sizeSteps  = 64
	priceSteps = 32
	depthSteps = 16
)

// Households of few trips say little of their means, which are drawn towards
// that of all as if they had made so many trips, and bought so many lines, more.
const (
	tripsMore = 2
	linesMore = 15
)

// fitHouseholds takes the distributions over households, and how their normal
// scores are linked.
func fitHouseholds(p *model.Parameters, houses []house) {
	var sum house
	for _, h := range houses {
		sum.trips, sum.fuel = sum.trips+h.trips, sum.fuel+h.fuel
		sum.lines, sum.value = sum.lines+h.lines, sum.value+h.value
	}
	mean := sum.lines / (sum.trips - sum.fuel)
	var trips, lines, worth, fuel []float64
	for _, h := range houses {
		if h.trips == 0 {
			continue // a simulated household may never come
		}
		trips = append(trips, h.trips)
		fuel = append(fuel, h.fuel/h.trips)
		lines = append(lines, (h.lines+tripsMore*mean)/(h.trips-h.fuel+tripsMore))
		each := (h.value + linesMore*sum.value/sum.lines) / (h.lines + linesMore)
		worth = append(worth, math.Log(each/(sum.value/sum.lines)))
	}
	p.Correlation = [3]float64{correlation(trips, lines), correlation(trips, worth), correlation(lines, worth)}
	p.FuelLink = correlation(trips, fuel)
	for _, q := range []struct {
		to   *draw.Quantiles
		from []float64
	}{{&p.Trips, trips}, {&p.Lines, lines}, {&p.Worth, worth}, {&p.FuelShare, fuel}} {
		slices.Sort(q.from)
		*q.to = draw.Sketch(q.from, houseSteps)
	}
}

// correlation is that of the normal scores of two samples.
func correlation(a, b []float64) float64 {
	x, y := scores(a), scores(b)
	var xy, xx, yy float64
	for i := range x {
		xy, xx, yy = xy+x[i]*y[i], xx+x[i]*x[i], yy+y[i]*y[i]
	}
	return xy / math.Sqrt(xx*yy)
}

// scores gives each value the normal quantile of its rank.
func scores(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case values[i] < values[j]:
			return -1
		case values[i] > values[j]:
			return 1
		}
		return 0
	})
	out := make([]float64, len(values))
	for rank, i := range order {
		out[i] = draw.Normal((float64(rank) + 0.5) / float64(len(values)))
	}
	return out
}

// fitGaps takes how much likelier a trip is so many days after the last one than
// for a household that came evenly, by how often it comes.
func fitGaps(p *model.Parameters, l *Log, houses []house) {
	p.GapFrom = []float64{0, 12, 25, 40, 60, 90, 140}
	came, risk := make([][]float64, len(p.GapFrom)), make([][]float64, len(p.GapFrom))
	rates, days := make([]float64, len(p.GapFrom)), make([]float64, len(p.GapFrom))
	for i := range came {
		came[i], risk[i] = make([]float64, model.GapMax+1), make([]float64, model.GapMax+1)
	}
	for i := range l.Baskets {
		b := &l.Baskets[i]
		row := model.Row(p.GapFrom, houses[b.House].trips)
		end, ended := l.Days, false
		if i+1 < len(l.Baskets) && l.Baskets[i+1].House == b.House {
			end, ended = int(l.Baskets[i+1].Day), true
		}
		for g := 0; g <= end-int(b.Day); g++ {
			at := min(g, model.GapMax)
			if g == end-int(b.Day) {
				if ended {
					came[row][at]++
					risk[row][at]++
				}
				break
			}
			risk[row][at]++
		}
	}
	for _, h := range houses {
		if h.trips == 0 {
			continue
		}
		row := model.Row(p.GapFrom, h.trips)
		rates[row] += h.trips
		days[row] += float64(l.Days)
	}
	for row := range came {
		each := rates[row] / math.Max(days[row], 1)
		weights := make([]float64, model.GapMax+1)
		for g := range weights {
			share := (came[row][g] + 0.5*each) / (risk[row][g] + 0.5)
			weights[g] = -math.Log(1-math.Min(share, 0.95)) / each
		}
		p.Gaps = append(p.Gaps, weights)
	}
}

// sizeRows is into how many classes households are put by their mean basket.
const sizeRows = 10

// fitSizes takes how baskets vary around a household's mean.
func fitSizes(p *model.Parameters, l *Log, houses []house) {
	sizes := make([][]float64, sizeRows)
	edges := make([]float64, sizeRows)
	for i := range edges {
		edges[i] = p.Lines.At(float64(i) / sizeRows)
	}
	for i := range l.Baskets {
		b := &l.Baskets[i]
		if l.Fuel(b) {
			p.FuelValue = append(p.FuelValue, float64(l.Value(b))/100)
			continue
		}
		h := &houses[b.House]
		row := model.Row(edges, h.lines/(h.trips-h.fuel))
		sizes[row] = append(sizes[row], float64(b.To-b.From))
	}
	slices.Sort(p.FuelValue)
	p.FuelValue = draw.Sketch(p.FuelValue, sizeSteps)
	for _, row := range sizes {
		if len(row) == 0 {
			continue
		}
		mean, _ := moments(row)
		slices.Sort(row)
		p.SizeMean = append(p.SizeMean, mean)
		p.Sizes = append(p.Sizes, draw.Sketch(row, sizeSteps))
	}
}

// fitDepartments takes what is bought where, at which price.
func fitDepartments(p *model.Parameters, l *Log) {
	p.Range = make([]model.Department, model.Departments)
	prices, depths := make([][]float64, model.Departments), make([][]float64, model.Departments)
	var steps [model.SizeSteps]float64
	var lines, deals [model.Departments]float64
	const piecesMax = 8
	for d := range p.Range {
		p.Range[d].Name, p.Range[d].Pieces = names[d], make([]float64, piecesMax)
	}
	for i := range l.Baskets {
		b := &l.Baskets[i]
		step := model.SizeStep(int(b.To - b.From))
		for j := b.From; j < b.To; j++ {
			n := &l.Lines[j]
			d := n.Department
			if l.Fuel(b) != (d == model.Fuel) {
				continue
			}
			lines[d]++
			if d != model.Fuel {
				p.Range[d].Share[step]++
				steps[step]++
			}
			p.Range[d].Pieces[min(int(n.Pieces), piecesMax)-1]++
			full := float64(n.Sales + n.Discount)
			if full > 0 {
				prices[d] = append(prices[d], full/float64(n.Pieces)/100)
			}
			if n.Discount > 0 {
				deals[d]++
				depths[d] = append(depths[d], float64(n.Discount)/full)
			}
		}
	}
	for d := range p.Range {
		r := &p.Range[d]
		for step := range steps {
			r.Share[step] /= max(steps[step], 1)
		}
		for i := range r.Pieces {
			r.Pieces[i] /= max(lines[d], 1)
		}
		slices.Sort(prices[d])
		slices.Sort(depths[d])
		r.Price = draw.Sketch(prices[d], priceSteps)
		trim(r.Price)
		r.Depth = draw.Sketch(depths[d], depthSteps)
		r.Promoted = deals[d] / max(lines[d], 1)
	}
	fuel := &p.Range[model.Fuel] // a litre's price is not in the data: it is the order of French pumps in 2025
	fuel.Price, fuel.Promoted, fuel.Depth, fuel.Pieces = draw.Quantiles{1.62, 1.70, 1.78}, 0, draw.Quantiles{0}, []float64{1}
}

// trim takes the two ends of a sketch in, which are single purchases.
func trim(q draw.Quantiles) {
	if n := len(q); n > 4 {
		q[0] = q[1] * 0.8
		q[n-1] = math.Min(q[n-1], q[n-2]*1.6)
	}
}

// fitCoupons takes how coupons are redeemed, by type of campaign.
func fitCoupons(p *model.Parameters, l *Log) {
	sent, redeemers, redemptions := make(map[string]float64), make(map[string]float64), make(map[string]float64)
	for _, t := range l.Targets {
		sent[t.Type]++
		if t.Redemptions > 0 {
			redeemers[t.Type]++
			redemptions[t.Type] += float64(t.Redemptions)
		}
	}
	for _, t := range sortedKeys(l.Campaigns) {
		p.Coupons = append(p.Coupons, model.CouponType{
			Name: t, Campaigns: l.Campaigns[t], Days: l.CampaignOf[t], Targeted: sent[t] / l.Campaigns[t] / float64(l.Houses),
			Redeem: redeemers[t] / max(sent[t], 1), Redemptions: math.Max(redemptions[t]/max(redeemers[t], 1), 1.01),
		})
	}
}

// Scenario is the retailer that is compared with The Complete Journey: a year of
// weeks, without places.
func Scenario(shoppers int, seed uint64) scenario.Scenario {
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed, s.Start = shoppers, 52, seed, "2024-01-01"
	return s
}

// Tuning is how Tune simulates.
type Tuning struct {
	Scenario scenario.Scenario
	Rounds   int
	Tell     io.Writer // a line a round
}

// Tune finds what no statistic gives by itself: it simulates, measures, and moves
// each number towards what the log says.
func Tune(ctx context.Context, p *model.Parameters, l *Log, t Tuning) error {
	want := Measure(l)
	for n := range t.Rounds {
		t.Scenario.Seed++ // what is promoted differs by seed: no round may learn one by heart
		w, err := life.Open(ctx, &t.Scenario, p, nil)
		if err != nil {
			return fmt.Errorf("open the world of round %d: %w", n+1, err)
		}
		got := Measure(Simulate(w))
		for _, m := range []struct {
			name      string
			got, want float64
		}{
			{"repeats", got.Repeat, want.Repeat},
			{"favourite", got.Loyalty, want.Loyalty},
			{"trips", mean(got.Trips), mean(want.Trips)},
			{"worth", got.WorthSD, want.WorthSD},
			{"uplift", got.Uplift, want.Uplift},
			{"deals", got.Deals, want.Deals},
		} {
			if _, err := fmt.Fprintf(t.Tell, "round %d: %s %.4f, wanted %.4f\n", n+1, m.name, m.got, m.want); err != nil {
				return err
			}
		}
		adjust(p, got, want)
		adjustCoupons(p, got, want)
	}
	round(p)
	return nil
}

// adjust moves each tuned number by how far its measure is off.
func adjust(p *model.Parameters, got, want *Measures) {
	r := &p.Repertoire
	r.Novelty = math.Min(math.Max(r.Novelty+1.2*(got.Repeat-want.Repeat), 0.01), 0.95)
	r.Exponent = math.Min(math.Max(r.Exponent+2*(want.Loyalty-got.Loyalty), 0.3), 2.5)
	p.Tuning.Trips *= mean(want.Trips) / mean(got.Trips)
	p.Tuning.Worth = math.Min(p.Tuning.Worth*math.Pow(want.WorthSD/got.WorthSD, 1.5), 12)
	p.Uplift = math.Min(math.Max(p.Uplift*math.Pow(want.Uplift/got.Uplift, 0.8), 1), 4)
	for d := range p.Range {
		if d == model.Fuel || got.LineValue[d] == 0 {
			continue
		}
		scale := want.LineValue[d] / got.LineValue[d]
		for i := range p.Range[d].Price {
			p.Range[d].Price[i] *= scale
		}
		share := &p.Range[d].Promoted
		*share = math.Min(*share*math.Pow(want.Deals/got.Deals, 0.8), 0.97)
	}
}

// adjustCoupons moves the shares that redeem: somebody who would may not come.
func adjustCoupons(p *model.Parameters, got, want *Measures) {
	for i := range p.Coupons {
		c := &p.Coupons[i]
		if had := got.Redeem[c.Name]; had > 0 {
			c.Redeem = math.Min(c.Redeem*math.Pow(want.Redeem[c.Name]/had, 0.7), 1)
		}
	}
}

func mean(values []float64) float64 {
	m, _ := moments(values)
	return m
}

// round keeps five significant digits of every number: more would be noise.
func round(p *model.Parameters) {
	lists := []draw.Quantiles{p.Trips, p.Lines, p.Worth, p.FuelShare, p.FuelValue, p.SizeMean, p.Season, p.Correlation[:]}
	for _, row := range p.Gaps {
		lists = append(lists, row)
	}
	lists = append(lists, p.Sizes...)
	for d := range p.Range {
		r := &p.Range[d]
		lists = append(lists, r.Share[:], r.Price, r.Pieces, r.Depth)
		r.Promoted = digits(r.Promoted)
	}
	for d := range p.Hours {
		lists = append(lists, p.Hours[d][:])
	}
	for _, q := range lists {
		for i := range q {
			q[i] = digits(q[i])
		}
	}
	for i := range p.Coupons {
		c := &p.Coupons[i]
		c.Targeted, c.Redeem, c.Redemptions = digits(c.Targeted), digits(c.Redeem), digits(c.Redemptions)
	}
	for _, x := range []*float64{&p.Uplift, &p.FuelLink, &p.Repertoire.Novelty, &p.Repertoire.Exponent, &p.Tuning.Worth, &p.Tuning.Price, &p.Tuning.Trips} {
		*x = digits(*x)
	}
}

func digits(x float64) float64 {
	if x == 0 {
		return 0
	}
	scale := math.Pow(10, 4-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}
