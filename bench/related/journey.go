package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // the SQL driver that reads the published files

	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// journey is The Complete Journey: its facts, and what was bought by whom.
type journey struct {
	facts    []event.Fact
	products map[catalog.ProductID]*catalog.Product
	receipts []receipt
}

// receipt is what one household bought at once.
type receipt struct {
	household uint64
	day       retail.Day
	products  []catalog.ProductID
}

func read(ctx context.Context, dir string) (*journey, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, err
	}
	defer db.Close() //nolint:errcheck // it only reads
	j := &journey{products: make(map[catalog.ProductID]*catalog.Product)}
	if err := j.readProducts(ctx, db, filepath.Join(dir, "products.parquet")); err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	if err := j.readReceipts(ctx, db, filepath.Join(dir, "transactions.parquet")); err != nil {
		return nil, fmt.Errorf("read receipts: %w", err)
	}
	return j, nil
}

func (j *journey) readProducts(ctx context.Context, db *sql.DB, name string) error {
	rows, err := db.QueryContext(ctx, `select cast(product_id as varchar), coalesce(cast(manufacturer_id as varchar), ''), coalesce(department, ''), coalesce(brand, ''),
		coalesce(product_category, ''), coalesce(product_type, ''), coalesce(package_size, '') from read_parquet('`+name+`')`)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // it only reads
	for rows.Next() {
		var p catalog.Product
		var brand string
		if err := rows.Scan(&p.ID, &p.Brand, &p.Department, &brand, &p.Category, &p.Type, &p.Size); err != nil {
			return err
		}
		p.OwnLabel = brand == "Private"
		j.products[p.ID] = &p
		j.facts = append(j.facts, event.Fact{ID: "p" + string(p.ID), At: (cut - 400).UTC(), Source: "file", Body: event.Product{Product: p}})
	}
	return rows.Err()
}

func (j *journey) readReceipts(ctx context.Context, db *sql.DB, name string) error {
	rows, err := db.QueryContext(ctx, `select household_id, cast(store_id as varchar), cast(basket_id as varchar), cast(product_id as varchar), quantity, sales_value, transaction_timestamp
		from read_parquet('`+name+`') where quantity > 0 order by transaction_timestamp, basket_id, product_id`)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // it only reads
	agreed := make(map[uint64]bool)
	last := ""
	for rows.Next() {
		var household uint64
		var store, id, product string
		var quantity int64
		var sales float64
		var at time.Time
		if err := rows.Scan(&household, &store, &id, &product, &quantity, &sales, &at); err != nil {
			return err
		}
		day := retail.DayOf(at, time.UTC)
		who := shopper.FromUint64(household * 0x9e3779b97f4a7c15)
		if !agreed[household] {
			agreed[household] = true
			j.facts = append(j.facts, event.Fact{ID: fmt.Sprint("c", household), At: (cut - 400).UTC(), Arrived: at, Day: cut - 400, Shopper: who, Source: "file", Body: event.Consent{Allowed: consent.All}})
		}
		if id != last {
			last = id
			r := basket.Receipt{ID: basket.ReceiptID(id), Store: catalog.StoreID(store), Channel: catalog.InStore, At: at, Currency: "USD"}
			j.facts = append(j.facts, event.Fact{ID: id, At: at, Arrived: at, Day: day, Shopper: who, Source: "file", Body: event.Receipt{Receipt: r}})
			j.receipts = append(j.receipts, receipt{household: household, day: day})
		}
		f := &j.facts[len(j.facts)-1]
		body, ok := f.Body.(event.Receipt)
		if !ok {
			return fmt.Errorf("receipt %s has no first line", id)
		}
		amount, err := retail.FromFloat(sales)
		if err != nil {
			return err
		}
		body.Lines = append(body.Lines, basket.Line{Product: catalog.ProductID(product), Quantity: basket.Quantity(quantity) * basket.Piece, Sales: amount.RoundHalfEven(retail.Cent)})
		f.Body = body
		r := &j.receipts[len(j.receipts)-1]
		r.products = append(r.products, catalog.ProductID(product))
	}
	return rows.Err()
}
