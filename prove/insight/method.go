package insight

import (
	"slices"
	"strings"
)

// method is how a group of figures was made: those that share window, scope and
// what is not told. What differs within the group stands in Lines by figure.
type method struct {
	Figures []Figure
	How     How      // Model and Interval are empty where they differ
	Lines   []making // what each figure has of its own
}

// making is one figure's own model or interval.
type making struct{ Name, What, Text string }

// Names lists the figures' names.
func (m *method) Names() string {
	names := make([]string, len(m.Figures))
	for i := range m.Figures {
		names[i] = m.Figures[i].Name
	}
	return strings.Join(names, ", ")
}

// methods groups the figures by how they were made, in the order of the first
// of each group; nothing that a figure says of itself is left out.
func (r *Report) methods() []method {
	var out []method
	for _, f := range r.Figures {
		shared := How{Window: f.How.Window, Scope: f.How.Scope, Withheld: f.How.Withheld}
		i := slices.IndexFunc(out, func(m method) bool { return m.How == shared })
		if i < 0 {
			i = len(out)
			out = append(out, method{How: shared})
		}
		out[i].Figures = append(out[i].Figures, f)
	}
	for i := range out {
		m := &out[i]
		m.How.Model = m.own("model", func(h *How) string { return h.Model })
		m.How.Interval = m.own("interval", func(h *How) string { return h.Interval })
	}
	return out
}

// own returns what all figures of the group share, or what the first says where
// others only add to it; what a figure says of its own goes into Lines.
func (m *method) own(what string, part func(*How) string) string {
	first := part(&m.Figures[0].How)
	shared := true
	for i := range m.Figures {
		text := part(&m.Figures[i].How)
		shared = shared && (text == first || strings.HasPrefix(text, first+"; "))
	}
	for i := range m.Figures {
		text := part(&m.Figures[i].How)
		if shared {
			text = strings.TrimPrefix(strings.TrimPrefix(text, first), "; ")
		}
		if text != "" {
			m.Lines = append(m.Lines, making{m.Figures[i].Name, what, text})
		}
	}
	if !shared {
		return ""
	}
	return first
}
