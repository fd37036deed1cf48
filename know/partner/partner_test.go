package partner_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/keep/sql/sqlite"
	"endcap/keep/vault"
	"endcap/know/identity"
	"endcap/know/partner"
	"endcap/retail/consent"
	"endcap/retail/shopper"
)

// mute is a book that keeps no audit.
type mute struct{ *sqlite.Book }

var errFull = errors.New("the disk is full")

func (m mute) Commit(ctx context.Context, deeds ...ledger.Deed) ([]ledger.Answer, error) {
	if deeds[0].Rows[0].Kind == partner.AnswerKind {
		return nil, errFull
	}
	return m.Book.Commit(ctx, deeds...)
}

// An answer whose entry cannot be kept is not given, and whoever would have been
// named in it is noted all the same: better one too many than one too few.
func TestANameThatLeavesNoTraceIsNotTold(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	book, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: dir + "/book.db", Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	v, err := sqlite.OpenVault(t.Context(), sqlite.Options{Path: dir + "/vault.db"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	people, err := identity.New(v, identity.Seeded([32]byte{1}), identity.Defaults(clock))
	if err != nil {
		t.Fatal(err)
	}
	ring := func(ctx context.Context, id string) ([]vault.Generation, error) {
		return vault.OpenRing(ctx, v, vault.PartnerRing(id), func() (vault.Generation, error) { return vault.Generation{Value: []byte("secret of " + id)}, nil })
	}
	card, err := shopper.ParseKey(shopper.Card, "4711")
	if err != nil {
		t.Fatal(err)
	}
	who, err := people.Name(t.Context(), [][]shopper.Key{{card}})
	if err == nil {
		err = people.Say(t.Context(), []vault.Said{{Shopper: who[0], Allowed: consent.Of(consent.Pooling), At: now, EventID: "c"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	desk := partner.New(partner.Ports{Book: mute{book}, Vault: v, People: people, Ring: ring, Now: clock})
	if _, err := desk.Put(t.Context(), "ana", "paper", partner.Terms{Name: "Paper", Purpose: "pooling"}); err != nil {
		t.Fatal(err)
	}
	if names, err := desk.Names(t.Context(), "ana", "paper", [][]shopper.Key{{card}}); !errors.Is(err, errFull) || names != nil {
		t.Errorf("it told %d names, %v", len(names), err)
	}
	if told, err := v.ToldOf(t.Context(), who[0]); err != nil || len(told) != 1 {
		t.Errorf("%d partners are noted, %v", len(told), err)
	}
	if rows, err := book.List(t.Context(), registry.Kind("pseudonyms"), "", 10); err != nil || len(rows) != 0 {
		t.Errorf("%d entries, %v", len(rows), err)
	}
}
