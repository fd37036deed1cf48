package response

import "math"

// The ladder's rungs: scores from lowest to highest, each so wide. What lies
// outside stands on the ends.
const (
	rungs     = 192
	rungWidth = 0.0625
	lowest    = -9.0
)

// trust is how many exposures of the model's own opinion each rung begins with, so
// that a rung without a click is not taken for certain.
const trust = 4

// ladder is what came of recent events, by what was predicted of them before they
// were learned: on each rung the sum of exposures and of those that came. Recent
// ones count more: an event that is so and so many events old counts half.
//
// It multiplies what is added instead of fading all that is there: sums are in
// units of weight.
type ladder struct {
	exposed, came, score [rungs]float64
	weight               float64 // of the next event; 0 before the first is 1
}

// weightMost is when the sums are brought back to a weight of one.
const weightMost = 1e12

func rung(s float64) int {
	return min(max(int((s-lowest)/rungWidth), 0), rungs-1)
}

// add notes an event of score s that could come with chance exposure × appeal.
func (l *ladder) add(s, exposure float64, came bool, half float64) {
	if l.weight == 0 {
		l.weight = 1
	}
	i := rung(s)
	l.exposed[i] += l.weight * exposure
	l.score[i] += l.weight * exposure * s
	l.came[i] += l.weight * outcome(came)
	if l.weight *= math.Exp2(1 / half); l.weight > weightMost {
		for i := range l.exposed {
			l.exposed[i] /= l.weight
			l.score[i] /= l.weight
			l.came[i] /= l.weight
		}
		l.weight = 1
	}
}

// curve maps a score to a probability: straight between knots, which never fall.
type curve struct {
	score, chance []float64
}

// plainCurve is the model's own opinion.
func plainCurve() curve { return curve{} }

// at is the calibrated probability of a score.
func (c *curve) at(s float64) float64 {
	n := len(c.score)
	if n == 0 {
		return min(max(logistic(s), least), 1-least)
	}
	if s <= c.score[0] { // beyond the ends the odds go on with the model's own
		return shifted(c.chance[0], s-c.score[0])
	}
	if s >= c.score[n-1] {
		return shifted(c.chance[n-1], s-c.score[n-1])
	}
	lo, hi := 0, n-1
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; c.score[mid] <= s {
			lo = mid
		} else {
			hi = mid
		}
	}
	part := (s - c.score[lo]) / (c.score[hi] - c.score[lo])
	return c.chance[lo] + part*(c.chance[hi]-c.chance[lo])
}

// shifted is a probability whose logit moves by d.
func shifted(p, d float64) float64 {
	return min(max(logistic(math.Log(p/(1-p))+d), least), 1-least)
}

// curve is the isotonic regression of what came on the score by pooling adjacent
// violators (Ayer and others 1955), with exposures: within a block the chance is
// what came over what was exposed, the likeliest rate, so that predictions add up to
// what came on every block. Its knots are the blocks' mean scores.
func (l *ladder) curve() curve {
	type block struct{ exposed, came, score float64 }
	var blocks []block
	for i := range l.exposed {
		if l.exposed[i] <= 0 || l.weight == 0 {
			continue
		}
		exposed, mean := l.exposed[i]/l.weight, l.score[i]/l.exposed[i]
		b := block{exposed + trust, l.came[i]/l.weight + trust*logistic(mean), (exposed + trust) * mean}
		for n := len(blocks); n > 0 && blocks[n-1].came*b.exposed >= b.came*blocks[n-1].exposed; n = len(blocks) {
			last := blocks[n-1]
			b = block{b.exposed + last.exposed, b.came + last.came, b.score + last.score}
			blocks = blocks[:n-1]
		}
		blocks = append(blocks, b)
	}
	out := curve{make([]float64, len(blocks)), make([]float64, len(blocks))}
	for i, b := range blocks {
		out.score[i] = b.score / b.exposed
		out.chance[i] = min(max(b.came/b.exposed, least), 1-least)
	}
	return out
}
