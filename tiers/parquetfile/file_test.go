package parquetfile

import (
	"bytes"
	"fmt"
	"math"
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
		list(15, "hops", structure(16, "element", field(17, "ip", tiers.KindString), list(18, "ports", field(19, "element", tiers.KindLong)))),
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

func TestWriteReadsBack(t *testing.T) {
	tab := NewTable(allKinds())
	fill(tab, 10_000)
	w := NewWriter()
	f, err := w.Write(tab, nil, Options{Schema: allKinds(), RowGroup: 3000, Bloom: []string{"id", "src.ip"}, Sorted: []string{"time"}})
	if err != nil {
		t.Fatal(err)
	}
	got := rowsOf(t, f)
	if len(got) != 10_000 {
		t.Fatalf("read %d rows", len(got))
	}
	t.Log(got[0])
	t.Log(got[11])
	t.Log(got[14])
	if len(f.Info.SplitOffsets) != 4 || f.Info.Rows != 10_000 || f.Info.TimeMax.UnixMicro() != 9999_000 {
		t.Errorf("info %+v", f.Info)
	}
	for _, c := range f.Info.Columns {
		t.Logf("%+v", c)
	}
	_ = math.Pi
}
