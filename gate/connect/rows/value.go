package rows

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"endcap/gate/connect/mapping"
	"endcap/retail"
	"endcap/retail/basket"
)

// column reads the text values of one mapped field. It remembers the last
// texts and the last date, so it belongs to one goroutine.
type column struct {
	*mapping.Field
	decimal byte
	last    string   // the last text, for runs such as a receipt's id
	pool    []string // texts seen before, by hash; bounded
	clock   clock
}

const poolSize = 1 << 14 // texts remembered per column; a power of two

func newColumn(f *mapping.Field, decimal byte) *column {
	c := &column{Field: f, decimal: decimal, clock: clock{zone: f.Zone, utc: f.Zone == time.UTC || f.Zone.String() == "UTC"}}
	if f.Name.Form() == mapping.Text && f.Name != mapping.Receipt && f.Name != mapping.ID {
		c.pool = make([]string, poolSize)
	}
	return c
}

// complaint is a Fault without its row.
type complaint struct {
	reason    Reason
	say, cure string
}

func (c *complaint) fault(row int, field string) Fault {
	return Fault{row, c.reason, field, c.say, c.cure}
}

// text gives b as a string, shared with equal texts seen shortly before.
func (c *column) text(b []byte) (string, *complaint) {
	if c.Clear {
		return c.hashed(b)
	}
	if string(b) == c.last {
		return c.last, nil
	}
	if len(b) == 0 {
		return "", nil
	}
	var slot *string
	if c.pool != nil {
		slot = &c.pool[hash(b)&(poolSize-1)]
		if *slot == string(b) {
			c.last = *slot
			return *slot, nil
		}
	}
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		return "", &complaint{BadText, c.show(b) + " is not valid UTF-8 text", "write the file as UTF-8"}
	}
	s := string(b)
	if c.Plain {
		plain, ok := wholeNumber(s)
		if !ok {
			return "", &complaint{BadNumber, c.show(b) + " is not a whole number", "write it with digits alone"}
		}
		if plain != s {
			return plain, nil
		}
	}
	if slot != nil {
		*slot = s
	}
	c.last = s
	return s, nil
}

// show quotes a value for a message, unless it names a shopper.
func (c *column) show(b []byte) string {
	if slices.Contains(mapping.Keys(), c.Name) {
		return "the value"
	}
	return fmt.Sprintf("%.40q", b)
}

// hash is FNV-1a over 8 bytes at a time; it only spreads texts over slots.
func hash(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for ; len(b) >= 8; b = b[8:] {
		v := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		h = (h ^ v) * 1099511628211
	}
	for _, x := range b {
		h = (h ^ uint64(x)) * 1099511628211
	}
	return h ^ h>>29 ^ h>>43
}

// wholeNumber writes "9e+05" and "900000.0" as "900000"; digits stay as they
// are, leading zeros too.
func wholeNumber(s string) (string, bool) {
	digits := strings.TrimLeft(s, "0123456789")
	if digits == "" {
		return s, s != ""
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return "", false
	}
	return strconv.FormatInt(int64(f), 10), true
}

// number reads a value of any form but Text.
func (c *column) number(b []byte) (int64, *complaint) {
	if len(b) == 0 {
		return Absent, nil
	}
	switch c.Name.Form() {
	case mapping.Money:
		return c.money(b)
	case mapping.Pieces:
		return c.pieces(b)
	case mapping.Instant:
		return c.instant(b)
	case mapping.Clock:
		return timeOfDay(b)
	case mapping.Date:
		return c.date(b)
	default:
		v, ok := decimal(b, '.', 0)
		if !ok {
			f, err := strconv.ParseFloat(string(b), 64)
			if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
				return Absent, &complaint{BadNumber, fmt.Sprintf("%.40q is not a whole number", b), "write it with digits alone"}
			}
			v = int64(f)
		}
		return v, nil
	}
}

func (c *column) money(b []byte) (int64, *complaint) {
	v, ok := decimal(b, c.decimal, 6)
	if !ok {
		f, err := c.float(b)
		if err != nil {
			return Absent, notNumber(b, "an amount")
		}
		return c.moneyFloat(f)
	}
	return c.moneyMicros(v)
}

func notNumber(b []byte, what string) *complaint {
	return &complaint{BadNumber, fmt.Sprintf("%.40q is not %s", b, what), "write it like 12.34, without signs of currency or thousands"}
}

// float reads what decimal does not: exponents and long tails of decimals, as
// programs write that hold numbers as doubles.
func (c *column) float(b []byte) (float64, error) {
	s := string(b)
	if c.decimal == ',' {
		if strings.Contains(s, ".") {
			return 0, strconv.ErrSyntax
		}
		s = strings.Replace(s, ",", ".", 1)
	}
	if strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, strconv.ErrSyntax // no infinities, hexadecimals or underscores
	}
	return strconv.ParseFloat(s, 64)
}

// moneyFloat reads a double: to the nearest micro, and to the hundredth when it
// lies a micro beside one, because 0.1+0.2 was meant to be 0.3.
func (c *column) moneyFloat(f float64) (int64, *complaint) {
	m, err := retail.FromFloat(f)
	if err != nil {
		return Absent, &complaint{BadNumber, fmt.Sprintf("%v is not an amount", f), "amounts are finite and below a thousand million"}
	}
	if whole := m.RoundHalfEven(retail.Cent); m-whole >= -1 && m-whole <= 1 {
		m = whole
	}
	return c.moneyMicros(int64(m))
}

func (c *column) moneyMicros(v int64) (int64, *complaint) {
	if v > int64(retail.MicrosMax) || v < -int64(retail.MicrosMax) {
		return Absent, &complaint{BadNumber, "the amount is absurd", fmt.Sprintf("amounts are below %v", retail.MicrosMax)}
	}
	if c.Negative {
		v = -v
	}
	return v, nil
}

func (c *column) pieces(b []byte) (int64, *complaint) {
	v, ok := decimal(b, c.decimal, 3)
	if !ok {
		f, err := c.float(b)
		if err != nil {
			return Absent, notNumber(b, "a quantity")
		}
		return piecesFloat(f)
	}
	return piecesBounded(v)
}

func piecesFloat(f float64) (int64, *complaint) {
	v := math.Round(f * 1000)
	if math.IsNaN(v) || math.Abs(v) > float64(basket.QuantityMax) {
		return piecesBounded(math.MaxInt64)
	}
	if math.Abs(f*1000-v) > 1e-3*max(1, math.Abs(f)*1e-6) {
		return Absent, &complaint{BadNumber, fmt.Sprintf("quantity %v is finer than a thousandth", f), "round it to three decimals"}
	}
	return int64(v), nil
}

func piecesBounded(v int64) (int64, *complaint) {
	if v > int64(basket.QuantityMax) || v < -int64(basket.QuantityMax) {
		return Absent, &complaint{BadNumber, "the quantity is absurd", "quantities are finite and at most ten million"}
	}
	return v, nil
}

// decimal reads "-12.34" as -1234·10^(places-2). It refuses exponents, more
// decimals than places unless they are zeros, and what does not fit.
func decimal(b []byte, mark byte, places int) (int64, bool) {
	i, neg := 0, false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		neg, i = b[0] == '-', 1
	}
	var v int64
	first := i
	for ; i < len(b); i++ {
		d := b[i] - '0'
		if d > 9 {
			break
		}
		v = v*10 + int64(d)
	}
	digits := i - first
	if digits == 0 || digits > 18-places {
		return 0, false
	}
	if i < len(b) && b[i] == mark && places > 0 {
		tail := b[i+1:]
		if len(tail) == 0 {
			return 0, false
		}
		left := places
		for _, x := range tail {
			d := x - '0'
			switch {
			case d > 9 || left == 0 && d != 0:
				return 0, false
			case left > 0:
				v = v*10 + int64(d)
				left--
			}
		}
		i, places = len(b), left
	}
	if i != len(b) {
		return 0, false
	}
	for range places {
		v *= 10
	}
	if neg {
		v = -v
	}
	return v, true
}
