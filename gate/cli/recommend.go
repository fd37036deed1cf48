package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"endcap/gate/api/admin"
	"endcap/know/recommend"
	"endcap/know/recommend/training"
)

// RecommendCmd makes batches of proposals, and trains, judges and explains the model
// of what is bought next.
type RecommendCmd struct {
	Batch    batchCmd             `cmd:"" help:"Make a file of proposals for everybody who allows personal offers."`
	Train    recommendTrainCmd    `cmd:"" help:"Train now, and publish what is not worse than what serves."`
	Evaluate recommendEvaluateCmd `cmd:"" help:"Judge every kept version by the newest week, beside plain frequencies."`
	Explain  recommendExplainCmd  `cmd:"" help:"Tell why each product stands on a shopper's list."`
	Rollback recommendRollbackCmd `cmd:"" help:"Have a former version serve, or the newest again."`
}

// learn follows a training or an evaluation to its last line.
func (s *Session) learn(ctx context.Context, o *Client, path string) (admin.Learning, error) {
	var last admin.Learning
	body, err := o.Call(ctx, http.MethodPost, path, struct{}{})
	if err != nil {
		return last, err
	}
	defer func() { _ = body.Close() }()
	for d := json.NewDecoder(body); !last.Finished; {
		last = admin.Learning{}
		if err := d.Decode(&last); err != nil {
			return last, fmt.Errorf("read the answer: %w", err)
		}
		if last.Step != "" {
			fmt.Fprintln(s.Stderr, last.Step)
		}
	}
	if last.Problem != "" {
		return last, errors.New(last.Problem)
	}
	return last, nil
}

type recommendTrainCmd struct {
	DirFlags
	JSON bool `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*recommendTrainCmd) Help() string { return "endcap recommend train --dir /srv/endcap" }

// Run has the owner train.
func (c *recommendTrainCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		last, err := s.learn(ctx, o, "/v1/recommend/trainings")
		if err != nil {
			return err
		}
		if c.JSON {
			_, err := fmt.Fprintln(s.Stdout, string(last.Outcome))
			return err
		}
		var out training.Outcome
		if err := json.Unmarshal(last.Outcome, &out); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		_, err = io.WriteString(s.Stdout, tellOutcome(&out))
		return err
	})
}

// reasons are why nothing was published, for people.
func reasons(why string) string {
	switch why {
	case training.TooSmall:
		return "there are not enough receipts of shoppers who allow it; plain frequencies serve"
	case training.WorseServed:
		return "the version that serves answers the newest week better"
	case training.WorseUsual:
		return "plain frequencies answer the newest week better"
	}
	return why
}

func tellOutcome(o *training.Outcome) string {
	var b strings.Builder
	if o.Published != 0 {
		fmt.Fprintf(&b, "version %d serves, read through %s\n", o.Published, o.Day)
	} else {
		fmt.Fprintf(&b, "nothing is published: %s\n", reasons(o.Why))
	}
	if o.Cases == 0 {
		return b.String()
	}
	fmt.Fprintf(&b, "%d questions of the newest week, first ten:\n", o.Cases)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, figuresHead)
	tellFigures(w, "the new model", &o.Model, nil)
	if o.Served != (training.Figures{}) {
		tellFigures(w, "what served, less the new", &o.Served, &o.AgainstServed)
	}
	tellFigures(w, "plain frequencies, less the new", &o.Usual, &o.AgainstUsual)
	_ = w.Flush() // into memory
	return b.String()
}

const figuresHead = "\tRECALL\tNDCG\tPHR\tREPEAT\tEXPLORE\tOBSERVED ÷ PREDICTED\tDIFFERENCE"

// tellFigures writes a row; the difference is turned round, so that it is the row's.
func tellFigures(w io.Writer, name string, f *training.Figures, ours *training.Difference) {
	calibrated, difference := "", ""
	if c := f.Calibration(); c > 0 {
		calibrated = fmt.Sprintf("%.3f", c)
	}
	if ours != nil {
		difference = fmt.Sprintf("%+.4f ± %.4f", -ours.Mean, ours.Error)
	}
	fmt.Fprintf(w, "%s\t%.4f\t%.4f\t%.4f\t%.4f\t%.4f\t%s\t%s\n", name, f.Recall, f.NDCG, f.PHR, f.Repeat, f.Explore, calibrated, difference)
}

type recommendEvaluateCmd struct {
	DirFlags
	JSON bool `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*recommendEvaluateCmd) Help() string {
	return "endcap recommend evaluate --dir /srv/endcap --json"
}

// Run has the owner judge the versions.
func (c *recommendEvaluateCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		last, err := s.learn(ctx, o, "/v1/recommend/evaluations")
		if err != nil {
			return err
		}
		if c.JSON {
			_, err := fmt.Fprintln(s.Stdout, string(last.Versions))
			return err
		}
		var e training.Evaluation
		if err := json.Unmarshal(last.Versions, &e); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		_, err = io.WriteString(s.Stdout, tellEvaluation(&e))
		return err
	})
}

func tellEvaluation(e *training.Evaluation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d questions of %s to %s, first ten:\n", e.Cases, e.From, e.Through)
	if e.Cases > 0 {
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, figuresHead)
		tellFigures(w, "plain frequencies", &e.Usual, nil)
		for i := range e.Versions {
			v := &e.Versions[i]
			name := fmt.Sprintf("version %d", v.Version.Number)
			if v.Serving {
				name += ", serves"
			}
			if v.Held {
				name += " until lifted"
			}
			if v.Damaged {
				fmt.Fprintf(w, "%s: cannot be read\n", name)
				continue
			}
			turned := training.Difference{Mean: -v.Against.Mean, Error: v.Against.Error}
			tellFigures(w, name, &v.Figures, &turned)
		}
		_ = w.Flush() // into memory
	}
	if len(e.Versions) == 0 {
		b.WriteString("no version is kept; plain frequencies serve\n")
	}
	if e.Watch != nil {
		fmt.Fprintf(&b, "drift %.3f (recall now ÷ when it was published), shift of scores %.3f\n", e.Watch.Drift, e.Watch.Shift)
	}
	return b.String()
}

type recommendRollbackCmd struct {
	DirFlags
	Version uint64 `arg:"" optional:"" help:"A version that endcap recommend evaluate shows."`
	Lift    bool   `help:"Have the newest serve again."`
	JSON    bool   `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*recommendRollbackCmd) Help() string {
	return "endcap recommend rollback 4 --dir /srv/endcap\nendcap recommend rollback --lift --dir /srv/endcap"
}

// Run has a version serve.
func (c *recommendRollbackCmd) Run(ctx context.Context, s *Session) error {
	if c.Lift == (c.Version != 0) {
		return Misused(errors.New("name a version, or --lift"))
	}
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var out struct {
			Version uint64 `json:"version"`
			Held    bool   `json:"held"`
		}
		if err := o.Ask(ctx, "PUT /v1/recommend/serving", admin.Serving{Version: c.Version}, &out); err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(s.Stdout).Encode(out)
		}
		until := ""
		if out.Held {
			until = ", until a better one is trained or it is lifted"
		}
		_, err := fmt.Fprintf(s.Stdout, "version %d serves%s\n", out.Version, until)
		return err
	})
}

type recommendExplainCmd struct {
	DirFlags
	whoFlags
	List  string `help:"Which list: next_basket, for_you, buy_again, discovery, trending." default:"next_basket"`
	Store string `help:"The store she shops at."`
	Count int    `help:"How many products, at most 50." default:"10"`
	JSON  bool   `name:"json" help:"Answer in JSON, with every signal."`
}

// Help shows an example.
func (*recommendExplainCmd) Help() string {
	return "endcap recommend explain --card 4711 --list next_basket --dir /srv/endcap"
}

// Run shows a shopper's list with what stands behind it.
func (c *recommendExplainCmd) Run(ctx context.Context, s *Session) error {
	who, err := wireKeys(&c.whoFlags)
	if err != nil {
		return err
	}
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var out admin.ExplainedList
		in := map[string]any{"shopper": who, "list": c.List, "store": c.Store, "count": c.Count}
		if err := o.Ask(ctx, "POST /v1/recommend/explanations", in, &out); err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(s.Stdout).Encode(out)
		}
		_, err := io.WriteString(s.Stdout, tellList(&out))
		return err
	})
}

// tellList tells of a list without who sees it.
func tellList(l *admin.ExplainedList) string {
	var b strings.Builder
	asked := "plain frequencies"
	if l.Model != 0 {
		asked = fmt.Sprintf("version %d of the model", l.Model)
	}
	fmt.Fprintf(&b, "by %s (popularity %d, related products through %s)\n", asked, l.Popularity, l.Related)
	if !l.Allowed {
		b.WriteString("she does not allow offers from what she bought: nothing of it counts\n")
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i := range l.Products {
		p := &l.Products[i]
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", i+1, p.Product, p.Name, p.Because, tellSignals(p))
	}
	_ = w.Flush() // into memory
	for _, r := range l.Rules {
		fmt.Fprintf(&b, "rule %s %s %s, from place %d to %d\n", r.Rule, r.Did, r.Product, r.From, r.To)
	}
	if l.Empty != "" {
		fmt.Fprintf(&b, "no product: %s\n", l.Empty)
	}
	return b.String()
}

// tellSignals tells of the signals that a person understands.
func tellSignals(p *admin.ExplainedProduct) string {
	if len(p.Signals) == 0 {
		return ""
	}
	of := make(map[string]float64, len(p.Signals))
	for _, s := range p.Signals {
		of[s.Name] = s.Value
	}
	parts := []string{fmt.Sprintf("%.1f %%", 100*p.Chance)}
	for _, name := range recommend.SignalNames() {
		if value, ok := of[name]; ok && value != -1 {
			parts = append(parts, fmt.Sprintf("%s %.3g", name, value))
		}
	}
	return strings.Join(parts, ", ")
}
