package worker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// forged begins the name of a link to this program that makes it a worker which
// somebody has taken over; what it does follows.
const forged = "forged-"

// forge answers everything as a worker does, but queries.
func forge(what string) int {
	conn, err := connOf(os.NewFile(control, "control"))
	if err != nil {
		return 2
	}
	for {
		c, err := receive(conn)
		if err != nil {
			return 0
		}
		go func() {
			f := &forger{conn: c, in: bufio.NewReader(c)}
			for {
				req, err := f.request()
				if err != nil {
					return
				}
				if req.Op == opQuery {
					forgeries()[what](f, req)
				} else {
					f.json(kindReply, reply{Of: req.Number, Number: 1})
				}
			}
		}()
	}
}

type forger struct {
	conn net.Conn
	in   *bufio.Reader
}

func (f *forger) request() (req request, err error) {
	for {
		got, err := readFrame(f.in, func(kind) int { return mostFrame })
		if err != nil {
			return req, err
		}
		if got.kind == kindRequest {
			return req, decode(got, &req)
		}
	}
}

func (f *forger) send(k kind, data []byte) {
	var head [frameHead]byte
	putHead(head[:], k, len(data))
	if _, err := f.conn.Write(append(head[:], data...)); err != nil {
		os.Exit(0) // the daemon has seen enough
	}
}

func (f *forger) json(k kind, v any) {
	ch := &channel{w: bufio.NewWriter(f.conn)}
	if ch.sendJSON(k, v) != nil {
		os.Exit(0)
	}
}

// columns begins an honest answer, with columns of texts.
func (f *forger) columns(req request, n int) {
	f.json(kindReply, reply{Of: req.Number, Columns: slices.Repeat([]wireColumn{{Name: "t", Type: "utf8"}}, n)})
}

// forgedRows is the number of rows in a batch, to be found in its metadata.
const forgedRows = 4242

// batch is a frame of an honest answer with a text column.
func batch(options ...ipc.Option) []byte {
	s := arrow.NewSchema([]arrow.Field{{Name: "t", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	for range forgedRows {
		b.Field(0).(*array.StringBuilder).Append("12345678")
	}
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(options, ipc.WithSchema(s))...)
	head, err := schemaBytes(s)
	if err = errors.Join(err, w.Write(b.NewRecordBatch())); err != nil {
		panic(err)
	}
	return out.Bytes()[len(head):]
}

func number(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

// forever repeats a frame until the process is ended.
func forever(k kind, data []byte) func(*forger, request) {
	return func(f *forger, req request) {
		f.columns(req, 1)
		for {
			f.send(k, data)
		}
	}
}

// rowsOf answers with the frame as the only rows.
func rowsOf(columns int, data []byte) func(*forger, request) {
	return func(f *forger, req request) {
		f.columns(req, columns)
		f.send(kindRows, data)
		f.json(kindEnd, reply{Of: req.Number})
	}
}

func says(r func(request) reply) func(*forger, request) {
	return func(f *forger, req request) { f.json(kindReply, r(req)) }
}

func offset(at int, n uint32) []byte {
	b := batch()
	i := bytes.Index(b, []byte{0, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0, 0}) // the first offsets
	binary.LittleEndian.PutUint32(b[i+4*at:], n)
	return b
}

func forgeries() map[string]func(*forger, request) {
	all := map[string]func(*forger, request){
		"no-frame":  func(f *forger, _ request) { _, _ = f.conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")); select {} },
		"silence":   func(*forger, request) { select {} },
		"deep-json": func(f *forger, _ request) { f.send(kindReply, bytes.Repeat([]byte("["), 3<<20)) },
		"another-id": says(func(r request) reply {
			return reply{Of: r.Number + 1, Columns: []wireColumn{{Type: "utf8"}}}
		}),
		"no-columns":   says(func(r request) reply { return reply{Of: r.Number} }),
		"unknown-type": says(func(r request) reply { return reply{Of: r.Number, Columns: []wireColumn{{Type: "null"}}} }),
		"long-error": says(func(r request) reply {
			return reply{Of: r.Number, Error: &wireError{Text: strings.Repeat("x", 2<<20),
				Classes: slices.Repeat([]string{"rows"}, 1e5)}}
		}),
		"touches": func(f *forger, req request) {
			f.json(kindReply, reply{Of: req.Number, Error: &wireError{Text: touch(req.SQL)}})
		},
		"two-replies": func(f *forger, req request) { f.columns(req, 1); f.columns(req, 1) },
		"end-only":    func(f *forger, req request) { f.json(kindEnd, reply{Of: req.Number}) },
		"half-a-frame": func(f *forger, req request) {
			f.columns(req, 1)
			var head [frameHead]byte
			putHead(head[:], kindRows, 1<<20)
			_, _ = f.conn.Write(append(head[:], batch()...))
			_ = f.conn.Close()
		},
		"it-ends": func(f *forger, req request) { f.columns(req, 1); f.send(kindRows, batch()); os.Exit(0) },
		"oversize-rows": func(f *forger, req request) {
			f.columns(req, 1)
			f.send(kindRows, make([]byte, 100<<20))
		},
		"oversize-reply":  func(f *forger, _ request) { f.send(kindReply, bytes.Repeat([]byte(" "), 100<<20)) },
		"credit":          func(f *forger, _ request) { f.send(kindCredit, binary.AppendUvarint(nil, 1<<40)); select {} },
		"endless-credit":  forever(kindCredit, []byte{0}),
		"another-schema":  rowsOf(1, func() []byte { s, _ := schemaBytes(arrow.NewSchema(nil, nil)); return s }()),
		"a-schema-twice":  rowsOf(1, append(batch(), batch()[:64]...)),
		"more-columns":    rowsOf(2, batch()),
		"absurd-rows":     rowsOf(1, bytes.ReplaceAll(batch(), number(forgedRows), number(1<<60))),
		"negative-rows":   rowsOf(1, bytes.ReplaceAll(batch(), number(forgedRows), number(1<<63))),
		"many-rows":       rowsOf(1, bytes.ReplaceAll(batch(), number(forgedRows), number(60_000))),
		"beyond-the-text": rowsOf(1, offset(forgedRows, 1<<30)),
		"text-backwards":  rowsOf(1, offset(7, 1)),
		"text-before":     rowsOf(1, offset(0, 1<<31)),
		"compressed":      rowsOf(1, batch(ipc.WithZstd())),
		"cut-rows":        rowsOf(1, batch()[:1000]),
		"empty-rows":      rowsOf(1, nil),
		"questions": func(f *forger, _ request) {
			go func() { _, _ = io.Copy(io.Discard, f.in) }()
			for {
				f.json(kindAsk, question{Table: "t"})
			}
		},
	}
	maps.Copy(all, map[string]func(*forger, request){
		"endless-rows": forever(kindRows, batch()), "endless-progress": forever(kindProgress, []byte("{}")),
		"endless-cancel": forever(kindCancel, []byte{1}),
		"endless-empty":  forever(kindRows, bytes.ReplaceAll(batch(), number(forgedRows), number(0))),
		"late-replies": func(f *forger, req request) {
			_, _ = readFrame(f.in, func(kind) int { return mostFrame }) // the request to cancel
			for range 3 {
				f.columns(req, 1)
			}
		},
	})
	return all
}

// touch does what a native program can do to a path, and says what worked.
func touch(path string) string {
	var done []string
	for _, try := range []struct {
		deed string
		err  error
	}{
		{"make", os.WriteFile(path+"-new", nil, 0o600)}, {"link", os.Symlink("/etc", path+"-link")},
		{"mkdir", os.Mkdir(path+"-dir", 0o700)},
		{"write", os.WriteFile(path, []byte("x"), 0o600)}, {"truncate", os.Truncate(path, 0)},
		{"rename", os.Rename(path, path+"-old")},
		{"remove", os.Remove(path)}, {"list", second(os.ReadDir(filepath.Dir(path)))}, {"read", second(os.ReadFile(path))},
		{"run", exec.Command("/bin/true").Run()}, {"connect", second(net.Dial("tcp", "127.0.0.1:1"))},
	} {
		if try.err == nil || strings.Contains(try.err.Error(), "refused") {
			done = append(done, try.deed)
		}
	}
	return "done: " + strings.Join(done, " ")
}

func second[T any](_ T, err error) error { return err }

// forgedExe is a program that is a worker which was taken over.
func forgedExe(t *testing.T, what string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), forged+what)
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	return link
}

func openForged(t *testing.T, what string) query.Session {
	t.Helper()
	p := NewPool(Options{Config: Config{Name: "pool", Exe: forgedExe(t, what)},
		Engine: EngineOptions{MemoryLimit: 64 << 20}})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	v := query.View{Tables: []query.TableView{{Name: "t"}}, Fill: func(context.Context, string) (query.TableView, error) {
		return query.TableView{Name: "t", Files: make([]tiers.DataFile, 100)}, nil
	}}
	s, err := p.Open(t.Context(), v, query.Options{Timeout: time.Second, MaxRows: 100_000, MaxBytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAWorkerThatWasTakenOver has a worker answer with forgeries: the statement
// fails in its time, and this process goes on within what it may take.
func TestAWorkerThatWasTakenOver(t *testing.T) {
	const most = 256 << 20 // bytes of heap; a result may have 16 MiB, a frame a little more
	for _, what := range slices.Sorted(maps.Keys(forgeries())) {
		t.Run(what, func(t *testing.T) {
			s := openForged(t, what)
			began := time.Now()
			_, err := rows(t.Context(), s, "SELECT 'a'")
			took := time.Since(began)
			if err == nil {
				_, err = rows(t.Context(), s, "SELECT 'a'") // the forgery was behind a good answer
			}
			t.Logf("%s: %.150v", took, err)
			if err == nil || len(err.Error()) > 2*mostText {
				t.Errorf("no error, or a long one: %.200v", err)
			}
			if took > time.Second+graceful+3*time.Second {
				t.Errorf("it took %s", took)
			}
			_ = s.Close() // its worker has ended
			var m runtime.MemStats
			if runtime.ReadMemStats(&m); m.HeapSys > most {
				t.Errorf("the heap has %d MiB", m.HeapSys>>20)
			}
		})
	}
}

// TestRepliesAfterACancelAreNotTheNextStatements has a worker reply to what was
// given up.
func TestRepliesAfterACancelAreNotTheNextStatements(t *testing.T) {
	s := openForged(t, "late-replies")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if got, err := rows(ctx, s, "SELECT 'a'"); err == nil {
		t.Errorf("%q", got)
	}
	if got, err := rows(t.Context(), s, "SELECT 'b'"); !errors.Is(err, query.ErrCrashed) {
		t.Errorf("%q, %v", got, err)
	}
	_ = s.Close()
}
