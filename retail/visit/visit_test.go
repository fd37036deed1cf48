package visit_test

import (
	"reflect"
	"testing"

	"endcap/retail/shopper"
	"endcap/retail/visit"
)

// A visit travels through logs, records and the contextual path: it must not be
// able to say who visits.
func TestAVisitNamesNobody(t *testing.T) {
	t.Parallel()
	names := map[reflect.Type]bool{reflect.TypeFor[shopper.ID](): true, reflect.TypeFor[shopper.Key](): true}
	for _, noun := range []reflect.Type{reflect.TypeFor[visit.Visit](), reflect.TypeFor[visit.Proposal]()} {
		for field := range noun.Fields() {
			of := field.Type
			for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer || of.Kind() == reflect.Array {
				of = of.Elem()
			}
			if names[of] {
				t.Errorf("%v.%s names a shopper", noun, field.Name)
			}
		}
	}
}

func TestReasonsKeepTheirWords(t *testing.T) {
	t.Parallel()
	for got, want := range map[visit.Reason]string{
		visit.BoughtOften: "bought_often", visit.PopularStore: "popular_store", visit.PopularInRange: "popular_category",
		visit.Popular: "popular", visit.Matches: "matches_search",
	} {
		if string(got) != want {
			t.Errorf("got %s, want %s: callers branch on it", got, want)
		}
	}
}
