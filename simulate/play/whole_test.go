package play

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	pq "github.com/parquet-go/parquet-go"

	"endcap/retail"
	"endcap/simulate/rows"
)

func TestTwoTruthsOfOnePlayAgree(t *testing.T) {
	t.Parallel()
	s := newShop()
	o := plays(t, s, selling)
	sum, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Cents != s.cents || sum.Receipts != int64(len(s.sold)) {
		t.Errorf("the play says %d cents on %d receipts, the shop took %d on %d", sum.Cents, sum.Receipts, s.cents, len(s.sold))
	}
	first, err := Truth(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 6 || first[0].Treated.Extra() <= 0 || first[0].Held.Shoppers == 0 {
		t.Fatalf("found %+v", first)
	}
	again, err := Truth(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again, cmpopts.IgnoreUnexported(Seen{})); diff != "" {
		t.Errorf("-first +again:\n%s", diff)
	}
	// What comes after the day of which a report tells was played all the same.
	early, err := Truth(t.Context(), o, map[string]retail.Day{"a": o.Scenario.First() + 9})
	if err != nil || early[0].Treated.Extra() >= first[0].Treated.Extra() {
		t.Errorf("two days of it: %v, %+v", err, early)
	}
	moved, err := pq.ReadFile[rows.Moved](filepath.Join(o.Truth, "redemptions.parquet"))
	if err != nil || len(moved) == 0 {
		t.Errorf("%d rows say what coupons did: %v", len(moved), err)
	}
}

func TestATruthOfAnotherPlayIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop()
	o := plays(t, s, selling)
	stopped, stop := context.WithCancel(t.Context())
	defer stop()
	o.Progress = func(p Progress) {
		if p.Week == 3 {
			stop()
		}
	}
	if _, err := Run(stopped, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("a play that was broken off: %v", err)
	}
	o.Progress = nil
	refused := func(what, want string, o Options) {
		t.Helper()
		_, run := Run(t.Context(), o)
		_, truth := Truth(t.Context(), o, nil)
		for _, err := range []error{run, truth} {
			if e, ok := errors.AsType[*retail.Error](err); !ok || !strings.Contains(err.Error(), want) || e.Cure == "" {
				t.Errorf("%s: %v, want %q", what, err, want)
			}
		}
	}
	other := o
	other.Communes = nil
	refused("no communes", "other communes", other)
	other = o
	changed := *o.Model
	changed.Uplift++
	other.Model = &changed
	refused("another model", "another model", other)
	other = o
	other.Scenario.Seed++
	refused("another seed", "scenario differs", other)
	if _, err := Truth(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "broken off") {
		t.Errorf("the truth of half a play: %v", err)
	}
	sum, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if all := int(sum.Resumed + sum.Decisions); sum.Resumed == 0 || s.asked > all+o.Visits {
		t.Errorf("%d visits asked %d times, of which %d may have been on their way", all, s.asked, o.Visits)
	}
	if _, err := Truth(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(o.Truth, journalName)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wrong := regexp.MustCompile(`("day":20,"receipts":\d+,"cents":)`).ReplaceAll(text, []byte("${1}1"))
	if err := os.WriteFile(file, wrong, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a day that sold otherwise", "day 20 is lived", o)
}

// What tills and site saw is the whole where every key is right and shown, and
// less where cards stay in the bag.
func TestWhatTillsSawIsToldApart(t *testing.T) {
	t.Parallel()
	found := func(more string) (all Found) {
		s := newShop()
		o := plays(t, s, strings.Replace(selling, "{", "{"+more, 1))
		if _, err := Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		each, err := Truth(t.Context(), o, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range each {
			for _, one := range []struct{ to, of *Side }{
				{&all.Treated, &f.Treated}, {&all.Held, &f.Held}, {&all.SeenTreated, &f.SeenTreated}, {&all.SeenHeld, &f.SeenHeld},
			} {
				one.to.Shoppers, one.to.Store, one.to.Online = one.to.Shoppers+one.of.Shoppers, one.to.Store+one.of.Store, one.to.Online+one.of.Online
			}
		}
		return all
	}
	const right = `"card": 1, "card_shared": 0, "card_wrong": 0, "email_wrong": 0, "no_address": 0, `
	whole := found(right + `"card_shown": 1, `)
	if whole.SeenTreated.Extra() != whole.Treated.Extra() || whole.SeenHeld.Extra() != whole.Held.Extra() || whole.Treated.Extra() <= 0 {
		t.Errorf("with every key: seen %+v and %+v, whole %+v and %+v", whole.SeenTreated, whole.SeenHeld, whole.Treated, whole.Held)
	}
	half := found(right + `"card_shown": 0.5, `)
	if share := float64(half.SeenTreated.Store) / float64(half.Treated.Store); half.SeenTreated.Online != half.Treated.Online || share < 0.25 || share > 0.8 {
		t.Errorf("with every other card shown: seen %+v, whole %+v", half.SeenTreated, half.Treated)
	}
	apart := found(`"card": 1, "card_shown": 1, "card_shared": 0, "card_wrong": 0, "no_address": 1, `)
	if apart.SeenTreated.Extra() >= apart.Treated.Extra() || apart.SeenTreated.Shoppers <= apart.Treated.Shoppers {
		t.Errorf("with accounts that nothing links with cards: seen %+v, whole %+v", apart.SeenTreated, apart.Treated)
	}
}

// speed is so many simulated seconds in one.
const speed = 3_600

// fast is a play of little, at a speed-up.
func fast(t *testing.T, s *shop) Options {
	t.Helper()
	o := plays(t, s, `{"shoppers": 60, "weeks": 2, "browse": 2, "play": {"quiet": 0, "campaigns": [{"name": "a", "from": 0, "weeks": 2}]}}`)
	o.SpeedUp = speed
	return o
}

func TestASpeedUpOf3600PlaysAnHourInASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		if _, err := Run(t.Context(), fast(t, s)); err != nil {
			t.Fatal(err)
		}
		s.moved = s.moved[:len(s.moved)-1] // the end, which is due at once
		onTime(t, s.moved)
		if took := s.moved[len(s.moved)-1].wall.Sub(s.moved[0].wall); took < 325*time.Second || took > 337*time.Second {
			t.Errorf("two weeks took %v, want 336 s", took)
		}
	})
}

// onTime holds how far the clock went against how long it took: a run begins when
// it is due, to within the 20 minutes that one may take by the shops' clocks, or a
// night's that nobody came.
func onTime(t *testing.T, moved []tick) {
	t.Helper()
	first := moved[0]
	for _, m := range moved[1:] {
		clock, wall := m.clock.Sub(first.clock)/speed, m.wall.Sub(first.wall)
		if off := clock - wall; off < -4*time.Second || off > 4*time.Second {
			t.Fatalf("%v after the first moment the clock stands %v on", wall, clock*speed)
		}
	}
}

func TestAPlayThatGoesOnWaitsForNothingThatWasPlayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		o := fast(t, s)
		stopped, stop := context.WithCancel(t.Context())
		defer stop()
		half := o.Scenario.First().UTC().Add(8*24*time.Hour + 15*time.Hour) // on the second Tuesday afternoon
		s.watch = func(at tick) {
			if at.clock.After(half) {
				stop()
			}
		}
		if _, err := Run(stopped, o); !errors.Is(err, context.Canceled) {
			t.Fatalf("a play that was broken off: %v", err)
		}
		time.Sleep(time.Hour) // by the bubble's clock
		began, asked := time.Now(), false
		s.moved, s.watch = nil, nil
		s.decided = func() { asked = true }
		sum, err := Run(t.Context(), o)
		if err != nil || sum.Resumed == 0 || !asked {
			t.Fatalf("%+v, %v", sum, err)
		}
		s.moved = s.moved[:len(s.moved)-1]
		onTime(t, s.moved)
		if next := s.moved[0]; next.wall.Sub(began) > next.clock.Sub(half)/speed {
			t.Errorf("what comes %v later waits for %v", next.clock.Sub(half), next.wall.Sub(began))
		}
		left := o.Scenario.First().UTC().Add(14 * 24 * time.Hour).Sub(half)
		if took := time.Since(began); took > left/speed+4*time.Second || took < left/speed-15*time.Second {
			t.Errorf("what is left took %v, want %v", took, left/speed)
		}
	})
}
