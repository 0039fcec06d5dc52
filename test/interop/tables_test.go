package interop

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

func field(name string, k tiers.Kind) tiers.Field {
	return tiers.Field{Name: name, Type: tiers.Type{Kind: k}}
}

func structure(name string, fields ...tiers.Field) tiers.Field {
	return tiers.Field{Name: name, Type: tiers.Type{Kind: tiers.KindStruct, Fields: fields}}
}

func listOf(name string, elem tiers.Type) tiers.Field {
	return tiers.Field{Name: name, Type: tiers.Type{Kind: tiers.KindList, Elem: &tiers.Field{Name: "element", Type: elem}}}
}

// generations are the columns that the events' table grows through.
func generations() [][]tiers.Field {
	ip, port := field("ip", tiers.KindString), field("port", tiers.KindLong)
	geo := structure("geo", field("city", tiers.KindString))
	return [][]tiers.Field{
		{field("status", tiers.KindString), structure("src", ip), listOf("tags", tiers.Type{Kind: tiers.KindString})},
		{structure("src", ip, port), field("bytes", tiers.KindLong)},
		{structure("src", ip, port, geo), listOf("hops", structure("", ip).Type), field("ok", tiers.KindBool)},
		{listOf("hops", structure("", ip, port).Type), field("score", tiers.KindDouble)},
	}
}

// event is one event as JSON, with what its generation knows.
func event(seq, gen int) string {
	parts := []string{
		fmt.Sprintf(`"time": "%s"`, day0.Add(time.Duration(seq)*10*time.Minute).Format("2006-01-02T15:04:05Z")),
		fmt.Sprintf(`"ingest_time": "%s"`, day0.AddDate(0, 0, 9).Format("2006-01-02T15:04:05Z")),
		fmt.Sprintf(`"stream_seq": %d, "event_id": "e%d"`, seq, seq),
		fmt.Sprintf(`"status": "%s", "tags": ["a", "t%d", null]`, []string{"Success", "Failure"}[seq%2], seq%7),
	}
	src := fmt.Sprintf(`"ip": "10.0.0.%d"`, seq%250)
	if gen >= 1 {
		src += fmt.Sprintf(`, "port": %d`, 1000+seq)
		parts = append(parts, fmt.Sprintf(`"bytes": %d`, int64(seq)<<33))
	}
	hop := fmt.Sprintf(`"ip": "10.1.0.%d"`, seq%250)
	if gen >= 2 {
		if seq%3 == 0 {
			src += `, "geo": null`
		} else {
			src += fmt.Sprintf(`, "geo": {"city": "City %d"}`, seq%5)
		}
		parts = append(parts, fmt.Sprintf(`"ok": %v`, seq%3 == 0))
	}
	if gen >= 3 {
		hop += fmt.Sprintf(`, "port": %d`, seq)
		parts = append(parts, fmt.Sprintf(`"score": %g`, float64(seq)/4))
	}
	if gen >= 2 {
		parts = append(parts, []string{`"hops": [{` + hop + `}, {"ip": null}]`, `"hops": []`, `"hops": null`}[seq%3])
	}
	return "{" + strings.Join(append(parts, `"src": {`+src+`}`), ", ") + "}"
}

// writeEvents makes table signin over four generations and four days, with a
// mark, and compacts nothing. It returns the number of rows.
func (s *site) writeEvents() int64 {
	s.Helper()
	gens := generations()
	tab, err := s.lake.Create(s.Context(), "signin", tiers.Schema{Fields: append(tiers.BaseFields(), gens[0]...)},
		tiers.Options{})
	if err != nil {
		s.Fatal(err)
	}
	var from *tiers.Mark
	seq := 0
	for gen, fields := range gens {
		schema, err := tab.Evolve(s.Context(), tiers.Schema{Fields: fields})
		if err != nil {
			s.Fatal(err)
		}
		var docs []string
		start := seq
		for ; seq < start+144; seq++ { // a day, at one event in ten minutes
			docs = append(docs, event(seq, gen))
		}
		file := s.writeFile(tab, schema, docs, start, seq-1)
		to := &tiers.Mark{Stream: "EVENTS", Created: day0, Filter: "events.>", Seq: uint64(seq)}
		if _, err := tab.Commit(s.Context(), tiers.Commit{ID: fmt.Sprint("gen-", gen), Add: []tiers.DataFile{file},
			From: from, To: to}); err != nil {
			s.Fatal(err)
		}
		from = to
	}
	return int64(seq)
}

// writeFile stores the documents, whose sequences are [first, last], as one
// file with the field ids of the schema.
func (s *site) writeFile(tab tiers.Table, schema tiers.Schema, docs []string, first, last int) tiers.DataFile {
	s.Helper()
	as := arrow.NewSchema(arrowFields(schema.Fields), nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, as, strings.NewReader("["+strings.Join(docs, ",")+"]"))
	if err != nil {
		s.Fatal(err)
	}
	defer rec.Release()
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(as, &buf, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd)),
		pqarrow.DefaultWriterProps())
	if err != nil {
		s.Fatal(err)
	}
	if err := w.Write(rec); err != nil {
		s.Fatal(err)
	}
	if err := w.Close(); err != nil {
		s.Fatal(err)
	}
	at := func(seq int) time.Time { return day0.Add(time.Duration(seq) * 10 * time.Minute) }
	day := int32(at(first).Unix() / 86400)
	f := tiers.DataFile{Day: day, Rows: rec.NumRows(), TimeMin: at(first), TimeMax: at(last), SplitOffsets: []int64{4}}
	tf, _ := schema.Lookup(tiers.ColTime)
	f.Columns = []tiers.ColumnStats{{FieldID: tf.ID, Values: f.Rows, Size: 1, Lower: tierstest.Micros(at(first)),
		Upper: tierstest.Micros(at(last))}}
	f, err = tab.WriteNew(s.Context(), f, buf.Bytes())
	if err != nil {
		s.Fatal(err)
	}
	return f
}

func arrowFields(in []tiers.Field) []arrow.Field {
	out := make([]arrow.Field, len(in))
	for i, f := range in {
		out[i] = arrow.Field{Name: f.Name, Nullable: !f.Required, Type: arrowType(f.Type),
			Metadata: arrow.NewMetadata([]string{"PARQUET:field_id"}, []string{strconv.Itoa(f.ID)})}
	}
	return out
}

func arrowType(t tiers.Type) arrow.DataType {
	switch t.Kind {
	case tiers.KindBool:
		return arrow.FixedWidthTypes.Boolean
	case tiers.KindLong:
		return arrow.PrimitiveTypes.Int64
	case tiers.KindDouble:
		return arrow.PrimitiveTypes.Float64
	case tiers.KindTimestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	case tiers.KindStruct:
		return arrow.StructOf(arrowFields(t.Fields)...)
	case tiers.KindList:
		return arrow.ListOfField(arrowFields([]tiers.Field{*t.Elem})[0])
	}
	return arrow.BinaryTypes.String
}

// row is one score; city is nil where the rows have no such column.
type row struct {
	entity string
	score  float64
	city   any
}

// scores is a reader of the rows, with the column city if the first has it.
func scores(rows ...row) array.RecordReader {
	fields := []arrow.Field{
		{Name: "time", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, Nullable: true},
		{Name: "entity", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "score", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	}
	if rows[0].city != nil {
		fields = append(fields, arrow.Field{Name: "city", Type: arrow.BinaryTypes.String, Nullable: true})
	}
	s := arrow.NewSchema(fields, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.TimestampBuilder).Append(arrow.Timestamp(day0.UnixMicro()))
		b.Field(1).(*array.StringBuilder).Append(r.entity)
		b.Field(2).(*array.Float64Builder).Append(r.score)
		if r.city != nil {
			b.Field(3).(*array.StringBuilder).Append(r.city.(string))
		}
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	rd, err := array.NewRecordReader(s, []arrow.RecordBatch{rec})
	if err != nil {
		panic(err) // the schema is the batch's own
	}
	return rd
}

func promotion(table string, mode tiers.WriteMode, hour int, r array.RecordReader) tiers.Write {
	start := day0.Add(time.Duration(hour) * time.Hour)
	return tiers.Write{Table: table, Mode: mode, Key: []string{"entity"}, Pipeline: "p", RunID: fmt.Sprint("run-", hour),
		Start: start, End: start.Add(time.Hour), Rows: r}
}

// writeFindings makes table scores by appends, a merge that rewrites a file of
// the older schema, and a replaced window. It returns the number of rows.
func (s *site) writeFindings() int64 {
	s.Helper()
	sink := lake.NewSink(s.lake)
	for i, w := range []struct {
		mode tiers.WriteMode
		hour int
		rows []row
	}{
		{tiers.Append, 1, []row{{"ada", 1, nil}, {"bob", 2, nil}, {"cy", 3, nil}}},
		{tiers.Append, 2, []row{{"dee", 4, nil}}},
		{tiers.Merge, 3, []row{{"bob", 5, "Oslo"}, {"eve", 6, "Rome"}}},
		{tiers.ReplaceWindow, 2, []row{{"fay", 7, "Bonn"}, {"gil", 8, "Nice"}}},
		{tiers.Append, 4, []row{{"hal", 9, nil}}},
	} {
		r := scores(w.rows...)
		_, err := sink.Write(s.Context(), promotion("scores", w.mode, w.hour, r))
		r.Release()
		if err != nil {
			s.Fatalf("write %d: %v", i, err)
		}
	}
	return 7
}
