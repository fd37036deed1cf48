// Command endcap is the whole of Endcap in one program: it serves a data
// directory, and every other subcommand is a client of the API it serves. This
// package parses flags, reads the settings and wires stores to wings; it is the
// only importer of adapters.
//
// The road of a receipt runs inside `endcap serve`.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // stores name their zones; not every machine has the list

	"github.com/alecthomas/kong"

	"endcap/gate/cli"
	"endcap/retail"
)

// Exit statuses.
const (
	exitFailed = 1
	exitUsage  = 2
)

// version is set by the linker for releases.
var version = "0.1.0-dev"

// Main is one run of the program, with its surroundings handed in so that tests
// can start it.
type Main struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// grammar is the command line.
type grammar struct {
	Init       initCmd           `cmd:"" help:"Make a data directory."`
	Serve      serveCmd          `cmd:"" help:"Serve a data directory: the API, the stores, every job."`
	Ingest     cli.IngestCmd     `cmd:"" help:"Load a file of receipts, products, stores, prices, stock, promotions, shoppers or consents."`
	Query      cli.QueryCmd      `cmd:"" help:"Ask history in SQL."`
	Quarantine cli.QuarantineCmd `cmd:"" help:"See and replay what could not be taken in."`
	Report     cli.ReportCmd     `cmd:"" help:"A campaign's report."`
	Key        keyCmd            `cmd:"" help:"Make, list and revoke API keys."`
	Secret     cli.SecretCmd     `cmd:"" help:"Rotate the secrets by which the house signs, masks and recognises."`
	Forget     cli.ForgetCmd     `cmd:"" help:"Forget a shopper who asked for it."`
	Privacy    cli.PrivacyCmd    `cmd:"" help:"Answer what shoppers ask by right of the law."`
	Rebuild    rebuildCmd        `cmd:"" help:"Throw away everything derived and fold it again."`
	Verify     verifyCmd         `cmd:"" help:"Prove that what is stored agrees with itself."`
	Backup     backupCmd         `cmd:"" help:"Back up a data directory, also while it is served."`
	Restore    restoreCmd        `cmd:"" help:"Make a data directory from a backup, and prove it."`
	Recommend  cli.RecommendCmd  `cmd:"" help:"Make batches of proposals; train, judge and explain the model of what is bought next."`
	Identity   cli.IdentityCmd   `cmd:"" help:"Find, see and answer merges of shoppers."`
	Partner    cli.PartnerCmd    `cmd:"" help:"Partners, and the names that each has for shoppers."`
	Simulate   simulateCmd       `cmd:"" help:"Make a retailer that does not exist, of any size, with known truth."`
	Load       loadCmd           `cmd:"" help:"Drive a server with simulated visits or recorded requests, and measure the answers."`
	Version    versionCmd        `cmd:"" help:"Print the version."`
}

func main() {
	tune()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	m := Main{os.Stdin, os.Stdout, os.Stderr}
	status := m.Run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// Run carries out one command line and returns the exit status: 0, 1 where it
// failed, 2 where it was used wrongly.
func (m *Main) Run(ctx context.Context, args []string) (status int) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case kongExit:
			status = int(v)
		default:
			panic(v)
		}
	}()
	var g grammar
	parser, err := kong.New(&g, kong.Name("endcap"), kong.Description("Retail media and customer data that a retailer runs itself."),
		kong.Writers(m.Stdout, m.Stderr), kong.Exit(func(code int) { panic(kongExit(code)) }), kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(m, m.session()))
	if err != nil {
		panic(fmt.Sprintf("endcap: bug: the command line's grammar: %v", err))
	}
	switch {
	case len(args) == 1 && args[0] == "help":
		args = []string{"--help"}
	case len(args) == 1 && args[0] == "--version":
		args = []string{"version"}
	}
	line, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(m.Stderr, "endcap: %v\nTry: %s --help\n", err, meant(err))
		return exitUsage
	}
	if err := line.Run(); err != nil {
		return m.fail(err)
	}
	return 0
}

// meant is the command that a command line which cannot be read began with.
func meant(err error) string {
	if e, ok := errors.AsType[*kong.ParseError](err); ok {
		if command := e.Context.Selected(); command != nil {
			return command.FullPath()
		}
	}
	return "endcap"
}

// session is what the commands that are clients of the API need.
func (m *Main) session() *cli.Session {
	return &cli.Session{Stdout: m.Stdout, Stderr: m.Stderr, Version: version, Now: time.Now, Open: func(ctx context.Context, dir string) (func(context.Context) error, error) {
		owner, err := openOwner(ctx, m, dir, ownerOptions{Level: slog.LevelWarn})
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) error { return closeOwner(ctx, owner) }, nil
	}}
}

// kongExit carries the status with which kong wants to leave, after --help.
type kongExit int

// fail prints an error and gives its exit status.
func (m *Main) fail(err error) int {
	fmt.Fprintf(m.Stderr, "endcap: %s\n", say(err))
	if errors.As(err, new(cli.UsageError)) {
		return exitUsage
	}
	return exitFailed
}

// say is an error with its cure, where it knows one.
func say(err error) string {
	if e, ok := errors.AsType[*retail.Error](err); ok && e.Cure != "" {
		return err.Error() + "; " + e.Cure
	}
	return err.Error()
}

type versionCmd struct {
	JSON bool `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*versionCmd) Help() string { return "endcap version" }

// Run prints the version.
func (c *versionCmd) Run(m *Main) error {
	if c.JSON {
		return json.NewEncoder(m.Stdout).Encode(map[string]string{"version": version})
	}
	_, err := fmt.Fprintln(m.Stdout, version)
	return err
}
