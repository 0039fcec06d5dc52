package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lakeward/lakeward/serve"
)

// Pipelines are run over events that are all there before the first kill, window
// after window, each until its run has ended well. The same pipelines under other
// names are run over the same windows when nothing is killed any more; what both
// have written must be the same.

// What the pipelines have in common.
const (
	overAnHour = `schedule: "0 0 1 1 *"
window: 1h
settle: 0s
lateness: 0s
steps:
  signins:
    read: lake.chaos_signin
`
	counted = `  counted:
    sql: SELECT "user".name AS entity, count(*) AS n, min(time) AS first FROM signins GROUP BY ALL
`
)

// pipelines write in three ways: within the engine, with a baseline's state that
// becomes visible last, and to the lake. %[1]s begins their names and tables.
var pipelines = map[string]string{
	"rows": `name: %[1]s-rows
description: Counts of an hour, added to those that are there.
` + overAnHour + counted + `write:
  - from: counted
    to: analytics.%[1]s_rows
    mode: append
`,
	"found": `name: %[1]s-found
description: Failures against a user's usual hours.
` + overAnHour + `  usual:
    baseline:
      of: signins
      entity: user.name
      bucket: 1h
      season: none
      history: 7d
      measures:
        failures: count(*) FILTER (status = 'Failure')
  unusual:
    anomaly:
      of: usual
      method: robust_z
      threshold: 4
      measures: failures
      reason: "{entity} failed {failures.observed} times"
write:
  - from: unusual
    to: analytics.%[1]s_found
    mode: merge
`,
	"lake": `name: %[1]s-lake
description: Counts of an hour in the lake.
` + overAnHour + counted + `write:
  - from: counted
    to: lake.%[1]s_lake
    mode: append
`,
}

// results are the tables that are compared, and in which columns.
var results = []struct{ pipeline, table, columns string }{
	{"rows", "analytics.%s_rows", "entity, n, first"},
	{"found", "analytics.%s_found", "entity, window_start, window_end, score, reason"},
	{"lake", "lake.%s_lake", "entity, n, first"},
}

const (
	underChaos = "chaos"
	clean      = "clean"
	usersOfAll = 5
	quietHours = 24 // without a spike, at the beginning
)

func writePipelines(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	for name, text := range pipelines {
		for _, kind := range []string{underChaos, clean} {
			if err := os.WriteFile(filepath.Join(dir, kind+"-"+name+".yaml"), fmt.Appendf(nil, text, kind), 0o600); err != nil {
				return fmt.Errorf("write pipeline: %w", err)
			}
		}
	}
	return nil
}

var firstHour = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// publishSignins publishes the events that the pipelines read, and returns the
// sequence of the last.
func publishSignins(ctx context.Context, url string, hours int) (last uint64, err error) {
	nc, err := nats.Connect(url)
	if err != nil {
		return 0, fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return 0, fmt.Errorf("use JetStream: %w", err)
	}
	for h := range hours {
		for u := range usersOfAll {
			n := 2 + (h+u)%3
			if h >= quietHours && (h+u)%4 == 0 {
				n = 40 + u
			}
			for i := range n {
				at := firstHour.Add(time.Duration(h)*time.Hour + time.Duration(i)*time.Minute)
				data := fmt.Sprintf(`{"time":%q,"user":{"name":"user%d"},"status":"Failure"}`, at.Format(time.RFC3339), u)
				ack, err := js.Publish(ctx, "events.chaos_signin", []byte(data),
					jetstream.WithMsgID(fmt.Sprintf("signin-%d-%d-%d", h, u, i)))
				if err != nil {
					return 0, fmt.Errorf("publish: %w", err)
				}
				last = ack.Sequence
			}
		}
	}
	return last, nil
}

// promoter runs the pipelines' windows, one after the other.
type promoter struct {
	client *serve.Client
	hours  int
	stop   context.CancelFunc
	wg     sync.WaitGroup
	err    error
	runs   int // that ended well
	tries  int
}

// startPromoter begins with the first window.
func startPromoter(ctx context.Context, client *serve.Client, hours int) *promoter {
	p := &promoter{client: client, hours: hours}
	ctx, p.stop = context.WithCancel(ctx)
	p.wg.Go(func() { p.err = p.all(ctx, underChaos) })
	return p
}

const (
	runWithin   = 2 * time.Minute // with repetitions, after the last kill
	tryWithin   = 30 * time.Second
	betweenRuns = 20 * time.Millisecond
)

func (p *promoter) all(ctx context.Context, kind string) error {
	for h := range p.hours {
		for _, r := range results {
			if err := p.run(ctx, kind+"-"+r.pipeline, firstHour.Add(time.Duration(h+1)*time.Hour)); err != nil {
				return err
			}
		}
	}
	return nil
}

// run runs one window until that has ended well.
func (p *promoter) run(ctx context.Context, name string, at time.Time) error {
	var last error
	for began := time.Now(); time.Since(began) < runWithin; {
		p.tries++
		try, cancel := context.WithTimeout(ctx, tryWithin)
		rep, err := p.client.Do(try, serve.Command{Noun: "pipeline", Verb: "run", Name: name,
			Args: map[string]string{"at": at.Format(time.RFC3339)}})
		cancel()
		if err == nil && !rep.Failed {
			p.runs++
			return nil
		}
		if last = err; err == nil {
			last = errors.New(rep.Text)
		}
		pause(ctx, betweenRuns)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("%s at %s does not end well: %w", name, at, last)
}

// compare waits for the windows that are left, runs all of them once more under
// the other names, and compares.
func (t *trial) compare(ctx context.Context, p *promoter, r *result) error {
	p.wg.Wait()
	if p.err != nil {
		return p.err
	}
	again := &promoter{client: p.client, hours: p.hours}
	if err := again.all(ctx, clean); err != nil {
		return err
	}
	fmt.Printf("%s NATS: %d runs of pipelines in %d attempts\n", t.name, p.runs, p.tries)
	for _, res := range results {
		of := func(kind string) string {
			return "SELECT " + res.columns + " FROM " + fmt.Sprintf(res.table, kind)
		}
		n, err := t.daemon.Tally(ctx, fmt.Sprintf("SELECT (SELECT count(*) FROM (%[1]s EXCEPT ALL %[2]s)) AS lost, "+
			"(SELECT count(*) FROM (%[2]s EXCEPT ALL %[1]s)) AS more",
			of(clean), of(underChaos)))
		if err != nil {
			return err
		}
		r.findingsLost, r.findingsRepeated = r.findingsLost+n.Rows, r.findingsRepeated+n.Distinct
		all, err := t.daemon.Tally(ctx, "SELECT count(*) AS n, count(DISTINCT entity) AS d FROM ("+of(clean)+")")
		if err != nil {
			return err
		}
		if all.Rows < p.hours-quietHours || all.Distinct != usersOfAll {
			return fmt.Errorf("%s has %d rows of %d users: nothing is shown by them", fmt.Sprintf(res.table, clean), all.Rows,
				all.Distinct)
		}
	}
	return nil
}
