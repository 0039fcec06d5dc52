package parquetfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// paged writes rows [from, to) of fill with pages of 100 rows.
func paged(t testing.TB, from, to int) File {
	t.Helper()
	tab := NewTable(allKinds())
	fill(tab, to)
	var rows []uint32
	for i := from; i < to; i++ {
		rows = append(rows, uint32(i))
	}
	f, err := NewWriter().Write(tab, rows, Options{Schema: allKinds(), RowGroup: 700, PageRows: 100,
		Bloom: []string{"name", "id"}, Copies: []string{"src.ip"}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func indexOf(t testing.TB, f File) *Index {
	t.Helper()
	x, err := ReadIndex(bytes.NewReader(f.Data), int64(len(f.Data)))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func extractOf(t testing.TB, limit int64, want []Equal, files ...File) (File, int64, error) {
	t.Helper()
	var out bytes.Buffer
	e, err := NewExtract(&out, indexOf(t, files[0]), limit)
	if err != nil {
		t.Fatal(err)
	}
	var errs []error
	for _, f := range files {
		errs = append(errs, e.Add(bytes.NewReader(f.Data), indexOf(t, f), want))
	}
	errs = append(errs, e.Close())
	return File{Data: out.Bytes()}, e.Rows(), errors.Join(errs...)
}

func TestPagesOfEveryColumnEndAtTheSameRows(t *testing.T) {
	f := paged(t, 0, 2000)
	got := rowsOf(t, f)
	if len(got) != 2000 {
		t.Fatalf("%d rows", len(got))
	}
	for i, row := range got {
		if !strings.HasPrefix(row, dremel(i)) { // the copy follows
			t.Fatalf("row %d is\n%s, want\n%s", i, row, dremel(i))
		}
	}
	for g, rg := range open(t, f).RowGroups() {
		for c, chunk := range rg.ColumnChunks() {
			o, err := chunk.OffsetIndex()
			if err != nil {
				t.Fatal(err)
			}
			if o.NumPages() != int(rg.NumRows()+99)/100 {
				t.Fatalf("row group %d, column %d: %d pages of %d rows", g, c, o.NumPages(), rg.NumRows())
			}
			for p := range o.NumPages() {
				if o.FirstRowIndex(p) != int64(p*100) {
					t.Fatalf("row group %d, column %d, page %d begins at row %d", g, c, p, o.FirstRowIndex(p))
				}
			}
		}
	}
}

func TestAnExtractHasEveryRowThatIsLookedUp(t *testing.T) {
	files := []File{paged(t, 0, 3000), paged(t, 3000, 5000)}
	all := slices.Concat(rowsOf(t, files[0]), rowsOf(t, files[1]))
	id := func(i int) string { return fmt.Sprintf("%x", uint64(i+1)*0x9E3779B97F4A7C15) }
	for _, c := range []struct {
		name string
		want []Equal
		most int64 // rows
	}{
		{"a value of every page", []Equal{{5, "name3"}}, 5000},
		{"a value of one row", []Equal{{6, id(4321)}}, 100},
		{"the first row", []Equal{{6, id(0)}}, 100},
		{"the last row", []Equal{{6, id(4999)}}, 100},
		{"a copy", []Equal{{10, "10.0.0.37"}}, 2500},
		{"two fields of a row", []Equal{{5, "name4"}, {6, id(4)}}, 100},
		{"values of different pages", []Equal{{6, id(4)}, {6, id(4321)}}, 0},
		{"a value of no row", []Equal{{6, "x"}}, 0},
	} {
		f, rows, err := extractOf(t, 1<<30, c.want, files...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		if rows > 0 {
			got = rowsOf(t, f)
		}
		if rows > c.most || int64(len(got)) != rows {
			t.Errorf("%s: %d rows are said to be there, %d are, at most %d were expected", c.name, rows, len(got), c.most)
		}
		at := 0
		for _, row := range all { // in their order, and no other ones
			if at < len(got) && got[at] == row {
				at++
			} else if hasAll(row, c.want) {
				t.Fatalf("%s: missing is row %s", c.name, row)
			}
		}
		if at != len(got) {
			t.Errorf("%s: %d rows of the files, %d in the extract", c.name, at, len(got))
		}
	}
}

// hasAll reports whether a row of rowsOf has the values.
func hasAll(row string, want []Equal) bool {
	for _, w := range want {
		if !strings.Contains(row, "="+w.Value+" ") {
			return false
		}
	}
	return true
}

func TestColumnsWithLongValuesAreExtractedWhole(t *testing.T) {
	tab := NewTable(allKinds())
	fill(tab, 300)
	tab.Column("raw").SetBytes(301, bytes.Repeat([]byte("a long one "), pageBytes/10)) // ends its page
	for i := 300; i < 310; i++ {
		tab.Column("time").SetInt(i, int64(i))
		tab.Column("id").SetString(i, fmt.Sprint("late", i))
		tab.N++
	}
	f, err := NewWriter().Write(tab, nil, Options{Schema: allKinds(), PageRows: 100, Bloom: []string{"id"}})
	if err != nil {
		t.Fatal(err)
	}
	got, rows, err := extractOf(t, 1<<30, []Equal{{6, "late302"}}, f)
	if err != nil || rows != 310 {
		t.Fatalf("%d rows, %v", rows, err)
	}
	if !slices.Equal(rowsOf(t, got), rowsOf(t, f)) {
		t.Error("the rows differ")
	}
}

func TestAnExtractEndsAtItsLimit(t *testing.T) {
	if _, _, err := extractOf(t, 20_000, []Equal{{5, "name3"}}, paged(t, 0, 2000)); !errors.Is(err, ErrTooMuch) {
		t.Error(err)
	}
}

// TestAFileOfAnOlderVersionIsIndexed: its footer says "lakeward" alone, and was
// written before footers said which version.
func TestAFileOfAnOlderVersionIsIndexed(t *testing.T) {
	data, err := os.ReadFile("testdata/created_by_lakeward.parquet")
	if err != nil {
		t.Fatal(err)
	}
	f := File{Data: data}
	for i, row := range rowsOf(t, f) {
		if !strings.HasPrefix(row, dremel(i)) {
			t.Fatalf("row %d is\n%s, want\n%s", i, row, dremel(i))
		}
	}
	var footer, now leanFooter
	for _, of := range []struct {
		f  File
		to *leanFooter
	}{{f, &footer}, {paged(t, 0, 100), &now}} {
		if err := readFooter(bytes.NewReader(of.f.Data), int64(len(of.f.Data)), of.to); err != nil {
			t.Fatal(err)
		}
	}
	if footer.CreatedBy != "lakeward" || !strings.HasPrefix(now.CreatedBy, "lakeward version ") {
		t.Fatalf("the old file was written by %q, a new one by %q", footer.CreatedBy, now.CreatedBy)
	}
	salt := uint64(0x9E3779B97F4A7C15) // a variable: the product overflows
	if _, rows, err := extractOf(t, 1<<30, []Equal{{6, fmt.Sprintf("%x", 5*salt)}}, f, paged(t, 1000, 2000)); err != nil ||
		rows != 100 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

func TestOnlyFilesWithPagesAreIndexed(t *testing.T) {
	tab := NewTable(allKinds())
	fill(tab, 100)
	f, err := NewWriter().Write(tab, nil, Options{Schema: allKinds(), Bloom: []string{"id"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadIndex(bytes.NewReader(f.Data), int64(len(f.Data))); !errors.Is(err, ErrNoIndex) {
		t.Error(err)
	}
	x := indexOf(t, paged(t, 0, 100))
	for field, want := range map[int]bool{5: true, 6: true, 10: true, 3: false, 17: false, 99: false} {
		if x.Finds(field) != want {
			t.Errorf("field %d is found: %v", field, !want)
		}
	}
}

// FuzzExtract looks up in files of which some bytes were changed: it fails or
// makes something, and does not panic.
func FuzzExtract(f *testing.F) {
	file := paged(f, 0, 800)
	f.Add(uint(4), byte(1), uint(len(file.Data)-9), byte(255), "name3")
	f.Add(uint(200), byte(9), uint(len(file.Data)-60), byte(7), "name9")
	f.Add(uint(9000), byte(80), uint(900), byte(1), "")
	f.Fuzz(func(t *testing.T, at uint, to byte, at2 uint, to2 byte, value string) {
		data := slices.Clone(file.Data)
		data[at%uint(len(data))], data[at2%uint(len(data))] = to, to2
		r := bytes.NewReader(data)
		x, err := ReadIndex(r, int64(len(data)))
		if err != nil {
			return
		}
		var out bytes.Buffer
		e, err := NewExtract(&out, x, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range []int{5, 6, 10} {
			if x.Finds(field) {
				_ = e.Add(r, x, []Equal{{field, value}})
			}
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}
