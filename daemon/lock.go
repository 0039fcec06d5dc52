package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// running is what a daemon leaves in its data directory for commands to find.
type running struct {
	PID  int    `json:"pid"`
	HTTP string `json:"http"`           // host:port
	Cert string `json:"cert,omitempty"` // file of its certificate; empty: plain HTTP
	NATS string `json:"nats"`           // client URL
	// NATSCert is the file of the embedded server's certificate; empty: without
	// TLS, or a server elsewhere.
	NATSCert string `json:"nats_cert,omitempty"`
}

const lockName = "lakeward.lock"

// dirLock is the exclusive use of a data directory, released by the kernel
// when the process ends, however it ends.
type dirLock struct{ f *os.File }

// errLocked says that a daemon has the data directory.
var errLocked = errors.New("a daemon has this data directory")

// lockDir takes the data directory, making it if need be.
func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open lock of data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w: stop it, or give this one another --data-dir", path, errLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &dirLock{f}, nil
}

// publish says where the daemon is reached. The content is only believed while
// the lock is held.
func (l *dirLock) publish(r running) error {
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

// findDaemon returns the daemon that has dir, if one does.
func findDaemon(dir string) (running, bool, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return running{}, false, nil
	}
	if err != nil {
		return running{}, false, fmt.Errorf("open lock of data directory: %w", err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		return running{}, false, nil // nobody holds it; closing releases ours
	}
	var r running
	if err := json.NewDecoder(f).Decode(&r); err != nil {
		return running{}, true, fmt.Errorf("read %s: a daemon is starting or stopping there; try again in a moment: %w", path, err)
	}
	return r, true, nil
}

// localAddr is where this machine reaches a listener, which may listen on all
// of its addresses.
func localAddr(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
