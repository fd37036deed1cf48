package world

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"endcap/simulate/scenario"
)

// Each is how many campaigns run at once in a world.
const Each = 50

// cells are what campaigns are told apart by, beside whether shoppers are alike.
var (
	wheres  = []scenario.Where{scenario.Online, scenario.InStore, scenario.Both}
	effects = []scenario.Effect{scenario.None, scenario.Small, scenario.Medium}
)

// Size is how large a world is. Its flights take three weeks.
type Size struct {
	Shoppers, Products int
	Quiet              int     // weeks before campaigns are booked
	Browse             float64 // visits to the site a week, beside orders
}

// Sizes: of the whole proof, and of the share that every test run plays, in which
// most campaigns reach enough shoppers for an interval.
var (
	Whole = Size{Shoppers: 20_000, Products: 4_000, Quiet: 3, Browse: 2}
	Share = Size{Shoppers: 1_600, Products: 1_500, Quiet: 1, Browse: 4}
)

// flight is how many weeks campaigns run; their sales count for one more.
const flight = 3

// Of is the scenario of one world. Its seed is the first eight bytes of SHA-256
// over the test's name and the world's index; no other is tried. Its keys are right
// and complete, so that who is measured is who was shown: how well identities are
// found is measured elsewhere (make eval). Cells take turns over campaigns and
// worlds.
func Of(test string, index int, size Size) scenario.Scenario {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", test, index))
	s := scenario.Defaults()
	s.Shoppers, s.Products, s.Weeks, s.Seed = size.Shoppers, size.Products, size.Quiet+flight+1, binary.BigEndian.Uint64(sum[:8])
	s.Card, s.Account, s.Online, s.Browse = 1, 0.8, 0.4, size.Browse
	s.CardShown, s.CardShared, s.CardWrong, s.EmailWrong, s.NoAddress, s.Consent, s.Withdraw = 1, 0, 0, 0, 0, 1, 0
	s.Play = &scenario.Play{Quiet: size.Quiet}
	for n := range Each {
		cell := index*Each + n
		c := scenario.CampaignDefaults()
		c.Name = fmt.Sprintf("w%d-c%d", index, n)
		c.Where, c.Effect, c.Heterogeneous = wheres[cell%3], effects[cell/3%3], cell/9%2 == 0
		c.From, c.Weeks, c.WindowDays, c.Control = size.Quiet, flight, 7, 0.5
		s.Play.Campaigns = append(s.Play.Campaigns, c)
	}
	return s
}
