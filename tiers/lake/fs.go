package lake

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// File is a file being written.
type File interface {
	io.Writer
	Sync() error
	Close() error
}

// Reader is a file being read.
type Reader interface {
	io.ReadSeekCloser
	io.ReaderAt
	Stat() (fs.FileInfo, error)
}

// FS is what the lake asks of a file system. Names are local paths. Tests
// replace it to fail any single operation.
type FS interface {
	Create(name string) (File, error) // fails if the file exists
	Open(name string) (Reader, error)
	Rename(from, to string) error
	Remove(name string) error
	Mkdir(name string) error
	Stat(name string) (fs.FileInfo, error)
	SyncDir(name string) error
	ReadDir(name string) ([]fs.DirEntry, error)
}

// OS is the operating system's file system.
type OS struct{}

// Create makes a new file; it is an error if the file exists.
func (OS) Create(name string) (File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}

// Open opens a file for reading.
func (OS) Open(name string) (Reader, error) { return os.Open(name) }

// Rename moves a file atomically.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove deletes a file.
func (OS) Remove(name string) error { return os.Remove(name) }

// Mkdir makes one directory.
func (OS) Mkdir(name string) error { return os.Mkdir(name, 0o755) }

// Stat describes a file.
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// ReadDir lists a directory.
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// SyncDir makes the entries of a directory durable.
func (OS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// durable writes files so that a file under its final name is complete and
// survives power loss: temporary name, write, sync, rename, sync of directory.
type durable struct {
	fs FS

	mu     sync.Mutex
	synced map[string]bool // directories whose entries in their parents are durable
}

func newDurable(f FS) *durable { return &durable{fs: f, synced: map[string]bool{}} }

// tempSuffix marks a file that is being written; no commit names one.
const tempSuffix = ".tmp"

// create begins a file that appears under its name when it is closed.
func (d *durable) create(name string) (*pending, error) {
	if err := d.ensureDir(filepath.Dir(name)); err != nil {
		return nil, err
	}
	temp := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+tempSuffix)
	f, err := d.fs.Create(temp)
	if errors.Is(err, fs.ErrExist) { // left by a crash: names are unique to one writer
		if err := d.fs.Remove(temp); err != nil {
			return nil, err
		}
		f, err = d.fs.Create(temp)
	}
	if err != nil {
		return nil, err
	}
	return &pending{d: d, f: f, temp: temp, name: name}, nil
}

// write stores data under name.
func (d *durable) write(name string, data []byte) error {
	p, err := d.create(name)
	if err != nil {
		return err
	}
	if _, err := p.Write(data); err != nil {
		return errors.Join(err, p.discard())
	}
	return p.Close()
}

// ensureDir makes a directory and its parents, each durable. A directory that
// exists may have been made by a process that died before syncing its parent,
// so the first use in this process syncs too.
func (d *durable) ensureDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ensure(dir)
}

func (d *durable) ensure(dir string) error {
	parent := filepath.Dir(dir)
	if d.synced[dir] || parent == dir {
		return nil
	}
	if _, err := d.fs.Stat(dir); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := d.ensure(parent); err != nil {
			return err
		}
		if err := d.fs.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := d.fs.SyncDir(parent); err != nil {
		return err
	}
	d.synced[dir] = true
	return nil
}

// pending is a file under its temporary name.
type pending struct {
	d          *durable
	f          File
	temp, name string
	err        error // the first failed write
	done       bool
}

// Write appends to the file. After a failure, Close publishes nothing.
func (p *pending) Write(b []byte) (int, error) {
	n, err := p.f.Write(b)
	if err != nil && p.err == nil {
		p.err = err
	}
	return n, err
}

// ReadFrom appends all of r.
func (p *pending) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{p}, r)
}

// Close syncs the file and gives it its name.
func (p *pending) Close() error {
	if p.done {
		return fs.ErrClosed
	}
	if p.err != nil {
		return errors.Join(p.err, p.discard())
	}
	if err := p.f.Sync(); err != nil {
		return errors.Join(err, p.discard())
	}
	p.done = true
	if err := p.f.Close(); err != nil {
		return errors.Join(err, p.d.fs.Remove(p.temp))
	}
	if err := p.d.fs.Rename(p.temp, p.name); err != nil {
		return errors.Join(err, p.d.fs.Remove(p.temp))
	}
	return p.d.fs.SyncDir(filepath.Dir(p.name))
}

func (p *pending) discard() error {
	p.done = true
	return errors.Join(p.f.Close(), p.d.fs.Remove(p.temp))
}
