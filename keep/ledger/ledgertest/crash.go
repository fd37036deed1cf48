package ledgertest

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"endcap/keep/ledger"
	"endcap/retail"
)

// crashDir names the environment variable by which Crash tells its child where
// the book lies.
const crashDir = "ENDCAP_LEDGERTEST_DIR"

// Crash kills a process that charges, at a moment from a printed seed, and
// proves that what it was told is done is there once, and nothing is half
// there. The test that calls it must do nothing else: it is run again, by name,
// as the child. A kill shows atomicity; only a lost disk shows durability.
func Crash(t *testing.T, open Open, seed uint64, kills int) {
	t.Helper()
	if dir := os.Getenv(crashDir); dir != "" {
		testChild(t, open(t, dir))
		return
	}
	chance := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	told := make(map[string]bool)
	for kill := range kills {
		after := time.Duration(1+chance.IntN(60)) * time.Millisecond
		t.Logf("seed %d kill %d: %v after the first answer", seed, kill, after)
		told = killed(t, dir, kill, after, told)
		proveCrash(t, open, dir, told)
	}
}

// testChild is the child: it charges from eight goroutines until it is killed, and
// prints each key once it was answered.
func testChild(t *testing.T, s Store) {
	run := os.Getenv(crashDir + "_RUN")
	if _, err := s.Commit(t.Context(), move("fund", ledger.Outside, budget, retail.MicrosMax)); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := 0; t.Context().Err() == nil; i++ {
				token := fmt.Sprintf("%s-%d-%d", run, g, i)
				answers, err := s.Commit(t.Context(), charge(token, 1, 3), charge(token+"b", 1, 4))
				if err != nil || !answers[0].Done || !answers[1].Done {
					t.Errorf("charge %s: %v %v", token, answers, err)
					return
				}
				mu.Lock()
				fmt.Printf("told %s\n", token) // the parent reads it
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

func killed(t *testing.T, dir string, run int, after time.Duration, told map[string]bool) map[string]bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=60s")
	child.Env = append(os.Environ(), crashDir+"="+dir, crashDir+"_RUN="+strconv.Itoa(run))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var stop *time.Timer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var token string
		if _, err := fmt.Sscanf(lines.Text(), "told %s", &token); err != nil {
			t.Logf("child: %s", lines.Text())
			continue
		}
		told[token] = true
		if stop == nil {
			stop = time.AfterFunc(after, func() { _ = child.Process.Kill() })
		}
	}
	_ = child.Wait()
	if stop == nil {
		t.Fatal("the child was never answered")
	}
	stop.Stop()
	return told
}

func proveCrash(t *testing.T, open Open, dir string, told map[string]bool) {
	t.Helper()
	s := open(t, dir)
	defer func() { _ = s.Close() }()
	if err := s.Check(t.Context()); err != nil {
		t.Fatalf("check after the kill: %v", err)
	}
	earned := balance(t, s, ledger.Revenue)
	if earned%7 != 0 || earned < retail.Micros(7*len(told)) {
		t.Errorf("earned %d: not whole calls of 7, or fewer than the %d answered", int64(earned), len(told))
	}
	if facts := outboxed(t, s, ledger.PageMax); len(facts) < ledger.PageMax && len(facts) != int(earned/7)*2 {
		t.Errorf("%d facts for %d charges", len(facts), int(earned/7)*2)
	}
	for token := range told {
		a := commit(t, s, charge(token, 1, 3))[0]
		if !a.Repeat || string(a.Stored) != "charged "+token {
			t.Errorf("%s was answered and is lost: %s", token, word(a))
		}
	}
	same(t, "earned after asking again", balance(t, s, ledger.Revenue), earned)
}
