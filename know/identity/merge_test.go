package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"endcap/keep/profile"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/vault"
	"endcap/know/identity"
	"endcap/know/identity/graph"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/shopper"
)

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// counted mints 1, 2, 3, ….
func counted() vault.Mint {
	var n atomic.Uint64
	return func(shopper.Key) shopper.ID { return shopper.FromUint64(n.Add(1)) }
}

func vouch(basis graph.Basis, at time.Time) identity.Vouched {
	return identity.Vouched{Basis: basis, Source: "crm", By: "bea", Say: "the same member", At: at}
}

func (h *house) declare(tb testing.TB, rows ...[]shopper.Key) []identity.Verdict {
	tb.Helper()
	got, err := h.Declare(tb.Context(), rows, vouch(graph.Declared, monday))
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

func mail(tb testing.TB, n int) shopper.Key {
	tb.Helper()
	return key(tb, shopper.EmailHash, fmt.Sprintf("%064x", n))
}

func TestAnasCardAndHerAccount(t *testing.T) {
	t.Parallel()
	h := open(t, counted())
	card, account := key(t, shopper.Card, "ana"), key(t, shopper.Account, "ana@shop")
	bought, browsed := h.name(t, card), h.name(t, account)
	if h.find(t, card, account).Known() {
		t.Error("two shoppers were taken for one without evidence")
	}
	v := h.declare(t, []shopper.Key{card, account})[0]
	if !v.New || v.Refusal != "" || v.Edge == "" {
		t.Fatalf("the retailer's word gives %+v", v)
	}
	one := h.Canonical(bought)
	if one != h.Canonical(browsed) || h.find(t, card, account) != one || h.name(t, card, account) != one {
		t.Error("her card and her account are not one person")
	}
	if h.name(t, card) != bought || h.name(t, account) != browsed {
		t.Error("facts of one key are no longer the shopper's whose it is")
	}
	if again := h.declare(t, []shopper.Key{card, account})[0]; again.New || again.Edge != v.Edge {
		t.Error("the same row is new evidence")
	}
	if err := h.Withdraw(t.Context(), v.Edge, vouch("", monday)); err != nil {
		t.Fatal(err)
	}
	if h.find(t, card, account).Known() || h.Canonical(browsed) != browsed || h.Canonical(bought) != bought {
		t.Error("the unmerge gives not all back")
	}
	if back := h.declare(t, []shopper.Key{card, account})[0]; back.Refusal != graph.RefusedWithdrawn || h.find(t, card, account).Known() {
		t.Errorf("the nightly feed merged again what was taken back: %+v", back)
	}
}

// The newest word counts for all of a person, whichever of her shoppers said it.
func TestWhatAMergedPersonAllows(t *testing.T) {
	t.Parallel()
	h := open(t, counted())
	card, account := key(t, shopper.Card, "ana"), key(t, shopper.Account, "ana@shop")
	a, b := h.name(t, card), h.name(t, account)
	say := func(who shopper.ID, allowed consent.Set, at time.Duration) {
		t.Helper()
		err := h.Say(t.Context(), []vault.Said{{Shopper: who, Allowed: allowed, At: monday.Add(at), EventID: fmt.Sprint(who == a, at)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, first, second consent.Set) {
		t.Helper()
		got, err := h.Allowed(t.Context(), []shopper.ID{a, b})
		if err != nil || got[0] != first || got[1] != second {
			t.Errorf("%s: %v, want %v and %v, %v", what, got, first, second, err)
		}
	}
	ads := consent.Of(consent.PersonalAds)
	say(a, consent.All, 0)
	say(b, ads, time.Hour)
	want("apart", consent.All, ads)
	edge := h.declare(t, []shopper.Key{card, account})[0].Edge
	want("merged", ads, ads)
	say(a, consent.None, 2*time.Hour)
	want("withdrawn by her card", consent.None, consent.None)
	say(b, consent.All, 2*time.Hour)
	want("of one instant what both allow", consent.None, consent.None)
	if err := h.Withdraw(t.Context(), edge, vouch("", monday)); err != nil {
		t.Fatal(err)
	}
	want("apart again", consent.None, consent.All)
}

// Is somebody who orders with another's address merged with her?
func TestTheSameAddressInTenThousandAccounts(t *testing.T) {
	t.Parallel()
	const accounts = 10_000
	h := open(t, counted())
	shared := mail(t, 1)
	rows := make([][]shopper.Key, accounts)
	for n := range rows {
		rows[n] = []shopper.Key{key(t, shopper.Account, fmt.Sprint("account-", n)), shared}
	}
	if h.declare(t, rows[:3]...); h.Canonical(h.name(t, rows[0][0])) != h.Canonical(h.name(t, rows[2][0])) {
		t.Error("an address in three accounts makes no person")
	}
	for n, v := range h.declare(t, rows...) {
		if n > 0 && v.Refusal != graph.RefusedShared || h.Canonical(v.Who) != v.Who {
			t.Fatalf("account %d: %q", n, v.Refusal)
		}
	}
	if one := h.name(t, rows[0][0]); h.Canonical(one) != one {
		t.Error("the first accounts are still one person")
	}
	if err := h.Forget(t.Context(), h.name(t, rows[0][0])); err != nil {
		t.Error(err)
	}
}

func TestAMergeThatCannotBe(t *testing.T) {
	t.Parallel()
	h := open(t, counted())
	ana, bea, cat := key(t, shopper.Card, "ana"), key(t, shopper.Card, "bea"), key(t, shopper.Card, "cat")
	for _, k := range []shopper.Key{ana, bea, cat} {
		h.name(t, k)
	}
	claim := func(a, b shopper.Key) identity.Claim {
		return identity.Claim{A: []shopper.Key{a}, B: []shopper.Key{b}, Vouched: vouch(graph.Declared, monday)}
	}
	kind := func(err error) retail.Kind {
		e, ok := errors.AsType[*retail.Error](err)
		if !ok {
			return ""
		}
		if strings.Contains(err.Error(), "ana") || e.Say == "" {
			t.Errorf("the answer is %v", err)
		}
		return e.Kind
	}
	if err := h.Forget(t.Context(), h.find(t, cat)); err != nil {
		t.Fatal(err)
	}
	_, forgotten := h.Merge(t.Context(), claim(ana, cat))
	_, herself := h.Merge(t.Context(), claim(ana, ana))
	seen := claim(ana, bea)
	seen.Basis = graph.Observed
	_, unproved := h.Merge(t.Context(), seen)
	for name, got := range map[string][2]retail.Kind{
		"with one who was forgotten": {kind(forgotten), retail.NotFound},
		"with herself":               {kind(herself), retail.Conflict},
		"that was only seen":         {kind(unproved), retail.Invalid},
		"undone that never was":      {kind(h.Withdraw(t.Context(), "nothing", vouch("", monday))), retail.NotFound},
	} {
		if got[0] != got[1] {
			t.Errorf("a merge %s is answered %q, want %q", name, got[0], got[1])
		}
	}
	if _, err := h.Part(t.Context(), claim(ana, bea)); err != nil {
		t.Fatal(err)
	}
	if v, err := h.Merge(t.Context(), claim(ana, bea)); err != nil || v.Refusal != graph.RefusedApart {
		t.Errorf("two who are known to be two: %q, %v", v.Refusal, err)
	}
	told, err := h.Explain(t.Context(), []shopper.Key{ana})
	if err != nil || len(told.Members) != 1 || len(told.Edges) != 2 || told.Edges[0].Refused == "" || told.Edges[1].Refused == "" {
		t.Errorf("nobody is told why: %+v, %v", told, err)
	}
}

func TestWhatLinkageProposes(t *testing.T) {
	t.Parallel()
	h := open(t, counted())
	keys := make([]shopper.Key, 4)
	for n := range keys {
		keys[n] = key(t, shopper.Card, fmt.Sprint("card-", n))
		h.name(t, keys[n])
	}
	pair := func(a, b int, p float64) identity.Suspected {
		return identity.Suspected{A: keys[a : a+1], B: keys[b : b+1], Probability: p, Say: "surname equal +8.1"}
	}
	stranger := identity.Suspected{A: keys[:1], B: []shopper.Key{key(t, shopper.Card, "unknown")}, Probability: 1}
	propose := func(all ...identity.Suspected) []bool {
		t.Helper()
		kept, err := h.Propose(t.Context(), all, "linkage", monday)
		if err != nil {
			t.Fatal(err)
		}
		return kept
	}
	if got := fmt.Sprint(propose(pair(0, 1, 0.999), pair(2, 3, 0.995), pair(0, 2, 0.9), stranger)); got != "[true true false false]" {
		t.Errorf("waiting: %s", got)
	}
	waiting, err := h.Waiting(t.Context(), 0, 10)
	if err != nil || len(waiting) != 2 || waiting[0].A[shopper.Card] != 1 {
		t.Fatalf("%d wait, %v", len(waiting), err)
	}
	if h.Canonical(h.find(t, keys[0])) == h.Canonical(h.find(t, keys[1])) {
		t.Error("a proposal merged somebody")
	}
	yes, err := h.Approve(t.Context(), waiting[0].ID, vouch("", monday))
	if err != nil || yes.Refusal != "" || h.find(t, keys[0], keys[1]) != yes.Who {
		t.Errorf("approved: %q, %v", yes.Refusal, err)
	}
	if _, err := h.Reject(t.Context(), waiting[1].ID, vouch("", monday)); err != nil {
		t.Error(err)
	}
	if _, err := h.Approve(t.Context(), waiting[1].ID, vouch("", monday)); err == nil {
		t.Error("a proposal was answered twice")
	}
	if got := fmt.Sprint(propose(pair(1, 0, 0.999), pair(3, 2, 0.995))); got != "[false false]" {
		t.Errorf("what was answered waits again: %s", got)
	}
}

// reopened is the same vault under other rules, as after a restart.
func (h *house) reopened(tb testing.TB, change func(*graph.Rules)) *house {
	tb.Helper()
	cfg := identity.Defaults(func() time.Time { return monday })
	change(&cfg.Rules)
	again, err := identity.New(h.vault, counted(), cfg)
	if err == nil {
		err = again.Load(tb.Context())
	}
	if err != nil {
		tb.Fatal(err)
	}
	return &house{Identity: again, vault: h.vault}
}

func (h *house) settle(tb testing.TB) identity.Settled {
	tb.Helper()
	told := 0
	sum, err := h.Settle(tb.Context(), func(identity.Settled) { told++ })
	if err != nil || told == 0 {
		tb.Fatalf("told %d times, %v", told, err)
	}
	return sum
}

// The retailer tightens what evidence is enough, and loosens it again: everybody
// is then as if the rules had always been those.
func TestWhoIsWhoAfterTheRulesChange(t *testing.T) {
	t.Parallel()
	const families, each = 150, 3
	h := open(t, counted())
	var rows [][]shopper.Key
	for n := range families {
		for k := range each {
			rows = append(rows, []shopper.Key{key(t, shopper.Account, fmt.Sprint("a", n, "-", k)), mail(t, n)})
		}
	}
	pair := [][]shopper.Key{{key(t, shopper.Card, "x"), key(t, shopper.Account, "y")}, {key(t, shopper.Card, "x")}, {key(t, shopper.Account, "y")}}
	h.name(t, pair[1]...)
	h.name(t, pair[2]...)
	h.declare(t, append(rows, pair[0])...)
	people := func(h *house) int {
		seen := make(map[shopper.ID]bool)
		for _, row := range rows {
			seen[h.Canonical(h.name(t, row[0]))] = true
		}
		return len(seen)
	}
	if n := people(h); n != families {
		t.Fatalf("%d people, want %d", n, families)
	}
	if sum := h.settle(t); sum.Moved != 0 || sum.Looked < families*each {
		t.Errorf("nothing had changed, and %+v", sum)
	}
	strict := func(r *graph.Rules) { r.Keys[shopper.EmailHash] = graph.Limit{Shoppers: 2, Known: 2, Keys: 5} }
	tight := h.reopened(t, strict)
	if n := people(tight); n != families {
		t.Errorf("rules alone changed %d people", n)
	}
	if sum := tight.settle(t); sum.Moved != families*(each-1) || sum.Tangled != 0 {
		t.Errorf("settled: %+v, want %d moved", sum, families*(each-1))
	}
	if n := people(tight); n != families*each || people(tight.reopened(t, strict)) != n {
		t.Errorf("%d people after the address may be shared by two, want %d", n, families*each)
	}
	if !tight.find(t, pair[0]...).Known() {
		t.Error("somebody else was parted too")
	}
	if sum := tight.settle(t); sum.Moved != 0 {
		t.Errorf("settled twice: %+v", sum)
	}
	loose := tight.reopened(t, func(*graph.Rules) {})
	if loose.settle(t); people(loose) != families {
		t.Errorf("%d people under the old rules again, want %d", people(loose), families)
	}
}

// Who has more accounts than one person may is not one person, whichever piece of
// evidence is looked at first.
func TestMoreAccountsThanOnePersonHas(t *testing.T) {
	t.Parallel()
	h := open(t, counted())
	for family := range 30 {
		var rows [][]shopper.Key
		for n := range 4 {
			rows = append(rows, []shopper.Key{key(t, shopper.Account, fmt.Sprint("a", family, "-", n)), mail(t, family)})
		}
		verdicts := h.declare(t, rows...)
		one, refused := make(map[shopper.ID]int), 0
		for n, v := range verdicts {
			one[h.Canonical(h.name(t, rows[n][0]))]++
			if v.Refusal == graph.RefusedKeys {
				refused++
			}
		}
		if len(one) != 2 || refused != 1 {
			t.Fatalf("family %d: four accounts are %d people, and %d are refused", family, len(one), refused)
		}
	}
}

// machine does anything to a house, in any order.
type machine struct {
	*house
	t     *rapid.T
	ctx   context.Context
	keys  []shopper.Key
	met   map[shopper.ID]bool
	edges []string
	at    time.Time
}

func (m *machine) some(most int) []shopper.Key {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(m.keys), 1, most, rapid.ID).Draw(m.t, "keys")
}

func (m *machine) must(err error) {
	if _, refused := errors.AsType[*retail.Error](err); err != nil && !refused {
		m.t.Fatal(err)
	}
}

func (m *machine) note(v identity.Verdict, err error) {
	m.must(err)
	if err == nil && v.Edge != "" {
		m.edges = append(m.edges, v.Edge)
	}
}

func (m *machine) step() {
	m.at = m.at.Add(time.Minute)
	basis := rapid.SampledFrom([]graph.Basis{graph.Declared, graph.Login, graph.Confirmed}).Draw(m.t, "basis")
	switch rapid.IntRange(0, 9).Draw(m.t, "step") {
	case 0, 1, 2:
		verdicts, err := m.Declare(m.ctx, [][]shopper.Key{m.some(3), m.some(3)}, vouch(basis, m.at))
		m.must(err)
		for _, v := range verdicts {
			m.note(v, nil)
		}
	case 3, 4:
		_, err := m.Name(m.ctx, [][]shopper.Key{m.some(2)})
		m.must(err)
	case 5:
		m.note(m.Merge(m.ctx, identity.Claim{A: m.some(1), B: m.some(1), Vouched: vouch(basis, m.at)}))
	case 6:
		m.note(m.Part(m.ctx, identity.Claim{A: m.some(1), B: m.some(1), Vouched: vouch(basis, m.at)}))
	case 7, 8:
		if len(m.edges) > 0 {
			m.must(m.Withdraw(m.ctx, rapid.SampledFrom(m.edges).Draw(m.t, "edge"), vouch("", m.at)))
		}
	case 9:
		if who, err := m.Find(m.ctx, m.some(1)); err == nil && who.Known() {
			m.must(m.Forget(m.ctx, who))
			delete(m.met, who)
		}
	}
	for _, k := range m.keys {
		if ids, err := m.vault.Lookup(m.ctx, []shopper.Key{k}); err == nil && ids[0].Known() {
			m.met[ids[0]] = true
		}
	}
}

// check compares what is known with what all evidence comes to from the start,
// and with what another process would read.
func (m *machine) check() {
	var all []shopper.ID
	for who := range m.met {
		all = append(all, who)
	}
	e, err := m.vault.Evidence(m.ctx, all, 1<<20)
	if err != nil {
		m.t.Fatal(err)
	}
	outcome, err := graph.Resolve(identity.EvidenceOf(&e), graph.Defaults())
	if err != nil {
		m.t.Fatal(err)
	}
	fresh, err := identity.New(m.vault, counted(), identity.Defaults(time.Now))
	if err == nil {
		err = fresh.Load(m.ctx)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	for _, who := range all {
		if want := outcome.Canonical(who); m.Canonical(who) != want || fresh.Canonical(who) != want {
			m.t.Fatalf("one of %d shoppers is known as somebody else than the evidence says, here %v, read again %v", len(all), m.Canonical(who) == want, fresh.Canonical(who) == want)
		}
	}
}

// TestAnyOrderOfMergesIsAsIfItHadAlwaysBeenSo holds what was worked out step by
// step to what all evidence comes to at once.
func TestAnyOrderOfMergesIsAsIfItHadAlwaysBeenSo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{house: open(t, counted()), t: rt, ctx: t.Context(), met: map[shopper.ID]bool{}, at: monday}
		for n := range 5 {
			m.keys = append(m.keys, key(t, shopper.Card, fmt.Sprint("c", n)), key(t, shopper.Account, fmt.Sprint("a", n)))
		}
		m.keys = append(m.keys, mail(t, 1), mail(t, 2), key(t, shopper.Device, "d1"), key(t, shopper.Device, "d2"))
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			m.step()
		}
		m.check()
	})
}

// TestACapIsCountedOncePerPerson lets racing visits of one person, by card and by
// account, meet a cap that no counter of hers may pass.
func TestACapIsCountedOncePerPerson(t *testing.T) {
	t.Parallel()
	const most, visits = 20, 100
	h := open(t, counted())
	shelf, err := pebbleshelf.Open(t.Context(), t.TempDir(), pebbleshelf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer shelf.Close()
	card, account := key(t, shopper.Card, "ana"), key(t, shopper.Account, "ana@shop")
	who := []shopper.ID{h.name(t, card), h.name(t, account)}
	p := identity.NewProfiles(shelf, h.Identity, nil)
	bump := func(who shopper.ID) bool {
		got, err := p.Bump(t.Context(), who, monday, []profile.Counter{{Key: "oats/day", Max: most, Until: monday.Add(time.Hour)}})
		if err != nil {
			t.Error(err)
			return false
		}
		return got[0]
	}
	counts := func(who shopper.ID) int {
		got, err := p.Counts(t.Context(), who, monday)
		if err != nil {
			t.Fatal(err)
		}
		return got["oats/day"]
	}
	for range 3 {
		bump(who[0])
	}
	bump(who[1])
	edge := h.declare(t, []shopper.Key{card, account})[0].Edge
	if counts(who[0]) != 4 || counts(who[1]) != 4 {
		t.Errorf("merged she has %d and %d, want 4", counts(who[0]), counts(who[1]))
	}
	var wg sync.WaitGroup
	var shown atomic.Int64
	for n := range visits {
		wg.Go(func() {
			if bump(who[n%2]) {
				shown.Add(1)
			}
		})
	}
	wg.Wait()
	if shown.Load() != most-4 || counts(who[0]) != most {
		t.Errorf("%d visits were shown it and she has %d, want %d and %d", shown.Load(), counts(who[0]), most-4, most)
	}
	if err := h.Withdraw(t.Context(), edge, vouch("", monday)); err != nil {
		t.Fatal(err)
	}
	if sum := counts(who[0]) + counts(who[1]); sum != most || counts(who[0]) < 3 || counts(who[1]) < 1 {
		t.Errorf("apart again they have %d and %d", counts(who[0]), counts(who[1]))
	}
}

// A shopper who is merged with nobody costs no memory at the read.
func TestWhoIsAloneCostsNothing(t *testing.T) {
	h := open(t, counted())
	for n := range 50 {
		h.declare(t, []shopper.Key{key(t, shopper.Card, fmt.Sprint("c", n)), key(t, shopper.Card, fmt.Sprint("d", n))})
	}
	alone := h.name(t, key(t, shopper.Card, "alone"))
	p := identity.NewProfiles(nothing{}, h.Identity, nil)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		if _, err := p.Get(ctx, alone); err != nil {
			t.Error(err)
		}
		h.Canonical(alone)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// nothing is a shelf that is empty.
type nothing struct{}

func (nothing) Get(context.Context, shopper.ID) (profile.Profile, error) { return nil, nil }

func (nothing) Counts(context.Context, shopper.ID, time.Time) (map[string]int, error) {
	return nil, nil
}

func (nothing) Bump(context.Context, shopper.ID, time.Time, []profile.Counter) ([]bool, error) {
	return nil, nil
}
