package api

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"endcap/retail"
)

// depthMax is how deep JSON may nest.
const depthMax = 32

// keysMax is how many fields one object may have.
const keysMax = 1_000

// CheckJSON refuses what decoders let pass: an object that names a field twice
// (two readers would see two different requests), invalid UTF-8, and nesting
// beyond depthMax. It does not check grammar; the decoder does. One pass over
// the bytes, no allocation for ordinary bodies.
func CheckJSON(b []byte) error {
	if !utf8.Valid(b) {
		return &retail.Error{Kind: retail.Invalid, Field: "body", Say: "the body is not valid UTF-8", Cure: "encode it as UTF-8"}
	}
	var stack [depthMax]frame
	depth := -1
	var keys [64]span
	seen := keys[:0]
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			if depth++; depth == depthMax {
				return &retail.Error{Kind: retail.Invalid, Field: "body", Say: "the JSON nests deeper than " + strconv.Itoa(depthMax), Cure: "send flat objects"}
			}
			stack[depth] = frame{object: b[i] == '{', key: b[i] == '{', first: len(seen)}
		case '}', ']':
			if depth < 0 {
				return nil // not JSON; the decoder says so
			}
			seen = seen[:stack[depth].first]
			depth--
		case ',':
			if depth >= 0 {
				stack[depth].key = stack[depth].object
			}
		case '"':
			end := closing(b, i)
			if depth >= 0 && stack[depth].key {
				stack[depth].key = false
				var err error
				if seen, err = addKey(b, seen, stack[depth].first, span{i + 1, end}); err != nil {
					return err
				}
			}
			i = end
		}
	}
	return nil
}

// frame is one open object or array: whether the next string is a key, and
// where its keys start among those seen.
type frame struct {
	object, key bool
	first       int
}

// span is where a key's text lies.
type span struct{ from, to int }

// closing is the index of the quote that ends the string starting at i.
func closing(b []byte, i int) int {
	for i++; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return min(i, len(b))
}

func addKey(b []byte, seen []span, first int, key span) ([]span, error) {
	text := keyText(b, key)
	for _, other := range seen[first:] {
		if bytes.Equal(keyText(b, other), text) {
			return nil, &retail.Error{Kind: retail.Invalid, Field: string(text), Say: "the field " + strconv.Quote(string(text)) + " stands twice in one object", Cure: "send it once"}
		}
	}
	if len(seen)-first >= keysMax {
		return nil, &retail.Error{Kind: retail.Invalid, Field: "body", Say: "an object has more than " + strconv.Itoa(keysMax) + " fields", Cure: "send fewer"}
	}
	return append(seen, key), nil
}

// keyText is a key with its escapes resolved.
func keyText(b []byte, s span) []byte {
	raw := b[s.from:s.to]
	if bytes.IndexByte(raw, '\\') >= 0 {
		if plain, err := strconv.Unquote(`"` + string(raw) + `"`); err == nil {
			return []byte(plain)
		}
	}
	return raw
}

// jsonFault is a decoder's complaint in one line, without the caller's data.
func jsonFault(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.Index(text, `"Syntax error`); i >= 0 {
		text = text[i:]
	}
	if len(text) > 200 {
		text = text[:200]
	}
	return "not the JSON that is expected: " + text
}
