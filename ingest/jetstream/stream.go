package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lakeward/lakeward/ingest"
)

// StreamOptions say how a stream is set up and pruned.
type StreamOptions struct {
	Name string
	// Subjects of the stream if Create makes it. Those that it lacks are added.
	Subjects []string
	// Create makes the stream if it is absent. Without it nothing of the stream
	// is changed, and its absence is an error that says how to make it.
	Create bool
	// MaxBytes of the stream if it is created; 0: as the disk allows. Beyond it
	// publishing fails: a lake must not drop what nobody has read.
	MaxBytes int64
	// Prune removes committed messages, but for the last Keep. Only for a stream
	// that nobody else reads.
	Prune bool
	Keep  int64
	// Duplicates is the window within which the stream drops a message id that
	// it has seen, if Create makes or changes it; 0: NATS's default of two
	// minutes, or as it is. The server remembers these ids in memory, however
	// many there are.
	Duplicates time.Duration
	// Consumer is how the server calls the consumer of the first reader that is
	// open, for those who look at NATS: it should name the source and who reads.
	// Nothing rests on it. Empty, or taken: a name of the server's own.
	Consumer string
	// ReadAhead bounds a reader's messages that Next has not returned, and those
	// of the chunks that its caller works on, in bytes; 0: 36 MiB. Two messages
	// of the largest size are read ahead in any case.
	ReadAhead int64
}

// Stream is a JetStream stream as a source of events. Safe for concurrent use.
type Stream struct {
	conn   *Conn
	o      StreamOptions
	floors *floors
	named  atomic.Bool // a reader has Consumer
}

var _ ingest.Stream = (*Stream)(nil)

// floors are how far each filter of a stream is committed: with several
// sources, the slowest decides what may be pruned.
type floors struct {
	mu    sync.Mutex
	byKey map[string]floor
}

type floor struct {
	created time.Time // of the stream that it is of
	seq     uint64
}

// Stream opens a stream, and creates it if that is asked for. filter is what
// the caller will read; nothing is pruned before all filters that were opened
// on the stream have released it.
func (c *Conn) Stream(ctx context.Context, filter string, o StreamOptions) (*Stream, error) {
	js, err := c.js.Stream(ctx, o.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		js, err = c.create(ctx, o)
	}
	if err == nil && o.Create {
		js, err = c.adapt(ctx, js, o)
	}
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", o.Name, err)
	}
	if r := js.CachedInfo().Config.Retention; r != jetstream.LimitsPolicy {
		return nil, fmt.Errorf("stream %s has %s retention, which drops messages by what others acknowledge: "+
			"make a stream of limits retention that sources it, and read that", o.Name, r)
	}
	s := &Stream{conn: c, o: o, floors: c.floorsOf(o.Name)}
	s.floors.mu.Lock()
	defer s.floors.mu.Unlock()
	if _, ok := s.floors.byKey[filter]; !ok {
		s.floors.byKey[filter] = floor{}
	}
	return s, nil
}

func (c *Conn) floorsOf(stream string) *floors {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.floors[stream]
	if !ok {
		f = &floors{byKey: map[string]floor{}}
		c.floors[stream] = f
	}
	return f
}

func (c *Conn) create(ctx context.Context, o StreamOptions) (jetstream.Stream, error) {
	if !o.Create || len(o.Subjects) == 0 {
		return nil, fmt.Errorf("it does not exist; make it with: nats stream add %s --subjects '%s' --storage file "+
			"--retention limits --discard new --defaults",
			o.Name, strings.Join(o.Subjects, ","))
	}
	limit := o.MaxBytes
	if limit <= 0 {
		limit = -1
	}
	s, err := c.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: o.Name, Description: "events on their way to the lake", Subjects: widest(o.Subjects),
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, Storage: jetstream.FileStorage,
		MaxBytes: limit, MaxMsgSize: -1, MaxMsgs: -1, AllowDirect: true, Duplicates: o.Duplicates,
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return c.js.Stream(ctx, o.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("create it: %w", err)
	}
	return s, nil
}

// adapt gives a stream of our own the subjects that a new source reads, and the
// window of duplicates that there is memory for.
func (c *Conn) adapt(ctx context.Context, js jetstream.Stream, o StreamOptions) (jetstream.Stream, error) {
	cfg := js.CachedInfo().Config
	want := widest(append(slices.Clone(cfg.Subjects), o.Subjects...))
	if slices.Equal(want, widest(cfg.Subjects)) && (o.Duplicates == 0 || o.Duplicates == cfg.Duplicates) {
		return js, nil
	}
	cfg.Subjects = want
	if o.Duplicates > 0 {
		cfg.Duplicates = o.Duplicates
	}
	js, err := c.js.UpdateStream(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("change its subjects and window of duplicates: %w", err)
	}
	return js, nil
}

// widest leaves out subjects that another one covers: a stream refuses those.
func widest(subjects []string) []string {
	var out []string
	for i, s := range subjects {
		covered := slices.Contains(subjects[:i], s)
		for _, o := range subjects {
			covered = covered || (o != s && covers(o, s))
		}
		if !covered {
			out = append(out, s)
		}
	}
	return out
}

// Info describes the stream at this moment.
func (s *Stream) Info(ctx context.Context, filter string) (ingest.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	js, err := s.conn.js.Stream(ctx, s.o.Name)
	if err != nil {
		return ingest.StreamInfo{}, fmt.Errorf("look up stream %s: %w", s.o.Name, err)
	}
	in := js.CachedInfo()
	out := ingest.StreamInfo{Name: s.o.Name, Created: in.Created.UTC(), First: in.State.FirstSeq, Last: in.State.LastSeq}
	if in.State.Msgs == 0 {
		out.First = in.State.LastSeq + 1
	}
	out.Covered = coversAll(filter, in.Config.Subjects)
	out.Pruned = s.o.Prune && in.Config.Discard == jetstream.DiscardNew && in.Config.MaxAge == 0 &&
		in.Config.MaxMsgsPerSubject <= 0
	if out.Covered {
		out.Matched = out.Last
		return out, nil
	}
	m, err := js.GetLastMsgForSubject(ctx, filter)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("look up last message of %s in stream %s: %w", filter, s.o.Name, err)
	}
	out.Matched = m.Sequence
	return out, nil
}

// Published is when the stream got the message at seq; ok is false if it does
// not hold it.
func (s *Stream) Published(ctx context.Context, seq uint64) (at time.Time, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	js, err := s.conn.js.Stream(ctx, s.o.Name)
	if err != nil {
		return at, false, fmt.Errorf("look up stream %s: %w", s.o.Name, err)
	}
	m, err := js.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return at, false, nil
	}
	if err != nil {
		return at, false, fmt.Errorf("look up message %d of stream %s: %w", seq, s.o.Name, err)
	}
	return m.Time.UTC(), true, nil
}

// Since is the first sequence of filter that the stream got at that time or
// later; Last+1 if there is none. A consumer that nobody reads finds it.
func (s *Stream) Since(ctx context.Context, filter string, at time.Time) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	at = at.UTC()
	c, err := s.conn.js.CreateConsumer(ctx, s.o.Name, jetstream.ConsumerConfig{
		Description: "lakeward looks for " + at.Format(time.RFC3339), FilterSubject: filter,
		DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &at,
		AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: forgottenIn, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return 0, fmt.Errorf("look for %s in stream %s: %w", at.Format(time.RFC3339), s.o.Name, err)
	}
	info := c.CachedInfo()
	_ = s.conn.js.DeleteConsumer(ctx, s.o.Name, info.Name) // a courtesy: it is soon forgotten anyway
	return info.Delivered.Stream + 1, nil
}

// Release notes that filter is committed up to seq, and prunes up to the
// slowest filter of the stream if a filter covers the stream's subjects.
func (s *Stream) Release(ctx context.Context, filter string, created time.Time, seq uint64) error {
	if !s.o.Prune {
		return nil
	}
	s.floors.mu.Lock()
	s.floors.byKey[filter] = floor{created, seq}
	least := seq
	var filters []string
	for f, at := range s.floors.byKey {
		if !at.created.Equal(created) {
			at.seq = 0
		}
		least = min(least, at.seq)
		filters = append(filters, f)
	}
	s.floors.mu.Unlock()
	if least <= uint64(s.o.Keep) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	js, err := s.conn.js.Stream(ctx, s.o.Name)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", s.o.Name, err)
	}
	in := js.CachedInfo()
	if !in.Created.Equal(created) || in.State.LastSeq < seq {
		return nil // another stream: its sequences are other messages
	}
	upTo := least - uint64(s.o.Keep) // first that stays is upTo+1
	if in.State.FirstSeq > upTo || !anyCovers(filters, in.Config.Subjects) {
		return nil
	}
	if !s.conn.pruning.TryRLock() {
		return nil // a copy is made of the stream; what is committed next prunes this too
	}
	defer s.conn.pruning.RUnlock()
	if err := js.Purge(ctx, jetstream.WithPurgeSequence(upTo+1)); err != nil {
		return fmt.Errorf("prune stream %s up to %d: %w", s.o.Name, upTo, err)
	}
	return nil
}

func anyCovers(filters, subjects []string) bool {
	for _, f := range filters {
		if coversAll(f, subjects) {
			return true
		}
	}
	return false
}

// coversAll reports whether filter matches whatever the subjects match.
func coversAll(filter string, subjects []string) bool {
	for _, s := range subjects {
		if !covers(filter, s) {
			return false
		}
	}
	return len(subjects) > 0
}

func covers(filter, subject string) bool {
	f, s := strings.Split(filter, "."), strings.Split(subject, ".")
	for i, t := range f {
		switch {
		case t == ">":
			return len(s) > i
		case i >= len(s) || s[i] == ">":
			return false
		case t == "*":
		case t != s[i]:
			return false
		}
	}
	return len(f) == len(s)
}

// redact takes credentials out of addresses.
func redact(urls string) string {
	parts := strings.Split(urls, ",")
	for i, p := range parts {
		if u, err := url.Parse(strings.TrimSpace(p)); err == nil {
			parts[i] = u.Redacted()
		}
	}
	return strings.Join(parts, ",")
}
