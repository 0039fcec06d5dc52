package lake

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/lakeward/lakeward/tiers"
)

// Commit applies c in one Iceberg commit on the newest version, if the mark
// there is still c.From and, for removals, if the files are still there.
//
// Besides tiers.ErrConflict, ErrUnknown and ErrHalt it can return an error of
// none of these classes (a full disk, a cancelled context): then nothing was
// committed and the same commit can be tried again.
func (t *Table) Commit(ctx context.Context, c tiers.Commit) (tiers.Snapshot, error) {
	if t.lake.readOnly {
		return tiers.Snapshot{}, errReadOnly
	}
	s, err := t.commit(ctx, c)
	if err != nil {
		return tiers.Snapshot{}, fmt.Errorf("commit %s to lake.%s: %w", c.ID, t.name, err)
	}
	return s, nil
}

func (t *Table) commit(ctx context.Context, c tiers.Commit) (tiers.Snapshot, error) {
	defer t.lake.serial(t.name)()
	base, err := t.refresh(ctx)
	if err != nil {
		return tiers.Snapshot{}, err
	}
	if err := check(base, c); err != nil {
		return tiers.Snapshot{}, err
	}
	props, err := bookkeeping(base, c)
	if err != nil {
		return tiers.Snapshot{}, err
	}
	txn, err := t.transaction(base)
	if err != nil {
		return tiers.Snapshot{}, err
	}
	if err := t.stage(ctx, txn, base, c); err != nil {
		return tiers.Snapshot{}, err
	}
	if err := txn.SetProperties(props); err != nil {
		return tiers.Snapshot{}, fmt.Errorf("set properties: %w", err)
	}
	v, err := t.land(ctx, txn)
	if err != nil {
		return tiers.Snapshot{}, err
	}
	s, _ := v.current()
	return s, nil
}

// transaction begins a change of base that only base's metadata accepts.
func (t *Table) transaction(base *version) (*table.Transaction, error) {
	tbl := table.New(table.Identifier{Namespace, t.name}, base.meta, base.location, t.lake.io.load, fenced{t.lake, base})
	txn := tbl.NewTransaction()
	if err := txn.AssertRefSnapshotID(table.MainBranch); err != nil {
		return nil, fmt.Errorf("assert snapshot: %w", err)
	}
	return txn, nil
}

// land commits the transaction and shows its result.
func (t *Table) land(ctx context.Context, txn *table.Transaction) (*version, error) {
	tbl, err := txn.Commit(ctx)
	if err != nil {
		return nil, err
	}
	v, err := newVersion(t.name, tbl.MetadataLocation(), tbl.Metadata(), t.version())
	if err != nil {
		return nil, err
	}
	t.advance(v)
	return v, nil
}

// check compares the commit with the version that it would follow.
func check(base *version, c tiers.Commit) error {
	if c.ID == "" {
		return fmt.Errorf("%w: a commit needs an id", tiers.ErrHalt)
	}
	if base.holds(c.ID) {
		return fmt.Errorf("%w: this commit took effect before", tiers.ErrConflict)
	}
	if cur, _ := base.current(); c.Base != 0 && !c.SameRows && cur.ID != c.Base {
		return fmt.Errorf("%w: planned on snapshot %d, the table is at %d", tiers.ErrConflict, c.Base, cur.ID)
	}
	for k, was := range c.Required {
		if base.meta.Properties()[k] != was {
			return fmt.Errorf("%w: another commit has set the property %s", tiers.ErrConflict, k)
		}
	}
	return checkMark(base, c)
}

func checkMark(base *version, c tiers.Commit) error {
	if c.To == nil {
		if c.From != nil {
			return fmt.Errorf("%w: a commit from a mark must have a mark that follows", tiers.ErrHalt)
		}
		return nil
	}
	have, ok := base.marks[c.To.Key()]
	switch {
	case c.From == nil && ok:
		return fmt.Errorf("%w: the source has a mark at %d, none was expected", tiers.ErrConflict, have.Seq)
	case c.From != nil && !ok:
		return fmt.Errorf("%w: the source has no mark, %d was expected", tiers.ErrConflict, c.From.Seq)
	case c.From != nil && !sameMark(have, *c.From):
		return fmt.Errorf("%w: the source's mark is at %d, %d was expected", tiers.ErrConflict, have.Seq, c.From.Seq)
	case c.From != nil && c.From.Key() != c.To.Key():
		return fmt.Errorf("%w: the marks belong to different sources", tiers.ErrHalt)
	case c.From != nil && c.From.SameStream(*c.To) && c.To.Seq < c.From.Seq:
		return fmt.Errorf("%w: the mark would go back from %d to %d", tiers.ErrHalt, c.From.Seq, c.To.Seq)
	}
	return nil
}

func sameMark(a, b tiers.Mark) bool {
	return a.Stream == b.Stream && a.Filter == b.Filter && a.Seq == b.Seq && a.SameStream(b)
}

// bookkeeping is the properties that the commit sets: its id, and the mark.
func bookkeeping(base *version, c tiers.Commit) (iceberg.Properties, error) {
	ids := append(append([]string(nil), base.commits...), c.ID)
	if len(ids) > keptCommits {
		ids = ids[len(ids)-keptCommits:]
	}
	b, err := json.Marshal(ids)
	if err != nil {
		return nil, fmt.Errorf("encode commit ids: %w", err)
	}
	props := iceberg.Properties{}
	maps.Copy(props, c.Properties)
	props[commitsProp] = string(b)
	if c.To == nil {
		return props, nil
	}
	if b, err = json.Marshal(c.To); err != nil {
		return nil, fmt.Errorf("encode mark: %w", err)
	}
	props[markPrefix+c.To.Key()] = string(b)
	props[tiers.FedProperty+c.To.Key()] = "true"
	return props, nil
}

// summary is what the snapshot says of the commit; a courtesy, since
// snapshots expire.
func summary(c tiers.Commit, props iceberg.Properties) iceberg.Properties {
	out := iceberg.Properties{}
	maps.Copy(out, c.Summary)
	out[commitProp] = c.ID
	if c.To != nil {
		k := markPrefix + c.To.Key()
		out[k] = props[k]
	}
	return out
}

// stage adds the commit's files to the transaction.
func (t *Table) stage(ctx context.Context, txn *table.Transaction, base *version, c tiers.Commit) error {
	if len(c.Add) == 0 && len(c.Remove) == 0 {
		return nil
	}
	props, err := bookkeeping(base, c)
	if err != nil {
		return err
	}
	add, err := dataFiles(base.meta, c.Add)
	if err != nil {
		return err
	}
	sum := summary(c, props)
	if len(c.Remove) == 0 {
		if err := txn.AddDataFiles(ctx, add, sum, table.WithoutDuplicateCheck(), table.WithoutAutoNameMapping()); err != nil {
			return fmt.Errorf("add files: %w", err)
		}
		return nil
	}
	remove, err := t.live(base, c.Remove)
	if err != nil {
		return err
	}
	if c.SameRows {
		r := txn.NewRewrite(sum)
		for _, f := range remove {
			r.DeleteFile(f)
		}
		for _, f := range add {
			r.AddDataFile(f)
		}
		err = r.Commit(ctx)
	} else {
		err = txn.ReplaceDataFilesWithDataFiles(ctx, remove, add, sum, table.WithoutAutoNameMapping())
	}
	if err != nil {
		return fmt.Errorf("replace files: %w", err)
	}
	return nil
}

// live finds the files to remove in the current snapshot; one that is not
// there was removed by another commit.
func (t *Table) live(base *version, remove []tiers.DataFile) ([]iceberg.DataFile, error) {
	want := make(map[string]bool, len(remove))
	for _, f := range remove {
		want[f.Path] = true
	}
	var found []iceberg.DataFile
	err := t.lake.eachFile(base.meta.CurrentSnapshot(), func(f iceberg.DataFile) {
		if want[f.FilePath()] {
			found = append(found, f)
		}
	})
	if err != nil {
		return nil, err
	}
	if len(found) != len(want) {
		return nil, fmt.Errorf("%w: %d of the %d files to remove are gone", tiers.ErrConflict, len(want)-len(found),
			len(want))
	}
	return found, nil
}

// dataFiles describes files to Iceberg, with the statistics that the writer
// took; nothing is opened.
func dataFiles(meta table.Metadata, in []tiers.DataFile) ([]iceberg.DataFile, error) {
	spec := meta.PartitionSpec()
	out := make([]iceberg.DataFile, len(in))
	for i, f := range in {
		d, err := dataFile(spec, meta.DefaultSortOrder(), f)
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", f.Path, err)
		}
		out[i] = d
	}
	return out, nil
}

func dataFile(spec iceberg.PartitionSpec, order int, f tiers.DataFile) (iceberg.DataFile, error) {
	if sum, ok := tiers.PathChecksum(f.Path); f.CRC32C != 0 && (!ok || sum != f.CRC32C) {
		return nil, fmt.Errorf("%w: its name does not hold its checksum %08x (tiers.ChecksumPath), which would be lost",
			tiers.ErrHalt, f.CRC32C)
	}
	partition := map[int]any{}
	for _, p := range spec.Fields() {
		if _, day := p.Transform.(iceberg.DayTransform); !day {
			return nil, fmt.Errorf("%w: partition field %s is not one of the lake's", tiers.ErrHalt, p.Name)
		}
		partition[p.FieldID] = iceberg.Date(f.Day)
	}
	b, err := iceberg.NewDataFileBuilder(spec, iceberg.EntryContentData, f.Path, iceberg.ParquetFile,
		partition, map[int]string{}, map[int]int{}, f.Rows, f.Size)
	if err != nil {
		return nil, err
	}
	sizes, values, nulls, nans := map[int]int64{}, map[int]int64{}, map[int]int64{}, map[int]int64{}
	lower, upper := map[int][]byte{}, map[int][]byte{}
	for _, c := range f.Columns {
		sizes[c.FieldID], values[c.FieldID], nulls[c.FieldID] = c.Size, c.Values, c.Nulls
		if c.NaNs > 0 {
			nans[c.FieldID] = c.NaNs
		}
		if c.Lower != nil {
			lower[c.FieldID] = c.Lower
		}
		if c.Upper != nil {
			upper[c.FieldID] = c.Upper
		}
	}
	b.ColumnSizes(sizes).ValueCounts(values).NullValueCounts(nulls).NaNValueCounts(nans).
		LowerBoundValues(lower).UpperBoundValues(upper)
	if len(f.SplitOffsets) > 0 {
		b.SplitOffsets(f.SplitOffsets)
	}
	if order != table.UnsortedSortOrderID && !f.Clustered { // no order of columns describes clusters
		b.SortOrderID(order)
	}
	return b.Build(), nil
}
