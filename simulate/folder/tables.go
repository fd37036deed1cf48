package folder

import (
	"encoding/hex"
	"fmt"
	"io"
	"strconv"

	pq "github.com/parquet-go/parquet-go"

	"endcap/simulate/grocer"
	"endcap/simulate/people"
)

// table is one file that does not change with the weeks.
type table struct {
	name  string
	write func(w *writer, name string) (int64, error)
}

// tables lists them in the order in which they are written.
func (w *writer) tables() []table {
	return []table{
		{"stores.parquet", (*writer).stores},
		{"products.parquet", (*writer).products},
		{"shoppers.parquet", (*writer).shoppers},
		{"campaigns.parquet", (*writer).campaigns},
		{"coupons.parquet", (*writer).coupons},
		{"targets.parquet", (*writer).targets},
		{"truth/shoppers.parquet", (*writer).truthShoppers},
		{weekFile("truth/links", 0), (*writer).truthLinks},
		{"truth/clicks.json", (*writer).truthClicks},
		{weekFile("consents", 0), (*writer).firstConsents},
		{weekFile("prices", 0), (*writer).firstPrices},
		{weekFile("stock", 0), (*writer).firstStock},
	}
}

func weekFile(folder string, week int) string {
	return fmt.Sprintf("%s/week-%04d.parquet", folder, week)
}

// rowsBuffer is how many rows are handed to Parquet at once, and groupRows how
// many make a row group, so that a table of any length takes little memory.
const (
	rowsBuffer = 4_096
	groupRows  = 65_536
)

// stream writes a table row by row.
func stream[T any](w *writer, name string, each func(yield func(T) error) error) (rows int64, err error) {
	err = w.create(name, func(out io.Writer) error {
		to := pq.NewGenericWriter[T](out, append(options(), pq.MaxRowsPerRowGroup(groupRows))...)
		buf := make([]T, 0, rowsBuffer)
		flush := func() error {
			_, err := to.Write(buf)
			rows += int64(len(buf))
			buf = buf[:0]
			return err
		}
		err := each(func(row T) error {
			if buf = append(buf, row); len(buf) == rowsBuffer {
				return flush()
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := flush(); err != nil {
			return err
		}
		return to.Close()
	})
	return rows, err
}

// writeRows writes rows that are at hand.
func writeRows[T any](w *writer, name string, rows []T) error {
	_, err := stream(w, name, func(yield func(T) error) error {
		for _, r := range rows {
			if err := yield(r); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

type storeRow struct {
	Store      string `parquet:"store"`
	Name       string `parquet:"name"`
	Channel    string `parquet:"channel"`
	Commune    string `parquet:"commune_code,optional"`
	Town       string `parquet:"commune,optional"`
	Department string `parquet:"department_code,optional"`
	Region     string `parquet:"region_code,optional"`
	Population int32  `parquet:"commune_population,optional"`
}

func (w *writer) stores(name string) (int64, error) {
	return stream(w, name, func(yield func(storeRow) error) error {
		for i := range w.world.Grocer.Stores {
			s := &w.world.Grocer.Stores[i]
			row := storeRow{
				Store: s.ID, Name: s.Name, Channel: "in_store", Commune: s.Commune.Code, Town: s.Commune.Name,
				Department: s.Commune.Department, Region: s.Commune.Region, Population: int32(s.Commune.Population),
			}
			if s.Online {
				row.Channel = "online"
			}
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	})
}

type productRow struct {
	GTIN       int64  `parquet:"gtin"`
	Name       string `parquet:"name"`
	Brand      string `parquet:"brand,dict"`
	Department string `parquet:"department,dict"`
	Category   string `parquet:"category,dict"`
	Type       string `parquet:"type,dict"`
	Size       string `parquet:"size,dict"`
	Own        string `parquet:"own_label,dict"`
	Price      int32  `parquet:"price,decimal(2:9)"` // on the shelf, tax included
	Cost       int32  `parquet:"cost,decimal(2:9)"`  // without tax
	VAT        int32  `parquet:"vat_percent,decimal(1:9)"`
	NutriScore string `parquet:"nutri_score,optional,dict"`
}

func (w *writer) products(name string) (int64, error) {
	g := w.world.Grocer
	return stream(w, name, func(yield func(productRow) error) error {
		for i := range g.Products {
			p := &g.Products[i]
			c := &g.Categories[p.Category]
			row := productRow{
				GTIN: p.GTIN, Name: g.Name(int32(i)), Brand: g.Brands[p.Brand], Department: c.Department, Category: c.Name, Type: c.Heads[p.Head],
				Size: g.Size(int32(i)), Own: strconv.FormatBool(p.Brand == 0), Price: p.Price, Cost: p.Cost, VAT: int32(c.VAT),
			}
			if p.Grade > 0 {
				row.NutriScore = string(rune('A' + p.Grade - 1))
			}
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// shopperRow is what one system of the retailer knows of one person.
type shopperRow struct {
	System  string  `parquet:"system,dict"`
	Card    *int64  `parquet:"card,optional"`
	Account *int64  `parquet:"account,optional"`
	Email   *string `parquet:"email_sha256,optional"`
	Device  *string `parquet:"device,optional"`
}

// shoppers writes the rows of the till desk (card and, for most, e-mail) and of
// the online shop (account, e-mail, device). Only the e-mail links the two.
func (w *writer) shoppers(name string) (int64, error) {
	return stream(w, name, func(yield func(shopperRow) error) error {
		for i := range w.world.Crowd.Shoppers {
			for _, row := range w.known(i) {
				if err := yield(row); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// known is what the systems know of shopper i, a row each.
func (w *writer) known(i int) []shopperRow {
	c := w.world.Crowd
	account, desk := c.Email(i)
	mail, heard := hex.EncodeToString(account[:]), hex.EncodeToString(desk[:])
	var rows []shopperRow
	if card, _, has := c.Card(i); has && c.Shoppers[i].Has&people.Card != 0 {
		row := shopperRow{System: "till desk", Card: &card}
		if i%5 != 0 { // one in five gives no address
			row.Email = &heard
		}
		rows = append(rows, row)
	}
	if number, has := c.Account(i); has {
		device := c.Device(i, 1)
		rows = append(rows, shopperRow{System: "online shop", Account: &number, Email: &mail, Device: &device})
	}
	return rows
}

type campaignRow struct {
	Campaign int32  `parquet:"campaign"`
	Type     string `parquet:"type"`
	First    int32  `parquet:"first_day,date"`
	Last     int32  `parquet:"last_day,date"`
}

func (w *writer) campaigns(name string) (int64, error) {
	first := int32(w.Scenario.First())
	return stream(w, name, func(yield func(campaignRow) error) error {
		for n, c := range w.world.Campaigns() {
			if err := yield(campaignRow{int32(n), c.Type, first + int32(c.From), first + int32(c.To) - 1}); err != nil {
				return err
			}
		}
		return nil
	})
}

type couponRow struct {
	Campaign int32 `parquet:"campaign"`
	Coupon   int32 `parquet:"coupon"`
	Product  int64 `parquet:"product"`
	Value    int32 `parquet:"value,decimal(2:9)"`
}

func (w *writer) coupons(name string) (int64, error) {
	return stream(w, name, func(yield func(couponRow) error) error {
		for n, c := range w.world.Campaigns() {
			for k := range c.Coupons {
				for _, p := range c.Coupons[k].Products {
					if err := yield(couponRow{int32(n), int32(k), w.world.Grocer.Products[p].GTIN, c.Coupons[k].Cents}); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

type targetRow struct {
	Campaign int32 `parquet:"campaign"`
	Card     int64 `parquet:"card"`
}

// targets writes who is sent which campaign, of those with a card.
func (w *writer) targets(name string) (int64, error) {
	campaigns := w.world.Campaigns()
	return stream(w, name, func(yield func(targetRow) error) error {
		for n := range campaigns {
			for i := range w.world.Crowd.Shoppers {
				if !campaigns[n].Targeted(i) {
					continue
				}
				if card, _, has := w.world.Crowd.Card(i); has {
					if err := yield(targetRow{int32(n), card}); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

type consentRow struct {
	ID      string `parquet:"id"`
	Time    int64  `parquet:"time,timestamp(microsecond)"`
	Card    *int64 `parquet:"card,optional"`
	Account *int64 `parquet:"account,optional"`
	Allowed string `parquet:"allowed,dict"`
	Wording string `parquet:"wording,dict"`
	Channel string `parquet:"channel,dict"`
}

// say is one row of consents of shopper i.
func (w *writer) say(i int, id, allowed string, at int64) consentRow {
	row := consentRow{ID: fmt.Sprintf("%s-%d", id, i), Time: at, Allowed: allowed, Wording: "simulated", Channel: "account"}
	if account, has := w.world.Crowd.Account(i); has {
		row.Account = &account
		return row
	}
	card, _, _ := w.world.Crowd.Card(i)
	row.Card, row.Channel = &card, "till desk"
	return row
}

// firstConsents writes what shoppers said before the first day.
func (w *writer) firstConsents(name string) (int64, error) {
	at := w.Scenario.First().UTC().UnixMicro() - 86_400_000_000
	return stream(w, name, func(yield func(consentRow) error) error {
		for i := range w.world.Crowd.Shoppers {
			if s := w.world.Crowd.Saying(i); s.Said {
				if err := yield(w.say(i, "first", s.Allowed, at)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

type priceRow struct {
	Product int64 `parquet:"product"`
	Time    int64 `parquet:"time,timestamp(microsecond)"`
	Amount  int32 `parquet:"amount,decimal(2:9)"`
}

// firstPrices writes what every product costs on the first day.
func (w *writer) firstPrices(name string) (int64, error) {
	return w.prices(name, w.world.Grocer.Week(0), nil, 0)
}

// prices writes what costs something else in a week than in the one before.
func (w *writer) prices(name string, now, before *grocer.Week, at int64) (int64, error) {
	if at == 0 {
		at = w.Scenario.First().Start(w.world.Zone()).UnixMicro()
	}
	g := w.world.Grocer
	return stream(w, name, func(yield func(priceRow) error) error {
		for i := range g.Products {
			cut := now.Cut(int32(i))
			if before != nil && before.Cut(int32(i)) == cut {
				continue
			}
			if err := yield(priceRow{g.Products[i].GTIN, at, g.Products[i].Price - cut}); err != nil {
				return err
			}
		}
		return nil
	})
}

type stockRow struct {
	Product int64  `parquet:"product"`
	Store   string `parquet:"store,dict"`
	Time    int64  `parquet:"time,timestamp(microsecond)"`
	Count   int32  `parquet:"count"`
}

// firstStock writes what every store has of its range on the first day.
func (w *writer) firstStock(name string) (int64, error) {
	g := w.world.Grocer
	at := w.Scenario.First().Start(w.world.Zone()).UnixMicro()
	return stream(w, name, func(yield func(stockRow) error) error {
		for s := range g.Stores {
			for i := range g.Products {
				if !g.Carries(s, int32(i)) {
					continue
				}
				if err := yield(stockRow{g.Products[i].GTIN, g.Stores[s].ID, at, int32(g.Count(s, int32(i), 0))}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
