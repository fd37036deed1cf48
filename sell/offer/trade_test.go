package offer_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/media"
	terms "endcap/retail/offer"
	"endcap/sell/offer"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts say now into testdata and docs")

// script is the state of one trade script: offers that are set up, a basket that is
// being filled, who stands at the till and when.
type script struct {
	t        *testing.T
	offers   []terms.Offer
	rules    offer.Rules
	basket   offer.Basket
	context  offer.Context
	purchase offer.Purchase
}

func newScript(t *testing.T) *script {
	t.Helper()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return &script{
		t: t, basket: offer.Basket{Currency: "EUR"},
		context: offer.Context{At: time.Date(2026, 3, 2, 12, 0, 0, 0, paris), Zone: paris, Store: "city", Channel: catalog.InStore, Left: map[terms.ID]offer.Left{}},
	}
}

func (s *script) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// words parts a command into plain words and those with a value.
func words(line string) (head []string, kv map[string]string) {
	kv = map[string]string{}
	for w := range strings.FieldsSeq(line) {
		if k, v, ok := strings.Cut(w, "="); ok {
			kv[k] = v
		} else {
			head = append(head, w)
		}
	}
	return head, kv
}

func (s *script) money(text string) retail.Micros {
	if text == "" {
		return 0
	}
	a, err := retail.ParseMicros(text)
	s.must(err)
	return a
}

func (s *script) count(text string) int {
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	s.must(err)
	return n
}

// percent reads "5.5%" as parts per million.
func (s *script) percent(text string) int {
	return int(s.money(strings.TrimSuffix(text, "%")) / 100)
}

func list[T ~string](text string) []T {
	var out []T
	for w := range strings.SplitSeq(text, ",") {
		if w != "" {
			out = append(out, T(w))
		}
	}
	return out
}

// products reads "everything", "oats,milk", "brand:759", "category:CHEESE".
func products(text string) (s catalog.Set) {
	for _, w := range list[string](text) {
		switch kind, name, ok := strings.Cut(w, ":"); {
		case w == "everything":
			s.Everything = true
		case !ok:
			s.Products = append(s.Products, catalog.ProductID(w))
		case kind == "brand":
			s.Brands = append(s.Brands, catalog.Brand(name))
		case kind == "category":
			s.Categories = append(s.Categories, catalog.Category(name))
		}
	}
	return s
}

// when reads an instant in the store's zone, or with one of its own.
func (s *script) when(text string) time.Time {
	s.t.Helper()
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at
	}
	at, err := time.ParseInLocation("2006-01-02T15:04:05.999", text, s.context.Zone)
	s.must(err)
	return at
}

// offer reads "offer oats3 n_for_m products=oats pieces=3 pay=2 …".
func (s *script) offer(head []string, kv map[string]string) {
	o := terms.Offer{
		ID: terms.ID(head[1]), Version: 1, Name: head[1], Currency: "EUR",
		Mechanic: terms.Mechanic{
			Kind: terms.Kind(head[2]), Products: products(kv["products"]), Except: products(kv["except"]), Bought: products(kv["bought"]),
			Pieces: s.count(kv["pieces"]), Pay: s.count(kv["pay"]), Get: s.count(kv["get"]), Amount: s.money(kv["amount"]),
			OffPPM: s.percent(kv["off"]), PiecesMax: s.count(kv["most"]), Pick: terms.Pick(kv["pick"]), Base: terms.Base(kv["base"]),
		},
		Eligible: terms.Eligibility{
			Days:   retail.Days{From: retail.Date(2026, 1, 1), To: retail.Date(2027, 1, 1)},
			Stores: list[catalog.StoreID](kv["stores"]), Channel: kv["channel"], Audience: list[audience.ID](kv["audiences"]),
		},
		Stacking: terms.Stacking{Order: s.count(kv["order"]), Group: kv["group"], Excludes: list[string](kv["excludes"])},
		Limits: terms.Limits{
			Shopper: int64(s.count(kv["per-shopper"])), Household: int64(s.count(kv["per-household"])), Day: int64(s.count(kv["per-day"])),
			Total: int64(s.count(kv["uses"])), Times: s.count(kv["times"]), Discount: s.money(kv["cap"]), Budget: s.money(kv["budget"]),
		},
	}
	if v := kv["currency"]; v != "" {
		o.Currency = retail.Currency(v)
	}
	if v := kv["brand"]; v != "" {
		who, share, _ := strings.Cut(v, ":")
		o.Funding = terms.Funding{Advertiser: media.AdvertiserID(who), BrandPPM: s.percent(share)}
	}
	if v := kv["spend"]; v != "" {
		amount, base, _ := strings.Cut(v, ":")
		o.Spend.Amount, o.Spend.Base = s.money(amount), terms.Base(base)
	}
	o.Spend.Pieces, o.Spend.Products = s.count(kv["having"]), products(kv["of"])
	if v := kv["days"]; v != "" {
		from, last, _ := strings.Cut(v, "..")
		s.must(o.Eligible.Days.From.UnmarshalText([]byte(from)))
		s.must(o.Eligible.Days.To.UnmarshalText([]byte(last)))
		o.Eligible.Days.To++
	}
	if v := kv["since"]; v != "" {
		o.Since = s.when(v)
	}
	for _, w := range list[string](kv["weekdays"]) {
		var d terms.Weekday
		s.must(d.UnmarshalText([]byte(w)))
		o.Eligible.Weekdays = append(o.Eligible.Weekdays, d)
	}
	for _, w := range list[string](kv["hours"]) {
		from, to, _ := strings.Cut(w, "-")
		var h terms.Hours
		s.must(h.From.UnmarshalText([]byte(from)))
		s.must(h.To.UnmarshalText([]byte(to)))
		o.Eligible.Hours = append(o.Eligible.Hours, h)
	}
	for _, w := range head[3:] {
		flag, ok := map[string]*bool{
			"each": &o.Mechanic.Each, "credit": &o.Credit, "first-purchase": &o.Eligible.FirstPurchase, "trim": &o.Limits.Trim,
			"disabled": &o.Disabled, "coupon": &o.Coupon.Required, "returns": &o.Coupon.Returns, "always": &o.Coupon.Always,
		}[w]
		if !ok {
			s.t.Fatalf("unknown word %q of an offer", w)
		}
		*flag = true
	}
	s.must(o.Check())
	s.offers = append(s.offers, o)
}

// line reads "line 1 oats 3 x 1.99 vat=5.5%", "line 2 apples 0.347kg 1.12".
func (s *script) line(head []string, kv map[string]string) {
	l := offer.Line{
		ID:       offer.LineID(head[1]),
		Product:  catalog.Product{ID: catalog.ProductID(head[2]), Brand: catalog.Brand(kv["brand"]), Category: catalog.Category(kv["category"])},
		Quantity: basket.Piece, VATPPM: 200_000,
	}
	if v := kv["vat"]; v != "" {
		l.VATPPM = s.percent(v)
	}
	l.Kind = map[string]offer.Kind{"": offer.Goods, "deposit": offer.Deposit, "gift_card": offer.GiftCard, "regulated": offer.Regulated}[kv["kind"]]
	rest := head[3:]
	if kg, ok := strings.CutSuffix(rest[0], "kg"); ok {
		l.Weighed, l.Quantity = true, basket.Quantity(s.money(kg)/1_000)
		rest = rest[1:]
	} else if len(rest) == 3 {
		l.Quantity = basket.Quantity(s.count(rest[0])) * basket.Piece
		rest = rest[2:]
	}
	l.Price = s.money(rest[0])
	s.basket.Lines = append(s.basket.Lines, l)
}

func (s *script) shopper(head []string, kv map[string]string) {
	s.context.Shopper = true
	s.context.Audiences = list[audience.ID](kv["audiences"])
	for _, w := range head[1:] {
		s.context.Household = s.context.Household || w == "household"
		s.context.FirstPurchase = s.context.FirstPurchase || w == "first-purchase"
	}
}

func (s *script) at(head []string, kv map[string]string) {
	if v := kv["zone"]; v != "" {
		zone, err := time.LoadLocation(v)
		s.must(err)
		s.context.Zone = zone
	}
	if len(head) > 1 {
		s.context.At = s.when(head[1])
	}
	if v := kv["store"]; v != "" {
		s.context.Store = catalog.StoreID(v)
	}
	if v := kv["channel"]; v != "" {
		s.context.Channel, _ = catalog.ParseChannel(v)
	}
}

func (s *script) left(head []string, kv map[string]string) {
	most := func(key string) int64 {
		if kv[key] == "" {
			return terms.UsesMax
		}
		return int64(s.count(kv[key]))
	}
	l := offer.Left{Shopper: most("shopper"), Household: most("household"), Day: most("day"), Total: most("uses"), Budget: retail.MicrosMax}
	if v := kv["budget"]; v != "" {
		l.Budget = s.money(v)
	}
	s.context.Left[terms.ID(head[1])] = l
}

func (s *script) book() *offer.Book {
	s.t.Helper()
	b, err := offer.NewBook(s.offers, s.rules)
	s.must(err)
	return b
}

// run carries out one command and returns what it says.
func (s *script) run(command string) string {
	s.t.Helper()
	head, kv := words(command)
	switch head[0] {
	case "offer":
		s.offer(head, kv)
	case "line":
		s.line(head, kv)
	case "void":
		for i, l := range s.basket.Lines {
			if string(l.ID) == head[1] {
				s.basket.Lines = append(s.basket.Lines[:i:i], s.basket.Lines[i+1:]...)
				return ""
			}
		}
		s.t.Fatalf("no line %s", head[1])
	case "shopper":
		s.shopper(head, kv)
	case "at":
		s.at(head, kv)
	case "left":
		s.left(head, kv)
	case "coupon":
		s.context.Coupons = append(s.context.Coupons, offer.Coupon{Offer: terms.ID(head[1]), Code: head[2], Clipped: len(head) > 3})
	case "rules":
		s.rules = offer.Rules{Never: products(kv["never"])}
		if kv["choice"] == "ordered" {
			s.rules.Choice = offer.Ordered
		}
	case "evaluate":
		a, err := s.book().Evaluate(&s.basket, &s.context)
		if err != nil {
			return "  error: " + err.Error() + "\n"
		}
		s.purchase = offer.Purchase{ID: "p", Basket: s.basket, Context: s.context, Answer: a}
		return say(&a)
	case "reverse":
		return s.reverse(head, kv)
	case "hold", "journal":
		return s.time(head, kv)
	default:
		s.t.Fatalf("unknown command %q", command)
	}
	return ""
}

// time reads "hold oats taken=… until=… now=…" and "journal oats dated=… received=…".
func (s *script) time(head []string, kv map[string]string) string {
	for _, o := range s.offers {
		if string(o.ID) != head[1] {
			continue
		}
		v := terms.Verdict{}
		if head[0] == "hold" {
			v = o.Held(s.when(kv["taken"]), s.when(kv["until"]), s.when(kv["now"]), s.context.Zone)
		} else {
			v = o.Dated(s.when(kv["dated"]), s.when(kv["received"]), s.context.Zone)
		}
		if v == (terms.Verdict{}) {
			return "  counts\n"
		}
		return "  " + v.String() + "\n"
	}
	s.t.Fatalf("no offer %s", head[1])
	return ""
}

// reverse reads "reverse r1 1:2 2" (lines, with quantities where not all), "reverse
// r2 offers=oats", and of=… for another purchase than the one evaluated.
func (s *script) reverse(head []string, kv map[string]string) string {
	s.t.Helper()
	r := offer.Return{ID: head[1], Of: "p", At: s.context.At, Offers: list[terms.ID](kv["offers"])}
	if v := kv["of"]; v != "" {
		r.Of = v
	}
	if v := kv["on"]; v != "" {
		r.At = s.when(v)
	}
	if v := kv["open"]; v != "" {
		s.must(r.Open.UnmarshalText([]byte(v)))
	}
	for _, w := range head[2:] {
		id, n, part := strings.Cut(w, ":")
		back := offer.Returned{Line: offer.LineID(id), Quantity: basket.Quantity(s.count(n)) * basket.Piece}
		for _, l := range s.purchase.Basket.Lines {
			if l.ID == back.Line && !part {
				back.Quantity = l.Quantity
			}
		}
		if back.Quantity == 0 {
			back.Quantity = basket.Piece
		}
		r.Lines = append(r.Lines, back)
	}
	v, err := s.book().Reverse(&s.purchase, &r)
	if err != nil {
		return "  error: " + err.Error() + "\n"
	}
	if v.Refused != (terms.Verdict{}) {
		return "  refused: " + v.Refused.String() + "\n"
	}
	s.purchase = v.After
	var out strings.Builder
	sayDiscounts(&out, v.Back, "back ")
	for _, f := range v.Freed {
		fmt.Fprintf(&out, "  freed %s", f.Offer)
		if f.Coupon != "" {
			fmt.Fprintf(&out, ", coupon %s usable: %t", f.Coupon, f.Usable)
		}
		out.WriteString("\n")
	}
	if v.Due > 0 {
		fmt.Fprintf(&out, "  due %v", v.Due)
	} else {
		fmt.Fprintf(&out, "  refund %v", v.Refund)
	}
	if v.Late {
		fmt.Fprintf(&out, ", booked on %v for %s", v.Day, v.Of)
	}
	fmt.Fprintf(&out, "; kept goods cost %v\n", v.After.Answer.Paid)
	return out.String()
}

func sayDiscounts(out *strings.Builder, discounts []offer.Discount, what string) {
	for _, d := range discounts {
		word := "-"
		if d.Credit {
			word = "credit "
		}
		if what != "" {
			word = what
		}
		if what != "" && d.Credit {
			word += "credit "
		}
		fmt.Fprintf(out, "  %s: line %s %s%v", d.Offer, d.Line, word, d.Amount)
		if d.Brand != 0 || d.Advertiser != "" {
			fmt.Fprintf(out, " (%s %v, retailer %v)", d.Advertiser, d.Brand, d.Retailer)
		}
		if d.VAT != 0 {
			fmt.Fprintf(out, " VAT %v", d.VAT)
		}
		out.WriteString("\n")
	}
}

func say(a *offer.Answer) string {
	var out strings.Builder
	sayDiscounts(&out, a.Discounts, "")
	for _, u := range a.Used {
		if u.Amount == 0 {
			fmt.Fprintf(&out, "  %s: used up for nothing\n", u.Offer)
		}
	}
	for _, r := range a.Refused {
		name := string(r.Offer)
		if r.Coupon != "" {
			name += " " + r.Coupon
		}
		fmt.Fprintf(&out, "  %s: %v\n", name, r.Verdict)
	}
	fmt.Fprintf(&out, "  pays %v of %v", a.Paid, a.Gross)
	if a.Credited > 0 {
		fmt.Fprintf(&out, ", %v on her card", a.Credited)
	}
	out.WriteString("\n")
	return out.String()
}

// play runs parts of a script, parted by empty lines, and gives them with what they
// say now. Each begins with no offers and an empty basket.
func play(t *testing.T, text string) string {
	t.Helper()
	var got []string
	for part := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		commands, _, _ := strings.Cut(part, "\n----")
		s, said := newScript(t), ""
		for line := range strings.Lines(commands) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				said += s.run(line)
			}
		}
		got = append(got, commands+"\n----\n"+strings.TrimSuffix(said, "\n"))
	}
	return strings.Join(got, "\n\n") + "\n"
}

// TestTradeScripts runs testdata/*.trade: commands, then ---- and what they say,
// up to an empty line. -rewrite writes anew what they say.
func TestTradeScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.trade")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, file, string(want), play(t, string(want)))
		})
	}
}

// What the paper shows in JSON is an offer.
func TestTheOffersOfThePaper(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/offers.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(text, -1)
	for _, b := range blocks {
		if _, err := terms.Parse(b[1]); err != nil {
			t.Error(err)
		}
	}
	if len(blocks) == 0 {
		t.Error("it shows none")
	}
}

var fence = regexp.MustCompile("(?s)```trade\n(.*?)```")

// The merchandiser's paper says what is so.
func TestTheExamplesOfThePaper(t *testing.T) {
	t.Parallel()
	const file = "../../docs/offers.md"
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(fence.FindAll(want, -1)) == 0 {
		t.Fatal("it has no examples")
	}
	got := fence.ReplaceAllStringFunc(string(want), func(block string) string {
		return "```trade\n" + play(t, fence.FindStringSubmatch(block)[1]) + "```"
	})
	compare(t, file, string(want), got)
}

func compare(t *testing.T, file, want, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got != want {
		t.Errorf("%s says now (-rewrite to accept):\n%s", file, got)
	}
}
