package format

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

var update = flag.Bool("update", false, "write the golden files anew")

var everyKind = arrow.NewSchema([]arrow.Field{
	{Name: "time", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, Nullable: true},
	{Name: "local", Type: &arrow.TimestampType{Unit: arrow.Second}, Nullable: true},
	{Name: "day", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
	{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "score", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "sum", Type: &arrow.Decimal128Type{Precision: 38, Scale: 2}, Nullable: true},
	{Name: "ok", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	{Name: "said, \"it\"", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "raw", Type: arrow.BinaryTypes.Binary, Nullable: true},
	{Name: "evidence", Type: arrow.BinaryTypes.String, Nullable: true,
		Metadata: arrow.NewMetadata([]string{"lakeward.type"}, []string{"json"})},
	{Name: "user", Type: arrow.StructOf(
		arrow.Field{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
		arrow.Field{Name: "ips", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true}), Nullable: true},
	{Name: "tags", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), Nullable: true},
	{Name: "n", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
}, nil)

// everyRow builds two rows of values, one of them hostile, and one of nulls.
func everyRow(t *testing.T) array.RecordReader {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, everyKind)
	defer b.Release()
	for i, vals := range [][]string{
		{"2026-11-24T10:05:00.000001Z", "2026-11-24 10:05:00", "2026-11-24", "9223372036854775807", "0.1",
			"12345678901234567890.50", "true", "plain", "AAE=", `{"z": 4.5}`, `{"name":"ada","ips":["10.0.0.1",null]}`,
			`[{"key":"a","value":1}]`, "7"},
		{"1969-12-31T23:59:59.999999Z", "1601-01-01 00:00:00", "1601-01-01", "-1", "-2.5e-09", "-0.50", "false",
			"two\nlines, \"quoted\" \x1b[2J\u0085\u202e \u2603", "", "not json", `{"name":null,"ips":[]}`, `[]`, "-7"},
	} {
		for c, v := range vals {
			f := b.Field(c)
			switch f.(type) {
			case *array.StructBuilder, *array.MapBuilder:
				if err := f.UnmarshalJSON([]byte("[" + v + "]")); err != nil {
					t.Fatalf("row %d column %d: %v", i, c, err)
				}
			default:
				if err := f.AppendValueFromString(v); err != nil {
					t.Fatalf("row %d column %d: %v", i, c, err)
				}
			}
		}
	}
	for c := range everyKind.NumFields() {
		b.Field(c).AppendNull()
	}
	return readerOf(t, everyKind, b.NewRecordBatch())
}

func readerOf(t *testing.T, s *arrow.Schema, recs ...arrow.RecordBatch) array.RecordReader {
	t.Helper()
	r, err := array.NewRecordReader(s, recs)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range recs {
		rec.Release()
	}
	t.Cleanup(r.Release)
	return r
}

func written(t *testing.T, f Format, r array.RecordReader) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f, r); err != nil {
		t.Fatalf("%s: %v", f, err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for _, f := range []Format{Table, CSV, JSON, NDJSON} {
		got := written(t, f, everyRow(t))
		path := filepath.Join("testdata", "every."+string(f))
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", f, got, want)
		}
	}
}

func TestTextFormsParse(t *testing.T) {
	var objects []map[string]any
	if err := json.Unmarshal([]byte(written(t, JSON, everyRow(t))), &objects); err != nil || len(objects) != 3 ||
		len(objects[0]) != everyKind.NumFields() {
		t.Errorf("JSON: %d objects: %v", len(objects), err)
	}
	records, err := csv.NewReader(strings.NewReader(written(t, CSV, everyRow(t)))).ReadAll()
	if err != nil || len(records) != 4 {
		t.Fatalf("CSV: %d records: %v", len(records), err)
	}
	if want := "two\nlines, \"quoted\" \x1b[2J\u0085\u202e \u2603"; records[2][7] != want {
		t.Errorf("CSV changed a value: %q", records[2][7])
	}
}

func TestATableObeysNoTerminalEscape(t *testing.T) {
	for _, r := range written(t, Table, everyRow(t)) {
		if r != '\n' && (r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x202e) {
			t.Fatalf("the table has the control character %U", r)
		}
	}
}

func TestColumnarFormsComeBack(t *testing.T) {
	want := written(t, NDJSON, everyRow(t))
	stream, err := ipc.NewReader(strings.NewReader(written(t, Arrow, everyRow(t))))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Release()
	if got := written(t, NDJSON, stream); got != want {
		t.Errorf("Arrow: got\n%s\nwant\n%s", got, want)
	}
	pf, err := file.NewParquetReader(strings.NewReader(written(t, Parquet, everyRow(t))))
	if err != nil {
		t.Fatal(err)
	}
	pr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: 1024}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := pr.GetRecordReader(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Release()
	var lines []string
	for l := range strings.Lines(written(t, CSV, rows)) {
		lines = append(lines, l)
	}
	if got := strings.Join(lines[1:], ""); got != strings.SplitN(written(t, CSV, everyRow(t)), "\n", 2)[1] {
		t.Errorf("Parquet: got\n%s", got)
	}
	if got := strings.TrimSpace(lines[0]); !strings.HasSuffix(got, ",n_2") {
		t.Errorf("columns of one name: %s", got)
	}
}

// numbers has n rows of one column, in batches of 7.
func numbers(t *testing.T, n int) array.RecordReader {
	t.Helper()
	s := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	var recs []arrow.RecordBatch
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		if i%7 == 6 || i == n-1 {
			recs = append(recs, b.NewRecordBatch())
		}
	}
	return readerOf(t, s, recs...)
}

func TestManyRowsAndNone(t *testing.T) {
	pf, err := file.NewParquetReader(strings.NewReader(written(t, Parquet, numbers(t, 130_000))))
	if err != nil {
		t.Fatal(err)
	}
	if pf.NumRows() != 130_000 || pf.NumRowGroups() != 2 {
		t.Errorf("Parquet has %d rows in %d groups", pf.NumRows(), pf.NumRowGroups())
	}
	if got := strings.Count(written(t, Table, numbers(t, 5000)), "\n"); got != 5003 {
		t.Errorf("the table has %d lines", got)
	}
	for f, want := range map[Format]string{Table: "n\n-\n(0 rows)\n", CSV: "n\n", JSON: "[]\n", NDJSON: ""} {
		if got := written(t, f, numbers(t, 0)); got != want {
			t.Errorf("%s of no rows: %q", f, got)
		}
	}
	if _, err := file.NewParquetReader(strings.NewReader(written(t, Parquet, numbers(t, 0)))); err != nil {
		t.Errorf("Parquet of no rows: %v", err)
	}
}

var errBroken = errors.New("the query broke")

// broken fails after the first batch.
type broken struct {
	array.RecordReader
	err error
	n   int
}

func (b *broken) Next() bool {
	if b.n++; b.n > 1 {
		b.err = errBroken
		return false
	}
	return b.RecordReader.Next()
}
func (b *broken) Err() error { return b.err }

func TestAReadersErrorIsReturnedAndNotPaperedOver(t *testing.T) {
	for _, f := range Formats() {
		var out bytes.Buffer
		if err := Write(&out, f, &broken{RecordReader: numbers(t, 20)}); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", f, err)
		}
		switch f {
		case JSON:
			if json.Valid(out.Bytes()) {
				t.Error("half an array is valid JSON")
			}
		case Parquet:
			if _, err := file.NewParquetReader(bytes.NewReader(out.Bytes())); err == nil {
				t.Error("half a Parquet file opens")
			}
		case Table:
			if strings.Contains(out.String(), "rows)") {
				t.Error("half a table counts its rows")
			}
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestAWritersErrorIsReturned(t *testing.T) {
	for _, f := range Formats() {
		if err := Write(full{}, f, numbers(t, 20)); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestParse(t *testing.T) {
	if f, err := Parse("NDJSON"); err != nil || f != NDJSON {
		t.Errorf("%v %v", f, err)
	}
	if _, err := Parse("xml"); err == nil || !strings.Contains(err.Error(), "parquet") {
		t.Errorf("the error names no format that exists: %v", err)
	}
}

func TestWiderThanTheTerminalIsVertical(t *testing.T) {
	table := func(o TableOptions, n int) string {
		var b bytes.Buffer
		if err := WriteTable(&b, numbers(t, n), o); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, c := range []struct {
		o    TableOptions
		n    int
		want string
	}{
		{TableOptions{Width: 2}, 11, " n\n--\n 0\n 1\n 2\n 3\n 4\n 5\n 6\n 7\n 8\n 9\n10\n(11 rows)\n"},
		{TableOptions{Width: 1}, 3, "n\n-\n0\n1\n2\n(3 rows)\n"},
		{TableOptions{Vertical: true}, 2, "-- row 1\nn  0\n-- row 2\nn  1\n(2 rows)\n"},
		{TableOptions{Vertical: true}, 0, "(0 rows)\n"},
		{TableOptions{MaxRows: 2, More: "-o has all"}, 3, "n\n-\n0\n1\n(the first 2 rows; -o has all)\n"},
		{TableOptions{MaxRows: 2, More: "-o has all"}, 2, "n\n-\n0\n1\n(2 rows)\n"},
	} {
		if got := table(c.o, c.n); got != c.want {
			t.Errorf("%+v, %d rows: got\n%s\nwant\n%s", c.o, c.n, got, c.want)
		}
	}
	got := table(TableOptions{Width: 1}, 2000)
	if !strings.HasPrefix(got, "-- row 1\nn  0\n") || !strings.HasSuffix(got, "-- row 2000\nn  1999\n(2000 rows)\n") {
		t.Errorf("what is wider than the terminal is %s ... %s", got[:20], got[len(got)-40:])
	}
	if got := table(TableOptions{MaxRows: 1000, More: "x"}, 2000); !strings.HasSuffix(got, "(the first 1,000 rows; x)\n") {
		t.Errorf("stopped, the table ends %q", got[len(got)-40:])
	}
}

func TestAVerticalRowShowsValuesWhole(t *testing.T) {
	var b bytes.Buffer
	if err := WriteTable(&b, everyRow(t), TableOptions{Width: 40}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-- row 1\ntime        2026-11-24T10:05:00.000001Z\n", "\nsaid, \"it\"  two\\nlines, "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestFormsByTheNameOfAFile(t *testing.T) {
	for file, want := range map[string]Format{"a.csv": CSV, "/b/a.JSON": JSON, "a.ndjson": NDJSON, "a.jsonl": NDJSON,
		"a.b.parquet": Parquet, "a.arrow": Arrow, "parquet": "", "a.txt": "", "a.csv.gz": CSV,
		"a.PARQUET.zst": Parquet, "a.gz": ""} {
		if got, ok := ByName(file); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", file, got, ok)
		}
	}
}

func TestGrouped(t *testing.T) {
	for in, want := range map[string]string{"0": "0", "999": "999", "1234": "1,234", "-1234567.8912": "-1,234,567.8912",
		"123456": "123,456"} {
		if got := Grouped(in); got != want {
			t.Errorf("%s is %s", in, got)
		}
	}
}
