package main_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"endcap/know/identity/linkage/linkagetest"
)

// members writes a file of simulated people, a card a record, and gives the flags
// that say how its columns are compared.
func members(t *testing.T, name string, records int) (flags []string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := csv.NewWriter(f)
	header := []string{"card"}
	for _, field := range linkagetest.Fields() {
		header = append(header, field.Name)
		kind := string(field.Kind)
		if field.Shared {
			kind += ":shared"
		}
		flags = append(flags, "--field", field.Name+"="+kind)
	}
	_ = w.Write(header)
	n := 0
	linkagetest.People(11, records, func(values []string, _ int) bool {
		n++
		_ = w.Write(append([]string{fmt.Sprintf("card-%d", n)}, values...))
		return true
	})
	if w.Flush(); w.Error() != nil {
		t.Fatal(w.Error())
	}
	return flags
}

// TestLinkageProposesAndStaffApprove takes members in, links their file, approves
// what it found and looks who is one person now.
func TestLinkageProposesAndStaffApprove(t *testing.T) {
	const records = 600
	dir, file := filepath.Join(t.TempDir(), "house"), filepath.Join(t.TempDir(), "members.csv")
	fields := members(t, file, records)
	mapping := filepath.Join(t.TempDir(), "mapping.json")
	if err := os.WriteFile(mapping, []byte(`{"name": "crm", "zone": "UTC", "currency": "EUR", "feeds": {"shoppers": {"columns": {"card": "card"}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "init", "--dir", dir, "--currency", "EUR")
	s := serve(t, dir)
	must(t, "ingest", "--dir", dir, "--kind", "shoppers", "--mapping", mapping, file)
	link := append([]string{"identity", "link", "--dir", dir, "--key", "card=card", "--json"}, append(fields, file)...)
	var found struct{ Found, Waiting int }
	if err := json.Unmarshal([]byte(must(t, link...)), &found); err != nil || found.Found < records/20 || found.Waiting != found.Found {
		t.Fatalf("found %d pairs, %d wait, %v", found.Found, found.Waiting, err)
	}
	listed := must(t, "identity", "proposals", "--dir", dir, "--limit", "5", "--json")
	if strings.Contains(listed, "card-") || strings.Count(listed, "\n") != 5 {
		t.Errorf("proposals are shown as %s", listed)
	}
	var ids []string
	for n := range found.Waiting {
		ids = append(ids, fmt.Sprint(n+1))
	}
	out := must(t, append([]string{"identity", "approve", "--dir", dir}, ids...)...)
	if one := strings.Count(out, "one person"); one < found.Waiting*9/10 {
		t.Errorf("%d of %d approved pairs are one person:\n%.500s", one, found.Waiting, out)
	}
	s.stop(t)
	must(t, "verify", "--dir", dir)
	must(t, "rebuild", "--dir", dir)
}
