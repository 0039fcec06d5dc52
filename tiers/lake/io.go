package lake

import (
	"context"
	"errors"
	"io"

	icebergio "github.com/apache/iceberg-go/io"

	"github.com/lakeward/lakeward/tiers"
)

// fileIO gives iceberg-go durable files: its own local IO never syncs.
type fileIO struct{ d *durable }

var _ icebergio.WriteFileIO = fileIO{}
var _ icebergio.ReadFileIO = fileIO{}

// load is the table.FSysF of every table of the lake.
func (i fileIO) load(context.Context) (icebergio.IO, error) { return i, nil }

// Open opens a file for reading.
func (i fileIO) Open(name string) (icebergio.File, error) {
	p, err := tiers.LocalPath(name)
	if err != nil {
		return nil, err
	}
	return i.d.fs.Open(p)
}

// ReadFile reads a whole file.
func (i fileIO) ReadFile(name string) ([]byte, error) {
	f, err := i.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return b, err
}

// Create begins a file that appears, synced, when it is closed.
func (i fileIO) Create(name string) (icebergio.FileWriter, error) {
	p, err := tiers.LocalPath(name)
	if err != nil {
		return nil, err
	}
	return i.d.create(p)
}

// WriteFile stores a whole file durably.
func (i fileIO) WriteFile(name string, data []byte) error {
	p, err := tiers.LocalPath(name)
	if err != nil {
		return err
	}
	return i.d.write(p, data)
}

// Remove deletes a file.
func (i fileIO) Remove(name string) error {
	p, err := tiers.LocalPath(name)
	if err != nil {
		return err
	}
	return i.d.fs.Remove(p)
}

// watchedIO keeps the first error of the file system, so that it can be told
// from a file that does not decode. Not safe for concurrent use.
type watchedIO struct {
	fileIO
	failed error
}

// Open opens a file for reading.
func (w *watchedIO) Open(name string) (icebergio.File, error) {
	f, err := w.fileIO.Open(name)
	if err != nil {
		w.note(err)
		return nil, err
	}
	return watchedFile{f, w}, nil
}

func (w *watchedIO) note(err error) {
	if err != nil && !errors.Is(err, io.EOF) && w.failed == nil {
		w.failed = err
	}
}

type watchedFile struct {
	icebergio.File
	w *watchedIO
}

// Read reads on.
func (f watchedFile) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	f.w.note(err)
	return n, err
}

// ReadAt reads at a place.
func (f watchedFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(b, at)
	f.w.note(err)
	return n, err
}
