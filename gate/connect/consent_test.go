package connect_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pq "github.com/parquet-go/parquet-go"

	"endcap/gate/connect"
	"endcap/gate/connect/mapping"
	"endcap/know/ingest"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
	"endcap/retail/consent/tcf"
	"endcap/retail/consent/tcf/tcftest"
	"endcap/retail/shopper"
)

const crm = `{"name":"crm","zone":"Europe/Paris","currency":"EUR","feeds":{"consents":{"columns":{
	"card":"card","time":"said","allowed":{"column":"yes","optional":true},"refused":{"column":"no","optional":true},"tcf":{"column":"string","optional":true},
	"wording":{"column":"text","optional":true},"version":{"column":"edition","optional":true},"language":{"column":"tongue","optional":true},
	"channel":{"column":"where","optional":true,"words":{"S1":"store 1","WEB":"shop.example"}},"country":{"column":"land","optional":true},
	"age":{"column":"years","optional":true},"guardian":{"column":"parent","optional":true}}}}}`

// told is a row of a consent file.
type told struct {
	Card    string `json:"card" parquet:"card"`
	Said    string `json:"said" parquet:"said"`
	Yes     string `json:"yes,omitempty" parquet:"yes,optional"`
	No      string `json:"no,omitempty" parquet:"no,optional"`
	String  string `json:"string,omitempty" parquet:"string,optional"`
	Text    string `json:"text,omitempty" parquet:"text,optional"`
	Edition *int64 `json:"edition,omitempty" parquet:"edition,optional"`
	Tongue  string `json:"tongue,omitempty" parquet:"tongue,optional"`
	Where   string `json:"where,omitempty" parquet:"where,optional"`
	Land    string `json:"land,omitempty" parquet:"land,optional"`
	Years   *int64 `json:"years,omitempty" parquet:"years,optional"`
	Parent  *bool  `json:"parent,omitempty" parquet:"parent,optional"`
	outcome string // of the desk
	allowed string // afterwards
	refused string // afterwards
}

// everybody says what may be said in a file.
func everybody() []told {
	day := time.Date(2018, 1, 2, 0, 0, 0, 0, time.UTC)
	all := tcf.NumbersOf(1, 2, 5, 6, 7, 8, 9, 10)
	disclosed := tcf.VendorsOf(tcf.Range{First: 1, Last: 900})
	banner := tcftest.Encode(&tcf.Consent{
		Created: day, LastUpdated: day, CMP: 7, CMPVersion: 2, Screen: 1, Language: "FR", VendorListVersion: 150, PolicyVersion: 5,
		ServiceSpecific: true, Purposes: all, Country: "FR", VendorConsents: disclosed, Disclosed: &disclosed, Publisher: &tcf.Publisher{Purposes: all},
	}, tcftest.Shorter)
	const said = "2018-01-02 10:00:00"
	return []told{
		{
			Card: "ana", Said: said, Yes: "personal_offers,measurement", No: "personal_ads", Text: "club", Edition: new(int64(2)), Tongue: "fr", Where: "S1", Land: "FR", Years: new(int64(40)),
			allowed: "personal_offers,measurement", refused: "personal_ads",
		},
		{Card: "ben", Said: said, Yes: "personal_offers", Years: new(int64(14)), allowed: "none", refused: "none"},
		{Card: "cal", Said: said, Yes: "personal_offers", Years: new(int64(14)), Parent: new(true), allowed: "personal_offers", refused: "none"},
		{Card: "dan", Said: said, String: banner, Where: "WEB", allowed: "personal_offers,measurement", refused: "personal_ads"},
		{Card: "eve", Said: said, String: banner[:20] + "!", outcome: "bad_consent_string"},
		{Card: "fay", Said: said, outcome: "missing_value"},
		{Card: "gil", Said: said, Yes: "pooling", String: banner, outcome: "bad_value"},
		{Card: "hal", Said: said, Yes: "pooling", Text: "club", Edition: new(int64(7)), Tongue: "fr", outcome: "wording_unregistered"},
		{Card: "ivy", Said: said, Yes: "pooling", Years: new(int64(500)), outcome: "bad_value"},
		{Card: "joe", Said: said, Yes: "pooling", No: "cookies", outcome: "bad_value"},
		{Card: "kim", Said: said, Yes: "none", allowed: "none", refused: consent.All.String()},
		{Card: "leo", Said: said, No: "pooling", allowed: "none", refused: "pooling"},
		{Card: "mia", Said: said, Yes: "pooling", Where: "KIOSK", outcome: "bad_value"},
		{Card: "ned", Said: said, Yes: "pooling", Land: "France", outcome: "bad_value"},
	}
}

// consentFiles writes the same rows in every form.
func consentFiles(t *testing.T, all []told) map[string]string {
	t.Helper()
	var sheet, lines, columns bytes.Buffer
	w, enc := csv.NewWriter(&sheet), json.NewEncoder(&lines)
	_ = w.Write([]string{"card", "said", "yes", "no", "string", "text", "edition", "tongue", "where", "land", "years", "parent"})
	whole := func(n *int64) string {
		if n == nil {
			return ""
		}
		return strconv.FormatInt(*n, 10)
	}
	for i := range all {
		r, parent := &all[i], ""
		if r.Parent != nil {
			parent = fmt.Sprint(*r.Parent)
		}
		_ = w.Write([]string{r.Card, r.Said, r.Yes, r.No, r.String, r.Text, whole(r.Edition), r.Tongue, r.Where, r.Land, whole(r.Years), parent})
		if err := enc.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	if err := pq.Write(&columns, all); err != nil || w.Error() != nil {
		t.Fatal(err, w.Error())
	}
	return map[string]string{"c.csv": sheet.String(), "c.ndjson": lines.String(), "c.parquet": columns.String()}
}

func TestAFileOfConsentsSaysAllThatTheAPITakes(t *testing.T) {
	t.Parallel()
	all := everybody()
	ana := ingest.Consent{
		Allowed: consent.Of(consent.PersonalOffers, consent.Measurement), Refused: consent.Of(consent.PersonalAds),
		Wording: "club", Version: 2, Language: "fr", Channel: "store 1", Country: "FR", Age: policy.Age{Known: true, Years: 40},
		At: time.Date(2018, 1, 2, 9, 0, 0, 0, time.UTC),
	}
	for name, content := range consentFiles(t, all) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sink{}
			if _, err := connect.Load(t.Context(), connect.LoadOptions{File: write(t, name, content), Kind: mapping.Consents, Mapping: parse(t, crm), Desk: s, Clock: noon}); err != nil {
				t.Fatal(err)
			}
			got := s.consents[0]
			if len(got.Keys) != 1 || len(got.Raw) == 0 || got.Fault != nil {
				t.Errorf("%d keys, %d bytes raw, %v", len(got.Keys), len(got.Raw), got.Fault)
			}
			got.Keys, got.Raw, got.Line = nil, nil, 0
			if diff := cmp.Diff(ana, got, cmp.AllowUnexported(ingest.Consent{})); diff != "" {
				t.Error(diff)
			}
			if s.consents[3].TCF != all[3].String || s.consents[3].Age.Known || !s.consents[2].Age.Guardian {
				t.Errorf("string %.20q, age %+v, guardian %v", s.consents[3].TCF, s.consents[3].Age, s.consents[2].Age.Guardian)
			}
		})
	}
}

func TestWhatBecomesOfConsentsInAFile(t *testing.T) {
	t.Parallel()
	all := everybody()
	why := map[ingest.Reason]int64{}
	taken := int64(0)
	for i := range all {
		if all[i].outcome == "" {
			taken++
		} else {
			why[ingest.Reason(all[i].outcome)]++
		}
	}
	for name, content := range consentFiles(t, all) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desk := realDesk(t)
			if _, err := desk.PutWording(t.Context(), ingest.Wording{Name: "club", Version: 2, Language: "fr", Text: "Le club", By: "ana"}); err != nil {
				t.Fatal(err)
			}
			sum, err := connect.Load(t.Context(), connect.LoadOptions{File: write(t, name, content), Kind: mapping.Consents, Mapping: parse(t, crm), Desk: desk, Clock: noon})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(why, sum.Desk.QuarantinedByWhy); diff != "" || sum.Desk.New != taken {
				t.Errorf("%d new, want %d; refused: %s", sum.Desk.New, taken, diff)
			}
			if diff := cmp.Diff(map[string]int64{"under_age": 1, "purpose": 1, "not_asked": 2}, sum.Desk.Withheld); diff != "" {
				t.Errorf("withheld: %s", diff)
			}
			for i := range all {
				r := &all[i]
				if allowed, refused := standings(t, desk, r.Card); r.outcome == "" && (allowed.String() != r.allowed || refused.String() != r.refused) || r.outcome != "" && allowed|refused != consent.None {
					t.Errorf("%s: allows %v, refuses %v; want %s, %s", r.Card, allowed, refused, r.allowed, r.refused)
				}
			}
		})
	}
}

// standings is what a card's shopper allows and refuses now.
func standings(t *testing.T, desk *ingest.Desk, card string) (allowed, refused consent.Set) {
	t.Helper()
	key, err := shopper.ParseKey(shopper.Card, card)
	if err != nil {
		t.Fatal(err)
	}
	all, err := desk.Standing(t.Context(), []shopper.Key{key})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		switch s.State {
		case "allowed":
			allowed = allowed.With(s.Purpose)
		case "refused":
			refused = refused.With(s.Purpose)
		default:
		}
	}
	return allowed, refused
}
