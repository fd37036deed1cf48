package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/shopper"
)

// Cause is why a recipient must be told of somebody. Words are stored and cross
// the wire.
type Cause string

// The causes.
const (
	CauseErasure       Cause = "erasure"
	CauseRetention     Cause = "retention" // forgotten for her inactivity
	CauseObjection     Cause = "objection"
	CauseRectification Cause = "rectification"
)

// Recipient is somebody to whom the retailer gives data about shoppers, by a door
// of its own: Endcap gives none out. Its register says so to whoever asks for
// access, and whom to tell when somebody leaves.
type Recipient struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Role  string `json:"role"` // processor or controller
	What  string `json:"what"` // which kinds of data
	Why   string `json:"why"`
	Ended bool   `json:"ended,omitempty"` // it is given nothing any more
}

// The roles of a recipient.
const (
	Processor  = "processor"
	Controller = "controller"
)

// wordMax is the longest word of the register, in bytes.
const wordMax = 500

// PutRecipient writes a recipient into the register.
func (o *Office) PutRecipient(ctx context.Context, r Recipient) error {
	bad := func(field, say string) error { return &retail.Error{Kind: retail.Invalid, Field: field, Say: say} }
	for field, text := range map[string]string{"id": r.ID, "name": r.Name, "what": r.What, "why": r.Why} {
		if text == "" || len(text) > wordMax || !utf8.ValidString(text) {
			return bad(field, fmt.Sprintf("a recipient has a text of 1 to %d bytes here", wordMax))
		}
	}
	if r.Role != Processor && r.Role != Controller {
		return bad("role", "a recipient is a processor or a controller")
	}
	doc, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write a recipient: %w", err)
	}
	return o.Vault.PutRecipient(ctx, vault.Recipient{ID: r.ID, Doc: doc})
}

// Recipients returns the register.
func (o *Office) Recipients(ctx context.Context) ([]Recipient, error) {
	rows, err := o.Vault.Recipients(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Recipient, len(rows))
	for i := range rows {
		if err := json.Unmarshal(rows[i].Doc, &out[i]); err != nil {
			return nil, fmt.Errorf("read a recipient: %w", err)
		}
	}
	return out, nil
}

// registered says NotFound of a recipient that is not in the register.
func (o *Office) registered(ctx context.Context, id string) error {
	all, err := o.Recipients(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(r Recipient) bool { return r.ID == id }) {
		return &retail.Error{Kind: retail.NotFound, Field: "recipient", Say: "there is no such recipient", Cure: "put it into the register first"}
	}
	return nil
}

// Given is what the retailer gave a recipient about one shopper.
type Given struct {
	Keys  []shopper.Key
	Alias string // the recipient's own id of her, by which it can be told
	What  string
	At    time.Time // zero is now
}

// Disclose records what a recipient was given, and says of each whether its
// shopper is known: of nobody nothing is kept. An alias that is a key of
// somebody's is refused: it would outlive her.
func (o *Office) Disclose(ctx context.Context, recipient string, given []Given) ([]bool, error) {
	if err := o.registered(ctx, recipient); err != nil {
		return nil, err
	}
	out := make([]bool, len(given))
	now := o.Clock().UTC().Truncate(time.Microsecond)
	rows := make([]vault.Disclosure, 0, len(given))
	for i := range given {
		g := &given[i]
		field := func(name string) string { return fmt.Sprintf("disclosures[%d].%s", i, name) }
		for name, text := range map[string]string{"alias": g.Alias, "what": g.What} {
			if text == "" || len(text) > wordMax || !utf8.ValidString(text) {
				return nil, &retail.Error{Kind: retail.Invalid, Field: field(name), Say: fmt.Sprintf("it has 1 to %d bytes", wordMax)}
			}
		}
		switch known, err := o.Vault.Lookup(ctx, keysOf(g.Alias)); {
		case err != nil:
			return nil, err
		case slices.ContainsFunc(known, shopper.ID.Known):
			return nil, &retail.Error{Kind: retail.Invalid, Field: field("alias"), Say: "the alias is a key by which this house knows a shopper", Cure: "send the recipient's own id of her: the alias is kept until the recipient was told that she left"}
		}
		who, err := o.People.Find(ctx, g.Keys)
		if err != nil {
			return nil, err
		}
		if out[i] = who.Known(); !out[i] {
			continue
		}
		at := g.At.UTC().Truncate(time.Microsecond)
		if g.At.IsZero() || at.After(now) {
			at = now
		}
		rows = append(rows, vault.Disclosure{Recipient: recipient, Shopper: who, Alias: g.Alias, What: g.What, At: at})
	}
	return out, o.Vault.Disclose(ctx, rows)
}

// Notice is what a recipient must be told, or was.
type Notice struct {
	vault.Notice
	Alarm Alarm
}

// NoticesOf returns up to limit notices of a recipient with ids above after; those
// that wait alone, or all.
func (o *Office) NoticesOf(ctx context.Context, recipient string, waiting bool, after uint64, limit int) ([]Notice, error) {
	if err := o.registered(ctx, recipient); err != nil {
		return nil, err
	}
	return o.notices(ctx, recipient, waiting, after, limit)
}

func (o *Office) notices(ctx context.Context, recipient string, waiting bool, after uint64, limit int) ([]Notice, error) {
	rows, err := o.Vault.Notices(ctx, recipient, waiting, after, limit)
	if err != nil {
		return nil, err
	}
	now := o.Clock()
	out := make([]Notice, len(rows))
	for i, n := range rows {
		out[i] = Notice{Notice: n}
		if n.Told.IsZero() {
			out[i].Alarm = alarm(n.At, n.Due, time.Time{}, now)
		}
	}
	return out, nil
}

// Acknowledge records that a recipient was told, and says of how many notices.
func (o *Office) Acknowledge(ctx context.Context, recipient string, ids []uint64) (int, error) {
	if err := o.registered(ctx, recipient); err != nil {
		return 0, err
	}
	return o.Vault.Acknowledge(ctx, recipient, ids, o.Clock().UTC().Truncate(time.Microsecond))
}

// NoticesWaiting counts the notices that wait by their alarm.
func (o *Office) NoticesWaiting(ctx context.Context) (map[Alarm]int, error) {
	out := map[Alarm]int{Calm: 0, Day20: 0, Overdue: 0}
	for after := uint64(0); ; {
		rows, err := o.notices(ctx, "", true, after, vault.PageMax)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			out[rows[i].Alarm]++
			after = rows[i].ID
		}
		if len(rows) < vault.PageMax {
			return out, nil
		}
	}
}

// tell makes the notices of some people and returns the ids of who must be told.
func (o *Office) tell(ctx context.Context, cause Cause, who ...shopper.ID) ([]string, error) {
	now := o.Clock().UTC().Truncate(time.Microsecond)
	var all []shopper.ID
	for _, id := range who {
		members, err := o.People.Members(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, member := range members {
			if !slices.Contains(all, member) {
				all = append(all, member)
			}
		}
	}
	leave := cause == CauseErasure || cause == CauseRetention
	return o.Vault.Notify(ctx, all, vault.Notice{Cause: string(cause), At: now, Due: monthsLater(now, AnswerMonths)}, leave)
}

// forget makes the notices of some people, and forgets them: in this order, so
// that nobody is forgotten of whom recipients hear nothing.
func (o *Office) forget(ctx context.Context, cause Cause, who ...shopper.ID) ([]string, error) {
	told, err := o.tell(ctx, cause, who...)
	if err != nil {
		return nil, err
	}
	keys, err := o.namedBy(ctx, who)
	if err != nil {
		return nil, err
	}
	if err := o.Acts.Forget(ctx, who...); err != nil {
		return told, err
	}
	return told, o.strike(ctx, keys)
}
