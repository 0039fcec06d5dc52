package jetstream

import (
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// consumers are the names of those that a stream has.
func consumers(t *testing.T, c *Conn) (names []string) {
	t.Helper()
	js, err := c.js.Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	l := js.ConsumerNames(t.Context())
	for name := range l.Name() {
		names = append(names, name)
	}
	if l.Err() != nil {
		t.Fatal(l.Err())
	}
	slices.Sort(names)
	return names
}

// TestAConsumerHasItsSourcesName: of one reader at a time, also after another
// process with that name was killed, and it goes with its reader.
func TestAConsumerHasItsSourcesName(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := connect(t, s.ClientURL())
	events(t, c, StreamOptions{})
	publish(t, c, 10)
	const name = "lakeward-events-host-ABC"
	// What a killed process left, where this one begins and elsewhere.
	for _, from := range []uint64{1, 5} {
		js, err := c.js.Stream(t.Context(), "EVENTS")
		if err != nil {
			t.Fatal(err)
		}
		left, err := js.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Name: name, AckPolicy: jetstream.AckNonePolicy,
			Description:   "lakeward reads events.>",
			DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from, InactiveThreshold: forgottenIn,
			MemoryStorage: true, Replicas: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := left.Fetch(2); err != nil {
			t.Fatal(err)
		}
		stream := events(t, c, StreamOptions{Name: "EVENTS", Consumer: name})
		first, err := stream.Read(t.Context(), "events.>", 1)
		if err != nil {
			t.Fatal(err)
		}
		read(t, first, 1, 10)
		if got := consumers(t, c); !slices.Equal(got, []string{name}) {
			t.Errorf("consumers %v, want one of the name", got)
		}
		second, err := stream.Read(t.Context(), "events.>", 3)
		if err != nil {
			t.Fatal(err)
		}
		read(t, second, 3, 10)
		if got := consumers(t, c); len(got) != 2 || !slices.Contains(got, name) {
			t.Errorf("consumers of two readers: %v", got)
		}
		if err := second.Close(); err != nil {
			t.Error(err)
		}
		first.(*reader).drop() // the connection was lost
		publish(t, c, 12)
		read(t, first, 11, 12)
		if got := consumers(t, c); !slices.Equal(got, []string{name}) {
			t.Errorf("consumers after a lost connection: %v", got)
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		if got := consumers(t, c); len(got) > 0 {
			t.Errorf("consumers %v, want none: the reader is closed", got)
		}
		if err := c.js.DeleteStream(t.Context(), "EVENTS"); err != nil {
			t.Fatal(err)
		}
		events(t, c, StreamOptions{})
		publish(t, c, 10)
	}
}
