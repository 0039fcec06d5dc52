package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"

	"github.com/lakeward/lakeward/cli"
	"github.com/lakeward/lakeward/demo"
	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/ingest/jetstream"
)

// What a process of this program can be.
const (
	roleFill  = "fill"  // STORE FILE EVENTS [LOG]
	roleDrain = "drain" // STORE EVENTS PROFILE
	roleCopy  = "copy"  // FILE PARQUET
	roleServe = "serve" // the daemon's arguments
)

const profileVariable = "LAKEWARD_BENCH_PROFILE"

// child does one role and returns the exit code.
func child(role string, args []string) int {
	if role == roleServe {
		stop, err := profiled(os.Getenv(profileVariable), role)
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: %v\n", err)
			return 1
		}
		code := cli.Main(args, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Environ())
		if err := stop(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %v\n", err)
			return 1
		}
		return code
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	o, err := outcomeOf(ctx, role, args)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(o)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s: %v\n", role, err)
		return 1
	}
	return 0
}

func outcomeOf(ctx context.Context, role string, args []string) (outcome, error) {
	count := func(i int) (int, error) { return strconv.Atoi(args[i]) }
	switch {
	case role == roleFill && (len(args) == 3 || len(args) == 4):
		n, err := count(2)
		if err != nil {
			return outcome{}, err
		}
		events := generated
		if len(args) == 4 {
			events = logged(args[3])
		}
		return fill(ctx, args[0], args[1], n, events)
	case role == roleDrain && len(args) == 3:
		n, err := count(1)
		if err != nil {
			return outcome{}, err
		}
		return drain(ctx, args[0], n, args[2])
	case role == roleCopy && len(args) == 2:
		return copyByDuckDB(ctx, args[0], args[1])
	default:
		return outcome{}, fmt.Errorf("no role %s of %d arguments", role, len(args))
	}
}

// broker is the embedded server with the default source's stream.
type broker struct {
	server *jetstream.Server
	conn   *jetstream.Conn
	stream *jetstream.Stream
}

func openBroker(ctx context.Context, store string) (b *broker, err error) {
	b = &broker{}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.server, err = jetstream.StartServer(ctx,
		jetstream.ServerOptions{Host: "127.0.0.1", Port: -1, StoreDir: store, SyncInterval: time.Second}, nil); err != nil {
		return b, err
	}
	if b.conn, err = jetstream.Connect(ctx, jetstream.Options{URL: b.server.ClientURL()}, nil); err != nil {
		return b, err
	}
	// A backlog is older than the window of message ids that the server keeps in
	// memory; this one would not be.
	b.stream, err = b.conn.Stream(ctx, filter,
		jetstream.StreamOptions{Name: "EVENTS", Subjects: []string{filter}, Create: true, Duplicates: time.Second})
	return b, err
}

const filter = "events.>"

func (b *broker) close() error {
	var errs []error
	if b.conn != nil {
		errs = append(errs, b.conn.Close())
	}
	if b.server != nil {
		errs = append(errs, b.server.Close())
	}
	return errors.Join(errs...)
}

// generated gives each that many sign-ins.
func generated(events int, each func(id string, text []byte) error) error {
	return demo.SigninBench(events, seed, func(_, id string, _ time.Time, text []byte) error { return each(id, text) })
}

// logged gives each the lines of a log, from the start again when they end.
func logged(name string) func(int, func(string, []byte) error) error {
	return func(events int, each func(id string, text []byte) error) error {
		lines, err := logLines(name)
		if err != nil {
			return err
		}
		for i := range events {
			if err := each("log-"+strconv.Itoa(i), lines[i%len(lines)]); err != nil {
				return err
			}
		}
		return nil
	}
}

// fill publishes the backlog, and writes the same events to a file.
func fill(ctx context.Context, store, file string, n int, events func(int, func(string, []byte) error) error) (o outcome,
	err error) {
	b, err := openBroker(ctx, store)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	f, err := os.Create(file)
	if err != nil {
		return o, fmt.Errorf("write the events: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	p, err := b.conn.Publisher(ctx)
	if err != nil {
		return o, err
	}
	began := time.Now()
	err = events(n, func(id string, text []byte) error {
		o.Events++
		o.Bytes += int64(len(text))
		if _, err := w.Write(text); err != nil {
			return err
		}
		if err := w.WriteByte('\n'); err != nil {
			return err
		}
		return p.Publish(ctx, subject, id, text)
	})
	stats, perr := p.Close(ctx)
	if err = errors.Join(err, perr, w.Flush()); err != nil {
		return o, fmt.Errorf("publish the backlog: %w", err)
	}
	if got := int(stats.Published); got != n {
		return o, fmt.Errorf("%d of %d events were published", got, n)
	}
	o.Seconds = time.Since(began).Seconds()
	return o, nil
}

// drain reads the backlog as the source does, and does nothing with it.
func drain(ctx context.Context, store string, events int, profile string) (o outcome, err error) {
	b, err := openBroker(ctx, store)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	stop, err := profiled(profile, roleDrain)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	before, err := cpu()
	if err != nil {
		return o, err
	}
	began := time.Now()
	r, err := b.stream.Read(ctx, filter, 1)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var buf []ingest.Message
	for o.Events < events {
		if buf, err = r.Next(ctx, buf[:0], batch); err != nil {
			return o, err
		}
		for _, m := range buf {
			o.Bytes += int64(len(m.Data))
		}
		o.Events += len(buf)
		r.Done(buf[len(buf)-1].Seq)
	}
	o.Seconds = time.Since(began).Seconds()
	o.CPU, err = cpu()
	o.CPU -= before
	return o, err
}

// batch is how many messages the source asks for at once.
const batch = 4096

// profiled writes profiles of CPU and heap until stop, if a directory is given.
func profiled(dir, name string) (stop func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("write profiles: %w", err)
	}
	f, err := os.Create(filepath.Join(dir, name+".cpu"))
	if err != nil {
		return nil, fmt.Errorf("write profiles: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		h, err := os.Create(filepath.Join(dir, name+".heap"))
		if err != nil {
			return errors.Join(err, f.Close())
		}
		runtime.GC()
		return errors.Join(pprof.WriteHeapProfile(h), h.Close(), f.Close())
	}, nil
}
