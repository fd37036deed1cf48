package gs1

import (
	"slices"
	"strings"
)

// Stem is where links lead that name no resolver of their own: GS1's.
const Stem = "https://id.gs1.org"

// The characters of a URI, and those no host has (RFC 3986).
const (
	uriCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%"
	notInHost     = "_~?#@!$&'()*+,;=%"
	unreserved    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)

// wordsOfKeys are the words that old links say instead of numbers.
var wordsOfKeys = map[string]string{
	"cpid": "8010", "cpsn": "8011", "cpv": "22", "gcn": "255", "gdti": "253", "giai": "8004", "ginc": "401", "gln": "414",
	"glnx": "254", "gmn": "8013", "grai": "8003", "gsin": "402", "gsrn": "8018", "gsrnp": "8017", "gtin": "01", "itip": "8006",
	"lot": "10", "party": "417", "refno": "8020", "ser": "21", "srin": "8019", "sscc": "00",
}

// Link is a GS1 Digital Link: a web address whose path says what it is about.
// https://id.gs1.org/01/09520123456788/10/ABC1?17=180426 has the key 01, the
// qualifier 10 and the attribute 17.
type Link struct {
	Stem       string   // scheme, host and what of the path comes before the key; no slash at its end
	Path       Elements // the primary key, then its qualifiers in their order
	Attributes Elements // of the query
	Other      []string // what else the query says, as it stands there; no AI
	Fragment   string   // what follows #, as it stands there
}

// ParseLink reads a GS1 Digital Link (GS1 Digital Link Standard: URI Syntax). A
// GTIN of 8, 12 or 13 digits is padded to 14; words such as "gtin" stand for
// their AIs in the path; percent-encoding is decoded once. Every value is
// verified as in an element string. An all-number name in the query that is no AI
// is refused, other names are kept in Other. Errors are *Error.
func ParseLink(uri string) (Link, error) {
	l, err := parseLink(uri)
	if err != nil {
		return Link{}, err
	}
	return l, nil
}

func parseLink(uri string) (Link, *Error) {
	if len(uri) > TextMax {
		return Link{}, fault(TextTooLong, TextMax, len(uri)-TextMax)
	}
	if e := only(uri, uriCharacters, IllegalURICharacter); e != nil {
		return Link{}, e
	}
	root, err := host(uri)
	if err != nil {
		return Link{}, err
	}
	var l Link
	rest, fragment, _ := strings.Cut(uri, "#")
	l.Fragment = fragment
	path, query, _ := strings.Cut(rest, "?")
	start := keyOf(path, root)
	if start < 0 {
		return Link{}, fault(NoPrimaryKey, root, len(path)-root)
	}
	l.Stem = uri[:start]
	if err := l.readPath(path, start); err != nil {
		return Link{}, err
	}
	if err := l.readQuery(query, len(path)+1); err != nil {
		return Link{}, err
	}
	return l, nil
}

// host verifies scheme and host, and gives where the path begins.
func host(uri string) (int, *Error) {
	at := 0
	for _, scheme := range []string{"https://", "HTTPS://", "http://", "HTTP://"} {
		if strings.HasPrefix(uri, scheme) {
			at = len(scheme)
		}
	}
	if at == 0 {
		return 0, fault(IllegalScheme, 0, min(8, len(uri)))
	}
	n := strings.IndexByte(uri[at:], '/')
	if n <= 0 {
		return 0, fault(IllegalDomain, at, len(uri)-at)
	}
	if i := strings.IndexAny(uri[at:at+n], notInHost); i >= 0 {
		return 0, fault(IllegalDomain, at+i, 1)
	}
	return at + n, nil
}

// inPath finds the entry that a part of the path names.
func inPath(name string) *entry {
	if ai, found := wordsOfKeys[name]; found {
		name = ai
	}
	return lookup(name)
}

// keyOf finds where the primary key begins: of the pairs /AI/value at the end of
// the path, the rightmost whose AI is a primary key. It gives -1 for none.
func keyOf(path string, root int) int {
	end := len(path)
	for {
		slash := strings.LastIndexByte(path[root:end], '/')
		if slash <= 0 {
			return -1
		}
		before := strings.LastIndexByte(path[root:root+slash], '/')
		if before < 0 {
			return -1
		}
		e := inPath(path[root+before+1 : root+slash])
		switch {
		case e == nil:
			return -1
		case e.key:
			return root + before
		}
		end = root + before
	}
}

// readPath reads the pairs of a path from its key on.
func (l *Link) readPath(path string, at int) *Error {
	var qualifiers []string
	for at < len(path) {
		name, rest, _ := strings.Cut(path[at+1:], "/")
		value, _, _ := strings.Cut(rest, "/")
		e := inPath(name)
		at += len(name) + 2
		el, err := decoded(e, value, false)
		if err != nil {
			return err.shift(at)
		}
		l.Path = append(l.Path, el)
		if len(l.Path) > 1 {
			qualifiers = append(qualifiers, e.ai)
		}
		if !lookup(l.Path[0].AI).follows(qualifiers) {
			return fault(NotInPath, at-len(name)-1, len(name))
		}
		at += len(value)
	}
	return nil
}

// readQuery reads the attributes; at is where the query begins.
func (l *Link) readQuery(query string, at int) *Error {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, found := strings.Cut(pair, "=")
		switch {
		case pair == "":
		case !found || name == "" || onlyDigits(name) != nil:
			l.Other = append(l.Other, pair)
		default:
			if err := l.readAttribute(name, value, at); err != nil {
				return err
			}
		}
		if len(l.Path)+len(l.Attributes)+len(l.Other) > ElementsMax {
			return fault(TooManyElements, at, len(pair))
		}
		at += len(pair) + 1
	}
	return nil
}

func (l *Link) readAttribute(name, value string, at int) *Error {
	e := lookup(name)
	if e == nil {
		return fault(UnknownAI, at, len(name))
	}
	el, err := decoded(e, value, true)
	if err != nil {
		return err.shift(at + len(name) + 1)
	}
	if f := l.attributeFault(e); f != "" {
		return fault(f, at, len(name))
	}
	l.Attributes = append(l.Attributes, el)
	return nil
}

// attributeFault says why an AI may not be the next attribute of l.
func (l *Link) attributeFault(e *entry) Fault {
	if _, twice := l.Elements().Get(e.ai); twice {
		return RepeatedAI
	}
	if !e.attribute {
		return NotAttribute
	}
	var qualifiers []string
	for _, el := range l.Path[1:] {
		qualifiers = append(qualifiers, el.AI)
	}
	for i := range len(qualifiers) + 1 {
		if lookup(l.Path[0].AI).follows(slices.Insert(slices.Clone(qualifiers), i, e.ai)) {
			return BelongsInPath
		}
	}
	return ""
}

// decoded reads a percent-encoded value. In a query, + is a space.
func decoded(e *entry, value string, query bool) (Element, *Error) {
	if err := percents(value); err != nil {
		return Element{}, err
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '%':
			c = byte(hex(value[i+1])<<4 | hex(value[i+2]))
			i += 2
		case c == '+' && query:
			c = ' '
		}
		b.WriteByte(c)
	}
	text := b.String()
	if n := len(text); e.ai == "01" && (n == 8 || n == 12 || n == 13) {
		text = "00000000000000"[n:] + text
	}
	if err := e.check(text); err != nil {
		return Element{}, err.within(text, value)
	}
	return Element{e.ai, text}, nil
}

// Elements gives what the link says, as an element string would.
func (l *Link) Elements() Elements { return slices.Concat(l.Path, l.Attributes) }

// String writes the link, each AI as a number. Percent-encoding is the least that
// reads back.
func (l *Link) String() string {
	var b strings.Builder
	b.WriteString(l.Stem)
	for _, el := range l.Path {
		b.WriteString("/" + el.AI + "/" + encoded(el.Value))
	}
	separator := byte('?')
	for _, el := range l.Attributes {
		b.WriteByte(separator)
		b.WriteString(el.AI + "=" + encoded(el.Value))
		separator = '&'
	}
	for _, other := range l.Other {
		b.WriteByte(separator)
		b.WriteString(other)
		separator = '&'
	}
	if l.Fragment != "" {
		b.WriteString("#" + l.Fragment)
	}
	return b.String()
}

// encoded percent-encodes all but unreserved characters.
func encoded(value string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		if strings.IndexByte(unreserved, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return b.String()
}

// Link makes a link of elements under a stem such as Stem or a brand's own: the
// first primary key, as many of its qualifiers as one sequence holds, the rest as
// attributes. It refuses elements without a primary key and those that no link
// may carry there; a place in the error is the element's number. Errors are *Error.
func (all Elements) Link(stem string) (Link, error) {
	stem = strings.TrimSuffix(stem, "/")
	if _, err := host(stem + "/"); err != nil {
		return Link{}, err
	}
	if e := only(stem, uriCharacters, IllegalURICharacter); e != nil || strings.ContainsAny(stem, "?#") {
		return Link{}, fault(IllegalURICharacter, 0, len(stem))
	}
	i := slices.IndexFunc(all, func(el Element) bool { e := lookup(el.AI); return e != nil && e.key })
	if i < 0 {
		return Link{}, fault(NoPrimaryKey, 0, len(all))
	}
	l := Link{Stem: stem, Path: Elements{all[i]}}
	l.Path = append(l.Path, all.qualifiers(lookup(all[i].AI))...)
	for j, el := range all {
		if slices.Contains(l.Path, el) {
			continue
		}
		e := lookup(el.AI)
		if e == nil {
			return Link{}, fault(UnknownAI, j, 1)
		}
		if err := e.check(el.Value); err != nil {
			return Link{}, fault(err.Fault, j, 1)
		}
		if f := l.attributeFault(e); f != "" {
			return Link{}, fault(f, j, 1)
		}
		l.Attributes = append(l.Attributes, el)
	}
	for _, el := range l.Path {
		if err := lookup(el.AI).check(el.Value); err != nil {
			return Link{}, fault(err.Fault, slices.Index(all, el), 1)
		}
	}
	return l, nil
}

// qualifiers gives the longest choice of elements that one sequence of key holds.
func (all Elements) qualifiers(key *entry) Elements {
	var best Elements
	for _, sequence := range key.paths {
		var found Elements
		for _, ai := range sequence {
			if value, ok := all.Get(ai); ok {
				found = append(found, Element{ai, value})
			}
		}
		if len(found) > len(best) {
			best = found
		}
	}
	return best
}
