package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
)

const (
	user    = `"user".name`
	address = `src_endpoint.ip`
)

// result is what the look-ups of one kind took.
type result struct {
	times, plain []time.Duration // ours, and DuckDB's over the plain files for some of them
	cpu          []time.Duration
	same         []time.Duration // ours of those that DuckDB did as well
	bytes        []int64         // with an engine that has read nothing
	sameBytes    []int64
	plainBytes   []int64
	rows         []int64
}

// spent is one query's answer and costs. The answer is its rows' ids together.
type spent struct {
	rows  int64
	ids   uint64
	took  time.Duration
	cpu   time.Duration // of the processors: on a busy machine the steadier
	bytes int64
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// readBytes is what this process has read by system calls so far.
func readBytes() (int64, error) {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, "rchar: "); ok {
			return strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		}
	}
	return 0, errors.New("/proc/self/io has no rchar")
}

// spend measures f, whose result is read to the end, and what f returns to be
// closed then.
func spend(f func() (array.RecordReader, func() error, error)) (s spent, err error) {
	before, err := readBytes()
	if err != nil {
		return s, err
	}
	began, used := time.Now(), cpuTime()
	r, end, err := f()
	if err != nil {
		return s, err
	}
	for r.Next() {
		rec := r.RecordBatch()
		s.rows += rec.NumRows()
		at := rec.Schema().FieldIndices(tiers.ColEventID)
		if len(at) == 0 {
			continue
		}
		id, ok := rec.Column(at[0]).(*array.String)
		if !ok {
			return s, fmt.Errorf("ids are %s", rec.Column(at[0]).DataType())
		}
		for i := range id.Len() {
			n, err := strconv.ParseUint(id.Value(i), 16, 64)
			if err != nil {
				return s, err
			}
			s.ids += n * n
		}
	}
	err = r.Err()
	r.Release()
	if err := errors.Join(err, end()); err != nil {
		return s, err
	}
	s.took, s.cpu = time.Since(began), cpuTime()-used
	after, err := readBytes()
	s.bytes = after - before
	return s, err
}

// ask runs a query the way `lakeward query` does: a view of the table as it is
// now, in a session that only reads.
func (s *station) ask(ctx context.Context, sql string) (spent, error) {
	return spend(func() (array.RecordReader, func() error, error) {
		t, err := s.lake.Open(ctx, table)
		if err != nil {
			return nil, nil, err
		}
		files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
		if err != nil {
			return nil, nil, err
		}
		ses, err := s.engine.Open(ctx, query.View{Tables: []query.TableView{{Name: table, Schema: t.Schema(), Files: files}}},
			query.Options{})
		if err != nil {
			return nil, nil, err
		}
		r, err := ses.Query(ctx, sql)
		if err != nil {
			return nil, nil, errors.Join(err, ses.Close())
		}
		return r, ses.Close, nil
	})
}

// askPlain runs a query over the plain files.
func (b *bench) askPlain(ctx context.Context, c *duckdb.Conn, where string) (spent, error) {
	return spend(func() (array.RecordReader, func() error, error) {
		r, err := c.Query(ctx, "SELECT * FROM "+b.plainTable()+" WHERE "+where)
		return r, func() error { return nil }, err
	})
}

func (b *bench) plainTable() string {
	return "read_parquet(['" + strings.Join(b.plain, "','") + "'])"
}

func condition(column, value string) string { return column + " = '" + value + "'" }

func lookup(where string) string { return "SELECT * FROM lake." + table + " WHERE " + where }

// scratch is DuckDB with the threads and memory of the engine.
func scratch(ctx context.Context) (*duckdb.Conn, error) {
	c, err := duckdb.Scratch(ctx)
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{"SET threads=2", "SET memory_limit='2GiB'"} {
		if _, err := c.Exec(ctx, sql); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// keysOf draws users and addresses, each value as likely as any other, and
// lists those that many share.
func (b *bench) keysOf(ctx context.Context) error {
	c, err := scratch(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	for column, to := range map[string]*[]string{user: &b.users, address: &b.addresses} {
		r, err := c.Query(ctx, fmt.Sprintf("SELECT v FROM (SELECT DISTINCT %s AS v FROM %s) ORDER BY hash(v) LIMIT %d",
			column, b.plainTable(), b.keys))
		if err != nil {
			return err
		}
		for r.Next() {
			for i := range int(r.RecordBatch().NumRows()) {
				*to = append(*to, r.RecordBatch().Column(0).ValueStr(i))
			}
		}
		err = r.Err()
		r.Release()
		if err != nil {
			return err
		}
	}
	for i := range uint64(10) {
		b.offices = append(b.offices, office(i*37))
	}
	for d := range min(30, b.company.days) { // those of the first month
		for n := range 2 {
			if at := sprayer(uint64(d/3*7+n) % sprayers); !slices.Contains(b.sprayers, at) {
				b.sprayers = append(b.sprayers, at)
			}
		}
	}
	return nil
}

const (
	comparedKeys = 4  // that DuckDB looks up as well, which takes it seconds each
	coldKeys     = 20 // whose bytes are counted, each with an engine that has read nothing
)

func (b *bench) measure(ctx context.Context) (err error) {
	s, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	// The first query of a process verifies the table's files, whatever it asks.
	one, err := s.ask(ctx, lookup(condition(user, b.users[0])))
	if err != nil {
		return err
	}
	b.firstTime, b.firstBytes = one.took, one.bytes
	b.results = map[string]*result{}
	for _, k := range []struct {
		name, column string
		keys         []string
	}{{"user", user, b.users}, {"address", address, b.addresses}, {"office", address, b.offices},
		{"sprayer", address, b.sprayers}} {
		if err := b.kind(ctx, s, k.name, k.column, k.keys); err != nil {
			return fmt.Errorf("look up %s: %w", k.name, err)
		}
	}
	return b.windows(ctx, s)
}

func (b *bench) kind(ctx context.Context, s *station, name, column string, keys []string) error {
	res := &result{}
	b.results[name] = res
	answers := map[string]spent{}
	for _, k := range keys {
		one, err := s.ask(ctx, lookup(condition(column, k)))
		if err != nil {
			return err
		}
		answers[k] = one
		res.times, res.cpu, res.rows = append(res.times, one.took), append(res.cpu, one.cpu), append(res.rows, one.rows)
	}
	for i, k := range keys[:min(coldKeys, len(keys))] {
		e, err := b.engine(ctx, s.lake, "spill-cold")
		if err != nil {
			return err
		}
		one, err := (&station{s.lake, e}).ask(ctx, lookup(condition(column, k)))
		if err := errors.Join(err, e.Close()); err != nil {
			return err
		}
		res.bytes = append(res.bytes, one.bytes)
		if i < comparedKeys {
			res.sameBytes = append(res.sameBytes, one.bytes)
		}
	}
	return b.compare(ctx, res, column, keys[:min(comparedKeys, len(keys))], answers)
}

// compare asks DuckDB over the plain files, twice so that it is warm as well,
// and fails unless the answers agree.
func (b *bench) compare(ctx context.Context, res *result, column string, keys []string,
	answers map[string]spent) error {
	for _, k := range keys {
		c, err := scratch(ctx)
		if err != nil {
			return err
		}
		cold, err := b.askPlain(ctx, c, condition(column, k))
		warm := cold
		if err == nil {
			warm, err = b.askPlain(ctx, c, condition(column, k))
		}
		if err := errors.Join(err, c.Close()); err != nil {
			return err
		}
		ours := answers[k]
		if ours.rows != warm.rows || ours.ids != warm.ids || ours.rows == 0 {
			return fmt.Errorf("%s: %d rows of the lake, %d of the plain files, or other ones", condition(column, k), ours.rows,
				warm.rows)
		}
		res.plain, res.plainBytes, res.same = append(res.plain, warm.took), append(res.plainBytes, cold.bytes),
			append(res.same, ours.took)
	}
	return nil
}

// windows measures what a pipeline asks of one hour of a settled day, which
// clustered files do not hold together.
func (b *bench) windows(ctx context.Context, s *station) error {
	c, err := scratch(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range 9 {
		d := first.AddDate(0, 0, i%b.company.days)
		from, to := d.Add(time.Duration(8+i)*time.Hour), d.Add(time.Duration(9+i)*time.Hour)
		where := fmt.Sprintf(`"time" >= TIMESTAMPTZ '%s' AND "time" < TIMESTAMPTZ '%s'`, from.Format(time.DateTime+"+00"),
			to.Format(time.DateTime+"+00"))
		sql := "SELECT " + user + " AS u, count(*), count(DISTINCT src_endpoint.ip) FROM %s WHERE " + where +
			" AND status = 'Failure' GROUP BY 1"
		ours, err := s.ask(ctx, fmt.Sprintf(sql, "lake."+table))
		if err != nil {
			return err
		}
		plain, err := spend(func() (array.RecordReader, func() error, error) {
			r, err := c.Query(ctx, fmt.Sprintf(sql, "read_parquet('"+b.plain[i%b.company.days]+"')"))
			return r, func() error { return nil }, err
		})
		if err != nil {
			return err
		}
		if ours.rows != plain.rows {
			return fmt.Errorf("an hour has failures of %d users in the lake, of %d in the plain files", ours.rows, plain.rows)
		}
		b.hourOurs, b.hourPlain = append(b.hourOurs, ours.took), append(b.hourPlain, plain.took)
	}
	return nil
}

func quantile[T int64 | time.Duration](v []T, q float64) T {
	v = slices.Sorted(slices.Values(v))
	return v[min(len(v)-1, int(q*float64(len(v))))]
}

func mean[T int64 | time.Duration](v []T) (m float64) {
	for _, x := range v {
		m += float64(x) / float64(len(v))
	}
	return m
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func (b *bench) report() {
	percent := func(n float64) float64 { return 100 * n / float64(b.bytes) }
	for _, name := range []string{"user", "address", "office", "sprayer"} {
		r := b.results[name]
		fmt.Printf("%s: %d look-ups of %.0f rows each (at most %d): p50 %.1f ms, p99 %.1f ms, longest %.1f ms, processors "+
			"p50 %.1f ms, p99 %.1f ms; %.2f%% of the bytes (at most %.2f%%)\n", name, len(r.times), mean(r.rows),
			slices.Max(r.rows), ms(quantile(r.times, .5)), ms(quantile(r.times, .99)), ms(slices.Max(r.times)),
			ms(quantile(r.cpu, .5)), ms(quantile(r.cpu, .99)), percent(mean(r.bytes)), percent(float64(slices.Max(r.bytes))))
		fmt.Printf("  DuckDB over plain files: p50 %.1f ms, %.2f%% of their bytes\n", ms(quantile(r.plain, .5)),
			100*mean(r.plainBytes)/float64(b.plainBy))
	}
	u, a := b.results["user"], b.results["address"]
	fmt.Printf("an hour of a settled day: %.1f ms, over plain files %.1f ms\n", ms(quantile(b.hourOurs, .5)),
		ms(quantile(b.hourPlain, .5)))
	fmt.Printf("figure: lookup_rows %d rows\n", b.rows)
	fmt.Printf("figure: lookup_table_bytes_ratio %.3f ratio\n", float64(b.bytes)/float64(b.plainBy))
	fmt.Printf("figure: lookup_first_after_start_ms %.1f ms\n", ms(b.firstTime))
	fmt.Printf("figure: lookup_first_after_start_bytes_percent %.1f percent\n", percent(float64(b.firstBytes)))
	for _, name := range []string{"user", "address", "office", "sprayer"} {
		r := b.results[name]
		fmt.Printf("figure: lookup_%s_p50_ms %.1f ms\n", name, ms(quantile(r.times, .5)))
		fmt.Printf("figure: lookup_%s_p99_ms %.1f ms\n", name, ms(quantile(r.times, .99)))
		fmt.Printf("figure: lookup_%s_bytes_percent %.2f percent\n", name, percent(mean(r.bytes)))
		fmt.Printf("figure: lookup_%s_time_ratio %.3f ratio\n", name, mean(r.same)/mean(r.plain))
		fmt.Printf("figure: lookup_%s_bytes_ratio %.3f ratio\n", name, mean(r.sameBytes)/mean(r.plainBytes))
	}
	fmt.Printf("figure: lookup_hour_window_ratio %.2f ratio\n", ms(quantile(b.hourOurs, .5))/ms(quantile(b.hourPlain, .5)))
	fmt.Printf("figure: lookup_bytes_percent %.2f percent\n", percent(max(mean(u.bytes), mean(a.bytes))))
	fmt.Printf("figure: lookup_p99_ms %.1f ms\n", ms(max(quantile(u.times, .99), quantile(a.times, .99))))
}
