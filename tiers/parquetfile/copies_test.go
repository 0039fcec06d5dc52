package parquetfile

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/lakeward/lakeward/tiers"
)

func TestACopyHasItsFieldsValuesAndAFilter(t *testing.T) {
	tab := NewTable(allKinds())
	fill(tab, 5000)
	f, err := NewWriter().Write(tab, nil, Options{Schema: allKinds(), RowGroup: 700,
		Copies: []string{"src.ip", "src.none"}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.Info.Copies, []int{10}) {
		t.Errorf("copies of %v", f.Info.Copies)
	}
	if field, ok := tiers.CopyOf(tiers.CopyID(10)); !ok || field != 10 {
		t.Errorf("the id of a copy is of %d, %v", field, ok)
	}
	if _, ok := tiers.CopyOf(10); ok {
		t.Error("a field's id is taken for a copy's")
	}
	p := open(t, f)
	copied, _ := p.Schema().Lookup("_copy_src_ip")
	field, _ := p.Schema().Lookup("src", "ip")
	for g, rg := range p.RowGroups() {
		a, b := textsOf(t, rg.ColumnChunks()[copied.ColumnIndex]), textsOf(t, rg.ColumnChunks()[field.ColumnIndex])
		if !slices.Equal(a, b) || len(a) == 0 {
			t.Fatalf("row group %d: the copy differs", g)
		}
		for _, v := range a {
			if v == "" {
				continue
			}
			if found, err := rg.ColumnChunks()[copied.ColumnIndex].BloomFilter().Check(parquet.ValueOf(v)); err != nil ||
				!found {
				t.Fatalf("row group %d: the filter lacks %s: %v", g, v, err)
			}
		}
	}
}

// textsOf are a chunk's values, empty where there is none.
func textsOf(t *testing.T, c parquet.ColumnChunk) (out []string) {
	t.Helper()
	pages := c.Pages()
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if err != nil {
			return out
		}
		vs := make([]parquet.Value, page.NumValues())
		n, _ := page.Values().ReadValues(vs)
		for _, v := range vs[:n] {
			text := ""
			if !v.IsNull() {
				text = v.String()
			}
			out = append(out, text)
		}
	}
}

func TestListsAndTopLevelColumnsAreNotCopied(t *testing.T) {
	for _, path := range []string{"name", "src", "src.loc", "tags"} {
		tab := NewTable(allKinds())
		fill(tab, 50)
		if _, err := NewWriter().Write(tab, nil, Options{Schema: allKinds(), Copies: []string{path}}); err == nil {
			t.Errorf("%s was copied", path)
		}
	}
}

// FuzzFiltersHoldEveryValue looks values of each kind up in the filters of the
// row groups that have them.
func FuzzFiltersHoldEveryValue(f *testing.F) {
	f.Add("ada", int64(-1), 0.0, uint16(300))
	f.Add("", int64(math.MinInt64), math.Copysign(0, -1), uint16(1))
	f.Add("zo\u00eb", int64(7), math.Inf(1), uint16(9000))
	f.Fuzz(func(t *testing.T, text string, n int64, x float64, rows uint16) {
		tab := NewTable(allKinds())
		for i := range int(rows)%10_000 + 1 {
			tab.Column("time").SetInt(i, int64(i))
			tab.Column("name").SetString(i, fmt.Sprint(text, i%17))
			tab.Column("n").SetInt(i, n+int64(i))
			tab.Column("x").SetDouble(i, x)
			tab.Column("day").SetInt(i, int64(int32(n))%100_000)
			tab.N++
		}
		file, err := NewWriter().Write(tab, nil,
			Options{Schema: allKinds(), RowGroup: 1000, Bloom: []string{"name", "n", "x", "day"}})
		if err != nil {
			t.Fatal(err)
		}
		p := open(t, file)
		for g, rg := range p.RowGroups() {
			for row := g * 1000; row < min(tab.N, (g+1)*1000); row += 37 {
				values := map[string][]parquet.Value{
					"name": {parquet.ValueOf(fmt.Sprint(text, row%17))}, "n": {parquet.ValueOf(n + int64(row))},
					"x": {parquet.ValueOf(x)}, "day": {parquet.ValueOf(int32(int64(int32(n)) % 100_000))},
				}
				if x == 0 {
					values["x"] = append(values["x"], parquet.ValueOf(-x)) // equal to it
				}
				for name, vs := range values {
					leaf, _ := p.Schema().Lookup(name)
					for _, v := range vs {
						if found, err := rg.ColumnChunks()[leaf.ColumnIndex].BloomFilter().Check(v); err != nil || !found {
							t.Fatalf("row group %d: the filter of %s lacks %v: %v", g, name, v, err)
						}
					}
				}
			}
		}
	})
}
