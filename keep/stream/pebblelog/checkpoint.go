package pebblelog

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"endcap/keep/stream"
)

// Checkpoint makes a new folder that holds the stream as it is at one instant: a
// log that Open opens. It costs little, for files that are never changed again are
// linked and not copied. Every append that was answered before is in it, and none
// is under way while still runs, which should be quick. The folder must lie on the
// same disk and be removed soon: facts that are trimmed meanwhile live on in it.
func (l *Log) Checkpoint(ctx context.Context, dir string, still func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.life.Lock()
	defer l.life.Unlock()
	if l.closed {
		return stream.ErrClosed
	}
	if err := l.whole(); err != nil {
		return err
	}
	if err := l.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		return fmt.Errorf("checkpoint the stream: %w", err)
	}
	return still()
}
