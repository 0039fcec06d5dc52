package serve_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/serve"
)

func entries(t *testing.T, path string) []serve.Entry {
	t.Helper()
	data, err := os.ReadFile(path)
	check(t, err)
	var out []serve.Entry
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		var e serve.Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Logf("no entry: %q", lines.Text())
			continue
		}
		out = append(out, e)
	}
	return out
}

func TestQueriesAndChangesAreRecorded(t *testing.T) {
	x := start(t, nil)
	x.ask(t, "POST", "/api/v1/query", `{"sql":"SELECT * FROM range(1000)"}`, bearer(readToken))
	x.ask(t, "POST", "/api/v1/query", `{"sql":"SELECT * FROM lake.nosuch"}`, bearer(readToken))
	x.ask(t, "POST", "/api/v1/do", `{"noun":"pipeline","verb":"run","name":"p","args":{"at":"2026-11-24T10:00:00Z","dry_run":""}}`, bearer(writeToken))
	x.ask(t, "POST", "/api/v1/do", `{"noun":"lake","verb":"verify"}`, bearer(writeToken))
	x.ask(t, "POST", "/api/v1/query", `{"sql":"SELECT 1"}`, bearer("nobody's token"))
	got := entries(t, x.audit)
	if len(got) != 4 {
		t.Fatalf("%d entries: %+v", len(got), got)
	}
	for i, want := range []serve.Entry{
		{Who: "reader", Role: serve.RoleRead, Action: "query", SQL: "SELECT * FROM range(1000)", Rows: 1000,
			Outcome: serve.OutcomeOK},
		{Who: "reader", Role: serve.RoleRead, Action: "query", SQL: "SELECT * FROM lake.nosuch",
			Outcome: serve.OutcomeFailed},
		{Who: "writer", Role: serve.RoleWrite, Action: "pipeline run", Object: "p", Outcome: serve.OutcomeOK},
		{Who: "writer", Role: serve.RoleWrite, Action: "lake verify", Outcome: serve.OutcomeRefused},
	} {
		e := got[i]
		if e.Who != want.Who || e.Role != want.Role || e.Action != want.Action || e.SQL != want.SQL || e.Rows != want.Rows ||
			e.Object != want.Object || e.Outcome != want.Outcome {
			t.Errorf("entry %d is %+v, want %+v", i, e, want)
		}
		if !strings.HasPrefix(e.Remote, "127.0.0.1:") || !e.Time.Equal(x.clock.Now()) {
			t.Errorf("entry %d is from %s at %s", i, e.Remote, e.Time)
		}
	}
	if len(got[1].Tables) != 1 || got[1].Tables[0] != "lake.nosuch" || got[1].Error == "" {
		t.Errorf("the query that failed: %+v", got[1])
	}
	if len(got[2].Args) != 1 || got[2].Args["at"] == "" {
		t.Errorf("arguments: %v", got[2].Args)
	}
	if st, err := os.Stat(x.audit); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", st.Mode(), err)
	}
}

func TestWhoLeavesIsRecordedToo(t *testing.T) {
	x := start(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.URL()+"/api/v1/query",
		strings.NewReader(`{"sql":"SELECT * FROM range(100000000000)"}`))
	check(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/csv")
	bearer(readToken)(req)
	resp, err := x.http.Do(req)
	check(t, err)
	defer resp.Body.Close()
	_, err = io.ReadFull(resp.Body, make([]byte, 1<<20))
	check(t, err)
	cancel()
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.Tick(20 * time.Millisecond); ; <-tick {
		got := entries(t, x.audit)
		if len(got) == 1 {
			if got[0].Outcome != serve.OutcomeCanceled || got[0].Rows == 0 {
				t.Errorf("recorded as %+v", got[0])
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing is recorded")
		}
	}
}

func TestTheAuditLogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	check(t, os.WriteFile(path, []byte(`{"who":"cut off by a lo`), 0o644))
	o := serve.AuditOptions{Path: path, MaxBytes: 64 << 10, Keep: 2, Logger: slog.New(slog.DiscardHandler)}
	a, err := serve.OpenAudit(o)
	check(t, err)
	const n = 100
	for i := range n {
		a.Record(serve.Entry{Who: "a", Action: "query", SQL: strings.Repeat("x", 5000), Rows: int64(i)})
	}
	a.Record(serve.Entry{Who: "a", Action: "query", SQL: strings.Repeat("y", 1<<20), Rows: n})
	check(t, a.Close())
	files, err := filepath.Glob(path + "*")
	check(t, err)
	if len(files) != 3 {
		t.Errorf("files %v", files)
	}
	last := n + 1
	for _, f := range []string{path, path + ".1", path + ".2"} {
		st, err := os.Stat(f)
		check(t, err)
		if st.Size() > o.MaxBytes || st.Mode().Perm() != 0o600 {
			t.Errorf("%s has %d bytes, mode %v", f, st.Size(), st.Mode())
		}
		es := entries(t, f)
		for i := len(es) - 1; i >= 0; i-- {
			last--
			if es[i].Rows != int64(last) {
				t.Fatalf("%s: entry %d where %d was expected", f, es[i].Rows, last)
			}
		}
	}
	if last == 0 {
		t.Error("nothing was put aside for good")
	}

	// The line that was cut off stays alone.
	a, err = serve.OpenAudit(o)
	check(t, err)
	check(t, a.Close())
	check(t, os.Truncate(path, 10))
	if a, err = serve.OpenAudit(o); err != nil {
		t.Fatal(err)
	}
	a.Record(serve.Entry{Who: "b"})
	check(t, a.Close())
	if es := entries(t, path); len(es) != 1 || es[0].Who != "b" {
		t.Errorf("after a cut: %+v", es)
	}
}
