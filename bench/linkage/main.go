// Command linkage measures know/identity/linkage where the truth is known: on
// simulated people, and on FEBRL 3, fake_1000 and historical_50k of Splink's
// data sets where a directory with them is given. It prints pairwise F1 at one
// probability fixed beforehand, 0.5, with one set of defaults and no labels;
// then processor time and memory for the simulated batch.
//
//	go run ./bench/linkage -records 1000000 -data DIR
//
// It is beside the road of a receipt, with a stopwatch.
package main

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"endcap/bench/figure"
	"endcap/know/identity/linkage"
	"endcap/know/identity/linkage/linkagetest"
)

func main() {
	records := flag.Int("records", 100_000, "simulated records")
	seed := flag.Uint64("seed", 7, "of the simulation")
	data := flag.String("data", "", "directory with febrl/ and splink-persons/; empty leaves them out")
	flag.Parse()
	if err := run(os.Stdout, *records, *seed, *data); err != nil {
		fmt.Fprintln(os.Stderr, "linkage:", err)
		os.Exit(1)
	}
}

// least is the probability from which a proposal counts as said.
const least = 0.5

func run(out io.Writer, records int, seed uint64, data string) error {
	if data != "" {
		for _, s := range sets() {
			if err := s.measure(out, data); err != nil {
				return err
			}
		}
	}
	return simulate(out, records, seed)
}

// batch is records with the truth about them.
type batch struct {
	table *linkage.Table
	who   []string
	index map[string]int
}

func newBatch(fields []linkage.Field) (*batch, error) {
	table, err := linkage.NewTable(fields)
	return &batch{table: table, index: make(map[string]int)}, err
}

func (b *batch) add(values []string, id, who string) error {
	b.index[id] = len(b.who)
	b.who = append(b.who, who)
	return b.table.Add(values)
}

// f1 is twice the pairs said rightly over those said and those true.
func f1(right, said, truth int) float64 { return 2 * float64(right) / float64(max(said+truth, 1)) }

// judge counts the pairs said from least on: rightly, in all, and those true.
func (b *batch) judge(res *linkage.Result, least float64) (right, said, truth int) {
	size := make(map[string]int)
	for _, p := range b.who {
		size[p]++
	}
	for _, n := range size {
		truth += n * (n - 1) / 2
	}
	for _, p := range res.Proposals {
		if p.Probability < least {
			continue
		}
		said++
		if b.who[p.A] == b.who[p.B] {
			right++
		}
	}
	return right, said, truth
}

func simulate(out io.Writer, records int, seed uint64) error {
	b, err := newBatch(linkagetest.Fields())
	if err != nil {
		return err
	}
	linkagetest.People(seed, records, func(values []string, person int) bool {
		err = b.add(values, "", strconv.Itoa(person))
		return err == nil
	})
	if err != nil {
		return err
	}
	cfg := linkage.Defaults()
	cfg.Seed, cfg.ProbabilityMin = seed, least
	before, began := used(), time.Now()
	res, err := linkage.Link(b.table, cfg)
	if err != nil {
		return err
	}
	wall, after := time.Since(began), used()
	right, said, truth := b.judge(res, least)
	fmt.Fprintf(out, "simulated: seed %d, %d records, %d true pairs, %d candidates, %d rounds, %d workers\n",
		seed, records, truth, res.Candidates, res.Rounds, cfg.Workers)
	figure.Goal(out, "linkage.simulated.f1", f1(right, said, truth), "F1", ">=0.94")
	right, said, truth = b.judge(res, 0.99)
	figure.Goal(out, "linkage.simulated.precision_at_0.99", float64(right)/float64(max(said, 1)), "share", ">=0.99")
	figure.Print(out, "linkage.simulated.recall_at_0.99", float64(right)/float64(max(truth, 1)), "share")
	figure.Goal(out, "linkage.simulated.seconds", wall.Seconds(), "s", "<=60")
	figure.Print(out, "linkage.simulated.cpu_seconds", time.Duration(after.Utime.Nano()+after.Stime.Nano()-before.Utime.Nano()-before.Stime.Nano()).Seconds(), "s")
	figure.Goal(out, "linkage.simulated.memory", after.Maxrss/1024, "MB", "<=4096")
	return nil
}

func used() (u syscall.Rusage) {
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u
}

// set is a published data set.
type set struct {
	name, file, id, truth, goal string
	fields                      []linkage.Field
	labels                      string // a file of labelled pairs, or none
	labelsGoal                  string
}

func sets() []set {
	febrl := []linkage.Field{
		{Name: "given_name", Kind: linkage.Name},
		{Name: "surname", Kind: linkage.Name, Shared: true},
		{Name: "street_number", Kind: linkage.Code, Shared: true},
		{Name: "address_1", Kind: linkage.Place, Shared: true},
		{Name: "address_2", Kind: linkage.Place, Shared: true},
		{Name: "suburb", Kind: linkage.Place, Shared: true},
		{Name: "postcode", Kind: linkage.Code, Shared: true},
		{Name: "state", Kind: linkage.Category, Shared: true},
		{Name: "date_of_birth", Kind: linkage.Date},
	}
	numbered := slices.Concat(febrl, []linkage.Field{{Name: "soc_sec_id", Kind: linkage.Code}})
	return []set{
		{name: "febrl3", file: "febrl/dataset3.csv.gz", id: "rec_id", truth: "entity", goal: ">=0.99", fields: numbered},
		{name: "febrl3_unnumbered", file: "febrl/dataset3.csv.gz", id: "rec_id", truth: "entity", fields: febrl},
		{
			name: "fake_1000", file: "splink-persons/fake_1000.csv.gz", id: "unique_id", truth: "cluster", goal: ">=0.86",
			fields: []linkage.Field{
				{Name: "first_name", Kind: linkage.Name},
				{Name: "surname", Kind: linkage.Name, Shared: true},
				{Name: "dob", Kind: linkage.Date},
				{Name: "city", Kind: linkage.Place, Shared: true},
				{Name: "email", Kind: linkage.Email},
			},
			labels: "splink-persons/fake_1000_labels.csv.gz", labelsGoal: ">=0.91",
		},
		{
			name: "historical_50k", file: "splink-persons/historical_50k.csv.gz", id: "unique_id", truth: "cluster",
			fields: []linkage.Field{
				{Name: "first_name", Kind: linkage.Name},
				{Name: "surname", Kind: linkage.Name, Shared: true},
				{Name: "dob", Kind: linkage.Date},
				{Name: "postcode_fake", Kind: linkage.Code, Shared: true},
				{Name: "birth_place", Kind: linkage.Place, Shared: true},
				{Name: "gender", Kind: linkage.Category},
				{Name: "occupation", Kind: linkage.Place},
			},
		},
	}
}

func (s *set) measure(out io.Writer, dir string) error {
	b, err := newBatch(s.fields)
	if err != nil {
		return err
	}
	values := make([]string, len(s.fields))
	err = eachRow(filepath.Join(dir, s.file), func(cell func(string) string) error {
		for i, f := range s.fields {
			values[i] = cell(f.Name)
		}
		return b.add(values, cell(s.id), cell(s.truth))
	})
	if err != nil {
		return err
	}
	cfg := linkage.Defaults()
	cfg.ProbabilityMin = least
	res, err := linkage.Link(b.table, cfg)
	if err != nil {
		return err
	}
	show(out, "linkage."+s.name+".f1", f1(b.judge(res, least)), s.goal)
	if s.labels == "" {
		return nil
	}
	labelled, err := b.judgeLabels(res, filepath.Join(dir, s.labels))
	if err != nil {
		return err
	}
	show(out, "linkage."+s.name+".f1_labelled", labelled, s.labelsGoal)
	return nil
}

// judgeLabels is F1 over labelled pairs alone.
func (b *batch) judgeLabels(res *linkage.Result, name string) (float64, error) {
	yes := make(map[[2]int]bool)
	for _, p := range res.Proposals {
		yes[[2]int{p.A, p.B}] = true
	}
	right, said, truth := 0, 0, 0
	err := eachRow(name, func(cell func(string) string) error {
		x, y := b.index[cell("unique_id_l")], b.index[cell("unique_id_r")]
		if yes[[2]int{min(x, y), max(x, y)}] {
			said++
			if b.who[x] == b.who[y] {
				right++
			}
		}
		if b.who[x] == b.who[y] {
			truth++
		}
		return nil
	})
	return f1(right, said, truth), err
}

func show(out io.Writer, name string, value float64, goal string) {
	if goal == "" {
		figure.Print(out, name, value, "F1")
		return
	}
	figure.Goal(out, name, value, "F1", goal)
}

// eachRow reads a gzipped CSV file with a header; cell gives a column of the
// row by its name.
func eachRow(name string, f func(cell func(string) string) error) error {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("open the data: %w", err)
	}
	defer func() { _ = file.Close() }()
	z, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	r := csv.NewReader(z)
	header, err := r.Read()
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	at := make(map[string]int)
	for i, column := range header {
		at[column] = i
	}
	for {
		row, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read %s: %w", name, err)
		}
		if err := f(func(column string) string { return row[at[column]] }); err != nil {
			return err
		}
	}
}
