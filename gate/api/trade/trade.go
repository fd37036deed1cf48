// Package trade is the door for those who sell and buy advertising: placements,
// advertisers with their wallets, campaigns, line items, audiences, and the
// retailer's merchandising rules. An
// advertiser's key sees and changes only that advertiser's own things; whatever
// belongs to somebody else is answered as if it did not exist.
//
// On the road of a receipt, terms are set up here before any visit comes.
package trade

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/retail"
	"endcap/sell/campaign"
)

// Ports are what the door speaks to.
type Ports struct {
	Book      *campaign.Book
	Audiences Audiences
	Rules     Rules
	Currency  retail.Currency // of placements
}

// Mount adds the door to a server.
func Mount(s *api.Server, p Ports) {
	h := &handler{p, s.Limits.PageMax}
	mountAdvertisers(s, h)
	mountPlacements(s, h)
	mountCampaigns(s, h)
	mountLineItems(s, h)
	mountAudiences(s, h)
	mountRules(s, h)
	mountVersions(s, h)
}

type handler struct {
	Ports
	pageMax int
}

// operation is a documented route of the door. Reports may read what trade may
// write.
func operation(id, method, path, summary string) huma.Operation {
	op := huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{"trade"}, Summary: summary, Security: api.Needs(access.Trade)}
	switch method {
	case http.MethodGet:
		op.Security = api.Needs(access.Trade, access.Reports)
	case http.MethodPut:
		op.Description = "If-None-Match: * makes it new (201); If-Match with its ETag changes that version; with neither it is made where its id is free. An advertiser's new ids begin with its own id and a dash."
	case http.MethodDelete:
		op.Description = "If-Match names the version that is removed. Its versions stay for the audit."
		op.DefaultStatus = http.StatusNoContent
	}
	return op
}

// Which names the thing.
type Which struct {
	ID string `path:"id" maxLength:"64"`
}

// Read is the head of every GET of one thing.
type Read struct {
	Which
	Known string `header:"If-None-Match" maxLength:"24" doc:"the ETag of the version that is known already; answered 304 where it is the newest"`
}

// unless answers 304 where the caller knows the version.
func (r *Read) unless(version uint64) error {
	if tag := etag(version); r.Known == tag {
		return &api.NotModifiedError{ETag: tag}
	}
	return nil
}

// Edit is the head of every PUT and DELETE.
type Edit struct {
	Which
	Match     string `header:"If-Match" maxLength:"24" doc:"the ETag of the version to change"`
	NoneMatch string `header:"If-None-Match" maxLength:"24" doc:"* to make something new"`
	Once      string `header:"Idempotency-Key" maxLength:"100" doc:"the same request again has the same effect once"`
}

// of is the Edit that the headers ask for.
func (e *Edit) of(ctx context.Context) (campaign.Edit, error) {
	who := api.Caller(ctx)
	out := campaign.Edit{By: who.Name, Once: once(&who, e.Once)}
	switch {
	case e.NoneMatch != "" && e.NoneMatch != "*":
		return out, &retail.Error{Kind: retail.Invalid, Field: "header.If-None-Match", Say: "a change cannot be made under this condition", Cure: "send * to make something new, or If-Match to change a version"}
	case e.NoneMatch != "" && e.Match != "":
		return out, &retail.Error{Kind: retail.Invalid, Field: "header.If-Match", Say: "it contradicts If-None-Match", Cure: "send one of them"}
	case e.Match == "":
		return out, nil
	}
	digits, quoted := strings.CutPrefix(e.Match, `"`)
	digits, closed := strings.CutSuffix(digits, `"`)
	version, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || version == 0 || quoted != closed {
		return out, &retail.Error{Kind: retail.Invalid, Field: "header.If-Match", Say: "not an ETag of this API", Cure: `send the ETag that GET gave, such as "3"`}
	}
	out.Version = version
	return out, nil
}

// once makes an idempotency key the caller's own: names of API keys are not
// unique, and one caller must not meet another's requests.
func once(who *access.Principal, key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(who.Key + "/" + key))
	return hex.EncodeToString(sum[:])
}

// make is Edit for a PUT: an advertiser makes new things under ids of its own,
// which begin with its id and a dash, so that no answer tells whether another
// advertiser has taken an id.
func (e *Edit) make(ctx context.Context) (campaign.Edit, error) {
	out, err := e.of(ctx)
	if err != nil || out.Version > 0 {
		return out, err
	}
	if who := api.Caller(ctx); !who.Retailer() && !strings.HasPrefix(e.ID, string(who.Advertiser)+"-") {
		return out, &retail.Error{Kind: retail.Invalid, Field: "path.id", Say: "an advertiser makes new things under ids of its own", Cure: "choose an id that begins with " + string(who.Advertiser) + "-, or send If-Match to change what exists"}
	}
	return out, nil
}

// remove is Edit for a DELETE, which must name its version.
func (e *Edit) remove(ctx context.Context) (campaign.Edit, error) {
	out, err := e.of(ctx)
	if err == nil && out.Version == 0 {
		err = &retail.Error{Kind: retail.Invalid, Field: "header.If-Match", Say: "a removal names the version it removes", Cure: "send the ETag that GET gave as If-Match"}
	}
	return out, err
}

func etag(version uint64) string { return strconv.Quote(strconv.FormatUint(version, 10)) }

// Page asks for part of a list.
type Page struct {
	After string `query:"after" maxLength:"64" doc:"the last id of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

// size is how many things the page holds.
func (p *Page) size(most int) int { return min(p.Limit, most) }

// one is the answer with one thing and its version.
type one[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

// stored is the answer of a PUT: 201 for what is new.
type stored[T any] struct {
	Status int
	ETag   string `header:"ETag"`
	Body   T
}

func storedAs[T any](version uint64, body T) *stored[T] {
	out := &stored[T]{http.StatusOK, etag(version), body}
	if version == 1 {
		out.Status = http.StatusCreated
	}
	return out
}

// many is the answer with a page of things.
type many[T any] struct {
	Body struct {
		Items []T    `json:"items"`
		Next  string `json:"next,omitempty" doc:"send it as after for the next page; absent on the last"`
	}
}

// manyOf writes a page of at most size things. held may bring one more, which
// tells that there is another page.
func manyOf[T, H any](held []H, size int, write func(H) T, id func(H) string) *many[T] {
	out := new(many[T])
	if len(held) > size {
		held = held[:size]
		out.Body.Next = id(held[size-1])
	}
	out.Body.Items = make([]T, len(held))
	for i, h := range held {
		out.Body.Items[i] = write(h)
	}
	return out
}

// missing is the one answer for things that are not there and things of others.
func missing(what string) error {
	return &retail.Error{Kind: retail.NotFound, Say: "no such " + what}
}

// retailerOnly refuses advertisers' keys.
func retailerOnly(ctx context.Context) error {
	if who := api.Caller(ctx); !who.Retailer() {
		return &retail.Error{Kind: retail.Denied, Say: "this is the retailer's to do", Cure: "ask the retailer"}
	}
	return nil
}

// register adds an operation whose refusals name fields as its request does. A
// PUT is documented with both of its answers, see stored.
func register[I, O any](s *api.Server, op huma.Operation, do func(context.Context, *I) (*O, error)) {
	op.Responses = make(map[string]*huma.Response)
	api.Register(s, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		return out, asAsked(err)
	})
	if changed := op.Responses["200"]; changed != nil && op.Method == http.MethodPut {
		created := *changed
		created.Description = http.StatusText(http.StatusCreated)
		op.Responses["201"] = &created
	}
}

// asked is where a request of this door says what the wings call by the left.
var asked = map[string]string{"id": "path.id", "Idempotency-Key": "header.Idempotency-Key"}

func asAsked(err error) error {
	e, ok := errors.AsType[*retail.Error](err)
	if !ok || asked[e.Field] == "" {
		return err
	}
	out := *e
	out.Field = asked[e.Field]
	return &out
}

// Flight is the days on which something runs.
type Flight struct {
	From string `json:"from" format:"date" doc:"the first day"`
	To   string `json:"to" format:"date" doc:"the day after the last"`
}

func (f Flight) days() (retail.Days, error) {
	from, err := retail.ParseDay(f.From)
	if err != nil {
		return retail.Days{}, &retail.Error{Kind: retail.Invalid, Field: "flight.from", Say: err.Error()}
	}
	to, err := retail.ParseDay(f.To)
	if err != nil {
		return retail.Days{}, &retail.Error{Kind: retail.Invalid, Field: "flight.to", Say: err.Error()}
	}
	return retail.Days{From: from, To: to}, nil
}

func flightOf(d retail.Days) Flight { return Flight{d.From.String(), d.To.String()} }
