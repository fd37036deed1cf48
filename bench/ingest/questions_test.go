package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"endcap/keep/warehouse/subset"
)

func TestEveryQuestionOfTheDocsIsAlsoWrittenForDuckDBAlone(t *testing.T) {
	t.Parallel()
	questions, err := read("../../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(questions) != 5 {
		t.Errorf("%d questions, want 5", len(questions))
	}
	for _, q := range questions {
		if q.purpose != "accounting" && q.purpose != "measurement" {
			t.Errorf("%s is asked under %q", q.name, q.purpose)
		}
		if err := subset.Check(q.sql); err != nil {
			t.Errorf("%s does not run on every engine: %v", q.name, err)
		}
	}
}

func TestAPageWithoutItsQuestionsIsRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"none":    {"# SQL\n", "0 questions"},
		"unknown": {"```sql\n-- weather, accounting: does it rain?\nselect 1\n```\n", "nobody wrote"},
	} {
		page := filepath.Join(t.TempDir(), "sql.md")
		if err := os.WriteFile(page, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := read(page); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestAnswersAreTheSameWhereTheirNumbersAre(t *testing.T) {
	t.Parallel()
	row := func(cells ...string) [][]string { return [][]string{cells} }
	for name, tt := range map[string]struct {
		ours, theirs [][]string
		want         bool
	}{
		"decimals of another scale": {row("Pâtes", "12.300000"), row("Pâtes", "12.30"), true},
		"another number":            {row("12.300000"), row("12.31"), false},
		"another text":              {row("Pâtes"), row("Riz"), false},
		"a row more":                {append(row("1"), row("2")...), row("1"), false},
		"a column more":             {row("1", "2"), row("1"), false},
		"nothing":                   {nil, nil, false},
	} {
		if err := same(tt.ours, tt.theirs); (err == nil) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
