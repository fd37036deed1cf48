package recommend_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"endcap/keep/files/dirfiles"
	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/know/history"
	"endcap/know/recommend"
	"endcap/know/recommend/training"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
	"endcap/retail/visit"
)

// Shoppers of a round each have twenty staples, of which they buy the four that they
// bought longest ago, every third day. Counting cannot tell them apart.
const (
	roundShoppers = 80
	roundProducts = 120
	roundStaples  = 20
	roundGoods    = 4
)

func roundProduct(p int) catalog.ProductID { return catalog.ProductID(fmt.Sprint("g", p)) }

func roundID(n int) uint64 { return uint64(n+1) * 0x9e3779b97f4a7c15 }

// round is what everybody bought through yesterday, and what each will buy next. The
// first also buys a product that nobody else does.
func round() (facts map[int][]event.Fact, next map[int][]catalog.ProductID) {
	rnd := rand.New(rand.NewPCG(3, 3))
	facts, next = map[int][]event.Fact{}, map[int][]catalog.ProductID{}
	for n := range roundShoppers {
		facts[n] = append(facts[n], event.Fact{ID: fmt.Sprint("c", n), At: (today - 300).UTC(), Day: today - 300, Shopper: shopper.FromUint64(roundID(n)), Source: "test", Body: event.Consent{Allowed: consent.All}})
		staples := rnd.Perm(roundProducts)[:roundStaples]
		take := func() (out []catalog.ProductID) {
			for _, p := range staples[:roundGoods] {
				out = append(out, roundProduct(p))
			}
			staples = append(slices.Clone(staples[roundGoods:]), staples[:roundGoods]...)
			return out
		}
		for ago := retail.Day(97 - n%3); ago >= 1; ago -= 3 {
			goods := take()
			if n == 0 {
				goods = append(goods, "rare")
			}
			facts[n] = append(facts[n], bought(roundID(n), fmt.Sprint("r", n, "-", ago), ago, "s1", goods...))
		}
		next[n] = take()
	}
	return facts, next
}

// rounds is a shelf, a Recommender with a model, and what it was made from.
type rounds struct {
	*recommend.Recommender
	keeper *training.Keeper
	files  *dirfiles.Dir
	shelf  *shelf
	facts  map[int][]event.Fact
	next   map[int][]catalog.ProductID
}

func openRounds(t *testing.T) *rounds {
	t.Helper()
	h := &rounds{shelf: &shelf{version: 1, gone: map[string]bool{}}}
	h.facts, h.next = round()
	for p := range roundProducts {
		h.shelf.rows = append(h.shelf.rows, &catalog.Product{ID: roundProduct(p), Name: fmt.Sprint("Good ", p), Department: "D", Category: catalog.Category(fmt.Sprint("C", p%9)), Type: catalog.Type(fmt.Sprint("T", p%30))})
	}
	h.shelf.rows = append(h.shelf.rows, &catalog.Product{ID: "rare", Name: "Rare", Department: "D", Category: "C0", Type: "T0"})
	w, err := duck.Open(t.Context(), t.TempDir(), duck.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	rows := history.Rows(listed(h.shelf))
	for n := range roundShoppers {
		rows = append(rows, history.Rows(h.facts[n])...)
	}
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: today.UTC(), Rows: rows}}); err != nil {
		t.Fatal(err)
	}
	if h.files, err = dirfiles.Open(t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := recommend.Train(t.Context(), w, h.files, recommend.Training{Through: today - 1, Days: recommend.DaysDefault}); err != nil {
		t.Fatal(err)
	}
	h.keeper = training.NewKeeper(h.files, nil)
	tr, err := training.New(training.Config{From: w, Keeper: h.keeper, Settings: training.Settings{Days: 98, Shoppers: 1_000, Trees: 40, SearchDays: 28, Seed: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := tr.Train(t.Context(), training.Order{Through: today - 1, At: today.UTC()}); err != nil || out.Published != 1 {
		t.Fatalf("outcome %+v, %v", out, err)
	}
	h.Recommender = recommend.New(h.shelf, h.files, recommend.Options{Next: h.keeper})
	if err := h.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *rounds) basket(t *testing.T, n int, v visit.Visit) []string {
	t.Helper()
	v.List, v.Day = visit.NextBasket, today
	var out []string
	for _, p := range h.Propose(shopper.FromUint64(roundID(n)), fold(t, nil, h.facts[n][1:]...), &v, 8).Proposals {
		out = append(out, string(p.Product))
	}
	return out
}

func (h *rounds) hits(n int, list []string) (hits int) {
	for _, p := range h.next[n] {
		if slices.Contains(list, string(p)) {
			hits++
		}
	}
	return hits
}

// The model knows what is due; counting, which serves where there is none, does not.
func TestTheNextBasketIsTheModels(t *testing.T) {
	t.Parallel()
	h := openRounds(t)
	plain := &rounds{Recommender: recommend.New(h.shelf, h.files, recommend.Options{}), facts: h.facts}
	if err := plain.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	ours, theirs := 0, 0
	for n := range roundShoppers {
		ours += h.hits(n, h.basket(t, n, visit.Visit{}))
		theirs += h.hits(n, plain.basket(t, n, visit.Visit{}))
	}
	if all := roundShoppers * roundGoods; ours < 8*all/10 || ours < 2*theirs {
		t.Errorf("of %d bought next the model's lists hold %d, plain ones %d", all, ours, theirs)
	}
	list := h.basket(t, 0, visit.Visit{})
	if !slices.Contains(list, "rare") {
		t.Errorf("what only she buys, always, is not on her list: %v", list)
	}
	got := h.Propose(shopper.FromUint64(roundID(1)), fold(t, nil, h.facts[1][1:]...), &visit.Visit{List: visit.NextBasket, Day: today}, 3)
	if text := told(got); !strings.HasPrefix(text, string(got.Proposals[0].Product)+": bought 6 times") && !strings.HasPrefix(text, string(got.Proposals[0].Product)+": bought 7 times") {
		t.Errorf("reasons: %s", text)
	}
	e := h.Explain(shopper.FromUint64(roundID(1)), fold(t, nil, h.facts[1][1:]...), &visit.Visit{List: visit.NextBasket, Day: today}, 3)
	if e.Model != 1 || e.Products[0].Chance <= 0 || len(e.Products[0].Signals) < 30 || e.Proposals[0] != got.Proposals[0] {
		t.Errorf("explained: %+v", e)
	}
}

// What she does in this visit counts at once: what lies in her basket is proposed no
// more, and what she looked at is.
func TestThisVisitCountsBesideTheModel(t *testing.T) {
	t.Parallel()
	h := openRounds(t)
	list := h.basket(t, 5, visit.Visit{})
	first := catalog.ProductID(list[0])
	if after := h.basket(t, 5, visit.Visit{Basket: []catalog.ProductID{first}}); slices.Contains(after, list[0]) || len(after) != 8 {
		t.Errorf("with %s in the basket: %v", first, after)
	}
	looked := ""
	for p := range roundProducts {
		if id := string(roundProduct(p)); !slices.Contains(list, id) && !hers(h.facts[5], id) {
			looked = id
		}
	}
	if after := h.basket(t, 5, visit.Visit{Viewed: []catalog.ProductID{catalog.ProductID(looked)}}); !slices.Contains(after, looked) || after[3] != looked {
		t.Errorf("after a look at %s: %v", looked, after)
	}
}

// hers says whether facts hold a product.
func hers(facts []event.Fact, id string) bool {
	for i := range facts {
		if r, ok := facts[i].Body.(event.Receipt); ok {
			for _, l := range r.Lines {
				if string(l.Product) == id {
					return true
				}
			}
		}
	}
	return false
}

// Shoppers and products that the model has never met, or that are gone, break nothing.
func TestWhatTheModelDoesNotKnow(t *testing.T) {
	t.Parallel()
	h := openRounds(t)
	gone := h.basket(t, 2, visit.Visit{})[0]
	h.shelf.rows = slices.DeleteFunc(slices.Clone(h.shelf.rows), func(p *catalog.Product) bool { return string(p.ID) == gone })
	h.shelf.version++
	if err := h.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list := h.basket(t, 2, visit.Visit{}); slices.Contains(list, gone) || len(list) != 8 {
		t.Errorf("%s left the catalogue: %v", gone, list)
	}
	stranger := shopper.FromUint64(99)
	for name, section := range map[string][]byte{
		"nobody known": nil, "known, and bought nothing": {}, "bought one thing once": fold(t, nil, bought(99, "one", 2, "s1", roundProduct(3))),
		"bought what nobody else does": fold(t, nil, bought(99, "two", 2, "s1", "rare")), "bytes that are no section": []byte("nonsense"),
		"bought before the model's window": fold(t, nil, bought(99, "old", 300, "s1", roundProduct(3))),
	} {
		got := h.Propose(stranger, section, &visit.Visit{List: visit.NextBasket, Day: today}, 8)
		if len(got.Proposals) != 8 {
			t.Errorf("%s: %s", name, told(got))
		}
	}
	one := h.Propose(stranger, fold(t, nil, bought(99, "one", 2, "s1", roundProduct(3))), &visit.Visit{List: visit.NextBasket, Day: today}, 8)
	if one.Proposals[0].Product != roundProduct(3) || one.Proposals[0].Reason != visit.BoughtOften {
		t.Errorf("what she bought is not hers: %s", told(one))
	}
}

// A damaged version is reported each time, and the list is as it was.
func TestADamagedModelChangesNoList(t *testing.T) {
	t.Parallel()
	h := openRounds(t)
	want := h.basket(t, 4, visit.Visit{})
	if _, err := h.files.Put(t.Context(), "nextbasket/register", func(w io.Writer) error {
		_, err := w.Write([]byte("{"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := h.Refresh(t.Context()); !errors.Is(err, training.ErrModel) {
			t.Errorf("refreshed: %v", err)
		}
	}
	if got := h.basket(t, 4, visit.Visit{}); !slices.Equal(got, want) {
		t.Errorf("list %v, before %v", got, want)
	}
}

// Who is forgotten is nobody's neighbour any more, and others' lists stay whole.
func TestOthersListsStayWholeWithoutTheForgotten(t *testing.T) {
	t.Parallel()
	h := openRounds(t)
	if n, err := h.keeper.Erase(t.Context(), []shopper.ID{shopper.FromUint64(roundID(6))}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if slices.Contains(h.keeper.Now().Model.Keys(), roundID(6)) {
		t.Error("she is still served by")
	}
	if list := h.basket(t, 7, visit.Visit{}); h.hits(7, list) < 3 {
		t.Errorf("another's list: %v, she buys %v", list, h.next[7])
	}
}
