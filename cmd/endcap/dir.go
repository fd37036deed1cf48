package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"endcap/gate/cli"
	"endcap/know/identity"
	"endcap/know/identity/graph"
	"endcap/know/privacy"
	"endcap/know/recommend/outreach"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/shopper"
)

// settings is DIR/endcap.json: what never changes while the house stands.
type settings struct {
	Layout      int             `json:"layout"` // how the directory lies on disk
	Name        string          `json:"name"`
	Zone        string          `json:"zone"`                  // IANA zone of the business day
	Currency    retail.Currency `json:"currency"`              // of receipts that name none
	Demo        bool            `json:"demo"`                  // replay clocks and seeded ids are allowed
	Seed        string          `json:"seed,omitempty"`        // of shopper ids on a demo
	ClockStart  *time.Time      `json:"clock_start,omitempty"` // where a demo's replay clock begins
	Dataset     string          `json:"dataset,omitempty"`     // shown wherever figures are shown
	ShoppersMin int             `json:"shoppers_min"`          // k: figures about fewer are not told to advertisers
	NewToBrand  int             `json:"new_to_brand_days"`
	NeverOffer  catalog.Set     `json:"never_propose"` // fuel, carrier bags, lottery tickets, deposits
	Merging     *merging        `json:"merging,omitempty"`

	// Batches are made every night; may be changed.
	Batches []outreach.Terms `json:"batches,omitempty"`

	Retention *privacy.Retention `json:"retention,omitempty"` // defaults where absent; may be changed
}

// merging is what is set of the limits of merging; 0 is the default.
type merging struct {
	ShoppersPerKey    int `json:"shoppers_per_key,omitempty"`    // an account, card, address or phone that more share links nobody
	ShoppersPerPerson int `json:"shoppers_per_person,omitempty"` // who may become one person
}

// rules are the limits of merging.
func rules(m *merging) graph.Rules {
	r := graph.Defaults()
	if m == nil {
		return r
	}
	r.ShoppersMax = cmp.Or(m.ShoppersPerPerson, r.ShoppersMax)
	for kind, l := range r.Keys {
		if kind != shopper.Device { // of a device it counts who is known
			l.Shoppers = cmp.Or(m.ShoppersPerKey, l.Shoppers)
			l.Known = l.Shoppers
			r.Keys[kind] = l
		}
	}
	return r
}

// The paths inside a data directory.
const (
	settingsFile = "endcap.json"
	lockFile     = "lock"
	clockFile    = "clock"
	keptFile     = "kept"         // the last business day that a serving house has kept house for
	snapshotDir  = "snapshot"     // what a backup under way takes; swept at the next start
	recoveryFile = "recovery.pub" // the house's half of the recovery key
	backupFile   = "backup.json"  // the last backup
	batchDir     = "batches"      // files of proposals that the house keeps
	restoringOf  = "restoring"    // in a folder that a restore has begun to fill
)

// layout is the newest layout of a data directory that this program knows, and
// the one it makes. It is raised by a change that an older program must not open;
// a directory that says nothing has the first.
const layout = 1

// defaults are the settings of a new house.
func defaults() settings {
	return settings{Layout: layout, Name: "Endcap", Zone: "UTC", Currency: "EUR", ShoppersMin: 50, NewToBrand: 365}
}

// retentionOf is by which terms a house keeps what is about shoppers.
func retentionOf(s *settings) privacy.Retention {
	if s.Retention == nil {
		return privacy.RetentionDefaults()
	}
	return *s.Retention
}

// checkSettings returns what cannot hold, with its cure.
func checkSettings(s *settings) error {
	if _, err := time.LoadLocation(s.Zone); err != nil {
		return fmt.Errorf("zone %q is not a time zone (use a name such as Europe/Paris)", s.Zone)
	}
	if err := s.Currency.Check(); err != nil {
		return err
	}
	switch {
	case s.Layout < 1:
		return fmt.Errorf("layout %d: there is none below 1", s.Layout)
	case s.ShoppersMin < 2 || !s.Demo && s.ShoppersMin < 50:
		return fmt.Errorf("shoppers_min is %d: figures about fewer than 50 shoppers are never told (2 on a demo)", s.ShoppersMin)
	case s.NewToBrand < 1 || s.NewToBrand > 3_660:
		return fmt.Errorf("new_to_brand_days is %d, want 1 to 3660", s.NewToBrand)
	case s.NeverOffer.Check() != nil:
		return fmt.Errorf("never_propose: %w", s.NeverOffer.Check())
	case checkRules(rules(s.Merging)) != nil:
		return fmt.Errorf("merging: %w", checkRules(rules(s.Merging)))
	case !s.Demo && (s.Seed != "" || s.ClockStart != nil):
		return errors.New("seed and clock_start are for demos only")
	}
	if err := outreach.CheckAll(s.Batches); err != nil {
		return err
	}
	if err := retentionOf(s).Check(); err != nil {
		return fmt.Errorf("retention: %w", err)
	}
	return nil
}

// checkRules returns what cannot hold of limits of merging.
func checkRules(r graph.Rules) error {
	cfg := identity.Defaults(wall)
	cfg.Rules = r
	return cfg.Check()
}

// readSettings reads DIR/endcap.json.
func readSettings(dir string) (settings, error) {
	b, err := os.ReadFile(filepath.Join(dir, settingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return settings{}, cli.Misused(fmt.Errorf("%s is not a data directory: make one with `endcap init --dir %s`", dir, dir))
	} else if err != nil {
		return settings{}, fmt.Errorf("read settings: %w", err)
	}
	if err := checkLayout(dir, b); err != nil {
		return settings{}, err
	}
	s := defaults()
	s.Layout = 1
	terms := privacy.RetentionDefaults() // for what the file leaves out
	s.Retention = &terms
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return settings{}, cli.Misused(fmt.Errorf("read %s: %w", filepath.Join(dir, settingsFile), err))
	}
	if err := checkSettings(&s); err != nil {
		return settings{}, cli.Misused(fmt.Errorf("%s: %w", filepath.Join(dir, settingsFile), err))
	}
	return s, nil
}

// checkLayout refuses a directory that a newer program has written, before
// anything else in it is read.
func checkLayout(dir string, text []byte) error {
	var only struct {
		Layout int `json:"layout"`
	}
	if err := json.Unmarshal(text, &only); err == nil && only.Layout > layout {
		return cli.Misused(fmt.Errorf("%s has layout %d, and this program (%s) knows %d: run the version that wrote it or a newer one, or restore a backup from before the upgrade", dir, only.Layout, version, layout))
	}
	return nil
}

// writeSettings makes a data directory with its settings; it refuses one that
// has some already.
func writeSettings(dir string, s *settings) error {
	if err := checkSettings(s); err != nil {
		return cli.Misused(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, settingsFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return cli.Misused(fmt.Errorf("%s is a data directory already", dir))
	} else if err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// replaceFile writes a file in one step that a kill cannot halve.
func replaceFile(path string, b []byte) error {
	fresh := path + ".new"
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// lockDir takes the directory for this process until the file is closed.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s is in use by another process: stop it, or let it serve (other subcommands speak to it by themselves)", dir)
	}
	return f, nil
}
