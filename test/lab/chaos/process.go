package chaos

import (
	"context"
	"path/filepath"
	"time"

	"github.com/lakeward/lakeward/test/daemonproc"
)

const stillWithin = 3 * time.Minute // without progress, the daemon does not catch up

// prepare configures the daemon. Batches are small, so that kills meet every
// part of a commit.
func (t *trial) prepare() (err error) {
	if err := writePipelines(filepath.Join(t.dir, "pipelines")); err != nil {
		return err
	}
	t.daemon, err = daemonproc.New(daemonproc.Options{Bin: t.bin, Dir: t.dir, External: t.external, Env: []string{
		"LAKEWARD_INGEST_FLUSH_AGE=150ms", "LAKEWARD_INGEST_FLUSH_ROWS=500",
		"LAKEWARD_NATS_EMBEDDED_KEEP=1000",
		"LAKEWARD_LAKE_MAINTENANCE_EVERY=300ms", "LAKEWARD_LAKE_MAINTENANCE_ORPHANS_EVERY=1s",
		"LAKEWARD_LAKE_MAINTENANCE_SNAPSHOTS_AGE=0s", "LAKEWARD_LAKE_MAINTENANCE_SNAPSHOTS_LEAST=3",
		"LAKEWARD_LAKE_MAINTENANCE_ORPHAN_GRACE=1m"}})
	return err
}

// drained waits until everything up to the sequence is committed.
func (t *trial) drained(ctx context.Context, last uint64) error {
	_, err := t.daemon.Drained(ctx, last, stillWithin)
	return err
}
