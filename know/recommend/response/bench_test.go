package response_test

import (
	"testing"

	"endcap/know/recommend/response"
)

// One product at one place, as an auction asks.
func BenchmarkAnswer(b *testing.B) {
	l := learner(b, response.Defaults(), newSite(20).live(20_000))
	s := newSite(21)
	shown := make([]response.Showing, 512)
	for i := range shown {
		shown[i] = s.show()
	}
	now := l.Scorer()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := now.Answer(&shown[i%len(shown)]); err != nil {
			b.Fatal(err)
		}
	}
}

// One outcome, as the stream brings it.
func BenchmarkLearn(b *testing.B) {
	all := newSite(20).live(20_000)
	l := learner(b, response.Defaults(), nil)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := l.Learn(all[i%len(all) : i%len(all)+1]); err != nil {
			b.Fatal(err)
		}
	}
}

// The same for the next visitor of a page that is prepared.
func BenchmarkPrepared(b *testing.B) {
	l := learner(b, response.Defaults(), newSite(20).live(20_000))
	sh := newSite(21).show()
	p, err := l.Scorer().Prepare(&sh)
	if err != nil {
		b.Fatal(err)
	}
	r := response.Relation{Receipts: 3, Days: 9, CategoryReceipts: 12}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Answer(&r); err != nil {
			b.Fatal(err)
		}
	}
}
