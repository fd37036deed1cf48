package event_test

import (
	"regexp"
	"slices"
	"testing"

	"endcap/retail/event"
)

// Analysts type these names; engines must not need quotes for their case.
func TestTablesAreDeclaredSanely(t *testing.T) {
	t.Parallel()
	lowerSnake := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	tables := map[string]bool{}
	for _, table := range event.Tables() {
		if !lowerSnake.MatchString(table.Name) || tables[table.Name] {
			t.Errorf("table %q: want one table of each name, in lower_snake", table.Name)
		}
		tables[table.Name] = true
		if table.Say == "" {
			t.Errorf("table %s does not say what its rows are", table.Name)
		}
		if !slices.Contains(event.Kinds(), table.Of) {
			t.Errorf("table %s is made of unknown facts %v", table.Name, table.Of)
		}
		columns := map[string]event.Column{}
		for _, c := range table.Columns {
			if _, twice := columns[c.Name]; twice || !lowerSnake.MatchString(c.Name) {
				t.Errorf("%s.%s: want one column of each name, in lower_snake", table.Name, c.Name)
			}
			if c.Type > event.Blob {
				t.Errorf("%s.%s has type %d, which no table can store", table.Name, c.Name, c.Type)
			}
			if (c.Name == "shopper" || table.Inner && c.Name == "canonical") != c.Shopper {
				t.Errorf("%s.%s: forgetting her must find exactly the column shopper, and as whom she is known", table.Name, c.Name)
			}
			columns[c.Name] = c
		}
		for _, name := range table.Latest {
			if _, ok := columns[name]; !ok {
				t.Errorf("%s is replaced by %s, which is no column of it", table.Name, name)
			}
		}
		if hasAmount(table) && !hasColumn(table, "currency") && !slices.Contains([]string{event.TableLineItems}, table.Name) {
			t.Errorf("%s has an amount and no currency", table.Name)
		}
		if c, ok := columns["at"]; ok && c.Type != event.Timestamp {
			t.Errorf("%s.at is no timestamp", table.Name)
		}
	}
	for _, name := range []string{
		event.TableReceipts, event.TableLines, event.TableProducts, event.TableStores, event.TablePrices, event.TableStock,
		event.TableConsents, event.TableDecisions, event.TableWins, event.TableTouches, event.TableCharges, event.TableRefusals,
		event.TableAdverts, event.TableCampaigns, event.TableLineItems, event.TableAudiences, event.TablePlacements,
		event.TableWeeks, event.TablePromotions,
	} {
		if !tables[name] {
			t.Errorf("table %s is named and not declared", name)
		}
	}
}

// What a store keeps beside the columns that analysts see clashes with none of
// them, and a row's fact can be filed under a day and found under its parent.
func TestStoredColumnsAreDeclaredSanely(t *testing.T) {
	t.Parallel()
	for _, table := range event.Tables() {
		stored := map[string]event.ColumnType{}
		for _, c := range table.Stored() {
			if _, twice := stored[c.Name]; twice {
				t.Errorf("%s stores %s twice", table.Name, c.Name)
			}
			stored[c.Name] = c.Type
		}
		if stored[table.Filed()] != event.Date {
			t.Errorf("%s is filed under %s, which is no day it stores", table.Name, table.Filed())
		}
		for _, name := range table.Parent {
			if !hasColumn(table, name) {
				t.Errorf("%s names its parent by %s, which is no column of it", table.Name, name)
			}
		}
	}
}

func hasAmount(table event.Table) bool {
	return slices.ContainsFunc(table.Columns, func(c event.Column) bool { return c.Type == event.Amount })
}

func hasColumn(table event.Table, name string) bool {
	return slices.ContainsFunc(table.Columns, func(c event.Column) bool { return c.Name == name })
}

func TestTablesAreACopyEachTime(t *testing.T) {
	t.Parallel()
	event.Tables()[0].Columns[0].Name = "spoilt"
	if got := event.Tables()[0].Columns[0].Name; got == "spoilt" {
		t.Error("a caller can spoil the declarations for everybody")
	}
}
