// Package schema holds the tables of the SQL stores, once for every engine: the
// book (registry and ledger) and the vault. Migrations are numbered SQL files
// in the subset that SQLite and PostgreSQL both run; a file that was released is
// never edited, a change is a new file.
//
// On the road of a receipt, it is the ground under keep/ledger and keep/vault.
package schema

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed book/*.sql vault/*.sql
var files embed.FS

// Set is one store's list of migrations.
type Set string

// The sets.
const (
	Book  Set = "book"
	Vault Set = "vault"
)

// Engine is whose words the tables are written in.
type Engine struct {
	dialect goose.Dialect
	words   *strings.Replacer
}

// SQLite spells a 64-bit key that is the row's own number "integer primary
// key", and bytes "blob".
func SQLite() Engine {
	return Engine{goose.DialectSQLite3, strings.NewReplacer("bigint primary key", "integer primary key", "bytea", "blob")}
}

// Postgres takes the files as they stand.
func Postgres() Engine {
	return Engine{goose.DialectPostgres, strings.NewReplacer()}
}

// ErrNewer is returned for a store that a newer program has migrated.
var ErrNewer = errors.New("the store was written by a newer version of the program")

// Migrate brings a store's tables to the newest version, each step in one
// transaction, and leaves alone a store that is newer than this program.
func Migrate(ctx context.Context, db *sql.DB, e Engine, set Set) error {
	steps, err := steps(e, set)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(e.dialect, db, nil,
		goose.WithGoMigrations(steps...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrate %s: %w", set, err)
	}
	stored, known, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", set, err)
	}
	if stored > known {
		return fmt.Errorf("%w: %s has version %d, this program knows %d", ErrNewer, set, stored, known)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", set, err)
	}
	return nil
}

// Newest is a question to a store that was migrated once. It gives one row where
// exactly the steps of a set have been carried out, so that Migrate would leave
// the store as it is, and else none.
func Newest(set Set) (query string, err error) {
	names, err := fs.Glob(files, path.Join(string(set), "*.sql"))
	if err != nil {
		return "", fmt.Errorf("migrations of %s: %w", set, err)
	}
	steps := make([]string, len(names))
	for i, name := range names {
		version, err := number(name)
		if err != nil {
			return "", err
		}
		steps[i] = strconv.FormatInt(version, 10)
	}
	return fmt.Sprintf(`select count(*) from goose_db_version where is_applied and version_id > 0
		having count(distinct version_id) = %[1]d and count(distinct case when version_id in (%[2]s) then version_id end) = %[1]d`,
		len(steps), strings.Join(steps, ", ")), nil
}

// number is the one that a file's name starts with.
func number(name string) (int64, error) {
	digits, _, _ := strings.Cut(path.Base(name), "_")
	version, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("migration %s: a file name starts with its number: %w", name, err)
	}
	return version, nil
}

// steps reads the files of a set in order.
func steps(e Engine, set Set) ([]*goose.Migration, error) {
	names, err := fs.Glob(files, path.Join(string(set), "*.sql"))
	if err != nil {
		return nil, fmt.Errorf("migrations of %s: %w", set, err)
	}
	out := make([]*goose.Migration, 0, len(names))
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("migrations of %s: %w", set, err)
		}
		version, err := number(name)
		if err != nil {
			return nil, err
		}
		ddl := e.words.Replace(string(text))
		out = append(out, goose.NewGoMigration(version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, ddl)
			return err
		}}, nil))
	}
	return out, nil
}
