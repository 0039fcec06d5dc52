package daemonproc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/ingest/jetstream"
)

const natsRole = "nats-server"

// The stream of the default source.
const (
	Stream   = "EVENTS"
	Subjects = "events.>"
)

// NATSMain is the NATS process of StartNATS, if this process was started as
// that; otherwise it returns at once. A program that uses StartNATS calls it
// first.
func NATSMain() {
	if len(os.Args) != 3 || os.Args[1] != natsRole {
		return
	}
	if err := serveNATS(os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "NATS: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// StartNATS starts a NATS server in a process of its own, with the stream of
// the default source, whose window of message ids is duplicates (0: NATS's
// default). It ends with the function returned, or with this process.
func (d *Daemon) StartNATS(ctx context.Context, duplicates time.Duration) (func(), error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	port := d.NATS[strings.LastIndexByte(d.NATS, ':')+1:]
	cmd := exec.CommandContext(ctx, self, natsRole, filepath.Join(d.Dir, "nats")+":"+port)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	cmd.Stdout, cmd.Stderr = d.log, d.log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	stop := func() {
		_ = in.Close() // that is the sign to end
		_ = cmd.Wait() // what it has to say is in the log
	}
	if err := createStream(ctx, d.NATS, duplicates); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// serveNATS runs until standard input ends.
func serveNATS(arg string) error {
	dir, portText, _ := strings.Cut(arg, ":")
	port, err := strconv.Atoi(portText)
	if err != nil {
		return fmt.Errorf("port %q: %w", portText, err)
	}
	s, err := jetstream.StartServer(context.Background(),
		jetstream.ServerOptions{Host: "127.0.0.1", Port: port, StoreDir: dir, SyncInterval: time.Second}, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, s.Close())
}

// createStream makes the stream once the server answers.
func createStream(ctx context.Context, url string, duplicates time.Duration) error {
	deadline := time.Now().Add(readyWithin)
	for {
		err := func() error {
			c, err := jetstream.Connect(ctx, jetstream.Options{URL: url}, nil)
			if err != nil {
				return err
			}
			_, err = c.Stream(ctx, Subjects, jetstream.StreamOptions{Name: Stream, Subjects: []string{Subjects}, Create: true,
				Duplicates: duplicates})
			return errors.Join(err, c.Close())
		}()
		if err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		if err := Pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
