// Package linkage proposes which records speak of one person, by the model of
// Fellegi and Sunter: each field is compared in levels, from equal to
// different, and each level weighs log2(m/u), how much likelier it is among
// records of one person (m) than among those of two (u). Nobody labels
// anything: u comes from chance pairs, m and the share of true pairs from
// expectation maximisation over candidate pairs. A third class stands between
// the two: people of one household, who agree in what they share and by chance
// in the rest. Equal rare values weigh more
// than equal common ones. Candidates come from blocks, chosen from the data so
// that their number stays within a bound. It is a batch and pure: the same
// table, configuration and seed give the same proposals.
//
// On the road of a receipt it stands aside: at night it looks at members, and
// what it proposes becomes an edge of know/identity/graph with its evidence.
package linkage

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Kind says how the values of a field are compared.
type Kind string

// The kinds of field.
const (
	Name     Kind = "name"     // a given name, a surname
	Date     Kind = "date"     // YYYY-MM-DD or YYYYMMDD, valid or not
	Email    Kind = "email"    // an address
	Code     Kind = "code"     // digits and letters that people copy: postcode, phone, card
	Place    Kind = "place"    // words: street, town, occupation
	Category Kind = "category" // one of a few words
)

// Field is one column of a table.
type Field struct {
	Name string
	Kind Kind
	// Shared says that people who live together often have it in common: a
	// surname, an address, a telephone. Without this word a family looks like
	// one person with many names.
	Shared bool
}

// The limits of a table. More records are linked in several batches, by region
// or first letter.
const (
	FieldsMax  = 15
	RecordsMax = 20_000_000
	ValueMax   = 256 // bytes of a value that are looked at
)

// ErrTable is returned for a table or a configuration that cannot be linked.
var ErrTable = errors.New("records cannot be linked like this")

// Table holds records, each different value of a field once. Make one with
// NewTable. It needs about 4 bytes a value beside the different values.
type Table struct {
	fields  []Field
	columns []column
	codes   []uint32 // of values, record by record: who compares two reads two places
	records int
}

// column is one field's values; number 0 is the missing one.
type column struct {
	values []string // by code
	counts []uint32 // records by code
	index  map[string]uint32
}

// NewTable makes an empty table.
func NewTable(fields []Field) (*Table, error) {
	if len(fields) == 0 || len(fields) > FieldsMax {
		return nil, fmt.Errorf("%w: %d fields, of 1 to %d", ErrTable, len(fields), FieldsMax)
	}
	seen := make(map[string]bool)
	t := &Table{fields: slices.Clone(fields), columns: make([]column, len(fields))}
	for i, f := range fields {
		if levelsOf(f.Kind) == nil || f.Name == "" || seen[f.Name] {
			return nil, fmt.Errorf("%w: field %.40q of kind %.20q", ErrTable, f.Name, string(f.Kind))
		}
		seen[f.Name] = true
		t.columns[i] = column{values: []string{""}, counts: []uint32{0}, index: map[string]uint32{"": 0}}
	}
	return t, nil
}

// Add appends a record, whose number is that of the records before it. An empty
// value is unknown and speaks neither for nor against.
func (t *Table) Add(values []string) error {
	switch {
	case len(values) != len(t.fields):
		return fmt.Errorf("%w: a record of %d values, where there are %d fields", ErrTable, len(values), len(t.fields))
	case t.records == RecordsMax:
		return fmt.Errorf("%w: more than %d records", ErrTable, RecordsMax)
	}
	for i, v := range values {
		c := &t.columns[i]
		v = normal(t.fields[i].Kind, v)
		code, ok := c.index[v]
		if !ok {
			v = strings.Clone(v)
			code = uint32(len(c.values))
			c.values, c.counts = append(c.values, v), append(c.counts, 0)
			c.index[v] = code
		}
		c.counts[code]++
		t.codes = append(t.codes, code)
	}
	t.records++
	return nil
}

// Fields is how many fields a record has.
func (t *Table) Fields() int { return len(t.fields) }

// Records is how many records there are.
func (t *Table) Records() int { return t.records }

// normal brings a value into the form that is compared: lower case without
// accents, single blanks; dates and codes are letters and digits alone.
func normal(kind Kind, text string) string {
	if len(text) > ValueMax {
		text = strings.ToValidUTF8(text[:ValueMax], "")
	}
	var out strings.Builder
	blank := false
	for _, r := range norm.NFD.String(strings.ToLower(text)) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case unicode.IsLetter(r) || unicode.IsDigit(r) || kind == Email && r > ' ':
			if blank && out.Len() > 0 && kind != Date && kind != Code {
				out.WriteByte(' ')
			}
			blank = false
			out.WriteRune(r)
		default:
			blank = true
		}
	}
	return out.String()
}

// Config says how a table is linked.
type Config struct {
	// Seed draws the chance pairs.
	Seed uint64
	// ProbabilityMin is what a proposal must reach.
	ProbabilityMin float64
	// ChancePairs is how many pairs are drawn to learn how often levels meet
	// among strangers; as many as there are records where those are more, for the
	// more records there are, the seldomer strangers share a town.
	ChancePairs int
	// PairsPerRecord and PairsMin bound the candidates: at most the first times
	// the records, or PairsMin where that is more.
	PairsPerRecord, PairsMin int
	// BlockMax is the largest block that is looked at; a value that more records
	// share is too common to find anybody by.
	BlockMax int
	// ProposalsMax bounds the answer; the most probable are kept.
	ProposalsMax int
	// Workers is how many blocks are compared at once. The answer does not
	// depend on it.
	Workers int
}

// Defaults proposes from a probability of 0.99 on, from at most 30 candidates a
// record.
func Defaults() Config {
	return Config{
		Seed: 1, ProbabilityMin: 0.99, ChancePairs: 1_000_000, PairsPerRecord: 30, PairsMin: 8_000_000, BlockMax: 2_000,
		ProposalsMax: 20_000_000, Workers: runtime.GOMAXPROCS(0),
	}
}

// Check returns ErrTable for bounds that cannot hold.
func (c Config) Check() error {
	switch {
	case !(c.ProbabilityMin >= 0.01 && c.ProbabilityMin < 1):
		return fmt.Errorf("%w: proposals from a probability of %v on, of 0.01 to below 1", ErrTable, c.ProbabilityMin)
	case c.ChancePairs < 1 || c.PairsPerRecord < 1 || c.PairsMin < 1 || c.BlockMax < 2 || c.ProposalsMax < 1:
		return fmt.Errorf("%w: %d chance pairs, %d pairs a record and %d in all, blocks of %d, %d proposals", ErrTable, c.ChancePairs, c.PairsPerRecord, c.PairsMin, c.BlockMax, c.ProposalsMax)
	case c.Workers < 1 || c.Workers > 256:
		return fmt.Errorf("%w: %d workers, of 1 to 256", ErrTable, c.Workers)
	}
	return nil
}
