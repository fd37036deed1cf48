package privacy

import (
	"context"
	"fmt"
	"slices"

	"endcap/keep/backup"
	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/shopper"
)

// Burden is how much there is to carry to the backups. It changes when anybody is
// forgotten, and when a secret by which that is remembered was rotated.
type Burden struct {
	marks            int64 // changes of them
	key, seal, seals int
}

// BurdenOf says how much there is.
func BurdenOf(ctx context.Context, v vault.Vault) (b Burden, err error) {
	if b.marks, err = v.MarkChanges(ctx); err != nil {
		return b, err
	}
	keys, seals, err := secretsOf(ctx, v)
	if err == nil && len(keys) > 0 && len(seals) > 0 {
		b.key, b.seal, b.seals = keys[0].Number, seals[0].Number, len(seals)
	}
	return b, err
}

func secretsOf(ctx context.Context, v vault.Rings) (keys, seals []vault.Generation, err error) {
	if keys, err = v.Ring(ctx, vault.TombstoneRing); err == nil {
		seals, err = v.Ring(ctx, vault.ListRing)
	}
	return keys, seals, err
}

func values(ring []vault.Generation) [][]byte {
	out := make([][]byte, len(ring))
	for i, g := range ring {
		out[i] = g.Value
	}
	return out
}

// Carry writes every tombstone to a target of backups, with the keys under which
// they were made, and says how many tombstones there are.
func Carry(ctx context.Context, v vault.Vault, to backup.Target) (int, error) {
	// Marks come first: one made afterwards may be under a key that is newer.
	marks, err := v.Marks(ctx)
	if err != nil {
		return 0, err
	}
	keys, seals, err := secretsOf(ctx, v)
	if err != nil {
		return 0, err
	}
	list := backup.Forgotten{Keys: values(keys), Marks: make([][len(vault.Mark{})]byte, len(marks))}
	for i, m := range marks {
		list.Marks[i] = m
	}
	return len(marks), backup.PutForgotten(ctx, to, v, list, values(seals))
}

// Recall sets up in a restored vault the tombstones that lie beside the backup,
// and returns whom the vault knows and who is under one: forget each.
func Recall(ctx context.Context, v vault.Vault, b *backup.Backup, now retail.Clock) ([]shopper.ID, error) {
	keys, seals, err := secretsOf(ctx, v)
	if err != nil {
		return nil, err
	}
	list, err := b.Forgotten(ctx, values(seals))
	if err != nil {
		return nil, err
	}
	held := values(keys)
	for _, key := range slices.Backward(list.Keys) {
		if slices.ContainsFunc(held, func(h []byte) bool { return string(h) == string(key) }) {
			continue
		}
		ring, err := v.Turn(ctx, vault.TombstoneRing, vault.Generation{Number: len(held) + 1, Value: key, Made: now()})
		if err != nil {
			return nil, fmt.Errorf("take over a key of tombstones: %w", err)
		}
		held = values(ring)
	}
	marks := make([]vault.Mark, len(list.Marks))
	for i, m := range list.Marks {
		marks[i] = m
	}
	return v.Bury(ctx, marks)
}
