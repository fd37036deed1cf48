package sqlite_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"endcap/keep/sql/schema"
	"endcap/keep/sql/sqlite"
	"endcap/keep/sql/sqlite/disk"
)

// A store that is being made or migrated, on a disk that refuses everything from
// some write or sync on, is whole once it is opened again.
func TestAMigrationThatBreaksOffResumes(t *testing.T) {
	t.Parallel()
	for name, op := range map[string]disk.Op{"at a write": disk.Write, "at a sync": disk.Sync} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := "migration " + name
			f := &faults{op: op}
			if err := disk.Watch(fs, f.before); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { disk.Unwatch(fs) })
			code := sqlite3.IOERR
			broken := 0
			for n := int64(0); ; n++ {
				path := filepath.Join(t.TempDir(), "book.db")
				f.skip.Store(n)
				f.fail.Store(&code)
				b, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: path, VFS: fs})
				f.fail.Store(nil)
				if err == nil {
					_ = b.Close()
					break
				}
				broken++
				if b, err = sqlite.OpenBook(t.Context(), sqlite.Options{Path: path, VFS: fs}); err != nil {
					t.Fatalf("broken off at %d, and opened again: %v", n, err)
				}
				if _, err := b.Commit(t.Context(), pay("x", 5)); err != nil {
					t.Errorf("broken off at %d: %v", n, err)
				}
				if err := errors.Join(b.Check(t.Context()), b.Close()); err != nil {
					t.Errorf("broken off at %d: %v", n, err)
				}
			}
			t.Logf("broken off %d times", broken)
			if broken < 3 {
				t.Errorf("it was broken off %d times: nothing was proved", broken)
			}
		})
	}
}

func TestAStoreOfANewerProgramIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := errors.Join(openBook(t, dir).Close(), openVault(t, dir).Close()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"book.db", "vault.db"} {
		raw(t, filepath.Join(dir, name), `insert into goose_db_version (version_id, is_applied) values (1000, 1)`)
	}
	b, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: filepath.Join(dir, "book.db")})
	if !errors.Is(err, schema.ErrNewer) {
		t.Errorf("a book of a newer program: %v, %v", b, err)
	}
	v, err := sqlite.OpenVault(t.Context(), sqlite.Options{Path: filepath.Join(dir, "vault.db")})
	if !errors.Is(err, schema.ErrNewer) {
		t.Errorf("a vault of a newer program: %v, %v", v, err)
	}
}
