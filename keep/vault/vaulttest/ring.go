package vaulttest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"endcap/keep/vault"
)

func generation(n int) vault.Generation {
	return vault.Generation{Number: n, Value: fmt.Append(nil, "secret ", n), Made: time.UnixMicro(int64(n)).UTC()}
}

func turn(t *testing.T, s Store, name string, n int) []vault.Generation {
	t.Helper()
	ring, err := s.Turn(t.Context(), name, generation(n))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func testTurns(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	var all sync.WaitGroup
	made := make([]string, 8)
	for i := range made {
		all.Go(func() {
			ring, err := vault.OpenRing(t.Context(), s, "tokens", func() (vault.Generation, error) {
				return vault.Generation{Value: fmt.Append(nil, "drawn by ", i)}, nil
			})
			if err != nil || len(ring) != 1 {
				t.Errorf("%d generations, %v", len(ring), err)
				return
			}
			made[i] = string(ring[0].Value)
		})
	}
	all.Wait()
	for _, m := range made {
		same(t, "all hold one secret", m, made[0])
	}
	turn(t, s, "tokens", 2)
	other := generation(2)
	other.Value = []byte("later")
	ring, err := s.Turn(t.Context(), "tokens", other)
	if err != nil || len(ring) != 2 || string(ring[0].Value) != "secret 2" {
		t.Errorf("turned twice from the same place: %d generations, %v; want the first one's", len(ring), err)
	}
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	ring, err = s.Ring(t.Context(), "tokens")
	if err != nil || len(ring) != 2 {
		t.Fatalf("%d generations after a restart, %v", len(ring), err)
	}
	same(t, "the newest is first", ring[0], generation(2))
	same(t, "the first is kept", string(ring[1].Value), made[0])
	turn(t, s, "other", 1)
	for n := 2; n <= vault.RingMax; n++ {
		turn(t, s, "other", n)
	}
	if _, err := s.Turn(t.Context(), "other", generation(vault.RingMax+1)); !errors.Is(err, vault.ErrRing) {
		t.Errorf("a full ring: %v", err)
	}
	names, err := s.Rings(t.Context(), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "names", names, []string{"other", "tokens", vault.TombstoneRing})
	if names, err = s.Rings(t.Context(), "other", 1); err != nil {
		t.Fatal(err)
	}
	same(t, "a page of names", names, []string{"tokens"})
	for what, bad := range map[string]vault.Generation{"nothing": {Number: 3}, "too much": {Number: 3, Value: make([]byte, vault.SecretMax+1)}, "no number": {Value: []byte("x")}} {
		if _, err := s.Turn(t.Context(), "tokens", bad); !errors.Is(err, vault.ErrLimit) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func testRetires(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	for n := 1; n <= 4; n++ {
		turn(t, s, "tokens", n)
		turn(t, s, "other", n)
	}
	for _, want := range []int{2, 0} {
		if n, err := s.Retire(t.Context(), "tokens", 3); err != nil || n != want {
			t.Errorf("retired %d, %v; want %d", n, err, want)
		}
	}
	if _, err := s.Retire(t.Context(), vault.TombstoneRing, 1); err == nil {
		t.Error("the secrets by which the forgotten are known were retired")
	}
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	for name, want := range map[string][]vault.Generation{"tokens": {generation(4), generation(3)}, "other": {generation(4), generation(3), generation(2), generation(1)}} {
		ring, err := s.Ring(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		same(t, name, ring, want)
	}
	same(t, "it goes on from the newest", turn(t, s, "tokens", 5)[0], generation(5))
}

// Whoever was forgotten under an older secret is forgotten, and suppressed, under
// every newer one; and both are marked and lifted once.
func testTombstonesTurn(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	who := resolve(t, s, counter(), set(card(1)), set(card(2)), set(card(3)))
	marks := make(map[vault.Mark]bool)
	for n, one := range who[:2] {
		if err := s.Forget(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		turn(t, s, vault.TombstoneRing, n+2)
	}
	check := func(when string) {
		t.Helper()
		gone, err := s.Gone(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		same(t, when+": the forgotten", gone, who[:2])
		kept, err := s.Suppressed(t.Context(), set(card(1), card(2), card(3)))
		if err != nil {
			t.Fatal(err)
		}
		same(t, when+": suppressed", kept, []bool{true, true, false})
		same(t, when+": their cards are nobody's", resolve(t, s, counter(), set(card(1)), set(card(2)))[0].Known(), false)
	}
	check("now")
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	check("after a restart")
	all, err := s.Marks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		marks[m] = true
	}
	same(t, "marks", len(marks), 4)
	if risen, err := s.Bury(t.Context(), all); err != nil || len(risen) != 0 {
		t.Errorf("%d are known who are under a mark, %v", len(risen), err)
	}
	if n, err := s.Lift(t.Context(), set(card(1), card(3))); err != nil || n != 1 {
		t.Errorf("lifted %d, %v; want the one that was suppressed", n, err)
	}
	if n, err := s.Remains(t.Context()); err != nil || n != 0 {
		t.Errorf("%d rows remain, %v", n, err)
	}
}
