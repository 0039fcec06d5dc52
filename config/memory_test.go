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
		"nothing known":    {nil, fallbackMemory},
		"host":             {map[string]string{"/proc/meminfo": host}, 4 << 30},
		"container":        {map[string]string{"/proc/meminfo": host, "/sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		"no limit":         {map[string]string{"/proc/meminfo": host, "/sys/fs/cgroup/memory.max": "max\n"}, 4 << 30},
		"version 1, none":  {map[string]string{"/proc/meminfo": host, "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 4 << 30},
		"group of a slice": {map[string]string{"/proc/meminfo": host, "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/memory.max": "1073741824"}, 1 << 30},
		"malformed":        {map[string]string{"/proc/meminfo": "MemTotal:\n", "/sys/fs/cgroup/memory.max": "-3"}, fallbackMemory},
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
