package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/lakeward/lakeward/tiers"
)

// encoder turns value i of an array into what the driver writes to a column.
type encoder func(a arrow.Array, i int) (any, error)

func encoderOf(typ string) encoder {
	if d, ok := decimalOf(typ); ok {
		return decimal(d)
	}
	switch typ {
	case typeBool:
		return func(a arrow.Array, i int) (any, error) { return a.(*array.Boolean).Value(i), nil }
	case typeLong:
		return long
	case typeDouble:
		return func(a arrow.Array, i int) (any, error) { return double(a, i) }
	case typeText:
		return func(a arrow.Array, i int) (any, error) { return withoutNul(a.(array.StringLike).Value(i)), nil }
	case typeBinary:
		return func(a arrow.Array, i int) (any, error) { return a.(interface{ Value(int) []byte }).Value(i), nil }
	case typeDate:
		return date
	case typeTime:
		return moment
	default:
		return nested
	}
}

// encode is the value in the form of the column, nil for null.
func encode(enc encoder, a arrow.Array, i int) (any, error) {
	for {
		if a.IsNull(i) {
			return nil, nil
		}
		switch t := a.(type) {
		case *array.Dictionary:
			a, i = t.Dictionary(), t.GetValueIndex(i)
		case array.ExtensionArray:
			a = t.Storage()
		default:
			return enc(a, i)
		}
	}
}

// withoutNul replaces the one character that PostgreSQL's text cannot hold.
func withoutNul(s string) string {
	if strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}

func long(a arrow.Array, i int) (any, error) {
	n, err := whole(a, i)
	if err != nil {
		return nil, err
	}
	if !n.IsInt64() {
		return nil, fmt.Errorf("%s is beyond a bigint: cast it in the pipeline to DOUBLE or VARCHAR", n)
	}
	return n.Int64(), nil
}

// decimal refuses what the server would: there, it is not said of which row.
func decimal(t tiers.Type) encoder {
	pow := func(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
	most := pow(t.Precision)
	return func(a arrow.Array, i int) (any, error) {
		n, err := whole(a, i)
		if err != nil {
			return nil, err
		}
		scale := 0
		if d, ok := a.DataType().(arrow.DecimalType); ok {
			scale = int(d.GetScale())
		}
		if n = new(big.Int).Mul(n, pow(max(t.Scale-scale, 0))); n.CmpAbs(most) >= 0 {
			return nil, fmt.Errorf("%s is beyond a numeric(%d,%d): cast it in the pipeline to DOUBLE or VARCHAR", a.ValueStr(i),
				t.Precision, t.Scale)
		}
		return pgtype.Numeric{Int: n, Exp: int32(-max(t.Scale, scale)), Valid: true}, nil
	}
}

func whole(a arrow.Array, i int) (*big.Int, error) {
	switch t := a.(type) {
	case *array.Int64:
		return big.NewInt(t.Value(i)), nil
	case *array.Int32:
		return big.NewInt(int64(t.Value(i))), nil
	case *array.Int16:
		return big.NewInt(int64(t.Value(i))), nil
	case *array.Int8:
		return big.NewInt(int64(t.Value(i))), nil
	case *array.Uint64:
		return new(big.Int).SetUint64(t.Value(i)), nil
	case *array.Uint32:
		return big.NewInt(int64(t.Value(i))), nil
	case *array.Uint16:
		return big.NewInt(int64(t.Value(i))), nil
	case *array.Uint8:
		return big.NewInt(int64(t.Value(i))), nil
	case *array.Decimal128:
		return t.Value(i).BigInt(), nil
	}
	return nil, fmt.Errorf("an array of %s holds no whole numbers", a.DataType())
}

func double(a arrow.Array, i int) (float64, error) {
	switch t := a.(type) {
	case *array.Float64:
		return t.Value(i), nil
	case *array.Float32:
		return float64(t.Value(i)), nil
	case *array.Float16:
		return float64(t.Value(i).Float32()), nil
	case *array.Decimal128:
		return t.Value(i).ToFloat64(t.DataType().(*arrow.Decimal128Type).Scale), nil
	}
	n, err := whole(a, i)
	if err != nil {
		return 0, err
	}
	f, _ := new(big.Float).SetInt(n).Float64()
	return f, nil
}

func date(a arrow.Array, i int) (any, error) {
	switch t := a.(type) {
	case *array.Date32:
		return t.Value(i).ToTime(), nil
	case *array.Date64:
		return t.Value(i).ToTime(), nil
	}
	return nil, fmt.Errorf("an array of %s holds no dates", a.DataType())
}

// The engine's infinite times, in microseconds.
const (
	never  = math.MaxInt64
	always = -math.MaxInt64
)

func moment(a arrow.Array, i int) (any, error) {
	t, ok := a.(*array.Timestamp)
	if !ok {
		return nil, fmt.Errorf("an array of %s holds no times", a.DataType())
	}
	switch v := t.Value(i); v {
	case never:
		return pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}, nil
	case always:
		return pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}, nil
	default:
		return v.ToTime(t.DataType().(*arrow.TimestampType).Unit).Truncate(time.Microsecond), nil
	}
}

// nested is the JSON of a struct, list or map, or a text that is JSON; another
// text is a JSON string.
func nested(a arrow.Array, i int) (any, error) {
	if t, ok := a.(array.StringLike); ok && json.Valid([]byte(t.Value(i))) {
		return jsonWithoutNul(t.Value(i)), nil
	}
	text, err := json.Marshal(a.GetOneForMarshal(i))
	if err != nil {
		return nil, fmt.Errorf("encode as JSON: %w", err)
	}
	return jsonWithoutNul(string(text)), nil
}

// jsonWithoutNul replaces the escape that jsonb refuses, not the text of one.
func jsonWithoutNul(s string) string {
	const nul = `\u0000`
	if !strings.Contains(s, nul) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			b.WriteByte(s[i])
		case strings.HasPrefix(s[i:], nul):
			b.WriteString(`\ufffd`)
			i += len(nul) - 1
		default: // an escape and what it escapes
			b.WriteString(s[i : i+2])
			i++
		}
	}
	return b.String()
}

// taken are the rows of a write, read once and kept for every attempt.
type taken struct {
	batches []arrow.RecordBatch
	rows    int64
}

// maxWrite bounds what a write holds, in bytes: the tier is for small results.
const maxWrite = 512 << 20

var errLarge = errors.New("the rows of one write are more than 512MiB: write them to the lake, or fewer of them")

func take(r array.RecordReader) (*taken, error) {
	t := &taken{}
	var size int64
	for r.Next() {
		rec := r.RecordBatch()
		rec.Retain()
		t.batches = append(t.batches, rec)
		t.rows += rec.NumRows()
		if size += sizeOf(rec); size > maxWrite {
			t.release()
			return nil, errLarge
		}
	}
	if err := r.Err(); err != nil {
		t.release()
		return nil, err
	}
	return t, nil
}

func sizeOf(rec arrow.RecordBatch) int64 {
	var n int64
	for _, c := range rec.Columns() {
		n += int64(c.Data().SizeInBytes())
	}
	return n
}

func (t *taken) release() {
	for _, b := range t.batches {
		b.Release()
	}
	t.batches = nil
}

// copying feeds COPY. Each row is the columns, then the tail.
type copying struct {
	of       *taken
	encoders []encoder
	names    []string
	tail     func(row int64) []any

	batch, next int
	row         int64
	values      []any
	err         error
}

// Next implements pgx.CopyFromSource.
func (c *copying) Next() bool {
	for c.batch < len(c.of.batches) && c.next >= int(c.of.batches[c.batch].NumRows()) {
		c.batch, c.next = c.batch+1, 0
	}
	if c.err != nil || c.batch >= len(c.of.batches) {
		return false
	}
	rec := c.of.batches[c.batch]
	c.values = c.values[:0]
	for i, enc := range c.encoders {
		v, err := encode(enc, rec.Column(i), c.next)
		if err != nil {
			c.err = &rowError{fmt.Errorf("column %s of row %d: %w", c.names[i], c.row+1, err)}
			return false
		}
		c.values = append(c.values, v)
	}
	c.values = append(c.values, c.tail(c.row)...)
	c.next++
	c.row++
	return true
}

// Values implements pgx.CopyFromSource.
func (c *copying) Values() ([]any, error) { return c.values, nil }

// Err implements pgx.CopyFromSource.
func (c *copying) Err() error { return c.err }

// rowError is a value that no attempt will write.
type rowError struct{ err error }

func (e *rowError) Error() string { return e.err.Error() }
func (e *rowError) Unwrap() error { return e.err }
