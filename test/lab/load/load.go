// Package load puts a running daemon under load, as a process of its own with
// its defaults, and measures it from outside:
//
//	go run ./test/lab freshness    how long until a published event is in the answer of a query
//	go run ./test/lab poison       that broken messages are kept with their reason, and what they cost
//	go run ./test/lab realdata     that every event of files in a directory is stored once
//	go run ./test/lab redelivery   that what arrives again and again is stored once
//	go run ./test/lab soak         that nothing grows
//
// Sizes are variables; see the Makefile. KEEP=1 keeps the directory.
package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/lakeward/lakeward/test/daemonproc"
)

// Test is a kind of load. It gets an empty directory, and the program.
type Test func(ctx context.Context, dir, bin string) error

// Tests are all, by name.
func Tests() map[string]Test {
	return map[string]Test{"freshness": freshness, "poison": poison, "realdata": realdata, "redelivery": redelivery,
		"soak": soak}
}

// Run runs one of the tests, and prints its figures.
func Run(ctx context.Context, name string) error {
	dir, err := os.MkdirTemp("", "lakeward-"+name+"-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	bin, err := daemonproc.Build(ctx, dir)
	if err != nil {
		return err
	}
	if err := Tests()[name](ctx, filepath.Join(dir, "run"), bin); err != nil {
		return fmt.Errorf("%w (everything is in %s)", err, dir)
	}
	if os.Getenv("KEEP") != "" {
		fmt.Printf("everything is in %s\n", dir)
		return nil
	}
	return os.RemoveAll(dir)
}

// size reads a positive number from a variable.
func size(name string, otherwise int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%s=%s is not a positive number", name, text)
	}
	return n, nil
}

func figure(name string, value any, unit string) {
	if f, ok := value.(float64); ok {
		value = strconv.FormatFloat(f, 'f', 3, 64)
	}
	fmt.Printf("figure: %s %v %s\n", name, value, unit)
}

// started is a daemon that is ready, with a bulk publisher to its stream.
type started struct {
	*daemonproc.Daemon
	process *daemonproc.Process
}

// start configures and starts a daemon. The caller ends it.
func start(ctx context.Context, o daemonproc.Options) (*started, error) {
	d, err := daemonproc.New(o)
	if err != nil {
		return nil, err
	}
	p, err := d.Start(ctx)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if err := d.Ready(ctx, p); err != nil {
		p.Kill()
		return nil, errors.Join(err, d.Close())
	}
	return &started{d, p}, nil
}

// end lets the daemon drain.
func (s *started) end(ctx context.Context) error {
	return errors.Join(s.process.Terminate(ctx), s.Close())
}

// abandon ends a daemon of which nothing more is wanted; after end it does nothing.
func (s *started) abandon() {
	s.process.Kill()
	_ = s.Close() // its log may be closed already
}
