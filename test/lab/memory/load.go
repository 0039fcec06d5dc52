package memory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/test/daemonproc"
)

const subjects = "events.>"

// heavyPipeline groups and sorts every row of the narrow table.
const heavyPipeline = `name: heavy
description: More than is reasonable.
schedule: "0 0 1 1 *"
settle: 0s
steps:
  rows:
    read: lake.narrow
  heavy:
    sql: SELECT user AS entity, count(*) AS n, count(DISTINCT text) AS texts, max(text) AS last FROM rows GROUP BY ALL ORDER BY texts DESC LIMIT 100
write:
  - from: heavy
    to: analytics.heavy
    mode: overwrite
`

// load is what is done to the daemon at once.
type load struct {
	t *trial

	mu       sync.Mutex
	acked    int64 // events
	refused  int
	answered int
	runs     int
	limits   map[string]int
	err      error // a failure that means no limit
}

func newLoad(t *trial) *load { return &load{t: t, limits: map[string]int{}} }

func (l *load) published() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked
}

func (l *load) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *load) report(r *result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.refused, r.answered, r.runs = l.refused, l.answered, l.runs
	fmt.Printf("queries refused by limit: %v\n", l.limits)
}

// start publishes, and asks if that is wanted, until the function that it
// returns is called.
func (l *load) start(ctx context.Context, ask bool) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	w := &workers{cancel: cancel}
	for _, s := range shapes(l.t.o.tables) {
		w.wg.Go(func() { l.publish(ctx, s) })
	}
	if ask {
		for i := range 10 {
			w.wg.Go(func() { l.ask(ctx, i) })
		}
		w.wg.Go(func() { l.pipeline(ctx) })
	}
	return sync.OnceFunc(w.stop)
}

// shape makes the n-th message of a kind.
type shape struct {
	name   string
	events int // in a message
	make   func(n int, buf []byte) (subject string, data []byte)
}

const linesEvents = 20_000

func shapes(tables int) []shape {
	when := func() string { return time.Now().UTC().Format(time.RFC3339Nano) }
	large := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	return []shape{
		{"narrow", 1, func(n int, b []byte) (string, []byte) {
			return "events.narrow", fmt.Appendf(b, `{"time":%q,"user":"user%d","n":%d,"text":"%016x%016x","padding":%q}`, when(),
				n%5000, n, rand.Uint64(), rand.Uint64(), large[:200])
		}},
		{"wide", 1, func(n int, b []byte) (string, []byte) {
			b = fmt.Appendf(b, `{"time":%q`, when())
			for c := range 900 {
				b = fmt.Appendf(b, `,"column_%d":%d`, c, n^c)
			}
			return "events.wide", append(b, '}')
		}},
		{"sparse", 1, func(n int, b []byte) (string, []byte) { // a column of 900 each, and all the others' slots
			return "events.sparse", fmt.Appendf(b, `{"time":%q,"column_%d":%d}`, when(), n*7%900, n)
		}},
		{"many", 1, func(n int, b []byte) (string, []byte) {
			return fmt.Sprintf("events.many_%03d", n%tables),
				fmt.Appendf(b, `{"time":%q,"host":"host%d","n":%d}`, when(), n%97, n)
		}},
		{"large", 1, func(n int, b []byte) (string, []byte) {
			return "events.large", fmt.Appendf(b, `{"time":%q,"n":%d,"body":"%x%s"}`, when(), n, rand.Uint64(),
				large[:1<<20-200])
		}},
		{"lines", linesEvents, func(n int, b []byte) (string, []byte) {
			for i := range linesEvents {
				b = fmt.Appendf(b, `{"time":%q,"line":%d,"user":"user%d","text":"%016x"}`+"\n", when(), i, i%500, rand.Uint64())
			}
			return "events.lines", b
		}},
	}
}

// publish sends messages of a shape as fast as the stream takes them. When the
// stream refuses some, because it is full or the daemon has ended, it begins
// anew after a moment.
func (l *load) publish(ctx context.Context, s shape) {
	for n := 0; ctx.Err() == nil; {
		if err := l.publishUntilRefused(ctx, s, &n); err != nil {
			_ = daemonproc.Pause(ctx, 200*time.Millisecond)
		}
	}
}

func (l *load) publishUntilRefused(ctx context.Context, s shape, n *int) error {
	c, err := jetstream.Connect(ctx, jetstream.Options{URL: l.t.daemon.NATS}, nil)
	if err != nil {
		return err
	}
	defer c.Close() // the daemon may have ended
	p, err := c.Publisher(ctx)
	if err != nil {
		return err
	}
	var buf []byte
	for err == nil && ctx.Err() == nil {
		subject, data := s.make(*n, buf[:0])
		buf = data
		err = p.Publish(ctx, subject, fmt.Sprintf("%s-%d", s.name, *n), data)
		*n++
	}
	// What is on its way is waited for, for a while.
	cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	counts, cerr := p.Close(cctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked += (counts.Published - counts.Duplicates) * int64(s.events)
	return errors.Join(err, cerr)
}

// questions ask for more than there is, except for the first. Some need no
// table, so that they do whatever the lake holds by then.
var questions = []string{
	"SELECT count(*) FROM lake.narrow",
	"SELECT i, repeat('x', 100) || i AS v FROM range(100000000) t(i) ORDER BY v DESC",
	"SELECT sum(len(l)) FROM (SELECT i, list(i * j) AS l FROM range(100000) a(i), range(1000) b(j) GROUP BY i)",
	"SELECT repeat('x', 1000) AS v FROM range(10000000)",
	"SELECT count(*) FROM range(1000000) a(i), range(1000000) b(j) WHERE (i * j) % 7 = 1",
	"SELECT text, list(n), count(*) FROM lake.narrow GROUP BY text ORDER BY 3 DESC",
	"SELECT a.user, count(DISTINCT a.text || b.text) FROM lake.narrow a JOIN lake.narrow b USING (user) GROUP BY 1",
	"SELECT * FROM lake.wide",
	"SELECT * FROM lake.large",
	"SELECT list(text ORDER BY text) FROM lake.lines",
}

// named are what an error of a limit says, one of them each.
var named = []string{"query.max_running", "query.max_spill", "memory.budget", "query.max_bytes", "query.max_rows",
	"query.timeout"}

func (l *load) ask(ctx context.Context, i int) {
	for ctx.Err() == nil {
		err := l.query(ctx, questions[i%len(questions)])
		l.note(ctx, questions[i%len(questions)], err)
		if err != nil {
			_ = daemonproc.Pause(ctx, 500*time.Millisecond)
		}
		i++
	}
}

func (l *load) query(ctx context.Context, sql string) error {
	rows, err := l.t.daemon.Client().Query(ctx, serve.Query{SQL: sql})
	if err != nil {
		return err
	}
	defer rows.Release()
	for rows.Next() {
	}
	return rows.Err()
}

// note counts an outcome; an error that names no limit is a failure, unless
// the table is still to come or the daemon has gone.
func (l *load) note(ctx context.Context, what string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.answered++
		return
	}
	for _, name := range named {
		if strings.Contains(err.Error(), name) {
			l.refused++
			l.limits[name]++
			return
		}
	}
	for _, gone := range []string{"the daemon stops", "connection re", "closed idle connection", "EOF",
		"there is no table", "does not exist"} {
		if strings.Contains(err.Error(), gone) {
			return
		}
	}
	if ctx.Err() == nil && l.err == nil {
		l.err = fmt.Errorf("%s: the error names no limit: %w", what, err)
	}
}

// pipeline runs the pipeline again and again. A run may find the engine's
// memory taken by queries.
func (l *load) pipeline(ctx context.Context) {
	for ctx.Err() == nil {
		_, err := l.t.daemon.Client().Do(ctx, serve.Command{Noun: "pipeline", Verb: "run", Name: "heavy"})
		l.mu.Lock()
		if err == nil {
			l.runs++
		}
		l.mu.Unlock()
		if err != nil {
			_ = daemonproc.Pause(ctx, 200*time.Millisecond)
		}
	}
}
