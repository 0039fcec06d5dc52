// Package randomtable makes tables of random columns, values, nulls and
// divisions into files, and says what a reader must find in them. For tests.
package randomtable

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// Case is a table, and how it is to be divided.
type Case struct {
	Table *parquetfile.Table
	// Days are the rows of each file. Each has one day of the column time.
	Days [][]uint32
	// Options lack the schema.
	Options parquetfile.Options
	// Rows are what a reader must find: structs as objects without the members
	// that are null, doubles and times as whole numbers, bytes in hexadecimal.
	Rows []map[string]any
}

// Schema has a time, a number "row" that counts, and up to 9 random columns,
// with ids if numbered.
func Schema(r *rand.Rand, numbered bool) tiers.Schema {
	g := &generator{Rand: r}
	s := tiers.Schema{Fields: []tiers.Field{
		{Name: tiers.ColTime, Required: true, Type: tiers.Type{Kind: tiers.KindTimestamp}},
		{Name: "row", Type: tiers.Type{Kind: tiers.KindLong}},
	}}
	for i := range 1 + r.IntN(9) {
		s.Fields = append(s.Fields, g.field(fmt.Sprint("c", i), 0))
	}
	if numbered {
		number(s.Fields, new(int))
	}
	return s
}

func number(fs []tiers.Field, last *int) {
	for i := range fs {
		*last++
		fs[i].ID = *last
		number(fs[i].Type.Fields, last)
		if e := fs[i].Type.Elem; e != nil {
			one := []tiers.Field{*e}
			number(one, last)
			*e = one[0]
		}
	}
}

type generator struct{ *rand.Rand }

var scalars = []tiers.Kind{tiers.KindBool, tiers.KindLong, tiers.KindDouble, tiers.KindString, tiers.KindBinary,
	tiers.KindDate, tiers.KindTimestamp}

func (g *generator) field(name string, depth int) tiers.Field {
	f := tiers.Field{Name: name}
	switch k := g.IntN(10); {
	case k < 2 && depth < 3:
		f.Type.Kind = tiers.KindStruct
		for i := range 1 + g.IntN(3) {
			f.Type.Fields = append(f.Type.Fields, g.field(fmt.Sprint("m", i), depth+1))
		}
	case k < 4 && depth < 3:
		e := g.field("element", depth+1)
		f.Type = tiers.Type{Kind: tiers.KindList, Elem: &e}
	default:
		f.Type.Kind = scalars[g.IntN(len(scalars))]
	}
	return f
}

const (
	micros = 24 * 3600 * 1_000_000
	day0   = 20_000 // since 1970
)

// Fill makes a case of so many rows.
func Fill(r *rand.Rand, s tiers.Schema, rows int) *Case {
	c := &Case{Table: parquetfile.NewTable(s), Days: make([][]uint32, 1+r.IntN(4))}
	fills := make([]*filler, len(s.Fields))
	for i, f := range s.Fields {
		fills[i] = newFiller(r, f, len(c.Days))
	}
	for i := range rows {
		day := r.IntN(len(c.Days))
		c.Days[day] = append(c.Days[day], uint32(i))
		at := int64(day0+day)*micros + r.Int64N(micros)
		c.Table.Columns[0].SetInt(i, at)
		c.Table.Columns[1].SetInt(i, int64(i))
		row := map[string]any{tiers.ColTime: at, "row": int64(i)}
		for k, f := range fills[2:] {
			if v := f.set(c.Table.Columns[k+2], i, day); v != nil {
				row[f.Name] = v
			}
		}
		c.Rows = append(c.Rows, row)
		c.Table.N++
	}
	c.options(r, s)
	return c
}

func (c *Case) options(r *rand.Rand, s tiers.Schema) {
	c.Options = parquetfile.Options{RowGroup: 1 + r.IntN(2*c.Table.N)}
	if r.IntN(2) == 0 {
		c.Options.PageRows = 1 + r.IntN(c.Table.N)
	}
	for _, f := range s.Fields {
		if r.IntN(2) == 0 {
			c.Options.Bloom = append(c.Options.Bloom, f.Name)
		}
		for _, m := range f.Type.Fields {
			if k := m.Type.Kind; k != tiers.KindStruct && k != tiers.KindList && r.IntN(2) == 0 {
				c.Options.Copies = append(c.Options.Copies, f.Name+"."+m.Name)
			}
		}
	}
}

// filler decides the values of a field: how many differ, and how often there is
// none on each day.
type filler struct {
	*rand.Rand
	tiers.Field
	absent   []float64 // by day
	distinct int
	first    int // row that may have a value
	members  []*filler
}

func newFiller(r *rand.Rand, f tiers.Field, days int) *filler {
	out := &filler{Rand: r, Field: f, distinct: []int{1, 2, 3, 20, 1000, math.MaxInt32}[r.IntN(6)]}
	for range days {
		out.absent = append(out.absent, []float64{0, 0, 0.01, 0.5, 0.99, 1}[r.IntN(6)])
	}
	if r.IntN(4) == 0 {
		out.first = r.IntN(200)
	}
	for _, m := range f.Type.Fields {
		out.members = append(out.members, newFiller(r, m, days))
	}
	if f.Type.Elem != nil {
		out.members = append(out.members, newFiller(r, *f.Type.Elem, days))
	}
	return out
}

// set gives a slot a value, or none, and returns what a reader must find.
func (f *filler) set(c *parquetfile.Column, slot, day int) any {
	if slot < f.first || f.Float64() < f.absent[day] {
		return nil
	}
	switch f.Type.Kind {
	case tiers.KindStruct:
		c.SetStruct(slot)
		out := map[string]any{}
		for i, m := range f.members {
			if v := m.set(c.Children[i], slot, day); v != nil {
				out[m.Name] = v
			}
		}
		return out
	case tiers.KindList:
		first, out := c.BeginList(slot), make([]any, f.IntN(4))
		for i := range out {
			out[i] = f.members[0].set(c.Elem(), first+i, day)
		}
		c.EndList(len(out))
		return out
	default:
		return f.scalar(c, slot)
	}
}

func (f *filler) scalar(c *parquetfile.Column, slot int) any {
	n := int64(f.IntN(f.distinct))
	switch f.Type.Kind {
	case tiers.KindBool:
		c.SetBool(slot, n%2 == 1)
		return n%2 == 1
	case tiers.KindDouble:
		v := []float64{float64(n), float64(n) / 7, -float64(n), math.Copysign(0, -1), math.Inf(1), math.MaxFloat64}[n%6]
		c.SetDouble(slot, v)
		return int64(math.Float64bits(v))
	case tiers.KindString:
		v := []string{"", fmt.Sprint(n), fmt.Sprintf("%0*d", 1+n%90, n), fmt.Sprint("\U0001F600 ä \" \n", n)}[n%4]
		c.SetString(slot, v)
		return v
	case tiers.KindBinary:
		v := fmt.Appendf(nil, "\xff\x00%d", n)[:min(int(n), 5)]
		c.SetBytes(slot, v)
		return hex.EncodeToString(v)
	case tiers.KindDate:
		c.SetInt(slot, n%40_000-10_000)
		return n%40_000 - 10_000
	case tiers.KindTimestamp:
		c.SetInt(slot, (n-100)*1_234_567)
		return (n - 100) * 1_234_567
	default:
		v := []int64{n, -n, n << 32, math.MaxInt64, math.MinInt64}[n%5]
		c.SetInt(slot, v)
		return v
	}
}
