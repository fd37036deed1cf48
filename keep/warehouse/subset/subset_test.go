package subset_test

import (
	"errors"
	"testing"

	"endcap/keep/warehouse/subset"
)

// What may a query of the product say?
func TestQueriesOfTheProductAreAccepted(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"select count(*), sum(sales) from lines",
		`with a as (select shopper, max("at") as last from receipts group by shopper) select count(*) filter (where last > $1) from a`,
		"select cast(sum(sales) as double) / nullif(count(*), 0) from lines where lower(product) like '%milk%'",
		"select store, row_number() over (partition by store order by sales desc, receipt) from receipts order by 1, 2 offset 3 limit 4",
		"select cast(date_trunc('month', day) as date), cast(cast(day as timestamp) + interval '3' day as date) from lines",
		"select extract(dow from day) % 7 from lines -- a remark with qualify\n",
		"select x from t cross join unnest(y) as u(x) where coalesce(greatest(coalesce(a, 0), coalesce(b, 0)), 1) = 1",
		"select 'ilike // qualify' from lines",
		`select "by", l."at" from campaigns as l`,
	} {
		if err := subset.Check(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// What would one engine refuse, or answer otherwise?
func TestQueriesForOneEngineAreRefused(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"", "delete from lines", "from lines", "select 1;",
		"select * from lines qualify row_number() over () = 1",
		"select store, count(*) from lines group by all",
		"select * exclude (day) from lines", "select columns('a.*') from lines",
		"select * from lines where product ilike 'a%'",
		"select 7 // 2", "select sales / 2 from lines", "select a::bigint from lines",
		"select avg(sales) from lines", "select median(sales) from lines",
		"select date_trunc('month', day) from lines", "select day + interval '1' day from lines",
		"select extract(dow from day) from lines", "select greatest(a, b) from lines", "select concat(a, b) from lines",
		"select unnest([1, 2])", "select store from receipts limit 1 offset 2",
		"pivot lines on store", "select current_date", "select at from receipts", "select by from campaigns",
		"select string_agg(store) from receipts", "select * from range(3)", "select 'open",
	} {
		if err := subset.Check(sql); !errors.Is(err, subset.ErrSubset) {
			t.Errorf("%s: got %v, want it refused", sql, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("select count(*) from lines where a = 'b' -- c")
	f.Add(`with "x""y" as (select 1 // 2) select $1::int`)
	f.Fuzz(func(t *testing.T, sql string) {
		first := subset.Check(sql)
		if second := subset.Check(sql); (first == nil) != (second == nil) {
			t.Fatalf("%q: %v, then %v", sql, first, second)
		}
		if first == nil && subset.Check(sql+" qualify 1") == nil && subset.Check(sql+"\n qualify 1") == nil {
			t.Fatalf("%q swallows what follows", sql)
		}
	})
}
