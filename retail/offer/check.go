package offer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/media"
)

// Limits of an offer's terms.
const (
	PiecesMax   = 1_000         // pieces of a set, or reduced at most
	GroupMax    = 64            // bytes of a group's name
	GroupsMax   = 16            // groups that one offer excludes
	OrderMax    = 1_000_000     // either way
	ListMax     = 1_000         // stores, audiences
	HoursMax    = 21            // spans of hours
	DaysMax     = 3_660         // the longest validity, ten years
	UsesMax     = 1_000_000_000 // of any limit of uses
	TextMax     = 1 << 20       // bytes of one offer's JSON
	versionsMax = 1 << 62
)

// ErrOffer is the cause of every error about terms of this package.
var ErrOffer = errors.New("not an offer")

func wrong(field, cure, format string, args ...any) error {
	return &retail.Error{Kind: retail.Invalid, Field: field, Say: fmt.Sprintf(format, args...), Cure: cure, Err: ErrOffer}
}

// Parse reads one offer's JSON, refuses fields that it does not know or that are
// said twice, and checks it. Errors are *retail.Error and wrap ErrOffer.
func Parse(b []byte) (Offer, error) {
	var o Offer
	if len(b) > TextMax {
		return Offer{}, wrong("", "list a brand or a category instead of its products", "an offer has at most %d bytes", TextMax)
	}
	if err := checkKeys(b); err != nil {
		return Offer{}, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return Offer{}, wrong("", "", "not an offer in JSON: %v", err)
	}
	return o, o.Check()
}

// depthMax is how deep an offer's JSON nests.
const depthMax = 16

// checkKeys refuses JSON that is not one value, nests too deep, or says a key of an
// object twice, in whatever letters.
func checkKeys(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := checkValue(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return wrong("", "send one offer", "something follows the offer")
	}
	return nil
}

func checkValue(dec *json.Decoder, depth int) error {
	tok, err := dec.Token()
	if err != nil {
		return wrong("", "", "not an offer in JSON: %v", err)
	}
	open, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	if depth == depthMax {
		return wrong("", "", "it nests more than %d deep", depthMax)
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			key, err := dec.Token()
			if err != nil {
				return wrong("", "", "not an offer in JSON: %v", err)
			}
			name, _ := key.(string)
			low := strings.ToLower(name)
			if seen[low] {
				return wrong(fmt.Sprintf("%.64s", name), "say it once", "said twice")
			}
			seen[low] = true
		}
		if err := checkValue(dec, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return wrong("", "", "not an offer in JSON: %v", err)
	}
	return nil
}

// Check returns a *retail.Error that wraps ErrOffer and names the first field that
// cannot hold.
func (o *Offer) Check() error {
	if err := media.CheckID(string(o.ID)); err != nil {
		return wrong("id", fmt.Sprintf("use 1 to %d letters, digits, '-', '_' and '.'", media.IDMax), "not an id")
	}
	if strings.TrimSpace(o.Name) == "" || len(o.Name) > media.NameMax || !utf8.ValidString(o.Name) {
		return wrong("name", "", "a name has 1 to %d bytes of text", media.NameMax)
	}
	if o.Version < 1 || o.Version > versionsMax {
		return wrong("version", "count from 1", "not a version")
	}
	if o.Currency.Check() != nil {
		return wrong("currency", "use an ISO 4217 code", "unknown currency %.8q", string(o.Currency))
	}
	for _, check := range [...]func() error{o.checkFunding, o.checkMechanic, o.checkSpend, o.checkEligible, o.checkStacking, o.checkLimits, o.checkCoupon} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkAmount asks for whole coins within bounds.
func (o *Offer) checkAmount(field string, a retail.Micros) error {
	if a < 0 || a > retail.MicrosMax || a%o.Currency.Minor() != 0 {
		return wrong(field, "", "an amount of 0 or more in whole coins of %s", o.Currency)
	}
	return nil
}

func (o *Offer) checkFunding() error {
	f := &o.Funding
	switch {
	case f.BrandPPM < 0 || f.BrandPPM > PPMAll:
		return wrong("funding.brand_ppm", "", "a share is 0 to %d parts per million", PPMAll)
	case f.BrandPPM > 0 && media.CheckID(string(f.Advertiser)) != nil:
		return wrong("funding.advertiser", "name the advertiser", "a brand's share has nobody who pays it")
	case f.BrandPPM == 0 && f.Advertiser != "":
		return wrong("funding.brand_ppm", "say how much the advertiser pays, or name none", "an advertiser who pays nothing")
	}
	return nil
}

func (o *Offer) checkMechanic() error {
	m := &o.Mechanic
	reads, ok := kinds[m.Kind]
	if !ok {
		return wrong("mechanic.kind", "see docs/offers.md for the kinds", "unknown kind %.24q", string(m.Kind))
	}
	for _, s := range [...]struct {
		name string
		set  catalog.Set
		need bool
	}{{"products", m.Products, true}, {"except", m.Except, false}, {"bought", m.Bought, false}} {
		if err := s.set.Check(); err != nil {
			return wrong("mechanic."+s.name, "", "%v", err)
		}
		if s.need && s.set.Empty() {
			return wrong("mechanic."+s.name, "list products, brands, categories …, or say everything", "it names no products")
		}
	}
	for _, f := range [...]struct {
		name   string
		reads  bool
		given  bool
		needed bool
	}{
		{"bought", reads.bought, !m.Bought.Empty(), false},
		{"pieces", reads.pieces, m.Pieces != 0, true},
		{"pay", reads.pay, m.Pay != 0, true},
		{"get", reads.get, m.Get != 0, true},
		{"amount_micros", reads.amount, m.Amount != 0, m.Kind != FixedPrice},
		{"off_ppm", reads.off, m.OffPPM != 0, true},
		{"each", reads.each, m.Each, false},
		{"pieces_max", reads.most && (m.Kind != AmountOff || m.Each), m.PiecesMax != 0, m.Kind == FreeGoods},
		{"pick", reads.pick && (!reads.most || m.PiecesMax != 0), m.Pick != "", true},
	} {
		switch {
		case f.given && !f.reads:
			return wrong("mechanic."+f.name, "leave it out", "%s does not read it", m.Kind)
		case f.needed && f.reads && !f.given:
			return wrong("mechanic."+f.name, "say it", "%s needs it", m.Kind)
		}
	}
	return o.checkNumbers()
}

func (o *Offer) checkNumbers() error {
	m := &o.Mechanic
	least := 1
	if m.Kind == NForM || m.Kind == CheapestFree || m.Kind == NthOff {
		least = 2
	}
	switch {
	case m.Pieces != 0 && (m.Pieces < least || m.Pieces > PiecesMax):
		return wrong("mechanic.pieces", "", "%d to %d pieces", least, PiecesMax)
	case m.Pay != 0 && (m.Pay < 1 || m.Pay >= m.Pieces):
		return wrong("mechanic.pay", "", "fewer pieces are paid than a set has, and one at least")
	case m.Get < 0 || m.Get > PiecesMax:
		return wrong("mechanic.get", "", "1 to %d pieces", PiecesMax)
	case m.OffPPM < 0 || m.OffPPM > PPMAll:
		return wrong("mechanic.off_ppm", "write 10 % as 100000", "1 to %d parts per million", PPMAll)
	case m.PiecesMax < 0 || m.PiecesMax > PiecesMax:
		return wrong("mechanic.pieces_max", "", "1 to %d pieces", PiecesMax)
	case m.Pick != "" && m.Pick != Dearest && m.Pick != Cheapest:
		return wrong("mechanic.pick", "use dearest or cheapest", "unknown pick %.16q", string(m.Pick))
	}
	if err := checkBase("mechanic.base", m.Base, m.Kind != PercentOff); err != nil {
		return err
	}
	return o.checkAmount("mechanic.amount_micros", m.Amount)
}

func checkBase(field string, b Base, free bool) error {
	if b != Initial && b != After && (b != "" || !free) {
		return wrong(field, "say initial (prices at the shelf) or after (after other offers)", "unknown base %.16q", string(b))
	}
	return nil
}

func (o *Offer) checkSpend() error {
	s := &o.Spend
	if err := s.Products.Check(); err != nil {
		return wrong("spend.products", "", "%v", err)
	}
	switch {
	case s.Pieces < 0 || s.Pieces > PiecesMax:
		return wrong("spend.pieces", "", "0 to %d pieces", PiecesMax)
	case !s.Products.Empty() && s.Amount == 0 && s.Pieces == 0:
		return wrong("spend", "say amount_micros or pieces", "a threshold of nothing")
	case s.Amount == 0 && s.Base != "":
		return wrong("spend.base", "leave it out", "a base of no amount")
	}
	if err := checkBase("spend.base", s.Base, s.Amount == 0); err != nil {
		return err
	}
	return o.checkAmount("spend.amount_micros", s.Amount)
}

func (o *Offer) checkEligible() error {
	e := &o.Eligible
	if n := e.Days.Len(); n < 1 || n > DaysMax {
		return wrong("eligible.days", "", "an offer holds for 1 to %d days, this for %d", DaysMax, n)
	}
	if len(e.Stores) > ListMax || len(e.Audience) > ListMax {
		return wrong("eligible", "", "at most %d stores and %d audiences", ListMax, ListMax)
	}
	for i, s := range e.Stores {
		if s == "" || len(s) > catalog.IDMax {
			return wrong(fmt.Sprintf("eligible.stores[%d]", i), "", "1 to %d bytes", catalog.IDMax)
		}
	}
	for i, a := range e.Audience {
		if media.CheckID(string(a)) != nil {
			return wrong(fmt.Sprintf("eligible.audiences[%d]", i), "", "not an audience's id")
		}
	}
	if _, ok := catalog.ParseChannel(e.Channel); !ok {
		return wrong("eligible.channel", "say in_store, online or any", "unknown channel")
	}
	for i, w := range e.Weekdays {
		if int(w) < 0 || int(w) >= len(weekdays) || slices.Contains(e.Weekdays[:i], w) {
			return wrong(fmt.Sprintf("eligible.weekdays[%d]", i), "name each day once", "not a day of the week, or said twice")
		}
	}
	if len(e.Hours) > HoursMax {
		return wrong("eligible.hours", "", "at most %d spans", HoursMax)
	}
	for i, h := range e.Hours {
		if h.From < 0 || h.From >= minutesOfDay || h.To < 0 || h.To > minutesOfDay || h.From == h.To {
			return wrong(fmt.Sprintf("eligible.hours[%d]", i), "write from 17:00 to 19:30", "not a span of a day")
		}
	}
	return nil
}

func (o *Offer) checkStacking() error {
	s := &o.Stacking
	if s.Order < -OrderMax || s.Order > OrderMax {
		return wrong("stacking.order", "", "%d to %d", -OrderMax, OrderMax)
	}
	if len(s.Excludes) > GroupsMax {
		return wrong("stacking.excludes", "say \"*\" for all", "at most %d groups", GroupsMax)
	}
	for i, g := range append([]string{s.Group}, s.Excludes...) {
		if len(g) > GroupMax || !utf8.ValidString(g) || i == 0 && g == AllGroups {
			return wrong("stacking", "", "a group's name has at most %d bytes and is not %q", GroupMax, AllGroups)
		}
	}
	return nil
}

func (o *Offer) checkLimits() error {
	l := &o.Limits
	for _, n := range [...]struct {
		name string
		n    int64
	}{{"shopper", l.Shopper}, {"household", l.Household}, {"day", l.Day}, {"total", l.Total}, {"times", int64(l.Times)}} {
		if n.n < 0 || n.n > UsesMax {
			return wrong("limits."+n.name, "", "0 (none) to %d", UsesMax)
		}
	}
	if l.Times > 0 && !o.Mechanic.Kind.Sets() {
		return wrong("limits.times", "bound it by mechanic.pieces_max or limits.discount_micros", "%s has no sets", o.Mechanic.Kind)
	}
	if l.Trim && l.Budget == 0 {
		return wrong("limits.trim", "", "nothing to cut to: it has no budget")
	}
	if err := o.checkAmount("limits.discount_micros", l.Discount); err != nil {
		return err
	}
	return o.checkAmount("limits.budget_micros", l.Budget)
}

func (o *Offer) checkCoupon() error {
	if c := &o.Coupon; !c.Required && (c.Always || c.Returns) {
		return wrong("coupon", "require a coupon", "an offer without coupons uses none up and gives none back")
	}
	return nil
}
