package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"endcap/gate/cli"
	"endcap/keep/profile"
	"endcap/know/audience"
	"endcap/know/history"
	"endcap/know/identity"
	"endcap/know/ingest"
	"endcap/know/privacy"
	"endcap/know/recommend"
	"endcap/know/recommend/training"
	"endcap/know/secret"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/shopper"
)

// backupDays is how long a backup can be read: its key is destroyed then.
const backupDays = 30

// officeDoor is what facts say of where they came from.
const officeDoor = "privacy"

func openOffice(ctx context.Context, s *stores, w *wings) (err error) {
	terms := retentionOf(&s.set)
	w.office, err = privacy.New(ctx, privacy.Ports{
		Vault: s.vault, People: w.people, History: s.history, Profiles: s.shelf, Models: w.next, Batches: w.batches, Clock: s.now, Chance: rand.Reader,
		Acts: privacy.Acts{
			Forget: func(ctx context.Context, who ...shopper.ID) error {
				return w.desk.ForgetAll(ctx, who, ingest.From{Door: officeDoor})
			},
			Object: func(ctx context.Context, who shopper.ID, at time.Time) error { return object(ctx, s, w, who, at) },
		},
	}, privacy.Config{
		Retailer: s.set.Name, Alone: &s.sealing, StreamDays: history.KeepDays, BackupDays: backupDays, Zone: s.zone,
		Rules: terms, Retention: terms.Kept(history.KeepDays, backupDays),
		Derived: func(ctx context.Context, who shopper.ID) (privacy.Derived, error) { return derived(ctx, s, w, who) },
	})
	if err != nil {
		return fmt.Errorf("open the privacy office: %w", err)
	}
	return nil
}

// object records that a shopper allows nothing, as if she had said so herself.
func object(ctx context.Context, s *stores, w *wings, who shopper.ID, at time.Time) error {
	keys, err := s.vault.Keys(ctx, who)
	if err != nil || len(keys) == 0 {
		return err
	}
	res, err := w.desk.Consents(ctx, []ingest.Consent{{Keys: keys[:1], Allowed: consent.None, Wording: "objection", At: at}}, ingest.From{Door: officeDoor, Name: officeDoor})
	if err == nil {
		err = res.Taken()
	}
	return err
}

// derived is what was worked out of a shopper, from her profile.
func derived(ctx context.Context, s *stores, w *wings, who shopper.ID) (privacy.Derived, error) {
	d := privacy.Derived{Audiences: []privacy.Membership{}, Habits: []privacy.Habit{}}
	p, err := w.profiles.Get(ctx, who)
	if err != nil {
		return d, err
	}
	for _, id := range w.audiences.Members(p[audience.Section], retail.DayOf(s.now(), s.zone)) {
		of, _ := w.audiences.Definition(id)
		d.Audiences = append(d.Audiences, privacy.Membership{Audience: of.Name, Sentence: of.Sentence.String()})
	}
	recommend.Habits(p[recommend.Section], func(product uint64, receipts int, last retail.Day) {
		d.Habits = append(d.Habits, privacy.Habit{Hash: product, Receipts: receipts, Last: last})
	})
	return d, nil
}

// lapsed says of a profile whether its shopper was inactive too long, on the day
// that it is, whether or not a job has come to her.
func lapsed(s *stores) func(profile.Profile) bool {
	terms := retentionOf(&s.set)
	return func(p profile.Profile) bool {
		return terms.Inactive(s.now(), s.zone, audience.LastBought(p[audience.Section]), identity.SpokeIn(p[identity.Section]))
	}
}

// limitHistory has every question keep to the terms of the day.
func limitHistory(ctx context.Context, s *stores) error {
	terms := retentionOf(&s.set)
	return s.history.Limit(ctx, terms.Limits(s.now(), s.zone))
}

// retain lets go what is too old, and says where somebody must look.
func retain(ctx context.Context, h *owner) error {
	run, err := h.office.Retain(ctx, privacy.Manner{})
	if err != nil {
		return fmt.Errorf("let go what is too old: %w", err)
	}
	h.log.Info("let go what is too old", slog.Int("reviewed", run.Reviewed), slog.Int("inactive", run.Found), slog.Int("forgotten", run.Lapsed),
		slog.Int("advert_files", run.Files), slog.Int("requests", run.Requests))
	if run.Held != "" {
		h.log.Warn("retention waits to be confirmed", slog.String("why", run.Held))
	}
	return nil
}

// sweepForgotten takes the forgotten out of files, and tells of requests that
// wait too long.
func sweepForgotten(ctx context.Context, h *owner) error {
	start := time.Now()
	done, err := h.office.Sweep(ctx)
	if err != nil {
		return fmt.Errorf("sweep for the forgotten: %w", err)
	}
	h.log.Info("swept for the forgotten", slog.Int("shoppers", done.History), slog.Int("sealed_files", done.SealedFiles), slog.Int("profiles", done.Profiles), slog.Int("models", done.Models),
		slog.Int("quarantine", done.Quarantine), slog.Int("certified", done.Certified), slog.Int64("ms", time.Since(start).Milliseconds()))
	waiting, err := h.office.Waiting(ctx)
	if err != nil {
		return err
	}
	notices, err := h.office.NoticesWaiting(ctx)
	if err != nil {
		return err
	}
	if late := notices[privacy.Day20] + notices[privacy.Overdue]; late > 0 {
		h.log.Warn("recipients wait too long to be told", slog.Int("notices", late))
	}
	if late := waiting[privacy.Day20] + waiting[privacy.Overdue]; late > 0 {
		h.log.Warn("requests by right of the law wait too long", slog.Int("day_20", waiting[privacy.Day20]), slog.Int("overdue", waiting[privacy.Overdue]))
	}
	return nil
}

// applyTombstones takes the forgotten out of history's rows, of profiles and of models.
func applyTombstones(ctx context.Context, s *stores) error {
	if _, err := privacy.Bury(ctx, s.vault, s.history, s.shelf, training.NewKeeper(s.files, nil)); err != nil {
		return fmt.Errorf("apply tombstones: %w", err)
	}
	return nil
}

// lookForgotten searches the house for those who are forgotten and signs what it
// found. It fails where something was.
func lookForgotten(ctx context.Context, m *Main, s *stores, asJSON bool) error {
	report, err := privacy.Look(ctx, privacy.Remains{
		Vault: s.vault, Stream: s.stream, History: s.history, Profiles: s.shelf, Models: training.NewKeeper(s.files, nil), Batches: batchesIn(s.dir),
		Texts: s.book.Texts, Files: os.DirFS(s.dir), Skip: decoded, Now: s.now(), StreamDays: history.KeepDays,
	})
	if err != nil {
		return err
	}
	if err := writeReport(ctx, m.Stdout, s, report, asJSON); err != nil {
		return err
	}
	if !report.Clean {
		return errors.New("somebody who is forgotten is still named; the night's sweep puts it right, or endcap privacy sweep")
	}
	return nil
}

func writeReport(ctx context.Context, to io.Writer, s *stores, report privacy.Report, asJSON bool) error {
	signer, err := privacy.OpenSigner(ctx, s.vault, rand.Reader)
	if err != nil {
		return err
	}
	signed, err := signer.Sign(report)
	if err != nil {
		return err
	}
	if asJSON {
		_, err := fmt.Fprintln(to, string(signed))
		return err
	}
	_, err = io.WriteString(to, report.Text())
	return err
}

// decoded says of a path in a data directory that a store's own search goes
// through it record by record, or that it is no file.
func decoded(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	switch top {
	case "stream", "profiles", "history", batchDir, cli.SocketFile, lockFile:
		return true
	}
	return strings.HasPrefix(top, "vault.db") || strings.HasPrefix(top, "book.db")
}

// rotateSecret rotates a secret and does what belongs to it.
func rotateSecret(ctx context.Context, h *owner, t secret.Turn) (secret.Known, error) {
	if t.Ring == secret.Certificates {
		t.After = h.office.Publish
	}
	return h.secrets.Rotate(ctx, t)
}
