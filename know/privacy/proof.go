package privacy

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/shopper"
)

// ProofIs is what a proof of consent calls itself.
const ProofIs = "endcap proof of consent, 1"

// Proof shows what a shopper agreed to, when, to which words, and that the
// record is as it was made. It names her by no identifier: whoever asks for it
// has named her. Signed by the house, it is a document of its own.
type Proof struct {
	Is       string    `json:"is"`
	Retailer string    `json:"retailer"`
	Made     time.Time `json:"made"`
	Consents []Proved  `json:"consents"` // in the order of recording
	Links    int64     `json:"chain_length"`
	Head     string    `json:"chain_head"`
}

// Proved is one consent with what shows that it was not changed since: Digest is
// HMAC-SHA256 of Record under Salt, and Chain the SHA-256 of Before, the sequence
// number as 8 bytes big-endian, and Digest. Hashes and salts are in hex.
type Proved struct {
	Record   json.RawMessage `json:"record"`
	Text     string          `json:"text,omitempty"` // that she was shown, where it is registered
	Sequence int64           `json:"sequence"`
	Salt     string          `json:"salt"`
	Digest   string          `json:"digest"`
	Before   string          `json:"chain_before"`
	Chain    string          `json:"chain"`
}

// ProofOf signs all that the shopper whom keys name ever agreed to or refused.
func (o *Office) ProofOf(ctx context.Context, keys []shopper.Key) ([]byte, error) {
	who, err := o.People.Find(ctx, keys)
	if err != nil {
		return nil, err
	}
	if !who.Known() {
		return nil, &retail.Error{Kind: retail.NotFound, Field: "shopper", Say: "nobody is known by these keys together", Cure: "name her by keys that she gave"}
	}
	members, err := o.People.Members(ctx, who)
	if err != nil {
		return nil, err
	}
	out := Proof{Is: ProofIs, Retailer: o.cfg.Retailer, Made: o.Clock().UTC(), Consents: []Proved{}}
	for _, id := range members {
		all, err := o.Vault.Proofs(ctx, id)
		if err != nil {
			return nil, err
		}
		for i := range all {
			one, err := o.proved(ctx, &all[i])
			if err != nil {
				return nil, err
			}
			out.Consents = append(out.Consents, one)
		}
	}
	slices.SortFunc(out.Consents, func(a, b Proved) int { return int(a.Sequence - b.Sequence) })
	links, err := o.Vault.Links(ctx)
	if err != nil {
		return nil, err
	}
	out.Links, out.Head = links.Count, hex.EncodeToString(links.Head[:])
	signer, err := OpenSigner(ctx, o.Vault, o.Chance)
	if err != nil {
		return nil, err
	}
	return signer.Sign(out)
}

func (o *Office) proved(ctx context.Context, p *vault.Proof) (Proved, error) {
	text, err := o.textOf(ctx, &p.Said)
	return Proved{
		Record: p.Record, Text: text, Sequence: p.Said.Seq, Salt: hex.EncodeToString(p.Salt),
		Digest: hex.EncodeToString(p.Digest[:]), Before: hex.EncodeToString(p.Before[:]), Chain: hex.EncodeToString(p.Chain[:]),
	}, err
}

// textOf is the registered text that a consent names, "" where it names none.
func (o *Office) textOf(ctx context.Context, s *vault.Said) (string, error) {
	if s.Text == [32]byte{} {
		return "", nil
	}
	w, err := o.Vault.Wording(ctx, s.Wording, s.Version, s.Language)
	switch {
	case errors.Is(err, vault.ErrNotFound) || err == nil && w.Sum() != s.Text:
		return "", errors.New("a text that people agreed to is not as it was registered: endcap verify tells which")
	case err != nil:
		return "", fmt.Errorf("read what she was shown: %w", err)
	}
	return w.Text, nil
}
