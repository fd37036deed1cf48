package rows_test

import (
	"regexp"
	"strings"
	"testing"

	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
)

// FuzzNothingOfAClearColumnIsKept reads whatever there may be by a mapping whose
// one column is read in clear: what is kept of a row is a hash, or says that it
// is hidden, and is kept alike when it is read once more.
func FuzzNothingOfAClearColumnIsKept(f *testing.F) {
	for _, s := range []string{
		"ana@example.com,x\n", "\"ana@example.com\"x,\n", "ana@example.com\n,", "\"a\nb@c.de\",y\n", "not one,ana@example.com\n",
		`{"mail":"ana@example.com","x":"ana@example.com"}`, `{"mail":"a@b.de","mail":"c@d.ef"}`, `{"mail":["a@b.de"]}`, `{"mail":12}`, `{"m\u0061il":"a@b.de"}`, `{"mail":"a@b.de"`,
	} {
		f.Add(s)
	}
	m, err := mapping.Parse([]byte(`{"name":"fuzz","zone":"UTC","currency":"EUR","feeds":{"shoppers":{"columns":{"email_sha256":{"column":"mail","as":"clear","optional":true}}}}}`))
	if err != nil {
		f.Fatal(err)
	}
	feed, err := m.Feed(mapping.Shoppers)
	if err != nil {
		f.Fatal(err)
	}
	kept := regexp.MustCompile(`^(\{\}|\(hidden\)|,*([0-9a-f]{64}|\(hidden\))?,*|\{"mail":"([0-9a-f]{64}|\(hidden\))?"\})$`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, headed := range []bool{true, false} {
			src := body
			if headed {
				src = "x,mail,y\n" + body
			}
			b, err := rows.ReadRaw([]byte(src), feed, headed)
			if err != nil {
				continue
			}
			for i := range b.N {
				raw := string(b.Raw(nil, i))
				if !kept.MatchString(raw) {
					t.Fatalf("of %q is kept %q", body, raw)
				}
				again, err := rows.ReadRaw([]byte(string(b.Header())+raw), feed, headed)
				if err != nil || again.N != 1 {
					continue // an empty row is none
				}
				bad, badAgain := len(b.Faults) > 0 && strings.Contains(raw, "hidden"), len(again.Faults) > 0
				if bad != badAgain || !badAgain && again.Text[mapping.EmailHash][0] != b.Text[mapping.EmailHash][i] {
					t.Fatalf("of %q is kept %q, which reads otherwise: %+v", body, raw, again.Faults)
				}
			}
		}
	})
}
