package vault

import (
	"context"
	"fmt"
	"time"

	"endcap/retail"
	"endcap/retail/shopper"
)

// Activity is the newest business day on which a shopper is known to have acted.
// It is a note, at least so late as the truth was when it was made: whoever acts
// on it looks the truth up. Day 0 says that nobody looked yet.
type Activity struct {
	Shopper shopper.ID
	Day     retail.Day
}

// Retention keeps what is needed to let people and papers go by age.
type Retention interface {
	// Inactive returns up to limit shoppers whose noted day lies in a span, by day
	// and then by id, behind one; the zero Activity begins.
	Inactive(ctx context.Context, noted retail.Days, after Activity, limit int) ([]Activity, error)
	// NoteActivity notes days; of whom the vault does not know, nothing.
	NoteActivity(ctx context.Context, seen []Activity) error
	// People counts the shoppers whom the vault knows.
	People(ctx context.Context) (int, error)
	// PutRun stores the record of one run of retention.
	PutRun(ctx context.Context, run Sweep) error
	// Runs returns up to limit such records, the newest first.
	Runs(ctx context.Context, limit int) ([]Sweep, error)
	// ExpireRequests removes up to limit requests that were closed before an
	// instant, and says how many; of sweeps, runs and told notices from before it,
	// all that are left once no request is.
	ExpireRequests(ctx context.Context, before time.Time, limit int) (int, error)
}

// Recipient is somebody to whom the retailer gives shoppers' data.
type Recipient struct {
	ID  string
	Doc []byte // at most DocMax bytes
}

// Disclosure says that a recipient was given data about a shopper, and as whom it
// knows her there.
type Disclosure struct {
	Recipient string
	Shopper   shopper.ID
	Alias     string // the recipient's own id of her
	What      string
	At        time.Time
}

// Notice is what a recipient must be told of somebody whom it knows by an alias.
type Notice struct {
	ID        uint64 // set by the store, growing
	Recipient string
	Alias     string // empty once the recipient was told
	Cause     string
	At        time.Time // zero where she was forgotten for a restored backup's sake
	Due       time.Time
	Told      time.Time // zero until then
}

// Recipients keeps who was given what about whom.
type Recipients interface {
	// PutRecipient stores a recipient in the place of the one with its ID.
	PutRecipient(ctx context.Context, r Recipient) error
	// Recipients returns all, by id.
	Recipients(ctx context.Context) ([]Recipient, error)
	// Disclose records disclosures; of somebody forgotten, or nobody, none. The
	// same of the same again keeps the newer time.
	Disclose(ctx context.Context, given []Disclosure) error
	// Disclosures returns what was disclosed of a shopper, oldest first.
	Disclosures(ctx context.Context, who shopper.ID) ([]Disclosure, error)
	// Notify makes a notice of each alias under which a recipient knows one of
	// some shoppers, with Cause, At and Due as in of, and returns the recipients'
	// ids. Of those who leave, it forgets the disclosures; Forget makes the notices
	// that were not made before it.
	Notify(ctx context.Context, who []shopper.ID, of Notice, leave bool) ([]string, error)
	// Notices returns up to limit notices of a recipient, or of all where it is
	// empty, with ids above after; those that wait alone, or all.
	Notices(ctx context.Context, recipient string, waiting bool, after uint64, limit int) ([]Notice, error)
	// Acknowledge records that a recipient was told, forgets the aliases, and says
	// of how many notices; those told before, and of others, are left.
	Acknowledge(ctx context.Context, recipient string, ids []uint64, at time.Time) (int, error)
}

// RecipientsMax is how many recipients a house may have.
const RecipientsMax = 1_000

// Check returns ErrLimit, with the field, unless every store can take r.
func (r *Recipient) Check() error {
	if r.ID == "" || len(r.ID) > NameMax || len(r.Doc) > DocMax {
		return fmt.Errorf("%w: a recipient's id has 1 to %d bytes, its document at most %d", ErrLimit, NameMax, DocMax)
	}
	return nil
}

// Check returns ErrLimit, with the field, unless every store can take d.
func (d *Disclosure) Check() error {
	if d.Recipient == "" || len(d.Recipient) > NameMax || d.Alias == "" || len(d.Alias) > NameMax || len(d.What) > NameMax {
		return fmt.Errorf("%w: a recipient and an alias have 1 to %d bytes, what was disclosed at most as many", ErrLimit, NameMax)
	}
	return nil
}
