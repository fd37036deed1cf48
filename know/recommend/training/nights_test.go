package training_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"endcap/know/recommend/training"
	"endcap/retail"
)

func TestHowManyShoppersAMachineHasRoomFor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		memory uint64
		want   int
	}{"not known": {0, 20_000}, "256 MB": {256 << 20, 2_000}, "2 GB": {2 << 30, 6_553}, "64 GB": {64 << 30, 20_000}} {
		if got := training.Defaults().Within(tt.memory).Shoppers; got != tt.want {
			t.Errorf("%s: %d shoppers, want %d", name, got, tt.want)
		}
	}
}

// Where visits came while a part of the work was done, the next waits as long, at most
// a tenth of a second; where none came, it does not.
func TestLearningGivesWayToVisits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked uint64
		rest := training.Beside(time.Now, func() uint64 { return asked })
		for _, tt := range []struct {
			visits       uint64
			worked, want time.Duration
		}{{0, time.Second, 0}, {3, 20 * time.Millisecond, 20 * time.Millisecond}, {0, time.Second, 0}, {1, time.Second, 100 * time.Millisecond}} {
			asked += tt.visits
			time.Sleep(tt.worked)
			from := time.Now()
			if err := rest(t.Context()); err != nil || time.Since(from) != tt.want {
				t.Errorf("after %d visits in %v it waits %v, want %v: %v", tt.visits, tt.worked, time.Since(from), tt.want, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := rest(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("work goes on when the house shuts: %v", err)
		}
	})
}

// A house too small to learn from is trained once a day, on a replay once in 28 and not
// on the first; what came of it is told.
func TestWhenATrainingIsDue(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		apart retail.Day
		idle  bool
		want  []retail.Day
	}{
		"each night":  {1, false, []retail.Day{today, today + 1, today + 2, today + 30}},
		"on a replay": {28, true, []retail.Day{today + 1, today + 30}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, nil)
			ctx, stop := context.WithCancel(t.Context())
			days := []retail.Day{0, today, today, today + 1, today + 2, today + 30}
			looks := 0
			var got []retail.Day
			h.trainer().Run(ctx, training.Nights{
				Every: time.Millisecond, Apart: tt.apart, Idle: tt.idle, Now: time.Now, Failed: func(err error) { t.Error(err) },
				Kept: func() retail.Day {
					if looks == len(days)-1 {
						stop()
					}
					looks++
					return days[min(looks, len(days))-1]
				},
				Done: func(o training.Outcome) {
					if o.Why != training.TooSmall {
						t.Errorf("outcome %+v", o)
					}
					got = append(got, o.Day+1)
				},
			})
			if len(got) > len(tt.want) || len(got) < len(tt.want)-1 { // the last look ends the run
				t.Errorf("trained for %v, want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("trained for %v, want %v", got, tt.want)
				}
			}
		})
	}
}
