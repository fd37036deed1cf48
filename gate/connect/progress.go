package connect

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"endcap/gate/connect/rows"
	"endcap/retail"
)

// Progress is how far a load got.
type Progress struct {
	File    string
	Done    int64 // bytes of the file as it lies on disk
	Total   int64
	Rows    int64         // stored in this run
	PerSec  float64       // rows, on average
	Elapsed time.Duration // of this run
	Left    time.Duration // expected; 0 while nothing can be said
	Sorting bool          // the file is being sorted first
	Doing   string        // what is done to it; "loading" where empty
	Ended   bool
}

// cadence is how often Progress is called at most.
const cadence = 100 * time.Millisecond

// meter watches one run.
type meter struct {
	l     *loader
	src   rows.Source
	total int64
	skip  int64 // bytes that were passed over when the load went on
	rows  atomic.Int64
	mu    sync.Mutex // guards last, and calls Progress one at a time
	last  time.Time
	sort  bool
}

func newMeter(l *loader, src rows.Source) *meter {
	m := &meter{l: l, src: src, last: l.began, skip: src.Read()}
	if info, err := os.Stat(l.File); err == nil {
		m.total = info.Size()
	}
	return m
}

// show calls Progress unless it was called a moment ago.
func (m *meter) show(ended bool) {
	if m.l.Progress == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.l.Clock()
	if !ended && now.Sub(m.last) < cadence {
		return
	}
	m.last = now
	p := Progress{
		File: filepath.Base(m.l.File), Done: min(m.src.Read(), m.total), Total: m.total, Rows: m.rows.Load(),
		Elapsed: now.Sub(m.l.began), Sorting: m.sort, Ended: ended,
	}
	if s := p.Elapsed.Seconds(); s > 0 {
		p.PerSec = float64(p.Rows) / s
		if read := p.Done - m.skip; read > 0 && !ended {
			p.Left = time.Duration(s * float64(p.Total-p.Done) / float64(read) * float64(time.Second))
		}
	}
	m.l.Progress(p)
}

// barWidth is the bar's length in characters.
const barWidth = 24

// Bar draws progress on w: one line that is drawn over on a terminal, else a
// line every few seconds. It returns the function to give as Progress.
func Bar(w io.Writer, terminal bool, clock retail.Clock) func(Progress) {
	const plainEvery = 5 * time.Second
	last := clock()
	return func(p Progress) {
		line := p.Line()
		switch now := clock(); {
		case terminal && p.Ended:
			_, _ = fmt.Fprintf(w, "\r\x1b[K%s\n", line)
		case terminal:
			_, _ = fmt.Fprintf(w, "\r\x1b[K%s", line)
		case p.Ended || now.Sub(last) >= plainEvery:
			last = now
			_, _ = fmt.Fprintln(w, line)
		}
	}
}

// Line is p as one line of text.
func (p Progress) Line() string {
	part := 0.0
	if p.Total > 0 {
		part = min(1, float64(p.Done)/float64(p.Total))
	}
	if p.Ended {
		part = 1
	}
	full := int(part * barWidth)
	bar := strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
	verb := cmp.Or(p.Doing, "loading")
	switch {
	case p.Ended:
		return fmt.Sprintf("%s %s %s rows in %s, %s rows/s", p.File, bar, grouped(p.Rows), p.Elapsed.Round(cadence), grouped(int64(p.PerSec)))
	case p.Sorting:
		verb = "sorting"
	}
	left := "…"
	if p.Left > 0 {
		left = p.Left.Round(time.Second).String()
	}
	return fmt.Sprintf("%s %s %s %3.0f%% %s rows, %s rows/s, %s left", verb, p.File, bar, part*100, grouped(p.Rows), grouped(int64(p.PerSec)), left)
}

// grouped writes 1355054 as 1,355,054.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
