// Package judge holds lists of proposals against what was bought next, in the
// measures of the published tables (Li et al., "A Next Basket Recommendation
// Reality Check", TOIS 2023): recall, NDCG in both forms, the share of lists with
// a hit, and each for what a shopper had bought before and for what was new to
// her. Intervals of differences come from a paired bootstrap.
//
// It is beside the road of a receipt: it judges what is proposed to whom.
package judge

import (
	"math"
	"slices"
)

// Answer is one list of proposals, the best first, and what it is held against.
// Answers without truth are not counted.
type Answer struct {
	List   []int32
	Truth  []int32 // different products
	Bought []int32 // what she had bought before, ascending
}

// Figures are means over answers, of the first k of each list.
type Figures struct {
	Answers   int
	Recall    float64 // hits ÷ truth
	NDCG      float64 // DCG ÷ that of a list which holds all the truth, however long
	NDCGUsual float64 // DCG ÷ that of the best list of k
	PHR       float64 // share of lists with a hit

	RepeatShare   float64 // of k places, those with what she had bought before
	AnswersRepeat int     // whose truth holds some of it
	RecallRepeat  float64 // of the truth she had bought before, over AnswersRepeat
	PHRRepeat     float64

	AnswersExplore int // whose truth holds something new
	RecallExplore  float64
	PHRExplore     float64
}

// At is the figures of the first k of each list.
func At(k int, answers []Answer) Figures {
	var f Figures
	for i := range answers {
		if len(answers[i].Truth) > 0 {
			f.add(k, &answers[i])
		}
	}
	over := func(n int, sums ...*float64) {
		for _, s := range sums {
			*s /= float64(max(n, 1))
		}
	}
	over(f.Answers, &f.Recall, &f.NDCG, &f.NDCGUsual, &f.PHR, &f.RepeatShare)
	over(f.AnswersRepeat, &f.RecallRepeat, &f.PHRRepeat)
	over(f.AnswersExplore, &f.RecallExplore, &f.PHRExplore)
	return f
}

func (f *Figures) add(k int, a *Answer) {
	var hits, hitsRepeat, dcg, repeats, truthRepeat float64
	for at, p := range a.List[:min(k, len(a.List))] {
		had := a.had(p)
		if had {
			repeats++
		}
		if !slices.Contains(a.Truth, p) {
			continue
		}
		hits++
		dcg += worth(at)
		if had {
			hitsRepeat++
		}
	}
	for _, p := range a.Truth {
		if a.had(p) {
			truthRepeat++
		}
	}
	truth := float64(len(a.Truth))
	f.Answers++
	f.Recall += hits / truth
	f.NDCG += dcg / ideal(len(a.Truth))
	f.NDCGUsual += dcg / ideal(min(k, len(a.Truth)))
	f.PHR += hit(hits)
	f.RepeatShare += repeats / float64(k)
	if truthRepeat > 0 {
		f.AnswersRepeat++
		f.RecallRepeat += hitsRepeat / truthRepeat
		f.PHRRepeat += hit(hitsRepeat)
	}
	if truth > truthRepeat {
		f.AnswersExplore++
		f.RecallExplore += (hits - hitsRepeat) / (truth - truthRepeat)
		f.PHRExplore += hit(hits - hitsRepeat)
	}
}

func (a *Answer) had(p int32) bool {
	_, ok := slices.BinarySearch(a.Bought, p)
	return ok
}

func hit(hits float64) float64 {
	if hits > 0 {
		return 1
	}
	return 0
}

// worth is what a hit at a place, from 0, adds to DCG.
func worth(place int) float64 { return 1 / math.Log2(float64(place)+2) }

// ideal is the DCG of n hits at the first n places.
func ideal(n int) float64 {
	sum := 0.0
	for at := range n {
		sum += worth(at)
	}
	return sum
}
