package auction_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"endcap/retail/event"
	"endcap/retail/trial"
	"endcap/sell/auction"
)

// place is one placement of the visit.
type place struct {
	Slots      int
	Floor      int64 // the least a click costs, in the smallest coins
	Candidates []auction.Candidate
}

// run awards the slots of the places, one place after the other. For each place
// it returns the verdicts on all its candidates, best score first. It does not
// change its argument. The order of Candidates has no influence.
func run(places []place) [][]auction.Verdict {
	var (
		out  = make([][]auction.Verdict, len(places))
		sale auction.Sale
		rank auction.Ranking
	)
	for i, p := range places {
		rank.Reset()
		for j := range p.Candidates {
			rank.Push(p.Candidates[j].Score(), p.Candidates[j].Line, int32(j))
		}
		sale.Open(p.Slots, p.Floor)
		for at, ok := rank.Pop(); ok; at, ok = rank.Pop() {
			sale.Offer(p.Candidates[at])
		}
		out[i] = append([]auction.Verdict(nil), sale.Close()...)
	}
	return out
}

// drawPlaces makes places whose candidates bid at least the floor, with few
// products and campaigns so that duplicates and ghosts are common.
func drawPlaces(t *rapid.T) []place {
	places := make([]place, rapid.IntRange(1, 3).Draw(t, "places"))
	for i := range places {
		p := &places[i]
		p.Slots = rapid.IntRange(0, 5).Draw(t, "slots")
		p.Floor = rapid.Int64Range(1, 20).Draw(t, "floor")
		n := rapid.IntRange(0, 14).Draw(t, "candidates")
		for line := range n {
			p.Candidates = append(p.Candidates, auction.Candidate{
				Line: int32(line), Product: rapid.Int32Range(0, 9).Draw(t, "product"), Campaign: rapid.Int32Range(0, 4).Draw(t, "campaign"),
				Quality: rapid.SampledFrom([]int32{1, 7, 250_000, 500_000, 999_999, 1_000_000}).Draw(t, "quality"),
				Bid:     p.Floor + rapid.Int64Range(0, 30).Draw(t, "bid"),
				Arm:     trial.Arm(rapid.SampledFrom([]uint8{0, 0, 0, 1}).Draw(t, "arm")),
			})
		}
	}
	return places
}

func find(vs []auction.Verdict, line int32) *auction.Verdict {
	return &vs[slices.IndexFunc(vs, func(v auction.Verdict) bool { return v.Line == line })]
}

func TestNobodyPaysMoreThanTheBidOrThanTheSlotNeeds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		places := drawPlaces(t)[:1]
		got := run(places)[0]
		for _, v := range got {
			if !v.Won() {
				continue
			}
			if v.Price < places[0].Floor || v.Price > v.Bid {
				t.Fatalf("line %d pays %d, outside floor %d and bid %d", v.Line, v.Price, places[0].Floor, v.Bid)
			}
			rebid := func(bid int64) *auction.Verdict {
				p := places[0]
				p.Candidates = slices.Clone(p.Candidates)
				p.Candidates[v.Line].Bid = bid
				return find(run([]place{p})[0], v.Line)
			}
			if again := rebid(v.Price); !again.Won() || again.Slot != v.Slot {
				t.Fatalf("line %d bids its price %d and loses slot %d: %+v", v.Line, v.Price, v.Slot, again)
			}
			if v.Price == places[0].Floor || v.Arm == trial.Control {
				continue
			}
			if less := rebid(v.Price - 1); less.Won() && less.Slot <= v.Slot {
				t.Fatalf("line %d pays %d though %d keeps slot %d", v.Line, v.Price, v.Price-1, v.Slot)
			}
		}
	})
}

func TestEverySlotThatCanBeFilledIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		places := drawPlaces(t)
		products, lines := map[int32]bool{}, map[int32]bool{}
		for i, vs := range run(places) {
			shown, free := 0, 0
			for _, v := range vs {
				ghost := v.Arm == trial.Control
				if v.Won() {
					if lines[v.Line] || products[v.Product] {
						t.Fatalf("place %d shows line %d or product %d twice", i, v.Line, v.Product)
					}
					if !ghost && v.Slot != shown || v.Slot >= places[i].Slots {
						t.Fatalf("place %d gives slot %d after %d", i, v.Slot, shown)
					}
				}
				if v.Won() && !ghost {
					products[v.Product] = true
					shown++
				}
				if v.Refusal == event.Outbid && !ghost {
					free++
				}
			}
			for _, v := range vs {
				if v.Won() {
					lines[v.Line] = true
				}
			}
			if free > 0 && shown < places[i].Slots {
				t.Fatalf("place %d shows %d of %d while %d were outbid", i, shown, places[i].Slots, free)
			}
		}
	})
}

func TestAGhostChangesNothingForTheOthers(t *testing.T) {
	t.Parallel()
	type shown struct {
		Line  int32
		Slot  int
		Price int64
	}
	real := func(vs []auction.Verdict) (out []shown) {
		for _, v := range vs {
			if v.Won() && v.Arm == trial.Treated {
				out = append(out, shown{v.Line, v.Slot, v.Price})
			}
		}
		return out
	}
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlaces(t)[0]
		without := p
		without.Candidates = slices.DeleteFunc(slices.Clone(p.Candidates), func(c auction.Candidate) bool { return c.Arm == trial.Control })
		got, want := run([]place{p})[0], run([]place{without})[0]
		if diff := cmp.Diff(real(want), real(got)); diff != "" {
			t.Fatalf("held-out campaigns moved others:\n%s", diff)
		}
	})
}

// A ghost wins exactly where its campaign would have won were she not held out.
func TestAGhostWinsWhereItWouldHaveWon(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlaces(t)[0]
		for i := range p.Candidates { // one product each: a ghost leaves its product free, a real win does not
			p.Candidates[i].Product = int32(i)
		}
		campaign := rapid.Int32Range(0, 4).Draw(t, "held out")
		held, treated := p, p
		held.Candidates, treated.Candidates = slices.Clone(p.Candidates), slices.Clone(p.Candidates)
		for i := range p.Candidates {
			if p.Candidates[i].Campaign == campaign {
				held.Candidates[i].Arm, treated.Candidates[i].Arm = trial.Control, trial.Treated
			}
		}
		a, b := run([]place{held})[0], run([]place{treated})[0]
		for i := range a {
			if a[i].Campaign == campaign && (a[i].Won() != b[i].Won() || a[i].Slot != b[i].Slot || a[i].Price != b[i].Price) {
				t.Fatalf("held out %+v, treated %+v", a[i], b[i])
			}
		}
	})
}

func TestTheOrderOfCandidatesHasNoInfluence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		places := drawPlaces(t)
		want := run(places)
		seed := rapid.Uint64().Draw(t, "seed")
		r := rand.New(rand.NewPCG(seed, 1))
		for _, p := range places {
			r.Shuffle(len(p.Candidates), func(i, j int) { p.Candidates[i], p.Candidates[j] = p.Candidates[j], p.Candidates[i] })
		}
		if diff := cmp.Diff(want, run(places)); diff != "" {
			t.Fatalf("shuffled with seed %d:\n%s", seed, diff)
		}
	})
}

// What Offer says may be left out can be left out: explain runs on that.
func TestTheRestMayBeLeftOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlaces(t)[0]
		want := run([]place{p})[0]
		var sale auction.Sale
		sale.Open(p.Slots, p.Floor)
		for i := range want {
			if !sale.Offer(want[i].Candidate) {
				break
			}
		}
		got := slices.Clone(sale.Close())
		for _, v := range want[len(got):] {
			if v.Won() {
				t.Fatalf("left out a winner: %+v", v)
			}
		}
		if diff := cmp.Diff(want[:len(got)], got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestPrices(t *testing.T) {
	t.Parallel()
	c := func(line int32, quality int32, bid int64) auction.Candidate {
		return auction.Candidate{Line: line, Product: line, Campaign: line, Quality: quality, Bid: bid}
	}
	tests := map[string]struct {
		floor int64
		cands []auction.Candidate
		want  []int64
	}{
		"the floor when alone":                  {20, []auction.Candidate{c(0, 1_000_000, 90)}, []int64{20}},
		"the floor beats the second":            {60, []auction.Candidate{c(0, 1_000_000, 90), c(1, 500_000, 80)}, []int64{60, 60}},
		"the second's bid when equally good":    {1, []auction.Candidate{c(0, 400_000, 90), c(1, 400_000, 50)}, []int64{50, 1}},
		"one coin more to beat a lower id":      {1, []auction.Candidate{c(0, 400_000, 50), c(1, 400_000, 90)}, []int64{51, 1}},
		"less when better, rounded up":          {1, []auction.Candidate{c(0, 900_000, 50), c(1, 400_000, 90)}, []int64{40, 1}},
		"a tie goes to the lower id at its bid": {1, []auction.Candidate{c(0, 500_000, 50), c(1, 500_000, 50)}, []int64{50, 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []int64
			for _, v := range run([]place{{Slots: 4, Floor: test.floor, Candidates: test.cands}})[0] {
				got = append(got, v.Price)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzRun reads candidates from bytes and checks that prices stay between floor
// and bid and that a second run agrees.
func FuzzRun(f *testing.F) {
	f.Add([]byte("\x04\x05aaaaaaaabbbbbbbbcccccccc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 2 || len(b) > 4_096 {
			return
		}
		p := place{Slots: int(b[0] % 21), Floor: int64(b[1]) + 1}
		for b = b[2:]; len(b) >= 8; b = b[8:] {
			p.Candidates = append(p.Candidates, auction.Candidate{
				Line: int32(len(p.Candidates)), Product: int32(b[0]), Campaign: int32(b[1] % 8), Arm: trial.Arm(b[2] & 1),
				Quality: 1 + int32(binary.LittleEndian.Uint16(b[3:]))*15, Bid: p.Floor + int64(binary.LittleEndian.Uint16(b[5:]))*(1<<(b[7]%27)),
			})
		}
		got := run([]place{p})
		for _, v := range got[0] {
			if v.Won() && (v.Price < p.Floor || v.Price > v.Bid || v.Slot >= p.Slots) {
				t.Errorf("%+v breaks floor %d, its bid or %d slots", v, p.Floor, p.Slots)
			}
		}
		if diff := cmp.Diff(got, run([]place{p})); diff != "" {
			t.Errorf("a second run differs:\n%s", diff)
		}
	})
}

func BenchmarkRanking(b *testing.B) {
	var r auction.Ranking
	for b.Loop() {
		r.Reset()
		for i := range int32(300) {
			r.Push(int64(i*7919%1013), i, i)
		}
		for range 10 {
			r.Pop()
		}
	}
}
