package ingest_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/parquet-go/parquet-go"

	"github.com/lakeward/lakeward/ingest"
)

// tenants publishes events of several tenants, among them some that are too
// large: single ones, and one in the middle of a message of five.
func (r *rig) tenants(n int) {
	r.Helper()
	large := fmt.Sprintf(`,"text":"%0200d"`, 0)
	for i := range n {
		text := ""
		if i%3 == 0 {
			text = large
		}
		data := fmt.Appendf(nil, `{"n":%d%s}`, i, text)
		if i%7 == 0 {
			data = nil
			for part := range 5 {
				text = ""
				if part > 1 {
					text = large
				}
				data = fmt.Appendf(data, "{\"n\":%d%s}\n", i, text)
			}
		}
		m := &nats.Msg{Subject: "events.a", Data: data,
			Header: nats.Header{"tenant": {fmt.Sprint("t", i%4)}, "X-Other": {"x"}}}
		if i%5 == 0 {
			m.Header = nil
		}
		_, err := r.js.PublishMsg(r.Context(), m)
		r.must(err)
	}
}

// headersOf are the values of lake.a's n with the tenant of each.
func (r *rig) headersOf() (out []string) {
	r.Helper()
	t, err := r.lake.Open(r.Context(), "a")
	r.must(err)
	files, err := t.Files(r.Context(), 0, time.Time{}, time.Time{})
	r.must(err)
	for _, f := range files {
		path, err := url.Parse(f.Path)
		r.must(err)
		rows, err := parquet.ReadFile[struct {
			N       int64  `parquet:"n"`
			Subject string `parquet:"subject"`
			Headers struct {
				Tenant string `parquet:"tenant"`
			} `parquet:"headers"`
		}](path.Path)
		r.must(err)
		for _, row := range rows {
			out = append(out, fmt.Sprint([]string{fmt.Sprint(row.N), row.Headers.Tenant, row.Subject}))
		}
	}
	slices.Sort(out)
	return out
}

func TestHeadersAreColumnsAlsoAfterReplay(t *testing.T) {
	r := newRig(t)
	o := ingest.Options{Name: "events", Filter: "events.>", Stream: r.stream, Lake: r.lake,
		Metadata: []string{"subject", "headers.tenant"},
		Flush:    ingest.Flush{Age: 50 * time.Millisecond}, Grace: 5 * time.Second, Limits: ingest.Limits{MaxEventBytes: 150}}
	const messages = 60
	r.tenants(messages)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	r.source = ingest.New(o)
	go func() { done <- r.source.Run(ctx) }()
	r.committed(messages)
	stop()
	r.must(<-done)
	before := len(r.headersOf())
	o.Limits.MaxEventBytes = 0
	r.source = ingest.New(o)
	rep, err := r.source.Replay(t.Context(), ingest.ReplayRequest{Stream: "EVENTS", By: "ada"})
	r.must(err)
	var want []string
	for i := range messages {
		tenant := fmt.Sprint("t", i%4)
		if i%5 == 0 {
			tenant = ""
		}
		count := 1
		if i%7 == 0 {
			count = 5
		}
		for range count {
			want = append(want, fmt.Sprint([]string{fmt.Sprint(i), tenant, "events.a"}))
		}
	}
	slices.Sort(want)
	if got := r.headersOf(); !slices.Equal(got, want) || before+rep.Replayed != len(want) || rep.Replayed < 20 {
		t.Errorf("%d before, %d replayed:\n%v\nwant\n%v", before, rep.Replayed, got, want)
	}
	r.verify()
}
