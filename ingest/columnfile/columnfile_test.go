package columnfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/decimal256"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

func limits() Limits { return Limits{Rows: 1 << 20, Text: 64 << 20, Held: 128 << 20} }

// rowsOf reads all rows, and checks that each is an object.
func rowsOf(r Reader) (rows []string, err error) {
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		if !json.Valid(row) || row[0] != '{' {
			return rows, fmt.Errorf("%s is not an object", row)
		}
		rows = append(rows, string(row))
	}
}

// a value of a column, and what it is as JSON.
type example struct {
	name   string
	typ    arrow.DataType
	append func(array.Builder)
	want   string
}

// add is a function for a builder of one type.
func add[B array.Builder](f func(b B)) func(array.Builder) {
	return func(b array.Builder) { f(b.(B)) }
}

// examples has every type that both forms have.
func examples() []example {
	at := time.Date(2026, 11, 1, 2, 30, 0, 123456789, time.UTC)
	stamp := func(unit arrow.TimeUnit, zone string, want string) example {
		return example{fmt.Sprintf("at_%s_%s", unit, zone), &arrow.TimestampType{Unit: unit, TimeZone: zone},
			add(func(b *array.TimestampBuilder) { b.Append(arrow.Timestamp(at.UnixNano() / int64(unit.Multiplier()))) }), want}
	}
	number := func(text string) decimal128.Num {
		n, err := decimal128.FromString(text, 38, 3)
		if err != nil {
			panic(err)
		}
		return n
	}
	text := arrow.Field{Name: "t", Type: arrow.BinaryTypes.String, Nullable: true}
	inner := arrow.StructOf(text, arrow.Field{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true})
	return []example{
		{"yes", arrow.FixedWidthTypes.Boolean, add(func(b *array.BooleanBuilder) { b.Append(true) }), "true"},
		{"i8", arrow.PrimitiveTypes.Int8, add(func(b *array.Int8Builder) { b.Append(-128) }), "-128"},
		{"u8", arrow.PrimitiveTypes.Uint8, add(func(b *array.Uint8Builder) { b.Append(255) }), "255"},
		{"i16", arrow.PrimitiveTypes.Int16, add(func(b *array.Int16Builder) { b.Append(-2) }), "-2"},
		{"u16", arrow.PrimitiveTypes.Uint16, add(func(b *array.Uint16Builder) { b.Append(65535) }), "65535"},
		{"i32", arrow.PrimitiveTypes.Int32, add(func(b *array.Int32Builder) { b.Append(-3) }), "-3"},
		{"u32", arrow.PrimitiveTypes.Uint32, add(func(b *array.Uint32Builder) { b.Append(4294967295) }), "4294967295"},
		{"i64", arrow.PrimitiveTypes.Int64, add(func(b *array.Int64Builder) { b.Append(math.MinInt64) }), "-9223372036854775808"},
		{"u64", arrow.PrimitiveTypes.Uint64, add(func(b *array.Uint64Builder) { b.Append(math.MaxUint64) }), "18446744073709551615"},
		{"f16", arrow.FixedWidthTypes.Float16, add(func(b *array.Float16Builder) { b.Append(float16.New(-1.5)) }), "-1.5"},
		{"f32", arrow.PrimitiveTypes.Float32, add(func(b *array.Float32Builder) { b.Append(0.1) }), "0.1"},
		{"f64", arrow.PrimitiveTypes.Float64, add(func(b *array.Float64Builder) { b.Append(math.Inf(-1)) }), `"-Inf"`},
		{"text", arrow.BinaryTypes.String, add(func(b *array.StringBuilder) { b.Append("a \"b\"\n") }), `"a \"b\"\n"`},
		{"large", arrow.BinaryTypes.LargeString, add(func(b *array.LargeStringBuilder) { b.Append("é") }), `"é"`},
		{"bytes", arrow.BinaryTypes.Binary, add(func(b *array.BinaryBuilder) { b.Append([]byte{0, 255}) }), `"AP8="`},
		{"fixed", &arrow.FixedSizeBinaryType{ByteWidth: 3}, add(func(b *array.FixedSizeBinaryBuilder) { b.Append([]byte("abc")) }), `"YWJj"`},
		{"d128", &arrow.Decimal128Type{Precision: 38, Scale: 3}, add(func(b *array.Decimal128Builder) { b.Append(number("-12.5")) }), "-12.500"},
		{"d128s", &arrow.Decimal128Type{Precision: 38, Scale: 3}, add(func(b *array.Decimal128Builder) { b.Append(number("0.007")) }), "0.007"},
		{"d256", &arrow.Decimal256Type{Precision: 50, Scale: 1}, add(func(b *array.Decimal256Builder) { b.Append(decimal256.FromI64(-9)) }), "-0.9"},
		{"day", arrow.FixedWidthTypes.Date32, add(func(b *array.Date32Builder) { b.Append(-1) }), `"1969-12-31"`},
		{"clock", arrow.FixedWidthTypes.Time64us, add(func(b *array.Time64Builder) { b.Append(9_000_000_500) }), `"02:30:00.0005"`},
		{"clock32", arrow.FixedWidthTypes.Time32ms, add(func(b *array.Time32Builder) { b.Append(9_000_001) }), `"02:30:00.001"`},
		stamp(arrow.Millisecond, "", `"2026-11-01T02:30:00.123"`),
		stamp(arrow.Microsecond, "", `"2026-11-01T02:30:00.123456"`),
		stamp(arrow.Nanosecond, "", `"2026-11-01T02:30:00.123456789"`),
		stamp(arrow.Millisecond, "UTC", `"2026-11-01T02:30:00.123Z"`),
		stamp(arrow.Microsecond, "UTC", `"2026-11-01T02:30:00.123456Z"`),
		stamp(arrow.Nanosecond, "UTC", `"2026-11-01T02:30:00.123456789Z"`),
		{"word", &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int16, ValueType: arrow.BinaryTypes.String},
			add(func(b *array.BinaryDictionaryBuilder) { _ = b.AppendString("often") }), `"often"`},
		{"list", arrow.ListOf(inner), add(func(b *array.ListBuilder) {
			b.Append(true)
			s := b.ValueBuilder().(*array.StructBuilder)
			s.Append(true)
			s.FieldBuilder(0).(*array.StringBuilder).AppendNull()
			l := s.FieldBuilder(1).(*array.ListBuilder)
			l.Append(true)
			l.ValueBuilder().(*array.Int64Builder).AppendValues([]int64{1, 0, 3}, []bool{true, false, true})
			s.AppendNull()
			s.Append(true)
			s.FieldBuilder(0).(*array.StringBuilder).Append("x")
			l.Append(true) // empty
		}), `[{"l":[1,null,3]},null,{"t":"x","l":[]}]`},
		{"struct", inner, add(func(b *array.StructBuilder) {
			b.Append(true)
			b.FieldBuilder(0).(*array.StringBuilder).Append("y")
			b.FieldBuilder(1).(*array.ListBuilder).AppendNull()
		}), `{"t":"y"}`},
		{"map", arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), add(func(b *array.MapBuilder) {
			b.Append(true)
			b.KeyBuilder().(*array.StringBuilder).AppendValues([]string{"a", "b"}, nil)
			b.ItemBuilder().(*array.Int64Builder).AppendValues([]int64{1, 0}, []bool{true, false})
		}), `{"a":1}`},
	}
}

// onlyArrow are the types that Parquet does not have.
func onlyArrow() []example {
	return []example{
		{"null", arrow.Null, func(b array.Builder) { b.AppendNull() }, ""},
		{"at_s", &arrow.TimestampType{Unit: arrow.Second}, add(func(b *array.TimestampBuilder) { b.Append(-1) }),
			`"1969-12-31T23:59:59"`},
		{"date64", arrow.FixedWidthTypes.Date64, add(func(b *array.Date64Builder) { b.Append(-86400000) }), `"1969-12-31"`},
		{"clocks", arrow.FixedWidthTypes.Time32s, add(func(b *array.Time32Builder) { b.Append(9000) }), `"02:30:00"`},
		{"clockns", arrow.FixedWidthTypes.Time64ns, add(func(b *array.Time64Builder) { b.Append(1) }), `"00:00:00.000000001"`},
		{"took", arrow.FixedWidthTypes.Duration_ms, add(func(b *array.DurationBuilder) { b.Append(15) }), "15"},
		{"view", arrow.BinaryTypes.StringView, add(func(b *array.StringViewBuilder) { b.Append("longer than twelve bytes") }),
			`"longer than twelve bytes"`},
		{"short", arrow.BinaryTypes.StringView, add(func(b *array.StringViewBuilder) { b.Append("short") }), `"short"`},
		{"pair", arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int8), add(func(b *array.FixedSizeListBuilder) {
			b.Append(true)
			b.ValueBuilder().(*array.Int8Builder).AppendValues([]int8{1, 2}, nil)
		}), "[1,2]"},
		{"biglist", arrow.LargeListOf(arrow.PrimitiveTypes.Int8), add(func(b *array.LargeListBuilder) {
			b.Append(true)
			b.ValueBuilder().(*array.Int8Builder).Append(7)
		}), "[7]"},
		{"listview", arrow.ListViewOf(arrow.PrimitiveTypes.Int8), add(func(b *array.ListViewBuilder) {
			b.AppendWithSize(true, 2)
			b.ValueBuilder().(*array.Int8Builder).AppendValues([]int8{8, 9}, nil)
		}), "[8,9]"},
		{"months", arrow.FixedWidthTypes.MonthDayNanoInterval, add(func(b *array.MonthDayNanoIntervalBuilder) {
			b.Append(arrow.MonthDayNanoInterval{Months: 1, Days: -2, Nanoseconds: 3})
		}), `{"months":1,"days":-2,"nanoseconds":3}`},
		{"run", arrow.RunEndEncodedOf(arrow.PrimitiveTypes.Int32, arrow.BinaryTypes.String),
			add(func(b *array.RunEndEncodedBuilder) {
				b.Append(1)
				b.ValueBuilder().(*array.StringBuilder).Append("r")
			}), `"r"`},
		{"numbers", arrow.MapOf(arrow.PrimitiveTypes.Int64, arrow.FixedWidthTypes.Boolean), add(func(b *array.MapBuilder) {
			b.Append(true)
			b.KeyBuilder().(*array.Int64Builder).Append(5)
			b.ItemBuilder().(*array.BooleanBuilder).Append(false)
		}), `{"5":false}`},
		{"either", arrow.DenseUnionOf([]arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int8},
			{Name: "b", Type: arrow.BinaryTypes.String}}, []arrow.UnionTypeCode{3, 5}), add(func(b *array.DenseUnionBuilder) {
			b.Append(5)
			b.Child(1).(*array.StringBuilder).Append("u")
		}), `"u"`},
	}
}

// record has three rows: the examples, nothing but nulls, and the examples.
func record(t testing.TB, all []example) (rec arrow.RecordBatch, want []string) {
	t.Helper()
	var fields []arrow.Field
	var members []string
	for _, e := range all {
		fields = append(fields, arrow.Field{Name: e.name, Type: e.typ, Nullable: true})
		if e.want != "" {
			members = append(members, fmt.Sprintf("%q:%s", e.name, e.want))
		}
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for i, e := range all {
		e.append(b.Field(i))
		b.Field(i).AppendNull()
		e.append(b.Field(i))
	}
	row := "{" + strings.Join(members, ",") + "}"
	return b.NewRecordBatch(), []string{row, "{}", row}
}

func stream(t testing.TB, recs []arrow.RecordBatch, o ...ipc.Option) []byte {
	t.Helper()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(o, ipc.WithSchema(recs[0].Schema()), ipc.WithDictionaryDeltas(true))...)
	for _, rec := range recs {
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func file(t testing.TB, rec arrow.RecordBatch, o ...parquet.WriterProperty) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(rec.Schema(), &out, parquet.NewWriterProperties(o...), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(rec), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestEveryTypeIsTheJSONThatItStandsFor: whatever the compression.
func TestEveryTypeIsTheJSONThatItStandsFor(t *testing.T) {
	rec, want := record(t, append(examples(), onlyArrow()...))
	for name, o := range map[string][]ipc.Option{"plain": nil, "zstd": {ipc.WithZstd()}, "lz4": {ipc.WithLZ4()}} {
		rows, err := rowsOf(Arrow(stream(t, []arrow.RecordBatch{rec, rec}, o...), limits()))
		if err != nil || !slices.Equal(rows, append(slices.Clone(want), want...)) {
			t.Errorf("Arrow, %s: %v\n%s\nwant\n%s", name, err, strings.Join(rows, "\n"), strings.Join(want, "\n"))
		}
	}
	rec, want = record(t, examples())
	for name, o := range map[string][]parquet.WriterProperty{
		"plain":  {parquet.WithDictionaryDefault(false)},
		"words":  {parquet.WithCompression(compress.Codecs.Snappy)},
		"zstd":   {parquet.WithCompression(compress.Codecs.Zstd), parquet.WithDataPageVersion(parquet.DataPageV2)},
		"gzip":   {parquet.WithCompression(compress.Codecs.Gzip), parquet.WithMaxRowGroupLength(2)},
		"lz4raw": {parquet.WithCompression(compress.Codecs.Lz4Raw), parquet.WithDataPageVersion(parquet.DataPageV2)},
	} {
		rows, err := rowsOf(Parquet(file(t, rec, o...), limits()))
		if err != nil || !slices.Equal(rows, want) {
			t.Errorf("Parquet, %s: %v\n%s\nwant\n%s", name, err, strings.Join(rows, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestEncodingsOfParquet: each gives the values back, over many pages.
func TestEncodingsOfParquet(t *testing.T) {
	fields := []arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, {Name: "i", Type: arrow.PrimitiveTypes.Int32},
		{Name: "f", Type: arrow.PrimitiveTypes.Float64}, {Name: "s", Type: arrow.BinaryTypes.String},
		{Name: "b", Type: arrow.FixedWidthTypes.Boolean}}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	var want []string
	for i := range 3000 {
		n := int64(i*i) - 1000*int64(i)
		row := fmt.Sprintf(`"i":%d,"f":%d.5,"s":"host-%d","b":%t}`, -i, i, i/7, i%3 == 0)
		if i%5 == 0 {
			b.Field(0).AppendNull()
			row = "{" + row
		} else {
			b.Field(0).(*array.Int64Builder).Append(n)
			row = fmt.Sprintf(`{"n":%d,`, n) + row
		}
		b.Field(1).(*array.Int32Builder).Append(int32(-i))
		b.Field(2).(*array.Float64Builder).Append(float64(i) + 0.5)
		b.Field(3).(*array.StringBuilder).Append(fmt.Sprintf("host-%d", i/7))
		b.Field(4).(*array.BooleanBuilder).Append(i%3 == 0)
		want = append(want, row)
	}
	rec := b.NewRecordBatch()
	for name, columns := range map[string]map[string]parquet.Encoding{
		"delta": {"n": parquet.Encodings.DeltaBinaryPacked, "i": parquet.Encodings.DeltaBinaryPacked,
			"s": parquet.Encodings.DeltaLengthByteArray, "b": parquet.Encodings.RLE},
		"delta bytes": {"s": parquet.Encodings.DeltaByteArray},
		"split":       {"f": parquet.Encodings.ByteStreamSplit, "i": parquet.Encodings.ByteStreamSplit},
	} {
		o := []parquet.WriterProperty{parquet.WithDictionaryDefault(false), parquet.WithDataPageSize(1000),
			parquet.WithDataPageVersion(parquet.DataPageV2), parquet.WithBatchSize(100)}
		for column, e := range columns {
			o = append(o, parquet.WithEncodingFor(column, e))
		}
		rows, err := rowsOf(Parquet(file(t, rec, o...), limits()))
		if err != nil || !slices.Equal(rows, want) {
			t.Errorf("%s: %d rows, %v; the first is %.200s", name, len(rows), err, strings.Join(rows, "\n"))
		}
	}
}

// TestWhatExpandsTooMuchIsRefused: some bytes that stand for very much.
func TestWhatExpandsTooMuchIsRefused(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	schema := arrow.NewSchema([]arrow.Field{{Name: "s", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32,
		ValueType: arrow.BinaryTypes.String}}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for range 1000 {
		_ = b.Field(0).(*array.BinaryDictionaryBuilder).AppendString(long)
	}
	rec := b.NewRecordBatch()
	nulls := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.Null}}, nil),
		[]arrow.Array{array.NewNull(1 << 30)}, 1<<30)
	for name, r := range map[string]Reader{
		"words of a dictionary": Arrow(stream(t, []arrow.RecordBatch{rec}, ipc.WithZstd()), limits()),
		"the same in Parquet":   Parquet(file(t, rec, parquet.WithCompression(compress.Codecs.Zstd)), limits()),
		"rows of nothing":       Arrow(stream(t, []arrow.RecordBatch{nulls}), limits()),
		"memory": Arrow(stream(t, []arrow.RecordBatch{rec}, ipc.WithZstd()),
			Limits{Rows: 1 << 20, Text: 64 << 20, Held: 1000}),
	} {
		if _, err := rowsOf(r); !errors.Is(err, ErrTooMuch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhatIsCutShortIsDamaged: at every byte, an error and no more rows than
// there are.
func TestWhatIsCutShortIsDamaged(t *testing.T) {
	rec, want := record(t, examples())
	data := file(t, rec)
	for n := range data {
		if _, err := rowsOf(Parquet(data[:n], limits())); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrTooMuch) {
			t.Fatalf("%d of %d bytes of Parquet: %v", n, len(data), err)
		}
	}
	data = stream(t, []arrow.RecordBatch{rec})
	for n := range data {
		rows, err := rowsOf(Arrow(data[:n], limits()))
		if whole := len(rows) == 0 || len(rows) == len(want); err == nil && !whole {
			t.Fatalf("%d of %d bytes of Arrow: %d rows", n, len(data), len(rows))
		}
	}
}

// FuzzArrow and FuzzParquet: whatever it is, rows are objects, and there is an
// end.
func FuzzArrow(f *testing.F) {
	rec, _ := record(f, append(examples(), onlyArrow()...))
	f.Add(stream(f, []arrow.RecordBatch{rec}))
	f.Add(stream(f, []arrow.RecordBatch{rec}, ipc.WithZstd()))
	f.Add(stream(f, []arrow.RecordBatch{rec}, ipc.WithLZ4()))
	fuzz(f, Arrow)
}

func FuzzParquet(f *testing.F) {
	rec, _ := record(f, examples())
	f.Add(file(f, rec))
	f.Add(file(f, rec, parquet.WithDataPageVersion(parquet.DataPageV2), parquet.WithCompression(compress.Codecs.Zstd)))
	f.Add(file(f, rec, parquet.WithDictionaryDefault(false), parquet.WithCompression(compress.Codecs.Snappy)))
	fuzz(f, Parquet)
}

func fuzz(f *testing.F, open func([]byte, Limits) Reader) {
	f.Fuzz(func(t *testing.T, data []byte) {
		l := Limits{Rows: 1000, Text: 1 << 20, Held: 1 << 20}
		rows, err := rowsOf(open(data, l))
		if len(rows) > l.Rows || err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrTooMuch) {
			t.Errorf("%d rows, %v", len(rows), err)
		}
	})
}
