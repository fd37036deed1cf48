package decide

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/trial"
	"endcap/retail/visit"
	"endcap/sell/auction"
	"endcap/sell/campaign"
)

// Explanation is one decision told again: its request, what it used, and each
// finalist with what it bid and why it won or lost.
type Explanation struct {
	At         time.Time
	Day        retail.Day
	Channel    catalog.Channel
	Store      catalog.StoreID
	Query      string
	Category   catalog.Category
	Product    catalog.ProductID
	BasketSize int
	Bot        bool
	Known      bool // the visitor was a shopper we know
	Consent    consent.Set
	Seed       uint64
	Terms      uint64 // version of what was booked: a position in the registry
	Assortment uint64 // version of the assortment, 0 where it tells none
	Model      uint64 // version of the recommender's model, 0 where it tells none
	Chances    uint64 // version of the model of clicks whose chances the qualities are; 0 where they say how well products fit
	Habits     uint64 // digest of the habits section that was used, 0 for none
	Audiences  []audience.ID
	List       visit.ListName // that was asked for, empty for ForYou
	Proposals  []visit.Proposal
	Effects    []visit.Effect // what merchandising rules did to the proposals
	Empty      string         // why there is no proposal, if there is none
	Places     []ExplainedPlace
	Refusals   []event.RefusalCount
	// Shortened says that the whole did not fit a record: proposals and finalists
	// refused before the auction are missing, names may be hashes.
	Shortened bool
}

// ExplainedPlace is one placement of an Explanation; its finalists are in the
// order in which they were looked at, best first.
type ExplainedPlace struct {
	ID        media.PlacementID
	Slots     int
	Floor     retail.Money
	Finalists []Finalist
}

// Finalist is one line item that was looked at closely.
type Finalist struct {
	LineItem   media.LineItemID
	Campaign   media.CampaignID
	Advertiser media.AdvertiserID
	Product    catalog.ProductID
	Why        string        // keyword, category or placement
	Quality    int32         // parts per million: the chance of a click once looked at where the explanation names Chances, else how well it fits
	Bid        retail.Money  // what it bid
	BidBooked  retail.Money  // what its terms allow; it bids less when its budget is nearly spent
	Score      int64         // quality × bid in the smallest coins
	Arm        trial.Arm     // Control: held out
	Refusal    event.Refusal // empty where it won, or would have but for being held out
	Slot       int           // of a winner
	Price      retail.Money  // of a winner
}

// ErrRecord is returned for bytes that are not a record this program can read.
var ErrRecord = errors.New("not a decision's record")

// Explain runs the auctions of a record again.
func Explain(record []byte) (Explanation, error) {
	r := reader{b: record}
	version := r.byte()
	if version < recordFirst || version > recordVersion {
		return Explanation{}, fmt.Errorf("%w: version %d, this program reads %d to %d", ErrRecord, version, recordFirst, recordVersion)
	}
	level := r.byte()
	e := r.head(version)
	e.Shortened = level > whole
	var sale auction.Sale
	for !r.bad && len(e.Places) < r.places {
		place, inputs := r.place(level)
		if r.bad || !sell(&sale, &place, inputs) {
			return Explanation{}, fmt.Errorf("%w: damaged", ErrRecord)
		}
		e.Places = append(e.Places, place)
	}
	for range r.count(2) {
		why := r.byte()
		if why == 0 || why >= byte(reasonCount) {
			r.bad = true
			break
		}
		e.Refusals = append(e.Refusals, event.RefusalCount{Reason: words[why], Count: uint32(r.uint())})
	}
	if r.bad || len(r.b) > 0 || level > noFinalists {
		return Explanation{}, fmt.Errorf("%w: damaged", ErrRecord)
	}
	return e, nil
}

// Wins are the wins of e as the decision's fact lists them.
func (e *Explanation) Wins() []event.Win {
	var out []event.Win
	for i := range e.Places {
		p := &e.Places[i]
		for j := range p.Finalists {
			if f := &p.Finalists[j]; f.Refusal == "" {
				out = append(out, event.Win{
					Placement: p.ID, Slot: uint8(f.Slot), Advertiser: f.Advertiser, Campaign: f.Campaign, LineItem: f.LineItem,
					Product: f.Product, Price: f.Price.Amount, Currency: f.Price.Currency, Arm: f.Arm,
				})
			}
		}
	}
	return out
}

// input is what a record holds of one finalist beyond what is told.
type input struct {
	auction.Candidate
	early reason
}

// sell runs one place's auction; false where the inputs cannot have been one's.
func sell(sale *auction.Sale, p *ExplainedPlace, inputs []input) bool {
	floor := int64(p.Floor.Amount / p.Floor.Currency.Minor())
	sale.Open(p.Slots, floor)
	var last *auction.Candidate
	for i := range inputs {
		c := &inputs[i].Candidate
		if inputs[i].early != 0 {
			continue
		}
		if last != nil && !last.Before(c) || c.Bid < floor {
			return false
		}
		last = c
		sale.Offer(*c)
	}
	verdicts := sale.Close()
	for i := range inputs {
		f := &p.Finalists[i]
		if why := inputs[i].early; why != 0 {
			f.Refusal = words[why]
			continue
		}
		v := &verdicts[0]
		verdicts = verdicts[1:]
		f.Refusal, f.Slot = v.Refusal, v.Slot
		f.Price = retail.Money{Amount: retail.Micros(v.Price) * p.Floor.Currency.Minor(), Currency: p.Floor.Currency}
	}
	return true
}

// reader takes a record apart; after the first thing that does not fit it is bad
// and gives zeros.
type reader struct {
	b      []byte
	places int
	bad    bool
}

func (r *reader) head(version byte) Explanation {
	e := Explanation{
		At: time.UnixMicro(r.int()).UTC(), Day: retail.Day(r.int()), Channel: catalog.Channel(r.byte()), Store: catalog.StoreID(r.text()),
		Query: r.text(), Category: catalog.Category(r.text()), Product: catalog.ProductID(r.text()), BasketSize: int(min(r.uint(), visit.BasketMax)),
		Bot: r.byte() == 1, Known: r.byte() == 1, Consent: consent.Set(r.byte()), Seed: r.fixed(),
		Terms: r.uint(), Assortment: r.uint(), Model: r.uint(), Habits: r.fixed(),
	}
	for range r.count(1) {
		e.Audiences = append(e.Audiences, audience.ID(r.text()))
	}
	for range r.count(3) {
		e.Proposals = append(e.Proposals, visit.Proposal{Product: catalog.ProductID(r.text()), Reason: visit.Reason(r.text()), Count: int(r.int())})
	}
	if version >= recordLists {
		r.lists(&e)
	}
	if version > recordLists {
		e.Chances = r.uint()
	}
	r.places = r.count(1)
	if r.places > PlacementsMax {
		r.bad = true
	}
	return e
}

// lists reads what the first version lacks.
func (r *reader) lists(e *Explanation) {
	for range r.count(5) {
		e.Effects = append(e.Effects, visit.Effect{Rule: r.text(), Did: r.text(), Product: catalog.ProductID(r.text()), From: int(r.int32()), To: int(r.int32())})
	}
	e.List, e.Empty = visit.ListName(r.text()), r.text()
}

func (r *reader) place(level byte) (ExplainedPlace, []input) {
	p := ExplainedPlace{ID: media.PlacementID(r.text()), Slots: int(min(r.uint(), SlotsMax))}
	floor, currency := r.coins(), retail.Currency(r.text())
	money := func(coins int64) retail.Money {
		return retail.Money{Amount: retail.Micros(coins) * currency.Minor(), Currency: currency}
	}
	p.Floor = money(floor)
	var inputs []input
	for range r.count(11) {
		f := Finalist{LineItem: media.LineItemID(r.text()), Product: catalog.ProductID(r.text())}
		if level < shorterNames {
			f.Campaign, f.Advertiser = media.CampaignID(r.text()), media.AdvertiserID(r.text())
		}
		var in input
		in.Line, in.Product, in.Campaign, in.Quality = r.int32(), r.int32(), r.int32(), r.int32()
		in.Bid = r.coins()
		f.BidBooked = money(r.coins())
		arm, ok := armOf(r.byte())
		why := r.byte()
		in.early = reason(r.byte())
		if !ok || int(why) >= len(reasonsOf) || in.early >= reasonCount || in.Quality < 1 || in.Quality > auction.QualityAll || in.Bid < 1 && in.early == 0 {
			r.bad = true
			break
		}
		in.Arm = arm
		f.Why, f.Quality, f.Bid, f.Score, f.Arm = reasons(campaign.Why(why), false)[0], in.Quality, money(in.Bid), in.Score(), arm
		p.Finalists, inputs = append(p.Finalists, f), append(inputs, in)
	}
	return p, inputs
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if !r.skip(n) {
		return 0
	}
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if !r.skip(n) {
		return 0
	}
	return v
}

func (r *reader) int32() int32 {
	v := r.int()
	if v != int64(int32(v)) {
		r.bad = true
	}
	return int32(v)
}

// coins reads an amount in the smallest coins that fits Micros of any currency.
func (r *reader) coins() int64 {
	v := r.int()
	if v < 0 || v > int64(retail.MicrosMax/retail.Unit)*1_000 {
		r.bad = true
		return 0
	}
	return v
}

func (r *reader) fixed() uint64 {
	if len(r.b) < 8 {
		r.bad, r.b = true, nil
		return 0
	}
	v := binary.BigEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

func (r *reader) text() string {
	n := r.count(1)
	v := string(r.b[:n])
	r.b = r.b[n:]
	return v
}

// count reads the length of a list whose items take at least size bytes each.
func (r *reader) count(size int) int {
	n := r.uint()
	if n > uint64(len(r.b)/size) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) skip(n int) bool {
	if n <= 0 {
		r.bad, r.b = true, nil
		return false
	}
	r.b = r.b[n:]
	return true
}
