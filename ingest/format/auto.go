package format

import (
	"bytes"
	"iter"

	"github.com/lakeward/lakeward/ingest/columnar"
)

// auto decides by how each message begins: JSON, syslog, CEF or LEEF. The other
// formats begin like any text, and are taken only where they are asked for.
type auto struct{}

func (auto) Name() string { return "auto" }

func (auto) Events(data []byte) iter.Seq2[[]byte, error] {
	if f := other(data); f != nil {
		return f.Events(data)
	}
	return columnar.Split(auto{}.Name(), data)
}

// other is the format besides JSON that text beginning like this can only have;
// nil: there is none.
func other(data []byte) Format {
	data = bytes.TrimLeft(data, "\xef\xbb\xbf \t\r\n")
	switch {
	case bytes.HasPrefix(data, []byte("CEF:")):
		return lines{"cef", appendCEF}
	case bytes.HasPrefix(data, []byte("LEEF:")):
		return lines{"leef", appendLEEF}
	case isSyslog(data):
		return lines{"syslog", appendSyslog}
	}
	return nil
}
