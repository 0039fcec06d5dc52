package daemon

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// unmapProgram takes the program's own pages out of the resident set. Starting
// up touches most of a large program once, and the kernel maps 15 neighbours
// with each page; what runs again comes back from the page cache. Only mappings
// that cannot be written and hold no private page are let go of: the others'
// content is nowhere else.
func unmapProgram() error {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer f.Close()
	maps, err := cleanMappings(f, exe)
	if err != nil {
		return fmt.Errorf("read %s: %w", f.Name(), err)
	}
	for _, m := range maps {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_MADVISE, m.start, m.end-m.start, syscall.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise %x-%x: %w", m.start, m.end, errno)
		}
	}
	return nil
}

type region struct{ start, end uintptr }

// cleanMappings lists the mappings of a file, in the form of proc(5)'s smaps,
// that are read-only and without private pages.
func cleanMappings(smaps io.Reader, file string) ([]region, error) {
	var out []region
	var at region
	candidate := false
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 {
			continue
		}
		if from, to, ok := strings.Cut(fields[0], "-"); ok && !strings.HasSuffix(fields[0], ":") {
			start, err := strconv.ParseUint(from, 16, 64)
			if err != nil {
				return nil, err
			}
			end, err := strconv.ParseUint(to, 16, 64)
			if err != nil {
				return nil, err
			}
			at = region{uintptr(start), uintptr(end)}
			candidate = len(fields) > 5 && strings.Join(fields[5:], " ") == file && (fields[1] == "r-xp" || fields[1] == "r--p")
			continue
		}
		if fields[0] == "Anonymous:" && candidate && fields[1] == "0" {
			out = append(out, at)
		}
	}
	return out, lines.Err()
}

// residentBytes is the process's resident set.
func residentBytes() (int64, error) {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(data))
	if len(f) < 2 {
		return 0, fmt.Errorf("/proc/self/statm is %q", data)
	}
	pages, err := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
