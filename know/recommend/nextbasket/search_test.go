package nextbasket_test

import (
	"errors"
	"slices"
	"testing"

	"endcap/know/recommend/nextbasket"
)

// A search that knows the trials of one that was broken off makes only the others, and
// finds the same. Trials of another search are of no use to it.
func TestASearchGoesOnBehindKnownTrials(t *testing.T) {
	t.Parallel()
	r, all := town(60, seed)
	cuts, judged := []nextbasket.Cut{nextbasket.ByDay(all, 75, 90)}, []nextbasket.Cut{nextbasket.ByDay(all, 90, 105)}
	plays := nextbasket.Plays{Trials: 2, Seed: seed}
	want, trials, err := nextbasket.Search(r, cuts, judged, plays)
	if err != nil || len(trials) != 4 {
		t.Fatal(len(trials), err)
	}
	for known := range trials {
		var made []int
		plays.Known, plays.Made = trials[:known], func(n int, got *nextbasket.Trial) error {
			made = append(made, n)
			if *got != trials[n] {
				t.Errorf("trial %d is %+v, unbroken %+v", n, *got, trials[n])
			}
			return nil
		}
		if got, _, err := nextbasket.Search(r, cuts, judged, plays); err != nil || got != want || len(made) != len(trials)-known {
			t.Errorf("behind %d trials: %d made, %v, settings %+v", known, len(made), err, got)
		}
	}
	strange := slices.Clone(trials)
	strange[0].Settings.Neighbours++
	plays.Known, plays.Made = strange[:1], func(int, *nextbasket.Trial) error { return errors.New("made") }
	if _, _, err := nextbasket.Search(r, cuts, judged, plays); err == nil || err.Error() != "made" {
		t.Errorf("a trial of another search is taken: %v", err)
	}
}

// Long work rests between its parts, and ends where a rest says so.
func TestLongWorkRestsAndEnds(t *testing.T) {
	t.Parallel()
	r, all := town(60, seed)
	cut := nextbasket.ByDay(all, 90, 105)
	s, rests, tired := settings(), 0, errors.New("tired")
	r.Rest = func() error { rests++; return nil }
	if _, _, err := nextbasket.Train(r, []nextbasket.Cut{cut}, cut.Shoppers, &s); err != nil || rests < 40 {
		t.Errorf("%d rests, %v", rests, err)
	}
	for end := 1; end < rests; end += rests / 5 {
		n := 0
		r.Rest = func() error {
			if n++; n == end {
				return tired
			}
			return nil
		}
		if _, _, err := nextbasket.Train(r, []nextbasket.Cut{cut}, cut.Shoppers, &s); !errors.Is(err, tired) || n != end {
			t.Errorf("it went on after rest %d to %d: %v", end, n, err)
		}
	}
}

// What a model learnt answers with another crowd, and does not with products of other
// kinds of groups.
func TestAModelGetsAnotherCrowd(t *testing.T) {
	t.Parallel()
	m, test := townModel(t, 80)
	r, _ := town(80, seed)
	half, err := m.Among(r, test.Shoppers[:40])
	if err != nil || half.Members() != 40 || m.Members() == 40 || half.Settings() != m.Settings() {
		t.Fatalf("%d members, %v", half.Members(), err)
	}
	same, err := m.Among(r, test.Shoppers)
	if err != nil {
		t.Fatal(err)
	}
	q := &test.Cases[0].Query
	if !slices.Equal(same.Next(q, nil), m.Next(q, nil)) {
		t.Error("the same crowd answers otherwise")
	}
	r.Groups = append(r.Groups, r.Groups[0])
	if _, err := m.Among(r, test.Shoppers); !errors.Is(err, nextbasket.ErrSettings) {
		t.Errorf("got %v", err)
	}
	seen := 0
	m.Signals(q, func(_ nextbasket.Product, signals []float32) {
		seen++
		if len(signals) != len(nextbasket.Columns(m.Kinds())) {
			t.Errorf("%d signals", len(signals))
		}
	})
	if seen != len(m.Next(q, nil)) {
		t.Errorf("signals of %d products", seen)
	}
}
