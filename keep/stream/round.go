package stream

import (
	"context"
	"fmt"
	"sync"

	"endcap/retail/event"
)

// rounds folds partitions up to their present ends, a batch of each at a time.
// While one round is folded the next is read and decoded.
func rounds(ctx context.Context, group []*reader) (folded int, err error) {
	ends := make([]event.Cursor, len(group))
	for i, r := range group {
		if ends[i], err = r.begin(ctx); err != nil {
			return 0, err
		}
	}
	ahead, stop := context.WithCancel(ctx)
	rounds := make(chan []decoded)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(rounds)
		roundsAhead(ahead, group, ends, rounds)
	})
	defer reading.Wait()
	defer stop()
	for round := range rounds {
		n, err := foldRound(ctx, group, round)
		if err != nil {
			return folded, err
		}
		folded += n
	}
	return folded, ctx.Err()
}

// roundBytes is how many bytes of facts end a round: partitions that it leaves
// out begin the next. It holds receipts by the ten thousand, and keeps facts
// that are large, such as a store's week of promotions, from filling memory.
const roundBytes = 8 << 20

// roundsAhead reads the facts up to the ends or a little beyond, a batch of each
// partition at a time; a partition that has reached its end gives an empty one.
func roundsAhead(ctx context.Context, group []*reader, ends []event.Cursor, to chan<- []decoded) {
	at := make([]event.Cursor, len(group))
	for i, r := range group {
		at[i] = r.at
	}
	for turn := 0; ; {
		round, read, bytes := make([]decoded, len(group)), 0, 0
		for range group {
			if bytes >= roundBytes {
				break
			}
			i := turn
			turn = (turn + 1) % len(group)
			if at[i] >= ends[i] {
				continue
			}
			d := group[i].read(ctx, at[i])
			bytes += d.bytes
			if d.read > 0 {
				at[i] = d.batch.Next
			} else if d.err == nil {
				at[i] = ends[i] // trimmed meanwhile
			}
			round[i], read = d, read+d.read
			if d.err != nil {
				read++
				break
			}
		}
		if read == 0 {
			return
		}
		select {
		case to <- round:
		case <-ctx.Done():
			return
		}
	}
}

// foldRound hands over what a round holds in one step, and passes it where
// nothing in it is wanted.
func foldRound(ctx context.Context, group []*reader, round []decoded) (facts int, err error) {
	for i := range round {
		if err := round[i].err; err != nil {
			return 0, err // before any partition has passed what it read beside it
		}
	}
	pass := false
	for i, r := range group {
		d := &round[i]
		facts += len(d.batch.Facts)
		if d.read == 0 {
			continue
		}
		r.at, r.passed = d.batch.Next, r.passed+d.read
		pass = pass || r.passed >= PassMax
	}
	if facts == 0 && !pass {
		tellAll(group)
		return 0, nil
	}
	batches := make([]Batch, 0, len(group))
	for i, r := range group {
		if r.at != r.saved {
			batches = append(batches, Batch{Partition: r.partition, Facts: round[i].batch.Facts, Next: r.at})
		}
	}
	return facts, endRound(ctx, group, batches)
}

// saveRound saves the cursors that passed only unwanted facts.
func saveRound(ctx context.Context, group []*reader) error {
	var batches []Batch
	for _, r := range group {
		if r.at != r.saved {
			batches = append(batches, Batch{Partition: r.partition, Next: r.at})
		}
	}
	if len(batches) == 0 {
		return nil
	}
	return endRound(ctx, group, batches)
}

// endRound has the follower save batches and notes it. After an error the next
// round begins where the follower stands.
func endRound(ctx context.Context, group []*reader, batches []Batch) error {
	f := group[0].f
	if err := f.Round(ctx, batches); err != nil {
		for _, r := range group {
			r.at, r.passed = r.saved, 0
		}
		return fmt.Errorf("fold %s: %w", f.Name, err)
	}
	for _, r := range group {
		r.saved, r.passed = r.at, 0
	}
	tellAll(group)
	return nil
}

func tellAll(group []*reader) {
	for _, r := range group {
		r.tell()
	}
}
