package duckdb

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// lookupView is a table of five days: three clustered, of which one lacks a
// column, one clustered without an index of its pages, and one as it came in.
func lookupView(t testing.TB, dir string) query.View {
	t.Helper()
	schema := tiers.Schema{Fields: []tiers.Field{
		{ID: 1, Name: "time", Type: tiers.Type{Kind: tiers.KindTimestamp}},
		str(2, "id"), str(3, "host"),
		{ID: 4, Name: "user", Type: tiers.Type{Kind: tiers.KindStruct, Fields: []tiers.Field{str(5, "name"), long(6, "n")}}},
		{ID: 7, Name: "tags", Type: tiers.Type{Kind: tiers.KindList,
			Elem: &tiers.Field{ID: 8, Name: "element", Type: tiers.Type{Kind: tiers.KindString}}}},
	}}
	v := query.TableView{Name: "signin", Schema: schema}
	for day := range 5 {
		tab := parquetfile.NewTable(schema)
		c := tab.Column
		for i := range 4000 {
			c("time").SetInt(i, int64(day)*86_400e6+int64(i))
			c("id").SetString(i, fmt.Sprintf("id-%d-%d", day, i))
			if i%7 > 0 && day != 1 {
				c("host").SetString(i, fmt.Sprintf("host%d", i/50))
			}
			if i%5 > 0 {
				c("user").SetStruct(i)
				c("user").Member("name").SetString(i, fmt.Sprintf("user%d", i/20))
				c("user").Member("n").SetInt(i, int64(i))
			}
			if first := c("tags").BeginList(i); i%3 > 0 {
				c("tags").Elem().SetString(first, "t")
				c("tags").EndList(1)
			} else {
				c("tags").EndList(0)
			}
			tab.N++
		}
		o := parquetfile.Options{Schema: schema}
		if day < 4 {
			o.RowGroup, o.PageRows, o.Bloom, o.Copies = 1000, 100, []string{"host"}, []string{"user.name"}
		}
		if day == 3 {
			o.PageRows = 0
		}
		f, err := parquetfile.NewWriter().Write(tab, nil, o)
		if err != nil {
			t.Fatal(err)
		}
		f.Info.Path = "file://" + filepath.Join(dir, fmt.Sprint(day, ".parquet"))
		f.Info.Clustered = day < 4
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(day, ".parquet")), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
		v.Files = append(v.Files, f.Info)
	}
	return query.View{Tables: []query.TableView{v}}
}

func TestLookUpsInExtractsFindWhatTheFilesHave(t *testing.T) {
	dir := t.TempDir()
	view := lookupView(t, dir)
	e := openEngine(t, Options{AllowedDirs: []string{dir}})
	lookups := e.lookups.dir
	for _, c := range []struct {
		where    string
		rows     int
		extracts int // at least
	}{
		{`"user".name = 'user7'`, 5 * 16, 1},
		{`"user".name = 'user7' AND host = 'host2'`, 4 * 7, 1},
		{`"user".name = 'user7' AND host = 'host50'`, 0, 0},
		{`host = 'host3'`, 4 * 43, 1},
		{`"user".name = 'nobody'`, 0, 0},
		{`"user".name = 'user199' AND "user".n > 3990`, 5 * 8, 1},
		{`"user".name = 'user7' OR host = 'host3'`, 224, 0},
	} {
		s := openSession(t, e, view, query.Options{})
		sql := `SELECT id, host, "user", tags, "time" FROM lake.signin WHERE ` + c.where + ` ORDER BY id`
		r, err := s.Query(t.Context(), sql)
		got := cells(t, r, err)
		made := glob(t, lookups)
		trusted := openSession(t, e, view, query.Options{Trusted: true})
		r, err = trusted.Query(t.Context(), sql)
		want := cells(t, r, err)
		if !slices.Equal(got, want) || len(got) != c.rows {
			t.Errorf("%s: %d rows, %d in the files, %d expected", c.where, len(got), len(want), c.rows)
		}
		if len(made) < c.extracts {
			t.Errorf("%s: extracts are %q", c.where, made)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left := glob(t, lookups); len(left) > 0 {
			t.Errorf("%s: left are %q", c.where, left)
		}
	}
}

func glob(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestEachStatementOfASessionHasExtractsOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	view := lookupView(t, dir)
	e := openEngine(t, Options{AllowedDirs: []string{dir}})
	s := openSession(t, e, view, query.Options{})
	for i := range 20 {
		r, err := s.Query(t.Context(), fmt.Sprintf(`SELECT count(*) FROM lake.signin WHERE "user".name = 'user%d'`, i))
		if got := cells(t, r, err); !slices.Equal(got, []string{"80"}) {
			t.Fatalf("user%d: %q", i, got)
		}
		if n := len(glob(t, e.lookups.dir)); n > 2*workers() { // schemas
			t.Fatalf("%d extracts", n)
		}
	}
	r, err := s.Query(t.Context(), `SELECT count(*) FROM lake.signin`)
	if got := cells(t, r, err); !slices.Equal(got, []string{"20000"}) {
		t.Errorf("all: %q", got)
	}
}

func TestTheEngineForgetsTheExtractsThatItHasRead(t *testing.T) {
	dir := t.TempDir()
	view := lookupView(t, dir)
	e := openEngine(t, Options{AllowedDirs: []string{dir}})
	var memory []int64
	for i := range 60 {
		s := openSession(t, e, view, query.Options{})
		r, err := s.Query(t.Context(), fmt.Sprintf(`SELECT * FROM lake.signin WHERE "user".name = 'user%d'`, i))
		if got := cells(t, r, err); len(got) != 80 {
			t.Fatalf("user%d: %d rows", i, len(got))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		u, err := e.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		memory = append(memory, u.Memory)
	}
	if early, late := slices.Max(memory[:20]), slices.Max(memory[40:]); late > early*3/2 {
		t.Errorf("the engine holds %d bytes after 20 look-ups, %d after 60", early, late)
	}
}

func TestALookUpThatNeedsMostPagesReadsTheFiles(t *testing.T) {
	dir := t.TempDir()
	view := lookupView(t, dir)
	files := view.Tables[0].Files
	x := &extracts{dir: t.TempDir(), log: openEngine(t, Options{}).log, indexes: map[string]*parquetfile.Index{}}
	w := &extraction{x: x, want: []equality{{5, "user7"}}, limit: 100}
	if err := w.run(t.Context(), files[:1]); err == nil || !strings.Contains(err.Error(), "too many pages") {
		t.Errorf("an extract over its limit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, made, err := x.extract(ctx, []part{{files: files}}, []equality{{5, "user7"}}); err == nil || len(made) > 0 {
		t.Errorf("when the statement has ended: made %q, %v", made, err)
	}
	out, made, err := x.extract(t.Context(), []part{{files: files, want: []equality{{5, "user7"}}}},
		[]equality{{5, "user7"}})
	if err != nil || len(out) != 2 || len(out[0].files) != 2 || len(out[1].extracts) == 0 ||
		len(made) < len(out[1].extracts) {
		t.Errorf("%+v, %q, %v", out, made, err)
	}
	if err := os.RemoveAll(x.dir); err != nil { // as who tidies up temporary files
		t.Fatal(err)
	}
	out, made, err = x.extract(t.Context(), []part{{files: files}}, []equality{{5, "user7"}})
	if err != nil || len(out) != 2 || len(out[1].extracts) == 0 || len(made) == 0 {
		t.Errorf("when the directory was removed: %+v, %q, %v", out, made, err)
	}
	x.dir = filepath.Join(dir, "0.parquet", "d") // as good as a full disk: the files are read
	out, _, err = x.extract(t.Context(), []part{{files: files}}, []equality{{5, "user7"}})
	if err != nil || len(out) != 1 || len(out[0].files) != 5 {
		t.Errorf("without a directory: %+v, %v", out, err)
	}
}

func TestWhatLookUpsOfAKilledProcessLeftIsRemoved(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, extractsDir+"7", "1.parquet")
	for _, alone := range []bool{false, true} {
		if err := os.MkdirAll(filepath.Dir(left), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(left, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openExtracts(dir, alone, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(left); (err == nil) == alone {
			t.Errorf("alone %v: %v", alone, err)
		}
	}
}
