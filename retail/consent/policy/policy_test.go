package policy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
)

const french = `{
  "country": "FR",
  "default": {"months": 12},
  "countries": {"FR": {"refusal_months": 9, "age_min": 15, "barred": ["pooling"]}, "ES": {"months": 24}},
  "tcf": {"vendor": 42, "default": {"needs": {"personal_ads": {"purposes": [1, 3, 4]}}, "months": 6}},
  "wordings_registered": true,
  "sensitive": {"wine": {"departments": ["WINE"]}, "health": {"departments": ["DRUG GM"], "categories": ["VITAMINS"]}}
}`

func TestAPolicyReadsAsItIsWritten(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse([]byte(french))
	if err != nil {
		t.Fatal(err)
	}
	for country, want := range map[string]policy.Country{
		"":   {Months: 12, RefusalMonths: 9, AgeMin: 15, Barred: consent.Of(consent.Pooling)}, // lives in France
		"FR": {Months: 12, RefusalMonths: 9, AgeMin: 15, Barred: consent.Of(consent.Pooling)},
		"ES": {Months: 24, RefusalMonths: 6, AgeMin: 16},
		"IT": {Months: 12, RefusalMonths: 6, AgeMin: 16},
	} {
		if diff := cmp.Diff(want, p.Law(country)); diff != "" {
			t.Errorf("%q:\n%s", country, diff)
		}
	}
	if p.Strings.Vendor != 42 || p.Strings.Default.MonthsMax != 6 || len(p.Strings.Default.Needs) != 1 || !p.Registered || p.MonthsMost() != 24 {
		t.Errorf("got %+v", p)
	}
}

func TestWhatAYesCountsFor(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse([]byte(french))
	if err != nil {
		t.Fatal(err)
	}
	ads, pool := consent.Of(consent.PersonalAds), consent.Of(consent.PersonalAds, consent.Pooling)
	tests := map[string]struct {
		country string
		age     policy.Age
		want    consent.Set
		why     map[consent.Purpose]string
	}{
		"a grown-up in Spain":               {"ES", policy.Age{Known: true, Years: 40}, pool, nil},
		"nobody said how old she is":        {"ES", policy.Age{}, pool, nil},
		"a purpose that France bars":        {"", policy.Age{}, ads, map[consent.Purpose]string{consent.Pooling: policy.NotAsked}},
		"fifteen in France":                 {"FR", policy.Age{Known: true, Years: 15}, ads, map[consent.Purpose]string{consent.Pooling: policy.NotAsked}},
		"fifteen in Spain":                  {"ES", policy.Age{Known: true, Years: 15}, 0, map[consent.Purpose]string{consent.Pooling: policy.UnderAge, consent.PersonalAds: policy.UnderAge}},
		"fifteen in Spain, with her mother": {"ES", policy.Age{Known: true, Years: 15, Guardian: true}, pool, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, why := p.Judge(pool, tt.country, tt.age)
			if got != tt.want {
				t.Errorf("counts for %v, want %v", got, tt.want)
			}
			if diff := cmp.Diff(tt.why, why); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhichProductsAreNobodysBusiness(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse([]byte(french))
	if err != nil {
		t.Fatal(err)
	}
	s := p.Shield()
	for want, product := range map[string]catalog.Product{
		"wine":   {ID: "1", Department: "WINE", Category: "RED"},
		"health": {ID: "2", Department: "DRUG GM", Category: "VITAMINS"},
		"":       {ID: "3", Department: "DRUG GM", Category: "CANDY"},
	} {
		if got := s.Group(&product); got != want || s.Hides(&product) != (want != "") {
			t.Errorf("product %s belongs to %q, want %q", product.ID, got, want)
		}
	}
	for _, set := range []catalog.Set{{Departments: []catalog.Department{"WINE"}}, {Categories: []catalog.Category{"CANDY", "VITAMINS"}}} {
		if s.Names(set) == "" {
			t.Errorf("%+v names no sensitive product", set)
		}
	}
	if got := s.Names(catalog.Set{Everything: true}); got != "" {
		t.Errorf("everything names %s", got)
	}
	if none := (*policy.Shield)(nil); none.Hides(&catalog.Product{ID: "1", Department: "WINE"}) {
		t.Error("no shield hides something")
	}
}

func TestAPolicyThatCannotBeKeptIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"default": {"months": 0}}`:                                "1 to 60 months",
		`{"default": {"months": 12, "month": 3}}`:                   "month",
		`{"countries": {"fr": {}}}`:                                 "two capital letters",
		`{"country": "France"}`:                                     "two capital letters",
		`{"countries": {"FR": {"age_min": 99}}}`:                    "99",
		`{"countries": {"FR": {"barred": ["adverts"]}}}`:            "unknown consent purpose",
		`{"tcf": {"default": {"legitimate_interest": [3]}}}`:        "legitimate interest",
		`{"tcf": {"default": {"months": 14}}}`:                      "14 months",
		`{"tcf": {"default": {"needs": {"personal_ads": {}}}}}`:     "by their numbers",
		`{"sensitive": {"all": {"everything": true}}}`:              "lists no products",
		`{"sensitive": {"none": {}}}`:                               "lists no products",
		`{} {}`:                                                     "behind its end",
		`{"tcf": {"default": {"needs": {"x": {"purposes": [1]}}}}}`: "unknown consent purpose",
		`{"default": {"refusal_months": 61}}`:                       "1 to 60 months",
		`{"sensitive": {"` + strings.Repeat("x", 65) + `": {}}}`:    "at most 64 bytes",
		`{"tcf": {"vendor": 70000}}`:                                "70000",
	} {
		if _, err := policy.Parse([]byte(text)); !errors.Is(err, policy.ErrPolicy) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ErrPolicy with %q", text, err, want)
		}
	}
	if err := policy.Defaults().Check(); err != nil {
		t.Error(err)
	}
}

func TestMonthsEndWithTheirMonth(t *testing.T) {
	t.Parallel()
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 9, 0, 0, 0, time.UTC) }
	for _, tt := range []struct {
		at     time.Time
		months int
		want   time.Time
	}{
		{day(2026, time.August, 31), 6, day(2027, time.February, 28)},
		{day(2027, time.August, 31), 6, day(2028, time.February, 29)},
		{day(2026, time.May, 4), 24, day(2028, time.May, 4)},
		{day(2024, time.February, 29), 12, day(2025, time.February, 28)},
	} {
		if got := policy.After(tt.at, tt.months); !got.Equal(tt.want) {
			t.Errorf("%d months after %v: %v, want %v", tt.months, tt.at, got, tt.want)
		}
	}
}

// Whatever can be read can be kept.
func FuzzParse(f *testing.F) {
	f.Add([]byte(french))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"tcf": {"countries": {"DE": {"purpose_one_free": true, "legitimate_interest": [7]}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := policy.Parse(text)
		if err != nil {
			if !errors.Is(err, policy.ErrPolicy) {
				t.Fatalf("%v", err)
			}
			return
		}
		if err := p.Check(); err != nil {
			t.Fatalf("parsed and refused: %v", err)
		}
		for _, country := range []string{"", "FR", p.Country} {
			law := p.Law(country)
			if law.Months > p.MonthsMost() {
				t.Fatalf("%s: %d months, at most %d", country, law.Months, p.MonthsMost())
			}
			if counts, why := p.Judge(consent.All, country, policy.Age{}); counts&law.Barred != 0 || len(why)+len(counts.Purposes()) != len(consent.Purposes()) {
				t.Fatalf("%s: %v counts, %v does not", country, counts, why)
			}
		}
	})
}
