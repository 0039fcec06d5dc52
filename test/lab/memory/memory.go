// Package memory runs the daemon within a memory budget while everything that
// takes memory happens at once: events of awkward shapes at full speed, queries
// that sort, join and group more than fits, a pipeline and merges. Then it ends
// the daemon under that load, twice: with one signal, and with two.
//
//	BUDGET=512MiB LOAD_SECONDS=12 TABLES=20 go run ./test/lab memory
//
// It fails if the resident set was ever larger than the budget, if events were
// lost or repeated, if ingest stood still, if a query failed without saying
// which limit it met, or if the end took longer than its grace period.
package memory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/test/daemonproc"
)

type options struct {
	budget int64         // bytes
	load   time.Duration // of everything at once
	tables int
	keep   bool // the directory, also if nothing was wrong
}

const (
	grace        = 30 * time.Second
	mergesWithin = 10 * time.Second // of load, some merge must have been made
)

func parse() (options, error) {
	o := options{budget: 512 << 20, load: 12 * time.Second, tables: 20, keep: os.Getenv("KEEP") != ""}
	if text := os.Getenv("BUDGET"); text != "" {
		number, unit := strings.TrimRight(text, "GMiB"), int64(1<<20)
		if strings.HasSuffix(text, "GiB") {
			unit = 1 << 30
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n <= 0 || !strings.HasSuffix(text, "iB") {
			return o, fmt.Errorf("BUDGET=%s is not a size such as 512MiB or 1GiB", text)
		}
		o.budget = n * unit
	}
	seconds := int(o.load / time.Second)
	for name, p := range map[string]*int{"LOAD_SECONDS": &seconds, "TABLES": &o.tables} {
		if text := os.Getenv(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n <= 0 {
				return o, fmt.Errorf("%s=%s is not a positive number", name, text)
			}
			*p = n
		}
	}
	o.load = time.Duration(seconds) * time.Second
	return o, nil
}

// Run runs the daemon within the budget, and prints the figures.
func Run(ctx context.Context) error {
	o, err := parse()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lakeward-memory-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	bin, err := daemonproc.Build(ctx, dir)
	if err != nil {
		return err
	}
	t := &trial{o: o, dir: dir, bin: bin}
	r, err := t.run(ctx)
	if err != nil {
		return fmt.Errorf("%w (see %s)", err, dir)
	}
	r.print(o)
	if err := r.check(o); err != nil {
		return fmt.Errorf("%w (see %s)", err, dir)
	}
	if o.keep {
		return nil
	}
	return os.RemoveAll(dir)
}

// result is what a trial measured.
type result struct {
	peak, anonymous int64 // bytes, of the process at its largest
	again           int64 // events that the stream has twice, and the lake once
	slowest         float64
	rate            float64 // events a second
	refused         int     // queries beyond a limit
	answered        int
	runs            int   // of the pipeline
	merges          int64 // that maintenance made
	published       int64 // events that the stream acknowledged
	lost, repeated  int64
	quarantined     int64
	drain, leave    time.Duration
}

func (r *result) print(o options) {
	fmt.Printf("%d queries answered, %d pipeline runs, %d snapshots of merges; %d events acknowledged, %d in "+
		"quarantine\n", r.answered, r.runs, r.merges, r.published, r.quarantined)
	fmt.Printf("figure: memory_budget_mib %d MiB\n", o.budget>>20)
	fmt.Printf("figure: memory_peak_rss_mib %.0f MiB\n", float64(r.peak)/(1<<20))
	fmt.Printf("figure: memory_peak_anonymous_mib %.0f MiB\n", float64(r.anonymous)/(1<<20))
	fmt.Printf("figure: memory_queries_refused %d count\n", r.refused)
	fmt.Printf("figure: memory_ingest_events_per_second %.0f events/s\n", r.rate)
	fmt.Printf("figure: memory_ingest_slowest_part %.0f events/s\n", r.slowest)
	fmt.Printf("figure: memory_lost %d events\n", r.lost)
	fmt.Printf("figure: memory_repeated %d events\n", r.repeated)
	fmt.Printf("figure: drain_seconds %.1f s\n", r.drain.Seconds())
	fmt.Printf("figure: drain_grace_seconds %.0f s\n", grace.Seconds())
	fmt.Printf("figure: leave_seconds %.2f s\n", r.leave.Seconds())
}

// secondSignal is how long the process may take to be gone after a second
// signal, on a machine that has other things to do.
const secondSignal = 5 * time.Second

func (r *result) check(o options) error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	// What a limit of the kernel ends a process for: the program's own pages, which
	// are in the resident set too, it takes away when they are in the way.
	bad(r.anonymous > o.budget, "%d bytes of memory were of no file, and the budget is %d", r.anonymous, o.budget)
	bad(r.slowest <= 0, "ingest stood still for seconds")
	bad(r.lost != 0 || r.repeated != 0, "%d events were lost and %d repeated", r.lost, r.repeated)
	bad(r.refused == 0, "no query met a limit")
	bad(r.answered == 0, "no query was answered")
	bad(r.runs == 0, "the pipeline never ran")
	bad(r.merges == 0 && o.load >= mergesWithin, "nothing was merged")
	bad(r.drain > grace, "the end took %s of a grace period of %s", r.drain, grace)
	bad(r.leave > secondSignal, "after a second signal the daemon took %s to leave", r.leave)
	return errors.Join(errs...)
}
