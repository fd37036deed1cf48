package duck

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	ddb "github.com/duckdb/duckdb-go-bindings"

	"endcap/keep/warehouse"
	"endcap/retail/event"
)

// Limits of an analyst's question.
const (
	sqlMax      = 64 << 10
	limitMax    = 1_000_000
	deadlineMax = 10 * time.Minute
)

// Analyse answers an analyst. What she wrote is parsed by DuckDB itself and its
// tree is read: one statement that only reads, no tables but the views of her
// purpose and her own WITH, no function that reaches beyond them. That external
// access is off for the whole database stands behind it.
func (w *Warehouse) Analyse(ctx context.Context, a warehouse.Analysis) (*warehouse.Table, error) {
	if err := knownPurpose(a.Purpose); err != nil {
		return nil, err
	}
	if len(a.SQL) > sqlMax {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d", warehouse.ErrQuery, len(a.SQL), sqlMax)
	}
	if a.Limit <= 0 || a.Limit > limitMax {
		a.Limit = limitMax
	}
	if a.Deadline <= 0 || a.Deadline > deadlineMax {
		a.Deadline = deadlineMax
	}
	ctx, cancel := context.WithTimeoutCause(ctx, a.Deadline,
		fmt.Errorf("%w: it took longer than %v", warehouse.ErrQuery, a.Deadline))
	defer cancel()
	var out *warehouse.Table
	err := w.with(ctx, string(a.Purpose), func(c *conn) error {
		body, explain := cutExplain(a.SQL)
		if err := w.readOnly(ctx, c, body, string(a.Purpose)); err != nil {
			return err
		}
		var err error
		if explain != "" {
			out, err = c.explain(ctx, explain+body)
		} else {
			out, err = c.tabulate(ctx, body, a.Limit)
		}
		return err
	})
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return out, err
}

var explainWord = regexp.MustCompile(`(?is)^\s*explain\s+(analyze\s+)?`)

// cutExplain parts a leading EXPLAIN from the statement it is about.
func cutExplain(sql string) (body, explain string) {
	at := explainWord.FindStringIndex(sql)
	if at == nil {
		return sql, ""
	}
	return sql[at[1]:], sql[:at[1]]
}

// tabulate runs a SELECT and gives every value as text.
func (c *conn) tabulate(ctx context.Context, sql string, limit int) (*warehouse.Table, error) {
	sql = strings.TrimRight(strings.TrimSpace(sql), "; \t\r\n")
	out, err := c.describe(sql)
	if err != nil {
		return nil, err
	}
	got, err := c.ask(ctx, fmt.Sprintf("select cast(columns(*) as varchar) from (%s\n) as asked limit %d", sql, limit+1))
	if err != nil {
		return nil, err
	}
	out.fill(got, limit)
	return &out.Table, nil
}

// explain runs an EXPLAIN, whose answer is text already.
func (c *conn) explain(ctx context.Context, sql string) (*warehouse.Table, error) {
	got, err := c.ask(ctx, sql)
	if err != nil {
		return nil, err
	}
	out := described{warehouse.Table{Names: got.Names}}
	for range got.Names {
		out.Types = append(out.Types, "VARCHAR")
	}
	out.fill(got, got.Len)
	return &out.Table, nil
}

// described is a table whose names and types are known.
type described struct{ warehouse.Table }

// describe prepares a statement and reads the names and types of its answer.
func (c *conn) describe(sql string) (*described, error) {
	var p ddb.PreparedStatement
	defer ddb.DestroyPrepare(&p)
	if ddb.Prepare(c.c, sql, &p) == ddb.StateError {
		return nil, fmt.Errorf("%w: %s", warehouse.ErrQuery, firstLine(ddb.PrepareError(p)))
	}
	if ddb.NParams(p) > 0 {
		return nil, fmt.Errorf("%w: it has places for values, and none are given", warehouse.ErrQuery)
	}
	out := new(described)
	for i := range ddb.PreparedStatementColumnCount(p) {
		out.Names = append(out.Names, ddb.PreparedStatementColumnName(p, i))
		logical := ddb.PreparedStatementColumnLogicalType(p, i)
		out.Types = append(out.Types, typeName(logical))
		ddb.DestroyLogicalType(&logical)
	}
	return out, nil
}

// typeName is the SQL name of a type, as far as tables use it.
func typeName(logical ddb.LogicalType) string {
	switch ddb.GetTypeId(logical) {
	case ddb.TypeVarchar:
		return "VARCHAR"
	case ddb.TypeBoolean:
		return "BOOLEAN"
	case ddb.TypeTinyInt, ddb.TypeSmallInt, ddb.TypeInteger, ddb.TypeBigInt, ddb.TypeHugeInt,
		ddb.TypeUTinyInt, ddb.TypeUSmallInt, ddb.TypeUInteger, ddb.TypeUBigInt:
		return "BIGINT"
	case ddb.TypeDecimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", ddb.DecimalWidth(logical), ddb.DecimalScale(logical))
	case ddb.TypeFloat, ddb.TypeDouble:
		return "DOUBLE"
	case ddb.TypeDate:
		return "DATE"
	case ddb.TypeTimestamp, ddb.TypeTimestampTZ:
		return "TIMESTAMP"
	case ddb.TypeBlob:
		return "BLOB"
	default:
		return "OTHER"
	}
}

// fill turns columns of text into at most limit rows.
func (d *described) fill(got *warehouse.Result, limit int) {
	n := min(got.Len, limit)
	d.Cut = got.Len > limit
	d.Rows, d.Null = make([][]string, n), make([][]bool, n)
	for i := range n {
		d.Rows[i], d.Null[i] = make([]string, len(got.Columns)), make([]bool, len(got.Columns))
		for j := range got.Columns {
			c := &got.Columns[j]
			if c.Nulls != nil && c.Nulls[i] {
				d.Null[i][j] = true
			} else if c.Texts != nil {
				d.Rows[i][j] = c.Texts[i]
			}
		}
	}
}

// readOnly parses a statement and walks its tree.
func (w *Warehouse) readOnly(ctx context.Context, c *conn, sql, purpose string) error {
	got, err := c.ask(ctx, `select cast(json_serialize_sql(cast($1 as varchar)) as varchar)`, sql)
	if err != nil {
		return err
	}
	var parsed struct {
		Error      bool   `json:"error"`
		Message    string `json:"error_message"`
		Statements []any  `json:"statements"`
	}
	if err := json.Unmarshal([]byte(got.Columns[0].Texts[0]), &parsed); err != nil {
		return fmt.Errorf("%w: its parsed form cannot be read", warehouse.ErrQuery)
	}
	switch {
	case parsed.Error && strings.HasPrefix(parsed.Message, "Only SELECT"):
		return fmt.Errorf("%w: only SELECT, WITH, VALUES, DESCRIBE, SHOW TABLES, SUMMARIZE and EXPLAIN of these are answered", warehouse.ErrQuery)
	case parsed.Error:
		return fmt.Errorf("%w: %s", warehouse.ErrQuery, firstLine(parsed.Message))
	case len(parsed.Statements) != 1:
		return fmt.Errorf("%w: one statement at a time", warehouse.ErrQuery)
	}
	t := tree{purpose: purpose, own: map[string]bool{}, tables: w.tables}
	t.collect(parsed.Statements[0])
	return t.check(parsed.Statements[0])
}

// tree judges a parsed statement.
type tree struct {
	purpose string
	own     map[string]bool // names that the statement's WITHs define
	tables  map[string]*table
}

// ownName is what a WITH may be called: nothing that could name a file or a
// view of the system where the WITH itself is out of sight.
var (
	ownName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	ofSystem = regexp.MustCompile(`(?i)^(duckdb_|pg_|sqlite_|pragma_|information_schema)`)
)

// collect gathers the names of all WITHs.
func (t *tree) collect(node any) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			t.collect(child)
		}
	case map[string]any:
		if ctes, ok := node["cte_map"].(map[string]any); ok {
			entries, _ := ctes["map"].([]any)
			for _, e := range entries {
				entry, _ := e.(map[string]any)
				if name, ok := entry["key"].(string); ok && ownName.MatchString(name) && !ofSystem.MatchString(name) {
					t.own[strings.ToLower(name)] = true
				}
			}
		}
		for _, child := range node {
			t.collect(child)
		}
	}
}

// check refuses the first node that reaches beyond the purpose's views.
func (t *tree) check(node any) error {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			if err := t.check(child); err != nil {
				return err
			}
		}
	case map[string]any:
		if err := t.checkNode(node); err != nil {
			return err
		}
		for _, child := range node {
			if err := t.check(child); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tree) checkNode(node map[string]any) error {
	text := func(key string) string { s, _ := node[key].(string); return s }
	switch text("type") {
	case "BASE_TABLE":
		return t.checkTable(text("catalog_name"), text("schema_name"), text("table_name"))
	case "TABLE_FUNCTION":
		function, _ := node["function"].(map[string]any)
		name, _ := function["function_name"].(string)
		if !slices.Contains(tableFunctions, strings.ToLower(name)) {
			return fmt.Errorf("%w: the table function %.40q is not allowed (%s are)", warehouse.ErrQuery, name, strings.Join(tableFunctions, ", "))
		}
	case "SHOW_REF":
		if name := text("table_name"); name != "" && name != `"tables"` {
			return fmt.Errorf("%w: only SHOW TABLES and DESCRIBE of a view are answered", warehouse.ErrQuery)
		}
	}
	if name := text("function_name"); name != "" {
		ours := (text("catalog") == "" || text("catalog") == "system") && (text("schema") == "" || text("schema") == "main")
		if !ours || reaches.MatchString(name) {
			return fmt.Errorf("%w: the function %.40q is not allowed", warehouse.ErrQuery, name)
		}
	}
	return nil
}

func (t *tree) checkTable(catalog, schema, name string) error {
	if catalog != "" || schema != "" && !strings.EqualFold(schema, t.purpose) {
		return fmt.Errorf("%w: under the purpose %s only its own views can be read, not %.40q", warehouse.ErrQuery, t.purpose, schema+"."+name)
	}
	lower := strings.ToLower(name)
	if known := t.tables[lower]; known != nil && !known.Inner || schema == "" && t.own[lower] {
		return nil
	}
	return fmt.Errorf("%w: there is no view %.40q (there are %s)", warehouse.ErrQuery, name, strings.Join(viewNames(), ", "))
}

func viewNames() []string {
	var out []string
	for _, t := range event.Views() {
		out = append(out, t.Name)
	}
	return out
}

// tableFunctions are the table functions an analyst may use; reaches matches
// scalar functions that tell of, or change, what lies outside her views.
var (
	tableFunctions = []string{"unnest", "range", "generate_series"}
	reaches        = regexp.MustCompile(`(?i)^(read_|getenv|current_setting|set_config|nextval|currval|write_|pg_|duckdb_|pragma_|query|query_table|json_execute|json_deserialize_sql|` +
		`json_serialize_plan|which_secret|add_|load_|from_substrait|get_substrait|sleep|txid_|current_database|current_catalog|current_schemas?|in_search_path|parse_duckdb|file_|glob|error$|getvariable|setvariable)`)
)
