package privacy

import "time"

// The law's terms: an answer within a month of the request (Article 12(3) of the
// GDPR), two more where the person is told so, and why, within the first. A
// request that is AlarmDays old and unanswered is to be looked at.
const (
	AnswerMonths    = 1
	ExtensionMonths = 2
	AlarmDays       = 20
)

// Alarm says how urgent an open request is. Words cross the wire.
type Alarm string

// The alarms.
const (
	Calm    Alarm = ""
	Day20   Alarm = "day_20"  // AlarmDays old, or as near its deadline as that is to the first month's
	Overdue Alarm = "overdue" // its deadline has passed
)

// monthsLater is t some months on: the same day of that month, or its last where
// it has none, as terms in months end by Regulation 1182/71.
func monthsLater(t time.Time, months int) time.Time {
	year, month, day := t.Date()
	last := time.Date(year, month+time.Month(months)+1, 0, 0, 0, 0, 0, t.Location()).Day()
	return time.Date(year, month+time.Month(months), min(day, last), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
}

// alarm judges a request that is open.
func alarm(received, due, extended, now time.Time) Alarm {
	switch {
	case !now.Before(due):
		return Overdue
	case extended.IsZero() && !now.Before(received.AddDate(0, 0, AlarmDays)):
		return Day20
	case !extended.IsZero() && !now.Before(due.AddDate(0, 0, -10)):
		return Day20
	default:
		return Calm
	}
}
