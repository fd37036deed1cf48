// Command linkage measures know/identity/linkage where the truth is known: on
// FEBRL 3, fake_1000 and historical_50k of Splink's data sets, where a directory
// with them is given, and on simulated people. It prints pairwise F1 at one
// probability fixed beforehand, 0.5, with one set of defaults and no labels; on
// historical_50k beside Splink, which links the same columns in the same run;
// then processor time and memory for the simulated batch, and how time grows
// with a larger one.
//
//	go run ./bench/linkage -records 1000000 -grown 5000000 -data DIR -splink bench/linkage/reference.py
//
// It is beside the road of a receipt, with a stopwatch.
package main

import (
	"compress/gzip"
	"context"
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

// options are the flags.
type options struct {
	records, grown int
	seed           uint64
	data, splink   string
}

func main() {
	var o options
	flag.IntVar(&o.records, "records", 100_000, "simulated records")
	flag.IntVar(&o.grown, "grown", 0, "records of a larger batch, to see how time grows; 0 for none")
	flag.Uint64Var(&o.seed, "seed", 7, "of the simulation")
	flag.StringVar(&o.data, "data", "", "directory with febrl/ and splink-persons/; empty leaves them out")
	flag.StringVar(&o.splink, "splink", "", "the script that links historical_50k with Splink; empty leaves it out")
	flag.Parse()
	figure.Main("linkage", func(ctx context.Context, out io.Writer) error { return run(ctx, out, &o) })
}

// least is the probability from which a proposal counts as said.
const least = 0.5

func run(ctx context.Context, out io.Writer, o *options) error {
	for _, s := range sets() {
		if _, err := os.Stat(filepath.Join(o.data, s.file)); o.data == "" || err != nil {
			fmt.Fprintf(out, "skipped: %s, because %s is not in the directory of -data (%q)\n", s.name, s.file, o.data)
			continue
		}
		if err := s.measure(ctx, out, o); err != nil {
			return err
		}
	}
	one, err := simulate(out, "linkage.simulated", o.records, o.seed)
	if err != nil {
		return err
	}
	if o.grown == 0 {
		return nil
	}
	grown, err := simulate(out, "linkage.grown", o.grown, o.seed)
	if err != nil {
		return err
	}
	figure.Goal(out, "linkage.grown.cpu_per_record_ratio", grown/float64(o.grown)/(one/float64(o.records)), "ratio", "<=1.25")
	return nil
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
func f1(right, all, truth int) float64 { return 2 * float64(right) / float64(max(all+truth, 1)) }

// said is a pair of records that somebody takes for one person.
type said struct {
	a, b        int
	probability float64
}

func ours(res *linkage.Result) []said {
	out := make([]said, len(res.Proposals))
	for n := range res.Proposals {
		p := &res.Proposals[n]
		out[n] = said{p.A, p.B, p.Probability}
	}
	return out
}

// judge counts the pairs said from least on: rightly, in all, and those true.
func (b *batch) judge(pairs []said, least float64) (right, all, truth int) {
	size := make(map[string]int)
	for _, p := range b.who {
		size[p]++
	}
	for _, n := range size {
		truth += n * (n - 1) / 2
	}
	for _, p := range pairs {
		if p.probability < least {
			continue
		}
		all++
		if b.who[p.a] == b.who[p.b] {
			right++
		}
	}
	return right, all, truth
}

// simulate links simulated records and gives the processor time in seconds.
func simulate(out io.Writer, name string, records int, seed uint64) (cpu float64, err error) {
	b, err := newBatch(linkagetest.Fields())
	if err != nil {
		return 0, err
	}
	linkagetest.People(seed, records, func(values []string, person int) bool {
		err = b.add(values, "", strconv.Itoa(person))
		return err == nil
	})
	if err != nil {
		return 0, err
	}
	cfg := linkage.Defaults()
	cfg.Seed, cfg.ProbabilityMin = seed, least
	before, began := used(), time.Now()
	res, err := linkage.Link(b.table, cfg)
	if err != nil {
		return 0, err
	}
	wall, after := time.Since(began), used()
	cpu = time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()).Seconds()
	pairs := ours(res)
	right, all, truth := b.judge(pairs, least)
	fmt.Fprintf(out, "simulated: seed %d, %d records, %d true pairs, %d candidates, %d rounds, %d workers\n",
		seed, records, truth, res.Candidates, res.Rounds, cfg.Workers)
	figure.Goal(out, name+".f1", f1(right, all, truth), "F1", ">=0.94")
	right, all, truth = b.judge(pairs, 0.99)
	figure.Goal(out, name+".precision_at_0.99", float64(right)/float64(max(all, 1)), "share", ">=0.99")
	figure.Print(out, name+".recall_at_0.99", float64(right)/float64(max(truth, 1)), "share")
	if name == "linkage.simulated" {
		figure.Goal(out, name+".seconds", wall.Seconds(), "s", "<=60")
		figure.Goal(out, name+".memory", after.Maxrss/1024, "MB", "<=4096")
	} else {
		figure.Print(out, name+".seconds", wall.Seconds(), "s")
		figure.Print(out, name+".memory", after.Maxrss/1024, "MB")
	}
	figure.Print(out, name+".cpu_seconds", cpu, "s")
	return cpu, nil
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
	beside                      bool // Splink links it too
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
			name: "historical_50k", file: "splink-persons/historical_50k.csv.gz", id: "unique_id", truth: "cluster", beside: true,
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

func (s *set) measure(ctx context.Context, out io.Writer, o *options) error {
	b, err := newBatch(s.fields)
	if err != nil {
		return err
	}
	values := make([]string, len(s.fields))
	err = eachRow(filepath.Join(o.data, s.file), func(cell func(string) string) error {
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
	pairs := ours(res)
	f := f1(b.judge(pairs, least))
	show(out, "linkage."+s.name+".f1", f, s.goal)
	if s.beside {
		if why := o.ready(); why != "" {
			fmt.Fprintf(out, "skipped: Splink, because %s\n", why)
			return nil
		}
		return s.splink(ctx, out, o, b, f)
	}
	if s.labels == "" {
		return nil
	}
	labelled, err := b.judgeLabels(pairs, filepath.Join(o.data, s.labels))
	if err != nil {
		return err
	}
	show(out, "linkage."+s.name+".f1_labelled", labelled, s.labelsGoal)
	return nil
}

// judgeLabels is F1 over labelled pairs alone.
func (b *batch) judgeLabels(pairs []said, name string) (float64, error) {
	yes := make(map[[2]int]bool)
	for _, p := range pairs {
		yes[[2]int{p.a, p.b}] = true
	}
	right, all, truth := 0, 0, 0
	err := eachRow(name, func(cell func(string) string) error {
		x, y := b.index[cell("unique_id_l")], b.index[cell("unique_id_r")]
		if yes[[2]int{min(x, y), max(x, y)}] {
			all++
			if b.who[x] == b.who[y] {
				right++
			}
		}
		if b.who[x] == b.who[y] {
			truth++
		}
		return nil
	})
	return f1(right, all, truth), err
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
