package judge_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"endcap/know/recommend/judge"
)

// published is where the data of the published tables lie, beside the repository.
const published = "../../../../shared/data/nbr"

func readJSON(tb testing.TB, name string, to any) {
	tb.Helper()
	f, err := os.Open(filepath.Join(published, name))
	if errors.Is(err, os.ErrNotExist) {
		tb.Skipf("%s is not beside the repository, in ../shared/data/nbr", name)
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	from := json.NewDecoder(f)
	if filepath.Ext(name) == ".gz" {
		z, err := gzip.NewReader(f)
		if err != nil {
			tb.Fatal(err)
		}
		from = json.NewDecoder(z)
	}
	if err := from.Decode(to); err != nil {
		tb.Fatal(err)
	}
}

// The predictions of a published model (DREAM on TaFeng) have the figures that its
// authors' own evaluator printed.
func TestFiguresAreThoseOfThePublishedEvaluator(t *testing.T) {
	t.Parallel()
	type figures struct{ Recall, NDCG, PHR float64 }
	var want struct {
		K10, K20  figures
		Tolerance float64
	}
	readJSON(t, "golden-eval/expected.json", &want)
	var lists map[string][]int32
	readJSON(t, "golden-eval/tafeng_dream_pred0_top20.json.gz", &lists)
	var split struct{ Test []string }
	readJSON(t, "golden-eval/tafeng_keyset_0.json.gz", &split)
	var futures, histories map[string][][]int32
	readJSON(t, "tafeng-rc/future.json.gz", &futures)
	readJSON(t, "tafeng-rc/history.json.gz", &histories)
	answers := make([]judge.Answer, len(split.Test))
	for i, user := range split.Test {
		bought := slices.Concat(histories[user]...)
		slices.Sort(bought)
		answers[i] = judge.Answer{List: lists[user], Truth: futures[user][1], Bought: slices.Compact(bought)}
	}
	for k, want := range map[int]figures{10: want.K10, 20: want.K20} {
		f := judge.At(k, answers)
		got := figures{f.Recall, f.NDCG, f.PHR}
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
			t.Errorf("at %d (−published +ours):\n%s", k, diff)
		}
	}
	if len(answers) != 2772 || want.Tolerance != 1e-6 {
		t.Errorf("%d answers, tolerance %v", len(answers), want.Tolerance)
	}
}

func TestFiguresByHand(t *testing.T) {
	t.Parallel()
	log2 := math.Log2
	tests := map[string]struct {
		answers []judge.Answer
		k       int
		want    judge.Figures
	}{
		"nothing was asked":   {nil, 10, judge.Figures{}},
		"no truth, no figure": {[]judge.Answer{{List: []int32{1}}}, 10, judge.Figures{}},
		"a list that is too short misses": {
			[]judge.Answer{{List: []int32{7}, Truth: []int32{8}}},
			2,
			judge.Figures{Answers: 1, AnswersExplore: 1},
		},
		"what she had bought before and what is new are told apart": {
			[]judge.Answer{{List: []int32{1, 2, 3, 4}, Truth: []int32{2, 4, 9, 8, 7}, Bought: []int32{1, 2, 9}}},
			4,
			judge.Figures{
				Answers: 1, Recall: 2. / 5, PHR: 1, RepeatShare: 2. / 4,
				NDCG:          (1/log2(3) + 1/log2(5)) / (1 + 1/log2(3) + 1/log2(4) + 1/log2(5) + 1/log2(6)),
				NDCGUsual:     (1/log2(3) + 1/log2(5)) / (1 + 1/log2(3) + 1/log2(4) + 1/log2(5)),
				AnswersRepeat: 1, RecallRepeat: 1. / 2, PHRRepeat: 1,
				AnswersExplore: 1, RecallExplore: 1. / 3, PHRExplore: 1,
			},
		},
		"places beyond k count for nothing": {
			[]judge.Answer{{List: []int32{1, 2}, Truth: []int32{2}, Bought: []int32{2}}},
			1,
			judge.Figures{Answers: 1, AnswersRepeat: 1},
		},
		"means are over shoppers": {
			[]judge.Answer{{List: []int32{1}, Truth: []int32{1}}, {List: []int32{1}, Truth: []int32{2}}},
			1,
			judge.Figures{Answers: 2, Recall: 0.5, NDCG: 0.5, NDCGUsual: 0.5, PHR: 0.5, AnswersExplore: 2, RecallExplore: 0.5, PHRExplore: 0.5},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, judge.At(tt.k, tt.answers), cmpopts.EquateApprox(0, 1e-12)); diff != "" {
				t.Errorf("figures (−want +got):\n%s", diff)
			}
		})
	}
}

func TestIsOursBetterBeyondChance(t *testing.T) {
	t.Parallel()
	const seed = 11
	rnd := rand.New(rand.NewPCG(seed, 0))
	answers := func(hit float64) []judge.Answer {
		out := make([]judge.Answer, 2000)
		for i := range out {
			out[i] = judge.Answer{List: []int32{2}, Truth: []int32{1}}
			if rnd.Float64() < hit {
				out[i].List[0] = 1
			}
		}
		return out
	}
	recall := func(f *judge.Figures) float64 { return f.Recall }
	theirs := answers(0.5)
	if got := (judge.Bootstrap{K: 10, Rounds: 200, Seed: seed}).Compare(theirs, theirs, recall); got != (judge.Interval{Ratio: 1, Low: 1, High: 1}) {
		t.Errorf("the same answers: %+v", got)
	}
	by := judge.Bootstrap{K: 10, Rounds: 500, Seed: seed}
	got := by.Compare(answers(0.6), theirs, recall)
	if got.Low <= 1.05 || got.High >= 1.4 || got.Ratio <= got.Low || got.Ratio >= got.High {
		t.Errorf("a fifth better (seed %d): %+v", seed, got)
	}
	if again := by.Compare(answers(0.6), theirs, recall); again == got {
		t.Error("other answers give the same interval")
	}
}
