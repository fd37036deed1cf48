package retail_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"pgregory.net/rapid"

	"endcap/retail"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestWhichDayASaleBelongsTo(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ at, zone, want string }{
		"noon in Paris":                  {"2017-12-04T12:00:00+01:00", "Europe/Paris", "2017-12-04"},
		"an hour before Paris' midnight": {"2017-12-04T23:00:00Z", "Europe/Paris", "2017-12-05"},
		"the same instant in New York":   {"2017-12-04T23:00:00Z", "America/New_York", "2017-12-04"},
		"in summer time":                 {"2017-07-03T22:30:00Z", "Europe/Paris", "2017-07-04"},
		"a zone ahead by 14 hours":       {"2017-12-31T10:00:00Z", "Pacific/Kiritimati", "2018-01-01"},
		"before 1970":                    {"1969-12-31T23:59:59Z", "UTC", "1969-12-31"},
		"a leap day":                     {"2016-02-29T12:00:00Z", "UTC", "2016-02-29"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, err := time.Parse(time.RFC3339, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			if got := retail.DayOf(at, zone(t, tt.zone)).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestADayReadsBackAsItWas(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{time.UTC, zone(t, "Europe/Paris"), zone(t, "America/Sao_Paulo"), zone(t, "Pacific/Apia")}
	rapid.Check(t, func(t *rapid.T) {
		d := retail.Day(rapid.Int32Range(-700_000, 2_900_000).Draw(t, "day")) // years 53 to 9909
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		if got, err := retail.ParseDay(d.String()); err != nil || got != d {
			t.Fatalf("%d is %s, which is %d, %v", d, d, got, err)
		}
		y, m, day := d.UTC().Date()
		if got := retail.Date(y, m, day); got != d {
			t.Fatalf("%d is %v, which is %d", d, d.UTC(), got)
		}
		// A day that a zone skipped (Apia, 30 December 2011) starts with the next.
		if got := retail.DayOf(d.Start(z), z); got != d && got != d+1 {
			t.Fatalf("%v starts in %v on %v", d, z, got)
		}
	})
}

func TestTextThatIsNoDay(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "2017-13-01", "2017-02-29", "04.12.2017", "2017-12-04T00:00:00Z", "17-12-04"} {
		if got, err := retail.ParseDay(s); !errors.Is(err, retail.ErrDay) {
			t.Errorf("%q gives %v, %v", s, got, err)
		}
	}
	var doc struct{ Day retail.Day }
	if err := json.Unmarshal([]byte(`{"Day":"2017-12-04"}`), &doc); err != nil || doc.Day != retail.Date(2017, time.December, 4) {
		t.Errorf("got %v, %v", doc.Day, err)
	}
	if err := json.Unmarshal([]byte(`{"Day":"soon"}`), &doc); !errors.Is(err, retail.ErrDay) {
		t.Errorf("soon gives %v", err)
	}
	if b, err := json.Marshal(doc); err != nil || string(b) != `{"Day":"2017-12-04"}` {
		t.Errorf("got %s, %v", b, err)
	}
}

func TestSpansAreHalfOpen(t *testing.T) {
	t.Parallel()
	week := retail.Days{From: 100, To: 107}
	for d, want := range map[retail.Day]bool{99: false, 100: true, 106: true, 107: false} {
		if week.Contains(d) != want {
			t.Errorf("day %d: want %t", d, want)
		}
	}
	if week.Len() != 7 || (retail.Days{From: 7, To: 3}).Len() != 0 || (retail.Days{From: -1 << 31, To: 1<<31 - 1}).Len() != 1<<32-1 {
		t.Error("days are counted wrongly")
	}
	from := time.Unix(1_000, 0)
	w := retail.Window{From: from, To: from.Add(time.Second)}
	if !w.Contains(from) || w.Contains(w.To) || w.Contains(from.Add(-1)) {
		t.Error("a window takes in its beginning and not its end")
	}
}

func TestAReplayedClockOnlyRunsForward(t *testing.T) {
	t.Parallel()
	start := time.Date(2017, 12, 4, 0, 0, 0, 0, time.UTC)
	c := retail.NewReplayClock(start)
	if !c.Now().Equal(start) {
		t.Fatalf("it starts at %v", c.Now())
	}
	if err := c.Advance(start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := c.Advance(start.Add(time.Hour)); err != nil {
		t.Errorf("standing still gives %v", err)
	}
	if err := c.Advance(start); !errors.Is(err, retail.ErrBackwards) {
		t.Errorf("going back gives %v", err)
	}
	var clock retail.Clock = c.Now
	if got := clock(); !got.Equal(start.Add(time.Hour)) || got.Location() != time.UTC {
		t.Errorf("it shows %v", got)
	}
}

func TestErrorsTellStrangersOnlyWhatTheyMayKnow(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk sda1 is full")
	err := error(&retail.Error{Kind: retail.Unavailable, Field: "lines[3].quantity", Say: "try again later", Err: cause})
	if got := err.Error(); got != "lines[3].quantity: try again later: disk sda1 is full" {
		t.Errorf("the log reads %q", got)
	}
	if !errors.Is(err, cause) || retail.KindOf(errors.Join(errors.New("while saving"), err)) != retail.Unavailable {
		t.Error("the chain is broken")
	}
	if retail.KindOf(cause) != retail.Internal || retail.KindOf(nil) != retail.Internal {
		t.Error("what is not ours to tell is internal")
	}
	if got := (&retail.Error{Say: "no"}).Error(); got != "no" {
		t.Errorf("the shortest reads %q", got)
	}
}
