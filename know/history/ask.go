package history

import (
	"context"
	"fmt"
	"time"

	"endcap/keep/warehouse"
	"endcap/retail/event"
	"endcap/retail/media"
)

// Question is one question of an analyst, in words that doors may use.
type Question struct {
	Purpose  string // accounting or a consent purpose
	SQL      string
	Limit    int
	Deadline time.Duration
}

// Ask is Analyse for doors.
func Ask(ctx context.Context, w Analyst, q Question) (*warehouse.Table, error) {
	return Analyse(ctx, w, warehouse.Analysis{Purpose: warehouse.Purpose(q.Purpose), SQL: q.SQL, Limit: q.Limit, Deadline: q.Deadline})
}

// RecordDays is how long decisions' records are kept and told. That ids are
// remembered as long (event.RememberDays) is another promise.
const RecordDays = 35

const recordSQL = "select record from " + event.TableDecisions + ` where decision = $1 and "at" >= $2 and record is not null limit 1`

// DecisionRecord is the record of a decision made within RecordDays before now;
// ok is false where there is none.
func DecisionRecord(ctx context.Context, w Asker, id media.DecisionID, now time.Time) (record []byte, ok bool, err error) {
	res, err := w.Query(ctx, warehouse.Query{
		Name: "history.decision_record", Purpose: warehouse.Accounting, SQL: recordSQL, Args: []any{id.String(), now.AddDate(0, 0, -RecordDays)},
	})
	if err != nil {
		return nil, false, fmt.Errorf("read decision: %w", err)
	}
	if res.Len == 0 {
		return nil, false, nil
	}
	return res.Columns[0].Blobs[0], true, nil
}
