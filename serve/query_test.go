package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/lakeward/lakeward/query"
)

func TestAnErrorOfTheStatementIsNotTheServers(t *testing.T) {
	at := &query.ParseError{Line: 2, Column: 3, Message: "m"}
	tests := []struct {
		err    error
		status int
	}{
		{at, http.StatusBadRequest}, {fmt.Errorf("run: %w", at), http.StatusBadRequest},
		{fmt.Errorf("%w: x", query.ErrStatement), http.StatusBadRequest},
		{fmt.Errorf("%w: %w", query.ErrRefused, at), http.StatusForbidden},
		{fmt.Errorf("%w: %w", query.ErrRefused, query.ErrStatement), http.StatusBadRequest},
		{query.ErrTimeout, http.StatusGatewayTimeout}, {query.ErrUnavailable, http.StatusServiceUnavailable},
		{errors.New("disk on fire"), http.StatusInternalServerError},
	}
	for _, tt := range tests {
		if got := statusOf(tt.err); got != tt.status {
			t.Errorf("%v: %d, want %d", tt.err, got, tt.status)
		}
	}
}

func TestAcceptChoosesTheForm(t *testing.T) {
	tests := []struct {
		accept []string
		want   string // empty: none
	}{
		{nil, mediaJSON}, {[]string{""}, mediaJSON}, {[]string{"*/*"}, mediaJSON}, {[]string{"application/*"}, mediaJSON},
		{[]string{"text/*;q=0.9"}, "text/csv"}, {[]string{"text/html, application/json;q=0.9, */*;q=0.1"}, mediaJSON},
		{[]string{"text/csv;q=0.5", "application/x-ndjson"}, "application/x-ndjson"}, {[]string{mediaArrow}, mediaArrow},
		{[]string{"image/png"}, ""}, {[]string{"application/json;q=0"}, ""}, {[]string{"nonsense;;"}, ""},
	}
	for _, tt := range tests {
		form, ok := negotiate(tt.accept)
		if form.media != tt.want || ok != (tt.want != "") || (form.write != nil) != ok {
			t.Errorf("%q: %q, want %q", tt.accept, form.media, tt.want)
		}
	}
}

func TestATimeoutIsTextInJSON(t *testing.T) {
	for text, want := range map[string]time.Duration{`"1m30s"`: 90 * time.Second, `2000`: 2000} {
		var q Query
		if err := json.Unmarshal([]byte(`{"sql":"x","timeout":`+text+`}`), &q); err != nil || q.Timeout != want {
			t.Errorf("%s: %s, %v", text, q.Timeout, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"timeout":"soon"}`), new(Query)); err == nil {
		t.Error("soon is taken")
	}
	out, err := json.Marshal(Query{SQL: "x", Timeout: time.Minute})
	if err != nil || string(out) != `{"sql":"x","timeout":"1m0s"}` {
		t.Errorf("%s, %v", out, err)
	}
}
