package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/lakeward/lakeward/tiers"
)

// The table properties of the lake's own bookkeeping.
const (
	markPrefix  = tiers.MarkProperty
	commitsProp = "lakeward.commits" // ids of the last commits, oldest first, as JSON
	commitProp  = "lakeward.commit"  // in a snapshot's summary: the id of its commit
	keptCommits = 64
)

// version is a table at one metadata file. Immutable.
type version struct {
	name     string
	location string // of the metadata file
	meta     table.Metadata
	schema   tiers.Schema
	marks    map[string]tiers.Mark
	commits  []string
}

// version loads what the catalog points at; prev is returned if it is that.
func (l *Lake) version(ctx context.Context, name string, prev *version) (*version, error) {
	loc, err := l.catalog.Metadata(ctx, name)
	if err != nil {
		return nil, err
	}
	if prev != nil && prev.location == loc {
		return prev, nil
	}
	b, err := l.io.ReadFile(loc)
	if err != nil {
		return nil, broken("metadata file", loc, err, err)
	}
	var meta table.Metadata
	err = decoded(func() (err error) {
		meta, err = table.ParseMetadataBytes(b)
		return err
	})
	if err != nil {
		return nil, broken("metadata file", loc, nil, err)
	}
	return newVersion(name, loc, meta, prev)
}

// newVersion reads a table's metadata; prev is an earlier version, or nil.
func newVersion(name, loc string, meta table.Metadata, prev *version) (*version, error) {
	v := &version{name: name, location: loc, meta: meta, schema: fromIceberg(meta.CurrentSchema()),
		marks: map[string]tiers.Mark{}}
	if prev != nil && prev.schema.ID == v.schema.ID && len(prev.meta.Schemas()) == len(meta.Schemas()) {
		v.schema.NamesStable = prev.schema.NamesStable
	} else {
		v.schema.NamesStable = namesStable(meta.Schemas())
	}
	for k, s := range meta.Properties() {
		key, ok := strings.CutPrefix(k, markPrefix)
		if !ok {
			continue
		}
		var m tiers.Mark
		if err := json.Unmarshal([]byte(s), &m); err != nil {
			return nil, fmt.Errorf("%w: lake.%s: mark %s: %w", tiers.ErrHalt, name, key, err)
		}
		v.marks[key] = m
	}
	if s := meta.Properties()[commitsProp]; s != "" {
		if err := json.Unmarshal([]byte(s), &v.commits); err != nil {
			return nil, fmt.Errorf("%w: lake.%s: commit ids: %w", tiers.ErrHalt, name, err)
		}
	}
	return v, nil
}

// Table implements tiers.Table.
type Table struct {
	lake *Lake
	name string
	uuid uuid.UUID

	mu  sync.RWMutex
	cur *version
}

var _ tiers.Table = (*Table)(nil)

func (t *Table) version() *version {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.cur
}

// advance makes v the version that is seen, unless a later one already is.
func (t *Table) advance(v *version) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if metadataNumber(v.location) >= metadataNumber(t.cur.location) {
		t.cur = v
	}
}

// refresh loads the present version.
func (t *Table) refresh(ctx context.Context) (*version, error) {
	seen := t.version()
	v, err := t.lake.version(ctx, t.name, seen)
	if errors.Is(err, tiers.ErrNoTable) {
		return nil, fmt.Errorf("%w: %w", tiers.ErrHalt, err)
	}
	if err != nil {
		return nil, err
	}
	if v.meta.TableUUID() != t.uuid {
		return nil, fmt.Errorf("%w: lake.%s was dropped and made again", tiers.ErrHalt, t.name)
	}
	if n, was := metadataNumber(v.location), metadataNumber(seen.location); n < was {
		return nil, fmt.Errorf("%w: the catalog names version %d of the metadata of lake.%s, and named version %d before: "+
			"it was put back from an older copy; %s", tiers.ErrHalt, n, t.name, was, wayOut)
	}
	t.advance(v)
	return v, nil
}

// Name is the bare name.
func (t *Table) Name() string { return t.name }

// Schema is the current schema, with every id. The caller must not change it.
func (t *Table) Schema() tiers.Schema { return t.version().schema }

// Marks returns the marks by their keys.
func (t *Table) Marks() map[string]tiers.Mark { return maps.Clone(t.version().marks) }

// Properties returns the table's properties, the lake's own included.
func (t *Table) Properties() map[string]string { return maps.Clone(t.version().meta.Properties()) }

// Current is the newest snapshot; ok is false if the table has none yet.
func (t *Table) Current() (tiers.Snapshot, bool) { return t.version().current() }

func (v *version) current() (tiers.Snapshot, bool) {
	s := v.meta.CurrentSnapshot()
	if s == nil {
		return tiers.Snapshot{}, false
	}
	return snapshot(*s), true
}

// Snapshots lists the snapshots that are kept, oldest first.
func (t *Table) Snapshots() []tiers.Snapshot {
	in := t.version().meta.Snapshots()
	out := make([]tiers.Snapshot, len(in))
	for i, s := range in {
		out[i] = snapshot(s)
	}
	return out
}

func snapshot(s table.Snapshot) tiers.Snapshot {
	out := tiers.Snapshot{ID: s.SnapshotID, Sequence: s.SequenceNumber, Time: time.UnixMilli(s.TimestampMs).UTC()}
	if s.ParentSnapshotID != nil {
		out.Parent = *s.ParentSnapshotID
	}
	if s.Summary != nil {
		out.Operation = string(s.Summary.Operation)
		out.Summary = maps.Clone(s.Summary.Properties)
	}
	return out
}

// Refresh reloads the table's metadata from the catalog. It costs one look-up
// if nothing changed.
func (t *Table) Refresh(ctx context.Context) error {
	_, err := t.refresh(ctx)
	return err
}

// Committed reports whether the commit with this id took effect. It waits for
// one that is still under way, so what it says stays true. A lake that is open
// for reading only has no commits of its own, and does not wait.
func (t *Table) Committed(ctx context.Context, id string) (bool, error) {
	if !t.lake.readOnly {
		if err := t.lake.catalog.Settle(ctx, t.name); err != nil {
			return false, fmt.Errorf("look up commit %s: %w", id, err)
		}
	}
	v, err := t.refresh(ctx)
	if err != nil {
		return false, fmt.Errorf("look up commit %s: %w", id, err)
	}
	return v.holds(id), nil
}

func (v *version) holds(id string) bool {
	if slices.Contains(v.commits, id) {
		return true
	}
	for _, s := range v.meta.Snapshots() {
		if s.Summary != nil && s.Summary.Properties[commitProp] == id {
			return true
		}
	}
	return false
}

// WriteNew stores a data file. When it returns, the file and the directories on
// its way survive power loss.
func (t *Table) WriteNew(_ context.Context, f tiers.DataFile, data []byte) (tiers.DataFile, error) {
	l := t.lake
	if l.readOnly {
		return f, errReadOnly
	}
	sum := tiers.AddCRC32C(0, data)
	if f.CRC32C != 0 && f.CRC32C != sum {
		return f, fmt.Errorf("write a data file of lake.%s: its %d bytes have checksum %08x, its writer counted %08x: "+
			"they changed in memory", t.name, len(data), sum, f.CRC32C)
	}
	path := tiers.ChecksumPath(t.newFilePath(f.Day), sum)
	if err := l.io.WriteFile(path, data); err != nil {
		err = fmt.Errorf("write %s: %w", path, err)
		if rerr := l.io.Remove(path); !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
		return f, err
	}
	f.Path, f.Size, f.CRC32C = path, int64(len(data)), sum
	l.trust.wrote(path, f.Size)
	return f, nil
}

// newFilePath is a fresh location for a data file of the given day (since
// 1970-01-01); it is also what the table's partitions are called.
func (t *Table) newFilePath(day int32) string {
	v := t.version()
	if spec := v.meta.PartitionSpec(); spec.NumFields() == 0 {
		return v.meta.Location() + "/data/" + uuid.NewString() + ".parquet"
	}
	date := time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly)
	return v.meta.Location() + "/data/" + tiers.ColTime + "_day=" + date + "/" + uuid.NewString() + ".parquet"
}
