package access_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"endcap/gate/access"
	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/keep/sql/sqlite"
	"endcap/retail"
	"endcap/retail/media"
)

// desk is a Keeper over a book of its own, with a clock that is moved by hand.
type desk struct {
	*access.Keeper
	book *sqlite.Book
	dir  string
	mu   sync.Mutex
	now  time.Time
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *desk) pass(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

func open(t *testing.T) *desk {
	t.Helper()
	d := &desk{now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), dir: t.TempDir()}
	var err error
	if d.book, err = sqlite.OpenBook(t.Context(), sqlite.Options{Path: filepath.Join(d.dir, "book.db"), Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.book.Close(); err != nil {
			t.Error(err)
		}
	})
	d.Keeper = access.New(d.book, d.book, d.clock)
	return d
}

func (d *desk) make(t *testing.T, spec access.Spec) (access.Known, string) {
	t.Helper()
	if id := string(spec.Advertiser); id != "" {
		row := registry.Row{Kind: registry.Advertiser, ID: id, Version: 1, Doc: []byte(`{}`), By: "operator", At: d.clock()}
		if _, err := d.book.Commit(t.Context(), ledger.Deed{Key: "advertiser/" + id, Rows: []registry.Row{row}, At: d.clock()}); err != nil {
			t.Fatal(err)
		}
	}
	known, secret, err := d.Create(t.Context(), "operator", spec)
	if err != nil {
		t.Fatal(err)
	}
	return known, secret
}

var shopKey = access.Spec{Name: "web shop", Scopes: []access.Scope{access.Decide}, Rate: 50}

func TestAKeyNamesItsHolderAndNobodyElse(t *testing.T) {
	t.Parallel()
	d := open(t)
	known, secret := d.make(t, shopKey)
	who, err := d.Authenticate(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	if who.Key != known.ID || who.Name != "web shop" || who.Rate != 50 || !who.May(access.Decide) || who.May(access.Admin) || !who.Retailer() {
		t.Errorf("the key opens %+v", who)
	}
	_, other := d.make(t, shopKey)
	parts, others := strings.Split(secret, "_"), strings.Split(other, "_")
	for name, text := range map[string]string{
		"nothing": "", "a word": "secret", "another prefix": "xx_" + parts[1] + "_" + parts[2], "no secret": "ec_" + parts[1] + "_",
		"another's secret": "ec_" + parts[1] + "_" + others[2], "an unknown id": "ec_aaaaaaaaaaaaaaaa_" + parts[2],
		"one letter changed": secret[:len(secret)-1] + string(rune('a'+(secret[len(secret)-1]-'a'+1)%26)), "upper case": strings.ToUpper(secret),
		"more behind": secret + "_x", "very long": strings.Repeat("x_", 1<<16),
	} {
		if _, err := d.Authenticate(t.Context(), text); !errors.Is(err, access.ErrUnknown) {
			t.Errorf("%s: %v, want ErrUnknown", name, err)
		}
	}
}

func TestTheSecretIsNowhereOnDisk(t *testing.T) {
	t.Parallel()
	d := open(t)
	known, secret := d.make(t, shopKey)
	row, err := d.book.Get(t.Context(), registry.Key, known.ID)
	if err != nil {
		t.Fatal(err)
	}
	hidden := []byte(strings.Split(secret, "_")[2])
	if bytes.Contains(row.Doc, hidden) {
		t.Error("the registry holds the secret")
	}
	files, err := filepath.Glob(filepath.Join(d.dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, hidden) {
			t.Errorf("%s holds the secret", filepath.Base(f))
		}
	}
	if list, err := d.List(t.Context(), "", 10); err != nil || len(list) != 1 || list[0].ID != known.ID || list[0].Name != "web shop" {
		t.Errorf("the list says %+v, %v", list, err)
	}
}

func TestARevokedKeyDiesAtOnceHereAndWithinTenSecondsElsewhere(t *testing.T) {
	t.Parallel()
	d := open(t)
	known, secret := d.make(t, shopKey)
	elsewhere := access.New(d.book, d.book, d.clock)
	for _, k := range []*access.Keeper{d.Keeper, elsewhere} {
		if _, err := k.Authenticate(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Revoke(t.Context(), "operator", known.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Authenticate(t.Context(), secret); !errors.Is(err, access.ErrUnknown) {
		t.Errorf("here, at once: %v", err)
	}
	d.pass(9 * time.Second)
	if _, err := elsewhere.Authenticate(t.Context(), secret); err != nil {
		t.Errorf("elsewhere, before its cache ends: %v", err)
	}
	d.pass(time.Second)
	if _, err := elsewhere.Authenticate(t.Context(), secret); !errors.Is(err, access.ErrUnknown) {
		t.Errorf("elsewhere, after ten seconds: %v", err)
	}
	for _, id := range []string{known.ID, "never-was"} {
		if err := d.Revoke(t.Context(), "operator", id); retail.KindOf(err) != retail.NotFound {
			t.Errorf("revoke %s again: %v", id, err)
		}
	}
	versions, err := d.book.Versions(t.Context(), registry.Key, known.ID)
	if err != nil || len(versions) != 2 || !versions[1].Removed || versions[1].By != "operator" {
		t.Errorf("the audit holds %d versions, %v", len(versions), err)
	}
}

func TestAFailedLookUpIsNotRemembered(t *testing.T) {
	t.Parallel()
	d := open(t)
	known, secret := d.make(t, shopKey)
	wrong := "ec_" + known.ID + "_wrong"
	for range 3 {
		if _, err := d.Authenticate(t.Context(), wrong); !errors.Is(err, access.ErrUnknown) {
			t.Fatal(err)
		}
	}
	if _, err := d.Authenticate(t.Context(), secret); err != nil {
		t.Error(err)
	}
}

func TestWhichKeysCannotBeMade(t *testing.T) {
	t.Parallel()
	d := open(t)
	tests := map[string]struct {
		spec  access.Spec
		field string
	}{
		"no name":                         {access.Spec{Scopes: []access.Scope{access.Decide}}, "name"},
		"a long name":                     {access.Spec{Name: strings.Repeat("x", 201), Scopes: []access.Scope{access.Decide}}, "name"},
		"a name that is no text":          {access.Spec{Name: "\xff", Scopes: []access.Scope{access.Decide}}, "name"},
		"no scope":                        {access.Spec{Name: "x"}, "scopes"},
		"an unknown scope":                {access.Spec{Name: "x", Scopes: []access.Scope{"root"}}, "scopes"},
		"a rate below zero":               {access.Spec{Name: "x", Scopes: []access.Scope{access.Decide}, Rate: -1}, "rate"},
		"an advertiser that is no id":     {access.Spec{Name: "x", Scopes: []access.Scope{access.Trade}, Advertiser: "a b"}, "advertiser"},
		"an advertiser nobody made":       {access.Spec{Name: "x", Scopes: []access.Scope{access.Trade}, Advertiser: "nobody"}, "advertiser"},
		"an advertiser who may analyse":   {access.Spec{Name: "x", Scopes: []access.Scope{access.Trade, access.Analyse}, Advertiser: "oatly"}, "scopes"},
		"an advertiser who may decide":    {access.Spec{Name: "x", Scopes: []access.Scope{access.Decide}, Advertiser: "oatly"}, "scopes"},
		"an advertiser who is an admin":   {access.Spec{Name: "x", Scopes: []access.Scope{access.Admin}, Advertiser: "oatly"}, "scopes"},
		"an advertiser who sends feeds":   {access.Spec{Name: "x", Scopes: []access.Scope{access.Feeds}, Advertiser: "oatly"}, "scopes"},
		"an advertiser with a till's key": {access.Spec{Name: "x", Scopes: []access.Scope{access.Receipts}, Advertiser: "oatly"}, "scopes"},
	}
	for name, test := range tests {
		_, secret, err := d.Create(t.Context(), "operator", test.spec)
		e, ok := errors.AsType[*retail.Error](err)
		if !ok || e.Kind != retail.Invalid || e.Field != test.field || secret != "" {
			t.Errorf("%s: %v, want %s refused", name, err, test.field)
		}
	}
	if list, err := d.List(t.Context(), "", 10); err != nil || len(list) != 0 {
		t.Errorf("%d keys were made, %v", len(list), err)
	}
}

func TestAnAdvertisersKeySeesItsOwn(t *testing.T) {
	t.Parallel()
	d := open(t)
	_, secret := d.make(t, access.Spec{Name: "Oatly", Scopes: []access.Scope{access.Trade, access.Reports}, Advertiser: "oatly"})
	who, err := d.Authenticate(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	if who.Retailer() || !who.Sees("oatly") || who.Sees("milka") || who.Sees("") {
		t.Errorf("%+v sees what it should not, or not what it should", who)
	}
	operator := access.Operator()
	if !operator.Retailer() || !operator.Sees("milka") || !operator.Sees(media.AdvertiserID("")) {
		t.Error("the operator does not see everything")
	}
	for _, s := range access.Scopes() {
		if !operator.May(s) {
			t.Errorf("the operator lacks %s", s)
		}
		if who.May(s) != (s == access.Trade || s == access.Reports) {
			t.Errorf("an advertiser's key and %s", s)
		}
	}
}

func TestKeysAreListedInPages(t *testing.T) {
	t.Parallel()
	d := open(t)
	made := make(map[string]bool)
	for range 7 {
		known, _ := d.make(t, shopKey)
		made[known.ID] = true
	}
	after := ""
	for page := 0; ; page++ {
		list, err := d.List(t.Context(), after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range list {
			if !made[k.ID] || k.ID <= after {
				t.Errorf("page %d holds %s again or out of order", page, k.ID)
			}
			delete(made, k.ID)
			after = k.ID
		}
		if len(list) < 3 {
			break
		}
	}
	if len(made) != 0 {
		t.Errorf("%d keys are on no page", len(made))
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	known, secret := d.make(t, shopKey)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 50 {
				if who, err := d.Authenticate(t.Context(), secret); err != nil || who.Key != known.ID {
					t.Errorf("%v, %v", who, err)
					return
				}
				d.pass(time.Second)
			}
		})
	}
	callers.Wait()
}

// A shop changes over to its new secret while the old one still opens, until the
// time that was stated.
func TestAKeyIsRotatedWithoutDowntime(t *testing.T) {
	t.Parallel()
	d := open(t)
	known, old := d.make(t, shopKey)
	made := known.Created
	opens := func(what, text string, want bool) {
		t.Helper()
		who, err := d.Authenticate(t.Context(), text)
		if (err == nil) != want || want && who.Key != known.ID || err != nil && !errors.Is(err, access.ErrUnknown) {
			t.Errorf("%s: %+v, %v; want it opened %t", what, who, err, want)
		}
	}
	opens("before", old, true)
	d.pass(time.Hour)
	rotated, fresh, err := d.Rotate(t.Context(), "ana", known.ID, 24*time.Hour)
	if err != nil || rotated.ID != known.ID || rotated.Version != 2 || !rotated.Created.Equal(made) || rotated.OldUntil == nil || !rotated.OldUntil.Equal(d.clock().Add(24*time.Hour)) || fresh == old {
		t.Fatalf("rotated to %+v, %v", rotated, err)
	}
	opens("the new secret", fresh, true)
	opens("the old secret meanwhile", old, true)
	d.pass(24*time.Hour - time.Second)
	opens("the old secret at its end", old, true) // and kept by the cache no longer than its time
	d.pass(time.Second)
	opens("the old secret after it", old, false)
	opens("the new secret after it", fresh, true)
	all, err := d.List(t.Context(), "", 10)
	if err != nil || len(all) != 1 || all[0].OldUntil != nil || !all[0].Created.Equal(made) {
		t.Errorf("it is listed as %+v, %v", all, err)
	}

	_, third, err := d.Rotate(t.Context(), "ana", known.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	_, fourth, err := d.Rotate(t.Context(), "ana", known.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	opens("a secret that was ended at once", third, false)
	opens("the one before it", fresh, false)
	opens("the newest", fourth, true)
	if err := d.Revoke(t.Context(), "ana", known.ID); err != nil {
		t.Fatal(err)
	}
	opens("a revoked key", fourth, false)
	if _, _, err := d.Rotate(t.Context(), "ana", known.ID, 0); retail.KindOf(err) != retail.NotFound {
		t.Errorf("a revoked key was rotated: %v", err)
	}
	for _, overlap := range []time.Duration{-time.Hour, access.OverlapMax + 1} {
		if _, _, err := d.Rotate(t.Context(), "ana", known.ID, overlap); retail.KindOf(err) != retail.Invalid {
			t.Errorf("an overlap of %v: %v", overlap, err)
		}
	}
}
