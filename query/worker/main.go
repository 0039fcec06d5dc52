package worker

import (
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"syscall"

	"github.com/lakeward/lakeward/query/duckdb"
)

// Divert makes this process a worker if it was started as one, and then does
// not return. The main function calls it before anything else.
func Divert() {
	if len(os.Args) == 2 && os.Args[1] == Argument && os.Getenv(nested) != "" {
		os.Exit(work())
	}
}

// control is the file descriptor over which the daemon hands over channels.
const control = 3

// gcPercent trades processor time for memory, of which a worker has little.
const gcPercent = 50

// work serves channels until the daemon has closed the socket or is gone.
func work() int {
	syscall.Umask(0o077) // databases, their logs and what spills are the daemon's alone
	debug.SetGCPercent(gcPercent)
	syscall.Umask(0o077) // databases hold what people did
	debug.FreeOSMemory() // what starting the program has left
	conn, err := connOf(os.NewFile(control, "control"))
	if err != nil {
		os.Stderr.WriteString("no socket of a daemon: " + err.Error() + "\n")
		return 2
	}
	if err := dieWithParent(); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		return 2
	}
	log := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if err := refuseCalls(); err != nil {
		log.Debug("an engine worker may make every system call", "error", err)
	}
	h := &host{log: log, engines: map[int64]*duckdb.Engine{}}
	for {
		c, err := receive(conn)
		if err != nil {
			return 0
		}
		go h.serve(c)
	}
}

// receive returns the next channel.
func receive(conn *net.UnixConn) (net.Conn, error) {
	var b [1]byte
	oob := make([]byte, syscall.CmsgSpace(4))
	n, m, _, _, err := conn.ReadMsgUnix(b[:], oob)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	msgs, err := syscall.ParseSocketControlMessage(oob[:m])
	if err != nil || len(msgs) != 1 {
		return nil, io.ErrUnexpectedEOF
	}
	fds, err := syscall.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		return nil, io.ErrUnexpectedEOF
	}
	syscall.CloseOnExec(fds[0])
	return connOf(os.NewFile(uintptr(fds[0]), "channel"))
}
