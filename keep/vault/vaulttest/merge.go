package vaulttest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"endcap/keep/vault"
	"endcap/retail/shopper"
)

var declared = vault.Declaration{Basis: "declared", At: noon}

func declare(t *testing.T, s Store, mint vault.Mint, sets ...[]shopper.Key) [][]shopper.ID {
	t.Helper()
	d := declared
	d.Mint = mint
	got, err := s.Declare(t.Context(), sets, d)
	if err != nil {
		t.Fatalf("declare: %v", err)
	}
	out := make([][]shopper.ID, len(got))
	for i := range got {
		out[i] = got[i].Who
	}
	return out
}

func mail(n int) shopper.Key { return key(shopper.EmailHash, fmt.Sprintf("%064x", n)) }

func testDeclares(t *testing.T, open Open) {
	dir := t.TempDir()
	s, mint := open(t, dir), counter()
	first := declare(t, s, mint, set(card(1), mail(1)))[0]
	same(t, "a new card and a new address are one shopper", first, []shopper.ID{id(1), id(1)})
	same(t, "an account beside them is hers", declare(t, s, mint, set(key(shopper.Account, "ana"), card(1)))[0], []shopper.ID{id(1), id(1)})
	second := declare(t, s, mint, set(card(2), mail(1)))[0]
	if second[0] == id(1) || !second[0].Known() || second[1] != id(1) {
		t.Error("a second card became the first one's without evidence")
	}
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	same(t, "said again it changes nothing", declare(t, s, mint, set(card(2), mail(1)))[0], second)
	for n := 2; n <= 5; n++ {
		declare(t, s, mint, set(card(1), mail(n)))
	}
	if got := declare(t, s, mint, set(card(1), mail(6)))[0]; got[1].Known() {
		t.Errorf("she has more than %d addresses", vault.KindMax(shopper.EmailHash))
	}
	seen := resolve(t, s, mint, set(card(3), mail(7)))[0]
	e := evidence(t, s, seen)
	basis := map[shopper.Key]string{}
	for _, h := range e.Held {
		basis[h.Key] = h.Basis
	}
	same(t, "what was only seen together says so", basis, map[shopper.Key]string{card(3): vault.OwnKey, mail(7): ""})
	declare(t, s, mint, set(card(3), mail(7)))
	for _, h := range evidence(t, s, seen).Held {
		if h.Key == mail(7) && h.Basis != declared.Basis {
			t.Error("the retailer's word for what was seen before does not count")
		}
	}
}

func evidence(t *testing.T, s Store, who ...shopper.ID) vault.Evidence {
	t.Helper()
	e, err := s.Evidence(t.Context(), who, 8)
	if err != nil {
		t.Fatalf("evidence: %v", err)
	}
	return e
}

func tie(n int, a, b shopper.ID) vault.Edge {
	return vault.Edge{ID: fmt.Sprint("edge ", n), A: a, B: b, Basis: "declared", Source: "crm", By: "bea", Say: "same member", At: noon}
}

// members lists who is known with others.
func members(t *testing.T, s Store) map[shopper.ID]shopper.ID {
	t.Helper()
	out := map[shopper.ID]shopper.ID{}
	if err := s.Members(t.Context(), func(m vault.Member) error { out[m.Shopper] = m.Canonical; return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func testMerges(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	who := resolve(t, s, counter(), set(card(1)), set(card(2)), set(card(3)))
	merge := func(m vault.Merger) error {
		t.Helper()
		m.Revision, m.At = evidence(t, s, who...).Revision, noon
		return s.Merge(t.Context(), m)
	}
	both := []vault.Member{{Shopper: who[0], Canonical: who[0]}, {Shopper: who[1], Canonical: who[0]}}
	if err := merge(vault.Merger{Edges: []vault.Edge{tie(1, who[0], who[1])}, Members: both}); err != nil {
		t.Fatal(err)
	}
	stale := vault.Merger{Edges: []vault.Edge{tie(2, who[1], who[2])}, At: noon}
	if err := s.Merge(t.Context(), stale); !errors.Is(err, vault.ErrStale) {
		t.Errorf("worked out from evidence that is no more: %v", err)
	}
	for name, m := range map[string]vault.Merger{
		"one end":        {Edges: []vault.Edge{{ID: "x", A: who[0], Basis: "declared", At: noon}}},
		"no time":        {Edges: []vault.Edge{{ID: "x", A: who[0], B: who[1], Basis: "declared"}}},
		"no edge's name": {Withdraw: []vault.Withdrawal{{At: noon}}},
	} {
		if err := merge(m); !errors.Is(err, vault.ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	same(t, "who is merged", members(t, s), map[shopper.ID]shopper.ID{who[0]: who[0], who[1]: who[0]})
	moves, err := s.Moves(t.Context(), 10)
	if err != nil || len(moves) != 1 || moves[0].Shopper != who[1] || moves[0].Canonical != who[0] {
		t.Fatalf("%d moves, want one: %v", len(moves), err)
	}
	if err := s.Told(t.Context(), moves[0].Seq); err != nil {
		t.Fatal(err)
	}
	concerned(t, s, who[0], who[1])
	e := evidence(t, s, who[1])
	if len(e.Edges) != 1 || len(e.Shoppers) != 2 || len(e.Held) != 2 || len(e.Members) != 2 {
		t.Errorf("around her: %d edges, %d shoppers, %d keys, %d members", len(e.Edges), len(e.Shoppers), len(e.Held), len(e.Members))
	}
	alone := []vault.Member{{Shopper: who[0]}, {Shopper: who[1]}}
	if err := merge(vault.Merger{Withdraw: []vault.Withdrawal{{Edge: "edge 1", By: "bea", Say: "two people", At: noon}}, Members: alone}); err != nil {
		t.Fatal(err)
	}
	same(t, "withdrawn, nobody is", members(t, s), map[shopper.ID]shopper.ID{})
	again, err := s.Moves(t.Context(), 10)
	if err != nil || len(again) != 1 || again[0].Seq <= moves[0].Seq || again[0].Canonical != who[1] {
		t.Errorf("%d moves back, %v", len(again), err)
	}
	concerned(t, s, who[0])
	if e := evidence(t, s, who[1]); len(e.Shoppers) != 1 || len(e.Withdrawn) != 1 {
		t.Error("a withdrawn edge still leads on")
	}
}

// concerned asks for whom evidence is about, one by one, and wants each once.
func concerned(t *testing.T, s Store, want ...shopper.ID) {
	t.Helper()
	got := make(map[shopper.ID]bool)
	var after shopper.ID
	for range 100 {
		some, err := s.Concerned(t.Context(), after, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			break
		}
		if after = some[0]; got[after] {
			t.Error("one is told of twice")
		}
		got[after] = true
	}
	all := make(map[shopper.ID]bool)
	for _, who := range want {
		all[who] = true
	}
	same(t, "whom evidence is about", got, all)
}

func testForgottenMerges(t *testing.T, open Open) {
	s := fresh(t, open)
	who := resolve(t, s, counter(), set(card(1)), set(card(2)), set(card(3)))
	m := vault.Merger{
		Edges: []vault.Edge{tie(1, who[0], who[1]), tie(2, who[1], who[2])}, At: noon,
		Members: []vault.Member{{Shopper: who[0], Canonical: who[0]}, {Shopper: who[1], Canonical: who[0]}, {Shopper: who[2], Canonical: who[0]}},
	}
	if err := s.Merge(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := s.Propose(t.Context(), []vault.Proposal{{A: who[0], B: who[1], PPM: 999_000, At: noon}, {A: who[2], B: who[1], PPM: 995_000, At: noon}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(t.Context(), who[0]); err != nil {
		t.Fatal(err)
	}
	e := evidence(t, s, who...)
	if len(e.Edges) != 1 || e.Edges[0].ID != "edge 2" {
		t.Errorf("%d edges are left of a forgotten shopper's", len(e.Edges))
	}
	if waiting, err := s.Proposals(t.Context(), 0, 10); err != nil || len(waiting) != 1 || waiting[0].A != who[1] {
		t.Errorf("%d proposals, %v; want the one about the others", len(waiting), err)
	}
	late := vault.Merger{Revision: e.Revision, Edges: []vault.Edge{tie(3, who[0], who[2])}, At: noon}
	if err := s.Merge(t.Context(), late); !errors.Is(err, vault.ErrForgotten) {
		t.Errorf("a forgotten shopper was merged: %v", err)
	}
	if _, err := s.Edge(t.Context(), "edge 3"); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("its evidence was kept: %v", err)
	}
}

// testMergeRace has many merge at once, each from the evidence it read.
func testMergeRace(t *testing.T, open Open) {
	const crowd = 8
	s := fresh(t, open)
	who := resolve(t, s, counter(), set(card(1)), set(card(2)))
	read := evidence(t, s, who...)
	var wg sync.WaitGroup
	won := make([]error, crowd)
	for n := range crowd {
		wg.Go(func() {
			won[n] = s.Merge(t.Context(), vault.Merger{Revision: read.Revision, Edges: []vault.Edge{tie(n, who[0], who[1])}, At: noon})
		})
	}
	wg.Wait()
	done := 0
	for _, err := range won {
		switch {
		case err == nil:
			done++
		case !errors.Is(err, vault.ErrStale):
			t.Error(err)
		}
	}
	if e := evidence(t, s, who[0]); done != 1 || len(e.Edges) != 1 {
		t.Errorf("%d merges from one reading, %d edges", done, len(e.Edges))
	}
}

// testCrowdedKey has an address in so many accounts that it leads nowhere.
func testCrowdedKey(t *testing.T, open Open) {
	s := fresh(t, open)
	var sets [][]shopper.Key
	for n := range 100 {
		sets = append(sets, set(key(shopper.Account, fmt.Sprint("account ", n)), mail(1)))
	}
	held := declare(t, s, counter(), sets...)
	m := vault.Merger{At: noon}
	for n := 1; n < len(held); n++ {
		m.Edges = append(m.Edges, vault.Edge{ID: fmt.Sprint(n), A: held[n][0], Key: mail(1), Basis: "declared", At: noon})
	}
	if err := s.Merge(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	e := evidence(t, s, held[50][0])
	if len(e.Shoppers) != 1 || len(e.Edges) <= 8 || len(e.Edges) > 40 {
		t.Errorf("through a shared address: %d shoppers and %d edges", len(e.Shoppers), len(e.Edges))
	}
}
