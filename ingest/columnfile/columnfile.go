// Package columnfile reads Arrow IPC and Parquet as rows, each one JSON object:
// what a publisher would have sent, had it written JSON.
//
// What it reads, anybody may have written. The libraries for these forms
// believe the counts and sizes in them, and a process that asks for too much
// memory ends, which nothing recovers from. So everything here is read from
// slices, whose bounds Go checks, and each size is compared with what there is
// or taken from a budget before anything is made of it.
package columnfile

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"
	"runtime"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/lakeward/lakeward/ingest/jsontext"
)

// Limits bound what some bytes may become.
type Limits struct {
	Rows int
	// Text is how many bytes all rows may have as JSON, with one more for each
	// value, null or not.
	Text int
	// Held is how many bytes of values are in memory at once, about.
	Held int
}

// A Reader yields rows.
type Reader interface {
	// Next is the next row, valid until the one after it, or io.EOF. After
	// another error there is nothing more.
	Next() ([]byte, error)
}

// Errors of what is read.
var (
	ErrDamaged = errors.New("it is damaged")
	ErrTooMuch = errors.New("it holds too much: divide it")
)

const (
	mostDepth   = 64 // of types in types
	mostFields  = 10_000
	mostScale   = 1000 // of decimals, either way
	mostDecimal = 64   // bytes of a decimal
)

// fail ends decoding with an error, which guarded returns. Decoding looks at a
// great many bytes, none of which can be believed; so can be an index beyond
// what there is.
func fail(err error, format string, args ...any) {
	panic(failure{fmt.Errorf("%w: "+format, append([]any{err}, args...)...)})
}

type failure struct{ err error }

// guarded does f, and returns what it failed with.
func guarded(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.err
		case runtime.Error: // an index, or a slice
			err = fmt.Errorf("%w: %w", ErrDamaged, r)
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

// budget is what is left of Limits.
type budget struct{ Limits }

// hold takes memory for n things of size bytes.
func (b *budget) hold(n, size int) {
	if n < 0 || n > b.Held/size {
		fail(ErrTooMuch, "its values take more memory than is granted")
	}
	b.Held -= n * size
}

// visit counts a value that is looked at, which costs something even if nothing
// is written; dst is the row so far.
func (b *budget) visit(dst []byte) {
	if b.Text--; b.Text < len(dst) {
		fail(ErrTooMuch, "it has more than is granted as JSON")
	}
}

// row begins a row.
func (b *budget) row() {
	if b.Rows--; b.Rows < 0 {
		fail(ErrTooMuch, "it has more rows than are granted")
	}
}

// appendText appends a string, which must be UTF-8.
func appendText(dst, s []byte) []byte {
	if !utf8.Valid(s) {
		fail(ErrDamaged, "a text is not UTF-8")
	}
	return jsontext.Append(dst, s)
}

func appendBase64(dst, b []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), b), '"')
}

// appendFloat writes what JSON has no number for as text.
func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(strconv.AppendFloat(append(dst, '"'), f, 'g', -1, bits), '"')
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

// appendHalf is appendFloat of an IEEE 754 number of 16 bits.
func appendHalf(dst []byte, h uint16) []byte {
	exponent, fraction := int(h>>10&31), float64(h&1023)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(fraction, -24)
	case 31:
		if f = math.Inf(1); fraction > 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(1024+fraction, exponent-25)
	}
	if h>>15 == 1 {
		f = -f
	}
	return appendFloat(dst, f, 32)
}

// appendDecimal writes a number of which scale digits are behind the point.
func appendDecimal(dst []byte, n *big.Int, scale int) []byte {
	if n.Sign() < 0 {
		dst = append(dst, '-')
	}
	digits := new(big.Int).Abs(n).Append(nil, 10)
	switch {
	case scale <= 0:
		dst = append(dst, digits...)
		if n.Sign() != 0 {
			dst = append(dst, bytes.Repeat([]byte{'0'}, -scale)...)
		}
		return dst
	case len(digits) <= scale:
		digits = append(bytes.Repeat([]byte{'0'}, scale+1-len(digits)), digits...)
	}
	point := len(digits) - scale
	return append(append(append(dst, digits[:point]...), '.'), digits[point:]...)
}

// bigOf is a number in two's complement, the most significant byte first.
func bigOf(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// A unit is how many there are in a second, as Arrow and Parquet count them.
const (
	seconds = 1
	millis  = 1000
	micros  = 1_000_000
	nanos   = 1_000_000_000
)

// split is a count of units as whole seconds and nanoseconds.
func split(n, unit int64) (sec, nano int64) {
	sec, rest := n/unit, n%unit
	if rest < 0 {
		sec, rest = sec-1, rest+unit
	}
	return sec, rest * (nanos / unit)
}

// appendTimestamp writes a time since 1970; utc is whether it is an instant, and
// not what a clock showed somewhere.
func appendTimestamp(dst []byte, n, unit int64, utc bool) []byte {
	sec, nano := split(n, unit)
	return appendInstant(dst, sec, nano, utc)
}

func appendInstant(dst []byte, sec, nano int64, utc bool) []byte {
	layout := `"2006-01-02T15:04:05.999999999"`
	if utc {
		layout = `"2006-01-02T15:04:05.999999999Z"`
	}
	return time.Unix(sec, nano).UTC().AppendFormat(dst, layout)
}

// floorDays is how many days there are in seconds, of either sign.
func floorDays(sec int64) int64 {
	days := sec / 86400
	if sec%86400 < 0 {
		days--
	}
	return days
}

func appendDate(dst []byte, days int64) []byte {
	return time.Unix(days*86400, 0).UTC().AppendFormat(dst, `"2006-01-02"`)
}

func appendTimeOfDay(dst []byte, n, unit int64) []byte {
	return time.Unix(split(n, unit)).UTC().AppendFormat(dst, `"15:04:05.999999999"`)
}

// appendKey appends the name of a map's entry, from its key as JSON.
func appendKey(dst, key []byte) []byte {
	if len(key) > 0 && key[0] == '"' {
		return append(append(dst, key...), ':')
	}
	return append(jsontext.Append(dst, key), ':')
}

// keyOf is a name as it stands in an object.
func keyOf(name []byte) []byte { return append(appendText(nil, name), ':') }

// comma divides the parts of an object or an array.
func comma(dst []byte) []byte {
	if c := dst[len(dst)-1]; c != '{' && c != '[' {
		dst = append(dst, ',')
	}
	return dst
}

// Kind is the name of the form that data begins like; empty: neither.
func Kind(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("PAR1")):
		return "parquet"
	case bytes.HasPrefix(head, []byte("ARROW1\x00\x00")),
		len(head) >= 8 && bytes.HasPrefix(head, []byte("\xff\xff\xff\xff")) && head[7] == 0 && head[4]|head[5]|head[6] != 0:
		return "arrow"
	}
	return ""
}
