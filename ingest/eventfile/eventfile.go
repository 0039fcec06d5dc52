// Package eventfile reads the events of files as they are found: JSON objects
// one after another (a line each, or printed over several), a JSON array of
// them, an object whose first member is a `Records` array of them, CSV with a
// header, a log with a line #Fields (W3C extended, Exchange, Zeek), Arrow or
// Parquet; plain, gzip or zip. The lines of other logs are events as they are.
// What a file holds is decided by its bytes, not by its name.
package eventfile

import (
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// Stdin is the path that stands for the reader given to Open.
const Stdin = "-"

// MaxEvent is the largest event, in bytes. It bounds a Reader's memory, next
// to about 30 bytes for each distinct event of the file (see Event.ID).
const MaxEvent = 64 << 20

// Reader yields the events of one file in order. It belongs to one goroutine,
// except Progress.
type Reader struct {
	path    string
	want    Content
	name    string // absolute, without .gz; empty: stdin
	file    *countedFile
	temp    string // what stdin was spooled to
	members []member
	open    io.Closer // of the current member
	decode  decoder
	member  string
	index   int
	seen    occurrences
}

// member is one part of a file: all of it, or a file in a zip.
type member struct {
	name string // empty: the file itself
	open func() (io.ReadCloser, error)
}

// decoder reads one member. next returns io.EOF at the end; the bytes are
// valid until the next call.
type decoder interface {
	next() (text []byte, line int, err error)
}

// Open opens the file at path, or what stdin yields for Stdin, of which want is
// known. The caller closes the Reader. Errors name the file.
func Open(path string, stdin io.Reader, want Content) (*Reader, error) {
	r := &Reader{path: path, want: want, seen: occurrences{}}
	if path == Stdin {
		if err := r.openStdin(stdin); err != nil {
			return nil, err
		}
		return r, nil
	}
	// A pipe could block for ever, and a device never end.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, r.at(0, problem("it is a pipe or a device", "give a regular file, or - and the events on standard input"))
	}
	name, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open event file: %w", err)
	}
	r.name = strings.TrimSuffix(name, ".gz")
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open event file: %w", err)
	}
	if r.file, err = newCountedFile(f); err == nil {
		err = r.list(r.file)
	}
	if err != nil {
		return nil, errors.Join(r.at(0, err), f.Close())
	}
	return r, nil
}

// openStdin reads a stream as it comes; a zip, whose directory is at its end,
// is spooled to a temporary file first.
func (r *Reader) openStdin(stdin io.Reader) error {
	b := newBuffer(stdin)
	if head, _ := b.peek(4); !isZip(head) {
		r.members = []member{{open: func() (io.ReadCloser, error) { return unzipped(b) }}}
		return nil
	}
	f, err := os.CreateTemp("", "lakeward-*.zip")
	if err != nil {
		return fmt.Errorf("spool standard input: %w", err)
	}
	r.temp = f.Name()
	if _, err = io.Copy(f, b); err == nil {
		if r.file, err = newCountedFile(f); err == nil {
			err = r.list(r.file)
		}
	}
	if err != nil {
		return errors.Join(r.at(0, err), f.Close(), os.Remove(r.temp))
	}
	return nil
}

// list finds the members of the file.
func (r *Reader) list(f *countedFile) error {
	head := make([]byte, 4)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !isZip(head[:n]) {
		f.done.Store(0)
		whole := io.NewSectionReader(f, 0, f.size)
		r.members = []member{{open: func() (io.ReadCloser, error) { return unzipped(newBuffer(whole)) }}}
		return nil
	}
	z, err := zip.NewReader(f, f.size)
	if err != nil {
		return damaged(err)
	}
	f.done.Store(0)
	for _, m := range z.File {
		if !m.Mode().IsRegular() || strings.HasPrefix(m.Name, "__MACOSX/") {
			continue
		}
		r.members = append(r.members, member{name: m.Name, open: func() (io.ReadCloser, error) { return openMember(m) }})
	}
	return nil
}

func openMember(m *zip.File) (io.ReadCloser, error) {
	if m.Flags&1 != 0 {
		return nil, problem("it is encrypted", "unpack it with its password and publish what is in it")
	}
	f, err := m.Open()
	if err != nil {
		return nil, damaged(err)
	}
	in, err := unzipped(newBuffer(f))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return closers{in, f}, nil
}

// closers reads the first, and closes both.
type closers struct {
	io.ReadCloser
	below io.Closer
}

func (c closers) Close() error { return errors.Join(c.ReadCloser.Close(), c.below.Close()) }

// unzipped undoes gzip, if that is what in holds.
func unzipped(in *buffer) (io.ReadCloser, error) {
	head, err := in.peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, damaged(err)
	}
	if len(head) < 2 || head[0] != 0x1f || head[1] != 0x8b {
		return io.NopCloser(in), nil
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, damaged(err)
	}
	return io.NopCloser(z), nil // its sum is checked at the end of reading
}

func isZip(head []byte) bool {
	s := string(head)
	return s == "PK\x03\x04" || s == "PK\x05\x06"
}

// Next returns the next event, or io.EOF after the last. Other errors name the
// file, the member, the line and a remedy, and reading goes on after what they
// are about: if the *Error is Broken, the Event has the bytes that are not
// JSON; otherwise what is left of the member, or the file, is given up.
func (r *Reader) Next() (Event, error) {
	for {
		if r.decode == nil {
			if err := r.nextMember(); err != nil {
				r.decode = nil
				if cerr := r.closeMember(); cerr != nil {
					err = errors.Join(err, r.at(0, damaged(cerr)))
				}
				return Event{}, err
			}
		}
		text, line, err := r.decode.next()
		if err == nil {
			return r.event(text, line), nil
		}
		if bad, ok := errors.AsType[*Error](err); ok && bad.Broken {
			return r.event(text, line), r.at(line, bad)
		}
		if !errors.Is(err, io.EOF) {
			err = r.at(line, err)
			if cerr := r.closeMember(); cerr != nil {
				err = errors.Join(err, r.at(0, damaged(cerr)))
			}
			return Event{}, err
		}
		if err := r.closeMember(); err != nil {
			return Event{}, r.at(line, damaged(err))
		}
	}
}

func (r *Reader) event(text []byte, line int) Event {
	r.index++
	e := Event{JSON: text, File: r.path, Member: r.member, Line: line, Index: r.index, file: r.name, hash: hashOf(text)}
	e.occurrence = r.seen.count(e.hash)
	return e
}

func (r *Reader) nextMember() error {
	if len(r.members) == 0 {
		return io.EOF
	}
	m := r.members[0]
	r.members, r.member, r.index = r.members[1:], m.name, 0
	in, err := m.open()
	if err != nil {
		return r.at(0, err)
	}
	r.open = in
	name := m.name
	if name == "" {
		name = r.path
	}
	if r.decode, err = newDecoder(newBuffer(in), name, r.want); err != nil {
		return r.at(0, err)
	}
	return nil
}

func (r *Reader) closeMember() error {
	r.decode = nil
	if r.open == nil {
		return nil
	}
	c := r.open
	r.open = nil
	return c.Close()
}

// Progress returns how many bytes of the file, as it is stored, were read, and
// how many it has; total is 0 if that is not known. Any goroutine may call it.
func (r *Reader) Progress() (done, total int64) {
	if r.file == nil {
		return 0, 0
	}
	return min(r.file.done.Load(), r.file.size), r.file.size
}

// Close closes the file.
func (r *Reader) Close() error {
	err := r.closeMember()
	if r.file != nil {
		err = errors.Join(err, r.file.Close())
	}
	if r.temp != "" {
		err = errors.Join(err, os.Remove(r.temp))
	}
	return err
}

// countedFile counts what is read of a file.
type countedFile struct {
	*os.File
	size int64
	done atomic.Int64
}

func newCountedFile(f *os.File) (*countedFile, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return nil, problem("it is a directory", "name the files in it")
	}
	if st.Mode()&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeDevice) != 0 {
		return nil, problem("it is not a regular file", "pipe it in and name `-`")
	}
	return &countedFile{File: f, size: st.Size()}, nil
}

func (f *countedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	f.done.Add(int64(n))
	return n, err
}
