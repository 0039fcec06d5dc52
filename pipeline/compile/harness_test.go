package compile

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/query/querytest"
)

// bench is a DuckDB instance with the catalogs that compiled SQL expects.
type bench struct {
	t    testing.TB
	conn *duckdb.Conn
}

func newBench(t testing.TB) *bench {
	t.Helper()
	conn, err := duckdb.Scratch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bench{t, conn}
	b.exec("SET TimeZone = 'America/New_York'") // results must not depend on it
	b.exec("ATTACH ':memory:' AS state")
	b.exec("ATTACH ':memory:' AS analytics")
	b.exec("CREATE SCHEMA lake")
	return b
}

func (b *bench) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.conn.Exec(context.Background(), sql, args...); err != nil {
		b.t.Fatalf("%v\n%s", err, sql)
	}
}

// rows returns a query's rows as text, columns joined by a bar.
func (b *bench) rows(sql string) []string {
	b.t.Helper()
	return querytest.Rows(b.t, b.conn, sql)
}

// run executes a compiled run.
func (b *bench) run(c *Compiled, r Run) {
	b.t.Helper()
	stmts, err := c.Statements(r)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, s := range stmts {
		b.exec(s.SQL, s.Args...)
	}
}

func at(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return t
}

// compiled builds a pipeline from forms, without the specification.
func compiled(steps ...*step) *Compiled {
	c := &Compiled{name: "test", steps: map[string]*step{}, keys: map[string]string{}, cols: map[string][]string{}}
	for _, s := range steps {
		c.order = append(c.order, s.name)
		c.steps[s.name] = s
		if s.kind == kindBaseline {
			c.keys[s.name] = "k_" + s.name
		}
		if s.kind == kindRead {
			c.cols[s.name] = []string{"event_id", "time"}
		}
	}
	return c
}

func readStep(name, table, where string) *step {
	return &step{name: name, kind: kindRead, read: &readForm{table: table, where: where, timed: true}}
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
