package coupon_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"endcap/retail/coupon"
)

// leaflets, mails and prizes are what a house issued: two series, because a
// secret was changed.
func house(t *testing.T) (*coupon.Check, []*coupon.Series, *coupon.Book) {
	t.Helper()
	check := coupon.NewCheck(secretOf(1))
	series := []*coupon.Series{coupon.NewSeries(secretOf(2), check), coupon.NewSeries(secretOf(3), check)}
	book, err := coupon.NewBook(series, []coupon.Batch{
		{ID: "mails", Kind: coupon.Bound, Series: 0, First: 1, Count: 5_000},
		{ID: "prizes", Kind: coupon.SingleUse, Series: 1, First: 0, Count: 300},
		{ID: "leaflet", Kind: coupon.Unbound, Series: 0, First: 0, Count: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return check, series, book
}

func TestWhichBatchIsThisCodeOf(t *testing.T) {
	t.Parallel()
	_, series, book := house(t)
	for _, tt := range []struct {
		series int
		serial uint64
		want   coupon.BatchID
	}{
		{0, 0, "leaflet"},
		{0, 1, "mails"},
		{0, 5_000, "mails"},
		{0, 5_001, ""},
		{0, coupon.SerialMax, ""},
		{1, 0, "prizes"},
		{1, 299, "prizes"},
		{1, 300, ""},
	} {
		batch, serial, ok := book.Find(series[tt.series].Code(tt.serial))
		if batch.ID != tt.want || ok != (tt.want != "") || ok && (serial != tt.serial || batch.Series != tt.series) {
			t.Errorf("series %d, serial %d: batch %q, serial %d, %v; want %q", tt.series, tt.serial, batch.ID, serial, ok, tt.want)
		}
	}
	if book.Next(0) != 5_001 || book.Next(1) != 300 || book.Next(2) != 0 {
		t.Errorf("next serials %d, %d, %d", book.Next(0), book.Next(1), book.Next(2))
	}
	// Whom does a guesser deceive? Of a million codes with a right check symbol,
	// none was issued: one in 2⁶⁰ ÷ 5,301 would be.
	draw := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		if batch, _, ok := book.Find(series[0].Code(10_000 + draw.Uint64N(coupon.SerialMax-20_000))); ok {
			t.Fatalf("a guess is a code of %s", batch.ID)
		}
	}
}

// A job that breaks off at any code and goes on behind the last one it wrote
// gives the same codes, none twice.
func TestAJobGoesOnWhereItBrokeOff(t *testing.T) {
	t.Parallel()
	check, _, book := house(t)
	var whole []coupon.Code
	seen := map[coupon.Code]bool{}
	for serial, c := range book.Codes("mails", 0) {
		if serial != uint64(len(whole))+1 || seen[c] {
			t.Fatalf("serial %d after %d codes; seen before: %v", serial, len(whole), seen[c])
		}
		whole, seen[c] = append(whole, c), true
		if read, err := check.Parse(string(c.AppendLine(nil)[:coupon.Size])); err != nil || read != c {
			t.Fatalf("line of serial %d: %v", serial, err)
		}
	}
	if len(whole) != 5_000 {
		t.Fatalf("%d codes", len(whole))
	}
	draw := rand.New(rand.NewPCG(5, 6))
	for range 30 {
		var written []coupon.Code
		from := uint64(1)
		for len(written) < len(whole) {
			stop := 1 + draw.IntN(2_000)
			for _, c := range book.Codes("mails", from) {
				if written = append(written, c); stop == 1 {
					break
				}
				stop--
			}
			var err error
			if from, err = book.After("mails", written[len(written)-1]); err != nil {
				t.Fatal(err)
			}
		}
		for i := range whole {
			if written[i] != whole[i] {
				t.Fatalf("code %d is another after a break", i)
			}
		}
		for _, c := range book.Codes("mails", from) {
			t.Fatalf("a code behind the last: %s", c.Reveal())
		}
	}
	if _, err := book.After("mails", whole[0]); err != nil {
		t.Error(err)
	}
	for _, batch := range []coupon.BatchID{"leaflet", "nobody's"} {
		if _, err := book.After(batch, whole[0]); !errors.Is(err, coupon.ErrNotOfIt) {
			t.Errorf("a job of %s goes on behind a mail's code: %v", batch, err)
		}
	}
	for range book.Codes("nobody's", 0) {
		t.Error("a batch that is none has codes")
	}
}

// Edge case 2 of the notes, across a change of secrets: a serial of the new
// series whose code the old one issued is passed over, and the code stays the old
// one's.
func TestACodeIsNeverIssuedTwiceAcrossSecrets(t *testing.T) {
	t.Parallel()
	_, series, _ := house(t)
	old := series[0].Code(17)
	same := series[1].Serial(old) // the serial under which the new series would come upon it
	first := same - 3
	book, err := coupon.NewBook(series, []coupon.Batch{
		{ID: "old", Kind: coupon.SingleUse, Series: 0, First: 0, Count: 100},
		{ID: "new", Kind: coupon.SingleUse, Series: 1, First: first, Count: 7},
	})
	if err != nil {
		t.Fatal(err)
	}
	var serials []uint64
	for serial, c := range book.Codes("new", 0) {
		serials = append(serials, serial-first)
		if batch, _, ok := book.Find(c); !ok || batch.ID != "new" || c == old {
			t.Errorf("serial %d is of %v", serial, batch.ID)
		}
	}
	if len(serials) != 6 || serials[3] != 4 {
		t.Errorf("serials %v", serials)
	}
	if batch, serial, ok := book.Find(old); !ok || batch.ID != "old" || serial != 17 {
		t.Errorf("the old code is of %v, serial %d", batch.ID, serial)
	}
}

func TestBatchesThatCannotBe(t *testing.T) {
	t.Parallel()
	_, series, _ := house(t)
	good := coupon.Batch{ID: "a", Kind: coupon.Bound, First: 10, Count: 10}
	with := func(change func(*coupon.Batch)) []coupon.Batch {
		b := good
		b.ID, b.First = "b", 20
		change(&b)
		return []coupon.Batch{b, good}
	}
	for name, batches := range map[string][]coupon.Batch{
		"no name":             with(func(b *coupon.Batch) { b.ID = "" }),
		"one name for two":    with(func(b *coupon.Batch) { b.ID = "a" }),
		"no kind":             with(func(b *coupon.Batch) { b.Kind = 0 }),
		"a kind beyond":       with(func(b *coupon.Batch) { b.Kind = 4 }),
		"no codes":            with(func(b *coupon.Batch) { b.Count = 0 }),
		"too many codes":      with(func(b *coupon.Batch) { b.Count = coupon.BatchMax + 1 }),
		"no such series":      with(func(b *coupon.Batch) { b.Series = 2 }),
		"a series below":      with(func(b *coupon.Batch) { b.Series = -1 }),
		"serials of another":  with(func(b *coupon.Batch) { b.First = 19 }),
		"over another":        with(func(b *coupon.Batch) { b.First, b.Count = 0, 11 }),
		"beyond the last":     with(func(b *coupon.Batch) { b.First = coupon.SerialMax - 8 }),
		"far beyond the last": with(func(b *coupon.Batch) { b.First = ^uint64(0) }),
	} {
		if _, err := coupon.NewBook(series, batches); !errors.Is(err, coupon.ErrBatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, batches := range map[string][]coupon.Batch{
		"beside one another":         with(func(*coupon.Batch) {}),
		"the same of another series": with(func(b *coupon.Batch) { b.Series, b.First = 1, 10 }),
		"up to the last":             with(func(b *coupon.Batch) { b.First = coupon.SerialMax - 9 }),
		"nothing":                    nil,
	} {
		if _, err := coupon.NewBook(series, batches); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkCodes(b *testing.B) {
	check := coupon.NewCheck(secretOf(1))
	book, err := coupon.NewBook([]*coupon.Series{coupon.NewSeries(secretOf(2), check)},
		[]coupon.Batch{{ID: "all", Kind: coupon.SingleUse, Count: coupon.BatchMax}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	left := b.N
	for range book.Codes("all", 0) {
		if left--; left <= 0 {
			break
		}
	}
}
