package rows

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// keysMax bounds the fields of one JSON object, nestMax the depth of values
// that no column takes.
const (
	keysMax = 512
	nestMax = 32
)

// ndjson reads one flat JSON object a line. Fields that no column names may
// hold anything; those that are named hold a text, a number, true, false or
// null. A field written twice is refused, because nobody can say which counts.
type ndjson struct {
	cols    []textColumn
	keys    [][]byte // of the object at hand
	scratch []byte
	seen    []bool   // of cols, in the object at hand
	ever    []bool   // of cols, in any object
	have    []string // the fields of the first object that could be read
	checked bool     // that and its block were compared with the mapping
}

func (n *ndjson) header() []byte { return nil }

// end implements layout.
func (n *ndjson) end(buf []byte, last bool) extent {
	nl := bytes.IndexByte(buf, '\n')
	switch {
	case nl >= 0:
		return extent{content: nl, next: nl + 1, lines: 1}
	case last:
		return extent{content: len(buf), next: len(buf), lines: 1}
	}
	return extent{}
}

// scanner walks over one JSON text.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r' || s.b[s.i] == '\n') {
		s.i++
	}
}

// take consumes c, after spaces.
func (s *scanner) take(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// str consumes a JSON string and gives it with its quotes; plain says that it
// has no escapes.
func (s *scanner) str() (raw []byte, plain, ok bool) {
	s.space()
	start := s.i
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return nil, false, false
	}
	plain = true
	for s.i++; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.b[start:s.i], plain, true
		case c == '\\':
			plain = false
			s.i++
		case c < ' ':
			return nil, false, false
		}
	}
	return nil, false, false
}

// value consumes any JSON value.
func (s *scanner) value(depth int) ([]byte, bool) {
	s.space()
	start := s.i
	if s.i >= len(s.b) || depth > nestMax {
		return nil, false
	}
	switch s.b[s.i] {
	case '"':
		raw, plain, ok := s.str()
		return raw, ok && (plain || json.Valid(raw))
	case '{', '[':
		level := 0
		for ; s.i < len(s.b); s.i++ {
			switch s.b[s.i] {
			case '"':
				if _, _, ok := s.str(); !ok {
					return nil, false
				}
				s.i--
			case '{', '[':
				if level++; level > nestMax {
					return nil, false
				}
			case '}', ']':
				if level--; level == 0 {
					s.i++
					raw := s.b[start:s.i]
					return raw, json.Valid(raw)
				}
			}
		}
		return nil, false
	}
	for s.i < len(s.b) && !bytes.ContainsRune([]byte(" \t\r\n,}"), rune(s.b[s.i])) {
		s.i++
	}
	raw := s.b[start:s.i]
	return raw, len(raw) > 0 && (plainNumber(raw) || json.Valid(raw))
}

// plainNumber knows the numbers that need no closer look.
func plainNumber(b []byte) bool {
	if len(b) == 0 || b[0] < '1' || b[0] > '9' {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// parse implements layout.
func (n *ndjson) parse(row []byte, b *Block, i int) *Fault {
	if n.seen == nil {
		n.seen, n.ever = make([]bool, len(n.cols)), make([]bool, len(n.cols))
	}
	clear(n.seen)
	for k := range n.cols {
		n.cols[k].clear(b, i)
	}
	n.keys, n.scratch = n.keys[:0], n.scratch[:0]
	s := &scanner{b: row}
	first, bad := n.object(s, b, i)
	if bad != nil {
		f := bad.fault(i, "")
		return &f
	}
	if n.have == nil {
		n.have = texts(n.keys)
	}
	if first != nil {
		return first
	}
	for k := range n.cols {
		if col := &n.cols[k]; !n.seen[k] && col.Required {
			f := missing(i, col.Field)
			return &f
		}
	}
	return nil
}

// salvage implements layout. What is read before the line breaks is kept.
func (n *ndjson) salvage(row []byte, b *Block, i int) { n.parse(row, b, i) }

func badJSON() *complaint {
	return &complaint{BadJSON, "the line is not one JSON object", "write one object a line, without trailing commas, NaN or comments"}
}

// object reads the fields of one object.
func (n *ndjson) object(s *scanner, b *Block, i int) (first *Fault, bad *complaint) {
	if !s.take('{') {
		return nil, badJSON()
	}
	for more := !s.take('}'); more; {
		raw, plain, ok := s.str()
		if !ok || !s.take(':') {
			return nil, badJSON()
		}
		key := raw[1 : len(raw)-1]
		if !plain {
			if key, ok = n.unescape(raw); !ok {
				return nil, badJSON()
			}
		}
		if bad := n.note(key); bad != nil {
			return nil, bad
		}
		value, ok := s.value(0)
		if !ok {
			return nil, badJSON()
		}
		if f := n.field(key, value, b, i); f != nil && first == nil {
			first = f
		}
		more = s.take(',')
		if !more && !s.take('}') {
			return nil, badJSON()
		}
	}
	if s.space(); s.i != len(s.b) {
		return nil, badJSON()
	}
	return first, nil
}

// note remembers a key and refuses one seen before.
func (n *ndjson) note(key []byte) *complaint {
	for _, k := range n.keys {
		if bytes.Equal(k, key) {
			return &complaint{DuplicateField, fmt.Sprintf("field %.60q is written twice", key), "write it once"}
		}
	}
	if len(n.keys) == keysMax {
		return &complaint{BadJSON, fmt.Sprintf("the object has more than %d fields", keysMax), "write the columns that the mapping names"}
	}
	n.keys = append(n.keys, key)
	return nil
}

// field reads a value into the columns that take it.
func (n *ndjson) field(key, value []byte, b *Block, i int) *Fault {
	var first *Fault
	for k := range n.cols {
		col := &n.cols[k]
		if string(key) != col.Column {
			continue
		}
		n.seen[k], n.ever[k] = true, true
		text, ok := n.scalar(value)
		if !ok {
			f := (&complaint{BadJSON, "it holds an object, a list or a broken text", "write a text or a number"}).fault(i, col.Column)
			return &f
		}
		if f := col.read(text, b, i); f != nil && first == nil {
			first = f
		}
	}
	return first
}

// scalar is the text of a JSON value that is no object or list; null is empty.
func (n *ndjson) scalar(value []byte) ([]byte, bool) {
	switch value[0] {
	case '"':
		if bytes.IndexByte(value, '\\') < 0 {
			return value[1 : len(value)-1], true
		}
		return n.unescape(value)
	case '{', '[':
		return nil, false
	case 'n':
		return nil, true
	}
	return value, true
}

// unescape reads a JSON string with escapes into the scratch.
func (n *ndjson) unescape(raw []byte) ([]byte, bool) {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return nil, false
	}
	start := len(n.scratch)
	n.scratch = append(n.scratch, s...)
	return n.scratch[start:len(n.scratch):len(n.scratch)], true
}

// lacks is the error of a file in whose first block with an object that can be
// read none has a column that every row needs: the mapping is wrong rather than
// all rows. A block of broken lines alone says nothing about the mapping.
func (n *ndjson) lacks() error {
	if n.checked || len(n.have) == 0 {
		return nil
	}
	n.checked = true
	for k := range n.cols {
		if !n.ever[k] && n.cols[k].Required {
			return noColumn(n.cols[k].Column, n.have)
		}
	}
	return nil
}

func texts(keys [][]byte) []string {
	out := make([]string, len(keys))
	for i, key := range keys {
		out[i] = string(key)
	}
	return out
}
