package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"endcap/bench/figure"
	"endcap/know/recommend/nextbasket"
)

// The house that grows: as many products as a hypermarket has, and shoppers who buy
// some of them again and again.
const (
	grownProducts = 100_000
	grownDays     = 364
	grownKinds    = 2_000 // of products
	askedMost     = 2_000 // shoppers who are asked about
)

// grown trains on simulated houses of more and more shoppers, and asks the largest
// as a page would: one query after the other.
func grown(_ context.Context, out io.Writer, o *options) error {
	var perShopper []float64
	for text := range strings.SplitSeq(o.shoppers, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("-shoppers: %w", err)
		}
		simulating := startCost()
		r, shoppers := simulatedHouse(n, o.seed)
		wall, _ := simulating.seconds()
		fmt.Fprintf(out, "grown: %d shoppers of seed %d simulated in %.1f s\n", n, o.seed, wall)
		training := startCost()
		cuts := []nextbasket.Cut{nextbasket.ByDay(shoppers, grownDays-28, grownDays), nextbasket.ByDay(shoppers, grownDays-56, grownDays-28)}
		s := nextbasket.Defaults()
		m, _, err := nextbasket.Train(r, cuts, shoppers, &s)
		if err != nil {
			return err
		}
		wall, processor := training.seconds()
		name := "proposals.grown_" + text
		figure.Print(out, name+".train_seconds", wall, "s")
		figure.Print(out, name+".train_cpu_seconds", processor, "s")
		figure.Print(out, name+".memory", used().Maxrss/1024, "MB")
		perShopper = append(perShopper, processor/float64(n))
		if last := len(perShopper) - 1; last > 0 {
			figure.Goal(out, name+".cpu_per_shopper_ratio", perShopper[last]/perShopper[0], "ratio", "<=1.25")
		}
		ask(out, name, m, shoppers)
	}
	return nil
}

// ask measures how long one list takes, in process.
func ask(out io.Writer, name string, m *nextbasket.Model, shoppers []nextbasket.Shopper) {
	var took []float64
	var room []nextbasket.Proposal
	step := max(1, len(shoppers)/askedMost)
	asking := startCost()
	for i := 0; i < len(shoppers); i += step {
		q := nextbasket.Query{Key: shoppers[i].Key, History: shoppers[i].History, Day: grownDays}
		began := time.Now()
		room = m.Next(&q, room[:0])
		took = append(took, time.Since(began).Seconds()*1e3)
	}
	_, processor := asking.seconds()
	figure.Print(out, name+".ask_cpu_mean", processor*1e3/float64(len(took)), "ms")
	slices.Sort(took)
	figure.Print(out, name+".ask_p50", took[len(took)/2], "ms")
	figure.Goal(out, name+".ask_p99", took[len(took)*99/100], "ms", "<=5")
}

// simulatedHouse draws shoppers: each has staples with a rhythm of their own, buys
// other products of the same kinds now and then, and anything sometimes; what is
// bought often is bought by many.
func simulatedHouse(shoppers int, seed uint64) (*nextbasket.Range, []nextbasket.Shopper) {
	rnd := rand.New(rand.NewPCG(seed, 12))
	groups := make([]int32, grownProducts)
	for p := range groups {
		groups[p] = int32(p % grownKinds)
	}
	product := func() nextbasket.Product { // few products make most of the sales
		return nextbasket.Product(float64(grownProducts-1) * math.Pow(rnd.Float64(), 4))
	}
	out := make([]nextbasket.Shopper, shoppers)
	for i := range out {
		type staple struct {
			product nextbasket.Product
			every   int
			due     int
		}
		staples := make([]staple, 10+rnd.IntN(30))
		for k := range staples {
			every := 7 + rnd.IntN(50)
			staples[k] = staple{product(), every, rnd.IntN(every)}
		}
		pause := 5 + rnd.IntN(20)
		var h nextbasket.History
		for day := rnd.IntN(pause); day < grownDays; day += 1 + rnd.IntN(2*pause) {
			var b []nextbasket.Product
			for k := range staples {
				if s := &staples[k]; day >= s.due {
					p := s.product
					if rnd.IntN(5) == 0 {
						p = (p + grownKinds*nextbasket.Product(rnd.IntN(5))) % grownProducts
					}
					b = append(b, p)
					s.due = day + s.every
				}
			}
			for range rnd.IntN(3) {
				b = append(b, product())
			}
			slices.Sort(b)
			if b = slices.Compact(b); len(b) > 0 {
				h = append(h, nextbasket.Basket{Day: int32(day), Products: slices.Clip(b)})
			}
		}
		out[i] = nextbasket.Shopper{Key: uint64(i + 1), History: h}
	}
	return &nextbasket.Range{Products: grownProducts, Groups: [][]int32{groups}}, out
}
