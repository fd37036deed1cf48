package ingest

import (
	"fmt"
	"strings"

	"endcap/know/identity/graph"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
)

// Outcome says what became of one item. Words cross the wire and never change.
type Outcome string

// The outcomes. The zero Outcome is none of them.
const (
	New         Outcome = "new"
	Repeat      Outcome = "repeat"      // it is known already; nothing was done
	Corrected   Outcome = "corrected"   // it replaces an earlier version
	Quarantined Outcome = "quarantined" // it was not taken in; Fault says why
	Suppressed  Outcome = "suppressed"  // it names somebody who was forgotten: not taken in, and not kept
)

// Reason is a stable word for why an item was not taken in.
type Reason string

// The reasons. Decoders at the gate may use further words of their own.
const (
	Unparsed    Reason = "unparsed"     // it could not be read
	NoID        Reason = "no_id"        // it has no id, or one that cannot be
	BadValue    Reason = "bad_value"    // a field holds what it cannot
	NoLines     Reason = "no_lines"     // a receipt with nothing on it
	TooManyRows Reason = "too_many"     // more lines, keys or letters than one item may have
	Absurd      Reason = "absurd"       // a quantity or an amount beyond all reason
	InFuture    Reason = "in_future"    // its time lies ahead of the clock
	TooOld      Reason = "too_old"      // its time lies before what is kept
	TwoShoppers Reason = "two_shoppers" // its keys belong to different shoppers
	TwoStores   Reason = "two_stores"   // one receipt at two stores
	TwoMonies   Reason = "two_currencies"
	TwoVersions Reason = "two_versions"
	Conflict    Reason = "conflict" // the same id is stored with other content
	NoShopper   Reason = "no_shopper"
	BadString   Reason = "bad_consent_string"
	// Unregistered: a consent names a text that nobody registered.
	Unregistered Reason = "wording_unregistered"
	WasForgot    Reason = "forgotten" // a key belonged to somebody who was forgotten
)

// Fault is why an item was not taken in: which field, what is wrong with it,
// and how to put it right. It never holds a shopper's key.
type Fault struct {
	Reason Reason
	Field  string // as in "lines[3].quantity"; may be empty
	Say    string
	Cure   string
}

// String gives the whole story in one line.
func (f *Fault) String() string {
	s := f.Say
	if f.Field != "" {
		s = f.Field + ": " + s
	}
	if f.Cure != "" {
		s += "; " + f.Cure
	}
	return s
}

func fault(reason Reason, field, say, cure string) *Fault { return &Fault{reason, field, say, cure} }

// Answer is what became of one item.
type Answer struct {
	Outcome Outcome
	Fault   *Fault // for Quarantined and Suppressed
	// Older is set where a row with a later time stands already: on a Repeat
	// that was one only for that, and on a consent that was kept but does not
	// count.
	Older bool
	// Apart is why keys of several shoppers in one row make no person of them;
	// the row was taken in all the same.
	Apart graph.Refusal
	// Withheld is what of a consent does not count, and why; the row was taken in
	// all the same.
	Withheld map[consent.Purpose]string

	stored []byte // for a conflict: the stored fact, as JSON
}

// Result answers a batch, item by item, and counts it.
type Result struct {
	Answers []Answer
	Summary Summary
}

// DistinctMax is how many different unknown products a Summary tells apart.
const DistinctMax = 1_000_000

// Summary counts what was taken in. The zero Summary is empty and ready.
type Summary struct {
	Items, New, Repeat, Corrected, Quarantined int64

	Suppressed int64 // items that named somebody who was forgotten
	// Of receipts that are not in quarantine, repeats included:
	Receipts, Lines  int64
	Anonymous        int64 // receipts without a shopper
	LineMarks        map[basket.Mark]int64
	ReceiptMarks     map[basket.Mark]int64
	Rounded          int64 // amounts rounded to whole minor units
	Sales            map[retail.Currency]retail.Micros
	ProductsUnknown  map[catalog.ProductID]int64 // lines by product, at most DistinctMax products
	StoresUnknown    map[catalog.StoreID]int64   // receipts by store they name
	QuarantinedByWhy map[Reason]int64

	// Promotions counts products with their places, of stores' weeks that are not
	// in quarantine, repeats included.
	Promotions int64

	// Withheld counts purposes of consents that were taken in and do not count, by
	// why.
	Withheld map[string]int64
}

// Add adds what other counted.
func (s *Summary) Add(other *Summary) {
	s.Items += other.Items
	s.New += other.New
	s.Repeat += other.Repeat
	s.Corrected += other.Corrected
	s.Quarantined += other.Quarantined
	s.Suppressed += other.Suppressed
	s.Receipts += other.Receipts
	s.Lines += other.Lines
	s.Anonymous += other.Anonymous
	s.Rounded += other.Rounded
	s.Promotions += other.Promotions
	addAll(&s.LineMarks, other.LineMarks, 0)
	addAll(&s.ReceiptMarks, other.ReceiptMarks, 0)
	addAll(&s.Sales, other.Sales, 0)
	addAll(&s.ProductsUnknown, other.ProductsUnknown, DistinctMax)
	addAll(&s.StoresUnknown, other.StoresUnknown, DistinctMax)
	addAll(&s.QuarantinedByWhy, other.QuarantinedByWhy, 0)
	addAll(&s.Withheld, other.Withheld, 0)
}

func addAll[K comparable, N ~int64](to *map[K]N, from map[K]N, most int) {
	for k, n := range from {
		addOne(to, k, n, most)
	}
}

// addOne adds n under k, unless k would be one more than most; 0 means no bound.
func addOne[K comparable, N ~int64](to *map[K]N, k K, n N, most int) {
	if *to == nil {
		*to = make(map[K]N)
	}
	if _, ok := (*to)[k]; !ok && most > 0 && len(*to) >= most {
		return
	}
	(*to)[k] += n
}

// Marked counts one mark.
type Marked struct {
	Name            string
	Receipts, Lines int64
}

// Marks lists every mark that was set, in the marks' own order.
func (s *Summary) Marks() []Marked {
	var out []Marked
	for _, m := range basket.Marks() {
		if r, l := s.ReceiptMarks[m], s.LineMarks[m]; r+l > 0 {
			out = append(out, Marked{m.Names()[0], r, l})
		}
	}
	return out
}

// count adds the answers' outcomes.
func (s *Summary) count(answers []Answer) {
	s.Items += int64(len(answers))
	for i := range answers {
		switch a := &answers[i]; a.Outcome {
		case New:
			s.New++
		case Repeat:
			s.Repeat++
		case Corrected:
			s.Corrected++
		case Quarantined:
			s.Quarantined++
			addOne(&s.QuarantinedByWhy, a.Fault.Reason, 1, 0)
		case Suppressed:
			s.Suppressed++
		default:
			panic(fmt.Sprintf("ingest: bug: an item has the outcome %q", a.Outcome))
		}
		for _, why := range answers[i].Withheld {
			addOne(&s.Withheld, why, 1, 0)
		}
	}
}

// receipt adds one receipt that was taken in or known already.
func (s *Summary) receipt(r *basket.Receipt, rounded int) {
	s.Receipts++
	s.Lines += int64(len(r.Lines))
	s.Rounded += int64(rounded)
	var sales retail.Micros
	for i := range r.Lines {
		l := &r.Lines[i]
		sales += l.Sales
		if l.Marks == 0 {
			continue
		}
		countMarks(&s.LineMarks, l.Marks)
		if l.Marks.Has(basket.ProductUnknown) {
			addOne(&s.ProductsUnknown, own(s.ProductsUnknown, l.Product), 1, DistinctMax)
		}
	}
	addOne(&s.Sales, r.Currency, sales, 0)
	if r.Marks != 0 {
		countMarks(&s.ReceiptMarks, r.Marks)
		if r.Marks.Has(basket.StoreUnknown) && r.Store != "" {
			addOne(&s.StoresUnknown, own(s.StoresUnknown, r.Store), 1, DistinctMax)
		}
	}
}

// own is id in memory of its own where m is about to keep it: a decoder's texts
// may be parts of a large buffer.
func own[K ~string](m map[K]int64, id K) K {
	if _, ok := m[id]; ok {
		return id
	}
	return K(strings.Clone(string(id)))
}

func countMarks(to *map[basket.Mark]int64, m basket.Mark) {
	for bit := basket.Mark(1); m != 0; bit <<= 1 {
		if m.Has(bit) {
			addOne(to, bit, 1, 0)
			m &^= bit
		}
	}
}
