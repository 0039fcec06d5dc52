package analytics

import (
	"fmt"
	"strings"

	"github.com/lakeward/lakeward/query/quote"
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
			parts[i] = quote.Ident(f.Name) + " " + sqlType(f.Type)
		}
		return "STRUCT(" + strings.Join(parts, ", ") + ")"
	case tiers.KindList:
		return sqlType(t.Elem.Type) + "[]"
	case tiers.KindDecimal:
		if t.Scale == 0 { // what the engine makes of a sum, and computes with as with a BIGINT
			return "HUGEINT"
		}
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
	}
	return sqlTypes[t.Kind]
}

// widen returns the type that holds both, and what ALTER TABLE ADD COLUMN must
// add below path for it. Only structs grow; a whole number fits a double.
func widen(held, want tiers.Type, path string) (tiers.Type, []string, bool) {
	switch {
	case held.Kind != tiers.KindList && held.Kind != tiers.KindStruct:
		return held, nil, held.Takes(want)
	case held.Kind != want.Kind:
		return held, nil, false
	case held.Kind == tiers.KindList:
		e, adds, ok := widen(held.Elem.Type, want.Elem.Type, path+".element")
		return tiers.Type{Kind: tiers.KindList, Elem: &tiers.Field{Name: "element", Type: e}}, adds, ok
	}
	grown := tiers.Type{Kind: tiers.KindStruct, Fields: append([]tiers.Field(nil), held.Fields...)}
	var adds []string
	for _, w := range want.Fields {
		at := member(held.Fields, w.Name)
		if at < 0 {
			grown.Fields = append(grown.Fields, tiers.Field{Name: w.Name, Type: w.Type})
			adds = append(adds, path+"."+quote.Ident(w.Name)+" "+sqlType(w.Type))
			continue
		}
		t, more, ok := widen(held.Fields[at].Type, w.Type, path+"."+quote.Ident(held.Fields[at].Name))
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
