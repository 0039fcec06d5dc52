// Command pipelines measures the shipped pipelines over EVENTS sign-ins (by
// default 20,000,000), each next to the best SQL that we can write by hand for
// the same answer over the same files, on the same engine.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench pipelines:", err)
		stop()
		os.Exit(1)
	}
}

// settings come from the environment, so that make can pass them on.
type settings struct {
	events int
	rounds int
	dir    string // of the data; removed at the end
	keep   bool
}

func readSettings() (settings, error) {
	s := settings{events: 20_000_000, rounds: 3}
	for name, to := range map[string]*int{"EVENTS": &s.events, "ROUNDS": &s.rounds} {
		if v := os.Getenv(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 {
				return s, fmt.Errorf("%s=%q: give a whole number", name, v)
			}
			*to = n
		}
	}
	if s.events < 100_000 {
		return s, fmt.Errorf("EVENTS=%d: at least 100000, so that users have a month of their own", s.events)
	}
	dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "lakeward-bench-")
	s.dir, s.keep = dir, os.Getenv("KEEP") != ""
	return s, err
}

func run(ctx context.Context) (err error) {
	s, err := readSettings()
	if err != nil {
		return err
	}
	if !s.keep {
		defer os.RemoveAll(s.dir)
	}
	m, err := makeMonth(ctx, s)
	if err != nil {
		return fmt.Errorf("make the lake: %w", err)
	}
	defer m.lake.Close()
	b := &bench{settings: s, month: m, times: map[string]*pair{}}
	for round := range s.rounds {
		if err := b.round(ctx, round); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
	}
	b.report()
	return nil
}
