package media_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"endcap/retail/media"
)

func TestWhichIdentifiersCanBe(t *testing.T) {
	t.Parallel()
	for id, ok := range map[string]bool{
		"dairy-co": true, "A.b_c-9": true, strings.Repeat("x", media.IDMax): true,
		"": false, strings.Repeat("x", media.IDMax+1): false, "dairy co": false, "é": false, "a/b": false, "a\n": false, "../x": false,
	} {
		if err := media.CheckID(id); (err == nil) != ok || err != nil && !errors.Is(err, media.ErrTerms) {
			t.Errorf("%q gives %v", id, err)
		}
	}
}

func TestADecisionsIDReadsBackAsItWas(t *testing.T) {
	t.Parallel()
	want := media.DecisionID{0, 1, 0xab, 15: 0xff}
	if got, err := media.ParseDecisionID(want.String()); err != nil || got != want {
		t.Errorf("%v reads back as %v, %v", want, got, err)
	}
	var doc struct{ ID media.DecisionID }
	doc.ID = want
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	doc.ID = media.DecisionID{}
	if err := json.Unmarshal(b, &doc); err != nil || doc.ID != want {
		t.Errorf("%s reads back as %v, %v", b, doc.ID, err)
	}
	for _, s := range []string{"", "00", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("x", 32), " " + want.String()[1:]} {
		if got, err := media.ParseDecisionID(s); !errors.Is(err, media.ErrDecisionID) || got != (media.DecisionID{}) {
			t.Errorf("%q gives %v, %v", s, got, err)
		}
	}
}
