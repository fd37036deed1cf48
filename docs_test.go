package endcap_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)

// Papers point at papers: a file that moved takes its links along.
func TestLinksOfThePapersLeadSomewhere(t *testing.T) {
	t.Parallel()
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if hidden := strings.HasPrefix(d.Name(), ".") && path != "."; hidden || path == "data" || path == "bin" {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllSubmatch(text, -1) {
			to := string(m[1])
			if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			seen++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), to)); err != nil {
				t.Errorf("%s points at %s, which is not there", path, to)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Error("no paper points anywhere")
	}
}

var (
	required = regexp.MustCompile(`(?m)^\t(\S+) v\S+$`)                          // a direct requirement of go.mod
	noted    = regexp.MustCompile("(?m)^\\| `(\\S+)` \\|.*\\]\\((\\S+\\.md)\\)") // a row of the decisions' first table
)

// What we stand on is chosen: every direct dependency has a note that names it,
// and no note outlives its dependency.
func TestEveryDirectDependencyHasANote(t *testing.T) {
	t.Parallel()
	index, err := os.ReadFile("docs/decisions/README.md")
	if err != nil {
		t.Fatal(err)
	}
	notes := make(map[string]string)
	for _, m := range noted.FindAllSubmatch(index, -1) {
		notes[string(m[1])] = string(m[2])
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	mod, _, _ = bytes.Cut(mod, []byte("\nexclude"))
	direct := required.FindAllSubmatch(mod, -1)
	if len(direct) == 0 {
		t.Fatal("go.mod requires nothing")
	}
	for _, m := range direct {
		module := string(m[1])
		note, ok := notes[module]
		delete(notes, module)
		if !ok {
			t.Errorf("%s has no row in docs/decisions/README.md", module)
			continue
		}
		text, err := os.ReadFile(filepath.Join("docs/decisions", note))
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(string(text), strings.TrimPrefix(module, "github.com/")) {
			t.Errorf("docs/decisions/%s does not speak of %s", note, module)
		}
	}
	for module := range notes {
		t.Errorf("docs/decisions/README.md speaks of %s, which go.mod does not require", module)
	}
}

var (
	metricName  = regexp.MustCompile(`"(endcap_[a-z_]+)"`)
	settingName = regexp.MustCompile("`json:\"([a-z_]+)[\",]")
)

// Operators find every metric and every setting in their paper.
func TestOperationsNamesEveryMetricAndSetting(t *testing.T) {
	t.Parallel()
	paper, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, root := range []string{"gate", "cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range metricName.FindAllSubmatch(text, -1) {
				names = append(names, string(m[1]))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	settings, err := os.ReadFile("cmd/endcap/dir.go")
	if err != nil {
		t.Fatal(err)
	}
	metrics := len(names)
	for _, m := range settingName.FindAllSubmatch(settings, -1) {
		names = append(names, string(m[1]))
	}
	if metrics == 0 || len(names) == metrics {
		t.Fatalf("found %d metrics and %d settings", metrics, len(names)-metrics)
	}
	for _, name := range names {
		if !strings.Contains(string(paper), "`"+name) {
			t.Errorf("docs/operations.md does not speak of %s", name)
		}
	}
}
