package training_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"endcap/keep/files/dirfiles"
	"endcap/know/recommend/training"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

func shield() *policy.Shield {
	return (&policy.Policy{Sensitive: []policy.Group{{Name: "health", Set: catalog.Set{Products: []catalog.ProductID{productOf(1)}}}}}).Shield()
}

func bytesOf(id shopper.ID) []byte { return binary.LittleEndian.AppendUint64(nil, id.Reveal()) }

// The first version serves because it answers better than counting; who allows no
// offers is not in it, and what is sensitive or never proposed has no number.
func TestATrainingServesWhatAnswersBetterThanCounting(t *testing.T) {
	t.Parallel()
	h := open(t, town(townShoppers, never))
	out := h.train()
	if out.Published != 1 || out.Why != "" || out.AgainstUsual.Mean <= 2*out.AgainstUsual.Error || out.Cases < 60 {
		t.Fatalf("outcome %+v", out)
	}
	if c := out.Model.Calibration(); math.Abs(c-1) > 0.25 {
		t.Errorf("observed ÷ predicted %.3f", c)
	}
	s := h.keeper.Now()
	if s == nil || s.Number != 1 || s.Days() != 98 || s.Through != today || s.Model.Members() != townShoppers-1 || s.Members != townShoppers-1 {
		t.Fatalf("served %+v", s)
	}
	if slices.Contains(s.Model.Keys(), idOf(townShoppers-1).Reveal()) {
		t.Error("who allows no offers stands in the crowd")
	}
	for _, p := range []int{0, 1} {
		if _, ok := s.Model.Number(productOf(p).Hash()); ok {
			t.Errorf("product %d has a number", p)
		}
	}
	if _, ok := s.Model.Number(productOf(2).Hash()); !ok {
		t.Error("an ordinary product has no number")
	}
	e, err := h.trainer().Evaluate(t.Context(), training.Order{Through: today})
	if err != nil || len(e.Versions) != 1 || !e.Versions[0].Serving || e.Versions[0].Against.Mean <= 0 || e.Cases != out.Cases {
		t.Fatalf("evaluation %+v, %v", e, err)
	}
	if got, want := e.Versions[0].Figures, out.Model; math.Abs(got.Recall-want.Recall) > 1e-9 || e.Usual != out.Usual {
		t.Errorf("on the same week the same trees answer %+v, and %+v when they were judged", got, want)
	}
	if w := h.keeper.Register().Watch; w == nil || w.Version != 1 || math.Abs(w.Drift-1) > 1e-9 || w.Shift > 0.05 {
		t.Errorf("watch %+v", w)
	}
	again := training.NewKeeper(h.files, h.allow) // after a restart
	if err := again.Refresh(t.Context()); err != nil || again.Now() == nil || again.Now().Number != 1 {
		t.Errorf("after a restart: %+v, %v", again.Now(), err)
	}
}

// What shoppers did for months does not hold in the last week: counting answers it
// better, and nothing is published.
func TestWhatAnswersWorseThanCountingIsNotPublished(t *testing.T) {
	t.Parallel()
	h := open(t, town(townShoppers, lastWeek))
	out := h.train()
	if out.Published != 0 || out.Why != training.WorseUsual || out.AgainstUsual.Mean >= 0 {
		t.Errorf("outcome %+v", out)
	}
	if h.keeper.Now() != nil || h.keeper.Register().Outcome.Why != training.WorseUsual {
		t.Errorf("served %+v, noted %+v", h.keeper.Now(), h.keeper.Register().Outcome)
	}
}

// Version 1 learnt how shoppers go round. What is learnt later from weeks that began
// with what they bought last answers a week in which they go round worse: version 1
// serves on.
func TestWhatAnswersWorseThanTheServedIsNotPublished(t *testing.T) {
	t.Parallel()
	h := open(t, town(townShoppers, never))
	if out := h.train(); out.Published != 1 {
		t.Fatalf("outcome %+v", out)
	}
	h.past = pastOf(t, town(townShoppers, mondays))
	out := h.train()
	if out.Published != 0 || out.Why == "" || out.AgainstServed.Mean+2*out.AgainstServed.Error >= 0 {
		t.Errorf("outcome %+v", out)
	}
	if s := h.keeper.Now(); s == nil || s.Number != 1 {
		t.Errorf("served %+v", s)
	}
}

func TestWhenAModelIsWorse(t *testing.T) {
	t.Parallel()
	d := func(mean, err float64) training.Difference { return training.Difference{Mean: mean, Error: err} }
	tests := map[string]struct {
		usual, served training.Difference
		serves, held  bool
		want          string
	}{
		"the first, better than counting":           {usual: d(0.01, 0.1)},
		"the first, a little worse than counting":   {usual: d(-0.0001, 0.1), want: training.WorseUsual},
		"as good as the served":                     {usual: d(0.01, 0), serves: true},
		"worse than the served by chance":           {usual: d(0.01, 0), served: d(-0.01, 0.006), serves: true},
		"worse than the served by more than chance": {usual: d(0.01, 0), served: d(-0.01, 0.004), serves: true, want: training.WorseServed},
		"as good as what somebody went back to":     {usual: d(0.01, 0), serves: true, held: true, want: training.WorseServed},
		"better than what somebody went back to":    {usual: d(0.01, 0), served: d(0.001, 0.1), serves: true, held: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := training.Outcome{AgainstUsual: tt.usual, AgainstServed: tt.served}
			if got := training.Worse(&o, tt.serves, tt.held); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The last five stay. Somebody goes back to a version, and it serves until it is
// lifted.
func TestVersionsAreKeptAndGoneBackTo(t *testing.T) {
	t.Parallel()
	h := open(t, town(56, never))
	h.set.Days = 70
	for n := range uint64(6) {
		if out := h.train(); out.Published != n+1 { // the same again is not worse
			t.Fatalf("training %d: %+v", n, out)
		}
	}
	var numbers []uint64
	for _, v := range h.keeper.Register().Versions {
		numbers = append(numbers, v.Number)
	}
	if diff := cmp.Diff([]uint64{2, 3, 4, 5, 6}, numbers); diff != "" {
		t.Errorf("kept (−want +got):\n%s", diff)
	}
	if left, _ := filepath.Glob(filepath.Join(h.dir, "nextbasket", "v1", "0*")); len(left) > 0 {
		t.Errorf("of version 1 there is still %v", left)
	}
	if err := h.keeper.Rollback(t.Context(), 1); retail.KindOf(err) != retail.NotFound {
		t.Errorf("going back to what is gone: %v", err)
	}
	if err := h.keeper.Rollback(t.Context(), 3); err != nil || h.keeper.Now().Number != 3 || !h.keeper.Held() {
		t.Errorf("going back to 3: %v, served %d", err, h.keeper.Now().Number)
	}
	if out := h.train(); out.Published != 0 || out.Why != training.WorseServed {
		t.Errorf("what is not better than it: %+v", out)
	}
	if err := h.keeper.Rollback(t.Context(), 0); err != nil || h.keeper.Now().Number != 6 || h.keeper.Held() {
		t.Errorf("lifted: %v, served %d", err, h.keeper.Now().Number)
	}
}

func TestTooLittleToLearnFrom(t *testing.T) {
	t.Parallel()
	one := town(0, never)
	for n := range 300 { // each bought once, one thing
		one = append(one, allows(n, today-400, consent.All), buys(n, today-retail.Day(n%60), []int{5}))
	}
	tests := map[string][]event.Fact{
		"no history": nil, "a catalogue and nobody": town(0, never), "ten shoppers": town(10, never), "one receipt of one product each": one,
	}
	for name, facts := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, facts)
			h.set.Trials = 2
			if out := h.train(); out.Why != training.TooSmall || out.Published != 0 {
				t.Errorf("outcome %+v", out)
			}
			if h.keeper.Now() != nil || h.keeper.Refresh(t.Context()) != nil {
				t.Error("something serves, or fails")
			}
			if _, err := h.trainer().Evaluate(t.Context(), training.Order{Through: today}); err != nil {
				t.Error(err)
			}
		})
	}
}

var errKilled = errors.New("killed")

// A search is killed between trials, again and again; what it finds in the end is what
// an unbroken one finds, and it makes no trial twice.
func TestASearchThatIsKilledGoesOn(t *testing.T) {
	t.Parallel()
	facts := town(townShoppers, never)
	whole := open(t, facts)
	whole.set.Trials = 2
	if out := whole.train(); !out.Searched || out.Published != 1 {
		t.Fatalf("outcome %+v", out)
	}
	want := whole.keeper.Register()
	broken := open(t, facts)
	broken.set.Trials = 2
	tries := 0
	for ; tries < 10; tries++ {
		ctx, kill := context.WithCancelCause(t.Context())
		was := strings.Join(tree(t, broken.dir, "search"), " ")
		broken.rest = func() error { // each run lives until one more trial is kept
			if now := strings.Join(tree(t, broken.dir, "search"), " "); now != was {
				kill(errKilled)
			}
			return context.Cause(ctx)
		}
		_, err := broken.trainer().Train(ctx, training.Order{Through: today, At: today.UTC()})
		kill(nil)
		if err == nil {
			break
		}
		if !errors.Is(err, errKilled) && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	got := broken.keeper.Register()
	if diff := cmp.Diff(want.Found, got.Found); diff != "" || tries < 2 {
		t.Errorf("killed %d times, found (−unbroken +broken):\n%s", tries, diff)
	}
	if diff := cmp.Diff(want.Versions[0].Holdout, got.Versions[0].Holdout); diff != "" {
		t.Errorf("figures (−unbroken +broken):\n%s", diff)
	}
	broken.rest = nil
	if out := broken.train(); out.Searched {
		t.Error("it searched again the same day")
	}
}

func tree(t *testing.T, dir, name string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "nextbasket", name, "0*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A damaged version does not serve: the former one does, and it is said each time.
func TestADamagedVersionDoesNotServe(t *testing.T) {
	t.Parallel()
	h := open(t, town(56, never))
	h.train()
	serving := h.keeper
	whole, err := os.ReadFile(h.newest(1))
	if err != nil {
		t.Fatal(err)
	}
	h.train()
	for name, damage := range map[string]func([]byte) []byte{
		"cut short":       func(b []byte) []byte { return b[:len(b)/2] },
		"one bit flipped": func(b []byte) []byte { b[len(b)/3] ^= 1; return b },
		"empty":           func([]byte) []byte { return nil },
	} {
		if err := os.WriteFile(h.newest(2), damage(bytes.Clone(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		k := training.NewKeeper(h.files, h.allow)
		for n := range 3 {
			if err := k.Refresh(t.Context()); !errors.Is(err, training.ErrModel) || k.Failed() != int64(n+1) {
				t.Errorf("%s, look %d: %v, %d failures", name, n, err, k.Failed())
			}
		}
		if s := k.Now(); s == nil || s.Number != 1 {
			t.Errorf("%s: served %+v", name, s)
		}
	}
	if err := serving.Rollback(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := serving.Rollback(t.Context(), 2); retail.KindOf(err) != retail.Conflict || serving.Now().Number != 1 {
		t.Errorf("going back to a damaged one: %v", err)
	}
	if err := serving.Shoppers(t.Context(), func(string, []shopper.ID) error { return nil }); !errors.Is(err, training.ErrModel) {
		t.Errorf("whom it names cannot be said: %v", err)
	}
	if _, err := serving.Erase(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if v := serving.Register().Versions; len(v) != 1 || v[0].Number != 1 {
		t.Errorf("after a sweep: %+v", v)
	}
}

func TestADamagedRegister(t *testing.T) {
	t.Parallel()
	h := open(t, town(56, never))
	h.train()
	h.train()
	all := tree(t, h.dir, "register")
	if err := os.WriteFile(all[len(all)-1], []byte(`{"layout": 1, "serv`), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := dirfiles.Open(h.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	k := training.NewKeeper(d, h.allow)
	for range 2 {
		if err := k.Refresh(t.Context()); !errors.Is(err, training.ErrModel) {
			t.Errorf("got %v", err)
		}
	}
	if s := k.Now(); s == nil || s.Number != 1 {
		t.Errorf("served %+v", s)
	}
}

// Somebody is forgotten after she was read, somebody else later: neither is in what
// serves, nor in a byte of what is kept, nor in the next training.
func TestWhoIsForgottenLeavesEveryVersion(t *testing.T) {
	t.Parallel()
	h := open(t, town(townShoppers, never))
	between, later, stays := idOf(7), idOf(8), idOf(9)
	h.rest = func() error { // she leaves while the model is made
		h.leaves(between)
		return nil
	}
	h.train()
	h.rest = nil
	h.train()
	for _, id := range []shopper.ID{later, stays} {
		if got := h.holds(bytesOf(id)); len(got) != 2 {
			t.Fatalf("a shopper is in %v: the test looks for the wrong bytes", got)
		}
	}
	if got := h.holds(bytesOf(between)); len(got) > 0 {
		t.Errorf("who left while it was made is in %v", got)
	}
	h.told(event.Fact{Shopper: later, Body: event.Forgotten{}}, event.Fact{Shopper: idOf(30), Body: event.Consent{Allowed: consent.All.Without(consent.PersonalOffers)}})
	if keys := h.keeper.Now().Model.Keys(); slices.Contains(keys, later.Reveal()) || slices.Contains(keys, idOf(30).Reveal()) || !slices.Contains(keys, idOf(31).Reveal()) {
		t.Error("who left is still served by, or who did not is gone")
	}
	if err := h.keeper.Rollback(t.Context(), 1); err != nil { // profiles do not know of it yet
		t.Fatal(err)
	}
	if keys := h.keeper.Now().Model.Keys(); slices.Contains(keys, later.Reveal()) || slices.Contains(keys, idOf(30).Reveal()) {
		t.Error("going back to a version brings her back")
	}
	if err := h.keeper.Rollback(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	h.told(event.Fact{Shopper: idOf(30), Body: event.Consent{Allowed: consent.All}})
	if n, err := h.keeper.Erase(t.Context(), []shopper.ID{later, between}); n != 2 || err != nil {
		t.Errorf("%d versions written anew, %v", n, err)
	}
	if got := h.holds(bytesOf(later)); len(got) > 0 {
		t.Errorf("she is in %v", got)
	}
	if got := h.holds(bytesOf(stays)); len(got) != 2 {
		t.Errorf("who stays is in %v", got)
	}
	seen := 0
	err := h.keeper.Shoppers(t.Context(), func(place string, who []shopper.ID) error {
		seen += len(who)
		if place != "models" || slices.Contains(who, later) || slices.Contains(who, between) {
			t.Errorf("%s names her", place)
		}
		return nil
	})
	if want := 2 * (townShoppers - 3); err != nil || seen != want {
		t.Errorf("%d shoppers in all versions, want %d: %v", seen, want, err)
	}
	if err := h.past.Forget(t.Context(), []shopper.ID{later, between}); err != nil {
		t.Fatal(err)
	}
	out := h.train()
	if s := h.keeper.Now(); out.Published != 3 || s.Shoppers != townShoppers-3 || slices.Contains(s.Model.Keys(), later.Reveal()) {
		t.Errorf("the next training: %+v, %d shoppers read", out, s.Shoppers)
	}
	if n, err := h.keeper.Erase(t.Context(), []shopper.ID{later}); n != 0 || err != nil {
		t.Errorf("nothing is left to erase, and %d versions are written anew, %v", n, err)
	}
}

// A bounded draw is the same every night and takes shoppers from everywhere.
func TestADrawIsEvenAndTheSameEveryNight(t *testing.T) {
	t.Parallel()
	h := open(t, town(100, never))
	h.set.Shoppers = 80
	h.train()
	first := h.keeper.Now().Model.Keys()
	h.train()
	if second := h.keeper.Now().Model.Keys(); !slices.Equal(first, second) || len(first) > 80 || len(first) < 55 {
		t.Errorf("%d shoppers, then %d", len(first), len(second))
	}
}

func TestTrainingsDoNotRunTogether(t *testing.T) {
	t.Parallel()
	h := open(t, town(10, never))
	var second error
	var tr *training.Trainer
	h.rest = func() error {
		_, second = tr.Train(t.Context(), training.Order{Through: today})
		return nil
	}
	tr = h.trainer()
	if _, err := tr.Train(t.Context(), training.Order{Through: today}); err != nil || retail.KindOf(second) != retail.Conflict {
		t.Errorf("first %v, second %v", err, second)
	}
}

func TestSettingsThatTrainNothing(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*training.Settings){
		"too few days": func(s *training.Settings) { s.Days = 69 }, "nobody": func(s *training.Settings) { s.Shoppers = 0 },
		"endless": func(s *training.Settings) { s.Trials = 51 }, "always": func(s *training.Settings) { s.SearchDays = 0 },
	} {
		s := training.Defaults()
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		spoil(&s)
		if _, err := training.New(training.Config{Settings: s}); !errors.Is(err, training.ErrSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
