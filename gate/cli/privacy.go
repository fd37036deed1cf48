package cli

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	wire "endcap/gate/api/privacy"
	"endcap/know/identity/identifier"
	"endcap/know/privacy"
	"endcap/retail/shopper"
)

// PrivacyCmd answers what shoppers ask by right of the law.
type PrivacyCmd struct {
	Request     privacyRequestCmd     `cmd:"" help:"Take in what a shopper asks."`
	List        privacyListCmd        `cmd:"" help:"List requests with their deadlines."`
	Show        privacyShowCmd        `cmd:"" help:"Show one request."`
	File        privacyFileCmd        `cmd:"" help:"Fetch the file of an access or portability request."`
	Extend      privacyExtendCmd      `cmd:"" help:"Put a deadline off by two months."`
	Close       privacyCloseCmd       `cmd:"" help:"Close a request, or refuse it."`
	Retention   retentionCmd          `cmd:"" help:"Show how long data is kept, who will go and what went; let go what is too old."`
	Recipients  recipientsCmd         `cmd:"" help:"Keep the register of who is given data, and tell them who left."`
	Sweep       privacySweepCmd       `cmd:"" help:"Sweep files for the forgotten now."`
	Certificate privacyCertificateCmd `cmd:"" help:"Fetch the signed certificate of an erasure."`
	Proof       privacyProofCmd       `cmd:"" help:"Fetch the signed proof of what a shopper agreed to."`
	Key         privacyKeyCmd         `cmd:"" help:"Print the key by which certificates are checked."`
	Verify      privacyVerifyCmd      `cmd:"" help:"Check a certificate, or a report of endcap verify --forgotten."`
}

// whoFlags name a shopper.
type whoFlags struct {
	Card    string `help:"Her loyalty card."`
	Account string `help:"Her account."`
	Email   string `name:"email-sha256" help:"The hash of her e-mail address."`
	Phone   string `name:"phone-sha256" help:"The hash of her phone number."`
	Device  string `help:"A device of hers."`
	Address string `name:"email" help:"Her e-mail address; it is hashed here and sent nowhere."`
	Number  string `name:"phone" help:"Her phone number, with its plus; it is hashed here and sent nowhere."`
}

// wireKeys are the keys that flags name, as requests carry them.
func wireKeys(f *whoFlags) (map[string]string, error) {
	return keysFrom(map[string]string{
		"card": f.Card, "account": f.Account, "email_sha256": f.Email, "phone_sha256": f.Phone, "device": f.Device, "email": f.Address, "phone": f.Number,
	}, func(kind string) string { return "--" + strings.ReplaceAll(kind, "_", "-") })
}

// keysFrom leaves out what is empty and hashes what is in clear. What cannot be is
// told by the name that the caller has for a kind of key.
func keysFrom(given map[string]string, called func(kind string) string) (map[string]string, error) {
	out, by := make(map[string]string), make(map[string]string)
	for _, kind := range slices.Sorted(maps.Keys(given)) {
		if given[kind] == "" {
			continue
		}
		key, err := keyFrom(kind, given[kind])
		if err != nil {
			return nil, Misused(fmt.Errorf("%s: %w", called(kind), err))
		}
		if had, twice := out[string(key.Kind())]; twice && had != key.Reveal() {
			return nil, Misused(fmt.Errorf("%s and %s are not of one another", called(by[string(key.Kind())]), called(kind)))
		}
		out[string(key.Kind())], by[string(key.Kind())] = key.Reveal(), kind
	}
	return out, nil
}

// keyFrom reads one key; addresses and numbers in clear are hashed.
func keyFrom(kind, value string) (shopper.Key, error) {
	switch kind {
	case "email":
		e, err := identifier.ParseEmail(value)
		if err != nil {
			return shopper.Key{}, err
		}
		return e.Key(), nil
	case "phone":
		p, err := identifier.ParsePhone(value, "")
		if err != nil {
			return shopper.Key{}, err
		}
		return p.Key(), nil
	}
	return shopper.ParseKey(shopper.KeyKind(kind), value)
}

// ForgetCmd forgets a shopper who asked for it.
type ForgetCmd struct {
	DirFlags
	whoFlags
	JSON bool `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*ForgetCmd) Help() string { return "endcap forget --card 4711" }

// Run asks for an erasure in the operator's name.
func (c *ForgetCmd) Run(ctx context.Context, s *Session) error {
	r := privacyRequestCmd{DirFlags: c.DirFlags, whoFlags: c.whoFlags, Kind: string(privacy.Erasure), JSON: c.JSON}
	return r.Run(ctx, s)
}

type privacyRequestCmd struct {
	DirFlags
	whoFlags
	Kind string `arg:"" help:"access, portability, erasure, objection or rectification." enum:"access,portability,erasure,objection,rectification"`
	Note string `help:"For a rectification: what is wrong and what is right."`
	JSON bool   `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*privacyRequestCmd) Help() string {
	return "endcap privacy request access --card 4711\nWhoever owns the directory vouches that it is her who asks."
}

// Run sends the request.
func (c *privacyRequestCmd) Run(ctx context.Context, s *Session) error {
	who, err := wireKeys(&c.whoFlags)
	if err != nil {
		return err
	}
	in := map[string]any{"kind": c.Kind, "means": privacy.Operator, "shopper": who}
	if c.Note != "" {
		in["note"] = c.Note
	}
	return oneRequest(ctx, s, c.Dir, asked{"POST /v1/privacy/requests", in}, c.JSON)
}

// oneRequest asks what is answered with a request, and prints that.
func oneRequest(ctx context.Context, s *Session, dir string, a asked, asJSON bool) error {
	return s.WithOwner(ctx, dir, func(o *Client) error {
		var r wire.Request
		if err := o.Ask(ctx, a.route, a.body, &r); err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(s.Stdout).Encode(r)
		}
		found := ""
		if !r.Found {
			found = "; nothing is held under these keys together"
		}
		_, err := fmt.Fprintf(s.Stdout, "%s  %s  %s  due %s%s\n", r.ID, r.Kind, r.State, r.Due.Format("2006-01-02"), found)
		return err
	})
}

// asked is a route and what is sent to it.
type asked struct {
	route string
	body  any
}

func requestPath(id string) string { return "/v1/privacy/requests/" + url.PathEscape(id) }

type privacyListCmd struct {
	DirFlags
	All  bool `help:"Closed ones too."`
	JSON bool `name:"json" help:"A JSON object a request."`
}

// Help shows an example.
func (*privacyListCmd) Help() string { return "endcap privacy list" }

// Run lists requests, page by page.
func (c *privacyListCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		w := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
		err := pages(ctx, o, fmt.Sprintf("GET /v1/privacy/requests?open=%t", !c.All), "requests", func(r *wire.Request) error {
			if c.JSON {
				return json.NewEncoder(s.Stdout).Encode(r)
			}
			_, err := fmt.Fprintf(w, "%s\t%s\t%s\treceived %s\tdue %s\t%s\n", r.ID, r.Kind, r.State, r.Received.Format("2006-01-02"), r.Due.Format("2006-01-02"), r.Alarm)
			return err
		})
		return errors.Join(err, w.Flush())
	})
}

type privacyShowCmd struct {
	DirFlags
	ID   string `arg:"" help:"The request's id."`
	JSON bool   `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*privacyShowCmd) Help() string { return "endcap privacy show 0f3a…" }

// Run shows it.
func (c *privacyShowCmd) Run(ctx context.Context, s *Session) error {
	return oneRequest(ctx, s, c.Dir, asked{"GET " + requestPath(c.ID), nil}, c.JSON)
}

type privacyExtendCmd struct {
	DirFlags
	ID     string `arg:"" help:"The request's id."`
	Reason string `help:"As she was told." required:""`
	JSON   bool   `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*privacyExtendCmd) Help() string {
	return "endcap privacy extend 0f3a… --reason 'many requests'"
}

// Run puts the deadline off.
func (c *privacyExtendCmd) Run(ctx context.Context, s *Session) error {
	return oneRequest(ctx, s, c.Dir, asked{"POST " + requestPath(c.ID) + "/extension", map[string]string{"reason": c.Reason}}, c.JSON)
}

type privacyCloseCmd struct {
	DirFlags
	ID     string `arg:"" help:"The request's id."`
	State  string `help:"done or refused." enum:"done,refused" default:"done"`
	Reason string `help:"Why it is refused."`
	JSON   bool   `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*privacyCloseCmd) Help() string { return "endcap privacy close 0f3a… --state done" }

// Run closes it.
func (c *privacyCloseCmd) Run(ctx context.Context, s *Session) error {
	return oneRequest(ctx, s, c.Dir, asked{"POST " + requestPath(c.ID) + "/close", map[string]string{"state": c.State, "reason": c.Reason}}, c.JSON)
}

type privacyFileCmd struct {
	DirFlags
	ID     string `arg:"" help:"The request's id."`
	Format string `help:"json, or csv for the lines of her receipts." enum:"json,csv" default:"json"`
}

// Help shows an example.
func (*privacyFileCmd) Help() string { return "endcap privacy file 0f3a… --format csv >lines.csv" }

// Run fetches it.
func (c *privacyFileCmd) Run(ctx context.Context, s *Session) error {
	return fetch(ctx, s, c.Dir, requestPath(c.ID)+"/file?format="+c.Format)
}

// fetch prints an answer as it comes.
func fetch(ctx context.Context, s *Session, dir, path string) error {
	return s.WithOwner(ctx, dir, func(o *Client) error {
		body, err := o.Call(ctx, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(s.Stdout, body)
		return errors.Join(err, body.Close())
	})
}

type privacyCertificateCmd struct {
	DirFlags
	ID string `arg:"" help:"The erasure's id."`
}

// Help shows an example.
func (*privacyCertificateCmd) Help() string {
	return "endcap privacy certificate 0f3a… >certificate.json"
}

// Run fetches it.
func (c *privacyCertificateCmd) Run(ctx context.Context, s *Session) error {
	return fetch(ctx, s, c.Dir, requestPath(c.ID)+"/certificate")
}

type privacyProofCmd struct {
	DirFlags
	whoFlags
}

// Help shows an example.
func (*privacyProofCmd) Help() string {
	return "endcap privacy proof --card 4711 >proof.json"
}

// Run fetches it.
func (c *privacyProofCmd) Run(ctx context.Context, s *Session) error {
	who, err := wireKeys(&c.whoFlags)
	if err != nil {
		return err
	}
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var proof json.RawMessage
		if err := o.Ask(ctx, "POST /v1/privacy/proofs", map[string]any{"shopper": who}, &proof); err != nil {
			return err
		}
		_, err := fmt.Fprintln(s.Stdout, string(proof))
		return err
	})
}

type privacySweepCmd struct{ DirFlags }

// Help shows an example.
func (*privacySweepCmd) Help() string { return "endcap privacy sweep" }

// Run sweeps.
func (c *privacySweepCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var done privacy.Swept
		start := s.Now()
		if err := o.Ask(ctx, "POST /v1/privacy/sweeps", nil, &done); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.Stdout, "%d shoppers taken out of history (%d sealed files written anew), %d profiles and %d rows of quarantine removed, %d erasures certified, in %v\n",
			done.History, done.SealedFiles, done.Profiles, done.Quarantine, done.Certified, s.Now().Sub(start).Round(time.Millisecond))
		return err
	})
}

type privacyKeyCmd struct {
	DirFlags
	All bool `help:"Older ones too, the newest first."`
}

// Help shows an example.
func (*privacyKeyCmd) Help() string { return "endcap privacy key" }

// Run prints the key.
func (c *privacyKeyCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		keys, err := publicKeys(ctx, o)
		for i := 0; i < len(keys) && (c.All || i == 0); i++ {
			_, printed := fmt.Fprintln(s.Stdout, base64.StdEncoding.EncodeToString(keys[i]))
			err = errors.Join(err, printed)
		}
		return err
	})
}

// publicKeys are the keys by which certificates are checked, the newest first.
func publicKeys(ctx context.Context, o *Client) (keys []ed25519.PublicKey, err error) {
	var out struct{ Keys []privacy.PublicKey }
	err = o.Ask(ctx, "GET /v1/privacy/key", nil, &out)
	for _, k := range out.Keys {
		keys = append(keys, k.Key)
	}
	return keys, err
}

type privacyVerifyCmd struct {
	DirFlags
	File string `arg:"" help:"The certificate or report." type:"existingfile"`
	Key  string `help:"The house's key, from endcap privacy key; without it, those of the data directory."`
}

// Help shows an example.
func (*privacyVerifyCmd) Help() string {
	return "endcap privacy verify certificate.json --key BASE64"
}

// Run checks the signature and prints what was signed.
func (c *privacyVerifyCmd) Run(ctx context.Context, s *Session) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(c.Key)
	if err != nil {
		return Misused(fmt.Errorf("--key is not base64: %w", err))
	}
	keys := []ed25519.PublicKey{key}
	if c.Key == "" {
		err = s.WithOwner(ctx, c.Dir, func(o *Client) (err error) {
			keys, err = publicKeys(ctx, o)
			return err
		})
		if err != nil {
			return err
		}
	}
	document, err := privacy.Verify(text, keys...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "the signature is right\n%s\n", document)
	return err
}
