package audience_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"endcap/keep/sql/sqlite"
	"endcap/know/audience"
	"endcap/retail"
	sentence "endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
)

// shielded hides yogurt, and one product that the catalogue does not know.
func shielded() *policy.Shield {
	p := policy.Policy{Sensitive: []policy.Group{
		{Name: "health", Set: catalog.Set{Categories: []catalog.Category{"YOGURT"}}},
		{Name: "other", Set: catalog.Set{Products: []catalog.ProductID{"zz"}}},
	}}
	return p.Shield()
}

// Nothing that she bought of sensitive products makes her a member, whatever the
// words of the sentence; the rest of the same receipt does.
func TestWhatSheBoughtOfSensitiveProductsCountsForNothing(t *testing.T) {
	t.Parallel()
	r := shop()
	section := fold(t, nil, bought(1, "a", 3, catalog.InStore, "o2", 1, 200, "zz", 1, 100), bought(1, "b", 2, catalog.InStore, "m1", 1, 200, "b1", 1, 100))
	for text, want := range map[string]int{
		`bought anything`:                                   1,
		`bought anything at least 2 times`:                  0, // one receipt has bread
		`bought brand "OATLY"`:                              0,
		`bought department "DAIRY"`:                         0,
		`bought product "o2"`:                               0,
		`bought product "zz"`:                               0,
		`bought category "BREAD"`:                           1,
		`bought category "BREAD" and not bought type "COW"`: 1,
	} {
		n, err := sentence.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		r.set("them", n.String())
		b := audience.NewBook(r, r, shielded())
		if err := b.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := len(b.Members(section, today)); got != want {
			t.Errorf("%s: in %d audiences, want %d", text, got, want)
		}
	}
}

func TestAnAudienceOfSensitiveProductsIsRefusedByName(t *testing.T) {
	t.Parallel()
	book, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "book.db"), Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	terms := audience.NewTerms(book, func() time.Time { return today.UTC() }, shielded())
	for text, refused := range map[string]bool{
		`bought category "YOGURT"`:                            true,
		`bought category "BREAD" and not bought product "zz"`: true,
		`bought category "BREAD", "YOGURT" at least 2 times`:  true,
		`bought category "BREAD"`:                             false,
		`bought department "GROCERY"`:                         false, // its yogurt is left out when she is judged
	} {
		n, err := sentence.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		_, err = terms.Put(t.Context(), sentence.ID("a"+strings.Map(letters, text)), audience.Definition{Name: text, Owner: "oatly", Sentence: n}, audience.Edit{By: "ana"})
		e, ok := errors.AsType[*retail.Error](err)
		if !refused && err != nil || refused && (!ok || e.Kind != retail.Invalid || !strings.Contains(e.Say, audience.Sensitive) || e.Cure == "") {
			t.Errorf("%s: %v, want refused %v", text, err, refused)
		}
	}
}

func letters(r rune) rune {
	if r >= 'a' && r <= 'z' {
		return r
	}
	return -1
}
