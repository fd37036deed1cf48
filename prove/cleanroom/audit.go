package cleanroom

import (
	"context"
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

// Journal keeps entries as registry rows that are written once: each is a deed
// of its own, on disk before the answer is given.
type Journal struct{ to ledger.Committer }

// NewJournal keeps entries in a ledger.
func NewJournal(to ledger.Committer) *Journal { return &Journal{to} }

// Audit implements Auditor. Every call keeps an entry of its own, under an id
// drawn at random: the same answer given twice was given twice.
func (j *Journal) Audit(ctx context.Context, e Entry) error {
	return ledger.Note(ctx, j.to, ledger.Noted{Kind: EntryKind, By: e.By, At: e.At, Entry: e})
}
