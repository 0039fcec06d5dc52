package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Exit codes after a signal.
const (
	exitSignal = 128 // and its number, as shells have it: 130 after Ctrl-C
	exitAtOnce = 130 // after a second one
)

// leaveWithin is how long a command may take to end after a signal. What it
// reads, such as a terminal, may never return.
const leaveWithin = 5 * time.Second

// signals are those that ask the process to end.
type signals struct {
	w       io.Writer
	cancel  context.CancelFunc
	mu      sync.Mutex
	drain   bool
	got     syscall.Signal // the first; 0: none yet
	leaving *time.Timer
}

// watchSignals ends the context at the first SIGINT or SIGTERM. The second
// leaves at once. Neither loses anything: what is not committed is still in the
// stream.
func watchSignals(parent context.Context, w io.Writer) (context.Context, *signals, func()) {
	ctx, cancel := context.WithCancel(parent)
	s := &signals{w: w, cancel: cancel}
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	var watching sync.WaitGroup
	watching.Go(func() {
		for sig := range ch {
			s.take(sig.(syscall.Signal)) // as syscall's all are
		}
	})
	return ctx, s, func() {
		signal.Stop(ch)
		close(ch)
		watching.Wait()
		cancel()
	}
}

// drains says that the command finishes its work after a signal, however long it
// takes, and that this is success.
func (s *signals) drains() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drain = true
}

func (s *signals) take(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.got != 0:
		fmt.Fprintln(s.w, "lakeward: second signal, leaving at once; nothing is lost")
		os.Exit(exitAtOnce)
	case s.drain:
		fmt.Fprintf(s.w, "lakeward: %s, draining (once more to leave at once)\n", sig)
	default:
		s.leaving = time.AfterFunc(leaveWithin, func() {
			fmt.Fprintln(s.w, "lakeward: "+wordOf(sig))
			os.Exit(exitSignal + int(sig))
		})
	}
	s.got = sig
	s.cancel()
}

// ended is the signal that ended a command with err; 0: none did, or the command
// has drained.
func (s *signals) ended(err error) syscall.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving != nil {
		s.leaving.Stop()
	}
	if s.drain && !errors.Is(err, context.Canceled) {
		return 0
	}
	return s.got
}

// wordOf is what a signal has done to a command, in words.
func wordOf(sig syscall.Signal) string {
	if sig == syscall.SIGINT {
		return "interrupted"
	}
	return "terminated"
}
