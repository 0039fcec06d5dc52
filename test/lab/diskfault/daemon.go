package diskfault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/test/daemonproc"
)

const (
	patience  = 60 * time.Second
	askWithin = 20 * time.Second
)

// daemon is the real one at work, which never should end by itself.
type daemon struct {
	*daemonproc.Daemon
	proc *daemonproc.Process
}

// ready is whether it says so, and what it says.
func (d *daemon) ready(ctx context.Context) (bool, string) { return d.probe(ctx, true) }

// alive is whether it answers at all.
func (d *daemon) alive(ctx context.Context) (bool, string) { return d.probe(ctx, false) }

func (d *daemon) probe(ctx context.Context, ready bool) (bool, string) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	text, ok, err := d.Client().Probe(ctx, ready)
	if err != nil {
		return false, err.Error()
	}
	return ok, text
}

// committed is the sequence up to which the daemon says that all is committed.
func (d *daemon) committed(ctx context.Context) (uint64, error) {
	s, err := d.Source(ctx)
	return s.Committed, err
}

// do carries out a command, and is its error if it fails.
func (d *daemon) do(ctx context.Context, c serve.Command) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	_, err := d.Client().Do(ctx, c)
	return err
}

// number runs SQL whose answer is one number.
func (d *daemon) number(ctx context.Context, sql string) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	rows, err := d.Client().Query(ctx, serve.Query{SQL: sql})
	if err != nil {
		return 0, err
	}
	defer rows.Release()
	for rows.Next() {
		c, ok := rows.RecordBatch().Column(0).(*array.Int64)
		if !ok {
			return 0, fmt.Errorf("%s: it is not a number", sql)
		}
		n = c.Value(0)
	}
	return n, rows.Err()
}

// until looks again and again, for as long as the daemon lives.
func (d *daemon) until(ctx context.Context, what string, within time.Duration,
	look func() (bool, error)) (time.Duration, error) {
	began := time.Now()
	var last error
	for time.Since(began) < within {
		ok, err := look()
		if ok {
			return time.Since(began), nil
		}
		last = err
		if err := d.proc.Alive(); err != nil {
			return 0, fmt.Errorf("%w while waiting until %s: %w", errDied, what, err)
		}
		if err := daemonproc.Pause(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("waited %s in vain until %s (%w)", within, what, last)
}

var errDied = errors.New("the daemon ended")
