package backup

import (
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// Grains: small for books, because a book changes here and there; other files
// never change once they are written.
const (
	grainBooks = 256 << 10
	grainFiles = 4 << 20
)

// Sources lists the files of a folder in which a house was noted.
func Sources(folder string) (out []Source, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		s := Source{Name: filepath.ToSlash(name), Path: path, Grain: grainFiles}
		if strings.HasSuffix(name, ".db") {
			s.Grain = grainBooks
		}
		out = append(out, s)
		return err
	})
	return out, err
}

// tellEvery is how often a progress is passed on.
const tellEvery = 100 * time.Millisecond

// Seldom passes on at most ten calls a second by a clock, and the last.
func Seldom(clock func() time.Time, tell func(Progress)) func(Progress) {
	var last time.Time
	return func(p Progress) {
		if now := clock(); p.Done == p.Total || now.Sub(last) >= tellEvery {
			last = now
			tell(p)
		}
	}
}
