package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"endcap/keep/backup"
	"endcap/keep/vault"
	"endcap/know/history"
	"endcap/retail"
)

// morningEvery is how often the wall clock is looked at for a new day.
const morningEvery = time.Second

// mornings begins each business day as it comes, and then keeps house for it. On
// a replay clock the days that a move brings are begun by the move itself; this
// loop begins the first, and keeps house after each.
func mornings(ctx context.Context, h *owner) {
	tick := time.NewTicker(morningEvery)
	defer tick.Stop()
	for {
		err := morning(ctx, h)
		if today := begunDay(h); err == nil && int64(today) != h.kept.Load() {
			if err = keepOnce(ctx, h, today); err == nil {
				h.kept.Store(int64(today))
			}
		}
		if err != nil && ctx.Err() == nil {
			failed(h.log, "morning")(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func begunDay(h *owner) retail.Day {
	h.day.Lock()
	defer h.day.Unlock()
	return h.begun
}

// morning does, once per business day, what must be done before its first
// visit: it says in the stream that the day begins, and any before it that nobody
// was there to begin, lets consents lapse that became too old, and opens and
// closes flights.
func morning(ctx context.Context, h *owner) error {
	h.day.Lock()
	defer h.day.Unlock()
	today := retail.DayOf(h.now(), h.zone)
	if today == h.begun {
		return nil
	}
	if err := limitHistory(ctx, h.stores); err != nil {
		return err
	}
	if _, err := h.turner.TurnTo(ctx, today); err != nil {
		return err
	}
	if _, err := h.desk.Lapse(ctx); err != nil {
		return err
	}
	if err := h.campaigns.Tick(ctx); err != nil {
		return err
	}
	h.begun = today
	if h.replay != nil {
		return writeClock(h.dir, h.now())
	}
	return nil
}

// keepOnce keeps house for a business day, unless this version did before the
// last restart: visits would share the machine with work that finds nothing to do.
func keepOnce(ctx context.Context, h *owner, today retail.Day) error {
	name, done := filepath.Join(h.dir, keptFile), today.String()+" "+version
	if b, err := os.ReadFile(name); err == nil && string(b) == done { // what cannot be read is done again
		h.log.Info("house was kept before the restart", slog.String("day", today.String()))
		return nil
	}
	if err := keepHouse(ctx, h, today); err != nil || !h.shop {
		return err // a house that serves nobody leaves the counting of popularity to one that does
	}
	return replaceFile(name, []byte(done))
}

// keepAgain has house kept anew at the next start, after a load that may have
// brought in days that are past.
func keepAgain(dir string) error {
	if err := os.Remove(filepath.Join(dir, keptFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("note that house must be kept again: %w", err)
	}
	return nil
}

// keepHouse does once per business day what no visit waits for: it seals what
// is past, counts popularity anew where it is asked for, and lets old refusals go.
func keepHouse(ctx context.Context, h *owner, today retail.Day) error {
	if err := h.progress.CaughtUp(ctx, h.whole, history.FollowerName); err != nil {
		return err
	}
	if err := retain(ctx, h); err != nil {
		return err
	}
	// Before days are sealed, so that they are sealed without the forgotten.
	if err := sweepForgotten(ctx, h); err != nil {
		return err
	}
	if err := seal(ctx, h, today); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if h.shop {
		if err := trainModel(ctx, h.stores, h.wings, today); err != nil {
			return err
		}
		nightlyBatches(ctx, h)
	}
	return letGo(ctx, h)
}

// letGo destroys what is too old: keys of backups, rows of quarantine, secrets
// that were rotated. None of it comes back, so a clock that leapt does nothing.
func letGo(ctx context.Context, h *owner) error {
	dead, err := backup.DestroyDead(ctx, h.vault, wall())
	if err != nil {
		return err
	}
	if dead.Held {
		h.log.Warn("keys of old backups and refused rows are kept for another day: the clock leapt, or the house was shut; if the clock is wrong, set it right within a day")
		return nil
	}
	if _, err := h.vault.Expire(ctx, h.now().AddDate(0, 0, -vault.RefusedDays)); err != nil {
		return fmt.Errorf("expire quarantine: %w", err)
	}
	if _, err := h.secrets.Retire(ctx); err != nil {
		return fmt.Errorf("retire secrets: %w", err)
	}
	return nil
}

// seal lets history take over the days that are past. No backup notes history
// before and the stream after it.
func seal(ctx context.Context, h *owner, today retail.Day) error {
	h.sealing.Lock()
	defer h.sealing.Unlock()
	_, err := history.SealThrough(ctx, h.history, h.stream, history.PassedBy(h.followers, h.shelf.Sync), today)
	return err
}
