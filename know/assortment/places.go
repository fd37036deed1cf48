package assortment

import "sync"

const placeShards = 64

// places keeps one value per product and store, and since when it holds.
type places[V any] struct {
	parts [placeShards]struct {
		mu sync.RWMutex
		m  map[uint64]placed[V]
	}
}

type placed[V any] struct {
	value V
	since int64 // microseconds since 1970
}

func (p *places[V]) init() {
	for i := range p.parts {
		p.parts[i].m = make(map[uint64]placed[V])
	}
}

// shard spreads neighbouring products and stores.
func shard(at uint64) uint64 { return (at * 0x9e3779b97f4a7c15) >> 58 }

func (p *places[V]) get(at uint64) (V, bool) {
	v, ok := p.placed(at)
	return v.value, ok
}

func (p *places[V]) placed(at uint64) (placed[V], bool) {
	part := &p.parts[shard(at)]
	part.mu.RLock()
	v, ok := part.m[at]
	part.mu.RUnlock()
	return v, ok
}

func (p *places[V]) set(at uint64, v V, since int64) {
	part := &p.parts[shard(at)]
	part.mu.Lock()
	part.m[at] = placed[V]{v, since}
	part.mu.Unlock()
}
