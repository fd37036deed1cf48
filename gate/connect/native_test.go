package connect_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
)

// nativeDir is where TestMain lets native tests be built.
var nativeDir string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "endcap-connect")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	nativeDir = dir
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// raced is whether the race detector is in this program.
var raced = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
})

// nativeTests are the tests of this package without the race detector.
var nativeTests = sync.OnceValues(func() (string, error) {
	name := filepath.Join(nativeDir, "connect.test")
	if said, err := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-w", "-o", name, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the tests: %w: %s", err, said)
	}
	return name, nil
})

// native reports whether a test of millions of real rows may go on. Under the
// race detector it may not: a program without it carries the same test out, ten
// times as fast, and what it says counts. The detector watches the same code in
// the tests of small files.
func native(t *testing.T) bool {
	t.Helper()
	if !raced() {
		return true
	}
	tests, err := nativeTests()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tests, "-test.v", "-test.run", "^"+t.Name()+"$").CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("without the race detector: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP: "+t.Name()+" "):
		t.Skipf("%s", out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()+" "):
		t.Errorf("without the race detector it did not run:\n%s", out)
	default:
		t.Logf("without the race detector:\n%s", out)
	}
	return false
}
