package coupon_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"endcap/retail/coupon"
)

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// secretOf gives a secret that tests know.
func secretOf(n byte) coupon.Secret {
	var s coupon.Secret
	for i := range s {
		s[i] = n ^ byte(i*7)
	}
	return s
}

// Edge case 1 of the notes, over all that can be mistyped: in codes of many
// houses, every wrong symbol at every place, and every two symbols swapped,
// beside one another or not, are refused by arithmetic alone.
func TestEveryWrongSymbolAndEverySwapIsRefused(t *testing.T) {
	t.Parallel()
	for house := range byte(40) {
		check := coupon.NewCheck(secretOf(house))
		series := coupon.NewSeries(secretOf(house+100), check)
		for serial := range uint64(25) {
			right := series.Code(serial).Reveal()
			if _, err := check.Parse(right); err != nil {
				t.Fatalf("house %d: %s is refused: %v", house, right, err)
			}
			typed := []byte(right)
			refused := func(what string, i int) {
				if _, err := check.Parse(string(typed)); !errors.Is(err, coupon.ErrChecksum) {
					t.Fatalf("house %d: %s for %s (%s at %d): %v", house, typed, right, what, i, err)
				}
			}
			for i := range typed {
				for _, c := range []byte(alphabet) {
					if typed[i] = c; c != right[i] {
						refused("wrong symbol", i)
					}
				}
				typed[i] = right[i]
				for j := range i {
					if right[i] != right[j] {
						typed[i], typed[j] = right[j], right[i]
						refused("swap", i)
						typed[i], typed[j] = right[i], right[j]
					}
				}
			}
		}
	}
}

// Of other mistakes, one in 32 is overlooked, not more; and a till of another
// house overlooks as much of ours.
func TestOtherMistakesAreOverlookedOnceIn32(t *testing.T) {
	t.Parallel()
	check := coupon.NewCheck(secretOf(1))
	series, others := coupon.NewSeries(secretOf(2), check), coupon.NewSeries(secretOf(2), coupon.NewCheck(secretOf(3)))
	draw := rand.New(rand.NewPCG(1, 2))
	const tries = 64_000
	twice, foreign := 0, 0
	for i := range uint64(tries) {
		typed := []byte(series.Code(i).Reveal())
		at := draw.Perm(len(typed))
		for _, j := range at[:2] {
			typed[j] = alphabet[(strings.IndexByte(alphabet, typed[j])+1+draw.IntN(31))%32]
		}
		if _, err := check.Parse(string(typed)); err == nil {
			twice++
		}
		if _, err := check.Parse(others.Code(i).Reveal()); err == nil {
			foreign++
		}
	}
	// Two wrong symbols pass by chance 1/31, a foreign code by 1/32 (deterministic
	// seed); the bounds are six standard deviations wide.
	for what, n := range map[string]int{"two wrong symbols": twice, "a foreign code": foreign} {
		if n < 1_720 || n > 2_340 {
			t.Errorf("%s passed %d times in %d", what, n, tries)
		}
	}
}

// Edge case 2 of the notes.
func TestOneCodeHoweverItIsTyped(t *testing.T) {
	t.Parallel()
	check := coupon.NewCheck(secretOf(1))
	series := coupon.NewSeries(secretOf(2), check)
	for serial := range uint64(2_000) {
		c := series.Code(serial)
		text := c.Reveal()
		for _, typed := range []string{
			c.Print(), strings.ToLower(text), " " + strings.Join(strings.Split(text, ""), "-") + " ",
			strings.NewReplacer("0", "O", "1", "I").Replace(text), strings.NewReplacer("0", "o", "1", "l").Replace(text), strings.ReplaceAll(text, "1", "i"),
		} {
			if got, err := check.Parse(typed); err != nil || got != c {
				t.Fatalf("%q is %q, %v; want %s", typed, got.Reveal(), err, text)
			}
		}
	}
	c := series.Code(7)
	if got := c.Print(); len(got) != 15 || got[4] != '-' || got[9] != '-' || strings.ReplaceAll(got, "-", "") != c.Reveal() {
		t.Errorf("printed as %s", got)
	}
}

// Edge case 6 of the notes.
func TestWhatNobodyCouldHaveBeenGiven(t *testing.T) {
	t.Parallel()
	check := coupon.NewCheck(secretOf(1))
	right := coupon.NewSeries(secretOf(2), check).Code(0).Reveal()
	for what, text := range map[string]string{
		"nothing":           "",
		"only hyphens":      "- - -",
		"a symbol less":     right[:12],
		"a symbol more":     right + "0",
		"a U":               "U" + right[1:],
		"fullwidth digits":  "１２３４５６７８９０１２３",
		"Arabic digits":     "١٢٣٤٥٦٧٨٩٠١٢٣",
		"NUL":               right[:12] + "\x00",
		"NUL behind":        right + "\x00",
		"invalid UTF-8":     right[:12] + "\xff",
		"a line for a log":  right + "\nlevel=INFO msg=accepted",
		"no-break spaces":   right[:4] + "\u00a0" + right[4:],
		"a dash":            right[:4] + "–" + right[4:],
		"1 MiB":             strings.Repeat("0", 1<<20),
		"1 MiB of spaces":   strings.Repeat(" ", 1<<20) + right,
		"a quoted argument": "' or 1=1 --",
	} {
		quickest := time.Hour
		var err error
		for range 5 { // the machine may be busy; the code is not
			start := time.Now()
			_, err = check.Parse(text)
			quickest = min(quickest, time.Since(start))
		}
		if !errors.Is(err, coupon.ErrMalformed) || quickest > 5*time.Millisecond {
			t.Errorf("%s: %v in %v", what, err, quickest)
		}
		if err != nil && strings.Contains(err.Error(), right[:8]) {
			t.Errorf("%s: the error repeats it: %v", what, err)
		}
	}
}

// A code is worth money: no log line and no document shows it by accident.
func TestACodeDoesNotPrint(t *testing.T) {
	t.Parallel()
	c := coupon.NewSeries(secretOf(2), coupon.NewCheck(secretOf(1))).Code(0)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("redeemed", "code", c)
	doc, err := json.Marshal(map[string]any{"code": c})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %x %s", secretOf(1), secretOf(1), slog.AnyValue(secretOf(1)).Resolve()); text != "secret(hidden) secret(hidden) secret(hidden)" {
		t.Errorf("%s shows the secret", text)
	}
	for _, text := range []string{log.String(), string(doc), fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q %x %d", c, c, c, c, c, c, c)} {
		if strings.Contains(text, c.Reveal()) || strings.Contains(text, c.Print()) || strings.Contains(text, fmt.Sprintf("%x", c.Reveal())) || !strings.Contains(text, "hidden") {
			t.Errorf("%s shows it", text)
		}
	}
}

// Whoever holds thousands of codes of one batch sees no pattern: at each place
// each symbol comes equally often, and neighbours share no more than chance.
func TestCodesOfABatchLookLikeLots(t *testing.T) {
	t.Parallel()
	const n = 64_000
	s := coupon.NewSeries(secretOf(9), coupon.NewCheck(secretOf(8)))
	var seen [coupon.Size][32]int
	alike := 0
	last := s.Code(0).Reveal()
	for serial := range uint64(n) {
		text := s.Code(serial + 1).Reveal()
		for i := range text {
			seen[i][strings.IndexByte(alphabet, text[i])]++
			if text[i] == last[i] {
				alike++
			}
		}
		last = text
	}
	// Each count is binomial with mean 2,000 and deviation 44; seven deviations,
	// over 416 counts, are wrong once in 10⁹. Matches: mean 26,000, deviation 159.
	for i := range seen {
		for v, count := range seen[i] {
			if count < 1_690 || count > 2_310 {
				t.Errorf("symbol %c stands %d times at place %d", alphabet[v], count, i)
			}
		}
	}
	if alike < 24_880 || alike > 27_120 {
		t.Errorf("neighbours agree at %d places", alike)
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for _, k := range []coupon.Kind{coupon.Unbound, coupon.Bound, coupon.SingleUse} {
		if got, ok := coupon.ParseKind(k.String()); !ok || got != k {
			t.Errorf("%v is read as %v", k, got)
		}
	}
	for _, s := range []string{"", "UNBOUND", "kind(0)", "single use"} {
		if got, ok := coupon.ParseKind(s); ok {
			t.Errorf("%q is kind %v", s, got)
		}
	}
	if coupon.Kind(0).String() != "kind(0)" || coupon.Kind(9).String() != "kind(9)" {
		t.Error("a kind that is none has a name")
	}
}

// What is read as a code is stored in one form, which reads as itself.
func FuzzParse(f *testing.F) {
	check := coupon.NewCheck(secretOf(1))
	series := coupon.NewSeries(secretOf(2), check)
	f.Add(series.Code(0).Reveal())
	f.Add(series.Code(1).Print())
	f.Add("oil-0o")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := check.Parse(text)
		if err != nil {
			if !errors.Is(err, coupon.ErrMalformed) && !errors.Is(err, coupon.ErrChecksum) || c != (coupon.Code{}) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		for _, stored := range []string{c.Reveal(), c.Print()} {
			if again, err := check.Parse(stored); err != nil || again != c || again.Reveal() != c.Reveal() {
				t.Errorf("%q is stored as %q, which reads as %q, %v", text, stored, again.Reveal(), err)
			}
		}
		if series.Code(series.Serial(c)) != c {
			t.Errorf("%q has serial %d, which is another code's", text, series.Serial(c))
		}
	})
}
