package house

import (
	"fmt"
	"strconv"

	"endcap/keep/ledger"
	"endcap/retail/consent"
	"endcap/retail/event"
)

// fate is what the house has promised about something it was sent.
type fate uint8

const (
	unknown fate = iota // the call failed: it may be there, whole, or not
	acked               // the call was answered: it is there, for ever
	absent              // it was not there after a power cut, and was not sent since
)

// name tells facts apart: one fact has one name.
type name struct {
	kind    event.Kind
	id      string // a consent's is its wording, for its own id is a hash
	version uint32
}

func (n name) String() string { return fmt.Sprintf("%v %s version %d", n.kind, n.id, n.version) }

// sent is one fact that was sent.
type sent struct {
	fate fate
	call int    // facts new to the stream with one call are there together or not at all
	says string // its content
	card string // whose it was said to be; empty for nobody
}

// booked is one deed that was committed.
type booked struct {
	fate    fate
	refused bool // an answered deed that a limit refused: nothing of it may be there
	entries []ledger.Entry
}

// artefact is one name among the files.
type artefact struct {
	acked   map[uint64]string // content by version
	tried   map[string]bool   // contents whose Put failed: there or not
	dropped uint64            // versions below it may be gone
}

// model is everything that was promised.
type model struct {
	facts     map[name]*sent
	deeds     map[string]*booked
	terms     map[string]uint64 // acknowledged versions
	artefacts map[string]*artefact
	refused   map[string]fate // rows in quarantine, by their raw bytes
	calls     int
}

func newModel() *model {
	return &model{
		facts: map[name]*sent{}, deeds: map[string]*booked{}, terms: map[string]uint64{},
		artefacts: map[string]*artefact{}, refused: map[string]fate{},
	}
}

// send notes facts as sent and not yet answered. What was acknowledged stays so.
func (m *model) send(facts map[name]*sent) {
	m.calls++
	for n, s := range facts {
		if was := m.facts[n]; was == nil {
			s.call = m.calls
			m.facts[n] = s
		} else if was.fate != acked {
			was.fate, was.call = unknown, 0 // some of the call may be there already
		}
	}
}

// answer notes that facts were acknowledged.
func (m *model) answer(facts map[name]*sent) {
	for n := range facts {
		m.facts[n].fate = acked
	}
}

// nameOf is the name of a stored fact, and what it says.
func nameOf(f *event.Fact) (name, string) {
	n := name{f.Kind(), f.ID, f.Version}
	switch body := f.Body.(type) {
	case event.Receipt:
		return n, saysReceipt(&body)
	case event.Shown:
		return n, saysTouch(&body.Touch)
	case event.Clicked:
		return n, saysTouch(&body.Touch)
	case event.Consent:
		n.id = body.Wording
		return n, saysConsent(body.Allowed)
	default:
		return n, ""
	}
}

func saysReceipt(r *event.Receipt) string {
	text := fmt.Appendf(nil, "%s %d", r.Store, r.At.UnixMicro())
	for i := range r.Lines {
		text = fmt.Appendf(text, " %s=%d", r.Lines[i].Product, int64(r.Lines[i].Sales))
	}
	return string(text)
}

func saysConsent(allowed consent.Set) string { return strconv.FormatUint(uint64(allowed), 10) }

func saysTouch(t *event.Touch) string {
	return fmt.Sprintf("%s/%d %s %d", t.Decision, t.Slot, t.LineItem, int64(t.Price))
}

// sentKinds are the facts that come in at the desk in this house; what else lies
// in the stream the house has made itself.
func sentKind(k event.Kind) bool {
	switch k {
	case event.KindReceipt, event.KindShown, event.KindClicked, event.KindConsent:
		return true
	default:
		return false
	}
}
