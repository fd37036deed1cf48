package media_test

import (
	"testing"
	"time"

	"endcap/retail"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// One sealer, whatever it sealed before, writes what a fresh one writes.
func TestASealerWritesWhatTheRingWrites(t *testing.T) {
	t.Parallel()
	ring := media.NewKeyring(media.Key{Number: 3, Sign: [32]byte{1}, Mask: [32]byte{2}})
	sealer := media.NewSealer(ring)
	for i := range 100 {
		token := media.Token{
			Decision: media.DecisionID{byte(i / 8)}, Slot: uint8(i), Advertiser: "a", Campaign: "c", LineItem: "l", Placement: "p",
			Product: "12345", Charge: media.PerClick, Price: retail.Micros(i) * retail.Cent, Currency: "EUR", Day: retail.Day(i),
			Issued: time.UnixMilli(int64(i)).UTC(), Shopper: shopper.FromUint64(uint64(i)),
		}
		text := sealer.Seal(&token)
		if want := ring.Seal(&token); text != want {
			t.Fatalf("token %d: %s, want %s", i, text, want)
		}
		if got, err := ring.Open(text); err != nil || got != token {
			t.Fatalf("token %d reads back as %+v, %v", i, got, err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	sealer := media.NewSealer(media.NewKeyring(media.Key{Number: 3}))
	token := media.Token{LineItem: "line-00001", Advertiser: "a01", Campaign: "a01", Placement: "search_top", Product: "product-000001", Currency: "EUR"}
	b.ReportAllocs()
	for b.Loop() {
		sealer.Seal(&token)
	}
}
