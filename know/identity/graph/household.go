package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"endcap/retail/shopper"
)

// Place is something that people of one household share, as a hash: a key of
// theirs that makes none of them one person.
type Place [32]byte

// Tie says that a shopper was seen at a place.
type Tie struct {
	ID      string // of the evidence, 1 to TextMax bytes
	Shopper shopper.ID
	Place   Place
	At      time.Time
}

// Household is people who live together, by their canonical shoppers in order
// of their numbers; always two or more.
type Household []shopper.ID

// Households groups people who share a place, each in at most one household of
// at most max people. A place that more than max share (a student hall, a
// parcel shop) ties nobody; where households would grow above max by several
// places, earlier ties win, and of equals the lower id. It merges nobody and
// nothing of theirs.
// Like Resolve it is a function of the sets alone, and returns ErrEvidence for
// a tie without an id, a shopper or a time, and for two of one id that differ.
func Households(people *Outcome, ties []Tie, most int) ([]Household, error) {
	byID := make(map[string]Tie, len(ties))
	at := make(map[Place]map[shopper.ID]bool)
	var order []Tie
	for _, tie := range ties {
		if tie.ID == "" || len(tie.ID) > TextMax || !tie.Shopper.Known() || tie.At.IsZero() {
			return nil, fmt.Errorf("%w: a tie needs an id of 1 to %d bytes, a shopper and a time", ErrEvidence, TextMax)
		}
		before, again := byID[tie.ID]
		switch {
		case again && (before.Shopper != tie.Shopper || before.Place != tie.Place || !before.At.Equal(tie.At)):
			return nil, fmt.Errorf("%w: tie %.40q says two different things", ErrEvidence, tie.ID)
		case again:
			continue
		}
		byID[tie.ID] = tie
		order = append(order, tie)
		if at[tie.Place] == nil {
			at[tie.Place] = make(map[shopper.ID]bool)
		}
		at[tie.Place][people.Canonical(tie.Shopper)] = true
	}
	slices.SortFunc(order, func(a, b Tie) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID)) })
	s := newSets(Rules{ShoppersMax: most})
	first := make(map[Place]shopper.ID)
	for _, tie := range order {
		who := people.Canonical(tie.Shopper)
		s.add(OfShopper(who))
		if n := len(at[tie.Place]); n < 2 || n > most {
			continue
		}
		if host, ok := first[tie.Place]; ok {
			_ = s.union(OfShopper(host), OfShopper(who)) // what does not fit stays apart
		} else {
			first[tie.Place] = who
		}
	}
	var out []Household
	for _, c := range s.clusters(nil) {
		if len(c.Shoppers) > 1 {
			out = append(out, c.Shoppers)
		}
	}
	return out, nil
}
