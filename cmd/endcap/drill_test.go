package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"endcap/keep/backup"
	"endcap/keep/sql/sqlite"
	"endcap/retail/shopper"
)

// backedUp is what endcap backup --json says.
type backedUp struct {
	At       time.Time `json:"at"`
	Bytes    int64     `json:"bytes"`
	NewBytes int64     `json:"new_bytes"`
	Still    float64   `json:"still_seconds"`
}

func backUp(t *testing.T, dir, target string) (out backedUp) {
	t.Helper()
	if err := json.Unmarshal([]byte(must(t, "backup", "--dir", dir, "--to", target, "--json")), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// safe is where backups lie, and the key that opens them.
type safe struct{ target, key string }

func newSafe(t *testing.T, dir string) safe {
	t.Helper()
	home := t.TempDir()
	out := safe{filepath.Join(home, "backups"), filepath.Join(home, "endcap.recovery")}
	must(t, "key", "recovery", "--dir", dir, "--out", out.key)
	return out
}

// restore makes a new data directory from a backup.
func (f safe) restore(t *testing.T, more ...string) (dir, said string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "again")
	said = must(t, append([]string{"restore", "--from", f.target, "--recovery-key", f.key, "--dir", dir}, more...)...)
	return dir, said
}

// busy lets tills and shoppers in until quiet is called; then it sends again what
// was not answered.
func (p *plague) busy(t *testing.T, s *server, round int) (quiet func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for w := range 2 {
		wait.Go(func() { p.till(ctx, s, round, w) })
		wait.Go(func() { p.visits(ctx, s, round, w) })
	}
	return func() {
		cancel()
		wait.Wait()
	}
}

// answered copies what was acknowledged so far.
func (p *plague) answered() (receipts map[string]int64, clicks map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.receipts), maps.Clone(p.clicks)
}

// beyond waits until more was acknowledged than n receipts and n clicks.
func (p *plague) beyond(t *testing.T, receipts, clicks int) {
	t.Helper()
	until(t, 3*time.Minute, "receipts and clicks come in", func() bool {
		r, c := p.answered()
		return len(r) > receipts && len(c) > clicks
	})
}

const drillSums = `select (select count(*) from receipts), (select count(*) from lines), (select cast(sum(sales) as varchar) from lines),
	(select count(*) from touches), (select count(*) from charges), (select cast(sum(amount) as varchar) from charges)`

// TestADrillBringsTheHouseBack is the drill that a retailer should hold: back up
// while tills and shoppers go on, lose the machine, restore elsewhere, and find
// everything that was acknowledged before the backup, to the cent.
func TestADrillBringsTheHouseBack(t *testing.T) {
	if testing.Short() {
		t.Skip("a drill is not for -short")
	}
	t.Parallel()
	p := newPlague(t)
	s := serve(t, p.dir)
	s.key = p.key
	f := newSafe(t, p.dir)
	quiet := p.busy(t, s, 0)
	p.beyond(t, 50, 20)
	receipts, clicks := p.answered()
	first := backUp(t, p.dir, f.target)
	p.beyond(t, len(receipts)+50, len(clicks)+20)
	second := backUp(t, p.dir, f.target)
	quiet()
	for _, o := range p.open {
		p.send(t.Context(), s, o)
	}
	s.settle(t)
	p.whole(t, s)
	sums, spend := s.query(t, drillSums), spendOf(t, s)
	third := backUp(t, p.dir, f.target)
	t.Logf("%+v\n%+v\n%+v", first, second, third)
	if second.NewBytes >= second.Bytes || third.NewBytes >= third.Bytes {
		t.Errorf("a later backup wrote everything again: %+v, %+v", second, third)
	}
	quiet = p.busy(t, s, 1)
	all, _ := p.answered()
	p.beyond(t, len(all)+20, 0)
	s.kill()
	quiet()

	t.Run("the newest backup", func(t *testing.T) {
		t.Parallel()
		dir, _ := f.restore(t)
		verified(t, dir)
		again := serve(t, dir)
		again.key = p.key // it lies in the book
		again.settle(t)
		if got := again.query(t, drillSums); fmt.Sprint(got) != fmt.Sprint(sums) {
			t.Errorf("control sums are %v, at the backup they were %v", got, sums)
		}
		p.present(t, again, 0)
		if later := again.one(t, "select count(*) from receipts where receipt like 'r-1-%'"); later != "0" {
			t.Errorf("%s receipts are from after the backup", later)
		}
		if n := backUp(t, dir, f.target); n.NewBytes >= n.Bytes {
			t.Errorf("the restored house does not go on with its backups: %+v", n)
		}
		again.stop(t)
		bookBalances(t, dir, p.paid, spend)
	})
	t.Run("an earlier instant", func(t *testing.T) {
		t.Parallel()
		dir, _ := f.restore(t, "--at", second.At.Add(-time.Millisecond).Format(time.RFC3339Nano))
		again := serve(t, dir)
		again.key = p.key
		again.settle(t)
		holdsAll(t, again, receipts, clicks)
		daysKept(t, again)
		spend := spendOf(t, again)
		again.stop(t)
		bookBalances(t, dir, p.paid, spend)
	})
}

// holdsAll checks that a restored house has every receipt and click that was
// acknowledged before the backup began, once, and has answered each click it has.
func holdsAll(t *testing.T, s *server, receipts map[string]int64, clicks map[string]bool) {
	t.Helper()
	got := make(map[string]string)
	for _, row := range s.query(t, "select receipt, count(*), cast(sum(sales) as varchar) from lines group by receipt") {
		got[row[0]] = row[1] + " " + row[2]
	}
	for id, cents := range receipts {
		if want := fmt.Sprintf("2 %d.%02d0000", cents/100, cents%100); got[id] != want {
			t.Errorf("receipt %s: %q, want %q", id, got[id], want)
		}
	}
	answers := make(map[string]string)
	for _, row := range s.query(t, "select click, count(*) from charges group by click") {
		answers[row[0]] = row[1]
	}
	for _, row := range s.query(t, "select event, count(*) from touches where kind = 'clicked' group by event") {
		if row[1] != "1" || answers[row[0]] != "1" {
			t.Errorf("click %s: there %s times, answered %q times", row[0], row[1], answers[row[0]])
		}
		delete(clicks, row[0])
	}
	if len(clicks) > 0 {
		t.Errorf("%d acknowledged clicks are gone", len(clicks))
	}
}

// killsOfBackups is how often backups and restores are killed.
const killsOfBackups = 6

func TestKilledBackupsAndRestoresCanBeRunAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("kills are not for -short")
	}
	t.Parallel()
	chance := rand.New(rand.NewPCG(seed(t), 1))
	p := newPlague(t)
	s := serve(t, p.dir)
	s.key = p.key
	f := newSafe(t, p.dir)
	for round := range killsOfBackups {
		quiet := p.busy(t, s, round)
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			_, _, _ = s.own(t.Context(), http.MethodPost, "/v1/backups", map[string]string{"to": f.target})
		}()
		time.Sleep(time.Duration(chance.IntN(250)) * time.Millisecond)
		s.kill()
		<-asked
		quiet()
		s = serve(t, p.dir)
		s.key = p.key
	}
	s.settle(t)
	if _, err := os.Stat(filepath.Join(p.dir, "snapshot")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a killed backup had taken is still there: %v", err)
	}
	backUp(t, p.dir, f.target)
	if left, err := os.Stat(filepath.Join(f.target, "unfinished")); err == nil {
		t.Errorf("%s stayed", left.Name())
	}
	s.stop(t)
	dir := filepath.Join(t.TempDir(), "again")
	args := []string{"restore", "--from", f.target, "--recovery-key", f.key, "--dir", dir}
	for range killsOfBackups {
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "endcap"), args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(chance.IntN(400)) * time.Millisecond)
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); err == nil { // it was done before
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	must(t, args...)
	verified(t, dir)
	if _, err := os.Stat(dir + ".restoring"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what killed restores had begun is still there: %v", err)
	}
}

func TestSeveralBackupsAtOnceAreOneAfterTheOther(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "house")
	must(t, "init", "--dir", dir)
	s := serve(t, dir)
	f := newSafe(t, dir)
	var wait sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range 6 {
		wait.Go(func() {
			status, text, err := s.own(t.Context(), http.MethodPost, "/v1/backups", map[string]string{"to": f.target})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && status == http.StatusOK && strings.Contains(string(text), `"summary"`):
				done++
			case err != nil || status != http.StatusConflict || !strings.Contains(string(text), "under way"):
				t.Errorf("a backup beside others: status %d, %v\n%s", status, err, text)
			}
		})
	}
	wait.Wait()
	if done == 0 {
		t.Error("none of them was made")
	}
	s.makeKey(t)
	if status, text, err := s.call(t.Context(), http.MethodPost, "/v1/backups", map[string]string{"to": f.target}); err != nil || status != http.StatusForbidden {
		t.Errorf("a backup that was asked for from outside: status %d, %v\n%s", status, err, text)
	}
}

// Whoever is forgotten after a backup must not come back with it, even where the
// house that forgot her is lost with everything in it.
func TestARestoreForgetsWhoWasForgottenSince(t *testing.T) {
	t.Parallel()
	for name, rotated := range map[string][]string{
		"under the secrets of the backup": nil,
		"under newer ones":                {"tombstones", "backup-list", "tombstones", "backup-list"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forgetsSince(t, rotated)
		})
	}
}

// forgetsSince rotates secrets after a backup, forgets somebody, and restores.
func forgetsSince(t *testing.T, rotated []string) {
	t.Helper()
	house := filepath.Join(t.TempDir(), "house")
	must(t, "init", "--dir", house)
	s := serve(t, house)
	f := newSafe(t, house)
	consents := []map[string]any{}
	for n := range 3 {
		consents = append(consents, map[string]any{
			"id": fmt.Sprint("yes-", n), "shopper": map[string]string{"card": card(n)}, "allowed": []string{"measurement"}, "at": "2026-01-01T00:00:00Z",
		})
	}
	s.ask(t, "PUT /v1/consents", map[string]any{"consents": consents}, nil)
	for n, id := range []string{1: "ana-1", 2: "bea-1"} {
		if id != "" {
			s.ask(t, "POST /v1/receipts", map[string]any{"receipts": []any{map[string]any{
				"id": id, "store": "s1", "at": now().Format(time.RFC3339), "shopper": map[string]string{"card": card(n)},
				"lines": []any{map[string]any{"product": "oats", "quantity": 1, "sales": "2.50"}},
			}}}, nil)
		}
	}
	s.settle(t)
	backUp(t, house, f.target)
	for _, name := range rotated {
		must(t, "secret", "rotate", name, "--dir", house)
	}
	s.stop(t)
	key, err := shopper.ParseKey(shopper.Card, card(1))
	if err != nil {
		t.Fatal(err)
	}
	if !forgetIn(t, house, key) {
		t.Fatal("the house does not know her")
	}
	s = serve(t, house) // it brings the tombstone to the backups by itself
	until(t, 3*time.Minute, "the tombstone lies beside the backups", func() bool {
		text, err := os.ReadFile(filepath.Join(f.target, "tombstones"))
		return err == nil && strings.Contains(string(text), `"count":2,`) // hers and her card's
	})
	s.kill()
	dir, said := f.restore(t)
	if !strings.Contains(said, "; 1 forgotten again") {
		t.Errorf("the restore says %s", said)
	}
	verified(t, dir)
	again := serve(t, dir)
	again.settle(t)
	if n := again.one(t, "select count(*) from receipts where receipt in ('ana-1', 'bea-1')"); n != "2" {
		t.Errorf("%s of two receipts are there: totals must stay", n)
	}
	known := again.queryFor(t, "measurement", "select receipt from receipts where receipt in ('ana-1', 'bea-1') and shopper is not null")
	if fmt.Sprint(known) != "[[bea-1]]" {
		t.Errorf("receipts that are somebody's: %v, want bea's alone", known)
	}
	again.stop(t)
	if forgetIn(t, dir, key) {
		t.Error("the restored house knows her card")
	}
}

// forgetIn has the vault of a stopped house forget whose key that is, and says
// whether it knew her.
func forgetIn(t *testing.T, dir string, key shopper.Key) bool {
	t.Helper()
	v, err := sqlite.OpenVault(t.Context(), sqlite.Options{Path: filepath.Join(dir, "vault.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	who, err := v.Lookup(t.Context(), []shopper.Key{key})
	if err == nil {
		err = v.Forget(t.Context(), who[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	return who[0].Known()
}

func TestTheListOfBackupsMarksThoseOfALaterInstant(t *testing.T) {
	t.Parallel()
	from := t.TempDir()
	now := time.Now().UTC()
	for _, at := range []time.Time{now.Add(-time.Hour), now.AddDate(5, 0, 0)} {
		path := filepath.Join(from, "backups", at.Format("20060102T150405.000000Z"))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(strings.TrimSpace(must(t, "restore", "--from", from, "--list")), "\n")
	if len(lines) != 2 || strings.Contains(lines[0], "later than now") || !strings.Contains(lines[1], "later than now") {
		t.Errorf("the list is %q", lines)
	}
	var one, other backup.Listed
	if d := json.NewDecoder(strings.NewReader(must(t, "restore", "--from", from, "--list", "--json"))); errors.Join(d.Decode(&one), d.Decode(&other)) != nil || one.Ahead || !other.Ahead {
		t.Errorf("in JSON it is %+v, %+v", one, other)
	}
}
