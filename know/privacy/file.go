package privacy

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"endcap/keep/vault"
	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/shopper"
)

// The questions about shoppers ask for rows by the ids under which they came, for
// which $who stands: history finds those at once, while it would have to work out
// of every row as whom its shopper is known by now. They are asked of all rows,
// whatever she allows, because they are her own.
const (
	purchasesSQL = `select l."at", l.receipt, l.store, l.channel, l.line, l.product, p.gtin, p.name, p.brand, l.quantity,
		l.unit_price, l.sales, l.retail_discount, l.coupon_discount, l.coupon_match, l.currency
		from lines l left join products p on p.product = l.product where l.came_as in $who`
	touchesSQL = `select "at", kind, advertiser, campaign, product from touches where came_as in $who`
	winsSQL    = `select "at", advertiser, campaign, product, arm from wins where came_as in $who`
)

// File is all that is known of a shopper. Portable leaves out what was worked
// out of her rather than given or observed.
type File struct {
	Retailer    string       `json:"retailer"`
	Made        time.Time    `json:"made"`
	Identifiers []Identifier `json:"identifiers"`
	Consents    []Consent    `json:"consents"`
	Purchases   []Purchase   `json:"purchases"`
	Adverts     []Advert     `json:"adverts"`
	Disclosed   []Told       `json:"disclosed"`
	Derived     *Derived     `json:"derived,omitempty"`
	About       *About       `json:"about,omitempty"`
}

// Identifier is one key of hers.
type Identifier struct {
	Kind  shopper.KeyKind `json:"kind"`
	Value string          `json:"value"`
}

// Consent is one thing she said.
type Consent struct {
	At       time.Time  `json:"at"`
	Allowed  []string   `json:"allowed"`
	Refused  []string   `json:"refused,omitempty"`
	Until    *time.Time `json:"until,omitempty"` // when what is allowed lapses
	Wording  string     `json:"wording,omitempty"`
	Version  int64      `json:"version,omitempty"`
	Language string     `json:"language,omitempty"`
	Text     string     `json:"text,omitempty"` // that she was shown, where it is registered
	Means    string     `json:"means,omitempty"`
	Evidence string     `json:"evidence,omitempty"` // the consent string
	Channel  string     `json:"channel,omitempty"`
	Country  string     `json:"country,omitempty"`
	Note     string     `json:"note,omitempty"` // why something does not count
	Source   string     `json:"source"`
	Digest   string     `json:"digest,omitempty"` // under which it stands in the chain of consents
}

// Purchase is one line of a receipt. Amounts are decimal.
type Purchase struct {
	At             time.Time `json:"at"`
	Receipt        string    `json:"receipt"`
	Store          string    `json:"store"`
	Channel        string    `json:"channel"`
	Line           int64     `json:"line"`
	Product        string    `json:"product"`
	GTIN           string    `json:"gtin,omitempty"`
	Name           string    `json:"name,omitempty"`
	Brand          string    `json:"brand,omitempty"`
	Quantity       string    `json:"quantity"`
	UnitPrice      string    `json:"unit_price"`
	Sales          string    `json:"sales"`
	RetailDiscount string    `json:"retail_discount"`
	CouponDiscount string    `json:"coupon_discount"`
	CouponMatch    string    `json:"coupon_match"`
	Currency       string    `json:"currency"`
}

// Advert is a sponsored product that she was shown, clicked or bought, or would
// have been shown but for being in a control group.
type Advert struct {
	At         time.Time `json:"at"`
	What       string    `json:"what"` // won, held_out, shown, clicked, basketed, purchased
	Advertiser string    `json:"advertiser"`
	Campaign   string    `json:"campaign"`
	Product    string    `json:"product"`
}

// Derived is what was worked out of her purchases.
type Derived struct {
	Audiences []Membership `json:"audiences"`
	Habits    []Habit      `json:"habits"`
	Household []Mate       `json:"household"`
	// HouseholdUnknown says that so much hangs together around her that her
	// household was not worked out.
	HouseholdUnknown bool `json:"household_unknown,omitempty"`
}

// Mate is another person of her household. Who that is belongs into nobody
// else's file: she is told by which kinds of key the house takes them for one.
type Mate struct {
	Shares []shopper.KeyKind `json:"shares"`
}

// Membership is one audience she is in.
type Membership struct {
	Audience string `json:"audience"`
	Sentence string `json:"sentence"`
}

// Habit is how firmly a product counts as hers.
type Habit struct {
	Hash     uint64     `json:"-"` // of the product's id
	Product  string     `json:"product"`
	Receipts int        `json:"receipts"`
	Last     retail.Day `json:"last"`
}

// Told is what a recipient was given about her.
type Told struct {
	At        time.Time `json:"at"`
	Recipient string    `json:"recipient"` // its id among About.Register
	Alias     string    `json:"known_there_as"`
	What      string    `json:"what"`
}

// About says what Article 15 wants said beside the data.
type About struct {
	Purposes   []string    `json:"purposes"`
	Recipients []string    `json:"recipients"`
	Register   []Recipient `json:"other_recipients"` // to whom the retailer gives data about its shoppers by ways of its own
	Sources    []string    `json:"sources"`
	Retention  []Kept      `json:"retention"`
	Logic      string      `json:"logic"`
	Rights     string      `json:"rights"`
}

// logic says in words how what is derived comes about.
const logic = "Audiences: a sentence such as “bought oat milk in the last 90 days” is checked against your receipts; you are in the audience while it holds. " +
	"Habits: of each product it is counted on how many receipts you bought it within the last three years, and when last; products you buy often and have not bought for a while are proposed first, beside what is popular in your store. " +
	"Sponsored products: advertisers bid for a place; among those whose audience you are in, if you allowed it, the highest bid that is relevant wins. " +
	"Household: people with whom you share a card, an account, an address, a telephone or a device without being one person; nothing you are shown depends on it. " +
	"Nothing is decided about you that has legal effect."

// FileOf builds the file of an access or portability request, and closes it: it
// is answered. It can be fetched again until RefetchDays after.
func (o *Office) FileOf(ctx context.Context, id string) (*File, error) {
	r, err := o.read(ctx, id)
	if err != nil {
		return nil, err
	}
	kind := Kind(r.Kind)
	switch {
	case kind != Access && kind != Portability:
		return nil, &retail.Error{Kind: retail.NotFound, Say: "the request has no file"}
	case !r.Shopper.Known():
		return nil, &retail.Error{Kind: retail.NotFound, Say: "nothing is held that the means of the request prove to be hers"}
	case !r.Closed.IsZero() && o.Clock().After(r.Closed.AddDate(0, 0, RefetchDays)):
		return nil, &retail.Error{Kind: retail.NotFound, Say: "the file was fetched and is no longer given", Cure: "ask anew"}
	}
	f, err := o.gather(ctx, r.Shopper)
	if err != nil {
		return nil, err
	}
	if kind == Portability {
		f.Derived, f.About = nil, nil
	}
	if r.Closed.IsZero() {
		r.State, r.Closed = string(Done), o.Clock().UTC().Truncate(time.Microsecond)
		if err := o.Vault.PutRequest(ctx, r); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// RefetchDays is for how long an answered file may be fetched again.
const RefetchDays = 30

func (o *Office) gather(ctx context.Context, who shopper.ID) (*File, error) {
	f := &File{Retailer: o.cfg.Retailer, Made: o.Clock().UTC(), Identifiers: []Identifier{}, Consents: []Consent{}, Purchases: []Purchase{}, Adverts: []Advert{}, Disclosed: []Told{}}
	members, err := o.People.Members(ctx, who)
	if err != nil {
		return nil, err
	}
	sources, err := o.vaulted(ctx, members, f)
	if err != nil {
		return nil, err
	}
	if err := o.purchases(ctx, members, f); err != nil {
		return nil, err
	}
	if err := o.adverts(ctx, members, f); err != nil {
		return nil, err
	}
	if err := o.derived(ctx, o.People.Canonical(who), f); err != nil {
		return nil, err
	}
	f.About = o.explain(sources)
	if f.About.Register, err = o.Recipients(ctx); err != nil {
		return nil, err
	}
	f.About.Recipients, err = o.recipients(ctx, members)
	return f, err
}

// vaulted fills in what the vault holds of her under all her ids, and says who
// told of her consents.
func (o *Office) vaulted(ctx context.Context, members []shopper.ID, f *File) (map[string]bool, error) {
	sources := map[string]bool{}
	for _, id := range members {
		keys, err := o.Vault.Keys(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			f.Identifiers = append(f.Identifiers, Identifier{k.Kind(), k.Reveal()})
		}
		proofs, err := o.Vault.Proofs(ctx, id)
		if err != nil {
			return nil, err
		}
		for i := range proofs {
			one, err := o.consentOf(ctx, &proofs[i])
			if err != nil {
				return nil, err
			}
			f.Consents = append(f.Consents, one)
			sources[one.Source] = true
		}
		given, err := o.Vault.Disclosures(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, d := range given {
			f.Disclosed = append(f.Disclosed, Told{d.At, d.Recipient, d.Alias, d.What})
		}
	}
	slices.SortStableFunc(f.Consents, func(a, b Consent) int { return a.At.Compare(b.At) })
	return sources, nil
}

func (o *Office) consentOf(ctx context.Context, p *vault.Proof) (Consent, error) {
	s := &p.Said
	text, err := o.textOf(ctx, s)
	out := Consent{
		At: s.At, Allowed: wordsOf(s.Allowed), Refused: wordsOf(s.Refused), Wording: s.Wording, Version: s.Version, Language: s.Language, Text: text,
		Means: s.Means, Evidence: s.Evidence, Channel: s.Channel, Country: s.Country, Note: s.Note, Source: s.Source, Digest: hex.EncodeToString(p.Digest[:]),
	}
	if !s.Until.IsZero() {
		out.Until = &s.Until
	}
	return out, err
}

func (o *Office) ask(ctx context.Context, name, sql string, args ...any) (*warehouse.Result, error) {
	return o.History.Query(ctx, warehouse.Query{Name: "privacy." + name, Purpose: warehouse.Accounting, SQL: sql, Args: args})
}

// askMax is how many shoppers one question is about.
const askMax = 8_192

// about is a question with room for n shoppers.
func about(sql string, n int) string {
	places := make([]string, n)
	for i := range places {
		places[i] = "$" + strconv.Itoa(i+1)
	}
	return strings.Replace(sql, "$who", "("+strings.Join(places, ", ")+")", 1)
}

// askAbout asks for rows of any number of shoppers. They come in no order.
func (o *Office) askAbout(ctx context.Context, name, sql string, who []shopper.ID, row func(c []warehouse.Column, i int)) error {
	for some := range slices.Chunk(who, askMax) {
		args := make([]any, len(some))
		for i := range some {
			args[i] = some[i]
		}
		got, err := o.ask(ctx, name, about(sql, len(args)), args...)
		if err != nil {
			return err
		}
		for i := range got.Len {
			row(got.Columns, i)
		}
	}
	return nil
}

func (o *Office) purchases(ctx context.Context, who []shopper.ID, f *File) error {
	err := o.askAbout(ctx, "purchases", purchasesSQL, who, func(c []warehouse.Column, i int) {
		currency := retail.Currency(c[15].Texts[i])
		amount := func(column int) string { return retail.Micros(c[column].Ints[i]).Format(currency) }
		f.Purchases = append(f.Purchases, Purchase{
			At: time.UnixMicro(c[0].Ints[i]).UTC(), Receipt: c[1].Texts[i], Store: c[2].Texts[i], Channel: c[3].Texts[i], Line: c[4].Ints[i],
			Product: c[5].Texts[i], GTIN: text(&c[6], i), Name: text(&c[7], i), Brand: text(&c[8], i),
			Quantity:  strconv.FormatFloat(float64(c[9].Ints[i])/1_000, 'f', -1, 64),
			UnitPrice: retail.Micros(c[10].Ints[i]).String(), Sales: amount(11), RetailDiscount: amount(12), CouponDiscount: amount(13), CouponMatch: amount(14),
			Currency: string(currency),
		})
	})
	slices.SortFunc(f.Purchases, func(a, b Purchase) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Receipt, b.Receipt), cmp.Compare(a.Line, b.Line))
	})
	return err
}

// text is a value that may be absent.
func text(c *warehouse.Column, i int) string {
	if c.Nulls != nil && c.Nulls[i] {
		return ""
	}
	return c.Texts[i]
}

func (o *Office) adverts(ctx context.Context, who []shopper.ID, f *File) error {
	err := o.askAbout(ctx, "touches", touchesSQL, who, func(c []warehouse.Column, i int) {
		f.Adverts = append(f.Adverts, Advert{time.UnixMicro(c[0].Ints[i]).UTC(), c[1].Texts[i], c[2].Texts[i], c[3].Texts[i], c[4].Texts[i]})
	})
	if err != nil {
		return err
	}
	err = o.askAbout(ctx, "wins", winsSQL, who, func(c []warehouse.Column, i int) {
		what := "won"
		if c[4].Texts[i] == "control" {
			what = "held_out"
		}
		f.Adverts = append(f.Adverts, Advert{time.UnixMicro(c[0].Ints[i]).UTC(), what, c[1].Texts[i], c[2].Texts[i], c[3].Texts[i]})
	})
	slices.SortFunc(f.Adverts, func(a, b Advert) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.What, b.What), cmp.Compare(a.Campaign, b.Campaign), cmp.Compare(a.Product, b.Product))
	})
	return err
}

// derived asks for what was worked out of her, and gives hashed products their
// names back from her own purchases.
func (o *Office) derived(ctx context.Context, who shopper.ID, f *File) error {
	d, err := o.cfg.Derived(ctx, who)
	if err != nil {
		return fmt.Errorf("read what was derived: %w", err)
	}
	names := make(map[uint64]string)
	for i := range f.Purchases {
		names[catalog.ProductID(f.Purchases[i].Product).Hash()] = f.Purchases[i].Product
	}
	for i := range d.Habits {
		d.Habits[i].Product = names[d.Habits[i].Hash]
	}
	mates, err := o.People.Household(ctx, who)
	var over *retail.Error
	switch {
	case errors.As(err, &over) && over.Kind == retail.Conflict:
		d.HouseholdUnknown = true // her file must come all the same
	case err != nil:
		return fmt.Errorf("read her household: %w", err)
	}
	d.Household = make([]Mate, len(mates))
	for i := range mates {
		d.Household[i].Shares = append([]shopper.KeyKind{}, mates[i]...)
	}
	f.Derived = &d
	return nil
}

func (o *Office) explain(sources map[string]bool) *About {
	a := &About{
		Purposes:  []string{"accounting for what was sold, which needs no consent", "personal offers, personal adverts, measurement: only while you allow each"},
		Sources:   []string{"tills and online orders: receipts under your card or account", "the shop: visits, and what you did with sponsored products"},
		Retention: o.cfg.Retention,
		Logic:     logic,
		Rights:    "You may object, have data put right or erased, withdraw each consent, and complain to the supervisory authority of your country.",
	}
	for s := range sources {
		a.Sources = append(a.Sources, "consents: "+s)
	}
	return a
}

// CSV writes the purchases, a line each.
func (f *File) CSV(to io.Writer) error {
	w := csv.NewWriter(to)
	_ = w.Write([]string{
		"at", "receipt", "store", "channel", "line", "product", "gtin", "name", "brand", "quantity",
		"unit_price", "sales", "retail_discount", "coupon_discount", "coupon_match", "currency",
	})
	for i := range f.Purchases {
		p := &f.Purchases[i]
		_ = w.Write([]string{
			p.At.Format(time.RFC3339), p.Receipt, p.Store, p.Channel, strconv.FormatInt(p.Line, 10), p.Product, p.GTIN, p.Name, p.Brand, p.Quantity,
			p.UnitPrice, p.Sales, p.RetailDiscount, p.CouponDiscount, p.CouponMatch, p.Currency,
		})
	}
	w.Flush()
	return w.Error()
}

// JSON writes the whole file.
func (f *File) JSON(to io.Writer) error { return json.NewEncoder(to).Encode(f) }
