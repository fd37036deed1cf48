package response

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"endcap/keep/files"
	"endcap/keep/stream"
	"endcap/retail/event"
)

// Names of what the house keeps of the model.
const (
	FollowerName = "response"
	Artefact     = "response"
)

// How the model lives in the house.
const (
	WaitDefault   = 30 * time.Minute // for what becomes of a showing
	AwaitDefault  = 1 << 18          // showings awaited at once over all partitions, some 100 MB
	ClicksDefault = 1_000            // after which the model's chances rank an auction
	kept          = 3                // versions of the artefact that stay
	lanesMax      = 1 << 12
)

// LifeConfig is what a Life stands on.
type LifeConfig struct {
	Model      Config
	Files      files.Files
	Partitions int
	// First is the cursor up to which a partition was trimmed; what was trimmed
	// teaches no more.
	First  func(ctx context.Context, partition int) (event.Cursor, error)
	Wait   time.Duration // 0 is WaitDefault
	Await  int           // 0 is AwaitDefault
	Clicks uint64        // 0 is ClicksDefault
}

// Life is the model in a house: a follower teaches it what decisions, clicks and
// baskets say, it publishes what it learned, and keeps itself with the stream's
// places in one file, so that after a crash it goes on from there and learns nothing
// twice. Make one with Open; it is safe for concurrent use.
type Life struct {
	cfg    LifeConfig
	served atomic.Pointer[Served]

	mu      sync.Mutex // guards what follows; never held while a file is written
	learner *Learner
	lanes   []*lane
	damaged uint64
	changed bool   // something was learned since the model was kept
	version uint64 // of the artefact: the newest that was kept or read
	wrong   error  // what could not be read when it was opened
	keeping sync.Mutex
}

// Served is the model that answers.
type Served struct {
	*Scorer
	Version uint64 // how many showings it has learned from: what explanations call it
	Serial  uint64 // counts what was published since the house was opened
	// Ready says that its chances may rank an auction: it has learned from enough
	// clicks, and of late predicted them at least as well as somebody who always
	// says what mostly comes at each place.
	Ready bool
}

// Open reads the newest version of the artefact that is whole, or begins anew where
// there is none. What could not be read is told by Status, and by Wrong.
func Open(ctx context.Context, cfg LifeConfig) (*Life, error) {
	cfg.Wait, cfg.Await, cfg.Clicks = cmp.Or(cfg.Wait, WaitDefault), cmp.Or(cfg.Await, AwaitDefault), cmp.Or(cfg.Clicks, ClicksDefault)
	if cfg.Files == nil || cfg.First == nil || cfg.Partitions < 1 || cfg.Partitions > lanesMax {
		return nil, errors.New("response: a life needs files, the stream's beginning and its partitions")
	}
	l := &Life{cfg: cfg}
	places, err := l.recall(ctx)
	if err != nil {
		return nil, err
	}
	if l.learner == nil {
		if l.learner, err = New(cfg.Model); err != nil {
			return nil, err
		}
	}
	for p := range cfg.Partitions {
		first, err := cfg.First(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("where partition %d begins: %w", p, err)
		}
		at := place{cursor: first}
		if kept, ok := places[p]; ok && kept.cursor >= first {
			at = kept
		}
		lane, err := newLane(at, cfg.Wait, max(cfg.Await/cfg.Partitions, 1))
		if err != nil {
			return nil, err
		}
		l.lanes = append(l.lanes, lane)
	}
	l.Publish()
	return l, nil
}

// recall reads the newest version that is whole.
func (l *Life) recall(ctx context.Context) (map[int]place, error) {
	newest, err := l.cfg.Files.Newest(ctx, Artefact)
	switch {
	case errors.Is(err, files.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("find the newest response model: %w", err)
	}
	l.version = newest
	for version := newest; version > 0 && version+kept > newest; version-- {
		learner, places, err := read(ctx, l.cfg.Files, version)
		if err == nil {
			l.learner = learner
			return places, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !errors.Is(err, files.ErrNotFound) {
			l.wrong = errors.Join(l.wrong, err)
		}
	}
	return nil, nil
}

// Wrong says which kept versions could not be read when the house was opened; nil
// where the newest could.
func (l *Life) Wrong() error { return l.wrong }

// Follower teaches the model. Its cursors are in memory; what is kept leads back to
// where each partition must be read again.
func (l *Life) Follower() stream.Follower {
	return stream.Follower{
		Name:     FollowerName,
		Kinds:    []event.Kind{event.KindDecided, event.KindShown, event.KindClicked, event.KindBasketed, event.KindPurchased, event.KindDayTurned, event.KindForgotten},
		Together: true,
		Cursor: func(_ context.Context, partition int) (event.Cursor, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.lanes[partition].at, nil
		},
		Fold: func(_ context.Context, b stream.Batch) error { return l.fold(&b) },
	}
}

func (l *Life) fold(b *stream.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	lane := l.lanes[b.Partition]
	if b.Next <= lane.at {
		return nil
	}
	over, damaged := lane.fold(b.Facts, b.Next)
	l.damaged += uint64(damaged)
	l.changed = l.changed || len(over) > 0
	return l.learner.Learn(over)
}

// Served is the model that answers now.
func (l *Life) Served() *Served { return l.served.Load() }

// Publish has what was learned so far answer from now on.
func (l *Life) Publish() *Served {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.publish()
}

func (l *Life) publish() *Served {
	s := &Served{Scorer: l.learner.Publish(), Serial: 1}
	if was := l.served.Load(); was != nil {
		s.Serial = was.Serial + 1
	}
	showings, clicks := s.Seen()
	s.Version = showings
	var loss, plain float64
	for i := range s.watched {
		loss, plain = loss+s.watched[i].Loss, plain+s.watched[i].Plain
	}
	s.Ready = clicks >= l.cfg.Clicks && loss <= plain
	l.served.Store(s)
	return s
}

// Keep leaves the model, with the places from which it goes on, as a new version of
// the artefact, whose number it returns, where it has learned anything since the last.
func (l *Life) Keep(ctx context.Context) (uint64, error) {
	l.keeping.Lock()
	defer l.keeping.Unlock()
	l.mu.Lock()
	if !l.changed {
		defer l.mu.Unlock()
		return l.version, nil
	}
	b := l.encode()
	l.changed = false
	l.mu.Unlock()
	version, err := l.cfg.Files.Put(ctx, Artefact, func(w io.Writer) error { _, err := w.Write(b); return err })
	l.mu.Lock()
	if err != nil {
		l.changed = true
	} else {
		l.version = version
	}
	l.mu.Unlock()
	if err != nil {
		return 0, fmt.Errorf("keep a response model: %w", err)
	}
	if version > kept {
		if err := l.cfg.Files.Drop(ctx, Artefact, version-kept+1); err != nil {
			return 0, fmt.Errorf("drop old response models: %w", err)
		}
	}
	return version, nil
}

// Rollback has the model of a kept version answer, and learn on from what comes now;
// what was learned since is unlearned. It is kept as a new version at the next Keep.
func (l *Life) Rollback(ctx context.Context, version uint64) error {
	learner, _, err := read(ctx, l.cfg.Files, version)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.learner, l.changed = learner, true
	l.publish()
	return nil
}

// Run looks every so often whether the model has learned from a fiftieth more, and
// then publishes; at every tenth look it publishes whatever is new, and keeps the
// model, and at the end it keeps it once more. A page that is cached is made anew
// after each publication, so that a model which has seen much is not published for
// little. What goes wrong is reported to failed.
func (l *Life) Run(ctx context.Context, every time.Duration, failed func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			if _, err := l.Keep(context.WithoutCancel(ctx)); err != nil {
				failed(err)
			}
			return
		case <-tick.C:
		}
		now, keep := l.Served().Version, n%keepTimes == 0
		if seen := l.seen(); seen > now+now/50 || keep && seen != now {
			l.Publish()
		}
		if !keep {
			continue
		}
		if _, err := l.Keep(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}

// keepTimes is how many looks make a version that is kept.
const keepTimes = 10

// seen is how many showings were learned from.
func (l *Life) seen() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.learner.learning.Lock()
	defer l.learner.learning.Unlock()
	return l.learner.clicks.seen
}

// A kept life is a magic word, a byte of layout, each partition's place, and a kept
// model. The last eight bytes are the XXH64 of all before.
const (
	lifeMagic  = "endcap-response-life\n"
	lifeLayout = 1
	cursorMax  = 1 << 10
)

func (l *Life) encode() []byte {
	p := printer{append([]byte(lifeMagic), lifeLayout)}
	p.uint(uint64(len(l.lanes)))
	for i, lane := range l.lanes {
		at := lane.resume()
		p.uint(uint64(i))
		p.uint(uint64(len(at.cursor)))
		p.b = append(p.b, at.cursor...)
		p.uint(at.skip)
	}
	p.b = append(p.b, l.learner.encode()...)
	return sealed(p.b)
}

func read(ctx context.Context, from files.Files, version uint64) (*Learner, map[int]place, error) {
	path, err := from.Path(ctx, Artefact, version)
	if err != nil {
		return nil, nil, fmt.Errorf("find response model %d: %w", version, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read response model %d: %w", version, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	b, err := io.ReadAll(io.LimitReader(f, fileMax+1))
	if err == nil && len(b) > fileMax {
		err = fmt.Errorf("%w: more than %d bytes", ErrModel, fileMax)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read response model %d: %w", version, err)
	}
	l, places, err := decodeLife(b)
	if err != nil {
		return nil, nil, fmt.Errorf("read response model %d: %w: %w", version, ErrModel, err)
	}
	return l, places, nil
}

func decodeLife(b []byte) (*Learner, map[int]place, error) {
	body := len(b) - sumSize
	switch {
	case body < len(lifeMagic)+1 || !bytes.HasPrefix(b, []byte(lifeMagic)):
		return nil, nil, errors.New("it does not begin like one")
	case binary.LittleEndian.Uint64(b[body:]) != xxhash.Sum64(b[:body]):
		return nil, nil, errors.New("its checksum is another: it is cut off or has changed")
	case b[len(lifeMagic)] != lifeLayout:
		return nil, nil, fmt.Errorf("layout %d; this program reads %d", b[len(lifeMagic)], lifeLayout)
	}
	s := scanner{b: b[len(lifeMagic)+1 : body]}
	places := make(map[int]place)
	for range s.count(lanesMax) {
		i, n := int(s.count(lanesMax)), s.count(cursorMax)
		if n > uint64(len(s.b)) {
			s.fail("a cursor is cut off")
			break
		}
		at := place{cursor: event.Cursor(s.b[:n])}
		s.b = s.b[n:]
		at.skip = s.uint()
		places[i] = at
	}
	if s.err != nil {
		return nil, nil, s.err
	}
	l, err := decode(s.b)
	return l, places, err
}

// Drift is what was expected of a placement's recent showings and what came; older
// ones count less.
type Drift struct {
	Placement string
	Showings  float64
	Predicted float64 // clicks, each predicted before it was learned
	Observed  float64
	Loss      float64 // log loss of a showing
	Plain     float64 // the same of who always says what mostly came at each position before
}

// Status is how the model stands: what a command or a page shows.
type Status struct {
	Version   uint64 // of the artefact, the newest that was kept; 0 before the first
	Showings  uint64 // learned from by the model that answers
	Clicks    uint64
	ClicksMin uint64  // before it ranks auctions
	Ready     bool    // it does
	Late      uint64  // touches of showings that were over, or never awaited
	Early     uint64  // showings over early for want of room
	Void      uint64  // showings that taught nothing: bots, too many clicks, clicks on what was never seen
	Damaged   uint64  // decisions whose basis could not be read
	Wrong     string  // what could not be read when the house was opened
	Drifts    []Drift // by placement
	Watched   []Watched
	Awaited   int
}

// Status tells of the model.
func (l *Life) Status() Status {
	s := l.Served()
	out := Status{ClicksMin: l.cfg.Clicks, Ready: s.Ready, Watched: s.Places()}
	out.Showings, out.Clicks = s.Seen()
	by := make(map[string]*Drift)
	for i := range out.Watched {
		w := &out.Watched[i]
		d := by[string(w.Placement)]
		if d == nil {
			d = &Drift{Placement: string(w.Placement)}
			by[d.Placement] = d
		}
		d.Showings, d.Predicted, d.Observed = d.Showings+w.Shown, d.Predicted+w.Predicted, d.Observed+w.Observed
		d.Loss, d.Plain = d.Loss+w.Loss, d.Plain+w.Plain
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		d := by[name]
		if d.Showings > 0 {
			d.Loss, d.Plain = d.Loss/d.Showings, d.Plain/d.Showings
		}
		out.Drifts = append(out.Drifts, *d)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out.Version, out.Damaged = l.version, l.damaged
	if l.wrong != nil {
		out.Wrong = l.wrong.Error()
	}
	for _, lane := range l.lanes {
		late, early, void := lane.await.Missed()
		out.Late, out.Early, out.Void = out.Late+late, out.Early+early, out.Void+void
		out.Awaited += int(lane.added - lane.await.Gone())
	}
	return out
}
