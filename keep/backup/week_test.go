package backup_test

import (
	"errors"
	"os"
	"path/filepath"
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
	dead := func() backup.Dead {
		t.Helper()
		d, err := backup.DestroyDead(t.Context(), h.vault, h.now)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := dead(); d.Held {
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
		if d := dead(); !d.Held || d.Keys != 0 {
			t.Errorf("under a clock that leapt: %+v", d)
		}
	}
	h.now = thursday.AddDate(0, 0, 1)
	h.write("a", []byte("tomorrow"))
	h.backUp() // the clock was set right
	h.holds(thursday, was)

	h.now = thursday.AddDate(0, 0, 40) // the house was shut, and stays open now
	if d := dead(); !d.Held {
		t.Errorf("the first day after forty: %+v", d)
	}
	h.now = h.now.AddDate(0, 0, 1)
	if d := dead(); d.Held || d.Keys != 1 {
		t.Errorf("the second day after forty: %+v, want the one old key gone", d)
	}
	if s := h.backUp(); s.Dropped != 2 {
		t.Errorf("%d old backups were dropped, want 2", s.Dropped)
	}
	if _, err := restore(t, target, h, thursday); !errors.Is(err, backup.ErrNone) {
		t.Errorf("a backup of a dead week: %v", err)
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
