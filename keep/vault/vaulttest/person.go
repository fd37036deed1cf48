package vaulttest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"endcap/keep/vault"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

func said(who shopper.ID, event string, allowed consent.Set, at time.Time) vault.Said {
	return vault.Said{Shopper: who, Allowed: allowed, Wording: "w1", Source: "api", At: at, EventID: event}
}

func say(t *testing.T, s Store, all ...vault.Said) {
	t.Helper()
	if err := s.Say(t.Context(), all); err != nil {
		t.Fatalf("say: %v", err)
	}
}

func allowed(t *testing.T, s Store, who ...shopper.ID) []consent.Set {
	t.Helper()
	got, err := s.Allowed(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func testConsents(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	all, none, ads := consent.All, consent.None, consent.Of(consent.PersonalAds)
	later := noon.Add(time.Hour)
	same(t, "who said nothing allows nothing", allowed(t, s, id(1), id(2)), []consent.Set{none, none})
	say(t, s, said(id(1), "e1", all, later), said(id(1), "e0", none, noon), said(id(2), "e2", ads, noon))
	same(t, "an older word that comes late changes nothing", allowed(t, s, id(1), id(2)), []consent.Set{all, ads})
	say(t, s, said(id(2), "e3", none, noon), said(id(1), "e4", ads, later))
	same(t, "of equal instants the later call counts", allowed(t, s, id(2), id(1)), []consent.Set{none, ads})
	say(t, s, said(id(1), "e4", all, later.Add(time.Hour)))
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	same(t, "the same event again changes nothing", allowed(t, s, id(1)), []consent.Set{ads})
	got, err := s.Sayings(t.Context(), id(1))
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].Seq = 0
	}
	same(t, "all she said", got, []vault.Said{
		said(id(1), "e0", none, noon), said(id(1), "e1", all, later), said(id(1), "e4", ads, later),
	})
}

func testQuarantine(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	row := func(line int64, raw string) vault.Refused {
		return vault.Refused{
			Kind: event.KindReceipt, Source: "tills.csv", Line: line, Reason: "conflict", Say: "two stores",
			Raw: []byte(raw), Stored: []byte(`{"x":1}`), At: noon.Add(time.Duration(line) * time.Minute),
		}
	}
	refuse := func(rows ...vault.Refused) {
		t.Helper()
		if err := s.Refuse(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
	}
	page := func(after uint64, limit int) []vault.Refused {
		t.Helper()
		got, err := s.Refusals(t.Context(), after, limit)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	long := row(4, strings.Repeat("r", vault.RawMax+1))
	long.Say = strings.Repeat("é", vault.TextMax)
	refuse(row(1, "a"), row(2, "b"), row(1, "a"), row(1, "other bytes"), long, long)
	refuse(row(2, "b"))
	got := page(0, 100)
	if len(got) != 4 || len(got[3].Raw) != vault.RawMax || len(got[3].Say) != vault.TextMax {
		t.Fatalf("%d rows, want 4, the last cut", len(got))
	}
	want := row(1, "a")
	want.ID = got[0].ID
	same(t, "a row", got[0], want)
	same(t, "the second page", page(got[1].ID, 1), got[2:3])
	last := got[3].ID
	if err := s.Release(t.Context(), []uint64{got[3].ID, got[1].ID, 1 << 60}); err != nil {
		t.Fatal(err)
	}
	n, err := s.Expire(t.Context(), noon.Add(2*time.Minute))
	if err != nil || n != 2 {
		t.Errorf("expired %d rows, %v; want the 2 of line 1", n, err)
	}
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	refuse(row(9, "new"))
	if got := page(0, 100); len(got) != 1 || got[0].ID <= last {
		t.Errorf("after a release ids go on: %d rows, want one above %d", len(got), last)
	}
}

func testForgets(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	always := func(shopper.Key) shopper.ID { return id(99) }
	account := key(shopper.Account, "ana@example")
	who := resolve(t, s, always, set(card(1), account))[0]
	other := resolve(t, s, counter(), set(card(2)))[0]
	say(t, s, said(who, "e1", consent.All, noon), said(other, "e2", consent.All, noon))
	for range 2 { // asking twice is fine
		if err := s.Forget(t.Context(), who); err != nil {
			t.Fatal(err)
		}
	}
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	seen, err := s.Lookup(t.Context(), set(card(1), account, card(2)))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "her keys are nobody's", seen, []shopper.ID{{}, {}, other})
	same(t, "her consent is gone, her neighbour's stays", allowed(t, s, who, other), []consent.Set{consent.None, consent.All})
	if keys, err := s.Keys(t.Context(), who); err != nil || len(keys) != 0 {
		t.Errorf("%d keys left, %v", len(keys), err)
	}
	if sayings, err := s.Sayings(t.Context(), who); err != nil || len(sayings) != 0 {
		t.Errorf("%d sayings left, %v", len(sayings), err)
	}
	say(t, s, said(who, "e9", consent.All, noon))
	same(t, "a late consent brings nothing back", allowed(t, s, who), []consent.Set{consent.None})
	for i, want := range []bool{true, false} {
		if gone, err := s.Forgotten(t.Context(), []shopper.ID{who, other}[i]); err != nil || gone != want {
			t.Errorf("forgotten %d: %v, %v", i, gone, err)
		}
	}
	if gone, err := s.Gone(t.Context(), []shopper.ID{other, who, {}}); err != nil || len(gone) != 1 || gone[0] != who {
		t.Errorf("gone: %d of them, %v; want her alone", len(gone), err)
	}
	if err := s.Forget(t.Context(), shopper.ID{}); err != nil {
		t.Errorf("forgetting nobody: %v", err)
	}
}

func testSuppresses(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	mint := counter()
	account, device := key(shopper.Account, "card-000001"), key(shopper.Device, "phone")
	ana := resolve(t, s, mint, set(card(1), device))[0]
	ben := resolve(t, s, mint, set(card(2)))[0]
	cleo := resolve(t, s, mint, set(card(3)))[0]
	if err := s.Forget(t.Context(), ana, cleo); err != nil { // one person under two ids
		t.Fatal(err)
	}
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	seen, err := s.Suppressed(t.Context(), set(card(1), device, card(3), card(2), account))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "her keys may not come back, a key of another kind that reads the same may", seen, []bool{true, true, true, false, false})
	same(t, "a feed with her card makes nobody, whatever comes with it", resolve(t, s, mint, set(card(1)), set(card(1), card(9)), set(card(3), card(1))), make([]shopper.ID, 3))
	same(t, "beside a known key hers is not added", resolve(t, s, mint, set(card(2), card(1)), set(card(1))), []shopper.ID{ben, {}})
	for _, want := range []int{2, 0} {
		if n, err := s.Lift(t.Context(), set(card(1), device, card(2))); err != nil || n != want {
			t.Errorf("lifted %d marks, %v; want %d", n, err, want)
		}
	}
	back := resolve(t, s, mint, set(card(1)))[0]
	if !back.Known() || back == ana {
		t.Error("who registered anew is not a new shopper")
	}
	if gone, err := s.Forgotten(t.Context(), ana); err != nil || !gone {
		t.Errorf("her tombstone was lifted too: %v", err)
	}
}

func testRequests(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	who := resolve(t, s, counter(), set(card(1)))[0]
	put := func(r vault.Request) {
		t.Helper()
		if err := s.PutRequest(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	list := func(open bool, after string, limit int) (ids string) {
		t.Helper()
		got, err := s.Requests(t.Context(), open, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got {
			ids += r.ID
		}
		return ids
	}
	first := vault.Request{ID: "a", Kind: "access", State: "ready", Received: noon, Due: noon.AddDate(0, 1, 0), Shopper: who, Doc: []byte("{}")}
	put(first)
	for _, id := range []string{"c", "b"} {
		r := first
		r.ID = id
		put(r)
	}
	done := first
	done.ID, done.State, done.Closed, done.Reason = "b", "done", noon, "answered"
	put(done)
	same(t, "all, in order", list(false, "", 9), "abc")
	same(t, "those that wait", list(true, "", 9), "ac")
	same(t, "a page", list(false, "a", 1), "b")
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	if got, err := s.Request(t.Context(), "b"); err != nil {
		t.Error(err)
	} else {
		same(t, "one", got, done)
	}
	if _, err := s.Request(t.Context(), "z"); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("none: %v", err)
	}
	if err := s.PutRequest(t.Context(), vault.Request{ID: "d", Doc: make([]byte, vault.DocMax+1)}); !errors.Is(err, vault.ErrLimit) {
		t.Errorf("too long: %v", err)
	}
	if n, err := s.Remains(t.Context()); err != nil || n != 0 {
		t.Errorf("%d rows name somebody forgotten, %v", n, err)
	}
	if err := s.Forget(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Request(t.Context(), "a"); err != nil || got.Shopper.Known() || len(got.Doc) > 0 {
		t.Errorf("her request still knows her: %v", err)
	}
	if err := s.Say(t.Context(), []vault.Said{said(id(7), "e7", consent.All, noon)}); err != nil {
		t.Fatal(err)
	}
	for at, doc := range map[int]string{1: "one", 2: "two", 3: "three"} {
		if err := s.PutSweep(t.Context(), vault.Sweep{At: noon.Add(time.Duration(at) * time.Hour), Doc: []byte(doc)}); err != nil {
			t.Fatal(err)
		}
	}
	sweeps, err := s.Sweeps(t.Context(), 2)
	if err != nil || len(sweeps) != 2 || string(sweeps[0].Doc) != "three" || string(sweeps[1].Doc) != "two" {
		t.Errorf("the newest sweeps: %d, %v", len(sweeps), err)
	}
	if n, err := s.Remains(t.Context()); err != nil || n != 0 {
		t.Errorf("%d rows name somebody forgotten, %v", n, err)
	}
}

func testLimits(t *testing.T, open Open) {
	s := fresh(t, open)
	many := make([]shopper.Key, vault.KeysMax+1)
	for i := range many {
		many[i] = card(i)
	}
	_, tooManyKeys := s.Resolve(t.Context(), [][]shopper.Key{many}, counter())
	_, tooManySets := s.Resolve(t.Context(), make([][]shopper.Key, vault.BatchMax+1), counter())
	for name, err := range map[string]error{
		"keys in a set":       tooManyKeys,
		"sets in a call":      tooManySets,
		"a consent's wording": s.Say(t.Context(), []vault.Said{{Shopper: id(1), EventID: "e", Wording: strings.Repeat("x", vault.TextMax+1)}}),
		"an event without id": s.Say(t.Context(), []vault.Said{{Shopper: id(1)}}),
		"no reason":           s.Refuse(t.Context(), []vault.Refused{{Source: "s"}}),
	} {
		if !errors.Is(err, vault.ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "card-0") {
			t.Errorf("%s: the error names a key", name)
		}
	}
	seen, err := s.Lookup(t.Context(), many[:2])
	if err != nil {
		t.Fatal(err)
	}
	same(t, "nothing was done", seen, []shopper.ID{{}, {}})
}

// person is a shopper of the model.
type person struct {
	gone    bool
	allowed consent.Set
}

func testHistories(t *testing.T, open Open) {
	const seed = 1204
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 2))
	dir := t.TempDir()
	s, mint := open(t, dir), counter()
	owner, people, marked := map[shopper.Key]shopper.ID{}, map[shopper.ID]*person{}, map[shopper.Key]bool{}
	var ids []shopper.ID
	for step := range 150 {
		switch chance.IntN(8) {
		case 0:
			if len(ids) > 0 {
				who := ids[chance.IntN(len(ids))]
				if err := s.Forget(t.Context(), who); err != nil {
					t.Fatal(err)
				}
				*people[who] = person{gone: true}
				for k, o := range owner {
					if o == who {
						delete(owner, k)
						marked[k] = true
					}
				}
			}
		case 1, 2:
			if len(ids) > 0 {
				who, what := ids[chance.IntN(len(ids))], consent.Set(chance.IntN(32))
				say(t, s, said(who, fmt.Sprint("e", step), what, noon.Add(time.Duration(step)*time.Second)))
				if !people[who].gone {
					people[who].allowed = what
				}
			}
		case 3:
			if chance.IntN(4) == 0 {
				s = again(t, open, s, dir)
			}
		default:
			keys := set(card(chance.IntN(30)), card(chance.IntN(30)))[:1+chance.IntN(2)]
			got := resolve(t, s, mint, keys)[0]
			owners, stopped := map[shopper.ID]bool{}, false
			for _, k := range keys {
				if o, ok := owner[k]; ok {
					owners[o] = true
				}
				stopped = stopped || marked[k]
			}
			if stopped && len(owners) == 0 {
				same(t, "a suppressed card", got, shopper.ID{})
				continue
			}
			if joins := len(owners) > 1; joins || len(owners) == 1 && !owners[got] || len(owners) == 0 && people[got] != nil {
				if !joins || got.Known() {
					t.Fatalf("step %d: the wrong shopper", step)
				}
				continue
			}
			if people[got] == nil {
				people[got] = &person{}
				ids = append(ids, got)
			}
			for _, k := range keys {
				if !marked[k] {
					owner[k] = got
				}
			}
		}
	}
	defer func() { _ = s.Close() }()
	for n := range 30 {
		seen, err := s.Lookup(t.Context(), set(card(n)))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "owner", seen[0], owner[card(n)])
	}
	for i, got := range allowed(t, s, ids...) {
		same(t, "allowed", got, people[ids[i]].allowed)
	}
}
