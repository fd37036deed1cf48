package world_test

import (
	"fmt"
	"testing"

	"endcap/bench/coverage/world"
)

// of counts the campaigns of a world by kind.
func of(t *testing.T, test string, index int, size world.Size) map[string]int {
	t.Helper()
	s, err := world.Of(t.Context(), test, index, size)
	if err != nil {
		t.Fatal(err)
	}
	cells, categories := make(map[string]int), make(map[string]bool)
	for i := range s.Play.Campaigns {
		c := &s.Play.Campaigns[i]
		cells[fmt.Sprintf("%s %s %v", c.Where, c.Effect, c.Heterogeneous)]++
		categories[c.Category] = true
	}
	if len(s.Play.Campaigns) != size.Campaigns || len(categories) != size.Campaigns {
		t.Errorf("world %d has %d campaigns in %d categories, want %d", index, len(s.Play.Campaigns), len(categories), size.Campaigns)
	}
	return cells
}

// Seeds are SHA-256 of name and index, as any other program finds them: here
// `printf 'coverage 0' | sha256sum`.
func TestSeedsAreMadeOfNameAndIndexAlone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		test  string
		index int
		want  uint64
	}{
		{"coverage", 0, 0x03a02633b7a127ae},
		{"coverage", 19, 0x89ee0608d247bdb1},
		{"test", 0, 0x76489f616a131ae9},
		{"test", 1, 0xf67213b122a5d442},
	} {
		s, err := world.Of(t.Context(), tt.test, tt.index, world.Share)
		if err != nil || s.Seed != tt.want {
			t.Errorf("the seed of world %q %d is %#x, want %#x: %v", tt.test, tt.index, s.Seed, tt.want, err)
		}
	}
}

func TestEveryKindOfCampaignIsPlayedAsOftenAsAnother(t *testing.T) {
	t.Parallel()
	whole := world.Whole
	whole.Shoppers = 2_000 // whom a campaign is for does not hang on how many there are
	for name, tt := range map[string]struct {
		worlds int
		size   world.Size
		least  int
	}{
		"coverage": {20, whole, 52},
		"test":     {2, world.Share, 6},
	} {
		cells := make(map[string]int)
		for index := range tt.worlds {
			for cell, n := range of(t, name, index, tt.size) {
				cells[cell] += n
			}
		}
		if len(cells) != 18 {
			t.Errorf("%s has %d cells, want 18", name, len(cells))
		}
		for cell, n := range cells {
			if n < tt.least {
				t.Errorf("%s: cell %s has %d campaigns, fewer than %d", name, cell, n, tt.least)
			}
		}
	}
}
