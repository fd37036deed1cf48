// Package secret rotates the secrets by which the house signs, masks and
// recognises: each is a ring of the vault, whose newest generation is used while
// older ones are understood until nothing made under them counts any more. A
// rotation is one transaction, so one that is killed has happened or has not, and
// what is served meanwhile never stops.
//
// It stands beside the road of a receipt: tokens that come back on it are opened
// with what this package holds.
package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"endcap/keep/registry"
	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/media"
)

// The rings of every house. A partner's is called PartnerPrefix and its id.
const (
	Tokens        = vault.TokenRing
	Tombstones    = vault.TombstoneRing
	Certificates  = vault.SigningRing
	BackupList    = vault.ListRing
	PartnerPrefix = vault.PartnerRings
)

// ring says what a ring is for, and what becomes of its older generations.
type ring struct {
	about string
	size  int           // of a secret, in bytes
	life  time.Duration // of a generation once there is a newer one; forever is for good
	wall  bool          // life counts by the wall's clock, whatever the house's says
	hasty bool          // older generations may be destroyed at once
}

const forever = time.Duration(math.MaxInt64)

// How long older generations live. A token is worth something for TokenLife, and
// is answered for as long again. A backup can be read for 30 days, and whoever
// restores it must be able to read the list of tombstones with what was in it. A
// partner has PartnerLife to take over new pseudonyms.
const (
	tokenLife = 2 * media.TokenLife
	listLife  = 31 * 24 * time.Hour
	// PartnerLife is for how long a partner is told the old pseudonym beside the new.
	PartnerLife = 90 * 24 * time.Hour
)

// signLate is how long after a rotation a decision that was under way may still
// have signed with the key before.
const signLate = time.Minute

// rings are the rules. Every house has those that are no partner's.
func rings() map[string]ring {
	return map[string]ring{
		Tokens:        {about: "signs tokens of sponsored products and masks the shopper in them", size: 2 * media.KeySize, life: tokenLife, hasty: true},
		Tombstones:    {about: "recognises the forgotten and what was theirs", size: 32, life: forever},
		Certificates:  {about: "signs certificates of erasure", size: 32, hasty: true},
		BackupList:    {about: "seals the list of tombstones beside backups", size: 32, life: listLife, wall: true},
		PartnerPrefix: {about: "makes a partner's pseudonyms", size: 32, life: PartnerLife, hasty: true},
	}
}

func ruleOf(name string) (ring, bool) {
	if strings.HasPrefix(name, PartnerPrefix) {
		name = PartnerPrefix
	} else if name == PartnerPrefix {
		return ring{}, false
	}
	r, ok := rings()[name]
	return r, ok
}

// Config is what a Keeper stands on. All of it is required.
type Config struct {
	Rings  vault.Rings
	Now    retail.Clock // the house's clock
	Wall   retail.Clock // the wall's
	Chance io.Reader
	// Audit keeps who asked for a rotation, before it is done.
	Audit func(ctx context.Context, e Entry) error
}

// EntryKind is the kind of registry row under which entries are kept.
const EntryKind registry.Kind = "secret"

// Entry is who asked for what.
type Entry struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Ring   string    `json:"ring"`
	Number int       `json:"number"` // of the generation to be made
	AtOnce bool      `json:"at_once,omitempty"`
}

// Keeper rotates the house's secrets. Make one with Open; it is safe for
// concurrent use.
type Keeper struct {
	cfg    Config
	turn   sync.Mutex // one rotation at a time
	tokens atomic.Pointer[media.Keyring]
}

// ErrConfig is returned by Open.
var ErrConfig = errors.New("secrets cannot be kept like this")

// Open makes the rings that a house lacks, and reads the tokens'.
func Open(ctx context.Context, cfg Config) (*Keeper, error) {
	if cfg.Rings == nil || cfg.Now == nil || cfg.Wall == nil || cfg.Chance == nil || cfg.Audit == nil {
		return nil, fmt.Errorf("%w: a part is missing", ErrConfig)
	}
	k := &Keeper{cfg: cfg}
	for name, r := range rings() {
		if name == PartnerPrefix {
			continue
		}
		if _, err := vault.OpenRing(ctx, cfg.Rings, name, func() (vault.Generation, error) { return k.draw(r) }); err != nil {
			return nil, err
		}
	}
	return k, k.readTokens(ctx)
}

// Partner opens a partner's ring, and makes it where there is none.
func (k *Keeper) Partner(ctx context.Context, partner string) ([]vault.Generation, error) {
	r, _ := ruleOf(PartnerPrefix + partner)
	return vault.OpenRing(ctx, k.cfg.Rings, PartnerPrefix+partner, func() (vault.Generation, error) { return k.draw(r) })
}

func (k *Keeper) draw(r ring) (vault.Generation, error) {
	g := vault.Generation{Value: make([]byte, r.size), Made: k.clock(r)}
	_, err := io.ReadFull(k.cfg.Chance, g.Value)
	return g, err
}

func (k *Keeper) clock(r ring) time.Time {
	if r.wall {
		return k.cfg.Wall()
	}
	return k.cfg.Now()
}

// Tokens is the ring by which tokens are signed and opened now.
func (k *Keeper) Tokens() media.Keyring { return *k.tokens.Load() }

// readTokens makes the keyring of the tokens' ring.
func (k *Keeper) readTokens(ctx context.Context) error {
	all, err := k.cfg.Rings.Ring(ctx, Tokens)
	if err != nil {
		return err
	}
	keys := make([]media.Key, len(all))
	for i, g := range all {
		if len(g.Value) != 2*media.KeySize {
			return fmt.Errorf("generation %d of %s is damaged: it has %d bytes, not %d", g.Number, Tokens, len(g.Value), 2*media.KeySize)
		}
		keys[i].Number = uint8(g.Number) // of the few that are held no two are alike
		copy(keys[i].Sign[:], g.Value[:media.KeySize])
		copy(keys[i].Mask[:], g.Value[media.KeySize:])
		if i > 0 {
			keys[i].Last = all[i-1].Made.Add(signLate)
		}
	}
	made := media.NewKeyring(keys[0], keys[1:]...)
	k.tokens.Store(&made)
	return nil
}

// Known is a ring as an operator sees it.
type Known struct {
	Name        string
	About       string
	Generations []Generation
}

// Generation is one of a ring, without its secret.
type Generation struct {
	Number  int
	Made    time.Time // zero where nobody knows
	Retired time.Time // when it is destroyed; zero for the newest and for one that is kept for good
}

// List tells of all rings, without a secret.
func (k *Keeper) List(ctx context.Context) ([]Known, error) {
	var out []Known
	for after := ""; ; {
		names, err := k.cfg.Rings.Rings(ctx, after, pageMax)
		if err != nil || len(names) == 0 {
			return out, err
		}
		for _, name := range names {
			after = name
			r, ok := ruleOf(name)
			if !ok {
				continue // public halves
			}
			all, err := k.cfg.Rings.Ring(ctx, name)
			if err != nil {
				return nil, err
			}
			out = append(out, knownOf(name, r, all))
		}
	}
}

// pageMax is how many rings are read at once.
const pageMax = 1_000

func knownOf(name string, r ring, all []vault.Generation) Known {
	known := Known{Name: name, About: r.about, Generations: make([]Generation, len(all))}
	for i, g := range all {
		known.Generations[i] = Generation{Number: g.Number, Made: g.Made}
		if i > 0 && r.life != forever {
			known.Generations[i].Retired = all[i-1].Made.Add(r.life)
		}
	}
	return known
}

// Turn asks for a rotation.
type Turn struct {
	By     string
	Ring   string
	AtOnce bool // the older generations are destroyed now: they leaked
	// After is done between the rotation and the destruction of what is older; may
	// be nil.
	After func(ctx context.Context) error
}

// Rotate makes a new generation of a ring, which is used from then on. Those
// before live on as the ring's rule says, or are destroyed at once.
func (k *Keeper) Rotate(ctx context.Context, t Turn) (Known, error) {
	r, ok := ruleOf(t.Ring)
	if !ok {
		return Known{}, &retail.Error{Kind: retail.NotFound, Field: "secret", Say: fmt.Sprintf("there is no secret %.80q", t.Ring), Cure: "endcap secret list names them"}
	}
	if t.AtOnce && !r.hasty {
		return Known{}, &retail.Error{Kind: retail.Conflict, Field: "at_once", Say: "without the older ones nobody could say who was forgotten", Cure: "rotate without it"}
	}
	k.turn.Lock()
	defer k.turn.Unlock()
	all, err := k.cfg.Rings.Ring(ctx, t.Ring)
	switch {
	case err != nil:
		return Known{}, err
	case len(all) == 0:
		return Known{}, &retail.Error{Kind: retail.NotFound, Field: "secret", Say: fmt.Sprintf("there is no secret %.80q", t.Ring), Cure: "endcap secret list names them"}
	}
	next, err := k.draw(r)
	if err != nil {
		return Known{}, fmt.Errorf("draw a secret: %w", err)
	}
	next.Number = all[0].Number + 1
	if err := k.cfg.Audit(ctx, Entry{At: k.cfg.Now(), By: t.By, Ring: t.Ring, Number: next.Number, AtOnce: t.AtOnce}); err != nil {
		return Known{}, err
	}
	if err := k.turnTo(ctx, t, next); err != nil {
		return Known{}, err
	}
	if all, err = k.cfg.Rings.Ring(ctx, t.Ring); err != nil {
		return Known{}, err
	}
	return knownOf(t.Ring, r, all), nil
}

// turnTo uses a new generation from now on, and destroys those before where that
// was asked or their time is over.
func (k *Keeper) turnTo(ctx context.Context, t Turn, next vault.Generation) error {
	_, err := k.cfg.Rings.Turn(ctx, t.Ring, next)
	if errors.Is(err, vault.ErrRing) {
		return &retail.Error{Kind: retail.Conflict, Field: "secret", Say: fmt.Sprintf("it holds %d generations, which is the most", vault.RingMax), Cure: "wait until the oldest has served its time", Err: err}
	}
	if err == nil && t.After != nil {
		err = t.After(ctx)
	}
	if err == nil && t.AtOnce {
		_, err = k.cfg.Rings.Retire(ctx, t.Ring, next.Number)
	}
	if err != nil {
		return err
	}
	r, _ := ruleOf(t.Ring)
	if _, err := k.retire(ctx, t.Ring, r); err != nil || t.Ring != Tokens {
		return err
	}
	return k.readTokens(ctx)
}

// Retire destroys every generation whose time is over, and says how many. Call it
// daily, and not before whatever a rotation that was killed left open is done.
func (k *Keeper) Retire(ctx context.Context) (n int, err error) {
	k.turn.Lock()
	defer k.turn.Unlock()
	all, err := k.List(ctx)
	if err != nil {
		return 0, err
	}
	for _, known := range all {
		r, _ := ruleOf(known.Name)
		some, err := k.retire(ctx, known.Name, r)
		if err != nil {
			return n, err
		}
		n += some
	}
	return n, k.readTokens(ctx)
}

// retire destroys the generations of one ring whose time is over.
func (k *Keeper) retire(ctx context.Context, name string, r ring) (int, error) {
	if r.life == forever {
		return 0, nil
	}
	all, err := k.cfg.Rings.Ring(ctx, name)
	if err != nil {
		return 0, err
	}
	now := k.clock(r)
	for i := 1; i < len(all); i++ {
		if !now.Before(all[i-1].Made.Add(r.life)) {
			return k.cfg.Rings.Retire(ctx, name, all[i-1].Number)
		}
	}
	return 0, nil
}
