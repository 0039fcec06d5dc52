package eventfile

import (
	"bytes"
	"io"
)

// Content is what a file holds.
type Content string

// The contents that can be asked for.
const (
	Auto   Content = "auto"   // by its first lines
	Events Content = "events" // JSON, a table of text, Arrow or Parquet
	Lines  Content = "lines"  // a log: each line is an event, which stays as it is
)

// linesDecoder yields the lines of a log as they are, for who knows its format.
type linesDecoder struct{ b *buffer }

func (d *linesDecoder) next() ([]byte, int, error) {
	for {
		d.b.mark = -1
		if _, ok := d.b.next(); !ok {
			if err := d.b.failed(); err != nil {
				return nil, d.b.line, err
			}
			return nil, d.b.line, io.EOF
		}
		at := d.b.line
		line, err := takeLine(d.b)
		if err != nil || len(bytes.TrimSpace(line)) > 0 {
			return line, at, err
		}
	}
}

// takeLine takes the next line, without its end.
func takeLine(b *buffer) ([]byte, error) {
	b.mark = b.pos
	for {
		c, ok := b.next()
		if !ok {
			if err := b.failed(); err != nil {
				return nil, err
			}
			return bytes.TrimRight(b.data[b.mark:b.pos], "\r"), nil
		}
		b.take()
		if c == '\n' {
			return bytes.TrimRight(b.data[b.mark:b.pos], "\r\n"), nil
		}
	}
}

// looksLikeLog tells the first line of a log whose lines a source can read: of
// syslog, CEF, LEEF, or key=value words.
func looksLikeLog(head []byte) bool {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	return bytes.HasPrefix(line, []byte("CEF:")) || bytes.HasPrefix(line, []byte("LEEF:")) || hasPriority(line) ||
		IsSyslogLine(line) || isPairs(line)
}

// hasPriority tells <34>, which begins a message of syslog.
func hasPriority(line []byte) bool {
	end := bytes.IndexByte(line[:min(len(line), len("<191>"))], '>')
	return end > 1 && line[0] == '<' && digits(line[1:end])
}

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec "

// IsSyslogLine tells a line of syslog as files have it, without a priority: a
// time, a host, and the name of a program with a colon.
func IsSyslogLine(line []byte) bool {
	line, _, _ = bytes.Cut(line, []byte("\n"))
	var rest []byte
	switch {
	case len(line) > len("2006-01-02T15:04:05") && digits(line[:4]) && line[4] == '-' && line[7] == '-' &&
		line[10] == 'T' && line[13] == ':' && line[16] == ':':
		_, rest, _ = bytes.Cut(line, []byte(" "))
	case len(line) > len("Jan _2 15:04:05") && bytes.Contains([]byte(months), line[:4]) && line[6] == ' ' &&
		line[9] == ':' && line[12] == ':' && line[15] == ' ':
		rest = line[16:]
	}
	host, rest, _ := bytes.Cut(rest, []byte(" "))
	tag, _, _ := bytes.Cut(rest, []byte(" "))
	return len(host) > 0 && len(tag) > 1 && tag[len(tag)-1] == ':'
}

func digits(text []byte) bool {
	for _, c := range text {
		if c-'0' > 9 {
			return false
		}
	}
	return len(text) > 0
}

// isPairs tells a line that begins with two key=value words, which none of CSV
// does.
func isPairs(line []byte) bool {
	for range 2 {
		key, value, ok := bytes.Cut(line, []byte("="))
		if !ok || len(key) == 0 {
			return false
		}
		for i, c := range key {
			if !(c|0x20-'a' < 26 || c == '_' || i > 0 && (c-'0' < 10 || c == '.' || c == '-')) {
				return false
			}
		}
		if len(value) > 0 && value[0] == '"' {
			if _, value, ok = bytes.Cut(value[1:], []byte(`"`)); !ok {
				return false
			}
		}
		_, line, _ = bytes.Cut(value, []byte(" "))
		line = bytes.TrimLeft(line, " ")
	}
	return true
}
