package format

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	arrowgo "github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/klauspost/compress/zstd"
	parquetgo "github.com/parquet-go/parquet-go"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// events are those of a message, and an error as its text.
func events(t *testing.T, name, message string) []string {
	t.Helper()
	f, err := Named(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for event, err := range f.Events([]byte(message)) {
		if err != nil {
			out = append(out, fmt.Sprintf("%v: %s", err, event))
			continue
		}
		if !json.Valid(event) {
			t.Errorf("%s is not JSON", event)
		}
		out = append(out, string(event))
	}
	return out
}

func TestMessagesOfEachFormat(t *testing.T) {
	tests := []struct {
		what, format, message string
		want                  []string
	}{
		{"RFC 5424, its second example", "syslog",
			`<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.`,
			[]string{`{"priority":165,"facility":"local4","severity_label":"notice","timestamp":"2003-08-24T05:14:15.000003-07:00",` +
				`"host":"192.0.2.1","app":"myproc","procid":"8710","message":"%% It's time to make the do-nuts."}`}},
		{"RFC 5424, its third example", "auto",
			`<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application" ` +
				`eventID="1011"] An application event log entry...`,
			[]string{`{"priority":165,"facility":"local4","severity_label":"notice","timestamp":"2003-10-11T22:14:15.003Z",` +
				`"host":"mymachine.example.com","app":"evntslog","msgid":"ID47","structured_data":{"exampleSDID@32473":{"iut":"3",` +
				`"eventSource":"Application","eventID":"1011"}},"message":"An application event log entry..."}`}},
		{"RFC 5424, escapes and two elements without a message", "syslog",
			`<0>1 - - - - - [a b="c \" \] \\ d"][e]`,
			[]string{`{"priority":0,"facility":"kern","severity_label":"emerg","structured_data":{"a":{"b":"c \" ] \\ d"},"e":{}}}`}},
		{"RFC 5424, an element that is not closed", "syslog", `<0>1 - - - - - [a b="c`,
			[]string{`not syslog: structured data ([id name="value"]) is not closed: <0>1 - - - - - [a b="c`}},
		{"RFC 3164, its first example", "syslog",
			`<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8`,
			[]string{`{"priority":34,"facility":"auth","severity_label":"crit","timestamp":"Oct 11 22:14:15","time_assumed":"year, zone",` +
				`"host":"mymachine","app":"su","message":"'su root' failed for lonvick on /dev/pts/8"}`}},
		{"OpenSSH", "auto", "<38>Nov  3 07:42:01 bastion sshd[2211]: Failed password for invalid user admin from " +
			"203.0.113.9 port 52144 ssh2\n",
			[]string{`{"priority":38,"facility":"auth","severity_label":"info","timestamp":"Nov  3 07:42:01","time_assumed":"year, zone",` +
				`"host":"bastion","app":"sshd","procid":"2211","message":"Failed password for invalid user admin from 203.0.113.9 port 52144 ssh2"}`}},
		{"Cisco ASA with a year and no host", "syslog",
			`<166>Jun 04 2023 17:08:09: %ASA-6-302013: Built outbound TCP connection`,
			[]string{`{"priority":166,"facility":"local4","severity_label":"info","timestamp":"Jun 04 2023 17:08:09","time_assumed":"zone",` +
				`"app":"%ASA-6-302013","message":"Built outbound TCP connection"}`}},
		{"ISO time, as rsyslog forwards it", "syslog", `<13>2024-05-06T07:08:09.123456+02:00 web1 app[7]: hello`,
			[]string{`{"priority":13,"facility":"user","severity_label":"notice","timestamp":"2024-05-06T07:08:09.123456+02:00",` +
				`"host":"web1","app":"app","procid":"7","message":"hello"}`}},
		{"a file of rsyslog", "auto", "Nov  3 07:42:01 bastion sshd[2211]: Accepted\n2026-11-03T07:42:01.5+01:00 bastion su: x",
			[]string{`{"timestamp":"Nov  3 07:42:01","time_assumed":"year, zone","host":"bastion","app":"sshd","procid":"2211","message":"Accepted"}`,
				`{"timestamp":"2026-11-03T07:42:01.5+01:00","host":"bastion","app":"su","message":"x"}`}},
		{"no time at all", "syslog", `<13>hello there`,
			[]string{`{"priority":13,"facility":"user","severity_label":"notice","message":"hello there"}`}},
		{"frames with a count, one with a line break", "auto", "10 <13>a: b\nc11 <14>d: e\nfg",
			[]string{`{"priority":13,"facility":"user","severity_label":"notice","app":"a","message":"b\nc"}`,
				`{"priority":14,"facility":"user","severity_label":"info","app":"d","message":"e\nfg"}`}},
		{"no priority", "syslog", "<192>a\n<13>b",
			[]string{`not syslog: it begins neither <PRIORITY>, a number of 0 to 191, nor with a time: <192>a`,
				`{"priority":13,"facility":"user","severity_label":"notice","message":"b"}`}},
		{"not UTF-8", "syslog", "<13>caf\xe9", []string{"not UTF-8: have the sender write UTF-8: <13>caf\xe9"}},
		{"CEF, the example of its specification", "cef",
			`CEF:0|security|threatmanager|1.0|100|detected a \| in message|10|src=10.0.0.1 act=blocked a \= dst=1.1.1.1`,
			[]string{`{"cefVersion":"0","deviceVendor":"security","deviceProduct":"threatmanager","deviceVersion":"1.0",` +
				`"deviceEventClassId":"100","name":"detected a | in message","severity":"10","extension":{"src":"10.0.0.1",` +
				`"act":"blocked a =","dst":"1.1.1.1"}}`}},
		{"CEF in syslog", "auto", `<134>Feb 14 19:04:54 www CEF:0|Trend Micro|Deep Security|10|600|Signed In|4|src=10.52.116.160 suser=admin msg=User signed in from fe80:0:0:0 at 3`,
			[]string{`{"priority":134,"facility":"local0","severity_label":"info","timestamp":"Feb 14 19:04:54","time_assumed":"year, zone","host":"www",` +
				`"cefVersion":"0","deviceVendor":"Trend Micro","deviceProduct":"Deep Security","deviceVersion":"10","deviceEventClassId":"600",` +
				`"name":"Signed In","severity":"4","extension":{"src":"10.52.116.160","suser":"admin","msg":"User signed in from fe80:0:0:0 at 3"}}`}},
		{"CEF that ends too early", "cef", `CEF:0|a|b`,
			[]string{`not CEF: it does not begin CEF:VERSION|VENDOR|PRODUCT|VERSION|ID|NAME|SEVERITY|: deviceProduct is the last part: CEF:0|a|b`}},
		{"LEEF 1.0", "auto", "LEEF:1.0|Microsoft|MSExchange|4.0 " +
			"SP1|15345|src=192.0.2.0\tdst=172.50.123.1\tsev=5\tcat=anomaly",
			[]string{`{"leefVersion":"1.0","vendor":"Microsoft","product":"MSExchange","version":"4.0 SP1","eventId":"15345",` +
				`"attributes":{"src":"192.0.2.0","dst":"172.50.123.1","sev":"5","cat":"anomaly"}}`}},
		{"LEEF 2.0 with a delimiter", "leef", `LEEF:2.0|Lancope|StealthWatch|1.0|41|^|src=192.0.2.0^dst=172.50.123.1^sev=5`,
			[]string{`{"leefVersion":"2.0","vendor":"Lancope","product":"StealthWatch","version":"1.0","eventId":"41",` +
				`"attributes":{"src":"192.0.2.0","dst":"172.50.123.1","sev":"5"}}`}},
		{"FortiGate", "kv", `date=2019-05-10 time=11:37:47 logid="0000000013" type="traffic" msg="say \"no\"" srcip=10.1.100.11 dstip=`,
			[]string{`{"date":"2019-05-10","time":"11:37:47","logid":"0000000013","type":"traffic","msg":"say \"no\"","srcip":"10.1.100.11","dstip":""}`}},
		{"log/slog, with a name twice and loose words", "kv",
			"time=2024-01-02T03:04:05Z level=INFO msg=\"a b\" msg=c done now",
			[]string{`{"time":"2024-01-02T03:04:05Z","level":"INFO","msg":"a b","msg_2":"c","message":"done now"}`}},
		{"words alone", "kv", "nothing here", []string{"not key=value: no word of the line has an equals sign: nothing here"}},
		{"CSV", "csv", "time,user,note\n2024-01-02T03:04:05Z,ada,\"a, \"\"b\"\"\nc\"\n2024-01-02T03:04:06Z,bob,\n",
			[]string{`{"time":"2024-01-02T03:04:05Z","user":"ada","note":"a, \"b\"\nc"}`,
				`{"time":"2024-01-02T03:04:06Z","user":"bob"}`}},
		{"JSON stays JSON", "auto", " [{\"a\":1},{\"a\":2}]", []string{`{"a":1}`, `{"a":2}`}},
		{"nothing", "syslog", "\n\r\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			if got := events(t, tt.format, tt.message); !slices.Equal(got, tt.want) {
				t.Errorf("events of %s\n%s\nwant\n%s", tt.message, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// arrowMessage is a stream of two rows.
func arrowMessage(t testing.TB) []byte {
	t.Helper()
	schema := arrowgo.NewSchema([]arrowgo.Field{{Name: "time", Type: &arrowgo.TimestampType{Unit: arrowgo.Second, TimeZone: "UTC"}},
		{Name: "n", Type: arrowgo.PrimitiveTypes.Int64, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	b.Field(0).(*array.TimestampBuilder).AppendValues([]arrowgo.Timestamp{0, 1}, nil)
	b.Field(1).(*array.Int64Builder).AppendValues([]int64{7, 0}, []bool{true, false})
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	if err := errors.Join(w.Write(b.NewRecordBatch()), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func parquetMessage(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	type row struct {
		N int64 `parquet:"n"`
	}
	if err := parquetgo.Write(&out, []row{{1}, {2}}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestColumnsAreKnownByTheirBytesAndByTheirType: and a message of them is taken
// as a whole.
func TestColumnsAreKnownByTheirBytesAndByTheirType(t *testing.T) {
	ofArrow := []string{`{"time":"1970-01-01T00:00:00Z","n":7}`, `{"time":"1970-01-01T00:00:01Z"}`}
	ofParquet := []string{`{"n":1}`, `{"n":2}`}
	tests := []struct {
		what, header string
		message      []byte
		want         []string
	}{
		{"arrow", "", arrowMessage(t), ofArrow},
		{"parquet", "", parquetMessage(t), ofParquet},
		{"arrow by its type, as older writers begin", "NATS/1.0\r\ncontent-type: Application/vnd.apache.arrow.stream; x=y\r\n\r\n",
			arrowMessage(t)[4:], nil},
		{"csv", "NATS/1.0\r\nContent-Type: text/csv\r\n\r\n", []byte("a,b\n1,2\n"), []string{`{"a":"1","b":"2"}`}},
		{"JSON, whatever is said", "NATS/1.0\r\nContent-Type: text/csv\r\n\r\n", []byte(`{"a":1}`), []string{`{"a":1}`}},
	}
	for _, tt := range tests {
		f := Of(auto{}, []byte(tt.header), tt.message)
		var got []string
		for event, err := range f.Events(tt.message) {
			if err != nil {
				t.Errorf("%s: %v", tt.what, err)
			}
			got = append(got, string(event))
		}
		if tt.want != nil && !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
		if tt.want == nil && f.Name() != "arrow" {
			t.Errorf("%s: taken for %s", tt.what, f.Name())
		}
	}
	broken := parquetMessage(t)
	broken = append(broken[:40:40], broken[41:]...)
	for part, err := range Of(auto{}, nil, broken).Events(broken) {
		var whole *Whole
		if !errors.As(err, &whole) || !bytes.Equal(part, broken) {
			t.Errorf("of a broken message %q, %v", part, err)
		}
	}
}

// TestTimesOfTextAreTheEvents: what a format calls its time is where the columns
// look for it.
func TestTimesOfTextAreTheEvents(t *testing.T) {
	published := time.Date(2026, 11, 4, 0, 0, 0, 0, time.UTC)
	tests := []struct{ format, message, want string }{
		{"syslog", "<38>Nov  3 07:42:01 bastion sshd[2211]: x", "2026-11-03T07:42:01Z"},
		{"syslog", "<166>Jun 04 2023 17:08:09: %ASA-6-302013: x", "2023-06-04T17:08:09Z"},
		{"syslog", "<165>1 2003-08-24T05:14:15.000003-07:00 a b - - - x", "2003-08-24T12:14:15.000003Z"},
		{"syslog", "<13>2024-05-06 07:08:09 web1 app[7]: x", "2024-05-06T07:08:09Z"},
		{"cef", "CEF:0|a|b|1|2|n|3|src=1.2.3.4 rt=1423441663000 msg=x", "2015-02-09T00:27:43Z"},
		{"cef", "CEF:0|a|b|1|2|n|3|start=Oct 12 2015 04:16:11 src=1.2.3.4", "2015-10-12T04:16:11Z"},
		{"leef", "LEEF:1.0|a|b|1|2|devTime=2024-05-06T07:08:09Z\tsrc=1.2.3.4", "2024-05-06T07:08:09Z"},
		{"kv", "date=2019-05-10 time=11:37:47 type=traffic", "2019-05-10T11:37:47Z"},
	}
	for _, tt := range tests {
		b := columnar.NewBatch(tiers.Schema{}, columnar.Options{})
		f, err := Named(tt.format)
		if err != nil {
			t.Fatal(err)
		}
		for event, err := range f.Events([]byte(tt.message)) {
			if err == nil {
				err = b.Append(columnar.Meta{Seq: 1, Published: published}, published, event)
			}
			if err != nil {
				t.Fatalf("%s: %v", tt.message, err)
			}
		}
		schema := b.Schema()
		number(schema.Fields, new(int))
		files, err := b.Files(schema, parquetfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := files[0].Info.TimeMin.UTC().Format(time.RFC3339Nano); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.message, got, tt.want)
		}
	}
}

// number gives fields ids.
func number(fields []tiers.Field, last *int) {
	for i := range fields {
		*last++
		fields[i].ID = *last
		number(fields[i].Type.Fields, last)
	}
}

func pack(t testing.TB, how string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var err error
	if how == "gzip" {
		w := gzip.NewWriter(&out)
		_, err = w.Write(data)
		if err == nil {
			err = w.Close()
		}
	} else {
		var w *zstd.Encoder
		if w, err = zstd.NewWriter(&out); err == nil {
			if _, err = w.Write(data); err == nil {
				err = w.Close()
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestUnpackUndoesGzipAndZstd(t *testing.T) {
	var u Unpacker
	for again := range 2 { // what it keeps is used again
		for _, how := range []string{"gzip", "zstd"} {
			data := []byte(strings.Repeat(`{"a":1}`+"\n", 1000))
			packed := pack(t, how, data)
			if got, err := u.Unpack(packed); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %d bytes, %v", how, len(got), err)
			}
			if _, err := u.Unpack(packed[:len(packed)-7]); err == nil || !strings.Contains(err.Error(), how) {
				t.Errorf("%s that ends too early: %v", how, err)
			}
			if again > 0 {
				continue
			}
			bomb := pack(t, how, make([]byte, MostUnpacked+1))
			if _, err := u.Unpack(bomb); err == nil ||
				!strings.Contains(err.Error(), "64 MiB") && !strings.Contains(err.Error(), "memory") &&
					!strings.Contains(err.Error(), "size") {
				t.Errorf("%s of too much: %v", how, err)
			}
		}
		if got, err := u.Unpack([]byte("{}")); err != nil || string(got) != "{}" {
			t.Errorf("plain: %s, %v", got, err)
		}
	}
}

// FuzzFormats: whatever a message is, each event is an object, the same ones
// come again, and nothing is dropped: what has a byte has an event or an error.
func FuzzFormats(f *testing.F) {
	for _, s := range []string{"<34>Oct 11 22:14:15 m su: x", `<1>1 - - - - - [a b="c"] d`, "CEF:0|a|b|c|d|e|f|g=h i=j",
		"LEEF:2.0|a|b|c|d|^|e=f^g=h",
		"a=b c=\"d\\\"\"", "a,b\n1,2\n", "3 <1>a", "{}"} {
		f.Add(s)
	}
	f.Add(string(arrowMessage(f)))
	f.Add(string(parquetMessage(f)))
	f.Fuzz(func(t *testing.T, message string) {
		for _, format := range All() {
			if _, is := JSON(format, nil); is {
				continue
			}
			n := 0
			for event, err := range format.Events([]byte(message)) {
				var members map[string]json.RawMessage
				if n++; err == nil && json.Unmarshal(event, &members) != nil {
					t.Fatalf("%s: %s is not an object", format.Name(), event)
				}
			}
			if _, isTable := format.(table); n == 0 && !isTable && !blank(message) && !Expands([]byte(message)) {
				t.Fatalf("%s: nothing of %q", format.Name(), message)
			}
		}
	})
}

func blank(message string) bool {
	return strings.TrimFunc(message, func(r rune) bool { return unicode.IsSpace(r) || r == 0 || r == '\ufeff' }) == ""
}
