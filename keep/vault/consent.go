package vault

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"endcap/retail/consent"
	"endcap/retail/shopper"
)

// Said is what a shopper agreed to, and how.
type Said struct {
	Shopper shopper.ID
	Allowed consent.Set
	Refused consent.Set // what she was asked and said no to, unlike what she was not asked
	Wording string
	// Version and Language are of the wording, and Text is the hash of what stood
	// there, where it is registered; 0, "" and zero where it is not.
	Version  int64
	Language string
	Text     [32]byte
	Means    string // how she said it: a word of know/ingest
	Channel  string // where: a site, a store, a call centre
	Country  string // two capital letters; "" where it is not known
	Evidence string // the consent string, or what else shows it
	Note     string // why something that was said does not count
	Source   string // the file or the caller that brought it
	At       time.Time
	Until    time.Time // when what is allowed lapses; zero for never
	Received time.Time
	EventID  string // the source's id; saying the same id again changes nothing
	Seq      int64  // set by the store, in the order of recording
}

// EvidenceTextMax is the longest evidence of a consent, in bytes.
const EvidenceTextMax = 32 << 10

// Wording is one text that shoppers are shown, in one language and version.
type Wording struct {
	Name     string
	Version  int64 // from 1
	Language string
	Text     string
	By       string
	At       time.Time
}

// WordingMax is the longest text of a wording, in bytes.
const WordingMax = 64 << 10

// Sum is the hash by which consents name the text: SHA-256 of its UTF-8 bytes.
func (w *Wording) Sum() [32]byte { return sha256.Sum256([]byte(w.Text)) }

// ErrOtherText is returned for a wording that is registered with another text.
var ErrOtherText = errors.New("this version of the wording has another text")

// Wordings keeps the texts that shoppers were shown, append-only: no call
// changes or removes one.
type Wordings interface {
	// PutWording registers a text and says whether it is new. It returns
	// ErrOtherText, and changes nothing, where another stands there.
	PutWording(ctx context.Context, w Wording) (bool, error)
	// Wording gives one, or ErrNotFound.
	Wording(ctx context.Context, name string, version int64, language string) (Wording, error)
	// Wordings returns up to limit wordings after one, by name, version and
	// language; the zero Wording is before all.
	Wordings(ctx context.Context, after Wording, limit int) ([]Wording, error)
}

// Record is the text of a saying that its digest covers: JSON, without the
// shopper's id, of which a salted hash stands in its place. It is written here
// once, so that every store and every proof has the same bytes.
func (s *Said) Record(salt []byte) []byte {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte("shopper"))
	mac.Write(binary.BigEndian.AppendUint64(nil, s.Shopper.Reveal()))
	sum := ""
	if s.Text != [32]byte{} {
		sum = hex.EncodeToString(s.Text[:])
	}
	b, err := json.Marshal(record{
		Shopper: hex.EncodeToString(mac.Sum(nil)), Event: s.EventID, Allowed: s.Allowed.String(), Refused: s.Refused.String(),
		Wording: s.Wording, Version: s.Version, Language: s.Language, Text: sum, Means: s.Means, Channel: s.Channel, Country: s.Country,
		Evidence: s.Evidence, Note: s.Note, Source: s.Source, At: s.At.UTC(), Until: instant(s.Until), Received: instant(s.Received),
	})
	if err != nil {
		panic("vault: bug: a consent cannot be written: " + err.Error())
	}
	return b
}

type record struct {
	Shopper  string     `json:"shopper"`
	Event    string     `json:"event"`
	Allowed  string     `json:"allowed"`
	Refused  string     `json:"refused"`
	Wording  string     `json:"wording"`
	Version  int64      `json:"version"`
	Language string     `json:"language"`
	Text     string     `json:"text_sha256"`
	Means    string     `json:"means"`
	Channel  string     `json:"channel"`
	Country  string     `json:"country"`
	Evidence string     `json:"evidence"`
	Note     string     `json:"note"`
	Source   string     `json:"source"`
	At       time.Time  `json:"at"`
	Until    *time.Time `json:"until"`
	Received *time.Time `json:"received"`
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// SaltSize is the length of the random salt of each saying. It is kept beside
// the saying and goes with it: without it, a digest is a hash of nothing that
// anybody could guess.
const SaltSize = 16

// Digest is HMAC-SHA256 of a record under its salt.
func Digest(salt, record []byte) [32]byte {
	mac := hmac.New(sha256.New, salt)
	mac.Write(record)
	return [32]byte(mac.Sum(nil))
}

// Chain is the next value of the chain of consents: SHA-256 of the value before,
// the saying's Seq as 8 bytes big-endian, and its digest. The first follows 32
// zero bytes. It covers digests alone, so that forgetting a person breaks no
// link of it.
func Chain(before [32]byte, seq int64, digest [32]byte) [32]byte {
	b := make([]byte, 0, 72)
	b = append(b, before[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(seq))
	return sha256.Sum256(append(b, digest[:]...))
}

// Proof is one saying with its place in the chain.
type Proof struct {
	Said   Said
	Record []byte // what the digest covers, with Salt
	Salt   []byte
	Digest [32]byte
	Before [32]byte // the chain's value before it
	Chain  [32]byte // and with it
}

// Links is the state of the chain of consents.
type Links struct {
	Count     int64 // every saying ever recorded
	Forgotten int64 // of them, those of shoppers who were forgotten
	Seq       int64 // of the newest
	Head      [32]byte
}

// Proofs shows that consents are as they were recorded.
type Proofs interface {
	// Proofs gives all a shopper ever said, in the order in which it was recorded,
	// with its place in the chain.
	Proofs(ctx context.Context, who shopper.ID) ([]Proof, error)
	// Links gives the state of the chain without checking it.
	Links(ctx context.Context) (Links, error)
	// CheckConsents reads every consent, wording and link, and returns an error
	// that says what was changed, removed or added beside the chain. It names
	// nobody.
	CheckConsents(ctx context.Context) (Links, error)
}

// Check returns ErrLimit, with the field, unless every store can take s.
func (s *Said) Check() error {
	switch {
	case s.EventID == "" || len(s.EventID) > NameMax:
		return fmt.Errorf("%w: an event's id has 1 to %d bytes, this %d", ErrLimit, NameMax, len(s.EventID))
	case len(s.Source) > NameMax || len(s.Means) > NameMax || len(s.Channel) > NameMax || len(s.Note) > NameMax:
		return fmt.Errorf("%w: a source, means, channel or note has at most %d bytes", ErrLimit, NameMax)
	case len(s.Wording) > TextMax:
		return fmt.Errorf("%w: a wording has at most %d bytes, this %d", ErrLimit, TextMax, len(s.Wording))
	case len(s.Language) > LanguageMax || len(s.Country) > 2 || s.Version < 0:
		return fmt.Errorf("%w: a language has at most %d bytes, a country 2, and versions are counted from 1", ErrLimit, LanguageMax)
	case len(s.Evidence) > EvidenceTextMax:
		return fmt.Errorf("%w: evidence has at most %d bytes, this %d", ErrLimit, EvidenceTextMax, len(s.Evidence))
	}
	return nil
}

// LanguageMax is the longest language tag, in bytes (BCP 47 recommends 35).
const LanguageMax = 35

// Check returns ErrLimit, with the field, unless every store can take w.
func (w *Wording) Check() error {
	switch {
	case w.Name == "" || len(w.Name) > NameMax || len(w.By) > NameMax:
		return fmt.Errorf("%w: a wording has a name of 1 to %d bytes", ErrLimit, NameMax)
	case w.Version < 1 || w.Language == "" || len(w.Language) > LanguageMax:
		return fmt.Errorf("%w: a wording has a version from 1 and a language of 1 to %d bytes", ErrLimit, LanguageMax)
	case w.Text == "" || len(w.Text) > WordingMax || w.At.IsZero():
		return fmt.Errorf("%w: a wording has a time and a text of 1 to %d bytes, this %d", ErrLimit, WordingMax, len(w.Text))
	}
	return nil
}
