package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"endcap/gate/api/admin"
	"endcap/keep/backup"
	"endcap/keep/backup/dirtarget"
	"endcap/keep/sql/sqlite"
	"endcap/know/privacy"
	"endcap/retail"
)

// pins are the house's books as they were at one instant.
type pins struct {
	book, vault *sqlite.Pinned
	at          time.Time     // on the wall's clock
	still       time.Duration // for how long nothing was stored
}

// pin notes one instant of all stores: history's files and the stream in a folder,
// book and vault pinned. It is what a power cut at that instant would leave, so
// that whatever holds after a kill holds after a restore.
func pin(ctx context.Context, h *owner, stage string) (p pins, err error) {
	h.sealing.Lock()
	defer h.sealing.Unlock()
	if err := h.history.Snapshot(ctx, filepath.Join(stage, "history")); err != nil {
		return p, err
	}
	var begun time.Time
	defer func() { p.still = time.Since(begun) }()
	noted := func() error {
		p.at = wall()
		if h.replay != nil {
			return writeClock(stage, h.now())
		}
		return nil
	}
	p.book, err = h.book.Pin(ctx, func() (err error) {
		begun = time.Now()
		p.vault, err = h.vault.Pin(ctx, func() error {
			return h.stream.Checkpoint(ctx, filepath.Join(stage, "stream"), noted)
		})
		return err
	})
	if err != nil {
		err = errors.Join(err, p.vault.Release())
	}
	return p, err
}

// readRecovery reads the house's half of the recovery key.
func readRecovery(dir string) (*backup.Recovery, error) {
	text, err := os.ReadFile(filepath.Join(dir, recoveryFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, &retail.Error{
			Kind: retail.Invalid, Say: "this house has no recovery key, and without one no backup could be read once the machine is lost",
			Cure: "make one with `endcap key recovery --out FILE` and keep FILE away from this machine",
		}
	} else if err != nil {
		return nil, err
	}
	return backup.ParseRecovery(string(text))
}

// setRecovery sets the house's half of the recovery key, for backups from now on.
func setRecovery(h *owner, in *admin.RecoveryKey) (string, error) {
	fresh, err := backup.ParseRecovery(in.Public)
	if err != nil {
		return "", &retail.Error{Kind: retail.Invalid, Field: "public", Say: err.Error()}
	}
	switch old, err := readRecovery(h.dir); {
	case err == nil && !in.Replace:
		return "", &retail.Error{
			Kind: retail.Conflict, Say: "backups are made for recovery key " + old.Name() + " already",
			Cure: "use --replace to have them made for a new one; the old key opens no target then that is backed up to again",
		}
	case err != nil && retail.KindOf(err) == retail.Internal:
		return "", err
	}
	return fresh.Name(), replaceFile(filepath.Join(h.dir, recoveryFile), []byte(fresh.Text()+"\n"))
}

// lastBackup is the last one this house made, nil for none.
func lastBackup(dir string) (*admin.LastBackup, error) {
	b, err := os.ReadFile(filepath.Join(dir, backupFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	last := new(admin.LastBackup)
	if err == nil {
		err = json.Unmarshal(b, last)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", backupFile, err)
	}
	return last, nil
}

func writeLast(dir string, last *admin.LastBackup) error {
	b, err := json.MarshalIndent(last, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, backupFile), append(b, '\n'))
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// How soon a tombstone reaches the backups, and how soon that is tried again
// where they could not be reached.
const (
	carryEvery = 5 * time.Second
	carryAgain = time.Minute
)

// carryTombstones brings each new tombstone to where the last backup lies, so that
// nobody comes back from a backup older than her forgetting.
func carryTombstones(ctx context.Context, h *owner) {
	tick := time.NewTicker(carryEvery)
	defer tick.Stop()
	var done carriage
	for {
		now, err := carryOnce(ctx, h, done)
		if err == nil {
			done = now
			tick.Reset(carryEvery)
		} else if ctx.Err() == nil {
			failed(h.log, "tombstones")(err)
			tick.Reset(carryAgain)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// carriage is what was brought where.
type carriage struct {
	to     string
	burden privacy.Burden
}

// carryOnce writes the tombstones to where the last backup lies, unless they were
// brought there before.
func carryOnce(ctx context.Context, h *owner, done carriage) (carriage, error) {
	last, err := lastBackup(h.dir)
	if err != nil || last == nil {
		return done, err
	}
	now := carriage{to: last.To}
	if now.burden, err = privacy.BurdenOf(ctx, h.vault); err != nil || now == done {
		return done, err
	}
	target, err := dirtarget.Open(last.To, false, nil)
	if err != nil {
		return done, err
	}
	_, err = carry(ctx, h, target)
	return now, err
}

// carry writes every tombstone to a target and says how many there are.
func carry(ctx context.Context, h *owner, target backup.Target) (int, error) {
	h.carried.Lock()
	defer h.carried.Unlock()
	return privacy.Carry(ctx, h.vault, target)
}
