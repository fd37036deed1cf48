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

// clone is what the demo needs of a clone: its scripts, without any data, and the
// programs.
func clone(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "scripts"), os.DirFS("../../scripts")); err != nil {
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

// Where The Complete Journey cannot be fetched, nor the communes, the demo runs on
// the simulated grocer, sells by adverts, measures it, and loses no receipt.
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
	for _, want := range []string{"cannot be fetched, so this is the declared-synthetic grocer", "stores have no places", "Declared: declared-synthetic", "by an effect that is planted"} {
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
