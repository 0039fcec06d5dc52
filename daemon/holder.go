package daemon

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lakeward/lakeward/internal/home"
	"github.com/lakeward/lakeward/tiers/lease"
)

// holderOf returns the identity of a data directory among the daemons of one lake,
// from the file home.InstanceName. The directory's lock proves that its former
// daemon has ended, so the next one takes over its leases at once.
func holderOf(dir string, readOnly bool) (lease.Holder, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	h := lease.Holder{Name: fmt.Sprintf("%s (pid %d)", host, os.Getpid())}
	path := filepath.Join(dir, home.InstanceName)
	b, err := os.ReadFile(path)
	if h.ID = strings.TrimSpace(string(b)); h.ID != "" {
		return h, nil
	}
	h.ID = rand.Text()
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = nil
		if !readOnly {
			err = os.WriteFile(path, []byte(h.ID+"\n"), 0o640)
		}
	}
	if err != nil {
		return h, fmt.Errorf("identify the data directory: %w", err)
	}
	return h, nil
}

// consumerName is how NATS calls the consumer by which a daemon reads a source:
// the same after a restart, and another one for each daemon of a lake.
func consumerName(source string, h lease.Holder) string {
	host, _, _ := strings.Cut(h.Name, " ")
	name := "lakeward-" + source + "-" + host + "-" + h.ID[:min(len(h.ID), 8)]
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
}

// lease is the lease on a piece of work that one daemon of a lake does.
func (c *core) lease(work string, patience time.Duration) *lease.Lease {
	return lease.New(lease.Options{Store: c.lake, Name: work, Holder: c.holder, Patience: patience})
}
