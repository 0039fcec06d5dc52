package eventfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/lakeward/lakeward/ingest/jsontext"
)

// csvDecoder makes an object of each row: the header names the members, every
// value is a text as it stands (line breaks in quotes included), and an empty
// one is left out. The package encoding/csv would rewrite line breaks.
type csvDecoder struct {
	b      *buffer
	comma  byte     // between fields
	names  [][]byte // as JSON, with the colon
	first  []byte   // a member that every row gets
	field  []byte
	fields int
	out    []byte
}

func (d *csvDecoder) next() ([]byte, int, error) {
	if d.names == nil {
		if err := d.header(); err != nil {
			return nil, d.b.line, err
		}
	}
	line := d.skipBlank()
	d.b.mark = d.b.pos
	d.out, d.fields = append(append(d.out[:0], '{'), d.first...), 0
	err := d.row(func(value []byte) {
		if d.fields < len(d.names) && len(value) > 0 {
			if len(d.out) > 1 {
				d.out = append(d.out, ',')
			}
			d.out = jsontext.Append(append(d.out, d.names[d.fields]...), value)
		}
		d.fields++
	})
	if err != nil {
		return d.skipRow(line, err)
	}
	if d.fields != len(d.names) {
		return bytes.TrimRight(d.b.data[d.b.mark:d.b.pos], "\r\n"), line,
			broken(fmt.Sprintf("the row has %d fields, the header %d", d.fields, len(d.names)),
				"put fields with commas or line breaks in double quotes")
	}
	d.out = append(d.out, '}')
	return d.out, line, nil
}

// skipRow moves past the line of a row that cannot be read.
func (d *csvDecoder) skipRow(line int, err error) ([]byte, int, error) {
	b := d.b
	bad, ok := errors.AsType[*Error](err)
	if !ok || b.failed() != nil {
		return nil, line, err
	}
	b.pos, b.line = b.mark, line
	for {
		c, ok := b.next()
		if !ok || c == '\n' {
			break
		}
		b.take()
	}
	if err := b.failed(); err != nil {
		return nil, line, err
	}
	bad.Broken = true
	return b.data[b.mark:b.pos], line, bad
}

func (d *csvDecoder) header() error {
	d.skipBlank()
	seen := map[string]bool{}
	var twice string
	err := d.row(func(name []byte) {
		text := string(name)
		if text == "" {
			text = "column_" + strconv.Itoa(len(d.names)+1)
		}
		if seen[text] {
			twice = text
		}
		seen[text] = true
		d.names = append(d.names, append(jsontext.Append(nil, []byte(text)), ':'))
	})
	if err == nil && twice != "" {
		err = problem(fmt.Sprintf("the header names the column %q twice", twice), "give each column a name of its own")
	}
	return err
}

// skipBlank skips empty lines and returns the line of what follows.
func (d *csvDecoder) skipBlank() int {
	for {
		c, ok := d.b.next()
		if !ok || (c != '\n' && c != '\r') {
			return d.b.line
		}
		d.b.take()
	}
}

// row reads one row and passes on each field, or returns io.EOF.
func (d *csvDecoder) row(each func(value []byte)) error {
	if _, ok := d.b.next(); !ok {
		if err := d.b.failed(); err != nil {
			return err
		}
		return io.EOF
	}
	for size := 0; ; {
		d.field = d.field[:0]
		more, err := d.one()
		if err != nil {
			return err
		}
		if size += len(d.field); size > MaxEvent {
			return problem("a row is larger than 64 MiB", "check that a quote is not left open")
		}
		if !utf8.Valid(d.field) {
			return problem("a field is not UTF-8", "convert the file: iconv -f WINDOWS-1252 -t UTF-8 FILE")
		}
		each(d.field)
		if !more {
			return nil
		}
	}
}

// one reads a field and its end; more reports that another follows.
func (d *csvDecoder) one() (more bool, err error) {
	if c, ok := d.b.next(); ok && c == '"' {
		d.b.take()
		if err := d.quoted(); err != nil {
			return false, err
		}
		c, ok = d.b.next()
		if ok && c != d.comma && c != '\n' && c != '\r' {
			return false, problem(fmt.Sprintf("%q follows a closing quote", c), `write a double quote within quotes twice: ""`)
		}
	}
	for {
		c, ok := d.b.next()
		if !ok {
			return false, d.b.failed()
		}
		d.b.take()
		switch c {
		case d.comma:
			return true, nil
		case '\n':
			return false, nil
		case '\r':
			if n, ok := d.b.next(); ok && n == '\n' {
				continue
			}
			return false, d.b.failed()
		}
		d.field = append(d.field, c)
		if len(d.field) > MaxEvent {
			return false, problem("a field is larger than 64 MiB", "check that a quote is not left open")
		}
	}
}

// quoted reads to the closing quote; two quotes are one.
func (d *csvDecoder) quoted() error {
	for len(d.field) <= MaxEvent {
		c, ok := d.b.next()
		if !ok {
			if err := d.b.failed(); err != nil {
				return err
			}
			return problem("a quoted field is not closed at the end of the file",
				"it was cut short, or a double quote is missing")
		}
		d.b.take()
		if c == '"' {
			if c, ok = d.b.next(); !ok || c != '"' {
				return nil
			}
			d.b.take()
		}
		d.field = append(d.field, c)
	}
	return problem("a field is larger than 64 MiB", "check that a quote is not left open")
}
