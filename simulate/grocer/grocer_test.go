package grocer_test

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"endcap/retail/catalog"
	"endcap/simulate/grocer"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
)

func open(t *testing.T, communes []grocer.Commune) *grocer.Grocer {
	t.Helper()
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed = 30_000, 4, 5
	g, err := grocer.Open(&s, model.Fitted(), communes)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestNoProductIsARealOne(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	seen := make(map[int64]bool)
	for i := range g.Products {
		p := &g.Products[i]
		text := strconv.FormatInt(p.GTIN, 10)
		if _, err := catalog.ParseGTIN(text); err != nil || len(text) != 13 || text[0] != '2' {
			t.Fatalf("product %d: %v, want a GTIN-13 from 200 to 299", i, err)
		}
		if seen[p.GTIN] {
			t.Fatalf("GTIN %s comes twice", text)
		}
		seen[p.GTIN] = true
		net := float64(p.Price) / (1 + float64(g.Categories[p.Category].VAT)/1_000)
		if p.Price < 5 || float64(p.Cost) > net && p.Cost > 1 || g.Name(int32(i)) == "" || g.Size(int32(i)) == "" || g.Query(int32(i), uint64(i)) == "" {
			t.Fatalf("product %d: price %d, cost %d, name %q", i, p.Price, p.Cost, g.Name(int32(i)))
		}
	}
}

func TestPricesThatArePaidAreTheModels(t *testing.T) {
	t.Parallel()
	g, p := open(t, nil), model.Fitted()
	for c, span := range g.Spans {
		if span.Len() < 2 && g.DepartmentOf[c] != model.Fuel {
			t.Errorf("%s has %d products", g.Categories[c].Name, span.Len())
		}
	}
	for d := range p.Range {
		var sum, n float64
		for i := range g.Products {
			if int(g.DepartmentOf[g.Products[i].Category]) == d {
				sum += float64(g.Products[i].Price) / 100
				n++
			}
		}
		if want := p.Range[d].Price.Mean(); sum/n < want/2 || sum/n > 2*want {
			t.Errorf("%s: a product costs %.2f on average, the model says %.2f", p.Range[d].Name, sum/n, want)
		}
	}
}

func TestPromotedProductsAreAsManyAndAsDeepAsTheModelSays(t *testing.T) {
	t.Parallel()
	g, p := open(t, nil), model.Fitted()
	on, all, want := 0.0, 0.0, 0.0
	for n := range 8 {
		w := g.Week(n)
		for i := range g.Products {
			cut := w.Cut(int32(i))
			if cut < 0 || cut >= g.Products[i].Price {
				t.Fatalf("product %d of %d cents is %d cheaper", i, g.Products[i].Price, cut)
			}
			if cut > 0 {
				on++
			}
			d := p.Range[g.DepartmentOf[g.Products[i].Category]]
			want += d.Promoted / (d.Promoted + p.Uplift*(1-d.Promoted))
			all++
		}
	}
	if math.Abs(on-want)/all > 0.01 {
		t.Errorf("%.4f of products are promoted, want %.4f", on/all, want/all)
	}
}

func TestStoresLieInCommunesAndLackSomeOfTheRange(t *testing.T) {
	t.Parallel()
	var list []grocer.Commune
	for i := range 50 {
		list = append(list, grocer.Commune{Code: fmt.Sprint(i), Name: fmt.Sprint("Ville ", i), Population: 1 + i*i})
	}
	g := open(t, list)
	if len(g.Stores) != 13 || !g.Stores[g.OnlineShop()].Online {
		t.Fatalf("%d stores", len(g.Stores))
	}
	places := make(map[string]bool)
	for s := range g.OnlineShop() {
		if places[g.Stores[s].Commune.Code] {
			t.Errorf("two stores in commune %s", g.Stores[s].Commune.Code)
		}
		places[g.Stores[s].Commune.Code] = true
		carried, missing := 0.0, 0.0
		for i := range g.Products {
			if !g.Carries(s, int32(i)) {
				continue
			}
			carried++
			if g.Missing(s, int32(i), 3) {
				missing++
				if g.Count(s, int32(i), 3) != 0 {
					t.Fatal("a missing product is counted")
				}
			}
		}
		if share := carried / float64(len(g.Products)); share < 0.5 || share >= 1 || missing/carried > 0.03 || missing == 0 {
			t.Errorf("store %d carries %.2f of the range, of which %.3f is missing", s, share, missing/carried)
		}
	}
}

func TestAListThatIsNoneOfCommunesIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"empty": "", "not JSON": "code;nom", "an object": `{"a":1}`, "nobody": `[{"code":"01001","type":"commune-actuelle"}]`} {
		if _, err := grocer.ReadCommunes(strings.NewReader(text)); err == nil {
			t.Errorf("%s: taken for communes", name)
		}
	}
	got, err := grocer.ReadCommunes(strings.NewReader(`[{"code":"1","nom":"A","type":"commune-deleguee","population":5},{"code":"2","nom":"B","type":"commune-actuelle","population":7}]`))
	if err != nil || len(got) != 1 || got[0].Name != "B" {
		t.Errorf("communes of today: %v, %v", got, err)
	}
}

// The columns of range.txt are counted again over Open Food Facts: all of its French
// products, 249,036, which are too many to lie in the repository. How they are counted
// is tested on a few, below, everywhere.
func TestTheRangeSpreadsAsOpenFoodFactsDoes(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../../../shared/data/off-france/products_fr.csv.gz")
	if err != nil {
		t.Skip("the dump of Open Food Facts, 6 MB of others' open data, is not beside the repository, in ../shared/data/off-france: TestProductsAreCountedWhereTheirNamesSay counts a few, and whoever changes range.txt needs it")
	}
	defer func() { _ = f.Close() }()
	packed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	counts, grades := count(t, packed)
	categories := grocer.Categories()
	for i := range categories {
		c := &categories[i]
		if len(c.Words) == 0 {
			continue
		}
		if counts[i] != c.Weight {
			t.Errorf("%s: %v products, the range says %v", c.Name, counts[i], c.Weight)
		}
		if c.Graded() && grades[i] != c.Grades {
			t.Errorf("%s: graded %v, the range says %v", c.Name, grades[i], c.Grades)
		}
	}
}

// few are products of our own, in the columns of Open Food Facts, whose Nutri-Score
// was worked out by hand.
const few = `ean13,name,fat_100g,saturated_fat_100g,carbohydrates_100g,sugars_100g,fiber_100g,proteins_100g,salt_100g
1,Baguette,1.4,0.4,44,0,,6.6,2.3
2,Salade de crudités,0.2,0,2,1.5,2,1.2,0.03
3,Cola,0,0,10.6,10.6,0,0,0
4,Emmental râpé,28,18,0.5,0.5,0,27,0.5
5,Emmental entier,,18,0.5,0.5,0,27,0.5
6,Chocolat au lait entier,30,18,57,55,2,7,0.2
7,Mousse au chocolat,,,,,,,
8,Crème fraîche épaisse,,,,,,,
9,Vin de Bordeaux,0,0,0,0,0,0,0
10,Pile alcaline,0,0,0,0,0,0,0
`

func TestProductsAreCountedWhereTheirNamesSay(t *testing.T) {
	t.Parallel()
	counts, grades := count(t, strings.NewReader(few))
	want := map[string]struct {
		count  float64
		grades [5]float64
	}{
		"Pains":               {1, [5]float64{3: 1}},
		"Salades et crudités": {1, [5]float64{0: 1}},
		"Sodas":               {1, [5]float64{4: 1}},
		"Fromages":            {2, [5]float64{3: 1}}, // of the second a value is missing
		"Chocolat":            {1, [5]float64{4: 1}},
		"Desserts lactés":     {count: 1}, // its word comes before that of chocolate
		"Beurre et crème":     {count: 1},
		"Vins":                {count: 1}, // of wine the grade is left out
	}
	categories := grocer.Categories()
	for i := range categories {
		c := &categories[i]
		w := want[c.Name]
		if !c.Graded() {
			grades[i] = [5]float64{}
		}
		if counts[i] != w.count || grades[i] != w.grades {
			t.Errorf("%s: %v products graded %v, want %v graded %v", c.Name, counts[i], grades[i], w.count, w.grades)
		}
	}
}

// What range.txt says of a category agrees with itself, and with how many products
// Open Food Facts has.
func TestTheRangeAgreesWithItself(t *testing.T) {
	t.Parallel()
	counted := 0.0
	for _, c := range grocer.Categories() {
		graded := 0.0
		for _, n := range c.Grades {
			graded += n
		}
		if len(c.Words) == 0 && graded > 0 || graded > c.Weight {
			t.Errorf("%s: %v of %v products have a grade, counted by %q", c.Name, graded, c.Weight, c.Words)
		}
		if len(c.Words) > 0 {
			counted += c.Weight
		}
	}
	if counted < 100_000 || counted > 249_036 {
		t.Errorf("%v products of 249,036 belong to a category", counted)
	}
}

// count counts the products of a file in the columns of Open Food Facts by category,
// and those with all values by grade.
func count(t *testing.T, from io.Reader) (counts []float64, grades [][5]float64) {
	t.Helper()
	rows := csv.NewReader(from)
	head, err := rows.Read()
	if err != nil {
		t.Fatal(err)
	}
	column := make(map[string]int)
	for i, h := range head {
		column[h] = i
	}
	categories := grocer.Categories()
	words := make([][]string, len(categories))
	for i := range categories {
		for _, w := range categories[i].Words {
			words[i] = append(words[i], " "+fold(w))
		}
	}
	counts, grades = make([]float64, len(categories)), make([][5]float64, len(categories))
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return counts, grades
		}
		if err != nil {
			t.Fatal(err)
		}
		c := belongs(words, " "+fold(row[column["name"]])+" ")
		if c < 0 {
			continue
		}
		counts[c]++
		if g := grade(row, column, &categories[c]); g >= 0 {
			grades[c][g]++
		}
	}
}

// fold writes a name in lower case without accents.
func fold(s string) string {
	s = strings.NewReplacer("œ", "oe", "æ", "ae").Replace(strings.ToLower(s))
	return strings.Map(func(r rune) rune {
		if r >= 0x300 && r < 0x370 {
			return -1
		}
		return r
	}, norm.NFD.String(s))
}

// belongs is the category one of whose folded words comes first in a folded name, -1
// where none comes.
func belongs(words [][]string, name string) int {
	best, at := -1, math.MaxInt
	for i := range words {
		for _, w := range words[i] {
			if k := strings.Index(name, w); k >= 0 && k < at {
				best, at = i, k
			}
		}
	}
	return best
}

// grade is the Nutri-Score of 2017 from 0 for A, -1 where a value is missing.
func grade(row []string, column map[string]int, c *grocer.Category) int {
	value := func(name string) float64 {
		v, err := strconv.ParseFloat(row[column[name]], 64)
		if err != nil {
			return math.NaN()
		}
		return v
	}
	fat, sat, carb, sugar := value("fat_100g"), value("saturated_fat_100g"), value("carbohydrates_100g"), value("sugars_100g")
	protein, salt, fibre := value("proteins_100g"), value("salt_100g"), value("fiber_100g")
	if math.IsNaN(fat + sat + carb + sugar + protein + salt) {
		return -1
	}
	if math.IsNaN(fibre) {
		fibre = 0
	}
	energy := 37*fat + 17*(carb+protein) + 8*fibre
	above := func(v float64, limits ...float64) int {
		n := 0
		for _, l := range limits {
			if v > l {
				n++
			}
		}
		return n
	}
	drink := c.Department == "Boissons"
	points := above(energy, 335, 670, 1005, 1340, 1675, 2010, 2345, 2680, 3015, 3350) + above(sugar, 4.5, 9, 13.5, 18, 22.5, 27, 31, 36, 40, 45)
	if drink {
		points = above(energy, 0, 30, 60, 90, 120, 150, 180, 210, 240, 270) + above(sugar, 0, 1.5, 3, 4.5, 6, 7.5, 9, 10.5, 12, 13.5)
	}
	points += above(sat, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) + above(salt*400, 90, 180, 270, 360, 450, 540, 630, 720, 810, 900)
	score := points - above(fibre, 0.9, 1.9, 2.8, 3.7, 4.7)
	if points < 11 || strings.HasPrefix(c.Name, "Fromages") {
		score -= above(protein, 1.6, 3.2, 4.8, 6.4, 8)
	}
	if drink {
		return 1 + above(float64(score), 1, 5, 9)
	}
	return above(float64(score), -1, 2, 10, 18)
}
