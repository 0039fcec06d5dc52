package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// FindingsStream keeps what pipelines publish, on a server of our own.
const (
	FindingsStream   = "FINDINGS"
	findingsSubjects = "findings.>"
	findingsKept     = 30 * 24 * time.Hour
)

// KeepFindings makes the stream that keeps findings for consumers that are not
// there yet, if it is absent: 30 days, the oldest dropped first.
func (c *Conn) KeepFindings(ctx context.Context) error {
	_, err := c.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: FindingsStream, Description: "what pipelines found", Subjects: []string{findingsSubjects},
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld, Storage: jetstream.FileStorage,
		MaxAge: findingsKept,
	})
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return fmt.Errorf("create stream %s: %w", FindingsStream, err)
	}
	return nil
}

// Findings publishes what pipelines found: into the stream that has the
// subject or, if none has, to whoever is listening.
type Findings struct{ *Conn }

// Publish implements pipeline.Publisher.
func (f Findings) Publish(ctx context.Context, subject, msgID string, data []byte) error {
	err := f.Conn.Publish(ctx, subject, msgID, data)
	if !errors.Is(err, jetstream.ErrNoStreamResponse) && !errors.Is(err, nats.ErrNoResponders) {
		return err
	}
	m := &nats.Msg{Subject: subject, Data: data, Header: nats.Header{jetstream.MsgIDHeader: {msgID}}}
	if err := f.nc.PublishMsg(m); err != nil {
		return publishError(subject, err)
	}
	if err := f.nc.FlushWithContext(ctx); err != nil {
		return publishError(subject, err)
	}
	return nil
}
