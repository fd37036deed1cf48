package campaign

import (
	"sync"
	"sync/atomic"
	"time"

	"endcap/retail"
	"endcap/retail/event"
)

// Purse is what one line item can still promise on one flight day: what the
// ledger holds for it, less clicks on their way to the bill, less what tokens
// out are expected to cost. It is an estimate that keeps free clicks rare; the
// ledger alone decides what is charged. What another node, or this one before a
// restart, has promised is known only once it is clicked. Purses are safe for
// concurrent use.
type Purse struct {
	can *atomic.Int64 // Micros it may promise now; purses lie close together there

	mu       sync.Mutex
	bid      retail.Micros
	balance  retail.Micros // of the flight account when last read
	known    bool          // it was read
	clicked  retail.Micros // of clicks not yet known to be in balance
	settled  retail.Micros // the part of clicked that billing has answered since the last read
	expected retail.Micros // what tokens out will cost, by their ages
	chances  *[ages]int64  // shared, replaced as a whole
	newest   int64         // step of out[newest % ages]
	out      [ages]issue
	seen     float64 // clicks of this line item
	hoped    float64 // clicks that chances promised of the same tokens
}

// issue is what was promised in one step of time and is not clicked yet.
type issue struct {
	sum   retail.Micros
	count int64
}

func newPurse(can *atomic.Int64, chances *[ages]int64) *Purse {
	return &Purse{can: can, chances: chances}
}

// slab gives out what purses show of themselves, side by side in memory: a
// decision looks at hundreds of them.
type slab struct{ free []atomic.Int64 }

// slabSize is how many are made at once.
const slabSize = 1_024

func (s *slab) next() *atomic.Int64 {
	if len(s.free) == 0 {
		s.free = make([]atomic.Int64, slabSize)
	}
	one := &s.free[0]
	s.free = s.free[1:]
	return one
}

// Can is the highest price the line item can promise now.
func (p *Purse) Can() retail.Micros { return retail.Micros(p.can.Load()) }

// Take promises a price at now; false when the purse no longer can, because
// others took the last of it.
func (p *Purse) Take(price retail.Micros, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if price > p.Can() {
		return false
	}
	p.turn(step(now))
	at := &p.out[p.newest%ages]
	at.sum += price
	at.count++
	p.expected += price.MulDivUp(p.chance(0), certain)
	p.settle()
	return true
}

// Return takes back a promise that Take gave at the same now and nobody saw.
func (p *Purse) Return(price retail.Micros, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(price, step(now))
	p.settle()
}

// click moves a promise from what is expected to what is certain. It gives the
// age of the token in steps when the click arrived, or -1 where it is not among
// those counted.
func (p *Purse) click(t *event.Touch, arrived time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	age := -1
	if p.remove(t.Price, step(t.Issued)) {
		age = int(min(max(step(arrived)-step(t.Issued), 0), ages-1))
		p.seen++
		p.hoped += hazard(p.chances, age)
	}
	p.clicked += t.Price
	p.settle()
	return age
}

// billed says that billing has answered a click that held price: the next read
// of the balance knows it.
func (p *Purse) billed(price retail.Micros) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settled += price
}

// answered is how much billing has answered, for read.
func (p *Purse) answered() retail.Micros {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.settled
}

// read takes over a balance read from the ledger after answered was known.
func (p *Purse) read(balance, answered, bid retail.Micros) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.balance, p.bid, p.known = balance, bid, true
	p.clicked -= answered
	p.settled -= answered
	p.settle()
}

// told is Can, or false before the flight account was read.
func (p *Purse) told() (retail.Micros, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Can(), p.known
}

// age lets the tokens out grow older up to now and believes in new chances; it
// tells observe how many tokens reached each age without a click.
func (p *Purse) age(now time.Time, chances *[ages]int64, observe func(age int, tokens float64)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for to := step(now); p.newest < to; {
		if p.idle() {
			p.newest = to
			break
		}
		for a := range int64(ages) {
			if s := p.newest - a; s >= 0 && p.out[s%ages].count > 0 {
				tokens := float64(p.out[s%ages].count)
				observe(int(a), tokens)
				p.hoped += tokens * hazard(chances, int(a))
			}
		}
		p.turn(p.newest + 1)
	}
	p.chances = chances
	p.expected = 0
	for a := range int64(ages) {
		if s := p.newest - a; s >= 0 {
			p.expected += p.out[s%ages].sum.MulDivUp(p.chance(int(a)), certain)
		}
	}
	p.settle()
}

// chance is the chance that a token of that age is clicked, for this line item:
// the installation's, scaled up by how much more it is clicked than promised.
func (p *Purse) chance(age int) int64 {
	ratio := max(1, (p.seen+1)/(p.hoped+1))
	return min(certain, int64(float64(p.chances[age])*ratio))
}

func (p *Purse) idle() bool {
	for i := range p.out {
		if p.out[i].count > 0 {
			return false
		}
	}
	return true
}

// turn makes room for a new step, forgetting the oldest.
func (p *Purse) turn(to int64) {
	if to-p.newest >= ages {
		p.out = [ages]issue{}
		p.newest = to
	}
	for p.newest < to {
		p.newest++
		p.out[p.newest%ages] = issue{}
	}
}

// remove takes one promise out of the step of its issue, if that still counts.
func (p *Purse) remove(price retail.Micros, at int64) bool {
	if at > p.newest || p.newest-at >= ages || at < 0 {
		return false
	}
	s := &p.out[at%ages]
	if s.count == 0 || s.sum < price {
		return false
	}
	s.sum -= price
	s.count--
	p.expected = max(0, p.expected-price.MulDivDown(p.chance(int(p.newest-at)), certain))
	return true
}

// settle recomputes Can. Where clicks are rare, a fifth of a bid of expected
// cost is overlooked: else the last promise of a day would wait for tokens that
// almost surely nobody clicks.
func (p *Purse) settle() {
	sure := p.balance - p.clicked
	slack := (p.bid / 5).MulDivDown(certain-p.chance(0), certain)
	p.can.Store(int64(max(0, sure-max(0, p.expected-slack))))
}
