package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keep stores the version of a file that has just been accepted, with its
// tests, as the last good one.
func (f *Folder) keep(name string) error {
	if f.o.Keep == "" {
		return nil
	}
	data, tests, err := readFrom(f.o.Dir, name)
	if err != nil {
		return err
	}
	if contentHash(data, tests) != f.files[name].goodHash {
		return nil // changed again meanwhile: the next scan decides
	}
	if err := os.MkdirAll(f.o.Keep, 0o750); err != nil {
		return fmt.Errorf("create %s: %w", f.o.Keep, err)
	}
	// The tests first: a pipeline without its tests would be another version.
	if tests == nil {
		err = remove(filepath.Join(f.o.Keep, testFile(name)))
	} else {
		err = replace(filepath.Join(f.o.Keep, testFile(name)), tests)
	}
	if err != nil {
		return err
	}
	return replace(filepath.Join(f.o.Keep, name), data)
}

// recall loads the last good version of a file that is new to this process.
// Its tests passed when it was kept. What no longer loads is left out.
func (f *Folder) recall(ctx context.Context, name string) *entry {
	e := &entry{}
	if f.o.Keep == "" {
		return e
	}
	data, tests, err := readFrom(f.o.Keep, name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f.o.Logger.Warn("read the last good version", "file", name, "error", err)
		}
		return e
	}
	// The tests are not given: their data files may have changed.
	d, problems := f.o.Load(ctx, f.o.Dir, name, data, nil)
	if len(problems) > 0 || d == nil {
		f.o.Logger.Warn("the last good version is good no more", "file", name)
		return e
	}
	e.good, e.goodHash = d, contentHash(data, tests)
	return e
}

func readFrom(dir, name string) (data, tests []byte, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return read(root, name)
}

// forget removes what was kept of a file that is gone.
func (f *Folder) forget(name string) error {
	if f.o.Keep == "" {
		return nil
	}
	return errors.Join(remove(filepath.Join(f.o.Keep, name)), remove(filepath.Join(f.o.Keep, testFile(name))))
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}

// replace writes a file so that a crash leaves the old or the new one.
func replace(path string, data []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".keep-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", path, err), remove(tmp.Name()))
		}
	}()
	_, werr := tmp.Write(data)
	if err = errors.Join(werr, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
