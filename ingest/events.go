package ingest

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/ingest/mapping"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// eventRows are the events of a table in one batch.
type eventRows struct {
	*columnar.Batch
	stream string // identity that files record
}

var _ rows = eventRows{}

// Part makes one sorted file for each day.
func (r eventRows) Part(from, to int, s tiers.Schema, bloom []string) ([]parquetfile.File, error) {
	return r.Batch.Part(from, to, s, parquetfile.Options{Bloom: bloom, Stream: r.stream})
}

// Event names a row.
func (r eventRows) Event(row int) (uint64, string) { return r.Seq(row), string(r.EventID(row)) }

// newEventRows makes an empty batch. Only the committer uses the writer.
func (e *epoch) newEventRows(f *feed) eventRows {
	return eventRows{e.newBatch(f), e.identity()}
}

func (e *epoch) newBatch(f *feed) *columnar.Batch {
	o, l := e.s.o, e.s.o.Limits
	declared := f.opts.Declared
	columns, isMapped := o.Mappings.Columns(f.name)
	if isMapped {
		declared = tiers.Schema{Fields: mapping.Merge(declared.Fields, columns.Fields)}
	}
	return columnar.NewBatch(f.known, columnar.Options{
		Mapped:   isMapped,
		Limits:   columnar.Limits{MaxColumns: l.MaxColumns, MaxDepth: l.MaxDepth, MaxEventBytes: int(l.MaxEventBytes)},
		TimePath: o.TimePath, TimeFormat: o.TimeFormat, Metadata: o.Metadata, StreamTag: e.tag(), Declared: declared,
		Writer: e.writer,
	})
}

// tag begins the ids of events whose messages have none.
func (e *epoch) tag() string { return streamTag(e.info.Name, e.info.Created, e.resets) }

func streamTag(name string, created time.Time, resets uint64) string {
	tag := name + "-" + strconv.FormatInt(created.Unix(), 36)
	if resets > 0 {
		tag += "r" + strconv.FormatUint(resets, 36)
	}
	return tag
}

// assignIDs gives every field of a schema an id, so that the next batch takes
// the types as they are: they are on their way into the table.
func assignIDs(fields []tiers.Field) []tiers.Field {
	out := slices.Clone(fields)
	for i := range out {
		out[i] = settledField(out[i])
	}
	return out
}

func settledField(f tiers.Field) tiers.Field {
	if f.ID == 0 {
		f.ID = math.MaxInt32
	}
	f.Type.Fields = assignIDs(f.Type.Fields)
	if f.Type.Elem != nil {
		e := settledField(*f.Type.Elem)
		f.Type.Elem = &e
	}
	return f
}
