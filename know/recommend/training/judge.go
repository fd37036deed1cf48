package training

import (
	"math"
	"slices"

	"endcap/know/recommend/internal/work"
	"endcap/know/recommend/judge"
	"endcap/know/recommend/nextbasket"
	"endcap/retail"
)

// places are the first of a list, by which versions are judged.
const places = 10

// Figures are how well the first ten of each list answer: means over questions, and
// for a model how many purchases its probabilities expected and how many there were.
type Figures struct {
	Recall    float64 `json:"recall"`
	NDCG      float64 `json:"ndcg"`
	PHR       float64 `json:"phr"` // share of lists with a hit
	Repeat    float64 `json:"recall_repeat"`
	Explore   float64 `json:"recall_explore"`
	Predicted float64 `json:"predicted,omitempty"`
	Observed  float64 `json:"observed,omitempty"`
}

// Calibration is observed ÷ predicted; 0 where nothing was predicted.
func (f *Figures) Calibration() float64 {
	if f.Predicted == 0 {
		return 0
	}
	return f.Observed / f.Predicted
}

// Difference is how much better one answers than another, question by question: the
// mean of (recall + NDCG) ÷ 2 of ten, and that mean's standard error.
type Difference struct {
	Mean  float64 `json:"mean"`
	Error float64 `json:"error"`
}

// worse says that the difference is below zero by more than chance explains: by over
// two standard errors.
func (d Difference) worse() bool { return d.Mean+2*d.Error < 0 }

// judged is how the holdout's questions were answered.
type judged struct {
	Figures
	gains  []float64 // (recall + NDCG) ÷ 2 of each question
	scores []float32 // of the first ten of each list
}

func judgedOf(answers []judge.Answer) *judged {
	f := judge.At(places, answers)
	out := &judged{Figures: Figures{Recall: f.Recall, NDCG: f.NDCG, PHR: f.PHR, Repeat: f.RecallRepeat, Explore: f.RecallExplore}, gains: make([]float64, len(answers))}
	for i := range answers {
		one := judge.At(places, answers[i:i+1])
		out.gains[i] = (one.Recall + one.NDCG) / 2
	}
	return out
}

// judgeUsual asks plain frequencies: what she bought most often, then last, then what
// is popular.
func (d *data) judgeUsual() *judged {
	usual := &nextbasket.Personal{Popular: nextbasket.NewPopular(d.rng.Products, d.holdout.Shoppers), Ties: nextbasket.MoreRecent, Fill: true}
	return judgedOf(nextbasket.Answers(d.holdout.Cases, usual, places))
}

// judge asks a model whose crowd ends before the holdout.
func (d *data) judge(m *nextbasket.Model) (*judged, error) {
	cases := d.holdout.Cases
	answers, predicted, observed := make([]judge.Answer, len(cases)), make([]float64, len(cases)), make([]float64, len(cases))
	scores := make([][]float32, len(cases))
	for lo := 0; lo < len(cases); lo += judgedAtOnce {
		if err := d.rng.Rest(); err != nil {
			return nil, err
		}
		work.Each(min(judgedAtOnce, len(cases)-lo), func(n int) {
			i := lo + n
			q := &cases[i]
			all := m.Next(&q.Query, nil)
			a := judge.Answer{Truth: q.Truth, Bought: q.History.Products()}
			for at, p := range all {
				if at < places {
					a.List = append(a.List, p.Product)
					scores[i] = append(scores[i], p.Score)
				}
				predicted[i] += float64(p.Chance)
				if slices.Contains(q.Truth, p.Product) {
					observed[i]++
				}
			}
			answers[i] = a
		})
	}
	out := judgedOf(answers)
	out.scores = slices.Concat(scores...)
	for i := range cases {
		out.Predicted, out.Observed = out.Predicted+predicted[i], out.Observed+observed[i]
	}
	return out, nil
}

// judgedAtOnce is how many questions are answered between two rests.
const judgedAtOnce = 256

// judgeVersion asks what a version learnt, with the crowd and the products of the day
// before the holdout, as the candidate is: the version's own crowd knows answers. It
// returns nil where there is no version, or it knows other signals.
func (d *data) judgeVersion(s *Served) (*judged, error) {
	if s == nil {
		return nil, nil
	}
	m, err := s.Model.Among(&d.rng, d.holdout.Shoppers)
	if err != nil {
		return nil, nil //nolint:nilerr // a version of an earlier program: it is judged by nothing and replaced
	}
	return d.judge(m)
}

// against compares answers to the same questions.
func (j *judged) against(other *judged) Difference {
	n := float64(len(j.gains))
	var sum, squares float64
	for i := range j.gains {
		x := j.gains[i] - other.gains[i]
		sum, squares = sum+x, squares+x*x
	}
	mean := sum / n
	return Difference{mean, math.Sqrt(max(squares/n-mean*mean, 0) / max(n-1, 1))}
}

// spreadParts is into how many parts, equally full, scores are divided.
const spreadParts = 10

// Spread is how scores lie: the bounds of parts, rising, and the share of scores in
// each part. A part ends with its bound; the last has none.
type Spread struct {
	Bounds []float32 `json:"bounds"`
	Shares []float64 `json:"shares"`
}

// spread divides the scores of the first ten into parts about equally full.
func (j *judged) spread() Spread {
	all := slices.Sorted(slices.Values(j.scores))
	bounds := make([]float32, 0, spreadParts-1)
	for k := 1; k < spreadParts && len(all) > 0; k++ {
		bounds = append(bounds, all[k*len(all)/spreadParts])
	}
	bounds = slices.Compact(bounds)
	return Spread{bounds, j.shares(bounds)}
}

// shares is how much of the scores lies in each part.
func (j *judged) shares(bounds []float32) []float64 {
	out := make([]float64, len(bounds)+1)
	for _, s := range j.scores {
		n, _ := slices.BinarySearch(bounds, s)
		out[n] += 1 / float64(len(j.scores))
	}
	return out
}

// shift is the population stability index of scores against how they lay once: the sum
// over parts of (now − then) ln(now ÷ then). 0.1 is little, 0.25 much (Siddiqi, Credit
// Risk Scorecards, 2006). A share below a thousandth counts as one.
func (j *judged) shift(was *Spread) float64 {
	sum := 0.0
	for k, now := range j.shares(was.Bounds) {
		if k < len(was.Shares) {
			now, then := max(now, 1e-3), max(was.Shares[k], 1e-3)
			sum += (now - then) * math.Log(now/then)
		}
	}
	return sum
}

// Watch is how the version that serves answers the newest week.
type Watch struct {
	Day         retail.Day `json:"through"`
	Version     uint64     `json:"version"`
	Recall      float64    `json:"recall"`
	Drift       float64    `json:"drift"` // that recall ÷ the recall it was published with
	Calibration float64    `json:"calibration"`
	Shift       float64    `json:"shift"` // of its scores
}

// watched is what became of a version; nil where there is none.
func watched(s *Served, now *judged, day retail.Day) *Watch {
	if s == nil || now == nil {
		return nil
	}
	w := &Watch{Day: day, Version: s.Number, Recall: now.Recall, Calibration: now.Calibration(), Shift: now.shift(&s.Spread)}
	if s.Holdout.Recall > 0 {
		w.Drift = now.Recall / s.Holdout.Recall
	}
	return w
}
