// Package home records in a data directory which lake it is of and where it is,
// so that a copy is not taken for its original.
package home

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of a data directory that are its own, not its lake's. Instance
// tells the directory from others of the same lake.
const (
	RecordName   = "lake.json"
	InstanceName = "instance"
	orphansName  = "orphans.json" // names files by their paths
)

// ErrElsewhere is wrapped by the errors of a data directory that is a copy of
// another one, or of another lake.
var ErrElsewhere = errors.New("the data directory is not what it was")

// record is what is kept of a data directory.
type record struct {
	Lake  string `json:"lake"`  // its id
	Place string `json:"place"` // of the directory
}

// Check compares what is recorded of a data directory with where it is and the
// lake that it is used with, and records that where nothing is. Nothing in it
// depends on its path, so one that was moved is recorded anew.
func Check(dir, lake string, readOnly bool) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("locate data directory: %w", err)
	}
	now := record{Lake: lake, Place: dir}
	was, err := read(dir)
	switch {
	case err != nil:
		return err
	case was == now || lake == "":
		return nil
	case was.Lake != "" && was.Lake != lake:
		return fmt.Errorf("%w: %s keeps the state of lake %s, and lake.warehouse and lake.catalog are of lake %s: give "+
			"that lake a data directory of its own, or remove %s if what pipelines have learnt and found so far is of this "+
			"one", ErrElsewhere, dir,
			was.Lake, lake, filepath.Join(dir, RecordName))
	case was.Place != "" && was.Place != dir && copied(was.Place, dir):
		return fmt.Errorf("%w: %s is a copy of %s, which is still there and would share its leases: run `lakeward "+
			"relocate`, which makes the copy one of its own", ErrElsewhere, dir, was.Place)
	case readOnly:
		return nil
	}
	return write(dir, now)
}

// copied reports whether two directories are copies of each other, not one.
func copied(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	if err != nil || os.SameFile(x, y) {
		return false
	}
	mine, err := os.ReadFile(filepath.Join(a, InstanceName))
	if err != nil {
		return false
	}
	theirs, err := os.ReadFile(filepath.Join(b, InstanceName))
	return err == nil && len(mine) > 0 && bytes.Equal(mine, theirs)
}

// Renew makes the directory that of a lake in this place. One that was not
// moved but copied becomes another one for the daemons of the lake.
func Renew(dir, lake string, isCopy bool) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("locate data directory: %w", err)
	}
	was, err := read(dir)
	if err != nil {
		return err
	}
	drop := []string{orphansName}
	if isCopy || (was.Place != "" && copied(was.Place, dir)) {
		drop = append(drop, InstanceName)
	}
	for _, name := range drop {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("renew the data directory: %w", err)
		}
	}
	return write(dir, record{Lake: lake, Place: dir})
}

func read(dir string) (r record, err error) {
	path := filepath.Join(dir, RecordName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read which lake the data directory is of: %w", err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("read which lake the data directory is of: %s is damaged (%w): remove it if the directory "+
			"was not copied", path, err)
	}
	return r, nil
}

func write(dir string, r record) error {
	b, err := json.Marshal(r)
	if err == nil {
		err = replace(filepath.Join(dir, RecordName), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("record which lake the data directory is of: %w", err)
	}
	return nil
}

// replace gives a file new contents, all of them or none.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o640), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
