// Package mapping reads mapping files: how a retailer's own columns, formats,
// zone and currency become Endcap's fields. A mapping is data: a new retailer's
// files are read by writing one, never by writing code. docs/data-mapping.md
// describes the format for people who write them.
//
// On the road of a receipt, gate/connect/rows asks a Feed which columns to take
// and how to read them.
package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"endcap/retail"
)

// Mapping says how the files of one retailer are read.
type Mapping struct {
	Name     string // a short word such as "complete-journey"; part of every source name
	About    string // where the data comes from, in the retailer's words
	Zone     *time.Location
	Currency retail.Currency
	feeds    map[Kind]*Feed
}

// Feed says how the files of one kind are read.
type Feed struct {
	Kind      Kind
	Mapping   *Mapping
	Delimiter byte     // of CSV
	Decimal   byte     // '.' or ','
	Header    []string // the columns of a CSV without a header row; nil where the file has one
	Sorted    bool     // the lines of a receipt lie close together; never so for promotions
	fields    [NameCount]*Field
}

// Field says where one field's value comes from.
type Field struct {
	Name     Name
	Column   string // empty for a constant
	Constant string
	Required bool   // a row without a value is refused
	Optional bool   // the file may lack the column
	Negative bool   // the source writes discounts below zero
	Plain    bool   // an identifier that a spreadsheet may have written as 9e+05 or 900000.0
	Clear    bool   // an address or a telephone number as people write it, which is hashed while it is read
	Country  string // of a clear telephone number without one; two capital letters, or empty
	Prefix   string
	Words    map[string]string // the source's words for Endcap's
	Layout   string            // of a time, in Go's terms; empty for ISO 8601
	Unix     time.Duration     // of a time counted since 1970: the length of one tick
	Zone     *time.Location    // of a time without one
	First    retail.Day        // of a time or week that is a number: the day of number 1 …
	Step     int               // … and the days from one number to the next; 0 where it is none
}

// Feed is how files of kind k are read; it says what the mapping has when it
// has no such feed.
func (m *Mapping) Feed(k Kind) (*Feed, error) {
	if f := m.feeds[k]; f != nil {
		return f, nil
	}
	have := slices.Sorted(maps.Keys(m.feeds))
	return nil, &retail.Error{
		Kind: retail.Invalid, Field: "kind", Say: fmt.Sprintf("mapping %q has no feed %q", m.Name, string(k)),
		Cure: "it has " + join(have),
	}
}

// Feeds lists the kinds of file the mapping can read.
func (m *Mapping) Feeds() []Kind { return slices.Sorted(maps.Keys(m.feeds)) }

// Field is where the named field comes from, nil where the feed has none.
func (f *Feed) Field(n Name) *Field { return f.fields[n] }

// Fields lists the fields that come from columns, in a fixed order.
func (f *Feed) Fields() []*Field {
	var out []*Field
	for _, field := range f.fields {
		if field != nil && field.Column != "" {
			out = append(out, field)
		}
	}
	return out
}

// Clear reports whether a column holds addresses or telephone numbers in clear.
func (f *Feed) Clear() bool {
	return slices.ContainsFunc(f.Fields(), func(field *Field) bool { return field.Clear })
}

// Constant is the field's constant value, empty where it has none.
func (f *Feed) Constant(n Name) string {
	if field := f.fields[n]; field != nil {
		return field.Constant
	}
	return ""
}

// Translate gives Endcap's word for the source's, with the field's prefix.
func (f *Field) Translate(word string) (string, error) {
	if f == nil || word == "" {
		return word, nil
	}
	if f.Words != nil {
		known, ok := f.Words[word]
		if !ok {
			return "", &retail.Error{
				Kind: retail.Invalid, Field: f.Name.String(), Say: fmt.Sprintf("the mapping's words do not have %.40q", word),
				Cure: "add it beside " + join(slices.Sorted(maps.Keys(f.Words))),
			}
		}
		word = known
	}
	return f.Prefix + word, nil
}

// join lists at most 20 words.
func join[T ~string](words []T) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == 20 {
			fmt.Fprintf(&b, "and %d more", len(words)-i)
			break
		}
		fmt.Fprintf(&b, "%.60q", string(w))
	}
	return b.String()
}
