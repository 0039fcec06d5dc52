// Package interop proves that others read the lake: PyIceberg through its own
// SQL catalog on the same SQLite file or PostgreSQL, and DuckDB's Python
// package, give the same answers as Lakeward's engine.
package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/internal/pgtest"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
)

const python = "../../.cache/interop/bin/python"

var postgres pgtest.Server

func TestMain(m *testing.M) { os.Exit(postgres.Run(m)) }

// needPython skips without the environment, unless the caller insists on it.
func needPython(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(python); err == nil {
		return
	}
	const hint = "no PyIceberg to read with: run test/interop/setup.sh"
	if os.Getenv("LAKEWARD_REQUIRE_INTEROP") == "1" {
		t.Fatal(hint)
	}
	t.Skip(hint)
}

// check is one question that every reader is asked.
type check struct {
	Table string `json:"table"`
	SQL   string `json:"sql"`   // over t
	Since string `json:"since"` // also: how many rows are at or after this time
	At    int64  `json:"at"`    // the snapshot; 0: the newest
	files int    // that hold them
	rows  int64
}

type answer struct {
	PyIceberg  [][]*string `json:"pyiceberg"`
	DuckDB     [][]*string `json:"duckdb"`
	How        string      `json:"how"`
	Count      int64       `json:"count"`
	Since      int64       `json:"since"`
	FilesSince int         `json:"files_since"`
}

// site is a lake, and the engine over it.
type site struct {
	*testing.T
	dir     string
	catalog string // for SQLAlchemy
	lake    *lake.Lake
	eng     *duckdb.Engine
}

// newSite has its catalog in SQLite.
func newSite(t *testing.T) *site {
	t.Helper()
	file := filepath.Join(t.TempDir(), "catalog.db")
	return newSiteAt(t, file, "sqlite:///"+file)
}

func newSiteAt(t *testing.T, catalog, forPython string) *site {
	t.Helper()
	needPython(t)
	return openSite(t, t.TempDir(), catalog, forPython)
}

func openSite(t *testing.T, dir, catalog, forPython string) *site {
	t.Helper()
	s := &site{T: t, dir: dir, catalog: forPython}
	var err error
	if s.lake, err = lake.Open(t.Context(),
		lake.Options{Warehouse: filepath.Join(s.dir, "lake"), Catalog: catalog}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.lake.Close(); err != nil {
			t.Error(err)
		}
	})
	s.eng, err = duckdb.Open(t.Context(), duckdb.Options{TempDir: filepath.Join(s.dir, "spill"),
		AllowedDirs: []string{filepath.Join(s.dir, "lake")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.eng.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ours answers the check with Lakeward's own engine.
func (s *site) ours(c check) [][]*string {
	s.Helper()
	tab, err := s.lake.Open(s.Context(), c.Table)
	if err != nil {
		s.Fatal(err)
	}
	files, err := tab.Files(s.Context(), c.At, time.Time{}, time.Time{})
	if err != nil {
		s.Fatal(err)
	}
	sess, err := s.eng.Open(s.Context(), query.View{Tables: []query.TableView{{Name: c.Table, Schema: tab.Schema(),
		Files: files}}}, query.Options{})
	if err != nil {
		s.Fatal(err)
	}
	defer sess.Close()
	r, err := sess.Query(s.Context(), strings.ReplaceAll(c.SQL, "FROM t", "FROM lake."+c.Table))
	if err != nil {
		s.Fatal(err)
	}
	defer r.Release()
	var out [][]*string
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			row := make([]*string, rec.NumCols())
			for c, col := range rec.Columns() {
				if !col.IsNull(i) {
					v := col.ValueStr(i)
					row[c] = &v
				}
			}
			out = append(out, row)
		}
	}
	if err := r.Err(); err != nil {
		s.Fatal(err)
	}
	return out
}

// others has Python answer all checks. The lake stays open meanwhile.
func (s *site) others(checks []check) []answer {
	s.Helper()
	in, err := json.Marshal(checks)
	if err != nil {
		s.Fatal(err)
	}
	cmd := exec.CommandContext(s.Context(), python, "read.py", s.catalog, filepath.Join(s.dir, "lake"))
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		s.Fatal(err)
	}
	var out struct {
		Tables  []string `json:"tables"`
		Answers []answer `json:"answers"`
	}
	if err := json.Unmarshal(b, &out); err != nil {
		s.Fatalf("%v in %s", err, b)
	}
	names, err := s.lake.Tables(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	for i := range names {
		names[i] = "lake." + names[i]
	}
	if !slices.Equal(names, out.Tables) {
		s.Errorf("PyIceberg lists %v, the lake %v", out.Tables, names)
	}
	return out.Answers
}

func (s *site) agree(checks []check) {
	s.Helper()
	for i, a := range s.others(checks) {
		c := checks[i]
		want := s.ours(c)
		s.Logf("%s: %s; DuckDB by %s", c.Table, show(want), a.How)
		if show(a.PyIceberg) != show(want) {
			s.Errorf("%s: PyIceberg answers\n%s\nLakeward\n%s", c.Table, show(a.PyIceberg), show(want))
		}
		if show(a.DuckDB) != show(want) {
			s.Errorf("%s: DuckDB answers\n%s\nLakeward\n%s", c.Table, show(a.DuckDB), show(want))
		}
		if a.Count != c.rows {
			s.Errorf("%s: PyIceberg counts %d rows, %d were written", c.Table, a.Count, c.rows)
		}
		if c.Since == "" {
			continue
		}
		if own := s.ours(check{Table: c.Table,
			SQL: fmt.Sprintf("SELECT count(*)::VARCHAR FROM t WHERE time >= '%s'",
				c.Since)}); *own[0][0] != fmt.Sprint(a.Since) {
			s.Errorf("%s: PyIceberg counts %d rows since %s, Lakeward %s", c.Table, a.Since, c.Since, *own[0][0])
		}
		if c.files != 0 && a.FilesSince != c.files {
			s.Errorf("%s: PyIceberg plans %d files since %s, want %d", c.Table, a.FilesSince, c.Since, c.files)
		}
	}
}

func show(rows [][]*string) string {
	var b strings.Builder
	for _, r := range rows {
		for i, v := range r {
			if i > 0 {
				b.WriteByte('|')
			}
			if v == nil {
				b.WriteString("NULL")
			} else {
				b.WriteString(*v)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// day0 is the first day of the test's events.
var day0 = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

func TestEventsAfterEvolution(t *testing.T) { eventsAfterEvolution(newSite(t)) }

func TestEventsAfterEvolutionOnPostgres(t *testing.T) {
	at := postgres.URL(t)
	eventsAfterEvolution(newSiteAt(t, at, strings.Replace(at, "postgres://", "postgresql+psycopg2://", 1)))
}

func eventsAfterEvolution(s *site) {
	rows := s.writeEvents()
	base := "SELECT count(*)::VARCHAR, count(DISTINCT event_id)::VARCHAR, sum(stream_seq)::VARCHAR, " +
		"min(time)::VARCHAR, max(time)::VARCHAR FROM t"
	s.agree([]check{
		{Table: "signin", SQL: base, rows: rows, Since: "2026-11-04T00:00:00+00:00", files: 2},
		{Table: "signin", rows: rows, SQL: "SELECT sum(bytes)::VARCHAR, count(bytes)::VARCHAR, round(sum(score), " +
			"6)::VARCHAR, count(ok)::VARCHAR, sum(ok::INT)::VARCHAR FROM t"},
		{Table: "signin", rows: rows, SQL: "SELECT count(src.ip)::VARCHAR, sum(src.port)::VARCHAR, string_agg(DISTINCT " +
			"src.geo.city ORDER BY src.geo.city) FROM t"},
		// Not count(hops): PyIceberg 0.10 reads a null list of structs as an empty one.
		{Table: "signin", rows: rows, SQL: "SELECT sum(len(tags))::VARCHAR, count(tags)::VARCHAR, count(*) FILTER " +
			"(len(hops) > 0)::VARCHAR, sum(len(hops))::VARCHAR FROM t"},
		{Table: "signin", rows: rows, SQL: "SELECT count(h.ip)::VARCHAR, sum(h.port)::VARCHAR FROM (SELECT unnest(hops) " +
			"AS h FROM t)"},
		{Table: "signin", rows: rows, SQL: "SELECT status, count(*)::VARCHAR, sum(stream_seq)::VARCHAR FROM t GROUP BY " +
			"status ORDER BY status"},
	})
}

func TestRowsOfPipelines(t *testing.T) {
	s := newSite(t)
	rows := s.writeFindings()
	s.agree([]check{
		{Table: "scores", rows: rows, SQL: "SELECT count(*)::VARCHAR, sum(score)::VARCHAR, count(city)::VARCHAR, " +
			"max(_window_end)::VARCHAR FROM t", Since: "2026-11-02T00:00:00+00:00"},
		{Table: "scores", rows: rows, SQL: "SELECT entity, score::VARCHAR, city, _run_id FROM t ORDER BY entity, score"},
	})
}

// TestReadersBeside: Python reads while commits are made, and neither fails.
func TestReadersBeside(t *testing.T) {
	s := newSite(t)
	s.writeFindings()
	sink := lake.NewSink(s.lake)
	done := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			r := scores(row{"zoe", float64(i), nil})
			_, err := sink.Write(s.Context(), promotion("scores", tiers.Append, 100+i, r))
			r.Release()
			if err != nil {
				done <- err
				return
			}
		}
	}()
	for range 2 {
		s.others([]check{{Table: "scores", SQL: "SELECT count(*) FROM t"}})
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
