package jetstream

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestACopyOfAStreamIsTheSameStream: marks of the lake hold for the stream that a
// copy was restored to, and copies are made while messages arrive.
func TestACopyOfAStreamIsTheSameStream(t *testing.T) {
	c := connect(t, startServer(t, ServerOptions{}).ClientURL())
	s := events(t, c, StreamOptions{})
	publish(t, c, 5000)
	js, err := c.js.Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteMsg(t.Context(), 17); err != nil {
		t.Fatal(err)
	}
	was, err := s.Info(t.Context(), "events.>")
	if err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	desc, err := c.Snapshot(t.Context(), "EVENTS", &data)
	if err != nil {
		t.Fatal(err)
	}
	other := startServer(t, ServerOptions{})
	for range 2 { // the second time, all is done
		if err := other.Restore(t.Context(), desc, bytes.NewReader(data.Bytes())); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	to := connect(t, other.ClientURL())
	now, err := events(t, to, StreamOptions{}).Info(t.Context(), "events.>")
	if err != nil || now != was {
		t.Errorf("%+v, and it was %+v, %v", now, was, err)
	}
	r, err := to.js.Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := r.GetMsg(t.Context(), 4711); err != nil || string(m.Data) != "4711" {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := r.GetMsg(t.Context(), 17); err == nil {
		t.Error("what was deleted is there again")
	}
	if err := to.Publish(t.Context(), "events.a", "", []byte("more")); err != nil {
		t.Fatal(err)
	}
	desc.Created = desc.Created.Add(-time.Hour)
	if err := other.Restore(t.Context(), desc, bytes.NewReader(data.Bytes())); err == nil ||
		!strings.Contains(err.Error(), "another stream") {
		t.Errorf("over a stream that is there: %v", err)
	}
	if _, err := c.Snapshot(t.Context(), "NONE", &data); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("of no stream: %v", err)
	}
}

func TestADamagedCopyOfAStreamIsRefused(t *testing.T) {
	c := connect(t, startServer(t, ServerOptions{}).ClientURL())
	events(t, c, StreamOptions{})
	publish(t, c, 5000)
	var data bytes.Buffer
	desc, err := c.Snapshot(t.Context(), "EVENTS", &data)
	if err != nil {
		t.Fatal(err)
	}
	if err := startServer(t, ServerOptions{}).Restore(t.Context(), desc,
		bytes.NewReader(data.Bytes()[:data.Len()/2])); err == nil {
		t.Error("half of a copy was restored")
	}
}

// TestARestoreOfAStreamIsCarriedOn: it was cut short before the time was set.
func TestARestoreOfAStreamIsCarriedOn(t *testing.T) {
	c := connect(t, startServer(t, ServerOptions{}).ClientURL())
	events(t, c, StreamOptions{})
	publish(t, c, 100)
	var data bytes.Buffer
	desc, err := c.Snapshot(t.Context(), "EVENTS", &data)
	if err != nil {
		t.Fatal(err)
	}
	other := startServer(t, ServerOptions{})
	to := connect(t, other.ClientURL())
	if err := to.restore(t.Context(), desc, bytes.NewReader(data.Bytes())); err != nil {
		t.Fatal(err)
	}
	if at, err := to.createdAt(t.Context(), "EVENTS"); err != nil || at.Equal(desc.Created) {
		t.Fatalf("the server keeps the time by itself now: %v, %v", at, err)
	}
	if err := other.Restore(t.Context(), desc, bytes.NewReader(data.Bytes())); err != nil {
		t.Fatal(err)
	}
	if at, err := connect(t, other.ClientURL()).createdAt(t.Context(), "EVENTS"); err != nil || !at.Equal(desc.Created) {
		t.Errorf("%v, %v", at, err)
	}
}
