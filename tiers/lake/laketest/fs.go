// Package laketest is a file system for tests of a lake: the operating system's,
// with the test between. It is the only one that fails operations of a lake.
package laketest

import (
	"io/fs"
	"strings"

	"github.com/lakeward/lakeward/tiers/lake"
)

// The operations of a file system.
const (
	Create  = "create"
	Write   = "write"
	Sync    = "sync"
	Open    = "open"
	Rename  = "rename"
	Remove  = "remove"
	Mkdir   = "mkdir"
	Stat    = "stat"
	ReadDir = "readdir"
	SyncDir = "syncdir"
)

// Op is one operation.
type Op struct {
	Kind  string
	Name  string // of the file or directory
	To    string // the new name, of a rename
	Bytes int    // of a write
}

// String is the operation with its names.
func (o Op) String() string { return strings.TrimSpace(o.Kind + " " + o.Name + " " + o.To) }

// FS calls the test before each operation, which fails with what that returns,
// and after each that was done. A write that fails has written half of its
// bytes. Both functions may be called by several goroutines at once.
type FS struct {
	Before func(Op) error // nil: nothing fails
	After  func(Op)       // nil: nobody asks

	os lake.OS
}

var _ lake.FS = (*FS)(nil)

func (s *FS) do(op Op, f func() error) error {
	if s.Before != nil {
		if err := s.Before(op); err != nil {
			return err
		}
	}
	err := f()
	if err == nil && s.After != nil {
		s.After(op)
	}
	return err
}

// Create makes a new file, whose writes and syncs are operations too.
func (s *FS) Create(name string) (out lake.File, err error) {
	err = s.do(Op{Kind: Create, Name: name}, func() error {
		f, err := s.os.Create(name)
		out = &file{f, name, s}
		return err
	})
	return out, err
}

// Open opens a file for reading, which does not fail.
func (s *FS) Open(name string) (out lake.Reader, err error) {
	err = s.do(Op{Kind: Open, Name: name}, func() (err error) { out, err = s.os.Open(name); return err })
	return out, err
}

// Rename moves a file.
func (s *FS) Rename(from, to string) error {
	return s.do(Op{Kind: Rename, Name: from, To: to}, func() error { return s.os.Rename(from, to) })
}

// Remove deletes a file.
func (s *FS) Remove(name string) error {
	return s.do(Op{Kind: Remove, Name: name}, func() error { return s.os.Remove(name) })
}

// Mkdir makes a directory.
func (s *FS) Mkdir(name string) error {
	return s.do(Op{Kind: Mkdir, Name: name}, func() error { return s.os.Mkdir(name) })
}

// Stat describes a file.
func (s *FS) Stat(name string) (out fs.FileInfo, err error) {
	err = s.do(Op{Kind: Stat, Name: name}, func() (err error) { out, err = s.os.Stat(name); return err })
	return out, err
}

// ReadDir lists a directory.
func (s *FS) ReadDir(name string) (out []fs.DirEntry, err error) {
	err = s.do(Op{Kind: ReadDir, Name: name}, func() (err error) { out, err = s.os.ReadDir(name); return err })
	return out, err
}

// SyncDir makes the entries of a directory durable.
func (s *FS) SyncDir(name string) error {
	return s.do(Op{Kind: SyncDir, Name: name}, func() error { return s.os.SyncDir(name) })
}

type file struct {
	lake.File
	name string
	fs   *FS
}

func (f *file) Write(b []byte) (n int, err error) {
	err = f.fs.do(Op{Kind: Write, Name: f.name, Bytes: len(b)}, func() (err error) {
		n, err = f.File.Write(b)
		return err
	})
	if err != nil && n == 0 {
		n, _ = f.File.Write(b[:len(b)/2]) // it is torn, one way or the other
	}
	return n, err
}

func (f *file) Sync() error {
	return f.fs.do(Op{Kind: Sync, Name: f.name}, f.File.Sync)
}
