package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakeward/lakeward/tiers"
)

// class of a failure: what to do about it.
type class int

const (
	final    class = iota // it will fail again
	conflict              // another transaction was first: at once again
	away                  // the server or the way to it is gone: again when it is back
)

// attempts bounds how often a transaction gives way to others.
const attempts = 10

func classOf(err error) class {
	var row *rowError
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &row):
		return final
	case errors.Is(err, errUnknown):
		return away
	case errors.As(err, &pg):
		if pg.Code == "0A000" && strings.Contains(pg.Routine, "RevalidateCachedQuery") {
			return conflict // the table has got a column since the statement was prepared
		}
		return classOfCode(pg.Code)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded) && !isNetwork(err):
		return final
	case isNetwork(err):
		return away
	}
	return final
}

// classOfCode goes by SQLSTATE.
func classOfCode(code string) class {
	switch code {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return conflict
	// shut down, starting, idle too long, full, a standby
	case "57P01", "57P02", "57P03", "57P05", "25P03", "53300", "25006":
		return away
	}
	if strings.HasPrefix(code, "08") { // connection exceptions
		return away
	}
	return final
}

func isNetwork(err error) bool {
	var op net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || errors.As(err, &op) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, errLost)
}

// errLost is a connection that the driver found closed.
var errLost = errors.New("the connection was lost")

// The pauses between attempts while the server is away.
const (
	firstPause   = 20 * time.Millisecond
	longestPause = time.Second
)

// again calls f until it succeeds, fails for good, or the server has been away
// for longer than patience.
func (s *Sink) again(ctx context.Context, patience time.Duration, f func() error) error {
	deadline, pause := time.Now().Add(patience), firstPause
	for conflicts := 0; ; {
		err := f()
		if err == nil || ctx.Err() != nil {
			return err
		}
		switch classOf(err) {
		case final:
			return err
		case conflict:
			if conflicts++; conflicts >= attempts {
				return fmt.Errorf("%d attempts gave way to other transactions: %w", attempts, err)
			}
		case away:
			if time.Now().Add(pause).After(deadline) {
				return s.away(err)
			}
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return errors.Join(context.Cause(ctx), err)
		}
		pause = min(2*pause, longestPause)
	}
}

// away says in words that the server is.
func (s *Sink) away(err error) error {
	return fmt.Errorf("PostgreSQL of the analytics tier (%s) %w: %w", s.name, tiers.ErrAway, err)
}
