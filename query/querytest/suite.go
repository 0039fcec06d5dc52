// Package querytest is the conformance suite of the engine seam: what every
// query.Engine does, in this process or in another.
package querytest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// engineCase is an engine and what a case needs of it.
type engineCase struct {
	*testing.T
	engine query.Engine
}

// TestEngine runs the suite. open opens an engine and registers its closing;
// the suite calls it once.
func TestEngine(t *testing.T, open func(t *testing.T) query.Engine) {
	engine := open(t)
	for _, c := range []struct {
		name string
		run  func(engineCase)
	}{
		{"every type of value", testValues}, {"nulls of every type", testNulls}, {"values at their bounds", testBounds},
		{"huge texts", testHugeTexts}, {"no rows", testNoRows}, {"many columns", testManyColumns},
		{"many rows in order", testManyRows},
		{"parameters", testParameters}, {"errors have a position", testPositions}, {"refusals", testRefusals},
		{"errors while rows are read", testLateErrors}, {"a statement is canceled", testCancel},
		{"a statement is canceled before it begins", testCanceledBefore},
		{"a statement takes too long", testTimeout}, {"a reader that stops early", testEarlyRelease},
		{"one result at a time", testOneResult},
		{"two statements at once", testTwoAtOnce}, {"more rows than allowed", testMostRows},
		{"more bytes than allowed", testMostBytes},
		{"tables that are named", testNamedTables}, {"tables of the view", testProblems},
		{"statements of a trusted session", testTrusted}, {"rows are loaded", testLoad},
		{"loading fails", testLoadFails}, {"progress", testProgress}, {"sessions are apart", testApart},
		{"closing twice", testClose},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(engineCase{t, engine}) })
	}
}

// open opens a session that the case need not close.
func (c engineCase) open(v query.View, o query.Options) query.Session {
	c.Helper()
	s, err := c.engine.Open(c.Context(), v, o)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() {
		if err := s.Close(); err != nil {
			c.Error(err)
		}
	})
	return s
}

// people is a session as those who ask from outside get.
func (c engineCase) people(o query.Options) query.Session { return c.open(query.View{}, o) }

// text is a result: a line of column types, then one for each row.
func text(ctx context.Context, s query.Session, sql string, args ...any) (string, error) {
	r, err := s.Query(ctx, sql, args...)
	if err != nil {
		return "", err
	}
	defer r.Release()
	var types []string
	for _, f := range r.Schema().Fields() {
		types = append(types, f.Type.String())
	}
	rows, err := rowsOf(r, " | ")
	return strings.Join(append([]string{strings.Join(types, " | ")}, rows...), "\n"), err
}

// Rows runs a statement of a test and returns its rows as text, columns joined
// by a bar. It outlives the test's context, for those who look at the end.
func Rows(t testing.TB, c tiers.Statements, sql string) []string {
	t.Helper()
	r, err := c.Query(context.WithoutCancel(t.Context()), sql)
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	defer r.Release()
	out, err := rowsOf(r, "|")
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return out
}

func rowsOf(r array.RecordReader, between string) (out []string, err error) {
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			cells := make([]string, rec.NumCols())
			for n, col := range rec.Columns() {
				cells[n] = col.ValueStr(i)
			}
			out = append(out, strings.Join(cells, between))
		}
	}
	return out, r.Err()
}

// equal runs a statement whose result, with types, is known.
func (c engineCase) equal(s query.Session, want, sql string, args ...any) {
	c.Helper()
	got, err := text(c.Context(), s, sql, args...)
	if err != nil || got != want {
		c.Errorf("%.300s:\n%s\nwant\n%s\n%v", sql, got, want, err)
	}
}

// fails runs a statement that fails with an error.
func (c engineCase) fails(s query.Session, target error, sql string) error {
	c.Helper()
	got, err := text(c.Context(), s, sql)
	if err == nil || target != nil && !errors.Is(err, target) {
		c.Errorf("%.300s: %v, want %v; rows are %.200q", sql, err, target, got)
	}
	return err
}

// works checks that a session is as good as new.
func (c engineCase) works(s query.Session) {
	c.Helper()
	c.equal(s, "int32\n42", "SELECT 42")
}

// soon is how long after the end of its time a statement may still go on.
const soon = 5 * time.Second
