package main_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

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

// member is a simulated one as Parquet holds her.
type member struct {
	Card      string `parquet:"card" json:"card"`
	Given     string `parquet:"given_name" json:"given_name"`
	Surname   string `parquet:"surname" json:"surname"`
	BirthDate string `parquet:"birth_date" json:"birth_date"`
	Street    string `parquet:"street" json:"street"`
	Postcode  string `parquet:"postcode" json:"postcode"`
	Town      string `parquet:"town" json:"town"`
	Email     string `parquet:"email" json:"email"`
	Phone     string `parquet:"phone" json:"phone"`
}

// The same members find the same pairs from CSV, from packed NDJSON and from
// Parquet.
func TestMembersAreReadInEveryForm(t *testing.T) {
	t.Parallel()
	const records = 2_000
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	fields := members(t, file("members.csv"), records)
	var all []member
	var lines bytes.Buffer
	z := gzip.NewWriter(&lines)
	linkagetest.People(11, records, func(v []string, _ int) bool {
		m := member{fmt.Sprintf("card-%d", len(all)+1), v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]}
		all = append(all, m)
		return json.NewEncoder(z).Encode(m) == nil
	})
	if err := errors.Join(z.Close(), os.WriteFile(file("members.ndjson.gz"), lines.Bytes(), 0o600), parquet.WriteFile(file("members.parquet"), all)); err != nil {
		t.Fatal(err)
	}
	link := func(name string) string {
		return must(t, append([]string{"identity", "link", "--dry", "--key", "card=card", "--json", file(name)}, fields...)...)
	}
	want := link("members.csv")
	var found struct{ Records, Found int }
	if err := json.Unmarshal([]byte(want), &found); err != nil || found.Records != records || found.Found < records/20 {
		t.Fatalf("the CSV gives %s, %v", want, err)
	}
	for _, name := range []string{"members.ndjson.gz", "members.parquet"} {
		if got := link(name); got != want {
			t.Errorf("%s gives %s, the CSV %s", name, got, want)
		}
	}
}

// TestLinkageProposesAndStaffApprove takes members in, links their file, approves
// what it found and looks who is one person now.
func TestLinkageProposesAndStaffApprove(t *testing.T) {
	t.Parallel()
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

// A retailer lets an address be shared by two alone, and then by five again.
func TestTheLimitsOfMergingAreSetAndSettled(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	dir, file, mapping := filepath.Join(tmp, "house"), filepath.Join(tmp, "members.csv"), filepath.Join(tmp, "mapping.json")
	rows := "account,mail\n"
	for n := range 30 {
		rows += fmt.Sprintf("account-%d,%064x\n", n, n/3)
	}
	err := errors.Join(os.WriteFile(file, []byte(rows), 0o600), os.WriteFile(mapping,
		[]byte(`{"name": "crm", "zone": "UTC", "currency": "EUR", "feeds": {"shoppers": {"columns": {"account": "account", "email_sha256": "mail"}}}}`), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	must(t, "init", "--dir", dir, "--currency", "EUR")
	must(t, "ingest", "--dir", dir, "--kind", "shoppers", "--mapping", mapping, file)
	set := func(limits string) {
		t.Helper()
		name := filepath.Join(dir, "endcap.json")
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var all map[string]any
		if err := json.Unmarshal(b, &all); err != nil {
			t.Fatal(err)
		}
		all["merging"] = json.RawMessage(limits)
		if b, err = json.Marshal(all); err == nil {
			err = os.WriteFile(name, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	settled := func(want int) {
		t.Helper()
		var out struct{ Looked, Moved, Tangled int }
		if err := json.Unmarshal([]byte(must(t, "identity", "settle", "--dir", dir, "--json")), &out); err != nil || out.Moved != want || out.Looked < 20 || out.Tangled != 0 {
			t.Errorf("settled %+v, want %d moved, %v", out, want, err)
		}
	}
	settled(0)
	set(`{"shoppers_per_key": 2}`)
	settled(20)
	settled(0)
	set(`{}`)
	settled(20)
	must(t, "verify", "--dir", dir)
	set(`{"shoppers_per_key": 9}`)
	if _, said, status := run(t, "identity", "settle", "--dir", dir); status != 2 || !strings.Contains(said, "merging: ") {
		t.Errorf("a limit that cannot hold: status %d, %s", status, said)
	}
}
