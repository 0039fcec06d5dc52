package columnar

import (
	"slices"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// TestTimesAsSystemsWriteThem has one line for each form; want is empty where
// the text is not a time because readers would differ about it.
func TestTimesAsSystemsWriteThem(t *testing.T) {
	const same = "2026-11-01T02:30:00Z"
	tests := []struct{ name, value, want string }{
		{"RFC 1123", `"Sun, 01 Nov 2026 02:30:00 GMT"`, same},
		{"RFC 1123 with an offset", `"Sun, 1 Nov 2026 03:30:00 +0100"`, same},
		{"RFC 2822 with a comment", `"Sun, 1 Nov 2026 03:30:00 +0100 (CET)"`, same},
		{"RFC 850", `"Sunday, 01-Nov-26 02:30:00 GMT"`, same},
		{"RFC 850 of the last century", `"Sunday, 01-Nov-98 02:30:00 GMT"`, "1998-11-01T02:30:00Z"},
		{"ctime", `"Sun Nov  1 02:30:00 2026"`, same},
		{"ctime with microseconds", `"Sun Nov 01 02:30:00.123456 2026"`, "2026-11-01T02:30:00.123456Z"},
		{"date(1)", `"Sun Nov  1 02:30:00 UTC 2026"`, same},
		{"ctime and UTC", `"Sun Nov  1 02:30:00 2026 UTC"`, same},
		{"Ruby", `"Sun Nov 01 02:30:00 +0000 2026"`, same},
		{"JavaScript", `"Sun Nov 01 2026 03:30:00 GMT+0100 (Central European Standard Time)"`, same},
		{"Apache", `"01/Nov/2026:03:30:00 +0100"`, same},
		{"Apache in brackets", `"[01/Nov/2026:02:30:00 +0000]"`, same},
		{"BIND", `"01-Nov-2026 02:30:00.250"`, "2026-11-01T02:30:00.25Z"},
		{"Oracle", `"01-NOV-26 02.30.00"`, ""},
		{"Java", `"Nov 1, 2026 2:30:00 AM"`, same},
		{"noon", `"Nov 1, 2026 12:30 PM"`, "2026-11-01T12:30:00Z"},
		{"midnight", `"Nov 1, 2026 12:30 AM"`, "2026-11-01T00:30:00Z"},
		{"13 PM", `"Nov 1, 2026 13:30 PM"`, ""},
		{"full month", `"1 November 2026 02:30"`, same},
		{"RFC 3164", `"Nov  1 02:30:00"`, same},
		{"RFC 3164, days ahead", `"Nov  5 02:30:00"`, "2026-11-05T02:30:00Z"},
		{"RFC 3164, nearer to the year after", `"May  1 02:30:00"`, "2027-05-01T02:30:00Z"},
		{"RFC 3164 on a leap day", `"Feb 29 02:30:00"`, ""},
		{"Cisco", `"*Nov 01 2026 02:30:00.123 UTC"`, "2026-11-01T02:30:00.123Z"},
		{"compact", `"20261101T023000Z"`, same},
		{"compact with an offset", `"20261101T033000.5+0100"`, "2026-11-01T02:30:00.5Z"},
		{"compact without T", `"20261101023000"`, same},
		{"compact as a number", `20261101023000`, same},
		{"compact with milliseconds", `"20261101023000123"`, "2026-11-01T02:30:00.123Z"},
		{"compact with colons", `"20261101 02:30:00,500"`, "2026-11-01T02:30:00.5Z"},
		{"an underscore for the T", `"2026-11-01_02:30:00"`, same},
		{"Kibana", `"November 1st 2026, 02:30:00.000"`, same},
		{"a month and no day", `"1th 2026, 02:30:00.000"`, ""},
		{"MongoDB", `{"$date":"2026-11-01T02:30:00Z"}`, same},
		{"LDAP", `"20261101023000.0Z"`, same},
		{"a day", `"20261101"`, "2026-11-01T00:00:00Z"},
		{"ISO, a space before the offset", `"2026-11-01T02:30:00 +0000"`, same},
		{"ISO and UTC", `"2026-11-01 02:30:00 UTC"`, same},
		{"ISO and GMT", `"2026-11-01T02:30:00GMT"`, same},
		{"Go", `"2026-11-01 03:30:00.5 +0100 CET m=+0.012"`, "2026-11-01T02:30:00.5Z"},
		{"Java's zone", `"2026-11-01T03:30:00+01:00[Europe/Berlin]"`, same},
		{"slashes, the year first", `"2026/11/01 02:30:00"`, same},
		{"spaces around", `"  2026-11-01T02:30:00Z "`, same},
		{".NET", `"/Date(1793500200000)/"`, same},
		{".NET, escaped", `"\/Date(1793500200000)\/"`, same},
		{".NET with an offset", `"/Date(1793500200000+0100)/"`, same},
		{".NET ticks", `639290970000000000`, same},
		{".NET ticks as text", `"639290970000000000"`, same},
		{"ticks of Windows as text", `"134379738000000000"`, same},
		{"seconds", `1793500200`, same},
		{"seconds with a fraction as text", `"1793500200.25"`, "2026-11-01T02:30:00.25Z"},
		{"seconds with an exponent", `1.7935002e+09`, same},
		{"milliseconds as text", `"1793500200000"`, same},
		{"microseconds as text", `"1793500200000000"`, same},
		{"nanoseconds as text", `"1793500200000000000"`, same},
		{"an ambiguous zone", `"Sun Nov  1 02:30:00 2026 CST"`, ""},
		{"an ambiguous zone after ISO", `"2026-11-01 02:30:00 EST"`, ""},
		{"day and month as numbers", `"01/11/2026 02:30:00"`, ""},
		{"dots", `"01.11.2026 02:30:00"`, ""},
		{"no such day", `"31 Nov 2026 02:30:00"`, ""},
		{"two months", `"1 Nov Dec 2026 02:30:00"`, ""},
		{"two days", `"1 2 Nov 2026 02:30:00"`, ""},
		{"two times of day", `"1 Nov 2026 02:30:00 02:31:00"`, ""},
		{"words", `"Nov the first"`, ""},
		{"a user's name", `"may"`, ""},
		{"an address", `"10.0.0.1"`, ""},
		{"a hostile length", `"` + longText + `"`, ""},
		{"empty", `""`, ""},
		{"a dash", `"-"`, ""},
		{"zero", `0`, ""},
		{"zero as text", `"0"`, ""},
		{"minus one", `-1`, ""},
		{"year 1", `"0001-01-01T00:00:00Z"`, ""},
		{"year 1 in seconds", `-62135596800`, ""},
		{"year 1 in microseconds", `-62135596800000000`, ""},
		{"Go's zero in nanoseconds", `-6795364578871345152`, ""},
		{"year 1 in milliseconds", `"/Date(-62135596800000)/"`, ""},
		{"year 9999", `"9999-12-31T23:59:59.9999999Z"`, ""},
		{"year 9999 in seconds", `253402300799`, ""},
		{"year 9999 in milliseconds", `253402300799999`, ""},
		{"the last tick", `3155378975999999999`, ""},
		{"the first tick", `621355968000000000`, ""},
		{"1601", `"1601-01-01T00:00:00Z"`, ""},
		{"1601 in seconds", `-11644473600`, ""},
		{"1970", `"1970-01-01T00:00:00Z"`, ""},
		{"MySQL's zero", `"0000-00-00 00:00:00"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBatch(tiers.Schema{}, Options{})
			// What is not a time is passed over for the next usual name.
			if err := b.Append(Meta{Seq: 1, Published: published}, published,
				[]byte(`{"timestamp":`+tt.value+`,"created_at":"2001-01-01T00:00:00Z"}`)); err != nil {
				t.Fatal(err)
			}
			want, source := tt.want, "timestamp"
			if want == "" {
				want, source = "2001-01-01T00:00:00Z", "created_at"
			}
			if got := time.UnixMicro(b.time.Int(0)).UTC().Format(time.RFC3339Nano); got != want {
				t.Errorf("time %s, want %s", got, want)
			}
			if got := string(b.timeFrom.Bytes(0)); got != source && got != source+".$date" {
				t.Errorf("time_source %s, want %s", got, source)
			}
		})
	}
}

const longText = "Sun Nov  1 02:30:00 2026 ................................................................................"

// TestTimesWhereSystemsWriteThem has one event for each place.
func TestTimesWhereSystemsWriteThem(t *testing.T) {
	const at = "2026-11-01T02:30:00Z"
	tests := []struct{ source, event string }{
		{"requestReceivedTimestamp", `{"stageTimestamp":"2026-11-01T02:30:09Z","requestReceivedTimestamp":"2026-11-01T02:30:00.000000Z"}`},
		{"stageTimestamp", `{"requestReceivedTimestamp":null,"stageTimestamp":"2026-11-01T02:30:00Z"}`},
		{"lastTimestamp", `{"eventTime":null,"firstTimestamp":"2026-11-01T00:00:00Z","lastTimestamp":"2026-11-01T02:30:00Z"}`},
		{"metadata.creationTimestamp", `{"metadata":{"name":"x","creationTimestamp":"2026-11-01T02:30:00Z"}}`},
		{"CreatedAt", `{"CreatedAt":"2026-11-01T02:30:00Z","UpdatedAt":"2026-11-02T02:30:00Z"}`},
		{"query_timestamp", `{"query_timestamp":"2026-11-01T02:30:00Z"}`},
		{"Event.System.TimeCreated.#attributes.SystemTime",
			`{"Event":{"System":{"TimeCreated":{"#attributes":{"SystemTime":"2026-11-01T02:30:00Z"}}}}}`},
		{"Event.System.TimeCreated.@SystemTime",
			`{"Event":{"System":{"TimeCreated":{"@SystemTime":"2026-11-01T02:30:00Z"}}}}`},
		{"event.System.TimeCreated.SystemTime", `{"event":{"system":{"timecreated":{"systemtime":"2026-11-01T02:30:00Z"}}}}`},
		{"System.TimeCreated.@SystemTime", `{"System":{"TimeCreated":{"@SystemTime":"2026-11-01T02:30:00Z"}}}`},
		{"TimeCreated.SystemTime", `{"TimeCreated":{"SystemTime":"2026-11-01T02:30:00Z"}}`},
		{"TimeCreated", `{"TimeCreated":"\/Date(1793500200000)\/"}`},
		{"winlog.event_data.UtcTime", `{"winlog":{"event_data":{"UtcTime":"2026-11-01 02:30:00.000"}}}`},
		{"id.time", `{"id":{"time":"2026-11-01T02:30:00.000Z"}}`},
		{"protoPayload.timestamp", `{"protoPayload":{"timestamp":"2026-11-01T02:30:00Z"}}`},
		{"data.date", `{"data":{"date":"2026-11-01 02:30:00.000000000"}}`},
		{"metadata.eventCreationTime", `{"metadata":{"eventCreationTime":1793500200000}}`},
		{"timeUnixNano", `{"timeUnixNano":"1793500200000000000"}`},
		{"__REALTIME_TIMESTAMP", `{"__REALTIME_TIMESTAMP":"1793500200000000"}`},
		{"calendarTime", `{"calendarTime":"Sun Nov  1 02:30:00 2026 UTC","unixTime":0}`},
		{"[0]", `[1793500200,{"log":"a","created":"2001-01-01T00:00:00Z"}]`},
		{"[0]", `[[1793500200.0,{"tag":"x"}],{"log":"a"}]`},
		{"time", `[1793500999,{"log":"a","time":"2026-11-01T02:30:00Z"}]`},
		{"Event.System.TimeCreated_attributes.SystemTime",
			`{"Event":{"System":{"TimeCreated_attributes":{"SystemTime":"2026-11-01T02:30:00Z"}}}}`},
		{"Event.System.TimeCreated.-SystemTime",
			`{"Event":{"System":{"TimeCreated":{"-SystemTime":"2026-11-01T02:30:00Z"}}}}`},
		{"Event.System.TimeCreated", `{"Event":{"System":{"TimeCreated":"2026-11-01T02:30:00Z"}}}`},
		{"System.TimeCreated_attributes.SystemTime",
			`{"System":{"TimeCreated_attributes":{"SystemTime":"2026-11-01T02:30:00Z"}}}`},
		{"TimeCreated.$.SystemTime", `{"TimeCreated":{"$":{"SystemTime":"2026-11-01T02:30:00Z"}}}`},
		{"UpdatedAt", `{"CreatedAt":"","UpdatedAt":"2026-11-01T02:30:00Z"}`},
		{"time_local", `{"time_local":"01/Nov/2026:02:30:00 +0000"}`},
		{"asctime", `{"asctime":"2026-11-01 02:30:00,000"}`},
		{"t.$date", `{"t":{"$date":"2026-11-01T02:30:00.000+00:00"},"s":"I"}`},
		{"created_at.$date.$numberLong", `{"t":1,"created_at":{"$date":{"$numberLong":"1793500200000"}}}`},
		{"time.$date", `{"time":{"$date":"2026-11-01T02:30:00Z","zone":"x"}}`},
		{"created", `{"start":"1066-01-01T00:00:00Z","created":"2026-11-01T02:30:00Z"}`},
	}
	for _, tt := range tests {
		b := NewBatch(tiers.Schema{}, Options{})
		if err := b.Append(Meta{Seq: 1, Published: published}, published, []byte(tt.event)); err != nil {
			t.Errorf("%s: %v", tt.event, err)
			continue
		}
		if got := time.UnixMicro(b.time.Int(0)).UTC().Format(time.RFC3339Nano); got != at {
			t.Errorf("%s: time %s", tt.event, got)
		}
		if got := string(b.timeFrom.Bytes(0)); got != tt.source {
			t.Errorf("%s: time_source %s, want %s", tt.event, got, tt.source)
		}
		if tt.event[0] == '{' {
			checkRow(t, b, 0, []byte(tt.event))
		}
	}
}

func TestTimesThatWereNotReadAreCountedByPlace(t *testing.T) {
	b := NewBatch(tiers.Schema{}, Options{})
	for i, e := range []string{`{"a":1}`, `{"time":"noon"}`, `{"ts":"x","time":"noon"}`, `{"ts":"x"}`, `{"ts":1793500200}`,
		`{"id":{"time":"x"}}`, `{"a":2}`} {
		if err := b.Append(Meta{Seq: uint64(i + 1), Published: published}, published, []byte(e)); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(b.timeFrom.Bytes(0)); got != Received {
		t.Errorf("time_source %s", got)
	}
	want := []TimeMiss{{"time", 2}, {"ts", 1}, {"id", 1}, {"", 2}}
	if got := b.TimeMisses(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	b.Reset(tiers.Schema{})
	if got := b.TimeMisses(); len(got) != 0 {
		t.Errorf("%v after the batch was emptied", got)
	}
}

// FuzzTimeText: whatever the text, the answer is a time within bounds or none,
// and it does not depend on blanks around the text.
func FuzzTimeText(f *testing.F) {
	for _, s := range []string{"Sun, 01 Nov 2026 02:30:00 GMT", "20261101T023000.5+0100", "/Date(1793500200000+0100)/",
		"Nov  1 02:30:00",
		"[01/Nov/2026:02:30:00 +0000]", "2026-11-01 02:30:00 +0100 CET m=+0.1", "639290970000000000", "1 Nov 26",
		"2:30 pm nov 1"} {
		f.Add([]byte(s), published.UnixMicro())
	}
	f.Fuzz(func(t *testing.T, text []byte, reference int64) {
		if reference < minTime || reference >= maxTime {
			return
		}
		at, v := parseText(text, reference)
		if v == isTime && (at.micros < minTime || at.micros >= maxTime) {
			t.Fatalf("%q became %d", text, at.micros)
		}
		if again, w := parseText([]byte(" "+string(text)+" "), reference); len(text) < maxTimeText-2 &&
			(w != v && v != impossible || v == isTime && again != at) {
			t.Fatalf("%q became %v %d, and with blanks %v %d", text, at, v, again, w)
		}
	})
}
