package identity

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/shopper"
)

// cluster is several shoppers who are one person; nobody changes it.
type cluster struct {
	canonical shopper.ID
	members   []shopper.ID // in order of their numbers
}

// clusters holds every merged shopper's cluster, so that asking for one who is
// merged with nobody costs a look into a map.
type clusters struct {
	mu   sync.RWMutex
	most int
	of   map[shopper.ID]*cluster
}

// get is a shopper's cluster, nil where she is alone.
func (c *clusters) get(who shopper.ID) *cluster {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.of[who]
}

// set saves how the shoppers of some clusters are known from now on; one who is
// in none of them is alone.
func (c *clusters) set(alone []shopper.ID, all []*cluster) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, who := range alone {
		delete(c.of, who)
	}
	for _, one := range all {
		for _, who := range one.members {
			c.of[who] = one
		}
	}
}

// room returns an error when n more merged shoppers would be too many.
func (c *clusters) room(n int) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(c.of)+n > c.most {
		return &retail.Error{Kind: retail.Unavailable, Say: fmt.Sprintf("%d shoppers are merged, more than %d are not kept at hand", len(c.of), c.most)}
	}
	return nil
}

// Load reads who is merged from the vault. It is called once, before anybody is
// named.
func (i *Identity) Load(ctx context.Context) error {
	by := make(map[shopper.ID]*cluster)
	n := 0
	err := i.vault.Members(ctx, func(m vault.Member) error {
		if n++; n > i.cfg.MergedMax {
			return fmt.Errorf("%w: more than %d merged shoppers", ErrConfig, i.cfg.MergedMax)
		}
		one := by[m.Canonical]
		if one == nil {
			one = &cluster{canonical: m.Canonical}
			by[m.Canonical] = one
		}
		one.members = append(one.members, m.Shopper)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read who is merged: %w", err)
	}
	all := make([]*cluster, 0, len(by))
	for _, one := range by {
		sortIDs(one.members)
		all = append(all, one)
	}
	i.clusters.set(nil, all)
	return nil
}

func sortIDs(ids []shopper.ID) {
	slices.SortFunc(ids, func(a, b shopper.ID) int {
		switch {
		case a.Reveal() < b.Reveal():
			return -1
		case a.Reveal() > b.Reveal():
			return 1
		}
		return 0
	})
}

// Canonical is as whom a shopper is known after merges: what experiments, caps
// and figures about shoppers count. It is she herself where she is merged with
// nobody.
func (i *Identity) Canonical(who shopper.ID) shopper.ID {
	if one := i.clusters.get(who); one != nil {
		return one.canonical
	}
	return who
}

// Members gives all shoppers who are one person with who, she among them, in
// order of their numbers.
func (i *Identity) Members(_ context.Context, who shopper.ID) ([]shopper.ID, error) {
	return slices.Clone(i.members(who)), nil
}

// members is Members without the copy.
func (i *Identity) members(who shopper.ID) []shopper.ID {
	if one := i.clusters.get(who); one != nil {
		return one.members
	}
	return []shopper.ID{who}
}
