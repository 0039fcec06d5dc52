package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/lakeward/lakeward/tiers"
)

// fenced is the catalog of one commit: it accepts the commit only on the very
// metadata that the commit was built on. Its refusals do not wrap
// table.ErrCommitFailed, so iceberg-go never rebases and retries on its own,
// whatever the table's properties say.
type fenced struct {
	lake *Lake
	base *version
}

var _ table.CatalogIO = fenced{}

// LoadTable is asked for only by iceberg-go's retry, which must not happen.
func (f fenced) LoadTable(context.Context, table.Identifier) (*table.Table, error) {
	return nil, fmt.Errorf("%w: lake.%s has changed", tiers.ErrConflict, f.base.name)
}

// CommitTable writes the new metadata durably, then swaps the pointer to it.
func (f fenced) CommitTable(ctx context.Context, _ table.Identifier, reqs []table.Requirement,
	updates []table.Update) (table.Metadata, string, error) {
	for _, r := range reqs {
		if err := r.Validate(f.base.meta); err != nil {
			return nil, "", fmt.Errorf("%w: %w", tiers.ErrConflict, err)
		}
	}
	if err := f.lake.believe(ctx, f.base.name); err != nil {
		return nil, "", err
	}
	meta, err := table.UpdateTableMetadata(f.base.meta, updates, f.base.location)
	if err != nil {
		return nil, "", fmt.Errorf("build metadata: %w", err)
	}
	loc := metadataLocation(meta, metadataNumber(f.base.location)+1)
	if err := f.lake.writeMetadata(loc, meta); err != nil {
		return nil, "", err
	}
	err = f.lake.catalog.Swap(ctx, f.base.name, f.base.location, loc)
	if err == nil {
		f.lake.accept(loc)
		return meta, loc, nil
	}
	if !errors.Is(err, tiers.ErrUnknown) && !f.lake.adopted(ctx, f.base.name, loc) { // nothing names it
		err = errors.Join(err, f.lake.io.Remove(loc))
	}
	return nil, "", err
}

func (l *Lake) writeMetadata(loc string, meta table.Metadata) error {
	var b []byte
	var err error
	if m, ok := meta.(json.Marshaler); ok { // spares a copy and a check of the whole
		b, err = m.MarshalJSON()
	} else {
		b, err = json.Marshal(meta)
	}
	if err != nil {
		return fmt.Errorf("encode metadata: %w", err)
	}
	if err := l.io.WriteFile(loc, b); err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	return nil
}

func metadataLocation(meta table.Metadata, n int) string {
	return fmt.Sprintf("%s/metadata/%05d-%s.metadata.json", meta.Location(), n, uuid.NewString())
}

// metadataNumber is the version in a metadata file's name.
func metadataNumber(loc string) int {
	base := loc[strings.LastIndexByte(loc, '/')+1:]
	head, _, _ := strings.Cut(base, "-")
	n, err := strconv.Atoi(head)
	if err != nil {
		return 0
	}
	return n
}
