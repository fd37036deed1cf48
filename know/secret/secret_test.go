package secret_test

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"endcap/keep/sql/sqlite"
	"endcap/know/secret"
	"endcap/retail"
	"endcap/retail/media"
)

// house is a vault with a clock that is moved by hand.
type house struct {
	*secret.Keeper
	vault   *sqlite.Vault
	now     time.Time
	entries []secret.Entry
}

func open(t *testing.T) *house {
	t.Helper()
	h := &house{now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	var err error
	if h.vault, err = sqlite.OpenVault(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "vault.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.vault.Close() })
	h.restart(t)
	return h
}

// restart opens the secrets as a program that starts again does.
func (h *house) restart(t *testing.T) {
	t.Helper()
	var err error
	clock := func() time.Time { return h.now }
	h.Keeper, err = secret.Open(t.Context(), secret.Config{Rings: h.vault, Now: clock, Wall: clock, Chance: rand.Reader, Audit: func(_ context.Context, e secret.Entry) error {
		h.entries = append(h.entries, e)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) rotate(t *testing.T, turn secret.Turn) secret.Known {
	t.Helper()
	turn.By = "ana"
	known, err := h.Rotate(t.Context(), turn)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// token is one that was issued now.
func (h *house) token() string { return h.issued(h.Tokens(), h.now) }

func (*house) issued(r media.Keyring, at time.Time) string {
	return r.Seal(&media.Token{Advertiser: "a", Campaign: "c", LineItem: "l", Placement: "p", Product: "x", Price: 1, Currency: "EUR", Issued: at})
}

func (h *house) opens(t *testing.T, what, token string, want bool) {
	t.Helper()
	if _, err := h.Tokens().Open(token); (err == nil) != want {
		t.Errorf("%s: %v, want it opened %t", what, err, want)
	}
}

// A token is billed for a day: one that was out before a rotation is good until
// then, across restarts, and nobody can sign a new one with the key before.
func TestAClickAfterARotationIsStillBilled(t *testing.T) {
	t.Parallel()
	h := open(t)
	before, ring := h.token(), h.Tokens()
	h.now = h.now.Add(time.Hour)
	known := h.rotate(t, secret.Turn{Ring: secret.Tokens})
	if len(known.Generations) != 2 || known.Generations[0].Number != 2 || !known.Generations[1].Retired.Equal(h.now.Add(2*media.TokenLife)) {
		t.Errorf("it is told as %+v", known)
	}
	after := h.token()
	h.opens(t, "the old token", before, true)
	h.opens(t, "a new token", after, true)
	if _, err := ring.Open(after); !errors.Is(err, media.ErrToken) {
		t.Errorf("a new token is signed with the old key: %v", err)
	}
	h.opens(t, "a decision that was under way", h.issued(ring, h.now.Add(time.Second)), true)
	h.opens(t, "one that was signed with the old key later", h.issued(ring, h.now.Add(2*time.Minute)), false)
	h.restart(t)
	h.opens(t, "the old token after a restart", before, true)
	h.now = h.now.Add(2*media.TokenLife - time.Second)
	if n, err := h.Retire(t.Context()); err != nil || n != 0 {
		t.Errorf("retired %d before their time, %v", n, err)
	}
	h.opens(t, "the old token on its last day", before, true)
	h.now = h.now.Add(time.Second)
	if n, err := h.Retire(t.Context()); err != nil || n != 1 {
		t.Errorf("retired %d, %v; want the first", n, err)
	}
	h.opens(t, "a token whose key is destroyed", before, false)
	h.opens(t, "the new key's token", after, true)
	if len(h.entries) != 1 || h.entries[0].By != "ana" || h.entries[0].Ring != secret.Tokens || h.entries[0].Number != 2 {
		t.Errorf("the audit holds %+v", h.entries)
	}
}

func TestALeakedKeyIsWorthNothingAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t)
	before := h.token()
	h.rotate(t, secret.Turn{Ring: secret.Tokens, AtOnce: true})
	h.opens(t, "a token under the leaked key", before, false)
	h.opens(t, "a new token", h.token(), true)
	for _, name := range []string{secret.Tombstones, secret.BackupList} {
		_, err := h.Rotate(t.Context(), secret.Turn{By: "ana", Ring: name, AtOnce: true})
		if retail.KindOf(err) != retail.Conflict {
			t.Errorf("%s without the older ones: %v", name, err)
		}
		h.rotate(t, secret.Turn{Ring: name})
	}
	for _, name := range []string{"", "nope", "partner/", "partner/nobody", "certificates/public"} {
		if _, err := h.Rotate(t.Context(), secret.Turn{By: "ana", Ring: name}); retail.KindOf(err) != retail.NotFound {
			t.Errorf("rotated %q: %v", name, err)
		}
	}
}

// What belongs to a rotation may fail, or the program be killed before it: the old
// generation is not destroyed then.
func TestARotationThatBreaksOffLosesNothing(t *testing.T) {
	t.Parallel()
	h := open(t)
	broken := errors.New("the disk is gone")
	turn := secret.Turn{By: "ana", Ring: secret.Certificates, AtOnce: true, After: func(context.Context) error { return broken }}
	if _, err := h.Rotate(t.Context(), turn); !errors.Is(err, broken) {
		t.Errorf("it was carried out: %v", err)
	}
	h.restart(t)
	ring, err := h.vault.Ring(t.Context(), secret.Certificates)
	if err != nil || len(ring) != 2 {
		t.Fatalf("%d generations, %v; want both", len(ring), err)
	}
	if n, err := h.Retire(t.Context()); err != nil || n != 1 {
		t.Errorf("the next morning retired %d, %v", n, err)
	}
}

func TestTombstonesAreKeptForGood(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.rotate(t, secret.Turn{Ring: secret.Tombstones})
	h.rotate(t, secret.Turn{Ring: secret.BackupList})
	h.now = h.now.AddDate(0, 0, 30)
	if n, err := h.Retire(t.Context()); err != nil || n != 0 {
		t.Errorf("retired %d while backups can be read, %v", n, err)
	}
	h.now = h.now.AddDate(0, 0, 1)
	if n, err := h.Retire(t.Context()); err != nil || n != 1 {
		t.Errorf("retired %d, %v; want that of the list", n, err)
	}
	all, err := h.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int)
	for _, k := range all {
		got[k.Name] = len(k.Generations)
		if k.About == "" {
			t.Errorf("%s says nothing of itself", k.Name)
		}
	}
	if len(got) != 4 || got[secret.Tombstones] != 2 || got[secret.BackupList] != 1 {
		t.Errorf("it lists %v", got)
	}
}
