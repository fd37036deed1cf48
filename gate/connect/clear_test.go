package connect_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"endcap/gate/connect"
	"endcap/gate/connect/mapping"
	"endcap/know/identity/identifier"
	"endcap/know/ingest"
	"endcap/retail"
)

const club = `{"name":"club","zone":"Europe/Paris","currency":"EUR","feeds":{"shoppers":{"columns":{
	"card":"card","email_sha256":{"column":"mail","as":"clear","optional":true},"phone_sha256":{"column":"tel","as":"clear","country":"FR","optional":true}}}}}`

// member is a row of a list of members; nobody mapped the second address.
type member struct {
	Card   string `json:"card" parquet:"card"`
	Mail   string `json:"mail" parquet:"mail"`
	Tel    string `json:"tel" parquet:"tel"`
	Second string `json:"second" parquet:"second"`
}

// members are rows with addresses as people write them; the keys of a row are
// those wanted, none where it is refused.
func members() ([]member, [][]string) {
	rows := []member{
		{"ana", " Ana.Petit@Example.com ", "06 12 34 56 78", "ana@second.example"},
		{"bea", "bea, the second", "+33 6 98 76 54 32", "bea@second.example"},
		{"cat", "cat@example.com", "06 12", "cat@second.example"},
		{"dan", "", "", ""},
		{"eve", hashOf("eve@example.com"), "", "eve@second.example"},
	}
	return rows, [][]string{
		{"ana", hashOf("ana.petit@example.com"), phoneOf("+33612345678")},
		nil,
		nil,
		{"dan"},
		{"eve", hashOf("eve@example.com")},
	}
}

func hashOf(address string) string {
	e, err := identifier.ParseEmail(address)
	if err != nil {
		panic(err)
	}
	return e.Key().Reveal()
}

func phoneOf(number string) string {
	p, err := identifier.ParsePhone(number, "")
	if err != nil {
		panic(err)
	}
	return p.Key().Reveal()
}

func memberFiles(t *testing.T, all []member) map[string]string {
	t.Helper()
	var sheet, lines, columns bytes.Buffer
	w, enc := csv.NewWriter(&sheet), json.NewEncoder(&lines)
	_ = w.Write([]string{"card", "mail", "tel", "second"})
	for _, m := range all {
		if err := enc.Encode(m); err != nil {
			t.Fatal(err)
		}
		_ = w.Write([]string{m.Card, m.Mail, m.Tel, m.Second})
	}
	if w.Flush(); w.Error() != nil {
		t.Fatal(w.Error())
	}
	if err := pq.Write(&columns, all); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"members.csv":     sheet.String() + "fay,fay@example.com\ngus,\"gus@example.com,1,2\nhal,\"hal@example.com\"x,,\n",
		"members.ndjson":  lines.String() + `{"card":"fay","mail":"fay@example.com","mail":"fay@example.org"}` + "\n{\"card\":\"gus\",\"mail\":\"gus@example.com\"\n" + `{"card":"hal","mail":["hal@example.com"]}` + "\n",
		"members.parquet": columns.String(),
	}
}

// Is any address kept as it was typed, in a key, a message or a refused row?
func TestAddressesInClearAreHashedAndNeverKept(t *testing.T) {
	t.Parallel()
	rows, want := members()
	for name, content := range memberFiles(t, rows) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desk := new(sink)
			o := connect.LoadOptions{File: write(t, name, content), Kind: mapping.Shoppers, Mapping: parse(t, club), Desk: desk, Clock: noon}
			if _, err := connect.Load(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			for i, row := range desk.shoppers {
				says := string(row.Raw)
				if row.Fault != nil {
					says += row.Fault.String()
				}
				for _, clear := range []string{"@example", "@second", "the second", "06 12", "6 12 34", "98 76"} {
					if strings.Contains(says, clear) {
						t.Errorf("row %d keeps %q: %s", i, clear, says)
					}
				}
				if i >= len(want) {
					if row.Fault == nil {
						t.Errorf("row %d, which does not split, was taken in", i)
					}
					continue
				}
				var got []string
				for _, key := range row.Keys {
					if row.Fault == nil {
						got = append(got, key.Reveal())
					}
				}
				if !slices.Equal(got, want[i]) || (row.Fault != nil) != (want[i] == nil) {
					t.Errorf("row %d has the keys %v (%v), want %v", i, got, row.Fault, want[i])
				}
			}
			if least := len(rows); len(desk.shoppers) < least {
				t.Errorf("%d rows came, want %d", len(desk.shoppers), least)
			}
			again(t, o, desk.shoppers)
		})
	}
}

// again replays what was taken in and what was refused, as it would lie in
// quarantine: the same keys, and what could not be read still cannot.
func again(t *testing.T, o connect.LoadOptions, rows []ingest.Shopper) {
	t.Helper()
	for i, row := range rows {
		desk := new(sink)
		err := connect.Replay(t.Context(), desk, func(string) (*mapping.Mapping, error) { return o.Mapping, nil }, connect.Refused{
			Source: connect.SourceName(o.Mapping, o.Kind, o.File), Line: row.Line, Raw: row.Raw,
		})
		if err == nil && len(desk.shoppers) != 1 || len(desk.shoppers) > 1 {
			t.Fatalf("row %d: %d rows came back, %v", i, len(desk.shoppers), err)
		}
		taken := len(desk.shoppers) == 1 && desk.shoppers[0].Fault == nil
		if taken != (row.Fault == nil) || taken && !slices.Equal(desk.shoppers[0].Keys, row.Keys) {
			t.Errorf("row %d came back otherwise: %v, raw %q", i, err, row.Raw)
		}
	}
}

// A list of members is loaded into a house; its files then hold no address.
func TestNoFileOfTheHouseHoldsAnAddressInClear(t *testing.T) {
	t.Parallel()
	rows, _ := members()
	for name, content := range memberFiles(t, rows) {
		desk, state := realDesk(t), t.TempDir()
		sum, err := connect.Load(t.Context(), connect.LoadOptions{
			File: write(t, name, content), Kind: mapping.Shoppers, Mapping: parse(t, club), Desk: desk, Clock: noon, State: filepath.Join(state, "load"), Temp: state,
		})
		if err != nil || sum.Desk.New != 3 || sum.Desk.Quarantined < 2 {
			t.Errorf("%s: %+v, %v", name, sum.Desk, err)
		}
		refused, err := desk.Refused(t.Context(), 0, 100)
		if err != nil || int64(len(refused)) != sum.Desk.Quarantined {
			t.Fatalf("%s: %d rows in quarantine (%v)", name, len(refused), err)
		}
		for _, r := range refused {
			if text := fmt.Sprint(string(r.Raw), r.Say, r.Reason); strings.Contains(text, "@example") || strings.Contains(text, "the second") {
				t.Errorf("%s: in quarantine lies %s", name, text)
			}
		}
		files := 0 // of the load and of the house, which all lie in folders beside
		err = filepath.WalkDir(filepath.Dir(state), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), "members.") {
				return err
			}
			b, err := os.ReadFile(path)
			if files++; strings.Contains(string(b), "@example") {
				t.Errorf("%s: %s holds an address", name, d.Name())
			}
			return err
		})
		if err != nil || files < 5 {
			t.Errorf("%s: %d files, %v", name, files, err)
		}
	}
}

func TestAListWithoutItsHeaderTellsNobodysAddress(t *testing.T) {
	t.Parallel()
	_, err := connect.Load(t.Context(), connect.LoadOptions{
		File: write(t, "members.csv", "4711,ana@example.com,06 12 34 56 78,Petit\n"), Kind: mapping.Shoppers, Mapping: parse(t, club), Desk: new(sink), Clock: noon,
	})
	var told *retail.Error
	if !errors.As(err, &told) {
		t.Fatalf("a list without its header is taken: %v", err)
	}
	for _, hers := range []string{"@example", "4711", "12 34"} {
		if said := told.Say + told.Cure + err.Error(); strings.Contains(said, hers) || !strings.Contains(said, "(hidden)") {
			t.Errorf("the load says %s", said)
		}
	}
}

func TestWhatMayBeReadInClear(t *testing.T) {
	t.Parallel()
	for what, column := range map[string]string{
		"a card":                       `"card":{"column":"c","as":"clear"}`,
		"a country of an address":      `"card":"c","email_sha256":{"column":"m","as":"clear","country":"FR"}`,
		"a country without as":         `"phone_sha256":{"column":"m","country":"FR"}`,
		"no such country":              `"phone_sha256":{"column":"m","as":"clear","country":"France"}`,
		"with a prefix":                `"email_sha256":{"column":"m","as":"clear","prefix":"x"}`,
		"a constant":                   `"email_sha256":{"constant":"m","as":"clear"}`,
		"the account is the address":   `"account":"m","email_sha256":{"column":"m","as":"clear"}`,
		"another word for hashed ones": `"email_sha256":{"column":"m","as":"hashed"}`,
	} {
		text := `{"name":"a","zone":"UTC","currency":"EUR","feeds":{"shoppers":{"columns":{` + column + `}}}}`
		if _, err := mapping.Parse([]byte(text)); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
	receipts := `{"name":"a","zone":"UTC","currency":"EUR","feeds":{"receipts":{"columns":{"receipt":"r","time":"t","product":"p","sales":"s","email_sha256":{"column":"m","as":"clear"}}}}}`
	if _, err := mapping.Parse([]byte(receipts)); err == nil {
		t.Error("receipts are read with addresses in clear")
	}
	feed, err := mapping.Members(map[string]string{"email": "m", "phone": "t", "card": "c"}, nil)
	if err != nil || !feed.Clear() || feed.Field(mapping.EmailHash).Column != "m" || !feed.Field(mapping.PhoneHash).Clear || feed.Field(mapping.Card).Clear {
		t.Errorf("members with addresses in clear: %v", err)
	}
	if _, err := mapping.Members(map[string]string{"email": "m", "email_sha256": "h"}, nil); err == nil {
		t.Error("an address is read in clear and hashed at once")
	}
}
