package lake

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/iceberg-go/table"

	"github.com/lakeward/lakeward/tiers"
)

// CatalogCopy is a catalog at one moment.
type CatalogCopy struct {
	Record     Record            `json:"record"`
	Tables     []CatalogRow      `json:"tables"`
	Properties map[string]string `json:"properties"` // of the namespace; without leases
}

// CatalogRow is a table in it.
type CatalogRow struct {
	Table    string `json:"table"`
	Metadata string `json:"metadata"` // location
	Previous string `json:"previous,omitempty"`
}

// PinnedTable is a table as a CatalogCopy has it.
type PinnedTable struct {
	CatalogRow
	Snapshot int64        `json:"snapshot,omitempty"` // the newest
	Marks    []tiers.Mark `json:"marks,omitempty"`

	v    *version
	data []byte
}

// PinnedFile is a file that a pinned table needs.
type PinnedFile struct {
	Path string // relative to the warehouse
	Size int64  // -1: not recorded anywhere
	Data []byte // nil: it is to be read; what may be gone soon was read already
	// Optional files hold metadata of the past. Rows can be read without them.
	Optional bool
}

// Pin reads the catalog at one moment, and the metadata of every table that it
// names then.
func (l *Lake) Pin(ctx context.Context) (CatalogCopy, []PinnedTable, error) {
	c, err := l.copyCatalog(ctx)
	if err != nil {
		return c, nil, fmt.Errorf("copy the catalog: %w", err)
	}
	var out []PinnedTable
	for _, r := range c.Tables {
		p := PinnedTable{CatalogRow: r}
		if p.data, err = l.io.ReadFile(r.Metadata); err != nil {
			return c, nil, fmt.Errorf("pin lake.%s: %w", r.Table, broken("metadata file", r.Metadata, err, err))
		}
		var meta table.Metadata
		err = decoded(func() (err error) {
			meta, err = table.ParseMetadataBytes(p.data)
			return err
		})
		if err == nil {
			p.v, err = newVersion(r.Table, r.Metadata, meta, nil)
		}
		if err != nil {
			return c, nil, fmt.Errorf("pin lake.%s: %w", r.Table, err)
		}
		if s, ok := p.v.current(); ok {
			p.Snapshot = s.ID
		}
		for _, m := range p.v.marks {
			p.Marks = append(p.Marks, m)
		}
		slices.SortFunc(p.Marks, func(a, b tiers.Mark) int { return strings.Compare(a.Key(), b.Key()) })
		out = append(out, p)
	}
	return c, out, nil
}

// PinnedFiles lists every file that a pinned table needs, those of its snapshots
// of the past too.
func (l *Lake) PinnedFiles(ctx context.Context, p PinnedTable) ([]PinnedFile, error) {
	var out []PinnedFile
	seen := map[string]bool{}
	add := func(loc string, size int64, data []byte, optional bool) error {
		path, err := tiers.LocalPath(loc)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(l.warehouse, path)
		if err != nil || !filepath.IsLocal(rel) {
			return fmt.Errorf("%s is not below the warehouse %s", path, l.warehouse)
		}
		if !seen[rel] {
			seen[rel] = true
			out = append(out, PinnedFile{Path: rel, Size: size, Data: data, Optional: optional})
		}
		return nil
	}
	err := l.pinnedFiles(ctx, p, add)
	if err != nil {
		err = fmt.Errorf("list the files of lake.%s: %w", p.Table, err)
	}
	return out, err
}

func (l *Lake) pinnedFiles(ctx context.Context, p PinnedTable,
	add func(loc string, size int64, data []byte, optional bool) error) error {
	if err := add(p.Metadata, int64(len(p.data)), p.data, false); err != nil {
		return err
	}
	for old := range p.v.meta.PreviousFiles() {
		if err := add(old.MetadataFile, -1, nil, true); err != nil {
			return err
		}
	}
	for s := range p.v.meta.Statistics() {
		if err := add(s.StatisticsPath, s.FileSizeInBytes, nil, false); err != nil {
			return err
		}
	}
	for s := range p.v.meta.PartitionStatistics() {
		if err := add(s.StatisticsPath, s.FileSizeInBytes, nil, false); err != nil {
			return err
		}
	}
	for _, s := range slices.Backward(p.v.meta.Snapshots()) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := add(s.ManifestList, -1, nil, false); err != nil {
			return err
		}
		ms, err := l.manifests(&s)
		if err != nil {
			return err
		}
		for _, m := range ms {
			if err := add(m.FilePath(), m.Length(), nil, false); err != nil {
				return err
			}
			files, err := l.manifest(m, p.v.boundIDs())
			if err != nil {
				return err
			}
			for _, f := range files {
				if err := add(f.Path, f.Size, nil, false); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// RestoreCatalog fills an empty catalog from a copy, and records beside the
// warehouse where the lake was: what is restored in another place is to be
// relocated. A catalog that holds the copy already is left as it is.
func RestoreCatalog(ctx context.Context, o Options, c CatalogCopy) (err error) {
	o.ReadOnly = false
	l, err := openAnywhere(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	have, err := l.catalog.Tables(ctx)
	if err != nil {
		return err
	}
	if len(have) > 0 {
		return errors.Join(l.sameTables(have, c), err)
	}
	was, err := l.warehouseRecord(l.warehouse)
	if err != nil {
		return err
	}
	if was.ID != "" && was.ID != c.Record.ID {
		return fmt.Errorf("%w: the warehouse %s is of lake %s, and the copy is of %s: restore into an empty directory",
			ErrElsewhere, l.warehouse, was.ID, c.Record.ID)
	}
	if was.ID == "" {
		if err := l.recordInWarehouse(c.Record); err != nil {
			return fmt.Errorf("record which lake this is: %w", err)
		}
	}
	p, err := l.portable()
	if err != nil {
		return err
	}
	return p.Fill(ctx, c)
}

// sameTables is an error unless the catalog has the tables of the copy.
func (l *Lake) sameTables(have map[string]string, c CatalogCopy) error {
	if len(have) != len(c.Tables) {
		return fmt.Errorf("the catalog %s has %d tables already: restore into one that has none", l.catalog.Name(), len(have))
	}
	for _, r := range c.Tables {
		if _, ok := have[r.Table]; !ok {
			return fmt.Errorf("the catalog %s has tables already, and not lake.%s: restore into one that has none",
				l.catalog.Name(), r.Table)
		}
	}
	return nil
}

// portable is the catalog as one that can be copied and moved.
func (l *Lake) portable() (Portable, error) {
	p, ok := l.catalog.(Portable)
	if !ok {
		return nil, fmt.Errorf("the catalog %s cannot be copied or moved: do that with its own tools", l.catalog.Name())
	}
	return p, nil
}

func (l *Lake) copyCatalog(ctx context.Context) (CatalogCopy, error) {
	p, err := l.portable()
	if err != nil {
		return CatalogCopy{}, err
	}
	c, err := p.Copy(ctx)
	c.Record = l.record
	return c, err
}
