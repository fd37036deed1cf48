// Package offpolicy says what a policy of proposing would have been worth, from the
// log of another one: before anybody is shown anything. A log says of each choice
// with which probability it was made; the policy that is judged says with which it
// would have made the same. Three estimators of its mean reward, each with a standard
// error and an interval:
//
//   - inverse propensity score (Horvitz, Thompson 1952): the mean of weight × reward,
//     where a choice weighs judged ÷ logged. Right on average, and wild where weights
//     are.
//   - self-normalised: divided by the sum of weights instead of their number
//     (Swaminathan, Joachims, NeurIPS 2015). A little biased and much calmer.
//   - doubly robust (Dudík, Langford, Li, ICML 2011): a model's expectation, mended by
//     the weighted error that it makes on the log. Right where either the
//     probabilities or the model are; the model must not have seen the event that it
//     is asked about.
//
// What no estimator can mend is a log that hardly ever did what is judged. Then the
// report says that it is unfit and why; its intervals must not be trusted, because
// a weight that was not drawn does not widen them.
//
// It is beside the road of a receipt: it looks at old answers to choose who gives the
// next.
package offpolicy

import (
	"fmt"
	"math"

	"endcap/retail"
)

// Event is one choice of a log with what came of it. Of the policies it holds
// probabilities of this choice alone, given what was known when it was made.
type Event struct {
	Reward   float64 // what came of it, such as 1 for a click
	Logged   float64 // probability with which it was chosen, above 0
	Judged   float64 // probability with which the judged policy would have chosen it
	Expected float64 // a model's expectation of the reward of this choice; 0 without a model
	Value    float64 // the model's expectation of the reward under the judged policy; 0 without a model
}

// Check says what in an event is none.
func (e *Event) Check() error {
	switch {
	case !(e.Logged > 0 && e.Logged <= 1):
		return refuse("logged", fmt.Sprintf("a choice that was made with probability %v", e.Logged))
	case !(e.Judged >= 0 && e.Judged <= 1):
		return refuse("judged", fmt.Sprintf("a choice that would be made with probability %v", e.Judged))
	}
	for _, v := range [...]struct {
		name string
		is   float64
	}{{"reward", e.Reward}, {"expected", e.Expected}, {"value", e.Value}, {"weight", e.Judged / e.Logged}} {
		if !(math.Abs(v.is) <= most) {
			return refuse(v.name, fmt.Sprintf("%s is %v", v.name, v.is))
		}
	}
	return nil
}

// most bounds rewards and weights, so that sums of squares stay numbers.
const most = 1e100

func refuse(field, say string) error {
	return &retail.Error{Kind: retail.Invalid, Field: field, Say: say, Cure: "log probabilities when the choice is made"}
}

// Estimate is a mean reward with its 95 % interval.
type Estimate struct {
	Value, SE, Low, High float64
}

// Holds reports whether the interval holds v.
func (e Estimate) Holds(v float64) bool { return e.Low <= v && v <= e.High }

// Weights says how the log weighs. Where both policies are known and the log can do
// whatever the judged one does, the mean is 1 but for chance.
type Weights struct {
	Mean, SE  float64
	Largest   float64
	Share     float64 // of the largest, in their sum
	Effective float64 // (sum)² ÷ sum of squares: events of weight one that would tell as much
}

// Reason says why a log is unfit to judge a policy. Words are stored and never
// change.
type Reason string

// The reasons.
const (
	NoEvents     Reason = "no_events"     // there are fewer than two, or no weight
	MeanWeight   Reason = "mean_weight"   // it is far from 1: probabilities are wrong, or the log never does what the policy would
	OneDominates Reason = "one_dominates" // a single event has more than ShareMost of all weight
	FewEffective Reason = "few_effective" // fewer than EffectiveMin events' worth
)

// From where on a log is unfit.
const (
	MeanMost     = 0.2  // distance of the mean weight from 1,
	MeanErrors   = 5    // or of it in standard errors,
	meanLeast    = 0.01 // where it is more than nothing
	ShareMost    = 0.05
	EffectiveMin = 100
)

// Report is what a log says of a policy.
type Report struct {
	Events  int
	Logged  Estimate // mean reward of the policy that made the log
	IPS     Estimate
	SNIPS   Estimate
	DR      Estimate // without a model it is IPS
	Weights Weights
	Unfit   []Reason // none where it is fit
}

// Judge adds events up; its memory does not grow with them. The zero Judge is ready.
type Judge struct {
	reward, ips, dr, weight moments
	largest                 float64
	ww, wwr, wwrr           float64 // sums of w², w²·reward, w²·reward²
}

// Add takes in an event.
func (j *Judge) Add(e *Event) error {
	if err := e.Check(); err != nil {
		return fmt.Errorf("judge event %d: %w", j.weight.n, err)
	}
	w := e.Judged / e.Logged
	j.reward.add(e.Reward)
	j.ips.add(w * e.Reward)
	j.dr.add(e.Value + w*(e.Reward-e.Expected))
	j.weight.add(w)
	j.largest = max(j.largest, w)
	j.ww += w * w
	j.wwr += w * w * e.Reward
	j.wwrr += w * w * e.Reward * e.Reward
	return nil
}

// Report is what the events so far say.
func (j *Judge) Report() Report {
	n := float64(j.weight.n)
	if n < 2 || j.weight.mean == 0 {
		return Report{Events: j.weight.n, Unfit: []Reason{NoEvents}}
	}
	r := Report{
		Events: j.weight.n, Logged: j.reward.estimate(), IPS: j.ips.estimate(), DR: j.dr.estimate(), SNIPS: j.normalised(),
		Weights: Weights{
			Mean: j.weight.mean, SE: j.weight.estimate().SE, Largest: j.largest,
			Share: j.largest / (n * j.weight.mean), Effective: n * j.weight.mean * (n * j.weight.mean / j.ww),
		},
	}
	off := math.Abs(r.Weights.Mean - 1)
	if off > MeanMost || off > MeanErrors*r.Weights.SE && off > meanLeast {
		r.Unfit = append(r.Unfit, MeanWeight)
	}
	if r.Weights.Share > ShareMost {
		r.Unfit = append(r.Unfit, OneDominates)
	}
	if r.Weights.Effective < EffectiveMin {
		r.Unfit = append(r.Unfit, FewEffective)
	}
	return r
}

// normalised is Σwr/Σw; its error is that of a ratio of means by the delta method:
//
//	SE² = Σ w²(r − value)² / ((n − 1)·n·mean(w)²)
func (j *Judge) normalised() Estimate {
	n := float64(j.weight.n)
	v := j.ips.mean / j.weight.mean
	squares := max(j.wwrr-2*v*j.wwr+v*v*j.ww, 0)
	return around(v, math.Sqrt(squares/(n-1)/n)/j.weight.mean)
}

// moments are a mean and a sum of squared deviations, one value after the other
// (Welford 1962).
type moments struct {
	n          int
	mean, away float64
}

func (m *moments) add(x float64) {
	m.n++
	d := x - m.mean
	m.mean += d / float64(m.n)
	m.away += d * (x - m.mean)
}

func (m *moments) estimate() Estimate {
	return around(m.mean, math.Sqrt(m.away/float64(m.n-1)/float64(m.n)))
}

// normal is the normal distribution's quantile at 97.5 %.
const normal = 1.959963984540054

func around(v, se float64) Estimate { return Estimate{v, se, v - normal*se, v + normal*se} }
