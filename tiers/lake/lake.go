// Package lake is the lake tier: Iceberg tables of Parquet files in a
// directory, named by Iceberg's SQL catalog in a SQLite file or in PostgreSQL. It
// is the only importer of iceberg-go.
//
// The invariant: what a commit names is complete and synced before the
// catalog's pointer moves, the pointer moves by compare-and-swap from the very
// metadata that the commit was built on, and the files and the mark are in that
// one metadata. Retries belong to the caller; iceberg-go's own would move the
// commit to a head whose mark was never compared.
package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/lakeward/lakeward/tiers"
)

// Options say where the lake is.
type Options struct {
	Warehouse string // directory of the tables
	Catalog   string // path of the SQLite file, or a postgres:// URL
	Logger    *slog.Logger
	ReadOnly  bool // the lake must exist; nothing of it is written

	FS           FS               // nil: the operating system's
	CatalogFault func(Step) error // nil: none; lets a test fail the catalog's commit
}

// Lake implements tiers.Lake. Safe for concurrent use, also by several
// processes on the same files.
type Lake struct {
	warehouse string
	record    Record
	log       *slog.Logger
	readOnly  bool
	catalog   Catalog
	files     *durable
	io        fileIO
	cache     *manifestCache
	trust     *trust
	commits   sync.Map // table name to *sync.Mutex
	believed  sync.Map // names of tables whose rows were compared with their folders
}

// serial holds the commits of a table in this process one behind the other,
// so that they do not refuse each other for being a moment late. Other
// processes are fenced by the catalog alone.
func (l *Lake) serial(name string) (unlock func()) {
	m, _ := l.commits.LoadOrStore(name, new(sync.Mutex))
	mu := m.(*sync.Mutex)
	mu.Lock()
	return mu.Unlock
}

var _ tiers.Lake = (*Lake)(nil)

// Open opens the lake, and makes it unless it exists or o.ReadOnly is set. The
// error wraps ErrElsewhere if the lake was made in another place.
func Open(ctx context.Context, o Options) (*Lake, error) {
	l, err := openAnywhere(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := l.identify(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// openAnywhere is Open without a look at where the lake was made.
func openAnywhere(ctx context.Context, o Options) (*Lake, error) {
	warehouse, err := filepath.Abs(o.Warehouse)
	if err != nil {
		return nil, fmt.Errorf("locate warehouse: %w", err)
	}
	if o.Catalog, err = catalogAt(o.Catalog); err != nil {
		return nil, fmt.Errorf("locate catalog: %w", err)
	}
	if o.FS == nil {
		o.FS = OS{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Lake{warehouse: warehouse, log: o.Logger, readOnly: o.ReadOnly,
		files: newDurable(o.FS), cache: newManifestCache(maxCachedFiles), trust: newTrust(o.FS)}
	l.io = fileIO{l.files}
	if !o.ReadOnly {
		if err := l.files.ensureDir(warehouse); err != nil {
			return nil, fmt.Errorf("make directory %s: %w", warehouse, err)
		}
	}
	l.catalog, err = openCatalog(ctx, catalogOptions{at: o.Catalog, warehouse: warehouse, readOnly: o.ReadOnly,
		files: l.files, fault: o.CatalogFault})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// pingTimeout is what a catalog that does not answer is given.
const pingTimeout = 3 * time.Second

// Ping is an error in words, which wraps tiers.ErrAway, if the catalog cannot
// be reached.
func (l *Lake) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := l.catalog.Ping(ctx); err != nil {
		return fmt.Errorf("the lake's catalog (%s) %w: %w", l.catalog.Name(), tiers.ErrAway, err)
	}
	return nil
}

// Close releases the catalog. Tables are not usable afterwards.
func (l *Lake) Close() error { return l.catalog.Close() }

// Tables lists the names of the lake's tables, in order.
func (l *Lake) Tables(ctx context.Context) ([]string, error) {
	tables, err := l.catalog.Tables(ctx)
	return slices.Sorted(maps.Keys(tables)), err
}

// Open loads a table. The error wraps tiers.ErrNoTable if there is none.
func (l *Lake) Open(ctx context.Context, name string) (tiers.Table, error) {
	return l.open(ctx, name)
}

func (l *Lake) open(ctx context.Context, name string) (*Table, error) {
	v, err := l.version(ctx, name, nil)
	if err != nil {
		return nil, err
	}
	return &Table{lake: l, name: name, uuid: v.meta.TableUUID(), cur: v}, nil
}

// validName keeps a name usable as a directory and in every engine.
var validName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,127}$`)

// Create makes a table. Its ids in s are ignored. The error wraps
// tiers.ErrConflict if the table exists.
func (l *Lake) Create(ctx context.Context, name string, s tiers.Schema, o tiers.Options) (tiers.Table, error) {
	if l.readOnly {
		return nil, errReadOnly
	}
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("table name %q: use letters, digits, _ and -", name)
	}
	if _, err := l.catalog.Metadata(ctx, name); !errors.Is(err, tiers.ErrNoTable) {
		if err == nil {
			err = fmt.Errorf("%w: lake.%s exists", tiers.ErrConflict, name)
		}
		return nil, err
	}
	if err := l.unclaimed(ctx, name); err != nil {
		return nil, fmt.Errorf("create lake.%s: %w", name, err)
	}
	loc, err := l.newLocation(name)
	if err != nil {
		return nil, err
	}
	meta, err := newMetadata(name, s, o, loc)
	if err != nil {
		return nil, fmt.Errorf("create lake.%s: %w", name, err)
	}
	at := metadataLocation(meta, 0)
	if err := l.writeMetadata(at, meta); err != nil {
		return nil, fmt.Errorf("create lake.%s: %w", name, err)
	}
	if err := l.catalog.Insert(ctx, name, at); err != nil {
		return nil, fmt.Errorf("create lake.%s: %w", name, err)
	}
	l.accept(at)
	return l.open(ctx, name)
}

// newLocation is a directory that no earlier table of the name used: files of
// a dropped table stay until they are removed as orphans.
func (l *Lake) newLocation(name string) (string, error) {
	dir := filepath.Join(l.warehouse, Namespace, name)
	_, err := l.files.fs.Stat(dir)
	if err == nil {
		return tiers.Location(dir + "-" + uuid.NewString()[:8]), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("look for directory of lake.%s: %w", name, err)
	}
	return tiers.Location(dir), nil
}

// newMetadata is the first version of a table.
func newMetadata(name string, s tiers.Schema, o tiers.Options, loc string) (table.Metadata, error) {
	sc, err := toIceberg(s)
	if err != nil {
		return nil, err
	}
	props := defaultProperties()
	for k, v := range o.Properties {
		props[k] = v
	}
	props[nameProp] = name
	spec, order := iceberg.UnpartitionedSpec, table.UnsortedSortOrder
	tf, hasTime := s.Lookup(tiers.ColTime)
	if !o.Unpartitioned && (!hasTime || tf.Type.Kind != tiers.KindTimestamp) {
		return nil, fmt.Errorf("a partitioned table needs a timestamp column %q", tiers.ColTime)
	}
	if !o.Unpartitioned {
		f, _ := sc.FindFieldByName(tiers.ColTime)
		if order, err = table.NewSortOrder(1, []table.SortField{{SourceIDs: []int{f.ID},
			Transform: iceberg.IdentityTransform{}, Direction: table.SortASC, NullOrder: table.NullsFirst}}); err != nil {
			return nil, err
		}
		day := iceberg.NewPartitionSpec(iceberg.PartitionField{SourceIDs: []int{f.ID}, FieldID: 1000,
			Name: tiers.ColTime + "_day", Transform: iceberg.DayTransform{}})
		spec = &day
	}
	return table.NewMetadata(sc, spec, order, loc, props)
}

// defaultProperties keep metadata small whatever the number of commits. Old
// metadata files stay a while for readers that are about to open them.
func defaultProperties() iceberg.Properties {
	return iceberg.Properties{
		table.PropertyFormatVersion:               "2",
		table.CommitNumRetriesKey:                 "0",
		table.MetadataDeleteAfterCommitEnabledKey: "true",
		table.MetadataPreviousVersionsMaxKey:      "30",
		table.ManifestMergeEnabledKey:             "true",
		table.ManifestMinMergeCountKey:            "50",
		table.ParquetCompressionKey:               "zstd",
	}
}

var errReadOnly = errors.New("the lake is open for reading only")

// Drop removes a table from the catalog; its files stay for queries that read
// them, until they are removed as orphans. The error wraps tiers.ErrNoTable
// if there is none.
func (l *Lake) Drop(ctx context.Context, name string) error {
	if l.readOnly {
		return errReadOnly
	}
	loc, err := l.catalog.Metadata(ctx, name)
	if err != nil {
		return err
	}
	if err := l.noteDropped(loc); err != nil {
		return fmt.Errorf("drop lake.%s: %w", name, err)
	}
	if err := l.catalog.Drop(ctx, name); err != nil {
		return fmt.Errorf("drop lake.%s: %w", name, err)
	}
	return nil
}

// RemoveFile deletes a file that no commit ever named. It is not an error if the
// file does not exist.
func (l *Lake) RemoveFile(_ context.Context, path string) error {
	if l.readOnly {
		return errReadOnly
	}
	if err := l.io.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}
