// Package decide answers one visit: products to propose, and for each placement
// the sponsored products that won its slots. It reads a shopper's profile once,
// hands each wing its section, sells the slots at auction, counts frequency caps
// and leaves one record from which the same auction can be run again.
//
// Consent is asked here, per purpose. Without personal_offers the proposals come
// from the visit alone. Without personal_ads she sees only line items that target
// no audience, ranked for the visit alone, and no frequency is counted. Without
// measurement she is in no experiment: always treated, and nothing of her serves
// as proof. A visitor whom nobody knows has given none of the three.
//
// Every refusal has a name. A line item refused for a reason of the placement is
// counted once per placement, for a reason of its own or the shopper's once. Line
// items that target other searches or categories are counted together as
// no_match, and not one by one; that a line item does not run in a placement is
// counted in the decision, and not told to its advertiser.
//
// On the road of a receipt, a visit comes in here and a signed token goes out.
package decide

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"endcap/keep/profile"
	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/visit"
	"endcap/sell/campaign"
)

// Profiles is what decide needs of keep/profile; of a shopper who is one person
// with others it gives and counts the person's.
type Profiles interface {
	Get(ctx context.Context, who shopper.ID) (profile.Profile, error)
	Counts(ctx context.Context, who shopper.ID, now time.Time) (map[string]int, error)
	Bump(ctx context.Context, who shopper.ID, now time.Time, counters []profile.Counter) ([]bool, error)
}

// Recommender proposes products and says how good candidates are for a visit, from
// a shopper's section or, where that is nil, from the visit alone.
type Recommender interface {
	Propose(who shopper.ID, section []byte, v *visit.Visit, n int) visit.Proposed
	// Weigher prepares the candidates that may stand on a page, of which only Query
	// and Category count. It holds until Revision changes.
	Weigher(page *visit.Visit, candidates []visit.Candidate) visit.Weigher
	Revision() uint64
}

// Audiences says to which audiences a shopper belongs by her purchases.
type Audiences interface {
	// Version changes whenever Members may answer otherwise for the same section
	// and day.
	Version() uint64
	Members(section []byte, today retail.Day) []audience.ID
}

// Assortment says what is there to be sold.
type Assortment interface {
	InStock(id catalog.ProductID, at catalog.StoreID) bool
}

// Recorder keeps facts without making anybody wait.
type Recorder interface{ Record(f event.Fact) }

// Book holds what is booked.
type Book interface{ Snapshot() *campaign.Snapshot }

// Sections names the sections of a profile that decide hands on.
type Sections struct {
	Consent   profile.Section
	Audiences profile.Section
	Habits    profile.Section
}

// Config is what a Decider stands on. All of it is required.
type Config struct {
	Book        Book
	Profiles    Profiles
	Recommender Recommender
	Assortment  Assortment
	Recorder    Recorder
	Sections    Sections
	// Allowed is what a shopper allows at an instant, by the section of her consents.
	Allowed func(who shopper.ID, section []byte, now time.Time) consent.Set
	// Canonical is as whom a shopper is known who is one person with others: the
	// unit of experiments. Facts and tokens name the shopper who visits.
	Canonical func(shopper.ID) shopper.ID
	Audiences Audiences
	Keys      func() media.Keyring // as they are now: they are rotated meanwhile
	Now       retail.Clock
	Zone      *time.Location
	Rand      io.Reader // unguessable, for ids; safe for concurrent use
}

// Check returns an error when something is missing.
func (c *Config) Check() error {
	if c.Book == nil || c.Profiles == nil || c.Recommender == nil || c.Assortment == nil || c.Recorder == nil ||
		c.Allowed == nil || c.Canonical == nil || c.Audiences == nil || c.Keys == nil || c.Now == nil || c.Zone == nil || c.Rand == nil ||
		c.Sections.Consent == "" || c.Sections.Audiences == "" || c.Sections.Habits == "" {
		return errors.New("decide: a decider needs every part of its Config")
	}
	return nil
}

// Limits of one request.
const (
	PlacementsMax = 5
	SlotsMax      = 40 // over all placements
	ProposalsMax  = 50
)

// Ask asks for up to Slots slots of a placement.
type Ask struct {
	ID    media.PlacementID
	Slots int
}

// Request is one visit. Visit names the business day of its instant.
type Request struct {
	Shopper    shopper.ID
	Visit      visit.Visit
	Placements []Ask
	Proposals  int
}

// Answer is one decision.
type Answer struct {
	Decision  media.DecisionID
	Proposals []visit.Proposal
	Effects   []visit.Effect // what merchandising rules did to the proposals
	Empty     string         // why there is no proposal, if there is none and some were asked for
	Placed    []Placed       // one for each Ask, in order
}

// Placed is what one placement shows.
type Placed struct {
	ID        media.PlacementID
	Sponsored []Sponsored // by slot, without gaps
}

// Sponsored is one sponsored product: who pays, why it is shown, and the token
// that events about it carry.
type Sponsored struct {
	Slot       int
	Product    catalog.ProductID
	Advertiser media.AdvertiserID
	Payer      string   // the advertiser's name
	Reasons    []string // keyword, category or placement; then audience
	Token      string
}

// Decider answers visits. Make one with New; it is safe for concurrent use.
type Decider struct {
	cfg     Config
	scratch sync.Pool
	pages   pages
	members [membershipsKept]atomic.Pointer[membership]
	tally   atomic.Pointer[tally]
	turn    sync.Mutex // guards the change of tally, and retired
	retired []*tally
}

// New makes a Decider.
func New(cfg Config) (*Decider, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return &Decider{cfg: cfg, scratch: sync.Pool{New: func() any { return &sale{sealer: media.NewSealer(cfg.Keys())} }}}, nil
}

// Decide answers a request. A request that breaks a limit or names an unknown
// placement gives a *retail.Error.
func (d *Decider) Decide(ctx context.Context, r *Request) (*Answer, error) {
	s, ok := d.scratch.Get().(*sale)
	if !ok {
		panic("decide: bug: the pool holds something else")
	}
	defer d.scratch.Put(s)
	if ring := d.cfg.Keys(); !s.sealer.Fits(ring) {
		s.sealer = media.NewSealer(ring)
	}
	s.reset(d.cfg.Book.Snapshot(), r, d.cfg.Now().UTC().Truncate(time.Millisecond))
	if err := s.checkRequest(); err != nil {
		return nil, err
	}
	a := &Answer{}
	if _, err := io.ReadFull(d.cfg.Rand, a.Decision[:]); err != nil {
		return nil, fmt.Errorf("draw a decision's id: %w", err)
	}
	s.decision, s.seed = a.Decision, binary.BigEndian.Uint64(a.Decision[:])
	if err := d.read(ctx, s); err != nil {
		return nil, err
	}
	if r.Proposals > 0 {
		d.propose(s, a)
	}
	if err := d.sell(ctx, s); err != nil {
		return nil, err
	}
	d.seal(s, a)
	d.record(s, a)
	return a, nil
}

func (s *sale) checkRequest() error {
	r := s.request
	wrong := func(field, format string, args ...any) error {
		return &retail.Error{Kind: retail.Invalid, Field: field, Say: fmt.Sprintf(format, args...)}
	}
	switch {
	case len(r.Placements) > PlacementsMax:
		return wrong("placements", "at most %d placements in one request, not %d", PlacementsMax, len(r.Placements))
	case r.Proposals < 0 || r.Proposals > ProposalsMax:
		return wrong("proposals", "0 to %d proposals", ProposalsMax)
	case len(r.Visit.Query) > visit.QueryMax:
		return wrong("visit.query", "at most %d bytes", visit.QueryMax)
	case len(r.Visit.Basket) > visit.BasketMax:
		return wrong("visit.basket", "at most %d products", visit.BasketMax)
	case len(r.Visit.Viewed) > visit.ViewedMax:
		return wrong("visit.viewed", "at most %d products", visit.ViewedMax)
	}
	slots := 0
	for i, ask := range r.Placements {
		at := func(field string) string { return fmt.Sprintf("placements[%d].%s", i, field) }
		p := s.snap.Place(ask.ID)
		switch {
		case p == nil:
			return wrong(at("id"), "unknown placement %.64q", string(ask.ID))
		case ask.Slots < 1 || ask.Slots > p.SlotsMax:
			return wrong(at("slots"), "this placement has 1 to %d slots", p.SlotsMax)
		case slices.ContainsFunc(r.Placements[:i], func(b Ask) bool { return b.ID == ask.ID }):
			return wrong(at("id"), "named twice")
		}
		slots += ask.Slots
		s.places = s.memory[:i+1]
		s.places[i].Place, s.places[i].slots, s.places[i].shown = p, ask.Slots, 0
		s.places[i].finalists = s.places[i].finalists[:0]
	}
	if slots > SlotsMax {
		return wrong("placements", "at most %d slots in one request, not %d", SlotsMax, slots)
	}
	return nil
}

// read reads the profile and what the shopper allows.
func (d *Decider) read(ctx context.Context, s *sale) error {
	if !s.request.Shopper.Known() {
		return nil
	}
	p, err := d.cfg.Profiles.Get(ctx, s.request.Shopper)
	if err != nil {
		return fmt.Errorf("read a profile: %w", err)
	}
	s.allowed = d.cfg.Allowed(s.request.Shopper, p[d.cfg.Sections.Consent], s.now)
	s.habits = p[d.cfg.Sections.Habits]
	if s.allowed.Allows(consent.Measurement) {
		s.unit = d.cfg.Canonical(s.request.Shopper).Reveal()
	}
	if s.allowed.Allows(consent.PersonalAds) {
		s.members = d.membership(s.snap, p[d.cfg.Sections.Audiences], s.request.Visit.Day)
	}
	return nil
}

// habitsFor is the habits section where a purpose allows its use, else nil.
func (s *sale) habitsFor(p consent.Purpose) []byte {
	if s.allowed.Allows(p) {
		return s.habits
	}
	return nil
}

// propose asks for proposals and drops what is not there to be sold.
func (d *Decider) propose(s *sale, a *Answer) {
	v := &s.request.Visit
	var who shopper.ID
	habits := s.habitsFor(consent.PersonalOffers)
	if habits != nil {
		who = d.cfg.Canonical(s.request.Shopper)
	}
	found := d.cfg.Recommender.Propose(who, habits, v, s.request.Proposals)
	proposals := found.Proposals[:min(len(found.Proposals), s.request.Proposals)]
	a.Proposals = slices.DeleteFunc(proposals, func(p visit.Proposal) bool { return !d.cfg.Assortment.InStock(p.Product, v.Store) })
	a.Effects, a.Empty = found.Effects, found.Empty
}

// seal writes the answer's sponsored products with their tokens.
func (d *Decider) seal(s *sale, a *Answer) {
	a.Placed = make([]Placed, len(s.places))
	n := 0
	for i := range s.places {
		n += s.places[i].shown
	}
	all := make([]Sponsored, 0, n)
	for i := range s.places {
		p := &s.places[i]
		from := len(all)
		for j := range p.finalists {
			f := &p.finalists[j]
			if !f.shown() {
				continue
			}
			l := &s.snap.Lines[f.Line]
			token := s.token(f, l, p)
			token.Slot = uint8(len(all))
			all = append(all, Sponsored{
				Slot: f.Slot, Product: token.Product, Advertiser: token.Advertiser, Payer: l.Payer.Name,
				Reasons: reasons(f.why, l.AudienceNo != campaign.Nobody), Token: s.sealer.Seal(&token),
			})
		}
		a.Placed[i] = Placed{ID: p.ID, Sponsored: all[from:len(all):len(all)]}
	}
}

func (s *sale) token(f *finalist, l *campaign.Line, p *place) media.Token {
	return media.Token{
		Decision: s.decision, Advertiser: l.Payer.ID, Campaign: l.Campaign.ID, LineItem: l.Item.ID, Placement: p.ID,
		Product: s.snap.Products[f.Product], Charge: media.PerClick, Price: retail.Micros(f.Price * l.Minor), Currency: p.Currency,
		Arm: f.Arm, Day: s.snap.Day, Issued: s.now, Shopper: s.request.Shopper,
	}
}

// reasonsOf lists the words for each way of matching, without and with audience.
var reasonsOf = [...][2][]string{
	campaign.ByPlacement: {{"placement"}, {"placement", "audience"}},
	campaign.ByKeyword:   {{"keyword"}, {"keyword", "audience"}},
	campaign.ByCategory:  {{"category"}, {"category", "audience"}},
}

// reasons are shared slices: nobody may change them.
func reasons(why campaign.Why, targeted bool) []string {
	if targeted {
		return reasonsOf[why][1]
	}
	return reasonsOf[why][0]
}
