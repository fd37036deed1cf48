package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/backup"
	"endcap/keep/backup/dirtarget"
	"endcap/keep/sql/sqlite"
)

// thursday lies in week 2026-W47, whose key dies on 16 December.
var thursday = time.Date(2026, 11, 19, 9, 0, 0, 0, time.UTC)

// seals are a house's keys of the list of tombstones.
var seals = [][]byte{bytes.Repeat([]byte{7}, 32)}

// house is a vault, a recovery key, files to back up, and a clock.
type house struct {
	t      *testing.T
	dir    string
	vault  *sqlite.Vault
	key    *backup.RecoveryKey
	now    time.Time
	target backup.Target
	marks  [][32]byte
}

func newHouse(t *testing.T, target backup.Target) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), now: thursday, target: target}
	var err error
	if h.vault, err = sqlite.OpenVault(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "vault.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.vault.Close() })
	if h.key, err = backup.NewRecoveryKey(); err != nil {
		t.Fatal(err)
	}
	return h
}

func directory(t *testing.T) (*dirtarget.Dir, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "target")
	d, err := dirtarget.Open(dir, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d, dir
}

func (h *house) write(name string, content []byte) {
	h.t.Helper()
	path := filepath.Join(h.dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
		h.t.Fatal(err)
	}
}

// grain is what chunks are cut into here.
const grain = 1_000

func (h *house) try(target backup.Target) (backup.Summary, error) {
	var files []backup.Source
	for name := range contents(h.t, h.dir) {
		files = append(files, backup.Source{Name: name, Path: filepath.Join(h.dir, filepath.FromSlash(name)), Grain: grain})
	}
	w := backup.House{
		Target: target, Secrets: h.vault, Recovery: h.key.Public(), Now: func() time.Time { return h.now },
		Carry: func(ctx context.Context) (int, error) {
			return len(h.marks), backup.PutForgotten(ctx, target, h.vault, backup.Forgotten{Marks: h.marks}, seals)
		},
	}
	return w.Write(h.t.Context(), backup.Snapshot{At: h.now, Program: "test", Files: files}, func(backup.Progress) {})
}

func (h *house) backUp() backup.Summary {
	h.t.Helper()
	s, err := h.try(h.target)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// contents reads a folder: content by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		out[filepath.ToSlash(name)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// restore opens a backup and reads everything that belongs to it.
func restore(t *testing.T, target backup.Target, h *house, at time.Time) (map[string]string, error) {
	t.Helper()
	b, err := backup.Open(t.Context(), target, h.key, backup.Asked{At: at, Now: h.now})
	if err != nil {
		return nil, err
	}
	dir := t.TempDir()
	if err := b.Extract(t.Context(), dir, func(backup.Progress) {}); err != nil {
		return nil, err
	}
	if _, err := b.Forgotten(t.Context(), seals); err != nil {
		return nil, err
	}
	return contents(t, dir), nil
}

func (h *house) holds(at time.Time, want map[string]string) {
	h.t.Helper()
	got, err := restore(h.t, h.target, h, at)
	if err != nil {
		h.t.Fatal(err)
	}
	if len(got) != len(want) {
		h.t.Errorf("%d files came back, want %d", len(got), len(want))
	}
	for name, text := range want {
		if got[name] != text {
			h.t.Errorf("%s came back with %d bytes, not as it was with %d", name, len(got[name]), len(text))
		}
	}
}

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b)
	return b
}

func TestWhatCameBackIsWhatThereWas(t *testing.T) {
	t.Parallel()
	target, dir := directory(t)
	h := newHouse(t, target)
	h.write("empty", nil)
	h.write("small", []byte("grüezi"))
	h.write("one grain", noise(1, grain))
	h.write("a/folder/of files", noise(2, 10*grain+1))
	h.write("a/calm", bytes.Repeat([]byte("oats"), 10*grain))
	s := h.backUp()
	if s.Files != 5 || s.Bytes != 51_008 || s.NewBytes >= s.Bytes || s.Written >= s.Bytes {
		t.Errorf("%+v: repeated pieces are one, and what can be made smaller is", s)
	}
	h.holds(time.Time{}, contents(t, h.dir))
	for name, text := range contents(t, dir) {
		if strings.Contains(text, "oatsoats") || strings.Contains(text, "grüezi") || strings.Contains(text, "folder") {
			t.Errorf("%s lies open in the target", name)
		}
	}
}

func TestABackupCostsWhatChanged(t *testing.T) {
	t.Parallel()
	target, _ := directory(t)
	h := newHouse(t, target)
	book := noise(3, 100*grain)
	h.write("book.db", book)
	h.write("sealed.parquet", noise(4, 40*grain))
	first, was := h.backUp(), contents(t, h.dir)
	h.now = h.now.Add(time.Hour)
	book[50*grain+7] ^= 1
	h.write("book.db", book)
	second := h.backUp()
	if first.NewBytes != 140*grain || second.NewBytes != grain || second.Bytes != first.Bytes {
		t.Errorf("new bytes %d, then %d; want %d and %d", first.NewBytes, second.NewBytes, 140*grain, grain)
	}
	h.now = h.now.AddDate(0, 0, 7) // another week, another key
	third := h.backUp()
	if third.NewBytes != 0 || third.Readable.Equal(first.Readable) {
		t.Errorf("a new week wrote %d bytes anew, readable until %v", third.NewBytes, third.Readable)
	}
	h.holds(time.Time{}, contents(t, h.dir))
	h.holds(thursday, was)
	h.holds(thursday.Add(59*time.Minute), was)
	h.holds(thursday.Add(time.Hour), contents(t, h.dir))
	if _, err := restore(t, target, h, thursday.Add(-time.Second)); !errors.Is(err, backup.ErrNone) || !strings.Contains(err.Error(), "2026-11-19T09:00:00Z") {
		t.Errorf("a restore to before the first backup: %v", err)
	}
}

func TestAnyDamageIsNoticed(t *testing.T) {
	t.Parallel()
	target, dir := directory(t)
	h := newHouse(t, target)
	h.marks = [][32]byte{{1}, {2}}
	h.write("a", noise(7, 3*grain))
	h.write("b", []byte("b"))
	h.backUp()
	want := contents(t, h.dir)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 1))
	for name, whole := range contents(t, dir) {
		if strings.HasPrefix(name, ".") {
			continue
		}
		for range 12 {
			torn := []byte(whole)
			if chance.IntN(2) == 0 {
				torn[chance.IntN(len(torn))] ^= 1 << chance.IntN(8)
			} else {
				torn = torn[:chance.IntN(len(torn))]
			}
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.WriteFile(path, torn, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := restore(t, target, h, time.Time{})
			if err == nil && (name != "keys" || fmt.Sprint(got) != fmt.Sprint(want)) { // what "keys" says for people is not sealed
				t.Errorf("%s was changed, and nobody noticed", name)
			}
			if err == nil || errors.Is(err, backup.ErrDamaged) || errors.Is(err, backup.ErrKey) || errors.Is(err, backup.ErrNotFound) {
				continue
			}
			t.Errorf("%s was changed, which is told as %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(whole), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.holds(time.Time{}, want)
}

func TestARestoreAsksForRoomFirst(t *testing.T) {
	t.Parallel()
	target, _ := directory(t)
	h := newHouse(t, target)
	h.write("a", noise(12, 4*grain))
	h.backUp()
	b, err := backup.Open(t.Context(), target, h.key, backup.Asked{Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.CheckRoom(8 * grain); err != nil {
		t.Errorf("a disk with room: %v", err)
	}
	if err := b.CheckRoom(8*grain - 1); !errors.Is(err, backup.ErrRoom) {
		t.Errorf("a disk without room: %v", err)
	}
}

func TestABackupMendsChunksThatWereCutOrLost(t *testing.T) {
	t.Parallel()
	target, dir := directory(t)
	h := newHouse(t, target)
	h.write("a", noise(8, 10*grain))
	h.backUp()
	chunks, err := filepath.Glob(filepath.Join(dir, "chunks", "*", "*"))
	if err != nil || len(chunks) != 10 {
		t.Fatalf("%d chunks, %v", len(chunks), err)
	}
	if err := errors.Join(os.Remove(chunks[0]), os.Truncate(chunks[1], 10)); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t, target, h, time.Time{}); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("a chunk is gone and one cut: %v", err)
	}
	h.now = h.now.Add(time.Minute)
	if s := h.backUp(); s.NewBytes != 2*grain {
		t.Errorf("%d bytes were written anew, want %d", s.NewBytes, 2*grain)
	}
	h.holds(time.Time{}, contents(t, h.dir))
}

func TestOnlyTheRecoveryKeyOpens(t *testing.T) {
	t.Parallel()
	target, _ := directory(t)
	h := newHouse(t, target)
	h.write("a", []byte("a"))
	h.backUp()
	right := h.key
	wrong, err := backup.NewRecoveryKey()
	if err != nil {
		t.Fatal(err)
	}
	h.key = wrong
	if _, err := restore(t, target, h, time.Time{}); !errors.Is(err, backup.ErrKey) || !strings.Contains(err.Error(), right.Public().Name()) {
		t.Errorf("another recovery key: %v", err)
	}
	h.now = h.now.Add(time.Hour)
	h.backUp() // the operator has replaced the key
	h.holds(thursday, map[string]string{"a": "a"})
	h.key = right
	if _, err := restore(t, target, h, time.Time{}); !errors.Is(err, backup.ErrKey) {
		t.Errorf("the recovery key that was replaced: %v", err)
	}
}

func TestARecoveryKeyIsALineOfText(t *testing.T) {
	t.Parallel()
	key, err := backup.NewRecoveryKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := key.Text()
	if err != nil {
		t.Fatal(err)
	}
	again, err := backup.ParseRecoveryKey("# a note\n\n  " + text + "\n")
	if err != nil || again.Public().Text() != key.Public().Text() {
		t.Errorf("a key that was written and read: %v", err)
	}
	public, err := backup.ParseRecovery(key.Public().Text())
	if err != nil || public.Name() != key.Public().Name() {
		t.Errorf("its public half: %v", err)
	}
	for _, bad := range []string{"", "#", text[:len(text)-4], text + "AAAA", text[:40], key.Public().Text(), "x" + text} {
		if _, err := backup.ParseRecoveryKey(bad); err == nil {
			t.Errorf("%.30q… was read as a recovery key", bad)
		}
	}
}

func TestTheTargetOfAnotherHouseIsLeftAlone(t *testing.T) {
	t.Parallel()
	target, dir := directory(t)
	h, stranger := newHouse(t, target), newHouse(t, target)
	h.write("a", []byte("a"))
	h.backUp()
	was := contents(t, dir)
	stranger.write("b", []byte("b"))
	if _, err := stranger.try(target); !errors.Is(err, backup.ErrForeign) {
		t.Errorf("a backup of another house: %v", err)
	}
	if fmt.Sprint(contents(t, dir)) != fmt.Sprint(was) {
		t.Error("the stranger changed the target")
	}
	release, err := target.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.try(target); !errors.Is(err, backup.ErrBusy) {
		t.Errorf("a second backup at once: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

func TestARestoredHouseGoesOnWhereItsBackupsEnded(t *testing.T) {
	t.Parallel()
	target, _ := directory(t)
	h := newHouse(t, target)
	h.write("a", noise(9, 30*grain))
	h.backUp()
	b, err := backup.Open(t.Context(), target, h.key, backup.Asked{Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	again := newHouse(t, target)
	again.key, again.dir, again.now = h.key, h.dir, h.now.Add(time.Hour)
	for _, name := range []string{"backup/house"} { // as the copy of the vault holds them
		secret, err := h.vault.Secret(t.Context(), name, nil)
		if err == nil {
			_, err = again.vault.Secret(t.Context(), name, func() ([]byte, error) { return secret, nil })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := again.try(target); !errors.Is(err, backup.ErrForeign) {
		t.Errorf("a copy of the house with keys of its own: %v", err)
	}
	if _, err := again.vault.Destroy(t.Context(), backup.WeekSecrets, backup.WeekSecrets+"\xff"); err != nil {
		t.Fatal(err)
	}
	if err := b.Adopt(t.Context(), again.vault); err != nil {
		t.Fatal(err)
	}
	if s := again.backUp(); s.NewBytes != 0 {
		t.Errorf("it wrote %d bytes again", s.NewBytes)
	}
}

// A list of tombstones is read by whoever holds a key from before it was written
// or after, and brings the keys of marks that an older vault has never had.
func TestAListOutlivesTheRotationOfItsKeys(t *testing.T) {
	t.Parallel()
	target, _ := directory(t)
	h := newHouse(t, target)
	h.write("a", []byte("a"))
	h.marks = [][32]byte{{1}}
	h.backUp()
	b, err := backup.Open(t.Context(), target, h.key, backup.Asked{Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	newer, other := bytes.Repeat([]byte{8}, 32), bytes.Repeat([]byte{9}, 32)
	want := backup.Forgotten{Marks: [][32]byte{{1}, {2}}, Keys: [][]byte{bytes.Repeat([]byte{3}, 32), bytes.Repeat([]byte{4}, 32)}}
	if err := backup.PutForgotten(t.Context(), target, h.vault, want, append([][]byte{newer}, seals...)); err != nil {
		t.Fatal(err)
	}
	for name, ring := range map[string][][]byte{"as of the backup": seals, "after it": {newer}, "both": {newer, seals[0]}} {
		got, err := b.Forgotten(t.Context(), ring)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("a vault %s: %v, %v", name, got, err)
		}
	}
	if _, err := b.Forgotten(t.Context(), [][]byte{other}); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("a vault with another key: %v", err)
	}
	if err := backup.PutForgotten(t.Context(), target, h.vault, want, [][]byte{newer}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Forgotten(t.Context(), seals); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("a key that is retired still opens it: %v", err)
	}
}

func TestTombstonesAreNeverFewerThanTheyWere(t *testing.T) {
	t.Parallel()
	target, dir := directory(t)
	h := newHouse(t, target)
	h.write("a", []byte("a"))
	h.marks = [][32]byte{{1}}
	h.backUp()
	h.marks = append(h.marks, [32]byte{2})
	if err := backup.PutForgotten(t.Context(), target, h.vault, backup.Forgotten{Marks: h.marks}, seals); err != nil { // forgotten since
		t.Fatal(err)
	}
	b, err := backup.Open(t.Context(), target, h.key, backup.Asked{Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Forgotten(t.Context(), seals); err != nil || len(got.Marks) != 2 || got.Marks[1] != h.marks[1] {
		t.Errorf("the tombstones are %v, %v; want those made since the backup too", got, err)
	}
	if err := backup.PutForgotten(t.Context(), target, h.vault, backup.Forgotten{}, seals); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Forgotten(t.Context(), seals); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("fewer tombstones than at the backup: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "tombstones")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Forgotten(t.Context(), seals); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("no tombstones at all: %v", err)
	}
}

func FuzzATargetFromOutside(f *testing.F) {
	key, err := backup.NewRecoveryKey()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"format":1,"house":"x","recovery":"y","weeks":[{"week":"2026-W47","check":"z","sealed":"AAAA"}]}`), []byte("{\"format\":1,\"house\":\"x\",\"at\":\"2026-11-19T09:00:00Z\",\"week\":\"2026-W47\"}\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"))
	f.Add([]byte(`{"format":1}`), []byte("\n"))
	f.Add([]byte(`{"format":2}`), []byte(nil))
	f.Fuzz(func(t *testing.T, keys, manifest []byte) {
		target, err := dirtarget.Open("target", true, vfs.NewMem())
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(target.Put(t.Context(), "keys", keys), target.Put(t.Context(), "backups/20261119T090000.000000Z", manifest))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := backup.Open(t.Context(), target, key, backup.Asked{Now: thursday}); err == nil {
			t.Error("a backup that nobody made was opened")
		}
	})
}

func FuzzRecoveryKeyFromOutside(f *testing.F) {
	f.Add("endcap-recovery-key-1:AAAA")
	f.Add("endcap-recovery-key-1:" + strings.Repeat("A", 88))
	f.Add("# x\nendcap-recovery-public-1:AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := backup.ParseRecoveryKey(text); err == nil {
			if again, err := key.Text(); err != nil || !strings.Contains(text, strings.TrimRight(again, "=")) {
				t.Errorf("read as a key that is written otherwise: %v", err)
			}
		}
		_, _ = backup.ParseRecovery(text)
	})
}
