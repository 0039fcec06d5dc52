package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lakeward/lakeward/test/daemonproc"
)

const (
	copies     = 10
	noWindow   = 100 * time.Millisecond // the shortest within which NATS drops message ids
	catchesUp  = 10 * time.Minute
	shuffledBy = 11
)

// disturbed counts what was done to the daemon meanwhile.
type disturbed struct{ kills, stops, consumers int }

func (d disturbed) all() int { return d.kills + d.stops + d.consumers }

// redelivery publishes EVENTS events ten times over, shuffled, each with its
// message id, to a NATS server that does not notice. RESTARTS times meanwhile
// the daemon is killed, stopped, or has its consumer taken away, so that
// JetStream delivers the same sequences again too. Then it does the same with
// two streams, with a window of time for ids and without.
func redelivery(ctx context.Context, dir, bin string) error {
	events, err := size("EVENTS", 50_000)
	if err != nil {
		return err
	}
	restarts, err := size("RESTARTS", 12)
	if err != nil {
		return err
	}
	options := func(name string) daemonproc.Options { // commits are under way all the time
		return daemonproc.Options{Bin: bin, Dir: filepath.Join(dir, name), External: true, Env: []string{
			"LAKEWARD_INGEST_FLUSH_AGE=500ms", "LAKEWARD_INGEST_FLUSH_ROWS=20000"}}
	}
	if err := oneStream(ctx, options("one"), events, restarts); err != nil {
		return err
	}
	if err := twoStreams(ctx, options("two"), "redelivery_streams", "latest", events, restarts); err != nil {
		return fmt.Errorf("two streams: %w", err)
	}
	if err := twoStreams(ctx, options("window"), "redelivery_window", "1h", events, restarts); err != nil {
		return fmt.Errorf("two streams and a window: %w", err)
	}
	return nil
}

func oneStream(ctx context.Context, o daemonproc.Options, events, restarts int) (err error) {
	d, err := daemonproc.New(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	stopNATS, err := d.StartNATS(ctx, noWindow)
	if err != nil {
		return err
	}
	defer stopNATS()
	p, err := d.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { p.Kill() }()
	var buf []byte
	at := time.Now()
	p, sent, did, err := publishShuffled(ctx, d, p, events, 0, restarts, func(pub *publisher, n int) error {
		buf = number(buf, n, at)
		return pub.Publish(ctx, "events.redelivery", "redelivery-"+strconv.Itoa(n), buf)
	})
	if err != nil {
		return err
	}
	arrived := sent.Published - sent.Duplicates
	fmt.Printf("%d events published %d times in all, shuffled; NATS dropped %d and delivered %d; %d kills, %d stops, "+
		"its consumer taken away %d times\n",
		events, sent.Published, sent.Duplicates, arrived, did.kills, did.stops, did.consumers)
	if _, err := d.Drained(ctx, uint64(arrived), catchesUp); err != nil {
		return err
	}
	if err := countOnce(ctx, d, events, arrived, sent.Published); err != nil {
		return err
	}
	return p.Terminate(ctx)
}

// publishDisturbed publishes messages in an order, and disturbs the daemon
// restarts times meanwhile, in equal parts. It returns the daemon's process,
// also with an error.
func publishDisturbed(ctx context.Context, d *daemonproc.Daemon, p *daemonproc.Process, order []int, restarts int,
	did *disturbed, publish func(n int) error,
) (*daemonproc.Process, error) {
	part := max(len(order)/(restarts+1), 1)
	for i, n := range order {
		if i > 0 && i%part == 0 && did.all() < restarts {
			var err error
			if p, err = disturb(ctx, d, p, did); err != nil {
				return p, err
			}
		}
		if err := publish(n); err != nil {
			return p, err
		}
	}
	return p, nil
}

// disturb does the next thing to a daemon that is at work: a kill, the loss of
// its consumer, a stop.
func disturb(ctx context.Context, d *daemonproc.Daemon, p *daemonproc.Process, did *disturbed) (*daemonproc.Process,
	error) {
	if err := d.Ready(ctx, p); err != nil {
		return p, err
	}
	switch did.all() % 3 {
	case 0:
		did.kills++
		p.Kill()
	case 1:
		did.consumers++
		n, err := dropConsumers(ctx, d.NATS)
		if n == 0 && err == nil { // there may be some of processes that were killed
			err = errors.New("the stream has no consumer, but the daemon is ready")
		}
		return p, err
	default:
		did.stops++
		if err := p.Terminate(ctx); err != nil {
			return p, err
		}
	}
	return d.Start(ctx)
}

// dropConsumers takes away whatever reads the stream.
func dropConsumers(ctx context.Context, url string) (int, error) {
	nc, err := nats.Connect(url)
	if err != nil {
		return 0, fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return 0, fmt.Errorf("use JetStream: %w", err)
	}
	s, err := js.Stream(ctx, daemonproc.Stream)
	if err != nil {
		return 0, fmt.Errorf("look up stream: %w", err)
	}
	names := s.ConsumerNames(ctx)
	n := 0
	for name := range names.Name() {
		switch err := s.DeleteConsumer(ctx, name); {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
		case err != nil:
			return n, fmt.Errorf("delete consumer %s: %w", name, err)
		default:
			n++
		}
	}
	return n, names.Err()
}

// countOnce compares what is in the lake with what was sent.
func countOnce(ctx context.Context, d *daemonproc.Daemon, events int, arrived, sent int64) error {
	t, err := d.Tally(ctx, "SELECT count(*) AS n, count(DISTINCT id) AS d FROM lake.redelivery")
	if err != nil {
		return err
	}
	v, err := verify(ctx, d)
	if err != nil {
		return err
	}
	lost, repeated := events-t.Distinct, t.Rows-t.Distinct
	figure("redelivery_sent", sent, "messages")
	figure("redelivery_arrived", arrived, "messages")
	figure("redelivery_lost", lost, "events")
	figure("redelivery_repeated", repeated, "events")
	switch {
	case lost != 0 || repeated != 0:
		return fmt.Errorf("%d events were lost, %d were stored again", lost, repeated)
	case v.Messages != uint64(arrived) || v.Skipped != uint64(arrived)-uint64(events):
		return fmt.Errorf("of %d messages, %d of them repeats, lakeward verify accounts for %d and %d", arrived,
			arrived-int64(events), v.Messages, v.Skipped)
	}
	return nil
}

// verified is what `lakeward verify` says of the only source.
type verified struct {
	Messages uint64 `json:"messages"`
	Skipped  uint64 `json:"skipped"`
	Lost     []span `json:"lost"`
	Repeated []span `json:"repeated"`
	Repeats  struct {
		Found uint64 `json:"found"`
	} `json:"repeats"`
}

type span struct{ First, Last uint64 }

func (v verified) lost() uint64     { return count(v.Lost) }
func (v verified) repeated() uint64 { return count(v.Repeated) }

func count(spans []span) (n uint64) {
	for _, s := range spans {
		n += s.Last - s.First + 1
	}
	return n
}

// verify runs `lakeward verify` of the only source. What it finds wrong is an
// error of its own.
func verify(ctx context.Context, d *daemonproc.Daemon) (verified, error) {
	all, err := verifyAll(ctx, d)
	if len(all) != 1 {
		return verified{}, errors.Join(fmt.Errorf("lakeward verify tells of %d sources", len(all)), err)
	}
	return all[0], err
}

func verifyAll(ctx context.Context, d *daemonproc.Daemon, flags ...string) ([]verified, error) {
	out, err := d.Lakeward(ctx, append([]string{"verify", "--json"}, flags...)...)
	var all []verified
	if jerr := json.NewDecoder(strings.NewReader(out)).Decode(&all); jerr != nil {
		return nil, fmt.Errorf("answer of lakeward verify is %.500q: %w", out, errors.Join(jerr, err))
	}
	if err != nil {
		for _, v := range all {
			err = fmt.Errorf("lakeward verify: %d lost, %d repeated: %w", v.lost(), v.repeated(), err)
		}
	}
	return all, err
}
