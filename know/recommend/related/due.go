package related

import (
	"math"
	"slices"

	"endcap/retail"
)

// How much what is known of many weighs beside what is known of one, in gaps or
// purchases.
const (
	shrinkTimes = 20  // of a category beside its product, of all beside a category
	backMin     = 0.5 // bounds of how firm the chance to come back is
	backMax     = 50
)

// The bounds of what a model may say of times, beyond which a file is damaged.
const (
	sigmaMin = 0.05
	sigmaMax = 3
	shareMin = 0.1 // of the variance that is one shopper's own
	shareMax = 0.95
)

// times is how a product is bought again: the logarithm of the days between is
// normal about mu with sigma, of which share is one shopper's own variance and the
// rest that between shoppers; back is the chance that somebody who bought it once
// buys it again at all.
type times struct{ mu, sigma, share, back float32 }

func (t *times) ok() bool {
	within := func(v, lo, hi float32) bool { return v >= lo && v <= hi } // false for what is no number
	return within(t.mu, 0, 10) && within(t.sigma, sigmaMin, sigmaMax) && within(t.share, shareMin, shareMax) && within(t.back, 0, 1)
}

// Gaps are counted by day up to gapDays, by week up to gapWeeks, then by four weeks.
const (
	gapDays  = 28
	gapWeeks = 84
	gapBins  = gapDays + (gapWeeks-gapDays)/7 + (DaysMax-gapWeeks)/28 + 1
)

func binOf(gap int) int {
	switch {
	case gap <= gapDays:
		return max(gap, 1) - 1
	case gap <= gapWeeks:
		return gapDays + (gap-gapDays-1)/7
	default:
		return min(gapDays+(gapWeeks-gapDays)/7+(gap-gapWeeks-1)/28, gapBins-1)
	}
}

// binFrom is the shortest gap of a bin, less half a day.
func binFrom(bin int) float64 {
	const weeks = gapDays + (gapWeeks-gapDays)/7
	switch {
	case bin <= gapDays:
		return float64(bin) + 0.5
	case bin <= weeks:
		return float64(gapDays+(bin-gapDays)*7) + 0.5
	default:
		return float64(gapWeeks+(bin-weeks)*28) + 0.5
	}
}

// gaps is how the time between two purchases is spread.
type gaps [gapBins]uint32

func (g *gaps) len() (n int) {
	for _, c := range g {
		n += int(c)
	}
	return n
}

func (g *gaps) take(o *gaps) {
	for i, c := range o {
		g[i] += c
	}
}

// quantile is the logarithm of the gap below which a share of them lies, read off
// within its bin in proportion; g has gaps.
func (g *gaps) quantile(share float64) float64 {
	want, below := share*float64(g.len()), 0.0
	for i, c := range g {
		if below+float64(c) >= want && c > 0 {
			from, to := math.Log(binFrom(i)), math.Log(binFrom(i+1))
			return from + (to-from)*(want-below)/float64(c)
		}
		below += float64(c)
	}
	return math.Log(binFrom(gapBins))
}

// Robust estimates of a normal distribution: 1.349 sigma lie between its quartiles,
// and half of all differences of two draws are below 0.9539 sigma.
const (
	quartiles   = 1.349
	differences = 0.9539
)

// differ is how much two gaps in a row of one shopper differ: the absolute value
// of the difference of their logarithms, in steps.
type differ [differBins]uint32

const (
	differBins = 64
	differStep = 4.0 / differBins
)

func (d *differ) add(a, b int) {
	by := math.Abs(math.Log(float64(a)) - math.Log(float64(b)))
	d[min(int(by/differStep), differBins-1)]++
}

func (d *differ) median() (m float64, n int) {
	for _, c := range d {
		n += int(c)
	}
	below := 0
	for i, c := range d {
		if below+int(c) >= (n+1)/2 && c > 0 {
			return differStep * (float64(i) + (float64(n)/2-float64(below))/float64(c)), n
		}
		below += int(c)
	}
	return 0, n
}

// returns is how often a purchase that was watched for long enough was followed by
// another, the first of a shopper and the second.
type returns struct{ watched, back [2]uint32 }

func (r *returns) take(o *returns) {
	for i := range r.watched {
		r.watched[i] += o.watched[i]
		r.back[i] += o.back[i]
	}
}

func (r *returns) share(i int) float64 { return float64(r.back[i]) / max(float64(r.watched[i]), 1) }

// rhythm is all that is counted of how some products are bought again.
type rhythm struct {
	gaps    gaps
	differ  differ
	returns returns
}

func (r *rhythm) take(o *rhythm) {
	r.gaps.take(&o.gaps)
	r.returns.take(&o.returns)
	for i, c := range o.differ {
		r.differ[i] += c
	}
}

// fit gives the times of a rhythm, shrunk to those of what contains it.
func (r *rhythm) fit(to times) times {
	out := to
	mix := func(mine float64, n int, theirs float32) float32 {
		w := float64(n) / float64(n+shrinkTimes)
		return float32(w*mine + (1-w)*float64(theirs))
	}
	if n := r.gaps.len(); n > 0 {
		out.mu = mix(max(r.gaps.quantile(0.5), 0), n, to.mu)
		sigma := (r.gaps.quantile(0.75) - r.gaps.quantile(0.25)) / quartiles
		out.sigma = min(max(mix(sigma, n, to.sigma), sigmaMin), sigmaMax)
	}
	if m, n := r.differ.median(); n > 0 {
		own := m / differences
		share := own * own / float64(out.sigma*out.sigma)
		out.share = min(max(mix(min(max(share, shareMin), shareMax), n, to.share), shareMin), shareMax)
	}
	if n := r.returns.watched[0]; n > 0 {
		out.back = mix(r.returns.share(0), int(n), to.back)
	}
	return out
}

// nothingKnown is the times of a product in a house without sales: a month, in a
// wide spread.
var nothingKnown = times{mu: 3.4, sigma: 1, share: 0.5, back: 0.3}

// Due says when somebody will need a product again.
type Due struct {
	On       retail.Day // half of those like her have bought it again by then
	Every    float64    // days between her purchases, usually
	last     retail.Day
	today    retail.Day
	mu, s    float64
	comeBack float64
	tuned    *tuning
}

// due is when somebody who bought on some days, rising and different, needs it
// again. Her own gaps tell, as far as there are some, and else the product's:
// her mean of logarithms, in which a gap counts at most three sigma from the
// product's, is shrunk to the product's as a normal mean with a normal prior is.
// The chance that she comes back at all grows with each time she did, as in the
// beta-geometric distribution.
func (t *times) due(m *Model, days []retail.Day, today retail.Day) Due {
	firm := max(m.firm, backMin)
	mu, sigma := float64(t.mu), float64(t.sigma)
	own := sigma * sigma * float64(t.share)
	between := sigma*sigma - own
	mean, n := mean(days, max(3*math.Sqrt(own), clipLeast))
	weight := n * between / (n*between + own)
	mu = weight*mean + (1-weight)*mu
	d := Due{last: days[len(days)-1], today: today, tuned: &m.tuned, mu: mu, s: math.Sqrt(own + (1-weight)*between)}
	d.comeBack = (float64(firm)*float64(t.back) + n) / (float64(firm) + n)
	d.Every = math.Exp(mu)
	d.On = d.last + retail.Day(math.Round(d.Every))
	return d
}

// Of one shopper's gaps the newest so many count, and none less than so much of a
// logarithm from their median is cut.
const (
	gapsMax   = 64
	clipLeast = 0.2
)

// mean is the mean of the logarithms of gaps between days, each at most so far from
// their median, and how many there are.
func mean(days []retail.Day, clip float64) (m, n float64) {
	var memory [gapsMax]float64
	gaps := memory[:0]
	for i := max(1, len(days)-gapsMax); i < len(days); i++ {
		if gap := days[i] - days[i-1]; gap > 0 {
			gaps = append(gaps, math.Log(float64(gap)))
		}
	}
	if len(gaps) == 0 {
		return 0, 0
	}
	slices.Sort(gaps)
	median := (gaps[len(gaps)/2] + gaps[(len(gaps)-1)/2]) / 2
	for _, g := range gaps {
		m += min(max(g, median-clip), median+clip)
	}
	return m / float64(len(gaps)), float64(len(gaps))
}

// Within is the probability that she buys it within n days from today on, today
// included, given that she has not since the last time.
func (d *Due) Within(n int) float64 {
	if n <= 0 {
		return 0
	}
	return 1 - math.Exp(-d.hazard(n)*d.tuned.at(d.hazard(dueDays)))
}

// hazard is −log of the chance that she does not buy it within n days, before it is
// tuned.
func (d *Due) hazard(n int) float64 {
	passed := float64(max(d.today-d.last, 1)) - 0.5
	before, until := d.until(passed), d.until(passed+float64(n))
	left := 1 - d.comeBack*before
	if left <= hazardMin {
		return 0
	}
	return -math.Log(max(1-d.comeBack*(until-before)/left, hazardMin))
}

const hazardMin = 1e-9

// until is the share of those who come back that have within t days.
func (d *Due) until(t float64) float64 {
	return 0.5 * math.Erfc(-(math.Log(t)-d.mu)/(d.s*math.Sqrt2))
}

// firmness is how firm the chance to come back is, as a number of purchases: in a
// beta-geometric distribution of which the chance after the first purchase is r1
// and after the second r2, it is (1−r2) ÷ (r2−r1).
func firmness(all []rhythm) float32 {
	var up, down float64
	for i := range all {
		r := &all[i].returns
		if r.watched[0] < shrinkTimes || r.watched[1] < shrinkTimes {
			continue
		}
		w := float64(r.watched[1])
		up += w * (1 - r.share(1))
		down += w * (r.share(1) - r.share(0))
	}
	if down <= 0 {
		return backMax
	}
	return float32(min(max(up/down, backMin), backMax))
}

// What Due says is tuned to what happened in the last week of the window: hazards of
// a week are multiplied by what was observed for each that was expected, by the size
// of the hazard in steps of a factor of two, and in proportion between them.
const (
	dueDays      = 7
	tunings      = 16 // the last for a hazard of 1 and more
	shrinkTuning = 20 // purchases, observed and expected
	tuningMin    = 0.05
	tuningMax    = 20
)

type tuning [tunings]float32

// plain changes nothing.
func plain() (t tuning) {
	for i := range t {
		t[i] = 1
	}
	return t
}

func tuningOf(hazard float64) int {
	return int(min(max(math.Round(tuningAt(hazard)), 0), tunings-1))
}

func tuningAt(hazard float64) float64 { return tunings - 1 + math.Log2(max(hazard, hazardMin)) }

// at is by how much a hazard of a week is multiplied.
func (t *tuning) at(hazard float64) float64 {
	if t == nil || t[0] == 0 { // a house without a model
		return 1
	}
	at := min(max(tuningAt(hazard), 0), tunings-1)
	i := min(int(at), tunings-2)
	part := at - float64(i)
	return float64(t[i])*(1-part) + float64(t[i+1])*part
}
