package assortment

import (
	"maps"
	"slices"
	"sync/atomic"

	"endcap/retail/catalog"
)

// ranges lists products by where they stand in the range.
type ranges struct {
	categories  listing[catalog.Category]
	departments listing[catalog.Department]
	brands      listing[catalog.Brand]
}

func (r *ranges) init() {
	r.categories.init()
	r.departments.init()
	r.brands.init()
}

// move takes a product from where it stood, nil for nowhere, to where it stands.
func (r *ranges) move(was, is *catalog.Product) {
	if was == nil {
		was = new(catalog.Product)
	}
	r.categories.move(is.ID, was.Category, is.Category)
	r.departments.move(is.ID, was.Department, is.Department)
	r.brands.move(is.ID, was.Brand, is.Brand)
}

func (r *ranges) publish() {
	r.categories.publish()
	r.departments.publish()
	r.brands.publish()
}

// listing keeps, under each word, the sorted ids of its products. Readers see
// what was last published; members and dirty belong to the one who folds.
type listing[W ~string] struct {
	public  atomic.Pointer[map[W][]catalog.ProductID]
	members map[W]map[catalog.ProductID]bool
	dirty   map[W]bool
}

func (l *listing[W]) init() {
	l.public.Store(&map[W][]catalog.ProductID{})
	l.members = make(map[W]map[catalog.ProductID]bool)
	l.dirty = make(map[W]bool)
}

func (l *listing[W]) move(id catalog.ProductID, was, is W) {
	if was == is {
		return
	}
	if was != "" {
		delete(l.members[was], id)
		l.dirty[was] = true
	}
	if is != "" {
		if l.members[is] == nil {
			l.members[is] = make(map[catalog.ProductID]bool)
		}
		l.members[is][id] = true
		l.dirty[is] = true
	}
}

// publish shows readers what changed.
func (l *listing[W]) publish() {
	if len(l.dirty) == 0 {
		return
	}
	next := maps.Clone(*l.public.Load())
	for word := range l.dirty {
		if len(l.members[word]) == 0 {
			delete(next, word)
			delete(l.members, word)
			continue
		}
		next[word] = slices.Sorted(maps.Keys(l.members[word]))
	}
	clear(l.dirty)
	l.public.Store(&next)
}

func (l *listing[W]) list(word W) []catalog.ProductID { return (*l.public.Load())[word] }

func (l *listing[W]) names() []W { return slices.Sorted(maps.Keys(*l.public.Load())) }
