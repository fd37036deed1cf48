package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"endcap/retail/event"
)

// Batch is a run of facts from one partition, in order. Next is the cursor
// after it: save it together with what the facts did. Facts may be empty; keep
// copies of them, for each shares its memory with its neighbours.
type Batch struct {
	Partition int
	Facts     []event.Fact
	Next      event.Cursor
}

// Follower turns facts into state. The package that owns the state exports it;
// Run drives it. Fold must save its effect and Batch.Next in one step, and may
// be called again with a batch it has already saved: it then does nothing. A
// fold gives the same state for any batch size and reads no clock.
type Follower struct {
	Name  string
	Kinds []event.Kind // what it wants to see; empty means every kind
	// Cursor is the last cursor saved for a partition, empty for none.
	Cursor func(ctx context.Context, partition int) (event.Cursor, error)
	Fold   func(ctx context.Context, b Batch) error
	// BatchMax is how many facts it wants at most at once; 0 means 4,096.
	BatchMax int
	// Together asks for one goroutine over all partitions rather than one each,
	// for state that has only one writer.
	Together bool
	// Round, where set, stands in for Fold and asks for Together: it is given one
	// batch of each partition that has something new, and must save all of them
	// in one step, for state that costs an fsync to save. BatchMax holds for each.
	Round func(ctx context.Context, bs []Batch) error
	// Pause, where set, is how long Run lets facts gather after a round of fewer
	// than Enough facts, so that a live stream gives few steps rather than
	// thousands; Progress.CaughtUp ends it. Enough 0 means every round.
	Pause  time.Duration
	Enough int
	// Rest, where set, is called before a batch of RestMin facts or more, which
	// only a bulk load makes, and may wait: facts gather meanwhile, to be folded
	// in few large batches, and those who load have the processor for themselves.
	// Live facts that come meanwhile wait too, so it must end.
	Rest func(ctx context.Context)
	// Passed, where set, hears how far a partition has been read: everything up
	// to at has been folded or was not wanted. It may be called from several
	// goroutines.
	Passed func(partition int, at event.Cursor)

	hurry chan struct{} // somebody waits for this follower; ends one Pause
}

// The pace of Run.
const (
	// RetryAfter is how long it waits before it tries a failed fold again.
	RetryAfter = 200 * time.Millisecond
	// SaveAfter is how long a cursor that has only passed facts the follower
	// does not want may stay unsaved while nothing else comes, and PassMax how
	// many of them it may pass: a state that costs an fsync to save is not
	// saved for every fact of somebody else's.
	SaveAfter = time.Second
	PassMax   = 16_384
)

// RestMin is how many facts make a batch before which a follower rests.
const RestMin = 512

const batchDefault = 4_096

// Run drives f until ctx ends, and returns nil then. A fold that fails is
// reported to failed and tried again after RetryAfter, for ever: facts cannot
// be skipped. failed may be called from several goroutines.
func Run(ctx context.Context, s Stream, f Follower, failed func(name string, err error)) error {
	var all sync.WaitGroup
	for _, group := range readers(s, &f) {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := follow(ctx, group); ctx.Err() == nil {
					failed(f.Name, err)
					pause(ctx, RetryAfter)
				}
			}
		})
	}
	all.Wait()
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// CatchUp drives f up to the stream's present end, saves its cursors there and
// returns.
func CatchUp(ctx context.Context, s Stream, f Follower) error {
	groups := readers(s, &f)
	errs := make([]error, len(groups))
	var all sync.WaitGroup
	for i, group := range groups {
		all.Go(func() { errs[i] = catchUp(ctx, group) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func catchUp(ctx context.Context, group []*reader) error {
	if _, err := drain(ctx, group); err != nil {
		return err
	}
	return save(ctx, group)
}

// drain folds the partitions of a group up to their present ends and says how
// many facts it folded.
func drain(ctx context.Context, group []*reader) (folded int, err error) {
	if group[0].f.Round != nil {
		return rounds(ctx, group)
	}
	for _, r := range group {
		if err := r.drain(ctx); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// save has the follower save the cursors that passed only unwanted facts.
func save(ctx context.Context, group []*reader) error {
	if group[0].f.Round != nil {
		return saveRound(ctx, group)
	}
	for _, r := range group {
		if err := r.save(ctx); err != nil {
			return err
		}
	}
	return nil
}

// follow folds whatever is there and waits for more, until an error: it returns
// none but that.
func follow(ctx context.Context, group []*reader) error {
	f := group[0].f
	for {
		folded, err := drain(ctx, group)
		if err != nil {
			return err
		}
		if folded > 0 && f.Pause > 0 && (f.Enough == 0 || folded < f.Enough) {
			f.gatherMore(ctx)
		}
		more, err := waitAny(ctx, group)
		if err != nil {
			return err
		}
		if more {
			continue
		}
		if err := save(ctx, group); err != nil {
			return err
		}
	}
}

// gatherMore waits for Pause, or until somebody waits for the follower.
func (f *Follower) gatherMore(ctx context.Context) {
	timer := time.NewTimer(f.Pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-f.hurry:
	}
}

// waitAny returns true when one of the partitions has something new, and false
// when nothing came for SaveAfter and a cursor is unsaved.
func waitAny(ctx context.Context, group []*reader) (more bool, err error) {
	wait, cancel := patience(ctx, slices.ContainsFunc(group, func(r *reader) bool { return r.at != r.saved }))
	defer cancel()
	done := make(chan error, len(group))
	var waiting sync.WaitGroup
	for _, r := range group {
		waiting.Go(func() { done <- r.s.Wait(wait, r.partition, r.at) })
	}
	err = <-done
	cancel()
	waiting.Wait()
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return false, nil
	}
	return err == nil, err
}

// patience ends after SaveAfter where a cursor is unsaved.
func patience(ctx context.Context, unsaved bool) (context.Context, context.CancelFunc) {
	if unsaved {
		return context.WithTimeout(ctx, SaveAfter)
	}
	return context.WithCancel(ctx)
}

// reader reads one partition for a follower.
type reader struct {
	s         Stream
	f         *Follower
	wanted    *[256]bool
	partition int
	limit     int
	saved     event.Cursor // what the follower has saved
	at        event.Cursor // how far it has read; only unwanted facts lie between
	passed    int          // how many
}

// readers makes a reader for each partition, grouped by the goroutine that is to
// drive them.
func readers(s Stream, f *Follower) [][]*reader {
	wanted := kindSet(f.Kinds)
	limit := f.BatchMax
	if limit == 0 {
		limit = batchDefault
	}
	groups := make([][]*reader, 0, s.Partitions())
	for p := range s.Partitions() {
		r := &reader{s: s, f: f, wanted: &wanted, partition: p, limit: min(limit, ReadMax)}
		if (f.Together || f.Round != nil) && p > 0 {
			groups[0] = append(groups[0], r)
		} else {
			groups = append(groups, []*reader{r})
		}
	}
	return groups
}

// begin looks where the partition stands and where it ends at present.
func (r *reader) begin(ctx context.Context) (end event.Cursor, err error) {
	saved, err := r.f.Cursor(ctx, r.partition)
	if err != nil {
		return "", fmt.Errorf("cursor of %s: %w", r.f.Name, err)
	}
	if saved != r.saved { // somebody else moved it, or this is the first time
		r.saved, r.at, r.passed = saved, saved, 0
		r.tell()
	}
	if end, err = r.s.End(ctx, r.partition); err != nil {
		return "", fmt.Errorf("read for %s: %w", r.f.Name, err)
	}
	return end, nil
}

// drain folds the partition up to its present end. While one batch is folded
// the next is read and decoded, where there is a next: at a stream's end there
// seldom is.
func (r *reader) drain(ctx context.Context) error {
	end, err := r.begin(ctx)
	if err != nil {
		return err
	}
	if r.f.Rest != nil {
		return r.plod(ctx, end)
	}
	if r.at >= end {
		return ctx.Err()
	}
	first := r.read(ctx, r.at)
	if first.err != nil || first.read == 0 {
		return first.err
	}
	if first.batch.Next >= end {
		return r.take(ctx, first)
	}
	ahead, stop := context.WithCancel(ctx)
	batches := make(chan decoded)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(batches)
		r.readAhead(ahead, first.batch.Next, end, batches)
	})
	defer reading.Wait()
	defer stop()
	if err := r.take(ctx, first); err != nil {
		return err
	}
	for d := range batches {
		if err := r.take(ctx, d); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// take folds what was read, if it could be.
func (r *reader) take(ctx context.Context, d decoded) error {
	if d.err != nil {
		return d.err
	}
	if err := r.fold(ctx, d); err != nil {
		return err
	}
	r.tell()
	return nil
}

// plod is drain for who is in no hurry: one batch at a time is in memory.
func (r *reader) plod(ctx context.Context, end event.Cursor) error {
	for r.at < end {
		d := r.read(ctx, r.at)
		if d.err != nil || d.read == 0 {
			return d.err
		}
		if len(d.batch.Facts) >= RestMin {
			r.f.Rest(ctx)
		}
		if err := r.fold(ctx, d); err != nil {
			return err
		}
		r.tell()
	}
	return ctx.Err()
}

// tell says how far the partition has been read.
func (r *reader) tell() {
	if r.f.Passed != nil {
		r.f.Passed(r.partition, r.at)
	}
}

// decoded is a batch read ahead, or why it could not be; read counts all its
// entries, wanted or not.
type decoded struct {
	batch Batch
	read  int
	bytes int // of the facts that are wanted
	err   error
}

// readAhead reads the facts after at, up to end or a little beyond.
func (r *reader) readAhead(ctx context.Context, at, end event.Cursor, to chan<- decoded) {
	for at < end {
		d := r.read(ctx, at)
		if d.err == nil && d.read == 0 {
			return
		}
		select {
		case to <- d:
		case <-ctx.Done():
			return
		}
		if d.err != nil {
			return
		}
		at = d.batch.Next
	}
}

func (r *reader) read(ctx context.Context, at event.Cursor) decoded {
	entries, err := r.s.Read(ctx, r.partition, at, r.limit)
	if err != nil {
		return decoded{err: fmt.Errorf("read for %s: %w", r.f.Name, err)}
	}
	if len(entries) == 0 {
		return decoded{}
	}
	b, bytes := Batch{Partition: r.partition, Next: entries[len(entries)-1].At}, 0
	var unpacker event.Unpacker
	for i := range entries {
		if !r.wanted[entries[i].Kind] {
			continue
		}
		if b.Facts == nil {
			b.Facts = make([]event.Fact, 0, len(entries)-i)
		}
		fact, err := unpacker.Unpack(entries[i].Bytes)
		if err != nil {
			return decoded{err: fmt.Errorf("fold %s: %w", r.f.Name, err)}
		}
		b.Facts = append(b.Facts, fact)
		bytes += len(entries[i].Bytes)
	}
	return decoded{batch: b, read: len(entries), bytes: bytes}
}

// fold hands a batch to the follower, or passes it if nothing in it is wanted.
func (r *reader) fold(ctx context.Context, d decoded) error {
	if len(d.batch.Facts) == 0 {
		r.at = d.batch.Next
		if r.passed += d.read; r.passed < PassMax {
			return nil
		}
		return r.save(ctx)
	}
	if err := r.f.Fold(ctx, d.batch); err != nil {
		return fmt.Errorf("fold %s: %w", r.f.Name, err)
	}
	r.saved, r.at, r.passed = d.batch.Next, d.batch.Next, 0
	return nil
}

// save has the follower save a cursor that passed only unwanted facts.
func (r *reader) save(ctx context.Context) error {
	if r.at == r.saved {
		return nil
	}
	if err := r.f.Fold(ctx, Batch{Partition: r.partition, Next: r.at}); err != nil {
		return fmt.Errorf("save the cursor of %s: %w", r.f.Name, err)
	}
	r.saved, r.passed = r.at, 0
	return nil
}

func kindSet(kinds []event.Kind) (set [256]bool) {
	for _, k := range kinds {
		set[k] = true
	}
	if len(kinds) == 0 {
		for i := range set {
			set[i] = true
		}
	}
	return set
}
