package response_test

import (
	"slices"
	"testing"

	"endcap/know/recommend/response"
	"endcap/retail/catalog"
)

// Where a showing stands is part of what a kept model means: were it worked out
// otherwise, a model would answer with the weights of other products.
func TestAShowingStandsWhereItAlwaysStood(t *testing.T) {
	t.Parallel()
	sh := response.Showing{
		Placement: "search", Position: 3, Channel: catalog.Online, Hour: 17,
		Product: "oats", Brand: "Mill", Category: "cereals", Advertiser: "mill", LineItem: "li-1",
		Words: 0.5, Within: 1, Price: 1.25, Cut: 0.2, Mailer: true, Popularity: 0.01, Score: 3,
		Relation: &response.Relation{Receipts: 7, Days: 20, BrandReceipts: 9, CategoryReceipts: 30, CategoryProducts: 5, CategoryRegulars: 2, Shown: 12, Clicked: 1},
	}
	known, _ := response.Coordinates(&sh, 24)
	sh.Relation = nil
	unknown, _ := response.Coordinates(&sh, 24)
	for name, tt := range map[string]struct{ got, want []uint32 }{
		"known": {known, []uint32{
			0xe220a8, 0xeaa113, 0x35f8a9, 0x80e673, 0xd659cb, 0xaf0769, 0x5da833, 0x23c86c, 0x44131c, 0x0, 0xba76ba,
			0x85098c, 0x24250c, 0x32343f, 0x694fc7, 0x84bb3f, 0x7d2982, 0xd0e54e, 0x7027a8, 0x1325e8, 0xd4edfa, 0xcd6935,
			0xb518, 0xcad1a2, 0x2148e5, 0xd1240a, 0x6c69a2, 0xd21f8b, 0x90078c, 0xb983d7, 0xc7de8, 0x5582d,
		}},
		"unknown": {unknown, []uint32{
			0xe220a8, 0xeaa113, 0x35f8a9, 0x80e673, 0xd659cb, 0xaf0769, 0x5da833, 0x23c86c, 0x44131c, 0x0, 0xba76ba,
			0x85098c, 0x24250c, 0x32343f, 0x694fc7, 0x84bb3f, 0x7d2982, 0x9a192c, 0xbf0990,
		}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: at %#v, want %#v", name, tt.got, tt.want)
		}
	}
}
