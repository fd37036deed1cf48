// Command decide measures decisions: how many a second one core answers over
// HTTP with a full book of line items, and how much of that is the decision.
//
// It prepares a data directory (The Complete Journey's first 49 weeks, drawn
// consents, 10,000 line items of some 240 advertisers), serves it with
// bin/endcap pinned to one core, and drives it from another with recorded
// bodies: visits of the households that really came in the weeks after, each on
// a page that one of her purchases suggests. The reference is a net/http handler
// that decodes the same bodies and encodes recorded answers with the gate's own
// codec, on the same core, driven by the same client. Rounds of both alternate
// and medians are printed, because machines are shared.
//
// With -shoppers the house is that of a simulated grocer, and simulated visits at
// half of what the server can do show how soon a receipt is in a profile and a
// click in history.
//
// It is beside the road of a receipt, with a stopwatch: make bench-decide.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	o := options{told: os.Stderr}
	flag.StringVar(&o.binary, "endcap", "bin/endcap", "the program to measure")
	flag.StringVar(&o.data, "data", "data/complete-journey", "folder of transactions.parquet and products.parquet")
	flag.StringVar(&o.dir, "dir", "data/bench-decide", "the data directory; made where it is not prepared")
	flag.DurationVar(&o.length, "length", 8*time.Second, "how long each round runs")
	flag.IntVar(&o.rounds, "rounds", 3, "how many rounds of each side")
	flag.StringVar(&o.profile, "profile", "", "only decide in process for a while, and write a CPU profile to this file")
	flag.BoolVar(&o.freshness, "freshness", false, "only measure freshness, of a simulated house")
	shoppers := flag.Int("shoppers", 0, "of a simulated house; 0 is The Complete Journey")
	bare := flag.String("bare", "", "be the reference on this address")
	answers := flag.String("answers", "", "the reference's recorded answers")
	flag.Parse()
	if err := begin(&o, *shoppers, *bare, *answers); err != nil {
		fmt.Fprintln(os.Stderr, "bench/decide:", err)
		os.Exit(1)
	}
}

// begin is the benchmark, or the reference where it has an address.
func begin(o *options, shoppers int, bare, answers string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if bare != "" {
		return serveBare(ctx, bare, answers)
	}
	if o.grocer, err = grocerOf(shoppers); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	return run(ctx, os.Stdout, o)
}

// options are the flags.
type options struct {
	binary, data, dir, profile string
	length                     time.Duration
	rounds                     int
	freshness                  bool
	grocer                     *grocer
	calls                      []visitBody // recorded visits, for probes
	told                       io.Writer   // tables
}

func (o *options) check() error {
	if o.freshness && o.grocer.world == nil {
		return errors.New("freshness is measured in a simulated house: say how many shoppers")
	}
	if o.rounds < 1 || o.length < time.Second {
		return errors.New("at least one round of at least a second")
	}
	return nil
}

// The files that the program keeps in its data directory beside the server's.
const (
	keyFile     = "bench.key"
	bodiesFile  = "bench.bodies.ndjson"
	answersFile = "bench.answers.ndjson"
	loadedFile  = "bench.loaded"
	readyFile   = "bench.ready"
)

func run(ctx context.Context, out io.Writer, o *options) error {
	if _, err := os.Stat(filepath.Join(o.dir, readyFile)); errors.Is(err, os.ErrNotExist) {
		if err := prepare(ctx, o); err != nil {
			return fmt.Errorf("prepare %s: %w", o.dir, err)
		}
	}
	if o.freshness {
		return freshness(ctx, out, o)
	}
	if err := inProcess(ctx, out, o); err != nil {
		return fmt.Errorf("decide in process: %w", err)
	}
	if o.profile != "" {
		return nil
	}
	if err := overHTTP(ctx, out, o); err != nil {
		return fmt.Errorf("decide over HTTP: %w", err)
	}
	return nil
}
