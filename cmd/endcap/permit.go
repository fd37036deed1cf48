package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"endcap/gate/cli"
	"endcap/keep/stream"
	"endcap/know/identity"
	"endcap/retail/consent/policy"
)

// policyFile is the consent policy in a data directory, written by its owner.
const policyFile = "consent.json"

// readPolicy reads DIR/consent.json; without one the defaults hold.
func readPolicy(dir string) (policy.Policy, error) {
	path := filepath.Join(dir, policyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return policy.Defaults(), nil
	} else if err != nil {
		return policy.Policy{}, fmt.Errorf("read the consent policy: %w", err)
	}
	p, err := policy.Parse(text)
	if err != nil {
		return policy.Policy{}, cli.Misused(fmt.Errorf("%s: %w", path, err))
	}
	return p, nil
}

// settleConsents brings profiles up to what shoppers allow now, before any door
// opens: what was withdrawn just before the house was killed, and what lapsed
// while it was closed.
func settleConsents(ctx context.Context, s *stores, w *wings) error {
	if _, err := w.desk.Lapse(ctx); err != nil {
		return err
	}
	if err := stream.CatchUp(ctx, s.whole, identity.Follower(s.shelf)); err != nil {
		return fmt.Errorf("read consents: %w", err)
	}
	return nil
}
