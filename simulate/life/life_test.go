package life_test

import (
	"math"
	"slices"
	"testing"

	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/people"
	"endcap/simulate/scenario"
)

// world is a small one; turn may change its scenario.
func world(t *testing.T, shoppers, weeks int, turn func(*scenario.Scenario)) *life.World {
	t.Helper()
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed, s.Products = shoppers, weeks, 3, 3_000
	if turn != nil {
		turn(&s)
	}
	w, err := life.Open(t.Context(), &s, model.Fitted(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// live calls each for every receipt of the world's weeks.
func live(w *life.World, each func(week int, b *life.Batch, r *life.Receipt)) {
	var b life.Batch
	for week := range w.Scenario.Weeks {
		p := w.Plan(week)
		w.Fill(p, 0, len(p.Visits), &b)
		for i := range b.Receipts {
			each(week, &b, &b.Receipts[i])
		}
	}
}

func TestReceiptsComeInTheOrderOfTimeAndAddUp(t *testing.T) {
	t.Parallel()
	w := world(t, 800, 6, func(s *scenario.Scenario) { s.Returns = 0.2 })
	var last, id int64
	returns, coupons := 0, 0
	live(w, func(_ int, b *life.Batch, r *life.Receipt) {
		if r.At < last || r.ID <= id || r.From >= r.To {
			t.Fatalf("receipt %d at %d after %d at %d, lines %d to %d", r.ID, r.At, id, last, r.From, r.To)
		}
		last, id = r.At, r.ID
		if r.Return {
			returns++
		}
		seen := make(map[int32]bool)
		for _, l := range b.Lines[r.From:r.To] {
			p := &w.Grocer.Products[l.Product]
			full := math.Round(float64(p.Price) * float64(l.Quantity) / 1_000)
			if (l.Quantity < 0) != r.Return || math.Abs(float64(l.Sales+l.Discount)-full) > 1 || l.Coupon > max(l.Sales, 0) || seen[l.Product] {
				t.Fatalf("line %+v of a product at %d cents, return %v", l, p.Price, r.Return)
			}
			seen[l.Product] = true
			if l.Coupon > 0 {
				coupons++
			}
			if day := int((r.At/1e6 - 1736118000) / 86_400); !r.Return && (!w.Grocer.Carries(int(r.Store), l.Product) || w.Grocer.Missing(int(r.Store), l.Product, day)) && w.Grocer.DepartmentOf[p.Category] != model.Fuel {
				t.Fatalf("product %d was bought in store %d, which does not have it", l.Product, r.Store)
			}
		}
	})
	if returns == 0 || coupons == 0 {
		t.Errorf("%d returns, %d coupons", returns, coupons)
	}
}

// What comes back was bought by the same shopper within a fortnight.
func TestWhatComesBackWasBought(t *testing.T) {
	t.Parallel()
	w := world(t, 500, 8, func(s *scenario.Scenario) { s.Returns = 0.5 })
	type bought struct {
		shopper, product int32
	}
	had := make(map[bought]int64)
	returns := 0
	live(w, func(_ int, b *life.Batch, r *life.Receipt) {
		for _, l := range b.Lines[r.From:r.To] {
			key := bought{r.Shopper, l.Product}
			if !r.Return {
				had[key] = r.At
				continue
			}
			returns++
			if at, ok := had[key]; !ok || r.At-at > 15*86_400*1_000_000 {
				t.Fatalf("shopper %d brings back product %d, which she last bought at %d", r.Shopper, l.Product, at)
			}
		}
	})
	if returns < 50 {
		t.Errorf("%d returns", returns)
	}
}

func TestAWeekIsTheSameHoweverItIsFilled(t *testing.T) {
	t.Parallel()
	w := world(t, 400, 1, nil)
	p := w.Plan(0)
	var whole, part life.Batch
	w.Fill(p, 0, len(p.Visits), &whole)
	var lines []life.Line
	for _, cut := range [][2]int{{len(p.Visits) / 2, len(p.Visits)}, {0, len(p.Visits) / 2}} { // the later half first
		w.Fill(p, cut[0], cut[1], &part)
		lines = append(slices.Clone(part.Lines), lines...)
	}
	if !slices.Equal(lines, whole.Lines) {
		t.Error("two halves are not the whole")
	}
}

func TestAStateIsAllThatAWeekLeavesBehind(t *testing.T) {
	t.Parallel()
	often := func(s *scenario.Scenario) { s.Returns, s.CouponReach = 0.2, 2 }
	a, b := world(t, 800, 6, often), world(t, 800, 6, often)
	for week := range 3 {
		a.Plan(week)
	}
	if err := b.Restore(a.State()); err != nil {
		t.Fatal(err)
	}
	for week := 3; week < 6; week++ {
		p, q := a.Plan(week), b.Plan(week)
		if !slices.Equal(p.Visits, q.Visits) || !slices.Equal(p.Site, q.Site) {
			t.Fatalf("week %d differs", week)
		}
		var x, y life.Batch
		a.Fill(p, 0, len(p.Visits), &x)
		b.Fill(q, 0, len(q.Visits), &y)
		if !slices.Equal(x.Lines, y.Lines) || !slices.Equal(x.Receipts, y.Receipts) || !slices.Equal(x.Moved, y.Moved) {
			t.Fatalf("receipts of week %d differ", week)
		}
	}
	if err := b.Restore([]byte{1}); err == nil {
		t.Error("a state of one byte was taken")
	}
}

func TestASharedOrWrongCardIsAsRareAsTheScenarioSays(t *testing.T) {
	t.Parallel()
	w := world(t, 3_000, 4, func(s *scenario.Scenario) { s.CardWrong, s.Online = 0.02, 0 })
	owners := make(map[int64]int32)
	for i := range w.Crowd.Shoppers {
		if card, _, has := w.Crowd.Card(i); has && w.Crowd.Shoppers[i].Has&people.Shares == 0 {
			if other, taken := owners[card]; taken {
				t.Fatalf("shoppers %d and %d have one card of their own", other, i)
			}
			owners[card] = int32(i)
		}
	}
	tills, anonymous, wrong := 0.0, 0.0, 0.0
	live(w, func(_ int, _ *life.Batch, r *life.Receipt) {
		if r.Return {
			return
		}
		tills++
		own, _, _ := w.Crowd.Card(int(r.Shopper))
		switch {
		case r.Card == 0:
			anonymous++
		case r.Card != own:
			wrong++
		}
	})
	if share := wrong / tills; share < 0.012 || share > 0.022 {
		t.Errorf("%.4f of receipts carry somebody else's card", share)
	}
	if share := anonymous / tills; share < 0.15 || share > 0.28 {
		t.Errorf("%.4f of receipts carry no card", share)
	}
}

// Clicks follow the position model that the truth names.
func TestClicksFollowTheirModel(t *testing.T) {
	t.Parallel()
	w := world(t, 4_000, 3, func(s *scenario.Scenario) { s.Browse, s.Account = 3, 1 })
	var searches float64
	var clicks [life.Results + 1]float64
	orders := 0
	var last int64
	for week := range 3 {
		err := w.Sessions(w.Plan(week), func(s *life.Session) error {
			if s.Steps[0].At < last-1_600*1_000_000 || !slices.IsSortedFunc(s.Steps, func(a, b life.Step) int { return int(a.At - b.At) }) {
				t.Fatalf("session %d is out of order", s.ID)
			}
			last = max(last, s.Steps[0].At)
			ordered := s.Steps[len(s.Steps)-1].Action == "order"
			if ordered {
				orders++
			}
			for _, step := range s.Steps {
				if step.Action == "search" && !ordered {
					searches++
				}
				clicks[step.Position]++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if orders == 0 {
		t.Error("nobody ordered")
	}
	for _, position := range []int{1, 4, 16} {
		share := clicks[position] / searches / life.Examine(position)
		if share < life.ClickUnknown*0.85 || share > life.ClickKnown {
			t.Errorf("position %d: clicked with %.3f once looked at", position, share)
		}
	}
}

func TestAShopperTakesFewBytes(t *testing.T) {
	t.Parallel()
	if people.Bytes+life.StateBytes > 60 {
		t.Errorf("a shopper takes %d bytes", people.Bytes+life.StateBytes)
	}
}
