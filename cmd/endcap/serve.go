package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"endcap/gate/cli"
)

type serveCmd struct {
	cli.DirFlags
	Listen  string     `help:"Address of the API." default:"127.0.0.1:8080"`
	Clock   string     `help:"wall, or replay on a demo." enum:"wall,replay" default:"wall"`
	Log     slog.Level `name:"log-level" help:"Log from this level on: debug, info, warn, error." default:"info"`
	History int        `name:"history-memory" help:"Most memory for history and the questions to it, in MB, from 128; 0 is an eighth of the machine's or the container's, at most 2048." default:"0" placeholder:"MB"`

	Profiles int `name:"profile-memory" help:"Most memory for profiles that are read again, in MB, from 32; 0 is a sixteenth of the machine's or the container's, at most 1024." default:"0" placeholder:"MB"`
}

// How little memory history and profiles work with, in MB.
const (
	historyLeast  = 128
	profilesLeast = 32
)

// Help shows an example.
func (*serveCmd) Help() string { return "endcap serve --dir /srv/endcap --listen 127.0.0.1:8080" }

// Run serves until it is told to stop, and then stops gracefully.
func (c *serveCmd) Run(ctx context.Context, m *Main) error {
	if c.History != 0 && c.History < historyLeast {
		return cli.Misused(fmt.Errorf("--history-memory is %d MB: name at least %d, or 0", c.History, historyLeast))
	}
	if c.Profiles != 0 && c.Profiles < profilesLeast {
		return cli.Misused(fmt.Errorf("--profile-memory is %d MB: name at least %d, or 0", c.Profiles, profilesLeast))
	}
	o := ownerOptions{
		Clock: c.Clock, Listen: c.Listen, Level: c.Log,
		History: cmp.Or(c.History, historyMemory()), Profiles: cmp.Or(c.Profiles, profileMemory()),
	}
	h, err := openOwner(ctx, m, c.Dir, o)
	if err != nil {
		return err
	}
	h.log.Info("serving", "address", c.Listen, "directory", c.Dir, "clock", c.Clock, "history_mb", o.History, "profiles_mb", o.Profiles)
	if _, err := fmt.Fprintf(m.Stdout, "serving on http://%s (reader at /docs); Ctrl-C stops\n", c.Listen); err != nil {
		return err
	}
	<-ctx.Done()
	h.log.Info("stopping")
	return closeOwner(ctx, h)
}
