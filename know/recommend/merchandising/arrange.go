package merchandising

import "slices"

// pin gathers the pins that count, by slot and then by rule. A product that is not
// in stock or excluded, or pinned already, is not pinned, nor is one for which the
// pins before it leave no slot.
func (s *Sheet) pin(c *Scene, d *Desk) {
	if s == nil {
		return
	}
	free := 0
	for i := range s.pins {
		p := &s.pins[i]
		if !d.counts[p.rule] || max(p.slot, free) >= c.Length {
			continue
		}
		if slices.ContainsFunc(d.pins, func(o pin) bool { return o.no == p.no }) || s.barred(d, p.no) || !c.Stock.InStock(s.products[p.no].ID, c.Store) {
			continue
		}
		from := slices.IndexFunc(d.standing, func(x standing) bool { return x.no == p.no })
		if from >= 0 {
			d.standing[from].pinned = true
		}
		d.pins = append(d.pins, pin{p.no, int32(from), p.rule, p.slot})
		d.take(p.no)
		free = max(p.slot, free) + 1
	}
}

// barred reports whether a rule that counts excludes a product.
func (s *Sheet) barred(d *Desk, no int32) bool { return s.verdict(d, s.classes[no]).out }

// take counts a product that will be on the list in what is spread.
func (d *Desk) take(no int32) {
	for j := range d.spreads {
		d.spreads[j].take(no)
	}
}

// full reports whether the list, with the pins to come, has enough of a product's
// brand or category.
func (d *Desk) full(no int32) bool { return d.spreads[0].full(no) || d.spreads[1].full(no) }

// fill makes the list: pins at their slots, or the next that is free, the rest by
// score, where brands and categories are spread. Where nothing is left to stand
// before a pin, it moves up.
func (s *Sheet) fill(c *Scene, d *Desk) {
	next := 0
	for len(d.List) < c.Length {
		for next < len(d.order) && d.passed(d.order[next]) {
			next++
		}
		rest := next < len(d.order)
		switch {
		case d.pinned < len(d.pins) && (d.pins[d.pinned].slot <= len(d.List) || !rest):
			p := &d.pins[d.pinned]
			d.pinned++
			d.put(p.no, p.from)
		case rest:
			at := d.order[next]
			d.take(d.standing[at].no)
			d.put(d.standing[at].no, at)
			next++
		default:
			return
		}
	}
}

// passed reports whether a candidate is not put on the list by its score.
func (d *Desk) passed(at int32) bool { return d.standing[at].pinned || d.full(d.standing[at].no) }

// put puts a product on the list; from is its place among the candidates, or -1.
func (d *Desk) put(no, from int32) {
	placed := Placed{No: no, From: int(from)}
	if from >= 0 {
		placed.Score = d.standing[from].score
		d.standing[from].to = int32(len(d.List))
	}
	d.List = append(d.List, placed)
}

// tell says what the rules did: to what they pinned, to the rest of the list, and to
// what would be on it without them.
func (s *Sheet) tell(c *Scene, d *Desk) {
	if s == nil {
		return
	}
	for at := range d.List {
		no := d.List[at].No
		if i := slices.IndexFunc(d.pins, func(p pin) bool { return p.no == no }); i >= 0 {
			s.add(d, Effect{s.rules[d.pins[i].rule].ID, Pinned, no, d.List[at].From, at})
		}
	}
	for at := range d.List {
		if from := d.List[at].From; from >= 0 && from != at {
			if x := &d.standing[from]; x.rule >= 0 && !x.pinned {
				s.add(d, Effect{s.rules[x.rule].ID, s.did(x), x.no, from, at})
			}
		}
	}
	for from := range d.standing[:min(len(d.standing), c.Length)] {
		x := &d.standing[from]
		switch {
		case x.to >= 0 || x.pinned:
		case x.out:
			s.add(d, Effect{s.rules[x.rule].ID, Excluded, x.no, from, -1})
		case d.full(x.no):
			s.add(d, Effect{s.spreading(d, x.no), Spreads, x.no, from, -1})
		case x.rule >= 0:
			s.add(d, Effect{s.rules[x.rule].ID, s.did(x), x.no, from, -1})
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

// spreading is the rule whose bound a product meets.
func (s *Sheet) spreading(d *Desk, no int32) ID {
	for i := range s.rules {
		if r := s.rules[i].Spread; r != nil && d.counts[i] {
			brand, kind := &d.spreads[0], &d.spreads[1]
			if r.PerBrand > 0 && r.PerBrand == brand.most && brand.full(no) || r.PerCategory > 0 && r.PerCategory == kind.most && kind.full(no) {
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
