package ingest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"endcap/keep/stream"
	"endcap/retail/event"
)

// Appender is what a Recorder and a Relay need of keep/stream.
type Appender interface {
	Append(ctx context.Context, facts []event.Packed) ([]stream.Appended, error)
}

// RecorderConfig bounds a Recorder and hears of its troubles.
type RecorderConfig struct {
	QueueMax int             // records that may wait; more are dropped
	BatchMax int             // records in one commit
	Gather   time.Duration   // how long the first record of a commit waits for others
	Retry    time.Duration   // between attempts while the stream refuses
	Flush    time.Duration   // how long Stop may take for what waits
	Dropped  func(n int)     // called for records lost to a full queue; may be nil
	Failed   func(error)     // called for a commit that failed and is tried again; may be nil
	Saved    func(facts int) // called for each commit; may be nil
}

// RecorderDefaults lets 16,384 records wait, at most some 64 MB, and commits up
// to 1,024 at a time, fifty times a second.
func RecorderDefaults() RecorderConfig {
	return RecorderConfig{QueueMax: 16_384, BatchMax: 1_024, Gather: 20 * time.Millisecond, Retry: 200 * time.Millisecond, Flush: 10 * time.Second}
}

// Recorder keeps the records of decisions without making a decision wait: they
// queue, and one goroutine commits what has gathered. A crash loses what waits.
// Billing never needs a record; proof needs it for the control group, whose wins
// are shown to nobody and stand in records alone: each lost one takes a shopper's
// win out of that group, so lost records are counted (Dropped). Make one with
// NewRecorder, then Start it; Record is safe for concurrent use.
type Recorder struct {
	log     Appender
	cfg     RecorderConfig
	queue   chan event.Fact
	mu      sync.RWMutex // held for reading while a record is put into the queue
	closed  bool
	stop    sync.Once
	work    sync.WaitGroup
	dropped atomic.Int64
}

// NewRecorder makes a Recorder; bounds below one are taken as one.
func NewRecorder(log Appender, cfg RecorderConfig) *Recorder {
	cfg.BatchMax = min(max(cfg.BatchMax, 1), stream.AppendMax)
	return &Recorder{log: log, cfg: cfg, queue: make(chan event.Fact, max(cfg.QueueMax, 1))}
}

// Record queues a fact, which must not be changed afterwards. It never waits:
// when the queue is full, or after Stop, the fact is dropped and counted.
func (r *Recorder) Record(f event.Fact) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.closed {
		select {
		case r.queue <- f:
			return
		default:
		}
	}
	r.drop(1)
}

func (r *Recorder) drop(n int) {
	r.dropped.Add(int64(n))
	if r.cfg.Dropped != nil {
		r.cfg.Dropped(n)
	}
}

// Dropped is how many facts were dropped so far.
func (r *Recorder) Dropped() int64 { return r.dropped.Load() }

// Start begins to commit. When ctx ends, what waits is still committed, within
// RecorderConfig.Flush of Stop.
func (r *Recorder) Start(ctx context.Context) {
	r.work.Go(func() { r.run(context.WithoutCancel(ctx)) })
}

// Stop takes no more records, waits until what waits is committed or Flush has
// passed, and returns. Stopping twice is fine.
func (r *Recorder) Stop() {
	r.stop.Do(func() {
		r.mu.Lock()
		r.closed = true
		r.mu.Unlock()
		close(r.queue)
	})
	r.work.Wait()
}

func (r *Recorder) run(ctx context.Context) {
	batch := make([]event.Fact, 0, r.cfg.BatchMax)
	var a arena // of all batches: most are small
	for first := range r.queue {
		batch = append(batch[:0], first)
		if len(r.queue) < r.cfg.BatchMax/2 && !r.stopping() {
			time.Sleep(r.cfg.Gather) // nobody waits for a record, and a commit costs as much for one as for many
		}
	gather:
		for len(batch) < r.cfg.BatchMax {
			select {
			case f, ok := <-r.queue:
				if !ok {
					break gather
				}
				batch = append(batch, f)
			default:
				break gather
			}
		}
		r.commit(ctx, &a, batch)
		clear(batch) // it must not hold what is stored
	}
}

// commit appends a batch, again and again until it is stored; once the Recorder
// is stopping, only for as long as Flush.
func (r *Recorder) commit(ctx context.Context, a *arena, batch []event.Fact) {
	facts := make([]event.Packed, 0, len(batch))
	for i := range batch {
		p, err := a.pack(&batch[i], event.RecordMax+1_024)
		if err != nil {
			r.fail(fmt.Errorf("pack a record: %w", err))
			r.drop(1)
			continue
		}
		facts = append(facts, p)
	}
	var waited time.Duration
	for len(facts) > 0 {
		_, err := r.log.Append(ctx, facts)
		if err == nil {
			if r.cfg.Saved != nil {
				r.cfg.Saved(len(facts))
			}
			return
		}
		r.fail(fmt.Errorf("append %d records: %w", len(facts), err))
		if r.stopping() && waited >= r.cfg.Flush {
			r.drop(len(facts))
			return
		}
		pause := max(r.cfg.Retry, time.Millisecond)
		time.Sleep(pause)
		if r.stopping() {
			waited += pause
		}
	}
}

func (r *Recorder) stopping() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.closed
}

func (r *Recorder) fail(err error) {
	if r.cfg.Failed != nil {
		r.cfg.Failed(err)
	}
}
