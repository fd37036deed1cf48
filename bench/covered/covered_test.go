package covered_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"endcap/bench/covered"
)

// house writes a module of a program that keeps a count and one that it runs.
func house(t *testing.T) (write func(path, text string)) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	write = func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module house\n\ngo 1.26\n")
	write("count/main.go", "package main\n\nimport _ \"house/room\"\n\nfunc main() {}\n")
	write("room/room.go", "package room\n\nimport _ \"embed\"\n\n//go:embed list.txt\nvar List string\n")
	write("room/list.txt", "one")
	write("other/main.go", "package main\n\nfunc main() {}\n")
	return write
}

// A count goes on over what changes no run, and begins anew after what may.
func TestACountBeginsAnewWhereTheCodeIsAnother(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go is not installed")
	}
	write := house(t)
	hash := func(paths ...string) string {
		t.Helper()
		h, err := covered.Hash(t.Context(), paths...)
		if err != nil || len(h) != 16 {
			t.Fatalf("hash %q: %v", h, err)
		}
		return h
	}
	was, both := hash("house/count"), hash("house/count", "house/other")
	if was == both {
		t.Error("another program that is run changes nothing")
	}
	write("count/main.go", "package main\n\nimport _ \"house/room\"\n\n// main counts.\nfunc main() {}\n")
	if hash("house/count") != was {
		t.Error("how runs are counted begins the count anew")
	}
	write("other/main.go", "package main\n\nfunc main() { println() }\n")
	if hash("house/count") != was || hash("house/count", "house/other") == both {
		t.Error("a program that is not run counts, or one that is does not")
	}
	write("room/list.txt", "two")
	if hash("house/count") == was {
		t.Error("what is embedded does not count")
	}
	all, err := covered.All(t.Context(), "house/room")
	if err != nil {
		t.Fatal(err)
	}
	write("count/main.go", "package main\n\nimport _ \"strings\"\n\nfunc main() {}\n")
	if got, err := covered.All(t.Context(), "house/room"); err != nil || got != all {
		t.Errorf("who counts changes what is counted: %v", err)
	}
	write("room/room.go", "package room\n")
	if got, err := covered.All(t.Context(), "house/room"); err != nil || got == all {
		t.Errorf("what is run does not count: %v", err)
	}
	if _, err := covered.Hash(t.Context(), "house/nowhere"); err == nil {
		t.Error("a package that is not there has a hash")
	}
}
