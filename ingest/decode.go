package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/ingest/format"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// decoder fills batches. It owns what is being filled, and decides in the
// order of the stream, so that the same messages always get the same answer.
type decoder struct {
	e        *epoch
	s        *Source
	out      chan<- sealed
	unpacker format.Unpacker
	name     map[string]route // by subject

	tables   int               // of events, with those that are still to be created
	capped   time.Time         // when it was last logged that there are too many
	ids      *known            // nil: no message with an id has come
	short    time.Time         // when it was last logged that the ids of a window do not fit
	removals map[string]string // id of each table's last removal when the ids were read
	chunks   uint64            // that came

	from     place // the batch covers (from, last]
	last     uint64
	lastAt   time.Time // when the stream got it; zero: not known
	began    time.Time
	newest   time.Time // publishing of the last message
	rows     int
	filling  []*feed
	index    int    // in its message, of the event that is being decoded
	rejected uint64 // sequence of the last message of which something went to quarantine
	growth   int64  // that the batches may have grown by since they were last measured
	step     int64  // of growth, after which they are measured
	bytes    uint64
	gaps     uint64
	repeats  uint64
}

// route is where a subject's messages go.
type route struct {
	feed    *feed
	reason  string // why nowhere
	subject []byte // that events are to keep
}

const (
	maxRoutes   = 10_000
	largestStep = 4 << 20 // of growth between measurements of memory
	slotBytes   = 8       // of a value, or of its absence before a later one
	entryBytes  = 256     // of a row of bookkeeping
)

func newDecoder(e *epoch, out chan<- sealed) *decoder {
	d := &decoder{e: e, s: e.s, out: out, name: map[string]route{}, from: place{e.start, e.startAt}, last: e.start,
		lastAt: e.startAt,
		step:   min(largestStep, e.s.o.Flush.Bytes/4, e.s.o.Memory.mostFilling()/8)}
	for name := range e.feeds {
		if name != Quarantine && name != Skipped {
			d.tables++
		}
	}
	d.noteTables()
	return d
}

func (d *decoder) noteTables() {
	n := d.tables
	d.s.note(func(st *Status) { st.Tables, st.MaxTables = n, d.s.o.MaxTables })
}

// tooMany says, at most once a minute, that a source may feed no more tables.
func (d *decoder) tooMany(table string) {
	if now := d.s.o.Now(); now.Sub(d.capped) >= time.Minute {
		d.capped = now
		d.s.log.Warn("events go to quarantine: their tables would be too many; raise ingest.max_tables", "tables", d.tables,
			"next", "lake."+table)
	}
}

func tooManyTables(n int, table string) string {
	return fmt.Sprintf("the source feeds %d tables already, and %s would be one more: raise ingest.max_tables, or give "+
		"the source a table", n, table)
}

// run fills batches until there are no more chunks, then closes the last one.
func (d *decoder) run(ctx context.Context, r Reader, chunks <-chan []Message, free chan<- []Message) error {
	age := time.NewTimer(time.Hour)
	age.Stop()
	defer age.Stop()
	d.vanished(age)
	quiet := time.NewTicker(max(d.s.o.Flush.Age, time.Second))
	defer quiet.Stop()
	for {
		var err error
		select {
		case chunk, ok := <-chunks:
			if !ok {
				return d.seal(ctx, fromQuiet, nil)
			}
			idle := d.began.IsZero()
			err = d.chunk(ctx, chunk)
			r.Done(d.last)
			clear(chunk)
			select {
			case free <- chunk[:0]:
			default:
			}
			if idle && !d.began.IsZero() {
				age.Reset(d.s.batchAge)
			}
		case <-age.C:
			err = d.ripe(ctx, age)
		case <-quiet.C:
			d.releaseBuffers()
		case <-d.e.memory.press:
			err = d.pressed(ctx)
		case r := <-d.s.flush:
			err = d.seal(ctx, fromQuiet, r.done)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// releaseBuffers drops the memory that batches left behind, if none has followed.
func (d *decoder) releaseBuffers() {
	if !d.began.IsZero() {
		return
	}
	for _, f := range d.e.feeds {
		d.e.releaseBuffer(f)
	}
	d.e.writer.Release()
}

// pressed closes the batch because the sources' memory is needed, unless it
// was closed already when the word came.
func (d *decoder) pressed(ctx context.Context) error {
	d.growth = d.step
	if d.began.IsZero() {
		return nil
	}
	why := d.full()
	if why == fromQuiet {
		return nil
	}
	return d.seal(ctx, why, nil)
}

// ripe closes the batch if it is old enough; it may be younger than the timer,
// if one was closed by size meanwhile.
func (d *decoder) ripe(ctx context.Context, age *time.Timer) error {
	if d.began.IsZero() {
		return nil
	}
	if is := d.s.o.Now().Sub(d.began); is >= 0 && is < d.s.batchAge { // negative: the clock was put back
		age.Reset(d.s.batchAge - is)
		return nil
	}
	return d.seal(ctx, fromQuiet, nil)
}

func (d *decoder) chunk(ctx context.Context, chunk []Message) (err error) {
	now := d.s.o.Now()
	d.chunks++
	var m *Message
	defer func() {
		if r := recover(); r != nil && m != nil {
			p := &parquetfile.Panic{Value: r, Stack: debug.Stack()}
			err = &undecodable{refusal{m.Seq, d.id(m, d.index), "the event cannot be decoded: " + p.Error()}, p}
		}
	}()
	for i := range chunk {
		if d.began.IsZero() {
			d.began = now
		}
		m = &chunk[i]
		if err := d.message(ctx, m, now); err != nil {
			return err
		}
		if why := d.full(); why != fromQuiet {
			if err := d.seal(ctx, why, nil); err != nil {
				return err
			}
		}
	}
	d.sayIDs(now)
	last, at := d.last, d.lastAt
	d.s.note(func(st *Status) { st.Last, st.lastAt = last, at })
	return nil
}

// reason is why a batch is closed.
type reason int

const (
	fromQuiet    reason = iota // by its age, or because somebody asks
	fromSize                   // by its rows or bytes: more of its kind will follow
	fromPressure               // because the sources' memory is used up
)

// full says why the batch is to be closed; fromQuiet if it is not. Memory is
// measured when it may have grown by a step: an event may take a slot in each
// of its table's columns, however short it is.
func (d *decoder) full() reason {
	f := d.s.o.Flush
	if d.rows >= f.Rows {
		return fromSize
	}
	if d.growth < d.step {
		return fromQuiet
	}
	d.growth = 0
	var held, used int64
	for _, f := range d.filling {
		held += f.rows.Bytes()
		used += f.rows.Used()
	}
	switch pressed := d.e.memory.filling(held, d.began); {
	case used >= f.Bytes:
		return fromSize
	case pressed:
		return fromPressure
	}
	return fromQuiet
}

// seal closes the batch and hands it on; it waits while one is under way, and
// while all memory is taken.
func (d *decoder) seal(ctx context.Context, why reason, done chan error) error {
	b := sealed{from: d.from, to: place{d.last, d.lastAt}, newest: d.newest, bytes: d.bytes, gaps: d.gaps,
		repeats: d.repeats, done: done}
	var held int64
	for _, f := range d.e.feeds {
		if f.rows == nil {
			d.e.releaseBuffer(f) // a whole batch had no use for it
		}
	}
	for _, f := range d.filling {
		if f.rows.Rows() > 0 {
			p := part{f, f.rows, f.rows.Bytes()}
			b.parts = append(b.parts, p)
			held += p.bytes
			f.known = f.rows.Schema()
			f.known.Fields = assignIDs(f.known.Fields)
		}
		f.rows = nil
	}
	// What is used again begins with its memory; that alone must not fill it.
	b.reuse = why == fromSize && held < d.s.o.Memory.mostFilling()/4*3
	d.e.memory.update(func(h *holding) { h.filling, h.sealed = 0, h.sealed+held })
	d.filling, d.rows, d.growth, d.bytes, d.gaps, d.repeats, d.began = d.filling[:0], 0, 0, 0, 0, 0, time.Time{}
	d.from = b.to
	if b.to.seq == b.from.seq && done == nil {
		return nil
	}
	select {
	case d.out <- b:
		return d.room(ctx)
	case <-ctx.Done():
		if done != nil {
			done <- context.Cause(ctx)
		}
		return context.Cause(ctx)
	}
}

// room waits while all memory of the sources is taken. The stream is not read
// meanwhile, beyond what is on its way.
func (d *decoder) room(ctx context.Context) error {
	if !d.e.memory.full() {
		return nil
	}
	for _, f := range d.e.feeds {
		d.e.releaseBuffer(f)
	}
	return d.e.memory.wait(ctx)
}

// errOrder is a reader that broke its promise.
var errOrder = errors.New("the stream's sequences do not rise")

// message gives a message its say: its events to their table, what cannot be
// decoded to quarantine, a repeat to ingest_skipped.
func (d *decoder) message(ctx context.Context, m *Message, now time.Time) error {
	if m.Seq <= d.last {
		return fmt.Errorf("%w: %d after %d", errOrder, m.Seq, d.last)
	}
	if m.Seq > d.last+1 && d.e.info.Covered {
		if err := d.jump(ctx, m, now); err != nil {
			return err
		}
	}
	r, err := d.route(ctx, m.Subject)
	if err != nil {
		return err
	}
	m.subject = r.subject
	known := d.e.has(Skipped, m.Seq, -1) || d.e.has(Quarantine, m.Seq, -1) || r.feed != nil && m.Seq <= r.feed.through
	var id lookedUp
	if !known && r.feed != nil && len(m.ID) > 0 {
		if id, err = d.lookUp(ctx, r.feed, m, now); err != nil {
			return err
		}
	}
	d.last, d.lastAt, d.newest = m.Seq, m.Published, m.Published
	d.bytes += uint64(len(m.Data))
	switch {
	case known:
		return nil
	case r.feed == nil:
		d.reject(m, -1, m.Data, r.reason, now)
		return nil
	case id.known:
		d.repeat(r.feed, m, id.at, now)
		return nil
	}
	stored, err := d.events(r.feed, m, now)
	if stored && len(m.ID) > 0 {
		d.ids.add(r.feed, id, positionOf(d.e.resets, m.Seq), now)
	}
	return err
}

// events adds the events of a message to the table's batch; stored is whether
// there was one.
func (d *decoder) events(f *feed, m *Message, now time.Time) (stored bool, err error) {
	d.index = 0
	data, err := d.unpacker.Unpack(m.Data)
	if err != nil {
		d.reject(m, -1, m.Data, err.Error(), now)
		return false, nil
	}
	written := format.Of(d.s.o.Format, m.Header, data)
	how, is := format.JSON(written, data)
	if !is {
		return d.otherEvents(f, m, written, data, now)
	}
	p := parts{d: d, f: f, m: m, now: now, weight: d.weigh(f, len(data))}
	for event, bad := range columnar.Split(how, data) {
		if err := p.take(event, bad); err != nil {
			return p.stored, err
		}
	}
	p.end()
	return p.stored, nil
}

// otherEvents is events of what is not JSON. It is apart because it allocates.
func (d *decoder) otherEvents(f *feed, m *Message, how format.Format, data []byte, now time.Time) (stored bool,
	err error) {
	size := len(data)
	if format.Expands(data) {
		size = max(size, smallMessage+1)
	}
	p := parts{d: d, f: f, m: m, now: now, weight: d.weigh(f, size)}
	for event, bad := range how.Events(data) {
		if err := p.take(event, bad); err != nil {
			return p.stored, err
		}
	}
	p.end()
	return p.stored, nil
}

// parts takes the parts of one message.
type parts struct {
	d   *decoder
	f   *feed
	m   *Message
	now time.Time
	weight
	index  int // of the next part
	stored bool
}

// take stores an event, or puts it into quarantine.
func (p *parts) take(event []byte, bad error) error {
	index := p.index
	p.index++
	if reason := p.tooMuch(p.d.growth); reason != "" {
		p.d.reject(p.m, index, event, reason, p.now)
		return nil
	}
	if bad != nil {
		if _, whole := errors.AsType[*format.Whole](bad); whole {
			index, event = -1, p.m.Data
		}
		p.d.reject(p.m, index, event, bad.Error(), p.now)
		return nil
	}
	p.d.index = index
	ok, err := p.d.event(p.f, p.m, index, event, p.now)
	p.stored = p.stored || ok
	return err
}

// end puts a message without parts into quarantine.
func (p *parts) end() {
	if p.index == 0 {
		p.d.reject(p.m, -1, p.m.Data, "the message is empty", p.now)
	}
}

// weight watches the memory that the events of one message take: a message is
// in one batch, so that it cannot be divided.
type weight struct {
	of           *feed
	most         int64 // bytes of its events as columns
	before       int64 // what the table's batch held
	growth, step int64 // at the last look, and until the next
	message      int   // its bytes
	reason       string
}

func (d *decoder) weigh(f *feed, message int) weight {
	w := weight{of: f, most: max(d.s.o.Memory.mostFilling(), 4*int64(message)), growth: d.growth, step: d.step,
		message: message}
	if message > smallMessage {
		w.before = d.fill(f).Bytes()
	}
	return w
}

// smallMessage is too small for its events to be weighed: that many bytes are
// not many events.
const smallMessage = 4 << 10

// tooMuch says why the message's next event cannot be taken; empty if it can.
func (w *weight) tooMuch(growth int64) string {
	if w.reason != "" || w.message <= smallMessage || growth-w.growth < w.step {
		return w.reason
	}
	w.growth = growth
	if w.of.rows.Bytes()-w.before > w.most {
		w.reason = fmt.Sprintf("the events of this message of %d bytes take more than %d MiB of memory as columns: "+
			"publish them in smaller messages, or raise memory.budget", w.message, w.most>>20)
	}
	return w.reason
}

func (d *decoder) event(f *feed, m *Message, index int, event []byte, now time.Time) (bool, error) {
	if d.e.has(Quarantine, m.Seq, index) {
		return false, nil
	}
	if len(d.s.refused) > 0 {
		if reason := d.s.refused.of(m.Seq, d.id(m, index)); reason != "" {
			d.reject(m, index, event, reason, now)
			return false, nil
		}
	}
	if !f.held && m.Seq <= d.e.reached {
		return false, fmt.Errorf("%w: message %d was partly committed before the last stop, but to tables other than "+
			"lake.%s: start once with the configuration of then", tiers.ErrHalt, m.Seq, f.name)
	}
	rows := d.fill(f)
	if d.s.o.decode != nil {
		d.s.o.decode(event)
	}
	err := rows.Append(columnar.Meta{Seq: m.Seq, ID: m.ID, Index: index, Published: m.Published, Subject: m.subject,
		Header: m.Header}, now, event)
	if err == nil {
		d.rows++
		d.growth += int64(len(event) + slotBytes*rows.Leaves())
		return true, nil
	}
	if bad, ok := errors.AsType[*columnar.Reject](err); ok { // errors.As would cost each event an allocation
		d.reject(m, index, event, bad.Reason, now)
		return false, nil
	}
	return false, fmt.Errorf("decode message %d: %w", m.Seq, err)
}

// fill is the table's batch.
func (d *decoder) fill(f *feed) eventRows {
	if f.rows != nil {
		return f.rows.(eventRows)
	}
	var r eventRows
	select {
	case k := <-f.free:
		d.e.memory.update(func(h *holding) { h.idle -= k.bytes; h.filling += k.bytes })
		r = k.rows
		r.Reset(f.known)
	default:
		r = d.e.newEventRows(f)
	}
	f.rows = r
	d.filling = append(d.filling, f)
	return r
}

// book is the batch of a table of bookkeeping.
func (d *decoder) book(table string, now time.Time) *bookRows {
	f, ok := d.e.feeds[table]
	if !ok {
		f = newFeed(table, d.s.o.Tables(table))
		d.e.feeds[table] = f
	}
	if f.rows == nil {
		f.rows = &bookRows{table: table, source: d.s.key, stream: d.e.identity(), now: now}
		d.filling = append(d.filling, f)
	}
	return f.rows.(*bookRows)
}

// reject puts an event, or a whole message, into quarantine.
func (d *decoder) reject(m *Message, index int, data []byte, reason string, now time.Time) {
	if d.e.has(Quarantine, m.Seq, index) {
		return
	}
	e := entry{seq: m.Seq, index: index, id: d.id(m, index), at: m.Published, subject: m.Subject,
		messageID: string(m.ID), reason: reason, bytes: bytes.Clone(data)} // the memory is the reader's
	if d.rejected != m.Seq { // a message of many broken events has its headers once
		d.rejected, e.header = m.Seq, bytes.Clone(columnar.KeptHeader(m.Header))
	}
	d.book(Quarantine, now).add(e)
	d.rows++
	d.growth += int64(len(data)+len(e.header)) + entryBytes
}

// jump sees to sequences that are missing before m: a gap, unless the stream
// got subjects meanwhile that are not the source's.
func (d *decoder) jump(ctx context.Context, m *Message, now time.Time) error {
	info, err := d.s.o.Stream.Info(ctx, d.s.o.Filter)
	if err != nil {
		return err
	}
	if d.e.info.Covered = info.Covered; info.Covered {
		d.gap(d.last+1, m, now)
	}
	return nil
}

// gap records the sequences from first on that were gone before m.
func (d *decoder) gap(first uint64, m *Message, now time.Time) {
	last := m.Seq - 1
	if last <= d.e.reached {
		return // every table that got rows has been here
	}
	if d.e.has(Skipped, last, -1) {
		return
	}
	reason := reasonGap + ": the stream had dropped these messages before they were read"
	if d.e.first && first == 1 {
		reason = reasonGap + ": the stream had dropped these messages before it was first read"
	} else {
		d.gaps += last - first + 1
		d.s.log.Error("the stream dropped messages before they were read", "first", first, "last", last)
	}
	d.book(Skipped, now).add(entry{seq: last, first: first, index: -1, at: m.Published, reason: reason,
		id: fmt.Sprintf("%s-%d-%d", reasonGap, first, last)})
	d.rows++
}

// vanished records the messages that an empty stream gave out and dropped: no
// message will come that shows the gap.
func (d *decoder) vanished(age *time.Timer) {
	in := d.e.info
	if !in.Covered || in.First <= in.Last || in.Last <= d.last {
		return
	}
	now := d.s.o.Now()
	d.began = now
	d.gap(d.last+1, &Message{Seq: in.Last + 1, Published: now}, now)
	d.last, d.lastAt = in.Last, time.Time{}
	age.Reset(d.s.batchAge)
}

// id is the id of an event as its table would have it.
func (d *decoder) id(m *Message, index int) string {
	return string(columnar.AppendEventID(nil, d.e.tag(), columnar.Meta{Seq: m.Seq, ID: m.ID, Index: index}))
}

// route finds the table of a subject.
func (d *decoder) route(ctx context.Context, subject string) (route, error) {
	if r, ok := d.name[subject]; ok {
		return r, nil
	}
	r, err := d.newRoute(ctx, subject)
	if err != nil {
		return r, err
	}
	if len(d.name) >= maxRoutes {
		clear(d.name)
	}
	d.name[subject] = r
	return r, nil
}

func (d *decoder) newRoute(ctx context.Context, subject string) (route, error) {
	table := d.s.o.Table
	if table == "" {
		var reason string
		if table, reason = tableOf(subject); reason != "" {
			return route{reason: reason}, nil
		}
	}
	if f, ok := d.e.feeds[table]; ok {
		return route{feed: f, subject: d.s.keptSubject(subject)}, nil
	}
	if d.tables >= d.s.o.MaxTables {
		d.tooMany(table)
		return route{reason: tooManyTables(d.tables, table)}, nil
	}
	f := newFeed(table, d.s.o.Tables(table))
	// Another source may feed it already: then its columns have their types.
	t, err := d.s.o.Lake.Open(ctx, table)
	switch {
	case err == nil:
		f.known = t.Schema()
	case !errors.Is(err, tiers.ErrNoTable):
		return route{}, fmt.Errorf("open lake.%s: %w", table, err)
	}
	d.tables++
	d.noteTables()
	d.e.feeds[table] = f
	return route{feed: f, subject: d.s.keptSubject(subject)}, nil
}
