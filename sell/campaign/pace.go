package campaign

import (
	"sync"
	"time"
)

// A token out may still be clicked. How likely that is depends on its age: most
// clicks come within seconds. pace learns, for each age, the share of tokens of
// that age that are clicked before they grow older (the hazard), and so the
// chance that a token not yet clicked ever will be.
//
// It starts from the cautious belief that every fresh token is clicked at once,
// which reserves the full price, and learns downwards. The chance is only used
// to hold money back; it never bills anybody.
type pace struct {
	mu      sync.Mutex
	clicks  [ages]float64
	passed  [ages]float64
	chances [ages]int64 // parts per million, of a token that has reached this age
}

const (
	ages    = 64               // a token older than ages × ageStep counts as never clicked
	ageStep = 15 * time.Second // tokens are counted by steps of issue
	certain = 1_000_000        // a chance of one, parts per million
	// rememberTokens is after how many tokens old observations count half.
	rememberTokens = 200_000
)

// prior is what is believed of an age before anything is seen: this many clicks
// among this many tokens.
func prior(age int) (clicks, tokens float64) {
	if age == 0 {
		return 1, 1
	}
	return 1 / float64(age*age), 20
}

// step is the number of the step in which t lies.
func step(t time.Time) int64 { return t.UnixMilli() / ageStep.Milliseconds() }

// observe adds tokens that reached an age, of which some were clicked in it.
func (p *pace) observe(age int, tokens, clicks float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.passed[age] > rememberTokens {
		p.passed[age], p.clicks[age] = p.passed[age]/2, p.clicks[age]/2
	}
	p.passed[age] += tokens
	p.clicks[age] += clicks
}

// learn recomputes the chances from what was observed.
func (p *pace) learn() [ages]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	never := 1.0
	for age := ages - 1; age >= 0; age-- {
		never *= 1 - p.hazard(age)
		p.chances[age] = int64((1-never)*certain + 0.5)
	}
	return p.chances
}

func (p *pace) hazard(age int) float64 {
	clicks, tokens := prior(age)
	return min(1, (p.clicks[age]+clicks)/(p.passed[age]+tokens))
}

// hazard is the chance that a token of that age is clicked before it is a step
// older, as chances say.
func hazard(chances *[ages]int64, age int) float64 {
	if age == ages-1 {
		return float64(chances[age]) / certain
	}
	now, later := chances[age], chances[age+1]
	if later >= certain {
		return 1
	}
	return float64(now-later) / float64(certain-later)
}
