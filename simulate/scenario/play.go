package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Limits of a play.
const (
	CampaignsMax = 500
	centsMax     = 100_000_000_00
)

// Play is what is booked when a simulation is played against a server.
type Play struct {
	Quiet     int        `json:"quiet"` // first weeks, in which no visit asks for a decision
	Campaigns []Campaign `json:"campaigns"`
}

// Effect is how strongly an advert sells.
type Effect string

// The effects.
const (
	None   Effect = "none"
	Small  Effect = "small"
	Medium Effect = "medium"
)

// Where says on which screens an advert stands.
type Where string

// The places.
const (
	Online  Where = "online"   // beside search results and on a banner of the site
	InStore Where = "in_store" // on a screen in the aisle
	Both    Where = "both"
)

// Campaign is one campaign with the one line item that it has, for one brand in
// one category. Amounts are cents, weeks are those of the simulation from 0.
type Campaign struct {
	Name          string  `json:"name"`     // its id; its advertiser's is made of it
	Category      string  `json:"category"` // of the grocer's range; drawn where absent
	Brand         string  `json:"brand"`    // drawn where absent
	Effect        Effect  `json:"effect"`
	Heterogeneous bool    `json:"heterogeneous"` // shoppers differ in how much it moves them
	Where         Where   `json:"where"`
	From          int     `json:"from"`    // the week in which its flight begins
	Weeks         int     `json:"weeks"`   // of its flight
	Control       float64 `json:"control"` // share of shoppers who are held out
	WindowDays    int     `json:"window_days"`
	CapPerDay     int     `json:"cap_per_day"`
	Bid           int64   `json:"bid"`
	BudgetDaily   int64   `json:"budget_daily"`
	BudgetTotal   int64   `json:"budget_total"`
	Wallet        int64   `json:"wallet"` // paid in before the first week
}

// CampaignDefaults is a campaign of which a file says nothing; its name must be
// said, and its flight.
func CampaignDefaults() Campaign {
	return Campaign{
		Effect: Medium, Heterogeneous: true, Where: Both, Weeks: 4, Control: 0.3, WindowDays: 14, CapPerDay: 6,
		Bid: 40, BudgetDaily: 5_000, BudgetTotal: 100_000, Wallet: 100_000,
	}
}

// UnmarshalJSON reads a campaign over the defaults; what is no knob is refused.
func (c *Campaign) UnmarshalJSON(text []byte) error {
	type knobs Campaign
	k := knobs(CampaignDefaults())
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&k); err != nil {
		return err
	}
	*c = Campaign(k)
	return nil
}

// nameMax is the longest name of a campaign: ids of what is booked are made of it.
const nameMax = 40

func named(name string) bool {
	others := strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-")
	return others == "" && name != "" && len(name) <= nameMax && name[0] != '-'
}

func (p *Play) check(weeks int) error {
	switch {
	case p.Quiet < 0 || p.Quiet >= weeks:
		return bad("play.quiet", fmt.Sprintf("quiet is %d", p.Quiet), fmt.Sprintf("from 0 to %d, fewer than there are weeks", weeks-1))
	case len(p.Campaigns) > CampaignsMax:
		return bad("play.campaigns", fmt.Sprintf("%d campaigns", len(p.Campaigns)), fmt.Sprintf("at most %d", CampaignsMax))
	}
	seen := make(map[string]bool)
	for i := range p.Campaigns {
		c := &p.Campaigns[i]
		at := fmt.Sprintf("play.campaigns[%d].", i)
		if !named(c.Name) || seen[c.Name] {
			return bad(at+"name", fmt.Sprintf("name is %.50q", c.Name), "1 to 40 small letters, digits and hyphens, each name once")
		}
		seen[c.Name] = true
		if err := c.check(at, p.Quiet, weeks); err != nil {
			return err
		}
	}
	return nil
}

func (c *Campaign) check(at string, quiet, weeks int) error {
	if c.Effect != None && c.Effect != Small && c.Effect != Medium {
		return bad(at+"effect", fmt.Sprintf("effect is %.20q", c.Effect), "none, small or medium")
	}
	if c.Where != Online && c.Where != InStore && c.Where != Both {
		return bad(at+"where", fmt.Sprintf("where is %.20q", c.Where), "online, in_store or both")
	}
	if !(c.Control >= 0 && c.Control <= 0.5) {
		return bad(at+"control", fmt.Sprintf("control is %v", c.Control), "from 0 to 0.5")
	}
	for _, n := range []struct {
		name         string
		is, min, max int64
	}{
		{"from", int64(c.From), int64(quiet), int64(weeks) - 1},
		{"weeks", int64(c.Weeks), 1, int64(weeks - c.From)},
		{"window_days", int64(c.WindowDays), 1, 90},
		{"cap_per_day", int64(c.CapPerDay), 1, 1_000},
		{"bid", c.Bid, 1, 100_000},
		{"budget_daily", c.BudgetDaily, 1, centsMax},
		{"budget_total", c.BudgetTotal, 1, centsMax},
		{"wallet", c.Wallet, 1, centsMax},
	} {
		if n.is < n.min || n.is > n.max {
			return bad(at+n.name, fmt.Sprintf("%s is %d", n.name, n.is), fmt.Sprintf("from %d to %d", n.min, n.max))
		}
	}
	return nil
}
