package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"endcap/simulate/wire"
)

// client speaks to the server, and keeps what it asked.
type client struct {
	wire.Client
	seed string

	mu     sync.Mutex
	record *os.File // decision requests, or nil
}

func newClient(o *options) *client {
	return &client{
		Client: wire.Client{
			HTTP:   &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * o.flying}},
			Target: o.target, Key: o.key,
		},
		seed: o.seed,
	}
}

// advance moves the server's replay clock.
func (c *client) advance(ctx context.Context, t time.Time) error {
	return c.Send(ctx, "PUT /v1/clock", map[string]string{"now": t.UTC().Format(time.RFC3339Nano)}, nil)
}

func cents(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return sign + strconv.FormatInt(n/100, 10) + "." + fmt.Sprintf("%02d", n%100)
}
