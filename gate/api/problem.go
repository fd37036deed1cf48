package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"endcap/retail"
)

// Problem is an error as a caller sees it: RFC 9457, with the field that is
// wrong and how to put it right as members of their own.
type Problem struct { //nolint:errname // RFC 9457 calls it a problem, and so does the document
	Type   string  `json:"type" example:"urn:endcap:problem:invalid" doc:"urn:endcap:problem: and the kind of problem"`
	Title  string  `json:"title" example:"Unprocessable Entity"`
	Status int     `json:"status" example:"422"`
	Detail string  `json:"detail" example:"4006381333932 has a wrong check digit" doc:"what is wrong, for people"`
	Field  string  `json:"field,omitempty" example:"lines[3].quantity" doc:"the field that is wrong: a path inside the body, or query.NAME, path.NAME, header.NAME"`
	Cure   string  `json:"cure,omitempty" example:"send the number on the pack" doc:"how to put it right"`
	Errors []Wrong `json:"errors,omitempty" doc:"each field that is wrong"`
}

// Wrong is one field that is wrong.
type Wrong struct {
	Location string `json:"location" doc:"as field"`
	Message  string `json:"message"`
}

// Error gives what is wrong.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the problem's HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of problems, whatever was asked for.
func (p *Problem) ContentType(string) string { return problemJSON }

// again reports whether the same request may pass a second later.
func (p *Problem) again() bool {
	return p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
}

const (
	problemJSON = "application/problem+json"
	// problemType is the start of a problem's type; the error's kind follows.
	problemType = "urn:endcap:problem:"
)

// Kinds that only the frame itself has.
const (
	wrongMethod retail.Kind = "wrong_method" // there is such a path, for another method
	wrongType   retail.Kind = "wrong_type"   // the body is in a format that is not read
)

var statuses = map[retail.Kind]int{
	retail.Invalid: http.StatusUnprocessableEntity, retail.NotFound: http.StatusNotFound, retail.Conflict: http.StatusConflict,
	retail.Denied: http.StatusForbidden, retail.Unknown: http.StatusUnauthorized, retail.TooLarge: http.StatusRequestEntityTooLarge,
	retail.TooMany: http.StatusTooManyRequests, retail.Unavailable: http.StatusServiceUnavailable,
	retail.Internal: http.StatusInternalServerError, retail.Stale: http.StatusPreconditionFailed,
	wrongMethod: http.StatusMethodNotAllowed, wrongType: http.StatusUnsupportedMediaType,
}

// ProblemOf is the form in which callers see an error: a *retail.Error says
// what it says, anything else says nothing but that it is our fault.
func ProblemOf(err error) *Problem {
	e, ok := errors.AsType[*retail.Error](err)
	switch {
	case ok:
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e = &retail.Error{Kind: retail.Unavailable, Say: "it took too long", Cure: "try again"}
	default:
		e = &retail.Error{Kind: retail.Internal, Say: "something went wrong on our side; it is in the log"}
	}
	status, ok := statuses[e.Kind]
	if !ok {
		status = http.StatusInternalServerError
	}
	p := &Problem{Type: problemType + string(e.Kind), Title: http.StatusText(status), Status: status, Detail: e.Say, Field: e.Field, Cure: e.Cure}
	if e.Field != "" {
		p.Errors = []Wrong{{e.Field, e.Say}}
	}
	if p.Cure == "" && e.Kind == retail.Invalid {
		p.Cure = "see /docs for what the field may hold"
	}
	return p
}

// problems turns the errors of the library beneath, which validates management
// routes, into ours. What the caller sent is left out: it may name a shopper,
// and proxies log answers.
func problems(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &Problem{Type: problemType + string(kindOf(m.Status)), Title: http.StatusText(m.Status), Status: m.Status, Detail: m.Detail}
	for _, d := range m.Errors {
		p.Errors = append(p.Errors, wrong(d))
	}
	switch len(p.Errors) {
	case 0:
	case 1:
		p.Field, p.Detail = p.Errors[0].Location, p.Errors[0].Message
	default:
		p.Field, p.Detail = p.Errors[0].Location, strconv.Itoa(len(p.Errors))+" fields are wrong: "+p.Errors[0].Message
	}
	p.Cure = cureOf(p.Detail)
	return p, nil
}

// wrong names a field as the rest of the API does.
func wrong(d *huma.ErrorDetail) Wrong {
	at, say := d.Location, d.Message
	if name, ok := strings.CutPrefix(say, missingStart); ok {
		name, _, _ = strings.Cut(name, " ")
		at += "." + name
	}
	return Wrong{strings.TrimPrefix(at, "body."), say}
}

// missingStart begins the library's message for a field that is missing.
const missingStart = "expected required property "

// cureOf says how to put right what the library found.
func cureOf(say string) string {
	switch {
	case strings.Contains(say, "unexpected property"):
		return "leave it out, or see /docs for the field that is meant"
	case strings.Contains(say, "unknown query parameter"):
		return "leave it out"
	case strings.Contains(say, missingStart):
		return "send the field"
	default:
		return "see /docs for the fields and their types"
	}
}

func kindOf(status int) retail.Kind {
	for kind, st := range statuses {
		if st == status {
			return kind
		}
	}
	if status >= http.StatusInternalServerError {
		return retail.Internal
	}
	return retail.Invalid
}

// wrongField is the usual refusal.
func wrongField(field, say, cure string) error {
	return &retail.Error{Kind: retail.Invalid, Field: field, Say: say, Cure: cure}
}
