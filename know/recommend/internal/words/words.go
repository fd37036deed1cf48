// Package words takes texts of the catalogue, and what shoppers search in it,
// apart into words that can be compared.
//
// On the road of a receipt, it is asked wherever products are found by what they
// are called.
package words

import (
	"slices"
	"strings"
	"unicode"
)

// Max bounds the words of one product or query that count.
const Max = 32

// Of appends the different words of some texts, folded to lower case, a plural s
// dropped; at most Max in all.
func Of(out []string, texts ...string) []string {
	for _, t := range texts {
		for w := range strings.FieldsFuncSeq(t, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			w = strings.ToLower(w)
			if len(w) > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") {
				w = w[:len(w)-1]
			}
			if len(out) < Max && !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	return out
}
