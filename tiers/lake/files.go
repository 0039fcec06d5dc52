package lake

import (
	"container/list"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/removal"
)

// maxCachedFiles bounds the listing cache: about 300 bytes a file.
const maxCachedFiles = 100_000

// listed is a file as a manifest has it.
type listed struct {
	tiers.DataFile
	snapshot int64 // that added it
	added    bool  // by the very snapshot that wrote the manifest
}

// manifestCache keeps decoded manifests. They are immutable, so an entry is
// never stale; the least recently used go first.
type manifestCache struct {
	mu    sync.Mutex
	max   int
	files int
	byKey map[manifestKey]*list.Element
	order *list.List // of *cachedManifest, most recent first
}

// manifestKey: the ids of the columns are part of it because the bounds that a
// listing keeps are theirs.
type manifestKey struct {
	path string
	ids  boundIDs
}

// boundIDs are the field ids of the columns whose bounds a listing keeps; 0:
// the table has none.
type boundIDs struct{ time, seq, ingest int }

type cachedManifest struct {
	key   manifestKey
	files []listed
}

func newManifestCache(max int) *manifestCache {
	return &manifestCache{max: max, byKey: map[manifestKey]*list.Element{}, order: list.New()}
}

func (c *manifestCache) get(k manifestKey) ([]listed, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[k]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedManifest).files, true
}

func (c *manifestCache) put(k manifestKey, files []listed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[k]; ok {
		return
	}
	c.byKey[k] = c.order.PushFront(&cachedManifest{k, files})
	c.files += len(files) + 1
	for c.files > c.max && c.order.Len() > 1 {
		last := c.order.Remove(c.order.Back()).(*cachedManifest)
		delete(c.byKey, last.key)
		c.files -= len(last.files) + 1
	}
}

// manifest lists the live files of a manifest. The caller must not change it.
func (l *Lake) manifest(m iceberg.ManifestFile, ids boundIDs) ([]listed, error) {
	k := manifestKey{m.FilePath(), ids}
	if files, ok := l.cache.get(k); ok {
		return files, nil
	}
	files, err := l.readManifest(m, ids)
	if err == nil {
		l.cache.put(k, files)
	}
	return files, err
}

// readManifest is manifest from the file itself.
func (l *Lake) readManifest(m iceberg.ManifestFile, ids boundIDs) ([]listed, error) {
	files := make([]listed, 0, max(0, min(m.AddedDataFiles()+m.ExistingDataFiles(), maxCachedFiles)))
	in := &watchedIO{fileIO: l.io}
	err := decoded(func() error {
		for e, err := range m.Entries(in, true) {
			if err != nil {
				return err
			}
			files = append(files, listed{
				DataFile: describe(e.DataFile(), ids),
				snapshot: e.SnapshotID(),
				added:    e.Status() == iceberg.EntryStatusADDED,
			})
		}
		return nil
	})
	if err != nil {
		return nil, broken("manifest", m.FilePath(), in.failed, err)
	}
	return files, nil
}

// largeFile is the size in bytes from which on the fields of a file are kept.
// What smaller ones cost to read does not depend on how.
const largeFile = 1 << 20

// describe is the part of a file's description that a listing keeps.
func describe(d iceberg.DataFile, ids boundIDs) tiers.DataFile {
	f := tiers.DataFile{Path: d.FilePath(), Size: d.FileSizeBytes(), Rows: d.Count()}
	var own bool
	f.CRC32C, own = tiers.PathChecksum(f.Path)
	for _, v := range d.Partition() {
		switch v := v.(type) {
		case iceberg.Date:
			f.Day = int32(v)
		case int32:
			f.Day = v
		}
	}
	f.Clustered = d.SortOrderID() == nil && f.Day != 0
	for id := range d.ValueCounts() {
		if field, copied := tiers.CopyOf(id); copied {
			f.Copies = append(f.Copies, field)
		}
	}
	slices.Sort(f.Copies)
	if own && f.Size >= largeFile {
		f.Fields = tiers.FieldSetOf(maps.Keys(d.ValueCounts()))
	}
	if ids.time != 0 {
		lo, okLo := bound(d.LowerBoundValues()[ids.time])
		hi, okHi := bound(d.UpperBoundValues()[ids.time])
		if okLo && okHi {
			f.TimeMin, f.TimeMax = time.UnixMicro(lo).UTC(), time.UnixMicro(hi).UTC()
		}
	}
	if hi, ok := bound(d.UpperBoundValues()[ids.seq]); ok && ids.seq != 0 {
		f.SeqMax = uint64(hi)
	}
	if hi, ok := bound(d.UpperBoundValues()[ids.ingest]); ok && ids.ingest != 0 {
		f.Ingested = time.UnixMicro(hi).UTC()
	}
	return f
}

// bound decodes Iceberg's single-value form of a long or timestamp.
func bound(b []byte) (int64, bool) {
	if len(b) != 8 {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint64(b)), true
}

func (v *version) boundIDs() boundIDs {
	id := func(column string, kind tiers.Kind) int {
		if f, ok := v.schema.Lookup(column); ok && f.Type.Kind == kind {
			return f.ID
		}
		return 0
	}
	return boundIDs{id(tiers.ColTime, tiers.KindTimestamp), id(tiers.ColStreamSeq, tiers.KindLong),
		id(tiers.ColIngestTime, tiers.KindTimestamp)}
}

// manifests lists the manifests of a snapshot.
func (l *Lake) manifests(s *table.Snapshot) ([]iceberg.ManifestFile, error) {
	if s == nil {
		return nil, nil
	}
	var ms []iceberg.ManifestFile
	in := &watchedIO{fileIO: l.io}
	err := decoded(func() (err error) {
		ms, err = s.Manifests(in)
		return err
	})
	if err != nil {
		return nil, broken("manifest list", s.ManifestList, in.failed, err)
	}
	for _, m := range ms {
		if m.ManifestContent() != iceberg.ManifestContentData {
			return nil, fmt.Errorf("%w: snapshot %d has delete files, which the lake does not write", tiers.ErrHalt,
				s.SnapshotID)
		}
	}
	return ms, nil
}

// eachFile visits the live files of a snapshot with all their statistics.
func (l *Lake) eachFile(s *table.Snapshot, visit func(iceberg.DataFile)) error {
	ms, err := l.manifests(s)
	if err != nil {
		return err
	}
	for _, m := range ms {
		in := &watchedIO{fileIO: l.io}
		err := decoded(func() error {
			for e, err := range m.Entries(in, true) {
				if err != nil {
					return err
				}
				visit(e.DataFile())
			}
			return nil
		})
		if err != nil {
			return broken("manifest", m.FilePath(), in.failed, err)
		}
	}
	return nil
}

// SeqBounds tells, of data files of the current snapshot by their paths, between
// which sequences their messages are, as their manifests have it: what is known
// of a file that cannot be read.
func (t *Table) SeqBounds(_ context.Context, paths []string) (map[string]tiers.SeqRange, error) {
	v := t.version()
	field, ok := v.schema.Lookup(tiers.ColStreamSeq)
	if !ok {
		return nil, nil
	}
	out := map[string]tiers.SeqRange{}
	err := t.lake.eachFile(v.meta.CurrentSnapshot(), func(f iceberg.DataFile) {
		if !slices.Contains(paths, f.FilePath()) {
			return
		}
		lo, okLo := bound(f.LowerBoundValues()[field.ID])
		hi, okHi := bound(f.UpperBoundValues()[field.ID])
		if okLo && okHi {
			out[f.FilePath()] = tiers.SeqRange{First: uint64(lo), Last: uint64(hi)}
		}
	})
	return out, err
}

// gone reports whether reading failed because the file is missing, or the disk
// cannot give it.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EIO) }

// decoded runs a decoder of what may be damaged, which may panic.
func decoded(decode func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it cannot be decoded: %v", p)
		}
	}()
	return decode()
}

// broken is an error of reading the lake's own metadata; failed is that of the
// file system, if there was one. It is a *tiers.MetadataError unless the file may
// be well and only the reading failed.
func broken(what, path string, failed, err error) error {
	if failed != nil && !gone(failed) {
		return fmt.Errorf("read %s %s: %w", what, path, err)
	}
	return &tiers.MetadataError{What: what, Path: path, Err: err}
}

// find returns the snapshot with this id, or the current one for 0, which is
// nil if there is none. A snapshot that this version does not know may be newer
// than it.
func (t *Table) find(ctx context.Context, id int64) (*version, *table.Snapshot, error) {
	v := t.version()
	if id == 0 {
		return v, v.meta.CurrentSnapshot(), nil
	}
	if s := v.meta.SnapshotByID(id); s != nil {
		return v, s, nil
	}
	v, err := t.refresh(ctx)
	if err != nil {
		return nil, nil, err
	}
	if s := v.meta.SnapshotByID(id); s != nil {
		return v, s, nil
	}
	return nil, nil, fmt.Errorf("lake.%s has no snapshot %d: it has expired, or never was", t.name, id)
}

// Files lists the data files of a snapshot whose bounds of time meet
// [from, to), ordered by time. A file without bounds is always listed.
func (t *Table) Files(ctx context.Context, id int64, from, to time.Time) ([]tiers.DataFile, error) {
	v, s, err := t.find(ctx, id)
	if err != nil {
		return nil, err
	}
	ms, err := t.lake.manifests(s)
	if err != nil {
		return nil, err
	}
	// Decoding is most of the work: each processor takes a manifest at a time.
	parts := make([][]tiers.DataFile, len(ms))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, m := range ms {
		g.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			files, err := t.lake.manifest(m, v.boundIDs())
			for _, f := range files {
				if meets(f.DataFile, from, to) {
					parts[i] = append(parts[i], f.DataFile)
				}
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := slices.Concat(parts...)
	slices.SortFunc(out, byTime)
	return out, nil
}

func meets(f tiers.DataFile, from, to time.Time) bool {
	if f.TimeMin.IsZero() && f.TimeMax.IsZero() {
		return true
	}
	return (from.IsZero() || !f.TimeMax.Before(from)) && (to.IsZero() || f.TimeMin.Before(to))
}

func byTime(a, b tiers.DataFile) int {
	if c := a.TimeMin.Compare(b.TimeMin); c != 0 {
		return c
	}
	if a.Path < b.Path {
		return -1
	}
	return 1
}

// Added lists the files of the appends after since. Compactions in between
// change no rows and are passed over; the files that they replaced are still
// listed, since those hold exactly the new rows. So are those that retention
// took out.
func (t *Table) Added(ctx context.Context, since, until int64) ([]tiers.DataFile, bool, error) {
	v, s, err := t.find(ctx, until)
	if err != nil {
		return nil, false, err
	}
	appends, ok := v.appends(s, since)
	if !ok {
		return nil, false, nil
	}
	var out []tiers.DataFile
	for _, a := range appends {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		ms, err := t.lake.manifests(a)
		if err != nil {
			return nil, false, err
		}
		for _, m := range ms {
			if m.SnapshotID() != a.SnapshotID {
				continue
			}
			files, err := t.lake.manifest(m, v.boundIDs())
			if err != nil {
				return nil, false, err
			}
			for _, f := range files {
				if f.added && f.snapshot == a.SnapshotID {
					out = append(out, f.DataFile)
				}
			}
		}
	}
	slices.SortFunc(out, byTime)
	return out, true, nil
}

// appends walks from s back to since (0: the first) and returns the appends.
func (v *version) appends(s *table.Snapshot, since int64) ([]*table.Snapshot, bool) {
	var out []*table.Snapshot
	for s != nil && s.SnapshotID != since {
		if s.Summary == nil {
			return nil, false
		}
		switch {
		case s.Summary.Operation == table.OpAppend:
			out = append(out, s)
		case s.Summary.Operation == table.OpReplace:
		case s.Summary.Properties[removal.SummaryKey] == removal.Retain:
		default:
			return nil, false
		}
		if s.ParentSnapshotID == nil {
			return out, since == 0
		}
		s = v.meta.SnapshotByID(*s.ParentSnapshotID)
		if s == nil {
			return nil, false
		}
	}
	return out, s != nil || since == 0
}
