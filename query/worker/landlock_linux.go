package worker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lakeward/lakeward/tiers"
)

const (
	readDirs = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	runFiles = readDirs | unix.LANDLOCK_ACCESS_FS_EXECUTE
	// changeDirs are files and directories; devices, sockets and links are not made.
	changeDirs = readDirs | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_REFER
	// ofFiles are the rights that a rule about a file can give.
	ofFiles = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// system lists the files of the system that the program needs.
var system = map[string]uint64{
	"/lib": runFiles, "/lib64": runFiles, "/usr/lib": runFiles, "/usr/lib64": runFiles, "/usr/local/lib": runFiles,
	"/nix/store":       runFiles,
	"/etc/ld.so.cache": readDirs, "/etc/localtime": readDirs, "/usr/share/zoneinfo": readDirs,
	// what is secret of other processes there needs the right to trace them, which a restricted one lacks
	"/proc":               readDirs,
	"/sys/devices/system": readDirs, "/sys/kernel/mm": readDirs, "/sys/fs/cgroup": readDirs,
	"/dev/null": readDirs | unix.LANDLOCK_ACCESS_FS_WRITE_FILE, "/dev/urandom": readDirs, "/dev/random": readDirs,
}

// restrict takes from this thread, and from the process that it starts, what a
// worker does not need of the file system. It lists what could not be taken.
func (p *Process) restrict() (lacks []string) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		lacks = append(lacks, fmt.Sprintf("no_new_privs: %v", err))
	}
	if err := p.landlock(); err != nil {
		lacks = append(lacks, fmt.Sprintf("landlock: %v", err))
	}
	return lacks
}

func (p *Process) landlock() (err error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return errno
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handled(int(abi))}
	size := unsafe.Sizeof(attr.Handled_access_fs)
	if abi >= 4 {
		attr.Handled_access_net, size = unix.LANDLOCK_ACCESS_NET_BIND_TCP|unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, 2*size
	}
	if abi >= 6 {
		attr.Scoped, size = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET|unix.LANDLOCK_SCOPE_SIGNAL, size/2*3
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return fmt.Errorf("make a ruleset: %w", errno)
	}
	defer func() { err = errors.Join(err, unix.Close(int(fd))) }()
	for path, rights := range p.paths() {
		if err := allow(int(fd), path, rights&attr.Handled_access_fs); err != nil {
			return fmt.Errorf("allow %s: %w", path, err)
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return fmt.Errorf("restrict: %w", errno)
	}
	return nil
}

// handled are the rights that a version of the kernel's interface knows.
func handled(abi int) uint64 {
	rights := uint64(unix.LANDLOCK_ACCESS_FS_MAKE_SYM)<<1 - 1 // all up to it
	if abi >= 2 {
		rights |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		rights |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 5 {
		rights |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return rights
}

// paths lists what the worker may use, with its rights there.
func (p *Process) paths() map[string]uint64 {
	out := map[string]uint64{p.cfg.Exe: runFiles}
	for path, rights := range system {
		out[path] = rights
	}
	for _, dir := range filepath.SplitList(os.Getenv("LD_LIBRARY_PATH")) {
		out[dir] |= runFiles
	}
	for _, dir := range p.cfg.Read {
		if path, err := tiers.LocalDir(dir); err == nil { // the engine tells of others
			out[path] |= readDirs
		}
	}
	for _, dir := range p.cfg.Write {
		out[dir] |= changeDirs
	}
	return out
}

// allow passes over a path that does not exist.
func allow(ruleset int, path string, rights uint64) (err error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || path == "" {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= ofFiles
	}
	if rights == 0 {
		return nil
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
