package auction_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"endcap/retail/trial"
	"endcap/sell/auction"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts say now into testdata")

// script is the state of one trade script: the line items named so far.
type script struct {
	names []string
	lines []auction.Candidate
	shelf map[string]int32
	camps map[string]int32
}

func number(m map[string]int32, name string) int32 {
	n, ok := m[name]
	if !ok {
		n = int32(len(m))
		m[name] = n
	}
	return n
}

func words(line string) (head []string, kv map[string]string) {
	kv = map[string]string{}
	for w := range strings.FieldsSeq(line) {
		if k, v, ok := strings.Cut(w, "="); ok {
			kv[k] = v
		} else {
			head = append(head, w)
		}
	}
	return head, kv
}

func integer(t *testing.T, text string, otherwise int64) int64 {
	t.Helper()
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// run carries out one command of a script: "line <name> …" names a line item,
// in the order of their ids; "ask …" runs the auction over all of them.
func (s *script) run(t *testing.T, command string) string {
	t.Helper()
	head, kv := words(command)
	switch head[0] {
	case "line":
		product, campaign := kv["product"], kv["campaign"]
		if product == "" {
			product = head[1]
		}
		if campaign == "" {
			campaign = head[1]
		}
		arm := trial.Treated
		if len(head) > 2 && head[2] == "control" {
			arm = trial.Control
		}
		s.lines = append(s.lines, auction.Candidate{
			Line: int32(len(s.lines)), Product: number(s.shelf, product), Campaign: number(s.camps, campaign),
			Quality: int32(integer(t, kv["quality"], auction.QualityAll)), Bid: integer(t, kv["bid"], 0), Arm: arm,
		})
		s.names = append(s.names, head[1])
		return ""
	case "ask":
		var places []place
		for slots := range strings.SplitSeq(kv["slots"], ",") {
			p := place{Slots: int(integer(t, slots, 1)), Floor: integer(t, kv["floor"], 1)}
			for _, c := range s.lines {
				if c.Bid >= p.Floor {
					p.Candidates = append(p.Candidates, c)
				}
			}
			places = append(places, p)
		}
		var out strings.Builder
		for i, vs := range run(places) {
			if len(places) > 1 {
				fmt.Fprintf(&out, "place %d\n", i)
			}
			for _, v := range vs {
				switch {
				case !v.Won():
					fmt.Fprintf(&out, "  %s: %s\n", s.names[v.Line], v.Refusal)
				case v.Arm == trial.Control:
					fmt.Fprintf(&out, "  %s: ghost of slot %d, would pay %d\n", s.names[v.Line], v.Slot, v.Price)
				default:
					fmt.Fprintf(&out, "  %s: slot %d, pays %d\n", s.names[v.Line], v.Slot, v.Price)
				}
			}
		}
		return out.String()
	}
	t.Fatalf("unknown command %q", command)
	return ""
}

// TestTradeScripts runs testdata/*.trade: commands, then ---- and what they say,
// up to an empty line. -rewrite writes anew what they say.
func TestTradeScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.trade")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for part := range strings.SplitSeq(strings.TrimSpace(string(want)), "\n\n") {
				commands, _, _ := strings.Cut(part, "\n----")
				s := &script{shelf: map[string]int32{}, camps: map[string]int32{}}
				said := ""
				for line := range strings.Lines(commands) {
					if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
						said += s.run(t, line)
					}
				}
				fmt.Fprintf(&got, "%s\n----\n%s\n", commands, said)
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if got.String() != string(want) {
				t.Errorf("%s says now (-rewrite to accept):\n%s", file, got.String())
			}
		})
	}
}
