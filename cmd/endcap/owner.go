package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/gate/cli"
	"endcap/keep/stream"
	"endcap/know/recommend/response"
	"endcap/retail"
)

// ownerOptions say how a data directory is opened.
type ownerOptions struct {
	Clock  string // "wall" or "replay"; empty is as the directory lives
	Listen string // TCP address; empty serves the socket alone
	Level  slog.Level
	Log    *slog.Logger
	Lock   *os.File // of the directory, where it is taken already
	// History and Profiles are how much memory each may take, in MB; 0 is what one
	// command needs.
	History, Profiles int
}

// owner is an open house: its stores, its wings, its jobs and its doors.
type owner struct {
	*stores
	*wings
	day     sync.Mutex   // one morning at a time
	begun   retail.Day   // the last business day that has begun; guarded by day
	kept    atomic.Int64 // the last business day that house was kept for
	backup  sync.Mutex   // one backup at a time
	carried sync.Mutex   // one writer of tombstones at a time
	stop    context.CancelFunc
	jobs    sync.WaitGroup
	server  *api.Server
	serving []*http.Server
}

// openOwner opens the house in dir, brings it up to date and serves its socket
// and, where asked, a TCP address.
func openOwner(ctx context.Context, m *Main, dir string, o ownerOptions) (*owner, error) {
	o.Log = newLog(m.Stderr, o.Level)
	s, err := openStores(ctx, dir, o)
	if err != nil {
		return nil, err
	}
	w, err := openWings(ctx, s)
	if err != nil {
		return nil, errors.Join(err, closeStores(s))
	}
	if err := limitHistory(ctx, s); err != nil { // before any door opens
		return nil, errors.Join(err, closeStores(s))
	}
	h := &owner{stores: s, wings: w}
	if h.shop {
		if err := w.recommend.Refresh(ctx); err != nil {
			failed(s.log, "recommend")(err) // what can be read serves
		}
	}
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	startJobs(ctx, h)
	h.server = newServer(h)
	if err := listen(h, o); err != nil {
		return nil, errors.Join(err, closeOwner(ctx, h))
	}
	return h, nil
}

// stopTime is how long requests under way may take to end.
const stopTime = 10 * time.Second

// closeOwner stops the doors, then the jobs, then the stores; whatever was
// answered is on disk.
func closeOwner(ctx context.Context, h *owner) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	var errs []error
	for _, s := range h.serving {
		errs = append(errs, s.Shutdown(ctx))
	}
	h.stop()
	h.jobs.Wait()
	h.recorder.Stop()
	return errors.Join(append(errs, closeStores(h.stores))...)
}

func newLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}

// startJobs runs followers and jobs until the house is closed.
func startJobs(ctx context.Context, h *owner) {
	ctx, h.stop = context.WithCancel(context.WithoutCancel(ctx))
	for _, f := range h.followers {
		h.jobs.Go(func() {
			_ = stream.Run(ctx, h.whole, f, func(name string, err error) { // Run returns nil when ctx ends
				h.progress.Failed(name, err)
				failed(h.log, name)(err)
			})
		})
	}
	h.recorder.Start(ctx)
	h.jobs.Go(func() { _ = h.relay.Run(ctx) })
	h.jobs.Go(func() { h.campaigns.Run(ctx, failed(h.log, "campaigns")) })
	h.jobs.Go(func() { h.decider.Run(ctx, failed(h.log, "tallies")) })
	h.jobs.Go(func() { h.audiences.Run(ctx, audienceEvery, failed(h.log, "audiences")) })
	if h.shop {
		h.jobs.Go(func() { h.recommend.Run(ctx, recommendEvery, failed(h.log, "recommend")) })
		h.jobs.Go(func() { h.chances.Run(ctx, chancesEvery, failed(h.log, response.FollowerName)) })
		h.jobs.Go(func() { trainings(ctx, h) })
	}
	h.jobs.Go(func() { mornings(ctx, h) })
	h.jobs.Go(func() { h.batches.Run(ctx, expireEvery, failed(h.log, "batches")) })
	h.jobs.Go(func() { carryTombstones(ctx, h) })
}

// How soon a new audience counts, a new product may be proposed, and what was learned
// of clicks ranks auctions.
const (
	audienceEvery  = time.Second
	recommendEvery = 10 * time.Second
	chancesEvery   = time.Minute
)

// listen opens the socket, for the machine's owner alone, and the TCP address.
func listen(h *owner, o ownerOptions) error {
	path := filepath.Join(h.dir, cli.SocketFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove old socket: %w", err)
	}
	socket, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, socket.Close())
	}
	operator := access.Operator()
	serve(h, socket, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.server.Handler().ServeHTTP(w, r.WithContext(api.WithCaller(r.Context(), operator)))
	}))
	if o.Listen == "" {
		return nil
	}
	public, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	serve(h, public, h.server.Handler())
	return nil
}

// Limits of a connection.
const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	headerMax  = 64 << 10
)

func serve(h *owner, l net.Listener, handler http.Handler) {
	s := &http.Server{Handler: handler, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: headerMax}
	h.serving = append(h.serving, s)
	h.jobs.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed(h.log, "serve")(err)
		}
	})
}

func counter(r *prometheus.Registry, name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	r.MustRegister(c)
	return c
}
