package privacy

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"endcap/keep/vault"
	"endcap/retail"
)

// publicRing names the ring of public halves: vault.SigningRing holds the seeds of
// Ed25519 keys, of which the newest signs.
const publicRing = vault.SigningRing + "/public"

// Signer signs documents in the house's name.
type Signer struct{ key ed25519.PrivateKey }

// OpenSigner reads the house's newest key, or makes the first.
func OpenSigner(ctx context.Context, rings vault.Rings, chance io.Reader) (Signer, error) {
	all, err := seeds(ctx, rings, chance)
	if err != nil {
		return Signer{}, err
	}
	return Signer{ed25519.NewKeyFromSeed(all[0].Value)}, nil
}

func seeds(ctx context.Context, rings vault.Rings, chance io.Reader) ([]vault.Generation, error) {
	all, err := vault.OpenRing(ctx, rings, vault.SigningRing, func() (vault.Generation, error) {
		g := vault.Generation{Value: make([]byte, ed25519.SeedSize)}
		_, err := io.ReadFull(chance, g.Value)
		return g, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the key that signs certificates: %w", err)
	}
	for _, g := range all {
		if len(g.Value) != ed25519.SeedSize {
			return nil, errors.New("the key that signs certificates is damaged")
		}
	}
	return all, nil
}

// PublicKey is one key by which the house's signatures are checked. By is what the
// key before it signed: "endcap signing key", its own number as 8 bytes big-endian
// and its bytes; so whoever trusts one key can follow to the next. The first has
// none.
type PublicKey struct {
	Number int       `json:"number"`
	Key    []byte    `json:"key"`
	Made   time.Time `json:"made"`
	By     []byte    `json:"by,omitempty"`
}

// endorsed is what a key signs about the next.
func endorsed(number int, key []byte) []byte {
	return append(binary.BigEndian.AppendUint64([]byte("endcap signing key"), uint64(number)), key...)
}

// Publish notes the public half of every key, signed by the one before it. A key
// may be destroyed once that is done. What was noted stays as it is.
func Publish(ctx context.Context, rings vault.Rings, chance io.Reader) error {
	all, err := seeds(ctx, rings, chance)
	if err != nil {
		return err
	}
	known, err := rings.Ring(ctx, publicRing)
	if err != nil {
		return err
	}
	newest := 0
	if len(known) > 0 {
		newest = known[0].Number
	}
	for i, g := range slices.Backward(all) {
		if g.Number <= newest {
			continue
		}
		public := Signer{ed25519.NewKeyFromSeed(g.Value)}.Public()
		value := []byte(public)
		if i+1 < len(all) {
			value = append(value, ed25519.Sign(ed25519.NewKeyFromSeed(all[i+1].Value), endorsed(g.Number, public))...)
		}
		if g.Number > vault.RingMax { // whoever holds certificates that old has kept their key
			if _, err := rings.Retire(ctx, publicRing, g.Number-vault.RingMax+1); err != nil {
				return fmt.Errorf("publish the key that signs certificates: %w", err)
			}
		}
		if _, err := rings.Turn(ctx, publicRing, vault.Generation{Number: g.Number, Value: value, Made: g.Made}); err != nil {
			return fmt.Errorf("publish the key that signs certificates: %w", err)
		}
	}
	return nil
}

// PublicKeys are all keys by which the house's signatures can be checked, the
// newest first.
func PublicKeys(ctx context.Context, rings vault.Rings) ([]PublicKey, error) {
	all, err := rings.Ring(ctx, publicRing)
	if err != nil {
		return nil, err
	}
	out := make([]PublicKey, len(all))
	for i, g := range all {
		if len(g.Value) < ed25519.PublicKeySize {
			return nil, errors.New("a key by which certificates are checked is damaged")
		}
		out[i] = PublicKey{g.Number, g.Value[:ed25519.PublicKeySize], g.Made, g.Value[ed25519.PublicKeySize:]}
	}
	return out, nil
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

// Verify checks a signed file against a house's keys, of which any may have
// signed it, and returns its document. It says ErrSignature where it was changed,
// or signed by another.
func Verify(file []byte, by ...ed25519.PublicKey) (json.RawMessage, error) {
	var s Signed
	if err := json.Unmarshal(file, &s); err != nil {
		return nil, fmt.Errorf("%w: not a signed document: %w", ErrSignature, err)
	}
	var plain bytes.Buffer // a reader may have indented the file
	if json.Compact(&plain, s.Document) != nil {
		return nil, fmt.Errorf("%w: not a signed document", ErrSignature)
	}
	trusted := slices.IndexFunc(by, func(k ed25519.PublicKey) bool { return bytes.Equal(s.Key, k) })
	switch {
	case trusted < 0:
		return nil, fmt.Errorf("%w: another key signed it", ErrSignature)
	case !ed25519.Verify(by[trusted], plain.Bytes(), s.Signature):
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
