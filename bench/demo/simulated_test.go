package main_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// shoppersTest is how many shoppers the tested demo has: so many that some campaign
// has an interval.
const shoppersTest = "2000"

// communes are so few, and so different, that shoppers go to other stores than they
// would in a grocer without places.
const communes = `[{"code":"01001","nom":"Petite","departement":"01","region":"84","type":"commune-actuelle","population":300},
	{"code":"01002","nom":"Grande","departement":"01","region":"84","type":"commune-actuelle","population":400000},
	{"code":"01003","nom":"Autre","departement":"01","region":"84","type":"commune-actuelle","population":9000}]`

// clone is what the demo needs of a clone: its scripts, the programs, and of all data
// a list of communes.
func clone(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "scripts"), os.DirFS("../../scripts")); err != nil {
		t.Fatal(err)
	}
	places := filepath.Join(dir, "data", "france")
	if err := os.MkdirAll(places, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(places, "communes.json"), []byte(communes), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{"endcap": "endcap/cmd/endcap", "endcap-demo": "endcap/bench/demo"} {
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "bin", name), from).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	return dir
}

func freeAddress(t *testing.T) string {
	t.Helper()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// figure reads a figure that the demo printed.
func figure(t *testing.T, out, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^figure ` + regexp.QuoteMeta(name) + ` (\S+) `).FindStringSubmatch(out)
	if m == nil {
		t.Errorf("there is no figure %s", name)
		return 0
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Errorf("figure %s: %v", name, err)
	}
	return v
}

// Where The Complete Journey cannot be fetched, the demo runs on the simulated
// grocer, sells by adverts, measures it, and loses no receipt. Its truth is of the
// same grocer, with its places, and lies where the product does not look.
func TestTheDemoWithoutDataIsSimulatedAndMeasuresWhatWasPlanted(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a demo is not for -short")
	}
	dir := clone(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "scripts", "demo.sh"))
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "DATASET=", "SHOPPERS="+shoppersTest, "KEEP=0", "LISTEN="+freeAddress(t), "DATA=house",
		"PIP_INDEX_URL=http://127.0.0.1:9/simple", "PIP_RETRIES=0", "npm_config_registry=http://127.0.0.1:9/", "npm_config_fetch_retries=0")
	text, err := cmd.CombinedOutput()
	out := string(text)
	t.Log(out)
	if err != nil {
		t.Fatal(err) // its control sums among others
	}
	for _, want := range []string{"cannot be fetched, so this is the declared-synthetic grocer", "Declared: declared-synthetic", "by an effect that is planted"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not say %q", want)
		}
	}
	if strings.Contains(out, "the true incremental sales are 0") {
		t.Error("the demo says that adverts sell nothing")
	}
	if figure(t, out, "demo.simulated_intervals") < 1 {
		t.Error("no campaign has an interval") // whether they hold the truth, bench/coverage asks
	}
	if truth, roas := figure(t, out, "demo.simulated_true_iroas"), figure(t, out, "demo.simulated_roas"); truth <= 0 || roas <= 0 {
		t.Errorf("a euro of adverts truly sold %v, and attribution claims %v", truth, roas)
	}
	if figure(t, out, "demo.simulated_rss") <= 0 {
		t.Error("the player does not say how much memory it took")
	}
	for _, beside := range []string{"house-truth/campaigns.json", "house-simulated/simulation.json"} {
		if _, err := os.Stat(filepath.Join(dir, beside)); err != nil {
			t.Error(err)
		}
	}
	if inside, err := filepath.Glob(filepath.Join(dir, "house", "*truth*")); err != nil || len(inside) > 0 {
		t.Errorf("the truth lies within the house: %v, %v", inside, err)
	}
	for _, sum := range []string{"lines", "baskets", "sales"} {
		if !regexp.MustCompile(`(?m)^figure control\.simulated\.`+sum+` .* ok$`).MatchString(out) || figure(t, out, "control.simulated."+sum) <= 0 {
			t.Errorf("the control sum of %s is not told, or wrong", sum)
		}
	}
	report, err := os.ReadFile(filepath.Join(dir, "house", "report.html"))
	if err != nil || !strings.Contains(string(report), "declared-synthetic") {
		t.Errorf("the page of the report does not say declared-synthetic: %v", err)
	}
}
