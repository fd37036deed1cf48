package tcf

import (
	"errors"
	"fmt"
	"time"

	"endcap/retail/consent"
)

// Refusal says why a string does not allow one of our purposes. It is a result,
// never an error.
type Refusal string

// The refusals. The first five speak of the whole string.
const (
	RefusedScope      Refusal = "not_service_specific" // valid for other sites too, which is no longer valid anywhere
	RefusedPolicy     Refusal = "policy_version"       // asked under rules older than TCF 2.2
	RefusedDisclosure Refusal = "vendor_undisclosed"   // no list of disclosed vendors where one is due, or without the vendor
	RefusedStale      Refusal = "too_old"              // she has to be asked again
	RefusedFuture     Refusal = "from_the_future"      // dated after today

	RefusedUnasked     Refusal = "not_asked"      // no string can allow it: she is asked in words of our own
	RefusedPurpose     Refusal = "purpose"        // she did not agree to a purpose that it needs
	RefusedVendor      Refusal = "vendor"         // she did not agree to the vendor
	RefusedRestriction Refusal = "restriction"    // the publisher forbids the vendor a purpose that it needs
	RefusedPublisher   Refusal = "publisher_part" // the string has no part about the publisher
)

// Need is what a string must say to allow one of our purposes: every one of
// Purposes, and every one of Custom. The zero Need is never met.
type Need struct {
	Purposes Numbers // of the framework: 1 store on a device, 3 and 4 advertising profiles, …
	Custom   Numbers // the publisher's own purposes, by their numbers in its consent platform
}

// Country is how strings are read under one country's law.
type Country struct {
	// Needs says what each of our purposes takes; one that is not listed is
	// allowed by no string.
	Needs map[consent.Purpose]Need
	// Interest is the purposes of the framework for which legitimate interest
	// is as good as consent. Purposes 1 and 3 to 6 cannot be.
	Interest Numbers
	// PurposeOneFree accepts that purpose 1 was not asked about where the
	// string says so of this country.
	PurposeOneFree bool
	// MonthsMax is after how many months she has to be asked again.
	MonthsMax int
}

// Rules say whose consent is looked for, and what it must be.
type Rules struct {
	// Vendor is our number in the Global Vendor List. 0 reads what was agreed
	// with the publisher itself: the retailer, on its own sites.
	Vendor    uint16
	Default   Country
	Countries map[string]Country // by two capital letters; instead of Default, not beside it
}

// Defaults reads strings for a vendor, or for the publisher (0): consent alone
// counts, to be renewed after 13 months. Personal offers need the purposes 1
// (storing), 5 and 6 (personalised content), personal ads 1, 3 and 4
// (personalised advertising), measurement 1, 7 (advertising performance) and 9
// (statistics with data from elsewhere). Handing identifiers to another site
// and pooling are not what people agree to there, so no string allows them:
// name custom purposes to ask for them in a banner.
func Defaults(vendor uint16) Rules {
	return Rules{Vendor: vendor, Default: Country{
		Needs: map[consent.Purpose]Need{
			consent.PersonalOffers: {Purposes: NumbersOf(1, 5, 6)},
			consent.PersonalAds:    {Purposes: NumbersOf(1, 3, 4)},
			consent.Measurement:    {Purposes: NumbersOf(1, 7, 9)},
		},
		MonthsMax: monthsMax,
	}}
}

// ErrRules is returned by Check.
var ErrRules = errors.New("consent strings cannot be read like this")

// monthsMax is the longest that a choice may stand before she is asked again.
const monthsMax = 13

// Check returns ErrRules for rules that the framework forbids or that make no
// sense.
func (r Rules) Check() error {
	if err := r.checkCountry("default", r.Default); err != nil {
		return err
	}
	for name, c := range r.Countries {
		if len(name) != 2 || name[0] < 'A' || name[0] > 'Z' || name[1] < 'A' || name[1] > 'Z' {
			return fmt.Errorf("%w: country %.10q is not two capital letters", ErrRules, name)
		}
		if err := r.checkCountry(name, c); err != nil {
			return err
		}
	}
	return nil
}

func (r Rules) checkCountry(name string, c Country) error {
	const known = 1<<purposeMax - 1
	if bad := c.Interest & NumbersOf(1, 3, 4, 5, 6); bad != 0 {
		return fmt.Errorf("%w: %s: purposes %v cannot stand on legitimate interest", ErrRules, name, bad.List())
	}
	if c.MonthsMax < 1 || c.MonthsMax > monthsMax {
		return fmt.Errorf("%w: %s: asked again after %d months, of 1 to %d", ErrRules, name, c.MonthsMax, monthsMax)
	}
	for p, need := range c.Needs {
		switch {
		case !consent.All.Allows(p):
			return fmt.Errorf("%w: %s: %v is no purpose", ErrRules, name, p)
		case need.Purposes&^known != 0:
			return fmt.Errorf("%w: %s: %v needs a purpose above %d", ErrRules, name, p, purposeMax)
		case need.Custom != 0 && r.Vendor != 0:
			return fmt.Errorf("%w: %s: %v needs the publisher's own purposes, which speak for no vendor", ErrRules, name, p)
		}
	}
	return nil
}

// Verdict is what a string allows, and why not the rest.
type Verdict struct {
	Allowed consent.Set
	Refused map[consent.Purpose]Refusal
}

// disclosureDue is since when a string without DisclosedVendors is invalid
// (TCF 2.3); skew is how far a browser's clock may be ahead.
var disclosureDue = time.Date(2026, time.February, 28, 0, 0, 0, 0, time.UTC)

const (
	policyMin = 4
	skew      = 24 * time.Hour
)

// Read says what a string allows in a country (two capital letters, or "" where
// it is not known) at an instant. Where the string itself names another
// country, a purpose must be allowed under both. r must pass Check.
func (r Rules) Read(c *Consent, country string, now time.Time) Verdict {
	laws := []Country{r.law(country)}
	if country != "" && c.Country != country {
		laws = append(laws, r.law(c.Country))
	}
	v := Verdict{Refused: make(map[consent.Purpose]Refusal)}
	for _, p := range consent.Purposes() {
		var why Refusal
		for _, law := range laws {
			if why == "" {
				why = r.whole(c, law, now)
			}
			if why == "" {
				why = r.one(c, law, p)
			}
		}
		if why == "" {
			v.Allowed = v.Allowed.With(p)
		} else {
			v.Refused[p] = why
		}
	}
	return v
}

// Lapses is when a string's answers are too old under the same laws as in Read:
// from then on she has to be asked again.
func (r Rules) Lapses(c *Consent, country string) time.Time {
	months := r.law(country).MonthsMax
	if country != "" && c.Country != country {
		months = min(months, r.law(c.Country).MonthsMax)
	}
	return c.LastUpdated.AddDate(0, months, 0)
}

func (r Rules) law(country string) Country {
	if law, ok := r.Countries[country]; ok {
		return law
	}
	return r.Default
}

// whole says what is wrong with the string for every purpose.
func (r Rules) whole(c *Consent, law Country, now time.Time) Refusal {
	switch {
	case !c.ServiceSpecific:
		return RefusedScope
	case c.PolicyVersion < policyMin:
		return RefusedPolicy
	case c.Disclosed == nil && !c.LastUpdated.Before(disclosureDue):
		return RefusedDisclosure
	case r.Vendor != 0 && c.Disclosed != nil && !c.Disclosed.Has(r.Vendor):
		return RefusedDisclosure
	case c.LastUpdated.After(now.Add(skew)):
		return RefusedFuture
	case !now.Before(c.LastUpdated.AddDate(0, law.MonthsMax, 0)):
		return RefusedStale
	case r.Vendor == 0 && c.Publisher == nil:
		return RefusedPublisher
	}
	return ""
}

// one says what is missing for one of our purposes under one law.
func (r Rules) one(c *Consent, law Country, p consent.Purpose) Refusal {
	need := law.Needs[p]
	if need == (Need{}) {
		return RefusedUnasked
	}
	for _, n := range need.Purposes.List() {
		if why := r.purpose(c, law, n); why != "" {
			return why
		}
	}
	if r.Vendor == 0 && need.Custom&^c.Publisher.Custom != 0 {
		return RefusedPurpose
	}
	return ""
}

// purpose says what is missing for purpose n of the framework.
func (r Rules) purpose(c *Consent, law Country, n int) Refusal {
	untold := n == 1 && c.PurposeOneUntold && law.PurposeOneFree
	if r.Vendor == 0 {
		agreed := c.Publisher.Purposes.Has(n) || law.Interest.Has(n) && c.Publisher.Interests.Has(n)
		if !agreed && !untold {
			return RefusedPurpose
		}
		return ""
	}
	if c.restricted(n, r.Vendor, NotAllowed) {
		return RefusedRestriction
	}
	byConsent := !c.restricted(n, r.Vendor, RequireInterest)
	byInterest := law.Interest.Has(n) && !c.restricted(n, r.Vendor, RequireConsent)
	agreed := c.Purposes.Has(n) || untold
	switch {
	case byConsent && agreed && c.VendorConsents.Has(r.Vendor), byInterest && c.Interests.Has(n) && c.VendorInterests.Has(r.Vendor):
		return ""
	case !byConsent && !byInterest:
		return RefusedRestriction
	case !agreed && (!byInterest || !c.Interests.Has(n)):
		return RefusedPurpose
	}
	return RefusedVendor
}
