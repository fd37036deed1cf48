package outreach

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/know/recommend"
	"endcap/retail"
	"endcap/retail/shopper"
)

// Job is one batch to be made.
type Job struct {
	Terms
	// Out is a directory elsewhere, whose files the house does not look after; empty
	// for the Folder itself.
	Out string
	// Tell, where set, hears how many of Parts are done.
	Tell func(done int)
	// By is who asked for it, for the audit.
	By string
}

// EntryKind is the kind of the audit's entries about batches.
const EntryKind registry.Kind = "batch"

// note keeps an entry of a batch before it gets its name: who made it, of what, for
// how many, and where it went. It names no shopper.
func (f *Folder) note(ctx context.Context, job *Job, m *Manifest) error {
	if f.ports.Book == nil {
		return nil
	}
	entry := struct {
		*Manifest
		Out string `json:"out,omitempty"` // empty where the house keeps it
		By  string `json:"by"`
	}{m, job.Out, job.By}
	return ledger.Note(ctx, f.ports.Book, ledger.Noted{Kind: EntryKind, By: job.By, At: f.ports.Now(), Entry: entry})
}

// checkOut refuses a directory that is none, or lies in the house of the Folder.
func (f *Folder) checkOut(out string) error {
	house, err := filepath.Abs(filepath.Dir(f.dir))
	if err != nil {
		return err
	}
	if in, err := filepath.Rel(house, out); out != "" && (!filepath.IsAbs(out) || err == nil && filepath.IsLocal(in)) {
		return &retail.Error{Kind: retail.Invalid, Field: "out", Say: "a batch is not written into the data directory", Cure: "name the absolute path of a directory outside it, or none"}
	}
	return nil
}

// runLife is for how long a run that broke off may be gone on with.
const runLife = 20 * time.Hour

// run is how far a batch under way is; it lies in the Folder as JSON, and names
// nobody.
type run struct {
	Terms
	recommend.Versions
	Part   string    `json:"part"` // path of the file under way
	MadeAt time.Time `json:"made_at"`
	Day    string    `json:"day"`
	Done   int       `json:"done"`   // parts of the shoppers
	Offset int64     `json:"offset"` // up to which Part is right
	Counts

	own     string // path of its file
	resumed bool
}

func readRun(path string) (*run, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &run{own: path}
	return r, json.Unmarshal(b, r)
}

// Make makes a batch, or goes on with the same one of the same day where a run of it
// broke off, as long as models and rules are the same; the bytes are those of a run
// that did not break off. The file appears under its name when it is whole. One
// batch is made at a time.
func (f *Folder) Make(ctx context.Context, job Job) (*Manifest, error) {
	job.Terms = job.Whole()
	if err := errors.Join(job.Check(), f.checkOut(job.Out)); err != nil {
		return nil, err
	}
	if !f.making.TryLock() {
		return nil, &retail.Error{Kind: retail.Conflict, Say: "a batch is being made", Cure: "wait for it"}
	}
	defer f.making.Unlock()
	f.watch(map[string]bool{})
	defer f.watch(nil)
	still, made := f.ports.Still(), f.ports.Now().UTC().Truncate(time.Second)
	r, err := f.begin(&job, made, still)
	if err != nil {
		return nil, err
	}
	err = f.fill(ctx, r, still, job.Tell)
	var m *Manifest
	if err == nil {
		m, err = f.publish(ctx, r, &job)
	}
	if err != nil && ctx.Err() == nil { // what was written is of no use, and may be what filled the disk
		err = errors.Join(err, removeIf(r.Part), removeIf(r.own))
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = fmt.Errorf("%w: no room; make some in %s and make the batch again (what this run wrote is deleted)", err, filepath.Dir(r.Part))
	}
	return m, err
}

// watch has Strike remember what it takes out, or forget it.
func (f *Folder) watch(struck map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.struck, f.over = struck, false
}

func removeIf(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// begin finds the run to go on with, or begins one.
func (f *Folder) begin(job *Job, made time.Time, still *recommend.Still) (*run, error) {
	to := job.Out
	if to == "" {
		to = f.dir
	}
	for _, dir := range []string{f.dir, to} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make a folder of batches: %w", err)
		}
	}
	day := retail.DayOf(made, f.ports.Zone)
	name := job.name(day)
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(to))
	fresh := &run{
		Terms: job.Terms, Versions: still.Versions, Part: filepath.Join(to, name+partEnd), MadeAt: made, Day: day.String(),
		own: filepath.Join(f.dir, name+"-"+hex.EncodeToString(sum.Sum(nil))+runEnd),
	}
	if old := unbroken(fresh); old != nil {
		return old, nil
	}
	return fresh, nil
}

// unbroken is the run of the same batch that broke off, where its file is as it says;
// nil for none. What cannot be read is begun anew.
func unbroken(fresh *run) *run {
	old, err := readRun(fresh.own)
	if err != nil || old.Terms != fresh.Terms || old.Versions != fresh.Versions || old.Day != fresh.Day || old.Part != fresh.Part {
		return nil
	}
	if info, err := os.Stat(old.Part); err != nil || info.Size() < old.Offset {
		return nil
	}
	old.resumed = true
	return old
}

// fill writes all rows of a batch into its part.
func (f *Folder) fill(ctx context.Context, r *run, still *recommend.Still, tell func(int)) (err error) {
	file, to, err := f.openPart(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	m := newMaker(f.ports, r.Terms, r.MadeAt, still)
	saved := r.Rows
	for r.Done < Parts {
		if err := m.part(ctx, r.Done, to, &r.Counts); err != nil {
			return fmt.Errorf("make a batch: %w", err)
		}
		r.Done++
		if tell != nil {
			tell(r.Done)
		}
		if r.Rows-saved >= f.saveRows && r.Done < Parts {
			if err := f.save(r, file, to); err != nil {
				return err
			}
			saved = r.Rows
		}
	}
	return f.save(r, file, to)
}

// partWriter writes rows to a part through one buffer.
type partWriter struct {
	*csvWriter
	buffer *bufio.Writer
}

// openPart opens a run's part where the run goes on, or makes it.
func (f *Folder) openPart(r *run) (*os.File, *partWriter, error) {
	var file *os.File
	var err error
	if r.resumed {
		if file, err = os.OpenFile(r.Part, os.O_RDWR, 0o600); err == nil {
			err = file.Truncate(r.Offset)
		}
		if err == nil {
			_, err = file.Seek(r.Offset, io.SeekStart)
		}
	} else {
		file, err = f.create(r.Part)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("write a batch: %w", err)
	}
	buffer := bufio.NewWriterSize(file, 1<<20)
	to := &partWriter{newCSV(buffer), buffer}
	if !r.resumed {
		_ = to.to.Write(columns[:]) // what fails is told by save
	}
	return file, to, nil
}

// save has on disk what was written and how far that is.
func (f *Folder) save(r *run, file *os.File, to *partWriter) (err error) {
	if err = errors.Join(to.Close(), to.buffer.Flush()); err == nil {
		err = file.Sync()
	}
	if err == nil {
		r.Offset, err = file.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		return fmt.Errorf("write a batch: %w", err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("note how far a batch is: %w", err)
	}
	return f.replace(r.own, b)
}

// publish gives a batch its name, without whoever was taken out meanwhile.
func (f *Folder) publish(ctx context.Context, r *run, job *Job) (*Manifest, error) {
	dir, name := filepath.Dir(r.Part), r.Part[:len(r.Part)-len(partEnd)]
	m := &Manifest{
		File: filepath.Base(name) + "." + string(r.Format), Dir: dir, Terms: r.Terms, Versions: r.Versions, MadeAt: r.MadeAt,
		ValidUntil: r.MadeAt.Add(time.Duration(r.Hours) * time.Hour), Counts: r.Counts,
	}
	made := r.Part
	if r.Format == Parquet {
		made += freshEnd
		err := f.write(made, Parquet, func(to Writer) error {
			return rowsOf(r.Part, CSV, func(row *Row) error { return errors.Join(to.Write(row), ctx.Err()) })
		})
		if err != nil {
			return nil, err
		}
	}
	if r.resumed { // what she allowed when it was begun may be long ago
		if err := f.again(ctx, made, m, nil); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over || len(f.struck) > 0 {
		if err := f.again(ctx, made, m, f.struck); err != nil {
			return nil, err
		}
	}
	if err := f.note(ctx, job, m); err != nil {
		return nil, err
	}
	if err := os.Rename(made, filepath.Join(dir, m.File)); err != nil {
		return nil, fmt.Errorf("name a batch: %w", err)
	}
	if err := f.describe(dir, m); err != nil {
		return nil, err
	}
	return m, errors.Join(removeIf(r.Part), removeIf(r.own))
}

// again takes the rows of some keys out of a batch that has no name yet, or where
// those are not known of everybody who refuses by now.
func (f *Folder) again(ctx context.Context, path string, m *Manifest, set map[string]bool) error {
	if set == nil || f.over {
		keys, err := f.refusing(ctx, path, m.Format)
		if err != nil {
			return err
		}
		set = make(map[string]bool, len(keys))
		for _, key := range keys {
			set[nameOf(string(key.Kind()), key.Reveal())] = true
		}
	}
	taken, err := f.without(ctx, path, m.Format, set)
	m.Rows -= taken.Rows
	m.Shoppers = max(0, m.Shoppers-taken.Shoppers)
	return err
}

// Withdrawn takes out of the house's batches who of some shoppers does not allow
// personal offers now.
func (f *Folder) Withdrawn(ctx context.Context, who []shopper.ID) error {
	if busy, err := f.busy(); err != nil || !busy || len(who) == 0 {
		return err
	}
	sets, err := f.ports.People.Allowed(ctx, who)
	if err != nil {
		return err
	}
	var keys []shopper.Key
	for i, id := range who {
		if sets[i].Allows(offers) {
			continue
		}
		members, err := f.ports.People.Members(ctx, id)
		if err != nil {
			return err
		}
		for _, member := range members {
			hers, err := f.ports.Keys.Keys(ctx, member)
			if err != nil {
				return fmt.Errorf("read keys: %w", err)
			}
			keys = append(keys, hers...)
		}
	}
	_, err = f.Strike(ctx, keys)
	return err
}

// busy reports whether there is a batch, whole or under way.
func (f *Folder) busy() (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.struck != nil {
		return true, nil
	}
	names, err := f.names(manifestEnd)
	return len(names) > 0, err
}
