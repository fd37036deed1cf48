package dirfiles_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/files"
	"endcap/keep/files/dirfiles"
	"endcap/keep/files/filestest"
)

func open(t *testing.T, dir string, disk vfs.FS) *dirfiles.Dir {
	t.Helper()
	d, err := dirfiles.Open(dir, disk)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSuite(t *testing.T) {
	t.Parallel()
	filestest.Run(t, filestest.Setup{
		Open: func(t *testing.T, dir string) files.Files {
			t.Helper()
			return open(t, dir, nil)
		},
		Crashing: func(t *testing.T) (files.Files, func(*testing.T, uint64, int) (files.Files, func(string) ([]byte, error))) {
			t.Helper()
			disk := vfs.NewCrashableMem()
			return open(t, "files", disk), func(t *testing.T, seed uint64, lose int) (files.Files, func(string) ([]byte, error)) {
				t.Helper()
				left := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100 - lose, RNG: rand.New(rand.NewPCG(seed, 3))})
				return open(t, "files", left), func(path string) ([]byte, error) {
					f, err := left.Open(path)
					if err != nil {
						return nil, err
					}
					b, err := io.ReadAll(f)
					return b, errors.Join(err, f.Close())
				}
			}
		},
	})
}

func TestWhatACrashLeftIsSwept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := open(t, dir, nil)
	if _, err := d.Put(t.Context(), "a/model", func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err }); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, "a", "model", ".17.part")
	if err := os.WriteFile(half, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir, nil)
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an unfinished version is still there: %v", err)
	}
	if v, err := d.Newest(t.Context(), "a/model"); err != nil || v != 1 {
		t.Errorf("sweeping took more than it should: newest is %d, %v", v, err)
	}
}

// A folder that an earlier call made, and failed before its name was on disk,
// is no ground for a version that outlives the power.
func TestAFolderLeftByAFailedPutIsBroughtToDisk(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	d := open(t, "files", disk)
	if err := disk.MkdirAll("files/a/model", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Put(t.Context(), "a/model", func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err }); err != nil {
		t.Fatal(err)
	}
	after := open(t, "files", disk.CrashClone(vfs.CrashCloneCfg{}))
	if v, err := after.Newest(t.Context(), "a/model"); err != nil || v != 1 {
		t.Errorf("after the power failed the newest version is %d: %v", v, err)
	}
}

func FuzzNamesStayInside(f *testing.F) {
	for _, name := range []string{"a", "a/b", "../a", "a/../../b", "a\x00b", "a//b", "."} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if files.CheckName(name) != nil {
			return
		}
		if !filepath.IsLocal(name) || filepath.ToSlash(filepath.Clean(name)) != name {
			t.Errorf("%q was taken for a name", name)
		}
	})
}
