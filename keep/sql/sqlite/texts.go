package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

const (
	sqlTables  = `select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' order by name`
	sqlColumns = `select name from pragma_table_info(?)`
)

// Texts calls each with every text and every blob of every row of the book, by
// table, for those who must know that nothing of somebody is in it. The bytes
// are the caller's only during the call.
func (b *Book) Texts(ctx context.Context, each func(table string, text []byte) error) error {
	err := b.file.read(ctx, func(c *conn) error {
		tables, err := names(c.query(sqlTables))
		if err != nil {
			return err
		}
		for _, table := range tables {
			if err := c.texts(table, each); err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}
		}
		return nil
	})
	return named("read the book through", err)
}

func names(q *query) (out []string, err error) {
	for q.next() {
		out = append(out, q.stmt.ColumnText(0))
	}
	return out, q.done()
}

func (c *conn) texts(table string, each func(string, []byte) error) error {
	columns, err := names(c.query(sqlColumns).text(table))
	if err != nil {
		return err
	}
	quoted := make([]string, len(columns))
	for i, name := range columns {
		quoted[i] = `"` + name + `"`
	}
	q := c.query(`select ` + strings.Join(quoted, ", ") + ` from "` + table + `"`)
	for q.next() {
		for i := range columns {
			if t := q.stmt.ColumnType(i); t != sqlite3.TEXT && t != sqlite3.BLOB {
				continue
			}
			if err := each(table, q.stmt.ColumnRawBlob(i)); err != nil {
				_ = q.done()
				return err
			}
		}
	}
	return q.done()
}
