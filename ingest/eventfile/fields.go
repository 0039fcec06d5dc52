package eventfile

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lakeward/lakeward/ingest/jsontext"
)

// fieldsDecoder makes an object of each row of a log whose lines that begin
// with # name its fields: W3C extended logs (IIS, CloudFront), Exchange's and
// DHCP's, Zeek's. Names may change within a file. Values are texts as they
// stand; what stands for none is left out. Where only the time of day is a
// field, the date that the log says is added.
type fieldsDecoder struct {
	b     *buffer
	names [][]byte // as JSON, with the colon
	comma bool     // rows are those of CSV
	date  []byte   // as JSON, if rows are to have it
	said  string   // the date of #Date
	rows  csvDecoder
	out   []byte
}

// looksLikeFields tells a line that begins such a log.
func looksLikeFields(head []byte) bool {
	if len(head) == 0 || head[0] != '#' {
		return false
	}
	name, _ := directive(head)
	switch name {
	case "software", "version", "fields", "separator", "date", "start-date", "log-type", "remark":
		return true
	}
	return false
}

// directive takes a line such as "#Fields: date time" apart; the name is in
// lower case.
func directive(line []byte) (name string, value []byte) {
	line = bytes.TrimRight(line, "\r\n")
	end := bytes.IndexAny(line, ": \t\r\n")
	if end < 0 {
		return "", nil
	}
	return strings.ToLower(string(line[1:end])), bytes.TrimLeft(line[end:], ": \t")
}

func (d *fieldsDecoder) next() ([]byte, int, error) {
	for {
		d.b.mark = -1
		c, ok := d.b.next()
		switch {
		case !ok && d.b.failed() != nil:
			return nil, d.b.line, d.b.failed()
		case !ok:
			return nil, d.b.line, io.EOF
		case c == '\n' || c == '\r':
			d.b.take()
			continue
		case c != '#' && d.comma && d.names != nil:
			return d.rows.next()
		}
		at := d.b.line
		line, err := takeLine(d.b)
		if err != nil {
			return nil, at, err
		}
		if c == '#' {
			if err := d.direct(line); err != nil {
				return line, at, err
			}
			continue
		}
		text, err := d.row(line)
		return text, at, err
	}
}

// direct follows a line that begins with #.
func (d *fieldsDecoder) direct(line []byte) error {
	name, value := directive(line)
	switch name {
	case "date", "start-date":
		day, _, _ := strings.Cut(string(value), " ")
		d.said, _, _ = strings.Cut(day, "T")
	case "fields":
		return d.fields(value)
	}
	return nil
}

func (d *fieldsDecoder) fields(value []byte) error {
	if !utf8.Valid(value) {
		return broken("the names of the fields are not UTF-8", "convert the file: iconv -f WINDOWS-1252 -t UTF-8 FILE")
	}
	separator := " "
	for _, s := range []string{"\t", ","} {
		if bytes.Contains(value, []byte(s)) {
			separator = s
			break
		}
	}
	d.names, d.comma, d.date = nil, separator == ",", nil
	seen := map[string]bool{}
	for part := range strings.SplitSeq(string(bytes.TrimSpace(value)), separator) {
		name := strings.TrimSpace(part)
		if name == "" && separator == " " {
			continue
		}
		if name == "" {
			name = "column_" + strconv.Itoa(len(d.names)+1)
		}
		if seen[name] {
			d.names = nil
			return broken(fmt.Sprintf("#Fields names %q twice", name), "give each field a name of its own")
		}
		seen[name] = true
		d.names = append(d.names, append(jsontext.Append(nil, []byte(name)), ':'))
	}
	if seen["time"] && !seen["date"] && d.said != "" && utf8.ValidString(d.said) {
		d.date = append([]byte(`"date":`), jsontext.Append(nil, []byte(d.said))...)
	}
	d.rows = csvDecoder{b: d.b, comma: ',', names: d.names, first: d.date}
	return nil
}

// row makes an object of a row that has no commas between its fields.
func (d *fieldsDecoder) row(line []byte) ([]byte, error) {
	if d.names == nil {
		return line, broken("a row before the line #Fields", "put the line that names the fields before it")
	}
	if !utf8.Valid(line) {
		return line, broken("the row is not UTF-8", "convert the file: iconv -f WINDOWS-1252 -t UTF-8 FILE")
	}
	separator := byte(' ')
	if bytes.IndexByte(line, '\t') >= 0 {
		separator = '\t'
	}
	d.out = append(append(d.out[:0], '{'), d.date...)
	n := 0
	for rest, more := line, true; more; n++ {
		var value []byte
		if value, rest, more = cutField(rest, separator); n >= len(d.names) || unsetField(value) {
			continue
		}
		if len(d.out) > 1 {
			d.out = append(d.out, ',')
		}
		d.out = jsontext.Append(append(d.out, d.names[n]...), value)
	}
	if n != len(d.names) {
		return line, broken(fmt.Sprintf("the row has %d fields, #Fields %d", n, len(d.names)), "check what wrote it")
	}
	d.out = append(d.out, '}')
	return d.out, nil
}

// cutField cuts the first field off; one in quotes may hold spaces.
func cutField(line []byte, separator byte) (value, rest []byte, more bool) {
	if separator == ' ' && len(line) > 1 && line[0] == '"' {
		if end := bytes.IndexByte(line[1:], '"') + 1; end > 0 && (end+1 == len(line) || line[end+1] == ' ') {
			return line[1:end], line[min(end+2, len(line)):], end+1 < len(line)
		}
	}
	return bytes.Cut(line, []byte{separator})
}

// unsetField tells what W3C's and Zeek's logs write where there is no value.
func unsetField(value []byte) bool {
	return len(value) == 0 || string(value) == "-" || string(value) == "(empty)"
}
