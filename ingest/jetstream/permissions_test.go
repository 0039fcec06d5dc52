package jetstream

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// client is one of NATS's own, without anything of ours.
func client(t *testing.T, s *Server, name string, more ...nats.Option) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), append(more, nats.UserInfo(name, "secret"),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// harm is what only an administrator may do to a stream that has messages.
func harm() map[string]func(context.Context, jetstream.JetStream) error {
	with := func(f func(context.Context, jetstream.Stream) error) func(context.Context, jetstream.JetStream) error {
		return func(ctx context.Context, js jetstream.JetStream) error {
			s, err := js.Stream(ctx, "EVENTS")
			if err != nil {
				return err
			}
			return f(ctx, s)
		}
	}
	return map[string]func(context.Context, jetstream.JetStream) error{
		"purge":  with(func(ctx context.Context, s jetstream.Stream) error { return s.Purge(ctx) }),
		"delete": with(func(ctx context.Context, s jetstream.Stream) error { return s.DeleteMsg(ctx, 1) }),
		"make":   func(ctx context.Context, js jetstream.JetStream) error { return makes(ctx, js, "OTHER", "other.>") },
		"change": func(ctx context.Context, js jetstream.JetStream) error {
			_, err := js.UpdateStream(ctx, jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"events.>"}, MaxMsgs: 1})
			return err
		},
		"remove": func(ctx context.Context, js jetstream.JetStream) error { return js.DeleteStream(ctx, "EVENTS") },
	}
}

func makes(ctx context.Context, js jetstream.JetStream, name, subject string) error {
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{subject}})
	return err
}

func within(t *testing.T, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return f(ctx)
}

func guarded(t *testing.T) (*Server, *Conn) {
	t.Helper()
	s := startServer(t, ServerOptions{Users: []User{
		{Name: "pub", Password: "secret", Subjects: []string{"events.>"}},
		{Name: "any", Password: "secret", Subjects: []string{">"}},
		{Name: "reader", Password: "secret", Role: RoleRead},
		{Name: "admin", Password: "secret", Role: RoleAdmin},
	}})
	own, err := Connect(t.Context(), s.Own(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Close() })
	events(t, own, StreamOptions{})
	publish(t, own, 3)
	return s, own
}

func held(t *testing.T, own *Conn) uint64 {
	t.Helper()
	js, err := own.js.Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	return js.CachedInfo().State.Msgs
}

func TestAPublisherPublishesAndNothingElse(t *testing.T) {
	s, own := guarded(t)
	for _, name := range []string{"pub", "any"} {
		nc, js := client(t, s, name)
		if ack, err := js.Publish(t.Context(), "events.a", []byte("{}")); err != nil || ack.Stream != "EVENTS" {
			t.Fatalf("%s: %+v, %v", name, ack, err)
		}
		had := held(t, own)
		for what, do := range harm() {
			if err := within(t, func(ctx context.Context) error { return do(ctx, js) }); err == nil {
				t.Errorf("%s may %s", name, what)
			}
		}
		for _, subject := range []string{"events.>", ownInbox + ".>", ">", "$JS.>"} {
			sub, err := nc.SubscribeSync(subject)
			if err != nil {
				t.Fatal(err)
			}
			if err := own.Publish(t.Context(), "events.a", "", []byte("secret")); err != nil {
				t.Fatal(err)
			}
			if m, err := sub.NextMsg(200 * time.Millisecond); err == nil {
				t.Errorf("%s gets %q on %s by subscribing to %s", name, m.Data, m.Subject, subject)
			}
		}
		if now := held(t, own); now != had+4 {
			t.Errorf("%s has left %d of %d messages", name, now, had+4)
		}
	}
	_, js := client(t, s, "pub")
	if err := within(t, func(ctx context.Context) error {
		_, err := js.Publish(ctx, "findings.a", []byte("{}"))
		return err
	}); err == nil {
		t.Error("a publisher publishes where it may not")
	}
}

// TestAReaderWithItsOwnInboxIsNotOverheard: publishers listen where answers to
// them arrive, and those of others too, unless these choose another place.
func TestAReaderWithItsOwnInboxIsNotOverheard(t *testing.T) {
	s, _ := guarded(t)
	publisher, _ := client(t, s, "pub")
	var heard [2]*nats.Subscription
	for i, subject := range []string{"_INBOX.>", "_READER.>"} {
		var err error
		if heard[i], err = publisher.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
	}
	if err := publisher.Flush(); err != nil {
		t.Fatal(err)
	}
	_, js := client(t, s, "reader", nats.CustomInboxPrefix("_READER"))
	c, err := js.CreateConsumer(t.Context(), "EVENTS", jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := c.Next(); err != nil || string(m.Data()) != "1" {
		t.Fatalf("%v, %v", m, err)
	}
	if err := publisher.Flush(); err != nil { // what the server sent before has arrived
		t.Fatal(err)
	}
	for _, sub := range heard {
		if m, err := sub.NextMsg(time.Millisecond); err == nil {
			t.Errorf("a publisher hears %q on %s", m.Data, m.Subject)
		}
	}
}

func TestAReaderReadsAndChangesNothing(t *testing.T) {
	s, own := guarded(t)
	_, js := client(t, s, "reader")
	c, err := js.CreateConsumer(t.Context(), "EVENTS", jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Next()
	if err != nil || string(m.Data()) != "1" {
		t.Fatalf("%v, %v", m, err)
	}
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Error(err)
	}
	for what, do := range harm() {
		if err := within(t, func(ctx context.Context) error { return do(ctx, js) }); err == nil {
			t.Errorf("a reader may %s", what)
		}
	}
	if err := within(t, func(ctx context.Context) error {
		_, err := js.Publish(ctx, "events.a", []byte("{}"))
		return err
	}); err == nil {
		t.Error("a reader publishes")
	}
	if n := held(t, own); n != 3 {
		t.Errorf("%d messages are left", n)
	}
}

// TestAConsumerDeliversToNoServer: its messages go where whoever makes it says,
// and must not be requests to the server.
func TestAConsumerDeliversToNoServer(t *testing.T) {
	s, own := guarded(t)
	if err := own.Publish(t.Context(), "events.a", "", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	nc, _ := client(t, s, "reader")
	old, err := nc.JetStream() // the newer interface makes no push consumers
	if err != nil {
		t.Fatal(err)
	}
	made, err := old.AddConsumer("EVENTS", &nats.ConsumerConfig{DeliverSubject: "$JS.API.STREAM.PURGE.EVENTS",
		AckPolicy: nats.AckNonePolicy}, nats.MaxWait(time.Second))
	if err != nil {
		return
	}
	delivered := func() bool {
		info, err := old.ConsumerInfo("EVENTS", made.Name)
		return err != nil || info.Delivered.Stream >= 4
	}
	for tick := time.Tick(20 * time.Millisecond); !delivered(); <-tick {
	}
	if n := held(t, own); n != 4 {
		t.Errorf("%d messages are left", n)
	}
}

func TestAnAdministratorMayDoEverything(t *testing.T) {
	s, _ := guarded(t)
	_, js := client(t, s, "admin")
	for _, what := range []string{"make", "delete", "change", "purge", "remove"} {
		if err := harm()[what](t.Context(), js); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
