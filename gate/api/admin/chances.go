package admin

import (
	"context"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"endcap/gate/api"
	"endcap/know/recommend/response"
)

// chances tell a scraper how the model of clicks stands, by placement.
type chances struct {
	ready, wrong                prometheus.Gauge
	learned, missed             *prometheus.GaugeVec
	showings, calibration, loss *prometheus.GaugeVec
	examined                    *prometheus.GaugeVec
}

// mountChances has every scrape ask for the model's status.
func mountChances(s *api.Server, status func() response.Status) {
	vec := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	c := chances{
		ready:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "endcap_response_ready", Help: "1 where auctions rank by chances of clicks, 0 where still by fit."}),
		wrong:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "endcap_response_damaged", Help: "1 where a kept model could not be read at the start."}),
		learned:     vec("endcap_response_learned", "Showings and clicks that the model which answers has learned from.", "of"),
		missed:      vec("endcap_response_missed", "Since the start: touches that came late, showings over early, void ones, decisions that could not be read.", "why"),
		showings:    vec("endcap_response_showings", "Recent showings of a placement; older ones count less.", "placement"),
		calibration: vec("endcap_response_calibration", "Clicks over predicted clicks of a placement's recent showings.", "placement"),
		loss:        vec("endcap_response_log_loss", "Log loss of a placement's recent showings, of the model and of a constant for each position.", "placement", "of"),
		examined:    vec("endcap_response_examined", "How likely a position is looked at, beside the first of its placement, as it was learned.", "placement", "position"),
	}
	s.Metrics.MustRegister(c.ready, c.wrong, c.learned, c.missed, c.showings, c.calibration, c.loss, c.examined)
	s.BeforeScrape(func(context.Context) {
		if status != nil {
			c.show(status())
		}
	})
}

func (c *chances) show(now response.Status) {
	c.ready.Set(flag(now.Ready))
	c.wrong.Set(flag(now.Wrong != ""))
	for of, n := range map[string]uint64{"showings": now.Showings, "clicks": now.Clicks} {
		c.learned.WithLabelValues(of).Set(float64(n))
	}
	for why, n := range map[string]uint64{"late": now.Late, "early": now.Early, "void": now.Void, "damaged": now.Damaged} {
		c.missed.WithLabelValues(why).Set(float64(n))
	}
	for i := range now.Drifts {
		d := &now.Drifts[i]
		c.showings.WithLabelValues(d.Placement).Set(d.Showings)
		if d.Predicted > 0 {
			c.calibration.WithLabelValues(d.Placement).Set(d.Observed / d.Predicted)
		}
		c.loss.WithLabelValues(d.Placement, "model").Set(d.Loss)
		c.loss.WithLabelValues(d.Placement, "constant").Set(d.Plain)
	}
	for i := range now.Watched {
		w := &now.Watched[i]
		c.examined.WithLabelValues(string(w.Placement), strconv.Itoa(w.Position)).Set(w.Examined)
	}
}
