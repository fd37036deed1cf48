package audience

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
)

// Registry is what a Book must know of keep/registry.
type Registry interface {
	Changes(ctx context.Context, since uint64, limit int) ([]registry.Row, error)
}

// AudiencesMax is how many audiences may be active at once.
const AudiencesMax = 10_000

// Book holds every active audience, ready to be evaluated. Make one with
// NewBook and keep it current with Run, or call Refresh. Reading is safe beside
// both and takes no lock.
type Book struct {
	registry Registry
	shelf    Range
	shield   *policy.Shield
	now      atomic.Pointer[compiled]
	scratch  sync.Pool

	refresh     sync.Mutex // guards what follows
	compiled    uint64     // how often now was compiled
	since       uint64     // the registry's position
	definitions map[audience.ID]Definition
	version     uint64 // of the range
	rows        []*catalog.Product
	stale       bool // definitions or rows changed since now was compiled
}

// NewBook makes an empty book over a registry and a range. Purchases of products
// that shield hides make nobody a member of anything; nil hides none.
func NewBook(r Registry, shelf Range, shield *policy.Shield) *Book {
	b := &Book{registry: r, shelf: shelf, shield: shield, definitions: make(map[audience.ID]Definition), stale: true}
	b.now.Store(&compiled{table: table{slots: make([]slot, 1), lists: []int32{0}}})
	b.scratch.New = func() any { return new(scratch) }
	return b
}

// Refresh takes in what the registry and the catalogue have changed since the
// last time. A row that cannot be an audience is reported and left out; the
// others take effect all the same.
func (b *Book) Refresh(ctx context.Context) error {
	b.refresh.Lock()
	defer b.refresh.Unlock()
	var wrong []error
	for {
		rows, err := b.registry.Changes(ctx, b.since, registry.PageMax)
		if err != nil {
			return fmt.Errorf("read audiences: %w", err)
		}
		for i := range rows {
			b.since = rows[i].Seq
			if rows[i].Kind == registry.Audience {
				wrong = append(wrong, b.take(&rows[i]))
			}
		}
		if len(rows) < registry.PageMax {
			break
		}
	}
	if v := b.shelf.Version(); v != b.version || b.rows == nil {
		b.version = v
		if rows := b.shelf.Products(); !slices.Equal(rows, b.rows) {
			b.rows, b.stale = rows, true
		}
	}
	if b.stale {
		next, err := compile(b.definitions, b.rows, b.shield)
		if err != nil {
			return errors.Join(append(wrong, fmt.Errorf("compile audiences: %w", err))...)
		}
		b.compiled++
		next.version = b.compiled
		b.now.Store(next)
		b.stale = false
	}
	return errors.Join(wrong...)
}

// take applies one version of one audience.
func (b *Book) take(row *registry.Row) error {
	id := audience.ID(row.ID)
	b.stale = true
	delete(b.definitions, id)
	if row.Removed {
		return nil
	}
	if len(b.definitions) >= AudiencesMax {
		return fmt.Errorf("audience %s: there are %d already", id, AudiencesMax)
	}
	d, err := ParseDefinition(row.Doc)
	if err != nil {
		return fmt.Errorf("audience %s: %w", id, err)
	}
	b.definitions[id] = d
	return nil
}

// Run keeps the book current until ctx ends: it refreshes every so often and
// reports what is wrong to failed.
func (b *Book) Run(ctx context.Context, every time.Duration, failed func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := b.Refresh(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Definition is an audience as people set it up, and whether there is one.
func (b *Book) Definition(id audience.ID) (Definition, bool) {
	b.refresh.Lock()
	defer b.refresh.Unlock()
	d, ok := b.definitions[id]
	return d, ok
}

// Version changes whenever Members may answer otherwise for the same purchases
// and day.
func (b *Book) Version() uint64 { return b.now.Load().version }

// sum is what one leaf has found of her so far.
type sum struct {
	spend retail.Micros
	times int32
	last  int32 // number of the last receipt that made a time, from 1
	met   bool
}

// scratch is the memory of one evaluation, kept for the next.
type scratch struct {
	runs  []uint32
	sums  []sum
	held  []bool
	met   []int32  // leaves with a sum
	bits  []uint64 // her audiences
	doubt []uint64 // audiences that a leaf has to say something about
}

// grown is s with n zero elements.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// Members lists the audiences that a shopper with this purchases section
// belongs to on a business day, ascending. Purchases after that day do not
// count. Bytes that are no section give none.
func (b *Book) Members(section []byte, today retail.Day) []audience.ID {
	c := b.now.Load()
	if len(section) == 0 || len(c.ids) == 0 {
		return nil
	}
	m := b.scratch.Get().(*scratch)
	defer b.scratch.Put(m)
	if !c.scan(section, today, m) {
		c.clear(m)
		return nil
	}
	c.judge(m)
	var out []audience.ID
	n := 0
	for _, word := range m.bits {
		n += bits.OnesCount64(word)
	}
	if n > 0 {
		out = make([]audience.ID, 0, n)
	}
	for i, word := range m.bits {
		for ; word != 0; word &= word - 1 {
			out = append(out, c.ids[i*64+bits.TrailingZeros64(word)])
		}
	}
	c.clear(m)
	return out
}

// clear leaves sums and held zero for the next.
func (c *compiled) clear(m *scratch) {
	for _, no := range m.met {
		m.sums[no], m.held[no] = sum{}, false
	}
	m.met = m.met[:0]
}

// scan adds up each leaf over her lines. It reports false for a history without
// a receipt up to today, and for bytes that are none.
func (c *compiled) scan(section []byte, today retail.Day, m *scratch) bool {
	if len(m.sums) != len(c.leaves) {
		m.sums, m.held = make([]sum, len(c.leaves)), make([]bool, len(c.leaves))
	}
	s := scanner{b: section}
	hashes := s.header()
	products := len(hashes) / hashSize
	m.runs = grown(m.runs, products)
	for i := range products {
		m.runs[i] = c.table.find(binary.LittleEndian.Uint64(hashes[i*hashSize:]))
	}
	n := s.count(hashSize + 4)
	var above retail.Day
	some := false
	for i := range n {
		r := s.receipt(above, i == 0)
		above = r.day
		some = some || r.day <= today
		if r.day <= today-c.daysMost {
			break // older ones matter to no rule
		}
		for range r.lines {
			place, spend := s.pair()
			if place>>1 >= uint64(products) {
				return false
			}
			run := m.runs[place>>1]
			if r.day > today || run == hidden || run == 0 && len(c.always) == 0 {
				continue
			}
			at := met{int32(i + 1), today - r.day, r.channel, place&1 == 1, spendOf(spend)}
			if run != 0 {
				c.meet(m, c.table.lists[run+1:run+1+uint32(c.table.lists[run])], &at)
			}
			c.meet(m, c.always, &at)
		}
	}
	return some && !s.bad
}

// met is one line of hers.
type met struct {
	receipt int32
	ago     retail.Day
	channel catalog.Channel
	counts  bool
	spend   retail.Micros
}

// meet adds a line to leaves.
func (c *compiled) meet(m *scratch, leaves []int32, at *met) {
	for _, no := range leaves {
		l := &c.leaves[no]
		if at.ago >= l.days || l.channel != catalog.AnyChannel && l.channel != at.channel {
			continue
		}
		s := &m.sums[no]
		if !s.met {
			s.met = true
			m.met = append(m.met, no)
		}
		s.spend += at.spend
		if at.counts && s.last != at.receipt {
			s.last = at.receipt
			s.times++
		}
	}
}

// judge evaluates the sentences that some leaf has to say something about; the
// others hold or not as they do for a shopper who bought nothing of them.
func (c *compiled) judge(m *scratch) {
	m.bits = grown(m.bits, len(c.usual))
	copy(m.bits, c.usual)
	m.doubt = grown(m.doubt, len(c.usual))
	for _, no := range m.met {
		l, s := &c.leaves[no], &m.sums[no]
		if s.times < l.times || l.spend > 0 && s.spend < l.spend {
			continue
		}
		m.held[no] = true
		for _, who := range l.used {
			m.doubt[who/64] |= 1 << (who % 64)
		}
	}
	for i, word := range m.doubt {
		for ; word != 0; word &= word - 1 {
			bit := bits.TrailingZeros64(word)
			if c.sentences[i*64+bit].holds(m.held) {
				m.bits[i] |= 1 << bit
			} else {
				m.bits[i] &^= 1 << bit
			}
		}
	}
}
