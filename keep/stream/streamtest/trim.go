package streamtest

import (
	"bytes"
	"errors"
	"testing"

	"endcap/keep/stream"
	"endcap/retail/event"
)

func testTrim(t *testing.T, setup Setup) {
	dir, now := t.TempDir(), newClock().Now
	const who, n = 6, 500
	p := stream.PartitionOf(who, Partitions)
	var facts []event.Packed
	for i := range n {
		facts = append(facts, lasting(t, id(i), 0, who, "x"))
	}
	s, shut := setup.Open(t, dir, now)
	at := mustAppend(t, s, facts...)
	for _, cut := range []int{0, 1, 99, 99, 20, 250, n - 1} {
		if err := s.Trim(t.Context(), p, at[cut].At); err != nil {
			t.Fatalf("trim to %d: %v", cut, err)
		}
		shut()
		s, shut = setup.Open(t, dir, now)
		cut = max(cut, map[int]int{20: 99}[cut])
		checkTrimmed(t, s, facts, at, cut)
	}
	defer shut()
	if got, err := s.Newest(t.Context(), [][16]byte{facts[0].Key}); err != nil || got[0].Outcome != stream.Conflict || got[0].At != "" {
		t.Errorf("the newest under a trimmed fact's key is %+v, %v; want known, and nowhere", got, err)
	}
	more := mustAppend(t, s, lasting(t, "more", 0, who, "x"))[0]
	if more.At <= at[n-1].At {
		t.Error("an emptied partition began again")
	}
	if got := readAll(t, s, p, "", 10); len(got) != 1 || got[0].At != more.At {
		t.Errorf("%d facts after the trimmed ones, want 1", len(got))
	}
	for other := range Partitions {
		if first, err := s.First(t.Context(), other); other != p && (err != nil || first != "") {
			t.Errorf("partition %d, never trimmed, begins after %x: %v", other, first, err)
		}
	}
}

// checkTrimmed checks that of facts, which lie at, those up to cut were trimmed.
func checkTrimmed(t *testing.T, s stream.Stream, facts []event.Packed, at []stream.Appended, cut int) {
	t.Helper()
	p := at[0].Partition
	first, err := s.First(t.Context(), p)
	if err != nil || first != at[cut].At {
		t.Fatalf("first is %x, %v; want %x", first, err, at[cut].At)
	}
	if got := end(t, s, p); got != at[len(at)-1].At {
		t.Fatalf("end is %x after a trim, want %x", got, at[len(at)-1].At)
	}
	got := readAll(t, s, p, "", 64)
	if len(got) != len(facts)-cut-1 {
		t.Fatalf("%d facts stay after a trim at %d of %d", len(got), cut, len(facts))
	}
	for i, e := range got {
		if e.At != at[cut+1+i].At || !bytes.Equal(e.Bytes, facts[cut+1+i].Bytes) {
			t.Fatalf("fact %d after a trim at %d is another one", i, cut)
		}
	}
	if _, err := s.Fetch(t.Context(), p, at[cut].At); !errors.Is(err, stream.ErrGone) {
		t.Fatalf("fetch a trimmed fact: %v", err)
	}
	for i, a := range mustAppend(t, s, facts...) {
		want := at[i].At
		if i <= cut {
			want = ""
		}
		if a.Outcome != stream.Repeat || a.At != want {
			t.Fatalf("fact %d after a trim at %d: %v at %x, want a repeat at %x", i, cut, a.Outcome, a.At, want)
		}
	}
}

func testForgetKeys(t *testing.T, setup Setup) {
	dir, now := t.TempDir(), newClock()
	s, shut := setup.Open(t, dir, now.Now)
	old, set := dated(t, "old", 0, 3, "x"), lasting(t, "set", 0, 3, "x")
	p := stream.PartitionOf(3, Partitions)
	mustAppend(t, s, old, set)
	judge := func(days int, f event.Packed) stream.Outcome {
		if err := s.Trim(t.Context(), p, end(t, s, p)); err != nil {
			t.Fatalf("trim after %d days: %v", days, err)
		}
		shut()
		s, shut = setup.Open(t, dir, now.Now)
		return mustAppend(t, s, f)[0].Outcome
	}
	for day := range event.RememberDays {
		if got := judge(day, old); got != stream.Repeat {
			t.Fatalf("%v after %d days, want a repeat", got, day)
		}
		mustAppend(t, s, dated(t, id("day ", day), 0, 3, "x"))
		now.days(1)
	}
	for range 3 {
		now.days(event.RememberDays)
		if got := judge(999, set); got != stream.Repeat {
			t.Fatalf("a lasting fact became %v", got)
		}
	}
	if got := judge(999, old); got != stream.New {
		t.Errorf("%v long after its days, want new", got)
	}
	if got := judge(0, old); got != stream.Repeat {
		t.Errorf("%v after it was stored again, want a repeat", got)
	}
	shut()
}

func testLimits(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir(), newClock().Now)
	f := lasting(t, "a", 0, 1, "x")
	at := mustAppend(t, s, f)[0]
	mustAppend(t, s)
	ctx := t.Context()
	huge := f
	huge.Bytes = make([]byte, event.FactMax+1)
	none := f
	none.Bytes = nil
	far := event.Cursor(bytes.Repeat([]byte{0xff}, 8))
	read := func(p int, after event.Cursor, limit int) error { _, err := s.Read(ctx, p, after, limit); return err }
	fetch := func(p int, at event.Cursor) error { _, err := s.Fetch(ctx, p, at); return err }
	put := func(facts ...event.Packed) error { _, err := s.Append(ctx, facts); return err }
	endOf := func(p int) error { _, err := s.End(ctx, p); return err }
	firstOf := func(p int) error { _, err := s.First(ctx, p); return err }
	tests := map[string]struct{ got, want error }{
		"too many facts":           {put(make([]event.Packed, stream.AppendMax+1)...), stream.ErrLimit},
		"a fact too big":           {put(f, huge), stream.ErrLimit},
		"a fact of nothing":        {put(f, none), stream.ErrLimit},
		"reading none":             {read(at.Partition, "", 0), stream.ErrLimit},
		"reading too many":         {read(at.Partition, "", stream.ReadMax+1), stream.ErrLimit},
		"reading as many as may":   {read(at.Partition, "", stream.ReadMax), nil},
		"no such partition":        {read(Partitions, "", 1), stream.ErrPartition},
		"a partition below none":   {read(-1, "", 1), stream.ErrPartition},
		"the end of no partition":  {endOf(Partitions), stream.ErrPartition},
		"the first of none":        {firstOf(-1), stream.ErrPartition},
		"waiting for no partition": {s.Wait(ctx, Partitions, ""), stream.ErrPartition},
		"trimming no partition":    {s.Trim(ctx, -1, ""), stream.ErrPartition},
		"fetching from none":       {fetch(Partitions, at.At), stream.ErrPartition},
		"a cursor of no stream":    {read(at.Partition, "no cursor of ours", 1), stream.ErrCursor},
		"a cursor behind the end":  {read(at.Partition, far, 1), stream.ErrCursor},
		"fetching behind the end":  {fetch(at.Partition, far), stream.ErrCursor},
		"fetching the empty place": {fetch(at.Partition, ""), stream.ErrCursor},
		"trimming behind the end":  {s.Trim(ctx, at.Partition, far), stream.ErrCursor},
		"waiting behind the end":   {s.Wait(ctx, at.Partition, far), stream.ErrCursor},
		"trimming nothing":         {s.Trim(ctx, at.Partition, ""), nil},
	}
	for name, tt := range tests {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", name, tt.got, tt.want)
		}
	}
	if got := counts(t, s); len(got) != 1 {
		t.Errorf("%d facts are stored, want the first alone", len(got))
	}
}

func testClosed(t *testing.T, setup Setup) {
	s, shut := setup.Open(t, t.TempDir(), newClock().Now)
	at := mustAppend(t, s, lasting(t, "a", 0, 1, "x"))[0]
	waiting := make(chan error, 1)
	go func() { waiting <- s.Wait(t.Context(), at.Partition, at.At) }()
	shut()
	shut() // closing twice is fine
	ctx := t.Context()
	_, appendErr := s.Append(ctx, []event.Packed{lasting(t, "b", 0, 1, "x")})
	_, readErr := s.Read(ctx, at.Partition, "", 1)
	_, fetchErr := s.Fetch(ctx, at.Partition, at.At)
	_, endErr := s.End(ctx, at.Partition)
	_, firstErr := s.First(ctx, at.Partition)
	for name, err := range map[string]error{
		"append": appendErr, "read": readErr, "fetch": fetchErr, "end": endErr, "first": firstErr,
		"wait": s.Wait(ctx, at.Partition, at.At), "trim": s.Trim(ctx, at.Partition, at.At), "a wait that had begun": <-waiting,
	} {
		if !errors.Is(err, stream.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
}

func testBig(t *testing.T, setup Setup) {
	dir, now := t.TempDir(), newClock().Now
	s, shut := setup.Open(t, dir, now)
	big := lasting(t, "big", 0, 1, "x")
	big.Bytes = append(big.Bytes, make([]byte, event.FactMax-len(big.Bytes))...)
	facts := []event.Packed{big}
	for i := range 5_000 {
		facts = append(facts, lasting(t, id(i), 0, uint64(i), "some words to make it as long as a small one"))
	}
	two := big
	two.Key[0]++
	facts = append(facts, two)
	for i, a := range mustAppend(t, s, facts...) {
		if a.Outcome != stream.New {
			t.Fatalf("fact %d is %v", i, a.Outcome)
		}
	}
	shut()
	s = setup.open(t, dir, now)
	got := counts(t, s)
	if len(got) != len(facts)-1 || got[string(big.Bytes)] != 2 {
		t.Errorf("%d different facts are stored, want %d", len(got), len(facts)-1)
	}
}
