package identity

import (
	"hash/maphash"
	"sync"
	"time"
)

const shards = 32

// cache keeps the most recently used values of a bounded number of keys. Each
// shard holds two generations: a full young one becomes the old one, whose
// unused rest is dropped, so no reader pays for keeping an exact order.
type cache[K comparable, V any] struct {
	seed  maphash.Seed
	half  int // entries of one generation of one shard
	parts [shards]part[K, V]
}

type part[K comparable, V any] struct {
	mu         sync.RWMutex
	young, old map[K]kept[V]
	dropped    uint64 // grows with every drop; a value read from the vault before it is not kept
}

type kept[V any] struct {
	value V
	since time.Time
}

func newCache[K comparable, V any](most int) *cache[K, V] {
	return &cache[K, V]{seed: maphash.MakeSeed(), half: max(1, most/(2*shards))}
}

func (c *cache[K, V]) part(key K) *part[K, V] {
	return &c.parts[maphash.Comparable(c.seed, key)%shards]
}

// get returns the value of key if it was put at notBefore or later.
func (c *cache[K, V]) get(key K, notBefore time.Time) (V, bool) {
	p := c.part(key)
	p.mu.RLock()
	e, ok := p.young[key]
	if ok {
		p.mu.RUnlock()
		return e.value, !e.since.Before(notBefore)
	}
	e, ok = p.old[key]
	p.mu.RUnlock()
	if !ok || e.since.Before(notBefore) {
		var none V
		return none, false
	}
	p.mu.Lock()
	if e, ok = p.old[key]; ok { // not dropped meanwhile
		p.set(key, e, c.half)
	}
	p.mu.Unlock()
	return e.value, ok
}

// mark is to be taken before the vault is asked and handed to put.
func (c *cache[K, V]) mark(key K) uint64 {
	p := c.part(key)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.dropped
}

// put keeps a value that the vault gave at since, unless something was dropped
// from the shard after mark: the value might be what was to be dropped.
func (c *cache[K, V]) put(key K, value V, since time.Time, mark uint64) {
	p := c.part(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dropped == mark {
		p.set(key, kept[V]{value, since}, c.half)
	}
}

func (p *part[K, V]) set(key K, e kept[V], half int) {
	if len(p.young) >= half {
		p.old, p.young = p.young, nil
	}
	if p.young == nil {
		p.young = make(map[K]kept[V])
	}
	p.young[key] = e
}

// drop removes one key.
func (c *cache[K, V]) drop(key K) {
	p := c.part(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropped++
	delete(p.young, key)
	delete(p.old, key)
}

// dropWhere removes every entry whose value fits; it walks the whole cache.
func (c *cache[K, V]) dropWhere(fits func(V) bool) {
	for i := range c.parts {
		p := &c.parts[i]
		p.mu.Lock()
		p.dropped++
		for _, generation := range []map[K]kept[V]{p.young, p.old} {
			for key, e := range generation {
				if fits(e.value) {
					delete(generation, key)
				}
			}
		}
		p.mu.Unlock()
	}
}
