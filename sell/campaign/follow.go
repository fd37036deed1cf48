package campaign

import (
	"context"
	"encoding/json"
	"fmt"

	"endcap/keep/registry"
	"endcap/retail/media"
)

// kinds are the rows the book follows.
var kinds = [...]registry.Kind{registry.Advertiser, registry.Campaign, registry.LineItem, registry.Placement}

// load reads the newest version of every row. What changes meanwhile is read
// again by follow: since is a position before which the first listing, and so
// every later one, knows everything.
func (b *Book) load(ctx context.Context) error {
	for i, kind := range kinds {
		var last uint64
		for after := ""; ; {
			rows, err := b.cfg.Registry.List(ctx, kind, after, registry.PageMax)
			if err != nil {
				return fmt.Errorf("list %s: %w", kind, err)
			}
			for j := range rows {
				last = max(last, rows[j].Seq)
				if err := b.apply(&rows[j]); err != nil {
					return err
				}
			}
			if len(rows) < registry.PageMax {
				break
			}
			after = rows[len(rows)-1].ID
		}
		if i == 0 {
			b.since = last
		}
	}
	return nil
}

// follow takes over what has changed in the registry.
func (b *Book) follow(ctx context.Context) error {
	b.mu.Lock()
	since := b.since
	b.mu.Unlock()
	for {
		rows, err := b.cfg.Registry.Changes(ctx, since, registry.PageMax)
		if err != nil {
			return fmt.Errorf("follow the registry: %w", err)
		}
		b.mu.Lock()
		for i := range rows {
			if err := b.apply(&rows[i]); err != nil {
				b.mu.Unlock()
				return err
			}
			since = max(since, rows[i].Seq)
		}
		b.since = max(b.since, since)
		b.mu.Unlock()
		if len(rows) < registry.PageMax {
			return nil
		}
	}
}

// apply takes over one row unless it is older than what is known.
func (b *Book) apply(r *registry.Row) error {
	key := rowKey{r.Kind, r.ID}
	if r.Version <= b.versions[key] {
		return nil
	}
	var err error
	switch r.Kind {
	case registry.Advertiser:
		err = set(b.docs.advertisers, media.AdvertiserID(r.ID), r)
	case registry.Campaign:
		err = set(b.docs.campaigns, media.CampaignID(r.ID), r)
	case registry.LineItem:
		err = set(b.docs.lines, media.LineItemID(r.ID), r)
		b.due[media.LineItemID(r.ID)] = true
	case registry.Placement:
		err = set(b.docs.placements, media.PlacementID(r.ID), r)
	case registry.Audience: // the snapshot only tells up to which version it knows them
	default:
		return nil // others follow those
	}
	if err != nil {
		return fmt.Errorf("read %s %s version %d: %w", r.Kind, r.ID, r.Version, err)
	}
	b.versions[key] = r.Version
	b.changed = true
	return nil
}

func set[K comparable, T any](in map[K]T, id K, r *registry.Row) error {
	if r.Removed {
		delete(in, id)
		return nil
	}
	var doc T
	if err := json.Unmarshal(r.Doc, &doc); err != nil {
		return err
	}
	in[id] = doc
	return nil
}
