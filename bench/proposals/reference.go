package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"strconv"

	"endcap/know/recommend/judge"
	"endcap/know/recommend/nextbasket"
)

// reference is one row of the reproduced tables.
type reference struct {
	set, fold, method string
	k                 int
	recall, ndcg, phr float64
}

// readReference reads reference_results.csv.
func readReference(path string) ([]reference, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the reference: %w", err)
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read the reference: %w", err)
	}
	var out []reference
	for _, row := range rows[min(1, len(rows)):] {
		one := reference{set: row[0], fold: row[1], method: row[2]}
		one.k, err = strconv.Atoi(row[3])
		if err != nil {
			return nil, fmt.Errorf("read the reference: %w", err)
		}
		for at, to := range map[int]*float64{4: &one.recall, 5: &one.ndcg, 7: &one.phr} {
			if *to, err = strconv.ParseFloat(row[at], 64); err != nil {
				return nil, fmt.Errorf("read the reference: %w", err)
			}
		}
		out = append(out, one)
	}
	return out, nil
}

// methods are those of the reference, by the names that it has for them.
// Popularity is of all users' histories, neighbours are of the train part.
func methods(products int, all, train []nextbasket.Shopper) map[string]nextbasket.Lister {
	popular := nextbasket.NewPopular(products, all)
	tifuknn := func(group, own float64) nextbasket.Lister {
		s := nextbasket.Settings{Decay: nextbasket.Decay{Basket: 0.9, Group: group, Groups: 7}, Neighbours: 300, Own: own}
		return nextbasket.NewTIFUKNN(products, train, &s)
	}
	return map[string]nextbasket.Lister{
		"G-TopFreq":                                   popular,
		"P-TopFreq(first-seen tie)":                   &nextbasket.Personal{},
		"GP-TopFreq(first-seen tie)":                  &nextbasket.Personal{Popular: popular, Fill: true},
		"GP-TopFreq(pop tie)":                         &nextbasket.Personal{Popular: popular, Ties: nextbasket.MorePopular, Fill: true},
		"GP-TopFreq(recent,pop tie)":                  &nextbasket.Personal{Popular: popular, Ties: nextbasket.MoreRecent, Fill: true},
		"TIFUKNN(K=300;rb=0.9;rg=0.7;alpha=0.7;m=7)":  tifuknn(0.7, 0.7),
		"TIFUKNN(K=300;rb=0.9;rg=0.9;alpha=0.05;m=7)": tifuknn(0.9, 0.05),
	}
}

// deviation is the largest difference between the reference's rows of one fold and
// what our methods give for its cases; rows of methods that are left out count for
// nothing.
func deviation(rows []reference, set, fold string, cases []nextbasket.Case, by map[string]nextbasket.Lister) (most float64, compared int) {
	answers := make(map[string][]judge.Answer)
	for _, row := range rows {
		method := by[row.method]
		if row.set != set || row.fold != fold || method == nil {
			continue
		}
		if answers[row.method] == nil {
			answers[row.method] = nextbasket.Answers(cases, method, 20)
		}
		f := judge.At(row.k, answers[row.method])
		most = max(most, math.Abs(f.Recall-row.recall), math.Abs(f.NDCG-row.ndcg), math.Abs(f.PHR-row.phr))
		compared++
	}
	return most, compared
}
