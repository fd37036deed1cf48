package measure

import (
	"context"
	"encoding/json"
	"fmt"

	"endcap/keep/warehouse"
	"endcap/retail/event"
	"endcap/retail/media"
)

// The newest version of each thing that was ever booked, as history keeps it.
const (
	campaignsSQL = `select doc from (select doc, row_number() over (partition by campaign order by version desc) as newest
from ` + event.TableCampaigns + ` where not removed) as versions where newest = 1`
	lineItemsSQL = `select doc from (select doc, row_number() over (partition by line_item order by version desc) as newest
from ` + event.TableLineItems + ` where not removed) as versions where newest = 1`
)

// Terms reads what was booked from history: every campaign and line item in
// its last version before it was removed, if it was.
func (r *Reader) Terms(ctx context.Context) (Terms, error) {
	t := Terms{make(map[media.CampaignID]media.Campaign), make(map[media.LineItemID]media.LineItem)}
	campaigns, err := docs[media.Campaign](ctx, r.from, "measure.campaigns", campaignsSQL)
	if err != nil {
		return t, err
	}
	for _, c := range campaigns {
		t.Campaigns[c.ID] = c
	}
	items, err := docs[media.LineItem](ctx, r.from, "measure.line_items", lineItemsSQL)
	for _, l := range items {
		t.LineItems[l.ID] = l
	}
	return t, err
}

func docs[T any](ctx context.Context, from Asker, name, sql string) ([]T, error) {
	res, err := from.Query(ctx, warehouse.Query{Name: name, Purpose: warehouse.Accounting, SQL: sql})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out := make([]T, res.Len)
	for i := range out {
		if err := json.Unmarshal([]byte(res.Columns[0].Texts[i]), &out[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}
