package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"endcap/retail"
)

// Server is who is asked.
type Server struct {
	Client *http.Client // with its own connection limits
	Target string       // e.g. "http://127.0.0.1:8080"
	Key    string       // API key; empty sends none
}

// Ask makes one request, such as "GET /v1/status", with in as its JSON body, and
// reads the answer's JSON into out; both may be nil. A refusal, and a server that
// does not answer, is a *retail.Error.
func (s *Server) Ask(ctx context.Context, route string, in, out any) error {
	var body []byte
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode %s: %w", route, err)
		}
		body = text
	}
	text, err := s.Call(ctx, route, body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return &retail.Error{Kind: retail.Invalid, Field: "server", Say: s.Target + " answers " + route + " with something else than Endcap would", Cure: "name the address that endcap serve listens on", Err: err}
	}
	return nil
}

// Call is Ask with bodies as they are.
func (s *Server) Call(ctx context.Context, route string, body []byte) ([]byte, error) {
	answer, err := s.do(ctx, route, body, nil)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &retail.Error{
			Kind: retail.Unavailable, Field: "server", Say: "nobody answers at " + s.Target, Err: cause(err),
			Cure: "start it with endcap serve, or name another",
		}
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerMax))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", route, err)
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		return nil, refusal(route, answer, text)
	}
	return text, nil
}

// cause is the innermost error: what is wrong, without where in Go.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// refusal reads a problem.
func refusal(route string, answer *http.Response, text []byte) error {
	var p struct{ Type, Detail, Field, Cure string }
	if json.Unmarshal(text, &p) != nil || p.Detail == "" {
		return &retail.Error{Kind: retail.Unavailable, Field: "server", Say: fmt.Sprintf("%s is answered %s", route, answer.Status), Cure: "name the address that endcap serve listens on"}
	}
	kind := retail.Kind(p.Type[strings.LastIndexByte(p.Type, ':')+1:])
	if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
		return &retail.Error{Kind: kind, Field: "key", Say: p.Detail, Cure: p.Cure}
	}
	return &retail.Error{Kind: kind, Field: p.Field, Say: route + ": " + p.Detail, Cure: p.Cure}
}

// Reach sends a recorded request once, and says when nobody answers or the key
// does not open. Whatever else is wrong with it, a load would count.
func (s *Server) Reach(ctx context.Context, one *Request) error {
	_, err := s.Call(ctx, one.route(), one.Body)
	if e, ok := errors.AsType[*retail.Error](err); ok && e.Field != "key" && e.Err == nil {
		return nil
	}
	return err
}
