package outreach

import "os"

// SaveEvery has a run note how far it is after so many rows.
func (f *Folder) SaveEvery(rows int) { f.saveRows = rows }

// CreateBy makes files by another function.
func (f *Folder) CreateBy(create func(path string) (*os.File, error)) { f.create = create }
