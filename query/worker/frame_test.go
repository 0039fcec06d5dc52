package worker

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

func FuzzFrames(f *testing.F) {
	f.Add([]byte{byte(kindReply), 0, 0, 0, 2, '{', '}'})
	f.Add([]byte{byte(kindRows), 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		for {
			got, err := readFrame(r)
			if err != nil {
				return
			}
			if len(got.data) > len(b) {
				t.Fatalf("%d bytes of %d", len(got.data), len(b))
			}
			for _, v := range []any{&request{}, &reply{}, &question{}, &answer{}} {
				_ = decode(got, v)
			}
		}
	})
}

func FuzzFiles(f *testing.F) {
	f.Add(appendFiles(nil, []tiers.DataFile{{Path: "file:///a", Size: 1, Rows: 2, Clustered: true, Copies: []int{7}}, {Path: "b"}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		files, err := decodeFiles(b)
		if err != nil {
			return
		}
		again, err := decodeFiles(appendFiles(nil, files))
		if err != nil || len(again) != len(files) {
			t.Fatalf("%d files, then %d: %v", len(files), len(again), err)
		}
	})
}

func FuzzRows(f *testing.F) {
	schema, err := schemaBytes(arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}, {Name: "t", Type: arrow.BinaryTypes.String}}, nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(_ *testing.T, b []byte) {
		sent := false
		r, err := ipc.NewReaderFromMessageReader(&messages{left: schema, next: func() ([]byte, error) {
			if sent {
				return nil, io.EOF
			}
			sent = true
			return b, nil
		}})
		if err != nil {
			return
		}
		defer r.Release()
		for r.Next() {
		}
	})
}

// TestAWorkerThatAnswersSomethingElseIsEnded writes to the daemon's end what no
// worker does.
func TestAWorkerThatAnswersSomethingElseIsEnded(t *testing.T) {
	for name, answer := range map[string][]byte{
		"no frame":     []byte("HTTP/1.1 200 OK\r\n\r\n"),
		"no JSON":      {byte(kindReply), 0, 0, 0, 1, '{'},
		"rows, unsaid": {byte(kindRows), 0, 0, 0, 1, 0},
		"a question":   {byte(kindAsk), 0, 0, 0, 2, '{', '}'},
		"half a frame": {byte(kindReply), 0, 0, 1, 0, '{'},
		"nothing":      nil,
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Start(Config{Name: "test"})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Stop()
			ours, theirs := net.Pipe()
			c := &client{p: p}
			c.ch = newChannel(ours, c.noted)
			c.ch.start()
			go func() {
				_, _ = readFrame(bufio.NewReader(theirs))
				_, _ = theirs.Write(answer)
				_ = theirs.Close()
			}()
			if len(answer) == 0 || name == "half a frame" {
				p.kill(&EndedError{Reason: "it ended"})
			}
			if _, err := c.do(t.Context(), request{Op: opUsage}, 0); !errors.Is(err, query.ErrCrashed) {
				t.Errorf("%v", err)
			}
			c.ch.close()
		})
	}
}

// TestNothingIsLeftOfPools starts and stops, with statements that end in every
// way, and counts goroutines, file descriptors and children.
func TestNothingIsLeftOfPools(t *testing.T) {
	round := func() {
		p := NewPool(Options{Config: Config{Name: "pool"}, Most: 2, Engine: EngineOptions{MemoryLimit: 64 << 20, Threads: 1}})
		s, err := p.Open(t.Context(), query.View{}, query.Options{Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Query(t.Context(), "SELECT unnest(range(5000000))")
		if err != nil {
			t.Fatal(err)
		}
		r.Next()
		r.Release() // in the middle
		p.all[0].p.kill(&EndedError{Reason: "a test"})
		if _, err := s.Query(t.Context(), "SELECT 1"); !errors.Is(err, query.ErrCrashed) {
			t.Errorf("%v", err)
		}
		_ = s.Close()
		if err := p.ConfineSelect("SELECT 1", nil); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	round()
	goroutines, files := left()
	for range 3 {
		round()
	}
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		g, f := left()
		if g <= goroutines && f <= files {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%d goroutines and %d files were %d and %d", g, f, goroutines, files)
		}
	}
}

func left() (goroutines, files int) {
	fds, _ := os.ReadDir("/proc/self/fd")
	return runtime.NumGoroutine(), len(fds)
}
