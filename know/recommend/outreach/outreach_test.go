package outreach_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/vault"
	"endcap/know/recommend/outreach"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// What does a mail system read: who is named, by what, with which words?
func TestWhatAMailSystemReads(t *testing.T) {
	t.Parallel()
	h := open(t, grocer()...)
	mail := strings.Repeat("ab", 32)
	h.meet(consent.All, []shopper.Key{keyOf(t, shopper.EmailHash, mail), keyOf(t, shopper.Card, "4711")}, "rye", "oat", "cow", "rye")
	h.meet(consent.All, []shopper.Key{keyOf(t, shopper.Card, "4712")}, "oat")                                            // has no address
	h.meet(consent.Of(consent.PersonalAds), []shopper.Key{keyOf(t, shopper.EmailHash, strings.Repeat("cd", 32))}, "oat") // allows no offers
	f := h.folder()
	m := made(t, f, outreach.Terms{List: "for_you", Outlet: outreach.Email, N: 2, Hours: 18})
	got, err := os.ReadFile(filepath.Join(h.dir, m.File))
	must(t, err)
	want := `key_kind,key,list,place,product,name,reason,because,count,every_days,due,other,model,related,next_basket,rules,made_at,valid_until
email_sha256,` + mail + `,for_you,1,rye,"Rye ""dark""",bought_often,bought 2 times,2,,,,0,0,0,0,2026-03-02T12:00:00Z,2026-03-03T06:00:00Z
email_sha256,` + mail + `,for_you,2,cow,"YOGURT, 500 g",bought_often,bought once,1,,,,0,0,0,0,2026-03-02T12:00:00Z,2026-03-03T06:00:00Z
`
	if string(got) != want || m.File != "2026-03-02-for_you-email.csv" {
		t.Errorf("%s holds\n%s\nwant\n%s", m.File, got, want)
	}
	if m.Seen != 3 || m.Shoppers != 1 || m.Rows != 2 {
		t.Errorf("counted %+v", m.Counts)
	}
	left, err := filepath.Glob(filepath.Join(h.dir, "*"))
	must(t, err)
	if len(left) != 2 {
		t.Errorf("beside the batch and what it is lie %v", left)
	}
	for outlet, want := range map[outreach.Outlet][]string{outreach.Till: {"4711", "4712"}, outreach.App: nil} {
		m := made(t, f, outreach.Terms{List: "for_you", Outlet: outlet, N: 1})
		if got := named(rows(t, filepath.Join(h.dir, m.File), outreach.CSV)); !slices.Equal(got, want) {
			t.Errorf("%s names %v, want %v", outlet, got, want)
		}
	}
}

// Is it the same batch whichever way it was written, made twice, or gone on with
// after it broke off?
func TestABatchIsTheSameBytesForTheSameState(t *testing.T) {
	t.Parallel()
	h := open(t, grocer()...)
	many(h, 100)
	terms := outreach.Terms{List: "for_you", Outlet: outreach.Till, N: 3}
	f := h.folder()
	first := made(t, f, terms)
	path := filepath.Join(h.dir, first.File)
	want, err := os.ReadFile(path)
	must(t, err)
	if len(rows(t, path, outreach.CSV)) != 200 {
		t.Fatalf("%d rows", len(rows(t, path, outreach.CSV)))
	}
	again := made(t, f, terms)
	if got, _ := os.ReadFile(path); !bytes.Equal(got, want) || !reflect.DeepEqual(again, first) {
		t.Error("made twice, it differs")
	}
	for _, stop := range []int{700, outreach.Parts - 1} {
		f := h.folder()
		f.SaveEvery(20)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := f.Make(ctx, outreach.Job{Terms: terms, Tell: func(done int) {
			if done == stop {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("broken off after %d parts: %v", stop, err)
		}
		h.clock = h.clock.Add(time.Hour) // it goes on with what it was begun as
		f, begun := h.folder(), 0
		m, err := f.Make(t.Context(), outreach.Job{Terms: terms, Tell: func(int) { begun++ }})
		must(t, err)
		if got, _ := os.ReadFile(path); !bytes.Equal(got, want) || m.Rows != first.Rows || m.Shoppers != first.Shoppers || m.Seen != first.Seen {
			t.Errorf("gone on with after %d parts, it differs: %+v", stop, m)
		}
		if begun == outreach.Parts {
			t.Errorf("after %d parts it began anew", stop)
		}
		h.clock = noon
	}
	terms.Format = outreach.Parquet
	m := made(t, f, terms)
	if got, want := rows(t, filepath.Join(h.dir, m.File), outreach.Parquet), rows(t, path, outreach.CSV); !reflect.DeepEqual(got, want) {
		t.Errorf("as Parquet it has %d rows, %+v, want %d, %+v", len(got), got[:min(1, len(got))], len(want), want[0])
	}
}

// Who is forgotten, or says no, is out of every file that the house keeps: of one
// that is made, of one that is being made, and of one that broke off before.
func TestWhoLeavesIsInNoKeptBatch(t *testing.T) {
	t.Parallel()
	for _, format := range []outreach.Format{outreach.CSV, outreach.Parquet} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			h := open(t, grocer()...)
			all := many(h, 40)
			terms := outreach.Terms{List: "for_you", Outlet: outreach.Till, N: 2, Format: format}
			f := h.folder()
			m := made(t, f, terms)
			path := filepath.Join(h.dir, m.File)
			lacks := func(when string, gone ...int) {
				t.Helper()
				in := named(rows(t, path, format))
				for _, n := range gone {
					if slices.Contains(in, fmt.Sprintf("card-%05d", n)) {
						t.Errorf("%s: shopper %d is named", when, n)
					}
				}
				kept, err := f.Kept()
				must(t, err)
				if len(in) != 40-len(gone) || len(kept) != 1 || kept[0].Shoppers != len(in) || kept[0].Rows != 2*len(in) {
					t.Errorf("%s: %d named, want %d; it says %+v", when, len(in), 40-len(gone), kept)
				}
			}
			lacks("at first")
			h.forget(f, all[3])
			lacks("forgotten", 3)
			follower := outreach.Follower(f, func(context.Context, int) (event.Cursor, error) { return "", nil })
			no := h.say(all[5], consent.Of(consent.Measurement))
			yes := h.say(all[6], consent.Of(consent.PersonalOffers))
			must(t, follower.Fold(t.Context(), batchOf(no, yes)))
			lacks("after a no", 3, 5)

			if _, err := f.Make(t.Context(), outreach.Job{Terms: terms, Tell: func(done int) {
				if done == outreach.Parts {
					h.forget(f, all[7])
					must(t, follower.Fold(t.Context(), batchOf(h.say(all[8], consent.None))))
				}
			}}); err != nil {
				t.Fatal(err)
			}
			lacks("while it was made", 3, 5, 7, 8)

			late := h.folder()
			late.SaveEvery(1)
			ctx, cancel := context.WithCancel(t.Context())
			if _, err := late.Make(ctx, outreach.Job{Terms: terms, Tell: func(done int) {
				if done == outreach.Parts-1 {
					cancel()
				}
			}}); err == nil {
				t.Fatal("it did not break off")
			}
			h.forget(f, all[9]) // by a house that knows of no run
			h.say(all[10], consent.None)
			m, err := f.Make(t.Context(), outreach.Job{Terms: terms})
			must(t, err)
			lacks("gone on with", 3, 5, 7, 8, 9, 10)

			h.say(all[11], consent.None) // while the house was closed
			if n, err := h.folder().Settle(t.Context()); err != nil || n != 2 {
				t.Errorf("settled %d rows, %v", n, err)
			}
			lacks("after a start", 3, 5, 7, 8, 9, 10, 11)
			if n, err := f.Settle(t.Context()); err != nil || n != 0 || m.Rows == 0 {
				t.Errorf("settled again: %d rows, %v", n, err)
			}
		})
	}
}

// How long does a batch lie there? Until it is no longer valid, and nothing that a
// run left behind stays either.
func TestABatchEnds(t *testing.T) {
	t.Parallel()
	h := open(t, grocer()...)
	many(h, 3)
	f := h.folder()
	if n, err := f.Expire(noon); n != 0 || err != nil {
		t.Errorf("before the first: %d, %v", n, err)
	}
	made(t, f, outreach.Terms{List: "for_you", Outlet: outreach.Till, N: 2, Hours: 6})
	long := made(t, f, outreach.Terms{List: "for_you", Outlet: outreach.Till, N: 2, Hours: 48, Store: "s1"})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := f.Make(ctx, outreach.Job{Terms: outreach.Terms{List: "discovery", Outlet: outreach.Till, N: 2}, Tell: func(int) { cancel() }})
	if err == nil {
		t.Fatal("it did not break off")
	}
	must(t, os.WriteFile(filepath.Join(h.dir, "2026-03-01-for_you-till.csv"), []byte("x"), 0o600)) // a kill left it without a word of what it is
	for _, step := range []struct {
		after   time.Duration
		expired int
		left    int
	}{{6*time.Hour - 1, 0, 4}, {6 * time.Hour, 1, 2}, {24 * time.Hour, 0, 2}, {48 * time.Hour, 1, 0}} {
		n, err := f.Expire(noon.Add(step.after))
		left, _ := filepath.Glob(filepath.Join(h.dir, "*"))
		if n != step.expired || err != nil || len(left) != step.left && len(left) != step.left+1 { // the run's part, where there is one
			t.Errorf("after %v: %d expired, %v; left are %v", step.after, n, err, left)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(h.dir, "*")); len(left) != 0 {
		t.Errorf("%v stay, and %s", left, long.File)
	}
}

// A person who is several shoppers is named once by each of her cards, with what she
// bought under all of them.
func TestAPersonOfSeveralShoppersIsNamedOnce(t *testing.T) {
	t.Parallel()
	h := open(t, grocer()...)
	a := h.meet(consent.All, []shopper.Key{keyOf(t, shopper.Card, "a")}, "oat")
	b := h.meet(consent.All, []shopper.Key{keyOf(t, shopper.Card, "b")}, "oat", "tea")
	must(t, h.vault.Merge(t.Context(), vault.Merger{Revision: revision(t, h, a, b), Members: []vault.Member{{Shopper: a, Canonical: a}, {Shopper: b, Canonical: a}}, At: noon}))
	must(t, h.people.Load(t.Context()))
	m := made(t, h.folder(), outreach.Terms{List: "for_you", Outlet: outreach.Till, N: 1})
	got := rows(t, filepath.Join(h.dir, m.File), outreach.CSV)
	if m.Shoppers != 1 || m.Seen != 2 || len(got) != 2 || got[0].Key != "a" || got[1].Key != "b" || got[0].Count != 2 || got[1].Count != 2 {
		t.Errorf("%+v: %+v", m.Counts, got)
	}
}

func revision(t *testing.T, h *house, who ...shopper.ID) int64 {
	t.Helper()
	e, err := h.vault.Evidence(t.Context(), who, 5)
	must(t, err)
	return e.Revision
}

// What happens when the disk is full: a clear error, and nothing left behind.
func TestAFullDiskLeavesNothing(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	h := open(t, grocer()...)
	many(h, 5)
	for _, format := range []outreach.Format{outreach.CSV, outreach.Parquet} {
		f := h.folder()
		f.CreateBy(func(path string) (*os.File, error) {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return nil, err
			}
			return os.OpenFile("/dev/full", os.O_RDWR, 0)
		})
		_, err := f.Make(t.Context(), outreach.Job{Terms: outreach.Terms{List: "for_you", Outlet: outreach.Till, N: 1, Format: format}})
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", format, err)
		}
		if left, _ := filepath.Glob(filepath.Join(h.dir, "*")); len(left) != 0 {
			t.Errorf("%s: left are %v", format, left)
		}
	}
}

// An entry of the audit that cannot be kept keeps the file back.
func TestNoBatchWithoutAnEntryOfTheAudit(t *testing.T) {
	t.Parallel()
	h := open(t, grocer()...)
	many(h, 2)
	out := t.TempDir()
	job := outreach.Job{Terms: outreach.Terms{List: "for_you", Outlet: outreach.Till, N: 1}, Out: out, By: "ana"}
	book := &book{err: os.ErrPermission}
	h.ports.Book = book
	if _, err := h.folder().Make(t.Context(), job); !errors.Is(err, os.ErrPermission) {
		t.Errorf("answered %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(out, "*"))
	book.err = nil
	m, err := h.folder().Make(t.Context(), job)
	must(t, err)
	if len(left) != 0 || len(rows(t, filepath.Join(out, m.File), outreach.CSV)) != 2 {
		t.Errorf("left were %v", left)
	}
	if doc := string(book.deeds[1].Rows[0].Doc); !strings.Contains(doc, `"shoppers":2`) || !strings.Contains(doc, `"by":"ana"`) || !strings.Contains(doc, `"out":"`+out) || strings.Contains(doc, "card-") {
		t.Errorf("the audit has %s", doc)
	}
	for _, inside := range []string{"batches", "out", h.dir, filepath.Join(h.dir, "deeper"), filepath.Dir(h.dir)} {
		job.Out = inside
		if _, err := h.folder().Make(t.Context(), job); retail.KindOf(err) != retail.Invalid {
			t.Errorf("written into the house: %v", err)
		}
	}
	if kept, err := h.folder().Kept(); err != nil || len(kept) != 0 {
		t.Errorf("the house keeps %v of what was written elsewhere, %v", kept, err)
	}
}

// book is an audit that may be out of order.
type book struct {
	deeds []ledger.Deed
	err   error
}

func (b *book) Commit(_ context.Context, deeds ...ledger.Deed) ([]ledger.Answer, error) {
	b.deeds = append(b.deeds, deeds...)
	return nil, b.err
}

func TestTermsThatCannotBe(t *testing.T) {
	t.Parallel()
	good := outreach.Terms{List: "buy_again", Outlet: outreach.Email, N: 8, Store: "store-7"}
	must(t, good.Check())
	for field, change := range map[string]func(*outreach.Terms){
		"list":        func(x *outreach.Terms) { x.List = "substitutes" },
		"channel":     func(x *outreach.Terms) { x.Outlet = "pigeon" },
		"n":           func(x *outreach.Terms) { x.N = 51 },
		"format":      func(x *outreach.Terms) { x.Format = "xlsx" },
		"valid_hours": func(x *outreach.Terms) { x.Hours = 169 },
		"store":       func(x *outreach.Terms) { x.Store = "../vault" },
	} {
		bad := good
		change(&bad)
		e, ok := errors.AsType[*retail.Error](bad.Check())
		if !ok || e.Field != field || e.Cure == "" {
			t.Errorf("%s: %v", field, bad.Check())
		}
	}
}

// FuzzReader reads anything as a batch: an error, or rows that are written and read
// again as they are.
func FuzzReader(f *testing.F) {
	row := outreach.Row{KeyKind: "card", Key: "1", List: "for_you", Place: 1, Product: "a\"\n,b", Because: "bought once", Count: 1, Model: 1 << 63, MadeAt: noon, ValidUntil: noon}
	for _, format := range []outreach.Format{outreach.CSV, outreach.Parquet} {
		var b bytes.Buffer
		w := outreach.NewWriter(&b, format)
		if err := errors.Join(w.Write(&row), w.Close()); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes(), format == outreach.Parquet)
	}
	f.Fuzz(func(t *testing.T, b []byte, packed bool) {
		format := outreach.CSV
		if packed {
			format = outreach.Parquet
		}
		r, err := outreach.NewReader(bytes.NewReader(b), format)
		if err != nil {
			return
		}
		defer func() { _ = r.Close() }()
		for range 1_000 {
			var got outreach.Row
			if r.Read(&got) != nil {
				return
			}
			if packed {
				continue
			}
			var again bytes.Buffer
			w := outreach.NewWriter(&again, outreach.CSV)
			must(t, errors.Join(w.Write(&got), w.Close()))
			r, err := outreach.NewReader(bytes.NewReader(again.Bytes()), outreach.CSV)
			must(t, err)
			var same outreach.Row
			if err := r.Read(&same); err != nil || same.Key != got.Key || same.Count != got.Count || !same.MadeAt.Equal(got.MadeAt.Truncate(time.Second)) {
				t.Errorf("%+v is read again as %+v, %v", got, same, err)
			}
		}
	})
}

// BenchmarkBatch tells the processor's time for one shopper of a batch, who bought 40
// products and has two keys.
func BenchmarkBatch(b *testing.B) {
	h := open(b, wide(2_000)...)
	const people = 2_000
	for i := range people {
		h.meet(consent.All, []shopper.Key{keyOf(b, shopper.Card, fmt.Sprint("card-", i)), keyOf(b, shopper.Account, fmt.Sprint("account-", i))}, basketOf(i)...)
	}
	b.ReportAllocs()
	for _, list := range []outreach.Terms{{List: "for_you", Outlet: outreach.Till, N: 8}, {List: "next_basket", Outlet: outreach.App, N: 8}, {List: "buy_again", Outlet: outreach.App, N: 8}} {
		b.Run(string(list.List), func(b *testing.B) {
			f := h.folder()
			before := processor()
			n := 0
			for b.Loop() {
				m, err := f.Make(b.Context(), outreach.Job{Terms: list})
				must(b, err)
				n += m.Seen
			}
			b.ReportMetric(float64((processor()-before).Microseconds())/float64(n), "cpu-µs/shopper")
		})
	}
}
