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

// entry is one line of the journal: a visit's answer, or a week that is over. The
// first line says which play it is.
type entry struct {
	Declared string             `json:"declared,omitempty"`
	Scenario *scenario.Scenario `json:"scenario,omitempty"`
	Loaded   int                `json:"loaded,omitempty"`
	Visit    string             `json:"visit,omitempty"`
	Decision string             `json:"decision,omitempty"`
	Shown    []show             `json:"shown,omitempty"`
	Week     int                `json:"week,omitempty"` // so many weeks are over
}

// show is one advert that a visit was shown.
type show struct {
	Placement int    `json:"placement"`
	Slot      int    `json:"slot"`
	Product   string `json:"product"`
	Token     string `json:"token"`
}

// journal remembers what visits were answered, so that a play that was broken off
// asks nobody twice. An answer that was on its way when the play was broken off is
// asked for again. It may be used by several at once.
type journal struct {
	mu     sync.Mutex
	file   *os.File
	visits map[string]entry
	weeks  int  // that are over
	booked bool // by this run
}

// openJournal takes up the journal in the folder of the truth, or begins one.
func openJournal(o *Options) (*journal, error) {
	head := entry{Declared: Declared, Scenario: &o.Scenario, Loaded: o.Loaded}
	f, err := os.OpenFile(filepath.Join(o.Truth, journalName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &journal{file: f, visits: make(map[string]entry)}
	whole, err := j.read(&head, j.take)
	if err == nil {
		err = j.goOn(whole, &head)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// read hands the lines of a journal to take and gives how many of its bytes are
// whole lines.
func (j *journal) read(head *entry, take func(entry)) (whole int64, err error) {
	in := bufio.NewReaderSize(j.file, lineMax)
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil // a line that was cut off was never counted on
		}
		if err != nil {
			return 0, fmt.Errorf("read journal: %w", err)
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return 0, refuse("truth", "the folder's journal is damaged", "begin with an empty folder and a new server")
		}
		if whole == 0 && !same(&e, head) {
			return 0, refuse("truth", "the folder holds the truth of another play", "repeat its scenario, or name an empty folder")
		}
		whole += int64(len(line))
		take(e)
	}
}

// take keeps what one line says.
func (j *journal) take(e entry) {
	if e.Visit != "" {
		j.visits[e.Visit] = e
	}
	j.weeks = max(j.weeks, e.Week)
}

func same(a, b *entry) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// goOn cuts off what is not whole and writes the head of a new journal.
func (j *journal) goOn(whole int64, head *entry) error {
	if err := j.file.Truncate(whole); err != nil {
		return fmt.Errorf("cut journal: %w", err)
	}
	if _, err := j.file.Seek(whole, io.SeekStart); err != nil {
		return fmt.Errorf("go on with journal: %w", err)
	}
	if whole > 0 {
		return nil
	}
	return j.write(*head)
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

func (j *journal) has(visit string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, ok := j.visits[visit]
	return ok
}

// of is what a visit was answered.
func (j *journal) of(visit string) entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.visits[visit]
}

// finish says that so many weeks are over. Their visits are looked up no more.
func (j *journal) finish(weeks int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.write(entry{Week: weeks}); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	j.weeks = weeks
	clear(j.visits)
	return nil
}

// Played says which play a folder of the truth holds: its scenario, and how many
// weeks were loaded.
func Played(truth string) (s scenario.Scenario, loaded int, err error) {
	f, err := os.Open(filepath.Join(truth, journalName))
	if err != nil {
		return s, 0, fmt.Errorf("open journal: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	line, err := bufio.NewReaderSize(f, lineMax).ReadSlice('\n')
	var head entry
	if err != nil || json.Unmarshal(line, &head) != nil || head.Declared != Declared || head.Scenario == nil {
		return s, 0, refuse("truth", "the folder's journal does not say which play it is of", "play once more, with an empty folder")
	}
	return *head.Scenario, head.Loaded, nil
}

// readJournal gives the decision of each visit of a play.
func readJournal(o *Options) (decisions map[string]string, err error) {
	f, err := os.Open(filepath.Join(o.Truth, journalName))
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	decisions = make(map[string]string)
	j := &journal{file: f}
	_, err = j.read(&entry{Declared: Declared, Scenario: &o.Scenario, Loaded: o.Loaded}, func(e entry) {
		if e.Visit != "" {
			decisions[e.Visit] = e.Decision
		}
	})
	return decisions, err
}

func (j *journal) close() error { return j.file.Close() }
