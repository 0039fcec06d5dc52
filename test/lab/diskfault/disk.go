package diskfault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// disk is a file system that can be made to fail.
type disk interface {
	path() string
	// fail makes it fail as told until heal is called. full needs a real one.
	fail(f failure) error
	heal() error
	close() error
}

// failure is one way in which a disk fails.
type failure struct {
	name  string
	full  bool // the file system has no room left
	fault *fault
}

// errCannot says that this machine does not let the file system be made.
var errCannot = errors.New("this needs root, a loop device, mkfs.ext4 and /dev/fuse")

// smallDisk is an ext4 file system of its own in a file, of a limited size.
type smallDisk struct{ at, ballast string }

func newSmallDisk(ctx context.Context, dir string, mib int) (*smallDisk, error) {
	image, at := filepath.Join(dir, "disk.img"), filepath.Join(dir, "disk")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return nil, fmt.Errorf("make mount point: %w", err)
	}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return nil, fmt.Errorf("make disk: %w", err)
	}
	if err := os.Truncate(image, int64(mib)<<20); err != nil {
		return nil, fmt.Errorf("make disk: %w", err)
	}
	for _, args := range [][]string{{"mkfs.ext4", "-q", "-m", "0", image}, {"mount", "-o", "loop", image, at}} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s: %w: %s", errCannot, strings.Join(args, " "), err, out)
		}
	}
	return &smallDisk{at: at, ballast: filepath.Join(at, "ballast")}, nil
}

func (d *smallDisk) path() string { return d.at }

// fail takes all the room that is left, block by block at the end.
func (d *smallDisk) fail(f failure) error {
	if !f.full {
		return fmt.Errorf("a small disk cannot fail by %s", f.name)
	}
	out, err := os.OpenFile(d.ballast, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	for size := 1 << 20; size >= 1<<10; {
		_, err := out.Write(make([]byte, size))
		if err == nil {
			err = out.Sync() // room is given out late
		}
		switch {
		case errors.Is(err, syscall.ENOSPC):
			size /= 2
		case err != nil:
			return errors.Join(fmt.Errorf("fill the disk: %w", err), out.Close())
		}
	}
	return out.Close()
}

func (d *smallDisk) heal() error { return os.Remove(d.ballast) }
func (d *smallDisk) close() error {
	return syscall.Unmount(d.at, syscall.MNT_DETACH)
}

// brokenDisk is a directory whose changes fail on demand.
type brokenDisk struct {
	at string
	fs *faultFS
}

func newBrokenDisk(dir string) (*brokenDisk, error) {
	from, at := filepath.Join(dir, "behind"), filepath.Join(dir, "disk")
	for _, d := range []string{from, at} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("make mount point: %w", err)
		}
	}
	f, err := mountFaultFS(from, at)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCannot, err)
	}
	return &brokenDisk{at: at, fs: f}, nil
}

func (d *brokenDisk) path() string { return d.at }

func (d *brokenDisk) fail(f failure) error {
	if f.fault == nil {
		return fmt.Errorf("a broken disk cannot fail by %s", f.name)
	}
	d.fs.set(f.fault)
	return nil
}

func (d *brokenDisk) heal() error {
	d.fs.set(nil)
	return nil
}

func (d *brokenDisk) close() error {
	d.fs.set(nil)
	return syscall.Unmount(d.at, syscall.MNT_DETACH)
}
