package pgtest

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const superuser = "lakeward"

// cluster is a running server and its directory.
type cluster struct {
	addr     string // host:port
	password string
	dir      string
	lifeline io.Closer // the server stops when it closes, by us or by our end
	exited   chan error
}

// errMissing says that PostgreSQL is not installed.
var errMissing = errors.New("no PostgreSQL to test with: install it (Debian: apt-get install postgresql), or put " +
	"initdb and postgres on PATH")

func isMissing(err error) bool { return errors.Is(err, errMissing) }

// attempts to start: between finding a free port and using it, another process
// may take it.
const attempts = 3

func start() (*cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	as, err := account()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, fmt.Errorf("make directory of PostgreSQL: %w", err)
	}
	c := &cluster{dir: dir, password: rand.Text()}
	if err := c.init(bin, as); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	for range attempts {
		if err = c.serve(bin, as); err == nil {
			return c, nil
		}
	}
	return nil, errors.Join(err, os.RemoveAll(dir))
}

// binaries finds the directory of initdb and postgres: behind PATH, whose
// entries may be links or wrappers, or where Debian keeps the newest.
func binaries() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	if initdb, err := exec.LookPath("initdb"); err == nil {
		dirs = append([]string{filepath.Dir(initdb)}, dirs...)
	}
	for _, dir := range dirs {
		if executable(dir, "initdb") && executable(dir, "postgres") {
			return dir, nil
		}
	}
	return "", errMissing
}

func version(dir string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	if err != nil {
		return 0
	}
	return n
}

func executable(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, name))
	return err == nil && info.Mode()&0o111 != 0
}

// account is whom PostgreSQL runs as, since it refuses root; nil: ourselves.
func account() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("look up user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// command runs as the account, in the cluster's directory, speaking English.
func (c *cluster) command(as *syscall.Credential, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+c.dir, "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	return cmd
}

func (c *cluster) init(bin string, as *syscall.Credential) error {
	pw := filepath.Join(c.dir, "password")
	if err := os.WriteFile(pw, []byte(c.password), 0o600); err != nil {
		return fmt.Errorf("write password: %w", err)
	}
	if as != nil {
		for _, path := range []string{c.dir, pw} {
			if err := os.Chown(path, int(as.Uid), int(as.Gid)); err != nil {
				return fmt.Errorf("hand over %s: %w", path, err)
			}
		}
	}
	cmd := c.command(as, filepath.Join(bin, "initdb"), "-D", "data", "-U", superuser, "--pwfile", pw,
		"-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// untilClosed runs its arguments until descriptor 3 is closed at its other end,
// then stops them the way that waits for no client. What waits holds neither
// output, so that the log ends with the server.
const untilClosed = `"$@" </dev/null 3<&- & pid=$!
{ read -r _; kill -INT "$pid"; } <&3 3<&- >/dev/null 2>&1 &
exec 3<&-
wait "$pid"`

// serve starts the server and returns when it accepts connections.
func (c *cluster) serve(bin string, as *syscall.Credential) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	c.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	life, ours, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer life.Close() // the child has its own
	cmd := c.command(as, "/bin/sh", "-c", untilClosed, "sh", filepath.Join(bin, "postgres"), "-D", "data",
		"-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(port), "-c", "unix_socket_directories=",
		"-c", "logging_collector=off", "-c", "max_connections=200", "-c", "shared_buffers=32MB")
	cmd.ExtraFiles = []*os.File{life} // descriptor 3
	log, err := cmd.StderrPipe()
	if err != nil {
		return errors.Join(err, ours.Close())
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start PostgreSQL: %w", err), ours.Close())
	}
	c.lifeline, c.exited = ours, make(chan error, 1)
	ready := make(chan error, 1)
	go func() { // ends with the process, which stop waits for
		follow(log, ready)
		c.exited <- cmd.Wait()
	}()
	if err := <-ready; err != nil {
		return errors.Join(err, c.halt())
	}
	return nil
}

// follow reads the server's log to its end, and says on ready when it accepts
// connections, or that it never did.
func follow(log io.Reader, ready chan<- error) {
	var said bytes.Buffer
	started := false
	for lines := bufio.NewScanner(log); lines.Scan(); {
		switch {
		case started: // only drained
		case strings.Contains(lines.Text(), "database system is ready to accept connections"):
			started = true
			ready <- nil
		default:
			fmt.Fprintln(&said, lines.Text())
		}
	}
	if !started {
		ready <- fmt.Errorf("PostgreSQL did not start: %s", said.String())
	}
}

// freePort is a port of loopback that was free a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// halt ends the server and waits for it.
func (c *cluster) halt() error {
	return errors.Join(c.lifeline.Close(), <-c.exited)
}

func (c *cluster) stop() error {
	if err := c.halt(); err != nil {
		return errors.Join(fmt.Errorf("stop PostgreSQL: %w", err), os.RemoveAll(c.dir))
	}
	return os.RemoveAll(c.dir)
}
