package lake

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/apache/iceberg-go"

	"github.com/lakeward/lakeward/tiers"
)

func TestATableIsReadByNameOnlyIfNoNameEverChanged(t *testing.T) {
	text := iceberg.PrimitiveTypes.String
	schema := func(fields ...iceberg.NestedField) *iceberg.Schema { return iceberg.NewSchema(0, fields...) }
	field := func(id int, name string, typ iceberg.Type) iceberg.NestedField {
		return iceberg.NestedField{ID: id, Name: name, Type: typ}
	}
	record := func(members ...iceberg.NestedField) iceberg.Type {
		return &iceberg.StructType{FieldList: members}
	}
	first := schema(field(1, "a", text), field(2, "s", record(field(3, "m", text))))
	for name, c := range map[string]struct {
		then *iceberg.Schema
		want bool
	}{
		"unchanged": {first, true},
		"a column more": {schema(field(1, "a", text), field(2, "s", record(field(3, "m", text), field(5, "a", text))),
			field(4, "b", text)), true},
		"in another order":  {schema(field(2, "s", record(field(3, "m", text))), field(1, "a", text)), true},
		"a column less":     {schema(field(1, "a", text)), true},
		"renamed":           {schema(field(1, "b", text), field(2, "s", record(field(3, "m", text)))), false},
		"member renamed":    {schema(field(1, "a", text), field(2, "s", record(field(3, "n", text)))), false},
		"dropped, made new": {schema(field(4, "a", text), field(2, "s", record(field(3, "m", text)))), false},
		"two swapped":       {schema(field(2, "a", record(field(3, "m", text))), field(1, "s", text)), false},
		"in another case": {schema(field(1, "a", text), field(2, "s", record(field(3, "m", text))), field(4, "A", text)),
			false},
		"within a list": {schema(field(1, "a", text), field(2, "s", record(field(3, "m", text))),
			field(4, "l", &iceberg.ListType{ElementID: 5, Element: record(field(6, "m", text), field(7, "m", text))})), false},
	} {
		if got := namesStable([]*iceberg.Schema{first, c.then}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestTheFieldsOfLargeFilesAreKnown: of files that are the lake's own, and also
// to a process that has not written them.
func TestTheFieldsOfLargeFilesAreKnown(t *testing.T) {
	dir := t.TempDir()
	o := Options{Warehouse: dir, Catalog: filepath.Join(dir, "catalog.db")}
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	text := tiers.Type{Kind: tiers.KindString}
	tab, err := l.Create(t.Context(), "events",
		tiers.Schema{Fields: []tiers.Field{{Name: "a", Type: text}, {Name: "b", Type: text}, {Name: "c", Type: text}}},
		tiers.Options{Unpartitioned: true})
	if err != nil {
		t.Fatal(err)
	}
	path := func(own bool) string {
		if own {
			return tiers.ChecksumPath(NewFilePath(tab, 0), 7)
		}
		return NewFilePath(tab, 0)
	}
	var want []string
	for _, f := range []tiers.DataFile{
		{Path: path(true), CRC32C: 7, Size: largeFile}, {Path: path(true), CRC32C: 7, Size: largeFile - 1},
		{Path: path(false), Size: largeFile},
	} {
		f.Rows, f.SplitOffsets = 3, []int64{4}
		f.Columns = []tiers.ColumnStats{{FieldID: 3, Values: 3, Size: 8}, {FieldID: 1, Values: 3, Size: 8}}
		if f.Size == largeFile && f.CRC32C != 0 {
			want = append(want, f.Path)
		}
		if _, err := tab.Commit(t.Context(), tiers.Commit{ID: f.Path, Add: []tiers.DataFile{f}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		files, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		var known []string
		for _, f := range files {
			if f.Fields.Known() {
				known = append(known, f.Path)
				if f.Fields != tiers.FieldSetOf(slices.Values([]int{1, 3})) {
					t.Errorf("%s has other fields than 1 and 3", f.Path)
				}
			}
		}
		if !slices.Equal(known, want) || len(files) != 3 {
			t.Errorf("fields are known of %q among %d files", known, len(files))
		}
		if !tab.Schema().NamesStable {
			t.Error("a table whose columns never changed cannot be read by name")
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = Open(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if tab2, err := l.Open(t.Context(), "events"); err != nil {
			t.Fatal(err)
		} else {
			tab = tab2.(*Table)
		}
	}
}
