package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/removal"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

// memLake is a lake in memory, for the tests that fail each of its operations
// in turn.
type memLake struct {
	mu     sync.Mutex
	tables map[string]*memTable
	files  map[string][]byte
	n      int
}

func newMemLake() *memLake {
	return &memLake{tables: map[string]*memTable{}, files: map[string][]byte{}}
}

func (l *memLake) Tables(context.Context) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.tables)), nil
}

func (l *memLake) Open(_ context.Context, name string) (tiers.Table, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.tables[name]
	if !ok {
		return nil, tiers.ErrNoTable
	}
	return &memHandle{t: t, v: t.v}, nil
}

func (l *memLake) Create(_ context.Context, name string, s tiers.Schema, o tiers.Options) (tiers.Table, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !memName.MatchString(name) {
		return nil, errors.New("bad name")
	}
	if _, ok := s.Lookup(tiers.ColTime); !ok && !o.Unpartitioned {
		return nil, errors.New("no time to partition by")
	}
	if _, ok := l.tables[name]; ok {
		return nil, tiers.ErrConflict
	}
	t := &memTable{lake: l, name: name}
	t.v = memVersion{marks: map[string]tiers.Mark{}, commits: map[string]bool{}, props: maps.Clone(o.Properties),
		flat: o.Unpartitioned}
	t.v.schema.Fields = t.ids(s.Fields, nil)
	l.tables[name] = t
	return &memHandle{t: t, v: t.v}, nil
}

// loseMark removes a mark as a person might.
func (l *memLake) loseMark(name, key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[name]
	t.v.marks = maps.Clone(t.v.marks)
	delete(t.v.marks, key)
}

var memName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,127}$`)

func (l *memLake) Drop(_ context.Context, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.tables[name]; !ok {
		return tiers.ErrNoTable
	}
	delete(l.tables, name)
	return nil
}

func (l *memLake) store(path string, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files[path] = bytes.Clone(data)
}

func (l *memLake) RemoveFile(_ context.Context, path string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.files, path)
	return nil
}

func (l *memLake) Close() error { return nil }

// memFile is an open file of a memLake.
type memFile struct{ *bytes.Reader }

func (memFile) Close() error { return nil }

func (l *memLake) OpenFile(ctx context.Context, path string) (tiers.FileReader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, ok := l.files[path]
	if !ok {
		return nil, fmt.Errorf("%w: there is no file %s", tiers.ErrDamaged, path)
	}
	return memFile{bytes.NewReader(data)}, nil
}

// memTable is a table; its version is replaced, never changed.
type memTable struct {
	lake *memLake
	name string
	v    memVersion
	last int // field id
}

type memVersion struct {
	schema  tiers.Schema
	marks   map[string]tiers.Mark
	commits map[string]bool
	props   map[string]string
	snaps   []memSnapshot
	flat    bool
}

type memSnapshot struct {
	tiers.Snapshot
	files []tiers.DataFile
	added []tiers.DataFile
	grows bool // rows were added, none changed
	same  bool // rows stayed as they were
	old   bool // rows went by retention
}

// ids gives the fields of want ids, keeping those that have has.
func (t *memTable) ids(want, have []tiers.Field) []tiers.Field {
	out := slices.Clone(have)
	for _, w := range want {
		i := slices.IndexFunc(out, func(f tiers.Field) bool { return f.Name == w.Name })
		if i < 0 {
			t.last++
			w.ID = t.last
			w.Type = t.typ(w.Type, tiers.Type{Kind: w.Type.Kind})
			if have != nil {
				w.Required = false
			}
			out = append(out, w)
		} else if out[i].Type.Kind == w.Type.Kind {
			out[i].Type = t.typ(w.Type, out[i].Type)
		}
	}
	return out
}

func (t *memTable) typ(want, have tiers.Type) tiers.Type {
	have.Fields = t.ids(want.Fields, have.Fields)
	if want.Elem != nil {
		e := tiers.Field{Name: "element"}
		if have.Elem != nil {
			e = *have.Elem
		} else {
			t.last++
			e.ID, e.Type = t.last, tiers.Type{Kind: want.Elem.Type.Kind}
		}
		if e.Type.Kind == want.Elem.Type.Kind {
			e.Type = t.typ(want.Elem.Type, e.Type)
		}
		have.Elem = &e
	}
	return have
}

// memHandle is a table as somebody has opened it.
type memHandle struct {
	t  *memTable
	mu sync.Mutex
	v  memVersion
}

func (h *memHandle) version() memVersion {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.v
}

func (h *memHandle) see(v memVersion) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.v = v
}

func (h *memHandle) Name() string                  { return h.t.name }
func (h *memHandle) Schema() tiers.Schema          { return h.version().schema }
func (h *memHandle) Marks() map[string]tiers.Mark  { return maps.Clone(h.version().marks) }
func (h *memHandle) Properties() map[string]string { return maps.Clone(h.version().props) }

func (h *memHandle) Current() (tiers.Snapshot, bool) {
	s := h.version().snaps
	if len(s) == 0 {
		return tiers.Snapshot{}, false
	}
	return s[len(s)-1].Snapshot, true
}

func (h *memHandle) Snapshots() []tiers.Snapshot {
	var out []tiers.Snapshot
	for _, s := range h.version().snaps {
		out = append(out, s.Snapshot)
	}
	return out
}

func (h *memHandle) Refresh(context.Context) error {
	h.t.lake.mu.Lock()
	defer h.t.lake.mu.Unlock()
	h.see(h.t.v)
	return nil
}

func (h *memHandle) Evolve(_ context.Context, want tiers.Schema) (tiers.Schema, error) {
	h.t.lake.mu.Lock()
	defer h.t.lake.mu.Unlock()
	h.t.v.schema.Fields = h.t.ids(want.Fields, h.t.v.schema.Fields)
	h.see(h.t.v)
	return h.t.v.schema, nil
}

func (h *memHandle) Committed(_ context.Context, id string) (bool, error) {
	h.t.lake.mu.Lock()
	defer h.t.lake.mu.Unlock()
	h.see(h.t.v)
	return h.t.v.commits[id], nil
}

func (h *memHandle) Commit(_ context.Context, c tiers.Commit) (tiers.Snapshot, error) {
	h.t.lake.mu.Lock()
	defer h.t.lake.mu.Unlock()
	v := h.t.v
	if h.t.lake.tables[h.t.name] != h.t {
		return tiers.Snapshot{}, tiers.ErrHalt
	}
	if v.commits[c.ID] {
		return tiers.Snapshot{}, tiers.ErrConflict
	}
	for k, was := range c.Required {
		if v.props[k] != was {
			return tiers.Snapshot{}, tiers.ErrConflict
		}
	}
	if c.To != nil {
		have, ok := v.marks[c.To.Key()]
		if !sameMark(have, ok, c.From) {
			return tiers.Snapshot{}, tiers.ErrConflict
		}
		if ok && c.To.SameStream(have) && c.To.Seq < have.Seq {
			return tiers.Snapshot{}, tiers.ErrHalt
		}
	}
	next, err := h.apply(v, c)
	if err != nil {
		return tiers.Snapshot{}, err
	}
	h.t.v = next
	h.see(next)
	if len(next.snaps) == 0 {
		return tiers.Snapshot{}, nil
	}
	return next.snaps[len(next.snaps)-1].Snapshot, nil
}

func (h *memHandle) apply(v memVersion, c tiers.Commit) (memVersion, error) {
	v.marks, v.commits = maps.Clone(v.marks), maps.Clone(v.commits)
	v.commits[c.ID] = true
	v.props = maps.Clone(v.props)
	for k, p := range c.Properties {
		if v.props == nil {
			v.props = map[string]string{}
		}
		v.props[k] = p
	}
	if c.To != nil {
		v.marks[c.To.Key()] = *c.To
		if v.props == nil {
			v.props = map[string]string{}
		}
		v.props[tiers.FedProperty+c.To.Key()] = "true"
	}
	if len(c.Add)+len(c.Remove) == 0 {
		return v, nil
	}
	var files []tiers.DataFile
	s := memSnapshot{added: c.Add, grows: len(c.Remove) == 0, same: c.SameRows,
		old: c.Summary[removal.SummaryKey] == removal.Retain}
	s.Operation, s.Time, s.Summary = "append", time.Now().UTC(), maps.Clone(c.Summary)
	if n := len(v.snaps); n > 0 {
		files, s.Parent = v.snaps[n-1].files, v.snaps[n-1].ID
	}
	if c.Base != 0 && !c.SameRows && c.Base != s.Parent {
		return v, tiers.ErrConflict
	}
	for _, r := range c.Remove {
		i := slices.IndexFunc(files, func(f tiers.DataFile) bool { return f.Path == r.Path })
		if i < 0 {
			return v, tiers.ErrConflict
		}
		files = slices.Delete(slices.Clone(files), i, i+1)
		s.Operation = "replace"
	}
	h.t.lake.n++
	s.ID, s.Sequence = int64(h.t.lake.n), int64(len(v.snaps)+1)
	s.files = slices.Concat(files, c.Add)
	v.snaps = append(slices.Clone(v.snaps), s)
	return v, nil
}

func (h *memHandle) Files(_ context.Context, snapshot int64, from, to time.Time) ([]tiers.DataFile, error) {
	v := h.version()
	if snapshot != 0 && !slices.ContainsFunc(v.snaps, func(s memSnapshot) bool { return s.ID == snapshot }) {
		return nil, errors.New("no such snapshot")
	}
	_, timed := v.schema.Lookup(tiers.ColTime)
	var out []tiers.DataFile
	for i, s := range v.snaps {
		if s.ID != snapshot && (snapshot != 0 || i < len(v.snaps)-1) {
			continue
		}
		for _, f := range s.files {
			if timed && (!to.IsZero() && !f.TimeMin.Before(to) || !from.IsZero() && f.TimeMax.Before(from)) {
				continue
			}
			f.Columns, f.Seqs = nil, nil
			out = append(out, f)
		}
	}
	return out, nil
}

func (h *memHandle) Added(_ context.Context, since, until int64) (out []tiers.DataFile, ok bool, err error) {
	v := h.version()
	find := func(id int64) int { return slices.IndexFunc(v.snaps, func(s memSnapshot) bool { return s.ID == id }) }
	at := find(since)
	if (at < 0 && since != 0) || (until != 0 && find(until) < at) {
		return nil, false, nil
	}
	for _, s := range v.snaps[at+1:] {
		if !s.grows && !s.same && !s.old {
			return nil, false, nil
		}
		if s.grows {
			out = append(out, s.added...)
		}
		if s.ID == until {
			break
		}
	}
	return out, true, nil
}

func (h *memHandle) WriteNew(_ context.Context, f tiers.DataFile, data []byte) (tiers.DataFile, error) {
	sum := tiers.AddCRC32C(0, data)
	if f.CRC32C != 0 && f.CRC32C != sum {
		return f, errors.New("the bytes have changed")
	}
	h.t.lake.mu.Lock()
	h.t.lake.n++
	path := fmt.Sprintf("mem://%s/%d/%d.parquet", h.t.name, f.Day, h.t.lake.n)
	h.t.lake.mu.Unlock()
	f.Path, f.Size, f.CRC32C = tiers.ChecksumPath(path, sum), int64(len(data)), sum
	h.t.lake.store(f.Path, data)
	return f, nil
}

func TestMemLake(t *testing.T) {
	tierstest.TestLake(t, func(*testing.T) tiers.Lake { return newMemLake() })
}

// memStream is a stream in memory.
type memStream struct {
	mu       sync.Mutex
	info     StreamInfo
	messages []Message
	arrived  chan struct{} // closed at the next message
	released uint64
	later    time.Duration // that the publishing time of messages is moved on
}

func newMemStream() *memStream {
	return &memStream{info: StreamInfo{Name: "EVENTS", Created: time.Unix(1_790_000_000, 0).UTC(), First: 1,
		Covered: true}, arrived: make(chan struct{})}
}

// publish appends a message and returns its sequence.
func (s *memStream) publish(subject, id, data string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info.Last++
	s.info.Matched = s.info.Last
	at := time.Date(2026, 11, 2, 12, 0, 0, int(s.info.Last)*1000, time.UTC).Add(s.later)
	s.messages = append(s.messages, Message{Seq: s.info.Last, Published: at, Subject: subject, ID: []byte(id),
		Data: []byte(data)})
	close(s.arrived)
	s.arrived = make(chan struct{})
	return s.info.Last
}

// drop forgets the messages up to seq, as a stream's limits do.
func (s *memStream) drop(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m Message) bool { return m.Seq <= seq })
	s.info.First = seq + 1
}

// recreate makes the stream anew, empty.
func (s *memStream) recreate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages, s.info.First, s.info.Last, s.info.Matched = nil, 1, 0, 0
	s.info.Created = s.info.Created.Add(time.Hour)
}

// rollBack makes the stream what it was at seq.
func (s *memStream) rollBack(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m Message) bool { return m.Seq > seq })
	s.info.Last, s.info.Matched = seq, seq
	s.later += time.Hour
}

func (s *memStream) Published(_ context.Context, seq uint64) (time.Time, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.Seq == seq {
			return m.Published, true, nil
		}
	}
	return time.Time{}, false, nil
}

func (s *memStream) Since(_ context.Context, _ string, at time.Time) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if !m.Published.Before(at) {
			return m.Seq, nil
		}
	}
	return s.info.Last + 1, nil
}

func (s *memStream) Info(context.Context, string) (StreamInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info, nil
}

func (s *memStream) Read(_ context.Context, _ string, from uint64) (Reader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &memReader{s: s, next: from, later: s.later}, nil
}

func (s *memStream) Release(_ context.Context, _ string, _ time.Time, seq uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = seq
	return nil
}

type memReader struct {
	s     *memStream
	next  uint64
	later time.Duration // of the stream as it began with it

	mu  sync.Mutex
	out []Message // and not done
}

// lend gives a message memory of its own, until it is done.
func (r *memReader) lend(m Message) Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.ID, m.Data = bytes.Clone(m.ID), bytes.Clone(m.Data)
	r.out = append(r.out, m)
	return m
}

// Done spoils the memory, as another message would.
func (r *memReader) Done(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.out) > 0 && r.out[0].Seq <= seq {
		for _, b := range [][]byte{r.out[0].ID, r.out[0].Data} {
			for i := range b {
				b[i] = '#'
			}
		}
		r.out = r.out[1:]
	}
}

func (r *memReader) Next(ctx context.Context, buf []Message, limit int) ([]Message, error) {
	for {
		r.s.mu.Lock()
		if r.s.later != r.later {
			r.s.mu.Unlock()
			return buf, errors.New("rolled back")
		}
		arrived := r.s.arrived
		for _, m := range r.s.messages {
			if m.Seq >= r.next && limit > 0 {
				buf, r.next, limit = append(buf, r.lend(m)), m.Seq+1, limit-1
			}
		}
		r.s.mu.Unlock()
		if len(buf) > 0 {
			return buf, nil
		}
		select {
		case <-ctx.Done():
			return buf, ctx.Err()
		case <-arrived:
		}
	}
}

func (r *memReader) Close() error { return nil }
