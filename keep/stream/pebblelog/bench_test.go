package pebblelog_test

import (
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"endcap/keep/stream"
	"endcap/keep/stream/pebblelog"
	"endcap/retail/event"
)

// corpus is how many receipts The Complete Journey holds, and call how many
// facts a file's reader appends at once.
const (
	corpus = 155_848
	call   = 4_096
)

// cpu is the processor time this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func appendAll(b *testing.B, l *pebblelog.Log, facts []event.Packed, want stream.Outcome) {
	b.Helper()
	for part := range slices.Chunk(facts, call) {
		got, err := l.Append(b.Context(), part)
		if err != nil {
			b.Fatal(err)
		}
		if got[0].Outcome != want {
			b.Fatalf("%v, want %v", got[0].Outcome, want)
		}
	}
}

// BenchmarkAppendBulk loads a corpus of receipts into an empty log, and again.
func BenchmarkAppendBulk(b *testing.B) {
	facts := receipts(b, 0, corpus)
	size := 0
	for i := range facts {
		size += len(facts[i].Bytes)
	}
	b.SetBytes(int64(size))
	runtime.GC()
	var first, again time.Duration
	for b.Loop() {
		b.StopTimer()
		l := open(b, b.TempDir(), pebblelog.Options{Now: noon})
		used := cpu(b)
		b.StartTimer()
		appendAll(b, l, facts, stream.New)
		b.StopTimer()
		first += cpu(b) - used
		used = cpu(b)
		appendAll(b, l, facts, stream.Repeat)
		again += cpu(b) - used
		shut(b, l)
		b.StartTimer()
	}
	b.ReportMetric(first.Seconds()/float64(b.N), "cpu-s/load")
	b.ReportMetric(again.Seconds()/float64(b.N), "cpu-s/reload")
	b.ReportMetric(float64(corpus*b.N)/b.Elapsed().Seconds(), "facts/s")
}

// BenchmarkAppendOne has 64 callers append one fact a call.
func BenchmarkAppendOne(b *testing.B) {
	l := open(b, b.TempDir(), pebblelog.Options{Now: noon})
	defer shut(b, l)
	facts := receipts(b, 0, 200_000)
	var next atomic.Int64
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(next.Add(1)-1) % len(facts)
			if _, err := l.Append(b.Context(), facts[i:i+1]); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "facts/s")
}

// BenchmarkReplay reads the corpus from the start.
func BenchmarkReplay(b *testing.B) {
	l := open(b, b.TempDir(), pebblelog.Options{Now: noon})
	defer shut(b, l)
	appendAll(b, l, receipts(b, 0, corpus), stream.New)
	for b.Loop() {
		n := 0
		for p := range l.Partitions() {
			for after := event.Cursor(""); ; {
				got, err := l.Read(b.Context(), p, after, call)
				if err != nil {
					b.Fatal(err)
				}
				if len(got) == 0 {
					break
				}
				n, after = n+len(got), got[len(got)-1].At
			}
		}
		if n != corpus {
			b.Fatalf("%d facts, want %d", n, corpus)
		}
	}
	b.ReportMetric(float64(corpus*b.N)/b.Elapsed().Seconds(), "facts/s")
}
