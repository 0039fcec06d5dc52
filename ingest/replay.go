package ingest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/ingest/format"
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

// replayMark is the nth replay to a table. The name is none that a stream can have.
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
}

// eventOf is an event that its publisher named; index -1: any of its message.
type eventOf struct {
	table string
	id    string // of the message
	index int
	made  int64 // its stream, in nanoseconds
}

// origin is a table and the identity of a stream whose events it gets.
type origin struct{ table, stream string }

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

// chunk replays rows, table by table.
func (p *replay) chunk(ctx context.Context, rows []Rejected) error {
	parts, tables := map[origin][]Rejected{}, map[string]bool{}
	for _, r := range rows {
		table, reason := p.route(r.Subject, len(tables))
		if reason != "" {
			count(&p.r.Rejected, reason, 1)
			continue
		}
		o := origin{table, r.stream}
		parts[o], tables[table] = append(parts[o], r), true
	}
	order := func(a, b origin) int {
		return cmp.Or(strings.Compare(a.table, b.table), strings.Compare(a.stream, b.stream))
	}
	for _, o := range slices.SortedFunc(maps.Keys(parts), order) {
		if err := p.table(ctx, o, parts[o]); err != nil {
			return fmt.Errorf("replay to lake.%s: %w", o.table, err)
		}
	}
	return nil
}

// epoch is the one that makes batches of a stream's messages; it reads nothing.
func (p *replay) epoch(stream string) (*epoch, error) {
	rest, ok := strings.CutPrefix(stream, p.key+"|")
	made, resets, more := strings.Cut(rest, "|")
	created, err := time.Parse(time.RFC3339Nano, made)
	e := &epoch{s: p.s, writer: p.w, info: StreamInfo{Name: p.req.Stream, Created: created}}
	if more && err == nil {
		e.resets, err = strconv.ParseUint(resets, 10, 64)
	}
	if !ok || err != nil {
		return nil, fmt.Errorf("a file of lake.%s does not say which stream its rows came from, but %q", Quarantine, stream)
	}
	return e, nil
}

func (p *replay) route(subject string, more int) (table, reason string) {
	if table = p.s.o.Table; table == "" {
		if table, reason = tableOf(subject); reason != "" {
			return "", reason
		}
	}
	if f := p.feeds[table]; (f == nil || f.table == nil) && p.fed+more >= p.s.o.MaxTables {
		return "", tooManyTables(p.fed, table)
	}
	return table, ""
}

// table commits what can be decoded of rows that belong to one table.
func (p *replay) table(ctx context.Context, o origin, rows []Rejected) error {
	f := p.feed(o.table, nil)
	e, err := p.epoch(o.stream)
	if err != nil {
		return err
	}
	if err := p.lookUp(ctx, f, e, rows); err != nil {
		return err
	}
	batch := eventRows{e.newBatch(f), replayKey + "|" + o.stream}
	var taken, repeats []Rejected
	for _, r := range rows {
		of := eventOf{o.table, r.MessageID, r.Index, e.info.Created.UnixNano()}
		if _, known := p.known[of]; known && r.MessageID != "" {
			repeats = append(repeats, r)
			continue
		}
		reason, err := p.decode(e, f, batch, r)
		if err != nil {
			return err
		}
		if reason != "" {
			count(&p.r.Rejected, reason, 1)
			continue
		}
		if r.MessageID != "" {
			p.known[of] = positionOf(e.resets, r.Seq)
		}
		taken = append(taken, r)
	}
	events := batch.Rows()
	if !p.req.DryRun {
		if err := p.commit(ctx, f, e, batch, taken, repeats); err != nil {
			return err
		}
	}
	p.r.Replayed, p.r.Repeats = p.r.Replayed+len(taken), p.r.Repeats+len(repeats)
	if events > 0 {
		count(&p.r.Events, o.table, events)
	}
	return nil
}

// commit is steps 1 and 2.
func (p *replay) commit(ctx context.Context, f *feed, e *epoch, batch eventRows, taken, repeats []Rejected) error {
	if len(taken) > 0 {
		if f.table == nil {
			if err := p.c.open(ctx, f, batch.Schema()); err != nil {
				return err
			}
			if p.feed(f.name, f.table); f.mark != nil {
				return fmt.Errorf("%w: lake.%s was made meanwhile", errStandby, f.name)
			}
			p.fed++
		}
		var ids []string
		for _, r := range taken {
			ids = append(ids, r.ID)
		}
		if err := p.c.add(ctx, part{feed: f, rows: batch},
			tiers.Commit{To: f.next(), Properties: map[string]string{replayProp: strings.Join(ids, " ")}},
			encodeOnce, time.Time{}); err != nil {
			return err
		}
		f.known = f.table.Schema()
	}
	for i, r := range repeats {
		at := p.known[eventOf{f.name, r.MessageID, r.Index, e.info.Created.UnixNano()}]
		repeats[i].repeats, repeats[i].repeated = identity(p.key, e.info.Created, at.resets()), at.seq()
	}
	return p.record(ctx, f.name, append(taken, repeats...))
}

// record puts rows into the ledger.
func (p *replay) record(ctx context.Context, table string, rows []Rejected) error {
	if len(rows) == 0 {
		return nil
	}
	now := p.s.o.Now()
	book := &bookRows{table: Skipped, source: p.key, stream: replayKey, now: now}
	for _, r := range rows {
		book.source = r.Source
		book.add(entry{seq: r.Seq, index: r.Index, id: r.ID, at: r.Published, subject: r.Subject, messageID: r.MessageID,
			table: table, reason: reasonReplay + ": from quarantine, by " + p.req.By, ofStream: r.repeats, ofSeq: r.repeated})
		p.done[r.ID] = table
	}
	f := p.feed(Skipped, nil)
	if f.table == nil {
		if err := p.c.open(ctx, f, book.Schema()); err != nil {
			return err
		}
		p.feed(Skipped, f.table)
	}
	return p.c.add(ctx, part{feed: f, rows: book}, tiers.Commit{To: f.next()}, encodeOnce, time.Time{})
}

// decode adds the events of a row to the batch, all or none; the reason says
// why none.
func (p *replay) decode(e *epoch, f *feed, batch eventRows, r Rejected) (reason string, err error) {
	m := columnar.Meta{Seq: r.Seq, ID: []byte(r.MessageID), Index: r.Index, Published: r.Published,
		Subject: p.s.keptSubject(r.Subject),
		Header:  p.heads[messageOf{r.stream, r.Seq}]}
	if r.Index >= 0 {
		return p.event(batch, m, r.Bytes)
	}
	var events [][]byte
	data, err := new(format.Unpacker).Unpack(r.Bytes)
	if err != nil {
		return err.Error(), nil
	}
	for event, bad := range format.Of(p.s.o.Format, []byte(r.Headers), data).Events(data) {
		if bad != nil {
			return bad.Error(), nil
		}
		events = append(events, bytes.Clone(event))
	}
	if len(events) == 0 {
		return "the message is empty", nil
	}
	batches := []eventRows{batch}
	if len(events) > 1 { // first on trial
		batches = []eventRows{{e.newBatch(f), batch.stream}, batch}
	}
	for _, b := range batches {
		for i, event := range events {
			m.Index = i
			reason, err := p.event(b, m, event)
			if reason != "" || err != nil {
				return reason, err
			}
		}
	}
	return "", nil
}

func (p *replay) event(b eventRows, m columnar.Meta, event []byte) (reason string, err error) {
	err = b.Append(m, p.s.o.Now(), event)
	if bad := (*columnar.Reject)(nil); errors.As(err, &bad) {
		return bad.Reason, nil
	}
	if err != nil {
		return "", fmt.Errorf("decode message %d: %w", m.Seq, err)
	}
	return "", nil
}

// lookUp finds which of the events that their publisher named are in the table
// by their stream: they may have been published again since. It looks at the
// latest rows, as many as a source remembers ids.
func (p *replay) lookUp(ctx context.Context, f *feed, e *epoch, rows []Rejected) error {
	made := e.info.Created.UnixNano()
	want, old := map[eventOf]bool{}, map[string]eventOf{}
	for _, r := range rows {
		if r.MessageID == "" {
			continue
		}
		of := eventOf{f.name, r.MessageID, r.Index, made}
		if want[of] = true; r.Index > 0 {
			old[r.MessageID+"/"+strconv.Itoa(r.Index)] = of
		} else {
			old[r.MessageID] = of
		}
	}
	if len(want) == 0 || f.table == nil {
		return nil
	}
	files, err := f.table.Files(ctx, 0, time.Time{}, time.Time{})
	if err != nil {
		return fmt.Errorf("list files: %w", err)
	}
	slices.SortFunc(files, func(a, b tiers.DataFile) int { return cmp.Compare(b.SeqMax, a.SeqMax) })
	left := int64(p.s.o.Recent)
	for _, file := range files {
		if left <= 0 {
			return nil
		}
		seqs, err := p.s.o.data().seqs(ctx, file.Path)
		if err != nil {
			return fmt.Errorf("read event ids: %w", err)
		}
		resets, ours := resetsIn(seqs.Stream, identity(p.key, e.info.Created, 0))
		if !ours {
			continue
		}
		left -= file.Rows
		tag := streamTag(e.info.Name, e.info.Created, resets)
		found := func(of eventOf, seq int64) {
			if want[of] {
				p.known[of] = positionOf(resets, uint64(seq))
			}
		}
		if err := p.s.o.data().columns(ctx, file.Path, []string{tiers.ColEventID, tiers.ColStreamSeq}, func(v []value) {
			if seqs.IDs != columnar.EventIDForm {
				if of, ok := old[v[0].text]; ok {
					found(of, v[1].long)
				}
				return
			}
			id, index := columnar.ParseEventID(v[0].text, tag)
			found(eventOf{f.name, id, index, made}, v[1].long)
			found(eventOf{f.name, id, -1, made}, v[1].long)
		}); err != nil {
			return fmt.Errorf("read event ids: %w", err)
		}
	}
	return nil
}
