package analytics

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/lakeward/lakeward/tiers"
)

type column struct {
	name string
	typ  tiers.Type
}

func (c column) kind() tiers.Kind { return c.typ.Kind }

// find returns the index of a column, or -1. Names differ by more than case,
// as in the engine.
func find(cols []column, name string) int {
	for i, c := range cols {
		if strings.EqualFold(c.name, name) {
			return i
		}
	}
	return -1
}

var sqlTypes = map[tiers.Kind]string{
	tiers.KindBool: "BOOLEAN", tiers.KindLong: "BIGINT", tiers.KindDouble: "DOUBLE", tiers.KindString: "VARCHAR",
	tiers.KindBinary: "BLOB", tiers.KindDate: "DATE", tiers.KindTimestamp: "TIMESTAMP WITH TIME ZONE",
}

func sqlType(t tiers.Type) string {
	switch t.Kind {
	case tiers.KindStruct:
		parts := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			parts[i] = ident(f.Name) + " " + sqlType(f.Type)
		}
		return "STRUCT(" + strings.Join(parts, ", ") + ")"
	case tiers.KindList:
		return sqlType(t.Elem.Type) + "[]"
	}
	return sqlTypes[t.Kind]
}

// storedType is the type of the tier that holds an Arrow type's values: whole
// numbers become long, others double.
func storedType(t arrow.DataType) (tiers.Type, error) {
	switch t := t.(type) {
	case *arrow.Decimal128Type:
		if t.Scale == 0 {
			return tiers.Type{Kind: tiers.KindLong}, nil
		}
		return tiers.Type{Kind: tiers.KindDouble}, nil
	case *arrow.DictionaryType:
		return storedType(t.ValueType)
	case arrow.ExtensionType:
		return storedType(t.StorageType())
	case *arrow.StructType:
		return storedStruct(t)
	case *arrow.MapType:
		return tiers.Type{}, errors.New("a map cannot be stored: use to_json(...) or a list of structs")
	case arrow.ListLikeType:
		e, err := storedType(t.Elem())
		return tiers.Type{Kind: tiers.KindList, Elem: &tiers.Field{Name: "element", Type: e}}, err
	}
	k := scalarKind(t.ID())
	if k == tiers.KindInvalid {
		return tiers.Type{}, fmt.Errorf("the type %s cannot be stored: cast it to a number, text or time", t)
	}
	return tiers.Type{Kind: k}, nil
}

func storedStruct(t *arrow.StructType) (tiers.Type, error) {
	out := tiers.Type{Kind: tiers.KindStruct}
	for _, f := range t.Fields() {
		m, err := storedType(f.Type)
		if err != nil {
			return out, fmt.Errorf("member %s: %w", f.Name, err)
		}
		out.Fields = append(out.Fields, tiers.Field{Name: f.Name, Type: m})
	}
	return out, nil
}

func scalarKind(id arrow.Type) tiers.Kind {
	switch {
	case arrow.IsInteger(id), id == arrow.NULL:
		return tiers.KindLong
	case arrow.IsFloating(id):
		return tiers.KindDouble
	}
	switch id {
	case arrow.BOOL:
		return tiers.KindBool
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW:
		return tiers.KindString
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.BINARY_VIEW, arrow.FIXED_SIZE_BINARY:
		return tiers.KindBinary
	case arrow.DATE32, arrow.DATE64:
		return tiers.KindDate
	case arrow.TIMESTAMP:
		return tiers.KindTimestamp
	}
	return tiers.KindInvalid
}

// widen returns the type that holds both, and what ALTER TABLE ADD COLUMN must
// add below path for it. Only structs grow; a whole number fits a double.
func widen(held, want tiers.Type, path string) (tiers.Type, []string, bool) {
	switch {
	case held.Kind == tiers.KindDouble && want.Kind == tiers.KindLong:
		return held, nil, true
	case held.Kind != want.Kind:
		return held, nil, false
	case held.Kind == tiers.KindList:
		e, adds, ok := widen(held.Elem.Type, want.Elem.Type, path+".element")
		return tiers.Type{Kind: tiers.KindList, Elem: &tiers.Field{Name: "element", Type: e}}, adds, ok
	case held.Kind != tiers.KindStruct:
		return held, nil, true
	}
	grown := tiers.Type{Kind: tiers.KindStruct, Fields: append([]tiers.Field(nil), held.Fields...)}
	var adds []string
	for _, w := range want.Fields {
		at := member(held.Fields, w.Name)
		if at < 0 {
			grown.Fields = append(grown.Fields, tiers.Field{Name: w.Name, Type: w.Type})
			adds = append(adds, path+"."+ident(w.Name)+" "+sqlType(w.Type))
			continue
		}
		t, more, ok := widen(held.Fields[at].Type, w.Type, path+"."+ident(held.Fields[at].Name))
		if !ok {
			return held, nil, false
		}
		grown.Fields[at].Type, adds = t, append(adds, more...)
	}
	return grown, adds, true
}

func member(fields []tiers.Field, name string) int {
	for i, f := range fields {
		if strings.EqualFold(f.Name, name) {
			return i
		}
	}
	return -1
}
