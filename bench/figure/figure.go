// Package figure prints figures: the numbers that an issue, the README or docs/
// states, each on a line of its own in the one form that docs/figures.md and
// scripts read:
//
//	figure ingest.rate 812000 lines/s
//	figure decide.p99_at_half_load 7.9 ms goal <=10 ok
//
// A figure that falls short of its goal says so and is no error: speeds are
// measured on machines that are shared. What must hold is a test.
//
// It is beside the road of a receipt, with a stopwatch.
package figure

import (
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Value is what a figure may be. A type with a String method, such as
// retail.Micros, is printed by it.
type Value interface {
	~int | ~int64 | ~uint64 | ~float64
}

// Print writes a figure without a goal. An error of w is dropped.
func Print[V Value](w io.Writer, name string, value V, unit string) {
	text, _ := number(value)
	write(w, name, text, unit)
}

// Goal writes a figure and whether it reaches goal: one of =, >=, <=, > and <,
// followed by a decimal, as in ">=0.5". It returns whether it does. A goal that
// cannot be read is a bug.
func Goal[V Value](w io.Writer, name string, value V, unit, goal string) bool {
	text, exact := number(value)
	verdict := "short"
	ok := reaches(exact, goal)
	if ok {
		verdict = "ok"
	}
	write(w, name, text, unit, "goal", goal, verdict)
	return ok
}

func write(w io.Writer, words ...string) {
	_, _ = fmt.Fprintln(w, "figure", strings.Join(words, " "))
}

func reaches(v *big.Rat, goal string) bool {
	number := strings.TrimLeft(goal, "<>=")
	want, ok := new(big.Rat).SetString(number)
	if !ok {
		panic("figure: bug: goal " + goal)
	}
	if v == nil {
		return false
	}
	c := v.Cmp(want)
	switch op := strings.TrimSuffix(goal, number); op {
	case "=":
		return c == 0
	case ">=":
		return c >= 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case "<":
		return c < 0
	default:
		panic("figure: bug: goal " + goal)
	}
}

// number gives a value as it is printed, and exactly; nil for NaN and infinities.
func number[V Value](value V) (string, *big.Rat) {
	if s, ok := any(value).(fmt.Stringer); ok {
		exact, _ := new(big.Rat).SetString(s.String())
		return s.String(), exact
	}
	if half := 0.5; V(half) == 0 { // an integer
		s := fmt.Sprint(value)
		exact, _ := new(big.Rat).SetString(s)
		return s, exact
	}
	f := float64(value)
	return short(f), new(big.Rat).SetFloat64(f)
}

// short writes f with four significant digits, and no fewer than its whole part.
func short(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	decimals := 0
	if f != 0 {
		decimals = min(9, max(0, 3-int(math.Floor(math.Log10(math.Abs(f))))))
	}
	s := strconv.FormatFloat(f, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
