package decide

import (
	"encoding/binary"
	"hash/fnv"
	"slices"

	"github.com/cespare/xxhash/v2"

	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/trial"
	"endcap/retail/visit"
	"endcap/sell/campaign"
)

// A record holds what is needed to sell the slots of one decision again: the
// request, what was used, and the finalists with what went into the auction.
// What came out of it is not stored but computed again by Explain.
//
// recordVersion is its first byte. Old versions are read for ever: the first has no
// list, no effects of merchandising rules and no word for an empty list; the first
// two rank by fit alone and name no model of clicks.
const (
	recordFirst   = 1
	recordLists   = 2
	recordVersion = 3
)

// Where a record would be too long, it is shortened step by step, and says so.
const (
	whole         = iota
	fewerWords    // without proposals and most of the query
	fewerLosers   // without finalists that were refused before the auction
	shorterNames  // names of finalists become hashes
	noFinalists   // only the request
	queryShort    = 40
	nameShort     = 9
	proposalCount = 20
	effectCount   = 20
)

// versioned is what a part of the house may offer, so that a record can name
// what it used.
type versioned interface{ Version() uint64 }

func versionOf(part any) uint64 {
	if v, ok := part.(versioned); ok {
		return v.Version()
	}
	return 0
}

// record leaves the Decided fact of a and counts its refusals.
func (d *Decider) record(s *sale, a *Answer) {
	d.add(s)
	v := &s.request.Visit
	body := event.Decided{
		Decision: a.Decision, Channel: v.Channel, Store: v.Store,
		Wins: s.wins(), Refusals: s.refusals(),
	}
	body.Basis = s.told()
	body.Record = s.encode(a, body.Refusals, [...]uint64{s.snap.Version, versionOf(d.cfg.Assortment), versionOf(d.cfg.Recommender)})
	d.cfg.Recorder.Record(event.Fact{
		ID: a.Decision.String(), At: v.At, Arrived: s.now, Day: v.Day, Shopper: s.request.Shopper, Consent: s.allowed,
		Source: "decide", Body: body,
	})
}

// told is the basis of what is shown; none where no person looks.
func (s *sale) told() []byte {
	s.chosen = s.chosen[:0]
	for i := range s.places {
		p := &s.places[i]
		for j := range p.finalists {
			if f := &p.finalists[j]; f.shown() {
				s.chosen = append(s.chosen, f.pair)
			}
		}
	}
	if len(s.chosen) == 0 || s.request.Visit.Bot {
		return nil
	}
	s.basis = s.page.weigher.Basis(s.basis[:0], &s.weighing, s.chosen)
	return slices.Clone(s.basis)
}

// wins lists the winners, ghosts too, by placement and slot order.
func (s *sale) wins() []event.Win {
	n := 0
	s.winners(func(*finalist, *campaign.Line) bool { n++; return true })
	if n == 0 {
		return nil
	}
	out := make([]event.Win, 0, n)
	for i := range s.places {
		p := &s.places[i]
		for j := range p.finalists {
			f := &p.finalists[j]
			if !f.Won() {
				continue
			}
			l := &s.snap.Lines[f.Line]
			out = append(out, event.Win{
				Placement: p.ID, Slot: uint8(f.Slot), Advertiser: l.Payer.ID, Campaign: l.Campaign.ID, LineItem: l.Item.ID,
				Product: s.snap.Products[f.Product], Price: retail.Micros(f.Price * l.Minor), Currency: p.Currency, Arm: f.Arm,
			})
		}
	}
	return out
}

// encode writes the record, as whole as fits.
func (s *sale) encode(a *Answer, refusals []event.RefusalCount, versions [3]uint64) []byte {
	for level := whole; ; level++ {
		w := writer{b: make([]byte, 0, 1_024), level: level}
		w.head(s, a, versions)
		for i := range s.places {
			w.place(s, &s.places[i])
		}
		w.refusals(refusals)
		if len(w.b) <= event.RecordMax || level == noFinalists {
			return w.b
		}
	}
}

type writer struct {
	b     []byte
	level int
}

func (w *writer) uint(v uint64)  { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int64)    { w.b = binary.AppendVarint(w.b, v) }
func (w *writer) fixed(v uint64) { w.b = binary.BigEndian.AppendUint64(w.b, v) }
func (w *writer) text(v string)  { w.uint(uint64(len(v))); w.b = append(w.b, v...) }
func (w *writer) count(n int)    { w.uint(uint64(n)) }

func (w *writer) flag(v bool) {
	if v {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}

// name writes a name of a finalist, or its hash where room is short.
func (w *writer) name(v string) {
	if w.level >= shorterNames && len(v) > nameShort {
		h := fnv.New32a()
		_, _ = h.Write([]byte(v))
		v = "#" + hex32(h.Sum32())
	}
	w.text(v)
}

func hex32(v uint32) string {
	const digits = "0123456789abcdef"
	var b [8]byte
	for i := range b {
		b[i] = digits[v>>(28-4*i)&15]
	}
	return string(b[:])
}

func (w *writer) head(s *sale, a *Answer, versions [3]uint64) {
	v := &s.request.Visit
	query, proposals, effects := v.Query, a.Proposals, a.Effects
	if w.level >= fewerWords {
		proposals, effects, query = nil, nil, query[:min(len(query), queryShort)]
	}
	w.b = append(w.b, recordVersion, byte(w.level))
	w.int(v.At.UnixMicro())
	w.int(int64(v.Day))
	w.b = append(w.b, byte(v.Channel))
	w.text(string(v.Store))
	w.text(query)
	w.text(string(v.Category))
	w.text(string(v.Product))
	w.count(len(v.Basket))
	w.flag(v.Bot)
	w.flag(s.request.Shopper.Known())
	w.b = append(w.b, byte(s.allowed))
	w.fixed(s.seed)
	for _, version := range versions {
		w.uint(version)
	}
	w.fixed(digest(s.habitsFor(consent.PersonalAds)))
	w.audiences(s)
	proposals = proposals[:min(len(proposals), proposalCount)]
	w.count(len(proposals))
	for _, p := range proposals {
		w.text(string(p.Product))
		w.text(string(p.Reason))
		w.int(int64(p.Count))
	}
	w.effects(effects)
	w.text(string(v.List))
	w.text(a.Empty)
	w.uint(s.model())
	w.count(len(s.places))
}

// model is the version of the model of clicks whose chances were bid with.
func (s *sale) model() uint64 {
	if s.page == nil {
		return 0
	}
	return s.page.weigher.Model()
}

// effects writes what merchandising rules did.
func (w *writer) effects(all []visit.Effect) {
	all = all[:min(len(all), effectCount)]
	w.count(len(all))
	for i := range all {
		e := &all[i]
		w.text(e.Rule)
		w.text(e.Did)
		w.text(string(e.Product))
		w.int(int64(e.From))
		w.int(int64(e.To))
	}
}

// digest tells one habits section from another without holding any of it.
func digest(section []byte) uint64 {
	if section == nil {
		return 0
	}
	return xxhash.Sum64(section)
}

// audiences writes the finalists' audiences that she is in.
func (w *writer) audiences(s *sale) {
	var used [SlotsMax]int32
	n := 0
	s.winners(func(f *finalist, l *campaign.Line) bool {
		if l.AudienceNo != campaign.Nobody && n < len(used) && w.level < shorterNames && !slices.Contains(used[:n], l.AudienceNo) {
			used[n] = l.AudienceNo
			n++
		}
		return true
	})
	w.count(n)
	for _, no := range used[:n] {
		w.text(string(s.snap.Audiences[no]))
	}
}

func (w *writer) place(s *sale, p *place) {
	w.text(string(p.ID))
	w.count(p.slots)
	w.int(p.Floor)
	w.text(string(p.Currency))
	n := 0
	for i := range p.finalists {
		if w.keeps(&p.finalists[i]) {
			n++
		}
	}
	w.count(n)
	for i := range p.finalists {
		if f := &p.finalists[i]; w.keeps(f) {
			w.finalist(s, f)
		}
	}
}

func (w *writer) keeps(f *finalist) bool {
	return w.level < fewerLosers || w.level < noFinalists && !f.early
}

func (w *writer) finalist(s *sale, f *finalist) {
	l := &s.snap.Lines[f.Line]
	w.name(string(l.Item.ID))
	w.name(string(s.snap.Products[f.Product]))
	if w.level < shorterNames {
		w.text(string(l.Campaign.ID))
		w.text(string(l.Payer.ID))
	}
	w.int(int64(f.Line))
	w.int(int64(f.Product))
	w.int(int64(f.Campaign))
	w.int(int64(f.Quality))
	w.int(f.Bid)
	w.int(l.Bid)
	w.b = append(w.b, byte(f.Arm), byte(f.why))
	early := reason(0)
	if f.early {
		early = reasonOf(f.Refusal)
	}
	w.b = append(w.b, byte(early))
}

func (w *writer) refusals(counts []event.RefusalCount) {
	w.count(len(counts))
	for _, c := range counts {
		w.b = append(w.b, byte(reasonOf(c.Reason)))
		w.uint(uint64(c.Count))
	}
}

// armOf reads a stored arm.
func armOf(b byte) (trial.Arm, bool) { return trial.Arm(b), b <= byte(trial.Control) }
