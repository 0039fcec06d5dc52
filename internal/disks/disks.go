// Package disks watches the disks that the daemon writes to, by writing: a
// daemon with nothing to do must also say that it could not do it, and whoever
// reads the message wants to know which disk and what to do.
package disks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Dir is a directory that is written to, and for what.
type Dir struct{ Use, Path string }

// State is one disk as it was last looked at.
type State struct {
	Use        string // what for, separated by commas
	Path       string // a directory on it
	Free, Size uint64 // bytes; what is free is so for this user
	Err        error  // of writing; nil: it works
	Since      time.Time
	noInodes   bool
}

// Options wire a Watch.
type Options struct {
	Dirs   []Dir
	Logger *slog.Logger
	Now    func() time.Time
	// Probe writes to the disk of a directory and leaves nothing there.
	Probe func(dir string) error // nil: Write
}

// How often a disk is looked at.
const (
	every        = 5 * time.Second
	everyFailing = time.Second // so that recovery is soon known
)

// Watch is the state of some disks. Its methods are safe for concurrent use.
type Watch struct {
	o     Options
	disks []*watched
}

type watched struct {
	mu    sync.Mutex // of state
	state State
	look  sync.Mutex // held by who looks
}

// New looks at each disk once. Directories on the same disk are one; they must
// exist.
func New(o Options) (*Watch, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Probe == nil {
		o.Probe = Write
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Watch{o: o}
	on := map[uint64]*watched{}
	for _, d := range o.Dirs {
		var st syscall.Stat_t
		if err := syscall.Stat(d.Path, &st); err != nil {
			return nil, fmt.Errorf("look at the directory of %s: %w", d.Use, &fs.PathError{Op: "stat", Path: d.Path, Err: err})
		}
		if have := on[uint64(st.Dev)]; have != nil { //nolint:unconvert // it is of another type on other systems
			have.state.Use += ", " + d.Use
			continue
		}
		x := &watched{state: State{Use: d.Use, Path: d.Path}}
		on[uint64(st.Dev)] = x //nolint:unconvert // it is of another type on other systems
		w.disks = append(w.disks, x)
	}
	w.Look()
	return w, nil
}

// Run looks at every disk until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, d := range w.disks {
		wg.Go(func() {
			for {
				wait := every
				if d.now().Err != nil {
					wait = everyFailing
				}
				t := time.NewTimer(wait)
				select {
				case <-ctx.Done():
					t.Stop()
					return
				case <-t.C:
				}
				w.one(d)
			}
		})
	}
	wg.Wait()
	return nil
}

// Look looks at every disk now, and returns what it saw.
func (w *Watch) Look() []State {
	for _, d := range w.disks {
		w.one(d)
	}
	return w.States()
}

// States is what was last seen.
func (w *Watch) States() []State {
	out := make([]State, len(w.disks))
	for i, d := range w.disks {
		out[i] = d.now()
	}
	return out
}

// Failing is the disks of states that cannot be written to, in words.
func Failing(states []State) (out []string) {
	for _, s := range states {
		if s.Err != nil {
			out = append(out, s.String())
		}
	}
	return out
}

func (d *watched) now() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

func (w *Watch) one(d *watched) {
	d.look.Lock()
	defer d.look.Unlock()
	s := d.now()
	was := s.Err
	s.Err = w.o.Probe(s.Path)
	var st syscall.Statfs_t
	if err := syscall.Statfs(s.Path, &st); err == nil {
		s.Free, s.Size = st.Bavail*uint64(st.Bsize), st.Blocks*uint64(st.Bsize)
		s.noInodes = st.Files > 0 && st.Ffree == 0
	}
	switch {
	case s.Err == nil:
		s.Since = time.Time{}
	case was == nil:
		s.Since = w.o.Now()
	}
	d.mu.Lock()
	d.state = s
	d.mu.Unlock()
	switch {
	case s.Err != nil && was == nil:
		w.o.Logger.Error("a disk cannot be written to: "+s.String(), "error", s.Err)
	case s.Err == nil && was != nil:
		w.o.Logger.Info("a disk can be written to again", "use", s.Use, "dir", s.Path)
	}
}

// Low tells that a disk that works is about to be full.
func (s State) Low() bool {
	const share, bytes = 20, 2 << 30
	return s.Err == nil && s.Size > 0 && s.Free < s.Size/share && s.Free < bytes
}

// String says how the disk is and what to do about it.
func (s State) String() string {
	at := fmt.Sprintf("the disk of %s (%s)", s.Use, s.Path)
	is := func(errs ...syscall.Errno) bool {
		return slices.ContainsFunc(errs, func(e syscall.Errno) bool { return errors.Is(s.Err, e) })
	}
	const later = "; the daemon goes on by itself then"
	switch {
	case s.Err == nil:
		return fmt.Sprintf("%s has %s free of %s: free some room, or make it larger", at, size(s.Free), size(s.Size))
	case is(syscall.ENOSPC, syscall.EDQUOT) && s.noInodes:
		return at + " has no inodes left: remove files that are not needed, or make it larger" + later
	case is(syscall.EDQUOT):
		return at + " is at its quota: free some room, or raise the quota" + later
	case is(syscall.ENOSPC):
		return fmt.Sprintf("%s is full, %s free of %s: free some room, or make it larger%s", at, size(s.Free), size(s.Size),
			later)
	case is(syscall.EROFS):
		return at + " is read-only: the kernel's log says why (dmesg); check it, and mount it for writing again" + later
	case is(syscall.EIO):
		return at + " answers I/O errors: the kernel's log says which device (dmesg); replace or reconnect it" + later
	case is(syscall.EACCES, syscall.EPERM):
		return fmt.Sprintf("%s may not be written by user %d: correct the owner or the mode of the directory%s", at,
			os.Getuid(), later)
	case is(syscall.ENOENT, syscall.ENOTDIR, syscall.ENOTCONN, syscall.ESTALE):
		return at + " is gone: is it mounted?"
	}
	return fmt.Sprintf("%s cannot be written to: %v", at, s.Err)
}

func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") + units[i]
}

// probeName is the file that Write makes and removes.
const probeName = ".lakeward-probe"

// probeBytes are more than what hides in a file system's last block.
const probeBytes = 64 << 10

// Write writes a small file in dir, syncs it and removes it.
func Write(dir string) error {
	path := filepath.Join(dir, probeName)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeBytes))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), os.Remove(path))
}
