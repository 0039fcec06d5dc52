package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/ingest/mapping"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// How a replay puts a row of quarantine into its table exactly once. Three
// places are written, in this order:
//
//  1. The table: the events, and in the same commit the ids of the rows that
//     they are of, as a property. The commit's fence is a mark of replays.
//  2. ingest_skipped: the ids, as rows, which is the ledger.
//  3. The next commit of 1 to the table replaces the property; the last one of
//     a replay empties it.
//
// What the ledger or a table's property has is done. A replay begins with
// putting into the ledger what a crash left in properties only; so nothing is
// replaced in 3 that is not in the ledger. Files of 2 record replayKey as their
// stream, and those of 1 besides the stream that the message came from, whose
// ids they have: the row in quarantine still accounts for the message.
const (
	replayProp  = "lakeward.replayed" // of a table: what its last replay put there
	replayKey   = "lakeward.quarantine|replay"
	replayRows  = 1000 // of a commit
	replayBytes = 32 << 20
	replayTries = 10 // while others move the marks
)

// replayMark is the nth replay to a table. No stream can have its name, which has a dot.
func replayMark(n uint64) tiers.Mark {
	return tiers.Mark{Stream: "lakeward.quarantine", Filter: "replay", Created: time.Unix(0, 0).UTC(), Seq: n}
}

// ReplayRequest says what to put through again.
type ReplayRequest struct {
	Stream string // name; the source's
	Filter RejectedFilter
	DryRun bool
	By     string // who asked
}

// ReplayReport says what became of the rows.
type ReplayReport struct {
	Matched  int            `json:"matched"`
	Before   int            `json:"before"`             // of these: replayed before
	Replayed int            `json:"replayed"`           // rows that were
	Repeats  int            `json:"repeats"`            // whose message id was in the table already
	Events   map[string]int `json:"events,omitempty"`   // put into each table
	Rejected map[string]int `json:"rejected,omitempty"` // by the reason of today
	DryRun   bool           `json:"dry_run,omitempty"`
}

// Add counts the other report in.
func (r *ReplayReport) Add(o ReplayReport) {
	r.Matched, r.Before, r.Replayed, r.Repeats = r.Matched+o.Matched, r.Before+o.Before, r.Replayed+o.Replayed,
		r.Repeats+o.Repeats
	r.DryRun = r.DryRun || o.DryRun
	for t, n := range o.Events {
		count(&r.Events, t, n)
	}
	for t, n := range o.Rejected {
		count(&r.Rejected, t, n)
	}
}

func count(m *map[string]int, key string, n int) {
	if *m == nil {
		*m = map[string]int{}
	}
	(*m)[key] += n
}

// String is the report for people.
func (r ReplayReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d rows of lake.quarantine: %d replayed, %d repeats, %d replayed before, %d still rejected\n",
		r.Matched, r.Replayed, r.Repeats, r.Before, r.Matched-r.Replayed-r.Repeats-r.Before)
	for _, t := range slices.Sorted(maps.Keys(r.Events)) {
		fmt.Fprintf(&b, "  lake.%s: %d events\n", t, r.Events[t])
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Rejected)) {
		fmt.Fprintf(&b, "  still rejected, %d: %s\n", r.Rejected[reason], reason)
	}
	if r.DryRun {
		b.WriteString("dry run: nothing was written\n")
	}
	return b.String()
}

// replay is one attempt.
type replay struct {
	s     *Source
	c     *commits
	books Books
	req   ReplayRequest
	key   string
	feeds map[string]*feed // by table; their marks are those of replays
	done  map[string]string
	heads map[messageOf][]byte // headers of messages in quarantine, if they become columns
	known map[eventOf]position // messages that tables have, of those asked for
	fed   int                  // tables of the source
	w     *parquetfile.Writer
	r     ReplayReport

	chooser *mapping.Chooser // nil: the source has no mappings
}

// Replay decodes rows of lake.quarantine again, with the source's configuration
// of today, and commits their events, each exactly once however often it is
// asked for or cut short. The source is still meanwhile.
func (s *Source) Replay(ctx context.Context, req ReplayRequest) (ReplayReport, error) {
	if !req.DryRun {
		release, err := s.hold(ctx, "replaying from quarantine")
		if err != nil {
			return ReplayReport{}, err
		}
		defer release()
	}
	var total ReplayReport
	for try := 1; ; try++ {
		r, err := s.replayOnce(ctx, req)
		if total.Replayed > 0 { // those are now among the ones before
			r.Before -= total.Replayed + total.Repeats
			r.Replayed, r.Repeats = r.Replayed+total.Replayed, r.Repeats+total.Repeats
		}
		total = r
		if !errors.Is(err, errStandby) || try == replayTries {
			return total, err
		}
		s.log.Warn("another replay was first; looking again", "error", err)
	}
}

func (s *Source) replayOnce(ctx context.Context, req ReplayRequest) (ReplayReport, error) {
	p := &replay{s: s, c: newCommits(s), w: parquetfile.NewWriter(), req: req,
		books: s.books(),
		key:   tiers.Mark{Stream: req.Stream, Filter: s.o.Filter}.Key(), feeds: map[string]*feed{},
		known: map[eventOf]position{}}
	p.r.DryRun, p.req.Filter.Source = req.DryRun, p.key
	if len(s.o.Mappings) > 0 {
		p.chooser = s.o.Mappings.NewChooser()
	}
	if err := p.begin(ctx); err != nil {
		return p.r, err
	}
	_, files, err := p.books.quarantine(ctx)
	if err != nil {
		return p.r, err
	}
	if slices.ContainsFunc(p.s.o.Metadata, columnar.IsHeader) {
		if p.heads, err = p.books.headers(ctx, files); err != nil {
			return p.r, err
		}
	}
	for _, f := range files {
		var todo []Rejected
		err := p.books.eachOf(ctx, f, p.req.Filter, true, p.done, func(r Rejected) {
			p.r.Matched++
			if r.Replayed != "" {
				p.r.Before++
				return
			}
			todo = append(todo, r)
		})
		if err != nil {
			return p.r, err
		}
		for len(todo) > 0 {
			n, size := 0, 0
			for n < len(todo) && n < replayRows && size < replayBytes {
				size += len(todo[n].Bytes)
				n++
			}
			if err := p.chunk(ctx, todo[:n]); err != nil {
				return p.r, err
			}
			todo = todo[n:]
		}
	}
	return p.r, p.end(ctx)
}

// end empties the properties of step 1.
func (p *replay) end(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(p.feeds)) {
		f := p.feeds[name]
		if p.req.DryRun || f.table == nil || f.table.Properties()[replayProp] == "" {
			continue
		}
		if err := p.c.commit(ctx, f, tiers.Commit{To: f.next(), Properties: map[string]string{replayProp: ""}}); err != nil {
			return fmt.Errorf("end the replay to lake.%s: %w", name, err)
		}
	}
	return nil
}

// begin reads what is done, and puts into the ledger what is not there.
func (p *replay) begin(ctx context.Context) (err error) {
	if p.done, err = p.books.ledger(ctx); err != nil {
		return err
	}
	names, err := p.s.o.Lake.Tables(ctx)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	pending := map[string]string{} // table by id
	for _, name := range names {
		t, err := p.s.o.Lake.Open(ctx, name)
		if err != nil {
			return fmt.Errorf("open lake.%s: %w", name, err)
		}
		p.feed(name, t)
		if _, ok := t.Marks()[p.key]; ok && name != Quarantine && name != Skipped {
			p.fed++
		}
		for _, id := range strings.Fields(t.Properties()[replayProp]) {
			if _, ok := p.done[id]; !ok {
				pending[id], p.done[id] = name, name
			}
		}
	}
	if p.req.DryRun || len(pending) == 0 {
		return nil
	}
	return p.recover(ctx, pending)
}

// recover does step 2 for rows of which a crash left it undone.
func (p *replay) recover(ctx context.Context, pending map[string]string) error {
	rows := map[string][]Rejected{}
	if err := p.books.each(ctx, RejectedFilter{}, false, func(r Rejected) {
		if table, ok := pending[r.ID]; ok {
			rows[table] = append(rows[table], r)
		}
	}); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if err := p.record(ctx, name, rows[name]); err != nil {
			return err
		}
	}
	return nil
}

// feed is the table as a replay sees it.
func (p *replay) feed(name string, t tiers.Table) *feed {
	f, ok := p.feeds[name]
	if !ok {
		f = newFeed(name, p.s.o.Tables(name))
		p.feeds[name] = f
	}
	if t != nil {
		f.table, f.known, f.mark = t, t.Schema(), nil
		if m, ok := t.Marks()[replayKey]; ok {
			f.mark = &m
		}
	}
	return f
}

// next is the mark that follows.
func (f *feed) next() *tiers.Mark {
	m := replayMark(1)
	if f.mark != nil {
		m = replayMark(f.mark.Seq + 1)
	}
	return &m
}
