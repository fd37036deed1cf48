package backup_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"endcap/keep/backup"
	"endcap/keep/backup/dirtarget"
)

func TestNothingOutlivesTheKeyOfItsWeek(t *testing.T) {
	t.Parallel()
	target, dir := directory(t)
	h := newHouse(t, target)
	h.write("of one week", noise(5, 20*grain))
	h.write("of all weeks", noise(6, 20*grain))
	h.backUp()
	old := contents(t, dir)
	for range 4 {
		h.now = h.now.AddDate(0, 0, 7)
		h.write("of one week", []byte("gone"))
		if s := h.backUp(); h.now.Before(backup.Dies(thursday)) != (s.Dropped == 0) {
			t.Errorf("at %v %d backups were dropped", h.now, s.Dropped)
		}
	}
	h.holds(time.Time{}, contents(t, h.dir))
	now := contents(t, dir)
	dead := 0
	for name := range old {
		if _, ok := now[name]; !ok {
			dead++
		}
	}
	if dead != 21 { // one manifest and its twenty chunks
		t.Errorf("%d objects of the first week are gone, want 21", dead)
	}
	// Somebody kept a copy of the target, but its keys were replaced.
	copied := t.TempDir()
	for name, text := range old {
		if name != "keys" {
			now[name] = text
		}
	}
	for name, text := range now {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(copied, name)), 0o700), os.WriteFile(filepath.Join(copied, name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := dirtarget.Open(copied, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t, kept, h, thursday); !errors.Is(err, backup.ErrNone) {
		t.Errorf("a backup of a dead week: %v", err)
	}
	lied := *h
	lied.now = thursday // even where the clock is set back
	if _, err := restore(t, kept, &lied, thursday); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("a backup of a dead week, with the clock set back: %v", err)
	}
	week := backup.WeekSecrets + string(backup.WeekOf(thursday))
	if _, err := h.vault.Secret(t.Context(), week, func() ([]byte, error) { return nil, errors.ErrUnsupported }); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("the vault still holds the key of a dead week: %v", err)
	}
}

func TestAClockThatLeapsAheadCostsNoBackup(t *testing.T) {
	t.Parallel()
	target, _ := directory(t)
	h := newHouse(t, target)
	if d := h.asked(); d.Held {
		t.Error("a new house's first day is called a leap")
	}
	h.write("a", noise(8, 20*grain))
	h.backUp()
	was := contents(t, h.dir)
	h.now = thursday.AddDate(5, 0, 0)
	h.write("a", []byte("under a wrong clock"))
	if s := h.backUp(); s.Dropped != 0 {
		t.Errorf("under a clock that leapt, %d backups were dropped", s.Dropped)
	}
	for range 3 {
		if d := h.asked(); !d.Held || d.Keys != 0 {
			t.Errorf("under a clock that leapt: %+v", d)
		}
	}
	h.now = thursday.AddDate(0, 0, 1)
	h.write("a", []byte("tomorrow"))
	h.backUp() // the clock was set right
	h.holds(thursday, was)
	h.holds(time.Time{}, contents(t, h.dir))

	h.now = thursday.AddDate(0, 0, 40) // the house was shut, and stays open now
	if d := h.asked(); !d.Held {
		t.Errorf("the first day after forty: %+v", d)
	}
	h.now = h.now.AddDate(0, 0, 1)
	if d := h.asked(); d.Held || d.Keys != 1 {
		t.Errorf("the second day after forty: %+v, want the one old key gone", d)
	}
	if s := h.backUp(); s.Dropped != 2 {
		t.Errorf("%d old backups were dropped, want 2", s.Dropped)
	}
	if _, err := restore(t, target, h, thursday); !errors.Is(err, backup.ErrNone) {
		t.Errorf("a backup of a dead week: %v", err)
	}
}

// asked has the house's keys of weeks that are over destroyed.
func (h *house) asked() backup.Dead {
	h.t.Helper()
	d, err := backup.DestroyDead(h.t.Context(), h.vault, h.now)
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

func TestAClockThatLeapsAgainIsNotBelievedEither(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		first, second time.Time // wrong
	}{
		{"to the same day", thursday.AddDate(5, 0, 0), thursday.AddDate(5, 0, 0).Add(5 * time.Hour)},
		{"to the day after", thursday.AddDate(5, 0, 0), thursday.AddDate(5, 0, 1)},
		{"to a week later", thursday.AddDate(5, 0, 0), thursday.AddDate(5, 0, 7)},
		{"back, then ahead", thursday.AddDate(-5, 0, 0), thursday.AddDate(5, 0, 0)},
		{"back, and back again", thursday.AddDate(-5, 0, 0), thursday.AddDate(-5, 0, 1)},
	} {
		for _, settled := range []int{0, 3} { // days before the first leap
			t.Run(fmt.Sprintf("%s, after %d days", c.name, settled), func(t *testing.T) {
				t.Parallel()
				target, _ := directory(t)
				h := newHouse(t, target)
				h.write("a", noise(9, 20*grain))
				h.backUp()
				was := contents(t, h.dir)
				for range settled {
					h.now = h.now.AddDate(0, 0, 1)
					h.asked()
				}
				right := h.now
				for i, wrong := range []time.Time{c.first, c.second} {
					h.now = wrong
					if d := h.asked(); !d.Held || d.Keys != 0 {
						t.Errorf("leap %d to %v: %+v", i+1, wrong, d)
					}
					h.now = right.Add(time.Duration(i+1) * time.Hour) // set right
					if d := h.asked(); d.Held || d.Keys != 0 {
						t.Errorf("after leap %d: %+v", i+1, d)
					}
				}
				h.write("b", []byte("since"))
				h.backUp()
				h.holds(thursday, was)
				h.holds(time.Time{}, contents(t, h.dir))
			})
		}
	}
}

func TestALeapIsNotBelievedBeforeItIsADayOld(t *testing.T) {
	t.Parallel()
	target, _ := directory(t)
	h := newHouse(t, target)
	h.write("a", noise(10, 3*grain))
	h.backUp()
	leapt := time.Date(2031, 11, 19, 23, 59, 0, 0, time.UTC)
	for _, after := range []time.Duration{0, 2 * time.Minute, time.Hour, 24*time.Hour - time.Second} {
		h.now = leapt.Add(after)
		if d := h.asked(); !d.Held || d.Keys != 0 {
			t.Errorf("%v after the leap: %+v", after, d)
		}
	}
	h.now = leapt.Add(24 * time.Hour)
	if d := h.asked(); d.Held || d.Keys != 1 {
		t.Errorf("a day after the leap: %+v, want the one old key gone", d)
	}
}

func TestANewHouseIsNotWarnedOfItsFirstDays(t *testing.T) {
	t.Parallel()
	target, _ := directory(t)
	h := newHouse(t, target)
	for range 30 { // a morning may come a little sooner than the last
		for range 3 {
			if d := h.asked(); d != (backup.Dead{}) {
				t.Fatalf("at %v: %+v", h.now, d)
			}
			h.now = h.now.Add(time.Hour)
		}
		h.now = h.now.AddDate(0, 0, 1).Add(-3*time.Hour - time.Second)
	}
}

func TestAMachineLostUnderAWrongClockCanBeRestored(t *testing.T) {
	t.Parallel()
	for _, years := range []int{5, -5} {
		t.Run(fmt.Sprintf("%+d years", years), func(t *testing.T) {
			t.Parallel()
			target, _ := directory(t)
			h := newHouse(t, target)
			h.write("a", noise(11, 20*grain))
			h.backUp()
			was := contents(t, h.dir)
			leapt := thursday.AddDate(years, 0, 0)
			for hour := range 3 {
				h.now = leapt.Add(time.Duration(hour) * time.Hour)
				h.write("a", append(noise(11, 20*grain), byte(hour)))
				if s := h.backUp(); s.NewBytes > grain {
					t.Errorf("a backup under a wrong clock wrote %d bytes anew", s.NewBytes)
				}
			}
			h.now = thursday.Add(4 * time.Hour) // on another machine, whose clock is right
			h.holds(time.Time{}, was)
			h.holds(thursday, was)
			if years > 0 {
				h.holds(h.now.AddDate(years, 0, 0), contents(t, h.dir))
			}
			h.write("a", []byte("under a right clock again"))
			h.backUp()
			h.holds(thursday, was)
			h.holds(time.Time{}, contents(t, h.dir))
		})
	}
}

func TestABackupOfALaterInstantIsTakenOnlyWhenNamed(t *testing.T) {
	t.Parallel()
	target, _ := directory(t)
	h := newHouse(t, target)
	var were []map[string]string
	for day, content := range []string{"thursday", "friday", "saturday"} {
		h.now = thursday.AddDate(0, 0, day)
		h.write("a", []byte(content))
		h.backUp()
		were = append(were, contents(t, h.dir))
	}
	for _, c := range []struct {
		now, at     time.Time
		want, ahead int // want counts from thursday
	}{
		{thursday.AddDate(0, 0, 2), time.Time{}, 2, 0},
		{thursday.AddDate(0, 0, 2).Add(-time.Second), time.Time{}, 1, 1},
		{thursday, time.Time{}, 0, 2},
		{thursday, thursday.AddDate(0, 0, 1), 1, 1},
		{thursday, thursday.AddDate(1, 0, 0), 2, 0},
		{thursday.AddDate(0, 0, 2), thursday, 0, 0},
	} {
		h.now = c.now
		h.holds(c.at, were[c.want])
		b, err := backup.Open(t.Context(), target, h.key, backup.Asked{At: c.at, Now: c.now})
		if err != nil || b.Ahead() != c.ahead {
			t.Errorf("at %v, asked for %v: %d were passed over (%v), want %d", c.now, c.at, b.Ahead(), err, c.ahead)
		}
		all, err := backup.List(t.Context(), target, c.now)
		if err != nil || len(all) != 3 {
			t.Fatalf("%v (%v)", all, err)
		}
		for _, l := range all {
			if l.Ahead != l.At.After(c.now) {
				t.Errorf("at %v the list says %+v", c.now, l)
			}
		}
	}
	h.now = thursday.Add(-time.Hour)
	if _, err := restore(t, target, h, time.Time{}); !errors.Is(err, backup.ErrNone) || !strings.Contains(err.Error(), "set the clock right") {
		t.Errorf("a restore whose clock stands before every backup: %v", err)
	}
}

func TestAHouseThatWasShutIsBackedUpOnItsFirstDay(t *testing.T) {
	t.Parallel()
	target, _ := directory(t)
	h := newHouse(t, target)
	h.write("a", noise(12, 20*grain))
	h.backUp()
	h.now = thursday.AddDate(0, 0, 40)
	h.backUp()
	h.holds(time.Time{}, contents(t, h.dir))
	if _, err := restore(t, target, h, thursday); !errors.Is(err, backup.ErrNone) {
		t.Errorf("a backup of a dead week, whose key is kept for another day: %v", err)
	}
	h.now = h.now.AddDate(0, 0, 1)
	h.backUp()
	lied := *h
	lied.now = thursday
	if _, err := restore(t, target, &lied, thursday); err == nil {
		t.Error("a dead week's key came back")
	}
	keys, err := target.Get(t.Context(), "keys", 1<<20)
	if err != nil || strings.Contains(string(keys), string(backup.WeekOf(thursday))) {
		t.Errorf("the target still has the key of a dead week (%v)", err)
	}
}

func TestAWeekDiesThirtyDaysAfterItsMonday(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ at, week, dies string }{
		{"2026-11-16T00:00:00Z", "2026-W47", "2026-12-16T00:00:00Z"},
		{"2026-11-22T23:59:59Z", "2026-W47", "2026-12-16T00:00:00Z"},
		{"2026-11-23T00:30:00+01:00", "2026-W47", "2026-12-16T00:00:00Z"},
		{"2027-01-03T12:00:00Z", "2026-W53", "2027-01-27T00:00:00Z"},
		{"2024-12-30T12:00:00Z", "2025-W01", "2025-01-29T00:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := backup.WeekOf(at); string(got) != c.week {
			t.Errorf("the week of %s is %s, want %s", c.at, got, c.week)
		}
		if got := backup.Dies(at).Format(time.RFC3339); got != c.dies {
			t.Errorf("the key of %s dies %s, want %s", c.at, got, c.dies)
		}
	}
}
