package house

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/ledger"
	"endcap/keep/profile"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/stream"
	"endcap/keep/warehouse"
	"endcap/retail/event"
	"endcap/retail/shopper"
	"endcap/sell/billing"
)

// check holds a house that was just opened to every promise: first as it is,
// then after it has caught up. An error is a promise broken too: the disk is
// sound now.
func (r *run) check(ctx context.Context) error {
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"facts", r.checkFacts},
		{"shoppers", r.checkShoppers},
		{"quarantine", r.checkQuarantine},
		{"money", r.checkMoney},
		{"artefacts", r.checkArtefacts},
		{"profiles", r.checkProfiles},
		{"catching up", r.catchUp},
		{"bills", r.checkBills},
		{"terms", r.checkTerms},
		{"history", r.checkHistory},
	} {
		if err := part.do(ctx); err != nil {
			r.violate("%s: %v", part.name, err)
		}
		if len(r.report.Violations) > 0 {
			return nil
		}
	}
	return nil
}

// stored reads every fact from the stream, or, with what was trimmed, from the
// whole of it.
func stored(ctx context.Context, s stream.Stream) ([]event.Fact, error) {
	var out []event.Fact
	for p := range s.Partitions() {
		for after := event.Cursor(""); ; {
			entries, err := s.Read(ctx, p, after, 4_096)
			if err != nil {
				return nil, err
			}
			if len(entries) == 0 {
				break
			}
			for i := range entries {
				f, err := event.Unpack(entries[i].Bytes)
				if err != nil {
					return nil, err
				}
				out = append(out, f)
			}
			after = entries[len(entries)-1].At
		}
	}
	return out, nil
}

// checkFacts: every acknowledged fact is there once, says what it said, none is
// there that was not sent, and what came with one call is there whole or not.
func (r *run) checkFacts(ctx context.Context) error {
	facts, err := stored(ctx, r.house.whole)
	if err != nil {
		return err
	}
	r.seen = map[name]*event.Fact{}
	for i := range facts {
		n, says := nameOf(&facts[i])
		if r.seen[n] != nil {
			r.violate("%v is stored twice", n)
		}
		r.seen[n] = &facts[i]
		if !sentKind(n.kind) {
			continue
		}
		switch s := r.model.facts[n]; {
		case s == nil:
			r.violate("%v is stored and was never sent", n)
		case s.fate == absent:
			r.violate("%v was lost and has come back", n)
		case s.says != says:
			r.violate("%v says %q, and was sent as %q", n, says, s.says)
		}
	}
	gone, err := r.trimmed(ctx)
	if err != nil {
		return err
	}
	return r.settle(gone)
}

// settle compares what is stored with what was promised, and notes what became
// of calls that failed.
func (r *run) settle(gone map[name]bool) error {
	calls := map[int][2]int{} // facts of a call that are there, and that are not
	for n, s := range r.model.facts {
		there := r.seen[n] != nil || gone[n]
		switch {
		case there || s.fate == absent:
		case s.fate == acked && !r.replaced(n):
			r.violate("%v was acknowledged and is lost", n)
		}
		if s.fate == unknown && s.call > 0 {
			count := calls[s.call]
			if there {
				count[0]++
			} else {
				count[1]++
			}
			calls[s.call] = count
		}
		if s.fate == unknown {
			s.fate = absent
			if there {
				s.fate = acked
			}
		}
	}
	for call, count := range calls {
		if count[0] > 0 && count[1] > 0 {
			r.violate("call %d is there by half: %d facts, and %d are missing", call, count[0], count[1])
		}
	}
	return nil
}

// replaced says whether history may have dropped a receipt for its correction.
func (r *run) replaced(n name) bool {
	if r.house.history == nil || n.kind != event.KindReceipt && n.kind != event.KindConsent {
		return false
	}
	if n.kind == event.KindConsent {
		return true // history keeps what counts; the vault keeps all
	}
	for other := range r.seen {
		if other.kind == n.kind && other.id == n.id && other.version > n.version {
			return true
		}
	}
	return false
}

// trimmed asks history for touches, which are not read from it again once the
// stream has given them up.
func (r *run) trimmed(ctx context.Context) (map[name]bool, error) {
	out := map[name]bool{}
	if r.house.history == nil {
		return out, nil
	}
	got, err := r.house.history.Query(ctx, warehouse.Query{Name: "touches", Purpose: warehouse.Accounting, SQL: `select event, kind from touches`})
	if err != nil {
		return nil, err
	}
	for i := range got.Len {
		kind := event.KindShown
		if got.Columns[1].Texts[i] == "clicked" {
			kind = event.KindClicked
		}
		n := name{kind, got.Columns[0].Texts[i], 0}
		if out[n] {
			r.violate("%v is in history twice", n)
		}
		out[n] = true
	}
	return out, nil
}

// checkShoppers: a card is one shopper's for ever, in the vault and in every
// fact, and what she said is kept once.
func (r *run) checkShoppers(ctx context.Context) error {
	said := map[string]int{}
	for n := range cards {
		card := fmt.Sprintf("card%04d", n)
		who, err := r.house.vault.Lookup(ctx, keysOf(card))
		if err != nil {
			return err
		}
		if was, ok := r.known[card]; ok && was != who[0] {
			r.violate("%s is another shopper's than it was", card)
		}
		if who[0].Known() {
			r.known[card] = who[0]
			all, err := r.house.vault.Sayings(ctx, who[0])
			if err != nil {
				return err
			}
			for i := range all {
				said[all[i].Wording]++
			}
		}
	}
	for n, f := range r.seen {
		if s := r.model.facts[n]; s != nil && s.card != "" && f.Shopper != r.known[s.card] {
			r.violate("%v is of another shopper than %s", n, s.card)
		}
	}
	if _, err := r.house.vault.CheckConsents(ctx); err != nil {
		r.violate("consents: %v", err)
	}
	for n, s := range r.model.facts {
		if n.kind == event.KindConsent && (s.fate == acked && said[n.id] != 1 || said[n.id] > 1) {
			r.violate("the vault has %v %d times", n, said[n.id])
		}
	}
	return nil
}

func (r *run) checkQuarantine(ctx context.Context) error {
	rows, err := r.house.vault.Refusals(ctx, 0, 10_000)
	if err != nil {
		return err
	}
	count := map[string]int{}
	for i := range rows {
		count[string(rows[i].Raw)]++
	}
	for raw, f := range r.model.refused {
		if n := count[raw]; n > 1 || f == acked && n == 0 {
			r.violate("quarantine has %s %d times", raw, n)
		}
	}
	return nil
}

// checkMoney: the book proves itself, every deed is there whole or not at all,
// and no account is overdrawn.
func (r *run) checkMoney(ctx context.Context) error {
	if err := r.house.book.Check(ctx); err != nil {
		return err
	}
	postings, err := r.house.book.Postings(ctx, 0, ledger.PageMax)
	if err != nil {
		return err
	}
	by := map[string][]ledger.Entry{}
	for i := range postings {
		by[postings[i].Deed] = append(by[postings[i].Deed], postings[i].Entry)
	}
	for key, b := range r.model.deeds {
		there := by[key]
		switch whole := slices.Equal(there, b.entries); {
		case len(there) > 0 && !whole:
			r.violate("deed %s is not as it was committed: %v", key, there)
		case b.refused && len(there) > 0:
			r.violate("deed %s was refused and is there", key)
		case b.fate == acked && !b.refused && !whole:
			r.violate("deed %s was acknowledged and is lost", key)
		case b.fate == absent && whole:
			r.violate("deed %s was lost and has come back", key)
		}
		if b.fate == unknown {
			b.fate = absent
			if len(there) > 0 {
				b.fate = acked
			} else {
				delete(r.model.deeds, key) // lost, or refused
			}
		}
	}
	return r.checkLimits(ctx)
}

func (r *run) checkLimits(ctx context.Context) error {
	balances, err := r.house.book.Balances(ctx, "")
	if err != nil {
		return err
	}
	for _, b := range balances {
		limited := strings.HasPrefix(string(b.Account), "wallet/") || strings.HasPrefix(string(b.Account), "line-item/")
		if limited && b.Amount < 0 {
			r.violate("%s is overdrawn: %s", b.Account, b.Amount)
		}
	}
	return nil
}

// checkArtefacts: every version stored is there and whole.
func (r *run) checkArtefacts(ctx context.Context) error {
	fs := r.house.disk.FS()
	for name, a := range r.model.artefacts {
		last := slices.Max(append(slices.Collect(maps.Keys(a.acked)), 0))
		if newest, err := r.house.files.Newest(ctx, name); err == nil {
			last = max(last, newest)
		}
		for version := uint64(1); version <= last; version++ {
			path, err := r.house.files.Path(ctx, name, version)
			content, ok := a.acked[version]
			if err != nil {
				if ok && version >= a.dropped {
					r.violate("version %d of %s was acknowledged: %v", version, name, err)
				}
				continue
			}
			got, err := readFile(fs, path)
			if err != nil {
				return err
			}
			if !ok && a.tried[got] { // it was stored after all
				a.acked[version] = got
				delete(a.tried, got)
				continue
			}
			if got != content {
				r.violate("version %d of %s is not what was stored: %d bytes, want %d", version, name, len(got), len(content))
			}
		}
	}
	return nil
}

func readFile(fs vfs.FS, path string) (string, error) {
	f, err := fs.Open(path)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(f)
	return string(b), cmp.Or(err, f.Close())
}

// until is a stream that ends where a follower has come.
type until struct {
	stream.Stream
	ends []event.Cursor
}

// End implements stream.Stream.
func (u until) End(_ context.Context, partition int) (event.Cursor, error) {
	return u.ends[partition], nil
}

// Read implements stream.Stream.
func (u until) Read(ctx context.Context, partition int, after event.Cursor, limit int) ([]stream.Entry, error) {
	entries, err := u.Stream.Read(ctx, partition, after, limit)
	for i := range entries {
		if entries[i].At > u.ends[partition] {
			return entries[:i], err
		}
	}
	return entries, err
}

// checkProfiles: what a follower has folded is what the facts up to its cursor
// fold to, byte for byte.
func (r *run) checkProfiles(ctx context.Context) error {
	if released, err := r.anyReleased(ctx); err != nil || released {
		return err // history gives corrections and no clicks back: endcap verify compares those
	}
	fresh, err := pebbleshelf.Open(ctx, "profiles", pebbleshelf.Options{FS: vfs.NewMem(), CacheBytes: cacheBytes, RecentBytes: 1})
	if err != nil {
		return err
	}
	biller, err := billing.New(billing.Config{Ledger: booksNothing{}, Profiles: fresh, Stream: r.house.log, Now: r.plan.now})
	if err != nil {
		return cmp.Or(err, fresh.Close())
	}
	for i, f := range followers(fresh, biller.Follower()) {
		u := until{r.house.whole, make([]event.Cursor, partitions)}
		for p := range partitions {
			if u.ends[p], err = r.house.followers[i].Cursor(ctx, p); err != nil {
				return cmp.Or(err, fresh.Close())
			}
		}
		if err := stream.CatchUp(ctx, u, f); err != nil {
			return cmp.Or(fmt.Errorf("fold %s again: %w", f.Name, err), fresh.Close())
		}
	}
	want, err := dump(ctx, fresh)
	got, failed := dump(ctx, r.house.shelf)
	if err := cmp.Or(err, failed, fresh.Close()); err != nil {
		return err
	}
	for key := range want {
		if got[key] != want[key] {
			r.violate("a profile's section %s is not what its facts fold to: %d bytes, want %d", key.section, len(got[key]), len(want[key]))
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			r.violate("a profile has a section %s that no fact gave it", key.section)
		}
	}
	return nil
}

// booksNothing answers every deed as done, so that billing's memory can be
// folded again and nothing is charged twice.
type booksNothing struct{ ledger.Ledger }

// Commit implements ledger.Ledger.
func (booksNothing) Commit(_ context.Context, deeds ...ledger.Deed) ([]ledger.Answer, error) {
	out := make([]ledger.Answer, len(deeds))
	for i := range out {
		out[i].Done = true
	}
	return out, nil
}

type shelved struct {
	who     shopper.ID
	section profile.Section
}

func dump(ctx context.Context, s *pebbleshelf.Store) (map[shelved]string, error) {
	out := map[shelved]string{}
	err := s.Dump(ctx, func(who shopper.ID, section profile.Section, value []byte) error {
		out[shelved{who, section}] = string(value)
		return nil
	})
	return out, err
}

// anyReleased reports whether history has taken facts over from the stream for
// good. From then on they are read from there, whether trimming them has
// succeeded or not.
func (r *run) anyReleased(ctx context.Context) (bool, error) {
	if r.house.history == nil {
		return false, nil
	}
	for p := range partitions {
		mark, err := r.house.history.Released(ctx, p)
		if err != nil || mark.Cursor != "" {
			return true, err
		}
	}
	return false, nil
}
