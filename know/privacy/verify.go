package privacy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"endcap/keep/stream"
	"endcap/keep/vault"
	"endcap/keep/warehouse"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// Remains are the places that Look goes through.
type Remains struct {
	Vault    vault.Vault
	Stream   stream.Stream
	History  warehouse.Erasing
	Profiles Profiles
	Models   Models
	Batches  Batches // nil for a house that keeps none
	// Texts calls each with every text of the book, by table.
	Texts func(ctx context.Context, each func(table string, text []byte) error) error
	// Files is the data directory without what the stores above decode.
	Files fs.FS
	// Skip says which paths in Files hold what is decoded elsewhere.
	Skip func(path string) bool
	Now  time.Time
	// StreamDays is how long the stream keeps facts after they were sealed.
	StreamDays int
}

// Report is what Look found.
type Report struct {
	Is     string    `json:"is"` // ReportIs
	At     time.Time `json:"at"`
	Places []Place   `json:"places"`
	Clean  bool      `json:"clean"` // Found is 0 everywhere
}

// ReportIs is what a report calls itself.
const ReportIs = "endcap search for the forgotten, 1"

// Place is one place that was gone through.
type Place struct {
	Name   string `json:"name"`
	Looked int64  `json:"looked_at"`        // records, shoppers or words
	Found  int64  `json:"found"`            // that name somebody who is forgotten
	ByAge  int64  `json:"by_age,omitempty"` // of the stream: facts under ids of the forgotten that leave in time
}

// Text tells of each place on a line.
func (r *Report) Text() string {
	var b strings.Builder
	for _, p := range r.Places {
		fmt.Fprintf(&b, "%-36s %d looked at, %d found", p.Name, p.Looked, p.Found)
		if p.ByAge > 0 {
			fmt.Fprintf(&b, ", %d leave by age", p.ByAge)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// textMin is how long a word of a file or the book must be to be compared with
// suppressed keys: shorter ones stand for anything.
const textMin = 8

// Look goes through every record of every store and compares whom it names with
// the tombstones, and the words of free text with the marks of suppressed keys.
func Look(ctx context.Context, r Remains) (Report, error) {
	out := Report{Is: ReportIs, At: r.Now, Clean: true}
	for _, look := range []func(context.Context, Remains) ([]Place, error){lookVault, lookStream, lookHistory, lookProfiles, lookModels, lookBatches, lookBook, lookFiles} {
		places, err := look(ctx, r)
		if err != nil {
			return out, err
		}
		for _, p := range places {
			out.Clean = out.Clean && p.Found == 0
		}
		out.Places = append(out.Places, places...)
	}
	return out, nil
}

func lookVault(ctx context.Context, r Remains) ([]Place, error) {
	n, err := r.Vault.Remains(ctx)
	if err != nil {
		return nil, err
	}
	quarantine := Place{Name: "quarantine"}
	for after := uint64(0); ; {
		rows, err := r.Vault.Refusals(ctx, after, quarantinePage)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return []Place{{Name: "vault", Found: int64(n)}, quarantine}, nil
		}
		for i := range rows {
			after = rows[i].ID
			found, err := names(ctx, r.Vault, rows[i].Raw, rows[i].Stored, []byte(rows[i].Say))
			if err != nil {
				return nil, err
			}
			quarantine.Looked++
			quarantine.Found += count(found)
		}
	}
}

func count(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// seen remembers who is under a tombstone, so that each is asked about once.
type seen struct {
	vault vault.Forgetting
	gone  map[shopper.ID]bool
}

func (s *seen) of(ctx context.Context, who shopper.ID) (bool, error) {
	gone, ok := s.gone[who]
	if ok || !who.Known() {
		return gone, nil
	}
	gone, err := s.vault.Forgotten(ctx, who)
	if err == nil {
		s.gone[who] = gone
	}
	return gone, err
}

// lookStream counts facts of the forgotten. Those that arrived within the days
// for which the stream keeps them at most leave by age; older ones are found.
func lookStream(ctx context.Context, r Remains) ([]Place, error) {
	p := Place{Name: "stream"}
	s := &seen{r.Vault, map[shopper.ID]bool{}}
	oldest := r.Now.AddDate(0, 0, -r.StreamDays-2)
	for partition := range r.Stream.Partitions() {
		for at := event.Cursor(""); ; {
			entries, err := r.Stream.Read(ctx, partition, at, stream.ReadMax)
			if err != nil {
				return nil, fmt.Errorf("read the stream: %w", err)
			}
			if len(entries) == 0 {
				break
			}
			for i := range entries {
				at = entries[i].At
				f, err := event.Unpack(entries[i].Bytes)
				if err != nil {
					return nil, fmt.Errorf("read the stream: %w", err)
				}
				gone, err := s.of(ctx, f.Shopper)
				if err != nil {
					return nil, err
				}
				p.Looked++
				late := f.Arrived.Before(oldest)
				p.Found += count(gone && late)
				p.ByAge += count(gone && !late)
			}
		}
	}
	return []Place{p}, nil
}

func lookHistory(ctx context.Context, r Remains) ([]Place, error) {
	var out []Place
	err := r.History.Shoppers(ctx, func(place string, who []shopper.ID) error {
		gone, err := r.Vault.Gone(ctx, who)
		i := slices.IndexFunc(out, func(p Place) bool { return p.Name == place })
		if i < 0 {
			i, out = len(out), append(out, Place{Name: place})
		}
		out[i].Looked += int64(len(who))
		out[i].Found += int64(len(gone))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return out, nil
}

func lookProfiles(ctx context.Context, r Remains) ([]Place, error) {
	p := Place{Name: "profiles"}
	err := r.Profiles.Shoppers(ctx, func(shopper.ID) error {
		p.Looked++
		return nil
	})
	if err != nil {
		return nil, err
	}
	gone, err := goneOf(ctx, r.Vault, r.Profiles)
	p.Found = int64(len(gone))
	return []Place{p}, err
}

func lookModels(ctx context.Context, r Remains) ([]Place, error) {
	p := Place{Name: "models"}
	err := r.Models.Shoppers(ctx, func(_ string, who []shopper.ID) error {
		p.Looked += int64(len(who))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read models: %w", err)
	}
	gone, err := goneIn(ctx, r.Vault, r.Models.Shoppers)
	p.Found = int64(len(gone))
	return []Place{p}, err
}

func lookBook(ctx context.Context, r Remains) ([]Place, error) {
	p := Place{Name: "book"}
	err := r.Texts(ctx, func(_ string, text []byte) error { return lookText(ctx, r.Vault, text, &p) })
	return []Place{p}, err
}

// lookText compares the words of a text with suppressed keys, and numbers with
// the ids of the forgotten.
func lookText(ctx context.Context, v vault.Forgetting, text []byte, p *Place) error {
	var keys []shopper.Key
	var ids []shopper.ID
	for _, word := range words(text) {
		p.Looked++
		if len(word) < textMin {
			continue
		}
		keys = append(keys, keysOf(word)...)
		if n, err := strconv.ParseUint(word, 10, 64); err == nil {
			ids = append(ids, shopper.FromUint64(n))
		}
		if n, err := strconv.ParseInt(word, 10, 64); err == nil && n < 0 {
			ids = append(ids, shopper.FromUint64(uint64(n)))
		}
		if n, err := strconv.ParseUint(word, 16, 64); err == nil && len(word) >= 15 {
			ids = append(ids, shopper.FromUint64(n))
		}
	}
	for some := range slices.Chunk(keys, vault.BatchMax) {
		marked, err := v.Suppressed(ctx, some)
		if err != nil {
			return err
		}
		for _, yes := range marked {
			p.Found += count(yes)
		}
	}
	for some := range slices.Chunk(ids, vault.BatchMax) {
		gone, err := v.Gone(ctx, some)
		if err != nil {
			return err
		}
		p.Found += int64(len(gone))
	}
	return nil
}

// pieceSize is how much of a file is looked at together; a piece begins with the
// end of the one before, so that no word is cut.
const pieceSize = 1 << 20

func lookFiles(ctx context.Context, r Remains) ([]Place, error) {
	p := Place{Name: "files"}
	err := fs.WalkDir(r.Files, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != "." && r.Skip(path) && d.IsDir():
			return fs.SkipDir
		case r.Skip(path) || !d.Type().IsRegular():
			return nil
		}
		f, err := r.Files.Open(path)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // it was only read
		piece, kept := make([]byte, pieceSize), 0
		for {
			n, err := io.ReadFull(f, piece[kept:])
			if n > 0 {
				if err := lookText(ctx, r.Vault, piece[:kept+n], &p); err != nil {
					return err
				}
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			if err != nil {
				return err
			}
			kept = copy(piece, piece[len(piece)-2*shopper.KeyMax:])
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read files: %w", err)
	}
	return []Place{p}, nil
}
