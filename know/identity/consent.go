package identity

import (
	"context"
	"fmt"
	"slices"
	"time"

	"endcap/keep/vault"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
	"endcap/retail/shopper"
)

// Allowed returns what each shopper allows, None for nobody. An answer may be a
// copy as old as Config.Life; what Say and Forget change here shows at once.
func (i *Identity) Allowed(ctx context.Context, who []shopper.ID) ([]consent.Set, error) {
	now := i.cfg.Clock()
	out := make([]consent.Set, len(who))
	missing := make(map[shopper.ID]int)
	var ask []shopper.ID
	var marks []uint64
	for n, id := range who {
		if !id.Known() {
			continue
		}
		id = i.Canonical(id)
		allowed, ok := i.says.get(id, now.Add(-i.cfg.Life))
		if ok {
			out[n] = allowed
			continue
		}
		if _, twice := missing[id]; !twice {
			missing[id] = len(ask)
			ask, marks = append(ask, id), append(marks, i.says.mark(id))
		}
	}
	if len(ask) == 0 {
		return out, nil
	}
	sets, err := i.allowed(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("ask what %d shoppers allow: %w", len(ask), err)
	}
	if len(sets) != len(ask) {
		return nil, fmt.Errorf("ask what %d shoppers allow: the vault answered %d", len(ask), len(sets))
	}
	for n, id := range ask {
		i.says.put(id, sets[n], now, marks[n])
	}
	for n, id := range who {
		if at, ok := missing[i.Canonical(id)]; ok {
			out[n] = sets[at]
		}
	}
	return out, nil
}

// allowed asks the vault. Of a person who is several shoppers the newest word
// counts, whichever of them said it; of words of one instant, what all allow.
func (i *Identity) allowed(ctx context.Context, who []shopper.ID) ([]consent.Set, error) {
	sets, err := i.vault.Allowed(ctx, who)
	if err != nil {
		return nil, err
	}
	for n, id := range who {
		one := i.clusters.get(id)
		if one == nil {
			continue
		}
		var newest time.Time
		sets[n] = consent.None
		for _, member := range one.members {
			said, err := i.vault.Sayings(ctx, member)
			if err != nil {
				return nil, err
			}
			if len(said) == 0 {
				continue
			}
			switch last := said[len(said)-1]; {
			case last.At.After(newest):
				newest, sets[n] = last.At, last.Allowed
			case last.At.Equal(newest):
				sets[n] &= last.Allowed
			}
		}
	}
	return sets, nil
}

// Gone says of each shopper whether she was forgotten, under the terms of
// Allowed. A token or a file may still carry the ID of one who was. Only a
// shopper who allows nothing can have been forgotten, so only of her the
// tombstones are asked.
func (i *Identity) Gone(ctx context.Context, who []shopper.ID) ([]bool, error) {
	sets, err := i.Allowed(ctx, who)
	if err != nil {
		return nil, err
	}
	now := i.cfg.Clock()
	out := make([]bool, len(who))
	for n, id := range who {
		if sets[n] != consent.None || !id.Known() {
			continue
		}
		gone, ok := i.gone.get(id, now.Add(-i.cfg.Life))
		if !ok {
			mark := i.gone.mark(id)
			if gone, err = i.vault.Forgotten(ctx, id); err != nil {
				return nil, fmt.Errorf("ask whether a shopper is forgotten: %w", err)
			}
			i.gone.put(id, gone, now, mark)
		}
		out[n] = gone
	}
	return out, nil
}

// Say writes what shoppers agreed to into the vault, the truth, and drops the
// copies, so that decisions follow at once. know/ingest appends the Consent
// fact afterwards: killed between the two, the caller has no answer and says
// it again, which the vault knows by its EventID.
func (i *Identity) Say(ctx context.Context, said []vault.Said) error {
	if err := i.vault.Say(ctx, said); err != nil {
		return fmt.Errorf("keep %d consents: %w", len(said), err)
	}
	for n := range said {
		who := i.Canonical(said[n].Shopper)
		i.says.drop(who)
		if err := i.hold(ctx, who, said[n].Allowed == consent.All); err != nil {
			return err
		}
	}
	return nil
}

// hold remembers what somebody allows who said something just now, for Holds. A
// yes to everything need not be remembered where nothing is.
func (i *Identity) hold(ctx context.Context, who shopper.ID, all bool) error {
	if _, held := i.held.get(who, time.Time{}); all && !held {
		return nil
	}
	lock := &i.holding[who.Reveal()%holdLocks]
	lock.Lock() // so that what is read last is remembered last
	defer lock.Unlock()
	sets, err := i.allowed(ctx, []shopper.ID{who})
	if err != nil {
		return fmt.Errorf("ask what a shopper allows now: %w", err)
	}
	i.held.put(who, sets[0], time.Time{}, 0)
	return nil
}

// release forgets what was remembered of some shoppers by hold.
func (i *Identity) release(who []shopper.ID) {
	for _, id := range who {
		lock := &i.holding[id.Reveal()%holdLocks]
		lock.Lock()
		i.held.put(id, consent.All, time.Time{}, 0)
		lock.Unlock()
	}
}

// Holds is what the consent section of a profile allows at an instant: no yes
// that is older than any may be, and nothing that she withdrew since, even
// where the section does not say so yet.
func (i *Identity) Holds(who shopper.ID, section []byte, now time.Time) consent.Set {
	allowed := AllowedIn(section)
	if allowed == consent.None {
		return allowed
	}
	if months := i.cfg.MonthsMax; months > 0 && !policy.After(time.UnixMicro(since(section)), months).After(now) {
		return consent.None
	}
	if held, ok := i.held.get(i.Canonical(who), time.Time{}); ok {
		allowed &= held
	}
	return allowed
}

// Newest returns, by shopper, the newest thing she said, as whichever of the
// shoppers she is. Who said nothing is missing.
func (i *Identity) Newest(ctx context.Context, who []shopper.ID) (map[shopper.ID]vault.Said, error) {
	out := make(map[shopper.ID]vault.Said, len(who))
	asked := make(map[shopper.ID]bool, len(who))
	for _, id := range who {
		if asked[id] {
			continue
		}
		asked[id] = true
		said, err := i.Said(ctx, id)
		if err != nil {
			return nil, err
		}
		if len(said) > 0 {
			out[id] = said[len(said)-1]
		}
	}
	return out, nil
}

// Said returns all that a person said, as whichever of the shoppers she is,
// oldest first.
func (i *Identity) Said(ctx context.Context, who shopper.ID) ([]vault.Said, error) {
	var out []vault.Said
	members := i.members(who)
	for _, member := range members {
		said, err := i.vault.Sayings(ctx, member)
		if err != nil {
			return nil, fmt.Errorf("ask what a shopper said: %w", err)
		}
		out = append(out, said...)
	}
	if len(members) > 1 {
		slices.SortStableFunc(out, func(a, b vault.Said) int { return a.At.Compare(b.At) })
	}
	return out, nil
}

// Lapsing is the vault's: consents that became too old.
func (i *Identity) Lapsing(ctx context.Context, now time.Time, after int64, limit int) ([]vault.Said, error) {
	return i.vault.Lapsing(ctx, now, after, limit)
}

// Lapsed is the vault's: all of them until an instant are recorded.
func (i *Identity) Lapsed(ctx context.Context, until time.Time) error {
	return i.vault.Lapsed(ctx, until)
}

// PutWording is the vault's.
func (i *Identity) PutWording(ctx context.Context, w vault.Wording) (bool, error) {
	return i.vault.PutWording(ctx, w)
}

// Wording is the vault's.
func (i *Identity) Wording(ctx context.Context, name string, version int64, language string) (vault.Wording, error) {
	return i.vault.Wording(ctx, name, version, language)
}

// Wordings is the vault's.
func (i *Identity) Wordings(ctx context.Context, after vault.Wording, limit int) ([]vault.Wording, error) {
	return i.vault.Wordings(ctx, after, limit)
}

// Heard returns, by EventID, what was allowed by those of the sayings' EventIDs
// that the vault keeps already.
func (i *Identity) Heard(ctx context.Context, said []vault.Said) (map[string]consent.Set, error) {
	ids := make(map[string]bool, len(said))
	for n := range said {
		ids[said[n].EventID] = true
	}
	out := make(map[string]consent.Set)
	asked := make(map[shopper.ID]bool, len(said))
	for n := range said {
		who := said[n].Shopper
		if asked[who] {
			continue
		}
		asked[who] = true
		all, err := i.vault.Sayings(ctx, who)
		if err != nil {
			return nil, fmt.Errorf("ask what a shopper said: %w", err)
		}
		for k := range all {
			if ids[all[k].EventID] {
				out[all[k].EventID] = all[k].Allowed
			}
		}
	}
	return out, nil
}

// Forget removes shoppers' keys, consents and evidence from the vault, in one
// step, and from the copies here. Who forgets a person names all her Members.
// Everything else she left follows from the Forgotten facts, which know/ingest
// appends.
func (i *Identity) Forget(ctx context.Context, who ...shopper.ID) error {
	i.merging.Lock()
	defer i.merging.Unlock()
	var near []shopper.ID
	for _, id := range who {
		some, err := i.neighbours(ctx, id)
		if err != nil {
			return err
		}
		near = append(near, some...)
	}
	near = slices.DeleteFunc(near, func(id shopper.ID) bool { return slices.Contains(who, id) })
	if err := i.vault.Forget(ctx, who...); err != nil {
		return fmt.Errorf("forget a shopper: %w", err)
	}
	touched := slices.Clone(who)
	for _, id := range who {
		touched = append(touched, i.members(id)...)
	}
	i.clusters.set(who, nil)
	i.recent.drop(touched)
	if err := i.resettle(ctx, near); err != nil {
		return err
	}
	i.ids.dropWhere(func(id shopper.ID) bool { return slices.Contains(who, id) })
	for _, id := range who {
		i.says.drop(id)
		i.gone.drop(id)
		i.held.put(id, consent.None, time.Time{}, 0)
	}
	return nil
}

// Suppressed says of each key whether it was a forgotten shopper's. It always
// asks the vault, so that what was lifted there counts at once.
func (i *Identity) Suppressed(ctx context.Context, keys []shopper.Key) ([]bool, error) {
	out := make([]bool, 0, len(keys))
	for some := range slices.Chunk(keys, vault.BatchMax) {
		marked, err := i.vault.Suppressed(ctx, some)
		if err != nil {
			return nil, fmt.Errorf("ask whether %d keys are suppressed: %w", len(some), err)
		}
		out = append(out, marked...)
	}
	return out, nil
}

// Lift ends the suppression of keys of somebody who registered anew.
func (i *Identity) Lift(ctx context.Context, keys []shopper.Key) error {
	if _, err := i.vault.Lift(ctx, keys); err != nil {
		return fmt.Errorf("lift the suppression of %d keys: %w", len(keys), err)
	}
	return nil
}
