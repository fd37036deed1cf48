package folder_test

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	pq "github.com/parquet-go/parquet-go"

	"endcap/simulate/folder"
)

// rows reads the Parquet files of a folder whose names have a beginning.
func rows[T any](t *testing.T, fs vfs.FS, dir, beginning string) []T {
	t.Helper()
	names, err := fs.List(dir)
	must(t, err)
	slices.Sort(names)
	var out []T
	for _, n := range names {
		if !strings.HasPrefix(n, beginning) {
			continue
		}
		f, err := fs.Open(fs.PathJoin(dir, n))
		must(t, err)
		text, err := io.ReadAll(f)
		must(t, err)
		must(t, f.Close())
		part, err := pq.Read[T](bytes.NewReader(text), int64(len(text)))
		must(t, err)
		out = append(out, part...)
	}
	return out
}

type key struct{ kind, key string }

// carried is every key that a system knows or a visit shows, and how often. Cards
// on receipts are those of the till desk.
func carried(t *testing.T, o *folder.Options) map[key]int {
	t.Helper()
	type known struct {
		Card    *int64  `parquet:"card,optional"`
		Account *int64  `parquet:"account,optional"`
		Email   *string `parquet:"email_sha256,optional"`
		Device  *string `parquet:"device,optional"`
	}
	type visit struct {
		Device string `parquet:"device"`
	}
	out := make(map[key]int)
	number := func(kind string, n *int64) {
		if n != nil {
			out[key{kind, strconv.FormatInt(*n, 10)}]++
		}
	}
	for _, r := range rows[known](t, o.FS, o.Dir, "shoppers.parquet") {
		number("card", r.Card)
		number("account", r.Account)
		if r.Email != nil {
			out[key{"email_sha256", *r.Email}]++
		}
		if r.Device != nil {
			out[key{"device", *r.Device}]++
		}
	}
	for _, v := range rows[visit](t, o.FS, o.Dir+"/visits", "week") {
		out[key{"device", v.Device}]++
	}
	return out
}

type link struct {
	Shopper int32  `parquet:"shopper"`
	Kind    string `parquet:"kind"`
	Key     string `parquet:"key"`
	Wrong   bool   `parquet:"wrong"`
}

// Whoever reads all files can find every link of the truth, and everything that
// they carry has one.
func TestTheTruthLinksTheKeysThatFilesCarryAndNoOther(t *testing.T) {
	t.Parallel()
	o := small(vfs.NewMem(), 2_000, 3)
	o.Scenario.CardShared, o.Scenario.EmailWrong, o.Scenario.Card, o.Scenario.Account = 0.3, 0.2, 0.6, 0.5
	write(t, o)
	found := carried(t, &o)
	links := rows[link](t, o.FS, o.Dir+"/truth/links", "week")
	linked := make(map[key]bool)
	for _, l := range links {
		k := key{l.Kind, l.Key}
		linked[k] = true
		if found[k] == 0 {
			t.Errorf("shopper %d: a %s that no file carries", l.Shopper, l.Kind)
		}
	}
	for k := range found {
		if !linked[k] {
			t.Errorf("a %s that nobody has", k.kind)
		}
	}
	for _, kind := range []string{"card", "account", "email_sha256", "device"} {
		if !slices.ContainsFunc(links, func(l link) bool { return l.Kind == kind }) {
			t.Errorf("no %s is anybody's", kind)
		}
	}
	if first := rows[link](t, o.FS, o.Dir+"/truth/links", "week-0000"); len(first) == len(links) {
		t.Error("no visit shows a second device")
	}
}

// Somebody else's card is wrong and her own is not, also where she would use her
// partner's and there is none. A misheard address is nobody else's.
func TestALinkIsWrongWhereTheKeyIsNotHers(t *testing.T) {
	t.Parallel()
	o := small(vfs.NewMem(), 2_000, 1)
	o.Scenario.CardShared, o.Scenario.EmailWrong, o.Scenario.Card = 0.3, 0.2, 0.6
	write(t, o)
	links := rows[link](t, o.FS, o.Dir+"/truth/links", "week-0000")
	owner := make(map[key]int32)
	wrong := make(map[string]int)
	for _, l := range links {
		if l.Wrong {
			wrong[l.Kind]++
			continue
		}
		k := key{l.Kind, l.Key}
		if other, taken := owner[k]; taken {
			t.Errorf("a %s is shopper %d's and shopper %d's", l.Kind, other, l.Shopper)
		}
		owner[k] = l.Shopper
	}
	for _, l := range links {
		other, owned := owner[key{l.Kind, l.Key}]
		switch {
		case l.Wrong && l.Kind == "card" && (!owned || other != l.Shopper^1):
			t.Errorf("shopper %d's card is said to be another's, and is not her partner's", l.Shopper)
		case l.Wrong && l.Kind == "email_sha256" && owned:
			t.Errorf("shopper %d's misheard address is shopper %d's", l.Shopper, other)
		}
	}
	if wrong["card"] < 100 || wrong["email_sha256"] < 100 || len(wrong) != 2 {
		t.Errorf("wrong links: %v", wrong)
	}
}

// What every shopper spent more by coupons, and every redemption, is in the truth.
func TestTheTruthSaysWhatEachCouponDid(t *testing.T) {
	t.Parallel()
	type redemption struct {
		Receipt  int64 `parquet:"receipt"`
		Campaign int32 `parquet:"campaign"`
		Coupon   int32 `parquet:"coupon"`
	}
	type moved struct {
		Receipt  int64  `parquet:"receipt"`
		Shopper  int32  `parquet:"shopper"`
		Campaign *int32 `parquet:"campaign,optional"`
		Coupon   *int32 `parquet:"coupon,optional"`
		Product  *int64 `parquet:"product,optional"`
		With     int32  `parquet:"with"`
		Without  int32  `parquet:"without"`
	}
	type line struct {
		Receipt int64 `parquet:"receipt"`
		Sales   int32 `parquet:"sales"`
	}
	spent := func(reach float64) (by map[int32]int64, extra map[int32]int64) {
		o := small(vfs.NewMem(), 1_500, 12)
		o.Scenario.CouponReach = reach
		write(t, o)
		whose := make(map[int64]int32)
		for _, r := range rows[struct {
			Receipt int64 `parquet:"receipt"`
			Shopper int32 `parquet:"shopper"`
		}](t, o.FS, o.Dir+"/truth/receipts", "week") {
			whose[r.Receipt] = r.Shopper
		}
		by, extra = make(map[int32]int64), make(map[int32]int64)
		for _, l := range rows[line](t, o.FS, o.Dir+"/receipts", "week") {
			by[whose[l.Receipt]] += int64(l.Sales)
		}
		redeemed := make(map[redemption]int)
		for _, r := range rows[redemption](t, o.FS, o.Dir+"/redemptions", "week") {
			redeemed[r]++
		}
		for _, m := range rows[moved](t, o.FS, o.Dir+"/truth/redemptions", "week") {
			extra[m.Shopper] += int64(m.With - m.Without)
			if m.Product != nil {
				redeemed[redemption{m.Receipt, *m.Campaign, *m.Coupon}]--
			}
		}
		for r, n := range redeemed {
			if n != 0 {
				t.Errorf("%+v is in one of redemptions and truth, and not in the other", r)
			}
		}
		if reach > 0 && len(redeemed) == 0 {
			t.Error("nobody redeemed")
		}
		return by, extra
	}
	with, extra := spent(2)
	without, none := spent(0)
	if len(none) > 0 || len(extra) == 0 {
		t.Errorf("%d shoppers are moved without coupons, %d with", len(none), len(extra))
	}
	for who, cents := range with {
		if cents-extra[who] != without[who] {
			t.Errorf("shopper %d spends %d cents and %d without coupons; the truth says %d more", who, cents, without[who], extra[who])
		}
	}
}
