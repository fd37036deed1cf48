package response_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"endcap/keep/files"
	"endcap/keep/files/dirfiles"
	"endcap/keep/stream"
	"endcap/keep/stream/pebblelog"
	"endcap/know/recommend/response"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/trial"
)

var opened = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// house is a stream and a directory of artefacts, as they stay when a process dies.
type house struct {
	t    *testing.T
	dir  string
	log  *pebblelog.Log
	art  *dirfiles.Dir
	now  time.Time
	n    int
	site *site
	r    *rand.Rand
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), now: opened, site: newSite(30), r: rand.New(rand.NewPCG(31, 1))}
	var err error
	h.log, err = pebblelog.Open(h.dir+"/log", pebblelog.Options{Now: func() time.Time { return h.now }, Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.log.Close(); err != nil {
			t.Error(err)
		}
	})
	if h.art, err = dirfiles.Open(h.dir+"/files", nil); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) open() *response.Life {
	h.t.Helper()
	l, err := response.Open(h.t.Context(), response.LifeConfig{Model: small(), Files: h.art, Partitions: 3, First: h.log.First, Clicks: 50})
	if err != nil {
		h.t.Fatal(err)
	}
	return l
}

func (h *house) follow(l *response.Life) {
	h.t.Helper()
	if err := stream.CatchUp(h.t.Context(), h.log, l.Follower()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) say(who shopper.ID, body event.Body) {
	h.t.Helper()
	h.n++
	f := event.Fact{ID: fmt.Sprint("f", h.n), At: h.now, Arrived: h.now, Day: retail.DayOf(h.now, time.UTC), Shopper: who, Source: "test", Body: body}
	p, err := event.Pack(nil, &f)
	if err == nil {
		_, err = h.log.Append(h.t.Context(), []event.Packed{p})
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// visit shows three products to somebody, who reacts as the site says. A held-out
// line item would have stood among them.
func (h *house) visit(n int) {
	h.t.Helper()
	h.now = h.now.Add(time.Duration(h.r.IntN(60)) * time.Second)
	var who shopper.ID
	if n%3 > 0 {
		who = shopper.FromUint64(uint64(1+n%40) << 33)
	}
	d := event.Decided{Decision: media.DecisionID{byte(n), byte(n >> 8), byte(n >> 16), 1, 7: byte(n * 7)}}
	var shown []response.Showing
	for place := range 3 {
		sh := h.site.show()
		sh.Position = place + 1
		sh.Popularity = response.Exact(sh.Popularity)
		if !who.Known() {
			sh.Relation = nil
		} else if sh.Relation == nil {
			sh.Relation = new(response.Relation)
		}
		sh.LineItem, sh.Advertiser = media.LineItemID(fmt.Sprint("l", sh.Product)), "brand"
		shown = append(shown, sh)
		d.Wins = append(d.Wins, event.Win{Placement: sh.Placement, Slot: uint8(place), Product: sh.Product, LineItem: sh.LineItem, Advertiser: sh.Advertiser})
		if place == 0 {
			d.Wins = append(d.Wins, event.Win{Placement: sh.Placement, Slot: 1, Product: "ghost", LineItem: "held", Arm: trial.Control})
		}
	}
	for i := range shown {
		shown[i].Hour = shown[0].Hour
	}
	d.Channel = shown[0].Channel
	d.Basis = response.AppendBasis(nil, shown)
	h.say(who, d)
	for place := range shown {
		touch := event.Touch{Decision: d.Decision, Slot: uint8(place), LineItem: shown[place].LineItem}
		looked, clicked, bought := h.site.chances(&shown[place])
		if h.r.Float64() < looked {
			h.say(who, event.Shown{Touch: touch})
			if h.r.Float64() < clicked {
				h.say(who, event.Clicked{Touch: touch})
				if h.r.Float64() < bought {
					h.say(who, event.Basketed{Touch: touch})
				}
			}
		}
	}
}

// over lets the time pass in which something may become of what was shown.
func (h *house) over() {
	h.t.Helper()
	h.now = h.now.Add(response.WaitDefault)
	for unit := range uint64(3) {
		h.say(shopper.FromUint64(unit+3), event.DayTurned{})
	}
}

// saved is all of a model that learning makes.
func saved(t *testing.T, h *house, l *response.Life) []byte {
	t.Helper()
	version, err := l.Keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path, err := h.art.Path(t.Context(), response.Artefact, version)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte("endcap-response\n"))
	if at < 0 {
		t.Fatal("no model in the file")
	}
	return b[at : len(b)-8]
}

// A process that is killed at any moment goes on from what it kept, and learns
// nothing twice and misses nothing: in the end the model is, to the byte, the one
// that was never killed. Partitions are learned one after the other here, because
// only the order within one is promised.
func TestAKilledHouseLearnsEverythingOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	calm, err := dirfiles.Open(h.dir+"/calm", nil)
	if err != nil {
		t.Fatal(err)
	}
	one := func(f stream.Follower, partition int) stream.Follower { // of one partition alone
		fold := f.Fold
		f.Fold = func(ctx context.Context, b stream.Batch) error {
			if b.Partition != partition {
				return nil
			}
			return fold(ctx, b)
		}
		return f
	}
	steady, err := response.Open(t.Context(), response.LifeConfig{Model: small(), Files: calm, Partitions: 3, First: h.log.First})
	if err != nil {
		t.Fatal(err)
	}
	killed := h.open()
	for n := range 600 {
		h.visit(n)
		if n%37 == 0 {
			if err := stream.CatchUp(t.Context(), h.log, one(killed.Follower(), 1)); err != nil {
				t.Fatal(err)
			}
		}
		if n%111 == 5 {
			if _, err := killed.Keep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n%130 == 129 { // and what was learned since it was kept is gone
			killed = h.open()
		}
	}
	h.over()
	for _, l := range []*response.Life{steady, killed} {
		if err := stream.CatchUp(t.Context(), h.log, one(l.Follower(), 1)); err != nil {
			t.Fatal(err)
		}
	}
	version, err := steady.Keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path, err := calm.Path(t.Context(), response.Artefact, version)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := b[bytes.Index(b, []byte("endcap-response\n")) : len(b)-8]
	if got := saved(t, h, killed); !bytes.Equal(got, want) {
		t.Errorf("another model: %d bytes, want %d; learned from %d showings, want %d",
			len(got), len(want), killed.Publish().Version, steady.Publish().Version)
	}
	if n := steady.Publish().Version; n < 300 {
		t.Errorf("learned from %d showings only", n)
	}
}

// What was shown is learned once it is over, whoever looked; it answers after it is
// published, ranks auctions after enough clicks, and holds nothing of anybody.
func TestAHouseLearnsFromWhatIsClicked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	l := h.open()
	if s := l.Served(); s.Ready || s.Version != 0 {
		t.Errorf("before the first visit: %+v", s)
	}
	for n := range 1_500 {
		h.visit(n)
	}
	h.follow(l)
	before := l.Served()
	h.over()
	h.follow(l)
	if l.Served() != before {
		t.Error("it answers with what was not published")
	}
	s := l.Publish()
	st := l.Status()
	if s.Version != 4_500 || st.Showings != 4_500 || st.Void != 0 || st.Awaited != 0 || s.Serial <= before.Serial {
		t.Errorf("learned from %d showings: %+v", s.Version, st)
	}
	if st.Clicks < 300 || !s.Ready || !st.Ready {
		t.Errorf("%d clicks and not ready: %+v", st.Clicks, st.Drifts)
	}
	if len(st.Drifts) != 1 || st.Drifts[0].Loss >= st.Drifts[0].Plain || st.Drifts[0].Observed/st.Drifts[0].Predicted < 0.8 || st.Drifts[0].Observed/st.Drifts[0].Predicted > 1.25 {
		t.Errorf("drift: %+v", st.Drifts)
	}
	for _, other := range []struct {
		what  string
		facts func()
		learn uint64
	}{
		{"a bot's click", func() {
			h.visit(5_000)
			h.say(shopper.FromUint64(uint64(1+5_000%40)<<33), event.Clicked{Bot: true, Touch: event.Touch{Decision: media.DecisionID{0x88, 0x13, 0, 1, 7: 184}}})
		}, 2},
		{"somebody who is forgotten", func() {
			h.visit(5_002)
			h.say(shopper.FromUint64(uint64(1+5_002%40)<<33), event.Forgotten{})
		}, 0},
		{"a decision of before, without a basis", func() {
			h.say(shopper.ID{}, event.Decided{Decision: media.DecisionID{9}, Wins: []event.Win{{Product: "x"}}})
		}, 0},
		{"a basis that is damaged", func() {
			h.say(shopper.ID{}, event.Decided{Decision: media.DecisionID{8}, Wins: []event.Win{{Product: "x"}}, Basis: []byte{1, 2, 3, 4, 5}})
		}, 0},
	} {
		was := l.Publish().Version
		other.facts()
		h.over()
		h.follow(l)
		if got := l.Publish().Version - was; got != other.learn {
			t.Errorf("%s teaches %d showings, want %d", other.what, got, other.learn)
		}
	}
	if got := l.Status().Damaged; got != 1 {
		t.Errorf("%d damaged, want 1", got)
	}
}

// A kept model that is cut off or changed is told, and the former one serves on.
func TestADamagedModelIsToldAndTheFormerServes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	l := h.open()
	var versions []uint64
	var seen []uint64
	for i := range 5 {
		for n := range 30 {
			h.visit(100*i + n)
		}
		h.over()
		h.follow(l)
		seen = append(seen, l.Publish().Version)
		v, err := l.Keep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if again, err := l.Keep(t.Context()); err != nil || again != v {
			t.Errorf("nothing was learned, and it keeps version %d after %d: %v", again, v, err)
		}
		versions = append(versions, v)
	}
	if _, err := h.art.Path(t.Context(), response.Artefact, versions[1]); !errors.Is(err, files.ErrNotFound) {
		t.Errorf("more than three versions are kept: %v", err)
	}
	damage := func(version uint64, how func([]byte) []byte) {
		path, err := h.art.Path(t.Context(), response.Artefact, version)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.Chmod(path, 0o600)
		}
		if err == nil {
			err = os.WriteFile(path, how(b), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if l = h.open(); l.Wrong() != nil || l.Served().Version != seen[4] {
		t.Errorf("whole: %v, %d showings", l.Wrong(), l.Served().Version)
	}
	damage(versions[4], func(b []byte) []byte { return b[:len(b)/2] })
	if l = h.open(); !errors.Is(l.Wrong(), response.ErrModel) || l.Served().Version != seen[3] || l.Status().Wrong == "" {
		t.Errorf("cut off: %v, %d showings, want %d", l.Wrong(), l.Served().Version, seen[3])
	}
	h.follow(l) // what it missed by that is learned again
	if got := l.Publish().Version; got != seen[4] {
		t.Errorf("learned from %d showings, want %d", got, seen[4])
	}
	damage(versions[3], func(b []byte) []byte { b[len(b)/3]++; return b })
	if l = h.open(); l.Served().Version != seen[2] {
		t.Errorf("two are damaged: %d showings, want %d", l.Served().Version, seen[2])
	}
	if err := l.Rollback(t.Context(), versions[4]); !errors.Is(err, response.ErrModel) {
		t.Errorf("back to what is damaged: %v", err)
	}
	damage(versions[2], func([]byte) []byte { return nil })
	if l = h.open(); l.Served().Version != 0 || !strings.Contains(l.Wrong().Error(), fmt.Sprint(versions[2])) {
		t.Errorf("all are damaged: %d showings, %v", l.Served().Version, l.Wrong())
	}
	h.follow(l) // the stream still has all of it
	if got := l.Publish().Version; got != seen[4] {
		t.Errorf("learned from %d showings, want %d", got, seen[4])
	}
}

// A merchandiser goes back to an earlier model; it learns on from what comes.
func TestAModelIsRolledBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	l := h.open()
	var first uint64
	var seen []uint64
	for i := range 2 {
		for n := range 40 {
			h.visit(100*i + n)
		}
		h.over()
		h.follow(l)
		seen = append(seen, l.Publish().Version)
		v, err := l.Keep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = v
		}
	}
	serial := l.Served().Serial
	if err := l.Rollback(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if s := l.Served(); s.Version != seen[0] || s.Serial == serial {
		t.Errorf("back at %d showings, want %d", s.Version, seen[0])
	}
	if v, err := l.Keep(t.Context()); err != nil || v <= first+1 {
		t.Errorf("kept as %d: %v", v, err)
	}
	if again := h.open(); again.Served().Version != seen[0] {
		t.Errorf("after a restart it has %d showings, want %d", again.Served().Version, seen[0])
	}
}

// A disk that is full is told, and what was learned is kept at the next try.
func TestADiskThatIsFullIsTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	full := &fullDisk{Files: h.art, full: true}
	l, err := response.Open(t.Context(), response.LifeConfig{Model: small(), Files: full, Partitions: 3, First: h.log.First})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 30 {
		h.visit(n)
	}
	h.over()
	h.follow(l)
	if _, err := l.Keep(t.Context()); err == nil {
		t.Error("kept on a full disk")
	}
	full.full = false
	if v, err := l.Keep(t.Context()); err != nil || v == 0 {
		t.Errorf("kept as %d: %v", v, err)
	}
	if _, err := response.Open(t.Context(), response.LifeConfig{Model: small(), Files: full}); err == nil {
		t.Error("opened without a stream")
	}
}

// fullDisk refuses what is written while it is full.
type fullDisk struct {
	files.Files
	full bool
}

func (d *fullDisk) Put(ctx context.Context, name string, write func(io.Writer) error) (uint64, error) {
	if d.full {
		return 0, errors.New("no space left")
	}
	return d.Files.Put(ctx, name, write)
}

// No kept file names a shopper or a decision, while something is awaited of her and
// after it was learned.
func TestAKeptModelNamesNobody(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	l := h.open()
	id := []byte{0x5c, 0xa1, 0xab, 0x1e, 0x0d, 0xdb, 0xa1, 0x15}
	who := shopper.FromUint64(binary.BigEndian.Uint64(id))
	decision := media.DecisionID{0xde, 0xad, 0xbe, 0xef, 0xca, 0xfe, 0xf0, 0x0d}
	sh := h.site.show()
	sh.Position, sh.Relation = 1, &response.Relation{Receipts: 3}
	for n := range 20 {
		h.visit(n)
	}
	h.over()
	h.say(who, event.Decided{Decision: decision, Wins: []event.Win{{Product: sh.Product, Placement: sh.Placement}}, Basis: response.AppendBasis(nil, []response.Showing{sh})})
	for _, awaited := range []int{1, 0} {
		h.follow(l)
		if got := l.Status().Awaited; got != awaited {
			t.Fatalf("%d showings awaited, want %d", got, awaited)
		}
		version, err := l.Keep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		path, err := h.art.Path(t.Context(), response.Artefact, version)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		back := slices.Clone(id)
		slices.Reverse(back)
		for _, name := range [][]byte{id, back, decision[:8]} {
			if bytes.Contains(b, name) {
				t.Errorf("with %d awaited, the kept model holds %x", awaited, name)
			}
		}
		h.over()
	}
}

// FuzzShowings holds the reader of bases to bytes from a damaged stream: what it
// reads, it writes again alike.
func FuzzShowings(f *testing.F) {
	s := newSite(40)
	for range 4 {
		a, b := s.show(), s.show()
		b.Hour = a.Hour
		f.Add(response.AppendBasis(nil, []response.Showing{a, b}))
	}
	f.Add([]byte{1, 25, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := event.Decided{Basis: b, Wins: make([]event.Win, 3)}
		all, err := response.Showings(&d)
		if err != nil {
			if !errors.Is(err, response.ErrBasis) {
				t.Error(err)
			}
			return
		}
		again, err := response.Showings(&event.Decided{Basis: response.AppendBasis(nil, all), Wins: d.Wins})
		if diff := cmp.Diff(all, again, cmpopts.EquateEmpty()); err != nil || diff != "" && len(b) <= event.BasisMax {
			t.Errorf("%v: %s", err, diff)
		}
	})
}
