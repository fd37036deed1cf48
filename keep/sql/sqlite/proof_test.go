package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"endcap/keep/vault"
	"endcap/retail/consent"
	"endcap/retail/shopper"
)

// consented is a vault in which three shoppers said something, and one of them
// was forgotten.
func consented(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	v := openVault(t, dir)
	at := time.Date(2026, time.May, 4, 9, 0, 0, 0, time.UTC)
	text := vault.Wording{Name: "card", Version: 1, Language: "fr", Text: "Oui ?", By: "ana", At: at}
	if _, err := v.PutWording(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	var said []vault.Said
	for n := range uint64(3) {
		said = append(said, vault.Said{
			Shopper: shopper.FromUint64(n + 1), Allowed: consent.All, Wording: "card", Version: 1, Language: "fr", Text: text.Sum(),
			Source: "api", At: at, EventID: string(rune('a' + n)),
		})
	}
	if err := v.Say(t.Context(), said); err != nil {
		t.Fatal(err)
	}
	if err := v.Forget(t.Context(), shopper.FromUint64(2)); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Whoever has the file can change it, but not without being told of.
func TestAChangedConsentIsFound(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ sql, want string }{
		"untouched":               {`select 1`, ""},
		"a no made a yes":         {`update saying set allowed = 3 where seq = 1`, "consent 1 is not as it was recorded"},
		"another text":            {`update saying set wording = 'other' where seq = 3`, "consent 3 is not as it was recorded"},
		"said by somebody else":   {`update saying set shopper = 9 where seq = 3`, "consent 3 is not as it was recorded"},
		"dated back":              {`update saying set at = at - 1 where seq = 3`, "consent 3 is not as it was recorded"},
		"one removed":             {`delete from saying where seq = 1`, "consent 1 was removed"},
		"the newest removed":      {`delete from saying where seq = 3`, "consent 3 was removed"},
		"a link removed":          {`delete from link where seq = 2`, "the chain of consents breaks at 3"},
		"one and its link":        {`delete from saying where seq = 1; delete from link where seq = 1`, "the chain of consents breaks at 2"},
		"one added":               {`insert into saying (seq, shopper, event, allowed, wording, source, at, salt) values (7, 7, 'x', 31, '', '', 1, x'00')`, "consent 7 was added"},
		"one made to look old":    {`insert into saying (seq, shopper, event, allowed, wording, source, at) values (7, 7, 'x', 31, '', '', 1)`, "consent 7 was added"},
		"a digest made to fit":    {`update link set digest = zeroblob(32) where seq = 2`, "the chain of consents breaks at 2"},
		"called forgotten":        {`update link set gone = 1 where seq = 1`, "consent 1 is said to be forgotten"},
		"another text registered": {`update wording set body = 'Non ?'`, "is not the one that was registered"},
		"and its hash with it":    {`delete from wording`, "no longer what she was shown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := consented(t)
			for sql := range strings.SplitSeq(tt.sql, ";") {
				raw(t, filepath.Join(dir, "vault.db"), sql)
			}
			v := openVault(t, dir)
			defer func() { _ = v.Close() }()
			switch l, err := v.CheckConsents(t.Context()); {
			case tt.want == "" && (err != nil || l.Count != 3 || l.Forgotten != 1):
				t.Errorf("%+v, %v", l, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Consents that a program without the chain recorded are given their places when
// the vault is opened, and nothing else about them changes.
func TestConsentsOfAnOlderProgramJoinTheChain(t *testing.T) {
	t.Parallel()
	dir := consented(t)
	for _, sql := range []string{`update saying set salt = ''`, `update saying set salt = x'' where seq = 1`, `delete from link`, `delete from mark where name = 'adopted'`} {
		raw(t, filepath.Join(dir, "vault.db"), sql)
	}
	v := openVault(t, dir)
	defer func() { _ = v.Close() }()
	l, err := v.CheckConsents(t.Context())
	if err != nil || l.Count != 2 || l.Seq != 3 {
		t.Fatalf("%+v, %v; want 2 consents up to 3", l, err)
	}
	got, err := v.Sayings(t.Context(), shopper.FromUint64(3))
	if err != nil || len(got) != 1 || got[0].Allowed != consent.All || got[0].EventID != "c" {
		t.Errorf("%d sayings, %v", len(got), err)
	}
}
