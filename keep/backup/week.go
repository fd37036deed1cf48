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

// Dead is what DestroyDead did.
type Dead struct {
	Keys int // destroyed
	// Held says that nothing was, because the clock may have leapt.
	Held bool
}

// The notes of the days on which DestroyDead was asked lie in the vault, as
// secrets that are none: their names are days, which sort as texts, and each
// holds the first instant of its day at which it was asked. secretBegun holds the
// first instant of all.
const (
	secretDays  = "backup/day/"
	secretBegun = "backup/begun"
	steadyDays  = 8
	steadyFor   = 24 * time.Hour
)

// DestroyDead has the vault destroy the keys of weeks that are over. Call it
// daily: what it destroys makes old backups unreadable for good. So it does not
// trust a clock that leaps: unless it was asked between steadyDays and steadyFor
// before this instant, it only notes the day. A clock that is years off, and set
// right within steadyFor, costs no backup, however often that happens: the first
// call under a right clock strikes the notes made under the wrong one. A house
// that was shut for long destroys a day after it opened. In the first day of a
// new house there is nothing to destroy, and nothing is Held.
func DestroyDead(ctx context.Context, s Secrets, now time.Time) (Dead, error) {
	trust, err := trusted(ctx, s, now)
	if err != nil {
		return Dead{}, fmt.Errorf("note the day of old backups: %w", err)
	}
	if !trust {
		return Dead{Held: true}, nil
	}
	n, err := s.Destroy(ctx, WeekSecrets, WeekSecrets+string(living(now)[0]))
	if err == nil {
		_, err = s.Destroy(ctx, secretDays, secretDays+dayOf(now, -steadyDays))
	}
	if err == nil {
		_, err = s.Destroy(ctx, secretDays+dayOf(now, 1), secretDays+"~")
	}
	if err != nil {
		return Dead{}, fmt.Errorf("destroy the keys of old backups: %w", err)
	}
	return Dead{Keys: n}, nil
}

// trusted notes the day of an instant and says whether the clock has been steady
// until then, or else whether the first note of all is younger than steadyFor: no
// key of this house can be over by then.
func trusted(ctx context.Context, s Secrets, now time.Time) (bool, error) {
	note := func() ([]byte, error) { return now.UTC().AppendFormat(nil, time.RFC3339), nil }
	none := func() ([]byte, error) { return nil, errNoKey }
	steady := false
	for back := 1; back <= steadyDays && !steady; back++ {
		b, err := s.Secret(ctx, secretDays+dayOf(now, -back), none)
		if err != nil && !errors.Is(err, errNoKey) {
			return false, err
		}
		at, unread := time.Parse(time.RFC3339, string(b))
		steady = err == nil && unread == nil && now.Sub(at) >= steadyFor
	}
	b, err := s.Secret(ctx, secretBegun, note)
	if err != nil {
		return false, err
	}
	if _, err = s.Secret(ctx, secretDays+dayOf(now, 0), note); err != nil {
		return false, err
	}
	begun, unread := time.Parse(time.RFC3339, string(b))
	since := now.Sub(begun)
	fresh := unread == nil && since > -time.Second && since < steadyFor // a note has whole seconds
	return steady || fresh, nil
}

// dayOf names a day by its distance from that of an instant, in UTC.
func dayOf(now time.Time, days int) string {
	return now.UTC().AddDate(0, 0, days).Format(time.DateOnly)
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

// heldKeys are the keys of weeks that the vault holds.
func heldKeys(ctx context.Context, s Secrets, weeks []Week) (map[Week][]byte, error) {
	held := make(map[Week][]byte)
	for _, w := range weeks {
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
