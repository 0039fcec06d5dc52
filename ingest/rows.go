package ingest

import (
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// rows are what one table gets in one batch.
type rows interface {
	Rows() int
	Bytes() int64         // in memory, about
	Used() int64          // of these, without the room that is kept for more
	Schema() tiers.Schema // ids may be zero
	// Files encodes the rows for the table's schema, one file for each day.
	Files(s tiers.Schema, bloom []string) ([]parquetfile.File, error)
}
