package folder

import (
	"errors"
	"fmt"
	"os"

	"endcap/retail"
	"endcap/simulate/life"
	"endcap/simulate/people"
	"endcap/simulate/scenario"
)

// What a simulation takes of memory: a base, and so many bytes a shopper, her state
// and what plans of a week take (make bench-simulate measures them).
const (
	memoryBase    = 128 << 20
	memoryShopper = people.Bytes + 22
)

// Memory is how many bytes a run of a scenario takes. Garbage is to be collected
// sooner rather than taking more.
func Memory(s *scenario.Scenario) uint64 { return memoryBase + uint64(memoryShopper*s.Shoppers) }

// Bytes on disk, as measured over folders of 20,000 shoppers under several scenarios;
// TestADiskIsKnownToBeTooSmallBeforehand holds them. A shelf is a product in a store.
const (
	setUpShopper = 22 + 2*life.StateBytes // what she is like, and what is kept to go on
	setUpCard    = 94                     // more of one with a card: what the till desk knows, and her links
	setUpAccount = 167                    // more of one with an account
	setUpProduct = 32
	setUpShelf   = 5

	weekShopper = 99  // twelve lines of receipts, and whose they are
	weekCard    = 46  // more of one with a card
	weekBrowse  = 75  // a visit to the site without an order
	weekOrder   = 235 // the visits that end with the orders of somebody who always orders
	weekProduct = 4.2 // prices that change
	weekShelf   = 0.35
)

// Disk is about how many bytes a folder holds before the first week, and how many
// more with each. Sizes follow the scenario to within some fifteen per cent.
func Disk(s *scenario.Scenario) (setUp, week uint64) {
	crowd, products := float64(s.Shoppers), float64(s.Products)
	shelves := products * float64(s.StoreCount()+1)
	setUp = uint64(crowd*(setUpShopper+setUpCard*s.Card+setUpAccount*s.Account) + setUpProduct*products + setUpShelf*shelves)
	week = uint64(crowd*(weekShopper+weekCard*s.Card+s.Account*(weekBrowse*s.Browse+weekOrder*s.Online)) + weekProduct*products + weekShelf*shelves)
	return setUp, week
}

// room refuses what the disk or the memory has no room for, before anything is
// written. Where nobody knows how much is free, it refuses nothing.
func (w *writer) room(begun bool) error {
	s := &w.Scenario
	if needs := Memory(s); w.Memory > 0 && needs > w.Memory {
		return &retail.Error{
			Kind: retail.Unavailable, Field: "shoppers", Say: fmt.Sprintf("%d shoppers take %s of memory, and %s is free", s.Shoppers, size(needs), size(w.Memory)),
			Cure: "name fewer shoppers, or make room",
		}
	}
	setUp, week := Disk(s)
	needs := week * uint64(s.Weeks-len(w.found.Weeks))
	if !begun {
		needs += setUp
	}
	if free, known := w.free(); known && needs > free {
		return &retail.Error{
			Kind: retail.Unavailable, Field: "out", Say: fmt.Sprintf("the disk has %s free, and the simulation needs about %s more", size(free), size(needs)),
			Cure: "make room, name another folder, or fewer shoppers or weeks",
		}
	}
	return nil
}

// free is how many bytes the folder's disk has, as far as its nearest folder that
// is there says so.
func (w *writer) free() (bytes uint64, known bool) {
	for dir := w.Dir; ; dir = w.FS.PathDir(dir) {
		_, err := w.FS.Stat(dir)
		if errors.Is(err, os.ErrNotExist) && dir != w.FS.PathDir(dir) {
			continue
		}
		usage, err := w.FS.GetDiskUsage(dir)
		return usage.AvailBytes, err == nil
	}
}

// size writes bytes for people.
func size(bytes uint64) string {
	if bytes < 1_000_000_000 {
		return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
}
