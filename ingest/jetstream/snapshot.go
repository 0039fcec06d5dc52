package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/minio/highwayhash"
	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// StreamCopy describes the copy of a stream that Snapshot has made.
type StreamCopy struct {
	Name    string          `json:"name"`
	Created time.Time       `json:"created"`
	Config  json.RawMessage `json:"config"`
	State   json.RawMessage `json:"state"`
}

// Range is the first and the last sequence that the copy holds.
func (s StreamCopy) Range() (first, last uint64, err error) {
	var state jetstream.StreamState
	if err := json.Unmarshal(s.State, &state); err != nil {
		return 0, 0, fmt.Errorf("read the state of the copy of stream %s: %w", s.Name, err)
	}
	return state.FirstSeq, state.LastSeq, nil
}

// ErrNoStream is wrapped by errors about a stream that the server does not have.
var ErrNoStream = jetstream.ErrStreamNotFound

// The server's interface for copies of streams; nats.go has none.
const (
	apiSnapshot   = "$JS.API.STREAM.SNAPSHOT."
	apiRestore    = "$JS.API.STREAM.RESTORE."
	chunkBytes    = 256 << 10
	chunkWithin   = time.Minute
	restoreWithin = 10 * time.Minute // of the server's own reading, after the last chunk
)

type apiError struct {
	Error *struct {
		Code        int    `json:"code"`
		Description string `json:"description"`
	} `json:"error"`
}

func (e apiError) err() error {
	if e.Error == nil {
		return nil
	}
	return fmt.Errorf("the server answers %d: %s", e.Error.Code, e.Error.Description)
}

// ask sends a request to the server and decodes its answer.
func (c *Conn) ask(ctx context.Context, subject string, request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	b, err := json.Marshal(request)
	if err != nil {
		return err
	}
	m, err := c.nc.RequestWithContext(ctx, subject, b)
	if err != nil {
		return err
	}
	return decodeAnswer(m.Data, answer)
}

func decodeAnswer(data []byte, answer any) error {
	var failed apiError
	if err := json.Unmarshal(data, &failed); err != nil {
		return fmt.Errorf("decode the server's answer: %w", err)
	}
	if err := failed.err(); err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(data, answer)
}

// Snapshot writes a copy of a stream, as it is at one moment, to w. The stream
// is used meanwhile.
func (c *Conn) Snapshot(ctx context.Context, stream string, w io.Writer) (StreamCopy, error) {
	out := StreamCopy{Name: stream}
	err := c.snapshot(ctx, stream, w, &out)
	if err != nil {
		return out, fmt.Errorf("copy stream %s: %w", stream, err)
	}
	return out, nil
}

func (c *Conn) snapshot(ctx context.Context, stream string, w io.Writer, out *StreamCopy) (err error) {
	if out.Created, err = c.createdAt(ctx, stream); err != nil {
		return err
	}
	inbox := c.nc.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection has ended then
	err = c.ask(ctx, apiSnapshot+stream, map[string]any{"deliver_subject": inbox, "no_consumers": true,
		"chunk_size": chunkBytes}, out)
	if err != nil {
		return err
	}
	for {
		m, err := nextChunk(ctx, sub)
		if err != nil {
			return err
		}
		if len(m.Data) == 0 {
			if s := m.Header.Get("Status"); s != "" && s != "204" {
				return fmt.Errorf("the server gave up: %s %s", s, m.Header.Get("Description"))
			}
			return nil
		}
		if _, err := w.Write(m.Data); err != nil {
			return err
		}
		if m.Reply == "" {
			continue
		}
		if err := m.Respond(nil); err != nil {
			return err
		}
	}
}

func nextChunk(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, chunkWithin)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}

func (c *Conn) createdAt(ctx context.Context, stream string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	js, err := c.js.Stream(ctx, stream)
	if err != nil {
		return time.Time{}, err
	}
	return js.CachedInfo().Created.UTC(), nil
}

func (c *Conn) restore(ctx context.Context, s StreamCopy, r io.Reader) error {
	var to struct {
		Subject string `json:"deliver_subject"`
	}
	if err := c.ask(ctx, apiRestore+s.Name, map[string]any{"config": s.Config, "state": s.State}, &to); err != nil {
		return err
	}
	chunk := make([]byte, chunkBytes)
	for {
		n, err := io.ReadFull(r, chunk)
		if n > 0 {
			if err := c.sendChunk(ctx, to.Subject, chunk[:n], chunkWithin); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return c.sendChunk(ctx, to.Subject, nil, restoreWithin)
		}
		if err != nil {
			return err
		}
	}
}

// sendChunk sends a part and waits until the server has taken it. It answers
// nothing unless it has failed, or that was the end.
func (c *Conn) sendChunk(ctx context.Context, subject string, data []byte, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	m, err := c.nc.RequestWithContext(ctx, subject, data)
	if err != nil || len(m.Data) == 0 {
		return err
	}
	return decodeAnswer(m.Data, nil)
}

// HoldPruning keeps streams from being pruned until the function that it
// returns is called: what is committed in the meantime is pruned later.
func (c *Conn) HoldPruning() (release func()) {
	c.pruning.Lock()
	return c.pruning.Unlock
}

// Restore makes a stream of a copy, with its messages under their sequences and
// the time when it was created: marks of a lake that hold for the one hold for
// the other. A stream of the name that was created at another time is an error,
// and one that was restored before is left as it is. The server is started again
// for it.
func (s *Server) Restore(ctx context.Context, is StreamCopy, r io.Reader) error {
	if err := s.restore(ctx, is, r); err != nil {
		return fmt.Errorf("restore stream %s: %w", is.Name, err)
	}
	return nil
}

func (s *Server) restore(ctx context.Context, is StreamCopy, r io.Reader) (err error) {
	c, err := Connect(ctx, s.Own(), s.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	created, err := c.createdAt(ctx, is.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		if err := c.restore(ctx, is, r); err != nil {
			return err
		}
	case err != nil:
		return err
	case created.Equal(is.Created):
		return nil
	default: // unless a restore was cut short here, it is not this stream
		if same, err := c.holds(ctx, is); err != nil || !same {
			return errors.Join(errors.New("the server has another stream of this name: give it another nats.embedded.store_dir"),
				err)
		}
	}
	if err := s.recreated(ctx, is.Name, is.Created); err != nil {
		return err
	}
	if created, err = c.createdAt(ctx, is.Name); err == nil && !created.Equal(is.Created) {
		err = fmt.Errorf("it was created at %s, and its copy says %s", created, is.Created)
	}
	return err
}

// holds reports whether the server's stream holds what the copy does.
func (c *Conn) holds(ctx context.Context, is StreamCopy) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	js, err := c.js.Stream(ctx, is.Name)
	if err != nil {
		return false, err
	}
	var want jetstream.StreamState
	if err := json.Unmarshal(is.State, &want); err != nil {
		return false, err
	}
	has := js.CachedInfo().State
	return has.FirstSeq == want.FirstSeq && has.LastSeq == want.LastSeq && has.Msgs == want.Msgs, nil
}

// recreated gives a stream the time when it was created. The server's interface
// has no way to: it takes a restored stream for a new one.
func (s *Server) recreated(ctx context.Context, stream string, at time.Time) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.shutdown()
	found, err := filepath.Glob(filepath.Join(s.opts.StoreDir, "jetstream", "*", "streams", stream,
		natsd.JetStreamMetaFile))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("its metadata is in %d places below %s", len(found), s.opts.StoreDir)
	}
	if err == nil {
		err = setCreated(found[0], stream, at)
	}
	return errors.Join(err, s.start(ctx))
}

// setCreated changes the metadata of a stream that no server has open, and the
// checksum beside it.
func setCreated(path, stream string, at time.Time) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	doc := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if doc["created"], err = json.Marshal(at); err != nil {
		return err
	}
	if b, err = json.Marshal(doc); err != nil {
		return err
	}
	key := sha256.Sum256([]byte(stream))
	h, err := highwayhash.New64(key[:])
	if err != nil {
		return err
	}
	_, _ = h.Write(b) // never fails
	sum := filepath.Join(filepath.Dir(path), natsd.JetStreamMetaFileSum)
	return errors.Join(os.WriteFile(path, b, 0o640), os.WriteFile(sum, []byte(hex.EncodeToString(h.Sum(nil))), 0o640))
}
