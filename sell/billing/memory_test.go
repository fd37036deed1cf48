package billing

import (
	"bytes"
	"testing"
	"time"

	"endcap/retail/event"
	"endcap/retail/media"
)

// FuzzSection: whatever decodes encodes to the same bytes, or to nothing.
func FuzzSection(f *testing.F) {
	m := memory{}
	at := time.Unix(1_512_000_000, 0)
	t := event.Touch{Decision: media.DecisionID{1, 2, 3}, LineItem: "oats", Issued: at}
	m.show(&t, at)
	m.click(&event.Clicked{Touch: t}, at, 5)
	f.Add(m.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		var m memory
		if m.decode(b) != nil {
			return
		}
		out := m.encode()
		var again memory
		if err := again.decode(out); err != nil || !bytes.Equal(again.encode(), out) {
			t.Errorf("%x reads back as %x: %v", b, out, err)
		}
	})
}

// However much a shopper is shown, her memory stays within its bounds.
func TestAMemoryStaysSmall(t *testing.T) {
	t.Parallel()
	var m memory
	at := time.Unix(1_512_000_000, 0)
	for i := range 3 * shownMax {
		at = at.Add(time.Second)
		touch := event.Touch{Decision: media.DecisionID{8: byte(i), 9: byte(i >> 8)}, LineItem: media.LineItemID(string(rune('a' + i%5_000))), Issued: at}
		m.show(&touch, at)
		if got := m.click(&event.Clicked{Touch: touch}, at, 5); got != "" && got != event.Repeat {
			t.Fatalf("click %d: %s", i, got)
		}
	}
	if n := len(m.encode()); len(m.shown) > shownMax || len(m.clicks) > clickedMax || n > 40_000 {
		t.Errorf("%d tokens, %d counts, %d bytes", len(m.shown), len(m.clicks), n)
	}
}
