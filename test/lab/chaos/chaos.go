// Package chaos kills the daemon (SIGKILL) at random moments while events are
// published and the lake is maintained (files merged, snapshots forgotten and
// orphans removed all the time), and then counts what is lost and what is there
// twice.
//
//	KILLS=100 go run ./test/lab chaos
//
// Engine workers are killed in between, and the daemon goes on. Pipelines run
// all the time, and the worker that keeps their results is killed at the system
// calls by which it does (see promotion.go); what they have found is compared with
// what they find when nothing is killed.
//
// Half of the kills come at random moments, half at a step: the system call by
// which something becomes durable, visible or gone (see steps.go; it needs
// strace, and STEPS=off goes without).
//
// Half of the kills take the embedded NATS server with them; for the other half
// a NATS server runs in a process of its own and survives. Publishing repeats
// each event, with its message id, until the stream has acknowledged it.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/lakeward/lakeward/test/daemonproc"
)

type options struct {
	kills int
	rate  int // events a second
	seed  uint64
	keep  bool // the directories, also if nothing was wrong
	steps bool // kill at steps too
}

func parse() (options, error) {
	o := options{kills: 100, rate: 2000, seed: uint64(time.Now().UnixNano()), keep: os.Getenv("KEEP") != "",
		steps: os.Getenv("STEPS") != "off"}
	for name, p := range map[string]*int{"KILLS": &o.kills, "RATE": &o.rate} {
		if text := os.Getenv(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n <= 0 {
				return o, fmt.Errorf("%s=%s is not a positive number", name, text)
			}
			*p = n
		}
	}
	if text := os.Getenv("SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return o, fmt.Errorf("SEED=%s is not a number", text)
		}
		o.seed = n
	}
	return o, nil
}

// Run kills, counts, and prints the figures.
func Run(ctx context.Context) (err error) {
	o, err := parse()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lakeward-chaos-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	fmt.Printf("seed %d, directory %s\n", o.seed, dir)
	bin, err := daemonproc.Build(ctx, dir)
	if err != nil {
		return err
	}
	total := result{steps: map[string]int{}, promotions: map[string]int{}}
	for i, external := range []bool{false, true} {
		kills := o.kills / 2
		if i == 0 {
			kills = o.kills - kills
		}
		name := map[bool]string{false: "embedded", true: "external"}[external]
		t := &trial{name: name, dir: filepath.Join(dir, name), bin: bin, kills: kills, rate: o.rate, external: external,
			steps: o.steps,
			rand:  rand.New(rand.NewPCG(o.seed, uint64(i)))}
		r, err := t.run(ctx)
		if err != nil {
			return fmt.Errorf("%s NATS: %w (see %s)", name, err, t.dir)
		}
		fmt.Printf("%s NATS: %d kills, %d events published (%d of them malformed), %d lost, %d repeated\n", name, r.kills,
			r.events, r.bad, r.lost, r.repeated)
		total.add(r)
	}
	printSteps("the daemon", total.steps)
	printSteps("the worker of the databases", total.promotions)
	if o.steps && len(total.steps) == 0 {
		fmt.Println("NOT RUN: no kill met a step")
	}
	fmt.Printf("figure: chaos_steps %d count\nfigure: chaos_step_kills %d count\n", len(total.steps), sum(total.steps))
	fmt.Printf("figure: chaos_worker_kills %d count\nfigure: chaos_promotion_kills %d count\n", total.workers,
		sum(total.promotions))
	fmt.Printf("figure: chaos_findings_lost %d rows\nfigure: chaos_findings_repeated %d rows\n", total.findingsLost,
		total.findingsRepeated)
	fmt.Printf("figure: chaos_kills %d count\nfigure: chaos_lost %d events\nfigure: chaos_repeated %d events\nfigure: "+
		"chaos_ready_seconds_max %.1f s\n", total.kills, total.lost, total.repeated, total.ready.Seconds())
	if total.lost+total.findingsLost != 0 || total.repeated+total.findingsRepeated != 0 {
		return fmt.Errorf("events or findings were lost or repeated (see %s)", dir)
	}
	if o.keep {
		return nil
	}
	return os.RemoveAll(dir)
}

type result struct {
	kills, events, bad, lost, repeated int
	findingsLost, findingsRepeated     int
	workers                            int            // of the engine that were killed, beside the kills
	promotions                         map[string]int // those that were killed at a step of a promotion
	ready                              time.Duration  // the longest from start to ready
	steps                              map[string]int // kills by step
}

// sum is how often something was killed at any step.
func sum(steps map[string]int) (n int) {
	for _, k := range steps {
		n += k
	}
	return n
}

func (r *result) add(o result) {
	r.kills += o.kills
	r.workers += o.workers
	r.events += o.events
	r.bad += o.bad
	r.lost += o.lost
	r.repeated += o.repeated
	r.findingsLost += o.findingsLost
	r.findingsRepeated += o.findingsRepeated
	r.ready = max(r.ready, o.ready)
	for s, n := range o.steps {
		r.steps[s] += n
	}
	for s, n := range o.promotions {
		r.promotions[s] += n
	}
}

// trial is one directory with its daemon, killed again and again.
type trial struct {
	name     string
	dir      string
	bin      string
	kills    int
	rate     int
	external bool
	steps    bool
	rand     *rand.Rand

	daemon *daemonproc.Daemon
}

// hoursForEach is how many windows there are for each kill.
const hoursForEach = 4

func (t *trial) run(ctx context.Context) (r result, err error) {
	r.steps, r.promotions = map[string]int{}, map[string]int{}
	if err := t.prepare(); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, t.daemon.Close()) }()
	if t.external {
		stop, err := t.daemon.StartNATS(ctx, 0)
		if err != nil {
			return r, err
		}
		defer stop()
	}
	d, err := t.daemon.Start(ctx)
	if err != nil {
		return r, err
	}
	defer func() { d.Kill() }()
	if err := t.daemon.Ready(ctx, d); err != nil {
		return r, err
	}
	hours := quietHours + hoursForEach*t.kills
	last, err := publishSignins(ctx, t.daemon.NATS, hours)
	if err != nil {
		return r, err
	}
	if err := t.drained(ctx, last); err != nil {
		return r, err
	}
	runs := startPromoter(ctx, t.daemon.Client(), hours)
	defer runs.stop()
	p, err := startPublisher(ctx, t.daemon.NATS, t.rate)
	if err != nil {
		return r, err
	}
	for r.kills < t.kills {
		if t.rand.IntN(5) > 0 { // otherwise while it starts
			if err := t.daemon.Ready(ctx, d); err != nil {
				return r, err
			}
			r.ready = max(r.ready, time.Since(d.Started))
		}
		if err := t.killSomehow(ctx, d, &r); err != nil {
			return r, err
		}
		r.kills++
		if d, err = t.daemon.Start(ctx); err != nil {
			return r, err
		}
	}
	if err := t.daemon.Ready(ctx, d); err != nil {
		return r, err
	}
	pub, err := p.stop(ctx)
	if err != nil {
		return r, err
	}
	r.events, r.bad = pub.good+pub.bad, pub.bad
	if err := t.compare(ctx, runs, &r); err != nil {
		return r, err
	}
	return t.count(ctx, d, r, pub)
}

// count waits until all is committed, counts, verifies, and ends the daemon.
func (t *trial) count(ctx context.Context, d *daemonproc.Process, r result, pub published) (result, error) {
	if err := t.drained(ctx, pub.last); err != nil {
		return r, err
	}
	good, err := t.daemon.Tally(ctx, "SELECT count(*) AS n, count(DISTINCT id) AS d FROM (SELECT id FROM lake.chaos_a "+
		"UNION ALL SELECT id FROM lake.chaos_b)")
	if err != nil {
		return r, err
	}
	bad, err := t.daemon.Tally(ctx, "SELECT count(*) AS n, count(DISTINCT message_id) AS d FROM lake.quarantine")
	if err != nil {
		return r, err
	}
	r.lost = pub.good - good.Distinct + pub.bad - bad.Distinct
	r.repeated = good.Rows - good.Distinct + bad.Rows - bad.Distinct
	out, err := t.daemon.Lakeward(ctx, "verify")
	fmt.Print(out)
	if err != nil {
		return r, fmt.Errorf("lakeward verify: %w", err)
	}
	if err := d.Terminate(ctx); err != nil {
		return r, fmt.Errorf("end the daemon: %w", err)
	}
	return r, nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
