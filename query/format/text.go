package format

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

const (
	utcTime   = "2006-01-02T15:04:05.000000Z"
	localTime = "2006-01-02T15:04:05.000000" // of a timestamp without zone
	dateOnly  = "2006-01-02"
	clock     = "15:04:05.000000"
)

// text is a value that is not null as plain text: nested values as JSON,
// binary as base64.
func text(a arrow.Array, i int) string {
	switch t := a.(type) {
	case array.StringLike:
		return t.Value(i)
	case interface{ Value(int) []byte }:
		return base64Text(t.Value(i))
	case *array.Timestamp:
		return timestampText(t, i)
	case *array.Date32:
		return t.Value(i).ToTime().Format(dateOnly)
	case *array.Date64:
		return t.Value(i).ToTime().Format(dateOnly)
	case *array.Time32:
		return t.Value(i).ToTime(t.DataType().(*arrow.Time32Type).Unit).Format(clock)
	case *array.Time64:
		return t.Value(i).ToTime(t.DataType().(*arrow.Time64Type).Unit).Format(clock)
	case *array.MonthDayNanoInterval:
		return intervalText(t.Value(i))
	case *array.Float32:
		return floatText(float64(t.Value(i)), 32)
	case *array.Float64:
		return floatText(t.Value(i), 64)
	case *array.Struct, array.ListLike, *array.Boolean, *array.Decimal128:
		return string(appendValue(nil, a, i))
	case array.ExtensionArray:
		return text(t.Storage(), i)
	case *array.Dictionary:
		return text(t.Dictionary(), t.GetValueIndex(i))
	}
	if n, ok := appendInteger(nil, a, i); ok {
		return string(n)
	}
	return a.ValueStr(i)
}

func timestampText(t *array.Timestamp, i int) string {
	typ := t.DataType().(*arrow.TimestampType)
	v := int64(t.Value(i))
	var at time.Time
	switch typ.Unit {
	case arrow.Second:
		at = time.Unix(v, 0)
	case arrow.Millisecond:
		at = time.UnixMilli(v)
	case arrow.Microsecond:
		switch v { // what DuckDB keeps for times that have no date
		case math.MaxInt64:
			return "infinity"
		case -math.MaxInt64:
			return "-infinity"
		}
		at = time.UnixMicro(v)
	case arrow.Nanosecond:
		at = time.Unix(v/1e9, v%1e9)
	}
	if typ.TimeZone == "" {
		return at.UTC().Format(localTime)
	}
	return at.UTC().Format(utcTime)
}

// intervalText writes an ISO 8601 duration.
func intervalText(v arrow.MonthDayNanoInterval) string {
	var b strings.Builder
	b.WriteByte('P')
	if v.Months != 0 {
		fmt.Fprintf(&b, "%dM", v.Months)
	}
	if v.Days != 0 {
		fmt.Fprintf(&b, "%dD", v.Days)
	}
	if v.Nanoseconds != 0 || b.Len() == 1 {
		b.WriteString("T" + strconv.FormatFloat(float64(v.Nanoseconds)/1e9, 'f', -1, 64) + "S")
	}
	return b.String()
}

func floatText(f float64, bits int) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(f, 'g', -1, bits)
}
