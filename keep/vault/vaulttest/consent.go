package vaulttest

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"endcap/keep/vault"
	"endcap/retail/consent"
)

// full is a saying with everything there can be.
func full(who uint64, event string, at time.Time) vault.Said {
	s := said(id(who), event, consent.Of(consent.PersonalOffers), at)
	s.Refused, s.Version, s.Language, s.Text = consent.Of(consent.PersonalAds, consent.Pooling), 3, "fr-FR", sha256.Sum256([]byte("Oui ?"))
	s.Means, s.Channel, s.Country, s.Evidence, s.Note = "form", "shop.example/fr", "FR", strings.Repeat("A", vault.EvidenceTextMax), "under_age"
	s.Until, s.Received = at.AddDate(2, 0, 0), at.Add(time.Minute)
	return s
}

func testSayings(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	want := full(1, "e1", noon)
	say(t, s, want)
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	got, err := s.Sayings(t.Context(), id(1))
	if err != nil {
		t.Fatal(err)
	}
	want.Seq = 1
	same(t, "what she said", got, []vault.Said{want})
}

func testLapses(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	until := func(who uint64, event string, allowed consent.Set, months int) vault.Said {
		one := said(id(who), event, allowed, noon)
		one.Until = noon.AddDate(0, months, 0)
		return one
	}
	never := said(id(4), "e4", consent.All, noon)
	say(t, s, until(1, "e1", consent.All, 6), until(2, "e2", consent.All, 3), until(3, "e3", consent.None, 3), never, until(5, "e5", consent.All, 12))
	lapsing := func(months int, after int64, limit int) (events string, last int64) {
		t.Helper()
		got, err := s.Lapsing(t.Context(), noon.AddDate(0, months, 0), after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			events += got[i].EventID + " "
			last = got[i].Seq
		}
		return events, last
	}
	if got, _ := lapsing(2, 0, 10); got != "" {
		t.Errorf("after 2 months %q lapse", got)
	}
	first, at := lapsing(6, 0, 1)
	rest, _ := lapsing(6, at, 10)
	if first != "e1 " || rest != "e2 " {
		t.Errorf("after 6 months %q and then %q lapse, want e1 and e2, on its very instant, and no no", first, rest)
	}
	for _, months := range []int{6, 3} { // a mark does not go back
		if err := s.Lapsed(t.Context(), noon.AddDate(0, months, 0)); err != nil {
			t.Fatal(err)
		}
	}
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	if got, _ := lapsing(24, 0, 10); got != "e5 " {
		t.Errorf("after two years %q lapse, want e5 alone", got)
	}
}

func testWordings(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	word := func(name string, version int64, language, text string) vault.Wording {
		return vault.Wording{Name: name, Version: version, Language: language, Text: text, By: "ana", At: noon}
	}
	put := func(w vault.Wording, want bool, fault error) {
		t.Helper()
		if added, err := s.PutWording(t.Context(), w); added != want || !errors.Is(err, fault) {
			t.Errorf("%s %d %s: new %v, %v; want %v, %v", w.Name, w.Version, w.Language, added, err, want, fault)
		}
	}
	put(word("card", 1, "fr", "Oui ?"), true, nil)
	put(word("card", 1, "fr", "Oui ?"), false, nil)
	put(word("card", 1, "fr", "Oui !"), false, vault.ErrOtherText)
	put(word("card", 2, "fr", "Oui !"), true, nil)
	put(word("card", 1, "de", "Ja?"), true, nil)
	put(word("banner", 1, "fr", "Oui ?"), true, nil)
	put(word("card", 0, "fr", "x"), false, vault.ErrLimit)
	put(word("card", 3, "fr", strings.Repeat("x", vault.WordingMax+1)), false, vault.ErrLimit)
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	got, err := s.Wording(t.Context(), "card", 1, "fr")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a wording", got, word("card", 1, "fr", "Oui ?"))
	if _, err := s.Wording(t.Context(), "card", 1, "it"); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("a wording that nobody registered: %v", err)
	}
	var names []string
	for after := (vault.Wording{}); ; {
		page, err := s.Wordings(t.Context(), after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for i := range page {
			names = append(names, page[i].Name+" "+page[i].Language+" "+page[i].Text)
		}
		after = page[len(page)-1]
	}
	same(t, "all wordings", names, []string{"banner fr Oui ?", "card de Ja?", "card fr Oui ?", "card fr Oui !"})
}

func testChain(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.PutWording(t.Context(), vault.Wording{Name: "w1", Version: 3, Language: "fr-FR", Text: "Oui ?", By: "ana", At: noon}); err != nil {
		t.Fatal(err)
	}
	say(t, s, full(1, "e1", noon), full(2, "e2", noon), full(1, "e3", noon.Add(-time.Hour)))
	say(t, s, full(1, "e1", noon), full(3, "e4", noon))
	checked := func(want vault.Links) vault.Links {
		t.Helper()
		got, err := s.CheckConsents(t.Context())
		if err != nil {
			t.Errorf("check: %v", err)
		}
		if quick, err := s.Links(t.Context()); err != nil || quick != got {
			t.Errorf("links %+v, checked %+v, %v", quick, got, err)
		}
		head := got.Head
		got.Head = [32]byte{}
		same(t, "the chain", got, want)
		got.Head = head
		return got
	}
	before := checked(vault.Links{Count: 4, Seq: 4})
	proofs, err := s.Proofs(t.Context(), id(1))
	if err != nil || len(proofs) != 2 {
		t.Fatalf("%d proofs, %v; want 2", len(proofs), err)
	}
	for i, p := range proofs {
		if want := []int64{1, 3}[i]; p.Said.Seq != want {
			t.Errorf("proof %d is of %d, want %d: they come in the order of recording", i, p.Said.Seq, want)
		}
		if digest := vault.Digest(p.Salt, p.Record); digest != p.Digest || vault.Chain(p.Before, p.Said.Seq, p.Digest) != p.Chain {
			t.Errorf("proof %d does not hold", i)
		}
	}
	if proofs[0].Before != [32]byte{} || proofs[1].Chain == before.Head {
		t.Error("the chain does not begin with nothing, or ends too early")
	}
	if err := s.Forget(t.Context(), id(1), id(3)); err != nil {
		t.Fatal(err)
	}
	s = again(t, open, s, dir)
	defer func() { _ = s.Close() }()
	after := checked(vault.Links{Count: 4, Forgotten: 3, Seq: 4})
	if after.Head != before.Head {
		t.Error("forgetting changed the chain")
	}
	if left, err := s.Proofs(t.Context(), id(1)); err != nil || len(left) != 0 {
		t.Errorf("%d proofs of somebody who is forgotten, %v", len(left), err)
	}
	say(t, s, full(2, "e9", noon))
	if next := checked(vault.Links{Count: 5, Forgotten: 3, Seq: 5}); next.Head == before.Head {
		t.Error("a new consent did not move the chain on")
	}
}
