package main

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"endcap/bench/figure"
	"endcap/know/recommend/offpolicy"
	"endcap/know/recommend/response"
	"endcap/retail/catalog"
)

// products is how many the Open Bandit Dataset's campaign chooses from; the uniform
// policy shows each alike.
const (
	products = 46
	uniform  = 1.0 / products
)

// logged is one row of a log: what was shown where, with which probability, and
// whether it was clicked.
type logged struct {
	product, position, hour int
	clicked                 bool
	probability             float64
	affinity                map[int]float64 // of the visitor, to products
}

// readLog reads a log of the Open Bandit Dataset.
func readLog(file string) (all []logged, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	for i, row := range rows[1:] {
		l, err := readRow(row)
		if err != nil {
			return nil, fmt.Errorf("read row %d of %s: %w", i+1, file, err)
		}
		all = append(all, l)
	}
	return all, nil
}

// readRow reads timestamp, item_id, position, click, propensity_score, four features
// of the visitor, and her affinities as product:value, joined by |.
func readRow(row []string) (l logged, err error) {
	at, err := time.Parse("2006-01-02 15:04:05.999999-07:00", row[0])
	if err != nil {
		return l, err
	}
	l.hour, l.clicked = at.Hour(), row[3] == "1"
	var errs [3]error
	l.product, errs[0] = strconv.Atoi(row[1])
	l.position, errs[1] = strconv.Atoi(row[2])
	l.probability, errs[2] = strconv.ParseFloat(row[4], 64)
	if err := errors.Join(errs[:]...); err != nil {
		return l, err
	}
	l.affinity = make(map[int]float64)
	for pair := range strings.SplitSeq(row[9], "|") {
		product, value, ok := strings.Cut(pair, ":")
		if !ok {
			continue
		}
		n, err := strconv.Atoi(product)
		if err != nil {
			return l, err
		}
		if l.affinity[n], err = strconv.ParseFloat(value, 64); err != nil {
			return l, err
		}
	}
	return l, nil
}

// showing is a product in the place of a row.
func (l *logged) showing(product int) response.Showing {
	return response.Showing{
		Placement: "widget", Position: l.position, Channel: catalog.Online, Hour: l.hour,
		Product: catalog.ProductID(strconv.Itoa(product)), Words: response.NotAsked, Within: response.NotAsked, Score: l.affinity[product],
	}
}

// folds is into how many parts a log is cut, so that no row is predicted by a model
// that has seen it.
const folds = 2

// judged is what a log says of the uniform policy, with chances of clicks by a model
// that learned from the other rows.
func judged(log []logged) (offpolicy.Report, error) {
	var models [folds]*response.Scorer
	for n := range models {
		cfg := response.Defaults()
		cfg.Bits = 14
		l, err := response.New(cfg)
		if err != nil {
			return offpolicy.Report{}, err
		}
		var others []response.Outcome
		for i := range log {
			if i%folds != n {
				others = append(others, response.Outcome{Showing: log[i].showing(log[i].product), Clicked: log[i].clicked})
			}
		}
		if err := l.Learn(others); err != nil {
			return offpolicy.Report{}, err
		}
		models[n] = l.Publish()
	}
	var j offpolicy.Judge
	for i := range log {
		e := offpolicy.Event{Logged: log[i].probability, Judged: uniform}
		if log[i].clicked {
			e.Reward = 1
		}
		for p := range products {
			sh := log[i].showing(p)
			a, err := models[i%folds].Answer(&sh)
			if err != nil {
				return offpolicy.Report{}, err
			}
			e.Value += uniform * a.Click()
			if p == log[i].product {
				e.Expected = a.Click()
			}
		}
		if err := j.Add(&e); err != nil {
			return offpolicy.Report{}, err
		}
	}
	return j.Report(), nil
}

// bandit judges the uniform policy by the log of Bernoulli Thompson sampling, beside
// the clicks that it had itself.
func bandit(w io.Writer, dir string) error {
	var reports [2]offpolicy.Report
	for i, name := range []string{"bts", "random"} {
		log, err := readLog(filepath.Join(dir, name+"_women.csv.gz"))
		if err != nil {
			return err
		}
		if reports[i], err = judged(log); err != nil {
			return fmt.Errorf("judge by the log of %s: %w", name, err)
		}
	}
	r, truth := &reports[0], reports[1].Logged
	figure.Goal(w, "response.bandit.truth", rounded(truth.Value), "clicks a showing of the uniform policy", "=0.0046")
	for _, of := range []struct {
		name string
		offpolicy.Estimate
	}{{"truth", truth}, {"ips", r.IPS}, {"snips", r.SNIPS}, {"dr", r.DR}} {
		_, _ = fmt.Fprintf(w, "%-6s %.7f, standard error %.7f, %.7f to %.7f\n", of.name, of.Value, of.SE, of.Low, of.High)
	}
	figure.Goal(w, "response.bandit.ips", rounded(r.IPS.Value), "clicks a showing", "=0.0074376")
	figure.Goal(w, "response.bandit.ips_error", rounded(r.IPS.SE), "clicks a showing", "=0.0041184")
	figure.Goal(w, "response.bandit.snips", rounded(r.SNIPS.Value), "clicks a showing", "=0.0023730")
	figure.Goal(w, "response.bandit.mean_weight", rounded(r.Weights.Mean), "1", "=3.1341900")
	figure.Print(w, "response.bandit.largest_weight", int(r.Weights.Largest), "1")
	figure.Print(w, "response.bandit.effective", r.Weights.Effective, fmt.Sprintf("events of %d", r.Events))
	figure.Goal(w, "response.bandit.dr_low", r.DR.Low, "clicks a showing", "<=0.0046")
	figure.Goal(w, "response.bandit.dr_high", r.DR.High, "clicks a showing", ">=0.0046")
	figure.Goal(w, "response.bandit.unfit", len(r.Unfit), fmt.Sprintf("reasons: %v", r.Unfit), ">=1")
	figure.Goal(w, "response.bandit.unfit_itself", len(reports[1].Unfit), "reasons against its own log", "=0")
	return nil
}

// rounded is v to seven decimals.
func rounded(v float64) decimal { return decimal(v*1e7 + 0.5) }

// decimal is a count of ten-millionths.
type decimal int64

// String writes it with seven decimals.
func (d decimal) String() string { return fmt.Sprintf("%d.%07d", int64(d)/1e7, int64(d)%1e7) }
