package graph

import (
	"errors"
	"fmt"

	"endcap/retail/shopper"
)

// Limit bounds what keys of one kind may link.
type Limit struct {
	// Shoppers is how many shoppers may share a key; one that more share links
	// nobody.
	Shoppers int
	// Known is how many of them may have a key of a personal kind of their own
	// (card, account, e-mail, phone). A device that two known people use says
	// that they share it, not that they are one.
	Known int
	// Keys is how many keys of this kind one person may have.
	Keys int
}

// Rules say what evidence is enough.
type Rules struct {
	Keys map[shopper.KeyKind]Limit // a kind that is not listed links nobody
	// ShoppersMax is how many shoppers may become one person.
	ShoppersMax int
	// ProbabilityMin is what a linked edge must reach.
	ProbabilityMin float64
}

// Defaults lets a key be shared by at most five shoppers; a person have up to
// 3 accounts, 5 cards, addresses and phones, and 20 devices; and at most 20
// shoppers become one. Linked edges count from 0.99 on, because a false merge
// shows one shopper another's basket.
func Defaults() Rules {
	return Rules{
		Keys: map[shopper.KeyKind]Limit{
			shopper.Account:   {Shoppers: 5, Known: 5, Keys: 3},
			shopper.Card:      {Shoppers: 5, Known: 5, Keys: 5},
			shopper.EmailHash: {Shoppers: 5, Known: 5, Keys: 5},
			shopper.PhoneHash: {Shoppers: 5, Known: 5, Keys: 5},
			shopper.Device:    {Shoppers: 5, Known: 1, Keys: 20},
		},
		ShoppersMax:    20,
		ProbabilityMin: 0.99,
	}
}

// ErrRules is returned by Check.
var ErrRules = errors.New("shoppers cannot be merged like this")

// Check returns ErrRules for limits that cannot hold.
func (r Rules) Check() error {
	switch {
	case r.ShoppersMax < 1:
		return fmt.Errorf("%w: at most %d shoppers in one person", ErrRules, r.ShoppersMax)
	case !(r.ProbabilityMin > 0.5 && r.ProbabilityMin <= 1):
		return fmt.Errorf("%w: linked edges from a probability of %v on, which must be above 0.5 and at most 1", ErrRules, r.ProbabilityMin)
	}
	for kind, l := range r.Keys {
		if l.Shoppers < 1 || l.Known < 0 || l.Known > l.Shoppers || l.Keys < 1 {
			return fmt.Errorf("%w: %s shared by %d shoppers, %d of them known, %d to a person", ErrRules, kind, l.Shoppers, l.Known, l.Keys)
		}
	}
	return nil
}

// personal reports whether a key of this kind makes its shopper somebody known.
func personal(kind shopper.KeyKind) bool { return kind != shopper.Device }

// Refusal says why an edge merges nobody. It is a result, never an error.
type Refusal string

// The refusals.
const (
	RefusedWithdrawn  Refusal = "withdrawn"       // taken back
	RefusedProof      Refusal = "unauthenticated" // nobody proved who acted
	RefusedImprobable Refusal = "improbable"      // linked, below the probability asked for
	RefusedShared     Refusal = "shared_key"      // too many shoppers have this key
	RefusedDevice     Refusal = "shared_device"   // several known people use it
	RefusedApart      Refusal = "apart"           // would join two who are known to be two
	RefusedShoppers   Refusal = "too_many_shoppers"
	RefusedKeys       Refusal = "too_many_keys" // of one kind, for one person
)
