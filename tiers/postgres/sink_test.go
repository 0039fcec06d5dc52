package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/lakeward/lakeward/internal/pgtest"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

var server pgtest.Server

func TestMain(m *testing.M) { os.Exit(server.Run(m)) }

func openAt(t *testing.T, url string) *Sink {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSinkConformance(t *testing.T) {
	server.URL(t) // skips here, not in each case
	tierstest.TestSink(t, func(t *testing.T) tierstest.SinkUnderTest {
		url := server.URL(t)
		return tierstest.SinkUnderTest{Sink: openAt(t, url),
			Read: func(ctx context.Context, table string, columns ...string) ([][]any, error) {
				rows, err := psql(ctx, url, "SELECT "+strings.Join(columns, ", ")+" FROM analytics."+table)
				for _, row := range rows {
					for i, v := range row {
						if n, ok := v.(pgtype.Numeric); ok {
							text, verr := n.Value()
							row[i], err = text, errors.Join(err, verr)
						}
					}
				}
				return rows, err
			}}
	})
}

// psql reads as somebody does who knows nothing of Lakeward.
func psql(ctx context.Context, url, sql string) (out [][]any, err error) {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	rows, err := c.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		v, err := rows.Values()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

func holds(t *testing.T, url, sql, want string) {
	t.Helper()
	got, err := psql(t.Context(), url, sql)
	if err != nil || fmt.Sprint(got) != want {
		t.Fatalf("%s\n gives %v, %v\n want %s", sql, got, err, want)
	}
}

var keyed = []arrow.Field{tierstest.Nullable("k", arrow.BinaryTypes.String),
	tierstest.Nullable("n", arrow.PrimitiveTypes.Int64)}

// TestDroppedAtCommit cuts the connection around COMMIT: whatever the server
// made of it, the write tells the truth and each row is there once.
func TestDroppedAtCommit(t *testing.T) {
	url := server.URL(t)
	proxy := pgtest.StartCutProxy(t, server.Addr())
	s := openAt(t, proxy.Through(t, url))
	n := 0
	for _, mode := range []tiers.WriteMode{tiers.Append, tiers.ReplaceWindow, tiers.Merge} {
		for _, c := range append(pgtest.Cuts(), pgtest.Cuts()...) {
			r := tierstest.RowsOf(t, keyed, fmt.Sprintf(`[{"k": "a%d", "n": %d}, {"k": "b%d", "n": %d}]`, n, n, n, n))
			proxy.Arm(c)
			got, err := s.Write(t.Context(), tierstest.WriteOf(n, mode, r))
			if err != nil || got != (tiers.WriteResult{Inserted: 2}) {
				t.Fatalf("%s cut %s: %+v, %v", mode, c, got, err)
			}
			n++
		}
	}
	holds(t, url, "SELECT count(*), count(DISTINCT k), count(DISTINCT _run_id) FROM analytics.t",
		fmt.Sprint([][]any{{2 * n, 2 * n, n}}))
	holds(t, url, "SELECT count(*), sum(inserted)::bigint FROM lakeward.writes", fmt.Sprint([][]any{{n, 2 * n}}))
}

// TestWritersTakeTurns: several processes' merges of the same keys, which also
// add columns, lose nothing and wait for each other.
func TestWritersTakeTurns(t *testing.T) {
	url := server.URL(t)
	sinks := []*Sink{openAt(t, url), openAt(t, url), openAt(t, url)}
	var wg sync.WaitGroup
	for i := range 45 {
		col := fmt.Sprint("c", i%5)
		r := tierstest.RowsOf(t, []arrow.Field{keyed[0], tierstest.Nullable(col, arrow.PrimitiveTypes.Int64)},
			fmt.Sprintf(`[{"k": "same", "%s": %d}, {"k": "own %d", "%s": 1}]`, col, i, i, col))
		wg.Go(func() {
			if _, err := sinks[i%3].Write(t.Context(), tierstest.WriteOf(i, tiers.Merge, r)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	holds(t, url, "SELECT count(*), count(*) FILTER (WHERE k = 'same') FROM analytics.t", "[[46 1]]")
}

// TestADeadlockWithAPersonIsRepeated: somebody who locks our rows and then our
// table's lock makes PostgreSQL undo one of the two.
func TestADeadlockWithAPersonIsRepeated(t *testing.T) {
	url := server.URL(t)
	s := openAt(t, url)
	if _, err := s.Write(t.Context(), tierstest.WriteOf(0, tiers.Merge,
		tierstest.RowsOf(t, keyed, `[{"k": "a", "n": 1}]`))); err != nil {
		t.Fatal(err)
	}
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context())) // it holds nothing
	tx, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The server notices after our session's timeout, not the person's.
	for _, sql := range []string{"SET LOCAL deadlock_timeout = '30s'", "SELECT * FROM analytics.t FOR UPDATE"} {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Write(t.Context(), tierstest.WriteOf(1, tiers.Merge, tierstest.RowsOf(t, keyed, `[{"k": "a", "n": 2}]`)))
		done <- err
	}()
	waiting := func() bool {
		rows, err := psql(t.Context(), url, "SELECT 1 FROM pg_stat_activity WHERE application_name = 'lakeward' AND "+
			"wait_event_type = 'Lock'")
		return err == nil && len(rows) > 0
	}
	for deadline := time.Now().Add(30 * time.Second); !waiting(); {
		if time.Now().After(deadline) {
			t.Fatal("the write does not wait for the row")
		}
	}
	if _, err := tx.Exec(t.Context(), lockTable, lockKey("t")); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	holds(t, url, "SELECT k, n FROM analytics.t", "[[a 2]]")
	holds(t, url, "SELECT deadlocks > 0 OR (SELECT count(*) FROM pg_stat_database WHERE deadlocks > 0) > 0 FROM "+
		"pg_stat_database WHERE datname = current_database()", "[[true]]")
}

// TestValues: what PostgreSQL holds of values that are not plain.
func TestValues(t *testing.T) {
	url := server.URL(t)
	s := openAt(t, url)
	fields := []arrow.Field{
		tierstest.Nullable("k", arrow.BinaryTypes.String), tierstest.Nullable("u", arrow.PrimitiveTypes.Uint64),
		tierstest.Nullable("d", arrow.FixedWidthTypes.Date32),
		tierstest.Nullable("l", arrow.ListOf(arrow.PrimitiveTypes.Int64)),
		tierstest.Nullable("user", arrow.StructOf(tierstest.Nullable("name", arrow.BinaryTypes.String),
			tierstest.Nullable("at", arrow.ListOf(arrow.BinaryTypes.String)))),
	}
	r := tierstest.RowsOf(t, fields, `[{"k": "a\u0000b", "u": 18446744073709551615, "d": "2026-11-24", "l": [1, null], "user": {"name": "x\u0000\\u0000", "at": []}}, {}]`)
	if _, err := s.Write(t.Context(), tierstest.WriteOf(0, tiers.Append, r)); err != nil {
		t.Fatal(err)
	}
	holds(t, url, `SELECT k, u::text, d::text, l::text, "user"->>'name', "user"->'at' FROM analytics.t WHERE k IS NOT NULL`,
		`[[a`+"\uFFFD"+`b 18446744073709551615 2026-11-24 [1, null] x`+"\uFFFD"+`\u0000 []]]`)
	holds(t, url, `SELECT count(*) FROM analytics.t WHERE num_nulls(k, u, d, l, "user") = 5`, "[[1]]")
	holds(t, url, `SELECT string_agg(format_type(atttypid, atttypmod), ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'analytics.t'::regclass AND attnum BETWEEN 1 AND 5`,
		"[[text,numeric(20,0),date,jsonb,jsonb]]")
	// A nested value has another shape: nothing has to be altered.
	wider := []arrow.Field{tierstest.Nullable("user",
		arrow.StructOf(tierstest.Nullable("uid", arrow.PrimitiveTypes.Int64)))}
	if _, err := s.Write(t.Context(), tierstest.WriteOf(1, tiers.Append,
		tierstest.RowsOf(t, wider, `[{"user": {"uid": 7}}]`))); err != nil {
		t.Fatal(err)
	}
	// A number beyond the column is named with its column and the remedy.
	if _, err := s.Write(t.Context(), tierstest.WriteOf(2, tiers.Append,
		tierstest.RowsOf(t, []arrow.Field{keyed[1]}, `[{"n": 1}]`))); err != nil {
		t.Fatal(err)
	}
	_, err := s.Write(t.Context(), tierstest.WriteOf(3, tiers.Append,
		tierstest.RowsOf(t, []arrow.Field{tierstest.Nullable("n", arrow.PrimitiveTypes.Uint64)},
			`[{"n": 18446744073709551615}]`)))
	if err == nil || !strings.Contains(err.Error(), "column n of row 1") ||
		!strings.Contains(err.Error(), "cast it in the pipeline") {
		t.Errorf("%v", err)
	}
	holds(t, url, "SELECT count(*) FROM analytics.t", "[[4]]")
}

// TestPeopleCanReadIt: comments, and an index where rows are looked for.
func TestPeopleCanReadIt(t *testing.T) {
	url := server.URL(t)
	s := openAt(t, url)
	ts := &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	w := tierstest.WriteOf(0, tiers.Merge, tierstest.RowsOf(t,
		[]arrow.Field{tierstest.Nullable("finding_id", arrow.BinaryTypes.String), tierstest.Nullable("time", ts)},
		`[{"finding_id": "f", "time": "2026-11-24T12:00:00Z"}]`))
	w.Table, w.Key = "findings", []string{"finding_id"}
	if _, err := s.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	holds(t, url, "SELECT obj_description('analytics.findings'::regclass) LIKE 'findings of%', "+
		"col_description('analytics.findings'::regclass, 1) LIKE 'hash of%', "+
		"col_description('analytics.findings'::regclass, 5) LIKE 'start of the run%'",
		"[[true true true]]")
	holds(t, url, "SELECT count(*) FILTER (WHERE indexdef LIKE '%UNIQUE%(finding_id)%'), count(*) FILTER (WHERE "+
		"indexdef LIKE '%(\"time\")%') FROM pg_indexes WHERE tablename = 'findings'", "[[1 1]]")
}

// TestAFindingHasOneRowAndItsEvidenceIsJSON: whatever window writes it, and
// whatever the evidence has.
func TestAFindingHasOneRowAndItsEvidenceIsJSON(t *testing.T) {
	url := server.URL(t)
	s := openAt(t, url)
	fields := []arrow.Field{tierstest.Nullable("finding_id", arrow.BinaryTypes.String),
		tierstest.Nullable("evidence", arrow.BinaryTypes.String)}
	for i, rows := range []string{
		`[{"finding_id": "f", "evidence": "{\"n\": 5, \"who\": \"a\\u0000b\"}"}, {"finding_id": "g", "evidence": "no JSON"}]`,
		`[{"finding_id": "f", "evidence": "{\"n\": 6}"}, {"finding_id": "h"}]`,
	} {
		w := tierstest.WriteOf(i, tiers.Merge, tierstest.RowsOf(t, fields, rows))
		w.Table, w.Key = "findings", []string{"finding_id"}
		if _, err := s.Write(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, url, `SELECT finding_id, evidence->'n', evidence#>>'{}' FROM analytics.findings ORDER BY 1`,
		`[[f 6 {"n": 6}] [g <nil> no JSON] [h <nil> <nil>]]`)
	holds(t, url, `SELECT conname FROM pg_constraint WHERE conrelid = 'analytics.findings'::regclass AND contype = 'p'`,
		"[[findings_pkey]]")
}

func TestNamesThatPostgreSQLWouldCutAreRefused(t *testing.T) {
	s := openAt(t, server.URL(t))
	long := strings.Repeat("x", maxName+1)
	w := tierstest.WriteOf(0, tiers.Append, tierstest.RowsOf(t, keyed, `[]`))
	w.Table = long
	if _, err := s.Write(t.Context(), w); err == nil {
		t.Error("a table")
	}
	if _, err := s.Write(t.Context(), tierstest.WriteOf(0, tiers.Append,
		tierstest.RowsOf(t, []arrow.Field{tierstest.Nullable(long, arrow.BinaryTypes.String)}, `[]`))); err == nil {
		t.Error("a column")
	}
}

// TestAwayIsSaidInWords: nothing listens; writers wait for their patience, then
// say what is away, without the password.
func TestAwayIsSaidInWords(t *testing.T) {
	s, err := Open(t.Context(), Options{URL: "postgres://u:hunter2@127.0.0.1:1/db", Patience: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() // it holds nothing
	_, werr := s.Write(t.Context(), tierstest.WriteOf(0, tiers.Append, tierstest.RowsOf(t, keyed, `[]`)))
	_, rerr := s.Query(t.Context(), "SELECT 1")
	_, terr := s.Tables(t.Context())
	for _, err := range []error{werr, rerr, terr, s.Ping(t.Context())} {
		if !errors.Is(err, tiers.ErrAway) || !strings.Contains(err.Error(), "db on 127.0.0.1:1") ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

// TestAPersonsLockIsWaitedForAndRefusedRightsAreExplained: a role that may
// not make schemas is told so.
func TestRefusedRightsAreExplained(t *testing.T) {
	url := server.URL(t)
	if _, err := psql(t.Context(), url, "CREATE ROLE modest"); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, url+"&options=-c%20role%3Dmodest")
	_, err := s.Write(t.Context(), tierstest.WriteOf(0, tiers.Append, tierstest.RowsOf(t, keyed, `[]`)))
	if err == nil || errors.Is(err, tiers.ErrAway) ||
		!strings.Contains(err.Error(), "grant the role of analytics.url CREATE") {
		t.Errorf("%v", err)
	}
}
