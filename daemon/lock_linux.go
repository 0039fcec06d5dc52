package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// holdersOf names the processes that have a file locked, as far as the kernel
// says; empty: it does not. Those that only read leave nothing in the file.
func holdersOf(f *os.File) string {
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	var out []string
	for line := range strings.Lines(string(locks)) {
		fields := strings.Fields(line) // 1: FLOCK ADVISORY READ 4711 08:01:123456 0 EOF
		if len(fields) < 6 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], ":"+strconv.FormatUint(st.Ino, 10)) {
			continue
		}
		if name := commandOf(fields[4]); name != "" {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}

// commandOf is what a process was started as, without what it was given: that
// may be a query, or name people.
func commandOf(pid string) string {
	line, err := os.ReadFile("/proc/" + pid + "/cmdline")
	if err != nil {
		return ""
	}
	var words []string
	for i, arg := range strings.Split(strings.TrimRight(string(line), "\x00"), "\x00") {
		if i == 0 {
			arg = filepath.Base(arg)
		}
		if i > 2 || strings.HasPrefix(arg, "-") || strings.ContainsAny(arg, " /.") && i > 0 {
			break
		}
		words = append(words, arg)
	}
	return fmt.Sprintf("`%s` (pid %s)", strings.Join(words, " "), pid)
}
