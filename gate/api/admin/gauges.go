package admin

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"endcap/gate/api"
)

// statusTime is how long a scrape waits for the status.
const statusTime = 2 * time.Second

// gauges tell a scraper what GET /v1/status tells people.
type gauges struct {
	known, outbox, backup prometheus.Gauge
	caught, fails         *prometheus.GaugeVec
}

// mountGauges has every scrape ask for the status.
func mountGauges(s *api.Server, status func(context.Context) (Status, error)) {
	g := gauges{
		known:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "endcap_status_known", Help: "1 where the stores could say within two seconds how far the house has come."}),
		outbox: prometheus.NewGauge(prometheus.GaugeOpts{Name: "endcap_outbox_facts", Help: "Booked facts that are not yet in the stream, at most 1000 counted."}),
		backup: prometheus.NewGauge(prometheus.GaugeOpts{Name: "endcap_last_backup_seconds", Help: "The instant that the last backup shows, in seconds since 1970; 0 where there is none."}),
		caught: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "endcap_follower_caught_up", Help: "1 where the follower has read the whole stream."}, []string{"follower"}),
		fails:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "endcap_follower_failing", Help: "1 where the follower's last fold failed."}, []string{"follower"}),
	}
	s.Metrics.MustRegister(g.known, g.outbox, g.backup, g.caught, g.fails)
	s.BeforeScrape(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, statusTime)
		defer cancel()
		now, err := status(ctx)
		g.known.Set(flag(err == nil))
		if err != nil {
			return // the other gauges keep what was known last
		}
		g.outbox.Set(float64(now.Outbox))
		if now.Backup != nil {
			g.backup.Set(float64(now.Backup.At.Unix()))
		}
		for _, f := range now.Followers {
			g.caught.WithLabelValues(f.Name).Set(flag(f.CaughtUp))
			g.fails.WithLabelValues(f.Name).Set(flag(f.Failing != ""))
		}
	})
}

func flag(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
