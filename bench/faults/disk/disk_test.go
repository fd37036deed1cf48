package disk_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/bench/faults/disk"
)

// A power cut spares nothing in one case of five and everything in another: the
// file is then what it was at its last sync, or what it became since.
func TestAPowerCutLeavesWhatWasSyncedOrMore(t *testing.T) {
	t.Parallel()
	const seeds = 60
	var old, fresh int
	for seed := range uint64(seeds) {
		rng := rand.New(rand.NewPCG(seed, 5))
		d, err := disk.New(disk.Options{Seed: seed, Scratch: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		f := must(d.FS().Create(disk.Root+"/file", vfs.WriteCategoryUnspecified))(t)
		var now []byte
		for range 1 + rng.IntN(8) {
			now = scribble(t, rng, f, now)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		if err := must(d.FS().OpenDir(disk.Root))(t).Sync(); err != nil {
			t.Fatal(err)
		}
		synced := slices.Clone(now)
		for range 1 + rng.IntN(8) {
			now = scribble(t, rng, f, now)
		}
		left := must(d.Crash())(t)
		got := must(io.ReadAll(must(left.FS().Open(disk.Root + "/file"))(t)))(t)
		if len(got) < len(synced) || len(got) > len(now) {
			t.Errorf("seed %d: %d bytes are left of %d, %d of them synced", seed, len(got), len(now), len(synced))
		}
		if bytes.Equal(got, synced) {
			old++
		}
		if bytes.Equal(got, now) {
			fresh++
		}
	}
	if old < seeds/20 || fresh < seeds/20 {
		t.Errorf("of %d power cuts %d left what was synced and %d everything", seeds, old, fresh)
	}
}

// scribble writes somewhere in a file or behind its end.
func scribble(t *testing.T, rng *rand.Rand, f vfs.File, now []byte) []byte {
	t.Helper()
	b := bytes.Repeat([]byte{byte(1 + rng.IntN(255))}, 1+rng.IntN(3_000))
	at := rng.IntN(len(now) + 1_000)
	if _, err := f.WriteAt(b, int64(at)); err != nil {
		t.Fatal(err)
	}
	if end := at + len(b); end > len(now) {
		now = append(now, make([]byte, end-len(now))...)
	}
	copy(now[at:], b)
	return now
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
