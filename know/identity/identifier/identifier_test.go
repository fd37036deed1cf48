package identifier_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"endcap/know/identity/identifier"
	"endcap/retail/shopper"
)

// The examples that the destinations publish. UID2: uid2docs, "Normalization
// and Encoding"; Google: Data Manager API, "Format user data"; PAIR: the
// specification's table of match keys.
func TestEachDestinationGetsWhatItPublishes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		typed        string
		to           identifier.Destination
		normal, hash string
	}{
		"uid2, capitals":                  {"MYEMAIL@example.com", identifier.UID2, "myemail@example.com", "FsGNM28LJQ8OLZB0Us65ZYp07NrovJSGTCMSKnLMJ6U="},
		"uid2, a dot elsewhere":           {"My.Email@example.com", identifier.UID2, "my.email@example.com", "4itTvG+HEnTzpiqzejyu1yFPwU1nYhWpaiQvz62hyB8="},
		"uid2, a name":                    {" JaneSaoirse@example.com\t", identifier.UID2, "janesaoirse@example.com", "1mcOepIAfxtf94Xx/IHlOqbT170GvfXEc83HKGwoS20="},
		"uid2, a dotted name":             {"Jane.Saoirse@example.com", identifier.UID2, "jane.saoirse@example.com", "sZZDLHuYmiypHIN5mVfFFdpT5sE6vyC3j+qU8RfpC/g="},
		"uid2, a plus elsewhere":          {"JaneSaoirse+Work@example.com", identifier.UID2, "janesaoirse+work@example.com", "KKruSBUjDNO069iMUVImVQZm6RrAGZKeOtrD9mwogYA="},
		"uid2, dots at gmail":             {"JANE.SAOIRSE@gmail.com", identifier.UID2, "janesaoirse@gmail.com", "ku4mBX7Z3qJTXWyLFB1INzkyR2WZGW4ANSJUiW21iI8="},
		"uid2, a plus at gmail":           {"JaneSaoirse+Work@gmail.com", identifier.UID2, "janesaoirse@gmail.com", "ku4mBX7Z3qJTXWyLFB1INzkyR2WZGW4ANSJUiW21iI8="},
		"uid2, googlemail is not gmail":   {"jane.saoirse@googlemail.com", identifier.UID2, "jane.saoirse@googlemail.com", ""},
		"uid2, the first example":         {"user@example.com", identifier.UID2, "user@example.com", "tMmiiTI7IaAcPpQPFQ65uMVCWH8av9jw4cwf/F5HVRQ="},
		"google, dots and plus at gmail":  {"cloudy.sanfrancisco+shopping@gmail.com", identifier.Google, "cloudysanfrancisco@gmail.com", ""},
		"google, googlemail is as gmail":  {"Cloudy.SanFrancisco+shopping@GoogleMail.com", identifier.Google, "cloudysanfrancisco@googlemail.com", ""},
		"google, dots and plus elsewhere": {"user.name+NYC@Example.com", identifier.Google, "user.name+nyc@example.com", ""},
		"google, in hex":                  {"user@example.com", identifier.Google, "user@example.com", "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514"},
		"pair, lower case alone":          {"User@Example.com", identifier.PAIR, "user@example.com", "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514"},
		"pair, gmail as typed":            {"Jane.Saoirse+Work@gmail.com", identifier.PAIR, "jane.saoirse+work@gmail.com", ""},
		"pair, ascii alone":               {"ÉMILE@example.com", identifier.PAIR, "Émile@example.com", ""},
		"uid2, every letter":              {"ÉMILE@example.com", identifier.UID2, "émile@example.com", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := identifier.ParseEmail(tt.typed)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Reveal(tt.to); got != tt.normal {
				t.Errorf("form %q, want %q", got, tt.normal)
			}
			if got := e.Hash(tt.to); tt.hash != "" && got != tt.hash {
				t.Errorf("hash %q, want %q", got, tt.hash)
			}
		})
	}
}

func TestAddressesThatAreOne(t *testing.T) {
	t.Parallel()
	key := func(typed string) shopper.Key {
		e, err := identifier.ParseEmail(typed)
		if err != nil {
			t.Fatalf("%q: %v", typed, err)
		}
		if !e.Known() {
			t.Fatalf("%q: not known", typed)
		}
		return e.Key()
	}
	same := [][2]string{
		{"Anna@Example.com", " anna@example.com\n"},
		{"anna@bücher.example", "anna@xn--bcher-kva.example"},
		{"anna@BÜCHER.example", "anna@bücher.example"},
		{"ame\u0301lie@example.com", "am\u00e9lie@example.com"},
		{"anna@example.com.", "anna@example.com"},
	}
	for _, two := range same {
		if key(two[0]) != key(two[1]) {
			t.Errorf("%q and %q are two keys", two[0], two[1])
		}
	}
	apart := [][2]string{{"a.nna@gmail.com", "anna@gmail.com"}, {"anna+shop@example.com", "anna@example.com"}, {"anna@example.com", "anna@example.org"}}
	for _, two := range apart {
		if key(two[0]) == key(two[1]) {
			t.Errorf("%q and %q are one key", two[0], two[1])
		}
	}
	if got := key("USER@example.com").Reveal(); got != "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514" {
		t.Errorf("a plain address has the key %s, not the hash that everybody makes", got)
	}
}

func TestTelephoneNumbersAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ typed, country, want string }{
		"uid2, United States":    {"1 (234) 567-8901", "US", "+12345678901"},
		"uid2, Singapore":        {"+65 1243 5678", "FR", "+6512435678"},
		"uid2, Sydney":           {"(02) 1234 5678", "AU", "+61212345678"},
		"google, United States":  {"(800)555-0100", "US", "+18005550100"},
		"France, by twos":        {"06 12 34 56 78", "FR", "+33612345678"},
		"France, dotted":         {"06.12.34.56.78", "FR", "+33612345678"},
		"France, from abroad":    {"0033 6 12 34 56 78", "FR", "+33612345678"},
		"France, with a zero":    {"+33 (0)6 12 34 56 78", "", "+33612345678"},
		"France, typed in Italy": {"+33612345678", "IT", "+33612345678"},
		"Italy keeps its zero":   {"06 1234 5678", "IT", "+390612345678"},
		"full-width digits":      {"06 12 34 56 78", "FR", "+33612345678"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := identifier.ParsePhone(tt.typed, tt.country)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Reveal(); got != tt.want || !p.Known() {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	p, err := identifier.ParsePhone("+12345678901", "")
	if err != nil {
		t.Fatal(err)
	}
	const published = "10e6f0b47054a83359477dcb35231db6de5c69fb1816e1a6b98e192de9e5b9ee"
	for d, want := range map[identifier.Destination]string{
		identifier.UID2: "EObwtHBUqDNZR33LNSMdtt5cafsYFuGmuY4ZLenlue4=", identifier.Google: published, identifier.PAIR: published,
	} {
		if got := p.Hash(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
	if p.Key().Kind() != shopper.PhoneHash || p.Key().Reveal() != published {
		t.Errorf("key %s", p.Key().Reveal())
	}
}

func TestCardsAccountsAndDevices(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		parse func(string) (shopper.Key, error)
		typed string
		kind  shopper.KeyKind
		want  string
	}{
		"a card as printed":         {identifier.Card, " 9135 7200-1234.5678 ", shopper.Card, "9135720012345678"},
		"a card with a thin dash":   {identifier.Card, "9135–7200", shopper.Card, "91357200"},
		"a card's zeros count":      {identifier.Card, "0004711", shopper.Card, "0004711"},
		"a card with letters":       {identifier.Card, "fr12ab34", shopper.Card, "FR12AB34"},
		"a card in full width":      {identifier.Card, "12345", shopper.Card, "12345"},
		"an account keeps its case": {identifier.Account, " AnnA-7 ", shopper.Account, "AnnA-7"},
		"a device in capitals":      {identifier.Device, "6D92078A-8246-4BA4-AE5B-76104861E7DC", shopper.Device, "6d92078a-8246-4ba4-ae5b-76104861e7dc"},
		"a cookie keeps its case":   {identifier.Device, "GA1.2.AbC", shopper.Device, "GA1.2.AbC"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, err := tt.parse(tt.typed)
			if err != nil {
				t.Fatal(err)
			}
			if key.Kind() != tt.kind || key.Reveal() != tt.want {
				t.Errorf("%s %q, want %s %q", key.Kind(), key.Reveal(), tt.kind, tt.want)
			}
		})
	}
}

func parsers() map[string]func(string) error {
	return map[string]func(string) error{
		"card":    func(s string) error { _, err := identifier.Card(s); return err },
		"account": func(s string) error { _, err := identifier.Account(s); return err },
		"device":  func(s string) error { _, err := identifier.Device(s); return err },
		"email":   func(s string) error { _, err := identifier.ParseEmail(s); return err },
		"phone":   func(s string) error { _, err := identifier.ParsePhone(s, "FR"); return err },
	}
}

func TestWhatNamesNobodyIsNoKey(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"card":    {"", "  ", "0000 0000", "null", "123", "12/34", "-1", strings.Repeat("1", 129)},
		"account": {"", "0", "anonymous", "NULL", "undefined", "-1", "--", "a\nb", strings.Repeat("a", 600)},
		"device":  {"", "00000000-0000-0000-0000-000000000000", "none", "a\x00b"},
		"email": {
			"", "anna", "@example.com", "anna@", "anna@localhost", "anna@@example.com", "an na@example.com", ".anna@example.com",
			"anna.@example.com", "an..na@example.com", "Anna <anna@example.com>", "anna@exa mple.com", "anna@-example.com",
			"anna@[192.0.2.1]", strings.Repeat("a", 65) + "@example.com", "anna@" + strings.Repeat("a", 64) + ".com", "an\xffna@example.com", "none",
		},
		"phone": {"", "0000000000", "06 12", "06 12 34 56 78 90 12 34", "call me", "01 23 45 67 89 ext. 5", "+999 123", "11 11 11 11 11"},
	}
	for kind, all := range tests {
		for _, text := range all {
			err := parsers()[kind](text)
			if !errors.Is(err, identifier.ErrIdentifier) {
				t.Errorf("%s %q: error %v, want ErrIdentifier", kind, text, err)
			} else if len(text) > 5 && strings.Contains(err.Error(), text) {
				t.Errorf("%s: the error repeats what was typed: %v", kind, err)
			}
		}
	}
}

func TestIdentifiersDoNotPrint(t *testing.T) {
	t.Parallel()
	e, err := identifier.ParseEmail("anna.seed@example.com")
	if err != nil {
		t.Fatal(err)
	}
	p, err := identifier.ParsePhone("06 12 34 56 78", "FR")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("seen", "email", e, "phone", p)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb, e, p)
		fmt.Fprintf(&out, verb, []any{e, &p})
	}
	j, err := json.Marshal(map[string]any{"email": e, "phone": p})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(j)
	for _, seed := range []string{"anna", "example", "612345678", fmt.Sprintf("%x", "anna.seed"), fmt.Sprintf("%x", "612345678")} {
		if strings.Contains(out.String(), seed) {
			t.Errorf("%q is told in %s", seed, out.String())
		}
	}
}

// What was brought into form stays as it is, and never panics on the way.
func FuzzIdentifiers(f *testing.F) {
	for _, s := range []string{"Jane.Saoirse+x@gmail.com", "anna@bücher.example", "+33 6 12 34 56 78", "9135 7200", "6D92078A-8246-4BA4-AE5B-76104861E7DC", "\xff@\u0130.com"} {
		f.Add(s, "FR")
	}
	f.Fuzz(func(t *testing.T, text, country string) {
		if e, err := identifier.ParseEmail(text); err == nil {
			for _, d := range identifier.Destinations() {
				again, err := identifier.ParseEmail(e.Reveal(d))
				if err == nil && again.Reveal(d) != e.Reveal(d) {
					t.Errorf("%s: the form of a form is another", d)
				}
			}
			_ = e.Key()
		}
		if p, err := identifier.ParsePhone(text, country); err == nil {
			again, err := identifier.ParsePhone(p.Reveal(), "")
			if err != nil || again.Reveal() != p.Reveal() {
				t.Errorf("a number in form is read as another: %v", err)
			}
		}
		for _, parse := range []func(string) (shopper.Key, error){identifier.Card, identifier.Account, identifier.Device} {
			key, err := parse(text)
			if err != nil {
				continue
			}
			if again, err := parse(key.Reveal()); err != nil || again != key {
				t.Errorf("a %s in form is another: %v", key.Kind(), err)
			}
		}
	})
}
