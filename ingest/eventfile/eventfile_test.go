package eventfile

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
)

// all reads everything, as "member:line:json".
func all(r *Reader) (events []string, ids []string, err error) {
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return events, ids, nil
		}
		if err != nil {
			return events, ids, err
		}
		events = append(events, e.Member+":"+strconv.Itoa(e.Line)+":"+string(e.JSON))
		ids = append(ids, e.ID("events.x", Salt{}))
	}
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) ([]string, []string, error) {
	t.Helper()
	r, err := Open(path, nil, Auto)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	return all(r)
}

func gzipped(t *testing.T, data string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t *testing.T, members ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		w, err := z.Create(members[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, members[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var shapes = []struct {
	name, file, text string
	want             []string
}{
	{"lines", "a.json", "{\"a\":1}\n{\"a\":2}\r\n\n{\"a\":3}", []string{`:1:{"a":1}`, `:2:{"a":2}`, `:4:{"a":3}`}},
	{"lines without breaks", "a", `{"a":1}{"a":"}\"{"} {"a":[{}]}`,
		[]string{`:1:{"a":1}`, `:1:{"a":"}\"{"}`, `:1:{"a":[{}]}`}},
	{"printed over lines", "a", "{\n  \"a\": \"x  y\"\n}\n{\n\"b\":[1,\n2]}",
		[]string{`:1:{"a":"x  y"}`, `:4:{"b":[1,2]}`}},
	{"array", "a", "[{\"a\":1},\n {\"a\":2}]\n", []string{`:1:{"a":1}`, `:2:{"a":2}`}},
	{"empty array", "a", "[ ]", nil},
	{"records", "a", `{"Records":[{"a":1},{"a":2}]}`, []string{`:1:{"a":1}`, `:1:{"a":2}`}},
	{"records, lower case, spread", "a", "{\n \"records\" : [\n{\"a\":1}\n]\n}\n", []string{`:3:{"a":1}`}},
	{"records a line", "a", "{\"Records\":[{\"a\":1}]}\n{\"Records\":[]}\n{\"Records\":[{\"a\":2}]}",
		[]string{`:1:{"a":1}`, `:3:{"a":2}`}},
	{"records that are no events", "a", `{"Records":[1,2],"b":1}`, []string{`:1:{"Records":[1,2],"b":1}`}},
	{"records further on", "a", `{"b":1,"Records":[{"a":1}]}`, []string{`:1:{"b":1,"Records":[{"a":1}]}`}},
	{"one object", "a", ` {"rec":{"Records":[{}]}} `, []string{`:1:{"rec":{"Records":[{}]}}`}},
	{"byte order mark", "a", "\xef\xbb\xbf{\"a\":1}", []string{`:1:{"a":1}`}},
	{"nothing", "a", " \n", nil},
	{"csv", "a", "t,u,p\n1,,x y\n2,\"say \"\"hi\"\"\",\"[\r\n {\"\"a\"\": 1}\n]\"\r\n\n3,b,", []string{
		`:2:{"t":"1","p":"x y"}`, `:3:{"t":"2","u":"say \"hi\"","p":"[\r\n {\"a\": 1}\n]"}`, `:7:{"t":"3","u":"b"}`}},
	{"csv with a mark and nameless column", "a.csv", "\xef\xbb\xbf,b\n0,x\x01\n",
		[]string{`:2:{"column_1":"0","b":"x\u0001"}`}},
	{"csv of one column", "a.csv.gz", "a\n1\n", []string{`:2:{"a":"1"}`}},
	{"csv without rows", "a", "a,b\n", nil},
}

func TestShapes(t *testing.T) {
	for _, tt := range shapes {
		t.Run(tt.name, func(t *testing.T) {
			forms := map[string][]byte{"plain": []byte(tt.text), "gzip": gzipped(t, tt.text)}
			var first []string
			for form, data := range forms {
				got, ids, err := read(t, write(t, tt.file, data))
				if err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				same(t, form, got, tt.want)
				if first != nil {
					same(t, "ids of "+form, ids, first)
				}
				first = ids
			}
			member := strings.TrimSuffix(tt.file, ".gz")
			got, _, err := read(t, write(t, "a.zip",
				zipped(t, "d/", "", member, tt.text, "__MACOSX/._x", "\x00\x05", "again", string(gzipped(t, "{}")))))
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, w := range tt.want {
				want = append(want, member+w)
			}
			same(t, "zip", got, append(want, "again:1:{}"))
		})
	}
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestStdinByteByByte(t *testing.T) {
	for _, tt := range shapes {
		if strings.HasSuffix(tt.name, "one column") {
			continue // only a name tells
		}
		for form, data := range map[string][]byte{"plain": []byte(tt.text), "gzip": gzipped(t, tt.text)} {
			r, err := Open(Stdin, iotest.OneByteReader(bytes.NewReader(data)), Auto)
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := all(r)
			if err != nil {
				t.Errorf("%s %s: %v", tt.name, form, err)
			}
			same(t, tt.name+" "+form, got, tt.want)
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	r, err := Open(Stdin, iotest.HalfReader(bytes.NewReader(zipped(t, "m", `{"a":1}`))), Auto)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := all(r)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "zip", got, []string{`m:1:{"a":1}`})
	temp := r.temp
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(temp); !os.IsNotExist(err) {
		t.Errorf("the spooled file is left: %v", err)
	}
}

// A pipe that is still open yields what it has.
func TestAnOpenPipeIsNotWaitedFor(t *testing.T) {
	in, out := io.Pipe()
	r, err := openWhile(in, func() {
		if _, err := io.WriteString(out, "{\"a\":1}\n"); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := r.Next()
	if err != nil || string(e.JSON) != `{"a":1}` {
		t.Fatalf("got %s, %v", e.JSON, err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v at the end", err)
	}
}

func openWhile(in io.Reader, write func()) (*Reader, error) {
	go write()
	return Open(Stdin, in, Auto)
}

func TestErrorsNamePlaceAndRemedy(t *testing.T) {
	cut := gzipped(t, strings.Repeat("{\"a\":1}\n", 1000))
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"a number", []byte("{\"a\":1}\n17\n"), "line 2: '1' begins no event"},
		{"an element", []byte("[{},\n\"x\"]"), `line 2: '"' begins no event`},
		{"no comma", []byte("[{}\n{}]"), "line 2: '{' where a comma"},
		{"a comma too many", []byte("[{},]"), "line 1: ']' begins no event"},
		{"array cut short", []byte("[{},\n{}"), "the file ends within its array; it was cut short"},
		{"object cut short", []byte("{}\n{\"a\":[1"), "line 2: the event is not closed"},
		{"text not closed", []byte("{}\n{\"a\":\"x\n\"}"), "line 2: a text is not closed"},
		{"bad json", []byte("{}\n{\"a\":tru}\n"), "line 2: the event is not valid JSON: invalid character '}' in literal " +
			"true"},
		{"mixed brackets", []byte("{\"a\":[}]"), "not valid JSON"},
		{"after the records", []byte(`{"Records":[{}],"b":1}`), "something follows the records"},
		{"utf-16", []byte("\xff\xfe{\x00}\x00"), "is not UTF-8 but UTF-16 or UTF-32; convert it: iconv"},
		{"utf-16 without a mark", []byte("{\x00\"\x00a\x00\"\x00"), "is not UTF-8 but UTF-16"},
		{"binary", []byte("\x00\x01\x02"), "holds neither JSON objects nor CSV"},
		{"text", []byte("hello\n"), "holds neither JSON objects nor CSV"},
		{"zstd", []byte("\x28\xb5\x2f\xfd\x00,"), "compressed by zstd; unpack it: zstd -dc"},
		{"xz", []byte("\xfd7zXZ\x00\x00,"), "compressed by xz; unpack it: xz -dc"},
		{"bzip2", []byte("BZh91AY&SY,\n"), "compressed by bzip2; unpack it: bzip2 -dc"},
		{"tar", append(make([]byte, 257), "ustar\x00"...), "a tar archive, which is not taken apart here; unpack it"},
		{"gzip cut short", cut[:len(cut)-20], "unexpected EOF; the file may be damaged"},
		{"gzip with a wrong sum", append(append([]byte{}, cut[:len(cut)-8]...), 0, 0, 0, 0, 0, 0, 0, 0), "invalid checksum"},
		{"zip cut short", zipped(t, "m", "{}")[:40], "not a valid zip file"},
		{"zip member", zipped(t, "m.json", "{}\n[x"), "f, member m.json, line 2: "},
		{"csv fields", []byte("a,b\n1,2\n1,2,3\n"), "line 3: the row has 3 fields, the header 2"},
		{"csv quote", []byte("a,b\n1,\"x\n\n"), "line 2: a quoted field is not closed"},
		{"csv after quote", []byte("a,b\n\"x\"y,1\n"), `line 2: 'y' follows a closing quote`},
		{"csv header", []byte("a,a\n"), `names the column "a" twice`},
		{"csv not utf-8", []byte("a,b\n\xe9,1\n"), "line 2: a field is not UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "f", tt.data)
			_, _, err := read(t, path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), path) {
				t.Errorf("got %v, want ...%s", err, tt.want)
			}
			var e *Error
			if !errors.As(err, &e) || e.Remedy == "" {
				t.Errorf("%v has no remedy", err)
			}
		})
	}
	if _, err := Open(t.TempDir(), nil, Auto); err == nil || !strings.Contains(err.Error(), "is a directory; name the files") {
		t.Errorf("directory: %v", err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero"} {
		if _, err := Open(path, nil, Auto); err == nil ||
			!strings.Contains(err.Error(), "is a pipe or a device; give a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestIDsKeepRepeatsAndRepeatNothing(t *testing.T) {
	_, ids, err := read(t, write(t, "a", []byte("{\"a\":1}\n{\"a\":2}\n{\"a\":1}\n")))
	if err != nil {
		t.Fatal(err)
	}
	if ids[0] == ids[1] || ids[2] != ids[0]+".2" {
		t.Errorf("ids %v", ids)
	}
	_, again, err := read(t, write(t, "b", []byte("[{\"a\":1},{\"a\":1},\n{\"a\":2}]")))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "another shape and order", again, []string{ids[0], ids[2], ids[1]})
	e := Event{hash: hashOf([]byte("{}"))}
	if e.ID("events.a", Salt{}) == e.ID("events.b", Salt{}) {
		t.Error("one event on two subjects is one message")
	}
}

// TestReadingGoesOnAfterWhatIsBroken: each broken part is returned as it is,
// and the events after it are read.
func TestReadingGoesOnAfterWhatIsBroken(t *testing.T) {
	for _, tt := range []struct{ name, data, want string }{
		{"a bad line", "{\"a\":1}\n{\"a\":\x1b}\n{\"a\":3}\n", "{\"a\":1} !{\"a\":\x1b} {\"a\":3}"},
		{"no object", "{\"a\":1}\nhello {\n{\"a\":3}\n", `{"a":1} !hello { {"a":3}`},
		{"a line cut short", "{\"a\":{\"b\":1}\n{\"a\":2}\n{\"a\":3}\n", `!{"a":{"b":1} {"a":2} {"a":3}`},
		{"a line cut short after a comma", "{\"a\":1,\n{\"a\":2}\n{\"a\":3}\n", `!{"a":1, {"a":2} {"a":3}`},
		{"a line cut short in a text", "{\"a\":\"x\n{\"a\":2}\n", `!{"a":"x {"a":2}`},
		{"the last line cut short", "{\"a\":1}\n{\"a\":", `{"a":1} !{"a":`},
		{"an element", "[{\"a\":1},{\"a\":tru},7,{\"a\":3}]", `{"a":1} !{"a":tru} !7 {"a":3}`},
		{"commas too many", "[{\"a\":1},,{\"a\":3},]", `{"a":1} !, {"a":3} !,`},
		{"a row", "a,b\n1,2\n1,2,3\n\"x\"y,1\n5,6\n", `{"a":"1","b":"2"} !1,2,3 !"x"y,1 {"a":"5","b":"6"}`},
	} {
		r, err := Open(Stdin, strings.NewReader(tt.data), Auto)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range 20 {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			text := string(e.JSON)
			if bad := (*Error)(nil); errors.As(err, &bad) {
				if text = "!" + text; !bad.Broken || bad.Line == 0 {
					t.Errorf("%s: %v", tt.name, err)
				}
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, strings.Join(got, " "), tt.want)
		}
	}
	r, err := Open(write(t, "f.zip", zipped(t, "a", "{\"a\":1}\n", "b", "\x00\x01", "c", "{\"a\":3}\n")), nil, Auto)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var events, problems int
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if events++; err != nil {
			events, problems = events-1, problems+1
		}
	}
	if events != 2 || problems != 1 {
		t.Errorf("%d events and %d problems of an archive with a bad member", events, problems)
	}
}

func TestSaltsTellEqualEventsApart(t *testing.T) {
	id := func(path string, salt Salt) string {
		r, err := Open(path, nil, Auto)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		e, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		return e.ID("events.x", salt)
	}
	a, b := write(t, "a", []byte("{}\n")), write(t, "b", []byte("\n{}\n"))
	if err := os.WriteFile(a+".gz", gzipped(t, "{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := Salt{File: true}
	if id(a, file) == id(b, file) || id(a, file) != id(a+".gz", file) || id(a, Salt{}) != id(b, Salt{}) {
		t.Error("the file tells events apart, its compression does not")
	}
	if id(a, Salt{Host: "x"}) == id(a, Salt{Host: "y"}) || id(a, Salt{Line: true}) == id(b, Salt{Line: true}) {
		t.Error("host and line tell events apart")
	}
}

func TestProgressEndsAtTheSize(t *testing.T) {
	lines := strings.Repeat("{\"a\":\"0123456789\"}\n", 50000)
	for name, data := range map[string][]byte{"plain": []byte(lines), "gzip": gzipped(t, lines),
		"zip": zipped(t, "a", lines, "b", lines)} {
		r, err := Open(write(t, "f", data), nil, Auto)
		if err != nil {
			t.Fatal(err)
		}
		if done, total := r.Progress(); done != 0 || total != int64(len(data)) {
			t.Errorf("%s: begins at %d of %d", name, done, total)
		}
		if _, _, err := all(r); err != nil {
			t.Fatal(err)
		}
		if done, total := r.Progress(); done < total*9/10 || done > total {
			t.Errorf("%s: ends at %d of %d", name, done, total)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Memory is bounded by the event, not by the file.
func TestAFileIsNotHeld(t *testing.T) {
	r, err := Open(Stdin, io.MultiReader(strings.NewReader("["),
		&repeat{text: `{"a":"` + strings.Repeat("x", 1000) + `"},`, n: 50000}, strings.NewReader("{}]")), Auto)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 50001 || len(r.seen) != 2 {
		t.Errorf("%d events, %d distinct", n, len(r.seen))
	}
}

type repeat struct {
	text string
	n    int
	rest string
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.n == 0 {
			return 0, io.EOF
		}
		r.n--
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestAnOversizeEventIsRefused(t *testing.T) {
	r, err := Open(Stdin, io.MultiReader(strings.NewReader(`{"a":"`), &repeat{text: strings.Repeat("x", 1<<20), n: 70}), Auto)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("got %v", err)
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range shapes {
		f.Add([]byte(s.text))
	}
	f.Add([]byte("\x1f\x8b"))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Open(Stdin, bytes.NewReader(data), Auto)
		if err != nil {
			return
		}
		defer func() {
			if err := r.Close(); err != nil {
				t.Skip(err)
			}
		}()
		for {
			e, err := r.Next()
			if err != nil {
				return
			}
			if !json.Valid(e.JSON) || e.JSON[0] != '{' || bytes.IndexByte(e.JSON, '\n') >= 0 {
				t.Fatalf("no event: %q", e.JSON)
			}
		}
	})
}
