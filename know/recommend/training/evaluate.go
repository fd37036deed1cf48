package training

import (
	"context"
	"errors"

	"endcap/retail"
)

// Evaluation is how every version that is kept answers the newest week, beside plain
// frequencies.
type Evaluation struct {
	From     retail.Day  `json:"from"` // the days whose first baskets are the answers
	Through  retail.Day  `json:"through"`
	Cases    int         `json:"cases"`
	Usual    Figures     `json:"usual"`
	Versions []Evaluated `json:"versions"` // the oldest first
	Watch    *Watch      `json:"watch,omitempty"`
}

// Evaluated is one version.
type Evaluated struct {
	Version Version    `json:"version"`
	Serving bool       `json:"serving"`
	Held    bool       `json:"held,omitempty"`
	Damaged bool       `json:"damaged,omitempty"`
	Figures Figures    `json:"figures"`
	Against Difference `json:"against_usual"`
}

// Evaluate reads the window that ends with a day and asks every version, each with the
// crowd and the products of the day before the newest week. It changes nothing but
// what is known of how the served version does.
func (t *Trainer) Evaluate(ctx context.Context, o Order) (*Evaluation, error) {
	release, err := t.alone()
	if err != nil {
		return nil, err
	}
	defer release()
	k := t.cfg.Keeper
	if err := k.Refresh(ctx); err != nil && !errors.Is(err, ErrModel) {
		return nil, err
	}
	o.tell(StepReading)
	d, err := t.read(ctx, o.Through)
	if err != nil {
		return nil, err
	}
	out := &Evaluation{From: d.through - holdoutDays + 1, Through: d.through, Cases: len(d.holdout.Cases), Versions: []Evaluated{}}
	if out.Cases == 0 {
		return out, nil
	}
	o.tell(StepJudging)
	usual := d.judgeUsual()
	out.Usual = usual.Figures
	reg := k.Register()
	for _, v := range reg.Versions {
		e := Evaluated{Version: v, Serving: v.Number == reg.Serving, Held: v.Number == reg.Serving && reg.Held}
		m, err := loadModel(ctx, k.files, v.Number)
		switch {
		case errors.Is(err, ErrModel):
			e.Damaged = true
			out.Versions = append(out.Versions, e)
			continue
		case err != nil:
			return nil, err
		}
		s := &Served{v, m}
		now, err := d.judgeVersion(s)
		if err != nil {
			return nil, err
		}
		if e.Damaged = now == nil; now != nil {
			e.Figures, e.Against = now.Figures, now.against(usual)
			if e.Serving {
				out.Watch = watched(s, now, d.through)
			}
		}
		out.Versions = append(out.Versions, e)
	}
	if out.Watch == nil {
		return out, nil
	}
	return out, k.watch(ctx, out.Watch)
}

// watch notes how the served version does.
func (k *Keeper) watch(ctx context.Context, w *Watch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.change(ctx, func(r *Register) error {
		r.Watch = w
		return nil
	})
}
