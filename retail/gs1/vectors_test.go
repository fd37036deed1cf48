package gs1_test

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"endcap/retail/gs1"
)

// vectors opens one of GS1's own files, which are others' and stand beside the
// repository.
func vectors(t *testing.T, name string) io.Reader {
	t.Helper()
	f, err := os.Open("../../../shared/data/gs1/" + name)
	if err != nil {
		t.Skipf("GS1's vectors are not beside the repository, in ../shared/data/gs1: %v", err)
	}
	t.Cleanup(func() { _ = f.Close() })
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func rows(t *testing.T, name string) [][]string {
	t.Helper()
	all, err := csv.NewReader(vectors(t, name)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[1:]
}

// named gives our name of GS1's error.
func named(theirs string) gs1.Fault {
	name := strings.ToLower(strings.TrimPrefix(theirs, "GS1_LINTER_"))
	return gs1.Fault(strings.ReplaceAll(name, "exipiration", "expiration"))
}

// Every vector of GS1's syntax tests passes or fails as it should, with the fault
// named and marked where it is: 90 coupons of AI (8110) and 13 of AI (8112) are
// read, 307 and 58 are not.
func TestGS1sOwnVectorsOfEveryRule(t *testing.T) {
	t.Parallel()
	type count struct{ pass, fail int }
	counted := map[string]count{}
	for i, row := range rows(t, "linter_vectors.csv.gz") {
		rule, text, expect, want, marked := row[0], bytesOf(row[1]), row[2], row[3], bytesOf(row[4])
		got, known := gs1.Rule(rule, text, nobodys(want, marked))
		if !known {
			t.Fatalf("row %d: no rule %s", i, rule)
		}
		c := counted[rule]
		if expect == "pass" {
			c.pass++
			if got != nil {
				t.Errorf("row %d: %s of %q: %v", i, rule, text, got)
			}
		} else {
			c.fail++
			found, _ := errors.AsType[*gs1.Error](got)
			switch {
			case found == nil:
				t.Errorf("row %d: %s of %q passes, want %s", i, rule, text, want)
			case found.Fault != named(want):
				t.Errorf("row %d: %s of %q: %s, want %s", i, rule, text, found.Fault, named(want))
			case text[:found.At]+"*"+text[found.At:found.At+found.Len]+"*"+text[found.At+found.Len:] != marked:
				t.Errorf("row %d: %s of %q: marked at %d, %d long; want %s", i, rule, text, found.At, found.Len, marked)
			}
		}
		counted[rule] = c
	}
	for rule, want := range map[string]count{
		"couponcode": {90, 307}, "couponposoffer": {13, 58}, "csum": {5, 9}, "iso4217": {179, 829}, "yymmdd": {25, 36},
	} {
		if counted[rule] != want {
			t.Errorf("%s: %v vectors, want %v", rule, counted[rule], want)
		}
	}
	sum := 0
	for _, c := range counted {
		sum += c.pass + c.fail
	}
	if n := len(counted); n != 39 || sum != 5_668 {
		t.Errorf("%d vectors of %d rules", sum, n)
	}
}

// nobodys answers as the vectors want that were recorded with a register of
// company prefixes which knows none, or cannot be reached, once the marked one is
// asked for: the first of a text, or the second.
func nobodys(want, marked string) gs1.Prefixes {
	f := named(want)
	if f != gs1.UnknownPrefix && f != gs1.PrefixesOffline {
		return nil
	}
	left := 1
	if strings.IndexByte(marked, '*') > 1 {
		left = 2
	}
	return func(string) gs1.Fault {
		if left--; left == 0 {
			return f
		}
		return ""
	}
}

// bytesOf gives the bytes of a text whose every byte the file writes as a
// character of its own.
func bytesOf(s string) string {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

// readDifferently are the links that GS1's engine reads or refuses by its
// settings, so that they stand in the vectors twice. Ours has no settings: it
// pads a GTIN and knows the old words, and refuses numbers that are no AI.
var readDifferently = map[string]string{
	"https://a/gtin/12312312312333":                          "ok",
	"https://a/01/2112345678900":                             "ok",
	"https://a/01/416000336108":                              "ok",
	"https://a/01/02345673":                                  "ok",
	"https://a/8004/9520614141234567?01=2112345678900":       "ok",
	"https://a/8004/9520614141234567?01=02345673":            "ok",
	"https://example.com/01/09520123456788?99=XYZ&89=ABC123": "reject",
}

func TestGS1sOwnVectorsOfElementStringsAndLinks(t *testing.T) {
	t.Parallel()
	expectations := map[string]map[string]bool{}
	all := rows(t, "element_string_vectors.csv.gz")
	if len(all) != 145 {
		t.Fatalf("%d vectors", len(all))
	}
	for _, row := range all {
		if expectations[row[1]] == nil {
			expectations[row[1]] = map[string]bool{}
		}
		expectations[row[1]][row[2]] = true
	}
	for _, row := range all {
		kind, text, expect, want := row[0], row[1], row[2], row[3]
		ours, twice := readDifferently[text]
		if len(expectations[text]) > 1 != twice {
			t.Errorf("%s is read in %d ways by GS1's settings", text, len(expectations[text]))
		}
		if twice && ours != expect {
			continue
		}
		var got gs1.Elements
		var err error
		if kind == "bracketed_ai_to_element_string" {
			got, err = gs1.ParseBracketed(text)
		} else {
			var l gs1.Link
			l, err = gs1.ParseLink(text)
			got = l.Elements()
		}
		switch {
		case expect == "reject" && err == nil:
			t.Errorf("%s is read as %s", text, got)
		case expect == "ok" && err != nil:
			t.Errorf("%s: %v", text, err)
		case expect == "ok" && got.String() != want:
			t.Errorf("%s is read as %s, want %s", text, got, want)
		}
		if expect == "ok" {
			if again, err := gs1.ParseElements(want); err != nil || again.String() != want {
				t.Errorf("element string %s is read as %s, %v", want, again, err)
			}
		}
	}
}

// The dictionary of the program says what GS1's says, line by line.
func TestTheDictionaryIsGS1s(t *testing.T) {
	t.Parallel()
	entries := func(r io.Reader) []string {
		var all []string
		for lines := bufio.NewScanner(r); lines.Scan(); {
			line, _, _ := strings.Cut(lines.Text(), " # ")
			if line = strings.Join(strings.Fields(line), " "); line != "" && line[0] != '#' {
				all = append(all, line)
			}
		}
		return all
	}
	want := entries(vectors(t, "gs1-syntax-dictionary.txt.gz"))
	got := entries(strings.NewReader(gs1.Dictionary()))
	if len(want) != 224 || len(got) != len(want) {
		t.Fatalf("%d entries, GS1 has %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("entry %q, GS1 has %q", got[i], want[i])
		}
	}
}
