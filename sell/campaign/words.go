package campaign

import (
	"slices"
	"strings"
	"unicode"
)

// wordsMax bounds the words of one query or keyword; further ones are ignored.
const wordsMax = 24

// words takes text apart as keywords and queries are compared: lower case,
// letters and digits only, Latin accents dropped, each word once.
func words(text string, into []string) []string {
	into = into[:0]
	start := -1
	plain := strings.Map(fold, text)
	for i, r := range plain + " " {
		switch letter := r != ' '; {
		case letter && start < 0:
			start = i
		case !letter && start >= 0:
			if w := plain[start:i]; len(into) < wordsMax && !slices.Contains(into, w) {
				into = append(into, w)
			}
			start = -1
		}
	}
	return into
}

// latin maps the letters from à to ÿ to what they are without accents.
const latin = "aaaaaaaceeeeiiiidnooooo ouuuuyty"

// fold maps a letter to its plain lower-case form and everything that is no
// letter or digit to a space.
func fold(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return r
	case r < 0x80 && (r < 'A' || r > 'Z'):
		return ' '
	}
	r = unicode.ToLower(r)
	switch {
	case r >= 'à' && r <= 'ÿ':
		return rune(latin[r-'à'])
	case r == 'œ':
		return 'o'
	case unicode.IsLetter(r) || unicode.IsDigit(r):
		return r
	}
	return ' '
}
