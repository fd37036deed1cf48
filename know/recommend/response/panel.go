package response

import (
	"sync/atomic"

	"endcap/retail/catalog"
	"endcap/retail/media"
)

// Panel is the candidates of one page, of whose appeal all is summed already that
// does not change from visitor to visitor. It is one Scorer's, and as lasting, and
// may be used by many at once.
type Panel struct {
	scorer   *Scorer
	products []paneled
	ads      []paneledAd
	places   atomic.Pointer[[]*stage]
}

// paneled is one product of a panel: its sums without placement and time, and what of
// it is crossed with either.
type paneled struct {
	sides    sides
	category uint64
	match    [2]uint64 // buckets of words and within
	nobody   float64   // where nobody is known
	fresh    float64   // to a known shopper who never bought it, its category or its brand
	popped   uint8     // its popularity's bucket
}

// PanelAd is a line item's candidate: one of a panel's products.
type PanelAd struct {
	Product    int32
	Advertiser media.AdvertiserID
	LineItem   media.LineItemID
}

type paneledAd struct {
	product int32
	sum     float64
}

// stage is what one placement adds to each product.
type stage struct {
	id     media.PlacementID
	nobody float64 // more where nobody is known
	sums   []float64
}

// stagesMost is how many placements a panel keeps sums of.
const stagesMost = 64

// NewPanel prepares products, of whose showings neither placement, position,
// channel, hour, advertiser, line item nor relation are looked at, and the ads that
// show them.
func (s *Scorer) NewPanel(products []Showing, ads []PanelAd) (*Panel, error) {
	p := &Panel{scorer: s, products: make([]paneled, len(products)), ads: make([]paneledAd, len(ads))}
	p.places.Store(new([]*stage))
	for i := range products {
		sh := products[i]
		sh.Placement, sh.Position, sh.Relation, sh.Advertiser, sh.LineItem, sh.Hour = "", 1, nil, "", "", 0
		if err := sh.Check(); err != nil {
			return nil, err
		}
		p.products[i] = s.panel(&sh)
	}
	for i, ad := range ads {
		e := example{shift: uint8(64 - s.bits)}
		e.id(ofAdvertiser, string(ad.Advertiser))
		e.id(ofLineItem, string(ad.LineItem))
		p.ads[i] = paneledAd{ad.Product, s.clicks.sum(&e)}
	}
	return p, nil
}

// panel sums one product up.
func (s *Scorer) panel(sh *Showing) paneled {
	var e example
	out := paneled{category: nameHash(string(sh.Category)), match: [2]uint64{tenth(sh.Words), tenth(sh.Within)}}
	out.sides = e.common(sh, s.bits)
	all := clicksPrior
	for i := range e.n {
		switch e.what[i] {
		case ofTime, ofMatch, ofPlacement, placementCategory: // of the visit and the placement
		default:
			all += s.clicks.at[e.at[i]] * e.value[i]
		}
	}
	out.popped = uint8(out.sides.popular)
	e = example{shift: e.shift}
	e.put(nobodyPopular, 1, out.sides.popular)
	out.nobody = all + s.clicks.sum(&e)
	out.fresh = all + s.unbought(&out) + s.steps.near(0, 0, 0, 0, out.popped)
	return out
}

// unbought is what not having bought a product adds, whatever else she buys.
func (s *Scorer) unbought(p *paneled) float64 {
	e := example{shift: uint8(64 - s.bits)}
	e.put(receiptsPopular, 1, 0, p.sides.popular)
	e.put(receiptsProduct, 1, 0, p.sides.product)
	return s.steps.never + s.clicks.sum(&e)
}

// stage gives what a placement adds.
func (p *Panel) stage(id media.PlacementID) *stage {
	kept := p.places.Load()
	for _, st := range *kept {
		if st.id == id {
			return st
		}
	}
	s := p.scorer
	st := &stage{id: id, sums: make([]float64, len(p.products))}
	e := example{shift: uint8(64 - s.bits)}
	at := e.id(ofPlacement, string(id))
	all := s.clicks.sum(&e)
	for i := range p.products {
		of := &p.products[i]
		e.n = 0
		e.put(ofMatch, 1, at, of.match[0], of.match[1])
		e.put(placementCategory, 1, at, of.category)
		st.sums[i] = all + s.clicks.sum(&e)
	}
	e.n = 0
	e.put(nobodyKnown, 1, at)
	st.nobody = s.clicks.sum(&e)
	if len(*kept) < stagesMost {
		more := append(append([]*stage{}, *kept...), st)
		p.places.CompareAndSwap(kept, &more) // who was first is as good
	}
	return st
}

// Visitor is one visit to a panel: when and where, and how she stands to each of
// its products. Relations is nil where nobody is known, or she does not allow it.
type Visitor struct {
	Channel   catalog.Channel
	Hour      int
	Relations []Relation // by product
}

// Qualities writes the quality of every ad in every placement: that of ad i in
// placement n at n × ads + i, as Answer.Quality has it. scratch is memory for one
// number of each product, which it returns for the next visit.
func (p *Panel) Qualities(v *Visitor, placements []media.PlacementID, to []int32, scratch []float64) []float64 {
	s := p.scorer
	scratch = scratch[:0]
	for i := range p.products {
		if v.Relations == nil {
			scratch = append(scratch, p.products[i].nobody)
		} else {
			scratch = append(scratch, s.related(&p.products[i], &v.Relations[i]))
		}
	}
	e := example{shift: uint8(64 - s.bits)}
	e.put(ofTime, 1, uint64(v.Channel), uint64(v.Hour/3))
	when := s.clicks.sum(&e)
	for n, id := range placements {
		st := p.stage(id)
		to := to[n*len(p.ads):][:len(p.ads)]
		for i := range p.ads {
			ad := &p.ads[i]
			score := scratch[ad.product] + st.sums[ad.product] + ad.sum + when
			if v.Relations == nil {
				score += st.nobody
			}
			to[i] = Answer{Clicked: s.clicks.chance(score)}.Quality()
		}
	}
	return scratch
}

// related adds how she stands to a product.
func (s *Scorer) related(p *paneled, r *Relation) float64 {
	switch {
	case r.Receipts > 0 || r.Shown > 0 || r.Clicked > 0:
		e := example{shift: uint8(64 - s.bits)}
		e.relate(r, p.sides)
		return p.fresh - s.unbought(p) - s.steps.near(0, 0, 0, 0, p.popped) + s.clicks.sum(&e)
	case r.CategoryReceipts == 0 && r.CategoryProducts == 0 && r.CategoryRegulars == 0 && r.BrandReceipts == 0:
		return p.fresh
	}
	near := s.steps.near(level(r.BrandReceipts, receiptsMost), level(r.CategoryReceipts, categoryMost), level(r.CategoryRegulars, receiptsMost), level(r.CategoryProducts, receiptsMost), p.popped)
	return p.fresh - s.steps.near(0, 0, 0, 0, p.popped) + near
}

// The buckets of counts and of popularity.
const (
	fewLevels  = 14 // of counts up to receiptsMost
	manyLevels = 20 // up to categoryMost
	octaves    = 66
)

// steps is what purchases of the category and the brand add where the product itself
// was never bought: few enough to be laid out when a model is published.
type steps struct {
	never    float64 // what of it depends on nothing
	brand    [fewLevels]float64
	category [manyLevels]float64
	regulars [fewLevels]float64
	variety  [manyLevels][fewLevels]float64
	popular  [manyLevels][octaves]float64 // both crosses of category and popularity
}

// near looks it up by levels.
func (t *steps) near(brand, category, regulars, products uint64, popular uint8) float64 {
	return t.brand[brand] + t.category[category] + t.regulars[regulars] + t.variety[category][products] + t.popular[category][popular]
}

// lay works steps out, with the names and sides that relate has them.
func (s *Scorer) lay() (t steps) {
	of := func(f feature, sides ...uint64) float64 {
		e := example{shift: uint8(64 - s.bits)}
		e.put(f, 1, sides...)
		return s.clicks.sum(&e)
	}
	t.never = of(ofReceipts, 0) + of(receiptsDays, 0, 0) + of(receiptsShare, 0, tenth(0)) + of(ofShown, 0) + of(shownReceipts, 0, 0)
	for i := range uint64(fewLevels) {
		t.brand[i], t.regulars[i] = of(receiptsBrand, 0, i), of(receiptsRegulars, 0, i)
	}
	for c := range uint64(manyLevels) {
		t.category[c] = of(receiptsCategory, 0, c)
		for i := range uint64(fewLevels) {
			t.variety[c][i] = of(receiptsVariety, 0, c, i)
		}
		for i := range uint64(octaves) {
			t.popular[c][i] = of(categoryPopular, c, i) + of(receiptsCategoryPopular, 0, c, i/2)
		}
	}
	return t
}
