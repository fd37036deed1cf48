package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"endcap/gate/cli"
	"endcap/keep/profile"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/stream"
	"endcap/know/audience"
	"endcap/know/history"
	"endcap/know/identity"
	"endcap/know/recommend"
	"endcap/retail"
	"endcap/retail/shopper"
)

// rebuilt are the profile's sections that are folded from facts, by follower.
// What billing remembers for its filters is kept as it is: the facts behind it
// are shown and clicked ones, which are sealed and not folded again.
func rebuilt(store profile.Store) []struct {
	follower stream.Follower
	section  profile.Section
} {
	return []struct {
		follower stream.Follower
		section  profile.Section
	}{
		{identity.Follower(store), identity.Section}, {audience.Follower(store), audience.Section}, {recommend.Follower(store), recommend.Section},
	}
}

type rebuildCmd struct{ cli.DirFlags }

// Help shows an example.
func (*rebuildCmd) Help() string { return "endcap rebuild --dir /srv/endcap" }

// Run throws everything derived away, folds it again and compares.
func (c *rebuildCmd) Run(ctx context.Context, m *Main) (err error) {
	s, err := openStores(ctx, c.Dir, ownerOptions{Log: newLog(m.Stderr, slog.LevelWarn)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStores(s)) }()
	if err := settle(ctx, s); err != nil {
		return err
	}
	if err := applyTombstones(ctx, s); err != nil {
		return err
	}
	profiles, rows, err := digests(ctx, s)
	if err != nil {
		return err
	}
	if err := refold(ctx, s); err != nil {
		return err
	}
	profilesAfter, rowsAfter, err := digests(ctx, s)
	if err != nil {
		return err
	}
	fmt.Fprintf(m.Stdout, "profiles %s, history %s\n", profilesAfter, rowsAfter[controlRow])
	if err := sameRows(rows, rowsAfter); err != nil {
		return err
	}
	if profiles != profilesAfter {
		return fmt.Errorf("the rebuilt state differs: profiles were %s", profiles)
	}
	_, err = fmt.Fprintln(m.Stdout, "rebuilt: the same bytes and the same rows")
	return err
}

// settle folds what is in the stream, so that before and after may be compared.
func settle(ctx context.Context, s *stores) error {
	if err := stream.CatchUp(ctx, s.whole, history.Follower(s.history, 0)); err != nil {
		return err
	}
	for _, r := range rebuilt(s.shelf) {
		if err := stream.CatchUp(ctx, s.whole, r.follower); err != nil {
			return err
		}
	}
	return nil
}

// refold deletes and folds again.
func refold(ctx context.Context, s *stores) error {
	if err := s.history.Reset(ctx); err != nil {
		return fmt.Errorf("reset history: %w", err)
	}
	for _, r := range rebuilt(s.shelf) {
		if err := s.shelf.Replace(ctx, r.follower.Name, []profile.Section{r.section}); err != nil {
			return fmt.Errorf("drop %s: %w", r.section, err)
		}
	}
	if err := applyTombstones(ctx, s); err != nil { // before anything is folded from what history holds
		return err
	}
	if err := settle(ctx, s); err != nil {
		return err
	}
	if err := applyTombstones(ctx, s); err != nil { // and after, for facts of hers that the stream still holds
		return err
	}
	today := retail.DayOf(s.now(), s.zone)
	countRelated(ctx, s, today)
	_, err := recommend.Train(ctx, s.history, s.files, recommend.Training{Through: today - 1, Days: recommend.DaysDefault})
	return err
}

// controlRow is where digests keeps history's control sums.
const controlRow = "control sums"

// digests are a hash of all rebuilt profile sections, and of history its control
// sums and a hash of all rows of each table.
func digests(ctx context.Context, s *stores) (profiles string, rows map[string]string, err error) {
	if profiles, err = profileDigest(ctx, s.shelf); err != nil {
		return "", nil, err
	}
	if rows, err = s.history.Digest(ctx); err != nil {
		return "", nil, err
	}
	c, err := history.ControlSums(ctx, s.history)
	rows[controlRow] = fmt.Sprintf("%+v", c)
	return profiles, rows, err
}

// sameRows names the tables whose rows are not what they were.
func sameRows(before, after map[string]string) error {
	var errs []error
	for _, table := range slices.Sorted(maps.Keys(before)) {
		if before[table] != after[table] {
			errs = append(errs, fmt.Errorf("the rebuilt state differs: %s was %s, is %s", table, before[table], after[table]))
		}
	}
	return errors.Join(errs...)
}

func profileDigest(ctx context.Context, store *pebbleshelf.Store) (string, error) {
	sum := sha256.New()
	wanted := make(map[profile.Section]bool)
	for _, r := range rebuilt(store) {
		wanted[r.section] = true
	}
	err := store.Dump(ctx, func(who shopper.ID, section profile.Section, value []byte) error {
		if !wanted[section] {
			return nil
		}
		_, err := fmt.Fprintf(sum, "%x %s %d ", who.Reveal(), section, len(value))
		_, _ = sum.Write(value)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)[:8]), err
}

type verifyCmd struct {
	cli.DirFlags
	Forgotten bool `help:"Search every store for those who are forgotten instead, and sign what is found."`
	JSON      bool `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*verifyCmd) Help() string {
	return "endcap verify --dir /srv/endcap\nendcap verify --forgotten --json --dir /srv/endcap >report.json"
}

// Run proves the book, the sealed files, and that the profiles are what the
// facts fold to, without changing anything.
func (c *verifyCmd) Run(ctx context.Context, m *Main) (err error) {
	s, err := openStores(ctx, c.Dir, ownerOptions{Log: newLog(m.Stderr, slog.LevelWarn)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStores(s)) }()
	if c.Forgotten {
		return lookForgotten(ctx, m, s, c.JSON)
	}
	if err := settle(ctx, s); err != nil {
		return err
	}
	return prove(ctx, m, s, c.JSON)
}

// prove tells of each promise whether it holds, and fails where one does not.
func prove(ctx context.Context, m *Main, s *stores, asJSON bool) error {
	var failed []error
	for _, p := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"the book balances, and every version and answer is in place", s.book.Check},
		{"consents are as they were recorded, in one chain", func(ctx context.Context) error {
			_, err := s.vault.CheckConsents(ctx)
			return err
		}},
		{"sealed files are whole and as their manifest says", s.history.Check},
		{"profiles are what the facts fold to, byte for byte", func(ctx context.Context) error { return verifyProfiles(ctx, s) }},
	} {
		verdict := "ok"
		if err := p.do(ctx); err != nil {
			verdict = err.Error()
			failed = append(failed, fmt.Errorf("%s: %w", p.name, err))
		}
		if err := writeVerdict(m, asJSON, p.name, verdict); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// verifyProfiles folds all facts into a store of its own and compares.
func verifyProfiles(ctx context.Context, s *stores) (err error) {
	dir, err := os.MkdirTemp(s.dir, "verify")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fresh, err := pebbleshelf.Open(ctx, filepath.Join(dir, "profiles"), pebbleshelf.Options{})
	if err != nil {
		return fmt.Errorf("open scratch profiles: %w", err)
	}
	defer func() { err = errors.Join(err, fresh.Close()) }()
	for _, r := range rebuilt(fresh) {
		if err := stream.CatchUp(ctx, s.whole, r.follower); err != nil {
			return err
		}
	}
	want, err := profileDigest(ctx, fresh)
	if err != nil {
		return err
	}
	got, err := profileDigest(ctx, s.shelf)
	if err == nil && got != want {
		err = fmt.Errorf("profiles are %s, their facts fold to %s; endcap rebuild puts them right", got, want)
	}
	return err
}

func writeVerdict(m *Main, asJSON bool, name, verdict string) error {
	if asJSON {
		return json.NewEncoder(m.Stdout).Encode(map[string]string{"proof": name, "verdict": verdict})
	}
	_, err := fmt.Fprintf(m.Stdout, "%-60s %s\n", name, verdict)
	return err
}
