package event

import "slices"

// Tables of history. know/history fills them from facts and shows them as views
// of the same names, one set of views per purpose; everybody else names them
// through these constants. The column lists are the contract: docs/data.md is
// written from them.

// ColumnType is how a column is stored in any engine.
type ColumnType uint8

// The column types.
const (
	Text      ColumnType = iota // VARCHAR
	Int                         // BIGINT
	Amount                      // DECIMAL(18,6), the currency in a column of its own
	Timestamp                   // TIMESTAMP, UTC, microseconds
	Date                        // DATE, a business day
	Bool                        // BOOLEAN
	Blob                        // VARBINARY / BLOB
	Float                       // DOUBLE; in answers only, no table has one
)

// Column is one column of a table. Shopper marks the columns that are set to
// NULL when she is forgotten.
type Column struct {
	Name    string
	Type    ColumnType
	Shopper bool
	Say     string // one line for an analyst
}

// Table is one table of history.
type Table struct {
	Name    string
	Of      Kind // the facts it is made of
	Columns []Column
	Say     string
	// Latest lists the columns by which the newest row replaces older ones
	// (empty: every row stands). Newest is by the fact's version, then time.
	Latest []string
	// Parent lists the columns by which a row belongs to a row of the first
	// table made of the same facts; empty where a row is itself the fact.
	Parent []string
	// Inner says that no question sees the table: the store uses it to show
	// others.
	Inner bool
}

// The columns that a store keeps beside a table's own and shows to nobody.
// From them a row can be turned into its fact again.
const (
	HiddenFact    = "fact"         // the fact's id
	HiddenVersion = "fact_version" // its version
	HiddenArrived = "arrived"      // when it came in
	HiddenConsent = "consent"      // what was allowed then
	HiddenSource  = "source"       // where it came from
	HiddenOrder   = "fact_order"   // its place in the batch that was folded
	HiddenFiled   = "filed"        // the business day it is filed under, where no column of the table says it
)

// ColumnCameAs is a column that every table with shoppers has beside its own in
// the product's questions under accounting: as which shopper the fact came in,
// before merges. Only what is to become a fact again asks for it.
const ColumnCameAs = "came_as"

// Hidden lists the hidden columns of t in their stored order, after Columns.
func (t *Table) Hidden() []Column {
	var out []Column
	if len(t.Parent) == 0 {
		out = []Column{
			{Name: HiddenFact, Type: Text},
			{Name: HiddenVersion, Type: Int},
			{Name: HiddenArrived, Type: Timestamp},
			{Name: HiddenConsent, Type: Int},
			{Name: HiddenSource, Type: Text},
			{Name: HiddenOrder, Type: Int},
		}
	}
	if t.Filed() == HiddenFiled {
		out = append(out, Column{Name: HiddenFiled, Type: Date})
	}
	return out
}

// Stored lists all columns of t as a store keeps them: Columns, then Hidden.
func (t *Table) Stored() []Column { return append(append([]Column(nil), t.Columns...), t.Hidden()...) }

// Filed names the stored column that holds the business day of the fact.
func (t *Table) Filed() string {
	if len(t.Columns) > 2 && t.Columns[2].Shopper {
		return t.Columns[0].Name // a table that begins with the common columns
	}
	return HiddenFiled
}

// The tables' names.
const (
	TableReceipts   = "receipts"
	TableLines      = "lines"
	TableMoved      = "moved"
	TableMerged     = "merged"
	TableProducts   = "products"
	TableStores     = "stores"
	TablePrices     = "prices"
	TableStock      = "stock"
	TableConsents   = "consents"
	TableDecisions  = "decisions"
	TableWins       = "wins"
	TableTouches    = "touches"
	TableCharges    = "charges"
	TableRefusals   = "refusals"
	TableAdverts    = "advertisers"
	TableCampaigns  = "campaigns"
	TableLineItems  = "line_items"
	TableAudiences  = "audiences"
	TablePlacements = "placements"
	TableWeeks      = "promotion_weeks"
	TablePromotions = "promotions"
)

var common = []Column{
	{Name: "day", Type: Date, Say: "business day"},
	{Name: "at", Type: Timestamp, Say: "when it happened, UTC"},
	{Name: "shopper", Type: Int, Shopper: true, Say: "pseudonym of the shopper, after merges; NULL where unknown or forgotten"},
}

func columns(more ...Column) []Column { return append(append([]Column(nil), common...), more...) }

// Tables lists every table of history with its columns.
func Tables() []Table {
	return slices.Concat(saleTables(), shelfTables(), promotionTables(), mediaTables(), termsTables())
}

// Views lists the tables that questions see.
func Views() []Table {
	return slices.DeleteFunc(Tables(), func(t Table) bool { return t.Inner })
}

// saleTables hold what was bought.
func saleTables() []Table {
	return []Table{
		{Name: TableReceipts, Of: KindReceipt, Latest: []string{"receipt"}, Say: "one row per receipt or online order", Columns: columns(
			Column{Name: "receipt", Type: Text, Say: "the retailer's id"},
			Column{Name: "version", Type: Int, Say: "0 for the first, higher for a correction"},
			Column{Name: "store", Type: Text}, Column{Name: "channel", Type: Text, Say: "in_store or online"},
			Column{Name: "currency", Type: Text}, Column{Name: "line_count", Type: Int},
			Column{Name: "sales", Type: Amount, Say: "sum of the lines"}, Column{Name: "marks", Type: Int, Say: "bits of what was odd, see docs/data.md"},
		)},
		{Name: TableLines, Of: KindReceipt, Latest: []string{"receipt"}, Parent: []string{"receipt", "version"}, Say: "one row per line of a receipt", Columns: columns(
			Column{Name: "receipt", Type: Text}, Column{Name: "version", Type: Int}, Column{Name: "line", Type: Int, Say: "position on the receipt, from 0"},
			Column{Name: "store", Type: Text}, Column{Name: "channel", Type: Text},
			Column{Name: "product", Type: Text, Say: "the retailer's product id"}, Column{Name: "quantity", Type: Int, Say: "in thousandths of a piece"},
			Column{Name: "unit_price", Type: Amount}, Column{Name: "sales", Type: Amount, Say: "what the retailer receives"},
			Column{Name: "retail_discount", Type: Amount}, Column{Name: "coupon_discount", Type: Amount}, Column{Name: "coupon_match", Type: Amount},
			Column{Name: "currency", Type: Text}, Column{Name: "marks", Type: Int},
		)},
		{Name: TableMoved, Of: KindMoved, Say: "receipts that a correction took from a shopper or to an earlier day, as she had them; they stand in receipts as corrected", Columns: columns(
			Column{Name: "receipt", Type: Text}, Column{Name: "version", Type: Int, Say: "of the correction that names another shopper, or nobody"},
		)},
	}
}

// shelfTables hold what is sold where, and what shoppers allow.
func shelfTables() []Table {
	return []Table{
		{Name: TableProducts, Of: KindProduct, Latest: []string{"product"}, Say: "the catalogue as it stands", Columns: []Column{
			{Name: "at", Type: Timestamp},
			{Name: "product", Type: Text},
			{Name: "gtin", Type: Text},
			{Name: "name", Type: Text},
			{Name: "brand", Type: Text},
			{Name: "department", Type: Text},
			{Name: "category", Type: Text},
			{Name: "type", Type: Text},
			{Name: "size", Type: Text},
			{Name: "own_label", Type: Bool},
		}},
		{Name: TableStores, Of: KindStore, Latest: []string{"store"}, Say: "the stores, listed or derived from receipts", Columns: []Column{
			{Name: "at", Type: Timestamp}, {Name: "store", Type: Text}, {Name: "name", Type: Text}, {Name: "channel", Type: Text}, {Name: "zone", Type: Text},
		}},
		{Name: TablePrices, Of: KindPrice, Latest: []string{"product", "store"}, Say: "prices as they stand", Columns: []Column{
			{Name: "at", Type: Timestamp}, {Name: "product", Type: Text}, {Name: "store", Type: Text}, {Name: "price", Type: Amount}, {Name: "currency", Type: Text},
		}},
		{Name: TableStock, Of: KindStock, Latest: []string{"product", "store"}, Say: "stock as last counted", Columns: []Column{
			{Name: "at", Type: Timestamp}, {Name: "product", Type: Text}, {Name: "store", Type: Text}, {Name: "count", Type: Int},
		}},
		{Name: TableConsents, Of: KindConsent, Latest: []string{"shopper"}, Say: "what each shopper allows now", Columns: columns(
			Column{Name: "allowed", Type: Int, Say: "bit set of purposes"}, Column{Name: "wording", Type: Text},
		)},
		{Name: TableMerged, Of: KindClustered, Latest: []string{"shopper"}, Inner: true, Say: "as whom each shopper is known who was ever merged with others", Columns: columns(
			Column{Name: "canonical", Type: Int, Shopper: true},
		)},
	}
}

// promotionTables hold what stores promoted.
func promotionTables() []Table {
	return []Table{
		{Name: TableWeeks, Of: KindPromotions, Latest: []string{"store", "week"}, Say: "one row per store and week whose promotions were told; a week that is not here is not known", Columns: []Column{
			{Name: "at", Type: Timestamp, Say: "when the week began, or when it was told where that was earlier, UTC"},
			{Name: "store", Type: Text},
			{Name: "week", Type: Date, Say: weekSay},
			{Name: "version", Type: Int},
			{Name: "product_count", Type: Int, Say: "rows in promotions"},
		}},
		{Name: TablePromotions, Of: KindPromotions, Parent: []string{"store", "week", "version"}, Say: "one row per store, week and product on a display or in a mailer, and several where it is in several places; of each store's week the newest version alone", Columns: []Column{
			{Name: "store", Type: Text},
			{Name: "week", Type: Date, Say: weekSay},
			{Name: "version", Type: Int},
			{Name: "product", Type: Text},
			{Name: "display", Type: Text, Say: "where in the store, in the retailer's words; empty for no display"},
			{Name: "mailer", Type: Text, Say: "where in the leaflet, in the retailer's words; empty for none"},
		}},
	}
}

// weekSay is what a week is.
const weekSay = "first of its seven days"

// positionSay is what the slot of a token means, and so of touches and charges.
const positionSay = "position in the whole answer over all placements, from 0; names a token together with decision"

// mediaTables hold what was decided, seen and charged.
func mediaTables() []Table {
	return []Table{
		{Name: TableDecisions, Of: KindDecided, Say: "one row per answered visit; record is kept 35 days", Columns: columns(
			Column{Name: "decision", Type: Text}, Column{Name: "channel", Type: Text}, Column{Name: "store", Type: Text}, Column{Name: "record", Type: Blob},
		)},
		{Name: TableWins, Of: KindDecided, Parent: []string{"decision"}, Say: "one row per slot won, and per ghost win of a held-out shopper", Columns: columns(
			Column{Name: "decision", Type: Text}, Column{Name: "placement", Type: Text},
			Column{Name: "slot", Type: Int, Say: "which slot of its placement, from 0; not the slot of touches and charges, join those by decision and line_item"},
			Column{Name: "advertiser", Type: Text}, Column{Name: "campaign", Type: Text}, Column{Name: "line_item", Type: Text},
			Column{Name: "product", Type: Text}, Column{Name: "price", Type: Amount}, Column{Name: "currency", Type: Text}, Column{Name: "arm", Type: Text, Say: "treated or control"},
			Column{Name: "measurable", Type: Bool, Say: "she allowed measurement then, so the arm is hers; evidence, never permission"},
		)},
		{Name: TableTouches, Of: KindShown, Say: "impressions, clicks, baskets and named purchases of sponsored products", Columns: columns(
			Column{Name: "event", Type: Text, Say: "the caller's id of the event"}, Column{Name: "kind", Type: Text, Say: "shown, clicked, basketed or purchased"},
			Column{Name: "decision", Type: Text}, Column{Name: "slot", Type: Int, Say: positionSay}, Column{Name: "advertiser", Type: Text}, Column{Name: "campaign", Type: Text},
			Column{Name: "line_item", Type: Text}, Column{Name: "placement", Type: Text}, Column{Name: "product", Type: Text},
			Column{Name: "price", Type: Amount}, Column{Name: "currency", Type: Text}, Column{Name: "arm", Type: Text}, Column{Name: "receipt", Type: Text},
		)},
		{Name: TableCharges, Of: KindBilled, Say: "one row per click answered by billing", Columns: []Column{
			{Name: "day", Type: Date, Say: "flight day charged"},
			{Name: "at", Type: Timestamp},
			{Name: "click", Type: Text},
			{Name: "decision", Type: Text},
			{Name: "slot", Type: Int, Say: positionSay},
			{Name: "advertiser", Type: Text},
			{Name: "campaign", Type: Text},
			{Name: "line_item", Type: Text},
			{Name: "amount", Type: Amount},
			{Name: "currency", Type: Text},
			{Name: "reason", Type: Text, Say: "empty where charged, else why it was free"},
		}},
		{Name: TableRefusals, Of: KindTallied, Say: "why line items did not win, counted", Columns: []Column{
			{Name: "day", Type: Date}, {Name: "at", Type: Timestamp}, {Name: "line_item", Type: Text}, {Name: "reason", Type: Text}, {Name: "count", Type: Int},
		}},
	}
}

// termsTables hold what people set up.
func termsTables() []Table {
	return []Table{
		terms(TableAdverts, "advertiser", Column{Name: "currency", Type: Text}),
		terms(TableCampaigns, "campaign", Column{Name: "advertiser", Type: Text}, Column{Name: "flight_from", Type: Date}, Column{Name: "flight_to", Type: Date, Say: "the day after the last"},
			Column{Name: "control_ppm", Type: Int, Say: "share held out, parts per million"}, Column{Name: "window_days", Type: Int}),
		terms(TableLineItems, "line_item", Column{Name: "campaign", Type: Text}, Column{Name: "advertiser", Type: Text}, Column{Name: "audience", Type: Text},
			Column{Name: "bid", Type: Amount}, Column{Name: "budget_daily", Type: Amount}, Column{Name: "budget_total", Type: Amount}, Column{Name: "cap_per_day", Type: Int}),
		terms(TableAudiences, "audience", Column{Name: "sentence", Type: Text}),
		terms(TablePlacements, "placement", Column{Name: "slots_max", Type: Int}, Column{Name: "floor", Type: Amount}, Column{Name: "currency", Type: Text}),
	}
}

// terms is a table of every version of one kind of terms, with its validity.
func terms(name, id string, more ...Column) Table {
	cols := []Column{
		{Name: "at", Type: Timestamp, Say: "valid from"},
		{Name: id, Type: Text},
		{Name: "version", Type: Int},
		{Name: "removed", Type: Bool},
		{Name: "by", Type: Text, Say: "who changed it"},
		{Name: "name", Type: Text},
	}
	return Table{Name: name, Of: KindTermsChanged, Columns: append(append(cols, more...), Column{Name: "doc", Type: Text, Say: "the whole terms as JSON"}), Say: "every version of each " + id}
}
