// Package privacy is the door for those who answer what shoppers ask by right of
// the law: requests with their deadlines, the files of access, the certificates
// of erasure.
//
// It stands beside the road of a receipt: by it a shopper is told what the road
// has brought of hers, and leaves it.
package privacy

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/privacy"
	"endcap/retail"
)

// Request is one request on the wire.
type Request struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind"`
	State    string     `json:"state" enum:"ready,erasing,open,done,refused,moot" doc:"ready: its file can be fetched; erasing: she is out of all use, files are swept tonight; open: people must act; moot: she was forgotten before it was answered"`
	Found    bool       `json:"found" doc:"the means proved her to be somebody of whom something was held"`
	Received time.Time  `json:"received"`
	Due      time.Time  `json:"due" doc:"by when she must be answered"`
	Extended *time.Time `json:"extended,omitempty" doc:"when she was told that it takes longer"`
	Closed   *time.Time `json:"closed,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Alarm    string     `json:"alarm,omitempty" enum:"day_20,overdue"`
}

func wireOf(r privacy.Request) Request {
	out := Request{ID: r.ID, Kind: string(r.Kind), State: string(r.State), Found: r.Found, Received: r.Received, Due: r.Due, Reason: r.Reason, Alarm: string(r.Alarm)}
	if !r.Extended.IsZero() {
		out.Extended = &r.Extended
	}
	if !r.Closed.IsZero() {
		out.Closed = &r.Closed
	}
	return out
}

// Asked is the body of POST /v1/privacy/requests.
type Asked struct {
	Kind    string      `json:"kind" enum:"access,portability,erasure,objection,rectification"`
	Means   string      `json:"means" enum:"login,two_keys,operator" doc:"how it was made sure that she is who she says: signed in to the account, or two keys of different kinds that belong together; operator is for the machine's owner"`
	Shopper api.Shopper `json:"shopper"`
	Note    string      `json:"note,omitempty" maxLength:"2000" doc:"for a rectification: what is wrong and what is right"`
}

type (
	askIn struct{ Body Asked }
	oneIn struct {
		ID string `path:"id" maxLength:"64"`
	}
	oneOut struct{ Body Request }
	listIn struct {
		Open  bool   `query:"open" default:"true" doc:"those alone that wait"`
		After string `query:"after" maxLength:"64"`
		Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	}
	listOut struct {
		Body struct {
			Requests []Request `json:"requests"`
			Next     string    `json:"next,omitempty" doc:"send it as after for the next page"`
		}
	}
	extendIn struct {
		ID   string `path:"id" maxLength:"64"`
		Body struct {
			Reason string `json:"reason" minLength:"1" maxLength:"2000" doc:"as she was told"`
		}
	}
	closeIn struct {
		ID   string `path:"id" maxLength:"64"`
		Body struct {
			State  string `json:"state" enum:"done,refused"`
			Reason string `json:"reason,omitempty" maxLength:"2000"`
		}
	}
	fileIn struct {
		ID     string `path:"id" maxLength:"64"`
		Format string `query:"format" enum:"json,csv" default:"json" doc:"csv has the lines of her receipts"`
	}
	fileOut struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}
	keyOut struct {
		Body struct {
			Key  []byte              `json:"key" doc:"Ed25519, public: certificates are checked with it"`
			Keys []privacy.PublicKey `json:"keys" doc:"every one that ever signed, the newest first; each but the first is signed by the one before it"`
		}
	}
	sweepsOut struct {
		Body struct {
			Sweeps []privacy.Swept `json:"sweeps"`
		}
	}
	sweepOut struct{ Body privacy.Swept }
)

// Mount adds the door to a server.
func Mount(s *api.Server, office *privacy.Office) {
	h := &handler{office, s.Limits.PageMax}
	mountGauge(s, office)
	mountRetention(s, h)
	mountRecipients(s, h)
	op := func(id, method, path, summary, description string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/v1/privacy/" + path, Tags: []string{"privacy"}, Security: api.Needs(access.Privacy), Summary: summary, Description: description}
	}
	ask := op("ask-privacy", http.MethodPost, "requests", "Take in what a shopper asks by right of the law.",
		"An erasure takes her out of all live use before the answer, an objection counts at once. Where the means do not prove whose request it is, the answer is that of somebody of whom nothing is held.")
	ask.DefaultStatus = http.StatusCreated
	api.Register(s, ask, h.ask)
	api.Register(s, op("list-privacy", http.MethodGet, "requests", "List requests.", ""), h.list)
	api.Register(s, op("read-privacy", http.MethodGet, "requests/{id}", "Read how far a request has come.", ""), h.read)
	api.Register(s, op("extend-privacy", http.MethodPost, "requests/{id}/extension", "Put a deadline off by two months.",
		"Once, and within the first month: the law wants her told by then, with the reason."), h.extend)
	api.Register(s, op("close-privacy", http.MethodPost, "requests/{id}/close", "Close a request that people acted on, or refuse it.", ""), h.close)
	api.Register(s, op("fetch-privacy-file", http.MethodGet, "requests/{id}/file", "Fetch the file of an access or portability request.",
		"Fetching answers the request. It can be fetched again for 30 days."), h.file)
	api.Register(s, op("fetch-certificate", http.MethodGet, "requests/{id}/certificate", "Fetch the signed certificate of an erasure.", ""), h.certificate)
	api.Register(s, op("prove-consent", http.MethodPost, "proofs", "Prove what a shopper agreed to.",
		"All she ever allowed and refused, with the words she was shown, each with its place in the chain of consents, signed by the house."), h.proof)
	api.Register(s, op("read-certificate-key", http.MethodGet, "key", "Read the keys by which certificates are checked.", ""), h.key)
	api.Register(s, op("list-sweeps", http.MethodGet, "sweeps", "Read what the nights' sweeps did.", "The newest first."), h.sweeps)
	api.Register(s, op("sweep", http.MethodPost, "sweeps", "Sweep files for the forgotten now, instead of tonight.", "It may take minutes."), h.sweep)
}

type handler struct {
	office  *privacy.Office
	pageMax int
}

func (h *handler) ask(ctx context.Context, in *askIn) (*oneOut, error) {
	a := privacy.Ask{Kind: privacy.Kind(in.Body.Kind), Means: privacy.Means(in.Body.Means), Note: in.Body.Note}
	if a.Means == privacy.Operator && api.Caller(ctx).Key != access.Operator().Key {
		return nil, &retail.Error{Kind: retail.Denied, Field: "means", Say: "only the machine's own operator vouches so", Cure: "say login or two_keys"}
	}
	var err error
	if a.Keys, err = in.Body.Shopper.Keys("shopper"); err != nil {
		return nil, err
	}
	return one(h.office.Ask(ctx, a))
}

func one(r privacy.Request, err error) (*oneOut, error) {
	if err != nil {
		return nil, err
	}
	return &oneOut{wireOf(r)}, nil
}

func (h *handler) read(ctx context.Context, in *oneIn) (*oneOut, error) {
	return one(h.office.Get(ctx, in.ID))
}

func (h *handler) extend(ctx context.Context, in *extendIn) (*oneOut, error) {
	return one(h.office.Extend(ctx, in.ID, in.Body.Reason))
}

func (h *handler) close(ctx context.Context, in *closeIn) (*oneOut, error) {
	return one(h.office.Close(ctx, in.ID, privacy.State(in.Body.State), in.Body.Reason))
}

func (h *handler) list(ctx context.Context, in *listIn) (*listOut, error) {
	limit := min(in.Limit, h.pageMax)
	rows, err := h.office.List(ctx, in.Open, in.After, limit)
	if err != nil {
		return nil, err
	}
	out := new(listOut)
	out.Body.Requests = make([]Request, len(rows))
	for i := range rows {
		out.Body.Requests[i] = wireOf(rows[i])
	}
	if len(rows) == limit {
		out.Body.Next = rows[len(rows)-1].ID
	}
	return out, nil
}

func (h *handler) file(ctx context.Context, in *fileIn) (*fileOut, error) {
	f, err := h.office.FileOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if in.Format == "csv" {
		err = f.CSV(&b)
		return &fileOut{"text/csv", b.Bytes()}, err
	}
	err = f.JSON(&b)
	return &fileOut{"application/json", b.Bytes()}, err
}

func (h *handler) certificate(ctx context.Context, in *oneIn) (*fileOut, error) {
	b, err := h.office.CertificateOf(ctx, in.ID)
	return &fileOut{"application/json", b}, err
}

type proofIn struct {
	Body struct {
		Shopper api.Shopper `json:"shopper"`
	}
}

func (h *handler) proof(ctx context.Context, in *proofIn) (*fileOut, error) {
	keys, err := in.Body.Shopper.Keys("shopper")
	if err != nil {
		return nil, err
	}
	b, err := h.office.ProofOf(ctx, keys)
	return &fileOut{"application/json", b}, err
}

func (h *handler) key(ctx context.Context, _ *struct{}) (*keyOut, error) {
	all, err := h.office.PublicKeys(ctx)
	if err != nil {
		return nil, err
	}
	out := new(keyOut)
	out.Body.Key, out.Body.Keys = all[0].Key, all
	return out, nil
}

// sweepsShown is how many records of sweeps are shown.
const sweepsShown = 100

func (h *handler) sweeps(ctx context.Context, _ *struct{}) (*sweepsOut, error) {
	all, err := h.office.Sweeps(ctx, sweepsShown)
	if err != nil {
		return nil, err
	}
	out := new(sweepsOut)
	out.Body.Sweeps = all
	return out, nil
}

func (h *handler) sweep(ctx context.Context, _ *struct{}) (*sweepOut, error) {
	done, err := h.office.Sweep(ctx)
	if err != nil {
		return nil, err
	}
	return &sweepOut{done}, nil
}

// gaugeTime is how long a scrape waits for the count.
const gaugeTime = 2 * time.Second

// mountGauge tells a scraper how many requests wait.
func mountGauge(s *api.Server, office *privacy.Office) {
	waiting := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "endcap_privacy_requests", Help: "Open requests by right of the law: calm, at least 20 days old, overdue."}, []string{"alarm"})
	notices := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "endcap_privacy_notices", Help: "Notices of which recipients were not told yet: calm, at least 20 days old, overdue."}, []string{"alarm"})
	s.Metrics.MustRegister(waiting, notices)
	s.BeforeScrape(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, gaugeTime)
		defer cancel()
		if counts, err := office.Waiting(ctx); err == nil { // else the gauge keeps what was known last
			show(waiting, counts)
		}
		if counts, err := office.NoticesWaiting(ctx); err == nil {
			show(notices, counts)
		}
	})
}

func show(gauge *prometheus.GaugeVec, counts map[privacy.Alarm]int) {
	for alarm, n := range counts {
		name := string(alarm)
		if alarm == privacy.Calm {
			name = "calm"
		}
		gauge.WithLabelValues(name).Set(float64(n))
	}
}
