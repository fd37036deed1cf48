package connect_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"endcap/gate/connect"
	"endcap/gate/connect/mapping"
	"endcap/keep/sql/sqlite"
	"endcap/keep/stream"
	"endcap/keep/stream/pebblelog"
	"endcap/keep/vault"
	"endcap/keep/warehouse/duck"
	"endcap/know/assortment"
	"endcap/know/history"
	"endcap/know/identity"
	"endcap/know/ingest"
	"endcap/retail"
)

func gz(tb testing.TB, content string) string {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(content)); err != nil || w.Close() != nil {
		tb.Fatal("cannot pack")
	}
	return b.String()
}

// realDesk is the house's own desk over embedded stores.
func realDesk(t *testing.T) *ingest.Desk {
	t.Helper()
	desk, _, _ := realHouse(t)
	return desk
}

// realHouse is realDesk with the stream it fills and an empty history.
func realHouse(t *testing.T) (*ingest.Desk, stream.Stream, *duck.Warehouse) {
	t.Helper()
	dir := t.TempDir()
	v, err := sqlite.OpenVault(t.Context(), sqlite.Options{Path: filepath.Join(dir, "vault.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	log, err := pebblelog.Open(filepath.Join(dir, "stream"), pebblelog.Options{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	people, err := identity.New(v, identity.Seeded([32]byte{7}), identity.Defaults(time.Now))
	if err != nil {
		t.Fatal(err)
	}
	past, err := duck.Open(t.Context(), filepath.Join(dir, "history"), duck.Options{MemoryMB: 128, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = past.Close() })
	desk, err := ingest.NewDesk(ingest.Ports{
		Log: log, People: people, Quarantine: v, Assortment: assortment.New(), Past: history.NewPast(past), Clock: noon,
	}, ingest.Defaults(time.UTC, "EUR"))
	if err != nil {
		t.Fatal(err)
	}
	return desk, log, past
}

func TestLoadingTwiceChangesNothingAndReplayTakesInWhatWasMended(t *testing.T) {
	t.Parallel()
	desk, m := realDesk(t), cornerShop(t, "true")
	o := connect.LoadOptions{
		File: write(t, "day.csv", "id,at,sku,total,where\n1,2017-01-02 10:00,a,1.00,T\n1,2017-01-02 10:00,b,0.50,T\n2,2017-01-02 11:00,a,1.00,K\n3,2017-01-02 11:00,a,x,T\n"),
		Kind: mapping.Receipts, Mapping: m, Desk: desk, Clock: noon,
	}
	for run, want := range []ingest.Summary{{New: 1, Quarantined: 2}, {Repeat: 1, Quarantined: 2}} {
		sum, err := connect.Load(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := sum.Desk; got.New != want.New || got.Repeat != want.Repeat || got.Quarantined != want.Quarantined || got.Sales["EUR"] != 3*retail.Unit/2 || len(got.StoresUnknown) != 0 {
			t.Errorf("run %d: %d new, %d repeats, %d refused, sales %v, stores %v", run, got.New, got.Repeat, got.Quarantined, got.Sales, got.StoresUnknown)
		}
	}
	refused, err := desk.Refused(t.Context(), 0, 100)
	if err != nil || len(refused) != 2 {
		t.Fatalf("%d rows in quarantine, want 2 (%v)", len(refused), err)
	}
	if r := refused[0]; r.Source != "corner-shop/receipts/day.csv" || r.Line != 4 || !strings.Contains(string(r.Raw), "2,2017-01-02 11:00,a,1.00,K") {
		t.Errorf("quarantined %s line %d: %s", r.Source, r.Line, r.Raw)
	}
	mended := parse(t, strings.Replace(fmt.Sprintf(corner, "true"), `"W":"online"}},"retail`, `"W":"online","K":"in_store"}},"retail`, 1))
	done, err := desk.Replay(t.Context(), func(ctx context.Context, row vault.Refused) error {
		return connect.Replay(ctx, desk, func(name string) (*mapping.Mapping, error) {
			if name != "corner-shop" {
				return nil, errors.New("no such mapping")
			}
			return mended, nil
		}, connect.Refused{Source: row.Source, Line: row.Line, Reason: row.Reason, Raw: row.Raw})
	})
	if err != nil || done.Taken != 1 || done.Kept != 1 {
		t.Errorf("replayed %+v, %v; want 1 taken in, 1 kept", done, err)
	}
}

func TestALineThatComesTooLateIsAConflictAndNotLost(t *testing.T) {
	t.Parallel()
	var csv strings.Builder
	csv.WriteString("id,at,sku,total\n")
	for i := range 3_000 {
		csv.WriteString(string(rune('a'+i%26)) + strings.Repeat("x", i/26) + ",2017-01-02 10:00,a,1\n")
	}
	csv.WriteString("a,2017-01-02 10:00,late,2\n")
	desk := realDesk(t)
	sum, err := connect.Load(t.Context(), connect.LoadOptions{
		File: write(t, "t.csv", csv.String()), Kind: mapping.Receipts, Mapping: cornerShop(t, "true"), Desk: desk, Clock: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	refused, err := desk.Refused(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	conflicts := 0
	for _, r := range refused {
		if r.Reason == string(ingest.Conflict) {
			conflicts++
			if !strings.Contains(string(r.Raw), "late,2") || len(r.Stored) == 0 || r.Line != 3_002 {
				t.Errorf("line %d: %s / %s", r.Line, r.Raw, r.Stored)
			}
		}
	}
	if conflicts != 1 {
		t.Errorf("%d conflicts among %d refused, %d new", conflicts, len(refused), sum.Desk.New)
	}
}
