package ingest

import (
	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// eventRows are the events of a table in one batch.
type eventRows struct{ *columnar.Batch }

var _ rows = eventRows{}

// Files makes one sorted file for each day.
func (r eventRows) Files(s tiers.Schema, bloom []string) ([]parquetfile.File, error) {
	return r.Batch.Files(s, parquetfile.Options{Bloom: bloom})
}

func (e *epoch) newEventRows(f *feed) eventRows {
	o, l := e.s.o, e.s.o.Limits
	return eventRows{columnar.NewBatch(f.known, columnar.Options{
		Limits:   columnar.Limits{MaxColumns: l.MaxColumns, MaxDepth: l.MaxDepth, MaxEventBytes: l.MaxEventBytes},
		TimePath: o.TimePath, TimeFormat: o.TimeFormat, StreamTag: e.identity(), Declared: f.opts.Declared,
	})}
}
