package duck_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/keep/warehouse"
	"endcap/know/history"
	"endcap/retail/event"
)

// Does a digest follow the facts, and neither their order nor their batches?
func TestADigestFollowsTheFacts(t *testing.T) {
	t.Parallel()
	digest := func(batches ...[]event.Fact) map[string]string {
		t.Helper()
		w := open(t, t.TempDir())
		for n, facts := range batches {
			if err := w.Append(t.Context(), []warehouse.Fold{{Next: event.Cursor('1' + rune(n)), Through: time.Unix(1, 0), Rows: history.Rows(facts)}}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := w.Digest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	one, two := receipt("r1", day), receipt("r2", day)
	want := digest([]event.Fact{one, two})
	if diff := cmp.Diff(want, digest([]event.Fact{two}, []event.Fact{one})); diff != "" {
		t.Errorf("other batches give other digests: %s", diff)
	}
	two.Arrived = two.Arrived.Add(time.Second) // only a hidden column tells
	if got := digest([]event.Fact{one, two}); got[event.TableReceipts] == want[event.TableReceipts] {
		t.Error("a receipt that arrived at another time has the same digest")
	}
}
