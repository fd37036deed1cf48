package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// markSize is the length of one mark, and of a key under which marks are made.
const markSize = 32

// Forgotten is all by which a restore forgets again whoever was forgotten since.
type Forgotten struct {
	Marks [][markSize]byte // of everybody forgotten
	Keys  [][]byte         // under which they were made: a vault older than a key could recognise nobody
}

// marksHead is the first line of the object "tombstones".
type marksHead struct {
	Format int      `json:"format"`
	House  string   `json:"house"`
	Count  int      `json:"count"`
	Keys   int      `json:"keys,omitempty"`
	Seals  [][]byte `json:"seals,omitempty"` // the list's own key, sealed under each of the house's
}

// The formats: of old, the list was sealed under the house's key itself, and
// held no keys of marks.
const (
	marksFormatOld = 1
	marksFormat    = 2
)

// sealsMax bounds the house's keys of the list.
const sealsMax = 64

// PutForgotten stores a list in place of what was stored before. It outlives every
// backup, so that a restore of one that is older than a forgetting forgets again.
// Any one of seals opens it: give those that lie in the vaults of living backups,
// so that whoever can restore one can read the list, however much later it was
// written. Call it at each forgetting; Write asks for it too. Only one call at a
// time: the later list must win.
func PutForgotten(ctx context.Context, t Target, s Secrets, l Forgotten, seals [][]byte) error {
	switch {
	case len(l.Marks) > marksMax/markSize-sealsMax:
		return fmt.Errorf("%d tombstones, at most %d", len(l.Marks), marksMax/markSize-sealsMax)
	case len(seals) == 0 || len(seals) > sealsMax || len(l.Keys) > sealsMax:
		return fmt.Errorf("a list of tombstones has 1 to %d seals, this %d, and %d keys", sealsMax, len(seals), len(l.Keys))
	}
	house, err := houseOf(ctx, s)
	if err != nil {
		return err
	}
	own, err := freshKey()
	if err != nil {
		return err
	}
	h := marksHead{Format: marksFormat, House: house, Count: len(l.Marks), Keys: len(l.Keys)}
	for _, with := range seals {
		sealed, err := seal(with, own, []byte(house))
		if err != nil {
			return err
		}
		h.Seals = append(h.Seals, sealed)
	}
	body := make([]byte, 0, markSize*(len(l.Keys)+len(l.Marks)))
	for _, key := range l.Keys {
		if len(key) != markSize {
			return fmt.Errorf("a key of marks has %d bytes, this %d", markSize, len(key))
		}
		body = append(body, key...)
	}
	for i := range l.Marks {
		body = append(body, l.Marks[i][:]...)
	}
	line, err := json.Marshal(h)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	sealed, err := seal(own, body, line)
	if err != nil {
		return err
	}
	if err := t.Put(ctx, nameMarks, append(line, sealed...)); err != nil {
		return fmt.Errorf("write the tombstones: %w", err)
	}
	return nil
}

// Forgotten reads the list of the target that b lies in. seals are of the vault that
// was restored from b. A list that is gone, or shorter than it was at b, is
// ErrDamaged: nobody may come back who was forgotten.
func (b *Backup) Forgotten(ctx context.Context, seals [][]byte) (Forgotten, error) {
	stored, err := b.target.Get(ctx, nameMarks, marksMax+1<<16)
	if err != nil {
		return Forgotten{}, fmt.Errorf("%w: who was forgotten since cannot be told: read %s: %w", ErrDamaged, nameMarks, err)
	}
	line, sealed, ok := bytes.Cut(stored, []byte("\n"))
	var h marksHead
	if !ok || json.Unmarshal(line, &h) != nil || h.Format != marksFormat && h.Format != marksFormatOld || len(h.Seals) > sealsMax {
		return Forgotten{}, fmt.Errorf("%w: %s is no list of tombstones", ErrDamaged, nameMarks)
	}
	body, err := openList(&h, sealed, stored[:len(line)+1], seals)
	if err != nil {
		return Forgotten{}, fmt.Errorf("%w: %s: %w", ErrDamaged, nameMarks, err)
	}
	if h.House != b.head.House || h.Keys < 0 || h.Keys > sealsMax || len(body) != markSize*(h.Keys+h.Count) || h.Count < b.manifest.Marks {
		return Forgotten{}, fmt.Errorf("%w: %s has %d tombstones, and there were %d at the backup", ErrDamaged, nameMarks, h.Count, b.manifest.Marks)
	}
	out := Forgotten{Marks: make([][markSize]byte, h.Count)}
	for range h.Keys {
		out.Keys = append(out.Keys, bytes.Clone(body[:markSize]))
		body = body[markSize:]
	}
	for i := range out.Marks {
		copy(out.Marks[i][:], body[i*markSize:])
	}
	return out, nil
}

// openList opens a list's body with the first of the seals that fits.
func openList(h *marksHead, sealed, line []byte, seals [][]byte) ([]byte, error) {
	for _, with := range seals {
		if h.Format == marksFormatOld {
			if body, err := unseal(with, sealed, line); err == nil {
				return body, nil
			}
		}
		for _, s := range h.Seals {
			if own, err := unseal(with, s, []byte(h.House)); err == nil {
				return unseal(own, sealed, line)
			}
		}
	}
	return nil, errors.New("none of the vault's keys opens it")
}
