package memory

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/test/daemonproc"
)

// start starts a daemon and waits until it is ready.
func (t *trial) start(ctx context.Context) (*daemonproc.Process, error) {
	p, err := t.daemon.Start(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.daemon.Ready(ctx, p); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// end ends the daemon with one signal.
func end(ctx context.Context, p *daemonproc.Process, within time.Duration) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.Wait(ctx, within)
}

// exitAtOnce is the code of a daemon that left at a second signal.
const exitAtOnce = 130

// leave ends the daemon with two signals, and returns how long it took to go
// after the second. That is sent when the daemon has said that it got the
// first: two at once would be one.
func leave(ctx context.Context, p *daemonproc.Process, said func() (int, error)) (time.Duration, error) {
	before, err := said()
	if err != nil {
		return 0, err
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	for n := before; n == before; {
		if err := errors.Join(p.Alive(), daemonproc.Pause(ctx, time.Millisecond)); err != nil {
			return 0, err
		}
		if n, err = said(); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	err = p.Wait(ctx, time.Minute)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != exitAtOnce {
		return 0, fmt.Errorf("after two signals the daemon ended with %w, want exit code %d", err, exitAtOnce)
	}
	return time.Since(began), nil
}

// measure notes the kernel's own record of the largest resident set, and the
// memory that is not backed by files at this moment.
func measure(p *daemonproc.Process, r *result) error {
	m, err := p.Memory()
	if err != nil {
		return errors.Join(err, p.Alive())
	}
	r.peak, r.anonymous = max(r.peak, m.Peak), max(r.anonymous, m.Anonymous)
	return nil
}

// two asks for two numbers.
func (t *trial) two(ctx context.Context, sql string) (a, b int64, err error) {
	rows, err := t.daemon.Client().Query(ctx, serve.Query{SQL: sql})
	if err != nil {
		return 0, 0, err
	}
	defer rows.Release()
	n := [2]int64{-1, -1}
	for rows.Next() {
		for i := range n {
			if n[i], err = strconv.ParseInt(rows.RecordBatch().Column(i).ValueStr(0), 10, 64); err != nil {
				return 0, 0, err
			}
		}
	}
	return n[0], n[1], rows.Err()
}

// streamEnd is the last sequence of the stream.
func (t *trial) streamEnd(ctx context.Context) (last uint64, err error) {
	c, err := jetstream.Connect(ctx, jetstream.Options{URL: t.daemon.NATS}, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	s, err := c.Stream(ctx, subjects, jetstream.StreamOptions{Name: "EVENTS"})
	if err != nil {
		return 0, err
	}
	info, err := s.Info(ctx, subjects)
	return info.Last, err
}
