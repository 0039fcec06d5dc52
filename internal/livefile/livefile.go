// Package livefile keeps what is read from files, such as certificates and
// tokens, as new as the files.
package livefile

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lakeward/lakeward/internal/safefile"
)

const (
	// checkEvery is how long files are believed before they are read again.
	checkEvery = time.Second
	// maxBytes bounds a certificate, key or token file.
	maxBytes = 1 << 20
)

// Value is a value that is made of files, and made again when their content
// changes. It looks when it is asked, at most once a second, and compares the
// content: neither a swap of symbolic links nor a coarse clock hides a change.
// A change that makes no good value leaves the last one.
type Value[T any] struct {
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

// New reads the files for the first time, when an error is still one. Later
// errors are logged.
func New[T any](paths []string, build func([][]byte) (T, error), now func() time.Time, log *slog.Logger) (*Value[T],
	error) {
	l := &Value[T]{paths: paths, build: build, now: now, log: log, checked: now()}
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

// Get returns the value as the files are, or were within the last second.
func (l *Value[T]) Get() T {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); now.Sub(l.checked) >= checkEvery {
		l.checked = now
		l.refresh()
	}
	return l.value
}

func (l *Value[T]) refresh() {
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

func (l *Value[T]) read() ([][]byte, [sha256.Size]byte, error) {
	all := sha256.New()
	contents := make([][]byte, len(l.paths))
	for i, p := range l.paths {
		data, err := ReadBounded(p)
		if err != nil {
			return nil, l.seen, err
		}
		contents[i] = data
		sum := sha256.Sum256(data)
		all.Write(sum[:])
	}
	return contents, [sha256.Size]byte(all.Sum(nil)), nil
}

// ReadBounded reads a regular file of at most 1 MiB.
func ReadBounded(path string) ([]byte, error) {
	return safefile.Read(path, maxBytes)
}

// Certificate reads a certificate and its key.
func Certificate(cert, key string, now func() time.Time, log *slog.Logger) (*Value[*tls.Certificate], error) {
	return New([]string{cert, key}, func(c [][]byte) (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair(c[0], c[1])
		if err != nil {
			return nil, fmt.Errorf("read certificate %s and key %s: %w", cert, key, err)
		}
		return &pair, nil
	}, now, log)
}

// ServerTLS serves the certificate as it is at each handshake.
func ServerTLS(v *Value[*tls.Certificate]) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return v.Get(), nil
	}}
}

// PinnedTLS accepts the one certificate that is in a file at the time of the
// handshake, whatever name or address the server is reached by.
func PinnedTLS(certFile string) (*tls.Config, error) {
	if _, err := firstCertificate(certFile); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // in favour of the stricter check below
		VerifyConnection: func(cs tls.ConnectionState) error {
			der, err := firstCertificate(certFile)
			if err != nil {
				return err
			}
			if !bytes.Equal(cs.PeerCertificates[0].Raw, der) {
				return fmt.Errorf("the server's certificate is not the one in %s", certFile)
			}
			return nil
		},
	}, nil
}

func firstCertificate(file string) ([]byte, error) {
	data, err := ReadBounded(file)
	if err != nil {
		return nil, fmt.Errorf("read the server's certificate: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("read the server's certificate %s: it has no PEM certificate", file)
	}
	return block.Bytes, nil
}
