package assortment

import "sync"

const placeShards = 64

// places keeps one value per product and store.
type places[V any] struct {
	parts [placeShards]struct {
		mu sync.RWMutex
		m  map[uint64]V
	}
}

func (p *places[V]) init() {
	for i := range p.parts {
		p.parts[i].m = make(map[uint64]V)
	}
}

// shard spreads neighbouring products and stores.
func shard(at uint64) uint64 { return (at * 0x9e3779b97f4a7c15) >> 58 }

func (p *places[V]) get(at uint64) (V, bool) {
	part := &p.parts[shard(at)]
	part.mu.RLock()
	v, ok := part.m[at]
	part.mu.RUnlock()
	return v, ok
}

func (p *places[V]) set(at uint64, v V) {
	part := &p.parts[shard(at)]
	part.mu.Lock()
	part.m[at] = v
	part.mu.Unlock()
}
