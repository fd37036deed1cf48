package identity_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"endcap/keep/profile"
	"endcap/keep/profile/pebbleshelf"
	"endcap/know/identity"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

const habit profile.Section = "habit"

// shelved is a house with a shelf of profiles, where everybody has one habit.
type shelved struct {
	*house
	shelf profile.Store
	turns int
}

func openShelved(t *testing.T, change ...func(*identity.Config)) *shelved {
	t.Helper()
	shelf, err := pebbleshelf.Open(t.Context(), t.TempDir(), pebbleshelf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shelf.Close(); err != nil {
			t.Error(err)
		}
	})
	return &shelved{house: open(t, counted(), change...), shelf: shelf}
}

func (h *shelved) put(t *testing.T, who shopper.ID, value string) {
	t.Helper()
	h.turns++
	err := h.shelf.Apply(t.Context(), "test", 0, event.Cursor(fmt.Sprintf("%08d", h.turns)), []profile.Change{{Shopper: who, Section: habit, Value: []byte(value)}})
	if err != nil {
		t.Fatal(err)
	}
}

// both writes one habit after the other, in order.
func both(sections [][]byte) ([]byte, error) {
	var all [][]byte
	for _, s := range sections {
		if s != nil {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, bytes.Compare)
	return bytes.Join(all, []byte("+")), nil
}

func (h *shelved) profiles(from identity.Shelf) *identity.Profiles {
	return identity.NewProfiles(from, h.Identity, map[profile.Section]identity.Merge{habit: both})
}

func read(t *testing.T, p *identity.Profiles, who shopper.ID, want string) {
	t.Helper()
	got, err := p.Get(t.Context(), who)
	if err != nil || string(got[habit]) != want {
		t.Errorf("she is known to have %q, want %q, %v", got[habit], want, err)
	}
}

// A merged profile may hold what a forgotten shopper did: it must not outlive her
// in the memory of the house, nor may it stay after an unmerge.
func TestNoMergedProfileOutlivesWhomItIsMadeOf(t *testing.T) {
	t.Parallel()
	h := openShelved(t)
	p := h.profiles(h.shelf)
	card, account, phone := key(t, shopper.Card, "ana"), key(t, shopper.Account, "ana@shop"), key(t, shopper.Card, "old")
	who := []shopper.ID{h.name(t, card), h.name(t, account), h.name(t, phone)}
	for n, habit := range []string{"oats", "tea", "rum"} {
		h.put(t, who[n], habit)
	}
	h.declare(t, []shopper.Key{card, account})
	edge := h.declare(t, []shopper.Key{card, phone})[0].Edge
	kept := func(what string, want int) {
		t.Helper()
		if n, bytes := h.Recent(); n != want || (bytes > 0) != (want > 0) {
			t.Errorf("%s %d merged profiles of %d bytes are kept, want %d", what, n, bytes, want)
		}
	}
	all := func(want string) {
		t.Helper()
		for range 2 {
			for _, id := range who {
				read(t, p, id, want)
			}
		}
	}
	all("oats+rum+tea")
	kept("as one", 3)
	if err := h.Withdraw(t.Context(), edge, vouch("", monday)); err != nil {
		t.Fatal(err)
	}
	kept("after the unmerge", 0)
	read(t, p, who[0], "oats+tea")
	read(t, p, who[1], "oats+tea")
	read(t, p, who[2], "rum")
	kept("as two", 2)
	if err := h.Forget(t.Context(), who[1]); err != nil {
		t.Fatal(err)
	}
	kept("after she was forgotten by her account", 0)
	read(t, p, who[0], "oats")
	kept("alone", 0)
}

// slow lets something happen while a profile is read.
type slow struct {
	identity.Shelf
	during func()
}

func (s *slow) Get(ctx context.Context, who shopper.ID) (profile.Profile, error) {
	got, err := s.Shelf.Get(ctx, who)
	if f := s.during; f != nil {
		s.during = nil
		f()
	}
	return got, err
}

func TestAProfileReadWhileSheIsForgottenIsNotKept(t *testing.T) {
	t.Parallel()
	h := openShelved(t)
	card, account := key(t, shopper.Card, "ana"), key(t, shopper.Account, "ana@shop")
	a, b := h.name(t, card), h.name(t, account)
	h.put(t, a, "oats")
	h.put(t, b, "tea")
	h.declare(t, []shopper.Key{card, account})
	s := &slow{Shelf: h.shelf}
	s.during = func() {
		if err := h.Forget(t.Context(), b); err != nil {
			t.Error(err)
		}
	}
	if _, err := h.profiles(s).Get(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if n, _ := h.Recent(); n != 0 {
		t.Error("a profile with what she did is kept after she was forgotten")
	}
}

// However many people are merged, their profiles take no more memory than was said.
func TestMergedProfilesTakeNoMoreThanTheirBytes(t *testing.T) {
	t.Parallel()
	const people, most = 100, 40_000
	h := openShelved(t, func(c *identity.Config) { c.ProfilesMax = most })
	p := h.profiles(h.shelf)
	who := make([]shopper.ID, people)
	for n := range who {
		card, account := key(t, shopper.Card, fmt.Sprint("c", n)), key(t, shopper.Account, fmt.Sprint("a", n))
		who[n] = h.name(t, card)
		h.put(t, who[n], fmt.Sprintf("a%0500d", n))
		h.put(t, h.name(t, account), fmt.Sprintf("b%0500d", n))
		h.declare(t, []shopper.Key{card, account})
	}
	full := 0
	for range 2 {
		for n, id := range who {
			read(t, p, id, fmt.Sprintf("a%0500d+b%0500d", n, n))
			some, bytes := h.Recent()
			if bytes > most || some > people {
				t.Fatalf("%d profiles of %d bytes are kept, at most %d", some, bytes, most)
			}
			full = max(full, bytes)
		}
	}
	if full < most/2 {
		t.Errorf("at most %d bytes were kept of %d: it keeps next to nothing", full, most)
	}
	h.put(t, who[0], fmt.Sprintf("a%030000d", 0))
	before, _ := h.Recent()
	read(t, p, who[0], fmt.Sprintf("a%030000d+b%0500d", 0, 0))
	if after, bytes := h.Recent(); bytes > most || after > before {
		t.Errorf("one that is too large is kept: %d profiles of %d bytes", after, bytes)
	}
}
