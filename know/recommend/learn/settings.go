package learn

import (
	"errors"
	"fmt"
)

// Settings say how trees are grown.
type Settings struct {
	Bags     int     // sums of trees, whose mean is the score
	Trees    int     // of each sum at most; held lists say how many are enough
	Leaves   int     // of one tree, at most
	Rate     float64 // by which each tree's step is shortened
	L2       float64 // added to a leaf's weight of evidence
	LeafMin  float64 // weight of evidence of a leaf
	Lists    float64 // share of lists that each tree sees
	Columns  float64 // share of columns that each tree sees
	Rank     bool    // the order within lists is learnt (LambdaRank), not probabilities
	Balance  float64 // a list in which n products were bought weighs n to the −Balance
	Patience int     // trees without a better order of held lists after which growing stops
	Seed     uint64
}

// Defaults are settings that do well on most tables.
func Defaults() Settings {
	return Settings{Bags: 3, Trees: 400, Leaves: 15, Rate: 0.1, L2: 10, LeafMin: 1, Lists: 0.5, Columns: 0.3, Rank: true, Balance: 0.8, Patience: 40, Seed: 1}
}

// ErrSettings is returned for settings with which nothing can be grown.
var ErrSettings = errors.New("settings that grow nothing")

// Limits of settings, and of what a file may hold.
const (
	treesMax   = 10_000
	leavesMax  = 1_024
	columnsMax = 1_024
)

// Check says what is wrong with settings.
func (s *Settings) Check() error {
	switch {
	case s.Bags < 1 || s.Trees < 1 || s.Bags > treesMax || s.Bags*s.Trees > treesMax:
		return fmt.Errorf("%w: %d bags of %d trees", ErrSettings, s.Bags, s.Trees)
	case s.Leaves < 2 || s.Leaves > leavesMax:
		return fmt.Errorf("%w: %d leaves", ErrSettings, s.Leaves)
	case !(s.Rate > 0 && s.Rate <= 1):
		return fmt.Errorf("%w: rate %v", ErrSettings, s.Rate)
	case !(s.L2 >= 0) || !(s.LeafMin > 0):
		return fmt.Errorf("%w: L2 %v, least leaf %v", ErrSettings, s.L2, s.LeafMin)
	case !(s.Lists > 0 && s.Lists <= 1) || !(s.Columns > 0 && s.Columns <= 1):
		return fmt.Errorf("%w: shares %v of lists and %v of columns", ErrSettings, s.Lists, s.Columns)
	case !(s.Balance >= 0) || s.Patience < 1:
		return fmt.Errorf("%w: balance %v, patience %d", ErrSettings, s.Balance, s.Patience)
	}
	return nil
}
