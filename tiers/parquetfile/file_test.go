package parquetfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/lakeward/lakeward/tiers"
)

func field(id int, name string, k tiers.Kind) tiers.Field {
	return tiers.Field{ID: id, Name: name, Type: tiers.Type{Kind: k}}
}

func required(f tiers.Field) tiers.Field { f.Required = true; return f }

func list(id int, name string, elem tiers.Field) tiers.Field {
	return tiers.Field{ID: id, Name: name, Type: tiers.Type{Kind: tiers.KindList, Elem: &elem}}
}

func structure(id int, name string, fields ...tiers.Field) tiers.Field {
	return tiers.Field{ID: id, Name: name, Type: tiers.Type{Kind: tiers.KindStruct, Fields: fields}}
}

func allKinds() tiers.Schema {
	return tiers.Schema{Fields: []tiers.Field{
		required(field(1, "time", tiers.KindTimestamp)),
		field(2, "ok", tiers.KindBool),
		field(3, "n", tiers.KindLong),
		field(4, "x", tiers.KindDouble),
		field(5, "name", tiers.KindString),
		field(6, "id", tiers.KindString),
		field(7, "raw", tiers.KindBinary),
		field(8, "day", tiers.KindDate),
		structure(9, "src", field(10, "ip", tiers.KindString), structure(11, "loc", field(12, "lat", tiers.KindDouble))),
		list(13, "tags", field(14, "element", tiers.KindString)),
		list(15, "hops", structure(16, "element", field(17, "ip", tiers.KindString),
			list(18, "ports", field(19, "element", tiers.KindLong)))),
		field(20, "never", tiers.KindString),
	}}
}

// fill sets n rows in a pattern with many kinds of nulls.
func fill(t *Table, n int) {
	c := t.Column
	for i := range n {
		c("time").SetInt(i, int64(i)*1000)
		if i%3 > 0 {
			c("ok").SetBool(i, i%2 == 0)
			c("n").SetInt(i, int64(i%7))
			c("x").SetDouble(i, float64(i%5)/4)
		}
		if i%5 > 0 {
			c("name").SetString(i, fmt.Sprintf("name%d", i%11))
			c("raw").SetBytes(i, []byte{byte(i), 0xff})
			c("day").SetInt(i, int64(i%100))
		}
		c("id").SetString(i, fmt.Sprintf("%x", uint64(i+1)*0x9E3779B97F4A7C15))
		if i%4 > 0 {
			c("src").SetStruct(i)
			if i%8 > 4 {
				c("src").Member("ip").SetString(i, fmt.Sprintf("10.0.0.%d", i%200))
			}
			if i%8 > 5 {
				c("src").Member("loc").SetStruct(i)
				c("src").Member("loc").Member("lat").SetDouble(i, float64(i))
			}
		}
		fillLists(t, i)
		t.N++
	}
}

func fillLists(t *Table, i int) {
	tags, hops := t.Column("tags"), t.Column("hops")
	if i%3 > 0 {
		first := tags.BeginList(i)
		for k := range i % 4 {
			if k != 1 {
				tags.Elem().SetString(first+k, fmt.Sprintf("t%d", k))
			}
		}
		tags.EndList(i % 4)
	}
	if i%5 > 1 {
		first := hops.BeginList(i)
		for k := range i % 3 {
			hops.Elem().SetStruct(first + k)
			hops.Elem().Member("ip").SetString(first+k, "::1")
			ports := hops.Elem().Member("ports")
			p := ports.BeginList(first + k)
			for j := range k {
				ports.Elem().SetInt(p+j, int64(j))
			}
			ports.EndList(k)
		}
		hops.EndList(i % 3)
	}
}

func open(t *testing.T, f File) *parquet.File {
	t.Helper()
	p, err := parquet.OpenFile(bytes.NewReader(f.Data), int64(len(f.Data)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// rowsOf reads a file back as text, one line a row.
func rowsOf(t *testing.T, f File) []string {
	t.Helper()
	var out []string
	p := open(t, f)
	for _, g := range p.RowGroups() {
		rows := g.Rows()
		buf := make([]parquet.Row, 64)
		for {
			n, err := rows.ReadRows(buf)
			for _, r := range buf[:n] {
				var b bytes.Buffer
				for _, v := range r {
					fmt.Fprintf(&b, "%d/%d/%d=%v ", v.Column(), v.RepetitionLevel(), v.DefinitionLevel(), v)
				}
				out = append(out, b.String())
			}
			if err != nil {
				break
			}
		}
		rows.Close()
	}
	return out
}

// dremel is what a row of fill must read back as: an account of levels of its
// own, written for these columns alone.
func dremel(i int) string {
	var b strings.Builder
	col := 0
	put := func(rep, def int, v any) { fmt.Fprintf(&b, "%d/%d/%d=%v ", col, rep, def, v) }
	one := func(ok bool, v any) {
		if ok {
			put(0, 1, v)
		} else {
			put(0, 0, "<null>")
		}
		col++
	}
	put(0, 0, int64(i)*1000)
	col++
	one(i%3 > 0, i%2 == 0)
	one(i%3 > 0, i%7)
	one(i%3 > 0, float64(i%5)/4)
	one(i%5 > 0, fmt.Sprintf("name%d", i%11))
	one(true, fmt.Sprintf("%x", uint64(i+1)*0x9E3779B97F4A7C15))
	one(i%5 > 0, string([]byte{byte(i), 0xff}))
	one(i%5 > 0, i%100)
	switch {
	case i%4 == 0:
		put(0, 0, "<null>")
		col++
		put(0, 0, "<null>")
	case i%8 > 4:
		put(0, 2, fmt.Sprintf("10.0.0.%d", i%200))
		col++
		if i%8 > 5 {
			put(0, 3, float64(i))
		} else {
			put(0, 1, "<null>")
		}
	default:
		put(0, 1, "<null>")
		col++
		put(0, 1, "<null>")
	}
	col++
	dremelLists(i, &col, put)
	return b.String()
}

func dremelLists(i int, col *int, put func(rep, def int, v any)) {
	rep := func(k int) int { return min(k, 1) }
	switch {
	case i%3 == 0:
		put(0, 0, "<null>")
	case i%4 == 0:
		put(0, 1, "<null>")
	}
	for k := range i % 4 {
		switch {
		case i%3 == 0:
		case k == 1:
			put(1, 2, "<null>")
		default:
			put(rep(k), 3, fmt.Sprintf("t%d", k))
		}
	}
	*col++
	for leaf := range 2 {
		switch {
		case i%5 <= 1:
			put(0, 0, "<null>")
		case i%3 == 0:
			put(0, 1, "<null>")
		}
		for k := range i % 3 {
			switch {
			case i%5 <= 1:
			case leaf == 0:
				put(rep(k), 4, "::1")
			case k == 0:
				put(0, 4, "<null>")
			default:
				put(1, 6, 0)
			}
		}
		*col++
	}
}

func TestWriteReadsBack(t *testing.T) {
	const n = 10_000
	tab := NewTable(allKinds())
	fill(tab, n)
	reversed := make([]uint32, n)
	for i := range reversed {
		reversed[i] = uint32(n - 1 - i)
	}
	w := NewWriter()
	for name, order := range map[string][]uint32{"as it is": nil, "reversed": reversed} {
		f, err := w.Write(tab, order, Options{Schema: allKinds(), RowGroup: 3000})
		if err != nil {
			t.Fatal(err)
		}
		got := rowsOf(t, f)
		if len(got) != n {
			t.Fatalf("%s: %d rows", name, len(got))
		}
		for i, row := range got {
			at := i
			if order != nil {
				at = int(order[i])
			}
			if want := dremel(at); row != want {
				t.Fatalf("%s: row %d is\n%s, want\n%s", name, i, row, want)
			}
		}
	}
}

func TestInfo(t *testing.T) {
	tab := NewTable(allKinds())
	fill(tab, 10_000)
	seqs := []tiers.SeqRange{{First: 3, Last: 9}, {First: 12, Last: 10_004}}
	f, err := NewWriter().Write(tab, nil, Options{
		Schema: allKinds(), RowGroup: 3000, Bloom: []string{"id", "src.ip", "n"}, Sorted: []string{"time"},
		Stream: "EVENTS@1", Seqs: seqs,
	})
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, f)
	if got := len(p.RowGroups()); got != 4 || len(f.Info.SplitOffsets) != 4 {
		t.Errorf("%d row groups, splits %v", got, f.Info.SplitOffsets)
	}
	if f.Info.Size != int64(len(f.Data)) || f.Info.CRC32C != crc32.Checksum(f.Data, crc32.MakeTable(crc32.Castagnoli)) {
		t.Error("size or checksum")
	}
	if f.Info.TimeMin.UnixMicro() != 0 || f.Info.TimeMax.UnixMicro() != 9_999_000 || f.Info.Day != 0 {
		t.Errorf("times %s to %s, day %d", f.Info.TimeMin, f.Info.TimeMax, f.Info.Day)
	}
	checkBlooms(t, p)
	checkIDs(t, p)
	got, err := ReadSeqs(bytes.NewReader(f.Data), int64(len(f.Data)))
	if err != nil || got.Stream != "EVENTS@1" || !slices.Equal(got.Ranges, seqs) {
		t.Errorf("sequences %+v, %v", got, err)
	}
	want := map[int]tiers.ColumnStats{
		2:  {Values: 10_000, Nulls: 3334, Lower: []byte{0}, Upper: []byte{1}},
		5:  {Values: 10_000, Nulls: 2000, Lower: []byte("name0"), Upper: []byte("name9")},
		8:  {Values: 10_000, Nulls: 2000, Lower: []byte{1, 0, 0, 0}, Upper: []byte{99, 0, 0, 0}},
		14: {Values: 14_999, Nulls: 8333, Lower: []byte("t0"), Upper: []byte("t2")},
	}
	for _, c := range f.Info.Columns {
		if w, ok := want[c.FieldID]; ok {
			w.FieldID, w.Size = c.FieldID, c.Size
			if !reflect.DeepEqual(c, w) {
				t.Errorf("column %d: %+v, want %+v", c.FieldID, c, w)
			}
		}
		if c.FieldID == 20 {
			t.Error("a column without values was written")
		}
	}
}

func checkBlooms(t *testing.T, p *parquet.File) {
	t.Helper()
	leaf, _ := p.Schema().Lookup("id")
	for g, rg := range p.RowGroups() {
		filter := rg.ColumnChunks()[leaf.ColumnIndex].BloomFilter()
		if filter == nil {
			t.Fatal("no bloom filter")
		}
		value := func(i int) parquet.Value {
			return parquet.ValueOf(fmt.Sprintf("%x", uint64(i+1)*0x9E3779B97F4A7C15))
		}
		wrong := 0
		for i := range 10_000 {
			found, err := filter.Check(value(i))
			if err != nil || (!found && i/3000 == g) {
				t.Fatalf("row group %d lacks row %d: %v", g, i, err)
			}
			if found && i/3000 != g {
				wrong++
			}
		}
		if wrong > 300 {
			t.Errorf("row group %d: %d false positives", g, wrong)
		}
	}
}

func checkIDs(t *testing.T, p *parquet.File) {
	t.Helper()
	ids := map[string]int{}
	for _, e := range p.Metadata().Schema {
		ids[e.Name] = int(e.FieldID)
	}
	if ids["lat"] != 12 || ids["hops"] != 15 || ids["list"] != 0 || ids["ports"] != 18 {
		t.Errorf("ids %v", ids)
	}
}

func TestBoundsOfText(t *testing.T) {
	long := strings.Repeat("ä", 20)
	top := strings.Repeat("\U0010FFFF", 20)
	tests := []struct{ name, value, lower, upper string }{
		{"short", "abc", "abc", "abc"},
		{"sixteen", "0123456789abcdef", "0123456789abcdef", "0123456789abcdef"},
		{"long", "0123456789abcdefg", "0123456789abcdef", "0123456789abcdeg"},
		{"characters", long, strings.Repeat("ä", 16), strings.Repeat("ä", 15) + "å"},
		{"before the surrogates", strings.Repeat("\uD7FF", 17), strings.Repeat("\uD7FF", 16),
			strings.Repeat("\uD7FF", 15) + "\uE000"},
		{"carry", "ab" + top, "ab" + strings.Repeat("\U0010FFFF", 14), "ac"},
		{"none above", top, strings.Repeat("\U0010FFFF", 16), ""},
	}
	for _, tt := range tests {
		lo, hi := cutString([]byte(tt.value)), cutStringUp([]byte(tt.value))
		if string(lo) != tt.lower || string(hi) != tt.upper {
			t.Errorf("%s: %q to %q, want %q to %q", tt.name, lo, hi, tt.lower, tt.upper)
		}
	}
	if hi := cutBinaryUp(bytes.Repeat([]byte{0xFF}, 17)); hi != nil {
		t.Errorf("bound %x above everything", hi)
	}
}

func TestBoundsOfDoubles(t *testing.T) {
	s := tiers.Schema{Fields: []tiers.Field{field(1, "x", tiers.KindDouble)}}
	tab := NewTable(s)
	for i, v := range []float64{math.NaN(), 2, 0, math.NaN()} {
		tab.Columns[0].SetDouble(i, v)
		tab.N++
	}
	f, err := NewWriter().Write(tab, nil, Options{Schema: s})
	if err != nil {
		t.Fatal(err)
	}
	c := f.Info.Columns[0]
	lo, hi := math.Float64frombits(binary.LittleEndian.Uint64(c.Lower)),
		math.Float64frombits(binary.LittleEndian.Uint64(c.Upper))
	if c.NaNs != 2 || !math.Signbit(lo) || lo != 0 || hi != 2 {
		t.Errorf("%+v", c)
	}
}

// TestPages writes a column whose pages must be split.
func TestPages(t *testing.T) {
	s := tiers.Schema{Fields: []tiers.Field{list(1, "l", field(2, "element", tiers.KindString)),
		field(3, "b", tiers.KindBool)}}
	tab := NewTable(s)
	const rows, each = 300, 3
	for i := range rows {
		l := tab.Columns[0]
		first := l.BeginList(i)
		for k := range each {
			l.Elem().SetBytes(first+k, fmt.Appendf(nil, "%d %d %s", i, k, strings.Repeat("x", 20_000)))
		}
		l.EndList(each)
		tab.Columns[1].SetBool(i, i%3 == 0)
		tab.N++
	}
	f, err := NewWriter().Write(tab, nil, Options{Schema: s})
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rowsOf(t, f) {
		if !strings.HasPrefix(row, fmt.Sprintf("0/0/3=%d 0 ", i)) ||
			!strings.HasSuffix(row, fmt.Sprintf("1/0/1=%v ", i%3 == 0)) {
			t.Fatalf("row %d: %.60s", i, row)
		}
	}
}

func TestAppendBits(t *testing.T) {
	packed := []byte{0b10110101, 0b01101110, 0b11}
	bit := func(p []byte, i int) byte { return p[i>>3] >> (i & 7) & 1 }
	for from := range 18 {
		for to := from; to <= 18; to++ {
			got := appendBits(nil, packed, from, to)
			for i := from; i < to; i++ {
				if bit(got, i-from) != bit(packed, i) {
					t.Fatalf("bits %d to %d: %b", from, to, got)
				}
			}
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	s := tiers.Schema{Fields: []tiers.Field{field(1, "a", tiers.KindLong)}}
	tab := NewTable(s)
	if _, err := NewWriter().Write(tab, nil, Options{Schema: s}); err == nil {
		t.Error("no rows were written")
	}
	tab.Columns[0].SetInt(0, 1)
	tab.N = 1
	wrong := tiers.Schema{Fields: []tiers.Field{field(1, "a", tiers.KindString)}}
	if _, err := NewWriter().Write(tab, nil, Options{Schema: wrong}); err == nil {
		t.Error("a long was written as string")
	}
	if _, err := NewWriter().Write(tab, nil,
		Options{Schema: tiers.Schema{Fields: []tiers.Field{field(0, "a", tiers.KindLong)}}}); err == nil {
		t.Error("a column without id was written")
	}
}
