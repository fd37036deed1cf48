package history_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"endcap/keep/warehouse"
	"endcap/know/history"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// promoted is what store s1 promoted on its front end caps in the week of a day.
func promoted(version uint32, week retail.Day, products ...string) event.Fact {
	p := catalog.Promotions{Store: "s1", Week: week}
	for _, id := range products {
		p.Products = append(p.Products, catalog.Promotion{Product: catalog.ProductID(id), Display: "front end cap"})
	}
	f := fact(fmt.Sprint("w", week), shopper.ID{}, week, event.Promotions{Promotions: p})
	f.Version = version
	return f
}

// Whichever way the versions of a store's week come, and after the working copy
// was filled again, the newest alone stands, and an empty one stands too.
func TestTheNewestVersionOfAWeekOfPromotionsStands(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir())
	fold := 0
	put := func(facts ...event.Fact) {
		t.Helper()
		fold++
		next := event.Cursor(fmt.Sprintf("%04d", fold))
		if err := w.Append(t.Context(), []warehouse.Fold{{Next: next, Through: monday.UTC(), Rows: history.Rows(facts)}}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(when, want string) {
		t.Helper()
		for _, purpose := range []warehouse.Purpose{warehouse.Accounting, "measurement"} {
			got, err := history.Analyse(t.Context(), w, warehouse.Analysis{
				Purpose: purpose, Limit: 100, Deadline: time.Minute,
				SQL: `select w.week, w.version, product_count, coalesce(product, '-') from promotion_weeks w left join promotions p on p.store = w.store and p.week = w.week order by 1, 4`,
			})
			if err != nil {
				t.Fatal(err)
			}
			var rows []string
			for _, r := range got.Rows {
				rows = append(rows, strings.Join(r, ","))
			}
			if have := strings.Join(rows, " "); have != want {
				t.Errorf("%s, under %s: %s, want %s", when, purpose, have, want)
			}
		}
		count, err := w.Query(t.Context(), warehouse.Query{Name: "count", Purpose: warehouse.Accounting, SQL: "select count(*) from promotions"})
		if err != nil {
			t.Fatal(err)
		}
		if n := count.Columns[0].Ints[0]; int(n) != strings.Count(want, "oats")+strings.Count(want, "milk")+strings.Count(want, "tea") {
			t.Errorf("%s: promotions has %d rows", when, n)
		}
	}
	put(promoted(0, monday, "oats", "milk"), promoted(0, monday+7, "oats"), promoted(0, monday+14, "oats"))
	const first = "2017-12-04,0,2,milk 2017-12-04,0,2,oats 2017-12-11,0,1,oats 2017-12-18,0,1,oats"
	expect("as told", first)
	if _, err := w.Seal(t.Context(), monday+1); err != nil {
		t.Fatal(err)
	}
	expect("sealed", first)
	put(promoted(2, monday, "tea"), promoted(1, monday+7), promoted(2, monday+14, "milk"), promoted(1, monday+14, "oats", "tea"))
	put(promoted(1, monday, "oats", "milk"))
	const last = "2017-12-04,2,1,tea 2017-12-11,1,0,- 2017-12-18,2,1,milk"
	expect("corrected", last)
	if _, err := w.Seal(t.Context(), monday+8); err != nil {
		t.Fatal(err)
	}
	if err := w.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("filled again", "2017-12-04,2,1,tea 2017-12-11,1,0,-")
	fold = 0 // the stream brings again what was folded
	for _, facts := range [][]event.Fact{
		{promoted(0, monday, "oats", "milk"), promoted(0, monday+7, "oats"), promoted(0, monday+14, "oats")},
		{promoted(2, monday, "tea"), promoted(1, monday+7), promoted(2, monday+14, "milk"), promoted(1, monday+14, "oats", "tea")},
		{promoted(1, monday, "oats", "milk")},
	} {
		put(facts...)
	}
	expect("folded again", last)
}
