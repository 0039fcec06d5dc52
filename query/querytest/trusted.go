package querytest

import (
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/lakeward/lakeward/query"
)

func (c engineCase) exec(s query.Session, sql string, args ...any) int64 {
	c.Helper()
	n, err := s.Exec(c.Context(), sql, args...)
	if err != nil {
		c.Errorf("%s: %v", sql, err)
	}
	return n
}

func testTrusted(c engineCase) {
	s := c.open(query.View{}, query.Options{Trusted: true})
	c.exec(s, "CREATE TEMP TABLE t AS SELECT i FROM range(10) r(i)")
	if n := c.exec(s, "DELETE FROM t WHERE i < ?", 3); n != 3 {
		c.Errorf("%d rows were deleted", n)
	}
	c.exec(s, "BEGIN")
	c.exec(s, "DELETE FROM t")
	c.exec(s, "ROLLBACK")
	c.equal(s, "int64\n7", "SELECT count(*) FROM t")
	if _, err := s.Exec(c.Context(), "CREATE TEMP TABLE t (a INT)"); err == nil {
		c.Error("a table was made twice")
	}
	c.exec(s, "DROP TABLE t")
	c.works(s)
}

func testLoad(c engineCase) {
	s := c.open(query.View{}, query.Options{Trusted: true})
	l, ok := s.(query.Loader)
	if !ok {
		c.Fatal("a trusted session loads no rows")
	}
	list := ""
	for i, v := range values {
		list += fmt.Sprintf(", %s AS c%d", v.sql, i)
	}
	c.exec(s, "CREATE TEMP TABLE original AS SELECT * FROM range(5000) t(i) LEFT JOIN (SELECT 0 AS even"+list+
		") ON even = i % 2")
	other := c.open(query.View{}, query.Options{Trusted: true})
	r, err := s.Query(c.Context(), "SELECT * FROM original ORDER BY i")
	if err != nil {
		c.Fatal(err)
	}
	n, err := other.(query.Loader).Load(c.Context(), "copied", r)
	r.Release()
	if n != 5000 || err != nil {
		c.Fatalf("%d rows, %v", n, err)
	}
	for i, v := range values {
		sql := fmt.Sprintf("SELECT c%d FROM %%s WHERE i IN (0, 1, 4998) ORDER BY i", i)
		want, err := text(c.Context(), s, fmt.Sprintf(sql, "original"))
		if err != nil {
			c.Error(err)
		}
		if got, err := text(c.Context(), other, fmt.Sprintf(sql, "copied")); got != want || err != nil {
			c.Errorf("%s: %s, want %s: %v", v.sql, got, want, err)
		}
	}
	if n, err := l.Load(c.Context(), "empty", numbers(0, nil)); n != 0 || err != nil {
		c.Errorf("no rows: %d, %v", n, err)
	}
	c.equal(s, "int64", "SELECT * FROM empty")
}

func testLoadFails(c engineCase) {
	s := c.open(query.View{}, query.Options{Trusted: true})
	why := errors.New("the rows' source broke")
	if _, err := s.(query.Loader).Load(c.Context(), "t", numbers(50, why)); !errors.Is(err, why) {
		c.Errorf("%v", err)
	}
	if _, err := text(c.Context(), s, "SELECT * FROM t"); err == nil {
		c.Error("half of the rows were kept")
	}
	people := c.people(query.Options{})
	if l, ok := people.(query.Loader); ok {
		if _, err := l.Load(c.Context(), "t", numbers(3, nil)); !errors.Is(err, query.ErrRefused) {
			c.Errorf("a session that only reads: %v", err)
		}
	}
	c.works(s)
}

// numbers are batches of 1,000 numbers, and then an error.
func numbers(batches int, err error) array.RecordReader {
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil)
	return array.ReaderFromIter(schema, func(yield func(arrow.RecordBatch, error) bool) {
		for i := range batches {
			b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
			for j := range 1000 {
				b.Field(0).(*array.Int64Builder).Append(int64(1000*i + j))
			}
			rec := b.NewRecordBatch()
			b.Release()
			if !yield(rec, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	})
}

func testProgress(c engineCase) {
	s := c.people(query.Options{Timeout: time.Second})
	done := make(chan error, 1)
	go func() {
		_, err := text(c.Context(), s, endless)
		done <- err
	}()
	var most query.Progress
	for {
		select {
		case err := <-done:
			if !errors.Is(err, query.ErrTimeout) {
				c.Errorf("%v", err)
			}
			if most.Elapsed <= 0 || most.Elapsed > soon {
				c.Errorf("progress was %+v", most)
			}
			return
		case <-time.After(20 * time.Millisecond):
			if p := s.Progress(); p.Elapsed > most.Elapsed {
				most = p
			}
		}
	}
}

func testApart(c engineCase) {
	a, b := c.open(query.View{}, query.Options{Trusted: true}), c.open(query.View{}, query.Options{Trusted: true})
	c.exec(a, "CREATE TEMP TABLE mine AS SELECT 1 AS a")
	if _, err := text(c.Context(), b, "SELECT * FROM mine"); err == nil {
		c.Error("a session sees the table of another")
	}
	c.equal(a, "int32\n1", "SELECT * FROM mine")
}

func testClose(c engineCase) {
	s, err := c.engine.Open(c.Context(), query.View{}, query.Options{})
	if err != nil {
		c.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		c.Error(err)
	}
}
