// Package people makes the simulated shoppers: what kind of shopper each is,
// which stores she goes to, by which keys she is known or mistaken, and what she
// consents to. Everything but the days of her last trips follows from the seed and
// her number, so that a million of them need few bytes each.
//
// It is before the road of a receipt: whose receipt it is, is known here alone.
package people

import (
	"context"
	"math"
	"runtime"
	"sync"
	"unsafe"

	"endcap/simulate/draw"
	"endcap/simulate/grocer"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
)

// What keys of chance are for. Their numbers are part of what a seed means, and
// distinct from those of the grocer and of life.
const (
	forTraits = iota + 101
	forStores
	forKeys
	forSay
	forDevice
	forAddress
)

// Shopper is one shopper's state, packed.
type Shopper struct {
	Rate   float32 // daily intensity of trips
	Lines  float32 // mean lines of a basket without fuel
	Worth  float32 // from cheap, below 0, to dear
	Fuel   float32 // share of trips that are for fuel
	Days   uint32  // on which she came: bit 0 for the last that is planned, bit 1 for the one before, …
	Last   uint16  // day of the last trip, counted from 1; 0 where there was none
	Store  uint16  // where she mostly shops
	Second uint16  // where she shops otherwise
	Band   uint8   // row of the model's gaps
	Size   uint8   // row of the model's sizes
	Deals  uint8   // how much she follows promotions, in 255ths
	Has    Has     // what keys there are
}

// Bytes is the size of one shopper's state.
const Bytes = int(unsafe.Sizeof(Shopper{}))

// Has says which keys a shopper has.
type Has uint8

// The keys that a shopper may have, and how they may be odd.
const (
	Card     Has = 1 << iota
	Account      // an account of the online shop
	Shares       // uses her partner's card instead of one of her own
	Misheard     // her e-mail address at the till desk is not the one of her account
	TwoDevices
)

// Crowd is all shoppers.
type Crowd struct {
	Shoppers []Shopper
	scenario *scenario.Scenario
	key      draw.Key
	start    int64 // the first day
}

// compiled is the model as traits are drawn from it.
type compiled struct {
	p      *model.Parameters
	rates  draw.Quantiles // by the same steps as trips
	stores draw.Alias
	corr   [3]float64
}

// rateSteps is how finely rates are worked out.
const rateSteps = 512

// Gather makes the shoppers of a scenario. It fails only where ctx ends first.
func Gather(ctx context.Context, s *scenario.Scenario, p *model.Parameters, g *grocer.Grocer) (*Crowd, error) {
	c := &Crowd{Shoppers: make([]Shopper, s.Shoppers), scenario: s, key: draw.Seed(s.Seed), start: int64(s.First())}
	m := compiled{p: p, corr: p.Correlation}
	m.rates = make(draw.Quantiles, rateSteps+1)
	for i := range m.rates {
		m.rates[i] = p.Tuning.Trips * p.Rate(p.Trips.At(float64(i)/rateSteps))
	}
	weights := make([]float64, g.OnlineShop())
	for i := range weights {
		weights[i] = g.Stores[i].Weight
	}
	m.stores = draw.NewAlias(weights)
	workers := runtime.GOMAXPROCS(0)
	step := (len(c.Shoppers) + workers - 1) / workers
	var wait sync.WaitGroup
	for from := 0; from < len(c.Shoppers); from += step {
		wait.Go(func() {
			for i := from; i < min(from+step, len(c.Shoppers)); i++ {
				if i%glance == 0 && ctx.Err() != nil {
					return
				}
				c.Shoppers[i] = c.trait(&m, i)
			}
		})
	}
	wait.Wait()
	return c, ctx.Err()
}

// glance is after how many shoppers it is asked whether anybody still waits.
const glance = 4_096

// trait is shopper i before her first trip. Trips, lines and worth are linked as
// their normal scores are in the model (a Gaussian copula).
func (c *Crowd) trait(m *compiled, i int) Shopper {
	s := c.key.For(forTraits).For(uint64(i)).Stream()
	z1, e2, e3 := draw.Normal(s.Unit()), draw.Normal(s.Unit()), draw.Normal(s.Unit())
	r12, r13, r23 := m.corr[0], m.corr[1], m.corr[2]
	l22 := math.Sqrt(max(1-r12*r12, 1e-9))
	l32 := (r23 - r12*r13) / l22
	z2 := r12*z1 + l22*e2
	z3 := r13*z1 + l32*e2 + math.Sqrt(max(1-r13*r13-l32*l32, 0))*e3
	p := m.p
	trips := p.Trips.At(draw.Phi(z1))
	lines := p.Lines.At(draw.Phi(z2))
	sh := Shopper{
		Rate: float32(m.rates.At(draw.Phi(z1))), Band: uint8(model.Row(p.GapFrom, trips)),
		Lines: float32(lines), Size: uint8(nearest(p.SizeMean, lines)),
		Worth: float32(p.Worth.At(draw.Phi(z3)) * p.Tuning.Worth),
		Fuel:  float32(min(p.FuelShare.At(draw.Phi(p.FuelLink*z1+math.Sqrt(1-p.FuelLink*p.FuelLink)*draw.Normal(s.Unit()))), 1)),
		Deals: uint8(255 * s.Unit()),
	}
	places := c.key.For(forStores).For(uint64(i)).Stream()
	sh.Store, sh.Second = uint16(m.stores.Of(places.Uint64())), uint16(m.stores.Of(places.Uint64()))
	k := c.key.For(forKeys).For(uint64(i)).Stream()
	for _, has := range []struct {
		what  Has
		share float64
	}{
		{Card, c.scenario.Card},
		{Account, c.scenario.Account},
		{Shares, c.scenario.CardShared},
		{Misheard, c.scenario.EmailWrong},
		{TwoDevices, c.scenario.TwoDevices},
	} {
		if k.Chance(has.share) {
			sh.Has |= has.what
		}
	}
	return sh
}

// nearest is the row whose mean is closest, by ratio.
func nearest(means []float64, x float64) int {
	best := 0
	for i := range means {
		if math.Abs(math.Log(means[i]/x)) < math.Abs(math.Log(means[best]/x)) {
			best = i
		}
	}
	return best
}

// Segment names what kind of shopper she is, for the truth.
func Segment(s *Shopper, p *model.Parameters) string {
	often := s.Band
	switch {
	case s.Fuel > 0.5:
		return "fuel"
	case int(often) == len(p.Gaps)-1 && s.Lines < 8:
		return "daily top-up"
	case int(often) == len(p.Gaps)-1:
		return "frequent stock-up"
	case often == 0:
		return "occasional"
	case s.Deals > 200:
		return "bargain hunter"
	case s.Lines >= 12:
		return "weekly stock-up"
	default:
		return "regular"
	}
}
