package nextbasket_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"

	"endcap/know/recommend/nextbasket"
)

func saved(tb testing.TB, m *nextbasket.Model) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := m.Save(&b); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestAModelComesBackFromItsFile(t *testing.T) {
	t.Parallel()
	m, test := townModel(t, 80)
	b := saved(t, m)
	back, err := nextbasket.Load(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(saved(t, back), b) {
		t.Error("saved again, its file is another")
	}
	for i := range test.Cases {
		q := &test.Cases[i].Query
		if want, got := m.Next(q, nil), back.Next(q, nil); !slices.Equal(want, got) {
			t.Fatalf("question %d is answered otherwise", i)
		}
	}
	if p, ok := back.Number(7919*3 + 1); !ok || p != 3 || back.Hash(3) != 7919*3+1 || back.Products() != townProducts {
		t.Errorf("product 3 is %d, %v", p, ok)
	}
	if _, ok := back.Number(5); ok {
		t.Error("an unknown product has a number")
	}
	if back.Settings() != m.Settings() {
		t.Errorf("settings %+v", back.Settings())
	}
}

func TestADamagedFileIsNoModel(t *testing.T) {
	t.Parallel()
	m, _ := townModel(t, 30)
	b := saved(t, m)
	damaged := map[string][]byte{
		"nothing":        nil,
		"another file":   []byte(strings.Repeat("milk,eggs\n", 100)),
		"another layout": append(append([]byte("endcap next basket"), 99), b[19:]...),
		"something more": append(slices.Clone(b), 0),
	}
	for at := 0; at < len(b); at += 1 + len(b)/50 {
		damaged["cut short"] = b[:at]
		flipped := slices.Clone(b)
		flipped[at] ^= 0x10
		damaged["one bit flipped"] = flipped
		for name, b := range damaged {
			if _, err := nextbasket.Load(bytes.NewReader(b)); !errors.Is(err, nextbasket.ErrModel) {
				t.Errorf("%s, at %d: %v", name, at, err)
			}
		}
	}
}

// Whatever the bytes between a right head and a right checksum, they are refused, or
// the model can be asked and saved.
func FuzzLoad(f *testing.F) {
	const head = "endcap next basket\x01"
	s := settings()
	s.Trees.Trees, s.Trees.Leaves, s.Neighbours = 3, 4, 4
	small, all := &nextbasket.Range{Products: 6, Hashes: []uint64{9, 8, 7, 6, 5, 4}, Groups: [][]int32{{0, 0, 1, 1, -1, 2}}}, []nextbasket.Shopper{}
	for i := range int32(16) {
		all = append(all, nextbasket.Shopper{Key: uint64(i + 1), History: nextbasket.History{
			{Day: i, Products: []int32{i % 6, (i + 1) % 6}}, {Day: i + 5, Products: []int32{i % 6}}, {Day: i + 9, Products: []int32{i % 6, (i + 2) % 6}},
		}})
	}
	m, _, err := nextbasket.Train(small, nextbasket.ByOrder(all, 0), all, &s)
	if err != nil {
		f.Fatal(err)
	}
	b := saved(f, m)
	f.Add(b[len(head) : len(b)-sha256.Size])
	f.Fuzz(func(t *testing.T, body []byte) {
		file := append([]byte(head), body...)
		sum := sha256.Sum256(file)
		m, err := nextbasket.Load(bytes.NewReader(append(file, sum[:]...)))
		if err != nil {
			if !errors.Is(err, nextbasket.ErrModel) {
				t.Errorf("got %v", err)
			}
			return
		}
		q := nextbasket.Query{Key: 1, Day: 50}
		if m.Products() > 0 {
			q.History = nextbasket.History{{Day: 3, Products: []nextbasket.Product{0}}, {Day: 9, Products: []nextbasket.Product{0}}}
		}
		m.Next(&q, nil)
		m.Without(func(key uint64) bool { return key%2 == 0 }).Next(&q, nil)
		saved(t, m)
	})
}
