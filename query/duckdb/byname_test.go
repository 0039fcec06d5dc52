package duckdb

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

func record(id int, name string, fields ...tiers.Field) tiers.Field {
	return tiers.Field{ID: id, Name: name, Type: tiers.Type{Kind: tiers.KindStruct, Fields: fields}}
}

func lists(id int, name string, elem tiers.Field) tiers.Field {
	elem.Name = "element"
	return tiers.Field{ID: id, Name: name, Type: tiers.Type{Kind: tiers.KindList, Elem: &elem}}
}

func ofKind(id int, name string, k tiers.Kind) tiers.Field {
	return tiers.Field{ID: id, Name: name, Type: tiers.Type{Kind: k}}
}

// deep has a column of every kind, and structs in structs and lists.
func deep() tiers.Schema {
	return tiers.Schema{NamesStable: true, Fields: []tiers.Field{
		ofKind(1, "time", tiers.KindTimestamp), str(2, "id"), long(3, "n"), ofKind(4, "day", tiers.KindDate),
		ofKind(5, "raw", tiers.KindBinary), ofKind(6, "ok", tiers.KindBool), ofKind(7, "score", tiers.KindDouble),
		record(10, "user", str(11, "name"), long(12, "uid"),
			record(13, "org", str(14, "name"), ofKind(15, "size", tiers.KindDouble))),
		lists(20, "tags", str(21, "")),
		lists(30, "seen", record(31, "", str(32, "k"), long(33, "v"), record(34, "at", str(35, "city"), str(36, "street")))),
		record(40, "rare", str(41, "a"), long(42, "b")),
	}}
}

// fillRandomly gives a column's slot a value, or none. Of leaves that are in
// none it makes a file that lacks them.
func fillRandomly(c *parquetfile.Column, f tiers.Field, slot int, rnd *rand.Rand, none map[int]bool) {
	if none[f.ID] || (!f.Required && f.Name != "element" && rnd.IntN(5) == 0) {
		return
	}
	switch f.Type.Kind {
	case tiers.KindStruct:
		c.SetStruct(slot)
		for _, m := range f.Type.Fields {
			fillRandomly(c.Member(m.Name), m, slot, rnd, none)
		}
	case tiers.KindList:
		first, n := c.BeginList(slot), rnd.IntN(3)
		for i := range n {
			fillRandomly(c.Elem(), *f.Type.Elem, first+i, rnd, none)
		}
		c.EndList(n)
	case tiers.KindString:
		c.SetString(slot, fmt.Sprintf("%s%d", f.Name, rnd.IntN(40)))
	case tiers.KindBinary:
		c.SetBytes(slot, []byte{0, byte(rnd.IntN(9))})
	case tiers.KindDouble:
		c.SetDouble(slot, float64(rnd.IntN(100))/8)
	case tiers.KindBool:
		c.SetBool(slot, rnd.IntN(2) == 0)
	default:
		c.SetInt(slot, int64(rnd.IntN(50)))
	}
}

// namedFiles writes files that lack columns, or members, of the schema.
func namedFiles(t testing.TB, dir string, s tiers.Schema, rnd *rand.Rand) []tiers.DataFile {
	t.Helper()
	var files []tiers.DataFile
	leaves := []int{2, 3, 4, 5, 6, 7, 11, 12, 14, 15, 13, 10, 21, 20, 32, 33, 35, 36, 34, 30, 40, 41, 42}
	for n := range 12 {
		none := map[int]bool{}
		for range n {
			none[leaves[rnd.IntN(len(leaves))]] = true
		}
		files = append(files, randomFile(t, filepath.Join(dir, fmt.Sprint(n, ".parquet")), s, 300, rnd, none))
	}
	return files
}

func randomFile(t testing.TB, path string, s tiers.Schema, rows int, rnd *rand.Rand, none map[int]bool) tiers.DataFile {
	t.Helper()
	tab := parquetfile.NewTable(s)
	for i := range rows {
		for _, f := range s.Fields {
			f.Required = f.ID == 1
			fillRandomly(tab.Column(f.Name), f, i, rnd, none)
		}
		tab.N++
	}
	f, err := parquetfile.NewWriter().Write(tab, nil, parquetfile.Options{Schema: s, RowGroup: max(rows/3, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	f.Info.Path = "file://" + path
	ids := map[int]bool{}
	for _, c := range f.Info.Columns {
		ids[c.FieldID] = true
	}
	f.Info.Fields = tiers.FieldSetOf(maps.Keys(ids))
	return f.Info
}

// TestFilesReadByNameAnswerAsByFieldID: the two ways of reading must not be told
// apart, whatever a file lacks.
func TestFilesReadByNameAnswerAsByFieldID(t *testing.T) {
	for seed := range uint64(6) {
		dir, s := t.TempDir(), deep()
		files := namedFiles(t, dir, s, rand.New(rand.NewPCG(seed, 1)))
		e := openEngine(t, Options{AllowedDirs: []string{dir}})
		byID := s
		byID.NamesStable = false
		sessions := map[string]query.Session{}
		for name, schema := range map[string]tiers.Schema{"name": s, "id": byID} {
			sessions[name] = openSession(t, e, query.View{Tables: []query.TableView{{Name: "events", Schema: schema,
				Files: files}}}, query.Options{Trusted: true})
		}
		if made := glob(t, e.lookups.dir); len(made) == 0 {
			t.Fatal("no file was read by name")
		}
		for _, sql := range []string{
			"SELECT column_name, column_type FROM (DESCRIBE lake.events)",
			`SELECT * FROM lake.events`,
			`SELECT count(*), count("user"), count("user".name), count("user".uid), count("user".org), count("user".org.size), count(rare), count(rare.b) FROM lake.events`,
			`SELECT "user".name AS u, count(*), sum("user".uid), max(seen[1].at.city) FROM lake.events GROUP BY ALL`,
			`SELECT id, "user".org FROM lake.events WHERE "user".name = 'name7'`,
			`SELECT id FROM lake.events WHERE "user".uid > 30 AND "user".org.name IS NOT NULL`,
			`SELECT id, n FROM lake.events WHERE "user".org.name IS NULL AND rare.a IS NULL`,
			`SELECT id FROM lake.events WHERE "user" IS NULL OR "user".uid IS NULL`,
			`SELECT id, rare FROM lake.events WHERE rare.b IN (3, 5, 7) OR "user".name IN ('name1', 'name2')`,
			`SELECT e.v, e.at.street, count(*) FROM (SELECT unnest(seen) AS e FROM lake.events) GROUP BY ALL`,
			`SELECT a.id FROM lake.events a JOIN lake.events b ON a."user".name = b."user".name AND a.n = b."user".uid`,
			`SELECT DISTINCT tags, day, raw, ok FROM lake.events WHERE score > 3`,
		} {
			got := map[string][]string{}
			for name, ses := range sessions {
				r, err := ses.Query(t.Context(), sql)
				got[name] = cells(t, r, err)
				slices.Sort(got[name])
			}
			if !slices.Equal(got["name"], got["id"]) || len(got["id"]) == 0 {
				t.Errorf("seed %d: %s: %d rows by name, %d by id, or others", seed, sql, len(got["name"]), len(got["id"]))
			}
		}
	}
}

// TestMembersAreReadAloneByName is what reading by name is for.
func TestMembersAreReadAloneByName(t *testing.T) {
	dir, s := t.TempDir(), deep()
	files := namedFiles(t, dir, s, rand.New(rand.NewPCG(1, 1)))
	e := openEngine(t, Options{AllowedDirs: []string{dir}})
	ses := openSession(t, e, query.View{Tables: []query.TableView{{Name: "events", Schema: s, Files: files[:1]}}},
		query.Options{Trusted: true})
	r, err := ses.Query(t.Context(), `EXPLAIN SELECT count("user".org.size) FROM lake.events WHERE "user".name = 'name7'`)
	plan := strings.Join(cells(t, r, err), "\n")
	for _, want := range []string{"user.org.size", "user.name='name7'", "~60 rows"} {
		if !strings.Contains(plan, want) {
			t.Errorf("the plan lacks %q:\n%s", want, plan)
		}
	}
}

// TestATemplateThatIsGoneIsMadeAgain: something may tidy the directory up.
func TestATemplateThatIsGoneIsMadeAgain(t *testing.T) {
	dir, s := t.TempDir(), deep()
	view := query.View{Tables: []query.TableView{{Name: "events", Schema: s,
		Files: namedFiles(t, dir, s, rand.New(rand.NewPCG(1, 1)))}}}
	e := openEngine(t, Options{AllowedDirs: []string{dir}})
	for range 2 {
		ses := openSession(t, e, view, query.Options{})
		r, err := ses.Query(t.Context(), "SELECT count(*) FROM lake.events")
		if got := cells(t, r, err); !slices.Equal(got, []string{"3600"}) {
			t.Errorf("the table has %v rows", got)
		}
		for _, path := range glob(t, e.lookups.dir) {
			if err := os.Remove(filepath.Join(e.lookups.dir, filepath.Base(path))); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestFilesOfManyShapesAreDividedFewTimes: each part of a view costs a plan.
func TestFilesOfManyShapesAreDividedFewTimes(t *testing.T) {
	s := deep()
	var files []tiers.DataFile
	for i := range 9 {
		ids := []int{1, 2, 3, 4, 5, 6, 7}[:1+i%7]
		files = append(files, tiers.DataFile{Path: fmt.Sprint(i), Rows: int64(10 + i),
			Fields: tiers.FieldSetOf(slices.Values(ids))})
	}
	files = append(files, tiers.DataFile{Path: "small", Rows: 3})
	out, rest := shapes(s, files)
	var names []string
	for _, sh := range out {
		for _, f := range sh.files {
			names = append(names, f.Path)
		}
		names = append(names, ";")
	}
	names = append(names, "rest")
	for _, f := range rest {
		names = append(names, f.Path)
	}
	if got, want := strings.Join(names, " "), "1 8 ; 0 7 ; 6 ; 5 ; rest small 4 3 2"; got != want {
		t.Errorf("divided into %s, want %s", got, want)
	}
	s.NamesStable = false
	if out, rest = shapes(s, files); len(out) > 0 || len(rest) != len(files) {
		t.Error("files are read by name of a table whose names have changed")
	}
}

// BenchmarkMembers reads one member of a struct of three, and one row in forty.
func BenchmarkMembers(b *testing.B) {
	dir, s := b.TempDir(), deep()
	file := randomFile(b, filepath.Join(dir, "0.parquet"), s, 300_000, rand.New(rand.NewPCG(1, 1)), nil)
	for _, named := range []bool{true, false} {
		s.NamesStable = named
		e := openEngine(b, Options{AllowedDirs: []string{dir}, Threads: 1})
		ses := openSession(b, e, query.View{Tables: []query.TableView{{Name: "events", Schema: s,
			Files: []tiers.DataFile{file}}}}, query.Options{Trusted: true})
		for name, sql := range map[string]string{
			"read":   `SELECT count("user".uid) FROM lake.events`,
			"filter": `SELECT count(id) FROM lake.events WHERE "user".name = 'name7'`,
		} {
			b.Run(fmt.Sprintf("%s/name=%t", name, named), func(b *testing.B) {
				for b.Loop() {
					r, err := ses.Query(b.Context(), sql)
					if got := cells(b, r, err); len(got) != 1 {
						b.Fatal(got)
					}
				}
			})
		}
	}
}
