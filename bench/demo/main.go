// Command demo plays four weeks of The Complete Journey through a running
// Endcap, as a shop and its tills would: it speaks only the public HTTP API.
// It sets up advertisers, draws the consents and clicks that the data lacks by
// rules that it states, replays each visit, decision, event and receipt in time
// order, and prints what came of it. scripts/demo.sh starts it.
//
// Of a simulated grocer, which `endcap simulate` plays itself, it compares what
// was made with what history holds, and reports with the truth.
//
// It walks the road of a receipt from outside.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.target, "target", "http://127.0.0.1:8080", "the server")
	flag.StringVar(&o.key, "key", os.Getenv("ENDCAP_KEY"), "an API key with every scope")
	flag.StringVar(&o.data, "data", "data/complete-journey", "folder of transactions.parquet")
	flag.StringVar(&o.seed, "seed", "endcap-demo", "seed of the drawn consents and clicks")
	flag.IntVar(&o.flying, "flying", 24, "visits under way at once")
	flag.StringVar(&o.record, "record", "", "write the decision requests to this file, for endcap load")
	flag.StringVar(&o.folder, "folder", "", "instead of playing: the folder of a simulation, whose sums history must hold")
	flag.StringVar(&o.played, "played", "", "what endcap simulate --server --json said of the weeks that it played")
	flag.StringVar(&o.truth, "truth", "", "the folder of the play's truth")
	flag.StringVar(&o.communes, "communes", "none", "the list of communes that the folder was made with")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	target, key, data, seed, record string
	folder, played, truth, communes string
	flying                          int
}

// zone is where the shops of the data stand; its times are UTC.
const zone = "America/New_York"

// The weeks that are replayed, as business days.
var (
	replayFrom = day(2017, 12, 4)
	replayTo   = day(2018, 1, 1)
)

func day(y int, m time.Month, d int) time.Time {
	place, err := time.LoadLocation(zone)
	if err != nil {
		panic("demo: bug: no zone " + zone)
	}
	return time.Date(y, m, d, 0, 0, 0, 0, place)
}

func run(ctx context.Context, o *options) error {
	if o.folder != "" {
		return judgeSimulated(ctx, newClient(o), o, os.Stdout)
	}
	baskets, known, err := readBaskets(o.data)
	if err != nil {
		return err
	}
	c := newClient(o)
	if err := setUp(ctx, c, known); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	played, err := replay(ctx, c, o, baskets)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if err := settle(ctx, c); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	played.print(os.Stdout)
	if err := printEffect(ctx, c, os.Stdout); err != nil {
		return err
	}
	return printControls(ctx, c, "complete_journey", journeyControls, os.Stdout)
}
