package ledger

import (
	"fmt"

	"endcap/retail"
	"endcap/retail/media"
)

// SetAside is the other side of the accounts that remember what was ever set
// aside for line items; together they are zero and no money.
const SetAside Account = "set-aside"

// SetAsidePrefix is the prefix of one line item's memory of what was set aside.
func SetAsidePrefix(l media.LineItemID) string { return fmt.Sprintf("set-aside/%s/", l) }

// SetAsideTotal is minus what a line item has spent and what is set aside for it
// now: a Limit of minus its total budget keeps that budget exactly.
func SetAsideTotal(l media.LineItemID) Account { return Account(SetAsidePrefix(l) + "total") }

// SetAsideDay is minus what was set aside for a line item on one flight day,
// spent or not: a Limit of minus its daily budget keeps that budget exactly.
func SetAsideDay(l media.LineItemID, d retail.Day) Account {
	return Account(SetAsidePrefix(l) + d.String())
}
