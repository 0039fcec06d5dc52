package format

import (
	"iter"

	"github.com/lakeward/lakeward/ingest/eventfile"
)

// table is CSV with a header in each message, or a log with a line #Fields.
// Every value is text.
type table struct{}

func (table) Name() string { return "csv" }

func (table) Events(data []byte) iter.Seq2[[]byte, error] { return eventfile.Rows(data) }
