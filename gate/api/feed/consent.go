package feed

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
	"endcap/retail/consent/tcf"
	"endcap/retail/shopper"
)

// Permits is what the door asks about consents; know/ingest fits it.
type Permits interface {
	Standing(ctx context.Context, keys []shopper.Key) ([]ingest.Standing, error)
	ReadString(text, country string) (*tcf.Consent, tcf.Verdict, error)
	PutWording(ctx context.Context, w ingest.Wording) (bool, error)
	Wordings(ctx context.Context, after ingest.Wording, limit int) ([]ingest.Wording, error)
}

// Consent is what a shopper allows from an instant on. It says purposes, or
// brings a consent string.
type Consent struct {
	ID       string      `json:"id" maxLength:"128" doc:"the source's id of this consent"`
	Shopper  api.Shopper `json:"shopper"`
	Allowed  []string    `json:"allowed,omitempty" doc:"personal_offers, personal_ads, measurement, offsite_matching, pooling; empty for none"`
	Refused  []string    `json:"refused,omitempty" doc:"what she was asked and said no to: she is not asked again for the months of your policy; who allows nothing and names nothing refuses everything"`
	TCF      string      `json:"tcf,omitempty" maxLength:"32768" doc:"a consent string of the Transparency and Consent Framework, whole, instead of allowed and refused"`
	Wording  string      `json:"wording,omitempty" doc:"which text she was shown"`
	Version  int64       `json:"version,omitempty" doc:"of a text that PUT /v1/wordings registered under that name; with language"`
	Language string      `json:"language,omitempty" maxLength:"35" example:"fr" doc:"in which she was shown it"`
	Channel  string      `json:"channel,omitempty" doc:"the site, store or form where she said it"`
	Country  string      `json:"country,omitempty" minLength:"2" maxLength:"2" example:"FR" doc:"where she lives; where absent the string's, or your policy's"`
	Age      *int        `json:"age,omitempty" doc:"in whole years, where she was asked; it is looked at and not kept"`
	Guardian bool        `json:"guardian,omitempty" doc:"who is responsible for her agreed"`
	At       string      `json:"at" format:"date-time"`
}

func readConsent(w *Consent, err error, raw []byte) ingest.Consent {
	row := ingest.Consent{
		ID: w.ID, TCF: w.TCF, Wording: w.Wording, Version: w.Version, Language: w.Language, Channel: w.Channel, Country: w.Country,
		Age: policy.Age{Known: w.Age != nil, Guardian: w.Guardian}, Raw: raw,
	}
	if w.Age != nil {
		row.Age.Years = *w.Age
	}
	if err == nil {
		row.At, err = api.Instant("at", w.At)
	}
	if err == nil {
		row.Allowed, err = purposes("allowed", w.Allowed)
	}
	if err == nil {
		row.Refused, err = purposes("refused", w.Refused)
	}
	if err == nil {
		row.Keys, err = w.Shopper.Keys("shopper")
	}
	row.Fault = api.FaultOf(err)
	return row
}

func purposes(field string, words []string) (set consent.Set, err error) {
	for i, word := range words {
		p, err := consent.ParsePurpose(word)
		if err != nil {
			return set, &retail.Error{Kind: retail.Invalid, Field: fmt.Sprintf("%s[%d]", field, i), Say: err.Error(), Cure: "name the purposes by their words"}
		}
		set = set.With(p)
	}
	return set, nil
}

// mountConsent adds what a shop asks about consents, and the texts.
func mountConsent(s *api.Server, permits Permits) {
	h := &permitHandler{permits, s.Limits.PageMax}
	op := func(id, method, path, summary, description string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/v1/" + path, Tags: []string{"consents"}, Security: api.Needs(access.Feeds), Summary: summary, Description: description}
	}
	api.Register(s, op("read-consent-standing", http.MethodPost, "consents/standings", "Read what a shopper allows, and whether to ask her.",
		"For the shop's banner and for the page where she changes her mind. Of keys that name nobody, nothing was asked."), h.standing)
	api.Register(s, op("read-consent-string", http.MethodPost, "consents/readings", "Read what a consent string would allow.",
		"Nothing is kept. A string that is not valid is answered 422 with the field of the segment that is wrong."), h.reading)
	api.Register(s, op("put-wording", http.MethodPut, "wordings", "Register a text that shoppers are shown.",
		"Texts are never changed or removed: another text is another version. A consent that names one is proved with it."), h.put)
	api.Register(s, op("list-wordings", http.MethodGet, "wordings", "List the registered texts.", ""), h.list)
}

type permitHandler struct {
	permits Permits
	pageMax int
}

// Standing is how one purpose stands on the wire.
type Standing struct {
	Purpose  string     `json:"purpose"`
	State    string     `json:"state" enum:"not_asked,allowed,refused,lapsed"`
	Since    *time.Time `json:"since,omitempty"`
	Until    *time.Time `json:"until,omitempty" doc:"when an allowed one lapses"`
	AskAfter *time.Time `json:"ask_again_after,omitempty" doc:"do not ask her before; absent where she may be asked now"`
}

type (
	standingIn struct {
		Body struct {
			Shopper api.Shopper `json:"shopper"`
		}
	}
	standingOut struct {
		Body struct {
			Purposes []Standing `json:"purposes"`
		}
	}
	readingIn struct {
		Body struct {
			TCF     string `json:"tcf" maxLength:"32768"`
			Country string `json:"country,omitempty" doc:"where she lives; the string's where absent"`
		}
	}
	readingOut struct {
		Body struct {
			Allowed     []string          `json:"allowed"`
			Refused     map[string]string `json:"refused" doc:"the other purposes, each with why"`
			LastUpdated time.Time         `json:"last_updated"`
			Country     string            `json:"country" doc:"that the string names"`
			Policy      int               `json:"policy_version"`
			Disclosed   bool              `json:"disclosed_vendors" doc:"the segment is there"`
			Publisher   bool              `json:"publisher_tc" doc:"the segment is there"`
		}
	}
	// Wording is a registered text on the wire.
	Wording struct {
		Wording  string `json:"wording" minLength:"1" maxLength:"64"`
		Version  int64  `json:"version" minimum:"1"`
		Language string `json:"language" minLength:"2" maxLength:"35" pattern:"^[A-Za-z0-9-]+$"`
		Text     string `json:"text" minLength:"1" maxLength:"65536"`
	}
	// Registered is one with what the house knows of it.
	Registered struct {
		Wording
		SHA256 string    `json:"text_sha256" doc:"of the text's UTF-8 bytes: how consents and proofs name it"`
		By     string    `json:"registered_by"`
		At     time.Time `json:"registered_at"`
	}
	wordingIn  struct{ Body Wording }
	wordingOut struct {
		Status int
		Body   struct {
			SHA256 string `json:"text_sha256"`
			New    bool   `json:"new" doc:"false where just this text is registered already"`
		}
	}
	wordingsIn struct {
		After string `query:"after" maxLength:"200" doc:"next of the page before"`
		Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	}
	wordingsOut struct {
		Body struct {
			Wordings []Registered `json:"wordings"`
			Next     string       `json:"next,omitempty" doc:"send it as after for the next page"`
		}
	}
)

func (h *permitHandler) standing(ctx context.Context, in *standingIn) (*standingOut, error) {
	keys, err := in.Body.Shopper.Keys("shopper")
	if err != nil {
		return nil, err
	}
	all, err := h.permits.Standing(ctx, keys)
	if err != nil {
		return nil, err
	}
	out := new(standingOut)
	for i := range all {
		out.Body.Purposes = append(out.Body.Purposes, Standing{
			all[i].Purpose.String(), string(all[i].State), instant(all[i].Since), instant(all[i].Until), instant(all[i].AskAfter),
		})
	}
	return out, nil
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (h *permitHandler) reading(_ context.Context, in *readingIn) (*readingOut, error) {
	c, v, err := h.permits.ReadString(in.Body.TCF, in.Body.Country)
	if err != nil {
		return nil, err
	}
	out := new(readingOut)
	b := &out.Body
	b.Allowed, b.Refused = []string{}, make(map[string]string, len(v.Refused))
	for _, p := range v.Allowed.Purposes() {
		b.Allowed = append(b.Allowed, p.String())
	}
	for p, why := range v.Refused {
		b.Refused[p.String()] = string(why)
	}
	b.LastUpdated, b.Country, b.Policy, b.Disclosed, b.Publisher = c.LastUpdated, c.Country, int(c.PolicyVersion), c.Disclosed != nil, c.Publisher != nil
	return out, nil
}

func (h *permitHandler) put(ctx context.Context, in *wordingIn) (*wordingOut, error) {
	w := ingest.Wording{Name: in.Body.Wording, Version: in.Body.Version, Language: in.Body.Language, Text: in.Body.Text, By: api.Caller(ctx).Name}
	added, err := h.permits.PutWording(ctx, w)
	if err != nil {
		return nil, err
	}
	sum := w.Sum()
	out := &wordingOut{Status: http.StatusOK}
	if out.Body.SHA256, out.Body.New = hex.EncodeToString(sum[:]), added; added {
		out.Status = http.StatusCreated
	}
	return out, nil
}

func (h *permitHandler) list(ctx context.Context, in *wordingsIn) (*wordingsOut, error) {
	var after ingest.Wording
	if in.After != "" {
		if err := decodeAfter(in.After, &after); err != nil {
			return nil, err
		}
	}
	limit := min(in.Limit, h.pageMax)
	all, err := h.permits.Wordings(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	out := new(wordingsOut)
	out.Body.Wordings = make([]Registered, len(all))
	for i := range all {
		w := &all[i]
		sum := w.Sum()
		out.Body.Wordings[i] = Registered{Wording{w.Name, w.Version, w.Language, w.Text}, hex.EncodeToString(sum[:]), w.By, w.At}
	}
	if len(all) == limit {
		out.Body.Next = encodeAfter(&all[len(all)-1])
	}
	return out, nil
}

// encodeAfter is where a page of wordings ended.
func encodeAfter(w *ingest.Wording) string {
	return fmt.Sprintf("%d/%s/%s", w.Version, w.Language, w.Name)
}

func decodeAfter(text string, into *ingest.Wording) error {
	version, rest, ok := strings.Cut(text, "/")
	language, name, more := strings.Cut(rest, "/")
	n, err := strconv.ParseInt(version, 10, 64)
	if !ok || !more || err != nil {
		return &retail.Error{Kind: retail.Invalid, Field: "query.after", Say: "not the end of a page", Cure: "send next of the page before, or nothing"}
	}
	into.Version, into.Language, into.Name = n, language, name
	return nil
}
