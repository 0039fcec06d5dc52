package serve

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

const (
	findingsTable  = "analytics.findings"
	findingsShown  = 10 // of the newest, and of the gravest
	findingsWithin = 3 * time.Second
	findingsFresh  = 15 * time.Second // so that many who look cost no more than one
)

// findingsSQL takes the gravest findings of the seven days that end with the
// newest one, and the newest.
const findingsSQL = `WITH f AS (
  SELECT finding_id, epoch_us("time") AS t, entity_type, entity, score::DOUBLE AS score, severity, reason, pipeline
  FROM analytics.findings),
gravest AS (
  SELECT 0::BIGINT AS list, row_number() OVER (ORDER BY score DESC, t DESC, finding_id) AS place, * FROM f
  WHERE t > (SELECT max(t) FROM f) - 7 * 86400000000::BIGINT),
newest AS (
  SELECT 1::BIGINT AS list, row_number() OVER (ORDER BY t DESC, score DESC, finding_id) AS place, * FROM f)
SELECT * FROM (FROM gravest UNION ALL FROM newest) WHERE place <= 10 ORDER BY list, place`

// finding is a row of analytics.findings, as far as the page shows it.
type finding struct {
	ID, EntityType, Entity, Severity, Reason, Pipeline string
	Score                                              float64
	Time                                               time.Time
}

// found are the findings of the page.
type found struct {
	Gravest, Newest []finding
	At              time.Time // when they were read
	Read            bool      // they are known, even if there is none
	Problem         string    // why they are not, or not as they are now
}

// finder keeps what was found last.
type finder struct {
	asking sync.Mutex // held by who asks for them
	mu     sync.Mutex // of last
	last   found
}

// found are the findings as of a moment ago. unlisted is why some tables are not
// among those given, if that is so. While somebody asks for them,
// others get the last ones: the page takes a place that readiness needs.
func (s *Server) found(ctx context.Context, tables []Table, unlisted error) found {
	f := &s.finder
	if f.asking.TryLock() {
		defer f.asking.Unlock()
		if now := s.opts.Now(); !f.get().Read || now.Sub(f.get().At) >= findingsFresh {
			next, err := s.findings(ctx, tables, unlisted)
			if err != nil {
				next = f.get() // they are still what a person wants to see
				next.Problem = err.Error()
			} else {
				next.At, next.Read = now, true
			}
			f.set(next)
		}
	}
	return f.get()
}

func (f *finder) get() found {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

func (f *finder) set(next found) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = next
}

func (s *Server) findings(ctx context.Context, tables []Table, unlisted error) (found, error) {
	var out found
	if !slices.ContainsFunc(tables, func(t Table) bool { return t.Name == findingsTable }) {
		return out, unlisted
	}
	rows, end, err := s.ask(ctx, Query{SQL: findingsSQL, MaxRows: 2 * findingsShown, Timeout: findingsWithin})
	if err != nil {
		return out, err
	}
	defer end()
	defer rows.Release()
	for rows.Next() {
		b := rows.RecordBatch()
		for i := range int(b.NumRows()) {
			list, one := findingOf(b, i)
			if list == 0 {
				out.Gravest = append(out.Gravest, one)
			} else {
				out.Newest = append(out.Newest, one)
			}
		}
	}
	return out, rows.Err()
}

// findingOf reads a row of the answer to findingsSQL, and in which list it is.
func findingOf(b arrow.RecordBatch, i int) (list int64, f finding) {
	column := func(name string) arrow.Array {
		for j, c := range b.Schema().Fields() {
			if c.Name == name && !b.Column(j).IsNull(i) {
				return b.Column(j)
			}
		}
		return nil
	}
	text := func(name string) string {
		if a, ok := column(name).(*array.String); ok {
			return a.Value(i)
		}
		return ""
	}
	number := func(name string) int64 {
		if a, ok := column(name).(*array.Int64); ok {
			return a.Value(i)
		}
		return 0
	}
	f = finding{ID: text("finding_id"), EntityType: text("entity_type"), Entity: text("entity"),
		Severity: text("severity"), Reason: text("reason"), Pipeline: text("pipeline"), Time: time.UnixMicro(number("t"))}
	if a, ok := column("score").(*array.Float64); ok {
		f.Score = a.Value(i)
	}
	return number("list"), f
}
