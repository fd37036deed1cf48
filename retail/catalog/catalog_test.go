package catalog_test

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"endcap/retail/catalog"
)

func TestWhichGTINsAreGenuine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want string // the 14 digits, or empty where it is refused
	}{
		"GTIN-8":               {"96385074", "00000096385074"},
		"GTIN-12":              {"614141999996", "00614141999996"},
		"GTIN-13":              {"4006381333931", "04006381333931"},
		"GTIN-14":              {"10614141543219", "10614141543219"},
		"a wrong check digit":  {"4006381333932", ""},
		"two digits swapped":   {"4006383133931", ""},
		"nine digits":          {"123456789", ""},
		"a letter":             {"400638133393X", ""},
		"a character below 0":  {"4006381 33931", ""},
		"digits in Arabic":     {"٤٠٠٦٣٨١", ""},
		"all zeros":            {"0000000000000", ""},
		"nothing":              {"", ""},
		"18 digits of an SSCC": {"106141412345678908", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := catalog.ParseGTIN(tt.text)
			if got.String() != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.Is(err, catalog.ErrGTIN) {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// The vectors of GS1's own linter: every text as long as a GTIN must be judged
// as it judges it.
func TestGTINsAsGS1JudgesThem(t *testing.T) {
	t.Parallel()
	const name = "../../../shared/data/gs1/linter_vectors.csv.gz"
	f, err := os.Open(name)
	if err != nil {
		t.Skipf("GS1's vectors are not on this machine: %v", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	judged := map[string]int{}
	for _, row := range rows {
		linter, text, want := row[0], row[1], row[2]
		if n := len(text); linter != "csum" || n != 8 && n != 12 && n != 13 && n != 14 {
			continue
		}
		judged[want]++
		if _, err := catalog.ParseGTIN(text); (err == nil) != (want == "pass") {
			t.Errorf("%s: got %v, GS1 says %s", text, err, want)
		}
	}
	if judged["pass"] < 4 || judged["fail"] < 4 {
		t.Errorf("only %v vectors are as long as a GTIN", judged)
	}
}

// A check digit finds every single wrong digit.
func TestOneWrongDigitIsFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringMatching(`[0-9]{12}[1-9]`).Draw(t, "body")
		var right string
		for d := range 10 {
			if _, err := catalog.ParseGTIN(fmt.Sprintf("%s%d", body, d)); err == nil {
				if right != "" {
					t.Fatalf("%s has two check digits", body)
				}
				right = fmt.Sprintf("%s%d", body, d)
			}
		}
		g, err := catalog.ParseGTIN(right)
		if err != nil || g.String() != right {
			t.Fatalf("%s has no check digit: %v, %v", body, g, err)
		}
		at := rapid.IntRange(0, 13).Draw(t, "at")
		wrong := []byte(right)
		wrong[at] = '0' + (wrong[at]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		if _, err := catalog.ParseGTIN(string(wrong)); err == nil {
			t.Fatalf("%s passes beside %s", wrong, right)
		}
	})
}

func TestGTINsAreTextInJSON(t *testing.T) {
	t.Parallel()
	type doc struct{ GTIN catalog.GTIN }
	var got doc
	if err := json.Unmarshal([]byte(`{"GTIN":"96385074"}`), &got); err != nil || got.GTIN != 96385074 {
		t.Errorf("got %v, %v", got, err)
	}
	if b, err := json.Marshal(got); err != nil || string(b) != `{"GTIN":"00000096385074"}` {
		t.Errorf("got %s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`{"GTIN":""}`), &got); err != nil || got.GTIN != 0 || got.GTIN.String() != "" {
		t.Errorf("none gives %v, %v", got, err)
	}
	if err := json.Unmarshal([]byte(`{"GTIN":"96385075"}`), &got); !errors.Is(err, catalog.ErrGTIN) {
		t.Errorf("a wrong check digit gives %v", err)
	}
}

func FuzzParseGTIN(f *testing.F) {
	f.Add("4006381333931")
	f.Add("96385074")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := catalog.ParseGTIN(text)
		if err != nil {
			if g != 0 || !errors.Is(err, catalog.ErrGTIN) {
				t.Fatalf("%q gives %v, %v", text, g, err)
			}
			return
		}
		if again, err := catalog.ParseGTIN(g.String()); err != nil || again != g || !strings.HasSuffix(g.String(), text) {
			t.Fatalf("%q gives %v, which gives %v, %v", text, g, again, err)
		}
	})
}

var yogurt = catalog.Product{ID: "1", Brand: "759", Department: "GROCERY", Category: "YOGURT", Type: "DRINK"}

func TestWhatBelongsToASet(t *testing.T) {
	t.Parallel()
	stranger := catalog.Product{ID: "2"}
	tests := map[string]struct {
		set             catalog.Set
		yogurt, unknown bool
	}{
		"the empty set":              {catalog.Set{}, false, false},
		"everything":                 {catalog.Set{Everything: true}, true, true},
		"its brand":                  {catalog.Set{Brands: []catalog.Brand{"1", "759"}}, true, false},
		"another brand":              {catalog.Set{Brands: []catalog.Brand{"760"}}, false, false},
		"its brand in its category":  {catalog.Set{Brands: []catalog.Brand{"759"}, Categories: []catalog.Category{"YOGURT"}}, true, false},
		"its brand in another":       {catalog.Set{Brands: []catalog.Brand{"759"}, Categories: []catalog.Category{"CHEESE"}}, false, false},
		"its department":             {catalog.Set{Departments: []catalog.Department{"GROCERY"}}, true, false},
		"its type":                   {catalog.Set{Types: []catalog.Type{"DRINK"}}, true, false},
		"by id, unknown to the list": {catalog.Set{Products: []catalog.ProductID{"2"}}, false, true},
		"by id, of a brand":          {catalog.Set{Products: []catalog.ProductID{"1", "2"}, Brands: []catalog.Brand{"759"}}, true, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := tt.set.Matcher()
			if got := [2]bool{m.Has(&yogurt), m.Has(&stranger)}; got != [2]bool{tt.yogurt, tt.unknown} {
				t.Errorf("has the yogurt, the unknown: got %v", got)
			}
		})
	}
}

func TestSetsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]catalog.Set{
		"too many values":        {Products: make([]catalog.ProductID, catalog.SetMax+1)},
		"an empty value":         {Brands: []catalog.Brand{"a", ""}},
		"a value too long":       {Types: []catalog.Type{catalog.Type(strings.Repeat("x", catalog.TextMax+1))}},
		"everything and a brand": {Everything: true, Brands: []catalog.Brand{"a"}},
	} {
		if err := s.Check(); !errors.Is(err, catalog.ErrSet) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, s := range []catalog.Set{{}, {Everything: true}, {Brands: []catalog.Brand{"a"}}} {
		if err := s.Check(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if !(catalog.Set{}).Empty() || (catalog.Set{Everything: true}).Empty() || (catalog.Set{Types: []catalog.Type{"a"}}).Empty() {
		t.Error("only the set that says nothing is empty")
	}
}

// A matcher answers as the definition reads, and keeps nothing of its set.
func TestMatcherIsTheDefinition(t *testing.T) {
	t.Parallel()
	word := rapid.SampledFrom([]string{"a", "b", "c"})
	draw := func(t *rapid.T, what string) []string { return rapid.SliceOfN(word, 0, 2).Draw(t, what) }
	rapid.Check(t, func(t *rapid.T) {
		brands, categories := draw(t, "brands"), draw(t, "categories")
		var s catalog.Set
		for _, w := range brands {
			s.Brands = append(s.Brands, catalog.Brand(w))
		}
		for _, w := range categories {
			s.Categories = append(s.Categories, catalog.Category(w))
		}
		p := catalog.Product{ID: "1", Brand: catalog.Brand(word.Draw(t, "brand")), Category: catalog.Category(word.Draw(t, "category"))}
		listed := func(words []string, w string) bool {
			return len(words) == 0 || strings.Contains(strings.Join(words, ""), w)
		}
		want := len(brands)+len(categories) > 0 && listed(brands, string(p.Brand)) && listed(categories, string(p.Category))
		m := s.Matcher()
		for i := range s.Brands {
			s.Brands[i] = "spoilt"
		}
		if got := m.Has(&p); got != want {
			t.Fatalf("%+v in brands %v, categories %v: got %t", p, brands, categories, got)
		}
	})
}

func TestASetInJSON(t *testing.T) {
	t.Parallel()
	s := catalog.Set{Brands: []catalog.Brand{"759"}, Categories: []catalog.Category{"YOGURT"}}
	b, err := json.Marshal(s)
	if err != nil || string(b) != `{"brands":["759"],"categories":["YOGURT"]}` {
		t.Fatalf("got %s, %v", b, err)
	}
	var back catalog.Set
	if err := json.Unmarshal(b, &back); err != nil || cmp.Diff(s, back) != "" {
		t.Errorf("got %+v, %v", back, err)
	}
}

func TestChannelsHaveWords(t *testing.T) {
	t.Parallel()
	for _, c := range []catalog.Channel{catalog.AnyChannel, catalog.InStore, catalog.Online} {
		if got, ok := catalog.ParseChannel(c.String()); !ok || got != c {
			t.Errorf("%v reads back as %v, %t", c, got, ok)
		}
	}
	if _, ok := catalog.ParseChannel("kiosk"); ok {
		t.Error("kiosk is no channel")
	}
	if c, ok := catalog.ParseChannel(""); !ok || c != catalog.AnyChannel {
		t.Error("no word means any channel")
	}
}
