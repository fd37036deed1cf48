package cleanroom

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/media"
)

// Entry records one answer: who was told how much about what, and under which
// k. It names no shopper and holds no figure.
type Entry struct {
	At       time.Time          `json:"at"`
	By       string             `json:"by"`                // the principal who asked
	Party    media.AdvertiserID `json:"party"`             // to whom it was told
	Question string             `json:"question"`          // e.g. "campaign_report"
	Subject  string             `json:"subject"`           // e.g. the campaign's id
	Edition  retail.Day         `json:"edition"`           // through which day
	K        int                `json:"k"`                 // the fewest shoppers
	Told     int                `json:"told"`              // figures cleared
	Withheld int                `json:"withheld"`          // figures not told
	Reasons  map[Reason]int     `json:"reasons,omitempty"` // withheld, by reason
}

// Auditor keeps entries. An answer whose entry cannot be kept is not given.
type Auditor interface {
	Audit(ctx context.Context, e Entry) error
}

// EntryKind is the kind of registry row under which Journal keeps entries.
const EntryKind registry.Kind = "answer"

// Committer is what a Journal must know of the ledger.
type Committer interface {
	Commit(ctx context.Context, deeds ...ledger.Deed) ([]ledger.Answer, error)
}

// Journal keeps entries as registry rows that are written once: each is a deed
// of its own, on disk before the answer is given.
type Journal struct{ to Committer }

// NewJournal keeps entries in a ledger.
func NewJournal(to Committer) *Journal { return &Journal{to} }

// Audit implements Auditor. Every call keeps an entry of its own, under an id
// drawn at random: the same answer given twice was given twice.
func (j *Journal) Audit(ctx context.Context, e Entry) error {
	doc, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write an audit entry: %w", err)
	}
	sum := sha256.Sum256(doc)
	id := rand.Text()
	answers, err := j.to.Commit(ctx, ledger.Deed{
		Key: "answer/" + id, Body: [16]byte(sum[:16]), At: e.At,
		Rows: []registry.Row{{Kind: EntryKind, ID: id, Version: 1, Doc: doc, By: e.By, At: e.At}},
	})
	if err != nil {
		return fmt.Errorf("keep an audit entry: %w", err)
	}
	if len(answers) == 1 && answers[0].Err != nil {
		return fmt.Errorf("keep an audit entry: %w", answers[0].Err)
	}
	return nil
}
