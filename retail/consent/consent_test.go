package consent_test

import (
	"errors"
	"testing"

	"endcap/retail/consent"
)

func TestAbsenceIsANo(t *testing.T) {
	t.Parallel()
	var nothing consent.Set
	for _, p := range consent.Purposes() {
		if nothing.Allows(p) {
			t.Errorf("nothing said allows %v", p)
		}
		if !consent.All.Allows(p) || consent.All.Without(p).Allows(p) || !nothing.With(p).Allows(p) || consent.Of(p) != nothing.With(p) {
			t.Errorf("%v is not given and taken singly", p)
		}
	}
	for _, p := range []consent.Purpose{consent.Purpose(len(consent.Purposes())), 8, 255} {
		if consent.Set(255).Allows(p) || nothing.With(p) != consent.None || consent.All.Without(p) != consent.All {
			t.Errorf("purpose %d, which does not exist, is allowed", p)
		}
	}
}

func TestEverySetReadsBackAsItWas(t *testing.T) {
	t.Parallel()
	for bits := range 1 << len(consent.Purposes()) {
		s := consent.Set(bits)
		got, err := consent.ParseSet(s.String())
		if err != nil || got != s {
			t.Errorf("%v reads back as %v, %v", s, got, err)
		}
	}
	if got, err := consent.ParseSet(""); err != nil || got != consent.None {
		t.Errorf("no text gives %v, %v", got, err)
	}
	if got := consent.Of(consent.PersonalAds, consent.PersonalOffers).String(); got != "personal_offers,personal_ads" {
		t.Errorf("got %s", got)
	}
	if got := consent.None.String(); got != "none" {
		t.Errorf("got %s", got)
	}
}

func TestWordsThatNameNoPurpose(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"all", "personal_ads,", ",", "PERSONAL_ADS", "personal_ads personal_offers", "none,pooling"} {
		if got, err := consent.ParseSet(s); !errors.Is(err, consent.ErrPurpose) || got != consent.None {
			t.Errorf("%q gives %v, %v", s, got, err)
		}
	}
	if got := consent.Purpose(77).String(); got != "purpose(77)" {
		t.Errorf("got %s", got)
	}
}
