package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// In a snapshot's summary; a courtesy that saves reading old files.
const (
	summarySource = "lakeward.source"
	summaryTo     = "lakeward.to"
)

// epoch is one reading of the stream, from the marks on.
type epoch struct {
	s        *Source
	info     StreamInfo
	first    bool             // no table has a mark yet
	resets   uint64           // of the marks
	start    uint64           // everything up to it is in the lake
	startAt  time.Time        // when the stream got that message; zero: not known
	reached  uint64           // greatest mark: beyond it nothing is
	feeds    map[string]*feed // of the tables with a mark
	writer   *parquetfile.Writer
	memory   *claim
	recorded map[recorded]bool // what the tables of bookkeeping hold beyond start
}

// feed is one table that the source feeds. The decoder owns the first part,
// the committer the second.
type feed struct {
	name    string
	opts    TableOptions
	through uint64                      // the table has what it gets up to here
	held    bool                        // it had a mark when the epoch began
	known   tiers.Schema                // columns that batches start with
	rows    rows                        // of the batch that fills; nil: none
	free    chan kept                   // to be used again
	asked   uint64                      // the last chunk for which the table was asked for removals
	removed map[uint64][]tiers.SeqRange // what it answered

	listed bool        // by the committer
	table  tiers.Table // nil: not opened yet; the decoder may use it if held
	mark   *tiers.Mark // nil: none of this source
	moved  time.Time   // when the mark was last written
}

// recorded is a row of quarantine or ingest_skipped: the event at index of the
// message, or the whole message or gap that ends at seq (index -1).
type recorded struct {
	table string
	seq   uint64
	index int
}

func newFeed(name string, o TableOptions) *feed {
	return &feed{name: name, opts: o, free: make(chan kept, 1)}
}

// kept is a batch that was committed, and the memory that it holds.
type kept struct {
	rows  eventRows
	bytes int64
}

// recycle keeps the memory of a batch that was committed for the next one while
// full batches follow each other. Otherwise it lets go of what the last rush
// needed.
func (e *epoch) recycle(p part, reuse bool) {
	r, ok := p.rows.(eventRows)
	if !ok || !reuse {
		e.memory.update(func(h *holding) { h.sealed -= p.bytes })
		if ok {
			e.releaseBuffer(p.feed)
		}
		return
	}
	e.memory.update(func(h *holding) { h.sealed, h.idle = h.sealed-p.bytes, h.idle+p.bytes })
	select {
	case p.feed.free <- kept{r, p.bytes}:
	default:
		e.memory.update(func(h *holding) { h.idle -= p.bytes })
	}
}

// releaseBuffer drops the memory that a feed keeps.
func (e *epoch) releaseBuffer(f *feed) {
	select {
	case k := <-f.free:
		e.memory.update(func(h *holding) { h.idle -= k.bytes })
	default:
	}
}

// identity is what files record of the stream: its sequences mean nothing
// without it.
func (e *epoch) identity() string { return identity(e.s.key, e.info.Created, e.resets) }

func identity(key string, created time.Time, resets uint64) string {
	id := key + "|" + created.UTC().Format(time.RFC3339Nano)
	if resets > 0 {
		id += "|" + strconv.FormatUint(resets, 10)
	}
	return id
}

// StreamIdentity is how the identity begins that files record of a source's
// stream, whatever its resets.
func StreamIdentity(stream, filter string, created time.Time) string {
	return identity(tiers.Mark{Stream: stream, Filter: filter}.Key(), created, 0)
}

func (e *epoch) has(table string, seq uint64, index int) bool {
	return len(e.recorded) > 0 && e.recorded[recorded{table, seq, index}]
}

// catalog halts if the catalog is older than the lake.
func (s *Source) catalog(ctx context.Context) error {
	if s.o.Catalog == nil {
		return nil
	}
	return s.o.Catalog(ctx)
}

// marks are the source's marks by table.
func (s *Source) marks(ctx context.Context) (map[string]tiers.Mark, error) {
	tables, err := s.tables(ctx)
	if err != nil {
		return nil, err
	}
	return marksOf(tables, s.key), nil
}

func marksOf(tables map[string]tiers.Table, key string) map[string]tiers.Mark {
	out := map[string]tiers.Mark{}
	for name, t := range tables {
		out[name] = t.Marks()[key]
	}
	return out
}

// tables opens the tables that have a mark of the source, and halts if one that
// it fed has none any more: where the source would go on there is not known.
func (s *Source) tables(ctx context.Context) (map[string]tiers.Table, error) {
	tables, lost, err := tablesOf(ctx, s.o.Lake, s.key, nil)
	if err == nil && len(lost) > 0 {
		err = unmarked(slices.Sorted(maps.Keys(lost)))
	}
	return tables, err
}

func unmarked(names []string) error {
	return fmt.Errorf("%w: lake.%s; %d in all", errUnmarked, names[0], len(names))
}

// tablesOf opens the tables that have a mark of the source with that key, and
// those that have lost it. What of a table is damaged is an error, unless broken
// (nil: none is) takes it.
func tablesOf(ctx context.Context, lake tiers.Lake, key string, broken func(name string, err error)) (marked,
	lost map[string]tiers.Table, err error) {
	names, err := lake.Tables(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("list tables: %w", err)
	}
	marked, lost = map[string]tiers.Table{}, map[string]tiers.Table{}
	for _, name := range names {
		t, err := lake.Open(ctx, name)
		if errors.Is(err, tiers.ErrDamaged) && broken != nil {
			broken(name, err)
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("open lake.%s: %w", name, err)
		}
		if _, ok := t.Marks()[key]; ok {
			marked[name] = t
		} else if slices.Contains(tiers.LostMarks(t), key) {
			lost[name] = t
		}
	}
	return marked, lost, nil
}

// begin reads the marks, and halts where they cannot be believed or do not
// belong to this stream.
func (s *Source) begin(ctx context.Context) (*epoch, error) {
	if err := s.catalog(ctx); err != nil {
		return nil, err
	}
	info, err := s.o.Stream.Info(ctx, s.o.Filter)
	if err != nil {
		return nil, err
	}
	s.key = tiers.Mark{Stream: info.Name, Filter: s.o.Filter}.Key()
	s.note(func(st *Status) { st.Stream = info.Name })
	tables, err := s.tables(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.belong(ctx, marksOf(tables, s.key), info); err != nil {
		return nil, err
	}
	e := &epoch{s: s, info: info, writer: parquetfile.NewParallelWriter(min(2, runtime.GOMAXPROCS(0))),
		memory: s.o.Memory.open(), feeds: map[string]*feed{}, first: len(tables) == 0}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		t := tables[name]
		m := t.Marks()[s.key]
		if len(e.feeds) == 0 || m.Seq < e.start {
			e.start, e.startAt = m.Seq, m.Published
		}
		e.resets = m.Resets
		e.reached = max(e.reached, m.Seq)
		f := newFeed(name, s.o.Tables(name))
		f.held, f.through, f.known = true, m.Seq, t.Schema()
		f.table, f.mark, f.moved = t, &m, s.o.Now()
		e.feeds[name] = f
	}
	if e.recorded, err = e.readRecorded(ctx); err != nil {
		return nil, err
	}
	s.refused.through(e.start)
	s.note(func(st *Status) { st.Committed, st.Last, st.lastAt = e.start, e.start, e.startAt })
	return e, nil
}

// readRecorded reads what quarantine and ingest_skipped hold beyond the start, so
// that it is not said again. It is little: what a crash left half committed.
func (e *epoch) readRecorded(ctx context.Context) (map[recorded]bool, error) {
	out := map[recorded]bool{}
	for _, name := range []string{Quarantine, Skipped} {
		f, ok := e.feeds[name]
		if !ok || f.through <= e.start {
			continue
		}
		files, err := filesAfter(ctx, f.table, e.s.key, e.start)
		if err != nil {
			return nil, fmt.Errorf("list files of lake.%s: %w", name, err)
		}
		for _, file := range files {
			err := e.readRecordedFile(ctx, name, file.Path, out)
			if errors.Is(err, tiers.ErrDamaged) { // the rows are lost: to say them again brings them back
				e.s.log.Error("a damaged file is passed over", "table", "lake."+name, "file", file.Path, "error", err)
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("read lake.%s: %w", name, err)
			}
		}
	}
	return out, nil
}

func (e *epoch) readRecordedFile(ctx context.Context, table, path string, out map[recorded]bool) error {
	seqs, err := e.s.o.data().seqs(ctx, path)
	if err != nil || seqs.Stream != e.identity() { // sequences of another stream, or from before a reset
		return err
	}
	return e.s.o.data().columns(ctx, path, []string{tiers.ColStreamSeq, colSource, colIndex}, func(v []value) {
		if seq := uint64(v[0].long); v[1].text == e.s.key && seq > e.start {
			out[recorded{table, seq, int(v[2].long)}] = true
		}
	})
}

// filesAfter lists files that hold every row of the source beyond seq, and
// more, where snapshots do not tell.
func filesAfter(ctx context.Context, t tiers.Table, key string, seq uint64) ([]tiers.DataFile, error) {
	snaps := t.Snapshots()
	for _, sn := range slices.Backward(snaps) {
		to, err := strconv.ParseUint(sn.Summary[summaryTo], 10, 64)
		if sn.Summary[summarySource] != key || err != nil || to > seq {
			continue
		}
		files, ok, err := t.Added(ctx, sn.ID, 0)
		if err != nil || ok {
			return files, err
		}
		break
	}
	return t.Files(ctx, 0, time.Time{}, time.Time{})
}
