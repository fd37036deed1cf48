package offpolicy_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"endcap/know/recommend/offpolicy"
)

// page is a small world: kinds of visits, products, and the true chance of a click.
type page struct{ chance [3][5]float64 }

func newPage(r *rand.Rand) (p page) {
	for x := range p.chance {
		for a := range p.chance[x] {
			p.chance[x][a] = 0.02 + 0.3*r.Float64()
		}
	}
	return p
}

// policy is the probability of each product on each kind of visit.
type policy [3][5]float64

// leaning prefers some products, the more the colder.
func leaning(r *rand.Rand, cold float64) (p policy) {
	for x := range p {
		sum := 0.0
		for a := range p[x] {
			p[x][a] = math.Exp(cold * r.NormFloat64())
			sum += p[x][a]
		}
		for a := range p[x] {
			p[x][a] /= sum
		}
	}
	return p
}

func (p *page) worth(judged *policy) (v float64) {
	for x := range p.chance {
		for a, c := range p.chance[x] {
			v += judged[x][a] * c / float64(len(p.chance))
		}
	}
	return v
}

// log plays a policy; wrong is by how much the model is off.
func (p *page) log(r *rand.Rand, logged, judged *policy, n int, wrong float64) *offpolicy.Judge {
	j := new(offpolicy.Judge)
	for range n {
		x, a, u := r.IntN(len(p.chance)), 0, r.Float64()
		for u -= logged[x][0]; u >= 0 && a < 4; u -= logged[x][a] {
			a++
		}
		e := offpolicy.Event{Logged: logged[x][a], Judged: judged[x][a], Expected: p.chance[x][a] + wrong}
		for b, c := range p.chance[x] {
			e.Value += judged[x][b] * (c + wrong)
		}
		if r.Float64() < p.chance[x][a] {
			e.Reward = 1
		}
		if err := j.Add(&e); err != nil {
			panic(err)
		}
	}
	return j
}

// Of 600 intervals, 95 % hold the truth but for chance: 537 to 592, outside of which
// a binomial distribution is once in a million on either side.
func TestIntervalsHoldWhatAPolicyIsWorth(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 5))
	const logs, least, most = 600, 537, 592
	var ips, snips, dr, wrong int
	var width [2]float64
	for range logs {
		p := newPage(r)
		logged, judged := leaning(r, 0.5), leaning(r, 0.7)
		truth := p.worth(&judged)
		rep := p.log(r, &logged, &judged, 3_000, 0).Report()
		for n, e := range map[*int]offpolicy.Estimate{&ips: rep.IPS, &snips: rep.SNIPS, &dr: rep.DR} {
			if e.Holds(truth) {
				*n++
			}
		}
		width[0], width[1] = width[0]+rep.IPS.SE, width[1]+rep.DR.SE
		if p.log(r, &logged, &judged, 3_000, 0.2).Report().DR.Holds(truth) {
			wrong++
		}
	}
	for name, n := range map[string]int{"inverse propensity": ips, "self-normalised": snips, "doubly robust": dr, "doubly robust with a wrong model": wrong} {
		if n < least || n > most {
			t.Errorf("%s: %d of %d intervals hold the truth, want %d to %d", name, n, logs, least, most)
		}
	}
	if width[1] >= width[0] {
		t.Errorf("a true model widens the intervals: %v, without %v", width[1]/logs, width[0]/logs)
	}
}

func TestALogThatCannotJudgeSaysSo(t *testing.T) {
	t.Parallel()
	even := func(n int) (all []offpolicy.Event) {
		for i := range n {
			all = append(all, offpolicy.Event{Reward: float64(i % 2), Logged: 0.2, Judged: 0.2})
		}
		return all
	}
	tests := map[string]struct {
		log  []offpolicy.Event
		want []offpolicy.Reason
	}{
		"the policy judges its own log": {even(1_000), nil},
		"an empty log":                  {nil, []offpolicy.Reason{offpolicy.NoEvents}},
		"one event":                     {even(1), []offpolicy.Reason{offpolicy.NoEvents}},
		"a short log":                   {even(50), []offpolicy.Reason{offpolicy.FewEffective}},
		"one event of a product that was hardly shown":   {append(even(1_000), offpolicy.Event{Logged: 1e-6, Judged: 0.1}), []offpolicy.Reason{offpolicy.MeanWeight, offpolicy.OneDominates, offpolicy.FewEffective}},
		"products that the log never showed":             {moreOften(even(1_000), 0.5), []offpolicy.Reason{offpolicy.MeanWeight}},
		"probabilities that do not belong to the log":    {moreOften(even(1_000), 1.5), []offpolicy.Reason{offpolicy.MeanWeight}},
		"what the policy would show was not once logged": {moreOften(even(1_000), 0), []offpolicy.Reason{offpolicy.NoEvents}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var j offpolicy.Judge
			for i := range tt.log {
				if err := j.Add(&tt.log[i]); err != nil {
					t.Fatal(err)
				}
			}
			if got := j.Report(); !slices.Equal(got.Unfit, tt.want) {
				t.Errorf("unfit for %v, want %v: %+v", got.Unfit, tt.want, got)
			}
		})
	}
}

func moreOften(all []offpolicy.Event, times float64) []offpolicy.Event {
	for i := range all {
		all[i].Judged *= times
	}
	return all
}

func TestAPolicyJudgedOnItsOwnLogIsWorthWhatItBrought(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var j offpolicy.Judge
		sum := 0.0
		rewards := rapid.SliceOfN(rapid.Float64Range(-5, 5), 2, 200).Draw(t, "rewards")
		for _, r := range rewards {
			p := rapid.Float64Range(1e-6, 1).Draw(t, "probability")
			if err := j.Add(&offpolicy.Event{Reward: r, Logged: p, Judged: p}); err != nil {
				t.Fatal(err)
			}
			sum += r
		}
		got := j.Report()
		for name, e := range map[string]offpolicy.Estimate{"logged": got.Logged, "ips": got.IPS, "snips": got.SNIPS, "dr": got.DR} {
			if math.Abs(e.Value-sum/float64(len(rewards))) > 1e-9 || math.IsNaN(e.SE) || math.Abs(e.SE-got.Logged.SE) > 1e-6 {
				t.Fatalf("%s is %+v, the rewards' mean %v", name, e, sum/float64(len(rewards)))
			}
		}
		if math.Abs(got.Weights.Mean-1) > 1e-12 || math.Abs(got.Weights.Effective-float64(len(rewards))) > 1e-6 {
			t.Fatalf("weights %+v of %d", got.Weights, len(rewards))
		}
	})
}

func TestEventsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]offpolicy.Event{
		"what was shown could not be":       {Logged: 0, Judged: 0.5},
		"a probability above one":           {Logged: 0.5, Judged: 1.5},
		"a probability that is no number":   {Logged: math.NaN(), Judged: 0.5},
		"a reward that is no number":        {Reward: math.NaN(), Logged: 0.5, Judged: 0.5},
		"an expectation without end":        {Expected: math.Inf(1), Logged: 0.5, Judged: 0.5},
		"a value that is no number":         {Value: math.NaN(), Logged: 0.5, Judged: 0.5},
		"a choice that was next to never":   {Logged: math.SmallestNonzeroFloat64, Judged: 0.5},
		"a judged probability below zero":   {Logged: 0.5, Judged: -0.1},
		"a judged probability is no number": {Logged: 0.5, Judged: math.NaN()},
	} {
		var j offpolicy.Judge
		if err := j.Add(&e); err == nil {
			t.Errorf("%s: %+v is taken in", name, e)
		}
	}
}
