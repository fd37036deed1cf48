package audience

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"endcap/retail"
	"endcap/retail/catalog"
)

// Parse reads a sentence such as
//
//	bought brand "759" in category "YOGURT" at least 2 times within 90 days in store
//	and not bought product "1029743" within 26 weeks
//	or (bought category "CHEESE" for at least 50.00 within 52 weeks online)
//
// A rule says bought, then what: anything, or products, brands, types,
// categories, departments, each a list with commas, joined by in (all must
// match). Then, in any order and each at most once: at least N times, for at
// least an amount, within N days or weeks, in store or online. Rules are joined
// by and, which binds tighter, and or; not negates a rule or a part in
// parentheses. Names stand in double quotes with Go's escapes; other words may
// be written in either case.
//
// The error wraps ErrSentence and says where, what was expected, and the cure.
func Parse(text string) (Node, error) {
	if len(text) > TextMax {
		return Node{}, refuse("list a brand or a category instead of its products", "the sentence has %d bytes, at most %d", len(text), TextMax)
	}
	p := parser{text: text}
	p.next()
	n := p.either()
	if p.err == nil && p.token.kind != end {
		p.fail("and, or, or the end of the sentence", `join rules with and, or; a rule's products stand right after bought`)
	}
	if p.err != nil {
		return Node{}, p.err
	}
	return n, n.Check()
}

// kind sorts tokens.
type kind uint8

const (
	end    kind = iota
	word        // letters, in lower case
	number      // digits, perhaps with a point
	name        // quoted
	mark        // ( ) or ,
	broken      // anything else
)

type token struct {
	kind  kind
	at    int    // byte offset
	text  string // a name without its quotes and escapes
	wrote string // as it stands in the sentence
}

// parser reads one token ahead. After its first error every token is the end,
// so no loop goes on.
type parser struct {
	text  string
	rest  int // offset of what is not read yet
	token token
	err   error
}

// next reads one token.
func (p *parser) next() {
	for p.rest < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.rest]) >= 0 {
		p.rest++
	}
	s := p.text[p.rest:]
	p.token = token{kind: end, at: p.rest}
	if s == "" || p.err != nil {
		return
	}
	size := 1
	switch c := s[0]; {
	case letter(c):
		size = span(s, letter)
		p.token.kind = word
	case digit(c):
		size = span(s, func(c byte) bool { return digit(c) || c == '.' })
		p.token.kind = number
	case c == '"':
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			p.token.wrote = s[:1]
			p.fail("a name in double quotes that closes", `write \" for a quote and \\ for a backslash inside a name`)
			return
		}
		size = len(quoted)
		p.token.kind = name
		p.token.text, _ = strconv.Unquote(quoted) // QuotedPrefix has checked it
	case c == '(' || c == ')' || c == ',':
		p.token.kind = mark
	default:
		_, size = utf8.DecodeRuneInString(s)
		p.token.kind = broken
	}
	p.token.wrote = s[:size]
	p.rest += size
	if p.token.kind != name {
		p.token.text = strings.ToLower(p.token.wrote)
	}
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

// span counts the leading bytes of s that fit.
func span(s string, fits func(byte) bool) int {
	n := 0
	for n < len(s) && fits(s[n]) {
		n++
	}
	return n
}

// fail notes the first error: where, what stands there, what was expected.
func (p *parser) fail(expected, cure string) {
	if p.err != nil {
		return
	}
	at := utf8.RuneCountInString(p.text[:p.token.at]) + 1
	if p.token.kind == end && p.token.wrote == "" {
		p.err = refuse(cure, "the sentence ends at character %d where %s was expected", at, expected)
	} else {
		p.err = refuse(cure, "character %d: %.40q where %s was expected", at, p.token.wrote, expected)
	}
	p.token = token{kind: end, at: p.token.at}
}

// is reports whether the token is one of the words or marks.
func (p *parser) is(words ...string) bool {
	if p.token.kind != word && p.token.kind != mark {
		return false
	}
	return slices.Contains(words, p.token.text)
}

// take reads on if the token is one of the words or marks.
func (p *parser) take(words ...string) bool {
	ok := p.is(words...)
	if ok {
		p.next()
	}
	return ok
}

// want reads one of the words, or fails.
func (p *parser) want(cure string, words ...string) {
	if !p.take(words...) {
		p.fail(strings.Join(words, " or "), cure)
	}
}

func (p *parser) either() Node { return p.joined(Or, p.both) }
func (p *parser) both() Node   { return p.joined(And, p.one) }

// joined reads one part, or several joined by op.
func (p *parser) joined(op Op, part func() Node) Node {
	n := part()
	if !p.is(op.String()) {
		return n
	}
	all := []Node{n}
	for p.take(op.String()) {
		all = append(all, part())
	}
	return Node{Op: op, Of: all}
}

func (p *parser) one() Node {
	switch {
	case p.take("not"):
		return Node{Op: Not, Of: []Node{p.one()}}
	case p.take("("):
		n := p.either()
		p.want("close every parenthesis", ")")
		return n
	case p.take("bought"):
		return Node{Rule: p.rule()}
	}
	p.fail("bought, not or (", `begin each rule with bought, as in bought brand "759"`)
	return Node{}
}

// rule reads what stands after bought.
func (p *parser) rule() Rule {
	r := Rule{Times: 1}
	if p.take("anything") {
		r.Set.Everything = true
	} else {
		p.dimension(&r.Set)
	}
	var said struct{ times, spend, days, channel bool }
	for p.err == nil {
		switch {
		case p.clause(&said.times, "at"):
			p.want("write at least 2 times", "least")
			r.Times = p.whole(TimesMax, "how many times, a number")
			p.want("write at least 2 times", "times", "time")
		case p.clause(&said.spend, "for"):
			p.want("write for at least 12.34", "at")
			p.want("write for at least 12.34", "least")
			r.Spend = p.amount()
		case p.clause(&said.days, "within"):
			r.Days = p.lookBack()
		case p.clause(&said.channel, "online"):
			r.Channel = catalog.Online
		case p.take("in"):
			p.in(&r, &said.channel, said.times || said.spend || said.days)
		default:
			return r
		}
	}
	return r
}

// clause reads the first word of a clause, and fails where the rule has one of
// its kind already.
func (p *parser) clause(said *bool, first string) bool {
	if !p.is(first) {
		return false
	}
	if *said {
		p.fail("a clause that the rule does not have yet", "say each of how often, how much, how long ago and where once; leave the channel out for both")
		return true
	}
	*said = true
	p.next()
	return true
}

// in reads what stands after in: the store, or another dimension, which is
// late once another clause was read.
func (p *parser) in(r *Rule, channel *bool, late bool) {
	if p.clause(channel, "store") {
		r.Channel = catalog.InStore
		return
	}
	if late || *channel || r.Set.Everything {
		p.fail("store", `name products, brands and categories right after bought, as in bought brand "759" in category "YOGURT"`)
		return
	}
	p.dimension(&r.Set)
}

// dimension reads one list of names into the Set.
func (p *parser) dimension(s *catalog.Set) {
	switch {
	case p.take("product", "products"):
		names(p, &s.Products)
	case p.take("brand", "brands"):
		names(p, &s.Brands)
	case p.take("type", "types"):
		names(p, &s.Types)
	case p.take("category", "categories"):
		names(p, &s.Categories)
	case p.take("department", "departments"):
		names(p, &s.Departments)
	default:
		p.fail("product, brand, type, category, department or anything", `say what was bought, as in bought category "YOGURT"`)
	}
}

// names reads a list of quoted names with commas between them.
func names[T ~string](p *parser, into *[]T) {
	if *into != nil {
		p.fail("a dimension that the rule does not have yet", `list all names of one dimension together, as in brands "759", "760"`)
		return
	}
	for {
		if p.token.kind != name {
			p.fail("a name in double quotes", `write names in double quotes, as in brand "759"`)
			return
		}
		if p.token.text == "" {
			p.fail("a name", "leave empty names out")
			return
		}
		*into = append(*into, T(p.token.text))
		p.next()
		if !p.take(",") {
			return
		}
	}
}

// whole reads a whole number from 1 to limit.
func (p *parser) whole(limit int, what string) int {
	n, err := strconv.Atoi(p.token.text)
	if p.token.kind != number || err != nil || n < 1 || n > limit {
		p.fail(what, "write a whole number from 1 to "+strconv.Itoa(limit))
		return 0
	}
	p.next()
	return n
}

// lookBack reads a span in days or weeks, and gives days.
func (p *parser) lookBack() int {
	before := *p
	n := p.whole(DaysMax, "how many days or weeks, a number")
	switch {
	case p.take("day", "days"):
		return n
	case p.take("week", "weeks"):
		if n*7 > DaysMax {
			*p = before
			p.fail("fewer weeks", "look back at most "+strconv.Itoa(DaysMax/7)+" weeks")
		}
		return n * 7
	}
	p.fail("days or weeks", "write within 90 days or within 13 weeks")
	return 0
}

// amount reads an amount of money without its currency.
func (p *parser) amount() retail.Micros {
	a, err := retail.ParseMicros(p.token.text)
	if p.token.kind != number || err != nil {
		p.fail("an amount like 12.34", "write an amount in the retailer's currency, with a point and at most six decimals")
		return 0
	}
	p.next()
	return a
}
