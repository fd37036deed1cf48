package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/sql/sqlite"
	"endcap/keep/stream"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/media"
)

// shaky fails the next calls of Append, before or after they do their work.
type shaky struct {
	ingest.DayLog
	before, after atomic.Int64
	gate          chan struct{} // where not nil, Append waits for it
}

var errShaken = errors.New("the disk is away")

func (s *shaky) Append(ctx context.Context, facts []event.Packed) ([]stream.Appended, error) {
	if s.gate != nil {
		<-s.gate
	}
	if s.before.Add(-1) >= 0 {
		return nil, errShaken
	}
	done, err := s.DayLog.Append(ctx, facts)
	if err == nil && s.after.Add(-1) >= 0 {
		return nil, errShaken
	}
	return done, err
}

func decided(n int) event.Fact {
	return event.Fact{
		ID: fmt.Sprint("d", n), At: time.Unix(1_512_000_000, 0), Source: "decide",
		Body: event.Decided{Decision: media.DecisionID{byte(n), byte(n >> 8)}, Record: make([]byte, 900)},
	}
}

func TestEveryRecordIsKept(t *testing.T) {
	t.Parallel()
	h := open(t)
	log := &shaky{DayLog: h.log}
	log.before.Store(2)
	log.after.Store(1)
	cfg := ingest.RecorderDefaults()
	cfg.Retry = time.Millisecond
	var failed, saved atomic.Int64
	cfg.Failed = func(err error) {
		if !errors.Is(err, errShaken) {
			t.Errorf("failed with %v", err)
		}
		failed.Add(1)
	}
	cfg.Saved = func(n int) { saved.Add(int64(n)) }
	r := ingest.NewRecorder(log, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	r.Start(ctx)
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for n := range 500 {
				r.Record(decided(500*w + n))
			}
		})
	}
	all.Wait()
	cancel() // a graceful end: what waits is still kept
	r.Stop()
	r.Stop()
	if got := len(h.facts(t, event.KindDecided)); got != 2_000 || r.Dropped() != 0 || saved.Load() != 2_000 {
		t.Errorf("%d of 2000 records kept, %d dropped, %d saved", got, r.Dropped(), saved.Load())
	}
	if failed.Load() != 3 {
		t.Errorf("%d failures heard of, want 3", failed.Load())
	}
	r.Record(decided(1))
	if r.Dropped() != 1 {
		t.Error("a record after Stop is not counted as dropped")
	}
}

func TestAFullQueueNeverDelaysADecision(t *testing.T) {
	t.Parallel()
	h := open(t)
	log := &shaky{DayLog: h.log, gate: make(chan struct{})}
	cfg := ingest.RecorderDefaults()
	cfg.QueueMax, cfg.BatchMax = 10, 4
	var heard atomic.Int64
	cfg.Dropped = func(n int) { heard.Add(int64(n)) }
	r := ingest.NewRecorder(log, cfg)
	r.Start(t.Context())
	for n := range 100 {
		r.Record(decided(n)) // returns although nothing is being stored
	}
	close(log.gate)
	r.Stop()
	kept := int64(len(h.facts(t, event.KindDecided)))
	if kept+r.Dropped() != 100 || kept < 10 || heard.Load() != r.Dropped() {
		t.Errorf("kept %d, dropped %d, heard of %d; want 100 together", kept, r.Dropped(), heard.Load())
	}
}

func TestStopGivesUpOnADeadDisk(t *testing.T) {
	t.Parallel()
	h := open(t)
	log := &shaky{DayLog: h.log}
	log.before.Store(1 << 40)
	cfg := ingest.RecorderDefaults()
	cfg.Retry, cfg.Flush = time.Millisecond, 5*time.Millisecond
	r := ingest.NewRecorder(log, cfg)
	r.Start(t.Context())
	for n := range 10 {
		r.Record(decided(n))
	}
	r.Stop()
	if r.Dropped() != 10 {
		t.Errorf("%d dropped, want 10", r.Dropped())
	}
}

// forgetful loses the mark that facts were sent, as a kill between append and
// mark would.
type forgetful struct {
	*sqlite.Book
	lose atomic.Int64
}

func (f *forgetful) Sent(ctx context.Context, upto uint64) error {
	if f.lose.Add(-1) >= 0 {
		return errShaken
	}
	return f.Book.Sent(ctx, upto)
}

func billed(n int) event.Fact {
	return event.Fact{
		ID: fmt.Sprint("b", n), At: time.Unix(1_512_000_000, 0), Source: "billing",
		Body: event.Billed{Click: fmt.Sprint("c", n), Amount: retail.Micros(n) * retail.Cent, Currency: "EUR"},
	}
}

func book(t *testing.T, facts ...event.Fact) *sqlite.Book {
	t.Helper()
	b, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "book.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, b.Close) })
	commit(t, b, facts...)
	return b
}

func commit(t *testing.T, b *sqlite.Book, facts ...event.Fact) {
	t.Helper()
	for _, f := range facts {
		if _, err := b.Commit(t.Context(), ledger.Deed{Key: f.ID, Facts: []event.Fact{f}, At: f.At}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheOutboxReachesTheStreamOnce(t *testing.T) {
	t.Parallel()
	h := open(t)
	var facts []event.Fact
	for n := range 20 {
		facts = append(facts, billed(n))
	}
	b := book(t, facts...)
	log, outbox := &shaky{DayLog: h.log}, &forgetful{Book: b}
	log.before.Store(2)
	log.after.Store(2)
	outbox.lose.Store(2)
	relay := ingest.NewRelay(ingest.RelayPorts{Outbox: outbox, Log: log, Quarantine: h.vault, Clock: h.clock})
	failures := 0
	for {
		n, err := relay.Pass(t.Context())
		if err != nil {
			failures++
			continue
		}
		if n == 0 {
			break
		}
	}
	got := h.facts(t, event.KindBilled)
	if len(got) != 20 || failures != 6 {
		t.Errorf("%d facts after %d failures, want 20 after 6", len(got), failures)
	}
	for _, f := range got {
		if !f.Arrived.Equal(h.clock()) {
			t.Errorf("%s arrived %v", f.ID, f.Arrived)
		}
	}
	if rest, err := b.Outbox(t.Context(), 10); err != nil || len(rest) != 0 {
		t.Errorf("%d facts are still in the outbox (%v)", len(rest), err)
	}
}

func TestTheRelayWakesWhenTold(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := book(t)
	relay := ingest.NewRelay(ingest.RelayPorts{Outbox: b, Log: h.log, Quarantine: h.vault, Clock: h.clock, Failed: func(err error) { t.Error(err) }})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := relay.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for n := range 5 {
		commit(t, b, billed(n))
		if n%2 == 0 {
			relay.Notify() // else it looks by itself
		}
		waitFor(t, func() bool { return len(h.facts(t, event.KindBilled)) == n+1 })
	}
	cancel()
	running.Wait()
}

func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for range 6_000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not come")
}

func TestAConflictInTheOutboxStopsNothing(t *testing.T) {
	t.Parallel()
	h := open(t)
	other := billed(1)
	other.Body = event.Billed{Click: "another"}
	p, err := event.Pack(nil, &other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.log.Append(t.Context(), []event.Packed{p}); err != nil {
		t.Fatal(err)
	}
	b := book(t, billed(0), billed(1), billed(2))
	relay := ingest.NewRelay(ingest.RelayPorts{Outbox: b, Log: h.log, Quarantine: h.vault, Clock: h.clock})
	if n, err := relay.Pass(t.Context()); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if rows := h.refused(t); len(rows) != 1 || rows[0].Reason != "conflict" || rows[0].Source != "outbox" {
		t.Errorf("quarantine holds %+v", rows)
	}
}

func TestADayTurnsOnceInEveryPartition(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := book(t)
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	turner := func(holder string) *ingest.Turner {
		return ingest.NewTurner(ingest.TurnerPorts{
			Leases: b, Log: h.log, Clock: h.clock, Zone: zone, Holder: holder,
		})
	}
	one, two := turner("one"), turner("two")
	day := retail.Date(2017, 12, 4)
	turn := func(tn *ingest.Turner, want bool) {
		t.Helper()
		if got, err := tn.Turn(t.Context(), day); err != nil || got != want {
			t.Errorf("turned %v (%v), want %v", got, err, want)
		}
	}
	turn(one, true)
	turn(one, true)
	turn(two, false)
	h.pass(2 * ingest.TurnLeaseTTL) // one was killed
	turn(two, true)
	facts := h.facts(t, event.KindDayTurned)
	var seen []string
	for _, f := range facts {
		if f.Body.(event.DayTurned).Day != day || !f.At.Equal(at(t, "2017-12-03T23:00:00Z")) {
			t.Errorf("%s says %+v at %v", f.ID, f.Body, f.At)
		}
		seen = append(seen, f.ID)
	}
	var want []string
	for p := range h.log.Partitions() {
		want = append(want, "2017-12-04/"+strconv.Itoa(p))
	}
	if !slices.Equal(seen, want) {
		t.Errorf("turned %v, want one in each partition: %v", seen, want)
	}
}

// The house was closed for days, then for longer than is made up. Does every day
// turn once, and no day before the first?
func TestDaysOfADowntimeAreMadeUp(t *testing.T) {
	t.Parallel()
	h, b := open(t), book(t)
	turner := func() *ingest.Turner { // a start knows nothing but the stream
		return ingest.NewTurner(ingest.TurnerPorts{Leases: b, Log: h.log, Clock: h.clock, Zone: time.UTC, Holder: "one"})
	}
	first, n := retail.Date(2017, 12, 4), h.log.Partitions()
	for _, step := range []struct {
		days int // that pass
		want int // turned in all
	}{{0, 1}, {0, 1}, {1, 2}, {5, 7}, {0, 7}, {ingest.TurnsMax, 8}} { // the last turn is out of sight: begin anew
		h.pass(time.Duration(step.days) * 24 * time.Hour)
		today := retail.DayOf(h.clock(), time.UTC)
		if ok, err := turner().TurnTo(t.Context(), today); !ok || err != nil {
			t.Fatalf("after %d days: %v, %v", step.days, ok, err)
		}
		facts := h.facts(t, event.KindDayTurned)
		days := map[retail.Day]bool{}
		for _, f := range facts {
			days[f.Day] = true
			if f.Day < first || f.Day > today {
				t.Errorf("%v was turned", f.Day)
			}
		}
		if !days[today] {
			t.Errorf("after %d days %v is not turned", step.days, today)
		}
		if len(facts) != len(days)*n {
			t.Errorf("%d turns of %d days in %d partitions", len(facts), len(days), n)
		}
		if len(days) != step.want {
			t.Errorf("after %d days %d have turned, want %d", step.days, len(days), step.want)
		}
	}
}

// A clock that steps back an hour over midnight, or ahead by a day or a year and
// back, turns no day twice, and those that were turned too early are not turned
// again when they come.
func TestAClockThatStepsTurnsNoDayTwice(t *testing.T) {
	t.Parallel()
	h, b := open(t), book(t)
	turner := ingest.NewTurner(ingest.TurnerPorts{Leases: b, Log: h.log, Clock: h.clock, Zone: time.UTC, Holder: "one"})
	const day = 24 * time.Hour
	h.pass(h.clock().Truncate(day).Add(day + 30*time.Minute).Sub(h.clock())) // half an hour after midnight
	turned := 0
	for _, step := range []struct {
		by   time.Duration
		more int // days turned by it
	}{{0, 1}, {-time.Hour, 1}, {time.Hour, 0}, {day, 1}, {-day, 0}, {day, 0}, {day, 1}, {365 * day, 365}, {-365 * day, 0}, {30 * day, 0}} {
		h.pass(step.by)
		if ok, err := turner.TurnTo(t.Context(), retail.DayOf(h.clock(), time.UTC)); !ok || err != nil {
			t.Fatalf("a step of %v: %v, %v", step.by, ok, err)
		}
		turned += step.more
		if facts := h.facts(t, event.KindDayTurned); len(facts) != turned*h.log.Partitions() {
			t.Errorf("after a step of %v there are %d turns, want %d days", step.by, len(facts), turned)
		}
	}
}
