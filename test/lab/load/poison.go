package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/test/daemonproc"
)

const (
	poisonEvery = 100
	poisonTable = "poison"
	mostBytes   = 4 << 10                // of an event; the default would make the oversize ones the whole load
	poisonAt    = "1701-05-03T00:00:00Z" // no placeholder, and before the first day that a partition can name
)

// toxin is a kind of message that cannot be an event.
type toxin struct {
	name   string
	reason string // that it must be kept with
	of     func(n int) []byte
}

func toxins() []toxin {
	event := func(n int) string { return string(number(nil, n, time.Now())) }
	return []toxin{
		{"no JSON", "not JSON: unexpected character",
			func(n int) []byte { return fmt.Appendf(nil, "the backup of volume %d ended without a word", n) }},
		{"cut short", "not JSON: a string has no end", func(n int) []byte { e := event(n); return []byte(e[:len(e)-8]) }},
		{"too deep", "nested deeper than 1,000 levels", func(n int) []byte {
			return fmt.Appendf(nil, `{"id":%d,"deep":%s%s}`, n, strings.Repeat("[", 1100), strings.Repeat("]", 1100))
		}},
		{"too large", fmt.Sprintf("larger than %d bytes", mostBytes), func(n int) []byte {
			return fmt.Appendf(nil, `{"id":%d,"text":"%s"}`, n, strings.Repeat("x", mostBytes))
		}},
		{"impossible time", "impossible time " + strconv.Quote(poisonAt),
			func(n int) []byte { return fmt.Appendf(nil, `{"id":%d,"time":"%s"}`, n, poisonAt) }},
		{"invalid UTF-8", "invalid UTF-8", func(n int) []byte {
			return fmt.Appendf(nil, "{\"id\":%d,\"text\":\"caf\xe9\"}", n)
		}},
	}
}

// dose is a poison message that was sent.
type dose struct {
	toxin toxin
	data  []byte
}

// poison ingests a backlog of EVENTS messages, one in a hundred of them broken
// in one of several ways, and a backlog of the same events without any, in
// turns. It looks at each broken one in quarantine.
func poison(ctx context.Context, dir, bin string) error {
	events, err := size("EVENTS", 500_000)
	if err != nil {
		return err
	}
	repeats, err := size("REPEATS", 3)
	if err != nil {
		return err
	}
	var clean, poisoned, cleanCPU, poisonedCPU []float64
	var found outcome
	for i := range repeats {
		for j := range 2 {
			bad := (i+j)%2 == 1 // each is the first as often as the other
			b := &backlog{bin: bin, dir: fmt.Sprintf("%s/%d-%t", dir, i, bad), events: events}
			if bad {
				b.every = poisonEvery
			}
			r, o, err := b.ingest(ctx)
			if err != nil {
				return err
			}
			fmt.Printf("run %d, poison %t: %.0f messages/s, %.2f s of CPU\n", i+1, bad, r.rate, r.cpu)
			if bad {
				poisoned, poisonedCPU, found = append(poisoned, r.rate), append(poisonedCPU, r.cpu), found.plus(o)
			} else {
				clean, cleanCPU = append(clean, r.rate), append(cleanCPU, r.cpu)
			}
		}
	}
	figure("poison_sent", found.sent, "messages")
	figure("poison_quarantined", found.kept, "messages")
	figure("poison_wrong_reason", found.wrong, "messages")
	figure("poison_throughput_loss_percent", 100*(1-median(poisoned)/median(clean)), "%")
	figure("poison_cpu_more_percent", 100*(median(poisonedCPU)/median(cleanCPU)-1), "%")
	if found.kept != found.sent || found.wrong != 0 {
		return fmt.Errorf("of %d poison messages %d are in quarantine, %d of them with another reason", found.sent,
			found.kept, found.wrong)
	}
	return nil
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// outcome counts poison messages.
type outcome struct{ sent, kept, wrong int }

func (o outcome) plus(p outcome) outcome {
	return outcome{o.sent + p.sent, o.kept + p.kept, o.wrong + p.wrong}
}

// backlog is messages that are in the stream before the daemon starts.
type backlog struct {
	bin, dir string
	events   int
	every    int // one in so many is poison; 0: none
}

// speed is what committing a backlog took, from the start of the daemon on.
type speed struct {
	rate float64 // messages a second
	cpu  float64 // seconds
}

// ingest fills the stream, runs a daemon until all is committed, and returns
// its speed and what became of the poison.
func (b *backlog) ingest(ctx context.Context) (sp speed, o outcome, err error) {
	d, err := daemonproc.New(daemonproc.Options{Bin: b.bin, Dir: b.dir, External: true, Env: []string{
		"LAKEWARD_INGEST_MAX_EVENT_BYTES=" + strconv.Itoa(mostBytes) + "B",
		"LAKEWARD_INGEST_FLUSH_ROWS=" + strconv.Itoa(max(b.events/5, 1))}}) // the last batch is full too, and need not wait
	if err != nil {
		return sp, o, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	stopNATS, err := d.StartNATS(ctx, noWindow)
	if err != nil {
		return sp, o, err
	}
	defer stopNATS()
	doses, err := b.fill(ctx, d.NATS)
	if err != nil {
		return sp, o, err
	}
	p, err := d.Start(ctx)
	if err != nil {
		return sp, o, err
	}
	defer p.Kill()
	if err := d.Ready(ctx, p); err != nil {
		return sp, o, err
	}
	s, err := d.Drained(ctx, uint64(b.events), catchesUp)
	if err != nil {
		return sp, o, err
	}
	cpu, err := p.CPU()
	if err != nil {
		return sp, o, err
	}
	sp = speed{float64(b.events) / s.LastCommit.Sub(p.Started).Seconds(), cpu.Seconds()}
	if o, err = b.examine(ctx, d, doses); err != nil {
		return sp, o, err
	}
	return sp, o, p.Terminate(ctx)
}

// fill publishes the backlog and returns its poison by message id.
func (b *backlog) fill(ctx context.Context, url string) (map[string]dose, error) {
	pub, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	kinds, doses := toxins(), map[string]dose{}
	var buf []byte
	for n := range b.events {
		id := "poison-" + strconv.Itoa(n)
		buf = number(buf, n, time.Now())
		if b.every > 0 && n%b.every == b.every-1 {
			kind := kinds[n/b.every%len(kinds)]
			buf = append(buf[:0], kind.of(n)...)
			doses[id] = dose{kind, bytes.Clone(buf)}
		}
		if err := pub.Publish(ctx, "events."+poisonTable, id, buf); err != nil {
			return nil, err
		}
	}
	got, err := pub.close(ctx)
	if err == nil && (got.Published != int64(b.events) || got.Duplicates != 0) {
		err = fmt.Errorf("of %d messages NATS stored %d and dropped %d as duplicates", b.events, got.Published,
			got.Duplicates)
	}
	return doses, err
}

// examine compares quarantine with the doses, one by one, and counts the rest.
func (b *backlog) examine(ctx context.Context, d *daemonproc.Daemon, doses map[string]dose) (o outcome, err error) {
	o.sent = len(doses)
	t, err := d.Tally(ctx, "SELECT count(*) AS n, count(DISTINCT id) AS d FROM lake."+poisonTable)
	if err != nil {
		return o, err
	}
	if good := b.events - len(doses); t.Rows != good || t.Distinct != good {
		return o, fmt.Errorf("of %d good events the lake has %d rows, %d different ones", good, t.Rows, t.Distinct)
	}
	if _, err := verify(ctx, d); err != nil {
		return o, err
	}
	if len(doses) == 0 {
		return o, nil
	}
	rows, err := d.Client().Query(ctx, serve.Query{SQL: "SELECT message_id, reason, bytes FROM lake.quarantine"})
	if err != nil {
		return o, fmt.Errorf("read quarantine: %w", err)
	}
	defer rows.Release()
	left := doses
	for rows.Next() {
		r := rows.RecordBatch()
		data, ok := r.Column(2).(*array.Binary)
		if !ok {
			return o, fmt.Errorf("read quarantine: bytes are %s", r.Column(2).DataType())
		}
		for i := range int(r.NumRows()) {
			id, reason := r.Column(0).ValueStr(i), r.Column(1).ValueStr(i)
			sent, ok := left[id]
			delete(left, id)
			switch {
			case !ok:
				return o, fmt.Errorf("message %s is in quarantine (%s) twice, or is none of the poison", id, reason)
			case !bytes.Equal(sent.data, data.Value(i)):
				return o, fmt.Errorf("message %s (%s) is in quarantine with other bytes than were sent", id, sent.toxin.name)
			case reason != sent.toxin.reason:
				if o.wrong++; o.wrong <= 5 {
					fmt.Printf("message %s (%s): reason %q, not %q\n", id, sent.toxin.name, reason, sent.toxin.reason)
				}
			}
			o.kept++
		}
	}
	return o, rows.Err()
}
