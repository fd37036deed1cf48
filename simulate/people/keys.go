package people

import (
	"crypto/sha256"
	"encoding/hex"
	"math/bits"
	"strconv"

	"endcap/simulate/draw"
)

// Card is the number of the card that shopper i shows, whose it is, and whether
// she has one: her partner's where she uses it and there is one, else her own.
func (c *Crowd) Card(i int) (number int64, owner int, has bool) {
	if j := i ^ 1; c.Shoppers[i].Has&Shares != 0 && j < len(c.Shoppers) && c.Shoppers[j].Has&(Card|Shares) == Card {
		return cardNumber(j), j, true
	}
	return cardNumber(i), i, c.Shoppers[i].Has&Card != 0
}

// Account is the number of shopper i's account online, and whether she has one.
func (c *Crowd) Account(i int) (number int64, has bool) {
	return 1_000_000_000 + int64(uint64(i)*7_368_787%4_294_967_291), c.Shoppers[i].Has&Account != 0
}

// Numbers of cards: the first, a prime, and a factor with its inverse modulo it.
const (
	cardFirst   = 9_250_000_000_000_000
	cardPrime   = 10_000_000_019
	cardFactor  = 1_000_003
	cardInverse = 2_682_031_959
)

// cardNumber is the number of card i. Multiplying by a number without a factor
// in common with a prime gives every card its own.
func cardNumber(i int) int64 {
	return cardFirst + int64(uint64(i)*cardFactor%cardPrime)
}

// CardOf is whose card has a number.
func (c *Crowd) CardOf(number int64) (owner int) {
	hi, lo := bits.Mul64(uint64(number-cardFirst), cardInverse)
	_, owner64 := bits.Div64(hi, lo, cardPrime)
	return int(owner64)
}

// Email is the SHA-256 of shopper i's e-mail address, as her account has it and
// as the desk that gave her the card heard it.
func (c *Crowd) Email(i int) (account, desk [sha256.Size]byte) {
	n := strconv.Itoa(i)
	account = sha256.Sum256([]byte("shopper-" + n + "@simulated.invalid"))
	if desk = account; c.Shoppers[i].Has&Misheard != 0 {
		desk = sha256.Sum256([]byte("chopper-" + n + "@simulated.invalid"))
	}
	return account, desk
}

// Told reports whether shopper i told the desk that gave her the card an e-mail
// address.
func (c *Crowd) Told(i int) bool {
	return c.key.For(forAddress).For(uint64(i)).Unit() >= c.scenario.NoAddress
}

// Device is one of shopper i's devices: x, any number, chooses which.
func (c *Crowd) Device(i int, x uint64) string {
	if c.Shoppers[i].Has&TwoDevices == 0 || x%3 != 0 {
		x = 1
	} else {
		x = 2
	}
	var b [8]byte
	n := c.key.For(forDevice).For(uint64(i)).For(x).Uint64()
	for j := range b {
		b[j] = byte(n >> (8 * j))
	}
	return hex.EncodeToString(b[:])
}

// Saying is what a shopper says of consent before the first day, and whether she
// says anything.
type Saying struct {
	Said     bool
	Allowed  string // purposes, comma-separated, or "none"
	Withdraw int    // the day of the simulation on which she withdraws all; -1 where she does not
}

// Saying is what shopper i says. Only who has a key can be asked.
func (c *Crowd) Saying(i int) Saying {
	s := c.key.For(forSay).For(uint64(i)).Stream()
	out := Saying{Withdraw: -1, Allowed: "none"}
	_, _, card := c.Card(i)
	if !card && c.Shoppers[i].Has&Account == 0 {
		return out
	}
	u := s.Unit()
	out.Said = u < c.scenario.Consent+(1-c.scenario.Consent)*0.6 // of the others six in ten say no
	if u >= c.scenario.Consent {
		return out
	}
	out.Allowed = "personal_offers"
	for _, more := range []struct {
		purpose string
		share   float64
	}{{"personal_ads", 0.8}, {"measurement", 0.85}, {"offsite_matching", 0.35}, {"pooling", 0.3}} {
		if s.Chance(more.share) {
			out.Allowed += "," + more.purpose
		}
	}
	if s.Chance(c.scenario.Withdraw) {
		out.Withdraw = s.Int(365)
	}
	return out
}

// Key is the shoppers' chance, for what follows from the same seed.
func (c *Crowd) Key() draw.Key { return c.key }
