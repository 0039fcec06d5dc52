package querytest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/lakeward/lakeward/query"
)

func testPositions(c engineCase) {
	s := c.people(query.Options{})
	for sql, want := range map[string][2]int{
		"SELEC 1":                             {1, 1},
		"SELECT 1,\n  nosuch(2)":              {2, 3},
		"SELECT\n'ü', missing\nFROM range(3)": {2, 7},
		"SELECT 1 FROM\nrange(3) WHERE (":     {2, 17},
	} {
		err := c.fails(s, nil, sql)
		var p *query.ParseError
		if !errors.As(err, &p) || p.Line != want[0] || p.Column != want[1] || p.Message == "" {
			c.Errorf("%q: %#v, want line %d, column %d", sql, p, want[0], want[1])
		}
	}
	c.works(s)
}

func testRefusals(c engineCase) {
	s := c.people(query.Options{})
	for _, sql := range []string{"CREATE TABLE t AS SELECT 1", "SELECT * FROM read_csv('/etc/passwd')",
		"SELECT * FROM '/etc/passwd'",
		"COPY (SELECT 1) TO '/tmp/x'", "SET memory_limit = '1GB'", "ATTACH ':memory:' AS x", "SELECT getenv('HOME')",
		"SELECT 1; SELECT 2"} {
		_ = c.fails(s, nil, sql)
	}
	c.fails(s, query.ErrRefused, "SELECT * FROM lake.nosuch") // it was looked at
	if _, err := s.Exec(c.Context(), "SELECT 1"); !errors.Is(err, query.ErrRefused) {
		c.Errorf("Exec: %v", err)
	}
	c.works(s)
}

func testLateErrors(c engineCase) {
	s := c.people(query.Options{})
	err := c.fails(s, nil, "SELECT CASE WHEN i = 900000 THEN error('too far') ELSE i::VARCHAR END FROM range(1000000) "+
		"t(i)")
	if err != nil && !strings.Contains(err.Error(), "too far") {
		c.Errorf("%v", err)
	}
	_ = c.fails(s, nil, "SELECT 'x'::INT")
	c.works(s)
}

// endless goes on, and can be interrupted.
const endless = "SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c"

func testCancel(c engineCase) {
	s := c.people(query.Options{})
	ctx, cancel := context.WithCancelCause(c.Context())
	why := errors.New("the caller left")
	time.AfterFunc(200*time.Millisecond, func() { cancel(why) })
	began := time.Now()
	_, err := text(ctx, s, endless)
	if !errors.Is(err, why) || time.Since(began) > soon {
		c.Errorf("%v after %s", err, time.Since(began))
	}
	c.works(s)
	ctx, stop := context.WithCancel(c.Context())
	r, err := s.Query(ctx, "SELECT i FROM range(100000000000) t(i)")
	if err != nil {
		c.Fatal(err)
	}
	r.Next()
	stop()
	for began = time.Now(); r.Next() && time.Since(began) < soon; {
	}
	if !errors.Is(r.Err(), context.Canceled) {
		c.Errorf("while rows are read: %v", r.Err())
	}
	r.Release()
	c.works(s)
}

func testCanceledBefore(c engineCase) {
	s := c.people(query.Options{})
	ctx, cancel := context.WithCancel(c.Context())
	cancel()
	if _, err := text(ctx, s, "SELECT 1"); !errors.Is(err, context.Canceled) {
		c.Errorf("%v", err)
	}
	c.works(s)
}

func testTimeout(c engineCase) {
	s := c.people(query.Options{Timeout: 300 * time.Millisecond})
	began := time.Now()
	err := c.fails(s, query.ErrTimeout, endless)
	if took := time.Since(began); took > soon || !errors.Is(err, context.DeadlineExceeded) {
		c.Errorf("%v after %s", err, took)
	}
	c.works(s)
}

func testEarlyRelease(c engineCase) {
	s := c.people(query.Options{})
	for i := range 1500 { // more often than anybody reads to the end
		r, err := s.Query(c.Context(), "SELECT i FROM range(3) t(i)")
		if err != nil {
			c.Fatalf("statement %d: %v", i, err)
		}
		if !r.Next() {
			c.Errorf("no rows: %v", r.Err())
		}
		r.Release()
	}
	for range 3 {
		r, err := s.Query(c.Context(), "SELECT repeat('x', 1000) FROM range(100000000) t(i)")
		if err != nil {
			c.Fatal(err)
		}
		if !r.Next() {
			c.Errorf("no rows: %v", r.Err())
		}
		r.Release()
		c.works(s)
	}
}

func testOneResult(c engineCase) {
	s := c.people(query.Options{})
	r, err := s.Query(c.Context(), "SELECT i FROM range(1000000) t(i)")
	if err != nil {
		c.Fatal(err)
	}
	if _, err := s.Query(c.Context(), "SELECT 1"); err == nil {
		c.Error("two results of one session")
	}
	n := int64(0)
	for r.Next() {
		n += r.RecordBatch().NumRows()
	}
	if n != 1_000_000 || r.Err() != nil {
		c.Errorf("the first result has %d rows, %v", n, r.Err())
	}
	r.Release()
	c.works(s)
}

func testTwoAtOnce(c engineCase) {
	var all sync.WaitGroup
	for i := range 2 {
		s := c.people(query.Options{})
		all.Go(func() {
			for j := range 20 {
				want := fmt.Sprintf("int64 | int32\n1000000 | %d", i*100+j)
				if got, err := text(c.Context(), s, "SELECT count(*), ?::INT FROM range(1000000)", i*100+j); got != want ||
					err != nil {
					c.Errorf("%q, want %q: %v", got, want, err)
				}
			}
		})
	}
	all.Wait()
}

func testMostRows(c engineCase) {
	s := c.people(query.Options{MaxRows: 5000})
	c.equal(s, "int64\n5000", "SELECT count(*) FROM range(5000)")
	r, err := s.Query(c.Context(), "SELECT * FROM range(5000)")
	if err != nil {
		c.Fatal(err)
	}
	rows, err := rowsOf(r, " | ")
	if len(rows) != 5000 || err != nil {
		c.Errorf("%d rows, %v", len(rows), err)
	}
	r.Release()
	_ = c.fails(s, query.ErrTooManyRows, "SELECT * FROM range(5001)")
	c.works(s)
}

func testMostBytes(c engineCase) {
	s := c.people(query.Options{MaxBytes: 1 << 20})
	c.equal(s, "int64\n1000000", "SELECT length(t) FROM (SELECT repeat('x', 1000000) AS t)")
	_ = c.fails(s, query.ErrTooManyBytes, "SELECT repeat('x', 1000) FROM range(10000)")
	_ = c.fails(s, query.ErrTooManyBytes, "SELECT repeat('x', 10000000)")
	for _, sql := range []string{"SELECT repeat('x', 1000) FROM range(1000)", "SELECT * FROM range(100000)",
		"SELECT repeat('x', 1040000)"} {
		if _, err := text(c.Context(), s, sql); err != nil {
			c.Errorf("%s: %v", sql, err)
		}
	}
	c.works(s)
}

func testNamedTables(c engineCase) {
	var named []string
	s := c.people(query.Options{OnTables: func(names []string) { named = append(named, names...) }})
	_ = c.fails(s, nil, "SELECT * FROM lake.NoSuch JOIN analytics.neither USING (a)")
	if got := fmt.Sprint(named); got != "[analytics.neither lake.nosuch]" {
		c.Errorf("named are %s", got)
	}
	named = nil
	c.works(s)
	if len(named) > 0 {
		c.Errorf("named are %v", named)
	}
}

func testProblems(c engineCase) {
	problem := errors.New("its metadata is gone")
	s := c.open(query.View{Tables: []query.TableView{{Name: "broken", Problem: problem}}}, query.Options{})
	_ = c.fails(s, problem, "SELECT * FROM lake.broken")
	c.works(s)
}
