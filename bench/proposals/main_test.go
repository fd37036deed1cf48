package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"endcap/know/recommend/nextbasket"
)

const nbr = "../../../shared/data/nbr"

func needs(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(nbr, name)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is not beside the repository, in ../shared/data/nbr", name)
	}
	return path
}

// Every method of the published tables gives their figures, on every fold; of TIFUKNN
// the test asks one fold, and make eval all of them.
func TestMethodsGiveThePublishedFigures(t *testing.T) {
	t.Parallel()
	rows, err := readReference(needs(t, "reference_results.csv"))
	if err != nil {
		t.Fatal(err)
	}
	dir := needs(t, "tafeng-rc")
	d, users, err := readPublished(filepath.Join(dir, "history.json.gz"), filepath.Join(dir, "future.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for no := range 5 {
		var f fold
		if err := readJSON(filepath.Join(dir, "keyset_"+strconv.Itoa(no)+".json.gz"), &f); err != nil {
			t.Fatal(err)
		}
		by := methods(d.products, d.shoppers(users, false), d.shoppers(f.Train, false))
		want := 14
		if no > 0 {
			want = 10
			for name := range by {
				if strings.HasPrefix(name, "TIFUKNN") {
					delete(by, name)
				}
			}
		}
		most, compared := deviation(rows, "tafeng-rc", strconv.Itoa(no), d.cases(f.Test), by)
		if most > 0.0005 || compared != want {
			t.Errorf("fold %d: %d rows, off by up to %v", no, compared, most)
		}
	}
}

func TestMethodsGiveTheFiguresOfTheMiniBenchmark(t *testing.T) {
	t.Parallel()
	rows, err := readReference(needs(t, "reference_results.csv"))
	if err != nil {
		t.Fatal(err)
	}
	dir := needs(t, "complete-journey-baskets")
	d, users, err := readPublished(filepath.Join(dir, "cj_mini_history.json.gz"), filepath.Join(dir, "cj_mini_future.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	all := d.shoppers(users, false)
	by := methods(d.products, all, all)
	delete(by, "GP-TopFreq(pop tie)") // what is equally popular too stands in another order there
	most, compared := deviation(rows, "complete-journey-mini", "all", d.cases(users), by)
	if most > 0.0005 || compared != 6 {
		t.Errorf("%d rows, off by up to %v", compared, most)
	}
}

func TestListsOfALSAreRead(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   string
		good bool
	}{
		"lists":            {"0,0,5 6 7\n1,3,9\n", true},
		"an empty list":    {"0,0,\n", true},
		"no trial":         {"x,0,5\n", false},
		"no such trial":    {"2,0,5\n", false},
		"no shopper":       {"0,,5\n", false},
		"no product":       {"0,0,milk\n", false},
		"too large":        {"0,0,99999999999\n", false},
		"a warning of its": {"warning: slow\n", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := []map[int][]nextbasket.Product{{}, {}}
			if err := readLists(strings.NewReader(tt.in), to); (err == nil) != tt.good {
				t.Errorf("got %v", err)
			}
			if name == "lists" && (len(to[0][0]) != 3 || to[1][3][0] != 9) {
				t.Errorf("read %v", to)
			}
		})
	}
}

func TestWhatALSIsToldOfPurchases(t *testing.T) {
	t.Parallel()
	cut := nextbasket.Cut{Shoppers: []nextbasket.Shopper{
		{Key: 9, History: nextbasket.History{{Products: []int32{4}}, {Products: []int32{4, 1}}}},
		{Key: 5, History: nextbasket.History{{Products: []int32{2}}}},
	}}
	const want = "0,4,2,1.9512\n0,1,1,1.0000\n1,2,1,1.0000\n"
	if got := string(boughtOf(&cut)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestWhatIsNotAtHandIsSaid(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), &out, &options{sets: "tafeng,mini,journey"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tafeng", "mini", "journey"} {
		if !strings.Contains(out.String(), "skipped: "+name) {
			t.Errorf("nothing is said of %s:\n%s", name, out.String())
		}
	}
}

func TestTheSimulatedHouseRepeats(t *testing.T) {
	t.Parallel()
	_, a := simulatedHouse(50, 3)
	_, b := simulatedHouse(50, 3)
	lines := 0
	for i := range a {
		if len(a[i].History) != len(b[i].History) {
			t.Fatalf("shopper %d has other baskets the second time", i)
		}
		for _, basket := range a[i].History {
			lines += len(basket.Products)
		}
	}
	if lines < 50*50 {
		t.Errorf("%d lines in a year of 50 shoppers", lines)
	}
}
