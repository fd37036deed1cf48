package response_test

import (
	"errors"
	"testing"
	"time"

	"endcap/know/recommend/response"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

func slotOf(n int) response.Slot {
	return response.Slot{Decision: media.DecisionID{byte(n), byte(n >> 8)}, Place: uint8(n % 3)}
}

func TestWhatBecameOfAShowingIsToldWhenItIsOver(t *testing.T) {
	t.Parallel()
	a, err := response.NewAwaiting(time.Hour, 100)
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	s := newSite(18)
	for n := range 4 {
		sh := s.show()
		sh.Hour = n
		for range 2 { // what is told twice counts once
			if err := a.Shown(slotOf(n), shopper.ID{}, noon.Add(time.Duration(n)*time.Minute), &sh); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.Seen(slotOf(1))
	a.Clicked(slotOf(1))
	a.Bought(slotOf(1))
	a.Bought(slotOf(2)) // never clicked
	a.Clicked(slotOf(9))
	if got := a.Over(noon.Add(59 * time.Minute)); got != nil {
		t.Errorf("over before the hour: %+v", got)
	}
	got := a.Over(noon.Add(62 * time.Minute))
	want := []struct{ clicked, bought bool }{{false, false}, {true, true}, {false, false}}
	if len(got) != len(want) {
		t.Fatalf("%d are over, want %d", len(got), len(want))
	}
	for i, w := range want {
		if got[i].Hour != i || got[i].Clicked != w.clicked || got[i].Bought != w.bought {
			t.Errorf("showing %d: %+v", i, got[i])
		}
	}
	a.Clicked(slotOf(0)) // after the hour
	if late, early, _ := a.Missed(); late != 2 || early != 0 {
		t.Errorf("%d late, %d early", late, early)
	}
	if rest := a.Over(noon.Add(24 * time.Hour)); len(rest) != 1 || rest[0].Hour != 3 {
		t.Errorf("the rest is %+v", rest)
	}
}

// A crowd takes no more memory than was said: the oldest are over early, in order.
func TestACrowdIsOverEarlyAndInOrder(t *testing.T) {
	t.Parallel()
	a, err := response.NewAwaiting(time.Hour, 50)
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	sh := newSite(19).show()
	n, clicks := 0, 0
	for i := range 5_000 {
		sh.Position = 1 + i
		if err := a.Shown(slotOf(i), shopper.ID{}, noon, &sh); err != nil {
			t.Fatal(err)
		}
		if i%7 == 0 {
			a.Seen(slotOf(i))
			a.Clicked(slotOf(i))
		}
		for _, o := range a.Over(noon) {
			if n++; o.Position != n || o.Clicked != ((n-1)%7 == 0) {
				t.Fatalf("outcome %d: %+v", n, o)
			}
			if o.Clicked {
				clicks++
			}
		}
	}
	if _, early, _ := a.Missed(); n != 4_950 || early != 4_950 || clicks == 0 {
		t.Errorf("%d over, %d early, %d clicks", n, early, clicks)
	}
	for i := range 50 {
		if err := a.Shown(slotOf(6_000+i), shopper.ID{}, noon, &sh); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Shown(slotOf(7_000), shopper.ID{}, noon, &sh); !errors.Is(err, response.ErrCrowd) {
		t.Errorf("nobody asked what is over, and it takes in more: %v", err)
	}
	sh.Position = 0
	if err := a.Shown(slotOf(9_999), shopper.ID{}, noon, &sh); err == nil {
		t.Error("a showing that is none is awaited")
	}
	for _, bad := range []struct {
		wait time.Duration
		most int
	}{{0, 1}, {time.Hour, 0}} {
		if _, err := response.NewAwaiting(bad.wait, bad.most); err == nil {
			t.Errorf("%+v is awaited", bad)
		}
	}
}

// What billing does not charge for teaches nothing: a bot's clicks, clicks on what was
// never seen, and more than a few of one visitor on one line item. Nor does what was
// shown to somebody who asked to be forgotten meanwhile.
func TestWhatNobodyIsChargedForTeachesNothing(t *testing.T) {
	t.Parallel()
	ana, eve := shopper.FromUint64(1<<40), shopper.FromUint64(2<<40)
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		do   func(a *response.Awaiting)
		want int // outcomes of 12 showings of one line item to ana
		void uint64
	}{
		"she clicks on five": {func(a *response.Awaiting) {
			for n := range 5 {
				a.Seen(slotOf(n))
				a.Clicked(slotOf(n))
			}
		}, 12, 0},
		"she clicks on nine": {func(a *response.Awaiting) {
			for n := range 9 {
				a.Seen(slotOf(n))
				a.Clicked(slotOf(n))
				a.Clicked(slotOf(n)) // twice is one
			}
		}, 8, 4},
		"a bot clicks":               {func(a *response.Awaiting) { a.Seen(slotOf(3)); a.Void(slotOf(3)) }, 11, 1},
		"a click without impression": {func(a *response.Awaiting) { a.Clicked(slotOf(3)); a.Seen(slotOf(3)) }, 11, 1},
		"another is forgotten":       {func(a *response.Awaiting) { a.Forget(eve) }, 12, 0},
		"she is forgotten":           {func(a *response.Awaiting) { a.Seen(slotOf(0)); a.Clicked(slotOf(0)); a.Forget(ana) }, 0, 12},
	} {
		a, err := response.NewAwaiting(time.Hour, 100)
		if err != nil {
			t.Fatal(err)
		}
		sh := newSite(18).show()
		sh.LineItem = "spring"
		for n := range 12 {
			if err := a.Shown(slotOf(n), ana, noon, &sh); err != nil {
				t.Fatal(err)
			}
		}
		tc.do(a)
		got := a.Over(noon.Add(time.Hour))
		if _, _, void := a.Missed(); len(got) != tc.want || void != tc.void || a.Gone() != 12 {
			t.Errorf("%s: %d outcomes, %d void of %d; want %d and %d", name, len(got), void, a.Gone(), tc.want, tc.void)
		}
	}
}
