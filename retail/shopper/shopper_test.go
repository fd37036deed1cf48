package shopper_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"endcap/retail/shopper"
)

const (
	number = 0xfeedfacecafebeef
	card   = "4711-ANA-0815"
)

// secrets are the ways in which a shopper or her card could be written.
var secrets = []string{
	strconv.FormatUint(number, 10), strconv.FormatUint(number, 16), strconv.FormatUint(number, 8), strconv.FormatUint(number, 2),
	fmt.Sprintf("%e", float64(number))[:8], card, fmt.Sprintf("%x", card), fmt.Sprintf("%v", []byte(card))[1:20],
}

func leaks(text string) string {
	flat := strings.ToLower(strings.ReplaceAll(text, " ", ""))
	for _, s := range secrets {
		if strings.Contains(flat, strings.ToLower(strings.ReplaceAll(s, " ", ""))) {
			return s
		}
	}
	return ""
}

// row is how a shopper stands in other rooms' structs.
type row struct {
	ID   shopper.ID
	Key  shopper.Key
	IDs  []shopper.ID
	Keys map[string]shopper.Key
	Of   *shopper.ID
	Any  any
}

func newRow(t *testing.T) row {
	t.Helper()
	id := shopper.FromUint64(number)
	key, err := shopper.ParseKey(shopper.Card, card)
	if err != nil {
		t.Fatal(err)
	}
	return row{id, key, []shopper.ID{id}, map[string]shopper.Key{"k": key}, &id, id}
}

// %w is the one verb that fmt shows to no Formatter; vet, which go test runs
// too, refuses it for whatever is no error.
func TestAShopperDoesNotPrint(t *testing.T) {
	t.Parallel()
	r := newRow(t)
	values := map[string]any{"id": r.ID, "its pointer": &r.ID, "key": r.Key, "key's pointer": &r.Key, "struct": r, "struct's pointer": &r, "list": r.IDs, "map": r.Keys}
	for verb := range strings.FieldsSeq("%v %+v %#v %d %x %X %#x %s %q %o %b %e %t %T %U %c %8d %-20v %.3s") {
		for name, v := range values {
			got := fmt.Sprintf(verb, v)
			if s := leaks(got); s != "" {
				t.Errorf("%s of the %s shows %s: %s", verb, name, s, got)
			}
		}
	}
	for name, got := range map[string]string{
		"Sprint":  fmt.Sprint(r.ID, r.Key, r),
		"Errorf":  fmt.Errorf("shopper %v with %v: %w", r.ID, r.Key, errors.New("x")).Error(),
		"strconv": fmt.Sprintf("%s", r.ID),
	} {
		if s := leaks(got); s != "" {
			t.Errorf("%s shows %s: %s", name, s, got)
		}
	}
	if got := fmt.Sprint(r.ID, " ", shopper.ID{}, " ", r.Key); got != "shopper(hidden) shopper(none) key(card)" {
		t.Errorf("got %q", got)
	}
}

func TestAShopperDoesNotGetIntoLogs(t *testing.T) {
	t.Parallel()
	r := newRow(t)
	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		log := slog.New(h).With("who", r.ID)
		log.Info("decided", "id", r.ID, "pointer", &r.ID, "key", r.Key, "row", r, "rows", []row{r}, slog.Group("g", "id", r.ID, "key", &r.Key))
	}
	if s := leaks(out.String()); s != "" {
		t.Errorf("the log shows %s:\n%s", s, out.String())
	}
	if !strings.Contains(out.String(), "shopper(hidden)") {
		t.Errorf("the log does not say that there was a shopper:\n%s", out.String())
	}
}

func TestAShopperDoesNotGetIntoDocuments(t *testing.T) {
	t.Parallel()
	r := newRow(t)
	b, err := json.Marshal([]any{r, &r, r.ID, &r.Key})
	if err != nil {
		t.Fatal(err)
	}
	if s := leaks(string(b)); s != "" {
		t.Errorf("JSON shows %s: %s", s, b)
	}
	for _, keyed := range []any{map[shopper.ID]int{r.ID: 1}, map[shopper.Key]int{r.Key: 1}} {
		if b, err := json.Marshal(keyed); err == nil && leaks(string(b)) != "" {
			t.Errorf("a map's keys show %s", b)
		}
	}
}

func TestRevealIsTheOneDoor(t *testing.T) {
	t.Parallel()
	r := newRow(t)
	if r.ID.Reveal() != number || !r.ID.Known() || r.Key.Reveal() != card || r.Key.Kind() != shopper.Card {
		t.Error("what went in does not come out")
	}
	if (shopper.ID{}).Known() || shopper.FromUint64(0) != (shopper.ID{}) {
		t.Error("nobody is somebody")
	}
}

func TestWhichKeysCanBe(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("Ab", 32)
	tests := map[string]struct {
		kind  shopper.KeyKind
		value string
		want  string // what Reveal gives; empty where it is refused
	}{
		"a card":                     {shopper.Card, card, card},
		"a card of one digit":        {shopper.Card, "1", "1"},
		"an account in Chinese":      {shopper.Account, "顾客", "顾客"},
		"an inner space":             {shopper.Account, "ana b", "ana b"},
		"a hash, lower-cased":        {shopper.EmailHash, hash, strings.ToLower(hash)},
		"a phone's hash":             {shopper.PhoneHash, hash, strings.ToLower(hash)},
		"a device":                   {shopper.Device, "c0ffee", "c0ffee"},
		"the longest":                {shopper.Card, strings.Repeat("9", shopper.KeyMax), strings.Repeat("9", shopper.KeyMax)},
		"too long":                   {shopper.Card, strings.Repeat("9", shopper.KeyMax+1), ""},
		"nothing":                    {shopper.Card, "", ""},
		"a leading space":            {shopper.Card, " 1", ""},
		"a line break":               {shopper.Card, "1\n2", ""},
		"a NUL":                      {shopper.Card, "1\x002", ""},
		"invalid UTF-8":              {shopper.Card, "\xff", ""},
		"an e-mail that is no hash":  {shopper.EmailHash, "ana@example.com", ""},
		"a hash of 63 digits":        {shopper.EmailHash, hash[1:], ""},
		"a hash with a letter g":     {shopper.EmailHash, "g" + hash[1:], ""},
		"a hash that grows in lower": {shopper.EmailHash, strings.Repeat("İ", 32), ""},
		"a kind nobody knows":        {"iris", "1", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := shopper.ParseKey(tt.kind, tt.value)
			if got.Reveal() != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.Is(err, shopper.ErrKey) {
				t.Errorf("got %q, %v; want %q", got.Reveal(), err, tt.want)
			}
			if err != nil && len(tt.value) > 3 && strings.Contains(err.Error(), tt.value) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("card", card)
	f.Add("email_sha256", strings.Repeat("ab", 32))
	f.Fuzz(func(t *testing.T, kind, value string) {
		k, err := shopper.ParseKey(shopper.KeyKind(kind), value)
		if err != nil {
			return
		}
		again, err := shopper.ParseKey(k.Kind(), k.Reveal())
		if err != nil || again != k {
			t.Fatalf("%q reads back differently: %v", value, err)
		}
	})
}
