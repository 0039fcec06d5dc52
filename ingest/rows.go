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
	// Part encodes the rows [from, to) for the table's schema, one file for each
	// day. Rows are in the order of the stream, those of a message together.
	Part(from, to int, s tiers.Schema, bloom []string) ([]parquetfile.File, error)
	// Event names a row by its message and the event's id.
	Event(row int) (seq uint64, id string)
}

// encodeRows is rows.Part as a function.
type encodeRows func(r rows, from, to int, s tiers.Schema, bloom []string) ([]parquetfile.File, error)
