package event

import (
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/trial"
)

func (Receipt) version() uint8      { return 1 }
func (Product) version() uint8      { return 1 }
func (Store) version() uint8        { return 1 }
func (Price) version() uint8        { return 1 }
func (Stock) version() uint8        { return 1 }
func (Consent) version() uint8      { return 1 }
func (Decided) version() uint8      { return 2 }
func (Shown) version() uint8        { return 1 }
func (Clicked) version() uint8      { return 1 }
func (Basketed) version() uint8     { return 1 }
func (Purchased) version() uint8    { return 1 }
func (Billed) version() uint8       { return 1 }
func (TermsChanged) version() uint8 { return 1 }
func (DayTurned) version() uint8    { return 1 }
func (Tallied) version() uint8      { return 1 }
func (Forgotten) version() uint8    { return 1 }
func (Moved) version() uint8        { return 1 }
func (Promotions) version() uint8   { return 1 }
func (Clustered) version() uint8    { return 1 }

// decoders holds, for each kind, the readers of its versions 1, 2, ….
var decoders = [kindCount][]func(*reader) Body{
	KindReceipt:      {readReceipt},
	KindProduct:      {readProduct},
	KindStore:        {readStore},
	KindPrice:        {readPrice},
	KindStock:        {readStock},
	KindConsent:      {readConsent},
	KindDecided:      {func(r *reader) Body { return readDecided(r) }, readBasis},
	KindShown:        {func(r *reader) Body { return Shown{readTouch(r)} }},
	KindClicked:      {func(r *reader) Body { return Clicked{readTouch(r), r.bool()} }},
	KindBasketed:     {func(r *reader) Body { return Basketed{readTouch(r)} }},
	KindPurchased:    {func(r *reader) Body { return Purchased{readTouch(r), readText[basket.ReceiptID](r)} }},
	KindBilled:       {readBilled},
	KindTermsChanged: {readTerms},
	KindDayTurned:    {func(r *reader) Body { return DayTurned{r.day()} }},
	KindTallied:      {readTallied},
	KindForgotten:    {func(*reader) Body { return Forgotten{} }},
	KindMoved:        {func(*reader) Body { return Moved{} }},
	KindPromotions:   {readPromotions},
	KindClustered:    {func(r *reader) Body { return Clustered{shopper.FromUint64(r.uint())} }},
}

func (b Receipt) encode(w *writer) {
	writeText(w, b.ID)
	w.uint(uint64(b.Version))
	writeText(w, b.Store)
	w.byte(uint8(b.Channel))
	w.time(b.At)
	writeText(w, b.Currency)
	w.uint(uint64(b.Marks))
	w.uint(uint64(len(b.Lines)))
	for i := range b.Lines {
		l := &b.Lines[i]
		writeText(w, l.Product)
		w.int(int64(l.Quantity))
		w.micros(l.UnitPrice)
		w.micros(l.Sales)
		w.micros(l.RetailDiscount)
		w.micros(l.CouponDiscount)
		w.micros(l.CouponMatch)
		w.uint(uint64(l.Marks))
	}
}

func readReceipt(r *reader) Body {
	b := Receipt{basket.Receipt{
		ID: readText[basket.ReceiptID](r), Version: r.uint32(), Store: readText[catalog.StoreID](r),
		Channel: catalog.Channel(r.byte()), At: r.time(), Currency: readText[retail.Currency](r), Marks: readMark(r),
	}}
	if n := r.count(8); n > 0 {
		b.Lines = r.lines.take(n)
	}
	for i := range b.Lines {
		b.Lines[i] = basket.Line{
			Product: readText[catalog.ProductID](r), Quantity: basket.Quantity(r.int()), UnitPrice: r.micros(), Sales: r.micros(),
			RetailDiscount: r.micros(), CouponDiscount: r.micros(), CouponMatch: r.micros(), Marks: readMark(r),
		}
	}
	return b
}

func readMark(r *reader) basket.Mark {
	v := r.uint()
	if v > 1<<16-1 {
		r.bad = true
	}
	return basket.Mark(v)
}

func (b Product) encode(w *writer) {
	writeText(w, b.ID)
	w.uint(uint64(b.GTIN))
	writeText(w, b.Name)
	writeText(w, b.Brand)
	writeText(w, b.Department)
	writeText(w, b.Category)
	writeText(w, b.Type)
	writeText(w, b.Size)
	w.bool(b.OwnLabel)
}

func readProduct(r *reader) Body {
	return Product{catalog.Product{
		ID: readText[catalog.ProductID](r), GTIN: catalog.GTIN(r.uint()), Name: readText[string](r), Brand: readText[catalog.Brand](r),
		Department: readText[catalog.Department](r), Category: readText[catalog.Category](r), Type: readText[catalog.Type](r),
		Size: readText[string](r), OwnLabel: r.bool(),
	}}
}

func (b Store) encode(w *writer) {
	writeText(w, b.ID)
	writeText(w, b.Name)
	w.byte(uint8(b.Channel))
	writeText(w, b.Zone)
}

func readStore(r *reader) Body {
	return Store{catalog.Store{
		ID: readText[catalog.StoreID](r), Name: readText[string](r), Channel: catalog.Channel(r.byte()), Zone: readText[string](r),
	}}
}

func (b Price) encode(w *writer) {
	writeText(w, b.Product)
	writeText(w, b.Store)
	w.micros(b.Amount.Amount)
	writeText(w, b.Amount.Currency)
}

func readPrice(r *reader) Body {
	return Price{catalog.Price{
		Product: readText[catalog.ProductID](r), Store: readText[catalog.StoreID](r),
		Amount: retail.Money{Amount: r.micros(), Currency: readText[retail.Currency](r)},
	}}
}

func (b Stock) encode(w *writer) {
	writeText(w, b.Product)
	writeText(w, b.Store)
	w.int(b.Count)
}

func readStock(r *reader) Body {
	return Stock{catalog.Stock{Product: readText[catalog.ProductID](r), Store: readText[catalog.StoreID](r), Count: r.int()}}
}

func (b Consent) encode(w *writer) {
	w.byte(uint8(b.Allowed))
	writeText(w, b.Wording)
}

func readConsent(r *reader) Body {
	return Consent{consent.Set(r.byte()), readText[string](r)}
}

func (b Decided) encode(w *writer) {
	w.raw(b.Decision[:])
	w.byte(uint8(b.Channel))
	writeText(w, b.Store)
	w.uint(uint64(len(b.Wins)))
	for i := range b.Wins {
		v := &b.Wins[i]
		writeText(w, v.Placement)
		w.byte(v.Slot)
		writeText(w, v.Advertiser)
		writeText(w, v.Campaign)
		writeText(w, v.LineItem)
		writeText(w, v.Product)
		w.micros(v.Price)
		writeText(w, v.Currency)
		w.byte(uint8(v.Arm))
	}
	w.uint(uint64(len(b.Refusals)))
	for _, v := range b.Refusals {
		writeText(w, v.Reason)
		w.uint(uint64(v.Count))
	}
	w.bytes(b.Record)
	w.bytes(b.Basis)
}

// readBasis reads the second version of Decided; the first has no basis.
func readBasis(r *reader) Body {
	b := readDecided(r)
	b.Basis = r.bytes()
	return b
}

func readDecided(r *reader) Decided {
	b := Decided{Decision: readDecisionID(r), Channel: catalog.Channel(r.byte()), Store: readText[catalog.StoreID](r)}
	if n := r.count(9); n > 0 {
		b.Wins = make([]Win, n)
	}
	for i := range b.Wins {
		b.Wins[i] = Win{
			readText[media.PlacementID](r), r.byte(), readText[media.AdvertiserID](r), readText[media.CampaignID](r),
			readText[media.LineItemID](r), readText[catalog.ProductID](r), r.micros(), readText[retail.Currency](r), trial.Arm(r.byte()),
		}
	}
	if n := r.count(2); n > 0 {
		b.Refusals = make([]RefusalCount, n)
	}
	for i := range b.Refusals {
		b.Refusals[i] = RefusalCount{readText[Refusal](r), r.uint32()}
	}
	b.Record = r.bytes()
	return b
}

func readDecisionID(r *reader) (d media.DecisionID) {
	copy(d[:], r.take(len(d)))
	return d
}

func (b Touch) encode(w *writer) {
	w.raw(b.Decision[:])
	w.byte(b.Slot)
	writeText(w, b.Advertiser)
	writeText(w, b.Campaign)
	writeText(w, b.LineItem)
	writeText(w, b.Placement)
	writeText(w, b.Product)
	w.byte(uint8(b.Charge))
	w.micros(b.Price)
	writeText(w, b.Currency)
	w.byte(uint8(b.Arm))
	w.day(b.Day)
	w.time(b.Issued)
}

func readTouch(r *reader) Touch {
	return Touch{
		readDecisionID(r), r.byte(), readText[media.AdvertiserID](r), readText[media.CampaignID](r), readText[media.LineItemID](r),
		readText[media.PlacementID](r), readText[catalog.ProductID](r), media.Charge(r.byte()), r.micros(),
		readText[retail.Currency](r), trial.Arm(r.byte()), r.day(), r.time(),
	}
}

func (b Clicked) encode(w *writer) {
	b.Touch.encode(w)
	w.bool(b.Bot)
}

func (b Purchased) encode(w *writer) {
	b.Touch.encode(w)
	writeText(w, b.Receipt)
}

func (b Billed) encode(w *writer) {
	writeText(w, b.Click)
	w.raw(b.Decision[:])
	w.byte(b.Slot)
	writeText(w, b.Advertiser)
	writeText(w, b.Campaign)
	writeText(w, b.LineItem)
	w.byte(uint8(b.Charge))
	w.micros(b.Amount)
	writeText(w, b.Currency)
	w.day(b.Day)
	writeText(w, b.Reason)
}

func readBilled(r *reader) Body {
	return Billed{
		readText[string](r), readDecisionID(r), r.byte(), readText[media.AdvertiserID](r), readText[media.CampaignID](r),
		readText[media.LineItemID](r), media.Charge(r.byte()), r.micros(), readText[retail.Currency](r), r.day(), readText[Refusal](r),
	}
}

func (b TermsChanged) encode(w *writer) {
	writeText(w, b.Of)
	writeText(w, b.ID)
	w.uint(b.Version)
	w.bytes(b.Doc)
	w.bool(b.Removed)
	writeText(w, b.By)
}

func readTerms(r *reader) Body {
	return TermsChanged{readText[string](r), readText[string](r), r.uint(), r.bytes(), r.bool(), readText[string](r)}
}

func (b DayTurned) encode(w *writer) { w.day(b.Day) }

func (b Tallied) encode(w *writer) {
	w.uint(uint64(len(b.Tallies)))
	for _, v := range b.Tallies {
		writeText(w, v.LineItem)
		writeText(w, v.Reason)
		w.uint(uint64(v.Count))
	}
}

func readTallied(r *reader) Body {
	var b Tallied
	if n := r.count(3); n > 0 {
		b.Tallies = make([]Tally, n)
	}
	for i := range b.Tallies {
		b.Tallies[i] = Tally{readText[media.LineItemID](r), readText[Refusal](r), r.uint32()}
	}
	return b
}

func (Forgotten) encode(*writer) {}

func (Moved) encode(*writer) {}

func (b Clustered) encode(w *writer) { w.uint(b.Canonical.Reveal()) }
