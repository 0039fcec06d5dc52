package config

import (
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"
)

// programPages are of the program itself once much of it has run.
const programPages = 96 << 20

const (
	leastMemory    = 256 << 20 // that a daemon runs in
	fallbackMemory = 2 << 30   // where the host does not say what it has
	mostOfHost     = 32 << 30  // that half of a host's memory is taken for
)

// Memory is what the process may use.
type Memory struct {
	Budget int64 // bytes; never 0 after Load
	IDs    int64 // of these, for the message ids of windows
}

// Shares are the parts of the budget, in bytes. Go, Runs, Queries and Outside
// add up to the budget; the rest is of Go, where Other is what is left.
type Shares struct {
	Go      int64 // soft limit of the daemon's Go runtime
	Runs    int64 // the worker that runs pipelines and maintenance: more ends it
	Queries int64 // the workers of people's statements together: more ends the largest
	Outside int64 // what none counts: the program's pages, which all share, stacks, what is between two looks

	Batches   int64 // events that become files: batches that fill, and those that are being committed
	ReadAhead int64 // messages on their way from the stream to the batches
	Stream    int64 // embedded NATS: messages on their way into the store, and the ids that it remembers
	Merge     int64 // rows of a file that maintenance makes
	Result    int64 // rows of queries on their way to those who asked
	IDs       int64 // message ids of windows
	Other     int64 // catalogs, the latest message ids, caches, and room for the collector
}

// Shares divides the budget. This is the only place that does; whatever holds
// much gets its bound from here.
func (m Memory) Shares() Shares {
	m.Budget = max(m.Budget, leastMemory)
	rest := m.Budget - programPages - m.Budget/16 - m.IDs
	s := Shares{Go: rest * 38 / 100, Runs: rest * 32 / 100, Queries: rest * 25 / 100, IDs: m.IDs}
	s.Outside = m.Budget - s.Go - s.Runs - s.Queries - s.IDs
	s.Batches = s.Go * 36 / 100
	s.ReadAhead = min(s.Go*10/100, 64<<20)
	s.Stream = min(s.Go*10/100, 512<<20)
	s.Merge = s.Go * 15 / 100
	s.Result = s.Go * 4 / 100
	s.Other = s.Go - s.Batches - s.ReadAhead - s.Stream - s.Merge - s.Result
	s.Go += s.IDs
	return s
}

// EngineLimit is DuckDB's memory_limit in a worker that may have so much: what
// DuckDB has freed stays with malloc, and some of its functions do not count.
func EngineLimit(worker int64) int64 { return worker * 55 / 100 }

// Enough refuses what a daemon would outgrow: the kernel would end it later,
// without a word.
func (m Memory) Enough() error {
	if m.Budget >= leastMemory {
		return nil
	}
	return fmt.Errorf("the container's memory limit of %s is too little for a daemon: give it at least %s", mib(m.Budget),
		mib(leastMemory))
}

// forIDs is what the message ids of windows get: what is asked for, or an eighth
// of the budget.
func (m Memory) forIDs(r Repeats, windows int) (int64, error) {
	switch {
	case windows == 0:
		return 0, nil
	case r.Memory > m.Budget/2:
		return 0, fmt.Errorf("ingest.repeats.memory is %s, more than half of memory.budget, which is %s: raise that, or "+
			"make ingest.repeats.window shorter and give it less",
			mib(r.Memory), mib(m.Budget))
	case r.Memory > 0:
		return r.Memory, nil
	}
	return m.Budget / 8, nil
}

// Part is a share of the budget by name.
type Part struct {
	Name  string
	Bytes int64
	Of    string // the part that it is a part of; empty: the budget
	What  string
}

// Parts are the shares for people and metrics.
func (m Memory) Parts() []Part {
	s := m.Shares()
	parts := []Part{
		{"go", s.Go, "", "soft limit of the daemon's Go runtime"},
		{"runs", s.Runs, "", "worker of pipelines, merges and the analytics tier; DuckDB spills at 55% of it"},
		{"queries", s.Queries, "", "workers of people's statements together; DuckDB spills at 55% of it in each"},
		{"outside", s.Outside, "", "program, stacks"},
		{"batches", s.Batches, "go", "events until they are committed"},
		{"read_ahead", s.ReadAhead, "go", "messages before they are decoded"},
		{"stream", s.Stream, "go", "embedded NATS"},
		{"merge", s.Merge, "go", "rows of a merge"},
		{"result", s.Result, "go", "rows of answers"},
		{"other", s.Other, "go", "catalogs, message ids, room for the collector"},
	}
	if s.IDs > 0 {
		parts = append(parts, Part{"message_ids", s.IDs, "go", "message ids of ingest.repeats.window"})
	}
	return parts
}

// Text is the division as comments of YAML.
func (m Memory) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# memory.budget %s is divided into:\n", mib(m.Budget))
	for _, p := range m.Parts() {
		name := p.Name
		if p.Of != "" {
			name = p.Of + "/" + p.Name
		}
		fmt.Fprintf(&b, "#   %-14s %9s  %s\n", name, mib(p.Bytes), p.What)
	}
	return b.String()
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// memoryBudget is the container's limit or, without one, half of the host's
// memory.
func memoryBudget(read func(string) ([]byte, error)) int64 {
	total := hostMemory(read)
	limit := cgroupLimit(read)
	switch {
	case limit > 0 && (total == 0 || limit < total):
		return limit
	case total > 0:
		return max(min(total/2, mostOfHost), leastMemory)
	default:
		return fallbackMemory
	}
}

func hostMemory(read func(string) ([]byte, error)) int64 {
	data, err := read("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			fields := strings.Fields(rest)
			if len(fields) == 0 {
				return 0
			}
			kib, err := strconv.ParseInt(fields[0], 10, 64)
			if err != nil || kib > math.MaxInt64>>10 {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// cgroupLimit is the smallest limit of the process's control group and those
// that it is in, versions 2 and 1; zero if there is none. A container often
// sees its own group at the root of the mount, whatever /proc says its path
// is, so that the root is looked at too.
func cgroupLimit(read func(string) ([]byte, error)) int64 {
	var files []string
	upward := func(mount, group, file string) {
		for group = path.Clean("/" + group); group != "/"; group = path.Dir(group) {
			files = append(files, path.Join(mount, group, file))
		}
		files = append(files, path.Join(mount, file))
	}
	groups := map[string]string{} // by controller; version 2 has the name ""
	if data, err := read("/proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(data)) {
			if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 {
				for c := range strings.SplitSeq(f[1], ",") {
					groups[c] = f[2]
				}
			}
		}
	}
	upward("/sys/fs/cgroup", groups[""], "memory.max")
	upward("/sys/fs/cgroup/memory", groups["memory"], "memory.limit_in_bytes")
	var least int64
	for _, f := range files {
		data, err := read(f)
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
		if err == nil && n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}
