package event_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/trial"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files of the newest versions anew")

// same compares facts: shoppers by their number, an empty list as none.
var same = cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b shopper.ID) bool { return a == b })}

var (
	at       = time.Date(2017, 12, 4, 17, 30, 12, 345_678_000, time.UTC)
	decision = media.DecisionID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff}
	touch    = event.Touch{
		Decision: decision, Slot: 3, Advertiser: "dairy-co", Campaign: "spring", LineItem: "spring-oat", Placement: "search-top",
		Product: "1029743", Charge: media.PerClick, Price: 420_000, Currency: "EUR", Arm: trial.Treated, Day: 17504, Issued: at.Add(-time.Minute),
	}
	receipt = event.Receipt{Receipt: basket.Receipt{
		ID: "31198705046", Version: 2, Store: "337", Channel: catalog.InStore, At: at, Currency: "USD",
		Marks: basket.StoreUnknown | basket.TimesDiffer,
		Lines: []basket.Line{
			{Product: "1029743", Quantity: 2 * basket.Piece, UnitPrice: 1_234_567, Sales: 2_470_000, RetailDiscount: 300_000},
			{Product: "5978656", Sales: 0, CouponDiscount: 1_000_000, CouponMatch: 50_000, Marks: basket.QuantityZero | basket.DiscountOverSales},
			{Product: "995242", Quantity: -755, Sales: -1_510_000, Marks: basket.NegativeQuantity | basket.NegativeAmount},
		},
	}}
)

// promotions is a store's week.
var promotions = event.Promotions{Promotions: catalog.Promotions{Store: "337", Week: 17504, Products: []catalog.Promotion{
	{Product: "1000050", Display: "rear", Mailer: "front page"},
	{Product: "1000050", Display: "front end cap"},
	{Product: "1029743", Display: "rear", Mailer: "front page"},
	{Product: "995242"},
}}}

// bodies gives one telling body of every kind.
func bodies() []event.Body {
	return []event.Body{
		receipt,
		event.Product{Product: catalog.Product{
			ID: "1029743", GTIN: 4006381333931, Name: "Lait entier", Brand: "759", Department: "GROCERY", Category: "FLUID MILK",
			Type: "WHOLE MILK", Size: "1 L", OwnLabel: true,
		}},
		event.Store{Store: catalog.Store{ID: "337", Name: "Évry 2", Channel: catalog.InStore, Zone: "Europe/Paris"}},
		event.Price{Price: catalog.Price{Product: "1029743", Store: "337", Amount: retail.Money{Amount: 1_290_000, Currency: "EUR"}}},
		event.Stock{Stock: catalog.Stock{Product: "1029743", Store: "337", Count: -2}},
		event.Consent{Allowed: consent.Of(consent.PersonalOffers, consent.Measurement), Wording: "2026-05 fr"},
		event.Decided{
			Decision: decision, Channel: catalog.Online, Store: "web",
			Wins: []event.Win{
				{
					Placement: "search-top", Slot: 0, Advertiser: "dairy-co", Campaign: "spring", LineItem: "spring-oat",
					Product: "1029743", Price: 420_000, Currency: "EUR", Arm: trial.Treated,
				},
				{
					Placement: "search-top", Slot: 1, Advertiser: "oats", Campaign: "winter", LineItem: "w1",
					Product: "995242", Price: 250_000, Currency: "EUR", Arm: trial.Control,
				},
			},
			Refusals: []event.RefusalCount{{Reason: "out_of_stock", Count: 7}, {Reason: "below_floor", Count: 300}},
			Record:   []byte("{\"v\":1}"), Basis: []byte{1, 9, 0},
		},
		event.Shown{Touch: touch},
		event.Clicked{Touch: touch, Bot: true},
		event.Basketed{Touch: touch},
		event.Purchased{Touch: touch, Receipt: "31198705046"},
		event.Billed{
			Click: "click-1", Decision: decision, Slot: 3, Advertiser: "dairy-co", Campaign: "spring", LineItem: "spring-oat",
			Charge: media.PerClick, Amount: 0, Currency: "EUR", Day: 17504, Reason: "repeat",
		},
		event.TermsChanged{Of: "campaign", ID: "spring", Version: 4, Doc: []byte(`{"name":"Spring"}`), Removed: true, By: "ana@dairy-co"},
		event.DayTurned{Day: 17505},
		event.Tallied{Tallies: []event.Tally{{LineItem: "spring-oat", Reason: "frequency_cap", Count: 12}}},
		event.Forgotten{},
		event.Moved{},
		promotions,
		event.Clustered{Canonical: shopper.FromUint64(0xfedcba9876543210)},
	}
}

func factOf(b event.Body) event.Fact {
	return event.Fact{
		ID: "id-" + b.Kind().String(), Version: 2, At: at, Arrived: at.Add(1500 * time.Microsecond), Day: 17504,
		Shopper: shopper.FromUint64(0x0123456789abcdef), Consent: consent.All, Source: "api", Body: b,
	}
}

func pack(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, f *event.Fact,
) event.Packed {
	t.Helper()
	p, err := event.Pack(nil, f)
	if err != nil {
		t.Fatalf("Pack: %v", err)
	}
	return p
}

// goldenText is how a golden file tells what the bytes say.
func goldenText(b []byte, f *event.Fact) string {
	var s strings.Builder
	for chunk := range chunks(hex.EncodeToString(b), 96) {
		s.WriteString(chunk + "\n")
	}
	head := *f
	head.Body = nil
	fmt.Fprintf(&s, "----\n%+v\n%+v\n", head, f.Body)
	return s.String()
}

func chunks(s string, size int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for s != "" {
			n := min(size, len(s))
			if !yield(s[:n]) {
				return
			}
			s = s[n:]
		}
	}
}

// Every version of every kind that was ever written is still read. Files of
// old versions are never written again.
func TestEveryPastVersionIsStillRead(t *testing.T) {
	t.Parallel()
	seen := map[event.Kind]bool{}
	for _, body := range bodies() {
		kind := body.Kind()
		seen[kind] = true
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			f := factOf(body)
			p := pack(t, &f)
			newest := p.Bytes[2]
			for v := uint8(1); v <= newest; v++ {
				name := filepath.Join("testdata", fmt.Sprintf("%s.v%d.golden", kind, v))
				if *rewrite && v == newest {
					if err := os.WriteFile(name, []byte(goldenText(p.Bytes, &f)), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				checkGolden(t, name)
			}
			want, _ := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("%s.v%d.golden", kind, newest)))
			if diff := cmp.Diff(string(want), goldenText(p.Bytes, &f)); diff != "" {
				t.Errorf("the newest version is written differently now: give it a new version and keep the old reader\n%s", diff)
			}
		})
	}
	for _, kind := range event.Kinds() {
		if !seen[kind] {
			t.Errorf("%v has no example, so no golden file", kind)
		}
	}
}

func checkGolden(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("each kind has a golden file of each version: %v", err)
	}
	written, _, _ := strings.Cut(string(text), "----\n")
	b, err := hex.DecodeString(strings.ReplaceAll(written, "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	f, err := event.Unpack(b)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if diff := cmp.Diff(string(text), goldenText(b, &f)); diff != "" {
		t.Errorf("%s, -want +got:\n%s", name, diff)
	}
}

// drawTime gives microseconds, as facts keep them; 0 stands for no time.
func drawTime(t *rapid.T) time.Time {
	us := rapid.Int64Range(-62_135_596_799_999_999, 1<<60).Draw(t, "us")
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

var drawn = rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
	reflect.TypeFor[time.Time]():   rapid.Custom(drawTime).AsAny(),
	reflect.TypeFor[shopper.ID]():  rapid.Custom(func(t *rapid.T) shopper.ID { return shopper.FromUint64(rapid.Uint64().Draw(t, "shopper")) }).AsAny(),
	reflect.TypeFor[consent.Set](): rapid.Custom(func(t *rapid.T) consent.Set { return consent.Set(rapid.Byte().Draw(t, "set")) }).AsAny(),
}}

func draw[T event.Body](t *rapid.T) event.Body { return rapid.MakeCustom[T](drawn).Draw(t, "body") }

func drawBody(t *rapid.T) event.Body {
	kinds := []func(*rapid.T) event.Body{
		draw[event.Receipt], draw[event.Product], draw[event.Store], draw[event.Price], draw[event.Stock], draw[event.Consent],
		draw[event.Decided], draw[event.Shown], draw[event.Clicked], draw[event.Basketed], draw[event.Purchased], draw[event.Billed],
		draw[event.TermsChanged], draw[event.DayTurned], draw[event.Tallied], draw[event.Forgotten], draw[event.Moved],
		draw[event.Promotions], draw[event.Clustered],
	}
	if len(kinds) != len(event.Kinds()) {
		t.Fatalf("%d kinds are drawn, there are %d", len(kinds), len(event.Kinds()))
	}
	return kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")](t)
}

func drawFact(t *rapid.T) event.Fact {
	f := factOf(drawBody(t))
	f.ID = rapid.StringN(1, event.IDMax/4, event.IDMax).Draw(t, "id")
	f.Version = rapid.Uint32().Draw(t, "version")
	f.At, f.Arrived = drawTime(t), drawTime(t)
	f.Day = retail.Day(rapid.Int32().Draw(t, "day"))
	f.Shopper = shopper.FromUint64(rapid.Uint64().Draw(t, "shopper"))
	f.Consent = consent.Set(rapid.Byte().Draw(t, "consent"))
	f.Source = rapid.String().Draw(t, "source")
	return f
}

func TestAFactReadsBackAsItWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := drawFact(t)
		p := pack(t, &f)
		got, err := event.Unpack(p.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, got, same); diff != "" {
			t.Fatal(diff)
		}
		if event.KindOf(p.Bytes) != f.Kind() || p.Kind != f.Kind() || p.Version != f.Version || p.Key != event.KeyOf(f.Kind(), f.ID) {
			t.Fatalf("the pack tells kind %v, version %d, key %x", p.Kind, p.Version, p.Key)
		}
		prefix := []byte("before")
		q, err := event.Pack(prefix, &f)
		if err != nil || !bytes.Equal(q.Bytes, p.Bytes) || q.Sum != p.Sum {
			t.Fatalf("appended to a buffer it differs: %v", err)
		}
	})
}

// Facts unpacked one after the other say the same as each by itself, and none
// writes into its neighbour's lines.
func TestFactsUnpackedTogetherReadTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var u event.Unpacker
		var want, got []event.Fact
		for range rapid.IntRange(1, 20).Draw(t, "facts") {
			f := drawFact(t)
			one, err := u.Unpack(pack(t, &f).Bytes)
			if err != nil {
				t.Fatal(err)
			}
			want, got = append(want, f), append(got, one)
			if r, ok := one.Body.(event.Receipt); ok && cap(r.Lines) != len(r.Lines) {
				t.Fatal("whoever appends to the lines writes into a neighbour's")
			}
		}
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Fatal(diff)
		}
	})
}

// The same words by another road are the same fact; other words are a conflict.
func TestSumIsWhatTheSourceSaid(t *testing.T) {
	t.Parallel()
	base := factOf(receipt)
	changed := receipt
	changed.Lines = append([]basket.Line(nil), receipt.Lines...)
	changed.Lines[1].CouponMatch++
	tests := map[string]struct {
		change func(f *event.Fact)
		same   bool
	}{
		"it arrived later":           {func(f *event.Fact) { f.Arrived = f.Arrived.Add(time.Hour) }, true},
		"she had consented less":     {func(f *event.Fact) { f.Consent = consent.None }, true},
		"it came by file":            {func(f *event.Fact) { f.Source = "file" }, true},
		"it is numbered a version":   {func(f *event.Fact) { f.Version++ }, true},
		"it is about somebody else":  {func(f *event.Fact) { f.Shopper = shopper.FromUint64(7) }, false},
		"it is about nobody":         {func(f *event.Fact) { f.Shopper = shopper.ID{} }, false},
		"it happened later":          {func(f *event.Fact) { f.At = f.At.Add(time.Microsecond) }, false},
		"it is filed elsewhere":      {func(f *event.Fact) { f.Day++ }, false},
		"one amount is a micro more": {func(f *event.Fact) { f.Body = changed }, false},
	}
	was := pack(t, &base)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := base
			tt.change(&f)
			if got := pack(t, &f); (got.Sum == was.Sum) != tt.same {
				t.Errorf("same sum: %t, want %t", !tt.same, tt.same)
			}
		})
	}
}

// A store's week sent again a day later, and so filed elsewhere, is the same.
func TestPromotionsSayTheirWeekThemselves(t *testing.T) {
	t.Parallel()
	was := factOf(promotions)
	was.Shopper = shopper.ID{}
	later, changed := was, was
	later.At, later.Day, later.Arrived = was.At.Add(24*time.Hour), was.Day+1, was.Arrived.Add(24*time.Hour)
	next := promotions
	next.Week += 7
	changed.Body = next
	a, b, c := pack(t, &was), pack(t, &later), pack(t, &changed)
	if a.Sum != b.Sum || a.Sum == c.Sum || a.Unit != b.Unit {
		t.Errorf("sums %x, a day later %x, of the next week %x; units %x, %x", a.Sum, b.Sum, c.Sum, a.Unit, b.Unit)
	}
}

// The largest week that is accepted fits into a fact, whatever its names.
func TestTheLargestWeekOfPromotionsFits(t *testing.T) {
	t.Parallel()
	all := make([]catalog.Promotion, catalog.PromotionsMax)
	for i := range all {
		place := fmt.Sprintf("%0*d", catalog.PromotionPlaceMax, i%catalog.PromotionPlacesMax)
		all[i] = catalog.Promotion{Product: catalog.ProductID(fmt.Sprintf("%0*d", catalog.IDMax, i)), Display: place, Mailer: place}
	}
	f := factOf(event.Promotions{Promotions: catalog.Promotions{Store: "337", Week: 17504, Products: all}})
	f.ID = strings.Repeat("x", event.IDMax)
	got, err := event.Unpack(pack(t, &f).Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, got, same); diff != "" {
		t.Error(diff)
	}
}

func TestOneShoppersFactsKeepOneOrder(t *testing.T) {
	t.Parallel()
	first, second := factOf(receipt), factOf(event.Shown{Touch: touch})
	if a, b := pack(t, &first), pack(t, &second); a.Unit != b.Unit || a.Unit == 0 {
		t.Errorf("units %x and %x", a.Unit, b.Unit)
	}
	first.Shopper, second.Shopper = shopper.ID{}, shopper.ID{}
	second.Body, second.ID = receipt, "another"
	if a, b := pack(t, &first), pack(t, &second); a.Unit == b.Unit || a.Key == b.Key {
		t.Error("facts about nobody share a unit")
	}
	var units []uint64
	for _, body := range []event.Body{event.Shown{Touch: touch}, event.Clicked{Touch: touch}, event.Basketed{Touch: touch}, event.Purchased{Touch: touch}} {
		f := factOf(body)
		f.Shopper = shopper.ID{}
		units = append(units, pack(t, &f).Unit)
	}
	if slices.Min(units) != slices.Max(units) {
		t.Errorf("nobody's click may overtake its impression: units %x", units)
	}
}

func TestLimitsOfAFact(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(f *event.Fact){
		"without an id": func(f *event.Fact) { f.ID = "" },
		"a long id":     func(f *event.Fact) { f.ID = strings.Repeat("x", event.IDMax+1) },
		"too large":     func(f *event.Fact) { f.Body = event.TermsChanged{Doc: make([]byte, event.FactMax)} },
	} {
		f := factOf(receipt)
		change(&f)
		if _, err := event.Pack(nil, &f); !errors.Is(err, event.ErrFact) {
			t.Errorf("%s: Pack gives %v", name, err)
		}
	}
}

// Whatever is cut off, added or of a later program is refused, not guessed.
func TestDamagedBytesAreRefused(t *testing.T) {
	t.Parallel()
	for _, body := range bodies() {
		f := factOf(body)
		b := pack(t, &f).Bytes
		for n := range b {
			if _, err := event.Unpack(b[:n]); !errors.Is(err, event.ErrFact) {
				t.Errorf("%v cut at %d of %d: %v", f.Kind(), n, len(b), err)
			}
		}
		if _, err := event.Unpack(append(bytes.Clone(b), 0)); !errors.Is(err, event.ErrFact) {
			t.Errorf("%v with a byte more: %v", f.Kind(), err)
		}
		for i, later := range []byte{2, 200, 99} {
			d := bytes.Clone(b)
			d[i] = later
			if _, err := event.Unpack(d); !errors.Is(err, event.ErrFact) {
				t.Errorf("%v with byte %d = %d: %v", f.Kind(), i, later, err)
			}
		}
	}
}

func TestKindsHaveNames(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, k := range event.Kinds() {
		if s := k.String(); s == "" || names[s] || strings.Contains(s, "(") {
			t.Errorf("kind %d is named %q", k, s)
		}
		names[k.String()] = true
	}
	if event.Kind(0).String() != "kind(0)" || event.Kind(250).String() != "kind(250)" {
		t.Error("an unknown kind has a name")
	}
}

func FuzzUnpack(f *testing.F) {
	for _, body := range bodies() {
		fact := factOf(body)
		f.Add(pack(f, &fact).Bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fact, err := event.Unpack(b)
		if err != nil {
			if !errors.Is(err, event.ErrFact) {
				t.Fatal(err)
			}
			return
		}
		p := pack(t, &fact)
		if p.Bytes[2] == b[2] && !bytes.Equal(p.Bytes, b) {
			t.Fatalf("read\n%x\nwritten again\n%x", b, p.Bytes)
		}
	})
}
