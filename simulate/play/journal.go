package play

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"endcap/simulate/scenario"
)

// journalName is the journal's file in the folder of the truth.
const journalName = "journal.ndjson"

// lineMax is the longest line of a journal.
const lineMax = 1 << 20

// entry is one line of the journal: a visit's answer, or a day that is over, with
// what was sold on it. The first line says which play it is.
type entry struct {
	Declared string             `json:"declared,omitempty"`
	Scenario *scenario.Scenario `json:"scenario,omitempty"`
	Model    string             `json:"model,omitempty"`    // sum of the parameters
	Communes string             `json:"communes,omitempty"` // sum of the list
	Loaded   int                `json:"loaded,omitempty"`

	Visit    string `json:"visit,omitempty"`
	Decision string `json:"decision,omitempty"`
	Shown    []show `json:"shown,omitempty"`

	Day      int   `json:"day,omitempty"` // so many days of the simulation are over
	Receipts int64 `json:"receipts,omitempty"`
	Cents    int64 `json:"cents,omitempty"`
}

// show is one advert that a visit was shown.
type show struct {
	Placement int    `json:"placement"`
	Slot      int    `json:"slot"`
	Product   string `json:"product"`
	Token     string `json:"token"`
}

// headOf is the first line of a play's journal.
func headOf(o *Options) entry {
	return entry{Declared: Declared, Scenario: &o.Scenario, Model: scenario.Sum(o.Model), Communes: scenario.Sum(o.Communes), Loaded: o.Loaded}
}

// scroll reads a journal in the order in which it was written, a day at a time, and
// keeps nothing of the days before.
type scroll struct {
	file  *os.File
	in    *bufio.Reader
	whole int64 // bytes of whole lines that were read
}

func newScroll(f *os.File) *scroll { return &scroll{file: f, in: bufio.NewReaderSize(f, lineMax)} }

// line reads one line; false after the last whole one.
func (s *scroll) line(to *entry) (bool, error) {
	line, err := s.in.ReadSlice('\n')
	if errors.Is(err, io.EOF) {
		return false, nil // a line that was cut off was never counted on
	}
	if err != nil {
		return false, fmt.Errorf("read journal: %w", err)
	}
	if err := json.Unmarshal(line, to); err != nil {
		return false, damaged()
	}
	s.whole += int64(len(line))
	return true, nil
}

func damaged() error {
	return refuse("truth", "the folder's journal is damaged", "begin with an empty folder and a new server")
}

// head reads the first line, which must be of this play; false where there is none.
func (s *scroll) head(want *entry) (bool, error) {
	var e entry
	if there, err := s.line(&e); err != nil || !there {
		return false, err
	}
	other := func(what, cure string) error {
		return refuse("truth", "the folder holds the truth of another play: "+what, cure+", or name an empty folder")
	}
	switch {
	case !same(e.Scenario, want.Scenario):
		return false, other("its scenario differs", "repeat its scenario")
	case e.Declared != want.Declared || e.Loaded != want.Loaded:
		return false, other(fmt.Sprintf("%d weeks were loaded before it", e.Loaded), fmt.Sprintf("repeat --loaded %d", e.Loaded))
	case e.Communes != want.Communes:
		return false, other("its stores stand in other communes", "name the list of communes that it was begun with (--communes FILE, or none)")
	case e.Model != want.Model:
		return false, other("its shoppers follow another model", "use the program that it was begun with")
	}
	return true, nil
}

func same(a, b *scenario.Scenario) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// day reads what the visits of day n, from 0, were answered, and what was sold on
// it; over is nil where it was broken off, or never begun.
func (s *scroll) day(n int) (visits map[string]entry, over *entry, err error) {
	visits = make(map[string]entry)
	for {
		var e entry
		there, err := s.line(&e)
		switch {
		case err != nil:
			return nil, nil, err
		case !there:
			return visits, nil, nil
		case e.Visit != "":
			visits[e.Visit] = e
		case e.Day == n+1:
			return visits, &e, nil
		default:
			return nil, nil, damaged()
		}
	}
}

// journal remembers what visits were answered, so that a play that was broken off
// asks nobody twice. An answer that was on its way when the play was broken off is
// asked for again. It holds the answers of one day, and may be used by several at
// once.
type journal struct {
	mu     sync.Mutex
	file   *os.File
	past   *scroll          // days that an earlier run played; nil where all is read
	visits map[string]entry // of the day under way
}

// openJournal takes up the journal in the folder of the truth, or begins one.
func openJournal(o *Options) (*journal, error) {
	f, err := os.OpenFile(filepath.Join(o.Truth, journalName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &journal{file: f, past: newScroll(f)}
	head := headOf(o)
	there, err := j.past.head(&head)
	if err == nil && !there {
		if err = j.goOn(); err == nil {
			err = j.write(head)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// day takes up day n, from 0: over says what was sold on it where an earlier run
// has played it to its end.
func (j *journal) day(n int) (over *entry, err error) {
	j.visits = make(map[string]entry)
	if j.past == nil {
		return nil, nil
	}
	if j.visits, over, err = j.past.day(n); err != nil || over != nil {
		return over, err
	}
	return nil, j.goOn()
}

// goOn cuts off what is not whole, and writes on from there.
func (j *journal) goOn() error {
	whole := j.past.whole
	j.past = nil
	if err := j.file.Truncate(whole); err != nil {
		return fmt.Errorf("cut journal: %w", err)
	}
	if _, err := j.file.Seek(whole, io.SeekStart); err != nil {
		return fmt.Errorf("go on with journal: %w", err)
	}
	return nil
}

func (j *journal) write(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if len(line) >= lineMax {
		return fmt.Errorf("write journal: a line of %d bytes", len(line))
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// add keeps what a visit was answered.
func (j *journal) add(e entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.visits[e.Visit] = e
	return j.write(e)
}

// of is what a visit was answered, if it was.
func (j *journal) of(visit string) (entry, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, answered := j.visits[visit]
	return e, answered
}

// finish says that a day is over, and what was sold on it.
func (j *journal) finish(over entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.write(over); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	return nil
}

func (j *journal) close() error { return j.file.Close() }

// Played says which play a folder of the truth holds: its scenario, and how many
// weeks were loaded.
func Played(truth string) (s scenario.Scenario, loaded int, err error) {
	f, err := os.Open(filepath.Join(truth, journalName))
	if err != nil {
		return s, 0, fmt.Errorf("open journal: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var head entry
	if there, err := newScroll(f).line(&head); err != nil || !there || head.Declared != Declared || head.Scenario == nil {
		return s, 0, refuse("truth", "the folder's journal does not say which play it is of", "play once more, with an empty folder")
	}
	return *head.Scenario, head.Loaded, nil
}

// readJournal opens the journal of a play, to be read day by day. It must be closed.
func readJournal(o *Options) (*scroll, error) {
	f, err := os.Open(filepath.Join(o.Truth, journalName))
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	s, head := newScroll(f), headOf(o)
	there, err := s.head(&head)
	if err == nil && !there {
		err = damaged()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// sold reports whether a day is lived again as it was played.
func (e *entry) sold(receipts, cents int64) error {
	if e.Receipts == receipts && e.Cents == cents {
		return nil
	}
	return refuse("truth", fmt.Sprintf("day %d is lived with %d receipts of %d cents and was played with %d of %d", e.Day, receipts, cents, e.Receipts, e.Cents),
		"use the program, the server and the folder that it was played with; else play once more, with an empty folder and a new server")
}
