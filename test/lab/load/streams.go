package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/test/daemonproc"
)

const (
	otherStream   = "OTHER"
	otherSubjects = "other.>"
	eachStream    = 5 // part of EVENTS that each stream gets as messages
)

// twoStreams publishes messages of several events ten times over, shuffled, to
// two streams that count their ids alike and feed one table. The first event of
// some is broken, and ids look like those of later events. Meanwhile the daemon
// is disturbed, as in redelivery. window is ingest.repeats.window, and name
// begins the figures.
func twoStreams(ctx context.Context, o daemonproc.Options, name, window string, events, restarts int) (err error) {
	o.Env = append(o.Env, "LAKEWARD_INGEST_REPEATS_WINDOW="+window, fmt.Sprintf(
		"LAKEWARD_SOURCES=[{name: events, stream: %s, subject: %q}, {name: other, stream: %s, subject: %q}]",
		daemonproc.Stream, daemonproc.Subjects, otherStream, otherSubjects))
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
	if err := createOther(ctx, d.NATS); err != nil {
		return err
	}
	p, err := d.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { p.Kill() }()
	messages := max(events/eachStream, 1)
	p, sent, did, err := publishShuffled(ctx, d, p, 2*messages, 1, restarts, func(pub *publisher, n int) error {
		subject := [...]string{"events.redelivery", "other.redelivery"}[n%2]
		return pub.Publish(ctx, subject, splitID(n/2), splitMessage(n))
	})
	if err != nil {
		return err
	}
	arrived := sent.Published - sent.Duplicates
	fmt.Printf("window %s: %d messages to each of two streams, %d in all, shuffled; NATS delivered %d; %d kills, %d "+
		"stops, consumers taken away %d "+
		"times\n", window, messages, sent.Published, arrived, did.kills, did.stops, did.consumers)
	if err := allDrained(ctx, d, uint64(arrived)); err != nil {
		return err
	}
	figure(name+"_sent", sent.Published, "messages")
	figure(name+"_arrived", arrived, "messages")
	if err := countSplit(ctx, d, name, messages, uint64(arrived)); err != nil {
		return err
	}
	return p.Terminate(ctx)
}

func createOther(ctx context.Context, url string) error {
	c, err := jetstream.Connect(ctx, jetstream.Options{URL: url}, nil)
	if err != nil {
		return err
	}
	_, err = c.Stream(ctx, otherSubjects, jetstream.StreamOptions{Name: otherStream, Subjects: []string{otherSubjects},
		Create: true, Duplicates: noWindow})
	return errors.Join(err, c.Close())
}

// splitID is the id of a stream's nth message. That of every second one looks
// like the second event of the one before.
func splitID(n int) string {
	if n%2 == 1 {
		return fmt.Sprintf("m%d#1", n-1)
	}
	return fmt.Sprintf("m%d", n)
}

// lines is how many events a message has, and how many of them, the first, are
// broken.
func lines(n int) (events, broken int) {
	switch n % 4 {
	case 0:
		return 1, 0
	case 1:
		return 3, 1
	}
	return 3, 0
}

// splitMessage is the message of a number: of the first stream if it is even.
func splitMessage(n int) []byte {
	var b strings.Builder
	events, broken := lines(n / 2)
	for i := range events {
		bad := ""
		if i < broken {
			bad = ","
		}
		fmt.Fprintf(&b, `{"stream":%d,"n":%d,"i":%d%s}`+"\n", n%2, n/2, i, bad)
	}
	return []byte(b.String())
}

// allDrained waits until all sources together have committed so many messages.
func allDrained(ctx context.Context, d *daemonproc.Daemon, messages uint64) error {
	var committed uint64
	deadline := time.Now().Add(catchesUp)
	for {
		st, err := d.Client().Status(ctx)
		if err != nil {
			return fmt.Errorf("ask the daemon (see %s): %w", d.LogFile(), err)
		}
		var now uint64
		for _, s := range st.Sources {
			now += s.Committed
		}
		switch {
		case now >= messages:
			return nil
		case now > committed:
			committed, deadline = now, time.Now().Add(catchesUp)
		case time.Now().After(deadline):
			return fmt.Errorf("the daemon committed nothing for %s: %d of %d messages (see %s)", catchesUp, now, messages,
				d.LogFile())
		}
		if err := daemonproc.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// countSplit compares what is in the lake with what was sent to each stream.
func countSplit(ctx context.Context, d *daemonproc.Daemon, name string, messages int, arrived uint64) error {
	var good, bad int
	for n := range messages {
		events, broken := lines(n)
		good, bad = good+2*(events-broken), bad+2*broken
	}
	rows, err := d.Tally(ctx, "SELECT count(*) AS n, count(DISTINCT (stream, n, i)) AS d FROM lake.redelivery")
	if err != nil {
		return err
	}
	rejected, err := d.Tally(ctx, "SELECT count(*) AS n, count(DISTINCT (source, message_id, message_index)) AS d FROM "+
		"lake.quarantine")
	if err != nil {
		return err
	}
	all, err := verifyAll(ctx, d, "--deep")
	if err != nil {
		return err
	}
	var accounted, skipped, found uint64
	for _, v := range all {
		accounted, skipped, found = accounted+v.Messages, skipped+v.Skipped, found+v.Repeats.Found
	}
	lost := good + bad - rows.Distinct - rejected.Distinct
	repeated := rows.Rows - rows.Distinct + rejected.Rows - rejected.Distinct
	figure(name+"_lost", lost, "events")
	figure(name+"_repeated", repeated, "events")
	figure(name+"_broken", rejected.Rows, "events")
	switch want := arrived - uint64(2*messages); {
	case lost != 0 || repeated != 0 || rows.Distinct != good:
		return fmt.Errorf("%d events were lost, %d were stored again; %d good ones are there, want %d", lost, repeated,
			rows.Distinct, good)
	case accounted != arrived || skipped != want || found != want:
		return fmt.Errorf("of %d messages, %d of them repeats, lakeward verify --deep accounts for %d and %d, and proves %d",
			arrived, want, accounted, skipped, found)
	}
	return nil
}
