// Package subset checks that a query is written in the part of SQL that DuckDB
// and Trino answer alike (docs/sql.md). It reads words, not grammar: what it
// refuses either exists in one engine only or means something else in the
// other, and each refusal says what to write instead.
//
// On the road of a receipt, tests hold every query of the product to it.
package subset

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrSubset is returned for SQL outside the subset.
var ErrSubset = errors.New("outside the SQL subset")

// Check returns ErrSubset with what to write instead, nil for SQL in the subset.
func Check(sql string) error {
	words, err := lex(sql)
	if err != nil {
		return err
	}
	if len(words) == 0 || words[0].text != "select" && words[0].text != "with" {
		return fmt.Errorf("%w: a query begins with SELECT or WITH", ErrSubset)
	}
	for i := range words {
		for _, r := range rules {
			if r.at(words, i) {
				return fmt.Errorf("%w: %s (at %.40q)", ErrSubset, r.say, around(words, i))
			}
		}
	}
	return nil
}

// rule refuses a construct that begins at a word.
type rule struct {
	say string
	at  func(words []word, i int) bool
}

// rules are judged in order; the first that fits is told.
var rules = []rule{
	{"QUALIFY is only DuckDB: filter an outer SELECT", is("qualify")},
	{"GROUP BY ALL is only DuckDB: name the columns", seq("by", "all")},
	{"PIVOT and UNPIVOT are only DuckDB: use FILTER", is("pivot", "unpivot")},
	{"* EXCLUDE, REPLACE and RENAME are only DuckDB: name the columns", func(w []word, i int) bool {
		return w[i].text == "*" && follows(w, i, "exclude", "replace", "rename")
	}},
	{"COLUMNS(…) is only DuckDB: name the columns", call("columns")},
	{"ILIKE is only DuckDB: write lower(x) LIKE", is("ilike")},
	{"// is only DuckDB: divide integers with cast(floor(…))", is("//")},
	{"a bare / differs (7/2 is 3.5 or 3, decimals differ): cast the dividend to double first", bareDivision},
	{":: is only DuckDB: write cast(x as type)", is("::")},
	{"USING SAMPLE, ASOF and POSITIONAL joins are only DuckDB", is("asof", "positional", "sample")},
	{"OFFSET comes before LIMIT", func(w []word, i int) bool {
		return w[i].text == "limit" && i+2 < len(w) && w[i+2].text == "offset"
	}},
	{"SELECT unnest is only DuckDB: write CROSS JOIN UNNEST", func(w []word, i int) bool {
		return w[i].text == "unnest" && i > 0 && !slices.Contains([]string{"join", ",", "from"}, w[i-1].text)
	}},
	{"avg of a decimal differs: write cast(sum(x) as double) / count(x)", call("avg", "mean")},
	{"date_trunc and + interval give another type: wrap them in cast(… as date) or cast(… as timestamp)", needsCast},
	{"extract(dow) has Sunday as 0 or 7: write extract(dow from x) % 7", func(w []word, i int) bool {
		return (w[i].text == "dow" || w[i].text == "dayofweek") && !slices.Contains(texts(w[i:min(len(w), i+8)]), "%")
	}},
	{"greatest and least treat NULL differently: coalesce their values", func(w []word, i int) bool {
		return call("greatest", "least")(w, i) && !follows(w, i+1, "coalesce")
	}},
	{"concat treats NULL differently: use || with coalesce", call("concat", "concat_ws")},
	{"this function exists in one engine only, or under another name: see docs/sql.md", call(
		"approx_count_distinct", "approx_distinct", "approx_quantile", "approx_percentile", "quantile", "quantile_cont", "median", "mode",
		"string_agg", "listagg", "group_concat", "arg_max", "arg_min", "list", "epoch", "epoch_ms", "to_unixtime", "strftime", "strptime", "date_format",
		"regexp_matches", "regexp_like", "range", "generate_series", "sequence", "json_value", "json_extract", "upper", "width_bucket",
		"date_diff_sub", "datesub", "datediff", "now", "today", "random", "hash", "ifnull", "iff", "len", "substr", "make_date")},
	{"MATCH_RECOGNIZE is only Trino", is("match_recognize")},
	{"a time of now is an argument, never the engine's clock", is("current_date", "current_timestamp", "localtimestamp")},
	{"the columns at and by are words of the grammar: write \"at\" and \"by\", in double quotes", func(w []word, i int) bool {
		return w[i].text == "at" && !w[i].quoted || w[i].text == "by" && !w[i].quoted && i > 0 && !slices.Contains([]string{"group", "order", "partition"}, w[i-1].text)
	}},
	{"a semicolon ends nothing here: one statement, without it", is(";")},
}

func is(names ...string) func([]word, int) bool {
	return func(w []word, i int) bool { return !w[i].quoted && slices.Contains(names, w[i].text) }
}

func call(names ...string) func([]word, int) bool {
	return func(w []word, i int) bool {
		return is(names...)(w, i) && follows(w, i, "(") && (i == 0 || w[i-1].text != ".")
	}
}

func seq(names ...string) func([]word, int) bool {
	return func(w []word, i int) bool {
		if i+len(names) > len(w) {
			return false
		}
		return slices.Equal(texts(w[i:i+len(names)]), names)
	}
}

func follows(w []word, i int, names ...string) bool {
	return i+1 < len(w) && !w[i+1].quoted && slices.Contains(names, w[i+1].text)
}

// bareDivision allows a / only behind "as double)".
func bareDivision(w []word, i int) bool {
	return w[i].text == "/" && (i < 3 || !slices.Equal(texts(w[i-3:i]), []string{"as", "double", ")"}))
}

// needsCast allows date_trunc( and interval only somewhere inside a cast.
func needsCast(w []word, i int) bool {
	if !call("date_trunc")(w, i) && !is("interval")(w, i) {
		return false
	}
	depth := 0
	for j := i - 1; j > 0; j-- {
		switch w[j].text {
		case ")":
			depth++
		case "(":
			if depth--; depth < 0 {
				if w[j-1].text == "cast" {
					return false
				}
				depth = 0
			}
		}
	}
	return true
}

// word is one word, number, sign or text of SQL, in lower case unless quoted.
type word struct {
	text   string
	quoted bool // 'text' or "name"
}

func texts(w []word) []string {
	out := make([]string, len(w))
	for i := range w {
		out[i] = w[i].text
	}
	return out
}

func around(w []word, i int) string {
	return strings.Join(texts(w[max(0, i-2):min(len(w), i+4)]), " ")
}

// lex parts SQL into words; comments are left out.
func lex(sql string) ([]word, error) {
	var out []word
	for i := 0; i < len(sql); {
		c := sql[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case strings.HasPrefix(sql[i:], "--"):
			end := strings.IndexByte(sql[i:], '\n')
			if end < 0 {
				return out, nil
			}
			i += end
		case c == '\'' || c == '"':
			end := closing(sql, i)
			if end < 0 {
				return nil, fmt.Errorf("%w: a quote is not closed", ErrSubset)
			}
			out = append(out, word{sql[i+1 : end], true})
			i = end + 1
		case letter(c):
			end := i
			for end < len(sql) && (letter(sql[end]) || sql[end] >= '0' && sql[end] <= '9') {
				end++
			}
			out = append(out, word{strings.ToLower(sql[i:end]), false})
			i = end
		default:
			n := 1
			for _, sign := range []string{"::", "//", "||", "<=", ">=", "<>", "!="} {
				if strings.HasPrefix(sql[i:], sign) {
					n = len(sign)
				}
			}
			out = append(out, word{sql[i : i+n], false})
			i += n
		}
	}
	return out, nil
}

// closing finds the quote that closes the one at i; doubled ones are inside.
func closing(sql string, i int) int {
	q := sql[i]
	for j := i + 1; j < len(sql); j++ {
		if sql[j] != q {
			continue
		}
		if j+1 < len(sql) && sql[j+1] == q {
			j++
			continue
		}
		return j
	}
	return -1
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c >= 0x80
}
