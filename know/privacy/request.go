package privacy

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/shopper"
)

// Kind is what is asked. Words are stored and cross the wire.
type Kind string

// The kinds, by the articles of the GDPR.
const (
	Access        Kind = "access"        // 15: a copy of everything, and what it is used for
	Portability   Kind = "portability"   // 20: what she gave and what was observed, for machines
	Erasure       Kind = "erasure"       // 17
	Objection     Kind = "objection"     // 21: to marketing and profiling; nothing is weighed against it
	Rectification Kind = "rectification" // 16: people put it right by the doors it came in through
)

// Means is how it was made sure that she is who she says: by what is held
// already, never by an identity document.
type Means string

// The means.
const (
	Login    Means = "login"    // the shop vouches that she is signed in to the account among the keys
	TwoKeys  Means = "two_keys" // two keys of different kinds that belong together, such as her card and the hash of the address she wrote from
	Operator Means = "operator" // the machine's owner vouches; over the socket alone
)

// State is how far a request has come. Words are stored and cross the wire.
type State string

// The states.
const (
	Ready   State = "ready"   // its file can be fetched
	Erasing State = "erasing" // she is out of all live use; files are swept tonight
	Open    State = "open"    // people must act
	Done    State = "done"
	Refused State = "refused" // with a reason
	// Moot is a request of somebody who was forgotten before it was answered:
	// there is nothing left to answer.
	Moot State = "moot"
)

// NoteMax is the longest note, in bytes.
const NoteMax = 2_000

// Ask is a request as it comes in.
type Ask struct {
	Kind  Kind
	Means Means
	Keys  []shopper.Key
	Note  string // for rectification: what is wrong, and what is right
}

// Request is one request and what became of it.
type Request struct {
	ID       string
	Kind     Kind
	State    State
	Found    bool // the means proved her to be somebody of whom something is held
	Received time.Time
	Due      time.Time
	Extended time.Time // zero unless she was told of an extension
	Closed   time.Time // zero while it is open
	Reason   string
	Alarm    Alarm
}

// doc is a request's document in the vault.
type doc struct {
	Found       bool            `json:"found"`
	Note        string          `json:"note,omitempty"`
	Erased      time.Time       `json:"erased,omitzero"`
	Told        []string        `json:"told,omitempty"` // recipients of an erasure
	Certificate json.RawMessage `json:"certificate,omitempty"`
	Partners    []string        `json:"partners,omitempty"` // of an erasure: who knew her by a name
}

// Ask takes a request in and does at once what can be done at once. Where the
// means do not prove whose request it is, the answer is the same as for somebody
// of whom nothing is held, and nobody's data moves.
func (o *Office) Ask(ctx context.Context, a Ask) (Request, error) {
	if err := a.check(); err != nil {
		return Request{}, err
	}
	who, err := o.prove(ctx, &a)
	if err != nil {
		return Request{}, err
	}
	now := o.Clock().UTC().Truncate(time.Microsecond)
	var id [16]byte
	if _, err := io.ReadFull(o.Chance, id[:]); err != nil {
		return Request{}, fmt.Errorf("draw a request's id: %w", err)
	}
	r := vault.Request{ID: hex.EncodeToString(id[:]), Kind: string(a.Kind), Received: now, Due: monthsLater(now, AnswerMonths), Shopper: who}
	d := doc{Found: who.Known()}
	switch {
	case !d.Found:
		r.State, r.Closed = string(Done), now
	case a.Kind == Erasure:
		r.State, d.Erased, r.Shopper = string(Erasing), now, shopper.ID{}
	case a.Kind == Objection:
		r.State, r.Closed = string(Done), now
	case a.Kind == Rectification:
		r.State, d.Note = string(Open), a.Note
	default:
		r.State = string(Ready)
	}
	// The act comes first: killed in between, she asks again and finds it done.
	if d.Found && a.Kind == Erasure {
		if d.Partners, err = o.partnersOf(ctx, who); err == nil {
			d.Told, err = o.forget(ctx, CauseErasure, who)
		}
	}
	if d.Found && a.Kind == Objection {
		if err = o.Acts.Object(ctx, who, now); err == nil {
			_, err = o.tell(ctx, CauseObjection, who)
		}
	}
	if err != nil {
		return Request{}, err
	}
	return o.put(ctx, r, d)
}

// check refuses what cannot be a request.
func (a *Ask) check() error {
	bad := func(field, say, cure string) error {
		return &retail.Error{Kind: retail.Invalid, Field: field, Say: say, Cure: cure}
	}
	has := func(kind shopper.KeyKind) bool {
		return slices.ContainsFunc(a.Keys, func(k shopper.Key) bool { return k.Kind() == kind })
	}
	switch a.Kind {
	case Access, Portability, Erasure, Objection:
	case Rectification:
		if a.Note == "" || len(a.Note) > NoteMax || !utf8.ValidString(a.Note) {
			return bad("note", fmt.Sprintf("a rectification says in 1 to %d bytes what is wrong and what is right", NoteMax), "")
		}
	default:
		return bad("kind", fmt.Sprintf("there is no request %.40q", string(a.Kind)), "ask for access, portability, erasure, objection or rectification")
	}
	switch {
	case len(a.Keys) == 0:
		return bad("shopper", "nobody is named", "name her by a key at least: a card, an account, a hashed e-mail address or phone number, or a device")
	case len(a.Keys) > vault.KeysMax:
		return bad("shopper", fmt.Sprintf("%d keys; %d at most", len(a.Keys), vault.KeysMax), "name her by fewer")
	case a.Means == Login && !has(shopper.Account):
		return bad("shopper.account", "a login names its account", "send the account she is signed in to")
	case a.Means == TwoKeys && !slices.ContainsFunc(a.Keys, func(k shopper.Key) bool { return k.Kind() != a.Keys[0].Kind() }):
		return bad("shopper", "two keys of different kinds are wanted", "send what she can know of herself, such as her card and the hash of her e-mail address")
	case a.Means != Login && a.Means != TwoKeys && a.Means != Operator:
		return bad("means", fmt.Sprintf("there are no means %.40q", string(a.Means)), "say login or two_keys; an identity document is never asked for")
	}
	return nil
}

// prove gives the shopper to whom all the keys belong, nobody where they do not
// belong together.
func (o *Office) prove(ctx context.Context, a *Ask) (shopper.ID, error) {
	known, err := o.People.Known(ctx, [][]shopper.Key{a.Keys})
	if err != nil || !known[0] {
		return shopper.ID{}, err
	}
	return o.People.Find(ctx, a.Keys)
}

func (o *Office) put(ctx context.Context, r vault.Request, d doc) (Request, error) {
	var err error
	if r.Doc, err = json.Marshal(d); err != nil {
		return Request{}, fmt.Errorf("write a request: %w", err)
	}
	if err := o.Vault.PutRequest(ctx, r); err != nil {
		return Request{}, err
	}
	return o.view(r), nil
}

// view is a stored request as it is shown.
func (o *Office) view(r vault.Request) Request {
	out := Request{
		ID: r.ID, Kind: Kind(r.Kind), State: State(r.State), Received: r.Received, Due: r.Due,
		Extended: r.Extended, Closed: r.Closed, Reason: r.Reason, Found: docOf(r).Found,
	}
	switch {
	case moot(r):
		out.State = Moot
	case r.Closed.IsZero():
		out.Alarm = alarm(r.Received, r.Due, r.Extended, o.Clock())
	}
	return out
}

// moot reports whether an open request's shopper was forgotten meanwhile.
func moot(r vault.Request) bool {
	return r.Closed.IsZero() && !r.Shopper.Known() && State(r.State) != Erasing
}

// docOf is a request's document. One that is gone with the shopper of an earlier
// request of hers found her once.
func docOf(r vault.Request) doc {
	d := doc{Found: len(r.Doc) == 0}
	_ = json.Unmarshal(r.Doc, &d) // an empty one says no more
	return d
}

// Get returns one request.
func (o *Office) Get(ctx context.Context, id string) (Request, error) {
	r, err := o.read(ctx, id)
	if err != nil {
		return Request{}, err
	}
	return o.view(r), nil
}

func (o *Office) read(ctx context.Context, id string) (vault.Request, error) {
	r, err := o.Vault.Request(ctx, id)
	if errors.Is(err, vault.ErrNotFound) {
		return r, &retail.Error{Kind: retail.NotFound, Say: "no such request", Cure: "list them with endcap privacy list, or GET /v1/privacy/requests"}
	}
	return r, err
}

// List returns up to limit requests by id, after one; those that are open alone,
// or all.
func (o *Office) List(ctx context.Context, open bool, after string, limit int) ([]Request, error) {
	rows, err := o.Vault.Requests(ctx, open, after, limit)
	if err != nil {
		return nil, err
	}
	out := make([]Request, len(rows))
	for i := range rows {
		out[i] = o.view(rows[i])
	}
	return out, nil
}

// Extend puts a request's deadline off by ExtensionMonths: she was told so, and
// why. Once, and within the first month.
func (o *Office) Extend(ctx context.Context, id, reason string) (Request, error) {
	r, err := o.read(ctx, id)
	if err != nil {
		return Request{}, err
	}
	now := o.Clock()
	switch {
	case moot(r):
		err = &retail.Error{Kind: retail.Conflict, Say: "she was forgotten before it was answered"}
	case !r.Closed.IsZero() || !r.Extended.IsZero():
		err = &retail.Error{Kind: retail.Conflict, Say: "the request is closed, or was put off before", Cure: "a deadline is put off once"}
	case !now.Before(r.Due):
		err = &retail.Error{Kind: retail.Conflict, Say: "the first month is over", Cure: "answer her now: an extension is told within the first month"}
	case reason == "" || len(reason) > NoteMax || !utf8.ValidString(reason):
		err = &retail.Error{Kind: retail.Invalid, Field: "reason", Say: fmt.Sprintf("a reason has 1 to %d bytes", NoteMax)}
	}
	if err != nil {
		return Request{}, err
	}
	r.Extended, r.Reason, r.Due = now.UTC().Truncate(time.Microsecond), reason, monthsLater(r.Received, AnswerMonths+ExtensionMonths)
	if err := o.Vault.PutRequest(ctx, r); err != nil {
		return Request{}, err
	}
	return o.view(r), nil
}

// Close ends a request that people acted on, or that is refused with a reason.
func (o *Office) Close(ctx context.Context, id string, state State, reason string) (Request, error) {
	r, err := o.read(ctx, id)
	if err != nil {
		return Request{}, err
	}
	switch {
	case !r.Closed.IsZero():
		err = &retail.Error{Kind: retail.Conflict, Say: "the request is closed"}
	case State(r.State) == Erasing:
		err = &retail.Error{Kind: retail.Conflict, Say: "an erasure is closed by its certificate", Cure: "wait for the night's sweep"}
	case state != Done && state != Refused:
		err = &retail.Error{Kind: retail.Invalid, Field: "state", Say: "a request is closed as done or refused"}
	case state == Refused && reason == "" || len(reason) > NoteMax || !utf8.ValidString(reason):
		err = &retail.Error{Kind: retail.Invalid, Field: "reason", Say: fmt.Sprintf("a refusal says why, in 1 to %d bytes", NoteMax)}
	}
	if err != nil {
		return Request{}, err
	}
	if Kind(r.Kind) == Rectification && state == Done && r.Shopper.Known() {
		if _, err := o.tell(ctx, CauseRectification, r.Shopper); err != nil {
			return Request{}, err
		}
	}
	d := docOf(r)
	d.Note = "" // it was about her
	r.State, r.Reason, r.Closed, r.Shopper = string(state), reason, o.Clock().UTC().Truncate(time.Microsecond), shopper.ID{}
	return o.put(ctx, r, d)
}

// Waiting counts the open requests by their alarm.
func (o *Office) Waiting(ctx context.Context) (map[Alarm]int, error) {
	out := map[Alarm]int{Calm: 0, Day20: 0, Overdue: 0}
	for after := ""; ; {
		rows, err := o.Vault.Requests(ctx, true, after, vault.PageMax)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			out[o.view(rows[i]).Alarm]++
			after = rows[i].ID
		}
		if len(rows) < vault.PageMax {
			return out, nil
		}
	}
}
