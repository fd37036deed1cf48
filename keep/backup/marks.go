package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
)

// markSize is the length of one mark.
const markSize = 32

// marksHead is the first line of the object "tombstones".
type marksHead struct {
	Format int    `json:"format"`
	House  string `json:"house"`
	Count  int    `json:"count"`
}

const marksFormat = 1

// marksKey seals the tombstones. It lives in the vault and in every backup of it,
// so that whoever can restore a backup can read them, however much later they
// were written.
func marksKey(ctx context.Context, s Secrets) ([]byte, error) {
	key, err := s.Secret(ctx, secretMarks, freshKey)
	if err != nil {
		return nil, fmt.Errorf("the key of tombstones: %w", err)
	}
	return key, nil
}

// PutMarks stores the tombstones of everybody forgotten, in place of what was
// stored before. They outlive every backup, so that a restore of one that is
// older than a forgetting forgets again. Call it at each forgetting; Write
// asks for it too. Only one call at a time: the later list must win.
func PutMarks(ctx context.Context, t Target, s Secrets, marks [][markSize]byte) error {
	if len(marks) > marksMax/markSize {
		return fmt.Errorf("%d tombstones, at most %d", len(marks), marksMax/markSize)
	}
	house, err := houseOf(ctx, s)
	if err != nil {
		return err
	}
	key, err := marksKey(ctx, s)
	if err != nil {
		return err
	}
	line, err := json.Marshal(marksHead{marksFormat, house, len(marks)})
	if err != nil {
		return err
	}
	line = append(line, '\n')
	body := make([]byte, 0, markSize*len(marks))
	for i := range marks {
		body = append(body, marks[i][:]...)
	}
	sealed, err := seal(key, body, line)
	if err != nil {
		return err
	}
	if err := t.Put(ctx, nameMarks, append(line, sealed...)); err != nil {
		return fmt.Errorf("write the tombstones: %w", err)
	}
	return nil
}

// Marks reads the tombstones of the target that b lies in. s is the vault that
// was restored from b. A list that is gone, or shorter than it was at b, is
// ErrDamaged: nobody may come back who was forgotten.
func (b *Backup) Marks(ctx context.Context, s Secrets) ([][markSize]byte, error) {
	stored, err := b.target.Get(ctx, nameMarks, marksMax+1<<16)
	if err != nil {
		return nil, fmt.Errorf("%w: who was forgotten since cannot be told: read %s: %w", ErrDamaged, nameMarks, err)
	}
	line, sealed, ok := bytes.Cut(stored, []byte("\n"))
	var h marksHead
	if !ok || json.Unmarshal(line, &h) != nil || h.Format != marksFormat {
		return nil, fmt.Errorf("%w: %s is no list of tombstones", ErrDamaged, nameMarks)
	}
	key, err := marksKey(ctx, s)
	if err != nil {
		return nil, err
	}
	body, err := unseal(key, sealed, stored[:len(line)+1])
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, nameMarks, err)
	}
	if h.House != b.head.House || len(body) != markSize*h.Count || h.Count < b.manifest.Marks {
		return nil, fmt.Errorf("%w: %s has %d tombstones, and there were %d at the backup", ErrDamaged, nameMarks, h.Count, b.manifest.Marks)
	}
	marks := make([][markSize]byte, h.Count)
	for i := range marks {
		copy(marks[i][:], body[i*markSize:])
	}
	return marks, nil
}
