package worker

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// window is how many bytes of rows a side may send before the other has consumed
// some of them. It keeps a slow reader from filling the socket, so that a request
// to cancel is read at once.
const window = 8 << 20

const (
	flushAt    = 256 << 10 // bytes of rows that go together
	flushAfter = 50 * time.Millisecond
)

// channel is one end of a connection between the daemon and a worker. A goroutine
// reads it continuously; next returns what it has read.
type channel struct {
	conn net.Conn

	wmu     sync.Mutex
	w       *bufio.Writer
	flushed time.Time

	mu     sync.Mutex
	cond   *sync.Cond
	queue  []frame
	held   int    // bytes of rows in queue
	other  int    // frames in queue that are no rows
	unsure int    // bytes of rows that were sent and not consumed
	owed   uint64 // bytes of rows that were sent and for which no credit came, ever
	err    error  // why nothing more comes
	note   func(frame)
	notes  int
	born   time.Time
	most   bounds
	ended  chan struct{}
}

// bounds limit what a side accepts from the other. The daemon treats a worker as
// an untrusted program: SQL that the worker evaluated may have taken it over.
type bounds struct {
	rows    int // bytes of a frame of rows
	said    int // bytes of another frame
	waiting int // other frames that nobody has asked for yet
	notes   int // that cannot wait for next, at once, and then one each noteEvery; 0: any number
}

// ofDaemon returns the bounds of a worker for the daemon's frames: views may be long.
func ofDaemon() bounds { return bounds{rows: mostFrame, said: mostFrame, waiting: 1 << 16} }

// ofWorker returns the bounds of the daemon for a worker's frames.
func ofWorker() bounds { return bounds{rows: mostFrame, said: mostSaid, waiting: 16, notes: 1000} }

const noteEvery = 50 * time.Millisecond

// newChannel owns conn. note is told of what cannot wait for next: of progress,
// of cancelling, and of what ends a request. It must not wait, or use the channel
// about the latter.
func newChannel(conn net.Conn, most bounds, note func(frame)) *channel {
	c := &channel{conn: conn, w: bufio.NewWriterSize(conn, 64<<10), most: most, note: note, born: time.Now(),
		ended: make(chan struct{})}
	c.cond = sync.NewCond(&c.mu)
	return c
}

// start begins to read. close waits for that to end.
func (c *channel) start() { go c.read() }

func (c *channel) read() {
	defer close(c.ended)
	r := bufio.NewReaderSize(c.conn, 64<<10)
	for {
		f, err := readFrame(r, c.mostOf)
		if err == nil {
			err = c.take(f)
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// mostOf returns the greatest length of a frame, in bytes.
func (c *channel) mostOf(k kind) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k == kindRows {
		return c.most.rows
	}
	return c.most.said
}

// bound bounds the frames of rows that are still to come.
func (c *channel) bound(rows int) {
	c.mu.Lock()
	c.most.rows = min(c.most.rows, rows)
	c.mu.Unlock()
}

// credit takes note of rows that were consumed.
func (c *channel) credit(data []byte) error {
	n, k := binary.Uvarint(data)
	c.mu.Lock()
	defer c.mu.Unlock()
	if k <= 0 || n == 0 || n > c.owed {
		return fmt.Errorf("%w: credit", errFrame)
	}
	c.owed -= n
	c.unsure = max(0, c.unsure-int(n))
	c.cond.Broadcast()
	return nil
}

// take sorts a frame that has come.
func (c *channel) take(f frame) error {
	switch f.kind {
	case kindCredit:
		return c.credit(f.data)
	case kindCancel, kindProgress:
		if c.notes++; c.most.notes > 0 && c.notes > c.most.notes+int(time.Since(c.born)/noteEvery) {
			return fmt.Errorf("%w: more of kind %d than there is time for", errFrame, f.kind)
		}
		c.note(f)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.kind == kindRows {
		if c.held > window {
			return fmt.Errorf("%w: more rows than were asked for", errFrame)
		}
		c.held += len(f.data)
	} else if c.other++; c.other > c.most.waiting {
		return fmt.Errorf("%w: too many", errFrame)
	}
	if f.kind == kindReply || f.kind == kindEnd {
		c.note(f)
	}
	c.queue = append(c.queue, f)
	c.cond.Broadcast()
	return nil
}

// fail ends the channel for everyone who waits.
func (c *channel) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.cond.Broadcast()
	c.mu.Unlock()
	_ = c.conn.Close() // nothing more comes or goes
}

// next returns the next frame, and after the last one the error that ended the channel.
func (c *channel) next() (frame, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 {
		if c.err != nil {
			return frame{}, c.err
		}
		c.cond.Wait()
	}
	f := c.queue[0]
	c.queue[0] = frame{}
	c.queue = c.queue[1:]
	if len(c.queue) == 0 {
		c.queue = nil
	}
	if f.kind == kindRows {
		c.held -= len(f.data)
	} else {
		c.other--
	}
	return f, nil
}

// silent returns an error if a frame is waiting that was not asked for.
func (c *channel) silent() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) > 0 {
		return fmt.Errorf("%w: kind %d before anything was asked", errFrame, c.queue[0].kind)
	}
	return nil
}

// room waits until rows may be sent, and counts them as sent. It is an error if
// done has been closed, or the channel has ended.
func (c *channel) room(n int, done func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.unsure > 0 && c.unsure+n > window {
		if c.err != nil {
			return c.err
		}
		if err := done(); err != nil {
			return err
		}
		c.cond.Wait()
	}
	c.unsure += n
	c.owed += uint64(n)
	return nil
}

// wake lets whoever waits look again at what it waits for.
func (c *channel) wake() {
	c.mu.Lock()
	c.cond.Broadcast()
	c.mu.Unlock()
}

// fresh forgets what is on its way, between two streams of rows.
func (c *channel) fresh() {
	c.mu.Lock()
	c.unsure = 0
	c.mu.Unlock()
}

// send writes a frame. Rows may stay in the buffer for a moment.
func (c *channel) send(k kind, data []byte) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	var head [frameHead]byte
	putHead(head[:], k, len(data))
	if _, err := c.w.Write(head[:]); err != nil {
		return c.unsent(err)
	}
	if _, err := c.w.Write(data); err != nil {
		return c.unsent(err)
	}
	if k == kindRows && c.w.Buffered() < flushAt && time.Since(c.flushed) < flushAfter {
		return nil
	}
	c.flushed = time.Now()
	return c.unsent(c.w.Flush())
}

// unsent prefers why the other side has ended.
func (c *channel) unsent(err error) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return err
}

func (c *channel) sendJSON(k kind, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode a frame: %w", err)
	}
	return c.send(k, data)
}

func (c *channel) sendNumber(k kind, n uint64) error {
	return c.send(k, binary.AppendUvarint(nil, n))
}

// close ends the channel and waits for its goroutine.
func (c *channel) close() {
	c.fail(net.ErrClosed)
	<-c.ended
}

// over reports whether err means that the channel has ended.
func over(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, new(*net.OpError))
}

func decode(f frame, v any) error {
	if err := json.Unmarshal(f.data, v); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	return nil
}
