package linkage_test

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"endcap/know/identity/linkage"
	"endcap/know/identity/linkage/linkagetest"
)

func TestHowAlikeTwoValuesAre(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		kind linkage.Kind
		a, b string
		want string
	}{
		"accents and capitals":          {linkage.Name, "Amélie", "AMELIE", "equal"},
		"a hyphen":                      {linkage.Name, "Jean-Luc", "jean  luc", "equal"},
		"two letters exchanged":         {linkage.Name, "martha", "marhta", "one slip or very alike"},
		"a nickname":                    {linkage.Name, "catherine", "cathy", "alike"},
		"another name":                  {linkage.Name, "anna", "paul", "different"},
		"a date in two forms":           {linkage.Date, "1990-02-11", "19900211", "equal"},
		"a wrong digit":                 {linkage.Date, "1990-02-11", "1990-02-17", "one slip"},
		"day for month":                 {linkage.Date, "1990-02-11", "1990-11-02", "one slip"},
		"the same year":                 {linkage.Date, "1990-02-11", "1990-10-30", "same year"},
		"another day":                   {linkage.Date, "1990-02-11", "1974-10-30", "different"},
		"another provider":              {linkage.Email, "anna.k@a.example", "anna.k@b.example", "same name elsewhere"},
		"a letter lost":                 {linkage.Email, "anna.k7@a.example", "ana.k7@a.example", "slips, digits equal"},
		"a namesake's number":           {linkage.Email, "anna.k7@a.example", "anna.k8@a.example", "different"},
		"a postcode with a slip":        {linkage.Code, "75 011", "75012", "one slip"},
		"a neighbouring postcode":       {linkage.Code, "SW1A 1AA", "SW1A 9QT", "same beginning"},
		"a street with a slip":          {linkage.Place, "12 rue des Lilas", "12 rue des Lylas", "alike"},
		"words in another order":        {linkage.Place, "résidence Lilas 12", "12 rue des Lilas", "words in common"},
		"an unlike street":              {linkage.Place, "3 place Carnot", "12 rue des Lilas", "different"},
		"a category is equal or it not": {linkage.Category, "f", "m", "different"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := linkage.LevelOf(tt.kind, tt.a, tt.b); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := linkage.LevelOf(tt.kind, tt.b, tt.a); got != tt.want {
				t.Errorf("the other way round %q", got)
			}
		})
	}
	// W. Winkler, "String comparator metrics", 1990, table of examples.
	for pair, want := range map[[2]string]float64{
		{"martha", "marhta"}: 0.9611, {"dwayne", "duane"}: 0.84, {"dixon", "dicksonx"}: 0.8133, {"abc", "xyz"}: 0,
	} {
		if got := linkage.JaroWinkler(pair[0], pair[1]); math.Abs(got-want) > 0.0001 {
			t.Errorf("%v: %.4f, want %.4f", pair, got, want)
		}
	}
}

// slow is the distance of optimal string alignment, as it is written down.
func slow(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

func TestSlipsAreCountedRight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ab1]{0,7}`)
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		for most := range 4 {
			if got, want := linkage.Within(a, b, most), slow(a, b) <= most; got != want {
				t.Fatalf("%q and %q within %d: %v, want %v", a, b, most, got, want)
			}
		}
	})
}

func TestLettersInCommonAreCountedRight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.StringMatching(`[abc]{0,70}`), rapid.StringMatching(`[a-f]{0,12}`), rapid.String())
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		if fast, slow := linkage.InCommon(a, b); fast != slow {
			t.Fatalf("%q and %q have %v, want %v", a, b, fast, slow)
		}
	})
}

// score counts how many of the proposals that reach least are right.
type score struct{ truth, precision, recall, f1 float64 }

func judge(res *linkage.Result, who []string, least float64) score {
	size := make(map[string]int)
	for _, p := range who {
		size[p]++
	}
	var truth, said, right float64
	for _, n := range size {
		truth += float64(n*(n-1)) / 2
	}
	for _, p := range res.Proposals {
		if p.Probability < least {
			continue
		}
		said++
		if who[p.A] == who[p.B] {
			right++
		}
	}
	s := score{truth: truth, precision: right / max(said, 1), recall: right / truth}
	s.f1 = 2 * right / (said + truth)
	return s
}

func simulated(t testing.TB, seed uint64, n int) (*linkage.Table, []string) {
	t.Helper()
	table, err := linkage.NewTable(linkagetest.Fields())
	if err != nil {
		t.Fatal(err)
	}
	var who []string
	linkagetest.People(seed, n, func(values []string, person int) bool {
		if err := table.Add(values); err != nil {
			t.Fatal(err)
		}
		who = append(who, string(rune(person+0x10000)))
		return true
	})
	if table.Records() != n {
		t.Fatalf("%d records, want %d", table.Records(), n)
	}
	return table, who
}

// Families share surnames, addresses and telephones; three in four candidates
// that agree in those are two people. `make eval` asks the same of a million.
func TestPeopleAreFoundAndFamiliesLeftApart(t *testing.T) {
	t.Parallel()
	const seed, n = 7, 6_000
	table, who := simulated(t, seed, n)
	cfg := linkage.Defaults()
	cfg.ProbabilityMin, cfg.ChancePairs = 0.5, 100_000
	res, err := linkage.Link(table, cfg)
	if err != nil {
		t.Fatal(err)
	}
	half, sure := judge(res, who, 0.5), judge(res, who, 0.99)
	t.Logf("seed %d: %d candidates; from 0.5 on %.4f; from 0.99 on %.4f", seed, res.Candidates, half, sure)
	if half.f1 < 0.94 || half.precision < 0.96 {
		t.Errorf("from 0.5 on: %+v", half)
	}
	if sure.precision < 0.99 || sure.recall < 0.7 {
		t.Errorf("from 0.99 on: %+v, where 99 of 100 must be right", sure)
	}
	if math.Abs(res.Precision-half.precision) > 0.03 {
		t.Errorf("it believes that %.3f are right, and %.3f are", res.Precision, half.precision)
	}
	if pairs := float64(n) * (n - 1) / 2; math.Abs(res.Prior*pairs/half.truth-1) > 0.2 {
		t.Errorf("it counts %.0f true pairs, of %.0f", res.Prior*pairs, half.truth)
	}
}

func TestEveryProposalBringsItsEvidence(t *testing.T) {
	t.Parallel()
	table, _ := simulated(t, 3, 1_500)
	cfg := linkage.Defaults()
	cfg.ChancePairs, cfg.PairsMin = 50_000, 100_000
	res, err := linkage.Link(table, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Proposals) == 0 {
		t.Fatal("no proposals")
	}
	for i, p := range res.Proposals {
		sum := 0.0
		for f, e := range p.Evidence {
			if e.Field != linkagetest.Fields()[f].Name || e.Level == "" || e.Level == "missing" && e.Bits != 0 {
				t.Fatalf("proposal %d: %+v", i, e)
			}
			sum += e.Bits
		}
		strangers := 1 - res.Prior - res.Household
		// What is missing is the chance of a household, which can only lower it.
		if most := sum + math.Log2(res.Prior/strangers); p.Bits > most+1e-6 {
			t.Fatalf("proposal %d has %.3f bits, and its evidence comes to %.3f", i, p.Bits, most)
		}
		if p.A >= p.B || p.Probability < 0.99 || i > 0 && p.Bits > res.Proposals[i-1].Bits {
			t.Fatalf("proposal %d: %d and %d, %.4f", i, p.A, p.B, p.Probability)
		}
	}
}

func TestTheSameSeedGivesTheSameProposals(t *testing.T) {
	t.Parallel()
	table, _ := simulated(t, 5, 2_000)
	cfg := linkage.Defaults()
	cfg.Workers, cfg.ChancePairs, cfg.PairsMin = 1, 50_000, 100_000
	one, err := linkage.Link(table, cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Workers = 3
	three, err := linkage.Link(table, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one, three); diff != "" {
		t.Error(diff)
	}
	cfg.ProposalsMax = 10
	few, err := linkage.Link(table, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(few.Proposals) != 10 || few.Dropped != len(one.Proposals)-10 {
		t.Errorf("%d proposals and %d dropped, of %d", len(few.Proposals), few.Dropped, len(one.Proposals))
	}
	if diff := cmp.Diff(one.Proposals[:10], few.Proposals); diff != "" {
		t.Error(diff)
	}
}

// read links the columns of a file beside the repository.
func read(t *testing.T, name, truth string, fields []linkage.Field) (*linkage.Result, []string) {
	t.Helper()
	f, err := os.Open("../../../../shared/data/" + name)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is not beside the repository, in ../shared/data", name)
	}
	if err != nil {
		t.Fatal(err)
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
	at := make(map[string]int)
	for i, column := range rows[0] {
		at[column] = i
	}
	table, err := linkage.NewTable(fields)
	if err != nil {
		t.Fatal(err)
	}
	var who []string
	for _, row := range rows[1:] {
		values := make([]string, len(fields))
		for i, field := range fields {
			values[i] = row[at[field.Name]]
		}
		if err := table.Add(values); err != nil {
			t.Fatal(err)
		}
		who = append(who, row[at[truth]])
	}
	cfg := linkage.Defaults()
	cfg.ProbabilityMin, cfg.ChancePairs = 0.5, 200_000
	res, err := linkage.Link(table, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return res, who
}

func TestPublishedSetsAreLinkedWithoutLabels(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file, truth string
		fields      []linkage.Field
		f1          float64
	}{
		"febrl 3": {"febrl/dataset3.csv.gz", "entity", []linkage.Field{
			{Name: "given_name", Kind: linkage.Name},
			{Name: "surname", Kind: linkage.Name, Shared: true},
			{Name: "street_number", Kind: linkage.Code, Shared: true},
			{Name: "address_1", Kind: linkage.Place, Shared: true},
			{Name: "suburb", Kind: linkage.Place, Shared: true},
			{Name: "postcode", Kind: linkage.Code, Shared: true},
			{Name: "state", Kind: linkage.Category, Shared: true},
			{Name: "date_of_birth", Kind: linkage.Date},
			{Name: "soc_sec_id", Kind: linkage.Code},
		}, 0.99},
		"fake 1000": {"splink-persons/fake_1000.csv.gz", "cluster", []linkage.Field{
			{Name: "first_name", Kind: linkage.Name},
			{Name: "surname", Kind: linkage.Name, Shared: true},
			{Name: "dob", Kind: linkage.Date},
			{Name: "city", Kind: linkage.Place, Shared: true},
			{Name: "email", Kind: linkage.Email},
		}, 0.86},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, who := read(t, tt.file, tt.truth, tt.fields)
			got := judge(res, who, 0.5)
			t.Logf("%+v", got)
			if got.f1 < tt.f1 {
				t.Errorf("F1 %.4f, want at least %.2f", got.f1, tt.f1)
			}
		})
	}
}

func TestTablesThatCannotBeLinked(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string][]linkage.Field{
		"no fields":       nil,
		"too many":        make([]linkage.Field, linkage.FieldsMax+1),
		"no name":         {{Kind: linkage.Name}},
		"an unknown kind": {{Name: "shoe", Kind: "size"}},
		"one name twice":  {{Name: "a", Kind: linkage.Name}, {Name: "a", Kind: linkage.Date}},
	} {
		if _, err := linkage.NewTable(fields); !errors.Is(err, linkage.ErrTable) {
			t.Errorf("%s: %v, want ErrTable", name, err)
		}
	}
	table, err := linkage.NewTable([]linkage.Field{{Name: "a", Kind: linkage.Name}})
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Add([]string{"a", "b"}); !errors.Is(err, linkage.ErrTable) {
		t.Errorf("a value too many: %v", err)
	}
	if _, err := linkage.Link(table, linkage.Defaults()); !errors.Is(err, linkage.ErrTable) {
		t.Errorf("an empty table: %v", err)
	}
	for name, spoil := range map[string]func(*linkage.Config){
		"a chance of one":    func(c *linkage.Config) { c.ProbabilityMin = 1 },
		"a chance of none":   func(c *linkage.Config) { c.ProbabilityMin = math.NaN() },
		"no candidates":      func(c *linkage.Config) { c.PairsPerRecord = 0 },
		"blocks of one":      func(c *linkage.Config) { c.BlockMax = 1 },
		"no proposals":       func(c *linkage.Config) { c.ProposalsMax = 0 },
		"nobody to do it":    func(c *linkage.Config) { c.Workers = 0 },
		"everybody to do it": func(c *linkage.Config) { c.Workers = 1_000 },
	} {
		c := linkage.Defaults()
		spoil(&c)
		if err := c.Check(); !errors.Is(err, linkage.ErrTable) {
			t.Errorf("%s: %v, want ErrTable", name, err)
		}
	}
}

// Whatever stands in the records, no two that are all unknown are one, and
// probabilities are numbers.
func FuzzLink(f *testing.F) {
	f.Add("anna\nanna\nanne\n\n", "1990-02-11")
	f.Add("\xff\n"+strings.Repeat("가", 200)+"\n"+strings.Repeat("İ", 300), "\x00")
	f.Fuzz(func(t *testing.T, names, date string) {
		var fields []linkage.Field
		for _, k := range []linkage.Kind{linkage.Name, linkage.Date, linkage.Email, linkage.Code, linkage.Place, linkage.Category} {
			fields = append(fields, linkage.Field{Name: string(k), Kind: k, Shared: k == linkage.Place})
		}
		table, err := linkage.NewTable(fields)
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Split(names, "\n")
		all = append(all[:min(len(all), 50)], "x", "")
		for i, n := range all {
			if err := table.Add([]string{n, date[:min(i, len(date))], n, date, names, n}); err != nil {
				t.Fatal(err)
			}
		}
		cfg := linkage.Defaults()
		cfg.ProbabilityMin, cfg.PairsMin, cfg.BlockMax, cfg.PairsPerRecord, cfg.ChancePairs = 0.01, 1, 20, 20, 1_000
		res, err := linkage.Link(table, cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range res.Proposals {
			if math.IsNaN(p.Bits) || !(p.Probability >= 0.01 && p.Probability <= 1) {
				t.Fatalf("probability %v, %v bits", p.Probability, p.Bits)
			}
		}
	})
}
