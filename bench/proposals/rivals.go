package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"endcap/know/recommend/judge"
	"endcap/know/recommend/nextbasket"
)

// rival is another method, with the settings that validation chose.
type rival struct {
	name    string
	trials  int
	answers []judge.Answer // to the test's questions
}

// tuned answers the test's questions with whichever of n settings answers the
// validation's best, by NDCG and recall of ten together.
func tuned(name string, n int, val, test *nextbasket.Cut, method func(trial int, from *nextbasket.Cut) nextbasket.Lister) rival {
	best, at := -1.0, 0
	for trial := range n {
		if n == 1 {
			break
		}
		f := judge.At(10, nextbasket.Answers(val.Cases, method(trial, val), 10))
		if f.NDCG+f.Recall > best {
			best, at = f.NDCG+f.Recall, trial
		}
	}
	return rival{name, n, nextbasket.Answers(test.Cases, method(at, test), 20)}
}

// rivals are all methods but ALS. TIFUKNN's settings are the trials that our own
// search made of them, on the same validation.
func (d *receipts) rivals(o *options, val, test *nextbasket.Cut, neighbours *nextbasket.Settings) []rival {
	products := d.r.Products
	popular := func(_ int, from *nextbasket.Cut) nextbasket.Lister {
		return nextbasket.NewPopular(products, from.Shoppers)
	}
	personal := func(_ int, from *nextbasket.Cut) nextbasket.Lister {
		return &nextbasket.Personal{Popular: nextbasket.NewPopular(products, from.Shoppers), Ties: nextbasket.MorePopular, Fill: true}
	}
	tifuknn := func(_ int, from *nextbasket.Cut) nextbasket.Lister {
		return nextbasket.NewTIFUKNN(products, from.Shoppers, neighbours)
	}
	rnd := rand.New(rand.NewPCG(o.seed, 6))
	items := make([]nextbasket.ItemItemOptions, o.trials)
	for i := range items {
		items[i] = nextbasket.ItemItemOptions{
			Baskets: rnd.IntN(2) == 0, Shrink: oneOf(rnd, 0.0, 10, 50, 200), Recent: oneOf(rnd, 0.0, 5, 20, 60), Self: rnd.IntN(2) == 0,
		}
	}
	item := func(trial int, from *nextbasket.Cut) nextbasket.Lister {
		return nextbasket.NewItemItem(products, from.Shoppers, items[trial])
	}
	tifu := tuned("tifuknn", 1, val, test, tifuknn)
	tifu.trials = o.trials
	return []rival{
		tuned("popularity", 1, val, test, popular), tuned("personal", 1, val, test, personal), tifu, tuned("item_item", o.trials, val, test, item),
	}
}

func oneOf[T any](rnd *rand.Rand, values ...T) T { return values[rnd.IntN(len(values))] }

// alsTrial is one setting of ALS, as the script reads it.
type alsTrial struct {
	Factors        int     `json:"factors"`
	Regularization float64 `json:"regularization"`
	Alpha          float64 `json:"alpha"`
	Iterations     int     `json:"iterations"`
	Weight         string  `json:"weight"`
	Seed           uint64  `json:"seed"`
	Threads        int     `json:"threads"`
}

// als has PyPI's implicit propose: every trial on validation, the best on the test.
func als(ctx context.Context, o *options, val, test *nextbasket.Cut) (rival, error) {
	rnd := rand.New(rand.NewPCG(o.seed, 7))
	trials := make([]alsTrial, o.trials)
	for i := range trials {
		trials[i] = alsTrial{
			Factors: oneOf(rnd, 16, 32, 64, 128), Regularization: oneOf(rnd, 0.01, 0.1, 1, 10), Alpha: oneOf(rnd, 1.0, 5, 20, 40),
			Iterations: oneOf(rnd, 10, 15, 25), Weight: oneOf(rnd, "once", "baskets", "log", "late"), Seed: o.seed, Threads: 2,
		}
	}
	all, err := askALS(ctx, o, val, trials)
	if err != nil {
		return rival{}, err
	}
	best, at := -1.0, 0
	for i, answers := range all {
		if f := judge.At(10, answers); f.NDCG+f.Recall > best {
			best, at = f.NDCG+f.Recall, i
		}
	}
	final, err := askALS(ctx, o, test, trials[at:at+1])
	if err != nil {
		return rival{}, err
	}
	return rival{"als", o.trials, final[0]}, nil
}

// alsMax bounds what the script may write.
const alsMax = 1 << 28

// askALS answers a cut's questions by each trial.
func askALS(ctx context.Context, o *options, from *nextbasket.Cut, trials []alsTrial) ([][]judge.Answer, error) {
	dir, err := os.MkdirTemp("", "endcap-als-")
	if err != nil {
		return nil, fmt.Errorf("make room for ALS: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bought, settings := filepath.Join(dir, "bought.csv"), filepath.Join(dir, "trials.json")
	if err := os.WriteFile(bought, boughtOf(from), 0o600); err != nil {
		return nil, fmt.Errorf("write for ALS: %w", err)
	}
	text, err := json.Marshal(trials)
	if err != nil {
		return nil, fmt.Errorf("write for ALS: %w", err)
	}
	if err := os.WriteFile(settings, text, 0o600); err != nil {
		return nil, fmt.Errorf("write for ALS: %w", err)
	}
	var out, said bytes.Buffer
	run := exec.CommandContext(ctx, "python3", o.als, bought, settings)
	run.Stdout, run.Stderr = &limited{&out, alsMax}, &limited{&said, 1 << 20}
	if err := run.Run(); err != nil {
		return nil, fmt.Errorf("run ALS: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	lists := make([]map[int][]nextbasket.Product, len(trials))
	for i := range lists {
		lists[i] = make(map[int][]nextbasket.Product)
	}
	if err := readLists(&out, lists); err != nil {
		return nil, err
	}
	row := make(map[uint64]int)
	for i := range from.Shoppers {
		row[from.Shoppers[i].Key] = i
	}
	answers := make([][]judge.Answer, len(trials))
	for i := range lists {
		answers[i] = nextbasket.Answers(from.Cases, given{row, lists[i]}, 20)
	}
	return answers, nil
}

// given are lists that somebody else made.
type given struct {
	row   map[uint64]int
	lists map[int][]nextbasket.Product
}

// List is hers.
func (g given) List(q *nextbasket.Query, k int) []nextbasket.Product {
	list := g.lists[g.row[q.Key]]
	return list[:min(k, len(list))]
}

// boughtOf is a line per shopper and product: baskets, and baskets of which each
// older one counts a twentieth less.
func boughtOf(from *nextbasket.Cut) []byte {
	var b bytes.Buffer
	for i := range from.Shoppers {
		h := from.Shoppers[i].History
		count, late := make(map[nextbasket.Product]int), make(map[nextbasket.Product]float64)
		var order []nextbasket.Product
		for t := range h {
			for _, p := range h[t].Products {
				if count[p] == 0 {
					order = append(order, p)
				}
				count[p]++
				late[p] += math.Exp(-float64(len(h)-1-t) / 20)
			}
		}
		for _, p := range order {
			fmt.Fprintf(&b, "%d,%d,%d,%.4f\n", i, p, count[p], late[p])
		}
	}
	return b.Bytes()
}

// readLists reads lines trial,shopper,product product ….
func readLists(in io.Reader, to []map[int][]nextbasket.Product) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		part := strings.SplitN(lines.Text(), ",", 3)
		if len(part) != 3 {
			return fmt.Errorf("read ALS's lists: %q is no list", lines.Text())
		}
		trial, err := strconv.Atoi(part[0])
		shopper, err2 := strconv.Atoi(part[1])
		if err := errors.Join(err, err2); err != nil || trial < 0 || trial >= len(to) {
			return fmt.Errorf("read ALS's lists: trial %q, shopper %q", part[0], part[1])
		}
		for word := range strings.FieldsSeq(part[2]) {
			p, err := strconv.ParseInt(word, 10, 32)
			if err != nil {
				return fmt.Errorf("read ALS's lists: %w", err)
			}
			to[trial][shopper] = append(to[trial][shopper], nextbasket.Product(p))
		}
	}
	return lines.Err()
}

// limited takes at most left bytes.
type limited struct {
	to   *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("it wrote too much")
	}
	return l.to.Write(p)
}
