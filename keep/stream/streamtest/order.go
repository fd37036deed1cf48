package streamtest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"endcap/keep/stream"
	"endcap/retail/event"
)

func testOrder(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir(), newClock().Now)
	if s.Partitions() != Partitions {
		t.Fatalf("%d partitions, want %d", s.Partitions(), Partitions)
	}
	want := make([][]event.Packed, Partitions)
	for call := range 30 {
		var facts []event.Packed
		for i := range call * 7 {
			f := lasting(t, id(call, "/", i), 0, uint64(1+i%11), "said")
			facts = append(facts, f)
			p := stream.PartitionOf(f.Unit, Partitions)
			want[p] = append(want[p], f)
		}
		for i, a := range mustAppend(t, s, facts...) {
			if a.Outcome != stream.New || a.Partition != stream.PartitionOf(facts[i].Unit, Partitions) || a.At == "" {
				t.Fatalf("fact %d: %v in partition %d at %x", i, a.Outcome, a.Partition, a.At)
			}
			if e, err := s.Fetch(t.Context(), a.Partition, a.At); err != nil || !bytes.Equal(e.Bytes, facts[i].Bytes) {
				t.Fatalf("fetch fact %d: %v", i, err)
			}
		}
	}
	for p := range Partitions {
		for _, limit := range []int{1, 7, 4_096} {
			got := readAll(t, s, p, "", limit)
			same := slices.EqualFunc(got, want[p], func(e stream.Entry, f event.Packed) bool {
				return bytes.Equal(e.Bytes, f.Bytes) && e.Kind == f.Kind
			})
			if !same {
				t.Errorf("partition %d read by %d differs from what was appended", p, limit)
			}
			if at := end(t, s, p); at != got[len(got)-1].At {
				t.Errorf("partition %d ends at %x, want %x", p, at, got[len(got)-1].At)
			}
		}
	}
}

func testJudgement(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir(), newClock().Now)
	for kind, fact := range map[string]func(testing.TB, string, uint32, uint64, string) event.Packed{"lasting": lasting, "dated": dated} {
		steps := []struct {
			version uint32
			said    string
			want    stream.Outcome
			lies    int // the step whose fact the answer points at
		}{
			0: {3, "first", stream.New, 0},
			1: {3, "first", stream.Repeat, 0},
			2: {3, "other", stream.Conflict, 0},
			3: {4, "fixed", stream.New, 3},
			4: {4, "fixed", stream.Repeat, 3},
			5: {3, "first", stream.Repeat, 0},
			6: {3, "other", stream.Conflict, 3},
			7: {2, "first", stream.Conflict, 3},
			8: {4, "first", stream.Conflict, 3},
			9: {9, "first", stream.New, 9},
		}
		var at []stream.Appended
		for i, step := range steps {
			got := mustAppend(t, s, fact(t, "one", step.version, 7, step.said))[0]
			at = append(at, got)
			if got.Outcome != step.want || got.At != at[step.lies].At || got.Partition != at[step.lies].Partition ||
				got.Outcome != stream.New && got.Version != steps[step.lies].version {
				t.Errorf("%s, step %d: %v at %x, want %v where step %d lies", kind, i, got.Outcome, got.At, step.want, step.lies)
			}
		}
	}
	missing := event.KeyOf(event.KindStore, "none")
	newest, err := s.Newest(t.Context(), [][16]byte{event.KeyOf(event.KindStore, "one"), missing})
	if err != nil || len(newest) != 2 {
		t.Fatalf("newest: %v, %v", newest, err)
	}
	e, err := s.Fetch(t.Context(), newest[0].Partition, newest[0].At)
	if want := lasting(t, "one", 9, 7, "first"); newest[0].Outcome != stream.Conflict || newest[0].Version != 9 || err != nil || !bytes.Equal(e.Bytes, want.Bytes) {
		t.Errorf("the newest is %+v, %v; want version 9", newest[0], err)
	}
	if newest[1].Outcome != stream.New {
		t.Errorf("under a key that nothing has stands %+v", newest[1])
	}
	if got := counts(t, s); len(got) != 6 {
		t.Errorf("%d facts are stored, want 6", len(got))
	}
}

func testOneCall(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir(), newClock().Now)
	got := mustAppend(
		t, s,
		lasting(t, "a", 0, 1, "x"), lasting(t, "b", 0, 2, "x"), lasting(t, "a", 0, 1, "x"),
		lasting(t, "a", 0, 1, "y"), lasting(t, "a", 1, 1, "y"), lasting(t, "a", 0, 1, "x"), lasting(t, "b", 0, 3, "x"),
	)
	want := []stream.Outcome{stream.New, stream.New, stream.Repeat, stream.Conflict, stream.New, stream.Repeat, stream.Conflict}
	for i, a := range got {
		if a.Outcome != want[i] {
			t.Errorf("fact %d: %v, want %v", i, a.Outcome, want[i])
		}
	}
	if got[2].At != got[0].At || got[5].At != got[0].At || got[3].At != got[0].At {
		t.Error("a repeat in the same call does not point at the first")
	}
	if got[6].At != got[1].At || got[6].Partition != got[1].Partition {
		t.Error("a conflict about another shopper does not point at the stored fact")
	}
	if got := counts(t, s); len(got) != 3 {
		t.Errorf("%d facts are stored, want 3", len(got))
	}
}

func testMemory(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir(), newClock().Now)
	f, g := lasting(t, "a", 0, 4, "x"), lasting(t, "b", 0, 4, "x")
	want := bytes.Clone(f.Bytes)
	mustAppend(t, s, f, g)
	clear(f.Bytes)
	for range 2 {
		e := readAll(t, s, stream.PartitionOf(4, Partitions), "", 10)
		if !bytes.Equal(e[0].Bytes, want) {
			t.Fatal("the stored fact changed with its caller's memory")
		}
		e[0].Bytes = append(e[0].Bytes, "and more"...)
		if !bytes.Equal(e[1].Bytes, g.Bytes) {
			t.Fatal("an entry grew into its neighbour")
		}
		clear(e[0].Bytes)
	}
}

func testReopen(t *testing.T, setup Setup) {
	dir, now := t.TempDir(), newClock().Now
	var facts []event.Packed
	for i := range 200 {
		facts = append(facts, lasting(t, id(i), 0, uint64(i%9), "x"), dated(t, id(i), 0, uint64(i%9), "x"))
	}
	s, shut := setup.Open(t, dir, now)
	before := mustAppend(t, s, facts...)
	shut()
	s = setup.open(t, dir, now)
	for i, a := range mustAppend(t, s, facts...) {
		if a.Outcome != stream.Repeat || a.At != before[i].At {
			t.Fatalf("fact %d after opening again: %v at %x, want a repeat at %x", i, a.Outcome, a.At, before[i].At)
		}
	}
	more := mustAppend(t, s, lasting(t, "more", 0, 5, "x"))[0]
	if all := readAll(t, s, more.Partition, "", 1_000); all[len(all)-1].At != more.At || more.At <= all[len(all)-2].At {
		t.Error("a fact appended after opening again is not the last")
	}
}

func testRace(t *testing.T, setup Setup) {
	const callers, keys = 16, 300
	s := setup.open(t, t.TempDir(), newClock().Now)
	var facts []event.Packed
	for i := range keys {
		facts = append(facts, lasting(t, id(i), 0, uint64(i), "x"))
	}
	answers := make([][]stream.Appended, callers)
	errs := make([]error, callers)
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for part := range slices.Chunk(facts, 1+c*3) {
				got, err := s.Append(t.Context(), part)
				if err != nil {
					errs[c] = err
					return
				}
				answers[c] = append(answers[c], got...)
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i := range keys {
		fresh := 0
		for c := range callers {
			if answers[c][i].Outcome == stream.New {
				fresh++
			}
			if answers[c][i].At != answers[0][i].At {
				t.Fatalf("callers were told different places of fact %d", i)
			}
		}
		if fresh != 1 {
			t.Fatalf("fact %d was new to %d callers", i, fresh)
		}
	}
	for _, n := range counts(t, s) {
		if n != 1 {
			t.Fatal("a fact is stored twice")
		}
	}
}

func testWait(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir(), newClock().Now)
	first := mustAppend(t, s, lasting(t, "a", 0, 8, "x"))[0]
	p := first.Partition
	if err := s.Wait(t.Context(), p, ""); err != nil {
		t.Fatalf("wait for what is there: %v", err)
	}
	woken := make(chan error, 8)
	for range cap(woken) {
		go func() { woken <- s.Wait(t.Context(), p, first.At) }()
	}
	mustAppend(t, s, lasting(t, "elsewhere", 0, 9, "x"))
	select {
	case err := <-woken:
		t.Fatalf("woken by another partition: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	mustAppend(t, s, lasting(t, "b", 0, 8, "x"))
	for range cap(woken) {
		select {
		case err := <-woken:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("a waiting reader was not woken")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Wait(ctx, p, end(t, s, p)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait past its deadline: %v", err)
	}
}

func testEveryPartition(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir(), newClock().Now)
	var facts []event.Packed
	for unit := range s.Partitions() {
		f := lasting(t, id("day/", unit), 0, 0, "x")
		f.Unit = uint64(unit)
		facts = append(facts, f)
	}
	mustAppend(t, s, facts...)
	for p := range s.Partitions() {
		if got := readAll(t, s, p, "", 10); len(got) != 1 || !bytes.Equal(got[0].Bytes, facts[p].Bytes) {
			t.Errorf("partition %d holds %d facts, want its own", p, len(got))
		}
	}
}
