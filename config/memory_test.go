package config

import (
	"os"
	"testing"
)

func TestMemoryBudgetIsTheContainersOrHalfTheHosts(t *testing.T) {
	const host = "MemTotal:        8388608 kB\nMemFree: 1 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing known": {nil, fallbackMemory},
		"host":          {map[string]string{"/proc/meminfo": host}, 4 << 30},
		"container":     {map[string]string{"/proc/meminfo": host, "/sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		"no limit":      {map[string]string{"/proc/meminfo": host, "/sys/fs/cgroup/memory.max": "max\n"}, 4 << 30},
		"version 1, none": {map[string]string{"/proc/meminfo": host,
			"/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 4 << 30},
		"group of a slice": {map[string]string{"/proc/meminfo": host, "/proc/self/cgroup": "0::/a/b\n",
			"/sys/fs/cgroup/a/memory.max": "1073741824"}, 1 << 30},
		"large host": {map[string]string{"/proc/meminfo": "MemTotal:  1073741824 kB\n"}, mostOfHost},
		"small host": {map[string]string{"/proc/meminfo": "MemTotal:  262144 kB\n"}, leastMemory},
		"version 1, nested": {map[string]string{"/proc/meminfo": host,
			"/proc/self/cgroup":                                     "5:cpu,cpuacct:/x\n4:memory:/docker/ab\n0::/\n",
			"/sys/fs/cgroup/memory/memory.limit_in_bytes":           "9223372036854771712\n",
			"/sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes": "805306368\n"}, 768 << 20},
		"the tightest of the groups": {map[string]string{"/proc/meminfo": host, "/proc/self/cgroup": "0::/pod/c\n",
			"/sys/fs/cgroup/pod/memory.max": "1073741824", "/sys/fs/cgroup/pod/c/memory.max": "max"}, 1 << 30},
		"malformed": {map[string]string{"/proc/meminfo": "MemTotal:\n", "/sys/fs/cgroup/memory.max": "-3"}, fallbackMemory},
	} {
		t.Run(name, func(t *testing.T) {
			got := memoryBudget(func(path string) ([]byte, error) {
				if text, ok := c.files[path]; ok {
					return []byte(text), nil
				}
				return nil, os.ErrNotExist
			})
			if got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestSharesFillTheBudgetAndNoMore(t *testing.T) {
	for i, budget := range []int64{leastMemory, 512 << 20, 1 << 30, 12 << 30, 1 << 40, leastMemory, 1 << 30} {
		m := Memory{Budget: budget}
		if i >= 5 {
			m.IDs = budget / 8
		}
		s := m.Shares()
		if sum := s.Go + s.Runs + s.Queries + s.Outside; sum != budget {
			t.Errorf("of %d: Go %d, runs %d, queries %d and outside %d are %d", budget, s.Go, s.Runs, s.Queries, s.Outside, sum)
		}
		if sum := s.Batches + s.ReadAhead + s.Stream + s.Merge + s.Result + s.Other + s.IDs; sum != s.Go {
			t.Errorf("of %d: Go has %d, its parts %d", budget, s.Go, sum)
		}
		// What is bounded by bytes must leave the collector room, or it never rests.
		if hard := s.Batches + s.ReadAhead + s.Stream + s.Merge + s.Result; hard > (s.Go-s.IDs)*4/5 {
			t.Errorf("of %d: %d of Go's %d are spoken for", budget, hard, s.Go)
		}
		for _, p := range m.Parts() {
			if p.Bytes <= 0 {
				t.Errorf("of %d: %s is %d", budget, p.Name, p.Bytes)
			}
		}
	}
}

func TestADaemonDoesNotStartInTooLittleMemory(t *testing.T) {
	if err := (Memory{Budget: leastMemory}).Enough(); err != nil {
		t.Error(err)
	}
	if err := (Memory{Budget: 64 << 20}).Enough(); err == nil {
		t.Error("64 MiB are enough")
	}
}

func TestMessageIDsHaveTheirPartOfTheBudget(t *testing.T) {
	for _, c := range []struct {
		asked   int64
		windows int
		want    int64
	}{{0, 0, 0}, {1 << 20, 0, 0}, {0, 1, 128 << 20}, {300 << 20, 2, 300 << 20}, {600 << 20, 1, -1}} {
		got, err := Memory{Budget: 1 << 30}.forIDs(Repeats{Memory: c.asked}, c.windows)
		if (err != nil) != (c.want < 0) || err == nil && got != c.want {
			t.Errorf("%d asked for and %d windows: %d, %v; want %d", c.asked, c.windows, got, err, c.want)
		}
	}
}
