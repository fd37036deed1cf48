package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"endcap/gate/access"
	"endcap/retail"
)

// callerKey is where guard leaves the Principal in a request's context.
type callerKey struct{}

// Caller is who made the request; the zero Principal on open routes.
func Caller(ctx context.Context) access.Principal {
	who, _ := ctx.Value(callerKey{}).(access.Principal)
	return who
}

// WithCaller marks a context, for requests that come over the socket.
func WithCaller(ctx context.Context, who access.Principal) context.Context {
	return context.WithValue(ctx, callerKey{}, who)
}

// guard lets a management operation's callers through, with a body that has
// been read and is JSON without tricks.
func (s *Server) guard(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	op := ctx.Operation()
	s.run(w, r, s.routes[op.OperationID], func() (int, string) {
		who, err := s.admit(r.Context(), r.Header.Get("Authorization"), op.Security)
		if err == nil && op.RequestBody != nil {
			err = s.prepare(w, r, op.RequestBody.Required)
		}
		if err != nil {
			return s.refuse(w, r, op, err), who.Key
		}
		next(huma.WithContext(ctx, WithCaller(ctx.Context(), who)))
		return max(ctx.Status(), http.StatusOK), who.Key
	})
}

// admit authenticates a caller and checks rate and scope.
func (s *Server) admit(ctx context.Context, authorization string, needs []map[string][]string) (access.Principal, error) {
	who := Caller(ctx)
	if len(needs) == 0 {
		return who, nil
	}
	if who.Key == "" {
		text, ok := strings.CutPrefix(authorization, "Bearer ")
		if !ok {
			return who, &retail.Error{Kind: retail.Unknown, Field: "header.Authorization", Say: "no API key", Cure: "send Authorization: Bearer KEY"}
		}
		var err error
		if who, err = s.Keys.Authenticate(ctx, text); errors.Is(err, access.ErrUnknown) {
			return who, &retail.Error{Kind: retail.Unknown, Field: "header.Authorization", Say: "the API key is unknown or revoked", Cure: "ask the operator for a key", Err: err}
		} else if err != nil {
			return who, err
		}
		if !s.rates.take(who.Key, rateOf(&who, s.Limits.RateDefault)) {
			return who, &retail.Error{Kind: retail.TooMany, Say: "more requests a second than the key allows", Cure: "wait as Retry-After says"}
		}
	}
	for _, scope := range needs[0][security] {
		if who.May(access.Scope(scope)) {
			return who, nil
		}
	}
	return who, &retail.Error{Kind: retail.Denied, Say: "the API key lacks the scope " + strings.Join(needs[0][security], " or "), Cure: "use a key that holds it"}
}

func rateOf(who *access.Principal, standard int) int {
	if who.Rate > 0 {
		return who.Rate
	}
	return standard
}
