package worker

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes keep the terminal's signals from the worker: the daemon ends it.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// run starts the process and waits for its end, on a thread of its own: what
// the process may see of the file system is taken from the thread first, and
// with it from the process. The thread ends with the goroutine.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	lacks := p.restrict()
	err := p.cmd.Start()
	if err != nil {
		started <- err
		return
	}
	p.lacks = lacks
	started <- nil
	p.note(p.cmd.Wait())
}

// dieWithParent has the kernel end this process with the thread that started
// it, which waits for its end.
func dieWithParent() error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("end with the daemon: %w", err)
	}
	return nil
}

// ownMemory returns the memory of a process that is not backed by files, in bytes.
func ownMemory(pid int) (int64, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(data))
	if len(f) < 3 {
		return 0, fmt.Errorf("statm is %q", data)
	}
	resident, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return 0, err
	}
	shared, err := strconv.ParseInt(f[2], 10, 64)
	return (resident - shared) * int64(os.Getpagesize()), err
}

// limit bounds what the process may allocate from now on, in case that it grows
// faster than it is looked at.
func (p *Process) limit() {
	if p.cfg.Memory <= 0 {
		return
	}
	data, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID()) + "/statm")
	if err != nil {
		return
	}
	f := strings.Fields(string(data))
	if len(f) < 6 {
		return
	}
	pages, err := strconv.ParseInt(f[5], 10, 64)
	if err != nil {
		return
	}
	most := uint64(pages*int64(os.Getpagesize()) + p.cfg.Memory + reserve)
	if err := unix.Prlimit(p.PID(), unix.RLIMIT_DATA, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil {
		p.log.Debug("an engine worker's allocations are not limited, its memory is watched", "error", err)
	}
}

// reserve allows for what Go and threads map and do not use.
const reserve = 256 << 20

// sacrifice has the kernel end workers before the daemon when memory is short.
func (p *Process) sacrifice() {
	if err := os.WriteFile("/proc/"+strconv.Itoa(p.PID())+"/oom_score_adj", []byte("800"), 0); err != nil {
		p.log.Debug("an engine worker does not volunteer to be ended when memory is short", "error", err)
	}
}
