package response_test

import (
	"math"
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
			0x482182, 0x73a3d2, 0x40be4d, 0x6992fd, 0xe1a315, 0x882422, 0x52111, 0x37d69b, 0xe60928, 0x1dcde4, 0x65013,
			0x390f1, 0x40e0de, 0x88bd85, 0x3c807e, 0x9e1f72, 0xe3e715, 0xaffb3e, 0x176003, 0xdb2851, 0xb6c0bd, 0xaa6aff,
			0x7b4477, 0x1cc50a, 0xabf970, 0x82a451, 0x2f2418, 0xd399d8, 0xdb2ec5, 0xea2572, 0x174e57, 0x991207,
		}},
		"unknown": {unknown, []uint32{
			0x482182, 0x73a3d2, 0x40be4d, 0x6992fd, 0xe1a315, 0x882422, 0x52111, 0x37d69b, 0xe60928, 0x1dcde4, 0x65013,
			0x390f1, 0x40e0de, 0x88bd85, 0x3c807e, 0x9e1f72, 0xe3e715, 0x8b4a56, 0x179585,
		}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: at %#v, want %#v", name, tt.got, tt.want)
		}
	}
}

// Features and their buckets are small numbers; were those not told apart, a price
// would share its weight with a popularity.
func TestFeaturesDoNotMeetWhereTheirBucketsAreAlike(t *testing.T) {
	t.Parallel()
	const dimBits = 24
	plain := response.Showing{Placement: "search", Position: 1, Product: "oats", Words: response.NotAsked, Within: response.NotAsked}
	begin, _ := response.Coordinates(&plain, dimBits)
	seen := make(map[uint32]string)
	for of, set := range map[string]func(sh *response.Showing, bucket float64){
		"price":      func(sh *response.Showing, bucket float64) { sh.Price = math.Exp2(bucket/2 - 4) },
		"popularity": func(sh *response.Showing, bucket float64) { sh.Popularity = math.Exp2(bucket/2 - 9) },
		"score":      func(sh *response.Showing, bucket float64) { sh.Score = math.Exp2(bucket/2 - 9) },
	} {
		for bucket := range 17 {
			sh := plain
			set(&sh, float64(bucket))
			at, value := response.Coordinates(&sh, dimBits)
			for i, a := range at {
				if value[i] != 1 || slices.Contains(begin, a) {
					continue
				}
				if other := seen[a]; other != "" && other != of {
					t.Errorf("%s and %s meet at %#x", of, other, a)
				}
				seen[a] = of
			}
		}
	}
	if len(seen) < 3*16 {
		t.Errorf("%d coordinates tell three features of 17 buckets apart", len(seen))
	}
}
