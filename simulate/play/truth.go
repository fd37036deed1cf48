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

func (s *Side) add(x *Exposed) {
	s.Shoppers++
	s.Store += x.WithStore - x.WithoutStore
	s.Online += x.WithOnline - x.WithoutOnline
}

// Found is what one campaign truly did through a day.
type Found struct {
	Name          string       `json:"campaign"`
	Category      string       `json:"category"`
	Brand         string       `json:"brand"`
	Where         string       `json:"where"`
	Effect        string       `json:"effect"`
	Heterogeneous bool         `json:"heterogeneous"`
	Terms         advert.Terms `json:"terms"`
	Through       retail.Day   `json:"through"`
	Treated       Side         `json:"treated"`    // who were shown it; the report's incremental sales are of these
	Held          Side         `json:"held_out"`   // what it would have done
	Unmeasured    Side         `json:"unmeasured"` // who were shown it and do not allow measurement
	Exposed       []Exposed    `json:"-"`
}

// win is one row of the product's wins: which visit would have seen what.
type win struct {
	campaign        int
	placement, slot int
	held, measured  bool
}

// seeker works out the truth of a play that is over.
type seeker struct {
	*player
	would     *advert.Book // in which the held-out looked at what they would have seen
	through   []retail.Day
	decisions map[string]string
	names     map[string]int        // of campaigns
	exposed   map[[2]int32]*Exposed // by shopper and campaign
	before    map[[2]int32]int64
	mine      map[int32][]int32 // by shopper: campaigns to which she is exposed
}

// Truth lives a play that is over once more, without the server but for which
// visits won an advert or would have, and gives what each campaign sold: through
// the day that through says of its name, else through the last that counts. It
// writes both into the folder of the truth. Where two campaigns share a category,
// each counts with and without all adverts.
func Truth(ctx context.Context, o Options, through map[string]retail.Day) ([]Found, error) {
	w, all, err := raise(&o)
	if err != nil {
		return nil, err
	}
	s := &seeker{
		player: &player{Options: o, client: wire.Client{HTTP: o.Client, Target: o.Server, Key: o.Key}, world: w, campaigns: all, of: ranges(w, all)},
		names:  make(map[string]int), exposed: make(map[[2]int32]*Exposed), before: make(map[[2]int32]int64), mine: make(map[int32][]int32),
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
	if s.decisions, err = readJournal(&o); err != nil {
		return nil, err
	}
	for n := range o.Scenario.Weeks {
		if err := s.live(ctx, n); err != nil {
			return nil, fmt.Errorf("week %d: %w", n+1, err)
		}
	}
	found := s.found()
	return found, s.write(found)
}

// live lives one week once more.
func (s *seeker) live(ctx context.Context, n int) error {
	still := n < s.Loaded || quiet(&s.Scenario, n)
	k, err := tell(s.world, s.world.Plan(n), still)
	if err != nil {
		return err
	}
	var wins map[string][]win
	if !still && len(s.campaigns) > 0 {
		if wins, err = s.wins(ctx, s.Scenario.First()+retail.Day(7*n)); err != nil {
			return err
		}
	}
	for i := range k.moments {
		switch m := &k.moments[i]; {
		case m.visit != nil:
			for _, won := range wins[s.decisions[m.visit.ID]] {
				s.expose(m.visit, &won)
			}
		case m.consent == nil:
			r := &k.batch.Receipts[m.receipt]
			s.count(r, k.batch.Lines[r.From:r.To])
		}
	}
	return nil
}

// wins asks history which visits of a week won, or would have.
func (s *seeker) wins(ctx context.Context, monday retail.Day) (map[string][]win, error) {
	out := make(map[string][]win)
	for day := monday; day < monday+7; day++ {
		if err := s.winsOf(ctx, day, "", out); err != nil {
			return nil, err
		}
	}
	return out, nil
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
	day := s.Scenario.First() + retail.Day(s.day(v.At))
	if day > s.through[won.campaign] {
		return
	}
	c := &s.campaigns[won.campaign]
	key := [2]int32{int32(v.Shopper), int32(won.campaign)}
	x := s.exposed[key]
	if x == nil {
		withdraws := s.world.Crowd.Saying(v.Shopper).Withdraw
		x = &Exposed{
			Campaign: c.Name, Shopper: key[0], Held: won.held, First: int32(day), Before: s.before[key],
			Measured: won.measured && (withdraws < 0 || withdraws >= 7*s.Scenario.Weeks), Susceptibility: s.book.Susceptibility(v.Shopper, c.about),
		}
		s.exposed[key] = x
		s.mine[key[0]] = append(s.mine[key[0]], key[1])
	}
	if looks, _ := wire.Glance(s.world, v, won.placement, won.slot, c.products[0]); looks {
		x.Looked++
		book := s.book
		if won.held {
			book = s.would
		}
		book.Shown(v.Shopper, s.day(v.At), c.about, won.placement, won.slot+1)
	}
}

// count adds a receipt to the sums of her campaigns.
func (s *seeker) count(r *life.Receipt, lines []life.Line) {
	day := s.day(r.At)
	did, would := s.book.Sway(r, lines, day), s.would.Sway(r, lines, day)
	for _, n := range s.mine[r.Shopper] {
		if s.Scenario.First()+retail.Day(day) > s.through[n] {
			continue
		}
		x := s.exposed[[2]int32{r.Shopper, n}]
		with := did
		if x.Held {
			with = would
		}
		if r.Online {
			x.WithOnline += s.spent(with, n)
			x.WithoutOnline += s.spent(lines, n)
		} else {
			x.WithStore += s.spent(with, n)
			x.WithoutStore += s.spent(lines, n)
		}
	}
	for i := range did {
		if n := s.of[did[i].Product]; n >= 0 {
			s.before[[2]int32{r.Shopper, n}] += int64(did[i].Sales)
		}
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
	for key, x := range s.exposed {
		out[key[1]].Exposed = append(out[key[1]].Exposed, *x)
	}
	for i := range out {
		f := &out[i]
		slices.SortFunc(f.Exposed, func(a, b Exposed) int { return cmp.Compare(a.Shopper, b.Shopper) })
		for j := range f.Exposed {
			switch x := &f.Exposed[j]; {
			case !x.Measured:
				f.Unmeasured.add(x)
			case x.Held:
				f.Held.add(x)
			default:
				f.Treated.add(x)
			}
		}
	}
	return out
}

// write writes campaigns.json, exposed.parquet and clicks.json.
func (s *seeker) write(found []Found) error {
	err := put(s.Truth, "campaigns.json", func(f *os.File) error {
		return indented(f, map[string]any{
			"declared":  Declared,
			"about":     "What each campaign truly sold, in cents: the sum over shoppers who were shown it, or would have been, of spend with adverts less spend without, from the first win to the last day that counts.",
			"currency":  s.Scenario.Currency,
			"campaigns": found,
		})
	})
	if err != nil {
		return err
	}
	err = put(s.Truth, "exposed.parquet", func(f *os.File) error {
		to := pq.NewGenericWriter[Exposed](f, pq.Compression(&pq.Snappy), pq.KeyValueMetadata("endcap.declared", Declared), pq.CreatedBy("endcap simulate", "1", ""))
		for i := range found {
			if _, err := to.Write(found[i].Exposed); err != nil {
				return err
			}
		}
		return to.Close()
	})
	if err != nil {
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
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(path+".part", path)
}
