package tiers

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

const (
	decimalDigits = 38 // the most digits of a decimal, here as in Iceberg
	longDigits    = 18 // a whole number of so many digits is a long
	doubleDigits  = 15 // a double gives back so many digits as they were
)

// Decimal is the type of numbers with up to 38 digits, scale of them after the
// point.
func Decimal(precision, scale int) Type {
	return Type{Kind: KindDecimal, Precision: precision, Scale: scale}
}

// StoredType is the type in which every tier stores an Arrow type's values. No
// digit is lost: numbers that neither a long nor a double gives back are decimals.
func StoredType(t arrow.DataType) (Type, error) {
	switch t := t.(type) {
	case arrow.DecimalType:
		return storedDecimal(t)
	case *arrow.DictionaryType:
		return StoredType(t.ValueType)
	case arrow.ExtensionType:
		return StoredType(t.StorageType())
	case *arrow.StructType:
		return storedStruct(t)
	case *arrow.MapType:
		return Type{}, errors.New("a map cannot be stored: use to_json(...) or a list of structs")
	case arrow.ListLikeType:
		e, err := StoredType(t.Elem())
		return Type{Kind: KindList, Elem: &Field{Name: "element", Type: e}}, err
	}
	if t.ID() == arrow.UINT64 {
		return Decimal(20, 0), nil
	}
	k := storedKind(t.ID())
	if k == KindInvalid {
		return Type{}, fmt.Errorf("the type %s cannot be stored: cast it to a number, text or time", t)
	}
	return Type{Kind: k}, nil
}

// storedDecimal keeps short numbers what people compute with. Sums have all 38
// digits, and so do the columns for long numbers, which then do not grow.
func storedDecimal(t arrow.DecimalType) (Type, error) {
	p, s := int(t.GetPrecision()), int(t.GetScale())
	switch {
	case p > decimalDigits || s < 0:
		return Type{}, fmt.Errorf("the type %s cannot be stored: cast it to DECIMAL(%d,%d) or VARCHAR", t, decimalDigits,
			max(s, 0))
	case s == 0 && p <= longDigits:
		return Type{Kind: KindLong}, nil
	case s > 0 && p <= doubleDigits:
		return Type{Kind: KindDouble}, nil
	}
	return Decimal(decimalDigits, s), nil
}

func storedStruct(t *arrow.StructType) (Type, error) {
	out := Type{Kind: KindStruct}
	for _, f := range t.Fields() {
		m, err := StoredType(f.Type)
		if err != nil {
			return out, fmt.Errorf("member %s: %w", f.Name, err)
		}
		out.Fields = append(out.Fields, Field{Name: f.Name, Type: m})
	}
	return out, nil
}

func storedKind(id arrow.Type) Kind {
	switch {
	case arrow.IsInteger(id), id == arrow.NULL:
		return KindLong
	case arrow.IsFloating(id):
		return KindDouble
	}
	switch id {
	case arrow.BOOL:
		return KindBool
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW:
		return KindString
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.BINARY_VIEW, arrow.FIXED_SIZE_BINARY:
		return KindBinary
	case arrow.DATE32, arrow.DATE64:
		return KindDate
	case arrow.TIMESTAMP:
		return KindTimestamp
	}
	return KindInvalid
}

// Takes reports whether a column of the type takes scalar values of another; it
// keeps its type. A double takes every number, as near as it can. A long and a
// decimal take numbers with no more digits after the point than their own: one
// that is too large is the write's error. So a column that an older version
// made of sums goes on.
func (t Type) Takes(want Type) bool {
	switch t.Kind {
	case KindDouble:
		return want.number()
	case KindLong, KindDecimal:
		return want.number() && want.Kind != KindDouble && want.Scale <= t.Scale
	}
	return t.Kind == want.Kind
}

func (t Type) number() bool {
	return t.Kind == KindLong || t.Kind == KindDouble || t.Kind == KindDecimal
}
