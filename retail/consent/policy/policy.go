// Package policy says what a house makes of what shoppers say: for how long a
// yes holds and a no is respected, from which age and for which purposes she may
// be asked, how consent strings are read, and which products are nobody's
// business. It is arithmetic: it knows neither shoppers nor clocks.
//
// On the road of a receipt, know/ingest asks it before a consent is kept, and
// audiences and proposals before they look at a product.
package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/consent/tcf"
)

// ErrPolicy is returned for a policy that the house cannot keep.
var ErrPolicy = errors.New("not a consent policy")

// Limits of a policy.
const (
	MonthsMax  = 60 // for how long anything holds
	AgeMax     = 21
	GroupsMax  = 100 // of sensitive products
	CountryMax = 250
	SizeMax    = 4 << 20 // of its document, in bytes
)

// Country is what one country's law, or the retailer's own rule, asks for.
type Country struct {
	// Months is after how many months a yes lapses: from then on it is a no until
	// she is asked again.
	Months int
	// RefusalMonths is for how many months after a no she is not asked again.
	RefusalMonths int
	// AgeMin is the age, in whole years, from which somebody may agree herself.
	// Below it, only who is responsible for her can.
	AgeMin int
	// Barred are purposes for which nobody is asked: a yes to them counts nothing.
	Barred consent.Set
}

// Group is products of which nothing may be concluded about who buys them.
type Group struct {
	Name string // "health"; told wherever the group is the reason of a refusal
	Set  catalog.Set
}

// Policy is a whole house's. Make one with Defaults or Parse.
type Policy struct {
	// Country is where a shopper is taken to live whose consent does not say it.
	// Empty is nowhere in particular, which has the Default.
	Country   string
	Default   Country
	Countries map[string]Country // by two capital letters; instead of Default, not beside it
	Strings   tcf.Rules
	// Registered refuses a yes to a text that was not registered beforehand.
	Registered bool
	Sensitive  []Group
}

// Defaults is strict where countries differ, and may be used everywhere in the
// Union: a yes holds for 24 months at most (AEPD, guide on cookies, 2023), one
// given by a TC string for 13 (TCF policies); after a no she is left in peace for
// 6 (CNIL, deliberation 2020-092); nobody under 16 agrees alone (GDPR, article
// 8(1)). No product is sensitive: which ones are, only the retailer knows.
func Defaults() Policy {
	return Policy{Default: Country{Months: 24, RefusalMonths: 6, AgeMin: 16}, Strings: tcf.Defaults(0)}
}

// Check returns ErrPolicy, with what is wrong, unless p can be kept.
func (p Policy) Check() error {
	if err := p.Default.check("default"); err != nil {
		return err
	}
	if p.Country != "" && !isCountry(p.Country) {
		return fmt.Errorf("%w: country %.10q is not two capital letters", ErrPolicy, p.Country)
	}
	if len(p.Countries) > CountryMax {
		return fmt.Errorf("%w: %d countries, at most %d", ErrPolicy, len(p.Countries), CountryMax)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Countries)) {
		if !isCountry(name) {
			return fmt.Errorf("%w: country %.10q is not two capital letters", ErrPolicy, name)
		}
		if err := p.Countries[name].check(name); err != nil {
			return err
		}
	}
	if err := p.Strings.Check(); err != nil {
		return fmt.Errorf("%w: tcf: %w", ErrPolicy, err)
	}
	return p.checkSensitive()
}

func (p Policy) checkSensitive() error {
	if len(p.Sensitive) > GroupsMax {
		return fmt.Errorf("%w: %d groups of sensitive products, at most %d", ErrPolicy, len(p.Sensitive), GroupsMax)
	}
	seen := make(map[string]bool, len(p.Sensitive))
	for _, g := range p.Sensitive {
		switch err := g.Set.Check(); {
		case g.Name == "" || len(g.Name) > 64 || seen[g.Name]:
			return fmt.Errorf("%w: sensitive: each group has a name of its own, of at most 64 bytes, this is %.70q", ErrPolicy, g.Name)
		case err != nil:
			return fmt.Errorf("%w: sensitive: %s: %w", ErrPolicy, g.Name, err)
		case g.Set.Empty() || g.Set.Everything:
			return fmt.Errorf("%w: sensitive: %s lists no products; name departments, categories, types, brands or products", ErrPolicy, g.Name)
		}
		seen[g.Name] = true
	}
	return nil
}

func (c Country) check(name string) error {
	switch {
	case c.Months < 1 || c.Months > MonthsMax:
		return fmt.Errorf("%w: %s: a yes holds for 1 to %d months, not %d", ErrPolicy, name, MonthsMax, c.Months)
	case c.RefusalMonths < 1 || c.RefusalMonths > MonthsMax:
		return fmt.Errorf("%w: %s: a no is respected for 1 to %d months, not %d", ErrPolicy, name, MonthsMax, c.RefusalMonths)
	case c.AgeMin < 0 || c.AgeMin > AgeMax:
		return fmt.Errorf("%w: %s: people agree themselves from 0 to %d years on, not %d", ErrPolicy, name, AgeMax, c.AgeMin)
	case c.Barred&^consent.All != 0:
		return fmt.Errorf("%w: %s: an unknown purpose is barred", ErrPolicy, name)
	}
	return nil
}

func isCountry(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

// IsCountry reports whether s can name a country: two capital letters (ISO 3166).
func IsCountry(s string) bool { return isCountry(s) }

// Law is what holds in a country; "" is where the house takes shoppers to live.
func (p *Policy) Law(country string) Country {
	if country == "" {
		country = p.Country
	}
	if c, ok := p.Countries[country]; ok {
		return c
	}
	return p.Default
}

// MonthsMost is the longest that a yes may hold anywhere.
func (p *Policy) MonthsMost() int {
	most := p.Default.Months
	for _, c := range p.Countries {
		most = max(most, c.Months)
	}
	return most
}

// After is an instant some months later. Where the later month is shorter, it is
// its last day: six months after 31 August is 28 February, not 3 March.
func After(at time.Time, months int) time.Time {
	at = at.UTC()
	later := at.AddDate(0, months, 0)
	if later.Day() != at.Day() {
		later = later.AddDate(0, 0, -later.Day())
	}
	return later
}

// Age is what is known of how old somebody is.
type Age struct {
	Known    bool
	Years    int
	Guardian bool // who is responsible for her agreed
}

// The words for why a yes does not count, beside those of package tcf. Words
// cross the wire and never change.
const (
	UnderAge  = "under_age"
	NotAsked  = "purpose_not_asked" // the country's law, or the house's, asks nobody for it
	NoWording = "wording_unregistered"
)

// Judge takes from what somebody allows the purposes that cannot count in a
// country, and says why not.
func (p *Policy) Judge(allowed consent.Set, country string, age Age) (counts consent.Set, why map[consent.Purpose]string) {
	law := p.Law(country)
	young := age.Known && age.Years < law.AgeMin && !age.Guardian
	for _, one := range consent.Purposes() {
		word := ""
		switch {
		case !allowed.Allows(one):
			continue
		case young:
			word = UnderAge
		case law.Barred.Allows(one):
			word = NotAsked
		default:
			counts = counts.With(one)
			continue
		}
		if why == nil {
			why = make(map[consent.Purpose]string)
		}
		why[one] = word
	}
	return counts, why
}

// Shield says of products to which sensitive group they belong. It is immutable;
// the zero Shield and nil know of none.
type Shield struct {
	names []string
	sets  []catalog.Set
	match []*catalog.Matcher
}

// Shield compiles the groups of sensitive products.
func (p *Policy) Shield() *Shield {
	s := new(Shield)
	for _, g := range p.Sensitive {
		s.names = append(s.names, g.Name)
		s.sets = append(s.sets, g.Set)
		s.match = append(s.match, g.Set.Matcher())
	}
	return s
}

// Group names the first group to which a product belongs; "" is none.
func (s *Shield) Group(p *catalog.Product) string {
	if s == nil {
		return ""
	}
	for i, m := range s.match {
		if m.Has(p) {
			return s.names[i]
		}
	}
	return ""
}

// Groups lists the names of the sensitive groups. The slice is shared: nobody may
// change it.
func (s *Shield) Groups() []string {
	if s == nil {
		return nil
	}
	return s.names
}

// InGroup reports whether a product belongs to the group of a name.
func (s *Shield) InGroup(name string, p *catalog.Product) bool {
	if s == nil {
		return false
	}
	i := slices.Index(s.names, name)
	return i >= 0 && s.match[i].Has(p)
}

// Hides reports whether a product is sensitive.
func (s *Shield) Hides(p *catalog.Product) bool { return s.Group(p) != "" }

// Sets lists the sets of sensitive products. They are shared: nobody may change
// them.
func (s *Shield) Sets() []catalog.Set {
	if s == nil {
		return nil
	}
	return s.sets
}

// Names names the group that a set of products asks for: one that lists a value
// which the group lists too, or "" where there is none. A set that merely
// contains sensitive products among others is not named by it.
func (s *Shield) Names(set catalog.Set) string {
	if s == nil {
		return ""
	}
	for i := range s.sets {
		g := &s.sets[i]
		if meet(g.Products, set.Products) || meet(g.Brands, set.Brands) || meet(g.Departments, set.Departments) ||
			meet(g.Categories, set.Categories) || meet(g.Types, set.Types) {
			return s.names[i]
		}
	}
	return ""
}

func meet[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(x T) bool { return slices.Contains(b, x) })
}

// The document of a policy.
type (
	document struct {
		Country    string                     `json:"country"`
		Default    json.RawMessage            `json:"default"`
		Countries  map[string]json.RawMessage `json:"countries"`
		TCF        *stringsDoc                `json:"tcf"`
		Registered bool                       `json:"wordings_registered"`
		Sensitive  map[string]catalog.Set     `json:"sensitive"`
	}
	countryDoc struct {
		Months        *int     `json:"months"`
		RefusalMonths *int     `json:"refusal_months"`
		AgeMin        *int     `json:"age_min"`
		Barred        []string `json:"barred"`
	}
	stringsDoc struct {
		Vendor    uint16                `json:"vendor"`
		Default   *stringLaw            `json:"default"`
		Countries map[string]*stringLaw `json:"countries"`
	}
	stringLaw struct {
		Needs          map[string]needDoc `json:"needs"`
		Interest       []int              `json:"legitimate_interest"`
		PurposeOneFree bool               `json:"purpose_one_free"`
		Months         *int               `json:"months"`
	}
	needDoc struct {
		Purposes []int `json:"purposes"`
		Custom   []int `json:"custom"`
	}
)

// Parse reads a policy's document, JSON as docs/consent.md tells it. What it does
// not say is as in Defaults; a country that leaves something out has it as its
// default says. The answer passes Check.
func Parse(text []byte) (Policy, error) {
	if len(text) > SizeMax {
		return Policy{}, fmt.Errorf("%w: %d bytes, at most %d", ErrPolicy, len(text), SizeMax)
	}
	var d document
	if err := strict(text, &d); err != nil {
		return Policy{}, err
	}
	p := Defaults()
	p.Country, p.Registered = d.Country, d.Registered
	var err error
	if p.Default, err = readCountry("default", d.Default, p.Default); err != nil {
		return Policy{}, err
	}
	for name, raw := range d.Countries {
		c, err := readCountry(name, raw, p.Default)
		if err != nil {
			return Policy{}, err
		}
		if p.Countries == nil {
			p.Countries = make(map[string]Country)
		}
		p.Countries[name] = c
	}
	if p.Strings, err = readStrings(d.TCF); err != nil {
		return Policy{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(d.Sensitive)) {
		p.Sensitive = append(p.Sensitive, Group{name, d.Sensitive[name]})
	}
	return p, p.Check()
}

func strict(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	if dec.More() {
		return fmt.Errorf("%w: there is something behind its end", ErrPolicy)
	}
	return nil
}

func readCountry(name string, raw json.RawMessage, from Country) (Country, error) {
	if len(raw) == 0 {
		return from, nil
	}
	var d countryDoc
	if err := strict(raw, &d); err != nil {
		return Country{}, fmt.Errorf("%s: %w", name, err)
	}
	for to, value := range map[*int]*int{&from.Months: d.Months, &from.RefusalMonths: d.RefusalMonths, &from.AgeMin: d.AgeMin} {
		if value != nil {
			*to = *value
		}
	}
	if d.Barred != nil {
		from.Barred = consent.None
	}
	for _, word := range d.Barred {
		p, err := consent.ParsePurpose(word)
		if err != nil {
			return Country{}, fmt.Errorf("%w: %s: barred: %w", ErrPolicy, name, err)
		}
		from.Barred = from.Barred.With(p)
	}
	return from, nil
}

func readStrings(d *stringsDoc) (tcf.Rules, error) {
	if d == nil {
		return tcf.Defaults(0), nil
	}
	rules := tcf.Defaults(d.Vendor)
	var err error
	if rules.Default, err = readLaw("default", d.Default, rules.Default); err != nil {
		return rules, err
	}
	for name, one := range d.Countries {
		law, err := readLaw(name, one, rules.Default)
		if err != nil {
			return rules, err
		}
		if rules.Countries == nil {
			rules.Countries = make(map[string]tcf.Country)
		}
		rules.Countries[name] = law
	}
	return rules, nil
}

func readLaw(name string, d *stringLaw, from tcf.Country) (tcf.Country, error) {
	if d == nil {
		return from, nil
	}
	if d.Needs != nil {
		from.Needs = make(map[consent.Purpose]tcf.Need)
	}
	for word, need := range d.Needs {
		p, err := consent.ParsePurpose(word)
		if err != nil {
			return from, fmt.Errorf("%w: tcf: %s: %w", ErrPolicy, name, err)
		}
		one := tcf.Need{Purposes: tcf.NumbersOf(need.Purposes...), Custom: tcf.NumbersOf(need.Custom...)}
		if len(one.Purposes.List()) != len(need.Purposes) || len(one.Custom.List()) != len(need.Custom) || one == (tcf.Need{}) {
			return from, fmt.Errorf("%w: tcf: %s: %s needs purposes by their numbers from 1 to 64, each once", ErrPolicy, name, word)
		}
		from.Needs[p] = one
	}
	if d.Interest != nil {
		from.Interest = tcf.NumbersOf(d.Interest...)
	}
	if d.Months != nil {
		from.MonthsMax = *d.Months
	}
	from.PurposeOneFree = d.PurposeOneFree
	return from, nil
}
