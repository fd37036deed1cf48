package ingest

import (
	"fmt"
	"strconv"
	"time"

	"endcap/retail"
	"endcap/retail/catalog"
)

// StockMax bounds a count of stock either way. Counts below zero come from
// tills that sold what the books did not have.
const StockMax = 1_000_000_000

func checkProduct(p *catalog.Product) *Fault {
	if say := wordFault(string(p.ID), catalog.IDMax); say != "" {
		return fault(NoID, "id", say, "name the product by its SKU or GTIN")
	}
	for _, t := range [...]struct{ field, text string }{
		{"name", p.Name},
		{"brand", string(p.Brand)},
		{"department", string(p.Department)},
		{"category", string(p.Category)},
		{"type", string(p.Type)},
		{"size", p.Size},
	} {
		if say := textFault(t.text); say != "" {
			return fault(BadValue, t.field, say, fmt.Sprintf("use up to %d bytes of UTF-8", catalog.TextMax))
		}
	}
	return nil
}

func checkStore(s *catalog.Store) *Fault {
	if say := wordFault(string(s.ID), catalog.IDMax); say != "" {
		return fault(NoID, "id", say, "name the store by its id")
	}
	if say := textFault(s.Name); say != "" {
		return fault(BadValue, "name", say, fmt.Sprintf("use up to %d bytes of UTF-8", catalog.TextMax))
	}
	if s.Channel > catalog.Online {
		return fault(BadValue, "channel", "unknown channel", "say in_store or online")
	}
	if s.Zone == "" {
		return nil
	}
	if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "Local" {
		return fault(BadValue, "zone", fmt.Sprintf("unknown zone %.64q", s.Zone), "use an IANA name such as Europe/Paris")
	}
	return nil
}

func checkPlace(p catalog.ProductID, s catalog.StoreID) *Fault {
	if say := wordFault(string(p), catalog.IDMax); say != "" {
		return fault(NoID, "product", say, "name the product by its SKU or GTIN")
	}
	if say := wordFault(string(s), catalog.IDMax); s != "" && say != "" {
		return fault(BadValue, "store", say, "name the store by its id, or leave it out for every store")
	}
	return nil
}

func (c *Config) checkPrice(p *catalog.Price) *Fault {
	if f := checkPlace(p.Product, p.Store); f != nil {
		return f
	}
	if p.Amount.Currency.Check() != nil {
		return fault(BadValue, "currency", fmt.Sprintf("unknown currency %.8q", string(p.Amount.Currency)), "use an ISO 4217 code such as EUR")
	}
	if p.Amount.Amount < 0 || p.Amount.Amount > c.LineAmountMax {
		return fault(Absurd, "amount", fmt.Sprintf("a price of %v", p.Amount), fmt.Sprintf("a price lies between 0 and %s", retail.Money{Amount: c.LineAmountMax, Currency: p.Amount.Currency}))
	}
	return nil
}

func checkStock(s *catalog.Stock) *Fault {
	if f := checkPlace(s.Product, s.Store); f != nil {
		return f
	}
	if s.Count > StockMax || s.Count < -StockMax {
		return fault(Absurd, "count", strconv.FormatInt(s.Count, 10)+" pieces", fmt.Sprintf("a count lies within %d either way", StockMax))
	}
	return nil
}
