package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/gate/cli"
	"endcap/keep/backup"
	"endcap/keep/backup/dirtarget"
	"endcap/know/ingest"
	"endcap/know/privacy"
)

type restoreCmd struct {
	cli.DirFlags
	From string    `help:"The directory of backups." required:"" type:"path"`
	Key  string    `name:"recovery-key" help:"The file that endcap key recovery wrote." type:"path"`
	At   time.Time `help:"Restore the newest backup that is not younger; the newest until now by default." format:"2006-01-02T15:04:05Z07:00"`
	List bool      `help:"Only list the backups that can still be read."`
	JSON bool      `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*restoreCmd) Help() string {
	return "endcap restore --from /mnt/backups/endcap --recovery-key endcap.recovery --dir /srv/endcap-restored --at 2026-11-22T09:00:00Z"
}

// restored is what a restore did. Its seconds add up to the time without a house.
type restored struct {
	At        time.Time `json:"at"`
	Program   string    `json:"written_by"`
	Bytes     int64     `json:"bytes"`
	Forgotten int       `json:"forgotten_again"`
	Fetched   float64   `json:"fetch_seconds"`
	Folded    float64   `json:"fold_seconds"`
	Proved    float64   `json:"proof_seconds"`
}

// Run makes a data directory from a backup. It appears under its name only when
// it is whole and proved.
func (c *restoreCmd) Run(ctx context.Context, m *Main) error {
	target, err := dirtarget.Open(c.From, false, nil)
	if err != nil {
		return cli.Misused(err)
	}
	if c.List {
		return c.list(ctx, m, target)
	}
	if err := checkVacant(c.Dir); err != nil {
		return err
	}
	if c.Key == "" {
		return cli.Misused(errors.New("--recovery-key names the file that endcap key recovery wrote; without it no backup can be read"))
	}
	key, err := backup.ReadRecoveryKey(c.Key)
	if err != nil {
		return cli.Misused(err)
	}
	b, err := backup.Open(ctx, target, key, backup.Asked{At: c.At, Now: wall()})
	if err != nil {
		return cureRestore(err)
	}
	if n := b.Ahead(); n > 0 && c.At.IsZero() {
		fmt.Fprintf(m.Stderr, "%d newer backups are later than this machine's clock and were passed over; if that clock is slow, set it right and restore again\n", n)
	}
	done, err := restore(ctx, m, b, c)
	if err != nil {
		return cureRestore(err)
	}
	if c.JSON {
		return json.NewEncoder(m.Stdout).Encode(done)
	}
	_, err = fmt.Fprintf(m.Stdout, "restored %s as of %s: %.1f MB fetched in %.1f s, folded in %.1f s, proved in %.1f s; %d forgotten again\n",
		c.Dir, done.At.Format(time.RFC3339Nano), megabytes(done.Bytes), done.Fetched, done.Folded, done.Proved, done.Forgotten)
	return err
}

// list prints the backups that can still be read.
func (c *restoreCmd) list(ctx context.Context, m *Main, t backup.Target) error {
	all, err := backup.List(ctx, t, wall())
	if err != nil {
		return err
	}
	for _, l := range all {
		if c.JSON {
			err = errors.Join(err, json.NewEncoder(m.Stdout).Encode(l))
		} else {
			said := ""
			if l.Ahead {
				said = "  (later than now: a clock was wrong; only --at takes it)"
			}
			_, printed := fmt.Fprintf(m.Stdout, "%s  readable until %s%s\n", l.At.Format(time.RFC3339Nano), l.Readable.Format(time.RFC3339), said)
			err = errors.Join(err, printed)
		}
	}
	return err
}

// checkVacant refuses to restore over anything.
func checkVacant(dir string) error {
	found, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return cli.Misused(err)
	case len(found) > 0:
		return cli.Misused(fmt.Errorf("%s is not empty: a restore never overwrites; restore into a new directory, look at it, and then let the two change places", dir))
	}
	return nil
}

// cureRestore says what to do about what an operator can mend.
func cureRestore(err error) error {
	switch {
	case errors.Is(err, backup.ErrDamaged):
		return fmt.Errorf("%w; another backup may be whole: endcap restore --list, then --at", err)
	case errors.Is(err, backup.ErrKey):
		return cli.Misused(fmt.Errorf("%w; find the key of that name", err))
	case errors.Is(err, backup.ErrNone):
		return cli.Misused(err)
	case isFull(err), errors.Is(err, backup.ErrRoom):
		return fmt.Errorf("%w; make room and run it again", err)
	}
	return err
}

// restore fills a folder beside the directory, has the house fold and prove itself
// there, and gives it its name. Killed anywhere, it can be run again.
func restore(ctx context.Context, m *Main, b *backup.Backup, c *restoreCmd) (done restored, err error) {
	stage := c.Dir + ".restoring"
	lock, err := takeStage(stage)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, ignoreClosed(lock.Close())) }()
	done = restored{At: b.At(), Program: b.Program(), Bytes: b.Bytes()}
	begun := time.Now()
	disk, err := vfs.Default.GetDiskUsage(stage)
	if err == nil {
		err = b.CheckRoom(disk.AvailBytes)
	}
	if err != nil {
		return done, err
	}
	bar := percent(m, "restore")
	if err := b.Extract(ctx, stage, backup.Seldom(wall, func(p backup.Progress) { bar(p.Done, p.Total) })); err != nil {
		return done, err
	}
	done.Fetched = time.Since(begun).Seconds()
	fmt.Fprintf(m.Stderr, "fetched %.1f MB; folding what is derived from them\n", megabytes(done.Bytes))
	if err := revive(ctx, m, revival{stage, lock, b}, &done); err != nil {
		return done, err
	}
	return done, unveil(stage, c.Dir)
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// revival is a house that lies in a folder and is not proved yet.
type revival struct {
	stage string
	lock  *os.File
	from  *backup.Backup
}

// revive opens a restored house, forgets who was forgotten since, folds what is
// derived and proves all of it.
func revive(ctx context.Context, m *Main, r revival, done *restored) (err error) {
	s, err := openStores(ctx, r.stage, ownerOptions{Log: newLog(m.Stderr, slog.LevelWarn), Lock: r.lock})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStores(s)) }()
	begun := time.Now()
	if done.Forgotten, err = forgetAgain(ctx, s, r.from); err != nil {
		return fmt.Errorf("forget who was forgotten since: %w", err)
	}
	if err := r.from.Adopt(ctx, s.vault); err != nil {
		return err
	}
	if err := settle(ctx, s); err != nil {
		return err
	}
	done.Folded = time.Since(begun).Seconds()
	fmt.Fprintln(m.Stderr, "folded; proving")
	begun = time.Now()
	quiet := &Main{Stdin: m.Stdin, Stdout: m.Stderr, Stderr: m.Stderr}
	err = prove(ctx, quiet, s, false)
	done.Proved = time.Since(begun).Seconds()
	return err
}

// forgetAgain applies the tombstones that lie beside the backups, before anything
// is folded: whoever was forgotten after the backup is forgotten here too.
func forgetAgain(ctx context.Context, s *stores, b *backup.Backup) (int, error) {
	risen, err := privacy.Recall(ctx, s.vault, b, s.now)
	if err != nil || len(risen) == 0 {
		return 0, err
	}
	w, err := openWings(ctx, s)
	if err != nil {
		return 0, err
	}
	for _, who := range risen {
		if err := w.desk.Forget(ctx, who, ingest.From{Door: "restore"}); err != nil {
			return 0, err
		}
	}
	return len(risen), nil
}

// takeStage makes or empties the folder that a restore fills, and holds its lock.
// It empties only what a restore has begun.
func takeStage(stage string) (*os.File, error) {
	found, err := os.ReadDir(stage)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(stage, restoringOf)); err != nil && len(found) > 0 {
		return nil, cli.Misused(fmt.Errorf("%s is in the way and was not begun by a restore: take it away", stage))
	}
	if err := os.MkdirAll(stage, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockDir(stage)
	if err != nil {
		return nil, err
	}
	err = os.WriteFile(filepath.Join(stage, restoringOf), []byte("A restore has begun here. It may be taken away.\n"), 0o600)
	for _, f := range found {
		if f.Name() != lockFile && f.Name() != restoringOf {
			err = errors.Join(err, os.RemoveAll(filepath.Join(stage, f.Name())))
		}
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// unveil gives a proved house its name, in one step.
func unveil(stage, dir string) error {
	if err := os.Remove(filepath.Join(stage, restoringOf)); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // it is empty, or it stays
		return err
	}
	if err := os.Rename(stage, dir); err != nil {
		return err
	}
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}
