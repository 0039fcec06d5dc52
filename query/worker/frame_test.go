package worker

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

func FuzzFrames(f *testing.F) {
	f.Add([]byte{byte(kindReply), 0, 0, 0, 2, '{', '}'})
	f.Add([]byte{byte(kindRows), 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		for {
			got, err := readFrame(r, func(kind) int { return mostFrame })
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
	f.Add(appendFiles(nil, []tiers.DataFile{{Path: "file:///a", Size: 1, Rows: 2, Clustered: true, Copies: []int{7}},
		{Path: "b"}}))
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

// honest are the frames by which a worker answers a query.
func honest(t testing.TB, rec arrow.RecordBatch) []byte {
	t.Helper()
	columns, err := columnsOf(rec.Schema())
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	var out bytes.Buffer
	copied := make(chan error)
	go func() {
		_, err := io.Copy(&out, ours)
		copied <- err
	}()
	ch := newChannel(theirs, ofDaemon(), func(frame) {})
	rows, err := array.NewRecordReader(rec.Schema(), []arrow.RecordBatch{rec})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Release()
	err = errors.Join(ch.sendJSON(kindReply, reply{Of: 1, Columns: columns}),
		newRowWriter(ch, rec.Schema(), func() error { return nil }).all(rows), ch.sendJSON(kindEnd, reply{Of: 1}),
		theirs.Close())
	if err = errors.Join(err, <-copied); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// everyType has a column of each type that an engine gives, with a null.
func everyType(t testing.TB) arrow.RecordBatch {
	t.Helper()
	var fields []arrow.Field
	for name, typ := range scalars() {
		fields = append(fields, arrow.Field{Name: name, Type: typ, Nullable: true})
	}
	slices.SortFunc(fields, func(a, b arrow.Field) int { return strings.Compare(a.Name, b.Name) })
	text := arrow.Field{Name: "t", Type: arrow.BinaryTypes.String, Nullable: true}
	nested := arrow.StructOf(text, arrow.Field{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true})
	fields = append(fields, arrow.Field{Name: "decimal", Type: &arrow.Decimal128Type{Precision: 38, Scale: 2},
		Nullable: true},
		arrow.Field{Name: "list", Type: arrow.ListOfField(arrow.Field{Name: "element", Type: nested, Nullable: true}),
			Nullable: true},
		arrow.Field{Name: "map", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64), Nullable: true})
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	for i := range fields {
		b.Field(i).AppendEmptyValue()
		b.Field(i).AppendNull()
		b.Field(i).AppendEmptyValue()
	}
	return b.NewRecordBatch()
}

// FuzzAnswers decodes what a worker answers a query with, and looks at every
// value that it gives.
func FuzzAnswers(f *testing.F) {
	f.Add(honest(f, everyType(f)))
	schema := arrow.NewSchema([]arrow.Field{{Name: "t", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	b.Field(0).(*array.StringBuilder).AppendValues([]string{"a", "bb", ""}, []bool{true, true, false})
	f.Add(honest(f, b.NewRecordBatch()))
	f.Fuzz(func(t *testing.T, b []byte) {
		most := ofWorker()
		in := bufio.NewReader(bytes.NewReader(b))
		next := func() (frame, error) {
			return readFrame(in, func(k kind) int { return map[bool]int{true: most.rows, false: most.said}[k == kindRows] })
		}
		first, err := next()
		var rep reply
		if err != nil || decode(first, &rep) != nil {
			return
		}
		_ = fromWire(rep.Error, nil)
		rows, _, err := resultOf(rep.Columns, func() ([]byte, error) {
			f, err := next()
			if err == nil && f.kind != kindRows {
				err = io.EOF
			}
			return f.data, err
		})
		if err != nil {
			return
		}
		defer rows.Release()
		for rows.Next() {
			rec := rows.RecordBatch()
			if checkRows(rec) != nil {
				return
			}
			for _, c := range rec.Columns() {
				for i := range c.Len() {
					_ = c.ValueStr(i)
				}
			}
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
			c.ch = newChannel(ours, ofWorker(), c.noted)
			c.ch.start()
			go func() {
				_, _ = readFrame(bufio.NewReader(theirs), func(kind) int { return mostFrame })
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
