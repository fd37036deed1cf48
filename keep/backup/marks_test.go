package backup_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"endcap/keep/backup"
)

// oldList is a list of tombstones as format 1 had it: a line, and behind it the
// marks sealed with AES-256-GCM under the house's own key, the line beside them.
func oldList(t *testing.T, house string, key []byte, marks [][32]byte) []byte {
	t.Helper()
	line := fmt.Appendf(nil, `{"format":1,"house":%q,"count":%d}`+"\n", house, len(marks))
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte{}
	for _, m := range marks {
		body = append(body, m[:]...)
	}
	nonce := bytes.Repeat([]byte{5}, aead.NonceSize())
	return slices.Concat(line, nonce, aead.Seal(nil, nonce, body, line))
}

// A target that an earlier release left holds a list of format 1 until the next
// forgetting or backup: a restore from it forgets again whoever is in it.
func TestAListOfTheFirstFormatStillForgets(t *testing.T) {
	t.Parallel()
	target, dir := directory(t)
	h := newHouse(t, target)
	h.write("a", []byte("a"))
	h.marks = [][32]byte{{1}}
	h.backUp()
	b, err := backup.Open(t.Context(), target, h.key, backup.Asked{Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	name, err := h.vault.Secret(t.Context(), "backup/house", func() ([]byte, error) { return nil, errors.New("the house has no name") })
	if err != nil {
		t.Fatal(err)
	}
	house, key := string(name), seals[0]
	newer, other := bytes.Repeat([]byte{8}, 32), bytes.Repeat([]byte{9}, 32)
	two := [][32]byte{{1}, {2}}
	good := oldList(t, house, key, two)
	for name, tt := range map[string]struct {
		stored []byte
		ring   [][]byte
		want   int // marks; 0 for a list that is damaged
	}{
		"under the house's key":         {good, seals, 2},
		"after a rotation":              {good, [][]byte{newer, key}, 2},
		"nobody is told from it":        {good, [][]byte{newer, other}, 0},
		"no key at all":                 {good, nil, 0},
		"fewer than there were":         {oldList(t, house, key, nil), seals, 0},
		"another house's":               {oldList(t, "0123456789abcdef", key, two), seals, 0},
		"cut at its end":                {good[:len(good)-1], seals, 0},
		"cut before its nonce":          {good[:bytes.IndexByte(good, '\n')+3], seals, 0},
		"one mark is said to be gone":   {bytes.Replace(good, []byte(`"count":2`), []byte(`"count":1`), 1), seals, 0},
		"said to be of another format":  {bytes.Replace(good, []byte(`"format":1`), []byte(`"format":2`), 1), seals, 0},
		"of a format nobody knows yet":  {bytes.Replace(good, []byte(`"format":1`), []byte(`"format":3`), 1), seals, 0},
		"a bit of it is not as it was":  {append(bytes.Clone(good[:len(good)-20]), append([]byte{good[len(good)-20] ^ 1}, good[len(good)-19:]...)...), seals, 0},
		"keys it never had are claimed": {bytes.Replace(good, []byte(`"count":2`), []byte(`"count":1,"keys":1`), 1), seals, 0},
	} {
		if err := os.WriteFile(filepath.Join(dir, "tombstones"), tt.stored, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := b.Forgotten(t.Context(), tt.ring)
		switch {
		case tt.want == 0 && (!errors.Is(err, backup.ErrDamaged) || len(got.Marks) > 0):
			t.Errorf("%s: %d marks, %v; want it damaged", name, len(got.Marks), err)
		case tt.want > 0 && (err != nil || !slices.Equal(got.Marks, two) || len(got.Keys) > 0):
			t.Errorf("%s: marks %v, %d keys, %v", name, got.Marks, len(got.Keys), err)
		}
	}
	h.backUp() // the next one writes it anew
	stored, err := os.ReadFile(filepath.Join(dir, "tombstones"))
	if err != nil || !bytes.Contains(stored, []byte(`"format":2`)) {
		t.Errorf("after the next backup: %.80q, %v", stored, err)
	}
}
