package columnar

import (
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

func TestTimeInTwoFields(t *testing.T) {
	const none = "2026-11-02T03:04:05Z" // when it was published
	tests := []struct {
		name, path, format, event string
		time, source              string
	}{
		{"W3C", "", "", `{"date":"2026-11-01","time":"02:30:05","c-ip":"192.0.2.1"}`, "2026-11-01T02:30:05Z", "date+time"},
		{"the time of day first", "", "", `{"time":"02:30:05","date":"2026-11-01"}`, "2026-11-01T02:30:05Z", "date+time"},
		{"an export", "", "", `{"Date":"2026-11-01","Time":"2:30:05.25 PM"}`, "2026-11-01T14:30:05.25Z", "Date+Time"},
		{"names of two words", "", "", `{"Event Date":"Nov 1, 2026","Event Time":"02:30"}`, "2026-11-01T02:30:00Z",
			"Event Date+Event Time"},
		{"a name that is not usual for a date", "", "", `{"log_time":"02:30:05","log_date":"2026/11/01"}`,
			"2026-11-01T02:30:05Z", "log_date+log_time"},
		{"a date with midnight", "", "", `{"eventDate":"2026-11-01T00:00:00Z","eventTime":"02:30:05"}`,
			"2026-11-01T02:30:05Z", "eventDate+eventTime"},
		{"digits", "", "", `{"date":"20261101","time":"023005"}`, "2026-11-01T02:30:05Z", "date+time"},
		{"an offset after the time of day", "", "", `{"date":"2026-11-01","time":"02:30:05 +0200"}`, "2026-11-01T00:30:05Z",
			"date+time"},
		{"an offset in a third field", "", "", `{"date":"2026-11-01","time":"02:30:05","tz":"-0500"}`, "2026-11-01T07:30:05Z",
			"date+time"},
		{"one that both have", "", "", `{"date":"2026-11-01","time":"02:30:05Z","tz":"-0500"}`, "2026-11-01T02:30:05Z",
			"date+time"},
		{"another name of the time of day", "", "", `{"ts":"02:30:05","date":"2026-11-01"}`, "2026-11-01T02:30:05Z",
			"date+ts"},
		{"another name, and a time", "", "", `{"ts":"00:02:30","date":"2026-11-01T00:00:00Z"}`, "2026-11-01T00:00:00Z",
			"date"},
		{"no time of day", "", "", `{"date":"2026-11-01","time":"late"}`, "2026-11-01T00:00:00Z", "date"},
		{"no such time of day", "", "", `{"date":"2026-11-01","time":"25:00:00"}`, "2026-11-01T00:00:00Z", "date"},
		{"a date alone", "", "", `{"date":"2026-11-01"}`, "2026-11-01T00:00:00Z", "date"},
		{"a time of day alone", "", "", `{"time":"02:30:05"}`, none, Received},
		{"a time beside", "", "", `{"date":"2026-11-01","time":"02:30:05","timestamp":"2026-11-01T02:30:07Z"}`,
			"2026-11-01T02:30:07Z", "timestamp"},
		{"paths", "log.Date", "02/01/2006", `{"log":{"Date":"01/11/2026","Time":"02:30:05"}}`, "2026-11-01T02:30:05Z",
			"log.Date+Time"},
		{"the path of the other half", "log.Time", "", `{"log":{"Date":"2026-11-01","Time":"02:30:05"}}`,
			"2026-11-01T02:30:05Z", "log.Time+Time"},
		{"one word in several spellings", "", "", `{"Date (UTC)":"2026-11-01T02:30:05Z"}`, "2026-11-01T02:30:05Z",
			"Date (UTC)"},
		{"with a hyphen", "", "", `{"date-time":"2026-11-01T02:30:05.123Z"}`, "2026-11-01T02:30:05.123Z", "date-time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBatch(tiers.Schema{}, Options{TimePath: tt.path, TimeFormat: tt.format})
			if err := b.Append(Meta{Seq: 1, Published: published}, published, []byte(tt.event)); err != nil {
				t.Fatal(err)
			}
			if got := time.UnixMicro(b.time.Int(0)).UTC().Format(time.RFC3339Nano); got != tt.time {
				t.Errorf("time %s, want %s", got, tt.time)
			}
			if got := string(b.timeFrom.Bytes(0)); got != tt.source {
				t.Errorf("time_source %s, want %s", got, tt.source)
			}
			checkRow(t, b, 0, []byte(tt.event))
		})
	}
}

func TestTimeOfDayWithoutItsDateIsRefusedAtAPath(t *testing.T) {
	b := NewBatch(tiers.Schema{}, Options{TimePath: "time"})
	err := b.Append(Meta{Seq: 1, Published: published}, published, []byte(`{"time":"02:30:05"}`))
	if want := `"02:30:05" at time is a time of day, and no date is beside it`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
