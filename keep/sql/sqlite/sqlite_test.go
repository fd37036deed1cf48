package sqlite_test

import (
	"path/filepath"
	"testing"

	"endcap/keep/ledger/ledgertest"
	"endcap/keep/sql/sqlite"
)

func openBook(t *testing.T, dir string) *sqlite.Book {
	t.Helper()
	b, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: filepath.Join(dir, "book.db"), Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLedger(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t *testing.T, dir string) ledgertest.Store { return openBook(t, dir) })
}

func TestLedgerSurvivesKills(t *testing.T) {
	t.Parallel()
	ledgertest.Crash(t, func(t *testing.T, dir string) ledgertest.Store { return openBook(t, dir) }, 7, 2)
}
