// Package merchandising is what the retailer says about lists of products, beside
// what a model finds: pin a product to a slot, boost or bury some, exclude others,
// spread brands and categories, weigh margin and availability. Terms keeps rules
// in versions, a Book follows them, and a Sheet, compiled for a range, puts a list
// of scored candidates in order: the same candidates, rules and stock always give
// the same list, and each change has the rule that made it. The formula is in
// docs/recommend.md.
//
// On the road of a receipt, what was found to propose passes here before she sees it.
package merchandising

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
	"endcap/retail/media"
	"endcap/retail/visit"
)

// ID names a merchandising rule.
type ID string

// Limits of a rule and of all of them.
const (
	RulesMax     = 1_000 // that are not removed
	ScopesMax    = 1_000 // lists, stores, groups or countries that one rule names
	MarginsMax   = 100
	SlotMax      = 49 // counted from 0
	FactorMin    = 0.01
	FactorMax    = 100.0
	MarginWeight = 4.0      // the most that margin may weigh
	sizeMax      = 64 << 10 // of a rule's document, in bytes; more is no set but a feed
)

// Rule is one thing that the retailer says about lists. It does exactly one of
// Pin, Boost, Exclude, Spread and Weigh.
type Rule struct {
	Name   string            `json:"name"`
	Lists  []visit.ListName  `json:"lists,omitempty"`  // in which it counts; none for all
	Stores []catalog.StoreID `json:"stores,omitempty"` // likewise
	// From and To are the first day and the day after the last; nil for no bound.
	From *retail.Day `json:"from,omitempty"`
	To   *retail.Day `json:"to,omitempty"`

	Pin     *Pin     `json:"pin,omitempty"`
	Boost   *Boost   `json:"boost,omitempty"`
	Exclude *Exclude `json:"exclude,omitempty"`
	Spread  *Spread  `json:"spread,omitempty"`
	Weigh   *Weigh   `json:"weigh,omitempty"`
}

// Selection is which products are meant: a set, of which OwnLabel, where it is
// given, takes only the retailer's own brand or only the others. OwnLabel alone
// means all such products.
type Selection struct {
	catalog.Set
	OwnLabel *bool `json:"own_label,omitempty" doc:"only the retailer's own brand, or only the others"`
}

// Empty reports whether s means nothing.
func (s *Selection) Empty() bool { return s.Set.Empty() && s.OwnLabel == nil }

// Pin puts a product at a slot, counted from 0, whatever its score. It stays out
// while it is not in stock or excluded.
type Pin struct {
	Product catalog.ProductID `json:"product" maxLength:"64"`
	Slot    int               `json:"slot" minimum:"0" maximum:"49" doc:"counted from 0"`
}

// Boost multiplies scores: by more than 1 to lift products, by less to bury them.
type Boost struct {
	Products Selection `json:"products"`
	Factor   float64   `json:"factor" doc:"0.01 to 100: more than 1 lifts, less buries"`
}

// Exclude takes products out of lists. Sensitive names groups of the consent
// policy; they count beside Products. Countries bound it to visits there; where it
// is not known in which country a visit is, it counts. Purpose bounds it to lists
// that are made from what she bought, where it is personal_offers.
type Exclude struct {
	Products  Selection `json:"products,omitzero"`
	Sensitive []string  `json:"sensitive,omitempty" doc:"groups of the consent policy, beside products"`
	Countries []string  `json:"countries,omitempty" doc:"only there, by two capital letters; everywhere where absent"`
	Purpose   string    `json:"purpose,omitempty" doc:"personal_offers: only from lists made from what she bought"`
}

// Spread bounds how many products of one brand and of one category a list holds; 0
// for no bound. Products without a brand or category are not bound.
type Spread struct {
	PerBrand    int `json:"per_brand,omitempty" doc:"products of one brand on a list, at most"`
	PerCategory int `json:"per_category,omitempty" doc:"products of one category on a list, at most"`
}

// Weigh lets margin and availability count: the score is multiplied by
//
//	max(0, 1 + margin × (m − usual)) × (1 − availability × (1 − min(1, stock ÷ full)))
//
// where m is the margin of the first of Margins that has the product, or usual.
// Stock that nobody counted is full.
type Weigh struct {
	Margin       float64  `json:"margin,omitempty" doc:"0 to 4: how much margin weighs"`
	Usual        float64  `json:"usual_margin,omitempty" doc:"the share of the price that weighs nothing either way"`
	Margins      []Margin `json:"margins,omitempty" doc:"the first that has a product is its margin"`
	Availability float64  `json:"availability,omitempty" doc:"0 to 1: how much scarce stock weighs"`
	Full         int64    `json:"full_stock,omitempty" doc:"pieces that are plenty"`
}

// Margin is what share of the price the retailer keeps of some products.
type Margin struct {
	Products Selection `json:"products"`
	Share    float64   `json:"share" doc:"of the price, -1 to 1"`
}

// ErrRule is returned for a document that is no rule.
var ErrRule = errors.New("not a merchandising rule")

// Parse reads a rule's document. It does not Check it.
func Parse(doc []byte) (Rule, error) {
	var r Rule
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	if len(doc) > sizeMax {
		return r, fmt.Errorf("%w: %d bytes, at most %d", ErrRule, len(doc), sizeMax)
	}
	if err := dec.Decode(&r); err != nil {
		return Rule{}, fmt.Errorf("%w: %w", ErrRule, err)
	}
	if dec.More() {
		return Rule{}, fmt.Errorf("%w: there is something behind its end", ErrRule)
	}
	return r, nil
}

func invalid(field, cure, format string, args ...any) error {
	return &retail.Error{Kind: retail.Invalid, Field: field, Say: fmt.Sprintf(format, args...), Cure: cure}
}

// Check returns a *retail.Error that names the field unless r can be kept. shield
// knows the groups of the consent policy; nil knows none.
func (r *Rule) Check(shield *policy.Shield) error {
	if r.Name == "" || len(r.Name) > media.NameMax {
		return invalid("name", "", "a name has 1 to %d bytes", media.NameMax)
	}
	if err := r.checkScope(); err != nil {
		return err
	}
	does := 0
	var err error
	for _, part := range []struct {
		there bool
		check func() error
	}{
		{r.Pin != nil, r.checkPin},
		{r.Boost != nil, r.checkBoost},
		{r.Exclude != nil, func() error { return r.checkExclude(shield) }},
		{r.Spread != nil, r.checkSpread},
		{r.Weigh != nil, r.checkWeigh},
	} {
		if part.there && err == nil {
			does++
			err = part.check()
		}
	}
	if err == nil && does != 1 {
		return invalid("", "send exactly one of pin, boost, exclude, spread and weigh; several rules may count at once", "a rule does one thing, this does %d", does)
	}
	return err
}

func (r *Rule) checkScope() error {
	if len(r.Lists) > ScopesMax || len(r.Stores) > ScopesMax {
		return invalid("lists", "", "a rule names at most %d lists and stores", ScopesMax)
	}
	for i, l := range r.Lists {
		if !slices.Contains(visit.ListNames(), l) || slices.Contains(r.Lists[:i], l) {
			return invalid(fmt.Sprintf("lists[%d]", i), "send each of "+words(visit.ListNames())+" once at most, or none for all", "there is no list %.40q, or it is named twice", string(l))
		}
	}
	for i, s := range r.Stores {
		if s == "" || len(s) > catalog.IDMax {
			return invalid(fmt.Sprintf("stores[%d]", i), "", "a store's id has 1 to %d bytes", catalog.IDMax)
		}
	}
	if r.From != nil && r.To != nil && *r.To <= *r.From {
		return invalid("to", "send the day after the last on which it counts", "it ends on %v, before it begins on %v", *r.To, *r.From)
	}
	return nil
}

func words[T ~string](all []T) string {
	out := make([]string, len(all))
	for i, w := range all {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}

func (r *Rule) checkPin() error {
	switch p := r.Pin; {
	case p.Product == "" || len(p.Product) > catalog.IDMax:
		return invalid("pin.product", "", "a product's id has 1 to %d bytes", catalog.IDMax)
	case p.Slot < 0 || p.Slot > SlotMax:
		return invalid("pin.slot", "", "slots are counted from 0 to %d", SlotMax)
	}
	return nil
}

func (r *Rule) checkBoost() error {
	if err := r.Boost.Products.check("boost.products"); err != nil {
		return err
	}
	if f := r.Boost.Factor; !(f >= FactorMin && f <= FactorMax) || f == 1 {
		return invalid("boost.factor", "send 2 to double scores, 0.5 to halve them; use exclude to take products out", "a factor is %v to %v and not 1", FactorMin, FactorMax)
	}
	return nil
}

func (r *Rule) checkExclude(shield *policy.Shield) error {
	e := r.Exclude
	if e.Products.Empty() && len(e.Sensitive) == 0 {
		return invalid("exclude.products", "name products, or sensitive groups", "it excludes nothing")
	}
	if !e.Products.Empty() {
		if err := e.Products.check("exclude.products"); err != nil {
			return err
		}
	}
	if len(e.Sensitive) > ScopesMax || len(e.Countries) > ScopesMax {
		return invalid("exclude.sensitive", "", "a rule names at most %d groups and countries", ScopesMax)
	}
	for i, name := range e.Sensitive {
		if !slices.Contains(shield.Groups(), name) {
			return invalid(fmt.Sprintf("exclude.sensitive[%d]", i), "groups are named in the consent policy, see docs/consent.md; it has: "+words(shield.Groups()), "there is no sensitive group %.64q", name)
		}
	}
	for i, c := range e.Countries {
		if !policy.IsCountry(c) {
			return invalid(fmt.Sprintf("exclude.countries[%d]", i), "", "%.10q is not two capital letters", c)
		}
	}
	if e.Purpose != "" && e.Purpose != consent.PersonalOffers.String() {
		return invalid("exclude.purpose", "leave it out to exclude from every list", "lists are made for personal_offers or from the visit alone, not for %.40q", e.Purpose)
	}
	return nil
}

func (r *Rule) checkSpread() error {
	s := r.Spread
	if s.PerBrand < 0 || s.PerCategory < 0 || s.PerBrand > SlotMax+1 || s.PerCategory > SlotMax+1 || s.PerBrand+s.PerCategory == 0 {
		return invalid("spread", "send per_brand, per_category or both", "at most 1 to %d products of a brand or category", SlotMax+1)
	}
	return nil
}

func (r *Rule) checkWeigh() error {
	w := r.Weigh
	share := func(v float64) bool { return v >= -1 && v <= 1 } // of a price; false for what is no number
	switch {
	case !(w.Margin >= 0 && w.Margin <= MarginWeight):
		return invalid("weigh.margin", "", "margin weighs 0 to %v", MarginWeight)
	case !(w.Availability >= 0 && w.Availability <= 1):
		return invalid("weigh.availability", "", "availability weighs 0 to 1")
	case w.Margin+w.Availability == 0:
		return invalid("weigh", "send margin, availability or both", "it weighs nothing")
	case w.Margin > 0 && len(w.Margins) == 0:
		return invalid("weigh.margins", "say which share of the price you keep of which products", "margin weighs, and no margin is given")
	case len(w.Margins) > MarginsMax:
		return invalid("weigh.margins", "", "at most %d margins", MarginsMax)
	case !share(w.Usual):
		return invalid("weigh.usual_margin", "", "a margin is a share of the price, -1 to 1")
	case w.Availability > 0 && (w.Full < 1 || w.Full > math.MaxInt32):
		return invalid("weigh.full_stock", "send how many pieces are plenty", "availability weighs, and full_stock is %d", w.Full)
	}
	for i := range w.Margins {
		at := fmt.Sprintf("weigh.margins[%d]", i)
		if err := w.Margins[i].Products.check(at + ".products"); err != nil {
			return err
		}
		if !share(w.Margins[i].Share) {
			return invalid(at+".share", "", "a margin is a share of the price, -1 to 1")
		}
	}
	return nil
}

func (s *Selection) check(field string) error {
	if s.Empty() {
		return invalid(field, "name products, brands, departments, categories, types or own_label; say everything aloud", "it means no product")
	}
	if err := s.Check(); err != nil {
		return &retail.Error{Kind: retail.Invalid, Field: field, Say: err.Error(), Err: err}
	}
	return nil
}
