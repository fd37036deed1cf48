package tcf_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/retail/consent/tcf"
	"endcap/retail/consent/tcf/tcftest"
)

// decoded is what the reference decoder, @iabtechlabtcf/core 1.5.21, says of a
// string.
type decoded struct {
	Version, CMPID, CMPVersion, ConsentScreen, VendorListVersion, PolicyVersion int
	Created, LastUpdated                                                        time.Time
	ConsentLanguage, PublisherCountryCode                                       string
	IsServiceSpecific, UseNonStandardTexts, PurposeOneTreatment                 bool
	SpecialFeatureOptins, PurposeConsents, PurposeLegitimateInterests           []int
	VendorConsents, VendorLegitimateInterests, VendorsDisclosed                 []int
	PublisherConsents, PublisherLegitimateInterests                             []int
	PublisherCustomConsents, PublisherCustomLegitimateInterests                 []int
	NumCustomPurposes                                                           int
	PublisherRestrictions                                                       []restriction
}

type restriction struct {
	Purpose, Type int
	Vendors       []int
}

type vector struct {
	TC      string
	Decoded *decoded
	Error   string
	Invalid string `json:"invalid_per_go_gdpr"`
}

func vectors(t testing.TB, name string) []vector {
	t.Helper()
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) && strings.Contains(name, "shared") {
		t.Skip("no vectors beside the repository, in ../shared/data/tcf")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	for dec := json.NewDecoder(bufio.NewReader(z)); ; {
		var v vector
		switch err := dec.Decode(&v); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, v)
	}
}

const (
	published = "../../../../shared/data/tcf/tc_strings.jsonl.gz"
	generated = "testdata/iabtcf-core-1.5.21.jsonl.gz"
)

func members(v tcf.Vendors) []int {
	var out []int
	for _, r := range v.Ranges() {
		for n := int(r.First); n <= int(r.Last); n++ {
			out = append(out, n)
		}
	}
	return out
}

// told is c in the reference's words.
func told(c *tcf.Consent) *decoded {
	d := &decoded{
		Version: 2, CMPID: int(c.CMP), CMPVersion: int(c.CMPVersion), ConsentScreen: int(c.Screen),
		VendorListVersion: int(c.VendorListVersion), PolicyVersion: int(c.PolicyVersion),
		Created: c.Created, LastUpdated: c.LastUpdated, ConsentLanguage: c.Language, PublisherCountryCode: c.Country,
		IsServiceSpecific: c.ServiceSpecific, UseNonStandardTexts: c.NonStandardTexts, PurposeOneTreatment: c.PurposeOneUntold,
		SpecialFeatureOptins: c.SpecialFeatures.List(), PurposeConsents: c.Purposes.List(), PurposeLegitimateInterests: c.Interests.List(),
		VendorConsents: members(c.VendorConsents), VendorLegitimateInterests: members(c.VendorInterests),
	}
	if c.Disclosed != nil {
		d.VendorsDisclosed = members(*c.Disclosed)
	}
	if p := c.Publisher; p != nil {
		d.PublisherConsents, d.PublisherLegitimateInterests = p.Purposes.List(), p.Interests.List()
		d.NumCustomPurposes, d.PublisherCustomConsents, d.PublisherCustomLegitimateInterests = p.CustomCount, p.Custom.List(), p.CustomInterests.List()
	}
	for _, r := range c.Restrictions {
		d.PublisherRestrictions = append(d.PublisherRestrictions, restriction{r.Purpose, int(r.Kind), members(r.Vendors)})
	}
	return d
}

// sameSets makes empty lists nil and orders restrictions.
func sameSets() cmp.Options {
	return cmp.Options{
		cmp.Transformer("set", func(in []int) map[int]bool {
			out := map[int]bool{}
			for _, n := range in {
				out[n] = true
			}
			return out
		}),
		cmp.Transformer("restrictions", func(in []restriction) map[[2]int][]int {
			out := map[[2]int][]int{}
			for _, r := range in {
				out[[2]int{r.Purpose, r.Type}] = r.Vendors
			}
			return out
		}),
	}
}

func TestStringsReadAsTheReferenceReadsThem(t *testing.T) {
	t.Parallel()
	for _, name := range []string{published, generated} {
		t.Run(name[strings.LastIndex(name, "/")+1:], func(t *testing.T) {
			t.Parallel()
			read, refused := 0, 0
			for _, v := range vectors(t, name) {
				c, err := tcf.Parse(v.TC)
				if v.Decoded == nil || v.Decoded.Version != 2 {
					refused++
					if !errors.Is(err, tcf.ErrString) {
						t.Errorf("%s: error %v, want ErrString", v.TC, err)
					}
					continue
				}
				read++
				if err != nil {
					t.Errorf("%s: %v", v.TC, err)
					continue
				}
				want := *v.Decoded
				if strings.Count(v.TC, ".") == 0 {
					want.VendorsDisclosed = nil // the reference makes the segment up
				}
				if diff := cmp.Diff(&want, told(c), sameSets()); diff != "" {
					t.Errorf("%s:\n%s", v.TC, diff)
				}
				for _, form := range []tcftest.Form{tcftest.Shorter, tcftest.Bits, tcftest.Ranges} {
					again, err := tcf.Parse(tcftest.Encode(c, form))
					if err != nil {
						t.Fatalf("%s: written in form %d: %v", v.TC, form, err)
					}
					if diff := cmp.Diff(told(c), told(again), sameSets()); diff != "" {
						t.Errorf("%s: written in form %d and read:\n%s", v.TC, form, diff)
					}
				}
			}
			if read < 20 {
				t.Errorf("%d strings read, %d refused: the vectors are not those meant", read, refused)
			}
			t.Logf("%d strings read, %d refused", read, refused)
		})
	}
}

// whole is a string of TCF 2.3 with every segment.
func whole() *tcf.Consent {
	day := time.Date(2026, time.May, 4, 0, 0, 0, 0, time.UTC)
	all := tcf.NumbersOf(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
	disclosed := tcf.VendorsOf(tcf.Range{First: 1, Last: 900})
	return &tcf.Consent{
		Created: day, LastUpdated: day, CMP: 7, CMPVersion: 2, Screen: 1, Language: "FR", VendorListVersion: 150, PolicyVersion: 5,
		ServiceSpecific: true, Purposes: all, Interests: tcf.NumbersOf(2, 7, 8, 9, 10), Country: "FR",
		VendorConsents: tcf.VendorsOf(tcf.Range{First: 1, Last: 800}), VendorInterests: tcf.VendorsOf(tcf.Range{First: 1, Last: 50}),
		Disclosed: &disclosed, Publisher: &tcf.Publisher{Purposes: all, CustomCount: 2, Custom: tcf.NumbersOf(1, 2)},
	}
}

func TestGarbageIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	full := tcftest.Encode(whole(), tcftest.Shorter)
	parts := strings.Split(full, ".")
	tests := map[string]struct{ text, want string }{
		"nothing":                         {"", "Version"},
		"a dot":                           {".", "Version"},
		"a word":                          {"consent", "version"},
		"padding":                         {parts[0] + "=", "base64url"},
		"the other base64":                {strings.Replace(parts[0], parts[0][10:11], "+", 1), "base64url"},
		"a space":                         {parts[0] + " ", "base64url"},
		"an empty segment":                {full + ".", "SegmentType"},
		"a segment of nobody's":           {full + ".gAAA", "is 4"},
		"a core for a segment":            {parts[0] + "." + parts[0], "is 0"},
		"allowed vendors, which were 2.0": {parts[0] + ".QAAA", "is 2"},
		"vendors disclosed twice":         {full + "." + parts[1], "second time"},
		"the publisher twice":             {full + "." + parts[2], "second time"},
		"bits after the end":              {parts[0] + "B", "not zero"},
		"much after the end":              {parts[0] + strings.Repeat("A", 12), "followed by"},
		"far too long":                    {strings.Repeat("A", tcf.LengthMax+1), "at most"},
		"cut in the core":                 {parts[0][:30], "cut short"},
		"cut in a segment":                {parts[0] + "." + parts[1][:3], "cut short"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := tcf.Parse(tt.text)
			if !errors.Is(err, tcf.ErrString) || !strings.Contains(err.Error(), tt.want) || c != nil {
				t.Errorf("got %v, want ErrString with %q", err, tt.want)
			}
		})
	}
	if _, err := tcf.Parse(full); err != nil {
		t.Errorf("the string that was spoiled: %v", err)
	}
}

func TestSetsOfVendors(t *testing.T) {
	t.Parallel()
	v := tcf.VendorsOf(tcf.Range{First: 10, Last: 12}, tcf.Range{First: 0, Last: 2}, tcf.Range{First: 11, Last: 20}, tcf.Range{First: 21, Last: 21}, tcf.Range{First: 9, Last: 5}, tcf.Range{First: 65535, Last: 65535})
	if diff := cmp.Diff([]tcf.Range{{First: 1, Last: 2}, {First: 10, Last: 21}, {First: 65535, Last: 65535}}, v.Ranges()); diff != "" {
		t.Error(diff)
	}
	for id, want := range map[uint16]bool{0: false, 1: true, 2: true, 3: false, 9: false, 10: true, 21: true, 22: false, 65534: false, 65535: true} {
		if v.Has(id) != want {
			t.Errorf("Has(%d) = %v, want %v", id, !want, want)
		}
	}
}

// What is read can be written and is read the same; what cannot be read says so
// and gives nothing.
func FuzzParse(f *testing.F) {
	for _, v := range vectors(f, generated) {
		f.Add(v.TC)
	}
	f.Add(tcftest.Encode(whole(), tcftest.Bits))
	f.Add("CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAYgACPAAAAA.IDKQA4AAgAKAGQAygAAA.YAAAAAAAAAAA")
	f.Add("CONciguONcjGKADACHENAOCIAC0ta__AACiQABwAoABAACA")
	rules := []tcf.Rules{tcf.Defaults(0), tcf.Defaults(3)}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := tcf.Parse(text)
		if err != nil {
			if c != nil || !errors.Is(err, tcf.ErrString) {
				t.Fatalf("%v with %v", c, err)
			}
			return
		}
		again, err := tcf.Parse(tcftest.Encode(c, tcftest.Shorter))
		if errors.Is(err, tcf.ErrString) && len(text) > 16<<10 {
			return // what is read in one form may be too long in another
		}
		if err != nil {
			t.Fatalf("written and read: %v", err)
		}
		if diff := cmp.Diff(told(c), told(again), sameSets()); diff != "" {
			t.Fatalf("written and read:\n%s", diff)
		}
		for _, r := range rules {
			v := r.Read(c, "FR", c.LastUpdated)
			for p, why := range v.Refused {
				if v.Allowed.Allows(p) || why == "" {
					t.Fatalf("%v is both allowed and refused as %q", p, why)
				}
			}
		}
	})
}
