// Command ingest measures how fast a backlog of events in the embedded NATS
// becomes committed tables, next to the limit that its two unavoidable parts
// compose: draining the stream, and writing the same events as Parquet.
//
//	EVENTS=2000000 go run ./test/bench/ingest
//
// Every measurement is a process of its own, so that memory is honest. What
// ingests is the daemon itself.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/lakeward/lakeward/query/worker"
)

const (
	defaultEvents = 2_000_000
	shortEvents   = 500_000 // fewer are measured once
	seed          = 7
	subject       = "events.signin"
)

type options struct {
	events  int
	repeats int
	dir     string
	profile string
	mapping string // measured against none; empty: the usual measurements
}

func main() {
	worker.Divert()
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(child(role, os.Args[1:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func parse() (options, error) {
	o := options{events: defaultEvents}
	if text := os.Getenv("EVENTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			return o, fmt.Errorf("EVENTS=%s is not a count of events", text)
		}
		o.events = n
	}
	flag.IntVar(&o.repeats, "repeats", 0, "how often to measure (default: 3, or 1 below 500,000 events)")
	flag.StringVar(&o.dir, "dir", "", "directory for the stream and the lake (default: a temporary one)")
	flag.StringVar(&o.profile, "profile", "", "directory for CPU and heap profiles of the draining and the ingesting "+
		"process")
	flag.StringVar(&o.mapping, "mapping", os.Getenv("MAPPING"), "measure what this mapping costs, on events of Windows")
	flag.Parse()
	if o.repeats == 0 {
		o.repeats = 3
		if o.events < shortEvents {
			o.repeats = 1
		}
	}
	return o, nil
}

func run(ctx context.Context) (err error) {
	o, err := parse()
	if err != nil {
		return err
	}
	if o.dir, err = os.MkdirTemp(o.dir, "lakeward-bench-*"); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	b := &bench{options: o, store: filepath.Join(o.dir, "store"), file: filepath.Join(o.dir, "events.ndjson")}
	if b.mapping != "" {
		return b.runMapped(ctx)
	}
	b.counted = b.check
	if err := b.fill(ctx); err != nil {
		return err
	}
	var all []measured
	for i := range o.repeats {
		m, err := b.measure(ctx, i)
		if err != nil {
			return err
		}
		m.print(fmt.Sprintf("run %d of %d", i+1, o.repeats))
		all = append(all, m)
	}
	report(all)
	return nil
}

// measured are the figures of one run.
type measured struct {
	drain, copy, ingest float64 // events a second
	drainCPU, copyCPU   float64 // seconds
	ingestCPU           float64
	bytes, copyBytes    float64 // an event
	peakRSS, idleRSS    float64 // MiB
	idleOwn             float64 // MiB at rest that are not pages of the program and its libraries
	ingestTook          time.Duration
}

// limit is what draining and writing one after another would reach.
func (m measured) limit() float64 { return 1 / (1/m.drain + 1/m.copy) }

func (m measured) print(what string) {
	fmt.Printf("%s: drain only %.0f/s, DuckDB COPY %.0f/s, limit %.0f/s; ingest %.0f/s in %s; %.1f bytes an event "+
		"(DuckDB %.1f); peak %.0f MiB, idle %.0f MiB\n",
		what, m.drain, m.copy, m.limit(), m.ingest, m.ingestTook.Round(time.Millisecond), m.bytes, m.copyBytes, m.peakRSS,
		m.idleRSS)
}

// report prints the medians.
func report(all []measured) {
	median := func(of func(measured) float64) float64 {
		var v []float64
		for _, m := range all {
			v = append(v, of(m))
		}
		slices.SortFunc(v, cmp.Compare)
		return v[len(v)/2]
	}
	figure := func(name, unit, format string, of func(measured) float64) {
		fmt.Printf("figure: %s "+format+" %s\n", name, median(of), unit)
	}
	figure("ingest_limit_per_second", "events/s", "%.0f", measured.limit)
	figure("ingest_events_per_second", "events/s", "%.0f", func(m measured) float64 { return m.ingest })
	figure("ingest_drain_only_per_second", "events/s", "%.0f", func(m measured) float64 { return m.drain })
	figure("ingest_duckdb_copy_per_second", "events/s", "%.0f", func(m measured) float64 { return m.copy })
	figure("ingest_ratio_to_limit", "ratio", "%.3f", func(m measured) float64 { return m.ingest / m.limit() })
	figure("ingest_cpu_ratio_to_limit", "ratio", "%.3f",
		func(m measured) float64 { return (m.drainCPU + m.copyCPU) / m.ingestCPU })
	figure("ingest_cpu_us_per_event", "us",
		"%.2f", func(m measured) float64 { return m.ingestCPU * 1e6 / (m.ingest * m.ingestTook.Seconds()) })
	figure("ingest_bytes_per_event_ratio", "ratio", "%.3f", func(m measured) float64 { return m.bytes / m.copyBytes })
	figure("ingest_peak_rss_mib", "MiB", "%.0f", func(m measured) float64 { return m.peakRSS })
	figure("idle_rss_mib", "MiB", "%.0f", func(m measured) float64 { return m.idleRSS })
	figure("idle_anonymous_mib", "MiB", "%.0f", func(m measured) float64 { return m.idleOwn })
}
