package chaos

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/lakeward/lakeward/query/worker"
	"github.com/lakeward/lakeward/test/daemonproc"
)

// killWorker kills one of the daemon's engine workers, whatever it does: a
// merge, most likely, or a look at the history. The daemon goes on.
func (t *trial) killWorker(d *daemonproc.Process) bool {
	all := workersOf(d.Pid())
	if len(all) == 0 {
		return false
	}
	return syscall.Kill(all[t.rand.IntN(len(all))], syscall.SIGKILL) == nil
}

// workersOf are the workers among the children of a process, whichever of its
// threads started them.
func workersOf(pid int) (out []int) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil // it has ended
	}
	for _, thread := range threads {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, thread.Name()))
		if err != nil {
			continue
		}
		for _, text := range strings.Fields(string(children)) {
			line, err := os.ReadFile("/proc/" + text + "/cmdline")
			child, nerr := strconv.Atoi(text)
			if err == nil && nerr == nil && strings.Contains(string(line), worker.Argument) {
				out = append(out, child)
			}
		}
	}
	return out
}
