package warehousetest

import (
	"testing"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// Nobody runs a job here: the day alone decides.
func inactive(t *testing.T, h *shop) {
	t.Helper()
	h.add(0, said("c1", ana, monday, consent.All), said("c2", bea, monday, consent.All),
		bought("r1", 0, ana, monday, 5*retail.Unit), bought("r2", 0, bea, monday+9, 7*retail.Unit))
	for _, tt := range []struct {
		limit retail.Day
		want  string
	}{{0, "4 12.00"}, {monday, "4 12.00"}, {monday + 1, "2 7.00"}, {monday + 9, "2 7.00"}, {monday + 10, "0 null"}} {
		h.must(h.store.Limit(t.Context(), warehouse.Limits{Inactive: tt.limit}))
		h.want("measurement", totals, tt.want)
		h.want(warehouse.Accounting, totals, "4 12.00")
	}
	h.reopen(false)
	h.want("measurement", totals, "0 null")
	h.add(0, said("c3", ana, monday+10, consent.Of(consent.Measurement)))
	h.want("measurement", totals, "2 5.00")
	h.add(0, known(ana, ana, monday+10, 1), known(bea, ana, monday+10, 2)) // one person, who spoke
	h.want("measurement", totals, "4 12.00")
	h.must(h.store.Forget(t.Context(), []shopper.ID{ana, bea}))
	_, err := h.store.Erase(t.Context(), nil) // it writes the working copy anew
	h.must(err)
	h.add(0, said("c4", shopper.FromUint64(99), monday+9, consent.All), bought("r4", 0, shopper.FromUint64(99), monday+9, retail.Unit))
	h.want("measurement", totals, "0 null")
	h.must(h.store.Limit(t.Context(), warehouse.Limits{}))
	h.want("measurement", totals, "2 1.00")
}

func stripping(t *testing.T, h *shop) {
	t.Helper()
	decided := func(id byte, day retail.Day) event.Fact {
		return event.Fact{ID: string('a' + id), At: day.UTC(), Arrived: day.UTC(), Day: day, Shopper: ana, Body: event.Decided{Decision: media.DecisionID{id}}}
	}
	shown := func(id string, day retail.Day) event.Fact {
		return event.Fact{ID: id, At: day.UTC(), Arrived: day.UTC(), Day: day, Shopper: ana, Body: event.Shown{}}
	}
	h.add(0, decided(1, monday), decided(2, monday+1), shown("t1", monday), shown("t2", monday+2), bought("r1", 0, ana, monday, retail.Unit))
	_, err := h.store.Seal(t.Context(), monday+3)
	h.must(err)
	named := func(decisions, touches string) {
		t.Helper()
		h.want(warehouse.Accounting, "select count(*), count(shopper), count(came_as) from decisions", decisions)
		h.want(warehouse.Accounting, "select count(*), count(shopper), count(came_as) from touches", touches)
		h.want(warehouse.Accounting, "select count(*), count(shopper) from receipts", "1 1")
	}
	named("2 2 2", "2 2 2")
	h.must(h.store.Limit(t.Context(), warehouse.Limits{Adverts: monday + 1}))
	named("2 1 1", "2 1 1") // nothing was stripped yet
	h.must(h.store.Limit(t.Context(), warehouse.Limits{}))
	for _, want := range [][2]int{{1, 1}, {1, 0}, {0, 0}} {
		files, left, err := h.store.Strip(t.Context(), monday+1, 1)
		h.must(err)
		if files != want[0] || left != want[1] {
			t.Errorf("stripping wrote %d files and left %d, want %v", files, left, want)
		}
	}
	for range 2 {
		named("2 1 1", "2 1 1")
		h.must(h.store.Check(t.Context()))
		h.reopen(true)
	}
}
