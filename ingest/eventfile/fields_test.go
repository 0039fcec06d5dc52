package eventfile

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestLogsThatNameTheirFields(t *testing.T) {
	tests := []struct {
		name, data string
		want       []string // what is broken begins with !
	}{
		{"IIS", "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date: 2026-11-01 02:30:05\r\n" +
			"#Fields: date time c-ip cs(User-Agent) sc-status\r\n2026-11-01 02:30:05 192.0.2.1 Mozilla/5.0+(X11) 200\r\n" +
			"2026-11-01 02:30:06 192.0.2.1 - 404\r\n2026-11-01 02:30:07 192.0.2.1 200\r\n" +
			"#Software: Microsoft Internet Information Services 10.0\r\n#Fields: date time sc-status\r\n2026-11-01 02:30:08 " +
			"500\r\n",
			[]string{`{"date":"2026-11-01","time":"02:30:05","c-ip":"192.0.2.1","cs(User-Agent)":"Mozilla/5.0+(X11)","sc-status":"200"}`,
				`{"date":"2026-11-01","time":"02:30:06","c-ip":"192.0.2.1","sc-status":"404"}`,
				"!2026-11-01 02:30:07 192.0.2.1 200", `{"date":"2026-11-01","time":"02:30:08","sc-status":"500"}`}},
		{"tabs below names with spaces", "#Version: 1.0\n#Fields: date time " +
			"cs(User-Agent)\n2026-11-01\t02:30:05\tMozilla/5.0 (X11)\n",
			[]string{`{"date":"2026-11-01","time":"02:30:05","cs(User-Agent)":"Mozilla/5.0 (X11)"}`}},
		{"Exchange", "\xef\xbb\xbf#Software: Microsoft Exchange Server\n#Log-type: Message Tracking Log\n#Fields: " +
			"date-time,client-ip,source-context\n" +
			"2026-11-01T02:30:05.052Z,,\"MDB:1, Mailbox:2\nnext\"\n\n2026-11-01T02:30:06.052Z,192.0.2.1\n",
			[]string{`{"date-time":"2026-11-01T02:30:05.052Z","source-context":"MDB:1, Mailbox:2\nnext"}`,
				"!2026-11-01T02:30:06.052Z,192.0.2.1"}},
		{"Zeek",
			"#separator \\x09\n#unset_field\t-\n#path\tssh\n#fields\tts\tid.orig_h\tclient\n#types\ttime\taddr\tstring\n" +
				"1324071333.792887\t192.0.2.1\tSSH-2.0 x\n1324071334.1\t-\t(empty)\n#close\t2018-10-16-15-00-07\n",
			[]string{`{"ts":"1324071333.792887","id.orig_h":"192.0.2.1","client":"SSH-2.0 x"}`, `{"ts":"1324071334.1"}`}},
		{"the date of the log", "#Version: 1.0\n#Date: 12-Jan-2026 00:00:00\n#Fields: time cs-uri\n00:34:23 /foo/bar.html\n",
			[]string{`{"date":"12-Jan-2026","time":"00:34:23","cs-uri":"/foo/bar.html"}`}},
		{"quotes", "#Fields: a b\n\"x y\" \"z\"\n\"x y\n", []string{`{"a":"x y","b":"z"}`, `{"a":"\"x","b":"y"}`}},
		{"a row before", "#Version: 1.0\nx y\n#Fields: a b\nx y", []string{"!x y", `{"a":"x","b":"y"}`}},
		{"a name twice", "#Fields: a a\nx y\n", []string{"!#Fields: a a", "!x y"}},
		{"no row", "#Fields: a b\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Open(Stdin, strings.NewReader(tt.data), Auto)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for {
				e, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if bad, ok := errors.AsType[*Error](err); err != nil && (!ok || !bad.Broken) {
					t.Fatal(err)
				}
				text := string(e.JSON)
				if err != nil {
					text = "!" + text
				}
				got = append(got, text)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%q\nwant\n%q", got, tt.want)
			}
		})
	}
}

func TestTablesWithTabsAndSemicolons(t *testing.T) {
	const want = `:2:{"Date":"2026-11-01","Time":"02:30:05","Text":"a, b"}`
	for name, data := range map[string]string{
		"export.csv":    "Date;Time;Text\n2026-11-01;02:30:05;\"a, b\"\n",
		"export.tsv":    "Date\tTime\tText\n2026-11-01\t02:30:05\ta, b\n",
		"commas.csv":    "Date,Time,Text\n2026-11-01,02:30:05,\"a, b\"\n",
		"export.csv.gz": string(gzipped(t, "Date;Time;Text\n2026-11-01;02:30:05;a, b\n")),
	} {
		events, _, err := read(t, write(t, name, []byte(data)))
		if err != nil || !slices.Equal(events, []string{want}) {
			t.Errorf("%s: %q, %v", name, events, err)
		}
	}
}
