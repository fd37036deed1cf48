package duck

import (
	"context"
	"fmt"
	"strings"

	ddb "github.com/duckdb/duckdb-go-bindings"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
)

// layoutVersion is raised when base tables change; a DuckDB file of another
// layout is filled again from the sealed files and the stream.
const layoutVersion = 7

// partitionBits of an Append's number say its partition, so that rows of one
// partition can be found again in the order they were folded.
const partitionBits = 8

// seqColumn numbers the Append that brought a row.
const seqColumn = "fold_seq"

// shopperColumn is the one column by which rows are a shopper's.
const shopperColumn = "shopper"

// table is one table of history as this package stores it.
type table struct {
	event.Table
	stored []event.Column
	forms  []form // of stored
	filed  int    // index of the column that holds the business day
	shop   int    // index of the shopper column, -1 for none
}

// form is how a column's values lie in a DuckDB vector.
type form uint8

const (
	formInt form = iota // 64 bits: BIGINT, TIMESTAMP, DECIMAL(18,6)
	formDate
	formBool
	formText
	formBlob
	formWord // one byte, an ENUM of few words
)

func newTable(t event.Table) *table {
	made := &table{Table: t, stored: t.Stored(), shop: -1, filed: -1}
	for i, c := range made.stored {
		if c.Name == shopperColumn {
			made.shop = i
		}
		if c.Name == t.Filed() {
			made.filed = i
		}
		made.forms = append(made.forms, formOf(t, c))
	}
	if made.filed < 0 {
		panic("duck: bug: table " + t.Name + " has no business day")
	}
	return made
}

// words lists the ENUMs: columns of receipts and their lines with few known
// values, one byte each instead of a string.
func words(t event.Table, c event.Column) []string {
	if t.Of != event.KindReceipt {
		return nil
	}
	switch c.Name {
	case "channel":
		return []string{catalog.AnyChannel.String(), catalog.InStore.String(), catalog.Online.String()}
	case "currency":
		out := []string{""}
		for _, c := range retail.Currencies() {
			out = append(out, string(c))
		}
		return out
	}
	return nil
}

func formOf(t event.Table, c event.Column) form {
	switch c.Type {
	case event.Text:
		if words(t, c) != nil {
			return formWord
		}
		return formText
	case event.Date:
		return formDate
	case event.Bool:
		return formBool
	case event.Blob:
		return formBlob
	case event.Int, event.Amount, event.Timestamp, event.Float:
		return formInt
	}
	return formInt
}

// sqlType is how a column is declared. Texts and blobs stay uncompressed in the
// working copy: compressing them costs half of the write path, and Parquet does it. Not
// so those of promotions, which are ten times the lines and say few words.
func sqlType(t event.Table, c event.Column) string {
	switch c.Type {
	case event.Text:
		if list := words(t, c); list != nil {
			quoted := make([]string, len(list))
			for i, word := range list {
				quoted[i] = quoteText(word)
			}
			return "enum (" + strings.Join(quoted, ", ") + ")"
		}
		if t.Of == event.KindPromotions {
			return "varchar"
		}
		return "varchar using compression uncompressed"
	case event.Int:
		return "bigint"
	case event.Amount:
		return "decimal(18,6)"
	case event.Timestamp:
		return "timestamp"
	case event.Date:
		return "date"
	case event.Bool:
		return "boolean"
	case event.Blob:
		return "blob using compression uncompressed"
	case event.Float:
		return "double"
	}
	return "varchar"
}

// makeTables makes base tables and views if the file has none of this layout,
// and says whether it did.
func (w *Warehouse) makeTables(ctx context.Context) (bool, error) {
	found, err := w.writer.ask(ctx, `select count(*) from duckdb_tables() where schema_name = 'base' and table_name = $1`, layoutTable())
	if err != nil {
		return false, err
	}
	if found.Columns[0].Ints[0] == 1 {
		return false, nil
	}
	err = w.writer.within(ctx, func() error {
		for _, schema := range append(schemas(), "base") {
			if err := w.writer.exec(ctx, "drop schema if exists "+schema+" cascade"); err != nil {
				return err
			}
			if err := w.writer.exec(ctx, "create schema "+schema); err != nil {
				return err
			}
		}
		statements := []string{
			"create table base." + layoutTable() + " (made timestamp)",
			"create table base.cursors (part bigint, seq bigint, next blob, through timestamp)",
			"create table base.folds (part bigint, seq bigint, next blob)",
			"create table base.corrected (receipt varchar, version bigint, seq bigint)",
			"create table base.limits (inactive date, adverts date)",
		}
		for _, t := range w.order {
			statements = append(statements, t.create())
		}
		statements = append(statements, clusterViews(w.tables[event.TableConsents])...)
		statements = append(statements, standingView)
		for _, schema := range schemas() {
			for _, t := range w.order {
				if !t.Inner {
					statements = append(statements, t.view(schema))
				}
			}
		}
		for _, sql := range statements {
			if err := w.writer.exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	return true, err
}

func layoutTable() string { return fmt.Sprintf("layout_%d", layoutVersion) }

// create is the base table's definition.
func (t *table) create() string {
	parts := make([]string, 0, len(t.stored)+1)
	for _, c := range t.stored {
		parts = append(parts, quoteName(c.Name)+" "+sqlType(t.Table, c))
	}
	parts = append(parts, seqColumn+" bigint")
	return "create table " + t.base() + " (" + strings.Join(parts, ", ") + ")"
}

// clusterViews make what the other views need to show people who are several
// shoppers as one: moved, as whom each is known who is known as another; said,
// what each person said last, in words of one instant what all of them allow.
// Only who is merged is ranked, so that the others cost what they cost before.
func clusterViews(consents *table) []string {
	columns := make([]string, 0, len(consents.Columns))
	for _, c := range consents.Columns {
		if c.Name != shopperColumn && c.Name != "allowed" {
			columns = append(columns, "c."+quoteName(c.Name))
		}
	}
	list := strings.Join(columns, ", ")
	return []string{
		"create view base.moved_to as select shopper, canonical from base.merged where shopper is not null and canonical is not null and canonical <> shopper",
		"create view base.people as select shopper, canonical from base.moved_to union select canonical, canonical from base.moved_to",
		"create view base.said as select c.shopper, c.allowed, " + list + " from base.consents c where c.shopper is not null and c.shopper not in (select shopper from base.people) " +
			"union all select shopper, allowed, " + strings.ReplaceAll(list, "c.", "") + " from (select p.canonical as shopper, " +
			`bit_and(c.allowed) over (partition by p.canonical, c."at") as allowed, ` + list +
			`, row_number() over (partition by p.canonical order by c."at" desc, c.` + event.HiddenArrived + " desc, c." + seqColumn + " desc, c." + event.HiddenOrder + " desc) as place " +
			"from base.consents c join base.people p on p.shopper = c.shopper) as ranked where place = 1",
	}
}

// limit is the day before which something is kept no longer, as Limit set it.
func limit(column string) string {
	return "coalesce((select max(" + column + ") from base.limits), date '0001-01-01')"
}

// standingView shows what is said by those who are not inactive: who spoke, or
// bought, since the day that Limit set. It asks at every question, so that it
// needs no job to be right.
var standingView = "create view base.standing as select * from base.said as s where s.\"at\" >= " + limit("inactive") +
	" or s.shopper in (select coalesce(m.canonical, r.shopper) from base.receipts as r left join base.moved_to as m on m.shopper = r.shopper" +
	" where r.day >= " + limit("inactive") + " and r.shopper is not null)"

// adverts reports whether a table's rows are about what shoppers were shown, and
// did with it: they lose their shoppers by age.
func (t *table) adverts() bool {
	return t.shop >= 0 && (t.Of == event.KindDecided || t.Of == event.KindShown)
}

// view shows a table's columns under one purpose: only rows of shoppers who
// allow it now, where the table knows shoppers, each as whom she is known after
// merges. Who is inactive allows nothing, and rows that are too old to be
// anybody's are nobody's, whether they were stripped or not. Under accounting an analyst sees all rows and of nobody whose they
// are; the product's own questions, which count shoppers, ask the views of
// everyRow instead.
func (t *table) view(schema string) string {
	parts := make([]string, 0, len(t.Columns))
	from, who := t.base()+" as t", "coalesce(m.canonical, t.shopper)"
	switch {
	case t.Name == event.TableConsents && schema != string(warehouse.Accounting):
		from, who = "base.said as t", "t.shopper"
	case t.shop >= 0 && schema != string(warehouse.Accounting):
		from += " left join base.moved_to as m on m.shopper = t.shopper"
	}
	cameAs := "t.shopper"
	if t.adverts() {
		young := "case when t.day >= " + limit("adverts") + " then "
		who, cameAs = young+who+" end", young+cameAs+" end"
	}
	for i, c := range t.Columns {
		part := "t." + quoteName(c.Name)
		switch {
		case t.forms[i] == formWord:
			part = "cast(" + part + " as varchar) as " + quoteName(c.Name)
		case i == t.shop && schema == string(warehouse.Accounting):
			part = "cast(null as " + sqlType(t.Table, c) + ") as " + quoteName(c.Name)
		case i == t.shop:
			part = who + " as " + quoteName(c.Name)
		}
		parts = append(parts, part)
	}
	if t.shop >= 0 && schema == everyRow && t.Name != event.TableConsents {
		parts = append(parts, cameAs+" as "+event.ColumnCameAs)
	}
	sql := "create view " + schema + "." + quoteName(t.Name) + " as select " + strings.Join(parts, ", ") + " from " + from
	p, err := consent.ParsePurpose(schema)
	if err != nil || t.shop < 0 {
		return sql
	}
	return sql + fmt.Sprintf(" where %s in (select shopper from base.standing where (allowed & %d) <> 0)", who, consent.Of(p))
}

func (t *table) base() string { return "base." + quoteName(t.Name) }

// everyRow is the schema in which the product's own questions under accounting
// are answered; no analyst can name it.
const everyRow = "every_row"

// schemas lists the schemas of views.
func schemas() []string { return append(purposes(), everyRow) }

// schemaOf is where the product asks under a purpose.
func schemaOf(p warehouse.Purpose) string {
	if p == warehouse.Accounting {
		return everyRow
	}
	return string(p)
}

// purposes lists the purposes, each with a schema of views.
func purposes() []string {
	out := []string{string(warehouse.Accounting)}
	for _, p := range consent.Purposes() {
		out = append(out, p.String())
	}
	return out
}

// columns lists stored column names, quoted, for a SELECT that reads texts as
// texts, followed by the seq column.
func (t *table) columns() string {
	parts := make([]string, 0, len(t.stored)+1)
	for i, c := range t.stored {
		part := quoteName(c.Name)
		if t.forms[i] == formWord {
			part = "cast(" + part + " as varchar) as " + part
		}
		parts = append(parts, part)
	}
	return strings.Join(append(parts, seqColumn), ", ")
}

// index of a stored column; asking for one that is not there is a bug.
func (t *table) index(column string) int {
	for i, c := range t.stored {
		if c.Name == column {
			return i
		}
	}
	panic("duck: bug: no column " + column + " in " + t.Name)
}

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
func quoteText(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }

// intType is the logical type of a 64-bit column.
func intType(t *table, i int) ddb.LogicalType {
	switch t.stored[i].Type {
	case event.Amount:
		return ddb.CreateDecimalType(18, 6)
	case event.Timestamp:
		return ddb.CreateLogicalType(ddb.TypeTimestamp)
	default:
		return ddb.CreateLogicalType(ddb.TypeBigInt)
	}
}
