package ledger

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"endcap/keep/registry"
)

// Noted is an entry of an audit: a registry row that is written once, under an id
// drawn at random, because what happened twice happened twice.
type Noted struct {
	Kind  registry.Kind
	By    string
	At    time.Time
	Entry any // written as JSON
}

// Committer is what Note must know of a ledger.
type Committer interface {
	Commit(ctx context.Context, deeds ...Deed) ([]Answer, error)
}

// Note keeps an entry. It is on disk when Note returns.
func Note(ctx context.Context, to Committer, n Noted) error {
	doc, err := json.Marshal(n.Entry)
	if err != nil {
		return fmt.Errorf("write an audit entry: %w", err)
	}
	sum, id := sha256.Sum256(doc), rand.Text()
	answers, err := to.Commit(ctx, Deed{
		Key: string(n.Kind) + "/" + id, Body: [16]byte(sum[:16]), At: n.At,
		Rows: []registry.Row{{Kind: n.Kind, ID: id, Version: 1, Doc: doc, By: n.By, At: n.At}},
	})
	if err == nil && len(answers) == 1 {
		err = answers[0].Err
	}
	if err != nil {
		return fmt.Errorf("keep an audit entry: %w", err)
	}
	return nil
}
