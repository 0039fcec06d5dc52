package format

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// writeJSON streams objects between the given texts; none is for no rows.
func writeJSON(w io.Writer, rows array.RecordReader, open, sep, end, none string) error {
	out := bufio.NewWriterSize(w, 64<<10)
	keys := objectKeys(unique(columnNames(rows)))
	raw := jsonColumns(rows.Schema())
	var line []byte
	n := 0
	for rows.Next() {
		rec := rows.RecordBatch()
		for i := range int(rec.NumRows()) {
			line = append(line[:0], sep...)
			if n == 0 {
				line = append(line[:0], open...)
			}
			for c, col := range rec.Columns() {
				line = append(line, keys[c]...)
				line = appendColumn(line, col, i, raw[c])
			}
			line = append(line, "}"...)
			if len(keys) == 0 {
				line = append(line[:len(line)-1], "{}"...)
			}
			if _, err := out.Write(line); err != nil {
				return fmt.Errorf("write rows: %w", err)
			}
			n++
		}
	}
	if err := rows.Err(); err != nil {
		_ = out.Flush()
		return err
	}
	if n == 0 {
		end = none
	}
	_, _ = out.WriteString(end)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}

// objectKeys returns what stands before each value of an object.
func objectKeys(names []string) [][]byte {
	keys := make([][]byte, len(names))
	for i, n := range names {
		k := []byte("{")
		if i > 0 {
			k = []byte(",")
		}
		keys[i] = append(appendString(k, n), ':')
	}
	return keys
}

// jsonColumns says which columns hold JSON text, by the engine's mark.
func jsonColumns(s *arrow.Schema) []bool {
	out := make([]bool, s.NumFields())
	for i, f := range s.Fields() {
		v, _ := f.Metadata.GetValue("lakeward.type")
		out[i] = v == "json"
	}
	return out
}

// appendColumn embeds JSON text as the value that it is.
func appendColumn(dst []byte, col arrow.Array, i int, raw bool) []byte {
	if s, ok := col.(array.StringLike); ok && raw && s.IsValid(i) {
		var compact bytes.Buffer // a line break would end an NDJSON object
		if json.Compact(&compact, []byte(s.Value(i))) == nil {
			return append(dst, compact.Bytes()...)
		}
	}
	return appendValue(dst, col, i)
}

// appendValue appends one value as JSON.
func appendValue(dst []byte, a arrow.Array, i int) []byte {
	if a.IsNull(i) {
		return append(dst, "null"...)
	}
	switch t := a.(type) {
	case *array.Boolean:
		return strconv.AppendBool(dst, t.Value(i))
	case *array.Float32:
		return appendFloat(dst, float64(t.Value(i)), 32)
	case *array.Float64:
		return appendFloat(dst, t.Value(i), 64)
	case *array.Decimal128:
		return append(dst, t.Value(i).ToString(t.DataType().(*arrow.Decimal128Type).Scale)...)
	case *array.Struct:
		return appendStruct(dst, t, i)
	case *array.Map:
		return appendMap(dst, t, i)
	case array.ListLike:
		return appendList(dst, t, i)
	case array.ExtensionArray:
		return appendValue(dst, t.Storage(), i)
	case *array.Dictionary:
		return appendValue(dst, t.Dictionary(), t.GetValueIndex(i))
	}
	if out, ok := appendInteger(dst, a, i); ok {
		return out
	}
	return appendString(dst, text(a, i))
}

func appendInteger(dst []byte, a arrow.Array, i int) ([]byte, bool) {
	switch t := a.(type) {
	case *array.Int8:
		return strconv.AppendInt(dst, int64(t.Value(i)), 10), true
	case *array.Int16:
		return strconv.AppendInt(dst, int64(t.Value(i)), 10), true
	case *array.Int32:
		return strconv.AppendInt(dst, int64(t.Value(i)), 10), true
	case *array.Int64:
		return strconv.AppendInt(dst, t.Value(i), 10), true
	case *array.Uint8:
		return strconv.AppendUint(dst, uint64(t.Value(i)), 10), true
	case *array.Uint16:
		return strconv.AppendUint(dst, uint64(t.Value(i)), 10), true
	case *array.Uint32:
		return strconv.AppendUint(dst, uint64(t.Value(i)), 10), true
	case *array.Uint64:
		return strconv.AppendUint(dst, t.Value(i), 10), true
	}
	return dst, false
}

// appendFloat writes what JSON has no number for as text.
func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return appendString(dst, floatText(f, bits))
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

func appendStruct(dst []byte, t *array.Struct, i int) []byte {
	dst = append(dst, '{')
	for k, f := range t.DataType().(*arrow.StructType).Fields() {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, f.Name), ':')
		dst = appendValue(dst, t.Field(k), i)
	}
	return append(dst, '}')
}

func appendMap(dst []byte, t *array.Map, i int) []byte {
	dst = append(dst, '{')
	from, to := t.ValueOffsets(i)
	for k := int(from); k < int(to); k++ {
		if k > int(from) {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, text(t.Keys(), k)), ':')
		dst = appendValue(dst, t.Items(), k)
	}
	return append(dst, '}')
}

func appendList(dst []byte, t array.ListLike, i int) []byte {
	dst = append(dst, '[')
	from, to := t.ValueOffsets(i)
	for k := int(from); k < int(to); k++ {
		if k > int(from) {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, t.ListValues(), k)
	}
	return append(dst, ']')
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= 0x20 && b != '"' && b != '\\' && b < utf8.RuneSelf {
			i++
			continue
		}
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			dst = append(append(dst, s[start:i]...), `\ufffd`...)
		} else {
			dst = appendEscape(append(dst, s[start:i]...), b)
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
}

func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
