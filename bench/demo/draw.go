package main

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
)

// draw is a number in [0, 1) that is a pure function of the seed and the words:
// the first 53 bits of SHA-256 over them, joined by '|'.
func draw(seed string, words ...string) float64 {
	sum := sha256.Sum256([]byte(seed + "|" + strings.Join(words, "|")))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// The consents the data lacks: 90 % of cards allow everything, 5 % all but
// personal adverts, 5 % nothing.
const (
	consentRule = "consents drawn by SHA-256 of seed and card: 90 % all purposes, 5 % all but personal_ads, 5 % none"
	clickRule   = "clicks drawn by SHA-256 of seed, receipt, placement, product and slot: 12 %, 8 %, 5 %, 3 % by slot; a third of clicks go to the basket; none of it changes what is bought"
)

var everything = []string{"personal_offers", "personal_ads", "measurement", "offsite_matching", "pooling"}

// group names the treatment a card was drawn into.
func group(seed, card string) string {
	switch u := draw(seed, "consent", card); {
	case u < 0.90:
		return "all purposes"
	case u < 0.95:
		return "no personal_ads"
	default:
		return "none"
	}
}

func allowed(group string) []string {
	switch group {
	case "all purposes":
		return everything
	case "no personal_ads":
		return []string{"personal_offers", "measurement", "offsite_matching", "pooling"}
	default:
		return []string{}
	}
}

// clicks says whether a shown item is clicked.
func clicks(seed, visit, item string, slot int) bool {
	chance := [...]float64{0.12, 0.08, 0.05, 0.03}
	return draw(seed, "click", visit, item, text(int64(slot))) < chance[min(slot, len(chance)-1)]
}
