package gs1

import (
	_ "embed" // the dictionary
	"fmt"
	"slices"
	"strconv"
	"strings"
)

//go:embed dictionary.txt
var dictionaryText string

// dictionary holds every Application Identifier. It is read once and never
// changed.
var dictionary = mustDictionary(dictionaryText)

// entry is what the dictionary says of one AI.
type entry struct {
	ai        string
	fixed     bool // of a length known beforehand: needs no FNC1 behind it
	attribute bool // may stand in the query of a link
	parts     []part
	required  [][][]string // of each, one group must be there, with all its AIs or patterns
	excluded  []string     // AIs or patterns such as 31nn
	key       bool         // a primary key of links
	paths     [][]string   // the sequences of qualifiers that may follow the key
}

// part is one component of a value.
type part struct {
	set      byte // N digits, X CSET 82, Y CSET 39, Z base64url
	min, max int
	optional bool
	rules    []string
}

// lookup finds the entry whose AI is ai.
func lookup(ai string) *entry { return dictionary[ai] }

// leading finds the entry whose AI s begins with; no AI is the beginning of another.
func leading(s string) *entry {
	for n := 2; n <= 4 && n <= len(s); n++ {
		if e := dictionary[s[:n]]; e != nil {
			return e
		}
	}
	return nil
}

// size is the length of a value that is not variable.
func (e *entry) size() int {
	n := 0
	for _, p := range e.parts {
		n += p.max
	}
	return n
}

// check verifies a value, component by component.
func (e *entry) check(value string) *Error {
	at := 0
	for _, p := range e.parts {
		rest := value[at:]
		if rest == "" && p.optional {
			break
		}
		if len(rest) < p.min {
			return fault(ValueTooShort, at, len(rest))
		}
		piece := rest[:min(len(rest), p.max)]
		if err := p.check(piece); err != nil {
			return err.shift(at)
		}
		at += len(piece)
	}
	if at < len(value) {
		return fault(ValueTooLong, at, len(value)-at)
	}
	return nil
}

func (p *part) check(piece string) *Error {
	var err *Error
	switch p.set {
	case 'N':
		err = onlyDigits(piece)
	case 'X':
		err = rules["cset82"](piece)
	case 'Y':
		err = rules["cset39"](piece)
	case 'Z':
		err = base64url(piece)
	}
	for _, name := range p.rules {
		if err == nil {
			err = rules[name](piece)
		}
	}
	return err
}

func mustDictionary(text string) map[string]*entry {
	all := make(map[string]*entry)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		from, to, several := strings.Cut(words[0], "-")
		if !several {
			to = from
		}
		e, err := parseEntry(words[1:])
		if err != nil {
			panic("gs1: bug: dictionary of " + words[0] + ": " + err.Error())
		}
		for n := number(from); n <= number(to); n++ {
			one := e
			one.ai = fmt.Sprintf("%0*d", len(from), n)
			all[one.ai] = &one
		}
	}
	return all
}

func parseEntry(words []string) (entry, error) {
	var e entry
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		switch {
		case strings.Trim(w, "*?") == "":
			e.fixed, e.attribute = strings.Contains(w, "*"), strings.Contains(w, "?")
		case name == "req":
			var groups [][]string
			for g := range strings.SplitSeq(value, ",") {
				groups = append(groups, strings.Split(g, "+"))
			}
			e.required = append(e.required, groups)
		case name == "ex":
			e.excluded = append(e.excluded, strings.Split(value, ",")...)
		case name == "dlpkey":
			e.key = true
			for p := range strings.SplitSeq(value, "|") {
				e.paths = append(e.paths, strings.Split(p, ","))
			}
		default:
			p, err := parsePart(w)
			if err != nil {
				return entry{}, err
			}
			e.parts = append(e.parts, p)
		}
	}
	return e, nil
}

// parsePart reads a component such as "N13,csum,gcppos1" or "[X..17]".
func parsePart(w string) (part, error) {
	form, tests, _ := strings.Cut(w, ",")
	var p part
	if inner, found := strings.CutPrefix(form, "["); found {
		form, p.optional = strings.TrimSuffix(inner, "]"), true
	}
	size, variable := strings.CutPrefix(form[1:], "..")
	n, err := strconv.Atoi(size)
	if err != nil || strings.IndexByte("NXYZ", form[0]) < 0 {
		return part{}, fmt.Errorf("component %s", w)
	}
	p.set, p.min, p.max = form[0], n, n
	if variable {
		p.min = 1
	}
	if tests != "" {
		p.rules = strings.Split(tests, ",")
	}
	for _, name := range p.rules {
		if rules[name] == nil {
			return part{}, fmt.Errorf("test %s", name)
		}
	}
	return p, nil
}

// matches reports whether an AI is the one, or of the kind, that a pattern such
// as "01" or "31nn" names.
func matches(pattern, ai string) bool {
	if len(pattern) != len(ai) {
		return false
	}
	for i := range len(ai) {
		if pattern[i] != 'n' && pattern[i] != ai[i] {
			return false
		}
	}
	return true
}

// follows reports whether qualifiers may follow e's key in this order: some of
// one sequence, none twice.
func (e *entry) follows(qualifiers []string) bool {
	if len(qualifiers) == 0 {
		return true
	}
	return slices.ContainsFunc(e.paths, func(sequence []string) bool {
		left := qualifiers
		for _, ai := range sequence {
			if len(left) > 0 && left[0] == ai {
				left = left[1:]
			}
		}
		return len(left) == 0
	})
}
