package calibrate_test

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"

	"endcap/simulate/calibrate"
	"endcap/simulate/grocer"
	"endcap/simulate/model"
)

// two is a map of two départements, squares of ten, the second with an island.
const two = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 30 20">
	<path id="01" aria-label="Ain" d="m 0,0 10,0 0,10 -10,0 z"/>
	<path id="02" aria-label="Aisne" d="m 1,15 1,0 0,1 -1,0 z m 19,-15 10,0 0,10 -10,0 z"/>
</svg>`

func TestOutlinesAreReadWithTheirMiddles(t *testing.T) {
	t.Parallel()
	got, err := calibrate.ReadOutlines(strings.NewReader(two))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Code != "01" || got[1].Name != "Aisne" {
		t.Fatalf("read %+v", got)
	}
	for i, want := range [][2]float64{{5, 5}, {25, 5}} {
		if math.Abs(got[i].X-want[0])+math.Abs(got[i].Y-want[1]) > 1e-9 {
			t.Errorf("the middle of %s is %v, %v, want %v", got[i].Name, got[i].X, got[i].Y, want)
		}
	}
}

func TestWhatIsNoMapOfDepartementsIsRefused(t *testing.T) {
	t.Parallel()
	path := func(d string) string {
		return `<svg><path id="01" aria-label="Ain" d="` + d + `"/></svg>`
	}
	for name, text := range map[string]string{
		"nothing": "", "no XML": "communes", "another page": "<html></html>", "no outline": "<svg></svg>",
		"a curve": path("m 0,0 c 1,1 2,2 3,3 z"), "a line": path("m 0,0 5,5 z"), "no path": path(""),
		"a script":       path(`m 0,0 alert(1) z`),
		"beyond numbers": path("m 0,0 1e999,0 0,1 z"), "no number": path("m 0,0 NaN,NaN 1,1 z"),
		"too many": "<svg>" + strings.Repeat(`<path id="01" d="m 0,0 10,0 0,10 z"/>`, 300) + "</svg>",
		"too long": "<svg>" + strings.Repeat(" ", 5<<20) + `<path id="01" d="m 0,0 10,0 0,10 z"/></svg>`,
	} {
		if got, err := calibrate.ReadOutlines(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "map of départements") {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func FuzzReadOutlines(f *testing.F) {
	f.Add(two)
	f.Add(`<svg><path id="01" d="m 0,0 1e308,1e308 -1e308,0 z"/></svg>`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := calibrate.ReadOutlines(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, o := range got {
			if math.IsNaN(o.X) || math.IsInf(o.X, 0) || math.IsNaN(o.Y) || math.IsInf(o.Y, 0) {
				t.Fatalf("%q has its middle at %v, %v", o.Path, o.X, o.Y)
			}
		}
	})
}

// What is spent is told by département, to the cent, and the page shows it.
func TestTheMapTellsWhereShoppersSpend(t *testing.T) {
	t.Parallel()
	outlines, err := calibrate.ReadOutlines(strings.NewReader(two))
	if err != nil {
		t.Fatal(err)
	}
	var communes []grocer.Commune
	for i, d := range []string{"01", "01", "02", "974"} {
		communes = append(communes, grocer.Commune{Code: string(rune('A' + i)), Name: "Ville", Department: d, Population: 10_000})
	}
	s := calibrate.Scenario(400, 9)
	s.Stores, s.Products = 4, 1_000
	got, err := calibrate.Spreads(t.Context(), s, model.Fitted(), communes, outlines)
	if err != nil {
		t.Fatal(err)
	}
	sum, share, stores := int64(0), 0.0, 0
	for i, p := range got.Places {
		sum, share, stores = sum+p.Cents, share+p.Share, stores+p.Stores
		if i > 0 && p.Cents > got.Places[i-1].Cents || p.Class < 1 || p.Class > 5 {
			t.Errorf("place %d of %+v", i, got.Places)
		}
	}
	if len(got.Places) != 3 || sum != got.Cents || sum == 0 || math.Abs(share-1) > 1e-9 || stores != 4 {
		t.Errorf("%d cents, %v of all, %d stores in %+v", sum, share, stores, got.Places)
	}
	r := calibrate.Report{Simulated: &calibrate.Measures{}, Held: &calibrate.Measures{}, Fitted: &calibrate.Measures{}}
	for name, tt := range map[string]struct {
		spread *calibrate.Spread
		want   []string
	}{
		"with a map":    {got, []string{`<path id="d01"`, "Aisne (02): 1 store", "974 (1 store", "CC BY 4.0", "Victor Cazanave", "Licence Ouverte"}},
		"without a map": {nil, []string{"There is no map", "make data"}},
	} {
		r.Spread = tt.spread
		var page bytes.Buffer
		if err := r.Page(&page); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !strings.Contains(page.String(), want) {
				t.Errorf("%s: the page does not say %q", name, want)
			}
		}
		if strings.Contains(page.String(), "ZgotmplZ") || strings.Contains(page.String(), "NaN") {
			t.Errorf("%s: the page is not whole", name)
		}
	}
}

// The map that make data fetches can be read whole.
func TestTheMapOfFranceIsWhole(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../../data/france/departements.svg")
	if err != nil {
		t.Skip("the outlines are not in data/france; make data fetches them")
	}
	defer func() { _ = f.Close() }()
	got, err := calibrate.ReadOutlines(f)
	if err != nil || len(got) != 96 {
		t.Fatalf("%d outlines, want 96: %v", len(got), err)
	}
	for _, o := range got {
		if o.Code == "" || o.Name == "" || o.X < 0 || o.X > 613 || o.Y < 0 || o.Y > 585 {
			t.Errorf("%s %s at %v, %v", o.Code, o.Name, o.X, o.Y)
		}
	}
}
