package play

import (
	"strconv"

	"endcap/retail"
	"endcap/simulate/life"
	"endcap/simulate/people"
	"endcap/simulate/wire"
)

// Seen is a campaign that somebody won under some keys, or would have, and how much
// more was bought under them since with adverts than without, by whoever showed
// them: what the retailer can see at best. A receipt without a key is of nobody,
// and one with somebody else's card is hers. Amounts are cents.
type Seen struct {
	Campaign string `parquet:"campaign,dict"`
	Shopper  int32  `parquet:"shopper"`   // whose keys they are
	Keys     string `parquet:"keys,dict"` // card, account or device: the one of them by which they are told from others
	Held     bool   `parquet:"held"`
	Measured bool   `parquet:"measured"`
	First    int32  `parquet:"first_day,date"`
	Store    int64  `parquet:"extra_in_store"`
	Online   int64  `parquet:"extra_online"`
	campaign int32
}

// keyring is keys that the retailer's systems know to be one shopper's.
type keyring struct {
	shopper int32
	keys    uint8
}

// What a keyring has; the words are those of the truth.
const (
	noKeys     = iota
	byCard     // a card, and what the till desk linked with it
	byAccount  // an account that no card is linked with, with its first device
	bySecondly // a device that no system knows
)

var keyWords = [...]string{"", "card", "account", "device"}

// ofCard is the keyring of a card.
func ofCard(c *people.Crowd, card int64) keyring {
	return keyring{int32(c.CardOf(card)), byCard}
}

// ofAccount is the keyring of shopper i's account: with that of the card for which
// she told the desk the same e-mail address, if there is one.
func ofAccount(c *people.Crowd, i int) keyring {
	_, owner, has := c.Card(i)
	if has && c.Shoppers[i].Has&(people.Card|people.Misheard) == people.Card && c.Told(i) {
		return keyring{int32(owner), byCard}
	}
	return keyring{int32(i), byAccount}
}

// ofReceipt is under which keys a receipt was bought.
func ofReceipt(c *people.Crowd, r *life.Receipt) keyring {
	switch {
	case r.Card != 0:
		return ofCard(c, r.Card)
	case r.Account != 0:
		return ofAccount(c, int(r.Shopper))
	default:
		return keyring{}
	}
}

// ofVisit is under which keys a visit came.
func ofVisit(c *people.Crowd, v *wire.Visit) keyring {
	if card, err := strconv.ParseInt(v.Keys["card"], 10, 64); err == nil {
		return ofCard(c, card)
	}
	if device := v.Keys["device"]; device != "" && device != c.Device(v.Shopper, 1) {
		return keyring{int32(v.Shopper), bySecondly}
	}
	return ofAccount(c, v.Shopper)
}

// sees notes under which keys a campaign was won first.
func (s *seeker) sees(v *wire.Visit, won *win, day retail.Day) {
	k := ofVisit(s.world.Crowd, v)
	for _, x := range s.seen[k] {
		if x.campaign == int32(won.campaign) {
			return
		}
	}
	s.seen[k] = append(s.seen[k], &Seen{
		Campaign: s.campaigns[won.campaign].Name, Shopper: k.shopper, Keys: keyWords[k.keys], Held: won.held, Measured: s.measured(v, won),
		First: int32(day), campaign: int32(won.campaign),
	})
}
