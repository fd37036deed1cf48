package backup

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// KeyDays is how long the key of a week lives, from the week's Monday at
// midnight UTC. So no backup can be read when it is older, and each can for at
// least KeyDays less seven days.
const KeyDays = 30

// keySize is the length of every key here, for AES-256.
const keySize = 32

// WeekSecrets begins the names of the weeks' keys in the vault. A copy of the
// vault that goes into a backup must not hold them: it would prolong their lives.
const WeekSecrets = "backup/week/"

// secretHouse is the house's name among backups. It outlives every week.
const secretHouse = "backup/house"

// Week is a week of ISO 8601 in UTC, such as 2026-W47. Weeks sort as texts.
type Week string

// WeekOf is the week of an instant.
func WeekOf(at time.Time) Week {
	year, week := at.UTC().ISOWeek()
	return Week(fmt.Sprintf("%04d-W%02d", year, week))
}

// Dies is when the key of the week of an instant is destroyed.
func Dies(at time.Time) time.Time {
	at = at.UTC()
	monday := at.AddDate(0, 0, -(int(at.Weekday())+6)%7)
	return time.Date(monday.Year(), monday.Month(), monday.Day(), 0, 0, 0, 0, time.UTC).AddDate(0, 0, KeyDays)
}

// living lists the weeks whose keys live at an instant, oldest first.
func living(now time.Time) []Week {
	var out []Week
	for back := KeyDays; back >= 0; back-- {
		day := now.AddDate(0, 0, -back)
		if week := WeekOf(day); Dies(day).After(now) && (len(out) == 0 || out[len(out)-1] != week) {
			out = append(out, week)
		}
	}
	return out
}

// DestroyDead has the vault destroy the keys of weeks that are over, and says how
// many there were. Call it daily: what it destroys makes old backups unreadable.
func DestroyDead(ctx context.Context, s Secrets, now time.Time) (int, error) {
	n, err := s.Destroy(ctx, WeekSecrets, WeekSecrets+string(living(now)[0]))
	if err != nil {
		return 0, fmt.Errorf("destroy the keys of old backups: %w", err)
	}
	return n, nil
}

func freshKey() ([]byte, error) {
	key := make([]byte, keySize)
	_, err := rand.Read(key)
	return key, err
}

// weekKey is the key of a week, made where there is none.
func weekKey(ctx context.Context, s Secrets, w Week) ([]byte, error) {
	key, err := s.Secret(ctx, WeekSecrets+string(w), freshKey)
	if err == nil && len(key) != keySize {
		err = errors.New("the vault's key is not one")
	}
	if err != nil {
		return nil, fmt.Errorf("the key of week %s: %w", w, err)
	}
	return key, nil
}

// errNoKey tells that the vault holds no key of a week.
var errNoKey = errors.New("the vault has no such key")

// heldKeys are the keys of living weeks that the vault holds.
func heldKeys(ctx context.Context, s Secrets, now time.Time) (map[Week][]byte, error) {
	held := make(map[Week][]byte)
	for _, w := range living(now) {
		key, err := s.Secret(ctx, WeekSecrets+string(w), func() ([]byte, error) { return nil, errNoKey })
		switch {
		case errors.Is(err, errNoKey):
		case err != nil:
			return nil, fmt.Errorf("the key of week %s: %w", w, err)
		default:
			held[w] = key
		}
	}
	return held, nil
}

// checkOf tells keys apart without telling them.
func checkOf(key []byte) string {
	sum := sha256.Sum256(append([]byte("endcap backup check "), key...))
	return hex.EncodeToString(sum[:8])
}

// houseOf names the house whose backups these are, for ever.
func houseOf(ctx context.Context, s Secrets) (string, error) {
	id, err := s.Secret(ctx, secretHouse, func() ([]byte, error) {
		b := make([]byte, 8)
		_, err := rand.Read(b)
		return hex.AppendEncode(nil, b), err
	})
	if err != nil {
		return "", fmt.Errorf("the house's name: %w", err)
	}
	return string(id), nil
}
