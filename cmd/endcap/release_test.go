package main_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var rewriteFlag = flag.Bool("rewrite", false, "write the data directory of the version under way anew")

// underWay is the version that is not released yet; its directory may be written
// anew. One that was released is never touched again.
const underWay = "testdata/directories/0.1.0-dev"

const releaseSums = `select count(*), cast(sum(sales) as varchar), count(distinct receipt) from lines`

// A data directory of each version that was released, and of the one under way,
// opens, is whole, and holds what it held. What is derived is left out of it.
func TestADirectoryOfEachVersionOpens(t *testing.T) {
	t.Parallel()
	if *rewriteFlag {
		writeDirectory(t)
	}
	archives, err := filepath.Glob("testdata/directories/*.tar.gz")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no directories: %v", err)
	}
	for _, archive := range archives {
		t.Run(filepath.Base(archive), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "house")
			unpack(t, archive, dir)
			text, said, status := run(t, "verify", "--dir", dir)
			if status != 0 {
				t.Fatalf("it does not open, or is not whole: mend the migration, or refuse it with the cure; "+
					"only the version under way may be written anew: go test ./cmd/endcap -run EachVersion -rewrite\n%s%s", text, said)
			}
			want, err := os.ReadFile(strings.TrimSuffix(archive, ".tar.gz") + ".csv")
			if err != nil {
				t.Fatal(err)
			}
			if got := must(t, "query", "--dir", dir, "--format", "csv", releaseSums); got != string(want) {
				t.Errorf("it holds\n%swant\n%s", got, want)
			}
			s := serve(t, dir)
			s.settle(t)
			s.stop(t)
			verified(t, dir)
		})
	}
}

// writeDirectory makes the directory of the version under way: sealed receipts,
// some in the stream alone, money, consents.
func writeDirectory(t *testing.T) {
	t.Helper()
	p := newPlague(t)
	s := serve(t, p.dir)
	s.key = p.key
	for n := range 40 {
		at := time.Now().UTC().AddDate(0, 0, -n%9)
		s.ask(t, "POST /v1/receipts", map[string]any{"receipts": []any{map[string]any{
			"id": card(n), "store": "s1", "at": at.Format(time.RFC3339), "shopper": map[string]string{"card": card(n)},
			"lines": []any{map[string]any{"product": "oats", "quantity": 1, "sales": "2.50"}, map[string]any{"product": "milk", "quantity": 2, "sales": "1.99"}},
		}}}, nil)
	}
	s.settle(t)
	s.stop(t)
	s = serve(t, p.dir) // it seals the days that are past
	until(t, time.Minute, "days are sealed", func() bool {
		files, err := filepath.Glob(filepath.Join(p.dir, "history", "sealed", "lines", "*", "*.parquet"))
		return err == nil && len(files) >= 8
	})
	s.stop(t)
	sums := must(t, "query", "--dir", p.dir, "--format", "csv", releaseSums)
	if err := errors.Join(os.MkdirAll(filepath.Dir(underWay), 0o750), os.WriteFile(underWay+".csv", []byte(sums), 0o600)); err != nil {
		t.Fatal(err)
	}
	pack(t, p.dir, underWay+".tar.gz")
}

// truths are what a data directory cannot do without.
var truths = []string{"endcap.json", "book.db", "vault.db", "stream", "history/sealed"}

func pack(t *testing.T, dir, archive string) {
	t.Helper()
	f, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	zip := gzip.NewWriter(f)
	out := tar.NewWriter(zip)
	for _, name := range truths {
		err := filepath.WalkDir(filepath.Join(dir, filepath.FromSlash(name)), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() == "LOCK" {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			inside, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			if err := out.WriteHeader(&tar.Header{Name: filepath.ToSlash(inside), Mode: 0o600, Size: int64(len(b))}); err != nil {
				return err
			}
			_, err = out.Write(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(out.Close(), zip.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for in := tar.NewReader(zip); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil || !filepath.IsLocal(h.Name) {
			t.Fatalf("%s: %v", h.Name, err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}
