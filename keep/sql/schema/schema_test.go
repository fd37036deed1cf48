package schema_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/ncruces/go-sqlite3/driver"

	"endcap/keep/sql/schema"
)

// foreign is what one of the engines would not understand, or not alike.
var foreign = regexp.MustCompile(`(?i)\b(json\w*|serial|autoincrement|timestamp\w*|datetime|boolean|without rowid|strict|real|varchar|blob|integer|nextval)\b|::|->|\[`)

func TestTablesKeepToWhatBothEnginesRun(t *testing.T) {
	t.Parallel()
	comments := regexp.MustCompile(`--[^\n]*`)
	files, err := filepath.Glob("*/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if word := foreign.Find(comments.ReplaceAll(text, nil)); word != nil {
			t.Errorf("%s uses %q", name, word)
		}
	}
}

func TestMigratingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	for _, set := range []schema.Set{schema.Book, schema.Vault} {
		db, err := driver.Open("file:" + filepath.Join(t.TempDir(), "x.db"))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := schema.Migrate(t.Context(), db, schema.SQLite(), set); err != nil {
				t.Fatal(err)
			}
		}
		if !isNewest(t, db, set) {
			t.Errorf("%s was migrated and is not the newest", set)
		}
		if _, err := db.ExecContext(t.Context(), "update goose_db_version set is_applied = 0 where version_id = 1"); err != nil || isNewest(t, db, set) {
			t.Errorf("%s without its first step passes for the newest (%v)", set, err)
		}
		if _, err := db.ExecContext(t.Context(), "insert into goose_db_version (version_id, is_applied) values (1000, 1)"); err != nil {
			t.Fatal(err)
		}
		if isNewest(t, db, set) {
			t.Errorf("%s of a newer program passes for this one's newest", set)
		}
		if err := schema.Migrate(t.Context(), db, schema.SQLite(), set); !errors.Is(err, schema.ErrNewer) {
			t.Errorf("%s of a newer program: %v", set, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func isNewest(t *testing.T, db *sql.DB, set schema.Set) bool {
	t.Helper()
	query, err := schema.Newest(set)
	if err != nil {
		t.Fatal(err)
	}
	var steps int
	err = db.QueryRowContext(t.Context(), query).Scan(&steps)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	return err == nil
}
