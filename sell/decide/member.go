package decide

import (
	"github.com/cespare/xxhash/v2"

	"endcap/retail"
	"endcap/sell/campaign"
)

// membership is which of a snapshot's audiences a shopper is in, worked out for
// one page of her visit and kept for the next. It holds for as long as nothing
// that it follows from has changed.
type membership struct {
	purchases uint64 // digest of her section
	day       retail.Day
	audiences uint64   // their version
	book      uint64   // the snapshot's serial
	bits      []uint64 // bit i: she is in audience i of the snapshot; never changed
}

// membershipsKept is how many memberships are kept; each has one place.
const membershipsKept = 1 << 14

// membership gives the bits of a shopper with these purchases on a day.
func (d *Decider) membership(snap *campaign.Snapshot, purchases []byte, day retail.Day) []uint64 {
	m := membership{xxhash.Sum64(purchases), day, d.cfg.Audiences.Version(), snap.Serial, nil}
	at := &d.members[m.purchases%membershipsKept]
	if k := at.Load(); k != nil && k.purchases == m.purchases && k.day == m.day && k.audiences == m.audiences && k.book == m.book {
		return k.bits
	}
	m.bits = make([]uint64, len(snap.Audiences)/64+1)
	for _, id := range d.cfg.Audiences.Members(purchases, day) {
		if no, ok := snap.AudienceNo(id); ok {
			m.bits[no>>6] |= 1 << (no & 63)
		}
	}
	at.Store(&m)
	return m.bits
}
