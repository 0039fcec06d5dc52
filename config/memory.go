package config

import (
	"path"
	"strconv"
	"strings"
)

// fallbackMemory is used where the host does not say what it has.
const fallbackMemory = 2 << 30

// memoryBudget is the container's limit, or half of the host's memory.
func memoryBudget(read func(string) ([]byte, error)) int64 {
	total := hostMemory(read)
	limit := cgroupLimit(read)
	switch {
	case limit > 0 && (total == 0 || limit < total):
		return limit
	case total > 0:
		return total / 2
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
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// cgroupLimit is the smallest limit of the process's control groups, versions
// 2 and 1; zero if there is none.
func cgroupLimit(read func(string) ([]byte, error)) int64 {
	files := []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}
	if data, err := read("/proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(data)) {
			if group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::/"); ok {
				for ; group != "" && group != "."; group = path.Dir(group) {
					files = append(files, path.Join("/sys/fs/cgroup", group, "memory.max"))
				}
			}
		}
	}
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
