package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"endcap/gate/api/admin"
	"endcap/gate/cli"
	"endcap/keep/backup"
	"endcap/keep/backup/dirtarget"
	"endcap/retail"
)

type backupCmd struct {
	cli.DirFlags
	To   string `help:"The directory of backups, on another disk or machine." required:"" type:"path"`
	JSON bool   `name:"json" help:"Print the summary as JSON."`
}

// Help shows an example.
func (*backupCmd) Help() string { return "endcap backup --dir /srv/endcap --to /mnt/backups/endcap" }

// Run has the owner make a backup and shows how it goes.
func (c *backupCmd) Run(ctx context.Context, m *Main) error {
	return m.session().WithOwner(ctx, c.Dir, func(o *cli.Client) error {
		body, err := o.Call(ctx, http.MethodPost, "/v1/backups", admin.BackUp{To: c.To})
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		summary, err := followBackup(body, percent(m, "backup"))
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(m.Stdout).Encode(summary)
		}
		_, err = fmt.Fprintf(m.Stdout, "backed up %s as of %s: %d files, %.1f MB, of them %.1f MB new; %.1f MB written in %.1f s, nothing stored for %.0f ms; readable until %s\n",
			c.Dir, summary.At.Format(time.RFC3339Nano), summary.Files, megabytes(summary.Bytes), megabytes(summary.NewBytes), megabytes(summary.Written),
			summary.Seconds, 1_000*summary.StillSeconds, summary.ReadableUntil.Format(time.RFC3339))
		return err
	})
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

// percent tells on a terminal how far something has come.
func percent(m *Main, what string) func(done, total int64) {
	if !cli.Terminal(m.Stderr) {
		return func(int64, int64) {}
	}
	return func(done, total int64) {
		fmt.Fprintf(m.Stderr, "\r%s %3d %% of %.1f MB", what, 100*done/max(total, 1), megabytes(total))
		if done == total {
			fmt.Fprintln(m.Stderr)
		}
	}
}

// followBackup reads a backup's answer to its end.
func followBackup(body io.Reader, tell func(done, total int64)) (*admin.BackupSummary, error) {
	scan := bufio.NewScanner(body)
	for scan.Scan() {
		var line admin.BackedUp
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		switch {
		case line.Problem != "":
			return nil, errors.New(line.Problem)
		case line.Finished:
			return line.Summary, nil
		default:
			tell(line.Done, line.Total)
		}
	}
	return nil, errors.Join(errors.New("the server broke off, and there is no backup; run the same command again"), scan.Err())
}

// backUp makes a backup of the house while it goes on. Another may be asked for as
// soon as it tells that it has finished.
func backUp(ctx context.Context, h *owner, in *admin.BackUp, tell func(admin.BackedUp)) error {
	recovery, err := readRecovery(h.dir)
	if err != nil {
		return err
	}
	if err := checkTarget(h.dir, in.To); err != nil {
		return err
	}
	if !h.backup.TryLock() {
		return &retail.Error{Kind: retail.Conflict, Say: "a backup of this house is under way", Cure: "wait for it, or stop it with Ctrl-C where it was begun"}
	}
	sum, err := backUpAlone(ctx, h, recovery, in.To, tell)
	h.backup.Unlock()
	if err != nil {
		return cureBackup(err, in.To)
	}
	tell(admin.BackedUp{Finished: true, Summary: sum})
	return nil
}

// backUpAlone is backUp for who holds its lock.
func backUpAlone(ctx context.Context, h *owner, recovery *backup.Recovery, to string, tell func(admin.BackedUp)) (*admin.BackupSummary, error) {
	begun := time.Now()
	target, err := dirtarget.Open(to, true, nil)
	if err != nil {
		return nil, err
	}
	stage := filepath.Join(h.dir, snapshotDir)
	defer func() { _ = os.RemoveAll(stage) }() // else the next start does
	s, still, err := capture(ctx, h, stage)
	if err != nil {
		return nil, fmt.Errorf("note what the house is: %w", err)
	}
	house := backup.House{
		Target: target, Secrets: h.vault, Recovery: recovery, Now: wall,
		Carry: func(ctx context.Context) (int, error) { return carry(ctx, h, target) },
	}
	done, err := house.Write(ctx, s, backup.Seldom(wall, func(p backup.Progress) { tell(admin.BackedUp{Done: p.Done, Total: p.Total}) }))
	if err != nil {
		return nil, err
	}
	sum := &admin.BackupSummary{
		At: done.At, ReadableUntil: done.Readable, Files: done.Files, Bytes: done.Bytes, NewBytes: done.NewBytes, Written: done.Written,
		Dropped: done.Dropped, Tombstones: done.Marks, Seconds: time.Since(begun).Seconds(), StillSeconds: still.Seconds(),
	}
	return sum, writeLast(h.dir, &admin.LastBackup{At: done.At, ReadableUntil: done.Readable, To: to})
}

// cureBackup says what to do about what an operator can mend.
func cureBackup(err error, to string) error {
	switch {
	case errors.Is(err, backup.ErrBusy):
		return fmt.Errorf("%w: wait for it, or choose another directory than %s", err, to)
	case errors.Is(err, backup.ErrForeign):
		return fmt.Errorf("%w: back up to another directory than %s", err, to)
	case isFull(err):
		return fmt.Errorf("%w: no room; make some in %s and run it again (what this run wrote is taken away again)", err, to)
	}
	return err
}

// checkTarget refuses a directory that lies in the house, or holds it.
func checkTarget(dir, to string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for _, pair := range [][2]string{{dir, to}, {to, dir}} {
		if within, err := filepath.Rel(pair[0], pair[1]); !filepath.IsAbs(to) || err == nil && filepath.IsLocal(within) {
			return &retail.Error{Kind: retail.Invalid, Field: "to", Say: "a backup that lies with the data directory is lost with it", Cure: "name the absolute path of a directory elsewhere, best on another machine"}
		}
	}
	return checkEmpty(to)
}

// checkEmpty refuses a directory where something lies and no backup: files of
// others would be mixed with thousands of ours.
func checkEmpty(to string) error {
	found, err := os.ReadDir(to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &retail.Error{Kind: retail.Invalid, Field: "to", Say: fmt.Sprintf("%s cannot be read: %v", to, err), Cure: "name a directory that this program may write to"}
	}
	strange := ""
	for _, f := range found {
		if backup.Owns(f.Name()) {
			return nil
		}
		if !strings.HasPrefix(f.Name(), ".") && f.Name() != "lost+found" { // which file systems bring along
			strange = f.Name()
		}
	}
	if strange == "" {
		return nil
	}
	return &retail.Error{Kind: retail.Invalid, Field: "to", Say: fmt.Sprintf("%s holds other things, such as %.64q, and no backup", to, strange), Cure: "name a directory that is empty, or is not there yet"}
}

// capture notes in a folder what the house is at one instant: no store takes
// anything in while the stream is noted, and book and vault are pinned. It says
// for how long they stood still.
func capture(ctx context.Context, h *owner, stage string) (s backup.Snapshot, still time.Duration, err error) {
	if err := errors.Join(os.RemoveAll(stage), os.MkdirAll(stage, 0o700), backup.Prepare(ctx, h.vault)); err != nil {
		return s, 0, err
	}
	pins, err := pin(ctx, h, stage)
	if err != nil {
		return s, 0, err
	}
	defer func() { err = errors.Join(err, pins.book.Release(), pins.vault.Release()) }()
	if err := pins.book.Copy(ctx, filepath.Join(stage, "book.db"), ""); err != nil {
		return s, 0, err
	}
	if err := pins.vault.Copy(ctx, filepath.Join(stage, "vault.db"), backup.WeekSecrets); err != nil {
		return s, 0, err
	}
	s = backup.Snapshot{At: pins.at, Program: version}
	if err := captureRest(h, stage); err != nil {
		return s, 0, err
	}
	s.Files, err = backup.Sources(stage)
	return s, pins.still, err
}

// captureRest copies what no store keeps: settings, the consent policy, mappings,
// the recovery key.
func captureRest(h *owner, stage string) error {
	names := []string{settingsFile, recoveryFile}
	if _, err := os.Stat(filepath.Join(h.dir, policyFile)); err == nil {
		names = append(names, policyFile)
	}
	mappings, err := filepath.Glob(filepath.Join(h.dir, "mappings", "*.json"))
	if err != nil {
		return err
	}
	for _, m := range mappings {
		names = append(names, filepath.Join("mappings", filepath.Base(m)))
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(h.dir, name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(stage, name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(stage, name), b, 0o600) //nolint:gosec // the names are of the house itself
		}
		if err != nil {
			return err
		}
	}
	return nil
}
