package vaulttest

import (
	"testing"
	"time"

	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/shopper"
)

// A list of marks that is as long as before may be another list: somebody
// registered anew, and somebody else left.
func testMarkChanges(t *testing.T, open Open) {
	s := fresh(t, open)
	count := func() int64 {
		t.Helper()
		n, err := s.MarkChanges(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	mint := counter()
	first, second := resolve(t, s, mint, set(card(1), card(3)))[0], resolve(t, s, mint, set(card(2)))[0]
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Forget(t.Context(), first)) // a tombstone, and marks of two cards
	before := count()
	_, err := s.Lift(t.Context(), []shopper.Key{card(1), card(3)})
	must(err)
	lifted := count()
	must(s.Forget(t.Context(), second)) // as many marks as before
	marks, err := s.Marks(t.Context())
	if err != nil || len(marks) != 3 || before == lifted || count() == lifted || count() == before {
		t.Errorf("%d marks, changes %d, %d, %d, %v", len(marks), before, lifted, count(), err)
	}
	now := count()
	if _, err := s.Lift(t.Context(), []shopper.Key{card(77)}); err != nil || count() != now {
		t.Errorf("lifting nothing counts as a change, %v", err)
	}
}

func testInactive(t *testing.T, open Open) {
	s := fresh(t, open)
	mint := func(shopper.Key) shopper.ID { return id(1 << 63) }
	var who []shopper.ID
	for n := range 5 { // ids of both signs
		who = append(who, resolve(t, s, mint, set(card(n)))[0])
	}
	page := func(from, to retail.Day, after vault.Activity, limit int) []vault.Activity {
		t.Helper()
		got, err := s.Inactive(t.Context(), retail.Days{From: from, To: to}, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := page(0, 1, vault.Activity{}, 9); len(got) != 5 {
		t.Fatalf("%d shoppers of whom nothing is noted, want 5", len(got))
	}
	var notes []vault.Activity
	for n, w := range who {
		notes = append(notes, vault.Activity{Shopper: w, Day: retail.Day(100 + n/2)})
	}
	notes = append(notes, vault.Activity{Shopper: id(77), Day: 5})
	if err := s.NoteActivity(t.Context(), notes); err != nil {
		t.Fatal(err)
	}
	var seen []vault.Activity
	for after := (vault.Activity{}); ; after = seen[len(seen)-1] {
		some := page(100, 102, after, 1)
		if len(some) == 0 {
			break
		}
		seen = append(seen, some...)
	}
	if len(seen) != 4 || seen[0].Day != 100 || seen[1].Day != 100 || seen[2].Day != 101 || seen[3].Day != 101 || seen[0].Shopper == seen[1].Shopper {
		t.Errorf("the quiet of two days are %v", seen)
	}
	if n, err := s.People(t.Context()); err != nil || n != 5 {
		t.Errorf("%d people, %v", n, err)
	}
	if err := s.Forget(t.Context(), who[0]); err != nil {
		t.Fatal(err)
	}
	if got := page(0, 102, vault.Activity{}, 9); len(got) != 3 {
		t.Errorf("%d are quiet once one was forgotten, want 3", len(got))
	}
}

func testExpireRequests(t *testing.T, open Open) {
	s := fresh(t, open)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	old := noon.AddDate(-6, 0, 0)
	for id, r := range map[string]vault.Request{
		"old": {Received: old, Closed: old}, "older": {Received: old, Closed: old.AddDate(0, 0, -1)},
		"open": {Received: old}, "new": {Received: noon, Closed: noon},
	} {
		r.ID, r.Kind, r.State = id, "access", "done"
		must(s.PutRequest(t.Context(), r))
	}
	for _, at := range []time.Time{old, noon} {
		must(s.PutSweep(t.Context(), vault.Sweep{At: at, Doc: []byte("{}")}))
		must(s.PutRun(t.Context(), vault.Sweep{At: at, Doc: []byte("{}")}))
	}
	for _, want := range []int{1, 1, 0, 0} {
		if n, err := s.ExpireRequests(t.Context(), noon.AddDate(-5, 0, 0), 1); err != nil || n != want {
			t.Errorf("%d requests go, %v; want %d", n, err, want)
		}
	}
	left, err := s.Requests(t.Context(), false, "", 9)
	must(err)
	sweeps, err := s.Sweeps(t.Context(), 9)
	must(err)
	runs, err := s.Runs(t.Context(), 9)
	must(err)
	if len(left) != 2 || left[0].ID != "new" || left[1].ID != "open" || len(sweeps) != 1 || len(runs) != 1 || !runs[0].At.Equal(noon) {
		t.Errorf("left are %v, %v, %v", left, sweeps, runs)
	}
}

func testRecipients(t *testing.T, open Open) {
	s := fresh(t, open)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ids := resolve(t, s, counter(), set(card(1)), set(card(2)))
	must(s.PutRecipient(t.Context(), vault.Recipient{ID: "mail", Doc: []byte(`{"a":1}`)}))
	must(s.PutRecipient(t.Context(), vault.Recipient{ID: "mail", Doc: []byte(`{}`)}))
	if all, err := s.Recipients(t.Context()); err != nil || len(all) != 1 || string(all[0].Doc) != "{}" {
		t.Errorf("recipients are %v, %v", all, err)
	}
	given := []vault.Disclosure{
		{Recipient: "mail", Shopper: ids[0], Alias: "m-1", What: "address", At: noon},
		{Recipient: "mail", Shopper: ids[0], Alias: "m-1", What: "address", At: noon.Add(-time.Hour)},
		{Recipient: "mail", Shopper: ids[0], Alias: "m-1", What: "segments", At: noon.Add(time.Hour)},
		{Recipient: "mail", Shopper: ids[1], Alias: "m-2", What: "address", At: noon},
		{Recipient: "post", Shopper: ids[0], Alias: "p-1", What: "address", At: noon},
		{Recipient: "post", Alias: "nobody", What: "address", At: noon},
	}
	must(s.Disclose(t.Context(), given))
	hers, err := s.Disclosures(t.Context(), ids[0])
	must(err)
	same(t, "what was disclosed", hers, []vault.Disclosure{given[0], given[4], given[2]})
	of := vault.Notice{Cause: "objection", At: noon, Due: noon.AddDate(0, 1, 0)}
	told, err := s.Notify(t.Context(), ids[:1], of, false)
	must(err)
	same(t, "who is told of an objection", told, []string{"mail", "post"})
	of.Cause = "erasure"
	told, err = s.Notify(t.Context(), ids[:1], of, true)
	must(err)
	same(t, "who is told of an erasure", told, []string{"mail", "post"})
	must(s.Forget(t.Context(), ids...)) // of the second nobody told before
	if n, err := s.Remains(t.Context()); err != nil || n != 0 {
		t.Errorf("%d rows name somebody forgotten, %v", n, err)
	}
	must(s.Disclose(t.Context(), given[:1]))
	notices, err := s.Notices(t.Context(), "mail", true, 0, 9)
	must(err)
	same(t, "what mail is to be told", notices, []vault.Notice{
		{ID: 1, Recipient: "mail", Alias: "m-1", Cause: "objection", At: of.At, Due: of.Due},
		{ID: 3, Recipient: "mail", Alias: "m-1", Cause: "erasure", At: of.At, Due: of.Due},
		{ID: 5, Recipient: "mail", Alias: "m-2", Cause: "erasure"},
	})
	for _, want := range []int{1, 0} {
		if n, err := s.Acknowledge(t.Context(), "mail", []uint64{2, 3}, noon); err != nil || n != want {
			t.Errorf("%d notices are told, %v; want %d, mail's own", n, err, want)
		}
	}
	waiting, err := s.Notices(t.Context(), "", true, 1, 9)
	must(err)
	all, err := s.Notices(t.Context(), "mail", false, 0, 9)
	must(err)
	if len(waiting) != 3 || len(all) != 3 || all[1].Alias != "" || !all[1].Told.Equal(noon) {
		t.Errorf("waiting %v, all %v", waiting, all)
	}
}
