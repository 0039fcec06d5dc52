package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/test/daemonproc"
)

const (
	askEvery      = 50 * time.Millisecond
	numbersTable  = "lake.freshness"
	visibleWithin = time.Minute // after the last event
)

// seen is an answer: every event below the number was in the lake then.
type seen struct {
	below int
	at    time.Time
	took  time.Duration // of the query
}

// freshness publishes numbered events at RATE a second for SECONDS, and asks
// all the time for the newest number that a query finds. An event's time is
// from just before it is handed to NATS until the answer has come.
func freshness(ctx context.Context, dir, bin string) error {
	rate, err := size("RATE", 20_000)
	if err != nil {
		return err
	}
	seconds, err := size("SECONDS", 60)
	if err != nil {
		return err
	}
	d, err := start(ctx, daemonproc.Options{Bin: bin, Dir: dir})
	if err != nil {
		return err
	}
	defer d.abandon()
	fmt.Printf("%d events a second for %d s, to a daemon with its defaults\n", rate, seconds)

	sent := make([]time.Time, rate*seconds)
	var all atomic.Int64 // how many there will be; 0: not known yet
	var answers []seen
	var behind time.Duration // of the publisher
	g, work := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		answers, err = watchNumbers(work, d, &all)
		return err
	})
	g.Go(func() (err error) {
		behind, err = publishNumbers(work, d.NATS, rate, sent)
		all.Store(int64(len(sent)))
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if err := checkNumbers(ctx, d, len(sent)); err != nil {
		return err
	}
	report(rate, sent, answers, behind)
	return d.end(ctx)
}

// publishNumbers publishes, and notes when each was sent.
func publishNumbers(ctx context.Context, url string, rate int, sent []time.Time) (behind time.Duration, err error) {
	p, err := connect(ctx, url)
	if err != nil {
		return 0, err
	}
	var buf []byte
	behind, err = steadily(ctx, rate, len(sent), func(n int) error {
		sent[n] = time.Now()
		buf = number(buf, n, sent[n])
		return p.Publish(ctx, "events.freshness", "freshness-"+strconv.Itoa(n), buf)
	})
	got, cerr := p.close(ctx)
	if err = errors.Join(err, cerr); err != nil {
		return behind, fmt.Errorf("publish: %w", err)
	}
	if got.Published != int64(len(sent)) || got.Duplicates != 0 {
		return behind, fmt.Errorf("of %d events NATS stored %d and dropped %d as duplicates", len(sent), got.Published,
			got.Duplicates)
	}
	return behind, nil
}

// watchNumbers asks until the last number is found.
func watchNumbers(ctx context.Context, d *started, all *atomic.Int64) ([]seen, error) {
	var out []seen
	below := 0
	var over time.Time // when the last event was stored
	for {
		asked := time.Now()
		n, err := newest(ctx, d, below)
		if err != nil {
			return nil, err
		}
		now := time.Now()
		if n > below {
			below = n
			out = append(out, seen{n, now, now.Sub(asked)})
		}
		switch want := int(all.Load()); {
		case want == 0:
		case below >= want:
			return out, nil
		case over.IsZero():
			over = now
		case now.Sub(over) > visibleWithin:
			return nil, fmt.Errorf("%s after the last of %d events only %d can be found", visibleWithin, want, below)
		}
		if err := daemonproc.Pause(ctx, askEvery-time.Since(asked)); err != nil {
			return nil, err
		}
	}
}

// newest is one more than the highest number that a query finds, if there is
// one from below on.
func newest(ctx context.Context, d *started, below int) (int, error) {
	if below == 0 { // the first events make the table
		tables, err := d.Client().Tables(ctx)
		if err != nil || !slices.ContainsFunc(tables, func(t serve.Table) bool { return t.Name == numbersTable }) {
			return 0, err
		}
	}
	rows, err := d.Client().Query(ctx, serve.Query{SQL: fmt.Sprintf("SELECT max(id) + 1 AS n FROM %s WHERE id >= %d",
		numbersTable, below)})
	if err != nil {
		return 0, fmt.Errorf("ask for the newest number: %w", err)
	}
	defer rows.Release()
	n := 0
	for rows.Next() {
		col := rows.RecordBatch().Column(0)
		for i := range col.Len() {
			if col.IsValid(i) {
				if n, err = strconv.Atoi(col.ValueStr(i)); err != nil {
					return 0, fmt.Errorf("ask for the newest number: %w", err)
				}
			}
		}
	}
	return n, rows.Err()
}

// checkNumbers makes sure that the newest number stood for all before it.
func checkNumbers(ctx context.Context, d *started, n int) error {
	t, err := d.Tally(ctx, "SELECT count(*) AS n, count(DISTINCT id) AS d FROM "+numbersTable)
	if err != nil {
		return err
	}
	if t.Rows != n || t.Distinct != n {
		return fmt.Errorf("of %d events the lake has %d rows with %d different numbers", n, t.Rows, t.Distinct)
	}
	return nil
}

func report(want int, sent []time.Time, answers []seen, behind time.Duration) {
	var took, queries []time.Duration
	from := 0
	for _, a := range answers {
		for n := from; n < a.below; n++ {
			took = append(took, a.at.Sub(sent[n]))
		}
		from = a.below
		queries = append(queries, a.took)
	}
	slices.Sort(took)
	slices.Sort(queries)
	rate := float64(len(sent)) / sent[len(sent)-1].Sub(sent[0]).Seconds()
	fmt.Printf("visible in %d steps; the query that saw one took %s (median); the publisher was late by up to %s\n",
		len(answers), quantile(queries, 0.5).Round(time.Millisecond), behind.Round(time.Millisecond))
	if rate < 0.95*float64(want) {
		fmt.Printf("the events came more slowly than was asked for: this machine has not enough to spare\n")
	}
	figure("freshness_events", len(took), "events")
	figure("freshness_rate_per_second", fmt.Sprintf("%.0f", rate), "events/s")
	figure("freshness_p50_seconds", quantile(took, 0.5).Seconds(), "s")
	figure("freshness_p99_seconds", quantile(took, 0.99).Seconds(), "s")
	figure("freshness_max_seconds", quantile(took, 1).Seconds(), "s")
}

// quantile of sorted values.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
