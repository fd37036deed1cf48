package vaulttest

import (
	"slices"
	"testing"
	"time"

	"endcap/keep/vault"
	"endcap/retail/shopper"
)

// Whom a partner was told of is noted once; forgetting leaves the names that the
// partner is to delete, and no shopper.
func testTells(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	who := resolve(t, s, counter(), set(card(1)), set(card(2)), set(card(3)))
	turn(t, s, vault.PartnerRing("paper"), 1)
	ring := turn(t, s, vault.PartnerRing("paper"), 2)
	turn(t, s, vault.PartnerRing("rival"), 1)
	if err := s.Forget(t.Context(), who[2]); err != nil {
		t.Fatal(err)
	}
	day := func(n int) time.Time { return time.UnixMicro(int64(n) * 86_400e6).UTC() }
	for n, partner := range []string{"paper", "rival", "paper"} {
		if err := s.Tell(t.Context(), partner, append([]shopper.ID{{}}, who...), day(n+1)); err != nil {
			t.Fatal(err)
		}
	}
	told, err := s.ToldOf(t.Context(), who[0])
	if err != nil || len(told) != 2 {
		t.Fatalf("%d partners were told of her, %v", len(told), err)
	}
	same(t, "the first partner", []any{told[0].Partner, told[0].First, told[0].Last}, []any{"paper", day(1), day(3)})
	if err := s.Forget(t.Context(), who[0]); err != nil {
		t.Fatal(err)
	}
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	told, err = s.ToldTo(t.Context(), "paper", 0, 10)
	if err != nil || len(told) != 2 {
		t.Fatalf("%d rows of the partner, %v; want one of each it was told of", len(told), err)
	}
	same(t, "what it is to delete", told[0].Names, []string{vault.Pseudonym(ring[0], who[0]), vault.Pseudonym(ring[1], who[0])})
	same(t, "whose it was", told[0].Shopper.Known(), false)
	same(t, "the other's", []any{told[1].Shopper == who[1], len(told[1].Names)}, []any{true, 0})
	page, err := s.ToldTo(t.Context(), "paper", told[0].ID, 10)
	if err != nil || len(page) != 1 || page[0].ID != told[1].ID {
		t.Errorf("the page after the first: %d rows, %v", len(page), err)
	}
	for _, id := range []shopper.ID{who[0], who[2], {}} {
		if told, err := s.ToldOf(t.Context(), id); err != nil || len(told) != 0 {
			t.Errorf("%d partners know somebody who is forgotten, %v", len(told), err)
		}
	}
	if n, err := s.Remains(t.Context()); err != nil || n != 0 {
		t.Errorf("%d rows remain, %v", n, err)
	}
	if err := s.Tell(t.Context(), "", who, day(1)); err == nil {
		t.Error("a partner without an id was told")
	}
	names := []string{vault.Pseudonym(ring[0], who[1]), vault.Pseudonym(ring[1], who[1]), vault.Pseudonym(ring[0], who[2])}
	slices.Sort(names)
	same(t, "different names", len(slices.Compact(names)), 3)
}
