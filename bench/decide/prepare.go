package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"endcap/bench/load"
)

// The consents the data lacks, drawn by card: 90 % allow everything, 5 % all but
// personal adverts, 5 % nothing.
var everything = []string{"personal_offers", "personal_ads", "measurement", "offsite_matching", "pooling"}

func allowed(card string) []string {
	switch u := draw("consent", card); {
	case u < 0.90:
		return everything
	case u < 0.95:
		return []string{"personal_offers", "measurement", "offsite_matching", "pooling"}
	default:
		return []string{}
	}
}

// draw is a number in [0, 1) that the words alone decide.
func draw(words ...string) float64 {
	sum := sha256.Sum256([]byte("bench-decide|" + strings.Join(words, "|")))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// prepare makes the data directory: facts and consents as anybody sends them,
// then the book, whose line items would each have their audience counted if
// they came through the API.
func prepare(ctx context.Context, o *options) error {
	if _, err := os.Stat(filepath.Join(o.dir, loadedFile)); errors.Is(err, os.ErrNotExist) {
		if err := fill(ctx, o); err != nil {
			return err
		}
	}
	sold, err := o.grocer.sales(ctx, o)
	if err != nil {
		return err
	}
	if err := sendConsents(ctx, o, sold.cards); err != nil {
		return fmt.Errorf("consents: %w", err)
	}
	h, err := openHouse(ctx, o)
	if err != nil {
		return err
	}
	err = setUp(ctx, h, sold)
	if err == nil {
		err = writeBodies(o, h, sold)
	}
	if shut := h.close(); err == nil {
		err = shut
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.dir, readyFile), nil, 0o600)
}

// fill makes the data directory anew.
func fill(ctx context.Context, o *options) error {
	if err := os.RemoveAll(o.dir); err != nil {
		return err
	}
	if err := o.grocer.load(ctx, o); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.dir, loadedFile), nil, 0o600)
}

// command runs one subcommand on the data directory.
func command(ctx context.Context, o *options, args ...string) error {
	return program(ctx, o, slices.Insert(args, 1, "--dir", o.dir)...)
}

// program runs one subcommand.
func program(ctx context.Context, o *options, args ...string) error {
	cmd := exec.CommandContext(ctx, o.binary, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", o.binary, args[0], err)
	}
	return nil
}

// sendConsents serves the directory, makes a key, and records what was drawn for
// cards without consents in the data.
func sendConsents(ctx context.Context, o *options, cards []string) error {
	s, err := startEndcap(ctx, o)
	if err != nil {
		return err
	}
	key, err := exec.CommandContext(ctx, o.binary, "key", "create", "bench", "--dir", o.dir, "--rate", "1000000",
		"--scopes", "decide,receipts,feeds,trade,reports,analyse,admin").Output()
	if err == nil {
		err = os.WriteFile(filepath.Join(o.dir, keyFile), key, 0o600)
		s.Key = strings.TrimSpace(string(key))
	}
	for chunk := range slices.Chunk(cards, 500) {
		if err != nil {
			break
		}
		rows := make([]map[string]any, len(chunk))
		for i, card := range chunk {
			rows[i] = map[string]any{
				"id": "drawn-" + card, "shopper": map[string]string{"card": card}, "allowed": allowed(card),
				"at": o.grocer.noon.UTC().Add(-time.Hour).Format(time.RFC3339), "wording": "drawn for a benchmark",
			}
		}
		err = s.Ask(ctx, "PUT /v1/consents", map[string]any{"consents": rows}, nil)
	}
	if err == nil {
		err = s.settle(ctx)
	}
	if err == nil {
		err = kept(ctx, o)
	}
	if stopped := s.stop(); err == nil {
		err = stopped
	}
	return err
}

// kept waits until the house has done what a house does each morning: a bulk load
// has it seal all days at once, which no day of a shop does beside visits. Last of
// it, it counts what is popular.
func kept(ctx context.Context, o *options) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 10 * 60 * 15 {
		done, err := filepath.Glob(filepath.Join(o.dir, "files", "popularity*"))
		if err != nil || len(done) > 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return errors.New("the house did not seal its days in a quarter of an hour")
}

// The recorded visits.
const (
	bodiesCount = 8_192
	anonymous   = 0.30
	searching   = 0.40 // the others look at a category page
	proposals   = 8
	slots       = 4
)

// writeBodies records visits of those who came in the weeks after: each to the
// page of something she bought then.
func writeBodies(o *options, h *house, sold *sales) error {
	f, err := os.Create(filepath.Join(o.dir, bodiesFile))
	if err != nil {
		return err
	}
	e := json.NewEncoder(f)
	written := 0
	for _, c := range sold.calls {
		p := h.product(c.product)
		if p == nil || p.Category == "" {
			continue
		}
		n := text(c.basket)
		body := map[string]any{
			"channel": "online", "store": c.store, "proposals": proposals, "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
			"placements": []map[string]any{{"placement": "top", "slots": slots}, {"placement": "side", "slots": slots}},
			"page":       map[string]string{"category": string(p.Category)},
		}
		if draw("page", n) < searching {
			body["page"] = map[string]string{"query": strings.ToLower(string(p.Category))}
		}
		if draw("anonymous", n) >= anonymous {
			body["shopper"] = map[string]string{"card": c.card}
		}
		raw, err := json.Marshal(body)
		if err == nil {
			err = e.Encode(load.Request{Method: http.MethodPost, Path: "/v1/decisions", Body: raw})
		}
		if err != nil {
			return err
		}
		if written++; written == bodiesCount {
			break
		}
	}
	return f.Close()
}

func readBodies(o *options) ([]load.Request, error) {
	f, err := os.Open(filepath.Join(o.dir, bodiesFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return load.Read(f)
}
