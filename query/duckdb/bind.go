package duckdb

import (
	"encoding/json"
	"fmt"
	"time"

	duck "github.com/duckdb/duckdb-go-bindings"
)

func bindAll(stmt duck.PreparedStatement, args []any) error {
	if n := int(duck.NParams(stmt)); n != len(args) {
		return fmt.Errorf("statement has %d parameters, %d values were given", n, len(args))
	}
	for i, a := range args {
		v, err := newValue(a)
		if err != nil {
			return fmt.Errorf("parameter %d: %w", i+1, err)
		}
		state := duck.BindValue(stmt, duck.IdxT(i+1), v)
		duck.DestroyValue(&v)
		if state == duck.StateError {
			return fmt.Errorf("bind parameter %d: %s", i+1, duck.PrepareError(stmt))
		}
	}
	return nil
}

// newValue returns a DuckDB value, which the caller destroys.
func newValue(a any) (duck.Value, error) {
	switch v := a.(type) {
	case nil:
		return duck.CreateNullValue(), nil
	case bool:
		return duck.CreateBool(v), nil
	case int:
		return duck.CreateInt64(int64(v)), nil
	case int32:
		return duck.CreateInt32(v), nil
	case int64:
		return duck.CreateInt64(v), nil
	case uint64:
		return duck.CreateUInt64(v), nil
	case float64:
		return duck.CreateDouble(v), nil
	case string:
		return duck.CreateVarcharLength(v, duck.IdxT(len(v))), nil
	case []byte:
		return duck.CreateBlob(v), nil
	case json.RawMessage:
		return duck.CreateVarcharLength(string(v), duck.IdxT(len(v))), nil
	case time.Time:
		return duck.CreateTimestampTZ(duck.NewTimestamp(v.UnixMicro())), nil
	case time.Duration:
		return duck.CreateInterval(duck.NewInterval(0, 0, v.Microseconds())), nil
	case []string:
		return listValue(duck.TypeVarchar, v)
	case []int64:
		return listValue(duck.TypeBigInt, v)
	case []float64:
		return listValue(duck.TypeDouble, v)
	default:
		return duck.Value{}, fmt.Errorf("no SQL value for Go type %T", a)
	}
}

func listValue[T any](child duck.Type, items []T) (duck.Value, error) {
	t := duck.CreateLogicalType(child)
	defer duck.DestroyLogicalType(&t)
	values := make([]duck.Value, 0, len(items))
	defer func() {
		for i := range values {
			duck.DestroyValue(&values[i])
		}
	}()
	for _, it := range items {
		v, err := newValue(it)
		if err != nil {
			return v, err
		}
		values = append(values, v)
	}
	return duck.CreateListValue(t, values), nil
}
