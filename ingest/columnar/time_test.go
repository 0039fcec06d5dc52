package columnar

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

func TestEventTime(t *testing.T) {
	tests := []struct {
		name, path, format, event string
		time                      string // empty: refused
		unmapped                  string
	}{
		{"RFC 3339", "", "", `{"time":"2026-01-02T03:04:05.678901Z"}`, "2026-01-02T03:04:05.678901Z", ""},
		{"offset", "", "", `{"time":"2026-01-02T03:04:05+02:30"}`, "2026-01-02T00:34:05Z",
			`{"time":"2026-01-02T03:04:05+02:30"}`},
		{"nanoseconds", "", "", `{"time":"2026-01-02T03:04:05.123456789Z"}`, "2026-01-02T03:04:05.123456Z",
			`{"time":"2026-01-02T03:04:05.123456789Z"}`},
		{"no zone", "", "", `{"time":"2026-01-02 03:04:05,5"}`, "2026-01-02T03:04:05.5Z", ""},
		{"UTC in brackets", "", "", `{"time":"2026-01-02 03:04:05 (UTC)"}`, "2026-01-02T03:04:05Z", ""},
		{"another zone in brackets", "", "", `{"time":"2026-01-02 03:04:05 (EST)"}`, "2026-11-02T03:04:05Z", ""},
		{"a day", "", "", `{"time":"2024-02-29"}`, "2024-02-29T00:00:00Z", ""},
		{"seconds", "", "", `{"time":1588205006.553982}`, "2020-04-30T00:03:26.553982Z", ""},
		{"milliseconds", "", "", `{"time":1588205006553}`, "2020-04-30T00:03:26.553Z", ""},
		{"microseconds", "", "", `{"time":1588205006553982}`, "2020-04-30T00:03:26.553982Z", ""},
		{"nanoseconds as a number", "", "", `{"time":1588205006553982001}`, "2020-04-30T00:03:26.553982Z",
			`{"time":1588205006553982001}`},
		{"digits in a string", "", "", `{"time":"1588205006"}`, "2020-04-30T00:03:26Z", ""},
		{"a small number is none", "", "", `{"time":5}`, "2026-11-02T03:04:05Z", ""},
		{"ticks of Windows", "", "", `{"time":133500000000000001}`, "2024-01-17T21:20:00Z", `{"time":133500000000000001}`},
		{"text", "", "", `{"time":"noon"}`, "2026-11-02T03:04:05Z", ""},
		{"object", "", "", `{"time":{"a":1}}`, "2026-11-02T03:04:05Z", ""},
		{"no such day", "", "", `{"time":"2026-02-29T00:00:00Z"}`, "2026-11-02T03:04:05Z", ""},
		{"none", "", "", `{"a":1}`, "2026-11-02T03:04:05Z", ""},
		{"null", "", "", `{"time":null,"ts":1588205006}`, "2020-04-30T00:03:26Z", ""},
		{"usual name", "", "", `{"UtcTime":"2020-05-01 22:55:26.493","@timestamp":"2020-05-02T02:55:26.493Z"}`,
			"2020-05-02T02:55:26.493Z", ""},
		{"usual name after a bad time", "", "", `{"eventTime":"2020-05-02T02:55:26Z","time":"x"}`, "2020-05-02T02:55:26Z",
			""},
		{"other case", "", "", `{"Time":"2020-05-02T02:55:26Z"}`, "2020-05-02T02:55:26Z", ""},
		{"path", "a.when", "unix", `{"a":{"when":1588205006},"time":"2026-01-02T03:04:05Z"}`, "2020-04-30T00:03:26Z", ""},
		{"path through a key with dots", "a.b.when", "unix_ms", `{"a.b":{"when":"1588205006000"}}`, "2020-04-30T00:03:26Z",
			""},
		{"path to time", "time", "unix_us", `{"time":5}`, "1970-01-01T00:00:00.000005Z", ""},
		{"path in another case", "A.When", "unix", `{"a":{"when":1588205006}}`, "2020-04-30T00:03:26Z", ""},
		{"path that is absent", "a.when", "", `{"a":{},"time":"2026-01-02T03:04:05Z"}`, "2026-11-02T03:04:05Z", `{"a":{}}`},
		{"layout", "t", "02.01.2006 15:04", `{"t":"03.02.2026 05:04"}`, "2026-02-03T05:04:00Z", ""},
		{"another layout", "t", "02.01.2006 15:04", `{"t":"2026-02-03"}`, "", ""},
		{"path of another type", "t", "", `{"t":true}`, "", ""},
		{"before 1970 by format", "t", "unix", `{"t":-11644470000}`, "", ""},
		{"a layout without a year", "t", "Jan _2 15:04:05", `{"t":"Dec 31 23:59:59"}`, "2026-12-31T23:59:59Z", ""},
		{"an abbreviated zone", "t", "2006-01-02 15:04 MST", `{"t":"2026-01-02 03:04 EST"}`, "", ""},
		{"UTC as a zone", "t", "2006-01-02 15:04 MST", `{"t":"2026-01-02 03:04 UTC"}`, "2026-01-02T03:04:00Z", ""},
		{"30000", "", "", `{"time":"30000-01-01T00:00:00Z"}`, "", ""},
		{"30000 by format", "t", "unix", `{"t":884541340800}`, "", ""},
		{"1e30", "t", "unix", `{"t":1e30}`, "", ""},
		{"last year", "", "", `{"time":"2261-12-31T23:59:59.999999Z"}`, "2261-12-31T23:59:59.999999Z", ""},
		{"before 1970", "", "", `{"time":"1969-12-31T23:59:59Z"}`, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBatch(tiers.Schema{}, Options{TimePath: tt.path, TimeFormat: tt.format})
			err := b.Append(Meta{Seq: 1, Published: published}, published, []byte(tt.event))
			if tt.time == "" {
				var r *Reject
				if !errors.As(err, &r) {
					t.Fatalf("got %v", err)
				}
				t.Log(r.Reason)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := time.UnixMicro(b.time.Int(0)).UTC().Format(time.RFC3339Nano); got != tt.time {
				t.Errorf("time %s, want %s", got, tt.time)
			}
			if got := rest(b, 0); got != tt.unmapped {
				t.Errorf("unmapped %s, want %s", got, tt.unmapped)
			}
			checkRow(t, b, 0, []byte(tt.event))
		})
	}
}

// TestParseISOAgrees compares with the standard library over every day.
func TestParseISOAgrees(t *testing.T) {
	for at := time.Date(1970, 1, 1, 5, 6, 7, 89_000_000, time.UTC); at.Year() < 2262; at = at.AddDate(0, 0, 1) {
		got, v := parseISO([]byte(at.Format(time.RFC3339Nano)))
		if v != isTime || got.micros != at.UnixMicro() || !got.whole {
			t.Fatalf("%s became %+v", at, got)
		}
	}
}

func TestSplit(t *testing.T) {
	tests := []struct {
		name, format, data string
		want               []string
	}{
		{"one", "auto", `{"a":1}`, []string{`{"a":1}`}},
		{"lines", "auto", "{\"a\":1}\n\n {\"a\":2}\r\n", []string{`{"a":1}`, `{"a":2}`}},
		{"a bad line", "auto", "{\"a\":\n{\"a\":2}\n", []string{`{"a":`, `{"a":2}`}},
		{"a bad line later", "auto", "{\"a\":1}\nx\n{\"a\":2}", []string{`{"a":1}`, `x`, `{"a":2}`}},
		{"several lines", "auto", "{\n\"a\":1\n}\n", []string{"{\n\"a\":1\n}\n"}},
		{"array", "auto", "[{\"a\":1},\n{\"a\":2}]", []string{`{"a":1}`, `{"a":2}`}},
		{"broken array", "json", `[{"a":1},{"a":`, []string{`{"a":1}`, `!{"a":`}},
		{"empty array", "json", `[]`, nil},
		{"json with lines", "json", "{}\n{}", []string{"{}", "{}"}},
		{"ndjson of one", "ndjson", `{"a":1}`, []string{`{"a":1}`}},
		{"byte order mark", "auto", "\xEF\xBB\xBF{}", []string{"{}"}},
		{"nothing", "ndjson", "\n \n", nil},
		{"unknown", "xml", "x", []string{"!x"}},
	}
	for _, tt := range tests {
		var got []string
		for part, err := range Split(tt.format, []byte(tt.data)) {
			if err != nil {
				part = append([]byte("!"), part...)
			}
			got = append(got, string(part))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
