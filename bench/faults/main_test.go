package main_test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// seedsCI is how many seeds every test run plays.
const seedsCI = 300

// program builds the harness without the race detector, under which SQLite's
// translated engine is many times slower; bench/faults/house plays a few seeds
// with it.
func program(t *testing.T) func(args ...string) (string, error) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "faults")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), bin, append([]string{"-cache", ""}, args...)...)
		cmd.Dir = "../.."
		cmd.Env = append(cmd.Environ(), "GODEBUG=asyncpreemptoff=1") // see docs/decisions/faults.md
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

// Seeds are new every day; a failure names its own.
func TestNoSeedBreaksAPromise(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("300 seeds are not for -short")
	}
	from := uint64(time.Now().Unix() / 86_400 * 100_000)
	out, err := program(t)("-from", strconv.FormatUint(from, 10), "-seeds", strconv.Itoa(seedsCI))
	t.Logf("seeds from %d:\n%s", from, out)
	if err != nil || !strings.Contains(out, "figure faults.violations 0 seeds goal =0 ok") || !strings.Contains(out, "figure faults.seeds 300 seeds") {
		t.Errorf("%v", err)
	}
}

// A test that finds nothing in a house built wrong proves nothing.
func TestWhatIsBuiltWrongIsFound(t *testing.T) {
	t.Parallel()
	run := program(t)
	for word, most := range map[string]int{"book": 3, "vault": 3, "stream": 3, "files": 6, "limits": 3, "cursor": 40} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			out, err := run("-wrong", word, "-from", "1", "-seeds", strconv.Itoa(most))
			if err == nil || !strings.Contains(out, "violation in seed") {
				t.Errorf("%d seeds found nothing: %v\n%s", most, err, out)
			}
			first, _, _ := strings.Cut(out, "\nrepeat")
			t.Log(first)
		})
	}
	if out, err := run("-wrong", "everything"); err == nil || !strings.Contains(out, "say limits") {
		t.Errorf("an unknown word: %v\n%s", err, out)
	}
}
