package eventfile

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/lakeward/lakeward/ingest/columnfile"
)

const sniffed = 4096

// newDecoder looks at the beginning of a member to decide what it holds.
func newDecoder(b *buffer, name string, want Content) (decoder, error) {
	head, err := firstLine(b)
	if err != nil {
		return nil, err
	}
	if kind := columnfile.Kind(head); kind != "" && want != Lines {
		return newColumns(kind, b)
	}
	if isUTF16(head) {
		return nil, problem("it is not UTF-8 but UTF-16 or UTF-32",
			"convert it: iconv -f UTF-16 -t UTF-8 FILE | lakeward publish -")
	}
	if what, remedy := packed(head); what != "" {
		return nil, problem(what, remedy)
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		b.pos += 3
		head = head[3:]
	}
	text := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case want == Lines:
		return &linesDecoder{b}, nil
	case looksLikeJSON(text):
		return &jsonDecoder{b: b}, nil
	case looksLikeFields(text):
		return &fieldsDecoder{b: b}, nil
	case len(text) == 0 && errors.Is(b.err, io.EOF):
		return empty{}, nil
	case want == Auto && looksLikeLog(text):
		return &linesDecoder{b}, nil
	case looksLikeCSV(head, name):
		return &csvDecoder{b: b, comma: commaOf(head, name)}, nil
	default:
		return nil, problem("it holds neither JSON objects nor CSV with a header nor a log with a line #Fields, Arrow or "+
			"Parquet, nor lines of syslog, CEF, LEEF or key=value",
			"convert it to one JSON object a line, or publish its lines as they are: --format lines")
	}
}

// packed names what is taken apart by others, and how.
func packed(head []byte) (what, remedy string) {
	const tarMagic = 257 // bytes before it
	switch {
	case len(head) > tarMagic && bytes.HasPrefix(head[tarMagic:], []byte("ustar")):
		return "it is a tar archive, which is not taken apart here", "unpack it (tar -xf FILE) and publish its files"
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return "it is compressed by zstd", "unpack it: zstd -dc FILE | lakeward publish -"
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		return "it is compressed by xz", "unpack it: xz -dc FILE | lakeward publish -"
	case bytes.HasPrefix(head, []byte("BZh")) && len(head) > 9 && bytes.HasPrefix(head[4:], []byte("1AY&SY")):
		return "it is compressed by bzip2", "unpack it: bzip2 -dc FILE | lakeward publish -"
	}
	return "", ""
}

// firstLine peeks as far as the first line that is not blank, or as far as is
// needed to judge it. A pipe is not waited for longer.
func firstLine(b *buffer) ([]byte, error) {
	for n := 2; ; {
		_, err := b.peek(n)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		head := b.data[b.pos:]
		if err != nil || len(head) >= sniffed || bytes.IndexByte(bytes.TrimLeft(head, " \t\r\n"), '\n') >= 0 {
			return head, nil
		}
		n = len(head) + 1
	}
}

// empty is a member without events.
type empty struct{}

func (empty) next() ([]byte, int, error) { return nil, 0, io.EOF }

func looksLikeJSON(text []byte) bool {
	if len(text) == 0 || (text[0] != '{' && text[0] != '[') {
		return false
	}
	rest := bytes.TrimLeft(text[1:], " \t\r\n")
	if len(rest) == 0 {
		return true
	}
	if text[0] == '{' {
		return rest[0] == '"' || rest[0] == '}'
	}
	return rest[0] == '{' || rest[0] == ']'
}

// looksLikeCSV wants text whose first line has two columns; the name is asked
// only for a single column.
func looksLikeCSV(head []byte, name string) bool {
	if bytes.IndexByte(head, 0) >= 0 || strings.IndexByte("{[<", head[0]) >= 0 {
		return false
	}
	first, _, _ := bytes.Cut(head, []byte("\n"))
	return bytes.IndexByte(first, ',') >= 0 || namedTable(name)
}

// namedTable tells a name of a table that is text.
func namedTable(name string) bool {
	lower := strings.TrimSuffix(strings.ToLower(name), ".gz")
	return strings.HasSuffix(lower, ".csv") || strings.HasSuffix(lower, ".tsv") || strings.HasSuffix(lower, ".tab")
}

// commaOf is what stands between the fields of a table. A tab or a semicolon is
// believed only of a file that is named as a table: text of any kind has them.
func commaOf(head []byte, name string) byte {
	first, _, _ := bytes.Cut(head, []byte("\n"))
	comma := byte(',')
	for _, c := range []byte("\t;") {
		if namedTable(name) && bytes.Count(first, []byte{c}) > bytes.Count(first, []byte{comma}) {
			comma = c
		}
	}
	return comma
}

func isUTF16(head []byte) bool {
	if len(head) < 2 {
		return false
	}
	bom := [2]byte{head[0], head[1]}
	if bom == [2]byte{0xff, 0xfe} || bom == [2]byte{0xfe, 0xff} {
		return true
	}
	// Without a mark, ASCII in UTF-16 has a zero in every other byte.
	return len(head) >= 4 && (head[0] == 0) != (head[1] == 0) && bytes.Count(head, []byte{0}) >= len(head)/3
}
