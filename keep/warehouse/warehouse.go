// Package warehouse is the port to columnar history: the tables of
// retail/event, filled by know/history, asked in one subset of SQL that every
// engine answers alike (docs/sql.md).
//
// Every question names a purpose and sees only the shoppers who allow it now;
// Accounting sees all rows, for totals; an analyst sees of none of them whose it
// is.
//
// On the road of a receipt, lines become history here, and prove counts them.
package warehouse

import (
	"context"
	"errors"
	"time"

	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// Purpose is under which right a question is asked: the name of a
// consent.Purpose, or Accounting.
type Purpose string

// Accounting is for totals of the business, which need nobody's consent. Shopper
// columns are NULL to an analyst under it; the product's own questions count
// shoppers there, and hand out no rows of theirs.
const Accounting Purpose = "accounting"

// Column is one column of a batch. Exactly one of the slices is used, by the
// column's event.ColumnType: Texts for Text, Ints for Int, Amount (micros),
// Timestamp (microseconds since 1970, UTC) and Date (days since 1970), Bools,
// Blobs, Floats (in answers only). Nulls marks absent values; nil means none.
type Column struct {
	Ints   []int64
	Texts  []string
	Bools  []bool
	Blobs  [][]byte
	Floats []float64
	Nulls  []bool
}

// Rows is a batch for one table, its columns in the order of the table's
// Stored: those that questions see, then the hidden ones.
type Rows struct {
	Table   string // an event.Table name
	Len     int
	Columns []Column
}

// Fold is what one partition of a stream brings: rows of the facts up to Next,
// and the arrival time of the newest of them.
type Fold struct {
	Partition int
	Next      event.Cursor
	Through   time.Time
	Rows      []Rows
}

// Query is one question of the product. Name is stable, for logs and metrics.
// SQL names tables of retail/event unqualified, and values as $1, $2, ….
type Query struct {
	Name    string
	Purpose Purpose
	SQL     string
	Args    []any // int64, string, bool, retail.Micros, retail.Day, time.Time, shopper.ID
}

// Result is an answer, column by column in the order of the SELECT list.
type Result struct {
	Names   []string
	Types   []event.ColumnType
	Columns []Column
	Len     int
}

// Analysis is one question of an analyst: any read-only SQL, cut off after
// Limit rows or Deadline.
type Analysis struct {
	Purpose  Purpose
	SQL      string
	Limit    int
	Deadline time.Duration
}

// Table is an analyst's answer, every value as text; Null marks absent ones.
type Table struct {
	Names []string
	Types []string
	Rows  [][]string
	Null  [][]bool
	Cut   bool // there were more rows than Limit
}

// Mark is a place in one partition up to which every fact is sealed. Fold is
// the store's own number of the Fold that ended there.
type Mark struct {
	Partition int
	Fold      uint64
	Cursor    event.Cursor
}

// Sealing is one past Seal: the day it sealed up to, and from where the stream
// is still needed.
type Sealing struct {
	Before retail.Day
	Marks  []Mark
}

// SealingsMax is how many sealings are remembered.
const SealingsMax = 64

// PartitionsMax is how many partitions of a stream a warehouse can follow.
const PartitionsMax = 256

// Span asks for facts that were folded from one partition: those after a fact
// of a fold, up to and including fold Upto.
type Span struct {
	Partition int
	Fold      uint64
	After     int64 // place within Fold; -1 for all of it
	Upto      uint64
	Limit     int // facts, at most
}

// Replayed is the answer to a Span: rows of one fold, all with hidden columns,
// children (lines) complete. No Rows means the end.
type Replayed struct {
	Fold uint64
	Rows []Rows
}

// ErrLocked is returned when another process has the warehouse open.
var ErrLocked = errors.New("the warehouse is open in another process")

// ErrClosed is returned by every method after Close.
var ErrClosed = errors.New("warehouse is closed")

// ErrDamaged is returned by Check when sealed files are not what was sealed.
var ErrDamaged = errors.New("sealed history is damaged")

// ErrQuery is returned for SQL that the warehouse refuses, with the reason.
// ErrMemory goes with it where the SQL is right and the warehouse may not take the
// memory that its answer needs now.
var (
	ErrQuery  = errors.New("the warehouse refuses the query")
	ErrMemory = errors.New("there is not enough memory for it")
)

// Warehouse is the port. All methods are safe for concurrent use; there is one
// writer.
type Warehouse interface {
	Writer
	// Query answers a question of the product.
	Query(ctx context.Context, q Query) (*Result, error)
	// Analyse answers an analyst.
	Analyse(ctx context.Context, a Analysis) (*Table, error)
	// Through is the arrival time of the newest fact that questions see.
	Through(ctx context.Context) (time.Time, error)
}

// Writer is the part of the port that know/history uses.
type Writer interface {
	// Append adds the rows of folds, at most one a partition, and saves a
	// follower's cursors in one durable step. A fold whose cursor is not ahead of
	// the saved one changes nothing and is no error. The rows' memory is not kept.
	Append(ctx context.Context, folds []Fold) error
	// Cursor is the last cursor appended, empty for none.
	Cursor(ctx context.Context, partition int) (event.Cursor, error)
	// Seal moves the rows of business days before a day into immutable files
	// and returns the days sealed. Late rows of a sealed day stay in the hot
	// tail until the next Seal. Questions see the same rows before and after.
	Seal(ctx context.Context, before retail.Day) ([]retail.Day, error)
	// Reset drops everything that is not sealed, with all cursors set back to
	// where sealing stood, so that the stream brings the rest again.
	Reset(ctx context.Context) error
	// Expire drops the records of decisions of business days before a day, in
	// sealed files too; their other columns stay.
	Expire(ctx context.Context, before retail.Day) error
	// Check proves that sealed files are whole and agree with their manifest.
	Check(ctx context.Context) error
	// Erasing is how shoppers leave.
	Erasing
	// Ageing is how what is about shoppers grows too old.
	Ageing
	// Keeping is how sealed history stands in for a trimmed stream.
	Keeping
}

// Erasing is the part of the port by which rows lose their shoppers. The rows
// themselves stay, so that totals do.
type Erasing interface {
	// Forget sets shoppers' columns to NULL for every question asked from then
	// on. Their bytes are left to Erase.
	Forget(ctx context.Context, who []shopper.ID) error
	// Erase is Forget that leaves no byte of them in any file, sealed or not, nor
	// of those whom Forget was given before, and says how many sealed files it
	// wrote anew. It may take minutes; questions
	// go on, appends wait.
	Erase(ctx context.Context, who []shopper.ID) (files int, err error)
	// Shoppers calls each with the shoppers of every place where rows name them,
	// in batches of at most ShoppersMax. A shopper may come more than once.
	Shoppers(ctx context.Context, each func(place string, who []shopper.ID) error) error
}

// Limits are the days before which what is about shoppers is kept no longer; the
// zero Limits keep all.
type Limits struct {
	// Inactive: who neither bought nor said anything of consent since that day
	// counts as allowing nothing.
	Inactive retail.Day
	// Adverts: what shoppers were shown before that day, and did with it, is
	// nobody's.
	Adverts retail.Day
}

// Ageing is the part of the port by which age takes use and names away.
type Ageing interface {
	// Limit sets the limits, durably, which every question asked from then on
	// keeps to, whatever Strip has done. It costs little.
	Limit(ctx context.Context, l Limits) error
	// Strip empties the shopper columns of rows about adverts of business days
	// before a day, and of at most some number of sealed files; it says how many of
	// those it wrote anew and how many are left. Bytes that the working copy keeps
	// go with the next Erase.
	Strip(ctx context.Context, before retail.Day, most int) (files, left int, err error)
}

// ShoppersMax is the longest batch of Shoppers.
const ShoppersMax = 65_536

// Keeping is the part of the port by which history gives facts back.
type Keeping interface {
	// Sealings returns the last sealings, oldest first.
	Sealings(ctx context.Context) ([]Sealing, error)
	// Release records durably that the stream need no longer hold facts up to
	// the marks; each must be of a Sealing. Call it before Trim.
	Release(ctx context.Context, marks []Mark) error
	// Released returns the mark released for a partition, the zero Mark if none.
	Released(ctx context.Context, partition int) (Mark, error)
	// Replay returns stored rows of receipts (with lines), moved ones, products,
	// stores, prices, stock and consents in the order they were folded.
	Replay(ctx context.Context, s Span) (Replayed, error)
}
