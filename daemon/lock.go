package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Running describes the process that holds a data directory: for a daemon, where
// it is reached; for a command, only who it is.
type Running struct {
	PID     int    `json:"pid"`
	Command string `json:"command,omitempty"` // without a daemon; empty: the process is a daemon
	HTTP    string `json:"http"`              // host:port
	Cert    string `json:"cert,omitempty"`    // file of its certificate; empty: plain HTTP
	NATS    string `json:"nats"`              // client URL
	// NATSCert is the file of the embedded server's certificate; empty: without
	// TLS, or a server elsewhere.
	NATSCert string `json:"nats_cert,omitempty"`
}

const lockName = "lakeward.lock"

// Used reports whether a daemon or a command has used the data directory.
func Used(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, lockName))
	return err == nil
}

// dirLock is the exclusive use of a data directory, released by the kernel
// when the process ends, however it ends.
type dirLock struct{ f *os.File }

// errLocked says that another process has the data directory.
var errLocked = errors.New("another process has this data directory")

// lockDir takes the data directory, making it if need be. The error wraps
// errLocked, and names who has it, if another process does.
func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open lock of data directory: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return &dirLock{f}, nil
	}
	defer f.Close()
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	r, _ := readRunning(f)
	if r.HTTP != "" {
		return nil, fmt.Errorf("lock %s: %w: %s; stop it, or give this one another --data-dir", path, errDaemon, r)
	}
	return nil, fmt.Errorf("lock %s: %w: %s", path, errLocked, r.or(holdersOf(f)))
}

// errDaemon says that a daemon has the data directory, and will keep it.
var errDaemon = fmt.Errorf("%w: it is a daemon", errLocked)

// The wait of a daemon for a command that has its data directory.
const (
	lockPatience = 10 * time.Second
	lockLook     = 100 * time.Millisecond
)

// awaitDir is lockDir for a daemon: it waits a little for a command that has the
// directory without a daemon.
func awaitDir(ctx context.Context, dir string, log *slog.Logger) (*dirLock, error) {
	l, err := lockDir(dir)
	if !errors.Is(err, errLocked) || errors.Is(err, errDaemon) {
		return l, err
	}
	log.Info("waiting for the data directory", "for", lockPatience, "reason", err)
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	tick := time.NewTicker(lockLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; it had it for the %s that this daemon has waited: wait for its end, then start again",
				err, lockPatience)
		case <-tick.C:
		}
		if l, err = lockDir(dir); !errors.Is(err, errLocked) || errors.Is(err, errDaemon) {
			return l, err
		}
	}
}

// String is the process, for people.
func (r Running) String() string {
	switch {
	case r.Command != "":
		return fmt.Sprintf("`lakeward %s` (pid %d)", r.Command, r.PID)
	case r.PID != 0:
		return fmt.Sprintf("a daemon (pid %d)", r.PID)
	default:
		return "a daemon that starts or stops, or a command that reads"
	}
}

// or returns the process if it is known, and otherwise what the system says of it.
func (r Running) or(holders string) string {
	if r.PID != 0 || holders == "" {
		return r.String()
	}
	return holders
}

func readRunning(f *os.File) (r Running, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return r, err
	}
	return r, json.NewDecoder(f).Decode(&r)
}

// publish says where the daemon is reached. The content is only believed while
// the lock is held.
func (l *dirLock) publish(r Running) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode lock: %w", err)
	}
	if err := l.f.Truncate(0); err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	if _, err := l.f.WriteAt(data, 0); err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	return nil
}

func (l *dirLock) release() error {
	return errors.Join(l.f.Truncate(0), l.f.Close())
}

// Find returns the daemon that has dir, if one does.
func Find(dir string) (Running, bool, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return Running{}, false, nil
	}
	if err != nil {
		return Running{}, false, fmt.Errorf("open lock of data directory: %w", err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		return Running{}, false, nil // nobody holds it; closing releases ours
	}
	r, err := readRunning(f)
	if err != nil {
		return Running{}, true, fmt.Errorf("read %s: a daemon is starting or stopping there; try again in a moment: %w", path,
			err)
	}
	if r.HTTP == "" {
		return Running{}, true, fmt.Errorf("lock %s: %w: %s; try again when it has ended", path, errLocked, r)
	}
	return r, true, nil
}

// Address is where this machine reaches the daemon, which may listen on all of
// its addresses.
func (r Running) Address() string {
	host, port, err := net.SplitHostPort(r.HTTP)
	if err != nil {
		return r.HTTP
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
