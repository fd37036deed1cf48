package admin

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"endcap/gate/api"
	"endcap/know/recommend/training"
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

// mountModelGauges tells a scraper of the next-basket model that serves.
func mountModelGauges(s *api.Server, k *training.Keeper) {
	gauge := func(name, help string, of func() float64) {
		s.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, of))
	}
	serving := func(name, help string, of func(*training.Served) float64) {
		gauge(name, help, func() float64 {
			if now := k.Now(); now != nil {
				return of(now)
			}
			return 0
		})
	}
	watch := func(name, help string, of func(*training.Watch) float64) {
		gauge(name, help, func() float64 {
			if w := k.Register().Watch; w != nil {
				return of(w)
			}
			return 0
		})
	}
	serving("endcap_model_version", "The version of the next-basket model that serves; 0 for none.", func(s *training.Served) float64 { return float64(s.Number) })
	serving("endcap_model_made_seconds", "When it was made, in seconds since 1970; 0 for none.", func(s *training.Served) float64 { return float64(s.Made.Unix()) })
	serving("endcap_model_window_days", "How many days of history it was made from.", func(s *training.Served) float64 { return float64(s.Days()) })
	serving("endcap_model_recall", "Recall of ten on the week that it was judged by.", func(s *training.Served) float64 { return s.Holdout.Recall })
	serving("endcap_model_ndcg", "NDCG of ten on the week that it was judged by.", func(s *training.Served) float64 { return s.Holdout.NDCG })
	serving("endcap_model_phr", "Share of lists of ten with a hit on the week that it was judged by.", func(s *training.Served) float64 { return s.Holdout.PHR })
	watch("endcap_model_drift", "Of the version that served at the last training or evaluation: its recall on the newest week ÷ its recall when it was published; 0 before.", func(w *training.Watch) float64 { return w.Drift })
	watch("endcap_model_score_shift", "Population stability index of that version's scores on that week against those it was published with.", func(w *training.Watch) float64 { return w.Shift })
	watch("endcap_model_calibration", "Purchases observed ÷ predicted by that version on that week; 0 before.", func(w *training.Watch) float64 { return w.Calibration })
	s.Metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "endcap_model_load_failures_total", Help: "How often the model or its register could not be read."}, func() float64 {
		return float64(k.Failed())
	}))
}
