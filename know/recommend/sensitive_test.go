package recommend_test

import (
	"testing"

	"endcap/know/recommend"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
	"endcap/retail/shopper"
	"endcap/retail/visit"
)

// What she bought of sensitive products neither comes back as a proposal nor
// ranks an advert; to whom they are shown is left to search and page.
func TestSensitivePurchasesAreNotLookedAt(t *testing.T) {
	t.Parallel()
	rules := policy.Policy{Sensitive: []policy.Group{{Name: "health", Set: catalog.Set{Categories: []catalog.Category{"YOGURT"}}}}}
	hers := fold(t, nil, bought(1, "a", 3, "s1", "yog", "yog", "cola"), bought(1, "b", 2, "s1", "yog"))
	products := []catalog.ProductID{"yog", "cola"}
	for name, tt := range map[string]struct {
		shield *policy.Shield
		first  catalog.ProductID
		more   bool // her habits lift the yogurt
	}{
		"sensitive": {rules.Shield(), "cola", false},
		"not":       {nil, "yog", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := recommend.New(shop(), artefacts(t), recommend.Options{Sensitive: tt.shield})
			if err := r.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := r.Propose(shopper.ID{}, hers, &visit.Visit{}, 1).Proposals
			if len(got) != 1 || got[0].Product != tt.first || got[0].Reason != visit.BoughtOften {
				t.Errorf("proposed %+v, want %s", got, tt.first)
			}
			if got := r.Propose(shopper.ID{}, hers, &visit.Visit{Query: "oat yogurts"}, 1).Proposals; len(got) != 1 || got[0].Product != "yog" || (got[0].Reason == visit.BoughtOften) != tt.more {
				t.Errorf("on a search: %+v", got)
			}
			plain, personal := make([]int32, 2), make([]int32, 2)
			weigh := weigher(r, &visit.Visit{}, products...)
			weigh(nil, plain)
			weigh(hers, personal)
			if (personal[0] > plain[0]) != tt.more || personal[1] <= plain[1] {
				t.Errorf("weighed %v with her habits, %v without", personal, plain)
			}
		})
	}
}
