package duckdb

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// presence takes a file that is not there for damaged, and notes which tables
// were asked about.
type presence struct{ asked []string }

func (p *presence) Check(_ context.Context, table string, files []tiers.DataFile) ([]tiers.Damage, error) {
	p.asked = append(p.asked, table)
	var bad []tiers.Damage
	for _, f := range files {
		if _, err := os.Stat(strings.TrimPrefix(f.Path, "file://")); err != nil {
			bad = append(bad, tiers.Damage{Table: table, Path: f.Path, Rows: 1, Reason: "is missing"})
		}
	}
	return bad, nil
}

func TestDamagedFilesAreLeftOutAndReported(t *testing.T) {
	dir, v := lakeDir(t)
	if err := os.Remove(dir + "/old.parquet"); err != nil {
		t.Fatal(err)
	}
	p := &presence{}
	e := openEngine(t, Options{AllowedDirs: []string{dir}, Checker: p})
	var told []tiers.Damage
	s, err := e.Open(t.Context(), v, query.Options{OnDamage: func(d []tiers.Damage) { told = append(told, d...) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, sql := range []string{"SELECT * FROM lake.empty", "SELECT count FROM LAKE.Signin",
		"WITH x AS (SELECT * FROM lake.signin) SELECT count FROM x"} {
		n, err := count(s.Query(t.Context(), sql))
		if want := int64(strings.Count(sql, "count")); n != want || err != nil {
			t.Errorf("%s: %d rows, want %d, %v", sql, n, want, err)
		}
		if sql == "SELECT * FROM lake.empty" && len(told) > 0 {
			t.Error("a table was reported that no statement reads")
		}
	}
	if strings.Join(p.asked, " ") != "empty signin" || len(told) != 1 || told[0].Rows != 1 {
		t.Errorf("asked about %v, reported %v", p.asked, told)
	}
}

func TestDamagedFilesFailWhoDoesNotAskForThem(t *testing.T) {
	dir, v := lakeDir(t)
	if err := os.Remove(dir + "/old.parquet"); err != nil {
		t.Fatal(err)
	}
	e := openEngine(t, Options{AllowedDirs: []string{dir}, Checker: &presence{}})
	_, err := e.Open(t.Context(), v, query.Options{Trusted: true})
	var d *tiers.DamageError
	if !errors.As(err, &d) || len(d.Files) != 1 {
		t.Fatalf("a trusted session opened: %v", err)
	}
	s, err := e.Open(t.Context(), v, query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Query(t.Context(), "SELECT * FROM lake.signin"); !errors.Is(err, tiers.ErrDamaged) ||
		strings.Contains(err.Error(), dir) {
		t.Fatal(err)
	}
}

func TestATableThatCannotBeReadFailsOnlyWhoReadsIt(t *testing.T) {
	dir, v := lakeDir(t)
	problem := &tiers.UnreadableError{Table: "gone", Err: tiers.ErrDamaged}
	v.Tables = append(v.Tables, query.TableView{Name: "gone", Problem: problem})
	s, err := openEngine(t, Options{AllowedDirs: []string{dir}}).Open(t.Context(), v, query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, sql := range []string{"SELECT 1", "SELECT * FROM lake.signin"} {
		if _, err := count(s.Query(t.Context(), sql)); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		for _, sql := range []string{"SELECT * FROM lake.gone", "SELECT 1 FROM lake.signin, LAKE.Gone"} {
			if _, err := count(s.Query(t.Context(), sql)); !errors.Is(err, problem) {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
}
