package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
)

// row is a line of transactions.parquet.
type row struct {
	Household   int64            `parquet:"household_id"`
	Store       int64            `parquet:"store_id"`
	Basket      int64            `parquet:"basket_id"`
	Product     int64            `parquet:"product_id"`
	Quantity    int64            `parquet:"quantity"`
	Sales       float64          `parquet:"sales_value"`
	Retail      float64          `parquet:"retail_disc"`
	Coupon      float64          `parquet:"coupon_disc"`
	CouponMatch float64          `parquet:"coupon_match_disc"`
	At          deprecated.Int96 `parquet:"transaction_timestamp"`
}

// basket is one receipt to be replayed.
type basket struct {
	id, store, card string
	at              time.Time
	lines           []row
}

// readBaskets returns the receipts of the replayed weeks in time order, and the
// cards of all households that the weeks before know.
func readBaskets(dir string) ([]basket, []string, error) {
	f, err := os.Open(filepath.Join(dir, "transactions.parquet"))
	if err != nil {
		return nil, nil, fmt.Errorf("open the data (make data fetches it): %w", err)
	}
	defer func() { _ = f.Close() }()
	r := parquet.NewGenericReader[row](f)
	from := replayFrom
	known := make(map[int64]bool)
	byID := make(map[int64]*basket)
	var order []int64
	buf := make([]row, 16_384)
	for {
		n, err := r.Read(buf)
		for _, line := range buf[:n] {
			at := instant(line.At)
			if at.Before(from) {
				known[line.Household] = true
				continue
			}
			b := byID[line.Basket]
			if b == nil {
				b = &basket{id: text(line.Basket), store: text(line.Store), card: text(line.Household), at: at}
				byID[line.Basket] = b
				order = append(order, line.Basket)
			}
			b.lines = append(b.lines, line)
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, nil, fmt.Errorf("read the data: %w", err)
		}
	}
	baskets := make([]basket, len(order))
	for i, id := range order {
		baskets[i] = *byID[id]
	}
	slices.SortStableFunc(baskets, func(a, b basket) int { return a.at.Compare(b.at) })
	var cards []string
	for h := range known {
		cards = append(cards, text(h))
	}
	slices.Sort(cards)
	return baskets, cards, r.Close()
}

// instant reads Parquet's old form of a time: nanoseconds within a Julian day.
func instant(t deprecated.Int96) time.Time {
	const julian1970 = 2_440_588
	nanos := int64(t[1])<<32 | int64(t[0])
	return time.Unix((int64(t[2])-julian1970)*86_400, nanos).UTC()
}

func text(n int64) string { return strconv.FormatInt(n, 10) }

// receipt is b as the till sends it.
func (b *basket) receipt() map[string]any {
	lines := make([]map[string]any, len(b.lines))
	for i, l := range b.lines {
		lines[i] = map[string]any{
			"product": text(l.Product), "quantity": l.Quantity, "sales": money(l.Sales),
			"retail_discount": money(l.Retail), "coupon_discount": money(l.Coupon), "coupon_match": money(l.CouponMatch),
		}
	}
	return map[string]any{
		"id": b.id, "store": b.store, "channel": "in_store", "at": b.at.Format(time.RFC3339Nano), "currency": "USD",
		"shopper": map[string]string{"card": b.card}, "lines": lines,
	}
}

// money writes a double of the file, which holds whole cents, as a decimal.
func money(f float64) string { return cents(int64(math.Round(f * 100))) }
