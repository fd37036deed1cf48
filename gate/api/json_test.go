package api_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"endcap/gate/api"
	"endcap/retail"
	"endcap/retail/basket"
)

func TestWhatJSONIsRefusedBeforeItIsRead(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 33) + strings.Repeat("]", 33)
	wide := make([]string, 1_001)
	for i := range wide {
		wide[i] = `"` + strings.Repeat("k", i+1) + `":1`
	}
	tests := map[string]struct {
		body, field string // field empty where it passes
	}{
		"an object":                              {`{"a":1,"b":{"a":1}}`, ""},
		"a list":                                 {`[{"a":1},{"a":2}]`, ""},
		"nothing":                                {``, ""},
		"the same text as value":                 {`{"a":"a","b":"a"}`, ""},
		"a field twice":                          {`{"a":1,"a":2}`, "a"},
		"twice with an escape":                   {`{"a":1,"\u0061":2}`, "a"},
		"twice with escaped slashes":             {`{"a/b":1,"a\/b":2}`, "a/b"},
		"twice as surrogates":                    {`{"😀":1,"\ud83d\ude00":2}`, "😀"},
		"twice inside":                           {`{"lines":[{"x":1},{"sales":"1","sales":"2"}]}`, "lines[1].sales"},
		"twice far apart":                        {`{"a":{"x":[1,{"y":2}]},"b":[{}],"a":3}`, "a"},
		"braces and quotes in text":              {`{"a":"{\"a\":1,","b":"}"}`, ""},
		"a backslash at the end of a text":       {`{"a":"\\","b":1}`, ""},
		"case matters":                           {`{"a":1,"A":2}`, ""},
		"32 deep":                                {deep[1 : len(deep)-1], ""},
		"33 deep":                                {deep, "body"},
		"a thousand fields":                      {"{" + strings.Join(wide[:1_000], ",") + "}", ""},
		"a thousand and one":                     {"{" + strings.Join(wide, ",") + "}", "body"},
		"not UTF-8":                              {"{\"a\":\"\xff\"}", "body"},
		"not UTF-8 in a name":                    {"{\"\xc3\":1}", "body"},
		"an unclosed text is for the decoder":    {`{"a`, ""},
		"more closed than opened, the decoder's": {`]]`, ""},
	}
	for name, test := range tests {
		err := api.CheckJSON([]byte(test.body))
		if test.field == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if e, ok := errors.AsType[*retail.Error](err); !ok || e.Kind != retail.Invalid || e.Field != test.field || e.Cure == "" {
			t.Errorf("%s: %v, want %q refused with a cure", name, err, test.field)
		}
	}
}

type bag struct {
	Name  string  `json:"name"`
	Count int     `json:"count"`
	Share float64 `json:"share"`
	Open  bool    `json:"open"`
	Lines []struct {
		Product string       `json:"product"`
		Pieces  api.Quantity `json:"pieces"`
	} `json:"lines"`
}

func TestWhatADecoderSaysIsForTheCaller(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ body, field, say string }{
		"an unknown field":     {`{"nam":"x"}`, "nam", "there is no such field"},
		"one within another":   {`{"name":"x","lines":[{"product":"a"},{"product":"a","name":"x"}]}`, "lines[1].name", "there is no such field"},
		"of another case":      {`{"Name":"x"}`, "Name", "there is no such field"},
		"text for a number":    {`{"name":"x","count":"a shopper's card"}`, "count", "a whole number in range is expected here"},
		"a number for text":    {`{"lines":[{"product":"a"},{"product":7}]}`, "lines[1].product", "text is expected here"},
		"an object for a list": {`{"lines":{}}`, "lines", "a list is expected here"},
		"a fraction":           {`{"count":1.5}`, "count", "a whole number in range is expected here"},
		"too large a number":   {`{"count":99999999999999999999}`, "count", "a whole number in range is expected here"},
		"a list for the whole": {`[1]`, "body", "an object is expected here"},
		"not a number":         {`{"share":NaN}`, "body", "the body is not JSON from byte 10 on"},
		"infinite":             {`{"share":Infinity}`, "body", "the body is not JSON from byte 10 on"},
		"cut off":              {`{"name":"x"`, "body", "the body is not JSON from byte 11 on"},
		"two values":           {`{} {}`, "body", "the body is not JSON from byte 3 on"},
		"a control character":  {"{\"name\":\"a\nb\"}", "body", ""},
	}
	for name, test := range tests {
		err := api.Decode([]byte(test.body), new(bag))
		e, ok := errors.AsType[*retail.Error](err)
		switch {
		case !ok || e.Kind != retail.Invalid:
			t.Errorf("%s: %v is no refusal", name, err)
		case e.Field != test.field || test.say != "" && e.Say != test.say || e.Cure == "":
			t.Errorf("%s: %q says %q, cure %q; want %q saying %q", name, e.Field, e.Say, e.Cure, test.field, test.say)
		case strings.Contains(api.ProblemOf(err).Detail, "card"):
			t.Errorf("%s: the problem repeats what was sent: %s", name, api.ProblemOf(err).Detail)
		}
	}
	var b bag
	if err := api.Decode([]byte(`{"name":"oats","count":2,"lines":[{"product":"p","pieces":-0.125}]}`), &b); err != nil {
		t.Errorf("a good body gives %+v, %v", b, err)
	}
	for text, want := range map[string]basket.Quantity{"-0.125": -125, "2": 2_000, `"many"`: 0, "1.0001": 0, "1e30": 0} {
		if err := api.Decode([]byte(`{"lines":[{"pieces":`+text+`}]}`), &b); err != nil {
			t.Fatal(err)
		}
		got, err := b.Lines[0].Pieces.Of("lines[0].pieces")
		if e, refused := errors.AsType[*retail.Error](err); got != want || refused != (want == 0) || refused && e.Field != "lines[0].pieces" {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
}

// FuzzCheckJSON holds the check to the standard library: what it passes has no
// field twice for any reader, and a body without tricks passes.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{`{"a":1,"\u0061":2}`, `[{"a":[{}]},{"a":"\\\""}]`, `{"a":{"b":1},"b":{"b":1}}`, "{\"\xff\":1}", `{"a`, `]`, `{"a"  :  1 , "a" :2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := api.CheckJSON(b)
		if !json.Valid(b) || !utf8.Valid(b) {
			return // the decoder refuses it
		}
		twice, odd := repeats(t, b)
		if twice && err == nil {
			t.Errorf("%q names a field twice and passes", b)
		}
		if !twice && !odd && err != nil {
			t.Errorf("%q is refused: %v", b, err)
		}
	})
}

// repeats reports whether some object of valid JSON names a field twice; odd
// where it is deeper or wider than CheckJSON allows, or holds half a surrogate,
// which readers do not agree on.
func repeats(t *testing.T, b []byte) (twice, odd bool) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(b)))
	type object struct {
		keys map[string]bool
		key  bool // the next text is a key
	}
	var stack []*object
	for {
		token, err := d.Token()
		if err != nil {
			return twice, odd
		}
		var top *object
		if len(stack) > 0 {
			top = stack[len(stack)-1]
		}
		text, isText := token.(string)
		odd = odd || isText && strings.ContainsRune(text, utf8.RuneError)
		if top != nil && top.keys != nil && top.key && isText {
			twice = twice || top.keys[text]
			top.keys[text], top.key = true, false
			odd = odd || len(top.keys) > 1_000
			continue
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, &object{map[string]bool{}, true})
		case json.Delim('['):
			stack = append(stack, &object{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
		odd = odd || len(stack) > 32
		if n := len(stack); n > 0 && token != json.Delim('{') && token != json.Delim('[') {
			stack[n-1].key = true
		}
	}
}

// FuzzDecode shows that no body makes the decoder panic, and that a refusal is
// always one for the caller.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"name":"x","lines":[{"product":"a","pieces":1.5}]}`, `{"lines":[{"product":7}]}`, `{"nam":1}`, `[[[`, `{"count":1e999}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v bag
		err := api.Decode(b, &v)
		if err == nil {
			if !json.Valid(b) {
				t.Errorf("%q is no JSON and was read", b)
			}
			return
		}
		if e, ok := errors.AsType[*retail.Error](err); !ok || e.Kind != retail.Invalid || e.Field == "" || e.Say == "" || !utf8.ValidString(e.Field+e.Say) {
			t.Errorf("%q: %v is no refusal for a caller", b, err)
		}
	})
}
