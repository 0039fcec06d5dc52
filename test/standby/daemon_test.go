package standby

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/test/daemonproc"
)

const within = 90 * time.Second // for anything to happen at all

// daemon is `lakeward serve` on a data directory of its own, with a network of
// its own.
type daemon struct {
	*testing.T
	*daemonproc.Daemon
	name          string
	nats, catalog *proxy

	proc   *daemonproc.Process
	fenced uint64 // of the processes that have ended
}

// start starts a process, which the world ends.
func (d *daemon) start() {
	d.Helper()
	var err error
	if d.proc, err = d.Start(context.Background()); err != nil {
		d.Fatal(err)
	}
}

func (d *daemon) signal(s syscall.Signal) {
	d.Helper()
	if err := d.proc.Signal(s); err != nil {
		d.Fatalf("signal %s: %v", d.name, err)
	}
}

func (d *daemon) source() (serve.Source, error) { return d.Source(d.Context()) }

// until waits for the source to be so.
func (d *daemon) until(what string, cond func(serve.Source) bool) serve.Source {
	d.Helper()
	var s serve.Source
	var err error
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(25 * time.Millisecond) {
		if s, err = d.source(); err == nil && cond(s) {
			return s
		}
	}
	d.Fatalf("daemon %s does not come to %s: it is %+v, %v", d.name, what, s, err)
	return s
}

// standsBy waits until the daemon is ready and says who commits.
func (d *daemon) standsBy(holder string) {
	d.Helper()
	d.until("stand by", func(s serve.Source) bool { return s.State == "standby" && s.Holder == holder })
	var body []byte
	var err error
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(25 * time.Millisecond) {
		if body, err = d.Get(d.Context(), "/readyz"); err == nil && strings.Contains(string(body), holder+" commits") {
			return
		}
	}
	d.Fatalf("daemon %s stands by, and /readyz says %q, %v; want %s", d.name, body, err, holder)
}

// holder is the name that the daemon has in the lease.
func (d *daemon) holder() string {
	host, err := os.Hostname()
	if err != nil {
		d.Fatal(err)
	}
	return fmt.Sprintf("%s (pid %d)", host, d.proc.Pid())
}
