//go:build amd64 || arm64

package worker

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refused lists the system calls that a worker does not need: those that reach the
// network, other processes, other programs or the internals of the kernel.
var refused = append([]uint32{
	unix.SYS_SOCKET, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4,
	unix.SYS_EXECVE, unix.SYS_EXECVEAT,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_PIDFD_OPEN,
	unix.SYS_PIDFD_GETFD,
	unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS,
	unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSMOUNT, unix.SYS_OPEN_BY_HANDLE_AT,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT,
	unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID, unix.SYS_SETRESUID, unix.SYS_SETRESGID,
	unix.SYS_SETGROUPS,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_SETHOSTNAME, unix.SYS_CLOCK_SETTIME, unix.SYS_SETTIMEOFDAY,
}, refusedHere...)

// Offsets in the kernel's struct seccomp_data.
const (
	callAt  = 0
	archAt  = 4
	firstAt = 16 // low half of the first argument
)

const otherNumbers = 0x40000000 // of the x32 interface

func load(at uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
}

func end(code uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: code}
}

func refuse(errno unix.Errno) unix.SockFilter { return end(unix.SECCOMP_RET_ERRNO | uint32(errno)) }

// unless skips the next n instructions if the comparison is false.
func unless(op uint16, k uint32, n uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, K: k, Jf: n}
}

// filter returns the program that the kernel runs at each system call of the process.
func filter(pid int) []unix.SockFilter {
	prog := []unix.SockFilter{
		load(archAt), unless(unix.BPF_JEQ, auditArch, 1), {Code: unix.BPF_JMP | unix.BPF_JA, K: 1}, refuse(unix.EPERM),
		load(callAt), unless(unix.BPF_JGE, otherNumbers, 1), refuse(unix.EPERM),
		unless(unix.BPF_JEQ, unix.SYS_CLONE3, 1), refuse(unix.ENOSYS), // libraries take clone then, whose flags can be seen
		// Threads, and no processes.
		unless(unix.BPF_JEQ, unix.SYS_CLONE, 4), load(firstAt), unless(unix.BPF_JSET, unix.CLONE_THREAD, 1),
		end(unix.SECCOMP_RET_ALLOW), refuse(unix.EPERM),
		// Signals to its own threads: Go's runtime interrupts them.
		unless(unix.BPF_JEQ, unix.SYS_TGKILL, 4), load(firstAt), unless(unix.BPF_JEQ, uint32(pid), 1),
		end(unix.SECCOMP_RET_ALLOW), refuse(unix.EPERM),
	}
	for _, nr := range refused {
		prog = append(prog, unless(unix.BPF_JEQ, nr, 1), refuse(unix.EPERM))
	}
	return append(prog, end(unix.SECCOMP_RET_ALLOW))
}

// refuseCalls takes system calls from all threads of this process, for good.
func refuseCalls() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	prog := filter(os.Getpid())
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	if r != 0 {
		return fmt.Errorf("seccomp: thread %d does not follow", r)
	}
	return nil
}
