package merchandising

import (
	"cmp"
	"slices"
)

// pin gathers the pins that count, by slot and then by rule. A product that is not
// in stock or excluded, or pinned already, is not pinned.
func (s *Sheet) pin(c *Scene, d *Desk) {
	for i, no := range s.pins {
		if no < 0 || !d.counts[i] || s.rules[i].Pin.Slot >= c.Length {
			continue
		}
		p := pin{no: no, from: -1, rule: int32(i), slot: s.rules[i].Pin.Slot}
		if slices.ContainsFunc(d.pins, func(o pin) bool { return o.no == no }) || s.barred(d, no) || !c.Stock.InStock(s.products[no].ID, c.Store) {
			continue
		}
		if at := slices.IndexFunc(d.standing, func(x standing) bool { return x.no == no }); at >= 0 {
			p.from = d.standing[at].from
		}
		d.pins = append(d.pins, p)
	}
	slices.SortStableFunc(d.pins, func(a, b pin) int { return cmp.Compare(a.slot, b.slot) })
}

// barred reports whether a rule that counts excludes a product.
func (s *Sheet) barred(d *Desk, no int32) bool {
	return slices.ContainsFunc(s.touched.of(no), func(t touch) bool { return d.counts[t.rule] && s.rules[t.rule].Exclude != nil })
}

// fill makes the list: pins at their slots, or the next that is free, the rest by
// score, where brands and categories are spread.
func (s *Sheet) fill(c *Scene, d *Desk) {
	next := 0
	for len(d.List) < c.Length {
		if d.pinned < len(d.pins) && d.pins[d.pinned].slot <= len(d.List) {
			p := &d.pins[d.pinned]
			d.pinned++
			placed := Placed{No: p.no, From: int(p.from)}
			if at := slices.IndexFunc(d.standing, func(x standing) bool { return x.no == p.no }); at >= 0 {
				placed.Score = d.standing[at].score
			}
			d.List = append(d.List, placed)
			continue
		}
		for next < len(d.standing) && (d.standing[next].out || s.pinned(d, d.standing[next].no) || s.full(d, d.standing[next].no)) {
			next++
		}
		if next == len(d.standing) {
			if d.pinned == len(d.pins) {
				return
			}
			d.pins[d.pinned].slot = len(d.List) // nothing stands before it: it moves up
			continue
		}
		x := &d.standing[next]
		d.List = append(d.List, Placed{No: x.no, Score: x.score, From: int(x.from)})
		next++
	}
}

func (s *Sheet) pinned(d *Desk, no int32) bool {
	return slices.ContainsFunc(d.pins, func(p pin) bool { return p.no == no })
}

// full reports whether the list, with the pins to come, has enough of a product's
// brand or category.
func (s *Sheet) full(d *Desk, no int32) bool {
	for j, most := range d.spreads {
		if most == 0 {
			continue
		}
		words := s.brands
		if j == 1 {
			words = s.kinds
		}
		if words[no] >= 0 && s.holds(d, words, words[no]) >= most {
			return true
		}
	}
	return false
}

// holds counts the products with a word on the list and among the pins to come.
func (s *Sheet) holds(d *Desk, words []int32, word int32) (n int) {
	for i := range d.List {
		if words[d.List[i].No] == word {
			n++
		}
	}
	for i := d.pinned; i < len(d.pins); i++ {
		if words[d.pins[i].no] == word {
			n++
		}
	}
	return n
}

// tell says what the rules did to what is on the list, or would be without them.
func (s *Sheet) tell(c *Scene, d *Desk) {
	if s == nil {
		return
	}
	for i := range d.pins {
		p := &d.pins[i]
		if to := place(d, p.no); to >= 0 {
			s.add(d, Effect{s.rules[p.rule].ID, Pinned, p.no, int(p.from), to})
		}
	}
	for i := range d.standing {
		x := &d.standing[i]
		to := place(d, x.no)
		if to < 0 && int(x.from) >= c.Length || s.pinned(d, x.no) {
			continue
		}
		switch {
		case x.out:
			s.add(d, Effect{s.rules[x.rule].ID, Excluded, x.no, int(x.from), -1})
		case to < 0 && s.full(d, x.no):
			s.add(d, Effect{s.spreading(d, x.no), Spreads, x.no, int(x.from), -1})
		case x.rule >= 0 && to != int(x.from):
			s.add(d, Effect{s.rules[x.rule].ID, s.did(x), x.no, int(x.from), to})
		}
	}
}

func (s *Sheet) did(x *standing) Deed {
	switch r := &s.rules[x.rule]; {
	case r.Weigh != nil:
		return Weighed
	case r.Boost.Factor > 1:
		return Boosted
	default:
		return Buried
	}
}

func place(d *Desk, no int32) int {
	return slices.IndexFunc(d.List, func(l Placed) bool { return l.No == no })
}

// spreading is the rule whose bound a product meets.
func (s *Sheet) spreading(d *Desk, no int32) ID {
	for i := range s.rules {
		if r := s.rules[i].Spread; r != nil && d.counts[i] {
			brand := r.PerBrand > 0 && r.PerBrand == d.spreads[0] && s.brands[no] >= 0 && s.holds(d, s.brands, s.brands[no]) >= r.PerBrand
			kind := r.PerCategory > 0 && r.PerCategory == d.spreads[1] && s.kinds[no] >= 0 && s.holds(d, s.kinds, s.kinds[no]) >= r.PerCategory
			if brand || kind {
				return s.rules[i].ID
			}
		}
	}
	return ""
}

func (s *Sheet) add(d *Desk, e Effect) {
	if len(d.Effects) < EffectsMax {
		d.Effects = append(d.Effects, e)
	}
}
