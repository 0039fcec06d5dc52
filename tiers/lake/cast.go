package lake

import (
	"context"
	"fmt"
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// castTo is an array in another type, with the same values: one that the type
// does not hold is an error. The caller releases it. Decimals are cast here:
// arrow-go panics for those that grow beyond 128 bits.
func castTo(ctx context.Context, a arrow.Array, t arrow.DataType) (arrow.Array, error) {
	if arrow.TypeEqual(a.DataType(), t) {
		if d, ok := a.(*array.Decimal128); ok {
			return a, within(d)
		}
		a.Retain()
		return a, nil
	}
	_, decimal := a.(*array.Decimal128)
	switch want := t.(type) {
	case *arrow.Decimal128Type:
		return toDecimal(a, want)
	case *arrow.Int64Type:
		if decimal {
			return toLong(a)
		}
	case *arrow.ListType:
		if l, ok := a.(*array.List); ok {
			return castBelow(ctx, l, t, want.Elem())
		}
	case *arrow.StructType:
		if s, ok := a.(*array.Struct); ok && s.NumField() == want.NumFields() {
			types := make([]arrow.DataType, want.NumFields())
			for i := range types {
				types[i] = want.Field(i).Type
			}
			return castBelow(ctx, s, t, types...)
		}
	}
	return compute.CastArray(ctx, a, compute.SafeCastOptions(t))
}

// within retains an array that has no more digits than its type: what the engine
// computes in 128 bits may have 39.
func within(a *array.Decimal128) error {
	p := a.DataType().(*arrow.Decimal128Type).Precision
	for i := range a.Len() {
		if a.IsValid(i) && !a.Value(i).FitsInPrecision(p) {
			return fmt.Errorf("%s does not fit: cast it in the pipeline to DOUBLE or VARCHAR", a.Value(i).BigInt())
		}
	}
	a.Retain()
	return nil
}

// castBelow casts the children of an array.
func castBelow(ctx context.Context, a arrow.Array, t arrow.DataType, types ...arrow.DataType) (arrow.Array, error) {
	d := a.Data()
	children := make([]arrow.ArrayData, len(types))
	for i, below := range d.Children() {
		child := array.MakeFromData(below)
		cast, err := castTo(ctx, child, types[i])
		child.Release()
		if err != nil {
			return nil, err
		}
		defer cast.Release()
		children[i] = cast.Data()
	}
	out := array.NewData(t, d.Len(), d.Buffers(), children, d.NullN(), d.Offset())
	defer out.Release()
	return array.MakeFromData(out), nil
}

func toDecimal(a arrow.Array, t *arrow.Decimal128Type) (arrow.Array, error) {
	ten := big.NewInt(10)
	pow := func(n int32) *big.Int { return new(big.Int).Exp(ten, big.NewInt(int64(max(n, 0))), nil) }
	var scale int32
	if d, ok := a.DataType().(*arrow.Decimal128Type); ok {
		scale = d.Scale
	}
	up, down, most := pow(t.Scale-scale), pow(scale-t.Scale), pow(t.Precision)
	b := array.NewDecimal128Builder(memory.DefaultAllocator, t)
	defer b.Release()
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
			continue
		}
		n, ok := whole(a, i)
		if !ok {
			return nil, fmt.Errorf("%s holds no whole numbers", a.DataType())
		}
		n, rest := n.Mul(n, up), new(big.Int)
		if n.QuoRem(n, down, rest); rest.Sign() != 0 || n.CmpAbs(most) >= 0 {
			return nil, fmt.Errorf("%s does not fit: cast it in the pipeline to DOUBLE or VARCHAR", a.ValueStr(i))
		}
		b.Append(decimal128.FromBigInt(n))
	}
	return b.NewArray(), nil
}

func toLong(a arrow.Array) (arrow.Array, error) {
	one := &arrow.Decimal128Type{Precision: 38}
	whole, err := toDecimal(a, one)
	if err != nil {
		return nil, err
	}
	defer whole.Release()
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	for i := range whole.Len() {
		if whole.IsNull(i) {
			b.AppendNull()
			continue
		}
		n := whole.(*array.Decimal128).Value(i).BigInt()
		if !n.IsInt64() {
			return nil, fmt.Errorf("%s does not fit: cast it in the pipeline to DOUBLE or VARCHAR", n)
		}
		b.Append(n.Int64())
	}
	return b.NewArray(), nil
}

// whole is a value's digits as a number, the caller's to change.
func whole(a arrow.Array, i int) (*big.Int, bool) {
	switch t := a.(type) {
	case *array.Decimal128:
		return t.Value(i).BigInt(), true
	case *array.Int64:
		return big.NewInt(t.Value(i)), true
	case *array.Int32:
		return big.NewInt(int64(t.Value(i))), true
	case *array.Int16:
		return big.NewInt(int64(t.Value(i))), true
	case *array.Int8:
		return big.NewInt(int64(t.Value(i))), true
	case *array.Uint64:
		return new(big.Int).SetUint64(t.Value(i)), true
	case *array.Uint32:
		return big.NewInt(int64(t.Value(i))), true
	case *array.Uint16:
		return big.NewInt(int64(t.Value(i))), true
	case *array.Uint8:
		return big.NewInt(int64(t.Value(i))), true
	}
	return nil, false
}
