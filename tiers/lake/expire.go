package lake

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go/table"
)

// Expire forgets snapshots, so that metadata stays small; marks and commit ids
// are table properties and stay. It deletes no file: what only these snapshots
// named is removed as an orphan, later, so that a query on them ends in peace.
// The current snapshot, those that a branch or tag names, and ids that are not
// there are passed over. It returns how many were forgotten. The error wraps
// tiers.ErrConflict if the table changed meanwhile.
func (t *Table) Expire(ctx context.Context, ids []int64) (int, error) {
	if t.lake.readOnly {
		return 0, errReadOnly
	}
	n, err := t.expire(ctx, ids)
	if err != nil {
		return 0, fmt.Errorf("expire snapshots of lake.%s: %w", t.name, err)
	}
	return n, nil
}

func (t *Table) expire(ctx context.Context, ids []int64) (int, error) {
	defer t.lake.serial(t.name)()
	base, err := t.refresh(ctx)
	if err != nil {
		return 0, err
	}
	named := map[int64]bool{}
	for _, ref := range base.meta.Refs() {
		named[ref.SnapshotID] = true
	}
	ids = slices.DeleteFunc(slices.Clone(ids),
		func(id int64) bool { return named[id] || base.meta.SnapshotByID(id) == nil })
	if len(ids) == 0 {
		return 0, nil
	}
	meta, loc, err := fenced{t.lake, base}.CommitTable(ctx, table.Identifier{Namespace, t.name}, nil,
		[]table.Update{table.NewRemoveSnapshotsUpdate(ids, false)})
	if err != nil {
		return 0, err
	}
	v, err := newVersion(t.name, loc, meta, base)
	if err != nil {
		return 0, err
	}
	t.advance(v)
	return len(ids), nil
}
