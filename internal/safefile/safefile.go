// Package safefile reads files that somebody else put there, and keeps those
// that nobody else should read.
package safefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotRegular is a pipe, a device or a directory where a file is read. Such a
// thing could block for ever, or never end.
var ErrNotRegular = errors.New("not a regular file")

// Read returns the content of a regular file of at most most bytes. The error
// names the path.
func Read(path string, most int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return read(f, path, most)
}

// ReadIn is Read of a file below root. Links lead to files below root only.
func ReadIn(root *os.Root, name string, most int64) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return read(f, name, most)
}

// read closes f.
func read(f *os.File, name string, most int64) (data []byte, err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: %w but a %s", name, ErrNotRegular, kind(info.Mode()))
	}
	data, err = io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("read %s: it has more than %d bytes", name, most)
	}
	return data, nil
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	default:
		return "device"
	}
}

// private is the mode of a file that only its owner reads and writes.
const private = 0o600

// Private creates path as an empty file that only its owner can read, or takes
// an existing file away from everybody else.
func Private(path string) error { return keep(path, os.O_CREATE) }

// KeepPrivate takes a file away from everybody but its owner, if it exists.
func KeepPrivate(path string) error {
	err := keep(path, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func keep(path string, flags int) error {
	f, err := os.OpenFile(path, os.O_RDWR|flags, private)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&^private != 0 {
		err = f.Chmod(private)
	}
	return errors.Join(err, f.Close())
}

// Exposed reports whether users other than the owner and its group can read or
// change the file or directory. What cannot be looked at is not exposed.
func Exposed(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o007 != 0
}
