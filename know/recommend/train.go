package recommend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"endcap/keep/files"
	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/catalog"
)

// Artefact is the model's name in keep/files.
const Artefact = "popularity"

// How much the model holds.
const (
	DaysDefault = 91  // days of receipts that count
	storeMost   = 200 // products kept of each store
	kept        = 2   // versions of the artefact that stay
)

// Asker is what Train must know of the warehouse.
type Asker interface {
	Query(ctx context.Context, q warehouse.Query) (*warehouse.Result, error)
}

// Training says over which days popularity is counted: Days business days, the
// last of them Through.
type Training struct {
	Through retail.Day
	Days    int
}

// popularity is the model: on how many receipts each product was bought, over
// all and in each store, the most first.
type popularity struct {
	Layout  int                          `json:"layout"`
	Through retail.Day                   `json:"through"`
	Days    int                          `json:"days"`
	All     []bought                     `json:"all"`
	Stores  map[catalog.StoreID][]bought `json:"stores"`
}

type bought struct {
	Product  catalog.ProductID `json:"p"`
	Receipts int64             `json:"n"`
}

const modelLayout = 1

// ErrModel is returned for an artefact that this program cannot read.
var ErrModel = errors.New("not a popularity model")

// The questions of Train. They count receipts, nobody's in particular, so they
// are asked as totals of the business.
const (
	popularAll = `
select product, count(distinct receipt) as n from lines
where day > $1 and day <= $2 and quantity > 0
group by product order by n desc, product`
	popularStore = `
select store, product, n from (
  select store, product, n, row_number() over (partition by store order by n desc, product) as place from (
    select store, product, count(distinct receipt) as n from lines
    where day > $1 and day <= $2 and quantity > 0
    group by store, product
  ) counted
) placed
where place <= $3
order by store, n desc, product`
)

// Train counts popularity in the warehouse and leaves it as a new version of
// the artefact, whose number it returns.
func Train(ctx context.Context, from Asker, to files.Files, t Training) (uint64, error) {
	m := popularity{Layout: modelLayout, Through: t.Through, Days: t.Days, Stores: make(map[catalog.StoreID][]bought)}
	after := t.Through - retail.Day(t.Days)
	all, err := from.Query(ctx, warehouse.Query{Name: "recommend.popular", Purpose: warehouse.Accounting, SQL: popularAll, Args: []any{after, t.Through}})
	if err != nil {
		return 0, fmt.Errorf("train popularity: %w", err)
	}
	for i := range all.Len {
		m.All = append(m.All, bought{catalog.ProductID(all.Columns[0].Texts[i]), all.Columns[1].Ints[i]})
	}
	stores, err := from.Query(ctx, warehouse.Query{Name: "recommend.popular_store", Purpose: warehouse.Accounting, SQL: popularStore, Args: []any{after, t.Through, int64(storeMost)}})
	if err != nil {
		return 0, fmt.Errorf("train popularity: %w", err)
	}
	for i := range stores.Len {
		at := catalog.StoreID(stores.Columns[0].Texts[i])
		m.Stores[at] = append(m.Stores[at], bought{catalog.ProductID(stores.Columns[1].Texts[i]), stores.Columns[2].Ints[i]})
	}
	version, err := to.Put(ctx, Artefact, func(w io.Writer) error { return json.NewEncoder(w).Encode(m) })
	if err != nil {
		return 0, fmt.Errorf("keep popularity: %w", err)
	}
	if version > kept {
		if err := to.Drop(ctx, Artefact, version-kept+1); err != nil {
			return 0, fmt.Errorf("drop old popularity: %w", err)
		}
	}
	return version, nil
}

// load reads one version of the artefact.
func load(ctx context.Context, from files.Files, version uint64) (*popularity, error) {
	path, err := from.Path(ctx, Artefact, version)
	if err != nil {
		return nil, fmt.Errorf("find popularity %d: %w", version, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read popularity %d: %w", version, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	m := new(popularity)
	if err := json.NewDecoder(f).Decode(m); err != nil {
		return nil, fmt.Errorf("read popularity %d: %w", version, err)
	}
	if m.Layout != modelLayout {
		return nil, fmt.Errorf("%w: layout %d", ErrModel, m.Layout)
	}
	return m, nil
}
