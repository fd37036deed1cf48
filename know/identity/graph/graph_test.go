package graph_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/know/identity/graph"
	"endcap/retail/shopper"
)

var day = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

func id(n int) shopper.ID { return shopper.FromUint64(uint64(n)) }

func key(t testing.TB, kind shopper.KeyKind, n int) shopper.Key {
	t.Helper()
	value := fmt.Sprintf("%s-%d", kind, n)
	if kind == shopper.EmailHash || kind == shopper.PhoneHash {
		value = fmt.Sprintf("%064x", n)
	}
	k, err := shopper.ParseKey(kind, value)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// has is the edge that a shopper has a key.
func has(t testing.TB, who int, kind shopper.KeyKind, n int, basis graph.Basis) graph.Edge {
	t.Helper()
	return graph.Edge{
		ID: fmt.Sprintf("%d has %s %d, %s", who, kind, n, basis),
		A:  graph.OfShopper(id(who)), B: graph.OfKey(key(t, kind, n)), Basis: basis, Source: "shop", At: day.AddDate(0, 0, who),
	}
}

// alike is the edge that two shoppers look like one.
func alike(a, b int, p float64) graph.Edge {
	return graph.Edge{
		ID: fmt.Sprintf("%d like %d", a, b), A: graph.OfShopper(id(a)), B: graph.OfShopper(id(b)),
		Basis: graph.Linked, Probability: p, Source: "linkage", At: day,
	}
}

func resolve(t testing.TB, e graph.Evidence) *graph.Outcome {
	t.Helper()
	out, err := graph.Resolve(e, graph.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// groups is the clusters as numbers, each with its canonical shopper first.
func groups(o *graph.Outcome) string {
	var all []string
	for _, c := range o.Clusters {
		one := []string{fmt.Sprint(c.Canonical.Reveal())}
		for _, who := range c.Shoppers {
			if who != c.Canonical {
				one = append(one, fmt.Sprint(who.Reveal()))
			}
		}
		all = append(all, strings.Join(one, "="))
	}
	return strings.Join(all, " ")
}

func TestWhoIsWho(t *testing.T) {
	t.Parallel()
	const (
		card, account, mail, device = shopper.Card, shopper.Account, shopper.EmailHash, shopper.Device
		login, declared, confirmed  = graph.Login, graph.Declared, graph.Confirmed
	)
	tests := map[string]struct {
		edges     []graph.Edge
		apart     []graph.Pair
		withdrawn []string
		want      string
		refused   map[string]graph.Refusal
	}{
		"two shoppers log in with one card": {
			edges: []graph.Edge{has(t, 1, card, 1, login), has(t, 2, card, 1, login)}, want: "1=2",
		},
		"a chain over card and address": {
			edges: []graph.Edge{has(t, 1, card, 1, login), has(t, 2, card, 1, declared), has(t, 2, mail, 1, confirmed), has(t, 3, mail, 1, confirmed)},
			want:  "1=2=3",
		},
		"an address that somebody only typed": {
			edges:   []graph.Edge{has(t, 1, mail, 1, confirmed), has(t, 2, mail, 1, graph.Observed)},
			want:    "1 2",
			refused: map[string]graph.Refusal{"2 has email_sha256 1, observed": graph.RefusedProof},
		},
		"a visit before the login, on her device": {
			edges: []graph.Edge{has(t, 2, device, 1, login), has(t, 3, device, 1, login), has(t, 2, account, 1, login)}, want: "2=3",
		},
		"two people log in on the family's tablet": {
			edges: []graph.Edge{has(t, 1, device, 1, login), has(t, 2, device, 1, login), has(t, 1, account, 1, login), has(t, 2, account, 2, login)},
			want:  "1 2",
			refused: map[string]graph.Refusal{
				"1 has device 1, login": graph.RefusedDevice, "2 has device 1, login": graph.RefusedDevice,
			},
		},
		"the shop's own address in six accounts": {
			edges: []graph.Edge{
				has(t, 1, mail, 1, login), has(t, 2, mail, 1, login), has(t, 3, mail, 1, login),
				has(t, 4, mail, 1, login), has(t, 5, mail, 1, login), has(t, 6, mail, 1, login), has(t, 1, card, 1, login), has(t, 2, card, 1, login),
			},
			want: "1=2 3 4 5 6",
			refused: map[string]graph.Refusal{
				"1 has email_sha256 1, login": graph.RefusedShared, "2 has email_sha256 1, login": graph.RefusedShared,
				"3 has email_sha256 1, login": graph.RefusedShared, "4 has email_sha256 1, login": graph.RefusedShared,
				"5 has email_sha256 1, login": graph.RefusedShared, "6 has email_sha256 1, login": graph.RefusedShared,
			},
		},
		"five typed addresses do not part two who proved theirs": {
			edges: []graph.Edge{
				has(t, 1, mail, 1, login), has(t, 2, mail, 1, login), has(t, 3, mail, 1, graph.Observed),
				has(t, 4, mail, 1, graph.Observed), has(t, 5, mail, 1, graph.Observed), has(t, 6, mail, 1, graph.Observed),
			},
			want: "1=2 3 4 5 6",
			refused: map[string]graph.Refusal{
				"3 has email_sha256 1, observed": graph.RefusedProof, "4 has email_sha256 1, observed": graph.RefusedProof,
				"5 has email_sha256 1, observed": graph.RefusedProof, "6 has email_sha256 1, observed": graph.RefusedProof,
			},
		},
		"linked well, and not well enough": {
			edges: []graph.Edge{alike(1, 2, 0.995), alike(2, 3, 0.98)}, want: "1=2 3",
			refused: map[string]graph.Refusal{"2 like 3": graph.RefusedImprobable},
		},
		"mother and daughter, who said that they are two": {
			edges: []graph.Edge{has(t, 1, card, 1, login), has(t, 2, card, 1, login)}, apart: []graph.Pair{{A: id(2), B: id(1)}},
			want: "1 2", refused: map[string]graph.Refusal{"2 has card 1, login": graph.RefusedApart},
		},
		"apart holds through a third": {
			edges: []graph.Edge{has(t, 1, card, 1, login), has(t, 3, card, 1, login), alike(3, 2, 0.999)}, apart: []graph.Pair{{A: id(1), B: id(2)}},
			want: "1=3 2", refused: map[string]graph.Refusal{"3 like 2": graph.RefusedApart},
		},
		"a merge taken back": {
			edges: []graph.Edge{has(t, 1, card, 1, login), has(t, 2, card, 1, login)}, withdrawn: []string{"2 has card 1, login", "never seen"},
			want: "1 2", refused: map[string]graph.Refusal{"2 has card 1, login": graph.RefusedWithdrawn},
		},
		"the older one stays who she is": {
			edges: []graph.Edge{alike(2, 9, 1), has(t, 9, card, 1, login), has(t, 2, mail, 7, login)}, want: "2=9",
		},
		"a fourth account is too many": {
			edges: []graph.Edge{
				has(t, 1, account, 1, declared), has(t, 1, account, 2, declared), has(t, 1, account, 3, declared), has(t, 1, account, 4, login),
			},
			want: "1", refused: map[string]graph.Refusal{"1 has account 4, login": graph.RefusedKeys},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := resolve(t, graph.Evidence{Edges: tt.edges, Apart: tt.apart, Withdrawn: tt.withdrawn})
			if groups(got) != tt.want {
				t.Errorf("got %s, want %s", groups(got), tt.want)
			}
			if tt.refused == nil {
				tt.refused = map[string]graph.Refusal{}
			}
			if diff := cmp.Diff(tt.refused, got.Refused); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOneAddressInTenThousandAccountsLinksNobody(t *testing.T) {
	t.Parallel()
	var e graph.Evidence
	const n = 10_000
	for i := 1; i <= n; i++ {
		e.Edges = append(e.Edges, has(t, i, shopper.EmailHash, 1, graph.Declared), has(t, i, shopper.Account, i, graph.Declared))
	}
	got := resolve(t, e)
	if len(got.Clusters) != n || len(got.Refused) != n {
		t.Errorf("%d people and %d refusals, want %d each", len(got.Clusters), len(got.Refused), n)
	}
	if c := got.Cluster(id(77)); len(c.Keys) != 1 || c.Keys[0] != key(t, shopper.Account, 77) {
		t.Errorf("she has %v, want her account alone", c.Keys)
	}
}

func TestNoMoreThanTwentyShoppersBecomeOne(t *testing.T) {
	t.Parallel()
	var e graph.Evidence
	for i := 1; i < 30; i++ {
		e.Edges = append(e.Edges, alike(i, i+1, 1))
	}
	got := resolve(t, e)
	for _, c := range got.Clusters {
		if len(c.Shoppers) > 20 {
			t.Errorf("%d shoppers in one", len(c.Shoppers))
		}
	}
	if len(got.Refused) == 0 {
		t.Error("no edge was refused")
	}
}

func TestWhyTellsTheEdgesBetweenTwo(t *testing.T) {
	t.Parallel()
	e := graph.Evidence{Edges: []graph.Edge{
		has(t, 1, shopper.Card, 1, graph.Login), has(t, 2, shopper.Card, 1, graph.Login),
		has(t, 2, shopper.EmailHash, 1, graph.Confirmed), has(t, 3, shopper.EmailHash, 1, graph.Login), has(t, 4, shopper.Card, 9, graph.Login),
	}}
	got := resolve(t, e)
	var ids []string
	for _, edge := range got.Why(id(3), id(1)) {
		ids = append(ids, edge.ID)
	}
	want := []string{"3 has email_sha256 1, login", "2 has email_sha256 1, confirmed", "2 has card 1, login", "1 has card 1, login"}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
	for _, two := range [][2]int{{1, 4}, {1, 1}, {8, 9}} {
		if why := got.Why(id(two[0]), id(two[1])); why != nil {
			t.Errorf("%v: %d edges, want none", two, len(why))
		}
	}
}

func TestMovesTellWhoMustBeFollowed(t *testing.T) {
	t.Parallel()
	none := resolve(t, graph.Evidence{})
	two := resolve(t, graph.Evidence{Edges: []graph.Edge{alike(5, 3, 1)}})
	three := resolve(t, graph.Evidence{Edges: []graph.Edge{alike(5, 3, 1), has(t, 1, shopper.Card, 1, graph.Login), has(t, 5, shopper.Card, 1, graph.Login)}})
	tell := func(a, b *graph.Outcome) string {
		var out []string
		for _, m := range graph.Moves(a, b) {
			out = append(out, fmt.Sprintf("%d:%d>%d", m.Shopper.Reveal(), m.From.Reveal(), m.To.Reveal()))
		}
		return strings.Join(out, " ")
	}
	if got, want := tell(none, two), "5:5>3"; got != want {
		t.Errorf("a first merge: %s, want %s", got, want)
	}
	if got, want := tell(two, three), "1:1>3"; got != want {
		t.Errorf("a third comes in: %s, want %s", got, want)
	}
	if got, want := tell(three, none), "1:3>1 5:3>5"; got != want {
		t.Errorf("all taken back: %s, want %s", got, want)
	}
}

func TestPeopleOfOneHousehold(t *testing.T) {
	t.Parallel()
	people := resolve(t, graph.Evidence{Edges: []graph.Edge{alike(1, 2, 1)}})
	tie := func(who, place, days int) graph.Tie {
		return graph.Tie{ID: fmt.Sprint(who, " at ", place), Shopper: id(who), Place: graph.Place{byte(place)}, At: day.AddDate(0, 0, days)}
	}
	ties := []graph.Tie{
		tie(2, 1, 0), tie(3, 1, 1), // one home; 2 is 1
		tie(3, 2, 2), tie(4, 2, 3), // 4 through the means of payment of 3
		tie(4, 3, 4), tie(5, 3, 5), // a fourth and a fifth person
		tie(11, 9, 0), tie(12, 9, 0), tie(13, 9, 0), tie(14, 9, 0), tie(15, 9, 0), // a parcel shop
		tie(20, 4, 0), tie(20, 4, 0), // alone, told twice
	}
	got, err := graph.Households(people, ties, 4)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, h := range got {
		var one []string
		for _, who := range h {
			one = append(one, fmt.Sprint(who.Reveal()))
		}
		all = append(all, strings.Join(one, "+"))
	}
	if got, want := strings.Join(all, " "), "1+3+4+5"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	again := tie(20, 4, 1)
	if _, err := graph.Households(people, append(ties, again), 4); !errors.Is(err, graph.ErrEvidence) {
		t.Errorf("a tie told in two ways: %v", err)
	}
	if _, err := graph.Households(people, []graph.Tie{{ID: "x", Place: graph.Place{1}, At: day}}, 4); !errors.Is(err, graph.ErrEvidence) {
		t.Errorf("a tie of nobody: %v", err)
	}
}

func TestEvidenceThatIsNone(t *testing.T) {
	t.Parallel()
	good := alike(1, 2, 1)
	tests := map[string]func(*graph.Evidence){
		"no id":             func(e *graph.Evidence) { e.Edges[0].ID = "" },
		"a long id":         func(e *graph.Evidence) { e.Edges[0].ID = strings.Repeat("x", graph.TextMax+1) },
		"a long source":     func(e *graph.Evidence) { e.Edges[0].Source = strings.Repeat("x", graph.TextMax+1) },
		"one end":           func(e *graph.Evidence) { e.Edges[0].B = graph.Node{} },
		"a shopper and she": func(e *graph.Evidence) { e.Edges[0].B = e.Edges[0].A },
		"a key and a key": func(e *graph.Evidence) {
			e.Edges[0].A, e.Edges[0].B = graph.OfKey(key(t, shopper.Card, 1)), graph.OfKey(key(t, shopper.Card, 2))
		},
		"an unknown basis":    func(e *graph.Evidence) { e.Edges[0].Basis = "hearsay" },
		"a chance above one":  func(e *graph.Evidence) { e.Edges[0].Probability = 1.1 },
		"a chance that isn't": func(e *graph.Evidence) { e.Edges[0].Probability = math.NaN() },
		"a login with chance": func(e *graph.Evidence) { e.Edges[0].Basis = graph.Login },
		"no time":             func(e *graph.Evidence) { e.Edges[0].At = time.Time{} },
		"one id, two stories": func(e *graph.Evidence) { e.Edges = append(e.Edges, alike(1, 2, 1)); e.Edges[1].Source = "other" },
		"apart from herself":  func(e *graph.Evidence) { e.Apart = []graph.Pair{{A: id(1), B: id(1)}} },
		"apart from nobody":   func(e *graph.Evidence) { e.Apart = []graph.Pair{{A: id(1)}} },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := graph.Evidence{Edges: []graph.Edge{good}}
			spoil(&e)
			if _, err := graph.Resolve(e, graph.Defaults()); !errors.Is(err, graph.ErrEvidence) {
				t.Errorf("got %v, want ErrEvidence", err)
			}
		})
	}
	for name, spoil := range map[string]func(*graph.Rules){
		"nobody at all":       func(r *graph.Rules) { r.ShoppersMax = 0 },
		"linked by the toss":  func(r *graph.Rules) { r.ProbabilityMin = 0.5 },
		"linked by no number": func(r *graph.Rules) { r.ProbabilityMin = math.NaN() },
		"more known than shoppers": func(r *graph.Rules) {
			r.Keys = map[shopper.KeyKind]graph.Limit{shopper.Card: {Shoppers: 1, Known: 2, Keys: 1}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := graph.Defaults()
			spoil(&r)
			if _, err := graph.Resolve(graph.Evidence{}, r); !errors.Is(err, graph.ErrRules) {
				t.Errorf("got %v, want ErrRules", err)
			}
		})
	}
}

func TestTheGraphDoesNotPrint(t *testing.T) {
	t.Parallel()
	e := has(t, 424242, shopper.Card, 737373, graph.Login)
	e.ID = "edge"
	o := resolve(t, graph.Evidence{Edges: []graph.Edge{e, alike(424242, 424243, 1)}})
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("edge", "node", e.A, "edge", e, "cluster", o.Clusters)
	fmt.Fprintf(&out, "%v %+v %#v %d %x", e, e, e.A, o.Clusters, e.B)
	for _, seed := range []string{"424242", "737373", fmt.Sprintf("%x", "737373"), fmt.Sprintf("%x", 424242)} {
		if strings.Contains(out.String(), seed) {
			t.Errorf("%q is told in %s", seed, out.String())
		}
	}
}
