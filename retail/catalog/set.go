package catalog

import (
	"errors"
	"fmt"
)

// Set describes products by listing values in up to five dimensions. A product
// belongs to it when every listed dimension holds one of the product's values:
// {Brands: [759], Categories: [YOGURT]} is brand 759 within yogurt. The empty
// Set holds nothing, so that a forgotten filter never means everything;
// Everything says so aloud.
type Set struct {
	Products    []ProductID  `json:"products,omitempty"`
	Brands      []Brand      `json:"brands,omitempty"`
	Departments []Department `json:"departments,omitempty"`
	Categories  []Category   `json:"categories,omitempty"`
	Types       []Type       `json:"types,omitempty"`
	Everything  bool         `json:"everything,omitempty"`
}

// SetMax is the most values one Set may list.
const SetMax = 10_000

// ErrSet is returned by Check.
var ErrSet = errors.New("not a product set")

// Empty reports whether s holds nothing.
func (s Set) Empty() bool { return !s.Everything && s.size() == 0 }

func (s Set) size() int {
	return len(s.Products) + len(s.Brands) + len(s.Departments) + len(s.Categories) + len(s.Types)
}

// Check returns ErrSet when s lists too much, an empty word, or everything and
// something at once.
func (s Set) Check() error {
	switch n := s.size(); {
	case n > SetMax:
		return fmt.Errorf("%w: it lists %d values, at most %d", ErrSet, n, SetMax)
	case n > 0 && s.Everything:
		return fmt.Errorf("%w: it says everything and lists values too", ErrSet)
	}
	if hasEmpty(s.Products) || hasEmpty(s.Brands) || hasEmpty(s.Departments) || hasEmpty(s.Categories) || hasEmpty(s.Types) {
		return fmt.Errorf("%w: it lists an empty value", ErrSet)
	}
	return nil
}

func hasEmpty[T ~string](words []T) bool {
	for _, w := range words {
		if w == "" || len(w) > TextMax {
			return true
		}
	}
	return false
}

// Matcher answers whether products belong to one Set, in a few map look-ups.
// Make one with Set.Matcher; it is immutable and safe to share.
type Matcher struct {
	everything, nothing bool
	products            map[ProductID]bool
	brands              map[Brand]bool
	departments         map[Department]bool
	categories          map[Category]bool
	types               map[Type]bool
}

// Matcher compiles s. It keeps nothing of s.
func (s Set) Matcher() *Matcher {
	return &Matcher{
		everything: s.Everything, nothing: s.Empty(),
		products: index(s.Products), brands: index(s.Brands), departments: index(s.Departments),
		categories: index(s.Categories), types: index(s.Types),
	}
}

func index[T comparable](words []T) map[T]bool {
	if len(words) == 0 {
		return nil
	}
	m := make(map[T]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// Has reports whether p belongs to the Set. A product that the catalogue does
// not know has only its ID, and so belongs only to Sets that list that ID, or
// to Everything.
func (m *Matcher) Has(p *Product) bool {
	if m.everything {
		return true
	}
	return !m.nothing &&
		(m.products == nil || m.products[p.ID]) &&
		(m.brands == nil || m.brands[p.Brand]) &&
		(m.departments == nil || m.departments[p.Department]) &&
		(m.categories == nil || m.categories[p.Category]) &&
		(m.types == nil || m.types[p.Type])
}
