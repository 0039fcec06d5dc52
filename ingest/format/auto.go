package format

import (
	"bytes"
	"iter"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/ingest/columnfile"
)

// auto decides by how each message begins: JSON, syslog, CEF, LEEF, Arrow or
// Parquet. The other formats begin like any text, and are taken only where they
// are asked for, by the configuration or by the message's content type.
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
	switch columnfile.Kind(data) {
	case "arrow":
		return arrow()
	case "parquet":
		return parquet()
	}
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

// Of is the format of one message: what its content type says, if the source's
// format is to be decided by the message. Content types that a sender may set
// without a thought, as that of JSON, say nothing that the first bytes do not.
func Of(f Format, header, data []byte) Format {
	if _, is := f.(auto); !is || len(header) == 0 || len(data) > 0 && (data[0] == '{' || data[0] == '[') {
		return f
	}
	value, _ := columnar.HeaderValue(header, "Content-Type")
	name, _, _ := bytes.Cut(value, []byte(";"))
	switch string(bytes.ToLower(bytes.TrimSpace(name))) {
	case "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file":
		return arrow()
	case "application/vnd.apache.parquet", "application/x-parquet":
		return parquet()
	case "text/csv":
		return table{}
	}
	return f
}
