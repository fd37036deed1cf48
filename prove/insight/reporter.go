package insight

import (
	"context"
	"fmt"

	"endcap/prove/cleanroom"
	"endcap/prove/measure"
	"endcap/retail/media"
)

// Question asks for one campaign's report on behalf of somebody.
type Question struct {
	Ask        measure.Ask
	Terms      measure.Terms
	Advertiser media.Advertiser
	Policy     cleanroom.Policy
	Bookings   []cleanroom.Booking // of the campaign's line items, the evidence for exact delivery
	By         string              // the principal who asks
	Frame      Frame
}

// Reporter makes reports from history and has every answer audited.
type Reporter struct {
	reader *measure.Reader
	audit  cleanroom.Auditor
}

// NewReporter reads evidence with reader and audits with audit.
func NewReporter(reader *measure.Reader, audit cleanroom.Auditor) *Reporter {
	return &Reporter{reader, audit}
}

// Campaign makes the report. It is given only once its audit entry is kept.
// The experiment is read as of the edition, so that it changes no more often
// than the sales do.
func (r *Reporter) Campaign(ctx context.Context, q Question) (*Report, error) {
	if err := q.Policy.Check(); err != nil {
		return nil, fmt.Errorf("report on campaign %s: %w", q.Ask.Campaign, err)
	}
	evidence, err := r.reader.Evidence(ctx, q.Ask, q.Terms)
	if err != nil {
		return nil, fmt.Errorf("report on campaign %s: %w", q.Ask.Campaign, err)
	}
	sales := measure.Attribute(evidence)
	if edition, ok := Edition(&q, evidence, sales); ok && edition < q.Ask.Through {
		ask := q.Ask
		ask.Through = edition
		if evidence.Exposed, err = r.reader.Exposed(ctx, ask, q.Terms); err != nil {
			return nil, fmt.Errorf("report on campaign %s: %w", q.Ask.Campaign, err)
		}
		evidence.Settled = edition
	}
	report := Build(&q, evidence, sales)
	if err := r.audit.Audit(ctx, entryOf(&q, report)); err != nil {
		return nil, fmt.Errorf("report on campaign %s: %w", q.Ask.Campaign, err)
	}
	return report, nil
}

// entryOf is the audit entry of a report.
func entryOf(q *Question, r *Report) cleanroom.Entry {
	e := cleanroom.Entry{
		At: q.Frame.At, By: q.By, Party: r.Head.Advertiser, Question: "campaign_report", Subject: string(r.Head.Campaign),
		Edition: r.Head.Through, K: q.Policy.ShoppersMin, Reasons: make(map[cleanroom.Reason]int),
	}
	if r.Head.Edition != nil {
		e.Edition = *r.Head.Edition
	}
	r.cleared(func(c cleanroom.Cleared) {
		if why, withheld := c.Withheld(); withheld {
			e.Withheld++
			e.Reasons[why]++
			return
		}
		e.Told++
	})
	return e
}
