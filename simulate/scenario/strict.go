package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// nestedMax bounds how deep a scenario file's objects lie in each other.
const nestedMax = 16

// strict refuses what encoding/json lets pass: a name that an object has twice, of
// which the last would count, and, with exact, a name in other letters than those of
// a knob, which it would take for one ("Weeks" for "weeks"). What is not JSON is left
// to the decoder.
func strict(text []byte, exact bool) error {
	type level struct {
		names map[string]bool // nil for a list
		value bool            // a value comes next, not a name
	}
	var open []level
	dec := json.NewDecoder(bytes.NewReader(text))
	for token, err := dec.Token(); err == nil; token, err = dec.Token() {
		in := len(open) - 1
		name, isText := token.(string)
		switch {
		case token == json.Delim('{') || token == json.Delim('['):
			if in >= 0 {
				open[in].value = false
			}
			l := level{}
			if token == json.Delim('{') {
				l.names = make(map[string]bool)
			}
			if open = append(open, l); len(open) > nestedMax {
				return bad("", fmt.Sprintf("the scenario file is nested deeper than %d", nestedMax), knobsCure)
			}
		case token == json.Delim('}') || token == json.Delim(']'):
			open = open[:in]
		case in < 0 || open[in].names == nil:
		case open[in].value || !isText:
			open[in].value = false
		case open[in].names[name]:
			return bad("", fmt.Sprintf("the scenario file says %.40q twice", name), "say it once")
		case exact && strings.Trim(name, knobLetters) != "":
			return bad("", fmt.Sprintf("the scenario file is not understood: unknown field %.40q", name), knobsCure)
		default:
			open[in].names[name], open[in].value = true, true
		}
	}
	return nil
}

// knobLetters are those of which names of knobs are made.
const knobLetters = "abcdefghijklmnopqrstuvwxyz_"

const knobsCure = "docs/simulator.md lists the knobs"
