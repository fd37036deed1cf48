package privacy

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/privacy"
	"endcap/retail"
)

// Recipient is one recipient on the wire.
type Recipient struct {
	ID    string `json:"id" minLength:"1" maxLength:"128" pattern:"^[A-Za-z0-9._-]+$"`
	Name  string `json:"name" minLength:"1" maxLength:"500"`
	Role  string `json:"role" enum:"processor,controller"`
	What  string `json:"what" minLength:"1" maxLength:"500" doc:"which kinds of data, as shoppers are told"`
	Why   string `json:"why" minLength:"1" maxLength:"500"`
	Ended bool   `json:"ended,omitempty" doc:"it is given nothing any more"`
}

// Disclosure is what a recipient was given about one shopper.
type Disclosure struct {
	Shopper api.Shopper `json:"shopper"`
	Alias   string      `json:"alias" minLength:"1" maxLength:"500" doc:"the recipient's own id of her, by which it is told when she leaves; never a card, an account or a hash"`
	What    string      `json:"what" minLength:"1" maxLength:"500"`
	At      time.Time   `json:"at,omitzero" doc:"now where absent"`
}

// Notice is what a recipient must be told, or was.
type Notice struct {
	ID    uint64     `json:"id"`
	Alias string     `json:"alias,omitempty" doc:"the recipient's own id of her; forgotten once it was told"`
	Cause string     `json:"cause" enum:"erasure,retention,objection,rectification"`
	At    time.Time  `json:"at"`
	Due   time.Time  `json:"due"`
	Told  *time.Time `json:"told,omitempty"`
	Alarm string     `json:"alarm,omitempty" enum:"day_20,overdue"`
}

// disclosuresMax is how many disclosures one call may bring; noticesMax how many
// notices one may acknowledge.
const (
	disclosuresMax = 1_000
	noticesMax     = 10_000
)

type (
	recipientsOut struct {
		Body struct {
			Recipients []Recipient `json:"recipients"`
		}
	}
	recipientIn  struct{ Body Recipient }
	recipientOut struct{ Body Recipient }
	discloseIn   struct {
		ID   string `path:"id" maxLength:"128"`
		Body struct {
			Disclosures []Disclosure `json:"disclosures" minItems:"1" maxItems:"1000"`
		}
	}
	discloseOut struct {
		Body struct {
			Kept    int   `json:"kept"`
			Nobodys []int `json:"nobodys" doc:"places in the batch whose shopper nobody knows: nothing of them was kept"`
		}
	}
	noticesIn struct {
		ID      string `path:"id" maxLength:"128"`
		Waiting bool   `query:"waiting" default:"true" doc:"those alone that it was not told yet"`
		After   string `query:"after" maxLength:"20" doc:"an id"`
		Limit   int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	}
	noticesOut struct {
		Body struct {
			Notices []Notice `json:"notices"`
			Next    string   `json:"next,omitempty" doc:"send it as after for the next page"`
		}
	}
	toldIn struct {
		ID   string `path:"id" maxLength:"128"`
		Body struct {
			IDs []uint64 `json:"ids" minItems:"1" maxItems:"10000"`
		}
	}
	toldOut struct {
		Body struct {
			Told int `json:"told" doc:"how many of them were not told before"`
		}
	}
)

func mountRecipients(s *api.Server, h *handler) {
	op := func(id, method, path, summary, description string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/v1/privacy/recipients" + path, Tags: []string{"privacy"}, Security: api.Needs(access.Privacy), Summary: summary, Description: description}
	}
	api.Register(s, op("list-recipients", http.MethodGet, "", "List to whom the retailer gives data about shoppers.", ""), h.recipients)
	api.Register(s, op("put-recipient", http.MethodPut, "", "Write a recipient into the register.", "It takes the place of the one with its id. Whoever asks for access is told."), h.putRecipient)
	api.Register(s, op("disclose", http.MethodPost, "/{id}/disclosures", "Record what a recipient was given about shoppers.",
		"So that they are told of it when they ask, and it of them when they leave, object or have data put right."), h.disclose)
	api.Register(s, op("list-notices", http.MethodGet, "/{id}/notices", "List of whom a recipient must be told.", "By its own ids of them."), h.notices)
	api.Register(s, op("acknowledge-notices", http.MethodPost, "/{id}/notices/acknowledgement", "Record that a recipient was told.", ""), h.acknowledge)
}

func (h *handler) recipients(ctx context.Context, _ *struct{}) (*recipientsOut, error) {
	all, err := h.office.Recipients(ctx)
	if err != nil {
		return nil, err
	}
	out := new(recipientsOut)
	out.Body.Recipients = make([]Recipient, len(all))
	for i, r := range all {
		out.Body.Recipients[i] = Recipient(r)
	}
	return out, nil
}

func (h *handler) putRecipient(ctx context.Context, in *recipientIn) (*recipientOut, error) {
	if err := h.office.PutRecipient(ctx, privacy.Recipient(in.Body)); err != nil {
		return nil, err
	}
	return &recipientOut{in.Body}, nil
}

func (h *handler) disclose(ctx context.Context, in *discloseIn) (*discloseOut, error) {
	if len(in.Body.Disclosures) > disclosuresMax {
		return nil, &retail.Error{Kind: retail.TooLarge, Field: "disclosures", Say: fmt.Sprintf("at most %d at a time", disclosuresMax)}
	}
	given := make([]privacy.Given, len(in.Body.Disclosures))
	for i := range given {
		d := &in.Body.Disclosures[i]
		keys, err := d.Shopper.Keys(fmt.Sprintf("disclosures[%d].shopper", i))
		if err != nil {
			return nil, err
		}
		given[i] = privacy.Given{Keys: keys, Alias: d.Alias, What: d.What, At: d.At}
	}
	known, err := h.office.Disclose(ctx, in.ID, given)
	if err != nil {
		return nil, err
	}
	out := new(discloseOut)
	out.Body.Nobodys = []int{}
	for i, yes := range known {
		if yes {
			out.Body.Kept++
		} else {
			out.Body.Nobodys = append(out.Body.Nobodys, i)
		}
	}
	return out, nil
}

func (h *handler) notices(ctx context.Context, in *noticesIn) (*noticesOut, error) {
	after := uint64(0)
	if in.After != "" {
		var err error
		if after, err = strconv.ParseUint(in.After, 10, 64); err != nil {
			return nil, &retail.Error{Kind: retail.Invalid, Field: "after", Say: "it is no notice's id", Err: err}
		}
	}
	limit := min(in.Limit, h.pageMax)
	found, err := h.office.NoticesOf(ctx, in.ID, in.Waiting, after, limit)
	if err != nil {
		return nil, err
	}
	out := new(noticesOut)
	out.Body.Notices = make([]Notice, len(found))
	for i := range found {
		n := &found[i]
		out.Body.Notices[i] = Notice{ID: n.ID, Alias: n.Alias, Cause: n.Cause, At: n.At, Due: n.Due, Alarm: string(n.Alarm)}
		if !n.Told.IsZero() {
			out.Body.Notices[i].Told = &n.Told
		}
	}
	if len(found) == limit {
		out.Body.Next = strconv.FormatUint(found[len(found)-1].ID, 10)
	}
	return out, nil
}

func (h *handler) acknowledge(ctx context.Context, in *toldIn) (*toldOut, error) {
	if len(in.Body.IDs) > noticesMax {
		return nil, &retail.Error{Kind: retail.TooLarge, Field: "ids", Say: fmt.Sprintf("at most %d at a time", noticesMax)}
	}
	n, err := h.office.Acknowledge(ctx, in.ID, in.Body.IDs)
	if err != nil {
		return nil, err
	}
	out := new(toldOut)
	out.Body.Told = n
	return out, nil
}
