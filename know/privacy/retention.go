package privacy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"endcap/keep/vault"
	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/event"
)

// Retention says how long what is about shoppers is kept. Months end as the
// law's terms do.
type Retention struct {
	// Countries are where the retailer trades, as ISO 3166-1 says them in two
	// letters. Where one wants members forgotten sooner, all are.
	Countries []string `json:"countries,omitempty"`
	// MembersMonths is after how long without a purchase or a word of hers a
	// shopper is forgotten.
	MembersMonths int `json:"members_months"`
	// AdvertsMonths is how long it is kept who was shown an advert, and what she
	// did with it; to the end of a month.
	AdvertsMonths int `json:"adverts_months"`
	// RequestsMonths is how long an answered request is kept, as proof.
	RequestsMonths int `json:"requests_months"`
	// NoticeDays is how long ahead it can be told who will be forgotten.
	NoticeDays int `json:"notice_days"`
	// SharePPM is how many of all shoppers one night may forget unasked, in parts
	// per million; with more, something else is wrong, such as the clock.
	SharePPM int `json:"share_max_ppm"`
	// StillDays is after how many days without a receipt nothing goes unasked.
	StillDays int `json:"still_days"`
}

// RetentionDefaults are the terms of a house that sets none.
func RetentionDefaults() Retention {
	return Retention{MembersMonths: 36, AdvertsMonths: 25, RequestsMonths: 60, NoticeDays: 60, SharePPM: 20_000, StillDays: 30}
}

// CountryTerm is what one country says of members who are inactive.
type CountryTerm struct {
	Country string `json:"country"`
	Months  int    `json:"members_months"`
	Source  string `json:"source"`
}

// CountryTerms lists the countries that say something.
func CountryTerms() []CountryTerm {
	return []CountryTerm{
		{"FR", 36, "CNIL, deliberation SAN-2020-008 (Carrefour France): three years of inactivity are the reference for members of a loyalty programme, four were excessive"},
		{"IT", 24, "Garante, provvedimento of 24 February 2005 on loyalty programmes: data for marketing at most 24 months"},
	}
}

// Check says what cannot hold.
func (r Retention) Check() error {
	for _, c := range r.Countries {
		if len(c) != 2 || c[0] < 'A' || c[0] > 'Z' || c[1] < 'A' || c[1] > 'Z' {
			return fmt.Errorf("countries: %.10q is no country's two letters, such as FR", c)
		}
	}
	const longest = 120
	for name, months := range map[string]int{"members_months": r.MembersMonths, "adverts_months": r.AdvertsMonths, "requests_months": r.RequestsMonths} {
		if months < 1 || months > longest {
			return fmt.Errorf("%s is %d, want 1 to %d", name, months, longest)
		}
	}
	switch {
	case r.NoticeDays < 0 || r.NoticeDays > 365:
		return fmt.Errorf("notice_days is %d, want 0 to 365", r.NoticeDays)
	case r.SharePPM < 0 || r.SharePPM > 1_000_000:
		return fmt.Errorf("share_max_ppm is %d, want 0 to 1000000", r.SharePPM)
	case r.StillDays < 1 || r.StillDays > 365:
		return fmt.Errorf("still_days is %d, want 1 to 365", r.StillDays)
	}
	return nil
}

// Members is after how many months members are forgotten, and who says so.
func (r Retention) Members() (months int, source string) {
	months, source = r.MembersMonths, "the retailer"
	for _, c := range CountryTerms() {
		if slices.Contains(r.Countries, c.Country) && c.Months <= months {
			months, source = c.Months, c.Source
		}
	}
	return months, source
}

// InactiveBefore is the day since which who is no longer inactive has bought or
// spoken.
func (r Retention) InactiveBefore(now time.Time, zone *time.Location) retail.Day {
	months, _ := r.Members()
	return retail.DayOf(monthsLater(now.In(zone), -months), zone)
}

// Limits are the days before which history is kept no longer.
func (r Retention) Limits(now time.Time, zone *time.Location) warehouse.Limits {
	year, month, _ := now.In(zone).Date()
	return warehouse.Limits{Inactive: r.InactiveBefore(now, zone), Adverts: retail.Date(year, month-time.Month(r.AdvertsMonths), 1)}
}

// Inactive reports whether somebody who bought last on a day, and spoke last at an
// instant, each zero where she never did, is to count as allowing nothing.
func (r Retention) Inactive(now time.Time, zone *time.Location, bought retail.Day, spoke time.Time) bool {
	before := r.InactiveBefore(now, zone)
	return bought < before && spoke.Before(before.UTC())
}

// lapsesOn is the day on which who was active last on a day is to be forgotten.
func (r Retention) lapsesOn(active retail.Day) retail.Day {
	months, _ := r.Members()
	return retail.DayOf(monthsLater(active.UTC(), months), time.UTC) + 1
}

// Kept says how long each kind of data is kept, and on what that rests.
func (r Retention) Kept(streamDays, backupDays int) []Kept {
	months, source := r.Members()
	days := func(n int) string { return strconv.Itoa(n) + " days" }
	long := func(n int) string { return strconv.Itoa(n) + " months" }
	return []Kept{
		{"identifiers, and what you are known by", "while you are a member, and " + long(months) + " after your last purchase or word at most", source},
		{"consents and how you gave them", "as long as your identifiers", "GDPR, Article 7(1): as long as it must be proved"},
		{"receipts and their lines", "as long as your identifiers; then without saying whose they are, as the books want", source},
		{"profiles, habits and membership of audiences", "as long as your identifiers; they look back three years", source},
		{"adverts you were shown, and what you did with them", long(r.AdvertsMonths) + " to the end of the month; then without saying whose they are", "CNIL, recommendation on cookies and other trackers of 17 September 2020: data gathered by trackers 25 months"},
		{"how a decision was made", days(event.RememberDays), "the retailer"},
		{"rows that could not be read", days(vault.RefusedDays), "the retailer"},
		{"what you asked by right of the law", long(r.RequestsMonths) + " after the answer", "the term within which the answer can be disputed (France: Code civil, Article 2224)"},
		{"to whom data about you was given", "as long as your identifiers, and until the recipient has been told", "GDPR, Article 19"},
		{"facts on their way into history", days(streamDays) + " after the day was sealed", "the retailer"},
		{"backups", days(backupDays), "the retailer"},
		{"files of products proposed to you, for e-mail, an app or tills", "until the end that stands in them, 7 days at most", "the retailer"},
		{"the audit of who in the house changed what", "for good; it names no shopper", "the retailer"},
	}
}

// requestsBefore is when a request must have been closed to be removed.
func (r Retention) requestsBefore(now time.Time) time.Time {
	return monthsLater(now, -r.RequestsMonths)
}

// shareMax is how many of some shoppers one run may forget unasked.
func (r Retention) shareMax(people int) int {
	return max(freeLapses, int(int64(people)*int64(r.SharePPM)/1_000_000))
}

// freeLapses may go in one run whatever share of a small house they are.
const freeLapses = 20

// byDay puts whoever is silent longest first.
func byDay(a, b vault.Activity) int { return cmp.Compare(a.Day, b.Day) }
