package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"endcap/gate/access"
	"endcap/gate/api/apitest"
	"endcap/retail/event"
)

// operatorOnly are operations that a key cannot reach, whatever its scopes: those
// that read or write files of the machine, or the house's secrets.
var operatorOnly = []string{"back-up", "import", "set-recovery-key", "rotate-secret", "train-model", "evaluate-models", "serve-model", "explain-list", "make-batch"}

// TestEveryRoleReachesWhatItsScopeOpensAndNothingElse calls every operation of
// the document with a key of each single scope, with a revoked key, with a
// stranger's and with none.
func TestEveryRoleReachesWhatItsScopeOpensAndNothingElse(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	h.Furnish(t, h.Retailer(t))
	all := operations(h.Server.OpenAPI())
	revoked := h.Key(t, "", access.Scopes()...)
	if err := h.Keys.Revoke(t.Context(), "test", strings.Split(revoked, "_")[1]); err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{"nobody": "", "a stranger": "ec_aaaaaaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "who was here once": revoked}
	for _, s := range access.Scopes() {
		keys[string(s)] = h.Key(t, "", s)
	}
	opened := make(map[string]int)
	for role, key := range keys {
		for name, op := range all {
			opens := slices.Contains(op.Security[0]["key"], role)
			known := slices.Contains(access.Scopes(), access.Scope(role))
			if opens && !slices.Contains(operatorOnly, op.OperationID) {
				opened[role]++
				continue // what it does then is for the tests of its door
			}
			want := http.StatusForbidden
			if !known {
				want = http.StatusUnauthorized
			}
			var body any
			if op.RequestBody != nil {
				body = bodies[op.OperationID]
				if body == nil {
					body = "{}"
				}
			}
			if a := h.Call(t, key, strings.NewReplacer("{id}", "00000000000000000000000000000000").Replace(name), body); a.Status != want {
				t.Errorf("%s, as %s: %d, want %d: %.200s", name, role, a.Status, want, a.Body)
			}
		}
	}
	for _, s := range access.Scopes() {
		if opened[string(s)] == 0 {
			t.Errorf("the scope %s opens nothing", s)
		}
	}
	for _, id := range operatorOnly {
		found := false
		for _, op := range all {
			found = found || op.OperationID == id
		}
		if !found {
			t.Errorf("there is no operation %s any more", id)
		}
	}
}

// bodies are well-formed, for operations that look at them before they look who
// asks.
var bodies = map[string]any{
	"rotate-secret":    `{"secret":"tokens"}`,
	"back-up":          `{"to":"/tmp/backups"}`,
	"set-recovery-key": `{"public":"x"}`,
	"make-batch":       `{"list":"for_you","channel":"till","n":1}`,
	"import":           `{"file":"/etc/passwd","kind":"receipts"}`,
	"serve-model":      `{"version":1}`,
	"explain-list":     `{"shopper":{"card":"1"},"list":"next_basket"}`,
}

// escapes are ways out of history's views: to the vault and its secrets, to
// files, to the network, to what the database knows of itself.
var escapes = []string{
	"select * from read_csv('/etc/passwd')", "select * from read_text('vault.db')", "select * from read_blob('*.db')", "select * from read_parquet('history/sealed/*/*/*.parquet')",
	"select * from 'vault.db'", "select * from '/etc/passwd'", "select * from glob('*')", "select * from sqlite_scan('vault.db','secret')",
	"select * from identifier", "select * from secret", "select * from generation", "select * from main.receipts", "select * from vault.secret",
	"select * from duckdb_settings()", "select * from duckdb_secrets()", "select * from information_schema.tables", "select * from pg_catalog.pg_class", "select * from pragma_database_list()",
	"attach 'vault.db' as v (type sqlite)", "attach 'book.db'", "copy receipts to '/tmp/x.csv'", "copy (select 1) to '/tmp/x'", "export database '/tmp/x'", "import database '/tmp/x'",
	"install httpfs", "load httpfs", "install sqlite; load sqlite", "pragma database_list", "pragma version", "set enable_external_access = true", "set allowed_directories = ['/']", "reset all", "call duckdb_settings()",
	"select getenv('HOME')", "select current_setting('temp_directory')", "select getvariable('x')", "select which_secret('x','s3')", "select query('select 1')", "select * from query('select * from secret')", "select * from query_table('secret')",
	"create table x (a int)", "create macro f() as 1", "create secret s (type s3)", "insert into receipts select * from receipts", "update receipts set shopper = 1", "delete from receipts", "drop view receipts", "vacuum", "checkpoint",
	"select 1; select 2", "with a as (select * from read_csv('/etc/passwd')) select * from a", "select (select content from read_text('/etc/passwd'))", "explain analyze select * from read_csv('/etc/passwd')",
	"select * from receipts where exists (select * from glob('/*'))", "describe select * from read_csv('/etc/passwd')", "summarize '/etc/passwd'", "from '/etc/passwd'", "pivot '/etc/passwd' on x",
	"select json_execute_serialized_sql('x')", "select * from read_json('https://example.com/x')", "select write_log('x')", "select nextval('s')",
}

// TestAnAnalystReachesNoIdentifierAndNoFile asks by the SQL door for whatever is
// not hers, and then looks for identifiers in everything that is.
func TestAnAnalystReachesNoIdentifierAndNoFile(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	h.Furnish(t, key)
	h.Do(t, key, "PUT /v1/shoppers", map[string]any{"shoppers": []any{map[string]any{"keys": map[string]string{
		"card": "4711-0", "account": "ana@shop.example", "device": "device-of-ana", "email_sha256": strings.Repeat("ab", 32),
	}}}})
	h.Follow(t)
	analyst := h.Key(t, "", "analyse")
	purposes := []string{"accounting", "measurement", "personal_offers", "personal_ads", "offsite_matching", "pooling"}
	for n, sql := range escapes {
		a := h.Call(t, analyst, "POST /v1/query", map[string]any{"sql": sql, "purpose": purposes[n%len(purposes)]})
		if p := a.Problem(t); a.Status != http.StatusUnprocessableEntity && a.Status != http.StatusBadRequest {
			t.Errorf("%q is answered %d: %s", sql, a.Status, p.Detail)
		}
	}
	rows := 0
	for _, view := range event.Views() {
		for _, purpose := range purposes {
			a := h.Do(t, analyst, "POST /v1/query", map[string]any{"sql": fmt.Sprintf(`select * from %s`, view.Name), "purpose": purpose})
			rows += strings.Count(string(a.Body), "],[")
			for _, needle := range []string{"4711-", "ana@shop", "device-of-ana", strings.Repeat("ab", 32), "ec_"} {
				if strings.Contains(string(a.Body), needle) {
					t.Errorf("%s under %s holds %q", view.Name, purpose, needle)
				}
			}
		}
	}
	if rows < 20 {
		t.Errorf("only %d rows were looked at", rows)
	}
	a := h.Do(t, h.Key(t, "", "admin"), "GET /v1/secrets", nil)
	var out struct {
		Secrets []struct {
			Name        string
			Generations []map[string]any
		}
	}
	a.Read(t, &out)
	for _, s := range out.Secrets {
		for _, g := range s.Generations {
			for field := range g {
				if !slices.Contains([]string{"number", "made", "retired"}, field) {
					t.Errorf("%s is told with %q", s.Name, field)
				}
			}
		}
	}
	if len(out.Secrets) < 4 {
		t.Errorf("%d secrets are listed", len(out.Secrets))
	}
}
