package house

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/know/history"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// The small world of a seed.
const (
	cards    = 12
	products = 20
	shops    = 3
	lines    = 2 // line items, each with an advertiser of its own
)

var door = ingest.From{Door: "api", Name: "faults"}

// operate does one operation drawn by chance.
func (r *run) operate(ctx context.Context) error {
	type kind struct {
		weight int
		do     func(context.Context) error
	}
	kinds := []kind{
		{26, r.receipts},
		{8, r.again},
		{8, r.correct},
		{5, r.strange},
		{22, r.visit},
		{6, r.consents},
		{7, r.pay},
		{7, r.fund},
		{5, r.race},
		{4, r.revise},
		{9, r.follow},
		{9, r.relay},
		{4, r.put},
		{1, r.drop},
		{1, r.pass},
		{8, r.forget},
	}
	if r.house.history != nil {
		kinds = append(kinds, kind{4, r.seal})
	}
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	at := r.rng.IntN(total)
	for _, k := range kinds {
		if at -= k.weight; at < 0 {
			return k.do(ctx)
		}
	}
	return nil
}

// stands reports whether what was answered was answered in this world: not after
// the power was cut.
func (r *run) stands(err error) bool { return err == nil && r.disk.Left() == nil }

func (r *run) id(prefix string) string {
	r.serial++
	return fmt.Sprintf("%s-%d", prefix, r.serial)
}

func (r *run) card() string {
	if n := r.rng.IntN(cards + 2); n < cards {
		return fmt.Sprintf("card%04d", n)
	}
	return ""
}

func keysOf(card string) []shopper.Key {
	if card == "" {
		return nil
	}
	key, err := shopper.ParseKey(shopper.Card, card)
	if err != nil {
		panic("house: bug: " + err.Error())
	}
	return []shopper.Key{key}
}

func (r *run) receipt(id string, version uint32) ingest.Receipt {
	out := ingest.Receipt{Receipt: basket.Receipt{
		ID: basket.ReceiptID(id), Version: version, Store: catalog.StoreID(fmt.Sprint("s", r.rng.IntN(shops))), Channel: catalog.InStore,
		At: r.now.Add(-time.Duration(r.rng.IntN(600)) * time.Second), Currency: currency,
	}}
	for range 1 + r.rng.IntN(4) {
		out.Lines = append(out.Lines, basket.Line{
			Product: catalog.ProductID(fmt.Sprint("p", r.rng.IntN(products))), Quantity: basket.Piece,
			Sales: retail.Micros(1+r.rng.IntN(999)) * retail.Cent,
		})
	}
	return out
}

// bring hands receipts to the desk, each said to be of a card.
func (r *run) bring(ctx context.Context, rs []ingest.Receipt, of []string) error {
	facts := map[name]*sent{}
	was := map[name]fate{}
	for i := range rs {
		n := name{event.KindReceipt, string(rs[i].ID), rs[i].Version}
		rs[i].Keys = keysOf(of[i])
		facts[n] = &sent{says: saysReceipt(&event.Receipt{Receipt: rs[i].Receipt}), card: of[i]}
		if known := r.model.facts[n]; known != nil {
			was[n] = known.fate
		}
	}
	r.model.send(facts)
	r.trace("%d: receipts %v", r.report.Operations, slices.Collect(maps.Keys(facts)))
	res, err := r.house.desk.Receipts(ctx, rs, door)
	if !r.stands(err) {
		return err
	}
	r.model.answer(facts)
	for i, a := range res.Answers {
		n := name{event.KindReceipt, string(rs[i].ID), rs[i].Version}
		before, known := was[n]
		switch {
		case a.Outcome == ingest.Quarantined:
			r.violate("%v was refused: %v", n, a.Fault)
		case known && before == acked && a.Outcome != ingest.Repeat:
			r.violate("%v was acknowledged before, and sent again it is %s", n, a.Outcome)
		case !known && a.Outcome == ingest.Repeat:
			r.violate("%v was never sent before and is a repeat", n)
		}
	}
	return nil
}

func (r *run) receipts(ctx context.Context) error {
	var rs []ingest.Receipt
	var of []string
	for range 1 + r.rng.IntN(3) {
		rs = append(rs, r.receipt(r.id("r"), 0))
		of = append(of, r.card())
		r.kept = append(r.kept, kept{rs[len(rs)-1], of[len(of)-1]})
	}
	return r.bring(ctx, own(rs), of)
}

// own copies receipts, for the desk owns what it is given.
func own(rs []ingest.Receipt) []ingest.Receipt {
	out := slices.Clone(rs)
	for i := range out {
		out[i].Lines = slices.Clone(out[i].Lines)
	}
	return out
}

// again sends what was sent before, whatever became of it.
func (r *run) again(ctx context.Context) error {
	if len(r.kept) == 0 {
		return nil
	}
	k := r.kept[r.rng.IntN(len(r.kept))]
	id := string(k.receipt.ID)
	if s := r.model.facts[name{event.KindReceipt, id, k.receipt.Version}]; s.fate != acked && r.newest[id] > k.receipt.Version {
		return nil // a correction may have come instead, and then this would be a conflict
	}
	return r.bring(ctx, own([]ingest.Receipt{k.receipt}), []string{k.card})
}

// correct replaces a receipt by one with other lines, often of another card.
func (r *run) correct(ctx context.Context) error {
	if len(r.kept) == 0 {
		return nil
	}
	k := &r.kept[r.rng.IntN(len(r.kept))]
	id := string(k.receipt.ID)
	r.newest[id]++
	fresh := kept{r.receipt(id, r.newest[id]), k.card}
	if r.rng.IntN(2) == 0 {
		fresh.card = r.card()
	}
	r.kept = append(r.kept, fresh)
	return r.bring(ctx, own([]ingest.Receipt{fresh.receipt}), []string{fresh.card})
}

// strange brings a receipt that cannot be: it must lie in quarantine.
func (r *run) strange(ctx context.Context) error {
	bad := r.receipt(r.id("bad"), 0)
	bad.Lines, bad.Raw = nil, []byte(bad.ID)
	r.model.refused[string(bad.Raw)] = unknown
	res, err := r.house.desk.Receipts(ctx, []ingest.Receipt{bad}, door)
	if r.stands(err) {
		r.model.refused[string(bad.Raw)] = acked
		if res.Answers[0].Outcome != ingest.Quarantined {
			r.violate("a receipt without lines is %s", res.Answers[0].Outcome)
		}
	}
	return err
}

// visit shows a shopper something and has her click it, now and then twice.
func (r *run) visit(ctx context.Context) error {
	card := r.card()
	who, err := r.house.people.Find(ctx, keysOf(card))
	if err != nil {
		return err
	}
	if !who.Known() {
		card = ""
	}
	line := r.rng.IntN(lines)
	t := media.Token{
		Advertiser: advertiser(line), Campaign: "spring", LineItem: lineItem(line), Placement: "home", Product: "p1", Charge: media.PerClick,
		Price: retail.Micros(10+r.rng.IntN(40)) * retail.Cent, Currency: currency, Day: r.today(), Issued: r.now.Truncate(time.Millisecond), Shopper: who,
	}
	for i := range t.Decision {
		t.Decision[i] = byte(r.rng.Uint32())
	}
	touch := event.TouchOf(&t)
	touches := []ingest.Touch{{ID: r.id("v"), Kind: event.KindShown, Token: t}, {ID: r.id("v"), Kind: event.KindClicked, Token: t}}
	if r.rng.IntN(4) == 0 {
		touches = append(touches, ingest.Touch{ID: r.id("v"), Kind: event.KindClicked, Token: t})
	}
	facts := map[name]*sent{}
	for i := range touches {
		facts[name{touches[i].Kind, touches[i].ID, 0}] = &sent{says: saysTouch(&touch), card: card}
	}
	r.model.send(facts)
	r.trace("%d: visit %v", r.report.Operations, touches[0].ID)
	res, err := r.house.desk.Touches(ctx, touches, door)
	if !r.stands(err) {
		return err
	}
	r.model.answer(facts)
	for i, a := range res.Answers {
		if a.Outcome != ingest.New {
			r.violate("event %s is %s: %v", touches[i].ID, a.Outcome, a.Fault)
		}
	}
	return nil
}

func (r *run) today() retail.Day { return retail.DayOf(r.now, time.UTC) }

func advertiser(line int) media.AdvertiserID {
	return media.AdvertiserID(fmt.Sprint("brand", line))
}

func lineItem(line int) media.LineItemID { return media.LineItemID(fmt.Sprint("item", line)) }

func (r *run) consents(ctx context.Context) error {
	card := fmt.Sprintf("card%04d", r.rng.IntN(cards))
	row := ingest.Consent{ID: r.id("k"), Keys: keysOf(card), Allowed: consent.Set(r.rng.IntN(int(consent.All) + 1)), At: r.now}
	row.Wording = "wording " + row.ID
	facts := map[name]*sent{{event.KindConsent, row.Wording, 0}: {says: saysConsent(row.Allowed), card: card}}
	r.model.send(facts)
	res, err := r.house.desk.Consents(ctx, []ingest.Consent{row}, door)
	if !r.stands(err) {
		return err
	}
	r.model.answer(facts)
	if res.Answers[0].Outcome != ingest.New {
		r.violate("a consent is %s: %v", res.Answers[0].Outcome, res.Answers[0].Fault)
	}
	return nil
}

// book commits a deed and notes what became of it.
func (r *run) book(ctx context.Context, d ledger.Deed) error {
	answers, err := r.house.ledger.Commit(ctx, d)
	r.noteDeed(&d, answers, r.stands(err))
	return err
}

func (r *run) noteDeed(d *ledger.Deed, answers []ledger.Answer, stands bool) {
	r.deeds.Lock()
	defer r.deeds.Unlock()
	b := &booked{entries: d.Entries}
	r.model.deeds[d.Key] = b
	if !stands {
		return
	}
	b.fate, b.refused = acked, answers[0].Refused != ""
	if answers[0].Err != nil {
		r.violate("deed %s: %v", d.Key, answers[0].Err)
	}
}

func (r *run) pay(ctx context.Context) error {
	amount := retail.Micros(50+r.rng.IntN(300)) * retail.Cent
	return r.book(ctx, ledger.Deed{Key: r.id("pay"), At: r.now, Entries: []ledger.Entry{
		{Account: ledger.Outside, Amount: -amount, Currency: currency},
		{Account: ledger.Wallet(advertiser(r.rng.IntN(lines))), Amount: amount, Currency: currency},
	}})
}

// funding sets aside money of a line item for today, if its wallet has it.
func (r *run) funding(line int, amount retail.Micros) ledger.Deed {
	wallet := ledger.Wallet(advertiser(line))
	return ledger.Deed{
		Key: r.id("fund"), At: r.now,
		Entries: []ledger.Entry{
			{Account: wallet, Amount: -amount, Currency: currency},
			{Account: ledger.Flight(lineItem(line), r.today()), Amount: amount, Currency: currency},
		},
		Limits: []ledger.Limit{{Name: "wallet_empty", Account: wallet, Currency: currency}},
	}
}

func (r *run) fund(ctx context.Context) error {
	return r.book(ctx, r.funding(r.rng.IntN(lines), retail.Micros(20+r.rng.IntN(150))*retail.Cent))
}

// race has several callers set aside the same money at once.
func (r *run) race(ctx context.Context) error {
	const callers = 4
	line, amount := r.rng.IntN(lines), retail.Micros(50+r.rng.IntN(200))*retail.Cent
	errs := make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		d := r.funding(line, amount)
		all.Go(func() { errs[i] = r.book(ctx, d) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// revise makes a new version of something that people set up.
func (r *run) revise(ctx context.Context) error {
	id := fmt.Sprint("place", r.rng.IntN(3))
	rev := ledger.Revision{
		Kind: registry.Placement, ID: id, Doc: fmt.Appendf(nil, `{"floor":%d}`, r.rng.IntN(100)), From: r.model.terms[id], By: "ana", At: r.now,
	}
	version, err := ledger.Revise(ctx, r.house.ledger, rev)
	switch {
	case errors.Is(err, ledger.ErrStale): // one that failed before is there after all
		row, err := r.house.book.Get(ctx, registry.Placement, id)
		if r.stands(err) {
			r.model.terms[id] = row.Version
		}
		return err
	case r.stands(err):
		r.model.terms[id] = version
	}
	return err
}

func (r *run) follow(ctx context.Context) error { return r.house.follow(ctx, r.rng.IntN(8)) }

func (r *run) relay(ctx context.Context) error {
	_, err := r.house.relay.Pass(ctx)
	return err
}

// put stores a new version of an artefact.
func (r *run) put(ctx context.Context) error {
	a := r.artefact()
	content := strings.Repeat(r.id("bytes")+" ", 1+r.rng.IntN(600))
	a.of.tried[content] = true
	version, err := r.house.files.Put(ctx, a.name, func(w io.Writer) error {
		_, err := io.WriteString(w, content)
		return err
	})
	if r.stands(err) {
		delete(a.of.tried, content)
		a.of.acked[version] = content
	}
	return err
}

// forget folds everything and has the profile store forget a shopper whom nobody
// knows. That changes nothing, but it is waited for on disk, and so is all that
// was folded before.
func (r *run) forget(ctx context.Context) error {
	if err := r.house.follow(ctx, -1); err != nil {
		return err
	}
	return r.house.shelf.Forget(ctx, shopper.FromUint64(1<<40|r.rng.Uint64()>>32))
}

type named struct {
	name string
	of   *artefact
}

func (r *run) artefact() named {
	n := fmt.Sprint("models/m", r.rng.IntN(2))
	if r.model.artefacts[n] == nil {
		r.model.artefacts[n] = &artefact{acked: map[uint64]string{}, tried: map[string]bool{}}
	}
	return named{n, r.model.artefacts[n]}
}

// drop removes all versions of an artefact but the newest.
func (r *run) drop(ctx context.Context) error {
	a := r.artefact()
	for version := range a.of.acked {
		a.of.dropped = max(a.of.dropped, version)
	}
	return r.house.files.Drop(ctx, a.name, a.of.dropped)
}

// pass lets some time pass, and turns the day.
func (r *run) pass(ctx context.Context) error {
	r.now = r.now.Add(time.Duration(1+r.rng.IntN(60)) * time.Minute)
	_, err := r.house.turner.Turn(ctx, r.today())
	return err
}

// seal goes on to another day, seals those before it and trims the stream.
func (r *run) seal(ctx context.Context) error {
	r.now = r.now.Add(time.Duration(1+r.rng.IntN(3)) * 24 * time.Hour)
	if _, err := r.house.turner.Turn(ctx, r.today()); err != nil {
		return err
	}
	if err := r.house.follow(ctx, -1); err != nil {
		return err
	}
	_, err := history.SealThrough(ctx, quiet{r.house.history, r.disk}, r.house.log, r.house.passed, r.today())
	return err
}
