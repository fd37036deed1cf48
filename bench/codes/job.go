package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"endcap/retail/coupon"
)

// lineSize is the length of a line of a file: a code and a line break.
const lineSize = coupon.Size + 1

// alphabet is what codes are written in.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// batch is the one batch of the book.
const batch coupon.BatchID = "bench"

// world is a house with one batch.
type world struct {
	check *coupon.Check
	book  *coupon.Book
}

// newWorld reads the secrets of the check and of the series.
func newWorld(secrets io.Reader, count uint64) (*world, error) {
	var check, series coupon.Secret
	for _, s := range []*coupon.Secret{&check, &series} {
		if _, err := io.ReadFull(secrets, s[:]); err != nil {
			return nil, fmt.Errorf("read the secrets: %w", err)
		}
	}
	w := &world{check: coupon.NewCheck(check)}
	var err error
	w.book, err = coupon.NewBook([]*coupon.Series{coupon.NewSeries(series, w.check)},
		[]coupon.Batch{{ID: batch, Kind: coupon.SingleUse, First: 1 << 40, Count: count}})
	return w, err
}

// job writes the batch's codes into name.part, going on where an earlier job
// broke off, and gives the file its name once all are on disk.
func (w *world) job(name string) (err error) {
	f, err := os.OpenFile(name+".part", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	from, err := w.goOn(f)
	if err == nil {
		err = w.write(f, from)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".part", name); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// goOn cuts off a line that was begun, and gives the serial behind the last
// whole one.
func (w *world) goOn(f *os.File) (uint64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size() - info.Size()%lineSize
	if err := f.Truncate(size); err != nil {
		return 0, err
	}
	if _, err := f.Seek(size, io.SeekStart); err != nil {
		return 0, err
	}
	if size == 0 {
		return 0, nil
	}
	last := make([]byte, coupon.Size)
	if _, err := f.ReadAt(last, size-lineSize); err != nil {
		return 0, err
	}
	c, err := w.check.Parse(string(last))
	if err != nil {
		return 0, fmt.Errorf("the last line of %s: %w", f.Name(), err)
	}
	return w.book.After(batch, c)
}

func (w *world) write(f *os.File, from uint64) error {
	out := bufio.NewWriterSize(f, 1<<16)
	var line []byte
	for _, c := range w.book.Codes(batch, from) {
		line = c.AppendLine(line[:0])
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return errors.Join(out.Flush(), f.Sync())
}

// lots is the reference: random codes, each kept in a map.
func lots(name string, count uint64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	chance := bufio.NewReaderSize(rand.Reader, 1<<16)
	out := bufio.NewWriterSize(f, 1<<16)
	seen := make(map[[coupon.Size]byte]struct{})
	var c [coupon.Size]byte
	for uint64(len(seen)) < count {
		if _, err := io.ReadFull(chance, c[:]); err != nil {
			return err
		}
		for i := range c {
			c[i] = alphabet[c[i]&31]
		}
		if _, twice := seen[c]; twice {
			continue
		}
		seen[c] = struct{}{}
		_, _ = out.Write(c[:])
		if err := out.WriteByte('\n'); err != nil {
			return err
		}
	}
	return errors.Join(out.Flush(), f.Sync(), f.Close())
}

// breakOff copies three quarters of a file and a bit of the next line, lets the
// job go on, and counts the bytes that differ.
func (w *world) breakOff(made, broken string) (int, error) {
	whole, err := os.ReadFile(made)
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(broken+".part", whole[:len(whole)/4*3/lineSize*lineSize+5], 0o600); err != nil {
		return 0, err
	}
	if err := w.job(broken); err != nil {
		return 0, err
	}
	again, err := os.ReadFile(broken)
	if err != nil {
		return 0, err
	}
	n := max(len(whole), len(again)) - min(len(whole), len(again))
	for i := range min(len(whole), len(again)) {
		if whole[i] != again[i] {
			n++
		}
	}
	return n, nil
}

// found is what reading a file back finds.
type found struct{ lines, unread, twice int }

// read reads every line as a till would, asks the book for its batch, and sorts
// all codes.
func (w *world) read(name string) (found, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return found{}, err
	}
	var n found
	var all []uint64
	for line := range bytes.Lines(text) {
		n.lines++
		c, err := w.check.Parse(string(bytes.TrimSuffix(line, []byte("\n"))))
		if err != nil {
			n.unread++
			continue
		}
		if b, _, ok := w.book.Find(c); !ok || b.ID != batch {
			n.unread++
		}
		all = append(all, packed(line))
	}
	slices.Sort(all)
	n.twice = len(all) - len(slices.Compact(all))
	return n, nil
}

// packed gives the twelve random symbols of a line as a number, five bits each,
// so that twice is said of what stands in the file and of nothing derived.
func packed(line []byte) uint64 {
	var v uint64
	for _, c := range line[:coupon.RandomSymbols] {
		v = v<<5 | uint64(strings.IndexByte(alphabet, c))
	}
	return v
}
