package calibrate

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"

	"endcap/retail"
	"endcap/simulate/model"
)

type journeyLine struct {
	House    int64            `parquet:"household_id"`
	Basket   int64            `parquet:"basket_id"`
	Product  int64            `parquet:"product_id"`
	Quantity int64            `parquet:"quantity"`
	Sales    float64          `parquet:"sales_value"`
	Discount float64          `parquet:"retail_disc"`
	At       deprecated.Int96 `parquet:"transaction_timestamp"`
}

type journeyProduct struct {
	Product      int64  `parquet:"product_id"`
	Manufacturer int64  `parquet:"manufacturer_id"`
	Department   string `parquet:"department,optional"`
	Category     string `parquet:"product_category,optional"`
}

type journeyCampaign struct {
	Campaign int64            `parquet:"campaign_id"`
	House    int64            `parquet:"household_id,optional"`
	Type     string           `parquet:"campaign_type,optional"`
	Start    deprecated.Int96 `parquet:"start_date,optional"`
	End      deprecated.Int96 `parquet:"end_date,optional"`
}

// Journey reads The Complete Journey 2.0 as `make data` fetches it. Left out are
// lines of quantity 0, of products without a catalogue row and of coupons; fuel
// is what is counted in thousandths. Days are those of New York.
func Journey(dir string) (*Log, error) {
	products, err := readAll[journeyProduct](filepath.Join(dir, "products.parquet"))
	if err != nil {
		return nil, err
	}
	rows, err := readAll[journeyLine](filepath.Join(dir, "transactions.parquet"))
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		return nil, fmt.Errorf("find zone: %w", err)
	}
	slices.SortStableFunc(rows, func(a, b journeyLine) int {
		return cmp.Or(cmp.Compare(a.House, b.House), cmp.Compare(micros(a.At), micros(b.At)), cmp.Compare(a.Basket, b.Basket))
	})
	l := &Log{Days: 364, FirstDay: 6}
	l.gather(rows, catalogueOf(products), zone)
	if len(l.Baskets) == 0 {
		return nil, fmt.Errorf("%s holds no baskets", dir)
	}
	return l, l.campaigns(dir)
}

// micros is an INT96 timestamp: nanoseconds of a Julian day.
func micros(at deprecated.Int96) int64 {
	const epoch = 2_440_588 // the Julian day of 1970-01-01
	return (int64(at[2])-epoch)*86_400_000_000 + int64(uint64(at[1])<<32|uint64(at[0]))/1_000
}

// known is what the catalogue says of a product.
type known struct {
	number, category, brand int32
	department              uint8
}

func catalogueOf(products []journeyProduct) map[int64]known {
	out := make(map[int64]known, len(products))
	categories := make(map[string]int32)
	for _, p := range products {
		d, ok := departmentOf(p.Department, p.Category)
		if !ok {
			continue
		}
		c, seen := categories[p.Category]
		if !seen {
			c = int32(len(categories))
			categories[p.Category] = c
		}
		out[p.Product] = known{int32(len(out)), c, int32(p.Manufacturer), d}
	}
	return out
}

// gather makes baskets of sorted rows.
func (l *Log) gather(rows []journeyLine, products map[int64]known, zone *time.Location) {
	first := retail.Date(2017, time.January, 1)
	var house, basket int64
	for i := range rows {
		r := &rows[i]
		p, ok := products[r.Product]
		if !ok || r.Quantity <= 0 {
			continue
		}
		if p.department == bazaar && r.Quantity > 1_000 {
			p.department = model.Fuel
		}
		if l.Houses == 0 || r.House != house {
			house, l.Houses = r.House, l.Houses+1
		}
		if len(l.Baskets) == 0 || r.Basket != basket {
			basket = r.Basket
			at := time.UnixMicro(micros(r.At)).In(zone)
			day := min(int32(retail.DayOf(at, zone)-first), int32(l.Days))
			l.Baskets = append(l.Baskets, Basket{
				House: int32(l.Houses - 1), Day: day, Minute: int32(at.Hour()*60 + at.Minute()), From: int32(len(l.Lines)),
			})
		}
		pieces := int32(min(r.Quantity, 100))
		if p.department == model.Fuel {
			pieces = 1
		}
		l.Lines = append(l.Lines, Line{
			Product: p.number, Category: p.category, Brand: p.brand, Department: p.department, Pieces: pieces,
			Sales: int32(math.Round(r.Sales * 100)), Discount: int32(math.Round(max(r.Discount, 0) * 100)),
		})
		l.Baskets[len(l.Baskets)-1].To = int32(len(l.Lines))
	}
}

// campaigns reads who was sent which coupons, and who redeemed how many.
func (l *Log) campaigns(dir string) error {
	descriptions, err := readAll[journeyCampaign](filepath.Join(dir, "campaign_descriptions.parquet"))
	if err != nil {
		return err
	}
	targets, err := readAll[journeyCampaign](filepath.Join(dir, "campaigns.parquet"))
	if err != nil {
		return err
	}
	redemptions, err := readAll[journeyCampaign](filepath.Join(dir, "coupon_redemptions.parquet"))
	if err != nil {
		return err
	}
	type key struct{ house, campaign int64 }
	counts := make(map[key]int)
	for _, r := range redemptions {
		counts[key{r.House, r.Campaign}]++
	}
	l.Campaigns, l.CampaignOf = make(map[string]float64), make(map[string]int)
	days := make(map[string]int)
	kind := make(map[int64]string)
	for _, d := range descriptions {
		kind[d.Campaign] = d.Type
		l.Campaigns[d.Type]++
		days[d.Type] += int(d.End[2]-d.Start[2]) + 1
	}
	for t, n := range days {
		l.CampaignOf[t] = n / int(l.Campaigns[t])
	}
	for _, t := range targets {
		l.Targets = append(l.Targets, Redeemed{Type: kind[t.Campaign], Redemptions: counts[key{t.House, t.Campaign}]})
	}
	return nil
}

// readAll reads a Parquet file whole.
func readAll[T any](name string) (out []T, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, &retail.Error{Kind: retail.NotFound, Field: "data", Say: "The Complete Journey is not there", Err: err, Cure: "make data fetches it"}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := pq.NewGenericReader[T](f)
	defer func() { err = errors.Join(err, r.Close()) }()
	out = make([]T, r.NumRows())
	for n := 0; n < len(out); {
		got, err := r.Read(out[n:])
		n += got
		if err != nil && !errors.Is(err, io.EOF) || got == 0 {
			return nil, fmt.Errorf("read %s: %d rows of %d: %w", name, n, len(out), err)
		}
	}
	return out, nil
}

// Departments of the model, by their place in its range.
const (
	produce = iota
	meat
	packaged
	fish
	deli
	bakery
	dairy
	frozen
	savoury
	sweet
	drinks
	alcohol
	nutrition
	bazaar
	household
	garden
)

// names are the departments as the grocer's range calls them.
var names = [model.Departments]string{
	"Fruits et légumes", "Boucherie et volaille", "Charcuterie", "Poissonnerie", "Traiteur et coupe", "Boulangerie-pâtisserie", "Crémerie", "Surgelés",
	"Épicerie salée", "Épicerie sucrée", "Boissons", "Vins, bières et spiritueux", "Bio et diététique", "Hygiène, beauté et bazar", "Entretien et maison",
	"Fleurs et jardin", "Carburant",
}

// departmentOf says which of the model's departments a product of The Complete
// Journey belongs to, and whether it belongs to any.
func departmentOf(department, category string) (uint8, bool) {
	switch department {
	case "", "COUPON", "CNTRL/STORE SUP", "POSTAL CENTER":
		return 0, false
	case "FUEL":
		return model.Fuel, true
	case "PRODUCE", "SALAD BAR", "PROD-WHS SALES":
		return produce, true
	case "MEAT":
		return meat, true
	case "MEAT-PCKGD":
		return packaged, true
	case "SEAFOOD", "SEAFOOD-PCKGD":
		return fish, true
	case "DELI", "CHEF SHOPPE", "RESTAURANT":
		return deli, true
	case "PASTRY":
		return bakery, true
	case "FROZEN GROCERY":
		return frozen, true
	case "SPIRITS":
		return alcohol, true
	case "NUTRITION":
		return nutrition, true
	case "FLORAL", "GARDEN CENTER":
		return garden, true
	case "GROCERY":
		return aisleOf(category), true
	default:
		if strings.HasPrefix(category, "CANDY") {
			return sweet, true
		}
		return bazaar, true
	}
}

// aisleOf splits the one department that American grocers call grocery.
func aisleOf(category string) uint8 {
	for _, aisle := range []struct {
		department uint8
		words      []string
	}{
		{frozen, []string{"FRZN", "FROZEN", "ICE CREAM"}},
		{dairy, []string{"MILK", "CHEESE", "YOGURT", "EGGS", "BUTTER", "MARGARINE", "DAIRY", "REFRGRATD DOUGH"}},
		{alcohol, []string{"WINE", "BEER", "LIQUOR"}},
		{drinks, []string{"SOFT DRINK", "JUICE", "WATER", "ISOTONIC", "DRNK", "NEW AGE"}},
		{bakery, []string{"BAKED BREAD", "BAKED SWEET"}},
		{household, []string{"TISS", "TOWEL", "PAPER", "DETERG", "LAUNDRY", "BLEACH", "CLEANG", "WRAPS", "AIR CARE", "CAT ", "DOG ", "PET ", "BIRD"}},
		{sweet, []string{"CEREAL", "COOKIE", "BRKFST", "COFFEE", "TEAS", "COCOA", "JELLY", "SUGAR", "BAKING", "SYRUP", "DESSERT", "FRUIT", "CRACKERS"}},
	} {
		for _, w := range aisle.words {
			if strings.Contains(category, w) {
				return aisle.department
			}
		}
	}
	return savoury
}
