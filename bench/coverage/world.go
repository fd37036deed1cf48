package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"endcap/simulate/scenario"
)

// campaignsEach is how many campaigns run at once in a world.
const campaignsEach = 50

// cells are what campaigns are told apart by.
var (
	wheres  = []scenario.Where{scenario.Online, scenario.InStore, scenario.Both}
	effects = []scenario.Effect{scenario.None, scenario.Small, scenario.Medium}
)

// seedOf is the seed of a world: the first eight bytes of SHA-256 over the test's
// name and the world's index. No other is tried.
func seedOf(test string, index int) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", test, index))
	return binary.BigEndian.Uint64(sum[:8])
}

// worldOf is the scenario of one world. Its keys are right and complete, so that
// who is measured is who was shown: how well identities are found is measured
// elsewhere (make eval). Cells take turns over campaigns and worlds.
func worldOf(test string, index, shoppers int) scenario.Scenario {
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed, s.Products = shoppers, 7, seedOf(test, index), 4_000
	s.Card, s.Account, s.Online, s.Browse = 1, 0.8, 0.4, 2
	s.CardShown, s.CardShared, s.CardWrong, s.EmailWrong, s.NoAddress, s.Consent, s.Withdraw = 1, 0, 0, 0, 0, 1, 0
	s.Play = &scenario.Play{Quiet: 3}
	for n := range campaignsEach {
		cell := index*campaignsEach + n
		c := scenario.CampaignDefaults()
		c.Name = fmt.Sprintf("w%d-c%d", index, n)
		c.Where, c.Effect, c.Heterogeneous = wheres[cell%3], effects[cell/3%3], cell/9%2 == 0
		c.From, c.Weeks, c.WindowDays, c.Control = 3, 3, 7, 0.5
		s.Play.Campaigns = append(s.Play.Campaigns, c)
	}
	return s
}

func cellOf(c *scenario.Campaign) string {
	kind := "homogeneous"
	if c.Heterogeneous {
		kind = "heterogeneous"
	}
	return fmt.Sprintf("%s.%s.%s", c.Where, c.Effect, kind)
}
