package daemon

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// exitSignal is the code of a process that left at a second signal.
const exitSignal = 130

// signals ends the context at the first SIGINT or SIGTERM, which starts the
// drain; the second leaves at once. Neither loses anything: what is not
// committed is still in the stream.
func signals(parent context.Context, w io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for first := true; ; first = false {
			sig, open := <-ch
			if !open {
				return
			}
			if !first {
				fmt.Fprintln(w, "lakeward: second signal, leaving at once; nothing is lost")
				os.Exit(exitSignal)
			}
			fmt.Fprintf(w, "lakeward: %s, draining (once more to leave at once)\n", sig)
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(ch)
		close(ch)
		<-done
		cancel()
	}
}
