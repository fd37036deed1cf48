package audience_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/catalog"
)

func bought(r audience.Rule) audience.Node { return audience.Node{Rule: r} }

func joined(op audience.Op, of ...audience.Node) audience.Node {
	return audience.Node{Op: op, Of: of}
}

var (
	brand  = bought(audience.Rule{Set: catalog.Set{Brands: []catalog.Brand{"759"}}, Times: 1})
	cheese = bought(audience.Rule{Set: catalog.Set{Categories: []catalog.Category{"CHEESE"}}, Times: 1})
	milk   = bought(audience.Rule{Set: catalog.Set{Categories: []catalog.Category{"MILK"}}, Times: 1})
)

func TestWhatASentenceMeans(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want audience.Node
		back string // canonical text, where it differs from text
	}{
		"a brand": {`bought brand "759"`, brand, ""},
		"anything, online, this week": {
			`bought anything within 7 days online`,
			bought(audience.Rule{Set: catalog.Set{Everything: true}, Times: 1, Days: 7, Channel: catalog.Online}),
			`bought anything within 1 week online`,
		},
		"today only": {
			`bought anything within 1 day`,
			bought(audience.Rule{Set: catalog.Set{Everything: true}, Times: 1, Days: 1}), "",
		},
		"once said aloud": {`BOUGHT brand "759" At Least 1 time`, brand, `bought brand "759"`},
		"every clause": {
			`bought products "1", "2" in brands "a", "b" in type "T" in category "C" in department "D" at least 2 times for at least 12.345 within 90 days in store`,
			bought(audience.Rule{
				Set: catalog.Set{
					Products: []catalog.ProductID{"1", "2"}, Brands: []catalog.Brand{"a", "b"}, Types: []catalog.Type{"T"},
					Categories: []catalog.Category{"C"}, Departments: []catalog.Department{"D"},
				},
				Times: 2, Spend: 12_345_000, Days: 90, Channel: catalog.InStore,
			}), "",
		},
		"clauses in any order": {
			`bought category "CHEESE" in brand "759" in store within 90 days for at least 5 at least 3 times`,
			bought(audience.Rule{
				Set:   catalog.Set{Brands: []catalog.Brand{"759"}, Categories: []catalog.Category{"CHEESE"}},
				Times: 3, Spend: 5 * retail.Unit, Days: 90, Channel: catalog.InStore,
			}),
			`bought brand "759" in category "CHEESE" at least 3 times for at least 5.00 within 90 days in store`,
		},
		"and binds tighter than or": {
			`bought brand "759" or bought category "CHEESE" and bought category "MILK"`,
			joined(audience.Or, brand, joined(audience.And, cheese, milk)), "",
		},
		"parentheses bind tightest": {
			`(bought brand "759" or bought category "CHEESE") and bought category "MILK"`,
			joined(audience.And, joined(audience.Or, brand, cheese), milk), "",
		},
		"parentheses that change nothing": {
			`((bought brand "759") and (bought category "MILK"))`, joined(audience.And, brand, milk),
			`bought brand "759" and bought category "MILK"`,
		},
		"parentheses that keep a group": {
			`(bought brand "759" and bought category "CHEESE") and bought category "MILK"`,
			joined(audience.And, joined(audience.And, brand, cheese), milk), "",
		},
		"never bought": {`not bought brand "759"`, joined(audience.Not, brand), ""},
		"neither": {
			`not (bought brand "759" or bought category "MILK")`,
			joined(audience.Not, joined(audience.Or, brand, milk)), "",
		},
		"not not": {`not not bought brand "759"`, joined(audience.Not, joined(audience.Not, brand)), `not (not bought brand "759")`},
		"a name with quotes": {
			`bought brand "l\"or\u00e9al \\ \n"`,
			bought(audience.Rule{Set: catalog.Set{Brands: []catalog.Brand{"l\"oréal \\ \n"}}, Times: 1}),
			`bought brand "l\"oréal \\ \n"`,
		},
		"a lapsed buyer, over several lines": {
			"bought brand \"759\" in category \"YOGURT\" at least 2 times within 90 days in store\n" +
				"and not bought product \"1029743\" within 26 weeks\n" +
				"or (bought category \"CHEESE\" for at least 50.00 within 52 weeks online)",
			joined(
				audience.Or,
				joined(
					audience.And,
					bought(audience.Rule{
						Set:   catalog.Set{Brands: []catalog.Brand{"759"}, Categories: []catalog.Category{"YOGURT"}},
						Times: 2, Days: 90, Channel: catalog.InStore,
					}),
					joined(audience.Not, bought(audience.Rule{Set: catalog.Set{Products: []catalog.ProductID{"1029743"}}, Times: 1, Days: 182})),
				),
				bought(audience.Rule{Set: catalog.Set{Categories: []catalog.Category{"CHEESE"}}, Times: 1, Spend: 50 * retail.Unit, Days: 364, Channel: catalog.Online}),
			),
			`bought brand "759" in category "YOGURT" at least 2 times within 90 days in store and not bought product "1029743" within 26 weeks` +
				` or bought category "CHEESE" for at least 50.00 within 52 weeks online`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := audience.Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Parse, -want +got:\n%s", diff)
			}
			back := tt.back
			if back == "" {
				back = tt.text
			}
			if got.String() != back {
				t.Errorf("String gives\n%s\nwant\n%s", got, back)
			}
		})
	}
}

func TestWhatIsWrongWithASentence(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("not (", 8) + `bought anything` + strings.Repeat(")", 8)
	long := `bought brand "759"` + strings.Repeat(` or bought brand "759"`, 63)
	tests := map[string]struct{ text, say, cure string }{
		"nothing":                    {"", "ends at character 1 where bought, not or ( was expected", "begin each rule with bought"},
		"no verb":                    {`brand "759"`, `character 1: "brand" where bought`, "begin each rule"},
		"no products":                {`bought at least 2 times`, `character 8: "at" where product, brand`, "say what was bought"},
		"a name without quotes":      {`bought brand 759`, `character 14: "759" where a name in double quotes`, "double quotes"},
		"a quote that never closes":  {`bought brand "759`, `character 14: "\"" where a name in double quotes that closes`, `\"`},
		"an empty name":              {`bought brand ""`, `character 14: "\"\"" where a name`, "leave empty names out"},
		"a comma too much":           {`bought brand "a",`, "ends at character 18 where a name", "double quotes"},
		"one dimension twice":        {`bought brand "a" in brand "b"`, `character 27: "\"b\"" where a dimension`, "together"},
		"a misspelt word":            {`bought brand "é" at least 2 tiems`, `character 29: "tiems" where times or time`, "at least 2 times"},
		"no times":                   {`bought brand "a" at least 0 times`, `character 27: "0" where how many times`, "1 to 10000"},
		"half a time":                {`bought brand "a" at least 1.5 times`, `character 27: "1.5" where how many times`, "whole number"},
		"far too often":              {`bought brand "a" at least 10001 times`, `"10001"`, "1 to 10000"},
		"no unit of time":            {`bought brand "a" within 90`, "ends at character 27 where days or weeks", "within 90 days"},
		"too long ago":               {`bought brand "a" within 1099 days`, `"1099"`, "1 to 1098"},
		"too many weeks ago":         {`bought brand "a" within 157 weeks`, `character 25: "157" where fewer weeks`, "at most 156 weeks"},
		"an amount with a comma":     {`bought brand "a" for at least 12,34`, `character 33: ","`, ""},
		"an amount with two points":  {`bought brand "a" for at least 1.2.3`, `character 31: "1.2.3" where an amount`, "six decimals"},
		"an absurd amount":           {`bought brand "a" for at least 9999999999`, `"9999999999" where an amount`, ""},
		"the same clause twice":      {`bought brand "a" online in store`, `character 28: "store" where a clause`, "once"},
		"a category after a clause":  {`bought brand "a" online in category "c"`, `character 28: "category" where store`, "right after bought"},
		"everything in a category":   {`bought anything in category "c"`, `character 20: "category" where store`, "right after bought"},
		"two rules without a joint":  {`bought brand "a" bought brand "b"`, `character 18: "bought" where and, or`, "join rules"},
		"an open parenthesis":        {`(bought brand "a"`, "ends at character 18 where )", "close"},
		"a closing parenthesis":      {`bought brand "a")`, `character 17: ")" where and, or`, ""},
		"nothing after and":          {`bought brand "a" and`, "ends at character 21 where bought", ""},
		"a strange character":        {`bought brand "a" & bought brand "b"`, `character 18: "&" where and, or`, ""},
		"invalid UTF-8":              {"bought \xff", `character 8: "\xff" where product`, ""},
		"nested too deep":            {deep, "nested more than 8 deep", "parentheses"},
		"too many rules":             {long, "more than 64 parts", "two audiences"},
		"longer than can be written": {`bought brand "` + strings.Repeat("a", 8200) + `"`, "at most 8192", "category"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := audience.Parse(tt.text)
			said, ok := errors.AsType[*retail.Error](err)
			if !ok || !errors.Is(err, audience.ErrSentence) || said.Kind != retail.Invalid {
				t.Fatalf("Parse gives %v", err)
			}
			if !strings.Contains(said.Say, tt.say) || !strings.Contains(said.Cure, tt.cure) || said.Cure == "" {
				t.Errorf("says %q, cure %q\nwant %q, cure %q", said.Say, said.Cure, tt.say, tt.cure)
			}
		})
	}
}

func TestCheckRefusesTreesThatNoSentenceSays(t *testing.T) {
	t.Parallel()
	everything := catalog.Set{Everything: true}
	many := make([]catalog.ProductID, 2_000)
	for i := range many {
		many[i] = catalog.ProductID(strconv.Itoa(i))
	}
	tests := map[string]audience.Node{
		"the zero node":             {},
		"no times":                  bought(audience.Rule{Set: everything}),
		"negative days":             bought(audience.Rule{Set: everything, Times: 1, Days: -1}),
		"negative spend":            bought(audience.Rule{Set: everything, Times: 1, Spend: -1}),
		"an unknown channel":        bought(audience.Rule{Set: everything, Times: 1, Channel: 9}),
		"everything and more":       bought(audience.Rule{Set: catalog.Set{Everything: true, Brands: []catalog.Brand{"a"}}, Times: 1}),
		"more than can be written":  bought(audience.Rule{Set: catalog.Set{Products: many}, Times: 1}),
		"a rule with parts":         {Rule: brand.Rule, Of: []audience.Node{milk}},
		"and of one":                joined(audience.And, brand),
		"or of none":                joined(audience.Or),
		"not of two":                joined(audience.Not, brand, milk),
		"a joint with its own rule": {Op: audience.Not, Rule: brand.Rule, Of: []audience.Node{milk}},
		"an unknown operation":      {Op: 9, Of: []audience.Node{brand, milk}},
		"a bad part":                joined(audience.And, brand, audience.Node{}),
	}
	for name, n := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := n.Check(); !errors.Is(err, audience.ErrSentence) {
				t.Errorf("Check gives %v", err)
			}
			if _, err := n.MarshalText(); !errors.Is(err, audience.ErrSentence) {
				t.Errorf("MarshalText gives %v", err)
			}
		})
	}
}

// words draws a list of one dimension, hostile names included.
func words[T ~string](t *rapid.T) []T {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) T { return T(rapid.StringN(1, 6, 20).Draw(t, "name")) }), 0, 3).Draw(t, "names")
}

func drawRule(t *rapid.T) audience.Rule {
	r := audience.Rule{
		Times: rapid.IntRange(1, audience.TimesMax).Draw(t, "times"), Days: rapid.IntRange(0, audience.DaysMax).Draw(t, "days"),
		Spend:   retail.Micros(rapid.Int64Range(0, int64(retail.MicrosMax)).Draw(t, "spend")),
		Channel: catalog.Channel(rapid.IntRange(0, 2).Draw(t, "channel")),
	}
	r.Set = catalog.Set{
		Products: words[catalog.ProductID](t), Brands: words[catalog.Brand](t), Types: words[catalog.Type](t),
		Categories: words[catalog.Category](t), Departments: words[catalog.Department](t),
	}
	if r.Set.Empty() {
		r.Set.Everything = true
	}
	return r
}

func drawNode(t *rapid.T, depth int) audience.Node {
	op := audience.Bought
	if depth < 4 {
		op = audience.Op(rapid.IntRange(0, 3).Draw(t, "op"))
	}
	n := audience.Node{Op: op}
	switch op {
	case audience.Bought:
		n.Rule = drawRule(t)
	case audience.Not:
		n.Of = []audience.Node{drawNode(t, depth+1)}
	default:
		for range rapid.IntRange(2, 3).Draw(t, "parts") {
			n.Of = append(n.Of, drawNode(t, depth+1))
		}
	}
	return n
}

func TestEverySentenceReadsBackAsItWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := drawNode(t, 1)
		if n.Check() != nil {
			t.Skip("over the limits")
		}
		got, err := audience.Parse(n.String())
		if err != nil {
			t.Fatalf("%s\n%v", n, err)
		}
		if diff := cmp.Diff(n, got, cmp.Comparer(func(a, b catalog.Set) bool { return sameSet(&a, &b) })); diff != "" {
			t.Fatalf("%s\n%s", n, diff)
		}
	})
}

// sameSet takes an empty list for none.
func sameSet(a, b *catalog.Set) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// Every combination of answers gives what the tree says, and no rule is asked
// twice.
func TestHoldsIsTheTruthTable(t *testing.T) {
	t.Parallel()
	n := joined(audience.Or, joined(audience.And, brand, joined(audience.Not, milk)), joined(audience.Not, joined(audience.Or, cheese, brand)), milk)
	if got := len(n.Rules()); got != 5 {
		t.Fatalf("%d rules, want 5", got)
	}
	if n.Rules()[2].String() != `bought category "CHEESE"` {
		t.Errorf("rule 2 is %v", n.Rules()[2])
	}
	for truth := range 1 << 5 {
		is := func(i int) bool { return truth>>i&1 == 1 }
		asked := map[int]bool{}
		got := n.Holds(func(i int) bool {
			if asked[i] {
				t.Errorf("rule %d was asked twice", i)
			}
			asked[i] = true
			return is(i)
		})
		if want := is(0) && !is(1) || !is(2) && !is(3) || is(4); got != want {
			t.Errorf("%05b: holds %t, want %t", truth, got, want)
		}
	}
}

func TestASentenceIsTextInJSON(t *testing.T) {
	t.Parallel()
	type doc struct{ Sentence audience.Node }
	b, err := json.Marshal(doc{brand})
	if err != nil || string(b) != `{"Sentence":"bought brand \"759\""}` {
		t.Fatalf("%s, %v", b, err)
	}
	var back doc
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(doc{brand}, back); diff != "" {
		t.Error(diff)
	}
	if err := json.Unmarshal([]byte(`{"Sentence":"bought"}`), &back); !errors.Is(err, audience.ErrSentence) {
		t.Errorf("half a sentence gives %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`bought brand "759" in category "YOGURT" at least 2 times within 90 days in store and not bought product "1029743" within 26 weeks`,
		`not (bought anything for at least 0.000001 online or bought types "\xff", "é")`, `bought "`, "((((", "not not not",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := audience.Parse(text)
		if err != nil {
			if said, ok := errors.AsType[*retail.Error](err); !ok || said.Say == "" || said.Cure == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		canonical := n.String()
		again, err := audience.Parse(canonical)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, canonical, err)
		}
		if diff := cmp.Diff(n, again); diff != "" || again.String() != canonical {
			t.Fatalf("%q became %q:\n%s", text, canonical, diff)
		}
	})
}
