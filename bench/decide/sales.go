package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"

	"endcap/retail/catalog"
)

// row is what is read of a line of transactions.parquet.
type row struct {
	Household int64            `parquet:"household_id"`
	Store     int64            `parquet:"store_id"`
	Basket    int64            `parquet:"basket_id"`
	Product   int64            `parquet:"product_id"`
	At        deprecated.Int96 `parquet:"transaction_timestamp"`
}

// call is one later receipt: who came to which store, and one product she bought.
type call struct {
	basket      int64
	card, store string
	product     catalog.ProductID
}

// sales is what the program reads of the data itself.
type sales struct {
	cards []string                  // of all households
	lines map[catalog.ProductID]int // how many lines of the loaded weeks each product has
	calls []call                    // by receipt
}

// loadedUntil is where the loaded weeks end, and the day that is measured.
const loadedUntil = "2017-12-04"

func readSales(dir string) (*sales, error) {
	f, err := os.Open(filepath.Join(dir, "transactions.parquet"))
	if err != nil {
		return nil, fmt.Errorf("open the data (make data fetches it): %w", err)
	}
	defer func() { _ = f.Close() }()
	until, err := time.Parse(time.DateOnly, loadedUntil)
	if err != nil {
		return nil, err
	}
	s := &sales{lines: make(map[catalog.ProductID]int)}
	cards, calls := make(map[string]bool), make(map[int64]call)
	r := parquet.NewGenericReader[row](f)
	buf := make([]row, 16_384)
	for {
		n, err := r.Read(buf)
		for _, line := range buf[:n] {
			card, product := text(line.Household), catalog.ProductID(text(line.Product))
			cards[card] = true
			if instant(line.At).Before(until) {
				s.lines[product]++
			} else {
				calls[line.Basket] = call{line.Basket, card, text(line.Store), product} // the last line's product
			}
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read the data: %w", err)
		}
	}
	s.cards = slices.Sorted(maps.Keys(cards))
	s.calls = slices.SortedFunc(maps.Values(calls), func(a, b call) int { return cmp.Compare(a.basket, b.basket) })
	return s, r.Close()
}

// instant reads Parquet's old form of a time: nanoseconds within a Julian day.
func instant(t deprecated.Int96) time.Time {
	const julian1970 = 2_440_588
	nanos := int64(t[1])<<32 | int64(t[0])
	return time.Unix((int64(t[2])-julian1970)*86_400, nanos).UTC()
}

func text(n int64) string { return strconv.FormatInt(n, 10) }
