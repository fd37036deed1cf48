package duck_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // the SQL driver that looks into the closed file

	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/keep/warehouse/subset"
	"endcap/keep/warehouse/warehousetest"
	"endcap/know/history"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

func options() duck.Options {
	return duck.Options{MemoryMB: 128, Threads: 1, SpillMB: 64, Questions: 2, Check: subset.Check}
}

func TestDuckIsAWarehouse(t *testing.T) {
	t.Parallel()
	warehousetest.Run(t, warehousetest.Suite{
		Rows: history.Rows,
		Open: func(ctx context.Context, dir string, fresh bool) (warehousetest.Store, error) {
			if fresh {
				for _, name := range []string{"warehouse.duckdb", "warehouse.duckdb.wal"} {
					if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
						return nil, err
					}
				}
			}
			return duck.Open(ctx, dir, options())
		},
	})
}

func open(t *testing.T, dir string) *duck.Warehouse {
	t.Helper()
	w, err := duck.Open(t.Context(), dir, options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func receipt(id string, day retail.Day) event.Fact {
	at := day.UTC().Add(time.Hour)
	return event.Fact{
		ID: id, At: at, Arrived: at, Day: day, Shopper: shopper.FromUint64(7), Body: event.Receipt{Receipt: basket.Receipt{
			ID: basket.ReceiptID(id), Store: "s1", At: at, Currency: "EUR", Lines: []basket.Line{{Product: "oats", Quantity: basket.Piece, Sales: retail.Unit}},
		}},
	}
}

const day = retail.Day(17_500)

// What can an analyst reach beyond the views of her purpose? Nothing.
func TestAnAnalystCannotReachBeyondHerViews(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir)
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: time.Unix(1, 0), Rows: history.Rows([]event.Fact{receipt("r1", day)})}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Seal(t.Context(), day+1); err != nil {
		t.Fatal(err)
	}
	sealed := filepath.Join(dir, "sealed", "*", "*", "*.parquet")
	for _, sql := range []string{
		"select * from read_csv('/etc/passwd')",
		"select * from '/etc/passwd'",
		`select * from "/etc/passwd"`,
		"select * from read_parquet('" + sealed + "')",
		"select * from '" + sealed + "'",
		"select * from read_text('/etc/passwd')",
		"select * from glob('/*')",
		"with q as (select * from read_blob('/etc/passwd')) select * from q",
		"select (select content from read_text('/etc/passwd'))",
		"copy lines to '/tmp/x.csv'",
		"copy (select 1) to '" + filepath.Join(dir, "sealed", "x.csv") + "'",
		"attach '/tmp/x.db'",
		"pragma database_list",
		"call pragma_version()",
		"select * from pragma_version()",
		"select 1; select 2",
		"select 1; drop table base.lines",
		"select * from base.lines",
		"select shopper from every_row.receipts",
		"select * from measurement.lines",
		"select * from warehouse.base.lines",
		"select * from (select * from base.receipts) as x",
		"select 1 where exists (select 1 from base.lines)",
		"with duckdb_settings as (select 1) select * from duckdb_settings",
		"with a as (with pg_tables as (select 1) select 1) select * from pg_tables",
		`with a as (with "/etc/passwd" as (select 1) select 1) select * from "/etc/passwd"`,
		"select * from duckdb_tables()",
		"select * from duckdb_settings()",
		"select * from information_schema.tables",
		"select * from sqlite_master",
		"select current_setting('temp_directory')",
		"select getenv('HOME')",
		"select * from query('select 1')",
		"select * from query_table('lines')",
		"select * from json_execute_serialized_sql('{}')",
		"show all tables",
		"show databases",
		"describe base.lines",
		"explain select * from base.lines",
		"explain analyze select * from read_csv('/etc/passwd')",
		"explain analyze delete from lines",
		"explain copy lines to '/tmp/x'",
		"summarize base.lines",
		"insert into lines values (1)",
		"update base.lines set sales = 0",
		"delete from base.lines",
		"create table x (a int)",
		"set memory_limit = '1TB'",
		"install httpfs",
		"load httpfs",
		"prepare p as select 1",
		"begin",
		"checkpoint",
		"select $1",
		"select",
		"select '\xff'",
		") select 1 (",
		"select 1) as x union all select shopper from base.lines --",
		strings.Repeat("(", 5000),
	} {
		got, err := w.Analyse(t.Context(), warehouse.Analysis{Purpose: warehouse.Accounting, SQL: sql, Limit: 10, Deadline: 5 * time.Second})
		if !errors.Is(err, warehouse.ErrQuery) {
			t.Errorf("%.80s: got %v, %v; want it refused", sql, got, err)
		}
	}
}

// What may she ask? Anything that reads.
func TestAnAnalystIsAnswered(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir())
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: time.Unix(1, 0), Rows: history.Rows([]event.Fact{receipt("r1", day), receipt("r2", day)})}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{"select receipt, sales from lines order by 1;", "r1,1.000000 r2,1.000000"},
		{"from lines select count(*)", "2"},
		{"with x as (select * from accounting.lines) select sum(sales) s from x", "2.000000"},
		{"select count(*) from lines l join receipts using (receipt) -- a remark", "2"},
		{"select a from range(3) t(a)", "0 1 2"},
		{"select u from (select unnest([4, 5]) u) x", "4 5"},
		{"values (1, null)", "1,?"},
		{"select column_name from (describe lines) limit 1", "day"},
		{"table stores order by 1", ""},
		{"select name from (show tables) where name = 'lines'", "lines"},
		{"select l.\"at\" is null from lines l, (select 1) where receipt = 'r1'", "false"},
	} {
		sql, want := c[0], c[1]
		got, err := w.Analyse(t.Context(), warehouse.Analysis{Purpose: warehouse.Accounting, SQL: sql, Limit: 10, Deadline: time.Minute})
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		var rows []string
		for i, r := range got.Rows {
			for j := range r {
				if got.Null[i][j] {
					r[j] = "?"
				}
			}
			rows = append(rows, strings.Join(r, ","))
		}
		if strings.Join(rows, " ") != want {
			t.Errorf("%s: got %q, want %q", sql, rows, want)
		}
	}
	for _, sql := range []string{"explain select * from lines", "EXPLAIN ANALYZE select * from lines", "summarize lines", "describe lines"} {
		got, err := w.Analyse(t.Context(), warehouse.Analysis{Purpose: warehouse.Accounting, SQL: sql, Limit: 100, Deadline: time.Minute})
		if err != nil || len(got.Rows) == 0 {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestALongAnswerIsCutAndALongOrLargeQuestionStopped(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir())
	got, err := w.Analyse(t.Context(), warehouse.Analysis{Purpose: "measurement", SQL: "select * from range(1000000000000) t(a)", Limit: 3, Deadline: time.Minute})
	if err != nil || len(got.Rows) != 3 || !got.Cut {
		t.Fatalf("got %v, %v", got, err)
	}
	start := time.Now()
	_, err = w.Analyse(t.Context(), warehouse.Analysis{
		Purpose: "measurement", SQL: "select sum(a.a * b.a) from range(10000000) a(a), range(10000000) b(a)", Limit: 3, Deadline: 200 * time.Millisecond,
	})
	if !errors.Is(err, warehouse.ErrQuery) || time.Since(start) > 20*time.Second {
		t.Fatalf("got %v after %v", err, time.Since(start))
	}
	var wide []string // and of no pattern that would make it small again
	for i := range 50 {
		wide = append(wide, fmt.Sprintf("hash(n, %d)", i))
	}
	_, err = w.Analyse(t.Context(), warehouse.Analysis{
		Purpose: "measurement", SQL: "select s from (select " + strings.Join(wide, " || ") + " as s from range(600000) as r(n)) as t group by s having count(*) > 1", Limit: 1, Deadline: time.Minute,
	})
	if !errors.Is(err, warehouse.ErrQuery) || !errors.Is(err, warehouse.ErrMemory) {
		t.Fatalf("a question for more than memory and disk: %v", err)
	}
	if _, err := w.Analyse(t.Context(), warehouse.Analysis{Purpose: "measurement", SQL: "select 1", Limit: 1, Deadline: time.Minute}); err != nil {
		t.Fatalf("the next question: %v", err)
	}
}

// Does a second process hear clearly that the warehouse is taken?
func TestASecondProcessIsTold(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("ENDCAP_SECOND"); dir != "" {
		_, err := duck.Open(t.Context(), dir, options())
		if !errors.Is(err, warehouse.ErrLocked) {
			t.Fatalf("got %v", err)
		}
		return
	}
	dir := t.TempDir()
	open(t, dir)
	second := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestASecondProcessIsTold$")
	second.Env = append(os.Environ(), "ENDCAP_SECOND="+dir)
	if out, err := second.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// Is damage to a sealed file found, and a half-written sealing swept away?
func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir)
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: time.Unix(1, 0), Rows: history.Rows([]event.Fact{receipt("r1", day)})}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Seal(t.Context(), day+1); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "sealed", "lines", "*", "*.parquet"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Check(t.Context()); !errors.Is(err, warehouse.ErrDamaged) {
		t.Fatalf("a flipped bit: %v", err)
	}
	stray := filepath.Join(dir, "sealed", "lines", "day=2017-11-30", "99.parquet")
	if err := os.WriteFile(stray, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if _, err := os.Stat(stray); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a file of no sealing is still there: %v", err)
	}
}

// recording is a disk that remembers what was synced.
type recording struct {
	duck.System
	synced *[]string
}

// Sync implements duck.Disk.
func (r recording) Sync(name string) error {
	*r.synced = append(*r.synced, name)
	return r.System.Sync(name)
}

// Where the directory's own name is not on disk, a power cut takes every sealed
// file with it, and the stream has forgotten what they held.
func TestThePlaceOfSealedFilesIsOnDiskBeforeTheyAre(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	dir := filepath.Join(home, "history")
	var synced []string
	w, err := duck.Open(t.Context(), dir, duck.Options{MemoryMB: 128, Threads: 1, Disk: recording{synced: &synced}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	for _, name := range []string{home, dir} {
		if !slices.Contains(synced, name) {
			t.Errorf("the names in %s were not brought to disk", name)
		}
	}
}

// asking is a disk that asks something whenever a file is written.
type asking struct {
	duck.System
	ask func()
}

// WriteFile implements duck.Disk.
func (a asking) WriteFile(name string, b []byte) error {
	a.ask()
	return a.System.WriteFile(name, b)
}

// Every follower asks where the stream begins whenever it reads: profiles must
// not stand still while history writes or seals.
func TestWhereTheStreamBeginsIsToldWhileHistoryWrites(t *testing.T) {
	t.Parallel()
	var w *duck.Warehouse
	told := 0
	o := options()
	o.Disk = asking{ask: func() {
		answer := make(chan error, 1)
		go func() { _, err := w.Released(t.Context(), 0); answer <- err }()
		select {
		case err := <-answer:
			told++
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Error("nothing is told before the sealing ends")
		}
	}}
	w, err := duck.Open(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: time.Unix(1, 0), Rows: history.Rows([]event.Fact{receipt("r1", day)})}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Seal(t.Context(), day+1); err != nil {
		t.Fatal(err)
	}
	if told == 0 {
		t.Error("sealing wrote no file")
	}
}

// Small pieces are for the day: the morning makes whole ones of them, so that a
// question a year on does not read a thousand.
func TestAMorningMergesWhatTheDayWroteInPieces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const times = 5
	for n := range times {
		w := open(t, dir)
		id := fmt.Sprint("r", n)
		if err := w.Append(t.Context(), []warehouse.Fold{{Next: event.Cursor(fmt.Sprint(n + 1)), Through: time.Unix(int64(n+1), 0), Rows: history.Rows([]event.Fact{receipt(id, day)})}}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := pieces(t, dir); got != times {
		t.Errorf("%d pieces before the morning, want %d", got, times)
	}
	w := open(t, dir)
	if _, err := w.Seal(t.Context(), day+1); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := pieces(t, dir); got != 1 {
		t.Errorf("%d pieces after it, want 1", got)
	}
}

// pieces is of how many row groups the working copy's lines are.
func pieces(t *testing.T, dir string) (n int) {
	t.Helper()
	db, err := sql.Open("duckdb", filepath.Join(dir, "warehouse.duckdb")+"?access_mode=read_only&threads=1")
	if err != nil {
		t.Fatal(err)
	}
	err = db.QueryRowContext(t.Context(), "select count(distinct row_group_id) from pragma_storage_info('base.lines')").Scan(&n)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return n
}
