package response_test

import (
	"math"
	"testing"

	"endcap/know/recommend/response"
	"endcap/know/recommend/response/ftrl"
)

// plainly is the whole of learning from clicks written down once more over maps: a
// logistic model over coordinates, times the chance that a position is looked at,
// each coordinate by FTRL-Proximal.
type plainly struct {
	rates, places ftrl.Rates
	z, n          map[uint32]float64
	zp, np        map[int]float64
}

func weight(r ftrl.Rates, z, n float64) float64 {
	switch {
	case z > r.L1:
		return -(z - r.L1) / ((r.Beta+math.Sqrt(n))/r.Alpha + r.L2)
	case z < -r.L1:
		return -(z + r.L1) / ((r.Beta+math.Sqrt(n))/r.Alpha + r.L2)
	default:
		return 0
	}
}

func step(r ftrl.Rates, z, n, g, w float64) (float64, float64) {
	return z + g - (math.Sqrt(n+g*g)-math.Sqrt(n))/r.Alpha*w, n + g*g
}

// chance is that of a click with a score at a position whose place weighs so much.
func chance(score float64, position int, place float64) (p, looked, appeal float64) {
	looked = 1 / (1 + float64(position-1)*math.Exp(-place))
	appeal = 1 / (1 + math.Exp(-score))
	return looked * appeal, looked, appeal
}

func (m *plainly) score(at []uint32, value []float64) (s float64) {
	s = -2.944 // one in twenty
	for i, a := range at {
		s += weight(m.rates, m.z[a], m.n[a]) * value[i]
	}
	return s
}

func (m *plainly) learn(at []uint32, value []float64, position int, y float64) {
	place := weight(m.places, m.zp[position], m.np[position])
	p, looked, appeal := chance(m.score(at, value), position, place)
	atScore := (p - y) / (p * (1 - p)) * looked * appeal * (1 - appeal)
	atPlace := (p - y) / (p * (1 - p)) * appeal * looked * (1 - looked)
	for i, a := range at {
		m.z[a], m.n[a] = step(m.rates, m.z[a], m.n[a], atScore*value[i], weight(m.rates, m.z[a], m.n[a]))
	}
	m.zp[position], m.np[position] = step(m.places, m.zp[position], m.np[position], atPlace, place)
}

func TestTheLearnerIsThePlainOne(t *testing.T) {
	t.Parallel()
	c := small()
	c.Bits = 20 // none of these coordinates meet
	c.Click.L1 = 0.01
	s := newSite(14)
	all := s.live(4_000)
	l := learner(t, c, all)
	m := &plainly{rates: c.Click, places: c.Place, z: map[uint32]float64{}, n: map[uint32]float64{}, zp: map[int]float64{}, np: map[int]float64{}}
	for i := range all {
		at, value := response.Coordinates(&all[i].Showing, c.Bits)
		y := 0.0
		if all[i].Clicked {
			y = 1
		}
		m.learn(at, value, all[i].Position, y)
	}
	for position := range len(s.looked) {
		_, want, _ := chance(0, position+1, weight(m.places, m.zp[position+1], m.np[position+1]))
		if got := l.Scorer().Examined("search", position+1); math.Abs(got-want) > 1e-9 {
			t.Errorf("position %d is looked at with %v, plainly %v", position+1, got, want)
		}
	}
	for _, o := range s.live(200) {
		at, value := response.Coordinates(&o.Showing, c.Bits)
		parts, err := l.Scorer().Explain(&o.Showing)
		if err != nil {
			t.Fatal(err)
		}
		got, want := 0.0, m.score(at, value)
		for _, p := range parts {
			got += p.Adds
		}
		if math.Abs(got-want) > 1e-9 {
			t.Fatalf("a score of %v, plainly %v", got, want)
		}
	}
}

// The slopes are those of the log loss.
func TestSlopesAreThoseOfTheLoss(t *testing.T) {
	t.Parallel()
	loss := func(score float64, position int, place, y float64) float64 {
		p, _, _ := chance(score, position, place)
		return -y*math.Log(p) - (1-y)*math.Log(1-p)
	}
	const d = 1e-6
	for _, score := range []float64{-4, -1, 0, 2} {
		for _, position := range []int{1, 2, 7} {
			for _, place := range []float64{-1, 0, 1.5} {
				for _, y := range []float64{0, 1} {
					p, looked, appeal := chance(score, position, place)
					atScore, atPlace := (p-y)*(1-appeal)/(1-p), (p-y)*(1-looked)/(1-p)
					if want := (loss(score+d, position, place, y) - loss(score-d, position, place, y)) / (2 * d); math.Abs(atScore-want) > 1e-6 {
						t.Errorf("score %v, position %d: slope %v, want %v", score, position, atScore, want)
					}
					if want := (loss(score, position, place+d, y) - loss(score, position, place-d, y)) / (2 * d); math.Abs(atPlace-want) > 1e-6 {
						t.Errorf("place %v, position %d: slope %v, want %v", place, position, atPlace, want)
					}
				}
			}
		}
	}
}
