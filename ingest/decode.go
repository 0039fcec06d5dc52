package ingest

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/lakeward/lakeward/ingest/format"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// decoder fills batches. It owns what is being filled, and decides in the
// order of the stream, so that the same messages always get the same answer.
type decoder struct {
	e        *epoch
	s        *Source
	out      chan<- sealed
	unpacker format.Unpacker
	mapper   mapper
	guess    guess
	unmapped uint64           // events that no rule of the mappings took
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
	if len(e.s.o.Mappings) > 0 {
		d.mapper = mapper{chooser: e.s.o.Mappings.NewChooser(), feeds: map[string]target{}}
	} else {
		d.guess = newGuess(e.s.o.Known)
	}
	for name := range e.feeds {
		if name != Quarantine && name != Skipped {
			d.tables++
		}
	}
	d.noteTables()
	return d
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
	last, at, unmapped := d.last, d.lastAt, d.unmapped
	d.unmapped = 0
	d.s.note(func(st *Status) { st.Last, st.lastAt, st.Unmapped = last, at, st.Unmapped+unmapped })
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
