package offer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	terms "endcap/retail/offer"
)

// Limits of a basket: more is refused, so that no sum or product of the arithmetic
// can overflow and no basket takes more than its share of a server.
const (
	LinesMax  = 2_000
	PiecesMax = 10_000           // pieces of all lines; a weighed line is one
	TotalMax  = retail.MicrosMax // of the whole basket
	CouponMax = 100              // coupons presented
	VATMax    = terms.PPMAll     // a rate of 100 %
)

// LineID names a line of a basket. Where goods tie, the lower id comes first, byte
// by byte.
type LineID string

// Kind says what a line is to offers.
type Kind uint8

// The kinds. Only goods are ever reduced or counted towards a threshold.
const (
	Goods     Kind = iota
	Deposit        // bottles, crates
	GiftCard       // money in another form
	Regulated      // the law allows no promotion: in some countries infant formula, alcohol, tobacco
)

// Line is one row of a basket, before any offer. Prices hold VAT.
type Line struct {
	ID       LineID
	Product  catalog.Product
	Quantity basket.Quantity // whole pieces, or the weight
	Price    retail.Micros   // of one piece; of a weighed line, of all of it. Whole minor units
	VATPPM   int             // the rate in parts per million: 5.5 % is 55,000
	Weighed  bool
	Kind     Kind
}

// Basket is what is to be paid.
type Basket struct {
	Currency retail.Currency
	Lines    []Line // in any order
}

// Context is what else an evaluation depends on: all of it, for nothing is looked
// up and no clock is read.
type Context struct {
	At            time.Time      // for a redemption of a hold, the instant at which it was taken
	Zone          *time.Location // the store's own
	Store         catalog.StoreID
	Channel       catalog.Channel
	Shopper       bool // she is known, by her card or account
	Household     bool // so is her household
	FirstPurchase bool // she has bought nothing yet
	Audiences     []audience.ID
	Coupons       []Coupon
	// Left is what is left of offers' limits and budgets, holds taken off. An offer
	// that is not named has all of them left.
	Left map[terms.ID]Left
}

// Coupon is one that was presented. The code is whatever tells it from others of
// its offer; the same code twice counts once.
type Coupon struct {
	Offer   terms.ID
	Code    string
	Clipped bool // it comes from her wallet
}

// Left is what is left of the limits that an offer declares; what it does not
// declare is not read.
type Left struct {
	Shopper, Household, Day, Total int64
	Budget                         retail.Micros
}

// article is the pieces of one product at one price. Offers see a basket by
// articles, so that how a till splits its lines changes nothing.
type article struct {
	product  *catalog.Product
	from, to int32 // its pieces
	weighed  bool
}

// goods are a basket as offers see it. Pieces of an article lie together, articles
// in the order of their first lines. Amounts are in the currency's smallest coins.
type goods struct {
	coin     int64 // in micros
	lines    []*Line
	gross    []int64 // by line
	articles []article
	price    []int64 // by piece
	line     []int32 // by piece
	article  []int32 // by piece
}

func wrong(field, cure, format string, args ...any) error {
	return &retail.Error{Kind: retail.Invalid, Field: field, Say: fmt.Sprintf(format, args...), Cure: cure}
}

// unpack checks a basket and takes it apart.
func (b *Book) unpack(k *Basket) (*goods, error) {
	if err := k.Currency.Check(); err != nil {
		return nil, wrong("currency", "use an ISO 4217 code", "unknown currency")
	}
	if len(k.Lines) > LinesMax {
		return nil, &retail.Error{Kind: retail.TooLarge, Field: "lines", Say: fmt.Sprintf("a basket has at most %d lines", LinesMax)}
	}
	g := &goods{coin: int64(k.Currency.Minor()), lines: make([]*Line, len(k.Lines)), gross: make([]int64, len(k.Lines))}
	pieces, total := int64(0), int64(0)
	for i := range k.Lines {
		l := &k.Lines[i]
		if err := l.check(fmt.Sprintf("lines[%d]", i), g.coin); err != nil {
			return nil, err
		}
		g.lines[i] = l
		if pieces += l.pieces(); pieces > PiecesMax {
			return nil, &retail.Error{Kind: retail.TooLarge, Field: "lines", Say: fmt.Sprintf("a basket has at most %d pieces", PiecesMax)}
		}
		total += l.pieces() * (int64(l.Price) / g.coin)
		if total > int64(TotalMax)/g.coin {
			return nil, &retail.Error{Kind: retail.TooLarge, Field: "lines", Say: "a basket costs at most " + TotalMax.Format(k.Currency)}
		}
	}
	slices.SortFunc(g.lines, func(a, b *Line) int { return cmp.Compare(a.ID, b.ID) })
	for i, l := range g.lines {
		if i > 0 && g.lines[i-1].ID == l.ID {
			return nil, wrong("lines", "give each line an id of its own", "two lines have the id %.64q", string(l.ID))
		}
		g.gross[i] = l.pieces() * (int64(l.Price) / g.coin)
	}
	g.lay(b, int(pieces))
	return g, nil
}

// pieces counts what offers take for pieces; only of a line that passed check.
func (l *Line) pieces() int64 {
	if l.Weighed {
		return 1
	}
	return int64(l.Quantity / basket.Piece)
}

func (l *Line) check(field string, coin int64) error {
	switch {
	case l.ID == "" || len(l.ID) > catalog.IDMax:
		return wrong(field+".id", "", "1 to %d bytes", catalog.IDMax)
	case l.Quantity <= 0 || l.Quantity > basket.QuantityMax:
		return wrong(field+".quantity", "leave out what was returned or voided", "a quantity above 0 and at most %d", basket.QuantityMax/basket.Piece)
	case !l.Weighed && l.Quantity%basket.Piece != 0:
		return wrong(field+".quantity", "mark the line as weighed, with its whole price", "a line that is not weighed counts whole pieces")
	case !l.Weighed && l.Quantity/basket.Piece > PiecesMax:
		return &retail.Error{Kind: retail.TooLarge, Field: field + ".quantity", Say: fmt.Sprintf("at most %d pieces", PiecesMax)}
	case l.Price < 0 || l.Price > TotalMax || int64(l.Price)%coin != 0:
		return wrong(field+".price", "", "a price of 0 or more in whole coins")
	case l.VATPPM < 0 || l.VATPPM > VATMax:
		return wrong(field+".vat", "write 5.5 % as 55000", "a rate of 0 to %d parts per million", VATMax)
	case l.Kind > Regulated:
		return wrong(field+".kind", "", "unknown kind")
	}
	return nil
}

// same tells whether two lines hold pieces of one article.
func same(a, b *Line) bool {
	return !a.Weighed && !b.Weighed && a.Price == b.Price && a.VATPPM == b.VATPPM && a.Product == b.Product
}

// lay finds the articles and lays out their pieces. The pieces of an article that
// stands on several lines alternate between them, so that what falls on the first
// pieces is spread over its lines.
func (g *goods) lay(b *Book, pieces int) {
	g.price, g.line, g.article = make([]int64, 0, pieces), make([]int32, 0, pieces), make([]int32, 0, pieces)
	byProduct := make(map[catalog.ProductID][]int, len(g.lines)) // articles' first lines
	members := make([][]int32, len(g.lines))                     // by first line
	for i, l := range g.lines {
		if l.Kind != Goods || b.never.Has(&l.Product) {
			continue
		}
		first := i
		for _, f := range byProduct[l.Product.ID] {
			if same(g.lines[f], l) {
				first = f
				break
			}
		}
		if first == i {
			byProduct[l.Product.ID] = append(byProduct[l.Product.ID], i)
		}
		members[first] = append(members[first], int32(i))
	}
	for i, lines := range members {
		if len(lines) == 0 {
			continue
		}
		a := article{product: &g.lines[i].Product, from: int32(len(g.price)), weighed: g.lines[i].Weighed}
		price := int64(g.lines[i].Price) / g.coin
		for _, line := range g.alternate(lines) {
			g.price, g.line, g.article = append(g.price, price), append(g.line, line), append(g.article, int32(len(g.articles)))
		}
		a.to = int32(len(g.price))
		g.articles = append(g.articles, a)
	}
}

// alternate gives the line of each piece of an article on the given lines: piece t
// of c pieces stands at (2t+1)/2c of the way.
func (g *goods) alternate(lines []int32) []int32 {
	type seat struct {
		line   int32
		at, of int64
	}
	var seats []seat
	for _, line := range lines {
		n := g.lines[line].pieces()
		for t := range n {
			seats = append(seats, seat{line, 2*t + 1, n})
		}
	}
	if len(lines) > 1 {
		slices.SortStableFunc(seats, func(a, b seat) int { return cmp.Compare(a.at*b.of, b.at*a.of) })
	}
	out := make([]int32, len(seats))
	for i, s := range seats {
		out[i] = s.line
	}
	return out
}

// checkContext refuses a context that no evaluation can do with.
func (c *Context) check() error {
	if c.Zone == nil {
		return wrong("zone", "give the store's zone", "no zone")
	}
	if len(c.Coupons) > CouponMax {
		return &retail.Error{Kind: retail.TooLarge, Field: "coupons", Say: fmt.Sprintf("at most %d coupons", CouponMax)}
	}
	return nil
}

// presented lists each coupon once, by offer and code.
func (c *Context) presented() []Coupon {
	all := slices.Clone(c.Coupons)
	slices.SortFunc(all, func(a, b Coupon) int {
		return cmp.Or(cmp.Compare(a.Offer, b.Offer), strings.Compare(a.Code, b.Code))
	})
	return slices.CompactFunc(all, func(a, b Coupon) bool { return a.Offer == b.Offer && a.Code == b.Code })
}
