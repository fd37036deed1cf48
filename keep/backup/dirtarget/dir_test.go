package dirtarget_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/backup"
	"endcap/keep/backup/backuptest"
	"endcap/keep/backup/dirtarget"
)

func open(t *testing.T, dir string, disk vfs.FS) *dirtarget.Dir {
	t.Helper()
	d, err := dirtarget.Open(dir, true, disk)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSuite(t *testing.T) {
	t.Parallel()
	backuptest.Run(t, backuptest.Setup{
		Open: func(t *testing.T, dir string) backup.Target {
			t.Helper()
			return open(t, dir, nil)
		},
		Crashing: func(t *testing.T) (backup.Target, func(*testing.T, uint64, int) backup.Target) {
			t.Helper()
			disk := vfs.NewCrashableMem()
			return open(t, "backups", disk), func(t *testing.T, seed uint64, lose int) backup.Target {
				t.Helper()
				return open(t, "backups", disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100 - lose, RNG: rand.New(rand.NewPCG(seed, 5))}))
			}
		},
	})
}

func TestADirectoryThatIsNotThereIsNotMadeToReadFrom(t *testing.T) {
	t.Parallel()
	if _, err := dirtarget.Open(filepath.Join(t.TempDir(), "none"), false, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestWhatAKilledWriterLeftHalfDoneIsSwept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := open(t, dir, nil)
	if err := d.Put(t.Context(), "chunks/ab/x", []byte("whole")); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, "chunks", "ab", ".half.part")
	if err := os.WriteFile(half, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := d.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half object is still there: %v", err)
	}
	if _, err := d.Get(t.Context(), "chunks/ab/x", 10); err != nil {
		t.Error(err)
	}
}
