package play

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	pq "github.com/parquet-go/parquet-go"

	"endcap/retail"
	"endcap/simulate/advert"
	"endcap/simulate/life"
	"endcap/simulate/rows"
	"endcap/simulate/wire"
)

// Exposed is one shopper who won an advert of a campaign, or would have, were she
// not held out, and what she spent on its range since: with what she looked at,
// and without any advert. Amounts are cents; of a held-out shopper With is what
// she would have spent.
type Exposed struct {
	Campaign       string  `parquet:"campaign,dict"`
	Shopper        int32   `parquet:"shopper"`
	Held           bool    `parquet:"held"`
	Measured       bool    `parquet:"measured"` // she allows measurement to the end: she is part of the experiment
	First          int32   `parquet:"first_day,date"`
	Looked         int32   `parquet:"looked"` // adverts that she looked at, or would have
	Susceptibility float64 `parquet:"susceptibility"`
	Before         int64   `parquet:"before"` // what she had spent on the range before
	WithStore      int64   `parquet:"with_in_store"`
	WithOnline     int64   `parquet:"with_online"`
	WithoutStore   int64   `parquet:"without_in_store"`
	WithoutOnline  int64   `parquet:"without_online"`
}

// With is what she spent.
func (x *Exposed) With() int64 { return x.WithStore + x.WithOnline }

// Without is what she would have spent without adverts.
func (x *Exposed) Without() int64 { return x.WithoutStore + x.WithoutOnline }

// Side is the sum over one group of exposed shoppers, in cents: how much more
// they spent with adverts than without, by where they bought.
type Side struct {
	Shoppers int   `json:"shoppers"`
	Store    int64 `json:"extra_in_store"`
	Online   int64 `json:"extra_online"`
}

// Extra is the whole.
func (s *Side) Extra() int64 { return s.Store + s.Online }

func (s *Side) add(store, online int64) {
	s.Shoppers++
	s.Store += store
	s.Online += online
}

// Found is what one campaign truly did through a day: on the whole, and of that
// what was bought under the keys that saw it.
type Found struct {
	Name          string       `json:"campaign"`
	Category      string       `json:"category"`
	Brand         string       `json:"brand"`
	Where         string       `json:"where"`
	Effect        string       `json:"effect"`
	Heterogeneous bool         `json:"heterogeneous"`
	Terms         advert.Terms `json:"terms"`
	Through       retail.Day   `json:"through"`
	Treated       Side         `json:"treated"`       // who were shown it
	Held          Side         `json:"held_out"`      // what it would have done
	Unmeasured    Side         `json:"unmeasured"`    // who were shown it and do not allow measurement
	SeenTreated   Side         `json:"treated_seen"`  // of the first what tills and site saw: a report's incremental sales are of these
	SeenHeld      Side         `json:"held_out_seen"` // of the second
	Exposed       []Exposed    `json:"-"`
	Seen          []Seen       `json:"-"`
}

// win is one row of the product's wins: which visit would have seen what.
type win struct {
	campaign        int
	placement, slot int
	held, measured  bool
}

// mine is a campaign to which a shopper is exposed.
type mine struct {
	campaign int32
	*Exposed
}

// spent is what a shopper spent on a campaign's range.
type spent struct {
	campaign int32
	cents    int64
}

// seeker works out the truth of a play that is over. It lives it a day at a time.
// Of each shopper it keeps what she spent on the range of campaigns whose flight is
// not over and which she has not seen, 16 bytes each, and of each campaign that she
// or a key of hers has seen a row of what is written.
type seeker struct {
	*player
	would   *advert.Book // in which the held-out looked at what they would have seen
	through []retail.Day
	past    *scroll
	names   map[string]int // of campaigns
	before  map[int32][]spent
	exposed map[int32][]mine
	seen    map[keyring][]*Seen
}

// Truth lives a play that is over once more, without the server but for which
// visits won an advert or would have, and gives what each campaign sold: through
// the day that through says of its name, else through the last that counts. It
// writes it into the folder of the truth, and beside it what coupons did. Where two
// campaigns share a category, each counts with and without all adverts. It fails
// where a day is not lived as it was played.
func Truth(ctx context.Context, o Options, through map[string]retail.Day) (found []Found, err error) {
	w, all, err := raise(ctx, &o)
	if err != nil {
		return nil, err
	}
	s := &seeker{
		player: &player{Options: o, client: wire.Client{HTTP: o.Client, Target: o.Server, Key: o.Key}, world: w, campaigns: all, of: ranges(w, all)},
		names:  make(map[string]int), before: make(map[int32][]spent), exposed: make(map[int32][]mine), seen: make(map[keyring][]*Seen),
	}
	if s.book, err = plant(w, all); err != nil {
		return nil, err
	}
	if s.would, err = plant(w, all); err != nil {
		return nil, err
	}
	last := o.Scenario.First() + retail.Day(7*o.Scenario.Weeks) - 1
	for i := range all {
		s.names[all[i].Name] = i
		counts := min(all[i].lastDay(o.Scenario.First()), last)
		if day, said := through[all[i].Name]; said {
			counts = min(day, counts)
		}
		s.through = append(s.through, counts)
	}
	if s.past, err = readJournal(&o); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.past.file.Close()) }()
	if err := putRows(s.Truth, "redemptions.parquet", func(write func([]rows.Moved) error) error { return s.relive(ctx, write) }); err != nil {
		return nil, err
	}
	found = s.found()
	return found, s.write(found)
}

// relive lives all weeks once more, and writes what coupons did.
func (s *seeker) relive(ctx context.Context, write func([]rows.Moved) error) error {
	d := diary{world: s.world}
	for n := range s.Scenario.Weeks {
		for today, err := range d.week(s.world.Plan(n), n < s.Loaded || quiet(&s.Scenario, n)) {
			if err == nil {
				err = s.live(ctx, today)
			}
			if err == nil {
				err = write(rows.AllMoved(s.world, today.moved))
			}
			if err != nil {
				return fmt.Errorf("week %d: %w", n+1, err)
			}
		}
	}
	return nil
}

// live lives one day once more.
func (s *seeker) live(ctx context.Context, d *day) (err error) {
	var answers map[string]entry
	var over *entry
	if d.n >= 7*s.Loaded {
		if answers, over, err = s.past.day(d.n); err != nil {
			return err
		}
		if over == nil {
			return refuse("truth", fmt.Sprintf("the play in the folder was broken off on day %d", d.n+1), "the same command goes on with it")
		}
	}
	wins := make(map[string][]win)
	if len(answers) > 0 && len(s.campaigns) > 0 {
		if err := s.winsOf(ctx, s.Scenario.First()+retail.Day(d.n), "", wins); err != nil {
			return err
		}
	}
	before := s.sum
	for i := range d.moments {
		switch m := &d.moments[i]; {
		case m.visit != nil:
			for _, won := range wins[answers[m.visit.ID].Decision] {
				s.expose(m.visit, &won)
			}
		case m.consent == nil:
			s.hold(m.bought())
		}
	}
	if over == nil {
		return nil // it was loaded
	}
	return over.sold(s.sum.Receipts-before.Receipts, s.sum.Cents-before.Cents)
}

// winsOf adds those of a day whose decision's id begins with prefix: in as many
// questions, each for one more hexadecimal digit, as answers have room for.
func (s *seeker) winsOf(ctx context.Context, day retail.Day, prefix string, out map[string][]win) error {
	all, err := s.client.Query(ctx, fmt.Sprintf(`select decision, campaign, placement, slot, arm, measurable from wins
		where day = date '%s' and decision like '%s%%' order by decision, placement, slot`, day, prefix))
	if errors.Is(err, wire.ErrCut) && len(prefix) < digitsMax {
		for _, digit := range "0123456789abcdef" {
			if err := s.winsOf(ctx, day, prefix+string(digit), out); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	for _, row := range all {
		n, mine := s.names[row[1]]
		at := slices.IndexFunc(wire.Placements[:], func(p wire.Placement) bool { return p.ID == row[2] })
		slot, err := strconv.Atoi(row[3])
		if err != nil {
			return fmt.Errorf("read wins: %w", err)
		}
		if mine && at >= 0 {
			out[row[0]] = append(out[row[0]], win{n, at, slot, row[4] == "control", row[5] == "true"})
		}
	}
	return nil
}

// digitsMax bounds how finely a day's wins are asked for.
const digitsMax = 8

// expose notes a win of a visit, and lets her look.
func (s *seeker) expose(v *wire.Visit, won *win) {
	c := &s.campaigns[won.campaign]
	looks, _ := wire.Glance(s.world, v, won.placement, won.slot, c.products[0])
	if day := s.Scenario.First() + retail.Day(s.day(v.At)); day <= s.through[won.campaign] {
		x := s.exposure(v, won, day)
		if looks {
			x.Looked++
		}
		s.sees(v, won, day)
	}
	if !looks {
		return
	}
	book := s.book
	if won.held {
		book = s.would
	}
	book.Shown(v.Shopper, s.day(v.At), c.about, won.placement, won.slot+1)
}

// exposure is a shopper's to a campaign, which begins with her first win.
func (s *seeker) exposure(v *wire.Visit, won *win, day retail.Day) *Exposed {
	who := int32(v.Shopper)
	for _, m := range s.exposed[who] {
		if m.campaign == int32(won.campaign) {
			return m.Exposed
		}
	}
	c := &s.campaigns[won.campaign]
	x := &Exposed{
		Campaign: c.Name, Shopper: who, Held: won.held, Measured: s.measured(v, won), First: int32(day), Susceptibility: s.book.Susceptibility(v.Shopper, c.about),
	}
	before := s.before[who]
	if i := slices.IndexFunc(before, func(b spent) bool { return b.campaign == int32(won.campaign) }); i >= 0 {
		x.Before = before[i].cents
		s.before[who] = slices.Delete(before, i, i+1)
	}
	s.exposed[who] = append(s.exposed[who], mine{int32(won.campaign), x})
	return x
}

// measured reports whether who wins allows measurement to the end.
func (s *seeker) measured(v *wire.Visit, won *win) bool {
	withdraws := s.world.Crowd.Saying(v.Shopper).Withdraw
	return won.measured && (withdraws < 0 || withdraws >= 7*s.Scenario.Weeks)
}

// hold adds a receipt to the sums of those who are exposed: of her who bought, and
// of the keys under which she did.
func (s *seeker) hold(r *life.Receipt, lines []life.Line) {
	day := s.day(r.At)
	did, would := s.book.Sway(r, lines, day), s.would.Sway(r, lines, day)
	s.count(did)
	today := s.Scenario.First() + retail.Day(day)
	for _, x := range s.exposed[r.Shopper] {
		if today > s.through[x.campaign] {
			continue
		}
		with := did
		if x.Held {
			with = would
		}
		if r.Online {
			x.WithOnline += s.spent(with, x.campaign)
			x.WithoutOnline += s.spent(lines, x.campaign)
		} else {
			x.WithStore += s.spent(with, x.campaign)
			x.WithoutStore += s.spent(lines, x.campaign)
		}
	}
	for _, x := range s.seen[ofReceipt(s.world.Crowd, r)] {
		if today > s.through[x.campaign] {
			continue
		}
		with := did
		if x.Held {
			with = would
		}
		if extra := s.spent(with, x.campaign) - s.spent(lines, x.campaign); r.Online {
			x.Online += extra
		} else {
			x.Store += extra
		}
	}
	s.remind(r.Shopper, did, today)
}

// remind adds what a shopper spent on the range of campaigns that she may yet see.
func (s *seeker) remind(who int32, lines []life.Line, today retail.Day) {
	for i := range lines {
		n := s.of[lines[i].Product]
		if n < 0 {
			continue
		}
		if _, to := s.campaigns[n].flight(s.Scenario.First()); today >= to || slices.ContainsFunc(s.exposed[who], func(m mine) bool { return m.campaign == n }) {
			continue
		}
		all := s.before[who]
		at := slices.IndexFunc(all, func(b spent) bool { return b.campaign == n })
		if at < 0 {
			at, all = len(all), append(all, spent{campaign: n})
			s.before[who] = all
		}
		all[at].cents += int64(lines[i].Sales)
	}
}

// spent is what lines hold of a campaign's range, in cents.
func (s *seeker) spent(lines []life.Line, campaign int32) (sum int64) {
	for i := range lines {
		if s.of[lines[i].Product] == campaign {
			sum += int64(lines[i].Sales)
		}
	}
	return sum
}

// found sums up.
func (s *seeker) found() []Found {
	out := make([]Found, len(s.campaigns))
	for i := range out {
		c := &s.campaigns[i]
		out[i] = Found{
			Name: c.Name, Category: c.Category, Brand: c.Brand, Where: string(c.Where), Effect: string(c.Effect),
			Heterogeneous: c.Heterogeneous, Terms: c.terms, Through: s.through[i],
		}
	}
	for _, all := range s.exposed {
		for _, m := range all {
			out[m.campaign].Exposed = append(out[m.campaign].Exposed, *m.Exposed)
		}
	}
	for _, all := range s.seen {
		for _, x := range all {
			out[x.campaign].Seen = append(out[x.campaign].Seen, *x)
		}
	}
	for i := range out {
		out[i].sum()
	}
	return out
}

// sum puts the exposed in order, and sums them up.
func (f *Found) sum() {
	slices.SortFunc(f.Exposed, func(a, b Exposed) int { return cmp.Compare(a.Shopper, b.Shopper) })
	slices.SortFunc(f.Seen, func(a, b Seen) int { return cmp.Or(cmp.Compare(a.Shopper, b.Shopper), cmp.Compare(a.Keys, b.Keys)) })
	for i := range f.Exposed {
		x, to := &f.Exposed[i], &f.Treated
		switch {
		case !x.Measured:
			to = &f.Unmeasured
		case x.Held:
			to = &f.Held
		}
		to.add(x.WithStore-x.WithoutStore, x.WithOnline-x.WithoutOnline)
	}
	for i := range f.Seen {
		switch x := &f.Seen[i]; {
		case !x.Measured:
		case x.Held:
			f.SeenHeld.add(x.Store, x.Online)
		default:
			f.SeenTreated.add(x.Store, x.Online)
		}
	}
}

// write writes campaigns.json, exposed.parquet, seen.parquet, coupons.json and
// clicks.json.
func (s *seeker) write(found []Found) error {
	err := put(s.Truth, "campaigns.json", func(f *os.File) error {
		return indented(f, map[string]any{
			"declared":  Declared,
			"about":     "What each campaign truly sold, in cents: the sum over shoppers who were shown it, or would have been, of spend with adverts less spend without, from the first win to the last day that counts; seen is what of it was bought under the keys that saw the campaign, as a report can tell.",
			"currency":  s.Scenario.Currency,
			"campaigns": found,
		})
	})
	if err != nil {
		return err
	}
	if err := putRows(s.Truth, "exposed.parquet", func(write func([]Exposed) error) error {
		for i := range found {
			if err := write(found[i].Exposed); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if err := putRows(s.Truth, "seen.parquet", func(write func([]Seen) error) error {
		for i := range found {
			if err := write(found[i].Seen); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if err := put(s.Truth, "coupons.json", func(f *os.File) error {
		return indented(f, map[string]any{"declared": Declared, "about": rows.AboutMoved, "terms": life.Planted()})
	}); err != nil {
		return err
	}
	return put(s.Truth, "clicks.json", func(f *os.File) error {
		looks := make(map[string][]float64)
		for _, at := range wire.Placements {
			for slot := range at.Slots {
				looks[at.ID] = append(looks[at.ID], life.Examine(slot+1))
			}
		}
		return indented(f, map[string]any{
			"declared": Declared,
			"about":    "An advert is looked at with the chance of its slot, and then clicked with probability known or unknown, by whether its product is in the shopper's repertoire; in the aisle nobody clicks.",
			"looks":    looks, "known": life.ClickKnown, "unknown": life.ClickUnknown,
		})
	})
}

func indented(f *os.File, doc any) error {
	to := json.NewEncoder(f)
	to.SetIndent("", "  ")
	return to.Encode(doc)
}

// putRows writes a table as put does, rows as they come.
func putRows[T any](dir, name string, all func(write func([]T) error) error) error {
	return put(dir, name, func(f *os.File) error {
		to := pq.NewGenericWriter[T](f, pq.Compression(&pq.Snappy), pq.MaxRowsPerRowGroup(groupRows), pq.KeyValueMetadata("endcap.declared", Declared), pq.CreatedBy("endcap simulate", "1", ""))
		if err := all(func(rows []T) error {
			_, err := to.Write(rows)
			return err
		}); err != nil {
			return err
		}
		return to.Close()
	})
}

// groupRows is how many rows of a table are held until they are written.
const groupRows = 65_536

// put writes a file under another name and renames it: one that is there is whole.
func put(dir, name string, write func(*os.File) error) error {
	path := filepath.Join(dir, name)
	f, err := os.Create(path + ".part")
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(path+".part"))
	}
	return os.Rename(path+".part", path)
}
