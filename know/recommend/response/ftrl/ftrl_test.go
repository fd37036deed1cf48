package ftrl_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"endcap/know/recommend/response/ftrl"
)

// plain is algorithm 1 of the paper, written down line by line over whole vectors
// with nothing in common with the package.
type plain struct{ alpha, beta, l1, l2 float64 }

// run learns logistic regression over dense rows and returns each prediction made
// before its label was seen, and the weights at the end.
func (p plain) run(rows [][]float64, labels []float64) (predicted, w []float64) {
	d := len(rows[0])
	z, n := make([]float64, d), make([]float64, d)
	w = make([]float64, d)
	weigh := func() {
		for i := range d {
			sign := 1.0
			if z[i] < 0 {
				sign = -1
			}
			if sign*z[i] <= p.l1 {
				w[i] = 0
			} else {
				w[i] = -1 / ((p.beta+math.Sqrt(n[i]))/p.alpha + p.l2) * (z[i] - sign*p.l1)
			}
		}
	}
	for t, x := range rows {
		weigh()
		sum := 0.0
		for i := range d {
			sum += w[i] * x[i]
		}
		prob := 1 / (1 + math.Exp(-sum))
		predicted = append(predicted, prob)
		for i := range d {
			g := (prob - labels[t]) * x[i]
			sigma := 1 / p.alpha * (math.Sqrt(n[i]+g*g) - math.Sqrt(n[i]))
			z[i] = z[i] + g - sigma*w[i]
			n[i] += g * g
		}
	}
	weigh()
	return predicted, w
}

func TestTheLearnerIsThePapers(t *testing.T) {
	t.Parallel()
	const d, rounds = 40, 3_000
	for name, p := range map[string]plain{
		"plain": {0.1, 1, 0, 0}, "sparse": {0.05, 1, 1.5, 0}, "held back": {0.3, 0.5, 0.2, 2}, "slow": {0.005, 1, 0.1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(11, 7))
			rows, labels := make([][]float64, rounds), make([]float64, rounds)
			for k := range rows {
				rows[k] = make([]float64, d)
				sum := -1.0
				for range 6 {
					i := r.IntN(d)
					rows[k][i] = r.NormFloat64()
					sum += rows[k][i] * float64(i-d/2) / 10
				}
				if r.Float64() < 1/(1+math.Exp(-sum)) {
					labels[k] = 1
				}
			}
			wantP, wantW := p.run(rows, labels)
			rates := ftrl.Rates{Alpha: p.alpha, Beta: p.beta, L1: p.l1, L2: p.l2}
			if err := rates.Check(); err != nil {
				t.Fatal(err)
			}
			cells := make([]ftrl.Cell, d)
			for k, x := range rows {
				sum := 0.0
				for i, v := range x {
					if v != 0 {
						sum += cells[i].Weight(&rates) * v
					}
				}
				prob := 1 / (1 + math.Exp(-sum))
				if math.Abs(prob-wantP[k]) > 1e-9 {
					t.Fatalf("round %d: predicted %v, the paper %v", k, prob, wantP[k])
				}
				for i, v := range x {
					if v != 0 {
						cells[i].Step(&rates, (prob-labels[k])*v, cells[i].Weight(&rates))
					}
				}
			}
			weights := 0
			for i := range cells {
				w := cells[i].Weight(&rates)
				if math.Abs(w-wantW[i]) > 1e-9 {
					t.Errorf("coordinate %d weighs %v, the paper's %v", i, w, wantW[i])
				}
				if w != 0 {
					weights++
				}
			}
			if weights == 0 {
				t.Error("nothing was learned")
			}
		})
	}
}

func TestACoordinateThatSeesNothingStaysAsItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := ftrl.Rates{Alpha: rapid.Float64Range(0.001, 2).Draw(t, "alpha"), Beta: 1, L1: rapid.Float64Range(0, 3).Draw(t, "l1"), L2: rapid.Float64Range(0, 3).Draw(t, "l2")}
		var c ftrl.Cell
		for _, g := range rapid.SliceOfN(rapid.Float64Range(-1, 1), 0, 50).Draw(t, "slopes") {
			c.Step(&r, g, c.Weight(&r))
		}
		before := c
		c.Step(&r, 0, c.Weight(&r))
		if c != before {
			t.Fatalf("%+v became %+v", before, c)
		}
		if w := c.Weight(&r); math.IsNaN(w) || math.IsInf(w, 0) || w != 0 && math.Signbit(w) == math.Signbit(c.Z) {
			t.Fatalf("%+v weighs %v", c, w)
		}
	})
}

func TestRatesThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]ftrl.Rates{
		"no step": {Beta: 1}, "not a number": {Alpha: math.NaN(), Beta: 1}, "negative": {Alpha: 1, Beta: 1, L1: -1},
		"without end": {Alpha: 1, Beta: math.Inf(1)}, "nothing to divide by": {Alpha: 1},
	} {
		if r.Check() == nil {
			t.Errorf("%s: %+v passes", name, r)
		}
	}
}
