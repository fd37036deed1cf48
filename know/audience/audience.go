// Package audience says who belongs to an audience. It folds receipts into a
// compact history of purchases in each shopper's profile, and evaluates every
// sentence over it while she waits: membership is never stored, so it is exact
// and current with the sentence, the catalogue and the business day.
//
// The warehouse answers how large an audience is, under the purpose
// personal_ads; both ways to evaluate a sentence agree, and a test holds them to
// it. Two rules that the sentence itself leaves open are the same for both:
// "ever" reaches back audience.DaysMax days, and who has no receipt up to today
// belongs to no audience, not even to one of those who did not buy something.
//
// On the road of a receipt, it becomes history here, and sell/decide asks which
// line items may be shown to her.
package audience

import (
	"encoding/json"
	"fmt"

	"endcap/keep/profile"
	"endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/media"
)

// FollowerName and Section are the follower's name and the part of a profile
// that it writes.
const (
	FollowerName                 = "audience"
	Section      profile.Section = "purchases"
)

// Definition is what people set up, the document of a registry row.
type Definition struct {
	Name     string             `json:"name"`
	Sentence audience.Node      `json:"sentence"`        // as text
	Owner    media.AdvertiserID `json:"owner,omitempty"` // only it and the retailer see the audience; empty is the retailer's, for all
}

// ParseDefinition reads and checks a document.
func ParseDefinition(doc []byte) (Definition, error) {
	var d Definition
	if err := json.Unmarshal(doc, &d); err != nil {
		return Definition{}, fmt.Errorf("read an audience: %w", err)
	}
	if err := d.Sentence.Check(); err != nil {
		return Definition{}, fmt.Errorf("read an audience: %w", err)
	}
	return d, nil
}

// Range is what a Book must know of the catalogue. know/assortment's Shelf fits it.
type Range interface {
	// Version changes whenever Products may have.
	Version() uint64
	// Products lists the rows of the catalogue; a row that changes is a new one.
	Products() []*catalog.Product
}
