package privacy

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"endcap/keep/vault"
	"endcap/retail"
)

// signingSecret names the seed of the Ed25519 key with which a house signs.
const signingSecret = "privacy/certificates/1"

// Signer signs documents in the house's name.
type Signer struct{ key ed25519.PrivateKey }

// OpenSigner reads the house's key, or makes it.
func OpenSigner(ctx context.Context, secrets vault.Secrets, chance io.Reader) (Signer, error) {
	seed, err := secrets.Secret(ctx, signingSecret, func() ([]byte, error) {
		b := make([]byte, ed25519.SeedSize)
		_, err := io.ReadFull(chance, b)
		return b, err
	})
	if err != nil {
		return Signer{}, fmt.Errorf("read the key that signs certificates: %w", err)
	}
	if len(seed) != ed25519.SeedSize {
		return Signer{}, errors.New("the key that signs certificates is damaged")
	}
	return Signer{ed25519.NewKeyFromSeed(seed)}, nil
}

// Public is the key by which the house's signatures are checked.
func (s Signer) Public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// Signed is a document with its signature, as a file.
type Signed struct {
	Document  json.RawMessage `json:"document"`
	Key       []byte          `json:"key"`       // Ed25519, public
	Signature []byte          `json:"signature"` // of Document's bytes
}

// Sign signs a document.
func (s Signer) Sign(document any) ([]byte, error) {
	b, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("write a document: %w", err)
	}
	out, err := json.Marshal(Signed{b, s.Public(), ed25519.Sign(s.key, b)})
	if err != nil {
		return nil, fmt.Errorf("sign a document: %w", err)
	}
	return out, nil
}

// ErrSignature is returned for a file that nobody, or somebody else, signed.
var ErrSignature = errors.New("the signature is not right")

// Verify checks a signed file against a key and returns its document. It says
// ErrSignature where it was changed, or signed by another.
func Verify(file []byte, by ed25519.PublicKey) (json.RawMessage, error) {
	var s Signed
	if err := json.Unmarshal(file, &s); err != nil {
		return nil, fmt.Errorf("%w: not a signed document: %w", ErrSignature, err)
	}
	var plain bytes.Buffer // a reader may have indented the file
	if json.Compact(&plain, s.Document) != nil {
		return nil, fmt.Errorf("%w: not a signed document", ErrSignature)
	}
	switch {
	case !bytes.Equal(s.Key, by):
		return nil, fmt.Errorf("%w: another key signed it", ErrSignature)
	case !ed25519.Verify(by, plain.Bytes(), s.Signature):
		return nil, fmt.Errorf("%w: the document was changed after it was signed", ErrSignature)
	}
	return plain.Bytes(), nil
}

// Certificate says what was erased, where and when. It names nobody: who it is
// about has the request's id.
type Certificate struct {
	Is        string    `json:"is"` // CertificateIs
	Retailer  string    `json:"retailer"`
	Request   string    `json:"request"`
	Received  time.Time `json:"received"`
	Forgotten time.Time `json:"forgotten_at"` // out of all live use
	Clean     time.Time `json:"files_clean_at"`
	Erased    []Erased  `json:"erased"`
	// By age: the stream holds her facts under a random number that names nobody;
	// backups can be read until their keys are destroyed.
	StreamBy  retail.Day `json:"stream_clean_by"`
	BackupsBy retail.Day `json:"backups_unreadable_by"`
	Told      []string   `json:"recipients_told"`
}

// CertificateIs is what a certificate of erasure calls itself.
const CertificateIs = "endcap certificate of erasure, 1"

// Erased is what was done in one place.
type Erased struct {
	Place string `json:"place"`
	What  string `json:"what"`
}

// CertificateOf returns the signed certificate of an erasure that is done.
func (o *Office) CertificateOf(ctx context.Context, id string) ([]byte, error) {
	r, err := o.read(ctx, id)
	if err != nil {
		return nil, err
	}
	if d := docOf(r); Kind(r.Kind) == Erasure && len(d.Certificate) > 0 {
		return d.Certificate, nil
	}
	return nil, &retail.Error{Kind: retail.NotFound, Say: "the request has no certificate", Cure: "an erasure has one once the night's sweep is done"}
}
