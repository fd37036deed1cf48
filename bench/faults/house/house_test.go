package house_test

import (
	"fmt"
	"os"
	"testing"

	"endcap/bench/faults/disk"
	"endcap/bench/faults/house"
)

// scratch is a directory in memory, where there is one.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(house.Scratch(), "faults")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// sabotaged is how many seeds may go by until a sabotaged house is caught.
const sabotaged = 20

// A test that finds nothing in a house built wrong proves nothing.
func TestWhatIsBuiltWrongIsCaught(t *testing.T) {
	t.Parallel()
	tests := map[string]house.Sabotage{
		"limits are looked at, then money is moved": {CheckThenAct: true},
		"a cursor is saved before its values":       {CursorFirst: true},
	}
	for _, s := range []disk.Store{disk.Book, disk.Vault, disk.Stream, disk.Files} {
		tests[fmt.Sprintf("the %s is not synced", s)] = house.Sabotage{Unsynced: []disk.Store{s}}
	}
	for name, s := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= sabotaged; seed++ {
				r, err := house.Play(t.Context(), house.Options{Seed: seed, Scratch: scratch(t), Sabotage: s})
				if err != nil {
					t.Fatal(err)
				}
				if len(r.Violations) > 0 {
					t.Logf("seed %d: %s", seed, r.Violations[0])
					return
				}
			}
			t.Errorf("%d seeds found nothing wrong", sabotaged)
		})
	}
}

func TestHist(t *testing.T) {
	for seed := uint64(1); seed < 4; seed++ {
		r, err := house.Play(t.Context(), house.Options{Seed: seed, Scratch: scratch(t), History: true, Trace: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", r)
		if len(r.Violations) > 0 {
			t.Fatal()
		}
	}
}
