package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bytedance/sonic/decoder"

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
func CheckJSON(b []byte) error { return checkJSON(b, depthMax) }

// checkJSON is CheckJSON that looks for repeated fields only in objects less
// deep than keyed: elements of a batch are checked each on its own, so that one
// that is malformed does not spoil its neighbours.
func checkJSON(b []byte, keyed int) error {
	if !utf8.Valid(b) {
		return &retail.Error{Kind: retail.Invalid, Field: "body", Say: "the body is not valid UTF-8", Cure: "encode it as UTF-8"}
	}
	var room [depthMax]frame
	stack := room[:0]
	var keys [64]span
	seen := keys[:0]
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			if len(stack) == depthMax {
				return &retail.Error{Kind: retail.Invalid, Field: "body", Say: "the JSON nests deeper than " + strconv.Itoa(depthMax), Cure: "send flat objects"}
			}
			stack = append(stack, frame{object: b[i] == '{', key: b[i] == '{', first: len(seen)})
		case '}', ']':
			if len(stack) == 0 {
				return nil // not JSON; the decoder says so
			}
			seen = seen[:stack[len(stack)-1].first]
			stack = stack[:len(stack)-1]
		case ',':
			if n := len(stack); n > 0 {
				stack[n-1].key = stack[n-1].object
			}
		case '"':
			end := closing(b, i)
			if n := len(stack); n > 0 && n <= keyed && stack[n-1].key {
				stack[n-1].key = false
				var err error
				if seen, err = addKey(b, seen, stack[n-1].first, span{i + 1, end}); err != nil {
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
			return nil, &retail.Error{Kind: retail.Invalid, Field: pathAt(b, key.to+1), Say: "the field stands twice in one object", Cure: "send it once"}
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
		var plain string
		if json.Unmarshal(b[s.from-1:min(s.to+1, len(b))], &plain) == nil {
			return []byte(plain)
		}
	}
	return raw
}

// jsonFault is a decoder's complaint without the caller's data: names of fields
// and types are kept, values are not.
func jsonFault(body []byte, into any, err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	if _, name, ok := strings.Cut(text, "unknown field "); ok {
		name = strings.TrimSuffix(strings.TrimPrefix(name, `"`), `"`)
		field := cmp.Or(strangerAt(body, reflect.TypeOf(into), name, ""), name, "body")
		return &retail.Error{Kind: retail.Invalid, Field: short(field), Say: "there is no such field", Cure: "leave it out, or see /docs for the field that is meant", Err: err}
	}
	out := &retail.Error{Kind: retail.Invalid, Field: "body", Say: "the body is not the JSON that is expected", Cure: "see /docs for the fields and their types", Err: err}
	if e, ok := errors.AsType[*decoder.MismatchTypeError](err); ok {
		out.Field, out.Say = pathAt(body, e.Pos), wordOf(e.Type)+" is expected here"
	} else if e, ok := errors.AsType[decoder.SyntaxError](err); ok {
		out.Say = "the body is not JSON from byte " + strconv.Itoa(e.Pos) + " on"
	}
	return out
}

// strangerAt is the path of a field called name that t has no place for, in body,
// which stands at a path itself; empty where there is none. It looks into lists
// and structures that decode themselves field by field.
func strangerAt(body []byte, t reflect.Type, name, at string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return ""
	}
	switch t.Kind() {
	case reflect.Slice:
		var list []json.RawMessage
		if json.Unmarshal(body, &list) != nil {
			return ""
		}
		for i, one := range list {
			if path := strangerAt(one, t.Elem(), name, at+"["+strconv.Itoa(i)+"]"); path != "" {
				return path
			}
		}
	case reflect.Struct:
		var fields map[string]json.RawMessage
		if json.Unmarshal(body, &fields) != nil {
			return ""
		}
		if at != "" {
			at += "."
		}
		known := make(map[string]bool)
		for _, f := range reflect.VisibleFields(t) {
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			one, sent := fields[tag]
			if known[tag] = true; !sent {
				continue
			}
			if path := strangerAt(one, f.Type, name, at+tag); path != "" {
				return path
			}
		}
		if _, sent := fields[name]; sent && !known[name] {
			return at + name
		}
	default:
	}
	return ""
}

// wordOf is what JSON calls a Go type.
func wordOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number in range"
	}
}

// pathAt is the path, such as lines[3].sales, of the value that stands at a
// byte of valid JSON; "body" for the whole.
func pathAt(b []byte, at int) string {
	type open struct {
		key   string
		index int // of an array; -1 in an object
	}
	var stack []open
	for i := 0; i < min(at, len(b)) && len(stack) <= depthMax; i++ {
		switch top := len(stack) - 1; b[i] {
		case '{':
			stack = append(stack, open{index: -1})
		case '[':
			stack = append(stack, open{})
		case '}', ']':
			stack = stack[:max(top, 0)]
		case ',':
			if top >= 0 && stack[top].index >= 0 {
				stack[top].index++
			}
		case '"':
			end := closing(b, i)
			if top >= 0 && stack[top].index < 0 && end < at {
				stack[top].key = string(keyText(b, span{i + 1, end}))
			}
			i = end
		}
	}
	var path strings.Builder
	for _, o := range stack {
		switch {
		case o.index >= 0:
			path.WriteString("[" + strconv.Itoa(o.index) + "]")
		case path.Len() > 0:
			path.WriteString("." + o.key)
		default:
			path.WriteString(o.key)
		}
	}
	if path.Len() == 0 {
		return "body"
	}
	return short(path.String())
}

// short is a name that a caller sent, cut to a length that can be said back.
func short(name string) string {
	const most = 100
	if len(name) <= most {
		return name
	}
	return strings.ToValidUTF8(name[:most], "") + "…"
}
