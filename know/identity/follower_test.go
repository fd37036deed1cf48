package identity_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/keep/profile"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/stream"
	"endcap/know/identity"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

func openShelf(t *testing.T) *pebbleshelf.Store {
	t.Helper()
	s, err := pebbleshelf.Open(t.Context(), t.TempDir(), pebbleshelf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// said is a consent fact of shopper who at second.
func said(who uint64, second int64, allowed consent.Set) event.Fact {
	return event.Fact{Shopper: shopper.FromUint64(who), At: time.Unix(second, 0), Body: event.Consent{Allowed: allowed}}
}

func forgotten(who uint64) event.Fact {
	return event.Fact{Shopper: shopper.FromUint64(who), Body: event.Forgotten{}}
}

// foldAll folds facts in batches of size and gives the sections of shoppers 1 to 9.
func foldAll(t *testing.T, facts []event.Fact, size int) [][]byte {
	t.Helper()
	store := openShelf(t)
	f := identity.Follower(store)
	for n := 0; n < len(facts); n += size {
		b := stream.Batch{Facts: facts[n:min(n+size, len(facts))], Next: event.Cursor(fmt.Sprintf("%06d", n))}
		for range 2 { // the second time does nothing
			if err := f.Fold(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
	}
	var who []shopper.ID
	for n := uint64(1); n < 10; n++ {
		who = append(who, shopper.FromUint64(n))
	}
	sections, err := store.Sections(t.Context(), identity.Section, who)
	if err != nil {
		t.Fatal(err)
	}
	return sections
}

func TestWhichConsentCounts(t *testing.T) {
	t.Parallel()
	ads, offers := consent.Of(consent.PersonalAds), consent.Of(consent.PersonalOffers)
	tests := map[string]struct {
		facts []event.Fact
		want  consent.Set
	}{
		"she said nothing":                 {nil, consent.None},
		"the only one":                     {[]event.Fact{said(1, 5, ads)}, ads},
		"the newer one":                    {[]event.Fact{said(1, 5, ads), said(1, 6, offers)}, offers},
		"the newer one, though it came":    {[]event.Fact{said(1, 6, offers), said(1, 5, ads)}, offers},
		"of one instant the later to come": {[]event.Fact{said(1, 5, ads), said(1, 5, offers)}, offers},
		"a withdrawal":                     {[]event.Fact{said(1, 5, consent.All), said(1, 6, consent.None)}, consent.None},
		"none after she is forgotten":      {[]event.Fact{said(1, 5, consent.All), forgotten(1)}, consent.None},
		"another shopper's does not":       {[]event.Fact{said(2, 5, consent.All), said(1, 1, ads), forgotten(2)}, ads},
		"nobody's does not":                {[]event.Fact{said(0, 5, consent.All)}, consent.None},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1, 100} {
				if got := identity.AllowedIn(foldAll(t, tt.facts, size)[0]); got != tt.want {
					t.Errorf("in batches of %d she allows %v, want %v", size, got, tt.want)
				}
			}
		})
	}
}

func TestAnyBatchSizeFoldsTheSameBytes(t *testing.T) {
	t.Parallel()
	const seed = 20171204
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 1))
	var facts []event.Fact
	for range 600 {
		who := 1 + chance.Uint64N(9)
		if chance.IntN(20) == 0 {
			facts = append(facts, forgotten(who))
			continue
		}
		facts = append(facts, said(who, chance.Int64N(50), consent.Set(chance.IntN(32))))
	}
	want := foldAll(t, facts, 1)
	for _, size := range []int{7, 64, 600} {
		if diff := cmp.Diff(want, foldAll(t, facts, size)); diff != "" {
			t.Errorf("batches of %d: %s", size, diff)
		}
	}
}

func FuzzAllowedIn(f *testing.F) {
	f.Add([]byte{1, 31, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Add([]byte{2, 31, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := identity.AllowedIn(b)
		if got&^consent.All != 0 {
			t.Errorf("an unknown purpose: %d", got)
		}
		if (len(b) != 10 || b[0] != 1) && got != consent.None {
			t.Error("foreign bytes allow something")
		}
	})
}

func TestAForgottenShoppersCountersGoToo(t *testing.T) {
	t.Parallel()
	store, now := openShelf(t), time.Unix(1_000, 0)
	for who := uint64(1); who < 3; who++ {
		if _, err := store.Bump(t.Context(), shopper.FromUint64(who), now, []profile.Counter{{Key: "oats", Until: now.Add(time.Hour)}}); err != nil {
			t.Fatal(err)
		}
	}
	f := identity.Forgetting(store)
	if err := f.Fold(t.Context(), stream.Batch{Facts: []event.Fact{forgotten(1)}, Next: "1"}); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[uint64]int{1: 0, 2: 1} {
		got, err := store.Counts(t.Context(), shopper.FromUint64(who), now)
		if err != nil || got["oats"] != want {
			t.Errorf("shopper %d has %v (%v), want %d", who, got, err, want)
		}
	}
	if at, err := f.Cursor(t.Context(), 0); err != nil || at != "1" {
		t.Errorf("cursor is %q (%v)", string(at), err)
	}
}
