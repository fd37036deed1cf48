package duck_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/know/history"
	"endcap/retail"
	"endcap/retail/event"
)

// receiptsOf are the facts of one batch: three receipts of one day.
func receiptsOf(batch int) []event.Fact {
	var out []event.Fact
	for i := range 3 {
		out = append(out, receipt(fmt.Sprintf("r%d-%d", batch, i), day+retail.Day(batch/4)))
	}
	return out
}

func batchCursor(n int) event.Cursor {
	return event.Cursor(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// folding is what the child does until it is killed: fold, seal now and then,
// and tell what was acknowledged.
func folding(t *testing.T, dir string) {
	t.Helper()
	w, err := duck.Open(t.Context(), dir, options())
	if err != nil {
		t.Fatal(err)
	}
	at, err := w.Cursor(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	from := 0
	if at != "" {
		from = int(binary.BigEndian.Uint64([]byte(at)))
	}
	for n := from; ; n++ {
		if err := w.Append(t.Context(), []warehouse.Fold{{Next: batchCursor(n + 1), Through: time.Unix(int64(n), 0), Rows: history.Rows(receiptsOf(n))}}); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("acknowledged %d\n", n+1)
		if n%5 == 4 {
			if _, err := w.Seal(t.Context(), day+retail.Day(n/4)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Is every acknowledged row there once, whenever the power goes?
func TestAKillLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("ENDCAP_FOLDING"); dir != "" {
		folding(t, dir)
		return
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(11, 3))
	for kill := range 4 {
		acknowledged := killed(t, dir, time.Duration(100+r.IntN(500))*time.Millisecond)
		if kill%2 == 1 { // the working copy is lost as well
			for _, name := range []string{"warehouse.duckdb", "warehouse.duckdb.wal"} {
				if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
		}
		w, err := duck.Open(t.Context(), dir, options())
		if err != nil {
			t.Fatalf("kill %d: %v", kill, err)
		}
		at, err := w.Cursor(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		folded := 0
		if at != "" {
			folded = int(binary.BigEndian.Uint64([]byte(at)))
		}
		if kill%2 == 0 && folded < acknowledged {
			t.Fatalf("kill %d: %d batches were acknowledged, %d are there", kill, acknowledged, folded)
		}
		for n := folded; n < acknowledged; n++ { // the stream brings the rest again
			if err := w.Append(t.Context(), []warehouse.Fold{{Next: batchCursor(n + 1), Through: time.Unix(int64(n), 0), Rows: history.Rows(receiptsOf(n))}}); err != nil {
				t.Fatal(err)
			}
		}
		want := 3 * max(folded, acknowledged)
		got, err := w.Query(t.Context(), warehouse.Query{Purpose: warehouse.Accounting, SQL: "select count(*), count(distinct receipt) from lines"})
		if err != nil {
			t.Fatal(err)
		}
		if rows, distinct := int(got.Columns[0].Ints[0]), int(got.Columns[1].Ints[0]); rows != want || distinct != want {
			t.Fatalf("kill %d: %d rows of %d receipts, want %d", kill, rows, distinct, want)
		}
		if err := errors.Join(w.Check(t.Context()), w.Close()); err != nil {
			t.Fatalf("kill %d: %v", kill, err)
		}
		t.Logf("kill %d: %d acknowledged, %d found", kill, acknowledged, folded)
	}
}

// killed starts a folding child, kills it after a while of work and says what
// it had acknowledged.
func killed(t *testing.T, dir string, after time.Duration) int {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAKillLosesNothingAndDoublesNothing$")
	child.Env = append(os.Environ(), "ENDCAP_FOLDING="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	last := 0
	var stop *time.Timer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text, ok := strings.CutPrefix(lines.Text(), "acknowledged ")
		if !ok {
			t.Log(lines.Text())
			continue
		}
		if last, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
		if stop == nil {
			stop = time.AfterFunc(after, func() { _ = child.Process.Kill() })
		}
	}
	_ = child.Wait() // it was killed
	if stop == nil {
		t.Fatal("the child folded nothing")
	}
	stop.Stop()
	return last
}
