package serve_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/serve"
)

// held is a backend whose queries wait until they are let go, or ended.
type held struct {
	engine
	began, let chan struct{}
}

func (h held) Query(ctx context.Context, q serve.Query) (array.RecordReader, error) {
	h.began <- struct{}{}
	select {
	case <-h.let:
		return h.engine.Query(ctx, q)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// reply is an answer's status and text.
type reply struct {
	status int
	text   string
	header http.Header
}

// post asks in the background.
func post(t *testing.T, x *secured) <-chan reply {
	out := make(chan reply, 1)
	go func() {
		r, err := query1(t.Context(), x)
		if err != nil {
			t.Error(err)
		}
		out <- r
	}()
	return out
}

func query1(ctx context.Context, x *secured) (r reply, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.URL()+"/api/v1/query",
		strings.NewReader(`{"sql":"SELECT 1"}`))
	if err != nil {
		return r, err
	}
	req.Header.Set("Content-Type", "application/json")
	bearer(readToken)(req)
	resp, err := x.http.Do(req)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, string(text), resp.Header}, err
}

func TestFewQueriesRunFewWaitAndTheRestIsToldToComeAgain(t *testing.T) {
	h := held{began: make(chan struct{}), let: make(chan struct{})}
	x := start(t, func(o *serve.Options) {
		h.engine = o.Backend.(engine)
		o.Backend, o.MaxRunning, o.MaxWaiting = h, 1, 0
	})
	first := post(t, x)
	<-h.began
	r := <-post(t, x)
	if r.status != http.StatusServiceUnavailable || !strings.Contains(r.text, "query.max_running") ||
		r.header.Get("Retry-After") == "" {
		t.Errorf("the second: %d %s", r.status, r.text)
	}
	close(h.let)
	if r := <-first; r.status != 200 {
		t.Errorf("the first: %d %s", r.status, r.text)
	}
	if _, text := x.ask(t, "GET", "/metrics", "", bearer(readToken)); !strings.Contains(text,
		`lakeward_queries_refused_total{limit="busy"} 1`) {
		t.Error("it is not counted")
	}
}

func TestAQueryThatWaitsRunsWhenAnotherEnds(t *testing.T) {
	h := held{began: make(chan struct{}), let: make(chan struct{})}
	x := start(t, func(o *serve.Options) {
		h.engine = o.Backend.(engine)
		o.Backend, o.MaxRunning, o.MaxWaiting = h, 1, 1
	})
	first := post(t, x)
	<-h.began
	second := post(t, x)
	h.let <- struct{}{}
	<-h.began
	h.let <- struct{}{}
	for _, c := range []<-chan reply{first, second} {
		if r := <-c; r.status != 200 {
			t.Errorf("%d %s", r.status, r.text)
		}
	}
}

func TestADaemonThatStopsEndsItsQueriesAndTakesNoMore(t *testing.T) {
	h := held{began: make(chan struct{}), let: make(chan struct{})}
	x := start(t, func(o *serve.Options) {
		h.engine = o.Backend.(engine)
		o.Backend = h
	})
	running := post(t, x)
	<-h.began
	ctx, cancel := context.WithCancelCause(t.Context())
	x.Drain(ctx)
	if r := <-post(t, x); r.status != http.StatusServiceUnavailable || !strings.Contains(r.text, "stops") {
		t.Errorf("a new one: %d %s", r.status, r.text)
	}
	if status, _ := x.ask(t, "GET", "/api/v1/status", "", bearer(readToken)); status != 200 {
		t.Errorf("its status: %d", status)
	}
	cancel(errors.New("the time is over"))
	if r := <-running; r.status != http.StatusServiceUnavailable || !strings.Contains(r.text, "stops") {
		t.Errorf("the one that ran: %d %s", r.status, r.text)
	}
}
