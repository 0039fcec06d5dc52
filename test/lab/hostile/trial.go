package hostile

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/test/daemonproc"
)

// trial is a daemon with a NATS of its own, which outlives it.
type trial struct {
	dir, bin string
	budget   int64
	daemon   *daemonproc.Daemon
	reader   *serve.Client
	admin    *serve.Client

	turn sync.RWMutex // held for writing while the daemon is started again
	proc *daemonproc.Process

	mu       sync.Mutex
	r        result
	underWay map[string]bool
}

const (
	readToken  = "a-reader-who-is-hostile"
	adminToken = "an-administrator-who-watches"
	runTime    = 10 * time.Second // of a pipeline's run
	startTime  = 90 * time.Second
)

func (t *trial) run(ctx context.Context, statements []string) (r *result, err error) {
	t.underWay, t.r.budget, t.r.over = map[string]bool{}, t.budget, map[string]int64{}
	pipelines, err := t.prepare()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.daemon.Close()) }()
	stopNATS, err := t.daemon.StartNATS(ctx, time.Minute)
	if err != nil {
		return nil, err
	}
	defer stopNATS()
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	defer func() { t.proc.Kill() }()
	p, err := t.publish(ctx)
	if err != nil {
		return nil, err
	}
	watching, stopWatch := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { t.watch(watching) })
	t.ask(ctx, statements)
	t.runs(ctx, pipelines)
	stopWatch()
	watch.Wait()
	if t.r.published, err = p.end(ctx); err != nil {
		return nil, err
	}
	return &t.r, t.count(ctx)
}

// prepare writes the pipelines and configures the daemon.
func (t *trial) prepare() (names []string, err error) {
	dir := filepath.Join(t.dir, "pipelines")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	for i, e := range attacks {
		name := fmt.Sprintf("attack-%02d", i)
		text := fmt.Sprintf(pipeline, name, e)
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("write pipeline: %w", err)
		}
		names = append(names, name)
	}
	t.daemon, err = daemonproc.New(daemonproc.Options{Bin: t.bin, Dir: t.dir, Pipelines: dir, External: true,
		Env: []string{
			fmt.Sprintf("LAKEWARD_MEMORY_BUDGET=%dMiB", t.budget>>20), "LAKEWARD_PIPELINES_BUDGET_TIME=" + runTime.String(),
			"LAKEWARD_QUERY_MAX_SPILL=1GiB", "LAKEWARD_QUERY_MAX_BYTES=256MiB",
			fmt.Sprintf("LAKEWARD_HTTP_TOKENS=[{name: reader, role: read, token: %s}, {name: admin, role: admin, token: %s}]",
				readToken, adminToken)}})
	if err != nil {
		return nil, err
	}
	t.reader = serve.NewClient(t.daemon.HTTP, serve.ClientOptions{Token: readToken})
	t.admin = serve.NewClient(t.daemon.HTTP, serve.ClientOptions{Token: adminToken})
	return names, nil
}

// pipeline has runs from the beginning of the year until now; the texts are of
// an hour ago.
const pipeline = `name: %s
description: What a reader might ask, over texts that anybody may publish.
schedule: "0 0 1 1 *"
settle: 0s
steps:
  texts:
    read: lake.hostile
  attack:
    sql: |-
      SELECT 'x' AS entity, max(length(CAST(%s AS VARCHAR))) AS n FROM texts
write:
  - from: attack
    to: analytics.attacks
    mode: overwrite
`

// attacks are what pipelines compute of a published text.
var attacks = []string{
	"json_structure(text)", "json_pretty(text)", "json_merge_patch(text, text)", "json_keys(text)",
	"json_transform(text, '[\"JSON\"]')", "text::JSON", "text::INT[][]", "text::VARCHAR[]",
	"levenshtein(text, reverse(text))", "damerau_levenshtein(text, reverse(text))", "trim(text, reverse(text))",
	"strip_accents(text)", "translate(text, text, text)", "repeat(text, 1000000)",
	"lpad(text, 2000000000, text)", "regexp_replace(text, '', text, 'g')", "range(length(text) * 1000000)",
	"string_split(repeat(text, 1000), '')", "replace(text, '[', text)",
	"list_transform(range(length(text)), lambda x: text)",
}

// start starts a daemon, the first or the next.
func (t *trial) start(ctx context.Context) (err error) {
	if t.proc, err = t.daemon.Start(ctx); err != nil {
		return err
	}
	for began := time.Now(); ; {
		if _, ok, err := t.admin.Probe(ctx, true); err == nil && ok {
			return nil
		}
		if err := t.proc.Alive(); err != nil {
			return fmt.Errorf("%w (see %s)", err, t.daemon.LogFile())
		}
		if time.Since(began) > startTime {
			return fmt.Errorf("the daemon is not ready after %s (see %s)", startTime, t.daemon.LogFile())
		}
		if err := daemonproc.Pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// ask asks every statement, some at a time.
func (t *trial) ask(ctx context.Context, statements []string) {
	next := make(chan string)
	var all sync.WaitGroup
	for range lanes {
		all.Go(func() {
			for sql := range next {
				t.statement(ctx, sql)
			}
		})
	}
	for _, sql := range statements {
		if t.mayGoOn(ctx) {
			next <- sql
		}
	}
	close(next)
	all.Wait()
}

func (t *trial) mayGoOn(ctx context.Context) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return ctx.Err() == nil && len(t.r.ends) < mostEnd
}

// statement asks one, and sees to the daemon if that ended.
func (t *trial) statement(ctx context.Context, sql string) {
	began := time.Now()
	err := t.during(ctx, sql, func() error {
		ctx, cancel := context.WithTimeout(ctx, timeout+10*grace)
		defer cancel()
		rows, err := t.reader.Query(ctx, serve.Query{SQL: sql, Timeout: timeout})
		if err != nil {
			return err
		}
		defer rows.Release()
		for rows.Next() {
		}
		return rows.Err()
	})
	took := time.Since(began)
	t.mu.Lock()
	t.r.statements++
	if err == nil {
		t.r.answered++
	} else {
		t.r.failed++
	}
	if took > timeout+grace {
		t.r.late = append(t.r.late, fmt.Sprintf("after %s: %s", took.Round(100*time.Millisecond), sql))
	}
	t.mu.Unlock()
	t.revive(ctx)
}

// during notes what is under way, while the daemon is not being started.
func (t *trial) during(ctx context.Context, what string, do func() error) error {
	t.turn.RLock()
	defer t.turn.RUnlock()
	t.mu.Lock()
	t.underWay[what] = true
	t.mu.Unlock()
	err := do()
	if _, broken := errors.AsType[*url.Error](err); broken {
		_ = t.proc.Wait(ctx, time.Second) // a connection breaks before the end of the process is known
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.proc.Alive() == nil { // else it may be why
		delete(t.underWay, what)
	}
	return err
}

func (t *trial) alive() bool {
	t.turn.RLock()
	defer t.turn.RUnlock()
	return t.proc.Alive() == nil
}

// revive starts the daemon again if it has ended.
func (t *trial) revive(ctx context.Context) {
	if ctx.Err() != nil || t.alive() {
		return
	}
	t.turn.Lock()
	defer t.turn.Unlock()
	ended := t.proc.Alive()
	if ended == nil {
		return
	}
	t.mu.Lock()
	t.r.ends = append(t.r.ends, fmt.Sprintf("%v, during one of %q", ended, t.sayUnderWay()))
	clear(t.underWay)
	t.mu.Unlock()
	if err := t.start(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "start again: %v\n", err)
	}
}

// runs makes one run of each pipeline.
func (t *trial) runs(ctx context.Context, names []string) {
	for i, name := range names {
		if !t.mayGoOn(ctx) {
			return
		}
		began := time.Now()
		what := "pipeline: " + attacks[i]
		err := t.during(ctx, what, func() error {
			ctx, cancel := context.WithTimeout(ctx, 6*runTime)
			defer cancel()
			rep, err := t.admin.Do(ctx, serve.Command{Noun: "pipeline", Verb: "run", Name: name})
			if err == nil && rep.Failed {
				err = errors.New(rep.Text)
			}
			fmt.Printf("%s: %.200q, %v\n", what, rep.Text, err)
			return err
		})
		took := time.Since(began)
		t.mu.Lock()
		if t.r.runs++; err != nil {
			t.r.runsFailed++
		}
		if took > runTime+2*grace {
			t.r.late = append(t.r.late, fmt.Sprintf("after %s: %s", took.Round(100*time.Millisecond), what))
		}
		t.mu.Unlock()
		t.revive(ctx)
	}
}

// watch looks at the memory of the daemon and its child processes.
func (t *trial) watch(ctx context.Context) {
	for daemonproc.Pause(ctx, 50*time.Millisecond) == nil {
		t.turn.RLock()
		now := resident(t.proc.Pid())
		t.turn.RUnlock()
		t.mu.Lock()
		t.r.peak = max(t.r.peak, now)
		if now > t.budget {
			during := strings.Join(t.sayUnderWay(), " and ")
			t.r.over[during] = max(t.r.over[during], now)
		}
		t.mu.Unlock()
		if now > farBeyond*t.budget { // before the machine's memory is gone; it counts as an end
			t.proc.KillSoon()
		}
	}
}

// farBeyond is how many budgets the daemon may take before it is killed.
const farBeyond = 3

// sayUnderWay is called with mu held.
func (t *trial) sayUnderWay() (out []string) {
	for s := range t.underWay {
		out = append(out, fmt.Sprintf("%.200s", s))
	}
	slices.Sort(out)
	return out
}

// count compares what the stream acknowledged with what the lake holds.
func (t *trial) count(ctx context.Context) error {
	t.revive(ctx)
	for still, last := time.Now(), uint64(0); ; {
		st, err := t.admin.Status(ctx)
		if err != nil {
			return fmt.Errorf("ask the daemon (see %s): %w", t.daemon.LogFile(), err)
		}
		s := st.Sources[0]
		if s.Committed >= s.Last && s.Last >= uint64(t.r.published) {
			break
		}
		if s.Committed > last {
			last, still = s.Committed, time.Now()
		}
		if time.Since(still) > time.Minute {
			return fmt.Errorf("the source is at %d and does not get on: %s %s", s.Committed, s.State, s.Reason)
		}
		if err := daemonproc.Pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	rows, err := t.admin.Query(ctx, serve.Query{SQL: "SELECT (SELECT count(DISTINCT event_id) FROM lake.quiet) + " +
		"(SELECT count(DISTINCT event_id) FROM lake.hostile) AS n"})
	if err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	defer rows.Release()
	for rows.Next() {
		n, err := strconv.ParseInt(rows.RecordBatch().Column(0).ValueStr(0), 10, 64)
		if err != nil {
			return fmt.Errorf("count events: %w", err)
		}
		t.r.lost = t.r.published - n
	}
	return rows.Err()
}

// publisher publishes quiet events until its end.
type publisher struct {
	*jetstream.Publisher
	conn *jetstream.Conn
	stop context.CancelFunc
	done chan error
}

const eachSecond = 500 // events

// publish publishes the attacker's texts, waits until they can be queried, and
// goes on with quiet events.
func (t *trial) publish(ctx context.Context) (*publisher, error) {
	c, err := jetstream.Connect(ctx, jetstream.Options{URL: t.daemon.NATS}, nil)
	if err != nil {
		return nil, err
	}
	p, err := c.Publisher(ctx)
	if err != nil {
		return nil, err
	}
	texts := []string{strings.Repeat("[", 200_000), strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000),
		strings.Repeat("ab", 100_000), strings.Repeat(`{\"a\":`, 60_000) + "1" + strings.Repeat("}", 60_000),
		strings.Repeat("é", 100_000)}
	for i, text := range texts {
		if err := p.Publish(ctx, "events.hostile", fmt.Sprint("text-", i),
			fmt.Appendf(nil, `{"time":%q,"text":"%s"}`, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339Nano),
				text)); err != nil {
			return nil, err
		}
	}
	quiet := func(ctx context.Context, n int) error {
		return p.Publish(ctx, "events.quiet", fmt.Sprint("quiet-", n),
			fmt.Appendf(nil, `{"time":%q,"n":%d}`, time.Now().UTC().Format(time.RFC3339Nano), n))
	}
	if err := quiet(ctx, 0); err != nil {
		return nil, err
	}
	for began := time.Now(); ; {
		if st, err := t.admin.Status(ctx); err == nil && st.Sources[0].Events > uint64(len(texts)) {
			break
		}
		if time.Since(began) > startTime {
			return nil, errors.New("the first events are not in the lake")
		}
		if err := daemonproc.Pause(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
	pctx, stop := context.WithCancel(ctx)
	out := &publisher{p, c, stop, make(chan error, 1)}
	go func() {
		for n := 1; ; n++ {
			if daemonproc.Pause(pctx, time.Second/eachSecond) != nil {
				out.done <- nil
				return
			}
			if err := quiet(ctx, n); err != nil {
				out.done <- err
				return
			}
		}
	}()
	return out, nil
}

// end waits for what is on its way, and returns how many events the stream
// acknowledged.
func (p *publisher) end(ctx context.Context) (int64, error) {
	p.stop()
	err := <-p.done
	n, cerr := p.Close(ctx)
	return n.Published, errors.Join(err, cerr, p.conn.Close())
}
