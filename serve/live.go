package serve

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	// liveCheck is how long files are believed before they are read again.
	liveCheck = time.Second
	// maxLiveBytes bounds a certificate, key or token file.
	maxLiveBytes = 1 << 20
)

// live is a value that is made of files, and made again when their content
// changes. It looks when it is asked, at most once a second, and compares the
// content: neither a swap of symbolic links nor a coarse clock hides a change.
// A change that makes no good value leaves the last one.
type live[T any] struct {
	paths []string
	build func(contents [][]byte) (T, error)
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	checked time.Time
	seen    [sha256.Size]byte
	failed  string // the last error, which is logged once
	value   T
}

// newLive reads the files for the first time; then an error is one.
func newLive[T any](paths []string, build func([][]byte) (T, error), now func() time.Time, log *slog.Logger) (*live[T], error) {
	l := &live[T]{paths: paths, build: build, now: now, log: log, checked: now()}
	contents, sum, err := l.read()
	if err != nil {
		return nil, err
	}
	if l.value, err = build(contents); err != nil {
		return nil, err
	}
	l.seen = sum
	return l, nil
}

func (l *live[T]) get() T {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); now.Sub(l.checked) >= liveCheck {
		l.checked = now
		l.refresh()
	}
	return l.value
}

func (l *live[T]) refresh() {
	contents, sum, err := l.read()
	if err == nil && sum == l.seen {
		l.failed = ""
		return
	}
	if err == nil {
		l.seen = sum
		var v T
		if v, err = l.build(contents); err == nil {
			l.value, l.failed = v, ""
			l.log.Info("files changed and were read again", "files", l.paths)
			return
		}
	}
	if err.Error() != l.failed {
		l.failed = err.Error()
		l.log.Error("read changed files; what they said before still holds", "files", l.paths, "err", err)
	}
}

func (l *live[T]) read() ([][]byte, [sha256.Size]byte, error) {
	all := sha256.New()
	contents := make([][]byte, len(l.paths))
	for i, p := range l.paths {
		data, err := readBounded(p)
		if err != nil {
			return nil, l.seen, err
		}
		contents[i] = data
		sum := sha256.Sum256(data)
		all.Write(sum[:])
	}
	return contents, [sha256.Size]byte(all.Sum(nil)), nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err // names the path
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLiveBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(data) > maxLiveBytes {
		return nil, fmt.Errorf("read %s: it is larger than 1 MiB", path)
	}
	return data, nil
}

// newCertificate reads a certificate and its key.
func newCertificate(cert, key string, now func() time.Time, log *slog.Logger) (*live[*tls.Certificate], error) {
	l, err := newLive([]string{cert, key}, func(c [][]byte) (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair(c[0], c[1])
		if err != nil {
			return nil, fmt.Errorf("read certificate %s and key %s: %w", cert, key, err)
		}
		return &pair, nil
	}, now, log)
	if err != nil {
		return nil, fmt.Errorf("read http.tls: %w", err)
	}
	return l, nil
}
