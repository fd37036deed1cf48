package backup

import (
	"bytes"
	"context"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// Recovery is the half of a recovery key that the house keeps: with it, keys of
// weeks can be sealed for the operator, and none can be read. Whoever has it
// could forge a backup, so it is kept like the rest of the data directory.
type Recovery struct {
	public hpke.PublicKey
	proof  []byte // part of what is sealed and opened, so that outsiders cannot seal
}

// RecoveryKey is the operator's half, which opens every backup that can still be
// read. It never lies in the house.
type RecoveryKey struct {
	private hpke.PrivateKey
	proof   []byte
}

// The first words of the texts of both halves.
const (
	recoveryText    = "endcap-recovery-public-1:"
	recoveryKeyText = "endcap-recovery-key-1:"
)

// NewRecoveryKey draws a recovery key.
func NewRecoveryKey() (*RecoveryKey, error) {
	private, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("draw a recovery key: %w", err)
	}
	proof := make([]byte, keySize)
	if _, err := rand.Read(proof); err != nil {
		return nil, fmt.Errorf("draw a recovery key: %w", err)
	}
	return &RecoveryKey{private, proof}, nil
}

// Public is the house's half.
func (k *RecoveryKey) Public() *Recovery { return &Recovery{k.private.PublicKey(), k.proof} }

// Text is the key as a line of text. It is a secret.
func (k *RecoveryKey) Text() (string, error) {
	b, err := k.private.Bytes()
	if err != nil {
		return "", fmt.Errorf("write a recovery key: %w", err)
	}
	return recoveryKeyText + base64.StdEncoding.EncodeToString(append(bytes.Clone(k.proof), b...)), nil
}

// Text is the house's half as a line of text.
func (r *Recovery) Text() string {
	return recoveryText + base64.StdEncoding.EncodeToString(append(bytes.Clone(r.proof), r.public.Bytes()...))
}

// Name tells recovery keys apart: both halves have the same.
func (r *Recovery) Name() string {
	sum := sha256.Sum256(append([]byte("endcap recovery name "), r.public.Bytes()...))
	return hex.EncodeToString(sum[:4])
}

// ParseRecoveryKey reads what RecoveryKey.Text wrote, among lines that begin
// with #.
func ParseRecoveryKey(text string) (*RecoveryKey, error) {
	b, err := parseText(text, recoveryKeyText)
	if err != nil {
		return nil, fmt.Errorf("read a recovery key: %w", err)
	}
	private, err := hpke.MLKEM768X25519().NewPrivateKey(b[keySize:])
	if err != nil {
		return nil, errors.New("read a recovery key: it is cut short or was changed")
	}
	return &RecoveryKey{private, b[:keySize]}, nil
}

// ParseRecovery reads what Recovery.Text wrote.
func ParseRecovery(text string) (*Recovery, error) {
	b, err := parseText(text, recoveryText)
	if err != nil {
		return nil, fmt.Errorf("read the house's half of the recovery key: %w", err)
	}
	public, err := hpke.MLKEM768X25519().NewPublicKey(b[keySize:])
	if err != nil {
		return nil, errors.New("read the house's half of the recovery key: it is cut short or was changed")
	}
	return &Recovery{public, b[:keySize]}, nil
}

func parseText(text, begins string) ([]byte, error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		rest, ok := strings.CutPrefix(line, begins)
		if !ok {
			break
		}
		b, err := base64.StdEncoding.DecodeString(rest)
		if err != nil || len(b) <= keySize {
			return nil, errors.New("it is cut short or was changed")
		}
		return b, nil
	}
	return nil, fmt.Errorf("it has no line that begins with %s", begins)
}

// bundle is the object "keys": what a machine that lost everything needs beside
// the recovery key. It is replaced as a whole and holds no dead key.
type bundle struct {
	Format   int       `json:"format"`
	House    string    `json:"house"`
	Recovery string    `json:"recovery"` // the name of the recovery key
	Weeks    []wrapped `json:"weeks"`
}

// wrapped is a week's key, sealed for the recovery key.
type wrapped struct {
	Week   Week   `json:"week"`
	Check  string `json:"check"`
	Sealed []byte `json:"sealed"`
}

const bundleFormat = 1

// beside is what the seal of a week's key proves too.
func beside(proof []byte, house string, w Week) []byte {
	return fmt.Appendf(nil, "endcap backup key 1 %x %s %s", proof, house, w)
}

func (r *Recovery) wrap(house string, w Week, key []byte) (wrapped, error) {
	sealed, err := hpke.Seal(r.public, hpke.HKDFSHA256(), hpke.AES256GCM(), beside(r.proof, house, w), key)
	if err != nil {
		return wrapped{}, fmt.Errorf("seal the key of week %s: %w", w, err)
	}
	return wrapped{w, checkOf(key), sealed}, nil
}

func readBundle(ctx context.Context, t Target) (*bundle, error) {
	b, err := t.Get(ctx, nameKeys, bundleMax)
	if err != nil {
		return nil, err
	}
	var out bundle
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("%w: %s cannot be read", ErrDamaged, nameKeys)
	}
	if out.Format != bundleFormat {
		return nil, fmt.Errorf("%w: %s has format %d, this program knows %d", ErrDamaged, nameKeys, out.Format, bundleFormat)
	}
	return &out, nil
}

// open gives the keys of the weeks that are not over at an instant. There are such
// to come where a house's clock was ahead.
func (b *bundle) open(k *RecoveryKey, now time.Time) (map[Week][]byte, error) {
	out := make(map[Week][]byte)
	for _, w := range b.Weeks {
		if w.Week < living(now)[0] {
			continue
		}
		key, err := hpke.Open(k.private, hpke.HKDFSHA256(), hpke.AES256GCM(), beside(k.proof, b.House, w.Week), w.Sealed)
		if err != nil {
			return nil, fmt.Errorf("%w: it is %s, and the target was written for %s", ErrKey, k.Public().Name(), b.Recovery)
		}
		out[w.Week] = key
	}
	return out, nil
}

// bundledWeeks lists the weeks whose keys are in a target's bundle.
func bundledWeeks(ctx context.Context, t Target) ([]Week, error) {
	b, err := readBundle(ctx, t)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	weeks := make([]Week, len(b.Weeks))
	for i := range weeks {
		weeks[i] = b.Weeks[i].Week
	}
	return weeks, nil
}

// writeBundle brings the bundle up to date: the held keys, and no other. A week whose key is not the house's own belongs to another house.
func writeBundle(ctx context.Context, t Target, r *Recovery, house string, held map[Week][]byte) error {
	old, err := readBundle(ctx, t)
	switch {
	case errors.Is(err, ErrNotFound):
		old = &bundle{}
	case err != nil:
		return err
	case old.House != house:
		return fmt.Errorf("%w (%s, this one is %s)", ErrForeign, old.House, house)
	}
	same := old.Recovery == r.Name() && len(old.Weeks) == len(held)
	for _, w := range old.Weeks {
		key, ok := held[w.Week]
		if ok && checkOf(key) != w.Check {
			return fmt.Errorf("%w: a copy of this house wrote week %s with a key of its own", ErrForeign, w.Week)
		}
		same = same && ok
	}
	if same {
		return nil
	}
	fresh := bundle{Format: bundleFormat, House: house, Recovery: r.Name()}
	for _, w := range slices.Sorted(maps.Keys(held)) {
		sealed, err := r.wrap(house, w, held[w])
		if err != nil {
			return err
		}
		fresh.Weeks = append(fresh.Weeks, sealed)
	}
	b, err := json.MarshalIndent(&fresh, "", " ")
	if err != nil {
		return err
	}
	return t.Put(ctx, nameKeys, b)
}

// Write writes the key to a new file that its owner alone can read.
func (k *RecoveryKey) Write(path string, now time.Time) error {
	text, err := k.Text()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "# The recovery key %s of an Endcap, made %s. Whoever has it can read its backups.\n%s\n", k.Public().Name(), now.Format(time.DateOnly), text)
	return errors.Join(err, f.Sync(), f.Close())
}

// ReadRecoveryKey reads what Write wrote.
func ReadRecoveryKey(path string) (*RecoveryKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := ParseRecoveryKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}
