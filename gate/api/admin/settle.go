package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/identity"
)

// Settling is one line of the answer when everybody's merges are worked out anew.
type Settling struct {
	Looked   int    `json:"looked" doc:"shoppers about whom there is evidence, so far"`
	Moved    int    `json:"moved" doc:"known as somebody else than before"`
	Tangled  int    `json:"tangled" doc:"left as they were, because too much evidence hangs together"`
	Problem  string `json:"problem,omitempty" doc:"why it ended early; what was settled stands"`
	Finished bool   `json:"finished,omitempty"`
}

// Settler works out anew who is one person; know/ingest fits it.
type Settler interface {
	Settle(ctx context.Context, tell func(identity.Settled)) (identity.Settled, error)
}

func settling(s identity.Settled) Settling {
	return Settling{Looked: s.Looked, Moved: s.Moved, Tangled: s.Tangled}
}

func mountSettle(s *api.Server, h *handler) {
	mountLines(s, huma.Operation{
		OperationID: "settle-merges", Method: http.MethodPost, Path: "/v1/identity/settlements", Tags: []string{"identity"}, Security: api.Needs(access.Admin),
		Summary:     "Work out anew who is one person, for everybody.",
		Description: "For after a change of the limits of merging. Answers a line of JSON from time to time. Others may merge and unmerge meanwhile; run it again where it ended early. Only over the socket of the data directory.",
	}, func(ctx context.Context, _ *struct{}, tell func(Settling)) error {
		if err := operatorOnly(ctx, "merges are settled", "endcap identity settle"); err != nil {
			return err
		}
		sum, err := h.Settler.Settle(ctx, func(s identity.Settled) { tell(settling(s)) })
		last := settling(sum)
		last.Finished = true
		if err != nil {
			last.Problem = err.Error() // the caller runs the machine; evidence and shoppers print nothing
		}
		tell(last)
		return nil
	})
}
