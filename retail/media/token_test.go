package media_test

import (
	"encoding/base64"
	"errors"
	"math/bits"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/trial"
)

var same = cmp.Comparer(func(a, b shopper.ID) bool { return a == b })

// key makes a key of a number, as different in every bit as real ones.
func key(number uint8) media.Key {
	k := media.Key{Number: number}
	for i := range k.Sign {
		k.Sign[i] = byte(trial.Draw(trial.Seed(number), uint64(i), 256))
		k.Mask[i] = byte(trial.Draw(trial.Seed(number), uint64(1_000+i), 256))
	}
	return k
}

func example() media.Token {
	return media.Token{
		Decision: media.DecisionID{1, 2, 3, 15: 16}, Slot: 3, Advertiser: "dairy-co", Campaign: "spring", LineItem: "spring-oat",
		Placement: "search-top", Product: "1029743", Charge: media.PerClick, Price: 420_000, Currency: "EUR", Arm: trial.Treated,
		Day: 17504, Issued: time.Date(2017, 12, 4, 17, 30, 12, 345_000_000, time.UTC), Shopper: shopper.FromUint64(0xfeedfacecafebeef),
	}
}

func drawToken(t *rapid.T) media.Token {
	id := rapid.StringMatching(`[A-Za-z0-9._-]{1,64}`)
	var d media.DecisionID
	copy(d[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "decision"))
	return media.Token{
		Decision: d, Slot: rapid.Byte().Draw(t, "slot"), Advertiser: media.AdvertiserID(id.Draw(t, "advertiser")),
		Campaign: media.CampaignID(id.Draw(t, "campaign")), LineItem: media.LineItemID(id.Draw(t, "line item")),
		Placement: media.PlacementID(id.Draw(t, "placement")), Product: catalog.ProductID(rapid.StringN(1, 16, catalog.IDMax).Draw(t, "product")),
		Charge: media.PerClick, Price: retail.Micros(rapid.Int64().Draw(t, "price")), Currency: "EUR", Arm: trial.Arm(rapid.IntRange(0, 1).Draw(t, "arm")),
		Day: retail.Day(rapid.Int32().Draw(t, "day")), Issued: time.UnixMilli(rapid.Int64Range(0, 1<<45).Draw(t, "issued")).UTC(),
		Shopper: shopper.FromUint64(rapid.Uint64().Draw(t, "shopper")),
	}
}

func TestATokenOpensAsItWasSealed(t *testing.T) {
	t.Parallel()
	ring := media.NewKeyring(key(7))
	rapid.Check(t, func(t *rapid.T) {
		want := drawToken(t)
		text := ring.Seal(&want)
		if len(text) > media.TokenTextMax {
			t.Fatalf("a token of %d characters", len(text))
		}
		got, err := ring.Open(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestATokenCannotBeChanged(t *testing.T) {
	t.Parallel()
	ring := media.NewKeyring(key(7), key(8))
	token := example()
	text := ring.Seal(&token)
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		for _, flip := range []byte{1, 0x80, 0xff} {
			b[i] ^= flip
			if _, err := ring.Open(base64.RawURLEncoding.EncodeToString(b)); !errors.Is(err, media.ErrToken) {
				t.Errorf("byte %d changed by %x: %v", i, flip, err)
			}
			b[i] ^= flip
		}
	}
	for i := range text {
		for _, c := range "A_-=\n+" {
			if byte(c) == text[i] {
				continue
			}
			for how, other := range map[string]string{"replaced": text[:i] + string(c) + text[i+1:], "inserted": text[:i] + string(c) + text[i:]} {
				if _, err := ring.Open(other); !errors.Is(err, media.ErrToken) {
					t.Errorf("%q %s at %d: %v", c, how, i, err)
				}
			}
		}
		if _, err := ring.Open(text[:i]); !errors.Is(err, media.ErrToken) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	for _, more := range []string{"\n", "\r\n", "A", "=", "AAAA", strings.Repeat("A", media.TokenTextMax)} {
		if _, err := ring.Open(text + more); !errors.Is(err, media.ErrToken) {
			t.Errorf("with %.8q after it: %v", more, err)
		}
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	token := example()
	old, next := media.NewKeyring(key(7)), media.NewKeyring(key(8), key(7))
	before := old.Seal(&token)
	if got, err := next.Open(before); err != nil || cmp.Diff(token, got, same) != "" {
		t.Errorf("the key before is still accepted: %v", err)
	}
	after := next.Seal(&token)
	if _, err := old.Open(after); !errors.Is(err, media.ErrToken) {
		t.Errorf("a key that the ring does not hold: %v", err)
	}
	if _, err := media.NewKeyring(key(8)).Open(before); !errors.Is(err, media.ErrToken) {
		t.Errorf("a retired key: %v", err)
	}
	forged := key(9)
	forged.Number = 7
	if _, err := old.Open(media.NewKeyring(forged).Seal(&token)); !errors.Is(err, media.ErrToken) {
		t.Errorf("another key under the same number: %v", err)
	}
	if _, err := (media.Keyring{}).Open(before); !errors.Is(err, media.ErrToken) {
		t.Errorf("the empty ring: %v", err)
	}
}

// shopperAt is where the masked shopper lies in a token's bytes.
const shopperAt = 2 + 16 + 3

// From two tokens of one shopper nobody can tell that it is one shopper.
func TestATokenNamesNobody(t *testing.T) {
	t.Parallel()
	ring := media.NewKeyring(key(7))
	token := example()
	masked := map[string]bool{}
	ones, shared := 0, 0
	const rounds = 2_000
	var last []byte
	for i := range rounds {
		token.Decision[0], token.Decision[1] = byte(i), byte(i>>8)
		b, err := base64.RawURLEncoding.DecodeString(ring.Seal(&token))
		if err != nil {
			t.Fatal(err)
		}
		m := b[shopperAt : shopperAt+8]
		if masked[string(m)] {
			t.Fatalf("two decisions show the same shopper: %x", m)
		}
		masked[string(m)] = true
		for j := range m {
			ones += bits.OnesCount8(m[j])
			if last != nil && last[j] == m[j] {
				shared++
			}
		}
		last = m
	}
	// Of honest masks half the bits are ones, and one byte in 256 is shared by
	// chance; the bounds are five standard deviations and more.
	if n := rounds * 64; ones < n/2-900 || ones > n/2+900 {
		t.Errorf("%d of %d bits are ones", ones, n)
	}
	if want := rounds * 8 / 256; shared > 2*want {
		t.Errorf("%d bytes are shared with the decision before, want about %d", shared, want)
	}
	if strings.Contains(string(last), "\xfe\xed\xfa\xce") {
		t.Error("the shopper's number stands in the token")
	}
}

func FuzzOpen(f *testing.F) {
	ring := media.NewKeyring(key(7), key(8))
	token := example()
	f.Add(ring.Seal(&token))
	f.Add("")
	f.Add("AQcB")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ring.Open(text)
		if err != nil {
			if !errors.Is(err, media.ErrToken) {
				t.Fatal(err)
			}
			return
		}
		if again := ring.Seal(&got); again != text {
			t.Fatalf("%s opens, and is sealed as %s", text, again)
		}
	})
}
