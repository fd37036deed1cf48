// Package outreach makes batches: files of proposals for everybody who allows
// personal offers, for those who reach shoppers outside a visit: a mail system, an
// app, tills. A batch says what its list is, by which model and rules it was made,
// and until when it holds.
//
// A batch names shoppers by their keys, so it ends. A Folder of the house's own
// deletes what is no longer valid, and loses whoever is forgotten or says no. What
// is written elsewhere has left the house's control.
//
// On the road of a receipt, habits leave the house here before the shopper comes.
package outreach

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/profile"
	"endcap/know/recommend"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/shopper"
	"endcap/retail/visit"
)

// Outlet is by what shoppers are reached: it decides by which of their keys a batch
// names them.
type Outlet string

// The outlets.
const (
	Email Outlet = "email" // by the hash of an e-mail address
	App   Outlet = "app"   // by account
	Till  Outlet = "till"  // by loyalty card
)

// Key is the kind of key by which an outlet knows shoppers, empty for no outlet.
func (o Outlet) Key() shopper.KeyKind {
	switch o {
	case Email:
		return shopper.EmailHash
	case App:
		return shopper.Account
	case Till:
		return shopper.Card
	default:
		return ""
	}
}

// Format is how a batch is written.
type Format string

// The formats. Both have the columns of Row.
const (
	CSV     Format = "csv"
	Parquet Format = "parquet"
)

// Limits of a batch.
const (
	NMax     = 50
	HoursMax = 7 * 24
	hours    = 36 // a night, the day after it, and the evening
)

// Terms say what a batch holds.
type Terms struct {
	List   visit.ListName  `json:"list"`
	Outlet Outlet          `json:"channel"`
	N      int             `json:"n"`               // products for each shopper, at most
	Store  catalog.StoreID `json:"store,omitempty"` // whose stock counts, and what is popular there
	Format Format          `json:"format,omitempty"`
	// Hours is for how long the batch is valid from when it was begun.
	Hours int `json:"valid_hours,omitempty"`
}

// Lists are the lists that need no page, and so can be made without a visit.
func Lists() []visit.ListName {
	return []visit.ListName{visit.ForYou, visit.NextBasket, visit.BuyAgain, visit.Discovery, visit.Trending}
}

// Whole gives the terms with what they leave out: a CSV, valid for 36 hours.
func (t Terms) Whole() Terms {
	if t.Format == "" {
		t.Format = CSV
	}
	if t.Hours == 0 {
		t.Hours = hours
	}
	return t
}

// Check says what cannot be.
func (t Terms) Check() error {
	wrong := func(field, cure, format string, args ...any) error {
		return &retail.Error{Kind: retail.Invalid, Field: field, Say: fmt.Sprintf(format, args...), Cure: cure}
	}
	switch t = t.Whole(); {
	case !slices.Contains(Lists(), t.List):
		return wrong("list", "name one of "+words(Lists()), "a batch cannot be of this list, which is made on a page, or is none")
	case t.Outlet.Key() == "":
		return wrong("channel", "name email, app or till", "this is nothing by which shoppers are reached")
	case t.N < 1 || t.N > NMax:
		return wrong("n", fmt.Sprintf("ask for 1 to %d", NMax), "%d products for each shopper", t.N)
	case t.Format != CSV && t.Format != Parquet:
		return wrong("format", "name csv or parquet", "a batch is not written so")
	case t.Hours < 1 || t.Hours > HoursMax:
		return wrong("valid_hours", fmt.Sprintf("name 1 to %d", HoursMax), "valid for %d hours", t.Hours)
	case len(t.Store) > catalog.IDMax || strings.ContainsFunc(string(t.Store), unfit):
		return wrong("store", "name it by letters, digits, - and _", "a store whose id stands in the name of no file")
	}
	return nil
}

func unfit(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
}

func words(lists []visit.ListName) string {
	var out []string
	for _, l := range lists {
		out = append(out, string(l))
	}
	return strings.Join(out, ", ")
}

// name is what the files of a batch are called, but for their endings.
func (t Terms) name(day retail.Day) string {
	parts := []string{day.String(), string(t.List), string(t.Outlet)}
	if t.Store != "" {
		parts = append(parts, string(t.Store))
	}
	return strings.Join(parts, "-")
}

// Shoppers lists everybody of whom something is known.
type Shoppers interface {
	// Page lists up to limit of them from one on, by ascending id.
	Page(ctx context.Context, from shopper.ID, limit int) ([]shopper.ID, error)
	// Get is what is known of one alone, whoever else she is.
	Get(ctx context.Context, who shopper.ID) (profile.Profile, error)
}

// Profiles reads profiles as a decision does: of the person, none of who was
// inactive too long.
type Profiles interface {
	Get(ctx context.Context, who shopper.ID) (profile.Profile, error)
}

// People is what must be known of know/identity.
type People interface {
	Members(ctx context.Context, who shopper.ID) ([]shopper.ID, error)
	// Canonical is as whom she is known.
	Canonical(who shopper.ID) shopper.ID
	// Holds is what a shopper allows at an instant, by the section of her consents.
	Holds(who shopper.ID, section []byte, now time.Time) consent.Set
	// Find returns the shopper to whom keys belong.
	Find(ctx context.Context, keys []shopper.Key) (shopper.ID, error)
	// Allowed returns what each shopper allows now.
	Allowed(ctx context.Context, who []shopper.ID) ([]consent.Set, error)
}

// Keys gives all keys of one shopper; keep/vault fits it.
type Keys interface {
	Keys(ctx context.Context, who shopper.ID) ([]shopper.Key, error)
}

// Ports are what batches are made with. All are required but Visits and Book.
type Ports struct {
	Shoppers Shoppers
	Profiles Profiles
	People   People
	Keys     Keys
	// Still gives the recommender as it stands.
	Still func() *recommend.Still
	// Product looks a product up in the catalogue.
	Product func(catalog.ProductID) (*catalog.Product, bool)
	// Consents names the section of a profile that People's Holds reads, and Habits
	// the one that lists are made of.
	Consents, Habits profile.Section
	Now              retail.Clock
	Zone             *time.Location // of business days
	// Visits reports whether visitors are served, who come first: then work rests as
	// long as it worked; nil is no.
	Visits func() bool
	// Wall tells how long work takes.
	Wall retail.Clock
	// Book keeps an entry of the audit of each batch; nil keeps none.
	Book ledger.Committer
}

// NightlyMax is how many batches a night makes at most.
const NightlyMax = 50

// CheckAll says what cannot be made every night.
func CheckAll(all []Terms) error {
	if len(all) > NightlyMax {
		return fmt.Errorf("batches: %d of them, at most %d", len(all), NightlyMax)
	}
	for i := range all {
		if err := all[i].Check(); err != nil {
			return fmt.Errorf("batches[%d]: %w", i, err)
		}
	}
	return nil
}
