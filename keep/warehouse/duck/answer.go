package duck

import (
	"fmt"
	"math"
	"time"
	"unsafe"

	ddb "github.com/duckdb/duckdb-go-bindings"

	"endcap/keep/warehouse"
	"endcap/retail/event"
)

// answerOf reads a whole result, column by column.
func answerOf(r *ddb.Result) (*warehouse.Result, error) {
	n := int(ddb.ColumnCount(r))
	out := &warehouse.Result{Names: make([]string, n), Types: make([]event.ColumnType, n), Columns: make([]warehouse.Column, n)}
	readers := make([]reader, n)
	for i := range n {
		out.Names[i] = ddb.ColumnName(r, ddb.IdxT(i))
		logical := ddb.ColumnLogicalType(r, ddb.IdxT(i))
		read, err := readerOf(logical)
		ddb.DestroyLogicalType(&logical)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", out.Names[i], err)
		}
		readers[i], out.Types[i] = read, read.as
	}
	for {
		chunk := ddb.FetchChunk(*r)
		if chunk.Ptr == nil {
			return out, nil
		}
		rows := int(ddb.DataChunkGetSize(chunk))
		for i := range n {
			v := ddb.DataChunkGetVector(chunk, ddb.IdxT(i))
			if err := readers[i].read(v, rows, &out.Columns[i], out.Len); err != nil {
				ddb.DestroyDataChunk(&chunk)
				return nil, fmt.Errorf("column %q: %w", out.Names[i], err)
			}
		}
		out.Len += rows
		ddb.DestroyDataChunk(&chunk)
	}
}

// reader copies values of one DuckDB type out of vectors.
type reader struct {
	as     event.ColumnType
	values func(data unsafe.Pointer, rows int, valid func(int) bool, to *warehouse.Column) error
}

// read appends one vector's values to a column that holds `before` of them.
func (r reader) read(v ddb.Vector, rows int, to *warehouse.Column, before int) error {
	mask := (*uint64)(ddb.VectorGetValidity(v))
	valid := func(int) bool { return true }
	if mask != nil {
		words := unsafe.Slice(mask, (rows+63)/64)
		valid = func(i int) bool { return words[i/64]>>(i%64)&1 == 1 }
		for i := range rows {
			if !valid(i) {
				to.Nulls = append(to.Nulls, make([]bool, before+rows-len(to.Nulls))...)
				break
			}
		}
	}
	if to.Nulls != nil {
		to.Nulls = append(to.Nulls, make([]bool, before+rows-len(to.Nulls))...)
		for i := range rows {
			to.Nulls[before+i] = !valid(i)
		}
	}
	return r.values(ddb.VectorGetData(v), rows, valid, to)
}

func readerOf(logical ddb.LogicalType) (reader, error) {
	switch id := ddb.GetTypeId(logical); id {
	case ddb.TypeBoolean:
		return reader{event.Bool, readBools}, nil
	case ddb.TypeTinyInt:
		return ints[int8](event.Int, 1), nil
	case ddb.TypeSmallInt:
		return ints[int16](event.Int, 1), nil
	case ddb.TypeInteger:
		return ints[int32](event.Int, 1), nil
	case ddb.TypeBigInt:
		return ints[int64](event.Int, 1), nil
	case ddb.TypeUTinyInt:
		return ints[uint8](event.Int, 1), nil
	case ddb.TypeUSmallInt:
		return ints[uint16](event.Int, 1), nil
	case ddb.TypeUInteger:
		return ints[uint32](event.Int, 1), nil
	case ddb.TypeUBigInt:
		return ints[uint64](event.Int, 1), nil
	case ddb.TypeHugeInt:
		return reader{event.Int, huges(1)}, nil
	case ddb.TypeDecimal:
		return decimals(logical)
	case ddb.TypeFloat:
		return floats[float32](), nil
	case ddb.TypeDouble:
		return floats[float64](), nil
	case ddb.TypeDate:
		return ints[int32](event.Date, 1), nil
	case ddb.TypeTimestamp, ddb.TypeTimestampTZ:
		return ints[int64](event.Timestamp, 1), nil
	case ddb.TypeTimestampS:
		return ints[int64](event.Timestamp, int64(time.Second/time.Microsecond)), nil
	case ddb.TypeTimestampMS:
		return ints[int64](event.Timestamp, int64(time.Millisecond/time.Microsecond)), nil
	case ddb.TypeVarchar:
		return reader{event.Text, readTexts}, nil
	case ddb.TypeBlob:
		return reader{event.Blob, readBlobs}, nil
	case ddb.TypeSQLNull:
		return ints[int32](event.Int, 1), nil
	default:
		return reader{}, fmt.Errorf("%w: it has a type that no table has; cast it", warehouse.ErrQuery)
	}
}

// decimals reads amounts: any scale up to six decimals becomes micros.
func decimals(logical ddb.LogicalType) (reader, error) {
	scale := int(ddb.DecimalScale(logical))
	if scale > 6 {
		return reader{}, fmt.Errorf("%w: it has %d decimals; cast it to decimal(18,6)", warehouse.ErrQuery, scale)
	}
	times := int64(math.Pow10(6 - scale))
	switch ddb.DecimalInternalType(logical) {
	case ddb.TypeSmallInt:
		return ints[int16](event.Amount, times), nil
	case ddb.TypeInteger:
		return ints[int32](event.Amount, times), nil
	case ddb.TypeBigInt:
		return ints[int64](event.Amount, times), nil
	default:
		return reader{event.Amount, huges(times)}, nil
	}
}

var errTooLarge = fmt.Errorf("%w: a number does not fit into 64 bits", warehouse.ErrQuery)

// ints reads whole numbers of one width and multiplies them.
func ints[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](as event.ColumnType, times int64) reader {
	return reader{as, func(data unsafe.Pointer, rows int, valid func(int) bool, to *warehouse.Column) error {
		for i, v := range unsafe.Slice((*T)(data), rows) {
			n := int64(v)
			if !valid(i) {
				n = 0
			}
			if v > 0 && n < 0 || times != 1 && (n > math.MaxInt64/times || n < math.MinInt64/times) {
				return errTooLarge
			}
			to.Ints = append(to.Ints, n*times)
		}
		return nil
	}}
}

// huges reads 128-bit numbers, which sums are, and multiplies them.
func huges(times int64) func(unsafe.Pointer, int, func(int) bool, *warehouse.Column) error {
	type huge struct {
		low  uint64
		high int64
	}
	return func(data unsafe.Pointer, rows int, valid func(int) bool, to *warehouse.Column) error {
		for i, v := range unsafe.Slice((*huge)(data), rows) {
			if !valid(i) {
				to.Ints = append(to.Ints, 0)
				continue
			}
			n := int64(v.low)
			if v.high != n>>63 || n > math.MaxInt64/times || n < math.MinInt64/times {
				return errTooLarge
			}
			to.Ints = append(to.Ints, n*times)
		}
		return nil
	}
}

func floats[T float32 | float64]() reader {
	return reader{event.Float, func(data unsafe.Pointer, rows int, valid func(int) bool, to *warehouse.Column) error {
		for i, v := range unsafe.Slice((*T)(data), rows) {
			if !valid(i) {
				v = 0
			}
			to.Floats = append(to.Floats, float64(v))
		}
		return nil
	}}
}

func readBools(data unsafe.Pointer, rows int, valid func(int) bool, to *warehouse.Column) error {
	for i, v := range unsafe.Slice((*uint8)(data), rows) {
		to.Bools = append(to.Bools, valid(i) && v != 0)
	}
	return nil
}

// bytesOf is the content of one DuckDB string, which lies in the vector itself
// up to inlineMax bytes and elsewhere beyond.
func bytesOf(s *inlined) []byte {
	if s.length <= inlineMax {
		return s.text[:s.length]
	}
	far := (*outlined)(unsafe.Pointer(s))
	return unsafe.Slice(far.at, far.length)
}

func readTexts(data unsafe.Pointer, rows int, valid func(int) bool, to *warehouse.Column) error {
	cells := unsafe.Slice((*inlined)(data), rows)
	for i := range cells {
		text := ""
		if valid(i) {
			text = string(bytesOf(&cells[i]))
			if n := len(to.Texts); n > 0 && to.Texts[n-1] == text {
				text = to.Texts[n-1]
			}
		}
		to.Texts = append(to.Texts, text)
	}
	return nil
}

func readBlobs(data unsafe.Pointer, rows int, valid func(int) bool, to *warehouse.Column) error {
	cells := unsafe.Slice((*inlined)(data), rows)
	for i := range cells {
		var b []byte
		if valid(i) {
			b = append([]byte{}, bytesOf(&cells[i])...)
		}
		to.Blobs = append(to.Blobs, b)
	}
	return nil
}
