package main

import (
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"endcap/bench/figure"
	"endcap/know/recommend/judge"
	"endcap/know/recommend/nextbasket"
)

// readMax bounds a file of the published tables once it is unpacked.
const readMax = 64 << 20

// readJSON reads a gzipped file.
func readJSON(path string, to any) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the data: %w", err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if err := json.NewDecoder(io.LimitReader(z, readMax)).Decode(to); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// published is baskets as the published tables have them: in order, without days.
type published struct {
	products  int
	histories map[string]nextbasket.History
	futures   map[string][]nextbasket.Product
}

// numbered are products by their ids.
type numbered map[int64]nextbasket.Product

// numberedOf numbers every product of histories and futures by its place among
// the ids, because the published tables break some ties by id.
func numberedOf(all ...map[string][][]int64) numbered {
	n := make(numbered)
	for _, users := range all {
		for _, baskets := range users {
			for _, id := range slices.Concat(baskets...) {
				n[id] = 0
			}
		}
	}
	delete(n, sentinel)
	for i, id := range slices.Sorted(maps.Keys(n)) {
		n[id] = nextbasket.Product(i)
	}
	return n
}

// sentinel stands alone in a list before the first basket and after the last.
const sentinel = -1

func (n numbered) products(ids []int64) []nextbasket.Product {
	out := make([]nextbasket.Product, len(ids))
	for i, id := range ids {
		out[i] = n[id]
	}
	return out
}

// readPublished reads histories and futures, and the users in order of their
// numbers.
func readPublished(history, future string) (*published, []string, error) {
	var raw, next map[string][][]int64
	if err := readJSON(history, &raw); err != nil {
		return nil, nil, err
	}
	if err := readJSON(future, &next); err != nil {
		return nil, nil, err
	}
	n := numberedOf(raw, next)
	d := &published{products: len(n), histories: make(map[string]nextbasket.History), futures: make(map[string][]nextbasket.Product)}
	var users []string
	for u, baskets := range raw {
		users = append(users, u)
		var h nextbasket.History
		for _, b := range baskets {
			if len(b) != 1 || b[0] != sentinel {
				h = append(h, nextbasket.Basket{Day: int32(len(h)), Products: n.products(b)})
			}
		}
		if len(next[u]) != 3 {
			return nil, nil, fmt.Errorf("read %s: user %s has no next basket", future, u)
		}
		d.histories[u], d.futures[u] = h, n.products(next[u][1])
	}
	byNumber(users)
	return d, users, nil
}

// cases asks for what users buy next.
func (d *published) cases(users []string) []nextbasket.Case {
	out := make([]nextbasket.Case, len(users))
	for i, u := range users {
		h := d.histories[u]
		out[i] = nextbasket.Case{Query: nextbasket.Query{History: h, Day: int32(len(h))}, Truth: d.futures[u]}
	}
	return out
}

// shoppers are users with all that is known of them.
func (d *published) shoppers(users []string, future bool) []nextbasket.Shopper {
	out := make([]nextbasket.Shopper, len(users))
	for i, u := range users {
		h := d.histories[u]
		if future {
			h = append(slices.Clip(h), nextbasket.Basket{Day: int32(len(h)), Products: d.futures[u]})
		}
		out[i] = nextbasket.Shopper{Key: uint64(i + 1), History: h}
	}
	return out
}

// fold is one split of users.
type fold struct {
	no    int
	Train []string `json:"train"`
	Val   []string `json:"val"`
	Test  []string `json:"test"`
}

// tafeng trains on the users of a fold's train part, chooses settings on its
// validation part and reports on its test part; the figures are means over folds.
func tafeng(ctx context.Context, out io.Writer, o *options) error {
	dir := filepath.Join(o.data, "nbr", "tafeng-rc")
	rows, err := readReference(filepath.Join(o.data, "nbr", "reference_results.csv"))
	if err != nil {
		return err
	}
	d, users, err := readPublished(filepath.Join(dir, "history.json.gz"), filepath.Join(dir, "future.json.gz"))
	if err != nil {
		return err
	}
	all := d.shoppers(users, false)
	var sum folds
	for no := range o.folds {
		f := fold{no: no}
		if err := readJSON(filepath.Join(dir, "keyset_"+strconv.Itoa(no)+".json.gz"), &f); err != nil {
			return err
		}
		most, compared := deviation(rows, "tafeng-rc", strconv.Itoa(no), d.cases(f.Test), methods(d.products, all, d.shoppers(f.Train, false)))
		sum.deviation, sum.compared = max(sum.deviation, most), sum.compared+compared
		if err := d.fold(ctx, out, o, &f, &sum); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "tafeng: %d rows of the reference were made again\n", sum.compared)
	figure.Goal(out, "proposals.tafeng.reference_deviation", sum.deviation, "share", "<=0.0005")
	f10, f20 := judge.At(10, sum.answers), judge.At(20, sum.answers)
	show(out, "proposals.tafeng", &f10, &f20, goals{
		"recall_at_10": ">=0.176", "ndcg_at_10": ">=0.151", "phr_at_10": ">=0.486", "recall_at_20": ">=0.227", "recall_explore_at_10": ">=0.044",
	})
	figure.Print(out, "proposals.tafeng.observed_by_predicted", sum.observed/sum.predicted, "ratio")
	figure.Goal(out, "proposals.tafeng.train_seconds", sum.seconds/float64(o.folds), "s", "<=60")
	figure.Print(out, "proposals.tafeng.train_cpu_seconds", sum.processor/float64(o.folds), "s")
	figure.Goal(out, "proposals.tafeng.memory", used().Maxrss/1024, "MB", "<=1024")
	return nil
}

// folds gathers what the folds of TaFeng gave.
type folds struct {
	answers             []judge.Answer // folds have equally many, so the mean over all is the mean over folds
	deviation           float64
	compared            int
	predicted, observed float64
	seconds, processor  float64
}

// fold measures one split.
func (d *published) fold(ctx context.Context, out io.Writer, o *options, f *fold, sum *folds) error {
	r := &nextbasket.Range{Products: d.products}
	shoppers, test := d.shoppers(f.Train, true), d.cases(f.Test)
	cuts := nextbasket.ByOrder(shoppers, 0)
	s, _, err := o.search(ctx, out, "tafeng: fold "+strconv.Itoa(f.no), &problem{r, cuts, []nextbasket.Cut{{Shoppers: shoppers, Cases: d.cases(f.Val)}}})
	if err != nil {
		return err
	}
	training := startCost()
	m, held, err := nextbasket.Train(r, cuts, shoppers, &s)
	if err != nil {
		return err
	}
	wall, processor := training.seconds()
	sum.seconds, sum.processor = sum.seconds+wall, sum.processor+processor
	answers := nextbasket.Answers(test, m, 20)
	f10, f20 := judge.At(10, answers), judge.At(20, answers)
	fmt.Fprintf(out, "tafeng: fold %d, %d trees: recall %.4f, NDCG %.4f, PHR %.4f, recall at 20 %.4f, of what is new %.4f\n", f.no, held.Trees, f10.Recall, f10.NDCG, f10.PHR, f20.Recall, f10.RecallExplore)
	sum.answers = append(sum.answers, answers...)
	predicted, observed := m.Calibrated(test)
	sum.predicted, sum.observed = sum.predicted+predicted, sum.observed+observed
	if f.no == 0 {
		straight := learnLinear(r, cuts, &s, o.seed)
		l10 := judge.At(10, straight.answers(r, &nextbasket.Cut{Shoppers: shoppers, Cases: test}, &s, o.seed))
		fmt.Fprintf(out, "tafeng: fold 0, the linear ranker over the same signals: recall %.4f, NDCG %.4f, PHR %.4f\n", l10.Recall, l10.NDCG, l10.PHR)
		figure.Print(out, "proposals.tafeng.fold_0_trees_vs_linear", f10.Recall/l10.Recall, "ratio")
	}
	return nil
}

// miniJudged is how many of the mini benchmark's cuts settings are judged by.
const miniJudged = 2

// mini learns from the histories alone, each less its last basket, and reports on
// all users: nobody's future is learnt from.
func mini(ctx context.Context, out io.Writer, o *options) error {
	dir := filepath.Join(o.data, "nbr", "complete-journey-baskets")
	d, users, err := readPublished(filepath.Join(dir, "cj_mini_history.json.gz"), filepath.Join(dir, "cj_mini_future.json.gz"))
	if err != nil {
		return err
	}
	r := &nextbasket.Range{Products: d.products}
	shoppers := d.shoppers(users, false)
	cuts := nextbasket.ByOrder(shoppers, 0)
	s, _, err := o.search(ctx, out, "mini", &problem{r, cuts[miniJudged:], cuts[:miniJudged]})
	if err != nil {
		return err
	}
	m, _, err := nextbasket.Train(r, cuts, shoppers, &s)
	if err != nil {
		return err
	}
	cases := d.cases(users)
	for i := range cases {
		cases[i].Key = shoppers[i].Key
	}
	answers := nextbasket.Answers(cases, m, 20)
	f10, f20 := judge.At(10, answers), judge.At(20, answers)
	show(out, "proposals.mini", &f10, &f20, goals{"recall_at_10": ">=0.186", "ndcg_at_10": ">=0.166", "recall_at_20": ">=0.253"})
	return nil
}

// byNumber sorts users by their number.
func byNumber(users []string) {
	slices.SortFunc(users, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
}
